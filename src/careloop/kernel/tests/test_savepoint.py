"""A part of an action that is taken back alone takes its facts with it."""

from __future__ import annotations

import pytest

from careloop.audit.models import AuditEvent
from careloop.audit.record import seen
from careloop.kernel.actions import WriteOutsideAction, action, savepoint, seeding
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db


@action
def look_at(*, whats: list[str], by: Viewer) -> None:
    """Each in a part of its own; "bad" breaks after it has recorded."""
    for what in whats:
        try:
            with savepoint():
                seen(patient_id=uuid7(), what=what, by=by)
                if what.startswith("bad"):
                    raise ValueError(what)
        except ValueError:
            continue


def recorded() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("payload__what", flat=True))


@pytest.mark.parametrize(
    ("whats", "kept"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["a", "bad", "b"], ["a", "b"]),
        (["bad"], []),
        (["bad1", "bad2", "c"], ["c"]),
    ],
)
def test_what_is_taken_back_leaves_no_fact(whats: list[str], kept: list[str]):
    look_at(whats=whats, by=SYSTEM)
    assert recorded() == kept


def test_parts_within_parts():
    @action
    def nested(*, by: Viewer) -> None:
        """The outer part breaks after the inner one went well."""
        seen(patient_id=uuid7(), what="first", by=by)
        with pytest.raises(ValueError, match="outer"), savepoint():
            with savepoint():
                seen(patient_id=uuid7(), what="inner", by=by)
            raise ValueError("outer")

    nested(by=SYSTEM)
    assert recorded() == ["first"]


def test_outside_an_action_there_is_nothing_to_take_back():
    with pytest.raises(WriteOutsideAction), savepoint():
        pass


def test_while_seeding_it_is_written_at_once():
    with seeding(), savepoint():
        seen(patient_id=uuid7(), what="seed", by=SYSTEM)
    assert recorded() == ["seed"]

"""Who is asked how satisfied they were, and who is left in peace."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from careloop.plans.rules.enrolment import DischargeFacts
from careloop.plans.rules.surveys import Asking, Unasked, unasked

HOME = date(2026, 11, 13)
NOTHING_ELSE = Asking()
STAY = DischargeFacts(HOME, encounter_class="IMP", disposition="home")


def why(*, days: int = 3, interval: int = 90, asking: Asking = NOTHING_ELSE, **changed: object) -> Unasked | None:
    facts = replace(STAY, **changed)
    return unasked(facts, asking, today=HOME + timedelta(days=days), interval_days=interval)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, Unasked.TOO_EARLY), (2, Unasked.TOO_EARLY), (3, None), (14, None), (15, Unasked.TOO_LATE),
    ],
)  # fmt: skip
def test_from_the_third_day_to_the_fourteenth(days: int, expected: Unasked | None) -> None:
    assert why(days=days) is expected


@pytest.mark.parametrize(
    "changed",
    [
        {"is_deceased": True}, {"disposition": "died"}, {"has_refused": True}, {"disposition": "against-advice"},
        {"disposition": "other-hospital"}, {"is_cancelled": True}, {"is_finished": False}, {"discharged_on": None},
    ],
)  # fmt: skip
def test_nobody_who_must_not_be_contacted(changed: dict[str, object]) -> None:
    assert why(**changed) is Unasked.EXCLUDED


def test_neither_declined_nor_sensitive_nor_in_bed() -> None:
    assert why(is_declined=True) is Unasked.DECLINED
    assert why(asking=Asking(is_sensitive=True)) is Unasked.SENSITIVE
    assert why(asking=Asking(is_in_bed=True)) is Unasked.IN_BED


@pytest.mark.parametrize(
    ("ago", "interval", "expected"),
    [
        (0, 90, Unasked.ASKED_LATELY), (89, 90, Unasked.ASKED_LATELY), (90, 90, None), (10, 7, None), (0, 0, None),
    ],
)  # fmt: skip
def test_once_in_the_interval(ago: int, interval: int, expected: Unasked | None) -> None:
    asked = Asking(asked_on=(HOME + timedelta(days=3 - ago), HOME - timedelta(days=900)))
    assert why(asking=asked, interval=interval) is expected

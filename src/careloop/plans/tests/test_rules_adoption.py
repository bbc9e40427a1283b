"""Until when an adoption can be taken back. Every reason that stands in the way, alone and before the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.plans.reads.wording import adoption_words
from careloop.plans.rules.adoption import UNDO_WITHIN, Item, Standing, Stands, undo_until, why_it_stands

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
FRESH = Standing(
    adopted_at=AT, is_undone=False, plan_is_over=False, is_in_version=True, status_as_then=True, tasks_as_then=True,
    items=(Item(is_open=True), Item(is_open=True)),
)  # fmt: skip
WRONG: dict[str, tuple[dict[str, object], Stands]] = {
    "undone": ({"is_undone": True}, Stands.UNDONE),
    "over": ({"plan_is_over": True}, Stands.PLAN_OVER),
    "other": ({"is_in_version": False}, Stands.OTHER_VERSION),
    "paused": ({"status_as_then": False}, Stands.PAUSED),
    "tasks": ({"tasks_as_then": False}, Stands.ACTED_ON),
    "item": ({"items": (Item(is_open=True), Item(is_open=False))}, Stands.ACTED_ON),
}


def test_nothing_stands_in_the_way_of_a_fresh_one() -> None:
    assert why_it_stands(FRESH, at=AT) is None
    assert why_it_stands(replace(FRESH, items=()), at=AT) is None


@pytest.mark.parametrize("name", WRONG)
def test_each_reason_alone(name: str) -> None:
    change, why = WRONG[name]
    assert why_it_stands(replace(FRESH, **change), at=AT) is why


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (timedelta(0), None),
        (UNDO_WITHIN, None),  # the last moment counts
        (UNDO_WITHIN + timedelta(microseconds=1), Stands.TOO_LATE),
        (timedelta(days=365), Stands.TOO_LATE),
    ],
)
def test_a_day_and_no_longer(after: timedelta, why: Stands | None) -> None:
    assert why_it_stands(FRESH, at=AT + after) is why
    assert undo_until(AT) == AT + UNDO_WITHIN


@pytest.mark.parametrize(
    "touched",
    [
        {"is_open": False}, {"attempts": 1}, {"is_in_hand": True}, {"is_snoozed": True}, {"is_promised": True},
        {"message_state": "sent"}, {"message_state": "opened"}, {"message_state": "answered"}, {"has_answers": True},
        {"has_message": True},
    ],
)  # fmt: skip
def test_whatever_anybody_did_with_a_contact_counts(touched: dict[str, object]) -> None:
    item = Item(**{"is_open": True} | touched)
    assert item.was_acted_on
    assert why_it_stands(replace(FRESH, items=(Item(is_open=True), item)), at=AT) is Stands.ACTED_ON


@pytest.mark.parametrize("state", ["", "none", "suppressed"])
def test_a_message_that_never_left_is_no_act(state: str) -> None:
    assert not Item(is_open=True, message_state=state).was_acted_on


@given(st.sets(st.sampled_from(sorted(WRONG))), st.integers(0, 72))
def test_what_nobody_can_change_is_told_first(names: set[str], hours: int) -> None:
    standing = FRESH
    for name in names:
        standing = replace(standing, **WRONG[name][0])
    why = why_it_stands(standing, at=AT + timedelta(hours=hours))
    reasons = [WRONG[name][1] for name in WRONG if name in names]
    assert why is (reasons[0] if reasons else Stands.TOO_LATE if hours > 24 else None)


def test_every_reason_has_words() -> None:
    assert len({adoption_words(why) for why in Stands}) == len(Stands)

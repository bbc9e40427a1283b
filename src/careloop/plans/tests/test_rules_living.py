"""Changes for one patient, endings, the channel ladder, and the comparison of two versions."""

from datetime import UTC, date, datetime, timedelta

import pytest

from careloop.plans.rules.changes import Change, ChangeKind, dump_change, fold, parse_change, undo
from careloop.plans.rules.content import Channel, EndCause, Rung
from careloop.plans.rules.diff import diff_future
from careloop.plans.rules.ending import CAUSE_OF_OUTCOME, PlanState, end_facts, end_reason, nothing_follows
from careloop.plans.rules.ladder import CallNow, Exhausted, Send, Tried, Wait, hours_before_phone, next_move
from careloop.plans.rules.schedule import Anchors, NoMore, Past, Progress
from careloop.plans.tests.factories import DISCHARGED, a_plan, calendar, raw_step

ANCHORS = Anchors(DISCHARGED, DISCHARGED)
NOON = datetime(2026, 11, 16, 4, tzinfo=UTC)
LADDER = (Rung(Channel.WECHAT, 24), Rung(Channel.SMS, 12), Rung(Channel.PHONE, 0))
BOTH = {Channel.WECHAT, Channel.SMS}


def change(kind: ChangeKind, id: str = "c1", **more: object) -> Change:
    return Change(id=id, kind=kind, at="2026-11-14T08:00:00+08:00", by="user:1", **more)


CHANGES = (
    change(ChangeKind.TICK_OFF, "c1", step="month-6"),
    change(ChangeKind.MOVE, "c2", step="day-7", number=0, day=date(2026, 11, 21)),
    change(ChangeKind.MOVE, "c3", step="day-7", number=0, day=date(2026, 11, 22)),
    change(ChangeKind.ADD_VISIT, "c4", title="症状复核", day=date(2026, 11, 23), channel="phone"),
    change(ChangeKind.OWNER, "c5", owner="attending-doctor"),
    change(ChangeKind.TARGET, "c6", name="blood-pressure", value="<130/80"),
)


def test_changes_fold_to_what_holds_now() -> None:
    now = fold(CHANGES)
    assert now.ticked_off == {"month-6"}
    assert now.moved == {("day-7", 0): date(2026, 11, 22)}
    assert [visit.id for visit in now.added] == ["c4"]
    assert (now.owner, now.targets, now.visits_added) == ("attending-doctor", {"blood-pressure": "<130/80"}, 1)


def test_undo_brings_back_what_was_before() -> None:
    assert fold(undo(CHANGES, "c3")).moved == {("day-7", 0): date(2026, 11, 21)}
    assert len(undo(CHANGES, "c3")) == len(CHANGES)
    with pytest.raises(KeyError):
        undo(CHANGES, "c9")
    with pytest.raises(KeyError):
        undo(undo(CHANGES, "c3"), "c3")


def test_changes_survive_storage() -> None:
    assert tuple(parse_change(dump_change(entry)) for entry in undo(CHANGES, "c2")) == undo(CHANGES, "c2")


# --- endings --------------------------------------------------------------------------------------------------------

PLAN = a_plan("p", raw_step("call", "every 30"), ends={"after": "12m", "after_completed": 5, "causes": ["transfer"]})


@pytest.mark.parametrize(
    ("state", "today", "reason"),
    [
        (PlanState(), DISCHARGED, None),
        (PlanState(cause=EndCause.DEATH), DISCHARGED, "death"),
        (PlanState(cause=EndCause.REFUSAL, completed=9), DISCHARGED, "refusal"),
        (PlanState(cause=EndCause.TRANSFER), DISCHARGED, "transfer"),
        (PlanState(cause=EndCause.MOVED), DISCHARGED, None),  # this plan does not name it
        (PlanState(), date(2027, 11, 13), None),
        (PlanState(), date(2027, 11, 14), "date-reached"),
        (PlanState(completed=5), DISCHARGED, "count-reached"),
        (PlanState(nothing_follows=True), DISCHARGED, "steps-done"),
        (PlanState(nothing_follows=True, open_tasks=1), DISCHARGED, None),
    ],
)
def test_when_a_plan_is_over(state: PlanState, today: date, reason: str | None) -> None:
    assert end_reason(PLAN, ANCHORS, state, today=today) == reason


def test_what_ends_the_plan_can_be_shown() -> None:
    assert end_facts(PLAN.ends) == (
        ("after", "12m"),
        ("after-completed", "5"),
        ("death", ""),
        ("refusal", ""),
        ("transfer", ""),
    )


def test_a_step_that_may_still_start_keeps_the_plan_alive() -> None:
    assert nothing_follows([NoMore.USED_UP, NoMore.TICKED_OFF])
    assert not nothing_follows([NoMore.USED_UP, NoMore.ANCHOR_MISSING])
    assert CAUSE_OF_OUTCOME["refused-for-ever"] is EndCause.REFUSAL


# --- channels -------------------------------------------------------------------------------------------------------


def hours(n: int) -> datetime:
    return NOON + timedelta(hours=n)


@pytest.mark.parametrize(
    ("tried", "usable", "at", "move"),
    [
        ([], BOTH, hours(-1), Wait(NOON)),
        ([], BOTH, NOON, Send(Channel.WECHAT)),
        ([], {Channel.SMS}, NOON, Send(Channel.SMS)),
        ([], set(), NOON, CallNow()),
        ([Tried(Channel.WECHAT, NOON)], BOTH, hours(23), Wait(hours(24))),
        ([Tried(Channel.WECHAT, NOON)], BOTH, hours(24), Send(Channel.SMS)),
        ([Tried(Channel.WECHAT, NOON, has_failed=True)], BOTH, hours(1), Send(Channel.SMS)),
        ([Tried(Channel.WECHAT, NOON), Tried(Channel.SMS, hours(24))], BOTH, hours(35), Wait(hours(36))),
        ([Tried(Channel.WECHAT, NOON), Tried(Channel.SMS, hours(24))], BOTH, hours(36), CallNow()),
        ([Tried(Channel.SMS, NOON, has_failed=True)], {Channel.SMS}, hours(1), CallNow()),
    ],
)
def test_the_ladder(tried: list[Tried], usable: set[Channel], at: datetime, move: object) -> None:
    assert next_move(LADDER, tried, usable=usable, starts_at=NOON, at=at) == move


def test_a_ladder_without_a_phone_is_exhausted() -> None:
    tried = [Tried(Channel.SMS, NOON)]
    assert next_move(LADDER[1:2], tried, usable=BOTH, starts_at=NOON, at=hours(12)) == Exhausted()
    assert hours_before_phone(LADDER) == 36
    assert hours_before_phone(LADDER[:2]) is None


# --- versions -------------------------------------------------------------------------------------------------------


def test_the_difference_of_two_versions_is_about_the_future_only() -> None:
    old = a_plan("p", raw_step("a", "3"), raw_step("b", "10"), raw_step("c", "20"), raw_step("d", "40"))
    new = a_plan(
        "p",
        raw_step("a", "5"),
        raw_step("b", "12"),
        raw_step("c", "20", owner="ward-nurse"),
        raw_step("e", "60"),
        version="1.1",
    )
    progress = Progress({"a": [Past(0, date(2026, 11, 16))]})
    found = diff_future(old, new, ANCHORS, progress, calendar(), until=date(2027, 11, 13))
    assert [o.step for o in found.added] == ["e"]
    assert [o.step for o in found.removed] == ["d"]
    assert [(m.before.due.day, m.after.due.day) for m in found.moved] == [(23, 25)]
    assert [m.after.step for m in found.changed] == ["c"]
    assert found.kept == ()
    assert not found.is_empty


def test_the_same_content_has_no_difference() -> None:
    again = diff_future(PLAN, PLAN, ANCHORS, Progress(), calendar(), until=date(2027, 11, 13))
    assert again.is_empty
    assert len(again.kept) == 12

"""What a plan would have cost: load per day and nurse, overlaps, overdue risk. Pure numbers, checked against a slow twin."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.plans.rules.calendar import WEEKDAYS_ONLY
from careloop.plans.rules.replay import (
    CENTRE,
    Capacity,
    Contact,
    Day,
    Pause,
    around_pauses,
    days_of,
    how_reached,
    overlap,
    owner_of,
    peak,
    shared,
)
from careloop.plans.rules.schedule import Anchors, Progress, plan_occurrences
from careloop.plans.tests.factories import a_plan, raw_step

MONDAY = date(2026, 6, 1)
SUNDAY_AFTER = MONDAY + timedelta(days=13)
NEW, OLD = "new", "old"


def contact(day: int, *, plan: str = NEW, patient: int = 1, window: int = 2, **more: object) -> Contact:
    due = MONDAY + timedelta(days=day)
    told = {"owner": CENTRE, "messages_first": False, "messages_only": False} | more
    return Contact(due, due + timedelta(days=window), patient, plan, **told)


def played(
    contacts: list[Contact], nurses: int = 1, per_day: int = 2, answered: float = 0.0
) -> tuple[list[Day], object]:
    return days_of(
        contacts, plan=NEW, first=MONDAY, last=SUNDAY_AFTER, capacity=Capacity(nurses, per_day, answered), calendar=WEEKDAYS_ONLY
    )  # fmt: skip


def test_each_day_tells_own_and_other_contacts() -> None:
    days, _risk = played([contact(0), contact(0, plan=OLD, patient=2), contact(3)])
    assert (days[0].own, days[0].others, days[0].person) == (1, 1, 2)
    assert (days[3].own, days[3].others) == (1, 0)
    assert len(days) == 14


def test_nothing_is_done_at_the_weekend_and_it_waits_for_monday() -> None:
    days, risk = played([contact(5), contact(6)])
    assert [day.waiting for day in days[4:9]] == [0, 1, 2, 0, 0]
    assert not days[5].workday
    assert risk.late == 0


def test_what_does_not_fit_is_overdue_only_after_its_window() -> None:
    days, risk = played([contact(0, patient=n, window=1) for n in range(6)], per_day=2)
    assert [day.waiting for day in days[:3]] == [4, 2, 0]
    assert (risk.person, risk.late, risk.longest_queue) == (6, 2, 4)
    assert risk.share == pytest.approx(1 / 3)


def test_the_window_that_closes_first_comes_first() -> None:
    urgent = contact(1, patient=9, window=0)
    _days, risk = played(
        [contact(0, patient=1, window=9), contact(0, patient=2, window=9), contact(0, patient=3, window=9), urgent],
        per_day=2,
    )
    assert risk.late == 0


def test_risk_without_the_plan_shows_what_the_plan_adds() -> None:
    others = [contact(0, plan=OLD, patient=n, window=0) for n in range(2)]
    own = [contact(0, patient=10 + n, window=0) for n in range(3)]
    _days, risk = played([*others, *own], per_day=2)
    assert (risk.late_without, risk.late) == (0, 3)


def test_contacts_still_waiting_at_the_end_count_when_their_window_has_closed() -> None:
    _days, risk = played([contact(11, patient=n, window=0) for n in range(5)], per_day=1)
    assert risk.late == 4


@pytest.mark.parametrize(("answered", "calls"), [(0.0, 10), (0.5, 5), (0.9, 1), (1.0, 0)])
def test_message_ladders_cost_only_the_share_nobody_answered(answered: float, calls: int) -> None:
    contacts = [contact(n % 5, patient=n, messages_first=True) for n in range(10)]
    _days, risk = played(contacts, per_day=50, answered=answered)
    assert risk.person == calls


def test_messages_without_a_call_and_other_peoples_work_cost_the_centre_nothing() -> None:
    contacts = [contact(0, messages_first=True, messages_only=True), contact(1, owner="ward-nurse"), contact(2)]
    days, risk = played(contacts)
    assert risk.person == 1
    assert [day.own for day in days[:3]] == [1, 1, 1]


def test_work_is_spread_so_that_nobody_has_two_more_than_another() -> None:
    days, _risk = played([contact(0, patient=n) for n in range(7)], nurses=3, per_day=10)
    assert (days[0].fullest, days[0].emptiest) == (3, 2)


@given(st.integers(0, 200), st.lists(st.integers(0, 60), max_size=20))
def test_shares_follow_what_each_can_take(contacts: int, people: list[int]) -> None:
    shares, room = shared(contacts, people), sum(people)
    assert sum(shares) == (contacts if room else 0)
    for share, can in zip(shares, people, strict=True):
        exact = contacts * can / room if room else 0
        assert abs(share - exact) < 1
        assert can or not share
        assert contacts > room or share <= can


@given(st.integers(0, 200), st.integers(1, 20), st.integers(1, 60))
def test_equal_nurses_get_equal_shares(contacts: int, nurses: int, can: int) -> None:
    shares = shared(contacts, [can] * nurses)
    assert max(shares) - min(shares) <= 1


def on_roster(contacts: list[Contact], roster: dict[int, list[int]]) -> tuple[list[Day], object]:
    people = {MONDAY + timedelta(days=n): tuple(can) for n, can in roster.items()}
    return days_of(
        contacts, plan=NEW, first=MONDAY, last=SUNDAY_AFTER, capacity=Capacity(0, 0, 0.0, people), calendar=WEEKDAYS_ONLY
    )  # fmt: skip


def test_the_roster_says_how_much_each_day_holds() -> None:
    days, risk = on_roster([contact(0, patient=n, window=1) for n in range(6)], {0: [1, 0], 1: [2, 1], 2: [40]})
    assert [day.room for day in days[:4]] == [1, 3, 40, 0]
    assert [day.waiting for day in days[:4]] == [5, 2, 0, 0]
    assert (days[1].fullest, days[1].emptiest) == (2, 1)
    assert risk.late == 2


def test_who_is_away_does_not_count_as_the_emptiest() -> None:
    days, _risk = on_roster([contact(0, patient=n) for n in range(4)], {0: [0, 4, 0]})
    assert (days[0].fullest, days[0].emptiest) == (4, 4)


def test_a_day_off_has_no_room_whatever_the_roster_says() -> None:
    days, _risk = on_roster([contact(5)], {5: [40], 6: [40], 7: [40]})
    assert [day.room for day in days[5:8]] == [0, 0, 40]
    assert [day.waiting for day in days[5:8]] == [1, 1, 0]


def test_nobody_on_the_roster_does_nothing() -> None:
    days, risk = on_roster([contact(0, window=0)], {})
    assert days[-1].waiting == 1
    assert risk.late == 1
    assert all(day.fullest == 0 for day in days)


def pause(first: int, until: int) -> Pause:
    return Pause(MONDAY + timedelta(days=first), MONDAY + timedelta(days=until))


def around(pauses: list[Pause], *steps: dict[str, object], until: int = 60) -> list[tuple[str, int, int]]:
    """Step, day and end of window of every contact of somebody discharged on the Monday."""
    anchors = Anchors(MONDAY, MONDAY)
    last = MONDAY + timedelta(days=until)
    found = around_pauses(a_plan("p", *steps), anchors, pauses, WEEKDAYS_ONLY, until=last)
    return [(one.step, (one.due - MONDAY).days, (one.closes - MONDAY).days) for one in found]


@pytest.mark.parametrize(
    ("due", "window", "pauses", "there"),
    [
        (3, 2, [], (3, 5)),
        (3, 2, [pause(4, 9)], (3, 5)),  # the call was before the admission
        (3, 2, [pause(3, 9)], None),  # its window closes in hospital
        (3, 2, [pause(1, 3)], (3, 5)),  # free again on the day of discharge
        (3, 4, [pause(1, 4)], (4, 7)),  # still open: the day of discharge is a Friday
        (3, 4, [pause(1, 5)], (7, 7)),  # discharged on a Saturday: on Monday, which is its last day
        (3, 3, [pause(1, 6)], (7, 7)),  # the window closes on the Sunday of discharge: it was still open
        (3, 9, [pause(1, 5), pause(7, 9)], (9, 12)),  # back again at once
        (3, 4, [pause(1, 5), pause(7, 9)], None),
        (3, 9, [pause(1, 5), pause(5, 6), pause(4, 8)], (8, 12)),  # stays one after the other, and one inside another
        (3, 2, [Pause(MONDAY, date.max)], None),  # still inside
    ],
)
def test_where_a_contact_goes_while_the_patient_is_in_hospital(
    due: int, window: int, pauses: list[Pause], there: tuple[int, int] | None
) -> None:
    step = raw_step("a", str(due), window=[0, window], shift="next-workday")
    assert around(pauses, step) == ([("a", *there)] if there else [])


def test_what_counts_from_the_contact_before_counts_from_where_it_went() -> None:
    """Every ten days after the last one: the one of day 20 is done on day 26, so the next is on day 36, not on day 30."""
    series = raw_step("s", "every 10", anchor="previous-completion", window=[0, 8], times=4)
    assert [day for _step, day, _closes in around([], series)] == [10, 20, 30, 40]
    assert [day for _step, day, _closes in around([pause(18, 26)], series)] == [10, 26, 36, 46]
    by_calendar = raw_step("c", "every 10", window=[0, 8], times=4)
    assert [day for _step, day, _closes in around([pause(18, 26)], by_calendar)] == [10, 26, 30, 40]


def test_a_step_that_waits_for_another_follows_it_out_of_the_hospital() -> None:
    first = raw_step("first", "3", window=[0, 20])
    second = raw_step("second", "14", anchor="previous-completion", of_step="first")
    assert around([pause(2, 9)], first, second) == [("first", 9, 23), ("second", 23, 23)]
    missed = raw_step("first", "3", window=[0, 1])
    assert around([pause(2, 9)], missed, second) == []  # nobody did the first: the second waits for ever


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 15)), max_size=4)
ANY_STEP = st.builds(
    lambda schedule, window, anchor: raw_step("s", schedule, window=[0, window], anchor=anchor, times=6),
    st.sampled_from(["3", "every 7", "5, +9, every 11", "1m"]), st.integers(0, 9),
    st.sampled_from(["discharge", "enrolment", "previous-completion"]),
)  # fmt: skip


@given(SPANS, ANY_STEP)
def test_nobody_is_called_in_hospital_and_no_contact_counts_twice(
    spans: list[tuple[int, int]], step: dict[str, object]
) -> None:
    pauses = [pause(first, first + length) for first, length in sorted(spans)]
    plan, until = a_plan("p", step), MONDAY + timedelta(days=90)
    found = around_pauses(plan, Anchors(MONDAY, MONDAY), pauses, WEEKDAYS_ONLY, until=until)
    numbers = [one.number for one in found]
    assert numbers == sorted(set(numbers))
    assert [one.due for one in found] == sorted(one.due for one in found)
    for one in found:
        assert not any(stay.first <= one.due < stay.until for stay in pauses)
        assert one.planned <= one.due <= one.closes
    if not pauses:
        plain = plan_occurrences(plan, Anchors(MONDAY, MONDAY), Progress(not_before=MONDAY), WEEKDAYS_ONLY, until=until)
        assert found == list(plain)


def test_the_peak_is_the_first_of_the_fullest_days() -> None:
    days, _risk = played([contact(1), contact(1, patient=2), contact(3), contact(3, patient=2)])
    found = peak(days)
    assert found is not None
    assert found.day == MONDAY + timedelta(days=1)
    assert peak([]) is None


# Overlap ---------------------------------------------------------------------------------------------------------------


def test_overlap_counts_the_same_patient_only() -> None:
    found = overlap([contact(0, patient=1), contact(0, plan=OLD, patient=2)], plan=NEW)
    assert (found.same_day_contacts, found.same_week_contacts) == (0, 0)


def test_overlap_tells_day_week_and_with_whom() -> None:
    contacts = [
        contact(0), contact(2), contact(9),  # patient 1, plan under test
        contact(0, plan=OLD), contact(4, plan="third"),
        contact(1, patient=2), contact(1, patient=2, plan=OLD),
    ]  # fmt: skip
    found = overlap(contacts, plan=NEW)
    assert (found.same_day_patients, found.same_day_contacts) == (2, 2)
    assert (found.same_week_patients, found.same_week_contacts) == (2, 3)
    assert found.with_plans == {OLD: 3, "third": 2}


def test_weeks_are_calendar_weeks() -> None:
    assert overlap([contact(6), contact(7, plan=OLD)], plan=NEW).same_week_contacts == 0
    assert overlap([contact(0), contact(6, plan=OLD)], plan=NEW).same_week_contacts == 1


# Against a slow twin ---------------------------------------------------------------------------------------------------

contacts_made = st.lists(
    st.builds(
        contact, st.integers(0, 13), plan=st.sampled_from([NEW, OLD]), patient=st.integers(1, 6), window=st.integers(0, 4),
        owner=st.sampled_from([CENTRE, "ward-nurse"]),
    ),
    max_size=40,
)  # fmt: skip


@given(contacts_made, st.integers(1, 3), st.integers(1, 4))
def test_the_queue_agrees_with_a_slow_one(contacts: list[Contact], nurses: int, per_day: int) -> None:
    days, risk = played(contacts, nurses, per_day)
    waiting: list[Contact] = []
    late = 0
    for n, shown in enumerate(days):
        day = MONDAY + timedelta(days=n)
        waiting += [c for c in contacts if c.due == day and c.owner == CENTRE]
        waiting.sort(key=lambda c: (c.closes, c.due, c.patient, c.plan))
        room = nurses * per_day if day.weekday() < 5 else 0
        late += sum(c.closes < day for c in waiting[:room])
        waiting = waiting[room:]
        assert shown.waiting == len(waiting)
        assert shown.fullest <= per_day
        assert shown.fullest - shown.emptiest <= 1
    late += sum(c.closes < SUNDAY_AFTER for c in waiting)
    assert risk.late == late
    assert risk.person == sum(c.owner == CENTRE for c in contacts)


@given(contacts_made)
def test_overlap_agrees_with_comparing_everything(contacts: list[Contact]) -> None:
    found = overlap(contacts, plan=NEW)
    mine = [c for c in contacts if c.plan == NEW]
    others = [c for c in contacts if c.plan != NEW]
    same_day = [c for c in mine if any(o.patient == c.patient and o.due == c.due for o in others)]
    week = {
        id(c): [o for o in others if o.patient == c.patient and o.due.isocalendar()[:2] == c.due.isocalendar()[:2]]
        for c in mine
    }
    assert found.same_day_contacts == len(same_day)
    assert found.same_day_patients == len({c.patient for c in same_day})
    assert found.same_week_contacts == sum(bool(hits) for hits in week.values())
    assert sum(found.with_plans.values()) == sum(len({o.plan for o in hits}) for hits in week.values())


@given(contacts_made, st.randoms())
def test_the_order_of_contacts_does_not_matter(contacts: list[Contact], dice: object) -> None:
    shuffled = list(contacts)
    dice.shuffle(shuffled)
    assert played(contacts) == played(shuffled)
    assert overlap(contacts, plan=NEW) == overlap(shuffled, plan=NEW)


@given(contacts_made)
def test_more_nurses_never_make_more_overdue(contacts: list[Contact]) -> None:
    late = [played(contacts, nurses=n, per_day=2)[1].late for n in (1, 2, 3)]
    assert late == sorted(late, reverse=True)


@given(contacts_made)
def test_every_contact_is_on_one_day(contacts: list[Contact]) -> None:
    days, _risk = played(contacts)
    assert sum(day.own + day.others for day in days) == len(contacts)
    assert Counter(c.due for c in contacts if c.plan == NEW) == Counter({d.day: d.own for d in days if d.own})


# Steps -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "whose"),
    [
        ("follow-up-centre", CENTRE),
        ("same-nurse", CENTRE),
        ("ward-nurse", "ward-nurse"),
        ("attending-doctor", "attending-doctor"),
    ],
)
def test_whose_work_a_step_is(owner: str, whose: str) -> None:
    assert owner_of(a_plan("x", raw_step("a", owner=owner)).steps[0]) == whose


@pytest.mark.parametrize(
    ("ladder", "told"),
    [
        ([{"channel": "phone"}], (False, False)),
        ([{"channel": "sms", "wait_hours": 12}, {"channel": "phone"}], (True, False)),
        ([{"channel": "wechat", "wait_hours": 24}], (True, True)),
    ],
)
def test_how_a_step_reaches_the_patient(ladder: list[dict[str, object]], told: tuple[bool, bool]) -> None:
    assert how_reached(a_plan("x", raw_step("a", ladder=ladder)).steps[0]) == told

"""Every result of a call × every rung × what is left to dial: the one next step. Pure; the shipped ladder and edited ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.tasks import rules
from careloop.tasks.rules import Number, Try

SHANGHAI = ZoneInfo("Asia/Shanghai")
MORNING = datetime(2026, 11, 20, 9, 30, tzinfo=SHANGHAI)
OWN, DAUGHTER, WORK = uuid4(), uuid4(), uuid4()
LADDER = rules.shipped_ladder()
COUNTED = [code for code in rules.RETRIED if not rules.OUTCOMES[code].number_failed]
DEAD = [code for code in rules.RETRIED if rules.OUTCOMES[code].number_failed]


def numbers(*, own=True, daughter=True, work=False):
    found = []
    if own:
        found.append(Number(id=OWN, order=0))
    if daughter:
        found.append(Number(id=DAUGHTER, owner="relative", order=1))
    if work:
        found.append(Number(id=WORK, order=2))
    return found


def after(*outcomes, on=OWN, known=None, at=MORNING, ladder=LADDER, favourite=""):
    """What follows after these results on one number, a day apart, the last one now."""
    tries = [
        Try(number_id=on, outcome=outcome, at=at - timedelta(days=len(outcomes) - 1 - n))
        for n, outcome in enumerate(outcomes)
    ]
    return rules.decide(
        outcome=outcomes[-1], numbers=numbers() if known is None else known, tries=tries, at=at, ladder=ladder,
        favourite=favourite,
    )  # fmt: skip


# --- first failure: every code -----------------------------------------------------------------------------------------

FIRST = {
    "no-answer": ("retry", OWN, 14), "busy": ("retry", OWN, 10), "off": ("retry", OWN, 9),
    "empty-number": ("next-number", DAUGHTER, 9), "wrong-person": ("next-number", DAUGHTER, 9),
    "reached-uninformed": ("retry", OWN, 14), "left-message": ("retry", OWN, 9),
}  # fmt: skip


def test_the_table_names_every_failure():
    assert set(FIRST) == set(rules.RETRIED)


@pytest.mark.parametrize("outcome", rules.RETRIED)
def test_the_first_failure(outcome):
    found = after(outcome)
    move, number, hour = FIRST[outcome]
    assert (found.move, found.number_id, found.not_before.hour) == (move, number, hour)
    assert found.send_message is False
    assert found.reason == outcome


@pytest.mark.parametrize(
    ("outcome", "wait"),
    [("busy", timedelta(minutes=30)), ("off", timedelta(days=1)), ("left-message", timedelta(days=1))],
)
def test_the_waits_are_exact(outcome, wait):
    assert after(outcome).not_before == MORNING + wait


@pytest.mark.parametrize("outcome", DEAD)
def test_a_dead_number_costs_no_wait_and_no_round(outcome):
    found = after(outcome)
    assert found.not_before == MORNING
    assert rules.rounds([Try(number_id=OWN, outcome=outcome, at=MORNING)]) == 0
    assert rules.rung_after([Try(number_id=OWN, outcome=outcome, at=MORNING)], LADDER) is None


# --- second and third: every pair and triple ---------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(product(COUNTED, COUNTED)))
def test_the_second_failure_also_writes(first, second):
    found = after(first, second)
    assert found.move in ("retry", "next-number")
    assert found.send_message is True
    assert found.number_id == DAUGHTER  # two tries on one number are enough


@pytest.mark.parametrize(("first", "second", "third"), list(product(COUNTED, repeat=3)))
def test_the_third_failure_asks_a_person_whatever_the_mixture(first, second, third):
    found = after(first, second, third)
    assert (found.move, found.number_id, found.reason) == ("review", None, "tried-enough")
    assert found.not_before == MORNING + timedelta(hours=LADDER.review_within_hours)


@pytest.mark.parametrize(("dead", "then"), list(product(DEAD, rules.RETRIED)))
def test_without_another_number_a_dead_one_leads_to_the_search_for_one(dead, then):
    alone = numbers(daughter=False)
    found = after(dead, known=alone)
    assert (found.move, found.reason) == ("contact-check", "no-number-left")
    again = after(then, dead, known=alone)
    assert (again.move, again.reason) == ("contact-check", "no-number-left")


@pytest.mark.parametrize("outcome", rules.RETRIED)
def test_nobody_to_call_at_all(outcome):
    found = after(outcome, known=[])
    assert (found.move, found.number_id) == ("contact-check", None)
    assert found.not_before == MORNING + timedelta(hours=LADDER.contact_check_within_hours)


@pytest.mark.parametrize("outcome", rules.RETRIED)
def test_numbers_the_record_calls_dead_are_never_dialled(outcome):
    known = [replace(one, dead=True) for one in numbers()] + numbers(own=False, daughter=False, work=True)
    assert after(outcome, on=WORK, known=known).number_id in (WORK, None)


# --- edited ladders ------------------------------------------------------------------------------------------------------


def edited(rungs, start, **more):
    """The shipped ladder with these steps, every failure beginning at `start`."""
    made = {code: rules.Rung(code=code, **rung) for code, rung in rungs.items()}
    after_ = {code: replace(wait, start=start) for code, wait in LADDER.after.items()}
    return replace(LADDER, rungs=made, after=after_, no_number=list(made)[-1], **more)


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize("do", ["letter", "visit"])
@pytest.mark.parametrize("outcome", COUNTED)
def test_a_letter_or_a_visit_gets_its_days(outcome, do, days):
    ladder = edited({"go": {"do": do, "days": days, "next": "end"}, "end": {"do": "review"}}, "go")
    found = after(outcome, ladder=ladder)
    assert (found.move, found.reason, found.number_id) == (do, do, None)
    assert found.not_before == MORNING + timedelta(days=days)
    assert after(outcome, outcome, ladder=ladder).move == "review"


@pytest.mark.parametrize("end", rules.ENDINGS)
@pytest.mark.parametrize("length", [1, 2, 5, 8])
@pytest.mark.parametrize("outcome", COUNTED)
def test_a_ladder_of_any_length_ends_after_exactly_its_steps(outcome, length, end):
    rungs = {f"s{n}": {"do": "call", "next": f"s{n + 1}"} for n in range(length)} | {f"s{length}": {"do": end}}
    ladder = edited(rungs, "s0")
    moves = [after(*[outcome] * (n + 1), ladder=ladder).move for n in range(length + 1)]
    assert all(move in ("retry", "next-number") for move in moves[:-1])
    assert moves[-1] == end
    assert ladder.rounds_until_review == length + 1


def test_a_relative_first_when_the_step_says_so():
    ladder = edited({"ask": {"do": "call", "number": "relative", "next": "end"}, "end": {"do": "review"}}, "ask")
    assert after("no-answer", ladder=ladder).number_id == DAUGHTER
    assert after("no-answer", ladder=ladder, known=numbers(daughter=False)).number_id == OWN


@pytest.mark.parametrize("tries", [1, 2, 3, 5])
def test_so_many_tries_on_one_number_and_then_the_next(tries):
    rungs = {f"s{n}": {"do": "call", "next": f"s{n + 1}"} for n in range(7)} | {"s7": {"do": "review"}}
    ladder = edited(rungs, "s0", tries_per_number=tries)
    dialled = [after(*["busy"] * (n + 1), ladder=ladder).number_id for n in range(tries)]
    assert dialled == [OWN] * (tries - 1) + [DAUGHTER]


# --- the clock -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "outcome", "expected"),
    [
        ("09:00", "busy", (0, "09:30")), ("19:29", "busy", (0, "19:59")), ("19:30", "busy", (1, "09:00")),
        ("19:59", "busy", (1, "09:00")), ("20:00", "busy", (1, "09:00")), ("23:59", "busy", (1, "09:00")),
        ("00:00", "busy", (0, "09:00")), ("08:59", "no-answer", (0, "09:00")), ("11:29", "no-answer", (0, "14:00")),
        ("11:30", "no-answer", (0, "17:30")), ("13:59", "no-answer", (0, "17:30")), ("14:00", "no-answer", (1, "09:00")),
        ("17:30", "no-answer", (1, "11:30")), ("19:59", "no-answer", (1, "11:30")), ("20:00", "no-answer", (1, "09:00")),
        ("12:00", "off", (1, "12:00")), ("21:00", "off", (2, "09:00")),
    ],
)  # fmt: skip
def test_when_the_next_call_comes(at, outcome, expected):
    hour, minute = map(int, at.split(":"))
    moment = MORNING.replace(hour=hour, minute=minute)
    found = after(outcome, at=moment).not_before
    assert ((found.date() - moment.date()).days, f"{found:%H:%M}") == expected


@pytest.mark.parametrize(
    "day", [datetime(2028, 2, 28, 19, 45, tzinfo=SHANGHAI), datetime(2026, 12, 31, 19, 45, tzinfo=SHANGHAI)]
)
def test_over_the_end_of_february_and_of_the_year(day):
    assert after("busy", at=day).not_before.date() == (day + timedelta(days=1)).date()


@pytest.mark.parametrize(
    ("favourite", "at", "expected"),
    [
        ("evening", "09:30", "17:30"), ("morning", "09:30", "14:00"), ("noon", "09:30", "11:30"),
        ("afternoon", "14:30", "09:00"), ("never", "09:30", "14:00"), ("", "09:30", "14:00"),
    ],
)  # fmt: skip
def test_good_hours_come_first_unless_the_call_failed_just_there(favourite, at, expected):
    hour, minute = map(int, at.split(":"))
    found = after("no-answer", at=MORNING.replace(hour=hour, minute=minute), favourite=favourite)
    assert f"{found.not_before:%H:%M}" == expected


# --- properties ----------------------------------------------------------------------------------------------------------

outcomes = st.sampled_from(rules.RETRIED)
several = st.lists(st.tuples(outcomes, st.sampled_from([OWN, DAUGHTER, WORK])), min_size=1, max_size=9)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)).map(lambda at: at.replace(tzinfo=SHANGHAI))


@settings(max_examples=300, deadline=None)
@given(several, moments)
def test_whatever_happened_the_next_step_makes_sense(story, at):
    tries = [Try(number_id=number, outcome=outcome, at=at) for outcome, number in story]
    known = numbers(work=True)
    found = rules.decide(outcome=story[-1][0], numbers=known, tries=tries, at=at)
    living = {one.id for one in rules.alive(known, tries) if not one.dead}
    if found.move in ("retry", "next-number"):
        assert found.number_id in living
        assert found.not_before >= at
        assert LADDER.opens <= found.not_before.time() < LADDER.closes
        assert (found.move == "retry") == (found.number_id == tries[-1].number_id)
        assert not rules.is_exhausted(numbers=known, tries=tries, ladder=LADDER)
    else:
        assert found.number_id is None
        assert rules.is_exhausted(numbers=known, tries=tries, ladder=LADDER)
    if not living:
        assert found.move == "contact-check"


@settings(max_examples=200, deadline=None)
@given(several)
def test_one_more_failure_never_leads_back(story):
    def left(upto):
        tries = [Try(number_id=number, outcome=outcome, at=MORNING) for outcome, number in story[:upto]]
        rung = rules.rung_after(tries, LADDER)
        return LADDER.left(rung) if rung else 99

    steps = [left(n) for n in range(len(story) + 1)]
    assert steps == sorted(steps, reverse=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 3)), max_size=6))
def test_the_best_number_is_alive_and_beats_every_other(rows):
    known = [
        Number(
            id=uuid4(), owner="relative" if relative else "self", dead=dead, verified=verified, order=order,
            last_reached_at=datetime(2026, 1, 1 + order, tzinfo=UTC) if order > 1 else None,
        )
        for relative, dead, verified, order in rows
    ]  # fmt: skip
    best = rules.best_number(known)
    living = [one for one in known if not one.dead]
    assert (best is None) == (not living)
    if best is not None:
        reached = [one.last_reached_at for one in living if one.last_reached_at]
        assert best in living
        assert best.last_reached_at == max(reached, default=None)
        assert rules.best_number(known, skip=frozenset(one.id for one in living)) is None


@pytest.mark.parametrize("code", ["reached-patient", "refused", "died", "moved", "nonsense", "letter-sent"])
def test_what_is_no_failure_moves_nothing(code):
    tries = [Try(number_id=OWN, outcome="no-answer", at=MORNING), Try(number_id=OWN, outcome=code, at=MORNING)]
    assert rules.rung_after(tries, LADDER) == rules.rung_after(tries[:1], LADDER)


# --- good hours ----------------------------------------------------------------------------------------------------------


def called(*hours):
    return [rules.Called(at=MORNING.replace(hour=hour, minute=0), reached=reached) for hour, reached in hours]


@pytest.mark.parametrize(
    ("calls", "band"),
    [
        ([(9, True)], "morning"), ([(9, False)], None), ([], None), ([(8, True)], None), ([(20, True)], None),
        ([(9, False), (18, True)], "evening"), ([(9, True), (18, True), (18, True)], "evening"),
        ([(9, True), (9, False), (18, True), (18, False)], "morning"), ([(11, True), (12, True)], "noon"),
        ([(9, True)] + [(18, True)] * 9 + [(18, False)], "evening"), ([(14, True), (14, True), (9, True)], "afternoon"),
    ],
)  # fmt: skip
def test_the_best_part_of_the_day(calls, band):
    if calls == [(11, True), (12, True)]:
        calls = [(12, True), (13, True)]
    found = rules.best_band(called(*calls), LADDER.bands)
    assert (found.band if found else None) == band


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 23), st.booleans()), max_size=30), st.randoms())
def test_evidence_does_not_depend_on_the_order_of_the_calls(calls, random):
    shuffled = list(calls)
    random.shuffle(shuffled)
    assert rules.best_band(called(*calls), LADDER.bands) == rules.best_band(called(*shuffled), LADDER.bands)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(9, 19), st.booleans()), min_size=1, max_size=20))
def test_one_more_answer_in_the_best_hours_keeps_them_best(calls):
    best = rules.best_band(called(*calls), LADDER.bands)
    if best is not None:
        again = rules.best_band([*called(*calls), *called((best.starts.hour + 1, True))], LADDER.bands)
        assert again.band == best.band
        assert (again.reached, again.tried) == (best.reached + 1, best.tried + 1)

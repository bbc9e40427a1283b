"""The pure rules of the work list: tables of cases and properties. No database."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.tasks import rules
from careloop.tasks.rules import ladder as ladder_rules

CHINA = timezone(timedelta(hours=8))
AT = datetime(2026, 11, 20, 10, 24, tzinfo=CHINA)
DAY = timedelta(days=1)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
maybe = st.none() | moments


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"status": "requested", "available_at": AT + DAY}, "scheduled"),
        ({"status": "requested", "available_at": AT}, "due"),
        ({"status": "requested", "available_at": AT - DAY, "snoozed_until": AT + DAY}, "snoozed"),
        ({"status": "requested", "available_at": AT - DAY, "snoozed_until": AT - DAY}, "due"),
        ({"status": "requested", "available_at": AT - DAY, "promised_at": AT + DAY}, "snoozed"),
        ({"status": "requested", "available_at": AT - DAY, "promised_at": AT}, "due"),
        ({"status": "completed", "available_at": AT + DAY}, "done"),
        ({"status": "cancelled", "available_at": AT - DAY, "promised_at": AT + DAY}, "closed"),
    ],
)
def test_state(row, state):
    assert rules.state_of(at=AT, **row) == state


@given(st.sampled_from(["requested", "completed", "cancelled"]), moments, maybe, maybe, moments)
def test_every_row_is_in_exactly_one_state_and_comes_back(status, available, snoozed, promised, at):
    row = {"status": status, "available_at": available, "snoozed_until": snoozed, "promised_at": promised}
    assert rules.state_of(at=at, **row) in rules.STATES
    far = max(moment for moment in (available, snoozed, promised, at) if moment)
    end = {"requested": "due", "completed": "done", "cancelled": "closed"}[status]
    assert rules.state_of(at=far, **row) == end  # an open task can never sleep for ever


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_the_shared_vocabulary_is_complete():
    agreed = {
        "reached-patient", "reached-informed-relative", "reached-uninformed", "no-answer", "busy", "off",
        "empty-number", "wrong-person", "refused", "refused-for-ever", "call-later", "left-message", "moved",
        "transferred", "readmitted", "died", "language-barrier", "not-needed", "answered-online", "letter-sent",
    }  # fmt: skip
    assert set(rules.OUTCOMES) == agreed
    assert all(code == outcome.code for code, outcome in rules.OUTCOMES.items())


def test_what_an_outcome_means_is_not_contradictory():
    for outcome in rules.OUTCOMES.values():
        assert outcome.final == (outcome.effect in {"complete", "close", "end-contact"}), outcome.code
        assert outcome.ends_contact == (outcome.effect == "end-contact"), outcome.code
        assert not (outcome.number_failed and outcome.reached), outcome.code
        assert outcome.needs_time == (outcome.effect == "promise"), outcome.code


def test_every_failure_has_a_step_on_the_ladder():
    steps = rules.shipped_ladder().after
    assert {code for code, o in rules.OUTCOMES.items() if o.effect == "retry"} == set(steps)


def test_the_result_bar_shows_at_most_six():
    assert rules.RESULT_BAR == ("reached-patient", "call-later", "refused", "wrong-person")
    assert set(rules.RESULT_BAR) | set(rules.NOT_REACHED) | set(rules.MORE) | set(rules.BY_MACHINE) == set(
        rules.OUTCOMES
    )
    assert rules.outcome_of("gone-fishing") is None


# --- priority --------------------------------------------------------------------------------------------------------


def facts(**given_facts):
    return rules.PriorityFacts(**{"due_at": AT, **given_facts})


@pytest.mark.parametrize(
    ("known", "keys"),
    [
        ({}, []),
        ({"risk": "none"}, []),
        ({"promised_at": AT - timedelta(minutes=3)}, ["promise-due"]),
        ({"promised_at": AT + timedelta(minutes=6)}, ["promise-soon"]),
        ({"promised_at": AT + timedelta(hours=3)}, []),
        ({"self_report": "critical", "risk": "high"}, ["self-report", "risk"]),
        ({"due_at": AT - 2 * DAY}, ["overdue"]),
        ({"due_at": AT.replace(hour=0)}, []),
        ({"window_ends_at": AT + timedelta(hours=5)}, ["window-ends"]),
        ({"window_ends_at": AT - timedelta(hours=5)}, []),
        ({"discharged_at": AT - DAY, "contacted_since_discharge": False}, ["first-contact"]),
        ({"discharged_at": AT - 2.5 * DAY, "contacted_since_discharge": False}, ["first-contact-last-day"]),
        ({"discharged_at": AT - 4 * DAY, "contacted_since_discharge": False}, []),
        ({"discharged_at": AT - DAY, "contacted_since_discharge": True}, []),
        ({"best_hour": 10}, ["best-hour"]),
        ({"best_hour": 15}, []),
        ({"answered_partly": True, "tries_today": 2}, ["answered-partly", "tried-today"]),
    ],
)
def test_each_reason_appears_when_it_holds(known, keys):
    found = [t.code for t in rules.explain(facts(**{"risk": "ok", **known}), at=AT)]
    assert found == keys or (known == {"risk": "none"} and found == ["risk"])


def test_the_order_of_the_loop():
    """Promised call due, then critical, then overdue, then high risk, then the best hour."""
    ladder = [
        facts(promised_at=AT),
        facts(risk="critical"),
        facts(due_at=AT - 10 * DAY, risk="ok"),
        facts(risk="high"),
        facts(best_hour=10, risk="ok"),
        facts(risk="ok"),
    ]
    scores = [rules.score(rules.explain(known, at=AT)) for known in ladder]
    assert scores == sorted(scores, reverse=True)


def test_the_points_of_overdue_days_stop_growing():
    long_ago, longer = (rules.explain(facts(due_at=AT - n * DAY, risk="ok"), at=AT) for n in (10, 400))
    assert rules.score(long_ago) == rules.score(longer)
    assert longer[0].params == {"days": 400}


risks = st.sampled_from(["none", "ok", "watch", "high", "critical"])


@given(risks, st.none() | risks, st.integers(0, 30), st.none() | st.integers(0, 23), st.integers(0, 4))
def test_the_score_is_the_sum_of_what_is_shown(risk, report, late, hour, tries):
    known = facts(due_at=AT - late * DAY, risk=risk, self_report=report, best_hour=hour, tries_today=tries)
    terms = rules.explain(known, at=AT)
    assert rules.score(terms) == sum(t.as_json()["points"] for t in terms)
    assert [t.points for t in terms] == sorted((t.points for t in terms), reverse=True)


@given(risks, st.integers(0, 30), st.integers(0, 30))
def test_later_never_counts_less(risk, a, b):
    first, second = sorted((a, b))
    less, more = (
        rules.score(rules.explain(facts(due_at=AT - days * DAY, risk=risk), at=AT)) for days in (first, second)
    )
    assert less <= more


def test_a_priority_file_with_a_hole_is_refused():
    with pytest.raises(KeyError):
        rules.parse_weights('{"version": "1", "points": {}, "limits": {}}')


# --- retries ---------------------------------------------------------------------------------------------------------

OWN, DAUGHTER, WARD = UUID(int=1), UUID(int=2), UUID(int=3)
NUMBERS = (
    rules.Number(id=OWN, order=0),
    rules.Number(id=DAUGHTER, owner="relative", order=1),
    rules.Number(id=WARD, order=2, dead=True),
)


def tries(*pairs):
    return [rules.Try(number_id=number, outcome=outcome, at=AT) for number, outcome in pairs]


def test_the_best_number_is_where_someone_answered_last():
    answered = rules.Number(id=DAUGHTER, owner="relative", last_reached_at=AT - DAY, order=1)
    assert rules.best_number(NUMBERS).id == OWN
    assert rules.best_number((NUMBERS[0], answered)).id == DAUGHTER
    assert rules.best_number((NUMBERS[2],)) is None
    assert rules.best_number(()) is None


def test_busy_waits_half_an_hour_on_the_same_number():
    move = rules.decide(outcome="busy", numbers=NUMBERS, tries=tries((OWN, "busy")), at=AT)
    assert (move.move, move.number_id, move.not_before) == ("retry", OWN, AT + timedelta(minutes=30))


def test_switched_off_waits_a_day():
    move = rules.decide(outcome="off", numbers=NUMBERS, tries=tries((OWN, "off")), at=AT)
    assert (move.move, move.not_before) == ("retry", AT + DAY)


def test_no_answer_tries_another_part_of_the_day():
    move = rules.decide(outcome="no-answer", numbers=NUMBERS, tries=tries((OWN, "no-answer")), at=AT)
    assert (move.number_id, move.not_before) == (OWN, AT.replace(hour=14, minute=0))


def test_an_empty_number_goes_straight_on_to_the_next():
    dead = (rules.Number(id=OWN, dead=True), NUMBERS[1])
    move = rules.decide(outcome="empty-number", numbers=dead, tries=tries((OWN, "empty-number")), at=AT)
    assert (move.move, move.number_id, move.not_before) == ("next-number", DAUGHTER, AT)


def test_no_number_left_asks_for_a_contact_check():
    dead = (rules.Number(id=OWN, dead=True), rules.Number(id=DAUGHTER, dead=True))
    move = rules.decide(outcome="empty-number", numbers=dead, tries=tries((DAUGHTER, "empty-number")), at=AT)
    assert (move.move, move.reason) == ("contact-check", "no-number-left")


def test_after_two_tries_the_relative_and_a_message_after_three_a_person_decides():
    two = tries((OWN, "no-answer"), (OWN, "no-answer"))
    move = rules.decide(outcome="no-answer", numbers=NUMBERS, tries=two, at=AT)
    assert (move.move, move.number_id, move.send_message) == ("next-number", DAUGHTER, True)
    three = [*two, *tries((DAUGHTER, "busy"))]
    assert rules.decide(outcome="busy", numbers=NUMBERS, tries=three, at=AT).move == "review"


def test_a_wrong_number_does_not_count_as_a_failed_round():
    assert rules.rounds(tries((OWN, "empty-number"), (WARD, "wrong-person"), (DAUGHTER, "busy"))) == 1


def test_a_number_found_dead_by_this_task_is_not_dialled_again_even_if_the_record_calls_it_alive():
    """A later "reached" of another task may stand in the record; this task's own last try counts for this task."""
    history = tries((OWN, "empty-number"), (DAUGHTER, "wrong-person"))
    alive = [rules.Number(id=n, last_reached_at=AT) for n in (OWN, DAUGHTER)]
    assert rules.found_dead(history) == {OWN, DAUGHTER}
    assert rules.decide(outcome="wrong-person", numbers=alive, tries=history, at=AT).move == "contact-check"


def test_a_number_that_answered_after_all_is_alive_again():
    assert rules.found_dead(tries((OWN, "empty-number"), (OWN, "busy"))) == frozenset()


failures = st.sampled_from(sorted(rules.shipped_ladder().after))


@given(st.lists(failures, min_size=1, max_size=6), st.integers(0, 23), st.integers(0, 59))
def test_the_ladder_ends_and_stays_inside_calling_hours(outcomes, hour, minute):
    ladder = rules.shipped_ladder()
    at = AT.replace(hour=hour, minute=minute)
    history, dead = [], set()
    for outcome in outcomes:
        alive = [n for n in NUMBERS if n.id not in dead and not n.dead]
        if not alive:
            break
        used = rules.best_number(alive)
        history.append(rules.Try(number_id=used.id, outcome=outcome, at=at))
        if rules.OUTCOMES[outcome].number_failed:
            dead.add(used.id)
        numbers = [rules.Number(id=n.id, owner=n.owner, dead=n.dead or n.id in dead, order=n.order) for n in NUMBERS]
        move = rules.decide(outcome=outcome, numbers=numbers, tries=history, at=at)
        assert move.not_before >= at or move.move in ("contact-check", "review")
        if move.move in ("retry", "next-number"):
            assert ladder.opens <= move.not_before.time() < ladder.closes
            assert move.number_id not in dead
        if rules.rounds(history) >= ladder.rounds_until_review and alive:
            assert move.move in ("review", "contact-check")


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(7, (20, 9)), (9, (20, 14)), (12, (20, 17)), (15, (21, 9)), (18, (21, 11)), (22, (21, 9))],
)
def test_another_part_of_the_day(hour, expected):
    moment = ladder_rules.other_band(AT.replace(hour=hour, minute=0), rules.shipped_ladder())
    assert (moment.day, moment.hour) == expected


# --- dialling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "shown", "href"),
    [
        ("+8613812346721", "138 1234 6721", "tel:+8613812346721"),
        ("0571-88072290", "0571-88072290", "tel:057188072290"),
        ("", "", ""),
    ],
)
def test_two_ways_to_dial(number, shown, href):
    assert rules.DIALLERS["manual"]().start(number) == rules.Dialling(shown=shown)
    assert rules.DIALLERS["tel"]().start(number) == rules.Dialling(shown=shown, href=href)

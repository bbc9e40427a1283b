"""The ledger, the ladder and the owner, as tables of cases and as properties."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.alerts import rules
from careloop.alerts.rules import Candidate, Times

CONTENT = Path(rules.__file__).parent / "content"
TABLE = rules.parse_escalation((CONTENT / "escalation.json").read_text(encoding="utf-8"))
CLOSING = rules.parse_closing((CONTENT / "closing.json").read_text(encoding="utf-8"))
T0 = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return T0 + timedelta(minutes=number)


def test_the_three_levels_are_there_and_ranked():
    assert [severity.code for severity in TABLE.ranked()] == [
        "critical",
        "high",
        "watch",
    ]


def test_critical_is_thirty_minutes_and_rings_the_duty_phone_after_five():
    critical = TABLE.severities["critical"]
    assert critical.respond_within == timedelta(minutes=30)
    assert critical.duty_phone_after == timedelta(minutes=5)
    assert [rung.role for rung in critical.ladder] == [rules.HEAD, rules.OVERSIGHT]


def test_the_limits_say_that_they_are_not_verified_and_where_they_come_from():
    assert TABLE.verified is False
    assert TABLE.source


def test_a_ladder_that_goes_down_is_refused():
    data = json.loads((CONTENT / "escalation.json").read_text(encoding="utf-8"))
    data["severities"]["critical"]["ladder"].reverse()
    with pytest.raises(ValueError, match="rise"):
        rules.parse_escalation(json.dumps(data))


def test_every_choice_has_words_in_both_languages_and_one_code():
    for choices in (CLOSING.actions, CLOSING.closings):
        assert len({choice.code for choice in choices}) == len(choices)
        for choice in choices:
            assert choice.name("zh-hans")
            assert choice.name("en")
            assert choice.name("zh-hans") != choice.name("en")


@pytest.mark.parametrize(
    ("times", "state"),
    [
        (Times(T0), "raised"),
        (Times(T0, seen_at=T0), "seen"),
        (Times(T0, accepted_at=T0), "accepted"),
        (Times(T0, seen_at=T0, accepted_at=T0, acted_at=T0), "acted"),
        (Times(T0, accepted_at=T0, closed_at=T0), "closed"),
    ],
)
def test_state(times, state):
    assert rules.state_of(times) == state


@pytest.mark.parametrize(
    ("step", "state", "allowed"),
    [
        ("seen", "raised", True),
        ("seen", "seen", False),
        ("accepted", "seen", True),
        ("accepted", "closed", False),
        ("acted", "raised", False),
        ("acted", "accepted", True),
        ("closed", "raised", False),
        ("closed", "seen", False),
        ("closed", "acted", True),
        ("hand-over", "closed", False),
        ("hand-over", "acted", True),
        ("escalate", "closed", False),
    ],
)
def test_steps(step, state, allowed):
    assert rules.may(step, state=state) is allowed


def test_a_closing_code_that_claims_a_deed_needs_the_deed():
    by_code = {choice.code: choice for choice in CLOSING.closings}
    assert not rules.may_close(by_code["medicine-changed"], state="accepted")
    assert rules.may_close(by_code["medicine-changed"], state="acted")
    assert rules.may_close(by_code["duplicate"], state="accepted")
    assert not rules.may_close(by_code["duplicate"], state="seen")


@pytest.mark.parametrize(("asked", "given_minutes"), [(None, 30), (10, 10), (300, 30), (0, 30), (-5, 30)])
def test_a_rule_may_ask_for_less_time_never_for_more(asked, given_minutes):
    by = rules.respond_by(TABLE.severities["critical"], raised_at=T0, minutes=asked)
    assert by == minutes(given_minutes)


def due(at, *, severity="critical", level=0, phone=False, times=None, respond=None):
    level_of = TABLE.severities[severity]
    return rules.escalation_due(
        level_of,
        times=times or Times(T0),
        level=level,
        phone_rung=phone,
        respond_by=respond or rules.respond_by(level_of, raised_at=T0),
        at=at,
    )


@pytest.mark.parametrize(
    ("at", "roles", "phone"),
    [
        (0, [], False),
        (5, [], False),
        (5.1, [], True),
        (29.9, [], True),
        (30, [rules.HEAD], True),
        (60, [rules.HEAD, rules.OVERSIGHT], True),
    ],
)
def test_the_ladder_of_a_critical_alert(at, roles, phone):
    found = due(minutes(at))
    assert [rung.role for rung in found.rungs] == roles
    assert found.duty_phone is phone
    assert found.level == len(roles)


def test_a_rung_is_climbed_once_and_the_phone_rings_once():
    found = due(minutes(45), level=1, phone=True)
    assert found.rungs == ()
    assert not found.duty_phone
    assert found.level == 1


def test_accepted_or_closed_does_not_escalate():
    assert due(minutes(90), times=Times(T0, accepted_at=minutes(3))).rungs == ()
    assert not due(minutes(90), times=Times(T0, accepted_at=minutes(3))).duty_phone
    assert due(minutes(90), times=Times(T0, accepted_at=T0, closed_at=minutes(5))).rungs == ()


def test_seeing_without_accepting_does_escalate():
    assert [rung.role for rung in due(minutes(31), times=Times(T0, seen_at=minutes(1))).rungs] == [rules.HEAD]


def test_a_faster_rule_brings_the_first_rung_forward():
    assert [rung.role for rung in due(minutes(10), respond=minutes(10)).rungs] == [rules.HEAD]


@given(st.lists(st.integers(0, 200), max_size=20))
def test_however_often_the_job_runs_each_rung_is_climbed_exactly_once(moments):
    level, climbed = 0, []
    for moment in sorted(moments):
        found = due(minutes(moment), level=level)
        climbed += found.rungs
        level = found.level
    last = max(moments, default=0)
    expected = [rung for rung in TABLE.severities["critical"].ladder if minutes(last) >= T0 + rung.after]
    assert climbed == expected


A, B, C, D, E = (uuid4() for _ in range(5))


@pytest.mark.parametrize(
    ("candidates", "wanted", "owner", "stand_in", "role"),
    [
        ([(A, rules.ATTENDING, True), (B, rules.DUTY, True)], rules.ATTENDING, A, B, rules.ATTENDING),
        (
            [(A, rules.ATTENDING, False), (B, rules.STAND_IN, True), (C, rules.DUTY, True)],
            rules.ATTENDING,
            B,
            C,
            "stand-in",
        ),
        ([(C, rules.DUTY, True), (D, rules.HEAD, True)], rules.ATTENDING, C, D, rules.DUTY),
        ([(D, rules.HEAD, True)], rules.ATTENDING, D, None, rules.HEAD),
        ([(E, rules.OVERSIGHT, True)], rules.NURSE, E, None, rules.OVERSIGHT),
        ([(A, rules.ATTENDING, True), (B, rules.NURSE, True)], rules.NURSE, B, None, rules.NURSE),
        ([(A, rules.ATTENDING, True), (A, rules.HEAD, True)], rules.ATTENDING, A, None, rules.ATTENDING),
        ([(A, rules.ATTENDING, True)], "a-typing-error", A, None, rules.ATTENDING),
        ([], rules.ATTENDING, None, None, None),
    ],
)
def test_owner(candidates, wanted, owner, stand_in, role):
    found = rules.resolve_owner([Candidate(*item) for item in candidates], wanted=wanted)
    assert (found.owner_id, found.stand_in_id, found.role) == (owner, stand_in, role)


ROLES = [rules.ATTENDING, rules.STAND_IN, rules.NURSE, rules.DUTY, rules.HEAD, rules.OVERSIGHT]
some_candidates = st.lists(
    st.builds(Candidate, st.sampled_from([A, B, C, D, E]), st.sampled_from(ROLES), st.booleans()), max_size=12
)


@given(some_candidates, st.sampled_from(list(rules.OWNER_ORDER)))
def test_the_owner_is_available_and_the_stand_in_is_somebody_else(candidates, wanted):
    found = rules.resolve_owner(candidates, wanted=wanted)
    usable = [c for c in candidates if c.available and c.role in rules.OWNER_ORDER[wanted]]
    assert (found.owner_id is None) == (not usable)
    if found.owner_id is not None:
        assert Candidate(found.owner_id, str(found.role), True) in usable
        assert found.stand_in_id != found.owner_id


@given(some_candidates, st.sampled_from(ROLES[:1] + ROLES[2:]))
def test_nobody_with_a_better_role_was_passed_over(candidates, wanted):
    found = rules.resolve_owner(candidates, wanted=wanted)
    if found.role is not None:
        order = rules.OWNER_ORDER[wanted]
        better = order[: order.index(found.role)]
        assert not [c for c in candidates if c.available and c.role in better]


def test_hospital_oversight_is_on_every_ladder():
    assert all(order[-1] == rules.OVERSIGHT for order in rules.OWNER_ORDER.values())


@given(st.lists(st.one_of(st.none(), st.integers(0, 500)), min_size=4, max_size=4))
def test_times_in_order(offsets):
    times = Times(T0, *(None if offset is None else minutes(offset) for offset in offsets))
    present = [offset for offset in offsets if offset is not None]
    assert rules.in_order(times) == (present == sorted(present))
    assert rules.state_of(times) in rules.STATES


@pytest.mark.parametrize(("seconds", "allowed"), [(0, True), (120, True), (121, False), (-1, False)])
def test_undo_window(seconds, allowed):
    assert rules.may_undo(done_at=T0, at=T0 + timedelta(seconds=seconds), within=TABLE.undo_within) is allowed


def test_keys_tell_rules_apart():
    response = UUID(int=7)
    assert rules.alert_key(response_id=response, rule_code="a") != rules.alert_key(response_id=response, rule_code="b")
    assert rules.work_order_key("x") != "x"


def test_first_of():
    people = [Candidate(A, rules.DUTY, False), Candidate(B, rules.DUTY), Candidate(C, rules.HEAD)]
    assert rules.first_of(people, rules.DUTY) == B
    assert rules.first_of(people, rules.ATTENDING) is None

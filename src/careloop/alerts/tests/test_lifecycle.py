"""The life of alerts as a machine: whatever people do in whatever order, the ledger, the work order and the clocks agree."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from careloop.alerts import actions, reads, rules
from careloop.alerts.actions import Finding, Origin
from careloop.alerts.models import Alert, AlertAction, Notice
from careloop.audit.models import AuditEvent
from careloop.kernel.errors import Refused
from careloop.tasks.models import Task
from tests.cast import NOW, SYSTEM, Cast, make_cast

CRITICAL = Finding(rule_code="chest-pain", severity="critical", sentence_zh="静息时胸闷")
STEPS = ("seen", "accepted", "handed-over", "acted", "closed", "undone", "escalated", "duty-phone", "raised")
CODES = ("phone-contact", "advice-given", "extra-visit", "nonsense")
ENDS = ("resolved", "duplicate", "medicine-changed", "nonsense")


def fresh(alert: Alert) -> Alert:
    return Alert.objects.unscoped("test").get(pk=alert.pk)


def ledger(alert: Alert) -> list[AlertAction]:
    return list(AlertAction.objects.unscoped("test").filter(alert=alert).order_by("created_at", "id"))


def times_of(alert: Alert) -> rules.Times:
    return alert.times()


def check(alert: Alert) -> None:
    """What must hold of every alert at every moment."""
    row = fresh(alert)
    times = times_of(row)
    assert row.status == rules.state_of(times), "the state is the furthest step that has a time"
    assert rules.in_order(times), "times never run backwards"
    assert (row.status == "closed") == bool(row.closing_code)
    assert row.accepted_at is None or row.owner_id is not None, "accepted means owned"
    task = Task.objects.unscoped("test").get(pk=row.work_order_id)
    assert (task.status == "requested") == (row.status != "closed"), "an open alert stands on somebody's desk"
    if row.status != "closed":
        assert task.owner_id == row.owner_id, "the work order lies where the alert lies"
        assert task.focus_id == row.pk
    steps = [step for step in ledger(row) if step.undone_at is None]
    assert steps[0].kind == "raised"
    assert {step.kind for step in steps} <= set(STEPS)
    climbed = [step for step in steps if step.kind == "escalated" and step.code != "close-late"]
    assert row.escalation_level == len(climbed) <= len(reads.limits().severities[row.severity].ladder)
    assert sum(step.kind == "duty-phone" for step in steps) == int(row.duty_phone_at is not None) <= 1
    assert [step.at for step in ledger(row)] == sorted(step.at for step in ledger(row))


class Life(RuleBasedStateMachine):
    """Three doctors, several alerts, a clock that only goes forward; refusals are allowed, disagreement is not."""

    alerts = Bundle("alerts")
    cast: Cast

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.at = NOW
        self.people = (self.cast.zhao, self.cast.qian, self.cast.wang)
        self.known: list[Alert] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    @rule(minutes=st.sampled_from([0, 0, 1, 4, 11, 35, 120, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes, seconds=1)

    @rule(
        target=alerts,
        severity=st.sampled_from(["critical", "high", "watch"]),
        wanted=st.sampled_from(sorted(rules.OWNER_ORDER)),
    )
    def raised(self, severity: str, wanted: str) -> Any:
        if len(self.known) >= 3:
            return multiple()
        origin = Origin(
            patient_id=self.cast.zhang.pk, department_id=self.cast.cardiology.pk, encounter_id=self.cast.stay.pk,
            response_id=uuid4(),
        )  # fmt: skip
        finding = Finding(rule_code="r", severity=severity, sentence_zh="规则", owner_role=wanted)
        (alert,) = actions.raise_findings(origin=origin, findings=[finding], at=self.at, by=SYSTEM)
        again = actions.raise_findings(origin=origin, findings=[finding], at=self.at, by=SYSTEM)
        assert again == ()
        self.known.append(alert)
        return alert

    def tried(self, step: Any, **told: Any) -> bool:
        """Do it; a refusal changes nothing. Gives back whether it was done."""
        before = Alert.objects.unscoped("test").filter(pk=told["alert"].pk).values().get()
        history = len(ledger(told["alert"]))
        fault = self.refusal_of(step, told)
        if fault is not None:
            assert fault.code
            assert str(fault)
            assert Alert.objects.unscoped("test").filter(pk=told["alert"].pk).values().get() == before
            assert len(ledger(told["alert"])) == history
            return False
        self.at += timedelta(seconds=1)  # two steps are never at the very same moment
        return True

    def refusal_of(self, step: Any, told: dict[str, Any]) -> Refused | None:
        try:
            with transaction.atomic():
                step(at=self.at, **told)
        except Refused as refused:
            return refused
        return None

    def viewer(self, who: int) -> Any:
        return self.cast.viewer(self.people[who])

    @rule(alert=alerts, who=st.integers(0, 2))
    def seen(self, alert: Alert, who: int) -> None:
        row = fresh(alert)
        first = actions.mark_seen(alert=alert, at=self.at, by=self.viewer(who))
        concerned = row.owner_id is None or self.people[who].pk in (row.owner_id, row.stand_in_id)
        assert first == (row.status == "raised" and concerned)

    @rule(alert=alerts, who=st.integers(0, 2))
    def accepted(self, alert: Alert, who: int) -> None:
        could = rules.may(rules.ACCEPTED, state=fresh(alert).status)
        assert self.tried(actions.accept, alert=alert, by=self.viewer(who)) == could
        if could:
            assert fresh(alert).owner_id == self.people[who].pk

    @rule(alert=alerts, who=st.integers(0, 2), to=st.integers(0, 2))
    def handed_over(self, alert: Alert, who: int, to: int) -> None:
        row = fresh(alert)
        could = row.status != "closed" and self.people[to].pk != row.owner_id
        assert self.tried(actions.hand_over, alert=alert, to=self.people[to].pk, by=self.viewer(who)) == could
        if could:
            assert fresh(alert).respond_by >= row.respond_by

    @rule(alert=alerts, who=st.integers(0, 2), code=st.sampled_from(CODES))
    def acted(self, alert: Alert, who: int, code: str) -> None:
        row = fresh(alert)
        mine = row.owner_id == self.people[who].pk
        known = reads.choices().action(code) is not None
        could = known and mine and rules.may(rules.ACTED, state=row.status)
        assert self.tried(actions.act, alert=alert, code=code, by=self.viewer(who)) == could

    @rule(alert=alerts, who=st.integers(0, 2), code=st.sampled_from(ENDS))
    def closed(self, alert: Alert, who: int, code: str) -> None:
        row = fresh(alert)
        choice = reads.choices().closing(code)
        mine = row.owner_id == self.people[who].pk
        could = choice is not None and mine and rules.may_close(choice, state=row.status)
        assert self.tried(actions.close, alert=alert, code=code, by=self.viewer(who)) == could

    @rule(alert=alerts, who=st.integers(0, 2))
    def undone(self, alert: Alert, who: int) -> None:
        undoable = [
            s for s in ledger(alert) if s.undone_at is None and s.kind in ("accepted", "handed-over", "acted", "closed")
        ]
        last = max(undoable, key=lambda s: (s.at, str(s.pk)), default=None)
        could = (
            last is not None
            and last.by_practitioner_id == self.people[who].pk
            and rules.may_undo(done_at=last.at, at=self.at, within=reads.limits().undo_within)
        )
        assert self.tried(actions.undo, alert=alert, by=self.viewer(who)) == could

    @precondition(lambda self: self.known)
    @rule()
    def the_clock_job_runs(self) -> None:
        """As often as it likes: a second run at the same moment finds nothing to do."""
        looked_at = set(reads.overdue_ids(at=self.at))
        for alert in self.known:
            changed = actions.escalate(alert_id=alert.pk, at=self.at, by=SYSTEM)
            assert not changed or alert.pk in looked_at, "the job's own list misses none that is due"
            assert actions.escalate(alert_id=alert.pk, at=self.at, by=SYSTEM) == 0

    @rule(alert=alerts)
    def a_stranger_can_do_nothing(self, alert: Alert) -> None:
        li = self.cast.as_li
        assert not self.tried(actions.accept, alert=alert, by=li)
        assert not self.tried(actions.close, alert=alert, code="resolved", by=li)
        assert not self.tried(actions.hand_over, alert=alert, to=self.cast.li.pk, by=li)

    @invariant()
    def everything_agrees(self) -> None:
        for alert in self.known:
            check(alert)


@pytest.mark.django_db
def test_whatever_people_do_the_ledger_and_the_desk_agree(cast: Cast) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("Life", (Life,), {"cast": cast})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8, stateful_step_count=12, deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip


# ---- clocks --------------------------------------------------------------------------------------------------------------


TABLE = reads.limits()
MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1), max_value=datetime(2028, 12, 31), timezones=st.just(UTC)
)  # fmt: skip


@given(MOMENTS, st.sampled_from(sorted(TABLE.severities)), st.integers(0, 6000))
def test_the_clock_knows_no_night_weekend_or_holiday(raised: datetime, code: str, minutes: int) -> None:
    """A critical answer at 23:50 on the eve of the Spring Festival climbs in the same minutes as one on a Tuesday."""
    severity = TABLE.severities[code]
    tuesday = datetime(2026, 11, 17, 2, 0, tzinfo=UTC)

    def due(start: datetime) -> tuple[int, bool]:
        found = rules.escalation_due(
            severity, times=rules.Times(start), level=0, phone_rung=False,
            respond_by=rules.respond_by(severity, raised_at=start), at=start + timedelta(minutes=minutes),
        )  # fmt: skip
        return found.level, found.duty_phone

    assert due(raised) == due(tuesday)


@pytest.mark.parametrize(
    ("raised", "accept_by"),
    [
        ("2026-11-20T23:50:00+08:00", "2026-11-21T00:20:00+08:00"),  # over midnight
        ("2026-11-20T18:00:00+08:00", "2026-11-20T18:30:00+08:00"),  # Friday evening
        ("2027-02-05T23:59:59+08:00", "2027-02-06T00:29:59+08:00"),  # the eve of the Spring Festival
        ("2028-02-28T23:45:00+08:00", "2028-02-29T00:15:00+08:00"),  # into a leap day
        ("2026-12-31T23:45:00+08:00", "2027-01-01T00:15:00+08:00"),
    ],
)
def test_the_deadline_of_a_critical_alert(cast: Cast, raised: str, accept_by: str) -> None:
    at = datetime.fromisoformat(raised)
    alert = one(cast, at=at)
    assert alert.respond_by == datetime.fromisoformat(accept_by)
    late = alert.respond_by - timedelta(seconds=1)
    assert actions.escalate(alert_id=alert.pk, at=late, by=SYSTEM) == 1  # the duty phone rang long ago
    assert actions.escalate(alert_id=alert.pk, at=alert.respond_by, by=SYSTEM) == 1
    assert fresh(alert).escalation_level == 1


@given(st.lists(st.integers(0, 600), min_size=1, max_size=12), st.sampled_from(sorted(TABLE.severities)))
def test_a_job_that_was_down_for_hours_climbs_what_it_missed_and_no_more(minutes: list[int], code: str) -> None:
    severity, start = TABLE.severities[code], NOW
    level, rang = 0, False
    for minute in sorted(minutes):
        found = rules.escalation_due(
            severity, times=rules.Times(start), level=level, phone_rung=rang,
            respond_by=rules.respond_by(severity, raised_at=start), at=start + timedelta(minutes=minute),
        )  # fmt: skip
        assert found.level == level + len(found.rungs)
        assert not (rang and found.duty_phone)
        level, rang = found.level, rang or found.duty_phone
    last = timedelta(minutes=max(minutes))
    assert level == sum(rung.after <= last for rung in severity.ladder)
    assert rang == (severity.duty_phone_after is not None and last > severity.duty_phone_after)


# ---- the same alert at the same moment ------------------------------------------------------------------------------------


def origin(cast: Cast, **given: Any) -> Origin:
    told = {
        "patient_id": cast.zhang.pk, "department_id": cast.cardiology.pk, "encounter_id": cast.stay.pk,
        "response_id": uuid4(), **given,
    }  # fmt: skip
    return Origin(**told)


def one(cast: Cast, *, at: datetime = NOW, finding: Finding = CRITICAL, **given: Any) -> Alert:
    (alert,) = actions.raise_findings(origin=origin(cast, **given), findings=[finding], at=at, by=SYSTEM)
    return fresh(alert)


def at_once(count: int, step: Any) -> tuple[list[Any], list[Refused]]:
    """The same in so many threads at the same moment: results, and refusals."""
    start, done, refused, faults = threading.Barrier(count), [], [], []

    def run(n: int) -> None:
        try:
            start.wait(timeout=30)
            done.append(step(n))
        except Refused as fault:
            refused.append(fault)
        except Exception as fault:  # any other fault fails the test below
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    assert faults == []
    return done, refused


@pytest.mark.django_db(transaction=True)
def test_the_same_finding_raised_many_times_at_once_is_one_alert() -> None:
    cast = make_cast()
    where = origin(cast)
    made, refused = at_once(4, lambda _n: actions.raise_findings(origin=where, findings=[CRITICAL], at=NOW, by=SYSTEM))
    assert refused == []
    assert sorted(map(len, made)) == [0, 0, 0, 1]
    (alert,) = Alert.objects.unscoped("test").all()
    assert [step.kind for step in ledger(alert)] == ["raised"]
    assert Task.objects.unscoped("test").filter(kind="alert").count() == 1
    assert AuditEvent.objects.filter(name="alerts.AlertRaised").count() == 1
    told = list(Notice.objects.unscoped("test").values_list("practitioner_id", "why"))
    assert len(told) == len(set(told))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_close_at_once_one_is_refused_and_the_clock_may_run_meanwhile() -> None:
    cast = make_cast()
    alert = one(cast)
    actions.accept(alert=alert, at=NOW, by=cast.as_zhao)
    actions.act(alert=alert, code="phone-contact", at=NOW, by=cast.as_zhao)

    def step(n: int) -> Any:
        if n == 2:
            return actions.escalate(alert_id=alert.pk, at=NOW + timedelta(hours=5), by=SYSTEM)
        return actions.close(alert=alert, code="resolved", at=NOW + timedelta(minutes=1), by=cast.as_zhao)

    done, refused = at_once(3, step)
    assert [fault.code for fault in refused] == ["alert-closed"]
    assert len(done) == 2
    assert fresh(alert).status == "closed"
    assert sum(s.kind == "closed" for s in ledger(alert)) == 1


# ---- what is told live --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_live_message_names_those_it_is_for_and_nothing_else(cast: Cast) -> None:
    import json

    alert = one(cast)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT alerts_live_payload(id) FROM alerts_alertaction WHERE alert_id = %s ORDER BY id", [alert.pk]
        )
        (payload,) = (json.loads(row[0]) for row in cursor.fetchall())
    assert payload["departments"] == [str(cast.cardiology.pk)]
    assert str(alert.owner_id) in payload["people"]
    assert str(cast.li.pk) not in payload["people"]
    assert set(payload["data"]) == {"id", "kind", "severity"}
    text = json.dumps(payload, ensure_ascii=False)
    assert cast.zhang.name not in text
    assert "胸闷" not in text
    assert str(cast.zhang.pk) not in text

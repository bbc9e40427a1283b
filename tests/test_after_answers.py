"""What follows a form that was sent: one job whose pieces do what six jobs did, in any order, whichever piece fails."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django import app

from careloop.alerts.models import Alert
from careloop.audit.models import AuditEvent
from careloop.config.reactions import IN_TURN, REACTIONS
from careloop.kernel.jobs import in_turn
from careloop.letters import actions as letters
from careloop.letters.models import Letter, LetterTemplate
from careloop.letters.tests.factories import ADDRESS, change, site
from careloop.patients.models import Patient
from careloop.plans import actions as plans
from careloop.plans.models import CarePlan, LadderRun
from careloop.plans.tests.factories import Scene, raw_plan, raw_step
from careloop.publichealth.models import EpisodeOfCare, Opinion, ProgrammeClock, ProgrammeVisit
from careloop.publichealth.tests.factories import BP, HTN, publish_all
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.reads import current
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast
from tests.queue import turns

ORDER = [job.name for job in IN_TURN[0]]
VALUES = {"good": {}, "urgent": {"sbp": 184}}


@pytest.fixture
def home(cast: Cast) -> Iterator[SimpleNamespace]:
    """Zhang with a plan that asks the national hypertension form every week, its first follow-up, and a posted letter."""
    at = timezone.now() - timedelta(days=8)
    with site(hospital_phone="0571-88880000", hospital_name="云溪市第一人民医院"):
        publish_all("hypertension-national")
        plans.load_shipped_content(at=at, by=SYSTEM)
        plan = plans.publish_plan(
            raw=raw_plan("weekly", raw_step("call", "every 7", questionnaire=HTN)), enrols=False, at=at, by=SYSTEM
        )
        scene = Scene(cast)
        plans.start_care_plan(encounter=scene.discharge(at=at, operated_at=at), definition=plan, at=at, by=SYSTEM)
        task = Task.objects.unscoped("test").open().get(care_plan_id__isnull=False)
        change(cast.zhang, address=ADDRESS)
        letters.load_letter_templates(at=at, by=SYSTEM)
        letter = letters.make_letter(
            key="letter", patient_id=cast.zhang.pk, task_id=task.pk, at=at, by=cast.as_wang,
            template_id=LetterTemplate.objects.get(code="not-reached", state="approved").pk,
        )  # fmt: skip
        letters.post_letter(letter_id=letter.pk, at=at, by=cast.as_wang)
        yield SimpleNamespace(cast=cast, task=task, patient=cast.zhang)


def send(home: SimpleNamespace, values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The form is answered on the telephone and sent; what the worker is asked to do then."""
    at = timezone.now()
    response = questionnaires.start_response(
        questionnaire=current(HTN), patient_id=home.patient.pk, task_id=home.task.pk, mode="portal", at=at, by=SYSTEM
    )
    questionnaires.prefill(response=response, values={**BP, **values}, source="portal", at=at, by=SYSTEM)
    home.task.refresh_from_db()
    before = len(turns(home.patient.pk))
    plans.finish_follow_up(task=home.task, response=response, outcome="answered-online", at=at, by=SYSTEM)
    (pieces,) = turns(home.patient.pk)[before:]
    return pieces


def left_behind(home: SimpleNamespace) -> dict[str, Any]:
    """Everything that may come of it, without numbers that are given anew each time.

    Left out: why a clock ended ("visited" or "the task ended" are both true, and the first to come says so), and who
    told an open call of the risk (the next contact is born with it when the judgement came first).
    """

    def rows(model: Any, *names: str, **given: Any) -> list[tuple[Any, ...]]:
        found = model.objects.unscoped("test").filter(patient_id=home.patient.pk, **given).values_list(*names)
        return sorted(found, key=repr)

    told = AuditEvent.objects.filter(patient_id=home.patient.pk).exclude(name="tasks.RiskCarried")
    return {
        "alerts": rows(Alert, "rule_code", "severity", "owner_id", "source_task_id", "department_id"),
        "tasks": rows(Task, "step_code", "kind", "status", "outcome", "closed_reason", "questionnaire_url", "occurrence", "risk"),
        "plans": rows(CarePlan, "status", "end_reason"),
        "ladders": rows(LadderRun, "task_id", "ended_how", task_id=home.task.pk),
        "visits": rows(ProgrammeVisit, "class_code", "status", "streak", "in_target", "is_urgent"),
        "episodes": rows(EpisodeOfCare, "programme", "status", "control", "last_class", "next_due_on"),
        "clocks": rows(ProgrammeClock, "kind", "status", "due_on", "form_url"),
        "opinions": rows(Opinion, "suggested", "rule_version"),
        "letters": rows(Letter, "state", "answered_how"),
        "risk": Patient.objects.unscoped("test").values_list("risk", "risk_reason").get(pk=home.patient.pk),
        "told": sorted(told.values_list("name", flat=True)),
    }  # fmt: skip


@contextmanager
def taken_back() -> Iterator[None]:
    """What happens inside never happened: many cases from one beginning."""
    mark = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(mark)


def outcome_of(home: SimpleNamespace, work: Callable[[], None]) -> dict[str, Any]:
    with taken_back():
        work()
        return left_behind(home)


def alone(pieces: list[tuple[str, dict[str, Any]]]) -> None:
    """As six jobs of their own."""
    for name, event in pieces:
        app.tasks[name].func(event=event)


class Broken(Exception):
    """A piece that does not come through."""


class Killed(BaseException):
    """The worker is gone."""


@contextmanager
def failing(name: str, error: type[BaseException], *, after: bool) -> Iterator[None]:
    """This job fails, before it began or after all its work; others do not."""
    real = app.tasks[name].func

    def fail(*, event: dict[str, Any]) -> None:
        if after:
            real(event=event)
        raise error

    app.tasks[name].func = fail
    try:
        yield
    finally:
        app.tasks[name].func = real


def retried(home: SimpleNamespace, pieces: list[tuple[str, dict[str, Any]]], name: str, *, after: bool) -> None:
    """One piece fails; the worker finds it alone in the queue and tries again."""
    known = {job for (job,) in _waiting(name)}
    with failing(name, Broken, after=after):
        in_turn.func(pieces=pieces)
    new = [job for (job,) in _waiting(name) if job not in known]
    assert len(new) == 1, "queued alone, once"
    alone([piece for piece in pieces if piece[0] == name])


def _waiting(name: str) -> list[tuple[int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'", [name])
        return list(cursor.fetchall())


def killed(pieces: list[tuple[str, dict[str, Any]]], name: str, *, after: bool) -> None:
    """As after a kill -9: nothing of what came later ran; the rescue starts the whole job again."""
    with pytest.raises(Killed), failing(name, Killed, after=after):
        in_turn.func(pieces=pieces)
    in_turn.func(pieces=pieces)


@pytest.mark.django_db
@pytest.mark.parametrize("values", VALUES)
def test_one_job_leaves_behind_what_six_did_in_any_order_whatever_fails(home: SimpleNamespace, values: str) -> None:
    pieces = send(home, VALUES[values])
    assert [name for name, _event in pieces] == ORDER, "the alert first, each piece once"
    expected = outcome_of(home, lambda: alone(pieces))
    assert bool(expected["alerts"]) == (values != "good")
    assert expected["letters"] == [("answered", "online")]
    assert expected["visits"]
    assert ("call", "requested") in {(step, status) for step, _kind, status, *_rest in expected["tasks"]}
    assert outcome_of(home, lambda: in_turn.func(pieces=pieces)) == expected
    assert outcome_of(home, lambda: [in_turn.func(pieces=pieces) for _again in range(2)]) == expected
    orders = random.Random(values).sample(list(itertools.permutations(pieces)), 5)
    for order in orders:
        assert outcome_of(home, lambda order=order: in_turn.func(pieces=order)) == expected, order
    for name, after in itertools.product(ORDER, (bool(expected["alerts"]),)):
        assert outcome_of(home, lambda n=name, a=after: retried(home, pieces, n, after=a)) == expected, (name, after)
        assert outcome_of(home, lambda n=name, a=after: killed(pieces, n, after=a)) == expected, (name, after)


@pytest.mark.django_db
def test_the_alert_is_there_although_everything_after_it_breaks(home: SimpleNamespace) -> None:
    pieces = send(home, VALUES["urgent"])
    broken = [failing(name, Broken, after=False) for name in ORDER[1:]]
    for one in broken:
        one.__enter__()
    in_turn.func(pieces=pieces)
    for one in broken:
        one.__exit__(None, None, None)
    assert "htn-urgent-bp" in {alert.rule_code for alert in Alert.objects.unscoped("test")}
    assert Patient.objects.unscoped("test").get(pk=home.patient.pk).risk == "critical"


@pytest.mark.django_db
def test_answers_and_task_are_read_once_for_all_pieces(home: SimpleNamespace) -> None:
    """Each piece alone reads them anew."""
    pieces = send(home, {})

    def statements(work: Callable[[], None]) -> list[str]:
        with taken_back(), CaptureQueriesContext(connection) as seen:
            work()
        return [one["sql"] for one in seen.captured_queries]

    def of_task(sql: list[str]) -> int:
        return len([one for one in sql if 'FROM "tasks_task" WHERE ("tasks_task"."id" = ' in one])

    together, each = statements(lambda: in_turn.func(pieces=pieces)), statements(lambda: alone(pieces))
    assert (of_task(together), of_task(each)) == (1, 3)
    assert len(together) <= len(each) - 3


def test_every_job_of_the_turn_follows_a_fact_and_lives_in_the_same_queue() -> None:
    following = {job.name for jobs in REACTIONS.values() for job in jobs}
    for turn in IN_TURN:
        assert {job.name for job in turn} <= following
        assert {job.queue for job in turn} == {in_turn.queue}
        assert len({job.name for job in turn}) == len(turn)

"""Nurses who call and doctors who act: every step is the action behind the real page's button."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from careloop.accounts.models import Practitioner
from careloop.accounts.reads import viewer_for
from careloop.alerts import actions as alerts
from careloop.alerts.models import Alert
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint, PatientIdentifier
from careloop.plans.actions import finish_follow_up
from careloop.questionnaires import reads as forms
from careloop.questionnaires.actions import save_answer, start_response
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import ScreenView
from careloop.simulation.answering import choose, number
from careloop.simulation.world import Stay
from careloop.tasks import actions as work
from careloop.tasks.models import Task
from careloop.tasks.reads import numbers_of, tries_of
from careloop.tasks.rules import best_number, found_dead

CALL_MINUTES = (2, 6)
WAIT_OUTCOMES = ("no-answer", "no-answer", "busy", "off")
ACTS = ("phone-contact", "adjust-medicine", "advise-emergency")


@dataclass
class Tally:
    """What people did, for the report."""

    calls: int = 0
    reached: int = 0
    completed: int = 0
    other_tasks: int = 0
    unreachable: int = 0
    alerts_closed: int = 0
    refusals: dict[str, int] = field(default_factory=dict)

    def refused(self, refusal: Refused) -> None:
        self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1


@dataclass
class Hospital:
    """Who lies behind a patient's number: the stay that made them known."""

    stays: Mapping[str, Stay]
    random: random.Random
    tally: Tally = field(default_factory=Tally)

    def stay_of(self, patient_id: UUID) -> Stay | None:
        numbers = PatientIdentifier.objects.unscoped("the simulation looks its own people up").filter(
            patient_id=patient_id, type="MR"
        )
        return next((self.stays[n] for n in numbers.values_list("value", flat=True) if n in self.stays), None)


def worsens(stay: Stay, at: datetime) -> bool:
    """Whether this patient is getting worse by now, until a week later."""
    day = stay.person.behaviour.worsens_on_day
    return day is not None and day <= days_home(stay, at) <= day + 7


def has_died(stay: Stay, at: datetime) -> bool:
    """Whether nobody answers for this patient any more."""
    day = stay.person.behaviour.dies_on_day
    return day is not None and days_home(stay, at) >= day


def days_home(stay: Stay, at: datetime) -> int:
    """Whole days since the discharge, whose time is the hospital's wall clock; `at` is an instant."""
    return (timezone.localtime(at).replace(tzinfo=None) - stay.discharged_at).days


def nurse_shift(
    nurse: Practitioner, hospital: Hospital, *, start: datetime, calls: int, tell: Callable[[datetime], None]
) -> None:
    """One nurse works down the list, up to `calls` tasks. `tell` moves the run's clock along."""
    at, after = start, None
    by = viewer_for(nurse, at=at)
    for _ in range(calls):
        tell(at)
        task = work.claim_next(at=at, by=by, after=after)
        if task is None:
            break
        try:
            at = _do(task, hospital, at=at, by=by)
        except Refused as refusal:
            hospital.tally.refused(refusal)
            at += timedelta(minutes=1)
    work.release_claims(at=at, by=by)


def _do(task: Task, hospital: Hospital, *, at: datetime, by: Viewer) -> datetime:
    stay = hospital.stay_of(task.patient_id)
    if task.kind != Task.Kind.FOLLOW_UP or stay is None:
        work.complete_task(task=task, outcome="not-needed", at=at, by=by)
        hospital.tally.other_tasks += 1
        return at + timedelta(minutes=1)
    return _call(task, stay, hospital, at=at, by=by)


def _call(task: Task, stay: Stay, hospital: Hospital, *, at: datetime, by: Viewer) -> datetime:
    point = _number_to_dial(task, by)
    if point is None:  # every number was tried and is dead: the reason stands in the record, nobody dials air
        work.close_tasks(task_ids=[task.pk], reason="unreachable", at=at, by=by)
        hospital.tally.unreachable += 1
        return at + timedelta(minutes=1)
    outcome = _answers_phone(stay, point, hospital.random, at)
    hospital.tally.calls += 1
    ended = at + timedelta(seconds=hospital.random.randint(20, 50))
    response: QuestionnaireResponse | None = None
    if outcome in {"reached-patient", "reached-informed-relative"}:
        hospital.tally.reached += 1
        ended = at + timedelta(minutes=hospital.random.randint(*CALL_MINUTES))
        response = _ask(task, stay, hospital, at=at, by=by)
    promised = ended + timedelta(days=1) if outcome == "call-later" else None
    result = work.record_attempt(
        task=task, contact_point_id=point.pk, outcome=outcome, at=ended, by=by, started_at=at,
        promised_at=promised,
    )  # fmt: skip
    if response is not None or result.decision is None and outcome not in {"call-later"}:
        finish_follow_up(task=task, response=response, outcome=outcome, at=ended, by=by)
        hospital.tally.completed += 1
    return ended + timedelta(seconds=20)


def _number_to_dial(task: Task, by: Viewer) -> ContactPoint | None:
    """The number the call screen offers first, without those that this task's own calls found dead."""
    dead = found_dead(tries_of(task.pk, viewer=by))
    best = best_number(numbers_of(task.patient_id, viewer=by), skip=dead)
    return ContactPoint.objects.visible_to(by).get(pk=best.id) if best else None


def _answers_phone(stay: Stay, point: ContactPoint, dice: random.Random, at: datetime) -> str:
    """What happens when this number is dialled now."""
    behaviour = stay.person.behaviour
    of_relative = point.related_person_id is not None
    if behaviour.number != "good" and not of_relative:
        return "empty-number" if behaviour.number == "empty" else "wrong-person"
    if dice.random() > behaviour.picks_up:
        return dice.choice(WAIT_OUTCOMES)
    if has_died(stay, at):
        return "died"
    if behaviour.refuses:
        return "refused-for-ever" if dice.random() < 0.3 else "refused"
    if dice.random() < 0.05:
        return "call-later"
    return "reached-informed-relative" if of_relative else "reached-patient"


def _ask(task: Task, stay: Stay, hospital: Hospital, *, at: datetime, by: Viewer) -> QuestionnaireResponse | None:
    """Go through the form, one saved answer after the other, as the call screen does."""
    if not task.questionnaire_url:
        return None
    questionnaire = Questionnaire.objects.filter(url=task.questionnaire_url, status="active").first()
    if questionnaire is None:
        return None
    response = start_response(
        questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, mode="phone", at=at, by=by
    )
    worse = worsens(stay, at)
    asked: set[str] = set()
    while screen := _next_screen(response, asked, at):
        for question in screen.questions:
            asked.add(question.link_id)
            if question.value is None and (value := _value(question, worse, hospital.random)) is not None:
                response = save_answer(
                    response=response, link_id=question.link_id, value=value, source="phone", at=at, by=by
                )
    return response


def _next_screen(response: QuestionnaireResponse, asked: set[str], at: datetime) -> ScreenView | None:
    view = forms.form_view(response.questionnaire, response=response, at=at, findings=())
    return next((s for s in view.screens if s.enabled and not {q.link_id for q in s.questions} <= asked), None)


def _value(question: forms.QuestionView, worse: bool, dice: random.Random) -> str | None:
    codes = [option.code for option in question.options]
    if codes:
        return choose(question.link_id, codes, worse=worse, random=dice)
    if question.type in {"integer", "decimal", "quantity"}:
        if dice.random() < 0.08 and question.item.may_be_not_measured:
            return "not-measured"
        decimals = 1 if question.type == "decimal" else 0
        return f"{number(question.link_id, worse=worse, random=dice, decimals=decimals):g}"
    return None


def doctors_round(hospital: Hospital, *, at: datetime) -> None:
    """Every owner looks at the alerts that are open: sees, accepts, acts, closes. One in eight is left for later."""
    waiting = Alert.objects.unscoped("the simulation plays every owner").filter(closed_at=None, owner__isnull=False)
    for alert in list(waiting.select_related("owner").order_by("raised_at", "pk")[:500]):
        if hospital.random.random() < 0.12 or alert.owner is None:
            continue
        by = viewer_for(alert.owner, at=at)
        try:
            _handle(alert, hospital.random, at=at, by=by)
            hospital.tally.alerts_closed += 1
        except Refused as refusal:
            hospital.tally.refused(refusal)


def _handle(alert: Alert, dice: random.Random, *, at: datetime, by: Viewer) -> None:
    alerts.mark_seen(alert=alert, at=at, by=by)
    alert = alerts.accept(alert=alert, at=at + timedelta(minutes=2), by=by)
    alert = alerts.act(alert=alert, code=dice.choice(ACTS), at=at + timedelta(minutes=6), by=by)
    alerts.close(alert=alert, code="resolved", at=at + timedelta(minutes=9), by=by)

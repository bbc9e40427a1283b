"""Discharges enter plans by rule, or one by hand; and every discharge gets an answer (B04, pain 1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.models import uuid7
from careloop.kernel.rows import new_row
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter
from careloop.plans.actions.deriving import _derive
from careloop.plans.actions.endings import _end_plans, _resume_plans
from careloop.plans.events import AnchorsCompleted, CarePlanStarted, EnrolmentDecided
from careloop.plans.models import CarePlan, EnrolmentDecision, PlanDefinition
from careloop.plans.reads import facts
from careloop.plans.reads.facts import Stay
from careloop.plans.reads.locking import hold_patients
from careloop.plans.rules.enrolment import BEATEN, Choice, Match, Outcome, choose
from careloop.plans.rules.surveys import SURVEYS

BY_HAND = "started-by-hand"
DECLINED = "no-follow-up"  # a person said at discharge that nobody needs to call
LATEST_DAYS = 365


class NotDischarged(Refused):
    """A plan counts from the discharge, and this stay has none."""

    code = "not-discharged"
    message = _("This stay is not finished: a plan counts from the discharge.")


class PlanRunsAlready(Refused):
    """The patient is in this plan already."""

    code = "plan-runs-already"
    message = _("This patient is in this plan already.")


class PatientNotToContact(Refused):
    """Dead, or refused all contact."""

    code = "not-to-contact"
    message = _("This patient must not be contacted.")


class FollowUpWasDeclined(Refused):
    """A person decided that nobody follows this discharge up; another plan does not slip in behind that."""

    code = "follow-up-declined"
    message = _("No follow-up was decided for this discharge. Take that decision back first.")


@dataclass(slots=True)
class _Work:
    """What one enrolment run collects before it writes."""

    starting: list[CarePlan] = field(default_factory=list)
    touched: list[CarePlan] = field(default_factory=list)  # running plans to look at again
    ending: dict[str, list[CarePlan]] = field(default_factory=lambda: defaultdict(list))  # reason → plans
    resuming: list[CarePlan] = field(default_factory=list)
    decisions: list[EnrolmentDecision] = field(default_factory=list)
    diagnoses: dict[UUID, str] = field(default_factory=dict)  # plan that starts → what its stay was for
    dated: list[CarePlan] = field(default_factory=list)  # an operation or diagnosis date came late
    events: list[Event] = field(default_factory=list)


@action
def enrol_discharges(*, encounter_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """Judge these discharges against all plans in force, start what fits, end what fits no longer.

    For one discharge and for a thousand the number of statements is the same. Judging again (late diagnoses, a
    repeated message) changes only what is different; a plan with a contact behind it is ended only when a better one
    of its group takes over. Gives back the number of plans started.
    """
    known = facts.judged(encounter_ids)
    root = facts.hospital() if any(stay.encounter.department_id is None for stay in known.stays) else None
    work = _Work()
    for stay in known.stays:
        plans = known.plans.get(stay.encounter.patient_id, [])
        _judge(stay, known.definitions, plans, known.decisions, root, work, at=at)
    _write(work, at=at, by=by)
    return len(work.starting)


@action
def start_care_plan(*, encounter: Encounter, definition: PlanDefinition, at: datetime, by: Viewer) -> CarePlan:
    """Start one plan for one discharge by hand. Refused: no discharge, running already, declined, not to be contacted."""
    hold_patients([encounter.patient_id])
    (stay,) = facts.stays([encounter.pk])
    patient = stay.encounter.patient
    if patient.deceased or patient.do_not_contact:
        raise PatientNotToContact
    if stay.encounter.status != Encounter.Status.FINISHED:
        raise NotDischarged
    if stay.is_declined:
        raise FollowUpWasDeclined
    known = facts.plans_of_patient(patient.pk)
    if any(p.definition_url == definition.url and p.ended_at is None for p in known):
        raise PlanRunsAlready
    cycle = 1 + max((p.cycle for p in known if _same(p, stay.encounter.pk, definition.url)), default=_cycle(stay) - 1)
    department = stay.encounter.department or facts.hospital()
    plan = _new_plan(stay, definition, department, [{"code": BY_HAND, "values": {}}], at=at)
    plan.cycle = max(cycle, _cycle(stay))
    plan.save()
    record(_started(plan), by=by)
    _derive([plan], at=at, by=by)
    return plan


def _judge(
    stay: Stay,
    definitions: Mapping[str, PlanDefinition],
    known: Sequence[CarePlan],
    decided: Mapping[UUID, EnrolmentDecision],
    root: Organization | None,
    work: _Work,
    *,
    at: datetime,
) -> None:
    today = facts.local_day(at)
    choice = choose(
        facts.contents(definitions.values()),
        stay.facts(today=today),
        today=today,
        latest_days=LATEST_DAYS,
        briefly=True,
    )
    if choice.outcome is Outcome.NOT_FINISHED:
        return  # the discharge itself will come; A13 has its own action
    mine = [p for p in known if p.encounter_id == stay.encounter.pk and p.cycle == _cycle(stay)]
    wanted = {plan.url: definitions[plan.url] for plan in choice.taken}
    department = stay.encounter.department or root
    assert department is not None
    for url, definition in wanted.items():
        if all(plan.definition_url != url for plan in mine):
            plan = _new_plan(stay, definition, department, _reasons(choice, url), at=at)
            work.starting.append(plan)
            work.diagnoses[plan.pk] = stay.diagnosis_text
    # The discharge came again before the job after its cancelling ran: that job then finds a finished stay.
    work.ending["discharge-cancelled"] += [
        p for p in known if p.encounter_id == stay.encounter.pk and p.cycle < _cycle(stay) and not _is_by_hand(p)
    ]
    _unwanted(mine, wanted, choice.outcome, work)
    _other_stays([p for p in known if p.encounter_id != stay.encounter.pk], wanted, choice.outcome, stay, work)
    _late_dates(stay, mine, work)
    _decide(stay, choice, department, decided.get(stay.encounter.pk), len(wanted), work, at=at)


def _unwanted(mine: Sequence[CarePlan], wanted: Mapping[str, PlanDefinition], outcome: Outcome, work: _Work) -> None:
    """Plans of this discharge that the rules do not choose any longer."""
    groups = {definition.group for definition in wanted.values()}
    for plan in mine:
        if plan.ended_at is not None or plan.definition_url in wanted or _is_by_hand(plan):
            continue
        if outcome is Outcome.DECLINED:
            work.ending[DECLINED].append(plan)
            continue
        if outcome not in (Outcome.ENROLLED, Outcome.NO_PLAN):
            work.ending[outcome.value].append(plan)
        elif plan.definition.group == SURVEYS:
            continue  # asked for days later, whatever the diagnoses say
        elif plan.definition.group in groups:
            work.ending["replaced"].append(plan)
        else:
            work.touched.append(plan)  # ended as "no-longer-fits" when nobody has spoken to the patient yet


def _other_stays(
    others: Sequence[CarePlan], wanted: Mapping[str, PlanDefinition], outcome: Outcome, stay: Stay, work: _Work
) -> None:
    """After a readmission: the new stay's plans take over from older ones of their group; the rest goes on."""
    groups = {definition.group for definition in wanted.values()}
    for plan in others:
        if plan.ended_at is not None or plan.discharged_on > facts.local_day(
            stay.encounter.discharged_at or plan.started_at
        ):
            continue
        if plan.definition.group in groups:
            work.ending["new-cycle"].append(plan)
        elif outcome in (Outcome.DIED, Outcome.REFUSED):
            work.ending[outcome.value].append(plan)
        elif plan.held_for == stay.encounter.pk:
            work.resuming.append(plan)


def _late_dates(stay: Stay, mine: Sequence[CarePlan], work: _Work) -> None:
    """An operation or diagnosis date that came after the plan was started."""
    for plan in mine:
        late = (plan.operated_on is None and stay.operated_on) or (plan.diagnosed_on is None and stay.diagnosed_on)
        if plan.ended_at is None and late:
            plan.operated_on = plan.operated_on or stay.operated_on
            plan.diagnosed_on = plan.diagnosed_on or stay.diagnosed_on
            work.dated.append(plan)
            work.events.append(AnchorsCompleted(care_plan_id=plan.pk, patient_id=plan.patient_id))


def _decide(
    stay: Stay,
    choice: Choice,
    department: Organization,
    before: EnrolmentDecision | None,
    plans: int,
    work: _Work,
    *,
    at: datetime,
) -> None:
    explanation = [_explained(match, briefly=choice.outcome is Outcome.ENROLLED) for match in choice.matches]
    if before and (before.outcome, before.explanation) == (choice.outcome.value, explanation):
        return
    encounter = stay.encounter
    work.decisions.append(
        new_row(
            EnrolmentDecision,
            id=before.pk if before else uuid7(),
            patient_id=encounter.patient_id,
            encounter=encounter,
            cycle=_cycle(stay),
            department=department,
            outcome=choice.outcome.value,
            discharged_on=facts.local_day(encounter.discharged_at) if encounter.discharged_at else None,
            decided_at=at,
            times_decided=before.times_decided + 1 if before else 1,
            plans=plans,
            explanation=explanation,
            created_at=at,
            updated_at=at,
        )
    )
    work.events.append(
        EnrolmentDecided(encounter_id=encounter.pk, outcome=choice.outcome.value, patient_id=encounter.patient_id)
    )


def _write(work: _Work, *, at: datetime, by: Viewer) -> None:
    _end_untouched(work)
    for reason, plans in work.ending.items():
        _end_plans(plans, reason=reason, status=CarePlan.Status.REVOKED, at=at, by=by)
    EnrolmentDecision.objects.bulk_create(
        work.decisions,
        update_conflicts=True,
        unique_fields=["encounter", "cycle"],
        update_fields=[
            "patient", "department", "outcome", "discharged_on", "decided_at", "times_decided", "plans", "explanation",
            "updated_at",
        ],
    )  # fmt: skip
    CarePlan.objects.bulk_create(work.starting)
    if work.dated:
        dated = CarePlan.objects.unscoped("the patients are held")
        dated.bulk_update(work.dated, ["operated_on", "diagnosed_on"])
    record_all([*work.events, *[_started(plan) for plan in work.starting]], by=by)
    _resume_plans(work.resuming, at=at, by=by)
    _derive([*work.starting, *work.resuming, *work.dated], new=work.diagnoses, at=at, by=by)


def _end_untouched(work: _Work) -> None:
    histories = facts.histories(work.touched) if work.touched else {}
    for plan in work.touched:
        if not histories[plan.pk].touched:
            work.ending["no-longer-fits"].append(plan)


def _new_plan(
    stay: Stay, definition: PlanDefinition, department: Organization, reasons: list[dict[str, Any]], *, at: datetime
) -> CarePlan:
    encounter = stay.encounter
    assert encounter.discharged_at is not None
    return new_row(
        CarePlan,
        id=uuid7(),
        patient=encounter.patient,
        encounter=encounter,
        definition=definition,
        definition_url=definition.url,
        cycle=_cycle(stay),
        department=department,
        status=CarePlan.Status.ACTIVE,
        started_at=at,
        enrolled_on=max(facts.local_day(at), facts.local_day(encounter.discharged_at)),
        discharged_on=facts.local_day(encounter.discharged_at),
        operated_on=stay.operated_on,
        diagnosed_on=stay.diagnosed_on,
        reasons=reasons,
    )


def _cycle(stay: Stay) -> int:
    return max(stay.encounter.discharge_cycle, 1)


def _same(plan: CarePlan, encounter_id: UUID, url: str) -> bool:
    return plan.encounter_id == encounter_id and plan.definition_url == url


def _is_by_hand(plan: CarePlan) -> bool:
    return any(reason.get("code") == BY_HAND for reason in plan.reasons)


def _reasons(choice: Choice, url: str) -> list[dict[str, Any]]:
    (mine,) = (match for match in choice.matches if match.url == url)
    return [{"code": reason.code, "values": reason.values} for reason in mine.reasons]


def _explained(match: Match, *, briefly: bool) -> dict[str, Any]:
    """As stored. Of a plan that never fitted an enrolled patient the first reason is enough, without its values."""
    if briefly and not match.fits and match.reasons[-1].code not in BEATEN:
        return {"url": match.url, "fits": False, "reasons": [{"code": match.reasons[0].code}]}
    reasons = [{"code": reason.code, "values": reason.values} for reason in match.reasons]
    return {"url": match.url, "fits": match.fits, "reasons": reasons}


def _started(plan: CarePlan) -> CarePlanStarted:
    return CarePlanStarted(
        care_plan_id=plan.pk,
        encounter_id=plan.encounter_id,
        definition_id=plan.definition_id,
        patient_id=plan.patient_id,
    )

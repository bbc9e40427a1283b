"""Some days after a stay the patient is asked on the phone how satisfied they were (A19, D25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from careloop.audit.record import record_all
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.plans.actions.deriving import _derive
from careloop.plans.actions.enrolment import _new_plan, _started
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.reads import facts, surveys
from careloop.plans.reads.facts import Stay
from careloop.plans.reads.locking import hold_patients_of
from careloop.plans.rules.enrolment import Match, match
from careloop.plans.rules.surveys import Asking, unasked


@action
def ask_satisfaction(*, encounter_ids: Sequence[UUID], interval_days: int, at: datetime, by: Viewer) -> int:
    """Start the survey of these stays for whoever is to be asked. Gives back how many were started.

    Again, or by two workers at once, nothing more: the patients are held first, and whoever was asked within the interval,
    about whichever stay, is not asked again.
    """
    hold_patients_of(encounter_ids)
    definitions = surveys.definitions()
    found = facts.stays(encounter_ids)
    asking = surveys.asking([stay.encounter.patient for stay in found])
    today = facts.local_day(at)
    starting: dict[UUID, CarePlan] = {}  # one of a patient, even when two stays come at once
    texts: dict[UUID, str] = {}
    for stay in sorted(found, key=lambda one: one.encounter.discharged_at or at, reverse=True):
        patient_id = stay.encounter.patient_id
        told = stay.facts(today=today)
        if patient_id in starting or unasked(
            told, asking.get(patient_id, Asking()), today=today, interval_days=interval_days
        ):
            continue
        plan = _plan(stay, definitions, {d.url: match(d.plan(), told) for d in definitions}, at=at)
        if plan is not None:
            starting[patient_id] = plan
            texts[plan.pk] = stay.diagnosis_text
    plans = list(starting.values())
    CarePlan.objects.bulk_create(plans)
    record_all([_started(plan) for plan in plans], by=by)
    _derive(plans, new=texts, at=at, by=by)
    return len(plans)


def _plan(
    stay: Stay, definitions: Sequence[PlanDefinition], matches: Mapping[str, Match], *, at: datetime
) -> CarePlan | None:
    fitting = [definition for definition in definitions if matches[definition.url].fits]
    if not fitting:
        return None
    best = max(fitting, key=lambda definition: matches[definition.url].specificity)
    reasons = [{"code": reason.code, "values": reason.values} for reason in matches[best.url].reasons]
    return _new_plan(stay, best, stay.encounter.department or facts.hospital(), reasons, at=at)

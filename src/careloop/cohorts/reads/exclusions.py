"""Who of a group cannot be followed up, with the reason, before anything is started and again when it comes to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef

from careloop.cohorts.models import Topic, TopicMember
from careloop.cohorts.rules.exclusion import Reason, Sorted, sort_out
from careloop.patients.models import ContactPoint, Encounter, Patient
from careloop.plans.models import CarePlan
from careloop.tasks.models import Task

WITHIN = "of patients the viewer was shown"
ELSEWHERE = ("other-hospital", "community")  # where the last stay ended: another institution cares for the patient now
DEAD_NUMBER = (ContactPoint.Result.EMPTY, ContactPoint.Result.WRONG)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What is to be started. A plan counts from a discharge, so it needs a finished stay; a contact needs a telephone."""

    plan_url: str = ""
    questionnaire_url: str = ""


def sort_members(members: Sequence[UUID], purpose: Purpose) -> Sorted:
    """Each member into the group or to its reason; a fixed number of statements, however many they are."""
    ids = list(members)
    return sort_out(ids, {reason: find(ids, purpose) for reason, find in _FINDERS.items()}) if ids else sort_out([], {})


def _died(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    return _patients(ids, deceased=True)


def _refused(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    return _patients(ids, do_not_contact=True)


def _patients(ids: Sequence[UUID], **which: bool) -> Collection[UUID]:
    return set(Patient.objects.unscoped(WITHIN).filter(pk__in=ids, **which).values_list("pk", flat=True))


def _in_hospital(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    stays = Encounter.objects.unscoped(WITHIN).filter(
        patient_id__in=ids, status=Encounter.Status.IN_PROGRESS, class_code=Encounter.Class.INPATIENT
    )
    return set(stays.values_list("patient_id", flat=True))


def _transferred(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    """The last finished stay ended in another institution."""
    finished = Encounter.objects.unscoped(WITHIN).filter(status=Encounter.Status.FINISHED)
    later = finished.filter(patient_id=OuterRef("patient_id"), discharged_at__gt=OuterRef("discharged_at"))
    gone = finished.filter(~Exists(later), patient_id__in=ids, disposition__in=ELSEWHERE)
    return set(gone.values_list("patient_id", flat=True))


def _in_plan(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    if not purpose.plan_url:
        return ()
    running = CarePlan.objects.unscoped(WITHIN).running().filter(definition_url=purpose.plan_url, patient_id__in=ids)
    return set(running.values_list("patient_id", flat=True))


def _in_topic(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    """Still to be asked the same form for another topic: nobody is called twice for one thing."""
    if not purpose.questionnaire_url:
        return ()
    open_task = Task.objects.unscoped(WITHIN).open().filter(pk=OuterRef("task_id"))
    others = TopicMember.objects.unscoped(WITHIN).filter(
        Exists(open_task),
        patient_id__in=ids,
        topic__questionnaire_url=purpose.questionnaire_url,
        topic__plan_url="",
        topic__state=Topic.State.RUNNING,
    )
    return set(others.values_list("patient_id", flat=True))


def _no_stay(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    if not purpose.plan_url:
        return ()
    finished = Encounter.objects.unscoped(WITHIN).filter(patient_id__in=ids, status=Encounter.Status.FINISHED)
    return set(ids) - set(finished.values_list("patient_id", flat=True))


def _no_number(ids: Sequence[UUID], purpose: Purpose) -> Collection[UUID]:
    usable = ContactPoint.objects.unscoped(WITHIN).filter(
        patient_id__in=ids, system=ContactPoint.System.PHONE, active=True, is_valid=True
    )
    return set(ids) - set(usable.exclude(last_result__in=DEAD_NUMBER).values_list("patient_id", flat=True))


_FINDERS: dict[Reason, Callable[[Sequence[UUID], Purpose], Collection[UUID]]] = {
    "died": _died, "refused": _refused, "in-hospital": _in_hospital, "transferred": _transferred,
    "already-in-plan": _in_plan, "already-in-topic": _in_topic, "no-stay": _no_stay, "no-number": _no_number,
}  # fmt: skip

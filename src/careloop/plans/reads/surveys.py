"""Whose stay is over long enough to be asked about, and what is known of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from careloop.patients.models import Encounter, Patient
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.reads.facts import local_day
from careloop.plans.rules.content import PlanContent
from careloop.plans.rules.surveys import EARLIEST_DAYS, LATEST_DAYS, SURVEYS, Asking

_WHY = "the clock asks about every stay"
_IN_BED = Q(class_code=Encounter.Class.INPATIENT, status=Encounter.Status.IN_PROGRESS)


def definitions() -> list[PlanDefinition]:
    """The surveys that are switched on."""
    return list(PlanDefinition.objects.surveying().order_by("url"))


def stays_to_ask(*, at: datetime, size: int) -> Iterator[list[UUID]]:
    """Finished stays in the days in which one asks, whose patient has no survey of them yet; in slices."""
    classes = _classes(definition.plan() for definition in definitions())
    asked = CarePlan.objects.unscoped(_WHY).filter(
        encounter_id=OuterRef("pk"), cycle__gte=OuterRef("discharge_cycle"), definition__group=SURVEYS
    )
    rows = Encounter.objects.unscoped(_WHY).filter(
        status=Encounter.Status.FINISHED,
        class_code__in=classes,
        discharged_at__gte=at - timedelta(days=LATEST_DAYS + 1),
        discharged_at__lt=at - timedelta(days=EARLIEST_DAYS - 1),
        patient__deceased=False,
        patient__do_not_contact=False,
    )
    ids = list(rows.filter(~Exists(asked)).order_by("discharged_at", "pk").values_list("pk", flat=True))
    for begin in range(0, len(ids), size):
        yield ids[begin : begin + size]


def asking(patients: Sequence[Patient]) -> dict[UUID, Asking]:
    """What decides about these patients beside the stay. Two statements for any number."""
    ids = {patient.pk for patient in patients}
    asked: dict[UUID, list[date]] = defaultdict(list)
    plans = CarePlan.objects.unscoped(_WHY).filter(patient_id__in=ids, definition__group=SURVEYS)
    for patient_id, started_at in plans.values_list("patient_id", "started_at"):
        asked[patient_id].append(local_day(started_at))
    in_bed = set(
        Encounter.objects.unscoped(_WHY).filter(_IN_BED, patient_id__in=ids).values_list("patient_id", flat=True)
    )
    return {
        patient.pk: Asking(
            is_sensitive=patient.sensitivity != Patient.Sensitivity.NORMAL,
            is_in_bed=patient.pk in in_bed,
            asked_on=tuple(asked[patient.pk]),
        )
        for patient in patients
    }


def _classes(plans: Iterable[PlanContent]) -> set[str]:
    """The kinds of stays that some survey asks about; one without a word on it asks about all."""
    wanted: set[str] = set()
    for plan in plans:
        wanted |= plan.enrolment.encounter_classes or set(Encounter.Class.values)
    return wanted

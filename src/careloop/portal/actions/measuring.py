"""Measurements taken at home: stored as observations, judged by cited limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import store_observations
from careloop.patients.models import Observation, Patient, Risk
from careloop.patients.rules import ObservationData
from careloop.portal import reads, rules
from careloop.portal.actions._asking import ask_department
from careloop.portal.events import MeasurementEntered

SOURCE = "patient"
RESPOND_WITHIN = timedelta(hours=2)


@action
def enter_measurement(
    *,
    patient: Patient,
    measurement: rules.Measurement,
    values: Mapping[str, Decimal | None],
    once: UUID,
    at: datetime,
    by: Viewer,
) -> str:
    """Stores the numbers and gives back their level. `once` is the form's own number: sent twice, it counts once.

    An urgent level asks the department for a call within two hours; the page itself says to measure again or call 120.
    """
    level = rules.level_of(measurement, values, earlier=_earlier(measurement, by), at=at)
    key = f"portal:{once}"
    if Observation.objects.visible_to(by).filter(key=f"{SOURCE}|{key}:{measurement.fields[0].name}").exists():
        return level  # the same form again
    told = _observations(measurement, values, key, at)
    store_observations(patient=patient, encounter=None, observations=told, source=SOURCE, at=at, by=by)
    if rules.is_urgent(level):
        _ask_for_a_call(patient, measurement, told, key, at, by)
    record(MeasurementEntered(measurement=measurement.code, level=level, key=key, patient_id=patient.pk), by=by)
    return level


def _earlier(measurement: rules.Measurement, by: Viewer) -> list[rules.Earlier]:
    return reads.earlier_values(reads.readings(by, measurement))


def _observations(
    measurement: rules.Measurement, values: Mapping[str, Decimal | None], key: str, at: datetime
) -> list[ObservationData]:
    return [
        ObservationData(
            key=f"{key}:{field.name}",
            code=field.code,
            system=field.system,
            text=field.name,
            value=str(values[field.name]),
            value_type="NM",
            unit=field.unit,
            observed_at=at,
            category="vital-signs",
        )
        for field in measurement.fields
        if values.get(field.name) is not None
    ]


def _ask_for_a_call(
    patient: Patient,
    measurement: rules.Measurement,
    told: Sequence[ObservationData],
    key: str,
    at: datetime,
    by: Viewer,
) -> None:
    title = _("Urgent value from home: %(value)s") % {"value": " / ".join(one.value for one in told)}
    ask_department(
        patient=patient, key=f"{key}:{patient.pk}", kind="work-order", code=f"urgent-{measurement.code}", title=title,
        risk=Risk.HIGH, within=RESPOND_WITHIN, at=at, by=by,
    )  # fmt: skip

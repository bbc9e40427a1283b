"""The retry ladder in force, its history, and what a patient's own calls tell about good hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.tasks import rules
from careloop.tasks.models import ContactAttempt, LadderVersion
from careloop.tasks.rules.ladder import CONTENT

LOOKED_BACK = timedelta(days=730)


def ladder_in_force(on: date) -> rules.Ladder:
    """The newest version whose day has come; the shipped one while the hospital has none of its own."""
    version = version_in_force(on)
    return rules.ladder_of({**version.content, "version": str(version.number)}) if version else rules.shipped_ladder()


def version_in_force(on: date) -> LadderVersion | None:
    """The row behind it."""
    return LadderVersion.objects.filter(valid_from__lte=on).order_by("-valid_from", "-number").first()


def versions() -> list[LadderVersion]:
    """The history, newest first."""
    return list(LadderVersion.objects.select_related("written_by").order_by("-number")[:50])


def shipped_content() -> dict[str, Any]:
    """The content that comes with the product: what the first edit begins with."""
    found: dict[str, Any] = orjson.loads((CONTENT / "retry_ladder.json").read_bytes())
    return found


def reach_of(
    patient_ids: Iterable[UUID], *, viewer: Viewer, at: datetime, ladder: rules.Ladder
) -> dict[UUID, rules.Reach]:
    """Each patient's best part of the day with its evidence. Patients who were never reached are not in it."""
    rows = (
        ContactAttempt.objects.visible_to(viewer)
        .filter(patient_id__in=list(patient_ids), undone_at__isnull=True, started_at__gte=at - LOOKED_BACK)
        .exclude(contact_point__isnull=True)
        .values_list("patient_id", "started_at", "outcome")
    )
    calls: dict[UUID, list[rules.Called]] = {}
    for patient_id, started_at, outcome in rows:
        known = rules.outcome_of(outcome)
        if known is None or known.number_failed:  # an empty number says nothing about the hour
            continue
        reached = known.number_result == "reached"
        calls.setdefault(patient_id, []).append(rules.Called(at=timezone.localtime(started_at), reached=reached))
    found = {patient: rules.best_band(made, ladder.bands) for patient, made in calls.items()}
    return {patient: reach for patient, reach in found.items() if reach is not None}

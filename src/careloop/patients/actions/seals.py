"""A record is closed to one person for as long as that person must not know what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.models import BlindSeal


@action
def seal_records(*, patients: Mapping[str, UUID], practitioner_id: UUID, at: datetime, by: Viewer) -> int:
    """Close these records (`why` → patient) to this person until each is lifted. Again: nothing new."""
    rows = [
        BlindSeal(patient_id=patient_id, practitioner_id=practitioner_id, why=why, since=at)
        for why, patient_id in sorted(patients.items())
    ]
    if rows:
        BlindSeal.objects.unscoped("creating").bulk_create(rows, ignore_conflicts=True)
        told = tuple(sorted({row.patient_id for row in rows}, key=str))
        record(events.RecordsSealed(practitioner_id=practitioner_id, patient_ids=told), by=by)
    return len(rows)


@action
def lift_seal(*, why: str, because: str, at: datetime, by: Viewer) -> int:
    """Open what was closed for this reason, to whomever (`why` or `why:…`). Again: nothing."""
    running = BlindSeal.objects.unscoped("found by what it is for").filter(
        Q(why=why) | Q(why__startswith=f"{why}:"), lifted_at=None
    )
    found = list(running.select_for_update(no_key=True).order_by("pk"))
    running.filter(pk__in=[seal.pk for seal in found]).update(lifted_at=at, lifted_because=because[:40])
    for seal in found:
        record(
            events.SealLifted(patient_id=seal.patient_id, practitioner_id=seal.practitioner_id, because=because), by=by
        )
    return len(found)

"""Kept groups for rooms below this one, named in the settings (PATIENT_GROUPS): they ask by id and get patients."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from careloop.cohorts import access
from careloop.cohorts.models import Cohort
from careloop.cohorts.reads.members import Patients, members_of
from careloop.kernel.viewer import Viewer

SHOWN = 200


def kept_groups(viewer: Viewer) -> list[tuple[str, str]]:
    """One's own and shared groups as (id, title); none without the right to groups."""
    if not viewer.can(access.VIEW):
        return []
    rows = Cohort.objects.of(viewer).kept().order_by("title", "pk").values_list("pk", "title")[:SHOWN]
    return [(str(pk), title) for pk, title in rows]


def patients_of_group(group_id: UUID, *, viewer: Viewer, at: datetime) -> Patients | None:
    """Its patients within the viewer's scope, not asked yet; None for a group that this person may not use."""
    if not viewer.can(access.VIEW):
        return None
    found = Cohort.objects.of(viewer).kept().filter(pk=group_id).first()
    return members_of(found, viewer=viewer, at=at) if found else None

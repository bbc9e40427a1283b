"""One patient's record, for the pages about it."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import CareRelationship, Patient


def find(patient_id: UUID, *, viewer: Viewer) -> Patient | None:
    """The record if this viewer may see it, with the family doctor. None: not there, or not the viewer's.

    A page about one record found it a moment ago, in the same request; its parts are given that one.
    """
    if viewer.found is not None and viewer.narrowed_to == patient_id:
        return cast(Patient, viewer.found)
    found: list[Patient] = _one(viewer=viewer, patient_id=patient_id)
    return found[0] if found else None


def find_or_404(patient_id: UUID, *, viewer: Viewer) -> Patient:
    """The same, answering 404 like a record that does not exist."""
    found = find(patient_id, viewer=viewer)
    if found is None:
        raise Http404
    return found


def at_record(found: Patient, *, viewer: Viewer) -> Viewer:
    """The viewer for the pages about this record, which was just found: sees nothing else, and may do what the roles of
    the places that care for this patient allow. One question more, and only for people with different roles in places.
    """
    if viewer.holdings:
        caring = CareRelationship.objects.unscoped("which of the viewer's places care for a record the viewer sees")
        rows = list(caring.filter(patient=found).values_list("department_id", "practitioner_id"))
        own = any(practitioner == viewer.practitioner_id for _, practitioner in rows)
        viewer = viewer.among(frozenset(department for department, _ in rows), is_own=own)
    return viewer.narrowed(found.pk, found=found)


@prepared
def _one(viewer: Viewer, patient_id: UUID) -> QuerySet[Patient]:
    return Patient.objects.visible_to(viewer).filter(pk=patient_id).select_related("family_doctor__organization")

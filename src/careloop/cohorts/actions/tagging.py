"""Words on patients."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.cohorts.events import PatientTagged, PatientUntagged
from careloop.cohorts.models import PatientTag
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient


class TagNeedsWord(Refused):
    """An empty tag says nothing."""

    code = "tag-needs-word"
    message = _("Write the tag.")


@action
def tag_patient(*, patient_id: UUID, tag: str, by: Viewer) -> bool:
    """Put a tag on; the same again changes nothing. Gives back whether it is new. Raises Patient.DoesNotExist out of scope."""
    word = " ".join(tag.split())[:40]
    if not word:
        raise TagNeedsWord
    patient = Patient.objects.visible_to(by).only("pk").get(pk=patient_id)
    __, made = PatientTag.objects.unscoped("of the patient just found").get_or_create(
        patient=patient, tag=word, defaults={"tagged_by_id": by.practitioner_id}
    )
    if made:
        record(PatientTagged(patient_id=patient.pk, tag=word), by=by)
    return made


@action
def untag_patient(*, patient_id: UUID, tag: str, by: Viewer) -> bool:
    """Take a tag away. Gives back whether there was one."""
    gone, __ = PatientTag.objects.visible_to(by).filter(patient_id=patient_id, tag=tag).delete()
    if gone:
        record(PatientUntagged(patient_id=patient_id, tag=tag), by=by)
    return bool(gone)

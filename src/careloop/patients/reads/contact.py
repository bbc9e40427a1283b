"""May this patient be contacted, and by which number first."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from django.db.models import QuerySet

from careloop.kernel.prepared import Asked, prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Consent, ContactPoint, Patient
from careloop.patients.rules.contacts import DOUBT_AFTER, Trust, dial_order

CHANNELS: Final = ("phone", "sms", "wechat", "email")
ContactRefusal = Literal["", "died", "merged", "do-not-contact", "channel-refused"]


def contact_refusal(patient_id: UUID, *, channel: str, by: Viewer) -> ContactRefusal:
    """Why this patient must not be contacted on a channel now; empty when they may. One or two indexed queries.

    To be asked when a message is sent or a call begins, not only when it is planned (pain 5).
    """
    patient = (
        Patient.objects.visible_to(by).only("deceased", "active", "merged_into_id", "do_not_contact").get(pk=patient_id)
    )
    if patient.deceased:
        return "died"
    if not patient.active:
        return "merged"
    if patient.do_not_contact:
        return "do-not-contact"
    last = Consent.objects.visible_to(by).filter(patient_id=patient_id, consent_scope=f"contact-{channel}")
    decision = last.order_by("-decided_at", "-id").values_list("decision", flat=True).first()
    return "channel-refused" if decision == Consent.Decision.DENY else ""


def trust_of(point: ContactPoint) -> Trust:
    """How far a number can be trusted, from its evidence."""
    if not point.is_valid:
        return "invalid"
    if point.failures >= DOUBT_AFTER:
        return "doubtful"
    return "verified" if point.verified_at else "unverified"


def dial_list(patient_id: UUID, *, at: datetime, by: Viewer) -> list[ContactPoint]:
    """The patient's telephone numbers, best first; those that cannot be dialled at the end."""
    return sorted(
        asked_by_dial_list(patient_id, by=by).fetch(),
        key=lambda point: dial_order(
            trust=trust_of(point),
            is_mobile=point.is_mobile,
            is_patient=point.related_person_id is None and not point.owner_note,
            knows_condition=point.knows_condition,
            last_success=point.last_result_at
            if point.last_result == ContactPoint.Result.REACHED
            else point.verified_at,
            failures=point.failures,
            rank=point.rank,
            at=at,
        ),
    )


def asked_by_dial_list(patient_id: UUID, *, by: Viewer) -> Asked[ContactPoint]:
    """What `dial_list` asks, to be asked with other questions of a page."""
    return _telephones.asked(viewer=by, patient_id=patient_id)


@prepared
def _telephones(viewer: Viewer, patient_id: UUID) -> QuerySet[ContactPoint]:
    mine = ContactPoint.objects.visible_to(viewer).filter(
        patient_id=patient_id, system=ContactPoint.System.PHONE, active=True
    )
    return mine.select_related("related_person").order_by("rank", "id")

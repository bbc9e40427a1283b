"""What the patient allows."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.models import Consent, Patient

SCOPES: Final = (
    "contact", "contact-phone", "contact-sms", "contact-wechat", "contact-email", "contact-letter", "recording",
    "research", "share-family", "share-family-doctor", "share-psychological",
)  # fmt: skip


class UnknownConsentScope(Refused):
    code = "unknown-consent-scope"
    message = _("There is no such kind of consent.")


@action
def set_consent(*, patient: Patient, scope: str, decision: str, how: str, at: datetime, by: Viewer) -> Consent:
    """The patient allowed (`permit`) or refused (`deny`) something; the newest decision of a scope counts.

    Refusing "contact" stops every channel (`Patient.do_not_contact`). The same decision again adds no row.
    """
    if scope not in SCOPES:
        raise UnknownConsentScope
    locked = Patient.objects.visible_to(by).select_for_update(of=("self",), no_key=True).get(pk=patient.pk)
    last = (
        Consent.objects.visible_to(by)
        .filter(patient=locked, consent_scope=scope)
        .order_by("-decided_at", "-id")
        .first()
    )
    if last is not None and last.decision == decision:
        return last
    row = Consent.objects.create(
        patient=locked, consent_scope=scope, decision=Consent.Decision(decision), decided_at=at, how=how[:40],
        recorded_by_id=by.practitioner_id,
    )  # fmt: skip
    if scope == "contact":
        locked.do_not_contact = patient.do_not_contact = decision == Consent.Decision.DENY
        locked.save(update_fields=["do_not_contact", "updated_at"])
    record(events.ConsentChanged(patient_id=locked.pk, consent_scope=scope, decision=decision), by=by)
    return row

"""Messages to the follow-up centre."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import ReplyReceived
from careloop.messaging.models import InboundMessage
from careloop.patients.models import Patient, Risk
from careloop.portal.actions._asking import ask_department

GATEWAY = "portal"
ANSWER_WITHIN = timedelta(days=1)


@action
def leave_message(*, patient: Patient, text: str, once: UUID, at: datetime, by: Viewer) -> bool:
    """Keeps the message with the other replies and asks for an answer within a day. The same form again: False.

    No address is kept, because the patient is known; the text is a reply like one to an SMS.
    """
    message = InboundMessage(
        id=uuid7(), patient=patient, gateway=GATEWAY, message_id=str(once), address="", text=text[:1000],
        intent=InboundMessage.Intent.TEXT, occurred_at=at, received_at=at,
    )  # fmt: skip
    InboundMessage.objects.bulk_create([message], ignore_conflicts=True)
    if not InboundMessage.objects.visible_to(by).filter(pk=message.pk).exists():
        wrote("messaging_inboundmessage", -1)  # it was there already
        return False
    ask_department(
        patient=patient, key=f"portal-message:{once}", kind="message", code="patient-message",
        title=_("Message from the patient"), risk=Risk.NONE, within=ANSWER_WITHIN, focus=message.pk, at=at, by=by,
    )  # fmt: skip
    record(ReplyReceived(inbound_id=message.pk, intent=message.intent, patient_id=patient.pk), by=by)
    return True

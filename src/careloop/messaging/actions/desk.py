"""What a person does about messages that did not simply arrive."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions.queueing import queue_message
from careloop.messaging.events import CommunicationOwned, CommunicationSettled, ReplyHandled
from careloop.messaging.models import Communication, InboundMessage
from careloop.messaging.rules.states import NEEDS_A_PERSON, UNKNOWN


class NotForYou(Refused):
    """This message was already settled, or it needs nobody."""

    code = "message-settled"
    message = _("This message was already settled. Load the page again.")


@action
def take_over(*, communication: Communication, by: Viewer) -> None:
    """This person looks after it from now on."""
    row = _locked(communication, by)
    row.owner_id = by.practitioner_id
    row.save(update_fields=["owner", "updated_at"])
    record(CommunicationOwned(patient_id=row.patient_id, communication_id=row.pk), by=by)


@action
def resend(
    *, communication: Communication, contact_point_id: UUID | None = None, at: datetime, by: Viewer
) -> Communication:
    """Send it again, as a new message with a key of its own that says what it repeats. Once per failed message.

    An unclear message may arrive twice this way: that is this person's decision and is recorded.
    """
    _settle(communication, "resent", states=tuple(NEEDS_A_PERSON), at=at, by=by)
    again = queue_message(
        key=f"resend:{communication.pk}",
        patient_id=communication.patient_id,
        channel=communication.channel,
        template_code=communication.template_code,
        params={name: value for name, value in communication.params.items() if name not in ("hospital", "salutation")},
        task_id=communication.task_id,
        contact_point_id=contact_point_id,
        link_id=communication.link_id,
        at=at,
        by=by,
    )
    again.resend_of_id = communication.pk
    again.save(update_fields=["resend_of", "updated_at"])
    return again


@action
def settle_unknown(*, communication: Communication, how: str, at: datetime, by: Viewer) -> None:
    """A person found out what became of it: `was-sent`, `was-not-sent`, or `closed` for a failed one."""
    if how not in ("was-sent", "was-not-sent", "closed"):
        raise ValueError(how)
    states = tuple(NEEDS_A_PERSON) if how == "closed" else (UNKNOWN,)
    _settle(communication, how, states=states, at=at, by=by)


@action
def handle_reply(*, inbound: InboundMessage, at: datetime, by: Viewer) -> None:
    """Read and dealt with."""
    row = (
        InboundMessage.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=inbound.pk, handled_at__isnull=True)
        .first()
    )
    if row is None:
        raise NotForYou
    row.handled_at, row.handled_by_id = at, by.practitioner_id
    row.save(update_fields=["handled_at", "handled_by", "updated_at"])
    record(ReplyHandled(patient_id=row.patient_id, inbound_id=row.pk), by=by)


def _settle(communication: Communication, how: str, *, states: tuple[str, ...], at: datetime, by: Viewer) -> None:
    row = _locked(communication, by)
    if row.state not in states:
        raise NotForYou
    row.settled_at, row.settled_by_id, row.settled_how = at, by.practitioner_id, how
    row.save(update_fields=["settled_at", "settled_by", "settled_how", "updated_at"])
    record(CommunicationSettled(patient_id=row.patient_id, communication_id=row.pk, how=how), by=by)


def _locked(communication: Communication, by: Viewer) -> Communication:
    """Locked before its state is looked at: an UPDATE through a scope would not look again after waiting."""
    row = (
        Communication.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=communication.pk)
        .first()
    )
    if row is None or row.settled_at is not None or row.state not in NEEDS_A_PERSON:
        raise NotForYou
    return row

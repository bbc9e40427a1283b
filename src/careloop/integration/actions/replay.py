"""A person mends what was wrong and sends messages through again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from careloop.accounts.actions import map_organization_code
from careloop.accounts.models import Organization
from careloop.audit.record import record, seen
from careloop.integration import events
from careloop.integration.models import InboxMessage
from careloop.integration.rules import UNKNOWN_DEPARTMENT, UNREADABLE
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer


class MessageNotFinished(Refused):
    code = "message-not-finished"
    message = _("These messages are still waiting. They run by themselves.")


class OnlyTheSenderCanMend(Refused):
    code = "only-the-sender-can-mend"
    message = _("Running these again cannot help: their sender must mend and send them.")


@action
def replay_messages(*, ids: Sequence[UUID], at: datetime, by: Viewer, reason: str = "") -> int:
    """Put finished messages back into the queue, in their old order. Applying one twice changes nothing more.

    Refused when none of them is finished, or none can be read. Messages without a readable header stay dead.
    """
    chosen = InboxMessage.objects.visible_to(by)
    changed = (
        chosen.filter(pk__in=ids, state__in=(InboxMessage.State.DEAD, InboxMessage.State.DONE, InboxMessage.State.IGNORED))
        .exclude(error_code__in=UNREADABLE)
        .update(
            state=InboxMessage.State.RECEIVED, attempts=0, next_try=None, error_code="", error_subject="",
            error_text="", processed_at=None, replays=F("replays") + 1, updated_at=at,
        )
    )  # fmt: skip
    if not changed:
        unreadable = chosen.filter(pk__in=ids, error_code__in=UNREADABLE).exists()
        raise OnlyTheSenderCanMend if unreadable else MessageNotFinished
    record(events.MessagesReplayed(count=changed, reason=reason[:60]), by=by)
    return changed


@action
def map_department(*, facility: str, value: str, organization: Organization, at: datetime, by: Viewer) -> int:
    """Say what a department code of a sender means, and run the messages that waited for it. How many those are."""
    map_organization_code(system=facility, value=value, organization=organization, by=by)
    waiting = list(
        InboxMessage.objects.visible_to(by)
        .dead()
        .filter(error_code=UNKNOWN_DEPARTMENT, error_subject=value, facility=facility)
        .order_by("seq")
        .values_list("pk", flat=True)
    )
    return replay_messages(ids=waiting, at=at, reason=UNKNOWN_DEPARTMENT, by=by) if waiting else 0


@action
def ignore_messages(*, ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """A person decides that dead letters need no mending. They stay readable and can still be re-run."""
    changed = (
        InboxMessage.objects.visible_to(by)
        .dead()
        .filter(pk__in=ids)
        .update(state=InboxMessage.State.IGNORED, next_try=None, processed_at=at, updated_at=at)
    )
    if changed:
        record(events.MessagesReplayed(count=changed, reason="put-aside"), by=by)
    return changed


@action
def content_seen(*, message: InboxMessage, by: Viewer) -> None:
    """A person read a message. If it is about a known patient, the patient's record was read."""
    if message.patient_id is not None:
        seen(patient_id=message.patient_id, what="hl7-message", by=by)
    else:
        record(events.MessageContentSeen(message_id=message.pk), by=by)

"""Writing a message down, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record_all
from careloop.kernel.actions import action, wrote
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import CommunicationQueued, CommunicationSuppressed
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads import policy
from careloop.messaging.reads.desk import Desk
from careloop.messaging.rules.requests import MessageRequest, Value
from careloop.messaging.rules.timing import code_refusal

State = Communication.State
_CODES_LOCK = 7_301_001  # one-time codes are counted one after the other


class CodeRefused(Refused):
    """Too many one-time codes. `reason` is too-soon, too-many-today or budget-spent."""

    code = "code-refused"
    message = _("A code was sent a moment ago. Wait a minute and try again.")
    status = 429

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


@action
def queue_message(
    *,
    key: str,
    patient_id: UUID,
    channel: str,
    template_code: str,
    params: Mapping[str, Value],
    task_id: UUID | None = None,
    contact_point_id: UUID | None = None,
    link_id: UUID | None = None,
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
    at: datetime,
    by: Viewer,
) -> Communication:
    """Write one message down. The same key again gives the same message back and sends nothing more.

    What may not be sent (no number, no consent, dead …) is written down too, as suppressed with its reason.
    Refused: an unknown template or value, a missing value or link, too many one-time codes.
    """
    request = MessageRequest(
        key=key,
        patient_id=patient_id,
        channel=channel,
        template_code=template_code,
        params=params,
        task_id=task_id,
        contact_point_id=contact_point_id,
        link_id=link_id,
        not_before=not_before,
        expires_at=expires_at,
    )
    return queue_messages(requests=[request], at=at, by=by)[0]


@action
def queue_messages(*, requests: Sequence[MessageRequest], at: datetime, by: Viewer) -> list[Communication]:
    """Write many messages down with a fixed number of queries; the answer is in the order of the requests."""
    keys = [request.key for request in requests]
    known = _by_key(keys)
    fresh = list({r.key: r for r in requests if r.key not in known}.values())
    if fresh:
        desk = Desk(fresh, by=by)
        made = [desk.written_down(request, at=at) for request in fresh]
        _refuse_too_many_codes(made, at=at)
        Communication.objects.bulk_create(made, ignore_conflicts=True)
        stored = _by_key([m.key for m in made])
        lost = [m for m in made if stored[m.key].pk != m.pk]  # another process was a moment faster
        wrote("messaging_communication", -len(lost))
        record_all([_fact(m) for m in made if stored[m.key].pk == m.pk], by=by)
        known |= stored
    return [known[key] for key in keys]


@action
def suppress_open(*, task_ids: Sequence[UUID], reason: str, at: datetime, by: Viewer) -> int:
    """Hold back what is not yet in a sender's hands, because its tasks are gone. Says how many."""
    waiting = Communication.objects.visible_to(by).filter(
        task_id__in=list(task_ids), state__in=[State.QUEUED, State.PREPARATION], maybe_sent=False
    )
    found = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    changed = (
        Communication.objects.visible_to(by)
        .filter(pk__in=[c.pk for c in found])
        .update(state=State.SUPPRESSED, reason=reason, ended_at=at, updated_at=at)
    )
    for communication in found:
        communication.state, communication.reason = State.SUPPRESSED, reason
    record_all([_fact(c) for c in found], by=by)
    return changed


@action
def hold_back(*, keys: Sequence[str], reason: str, at: datetime, by: Viewer) -> int:
    """Hold back these messages as far as no sender has them yet: whoever asked for them took it back. Says how many."""
    waiting = Communication.objects.unscoped("the keys are the asker's own").filter(
        key__in=keys, state__in=[State.QUEUED, State.PREPARATION], maybe_sent=False
    )
    found = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    held = Communication.objects.unscoped("the rows just locked").filter(pk__in=[c.pk for c in found])
    held.update(state=State.SUPPRESSED, reason=reason, ended_at=at, updated_at=at)
    for communication in found:
        communication.state, communication.reason = State.SUPPRESSED, reason
    record_all([_fact(c) for c in found], by=by)
    return len(found)


def _by_key(keys: Sequence[str]) -> dict[str, Communication]:
    found = Communication.objects.unscoped("the key is the asker's own").filter(key__in=keys)
    return {communication.key: communication for communication in found}


def _fact(c: Communication) -> Event:
    if c.state == State.SUPPRESSED:
        return CommunicationSuppressed(
            patient_id=c.patient_id, communication_id=c.pk, task_id=c.task_id, channel=c.channel, reason=c.reason
        )
    return CommunicationQueued(
        patient_id=c.patient_id, communication_id=c.pk, task_id=c.task_id, channel=c.channel, template=c.template_code
    )


def _refuse_too_many_codes(made: Sequence[Communication], *, at: datetime) -> None:
    codes = [m for m in made if m.category == MessageTemplate.Category.ONE_TIME_CODE and m.state == State.QUEUED]
    if not codes:
        return
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_CODES_LOCK])
    last_day = Communication.objects.unscoped("limits count the whole hospital").filter(
        category=MessageTemplate.Category.ONE_TIME_CODE, requested_at__gt=at - timedelta(days=1)
    )
    last_hour = last_day.filter(requested_at__gt=at - timedelta(hours=1)).count()
    for code in codes:
        to_this = list(last_day.filter(address=code.address).values_list("requested_at", flat=True))
        reason = code_refusal(to_this, last_hour, policy.code_limits(), at=at)
        if reason:
            raise CodeRefused(reason)

"""What the pages and reports ask the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Q

from careloop.integration.access import READ_CONTENT
from careloop.integration.models import InboxMessage
from careloop.integration.reads.here import site
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient

__all__ = [
    "MOST_GROUPS", "PAGE", "ChannelHealth", "DeadGroup", "Health", "Outcome", "dead_groups", "group_ids", "health",
    "may_read_content", "messages", "outcome_of", "site",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some messages."""

    applied: int
    ignored: dict[str, int]
    waiting: int
    dead: dict[str, int]


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """One channel today. applied + ignored + waiting + dead = received."""

    channel: str
    label: str
    last_at: datetime | None
    received: int
    applied: int
    ignored: int
    waiting: int
    dead: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Health:
    """The strip on top of the page."""

    channels: tuple[ChannelHealth, ...]
    oldest_waiting: datetime | None
    waiting: int
    retrying: int
    dead: int

    def lag(self, *, at: datetime) -> timedelta:
        """How long the oldest waiting message has waited."""
        return at - self.oldest_waiting if self.oldest_waiting else timedelta()


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Dead letters with one reason and one thing to mend."""

    code: str
    subject: str
    facility: str
    text: str
    count: int
    first_at: datetime
    last_at: datetime


def outcome_of(ids: Sequence[UUID]) -> Outcome:
    """Counts by state, ignored by event type, dead by reason."""
    rows = (
        InboxMessage.objects.unscoped("counts only")
        .filter(pk__in=ids)
        .values_list("state", "event_type", "error_code")
        .annotate(n=Count("pk"))
        .order_by("-n", "event_type", "error_code")
    )
    applied, waiting = 0, 0
    ignored: dict[str, int] = {}
    dead: dict[str, int] = {}
    for state, event, code, count in rows:
        if state == InboxMessage.State.DONE:
            applied += count
        elif state == InboxMessage.State.IGNORED:
            ignored[event] = ignored.get(event, 0) + count
        elif state == InboxMessage.State.DEAD:
            dead[code] = dead.get(code, 0) + count
        else:
            waiting += count
    return Outcome(applied, ignored, waiting, dead)


def health(*, since: datetime, by: Viewer) -> Health:
    """Counts per channel since the start of the day, and what waits whenever it came."""
    visible = InboxMessage.objects.visible_to(by)
    today = {row["channel"]: row for row in _today(by, since)}
    last = _last_of_each_channel(by)
    open_ = visible.unfinished().aggregate(
        oldest=Min("received_at"), n=Count("pk"), retrying=Count("pk", filter=Q(state=InboxMessage.State.RETRY))
    )
    return Health(
        channels=tuple(
            _channel(channel, str(label), last.get(channel), today.get(channel, {}))
            for channel, label in InboxMessage.Channel.choices
        ),
        oldest_waiting=open_["oldest"],
        waiting=open_["n"],
        retrying=open_["retrying"],
        dead=visible.dead().count(),
    )


def _last_of_each_channel(by: Viewer) -> dict[str, datetime]:
    """One step into the index per channel; asking the maximum of each group would walk the whole inbox."""
    first, *others = (
        InboxMessage.objects.visible_to(by)
        .filter(channel=channel)
        .order_by("-received_at")
        .values_list("channel", "received_at")[:1]
        for channel in InboxMessage.Channel.values
    )
    return dict(first.union(*others, all=True))


MOST_GROUPS = 50


def dead_groups(*, by: Viewer, limit: int = MOST_GROUPS) -> list[DeadGroup]:
    """Dead letters by reason, the most frequent first. Whoever shows fewer than all says so: ask for one more."""
    rows = (
        InboxMessage.objects.visible_to(by)
        .dead()
        .values("error_code", "error_subject", "facility")
        .annotate(n=Count("pk"), text=Max("error_text"), first_at=Min("received_at"), last_at=Max("received_at"))
        .order_by("-n", "error_code", "error_subject", "facility")[:limit]
    )
    return [
        DeadGroup(
            row["error_code"],
            row["error_subject"],
            row["facility"],
            row["text"],
            row["n"],
            row["first_at"],
            row["last_at"],
        )
        for row in rows
    ]


def _today(by: Viewer, since: datetime) -> list[dict[str, Any]]:
    state = InboxMessage.State
    rows: Any = (  # the stubs give each annotated row a type of its own
        InboxMessage.objects.visible_to(by)
        .filter(received_at__gte=since)
        .values("channel")
        .annotate(
            received=Count("pk"),
            applied=Count("pk", filter=Q(state=state.DONE)),
            ignored=Count("pk", filter=Q(state=state.IGNORED)),
            waiting=Count("pk", filter=Q(state__in=InboxMessage.UNFINISHED)),
            dead=Count("pk", filter=Q(state=state.DEAD)),
            again=Count("pk", filter=Q(duplicates__gt=0)),
        )
        .order_by("channel")
    )
    return list(rows)


def _channel(channel: str, label: str, last_at: datetime | None, row: dict[str, Any]) -> ChannelHealth:
    def number(name: str) -> int:
        return int(row.get(name, 0))

    return ChannelHealth(
        channel=channel,
        label=label,
        last_at=last_at,
        received=number("received"),
        applied=number("applied"),
        ignored=number("ignored"),
        waiting=number("waiting"),
        dead=number("dead"),
        duplicates=number("again"),
    )


PAGE = 50


def messages(*, wanted: dict[str, str], before: int | None, by: Viewer) -> tuple[list[InboxMessage], int | None]:
    """One page of the list, newest first, without the content; and where the next page begins."""
    rows = InboxMessage.objects.visible_to(by).defer("raw", "partition_key", "other_keys")
    exact = {
        "state": "state", "channel": "channel", "control": "control_id", "code": "error_code",
        "subject": "error_subject", "facility": "facility",
    }  # fmt: skip
    rows = rows.filter(**{column: wanted[name] for name, column in exact.items() if name in wanted})
    if "event" in wanted:
        rows = rows.filter(event_type__istartswith=wanted["event"].strip())
    if "sender" in wanted:
        rows = rows.filter(sender__icontains=wanted["sender"].strip())
    if before:
        rows = rows.filter(seq__lt=before)
    found = list(rows.order_by("-seq")[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].seq if len(found) > PAGE else None


def group_ids(*, code: str, facility: str, subject: str, by: Viewer, limit: int = 5_000) -> list[UUID]:
    """The dead letters of one group, oldest first."""
    return list(
        InboxMessage.objects.visible_to(by)
        .dead()
        .filter(error_code=code, facility=facility, error_subject=subject)
        .order_by("seq")
        .values_list("pk", flat=True)[:limit]
    )


def may_read_content(message: InboxMessage, *, by: Viewer) -> bool:
    """The right to read content reaches as far as the sight of the patient; without a patient it takes the hospital."""
    if not by.can(READ_CONTENT):
        return False
    if message.patient_id is None:
        return by.hospital_wide or by.everything
    return Patient.objects.visible_to(by).filter(pk=message.patient_id).exists()

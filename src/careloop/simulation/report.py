"""What a run must prove: nothing lost, nothing doubled, every planned item in exactly one state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from careloop.integration.models import InboxMessage
from careloop.messaging.models import Communication
from careloop.patients.models import Encounter
from careloop.plans.models import EnrolmentDecision
from careloop.plans.reads.due import orphan_task_ids
from careloop.tasks.models import Task
from careloop.tasks.rules import state_of


@dataclass
class Report:
    """Counts of a run and the faults found in them."""

    sent: int = 0
    stored: int = 0
    repeated: int = 0
    by_state: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    gateway: int = 0
    gateway_doubled: int = 0
    never_arrived: int = 0
    discharges: int = 0
    decisions: int = 0
    orphans: int = 0
    faults: list[str] = field(default_factory=list)


def report(*, sent: int, texts: Mapping[str, int], at: datetime) -> Report:
    """Read everything back from the database and check the identities."""
    found = Report(sent=sent)
    _inbox(found)
    _items(found, at)
    _messages(found, texts)
    _discharges(found)
    found.faults = _faults(found)
    return found


def _inbox(found: Report) -> None:
    found.stored = InboxMessage.objects.unscoped("the report counts messages").count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(duplicates), 0) FROM integration_inboxmessage")
        found.repeated = int(cursor.fetchone()[0])
    found.by_state = dict(
        Counter(InboxMessage.objects.unscoped("the report counts messages").values_list("state", flat=True))
    )
    found.dead = dict(
        Counter(
            InboxMessage.objects.unscoped("the report counts messages")
            .filter(state="dead")
            .values_list("error_code", flat=True)
        )
    )


def _items(found: Report, at: datetime) -> None:
    tasks = Task.objects.unscoped("the report counts every planned item").order_by("pk")
    found.items = dict(Counter(state_of(
        status=t.status, available_at=t.available_at, snoozed_until=t.snoozed_until, promised_at=t.promised_at, at=at
    ) for t in tasks.iterator(chunk_size=2000)))  # fmt: skip
    found.orphans = len(orphan_task_ids())


def _messages(found: Report, texts: Mapping[str, int]) -> None:
    rows = Communication.objects.unscoped("the report counts every message")
    found.messages = dict(Counter(rows.values_list("state", flat=True)))
    found.gateway = len(texts)
    found.gateway_doubled = sum(copies - 1 for copies in texts.values())
    gone_out = rows.filter(channel="sms", state__in=["sent", "delivered"]).values_list("key", flat=True)
    found.never_arrived = len(set(gone_out) - set(texts))


def _discharges(found: Report) -> None:
    finished = Encounter.objects.unscoped("the report counts discharges").filter(status="finished")
    found.discharges = finished.count()
    decided = EnrolmentDecision.objects.unscoped("the report counts decisions")
    found.decisions = decided.filter(encounter__status="finished").values("encounter_id").distinct().count()


def _faults(found: Report) -> list[str]:
    faults = []
    ended = sum(found.by_state.get(state, 0) for state in ("done", "ignored", "dead"))
    if found.sent != found.stored + found.repeated:
        faults.append(f"sent {found.sent} but stored {found.stored} and recognised {found.repeated} repeats")
    if found.stored != ended:
        faults.append(f"stored {found.stored} but applied + ignored + dead is {ended}")
    if found.by_state.get("dead"):
        faults.append(f"{found.by_state['dead']} dead messages: {found.dead}")
    total = Task.objects.unscoped("the report counts every planned item").count()
    if total != sum(found.items.values()):
        faults.append(f"{total} planned items but {sum(found.items.values())} states")
    if found.discharges != found.decisions:
        faults.append(f"{found.discharges} discharges but {found.decisions} enrolment decisions")
    if found.gateway_doubled:
        faults.append(f"{found.gateway_doubled} messages reached a phone twice")
    if found.never_arrived:
        faults.append(f"{found.never_arrived} messages count as sent but reached no phone")
    if found.orphans:
        faults.append(f"{found.orphans} open tasks belong to no active plan")
    return faults

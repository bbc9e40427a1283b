"""What pages, jobs and live streams read about alerts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.db import connection

from careloop.alerts import rules

CONTENT = Path(__file__).parent / "content"


@cache
def limits() -> rules.EscalationTable:
    """The deadlines and ladders in force."""
    return rules.parse_escalation((CONTENT / "escalation.json").read_text(encoding="utf-8"))


@cache
def choices() -> rules.ClosingTable:
    """What may be done and how an alert may end."""
    return rules.parse_closing((CONTENT / "closing.json").read_text(encoding="utf-8"))


def live_payloads(*, seconds: float) -> list[str]:
    """The notifications of the last so many seconds, exactly as they were sent. Ids only."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT alerts_live_payload(a.id) FROM alerts_alertaction a"
            " WHERE a.created_at > now() - make_interval(secs => %s) ORDER BY a.created_at, a.id LIMIT 2000",
            [seconds],
        )
        return [row[0] for row in cursor.fetchall()]

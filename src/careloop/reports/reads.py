"""What the dashboards read."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from careloop.reports import rules

CONTENT = Path(__file__).parent / "content"


@cache
def definitions() -> rules.Definitions:
    """The indicators in force."""
    return rules.parse_definitions((CONTENT / "indicators.json").read_text(encoding="utf-8"))

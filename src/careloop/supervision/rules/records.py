"""One level-1 record as sampling and integrity look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Answers that a member of staff completed, with the traces of how they came about.

    `readings`: what was measured, by LOINC code. `earlier`: the answers of the same patient to the same form before, if
    there are any. `call_seconds`: the longest call in which somebody was reached; None when no such call is recorded.
    `is_logged`: whether there was a task to record a call with; without one nothing can be said about calls.
    `second_look`: what a later check by another person said (agrees, differs, serious), if there was one.
    """

    id: str
    author: str
    patient: str
    form: str
    mode: str
    at: datetime
    values: Mapping[str, Any] = field(default_factory=dict)
    readings: Mapping[str, float] = field(default_factory=dict)
    earlier: Mapping[str, Any] | None = None
    call_seconds: float | None = None
    findings: int = 0
    second_look: str = ""
    is_logged: bool = True

    @property
    def is_call(self) -> bool:
        return self.mode == "phone" and self.is_logged

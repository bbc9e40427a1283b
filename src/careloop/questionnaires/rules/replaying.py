"""Alert rules tried on answers that were given before: how often would each have fired, and on which answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from careloop.questionnaires.rules.definition import Form
from careloop.questionnaires.rules.judging import SEVERITIES, judge
from careloop.questionnaires.rules.repeating import counted, expand


@dataclass(frozen=True, slots=True)
class PastAnswers:
    """Completed answers, with what the rules of that time found, and the answers before them."""

    key: Any
    values: Mapping[str, Any]
    at: datetime
    fired: tuple[str, ...] = ()  # severities of what was found then
    previous: Mapping[str, Any] = field(default_factory=dict)
    previous_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleReplay:
    """One rule: the answers it would have fired on, oldest first."""

    code: str
    severity: str
    keys: tuple[Any, ...]

    @property
    def times(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Replay:
    """What would have happened. `now` and `then` count answers by their worst finding."""

    responses: int
    days: int
    rules: tuple[RuleReplay, ...]
    now: Mapping[str, int]
    then: Mapping[str, int]

    def per_week(self, count: int) -> float:
        return round(count * 7 / self.days, 1) if self.days else 0.0

    @property
    def more_per_week(self) -> float:
        """How many more answers a week would call somebody (critical or high) than today."""
        called = sum(self.now[name] - self.then[name] for name in ("critical", "high"))
        return round(called * 7 / self.days, 1) if self.days else 0.0


def replay(form: Form, past: Iterable[PastAnswers], *, days: int) -> Replay:
    """Judge every past answer by the rules of this form. Questions the form no longer has count as not asked."""
    fired: dict[str, list[Any]] = {str(rule["code"]): [] for rule in form.rules}
    now, then = dict.fromkeys(SEVERITIES, 0), dict.fromkeys(SEVERITIES, 0)
    count = 0
    for one in sorted(past, key=lambda found: (found.at, str(found.key))):
        count += 1
        findings = _judged(form, one)
        for finding in findings:
            fired[finding[0]].append(one.key)
        _worst(now, [severity for _code, severity in findings])
        _worst(then, one.fired)
    lines = tuple(
        RuleReplay(str(rule["code"]), str(rule["severity"]), tuple(fired[str(rule["code"])])) for rule in form.rules
    )
    return Replay(count, days, lines, now, then)


def _judged(form: Form, one: PastAnswers) -> list[tuple[str, str]]:
    known = {
        name: value for name, value in one.values.items() if name.partition("~")[0] in form.index or name in form.index
    }
    asked = expand(form, counted(form, known))
    kept = {name: value for name, value in known.items() if name in asked.index}
    found = judge(asked, kept, previous=one.previous, previous_at=one.previous_at, at=one.at)
    return [(finding.rule_code, finding.severity) for finding in found]


def _worst(counts: dict[str, int], severities: Iterable[str]) -> None:
    given = set(severities)
    worst = next((name for name in SEVERITIES if name in given), None)
    if worst:
        counts[worst] += 1

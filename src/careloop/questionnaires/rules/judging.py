"""What the answers mean: alert rules and the classification of national forms, each explained in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules.conditions import Context, holds, items_of, scores_of, truth
from careloop.questionnaires.rules.definition import Form, Words
from careloop.questionnaires.rules.logic import NOT_MEASURED, Answers, enabled_items, live_answers
from careloop.questionnaires.rules.repeating import readings, renamed
from careloop.questionnaires.rules.scoring import score


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired: what, how bad, who must act by when, what the patient should do meanwhile."""

    rule_code: str
    severity: str  # critical | high | watch
    sentence: Words
    owner_role: str
    respond_within_minutes: int
    advice: Words = Words("")
    safety: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    source: str = ""

    @property
    def sentence_zh(self) -> str:
        return self.sentence.zh

    @property
    def sentence_en(self) -> str:
        return self.sentence.en or self.sentence.zh


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of this visit on a national form, with its reason and the clock it starts."""

    code: str
    title: Words
    reason: Words
    next_days: int | None
    referral: bool
    urgent: bool = False  # refer now, not at the next occasion
    clock: str = ""  # which clock the form starts; empty: follows from the days and the referral


SEVERITIES = ("critical", "high", "watch")


def judge(
    form: Form,
    answers: Answers,
    *,
    previous: Answers | None = None,
    previous_at: datetime | None = None,
    at: datetime | None = None,
) -> tuple[Finding, ...]:
    """The rules that fire, worst first. Answers to questions that are not asked never count."""
    context = _context(form, answers, previous, previous_at, at)
    fired = [
        _finding(form, rule, instances)
        for rule in form.rules
        if (instances := _where(form, rule["when"], context)) is not None
    ]
    return tuple(sorted(fired, key=lambda finding: SEVERITIES.index(finding.severity)))


def _where(form: Form, condition: Any, context: Context) -> Mapping[str, int] | None:
    """The instances of repeating groups in which it certainly holds; None when nowhere."""
    for instances, seen in readings(form, context.answers, items_of(condition)):
        if holds(condition, replace(context, answers=seen)):
            return instances
    return None


def classify(
    form: Form,
    answers: Answers,
    *,
    previous: Answers | None = None,
    previous_at: datetime | None = None,
    at: datetime | None = None,
) -> Classification | None:
    """The first outcome that matches, or None when the form has no classification or nothing matches yet."""
    if form.classification is None:
        return None
    found = judge(form, answers, previous=previous, previous_at=previous_at, at=at)
    worst = found[0].severity if found else "none"
    context = replace(_context(form, answers, previous, previous_at, at), worst=worst)
    for outcome in form.classification["outcomes"]:
        fits = _truth_anywhere(form, outcome["when"], context)
        if fits is None:  # an answer is missing that could still put the visit into this class
            return None
        if fits:
            return _overridden(form.classification, _outcome(outcome, context), context)
    return None


def missing_for_class(
    form: Form,
    answers: Answers,
    *,
    previous: Answers | None = None,
    previous_at: datetime | None = None,
    at: datetime | None = None,
) -> tuple[str, ...]:
    """Why a visit has no class: the asked questions without a usable answer that could still decide it, in form order."""
    if form.classification is None:
        return ()
    context = _context(form, answers, previous, previous_at, at)
    wanted: set[str] = set()
    for outcome in form.classification["outcomes"]:
        fits = _truth_anywhere(form, outcome["when"], context)
        if fits:
            break
        if fits is None:
            wanted |= _looked_at(form, outcome["when"])
    asked = {item.link_id for item in enabled_items(form, answers)}
    return tuple(
        item.link_id
        for item in form.questions
        if item.link_id in wanted & asked and context.answers.get(item.link_id) in (None, "", [], NOT_MEASURED)
    )


def _looked_at(form: Form, condition: Any) -> set[str]:
    """The questions behind a condition, those of its scores too."""
    found = items_of(condition)
    for code in scores_of(condition):
        found |= {str(name) for total in form.scores if total["code"] == code for name in total["items"]}
    return found


def _truth_anywhere(form: Form, condition: Any, context: Context) -> bool | None:
    found = [
        truth(condition, replace(context, answers=seen))
        for _instances, seen in readings(form, context.answers, items_of(condition))
    ]
    return True if True in found else None if None in found else False


def _overridden(classification: Mapping[str, Any], found: Classification, context: Context) -> Classification:
    """The urgent cases of the norm keep their class but start another clock."""
    for line in classification.get("overrides", ()):
        if holds(line["when"], context):
            why = _outcome({**line, "code": found.code, "title": {}}, context)
            reason = Words(f"{why.reason.zh}；{found.reason.zh}", f"{why.reason.en}; {found.reason.en}")
            return replace(why, title=found.title, reason=reason)
    return found


def _context(
    form: Form, answers: Answers, previous: Answers | None, previous_at: datetime | None, at: datetime | None
) -> Context:
    totals: dict[str, Decimal | None] = {found.code: found.value for found in score(form, answers)}
    return Context(live_answers(form, answers), totals, previous or {}, previous_at, at)


def _finding(form: Form, rule: Mapping[str, Any], instances: Mapping[str, int]) -> Finding:
    evidence = {renamed(name, instances, form) for name in _looked_at(form, rule["when"])}
    order = [item.link_id for item in form.walk()]
    return Finding(
        rule_code=rule["code"],
        severity=rule["severity"],
        sentence=_words(rule["sentence"]),
        owner_role=rule["owner_role"],
        respond_within_minutes=int(rule["respond_within_minutes"]),
        advice=_words(rule.get("advice") or {}),
        safety=rule.get("safety") or {},
        evidence=tuple(name for name in order if name in evidence),
        source=rule.get("source", ""),
    )


def _outcome(outcome: Mapping[str, Any], context: Context) -> Classification:
    return Classification(
        code=str(outcome["code"]),
        title=_words(outcome["title"]),
        reason=Words(
            _filled(outcome["reason"].get("zh", ""), context), _filled(outcome["reason"].get("en", ""), context)
        ),
        next_days=outcome.get("next_days"),
        referral=bool(outcome.get("referral")),
        urgent=bool(outcome.get("urgent")),
        clock=str(outcome.get("clock", "")),
    )


def _filled(text: str, context: Context) -> str:
    """{sbp} becomes the answer, {score:total} the score; what is not there leaves a dash. Nothing is executed."""
    for code, total in context.scores.items():
        text = text.replace(f"{{score:{code}}}", "–" if total is None else f"{total.normalize():f}")
    for name, value in context.answers.items():
        text = text.replace(f"{{{name}}}", str(value))
    while (start := text.find("{")) >= 0 and (end := text.find("}", start)) > start:
        text = f"{text[:start]}–{text[end + 1 :]}"
    return text


def _words(value: Mapping[str, str]) -> Words:
    return Words(value.get("zh", ""), value.get("en", ""))


def finding_from(stored: Mapping[str, Any]) -> Finding:
    """A Finding as it was stored with its response (dataclasses.asdict)."""
    return Finding(
        rule_code=stored["rule_code"],
        severity=stored["severity"],
        sentence=_words(stored["sentence"]),
        owner_role=stored["owner_role"],
        respond_within_minutes=stored["respond_within_minutes"],
        advice=_words(stored.get("advice") or {}),
        safety=stored.get("safety") or {},
        evidence=tuple(stored.get("evidence", ())),
        source=stored.get("source", ""),
    )

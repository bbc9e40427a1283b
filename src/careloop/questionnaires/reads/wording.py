"""Conditions, rules and classes of a form as sentences, so that people can check what the machine does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.questionnaires.rules import NOT_MEASURED, Form, Item, Mistake, Words


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One alert rule in words."""

    code: str
    severity: str
    sentence: str
    condition: str
    owner: str
    minutes: int
    source: str
    is_verified: bool
    why: str  # why it is not verified


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One outcome of a classification in words."""

    title: str
    condition: str
    next_days: int | None
    referral: bool
    urgent: bool
    why: str  # why it is not verified; "" when it is


def said(words: Words) -> str:
    """In the language of the request."""
    return words.say(get_language() or "zh-hans")


def both(value: Mapping[str, str] | None) -> str:
    """{"zh", "en"} in the language of the request."""
    value = value or {}
    return said(Words(value.get("zh", ""), value.get("en", "")))


def role_label(role: str) -> str:
    """The owner of an alert in words."""
    labels = {
        "attending-doctor": _("Attending doctor"),
        "responsible-nurse": _("Responsible nurse"),
        "follow-up-nurse": _("Follow-up nurse"),
        "department-duty": _("Doctor on duty"),
        "department-head": _("Head of department"),
    }
    return labels.get(role, role)


def rule_lines(form: Form) -> list[RuleLine]:
    """The alert rules of a version, in the order of the form."""
    return [
        RuleLine(
            code=rule["code"],
            severity=rule["severity"],
            sentence=both(rule["sentence"]),
            condition=condition_text(form, rule["when"]),
            owner=role_label(rule["owner_role"]),
            minutes=rule["respond_within_minutes"],
            source=rule.get("source", ""),
            is_verified=bool(rule.get("verified")),
            why=both(rule.get("why")),
        )
        for rule in form.rules
    ]


def class_lines(form: Form) -> list[ClassLine]:
    """The outcomes in the order in which they are tried; what overrides them first."""
    found = form.classification or {}
    return [
        ClassLine(
            title=both(line.get("title")) or _("Whatever the class"),
            condition=condition_text(form, line["when"]),
            next_days=line.get("next_days"),
            referral=bool(line.get("referral")),
            urgent=bool(line.get("urgent")),
            why=both(line.get("why")) if line.get("verified") is False else "",
        )
        for line in [*found.get("overrides", ()), *found.get("outcomes", ())]
    ]


def asked_when(form: Form, item: Item) -> str:
    """When this question is asked: empty for always."""
    lines = item.when or (form.item(item.parent).when if item.parent else ())
    parts = [_compared(form, form.item(line.question), line.operator, line.answer) for line in lines]
    return _joined(parts, any_of=item.when_any)


def condition_text(form: Form, condition: Any) -> str:
    """A condition as people would say it."""
    if not isinstance(condition, Mapping):
        return _("in all other cases")
    if (alike := _alike(form, condition)) is not None:
        return alike
    for name in ("all", "any"):
        if name in condition:
            return _joined([_part(form, part) for part in condition[name]], any_of=name == "any")
    if "not" in condition:
        return _("not (%(what)s)") % {"what": condition_text(form, condition["not"])}
    return _leaf(form, condition)


def _alike(form: Form, condition: Mapping[str, Any]) -> str | None:
    """ "Pain = rest or daily" instead of naming the question twice."""
    leaves = condition.get("any", ())
    plain = [leaf for leaf in leaves if isinstance(leaf, Mapping) and set(leaf) == {"item", "op", "value"}]
    if len(plain) < 2 or len(plain) != len(leaves) or len({(leaf["item"], leaf["op"]) for leaf in plain}) != 1:
        return None
    item = form.item(plain[0]["item"])
    values = [_shown(item, leaf["value"]) for leaf in plain]
    return f"{_name(item)} {_sign(plain[0]['op'])} {_joined(values, any_of=True)}"


def _name(item: Item) -> str:
    """The question without its question mark, to stand in a sentence."""
    return said(item.staff).rstrip("？? ")


def _shown(item: Item, value: Any) -> str:
    option = item.option(str(value))
    return said(option.staff) if option else f"{value} {item.unit_display}".strip()


def _part(form: Form, condition: Any) -> str:
    text = condition_text(form, condition)
    nested = isinstance(condition, Mapping) and len(condition.get("all") or condition.get("any") or ()) > 1
    return _("(%(what)s)") % {"what": text} if nested else text


def _joined(parts: list[str], *, any_of: bool) -> str:
    return (_(" or ") if any_of else _(" and ")).join(dict.fromkeys(parts))


def _leaf(form: Form, leaf: Mapping[str, Any]) -> str:
    operator, value = leaf.get("op", "="), leaf.get("value")
    if "score" in leaf:
        title = next(both(rule["title"]) for rule in form.scores if rule["code"] == leaf["score"])
        return f"{title} {_sign(operator)} {value}"
    if "worst" in leaf:
        levels = {"critical": _("Critical"), "high": _("High"), "watch": _("Watch"), "none": _("None")}
        return _("worst alert: %(level)s") % {"level": levels[leaf["worst"]]}
    if "change" in leaf:
        item = form.item(leaf["change"])
        since = _("since the last answer, at most %(days)s days ago") % {"days": leaf["days"]} if "days" in leaf else _("since the last answer")  # fmt: skip
        return _("%(question)s changed by %(sign)s %(value)s %(unit)s %(since)s") % {
            "question": _name(item), "sign": _sign(operator), "value": value, "unit": item.unit_display, "since": since,
        }  # fmt: skip
    if "previous" in leaf:
        return _("last time: %(what)s") % {"what": _compared(form, form.item(leaf["previous"]), operator, value)}
    item = form.item(leaf["item"])
    if "value_of" in leaf:
        return f"{_name(item)} {_sign(operator)} {_name(form.item(leaf['value_of']))}"
    return _compared(form, item, operator, value)


def _compared(form: Form, item: Item, operator: str, value: Any) -> str:
    name = _name(item)
    if operator == "exists":
        return _("%(question)s answered") % {"question": name} if value else _("%(question)s not answered") % {"question": name}  # fmt: skip
    if value == NOT_MEASURED:
        return f"{name} {_sign(operator)} {_('Not measured')}"
    return f"{name} {_sign(operator)} {_shown(item, value)}"


def _sign(operator: str) -> str:
    return {">=": "≥", "<=": "≤", "!=": "≠", "contains": _("includes"), "=": "="}.get(operator, operator)


def mistake_words(mistake: Mistake) -> str:
    """One mistake in the language of the request, with its place."""
    places = {
        "item": _("Question %(place)s"), "score": _("Score %(place)s"), "rule": _("Rule %(place)s"),
        "check": _("Check %(place)s"), "class": _("Class %(place)s"), "row": _("Row %(place)s"),
        "vector": _("Example %(place)s"), "": "",
    }  # fmt: skip
    words = {
        "no-text": _("has no text; write the question"),
        "long-wording": _("the patient's wording has %(count)s characters; at most %(most)s"),
        "no-options": _("has no options to choose from; add some"),
        "limits-backwards": _("the smallest value lies above the largest; nothing could be answered"),
        "slider-ends": _("is a slider: it needs a smallest and a larger largest value"),
        "slider-step": _("the step is longer than the slider; make it smaller"),
        "waits-for-no-option": _("waits for “%(value)s”, which is no option of %(question)s"),
        "unknown-question": _("question “%(name)s” is not in the form"),
        "no-points": _("“%(name)s” has neither points nor a number; take it out of the score"),
        "reversed-not-counted": _("“%(name)s” is reversed but not counted; add it to its questions"),
        "bad-missing": _("“missing” must be null or prorate"),
        "band-overlap": _("band “%(name)s” begins before the band below has ended; bands must not overlap"),
        "band-backwards": _("band “%(name)s” ends before it begins"),
        "code-twice": _("this code stands twice; every code must differ"),
        "bad-severity": _("the level must be one of %(choices)s"),
        "bad-owner": _("who it goes to must be one of %(choices)s"),
        "bad-minutes": _("the minutes must be a whole number from 1 to %(most)s"),
        "no-source": _("needs a source"),
        "no-safety": _("needs the page that tells the patient what to do, in Chinese and English"),
        "check-items": _("must name questions of the form"),
        "needs-words": {
            "sentence": _("needs its sentence in Chinese and English"),
            "message": _("needs its message in Chinese and English"),
            "reason": _("needs its reason in Chinese and English"),
            "title": _("needs its name in Chinese and English"),
        }.get(str(mistake.detail.get("what")), ""),
        "too-deep": _("has more than %(most)s conditions inside each other"),
        "no-condition": _("“%(value)s” is not a condition"),
        "empty-condition": _("“%(name)s” holds no condition"),
        "bad-operator": _("the comparison “%(name)s” must be one of %(choices)s"),
        "bad-worst": _("the worst alert must be none or one of %(choices)s"),
        "names-nothing": _("“%(value)s” names no question, score or alert"),
        "unknown-score": _("score “%(name)s” is not in the form"),
        "bad-days": _("the days must be a whole number from 1 to %(most)s"),
        "no-such-option": _("“%(value)s” is no option of question %(question)s"),
        "no-number": _("question %(question)s is compared with “%(value)s”, which is no number"),
    }  # fmt: skip
    said_so = words.get(mistake.code)
    if said_so is None:
        return str(mistake)
    where = places[mistake.kind] % {"place": mistake.place}
    text = said_so % {name: str(value)[:80] for name, value in mistake.detail.items()}
    return _("%(where)s: %(what)s") % {"where": where, "what": text} if where else text

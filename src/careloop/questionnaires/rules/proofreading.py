"""What is wrong with the rules of a form: a mistyped question would otherwise never fire, and nobody would notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from careloop.questionnaires.rules.conditions import OPERATORS
from careloop.questionnaires.rules.definition import PATIENT_LIMIT, Form, Item
from careloop.questionnaires.rules.logic import NOT_MEASURED, number
from careloop.questionnaires.rules.scoring import overlapping_bands

SEVERITIES = ("critical", "high", "watch")
OWNER_ROLES = ("attending-doctor", "responsible-nurse", "follow-up-nurse", "department-duty", "department-head")
_SOURCES = ("item", "score", "previous", "change")


def proofread(form: Form, *, shipped: bool = False) -> tuple[str, ...]:
    """Every mistake, each with the place and how to mend it. Empty when the form may be published.

    What we ship must also cite a source for every rule and tell the patient what to do when a critical one fires.
    """
    return tuple(
        [
            *_scores(form),
            *_rules(form),
            *_checks(form),
            *_classification(form),
            *_wordings(form),
            *_choices(form),
            *(_promises(form) if shipped else ()),
        ]
    )


def _wordings(form: Form) -> Iterator[str]:
    for item in form.questions:
        if not item.staff.zh:
            yield f"item {item.link_id}: has no text; write the question"
        if len(item.patient.zh) > PATIENT_LIMIT:
            yield f"item {item.link_id}: the patient's wording has {len(item.patient.zh)} characters; at most {PATIENT_LIMIT}"


def _choices(form: Form) -> Iterator[str]:
    for item in form.questions:
        if item.type == "choice" and not item.options and not item.value_set:
            yield f"item {item.link_id}: a choice needs answerOption or a contained answerValueSet"
        for line in item.when:
            asked = form.index[line.question]
            known = not asked.options or asked.type != "choice" or line.operator not in {"=", "!="}
            if not known and asked.option(str(line.answer)) is None:
                yield f"item {item.link_id}: enableWhen waits for {line.answer!r}, which is no option of {asked.link_id}"


def _scores(form: Form) -> Iterator[str]:
    for rule in form.scores:
        where = f"score {rule.get('code')}"
        for name in rule.get("items", ()):
            if name not in form.index:
                yield f"{where}: question {name!r} is not in the form"
        for name in set(rule.get("reverse", ())) - set(rule.get("items", ())):
            yield f"{where}: {name!r} is reversed but not counted; add it to items"
        if rule.get("missing", "null") not in {"null", "prorate"}:
            yield f"{where}: missing must be 'null' or 'prorate'"
        for code in overlapping_bands(rule):
            yield f"{where}: band {code!r} begins before the band below has ended; bands must not overlap"
        for band in rule.get("bands", ()):
            if band["from"] > band["to"]:
                yield f"{where}: band {band['code']!r} ends before it begins"


def _rules(form: Form) -> Iterator[str]:
    codes = [rule.get("code") for rule in form.rules]
    for rule in form.rules:
        where = f"rule {rule.get('code')}"
        if codes.count(rule.get("code")) > 1:
            yield f"{where}: two rules have this code; every code must differ"
        if rule.get("severity") not in SEVERITIES:
            yield f"{where}: severity must be one of {', '.join(SEVERITIES)}"
        if rule.get("owner_role") not in OWNER_ROLES:
            yield f"{where}: owner_role must be one of {', '.join(OWNER_ROLES)}"
        if not isinstance(rule.get("respond_within_minutes"), int) or rule["respond_within_minutes"] <= 0:
            yield f"{where}: respond_within_minutes must be a whole number above 0"
        yield from _both(where, "sentence", rule.get("sentence"))
        yield from _condition(form, where, rule.get("when"))


def _promises(form: Form) -> Iterator[str]:
    for rule in form.rules:
        if not rule.get("source"):
            yield f"rule {rule['code']}: needs a source"
        if rule["severity"] == "critical" and set(rule.get("safety", ())) != {"zh", "en"}:
            yield f"rule {rule['code']}: a critical rule needs the safety page for the patient, in zh and en"


def _checks(form: Form) -> Iterator[str]:
    for check in form.checks:
        where = f"check {check.get('code')}"
        if not check.get("items") or not set(check["items"]) <= set(form.index):
            yield f"{where}: items must name questions of the form"
        yield from _both(where, "message", check.get("message"))
        yield from _condition(form, where, check.get("when"))


def _classification(form: Form) -> Iterator[str]:
    if form.classification is None:
        return
    for outcome in [*form.classification.get("outcomes", ()), *form.classification.get("overrides", ())]:
        where = f"class {outcome.get('code', 'override')}"
        yield from _both(where, "reason", outcome.get("reason"))
        yield from _condition(form, where, outcome.get("when"))


def _both(where: str, what: str, words: Any) -> Iterator[str]:
    if not isinstance(words, Mapping) or not words.get("zh") or not words.get("en"):
        yield f"{where}: needs a {what} in zh and en"


def _condition(form: Form, where: str, condition: Any) -> Iterator[str]:
    if condition == "otherwise":
        return
    if not isinstance(condition, Mapping):
        yield f"{where}: {condition!r} is not a condition"
        return
    for name in ("all", "any"):
        if name in condition and not condition[name]:
            yield f"{where}: {name!r} holds no condition"
        for part in condition.get(name, ()):
            yield from _condition(form, where, part)
    if "not" in condition:
        yield from _condition(form, where, condition["not"])
    if not {"all", "any", "not"} & set(condition):
        yield from _leaf(form, where, condition)


def _leaf(form: Form, where: str, leaf: Mapping[str, Any]) -> Iterator[str]:
    if leaf.get("op", "=") not in OPERATORS:
        yield f"{where}: operator {leaf.get('op')!r} must be one of {' '.join(sorted(OPERATORS))}"
    source = next((name for name in _SOURCES if name in leaf), None)
    if "worst" in leaf:
        if leaf["worst"] not in {*SEVERITIES, "none"}:
            yield f"{where}: worst must be none or one of {', '.join(SEVERITIES)}"
    elif source is None:
        yield f"{where}: {dict(leaf)!r} names no item, score, previous, change or worst"
    elif source == "score":
        if leaf["score"] not in {rule["code"] for rule in form.scores}:
            yield f"{where}: score {leaf['score']!r} is not in the form"
    elif leaf[source] not in form.index:
        yield f"{where}: question {leaf[source]!r} is not in the form"
    else:
        yield from _value(where, form.index[leaf[source]], leaf)
    if "value_of" in leaf and leaf["value_of"] not in form.index:
        yield f"{where}: question {leaf['value_of']!r} is not in the form"


def _value(where: str, item: Item, leaf: Mapping[str, Any]) -> Iterator[str]:
    value, operator = leaf.get("value"), leaf.get("op", "=")
    if "value_of" in leaf or operator == "exists":
        return
    if item.type == "choice" and operator in {"=", "!=", "contains"} and item.option(str(value)) is None:
        yield f"{where}: {value!r} is no option of question {item.link_id}"
    if item.type in {"integer", "decimal", "quantity"} and value != NOT_MEASURED and number(value) is None:
        yield f"{where}: question {item.link_id} is compared with {value!r}, which is no number"

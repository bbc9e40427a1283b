"""What is wrong with the rules of a form: a mistyped question would otherwise never fire, and nobody would notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from careloop.questionnaires.rules.conditions import LONGEST_CHANGE, OPERATORS
from careloop.questionnaires.rules.definition import PATIENT_LIMIT, Form, Item
from careloop.questionnaires.rules.logic import NOT_MEASURED, number
from careloop.questionnaires.rules.mistakes import Mistake
from careloop.questionnaires.rules.scoring import overlapping_bands

SEVERITIES = ("critical", "high", "watch")
OWNER_ROLES = ("attending-doctor", "responsible-nurse", "follow-up-nurse", "department-duty", "department-head")
_SOURCES = ("item", "score", "previous", "change")


def proofread(form: Form, *, shipped: bool = False) -> tuple[Mistake, ...]:
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


# Says one mistake: its code, the English words with {names}, and what is named. The place is known already.
Tell = Callable[..., Mistake]


def _at(kind: str, place: Any) -> Tell:
    return partial(_told, kind, place)


def _told(kind: str, place: Any, code: str, line: str, **detail: Any) -> Mistake:
    return Mistake(code, kind, place, line, **detail)


def _wordings(form: Form) -> Iterator[Mistake]:
    for item in form.questions:
        tell = _at("item", item.link_id)
        if not item.staff.zh:
            yield tell("no-text", "has no text; write the question")
        if len(item.patient.zh) > PATIENT_LIMIT:
            yield tell(
                "long-wording", "the patient's wording has {count} characters; at most {most}",
                count=len(item.patient.zh), most=PATIENT_LIMIT,
            )  # fmt: skip


def _choices(form: Form) -> Iterator[Mistake]:
    for item in form.questions:
        tell = _at("item", item.link_id)
        if item.type == "choice" and not item.options and not item.value_set:
            yield tell("no-options", "a choice needs answerOption or a contained answerValueSet")
        if _backwards(item) and item.control != "slider":
            yield tell("limits-backwards", "the smallest value lies above the largest; nothing could be answered")
        if item.control == "slider" and not item.is_slider:
            yield tell("slider-ends", "a slider needs a smallest and a larger largest value")
        elif item.is_slider and item.slider_step > (item.maximum or 0) - (item.minimum or 0):
            yield tell("slider-step", "the step is longer than the slider; make it smaller")
        for line in item.when:
            asked = form.index[line.question]
            known = not asked.options or asked.type != "choice" or line.operator not in {"=", "!="}
            if not known and asked.option(str(line.answer)) is None:
                yield tell(
                    "waits-for-no-option", "enableWhen waits for {value!r}, which is no option of {question}",
                    value=line.answer, question=asked.link_id,
                )  # fmt: skip


def _backwards(item: Item) -> bool:
    numbers = item.minimum is not None and item.maximum is not None and item.minimum > item.maximum
    return numbers or bool(item.earliest and item.latest and item.earliest > item.latest)


def _scores(form: Form) -> Iterator[Mistake]:
    for rule in form.scores:
        tell = _at("score", rule.get("code"))
        for name in rule.get("items", ()):
            if name not in form.index:
                yield tell("unknown-question", "question {name!r} is not in the form", name=name)
            elif not _has_points(form.index[name]):
                yield tell("no-points", "question {name!r} has neither points nor a number; take it out", name=name)
        for name in sorted(set(rule.get("reverse", ())) - set(rule.get("items", ()))):
            yield tell("reversed-not-counted", "{name!r} is reversed but not counted; add it to items", name=name)
        if rule.get("missing", "null") not in {"null", "prorate"}:
            yield tell("bad-missing", "missing must be 'null' or 'prorate'")
        for code in overlapping_bands(rule):
            yield tell(
                "band-overlap",
                "band {name!r} begins before the band below has ended; bands must not overlap",
                name=code,
            )
        for band in rule.get("bands", ()):
            if band["from"] > band["to"]:
                yield tell("band-backwards", "band {name!r} ends before it begins", name=band["code"])


def _has_points(item: Item) -> bool:
    """Whether its answer can be counted: a number, or options with points."""
    if item.options:
        return any(option.weight is not None for option in item.options)
    return item.type in {"integer", "decimal", "quantity", "choice"}


def _rules(form: Form) -> Iterator[Mistake]:
    codes = [rule.get("code") for rule in form.rules]
    for rule in form.rules:
        tell = _at("rule", rule.get("code"))
        if codes.count(rule.get("code")) > 1:
            yield tell("code-twice", "two rules have this code; every code must differ")
        if rule.get("severity") not in SEVERITIES:
            yield tell("bad-severity", "severity must be one of {choices}", choices=", ".join(SEVERITIES))
        if rule.get("owner_role") not in OWNER_ROLES:
            yield tell("bad-owner", "owner_role must be one of {choices}", choices=", ".join(OWNER_ROLES))
        if not _whole(rule.get("respond_within_minutes"), LONGEST_RESPONSE):
            yield tell(
                "bad-minutes", "respond_within_minutes must be a whole number from 1 to {most}", most=LONGEST_RESPONSE
            )
        yield from _both(tell, "sentence", rule.get("sentence"))
        yield from _condition(form, tell, rule.get("when"))


def _promises(form: Form) -> Iterator[Mistake]:
    for rule in form.rules:
        tell = _at("rule", rule["code"])
        if not rule.get("source"):
            yield tell("no-source", "needs a source")
        if rule["severity"] == "critical" and set(rule.get("safety", ())) != {"zh", "en"}:
            yield tell("no-safety", "a critical rule needs the safety page for the patient, in zh and en")


def _checks(form: Form) -> Iterator[Mistake]:
    for check in form.checks:
        tell = _at("check", check.get("code"))
        if not check.get("items") or not set(check["items"]) <= set(form.index):
            yield tell("check-items", "items must name questions of the form")
        yield from _both(tell, "message", check.get("message"))
        yield from _condition(form, tell, check.get("when"))


def _classification(form: Form) -> Iterator[Mistake]:
    if form.classification is None:
        return
    for outcome in [*form.classification.get("outcomes", ()), *form.classification.get("overrides", ())]:
        tell = _at("class", outcome.get("code", "override"))
        yield from _both(tell, "reason", outcome.get("reason"))
        if outcome.get("next_days") is not None and not _whole(outcome["next_days"], LONGEST_CHANGE):
            yield tell("bad-days", "days must be a whole number from 1 to {most}", most=LONGEST_CHANGE)
        yield from _condition(form, tell, outcome.get("when"))


def _whole(value: Any, most: int) -> bool:
    """Whether it is a whole number from 1 to `most`; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _both(tell: Tell, what: str, words: Any) -> Iterator[Mistake]:
    if not isinstance(words, Mapping) or not words.get("zh") or not words.get("en"):
        yield tell("needs-words", "needs a {what} in zh and en", what=what)


def condition_mistakes(form: Form, condition: Any, *, kind: str, place: Any) -> tuple[Mistake, ...]:
    """What is wrong with one condition that looks at this form: shape, questions, options, operators, numbers."""
    return tuple(_condition(form, _at(kind, place), condition))


LONGEST_RESPONSE = 43_200  # minutes: thirty days
DEEPEST_CONDITION = 20  # conditions inside conditions; deeper nobody can read


def _condition(form: Form, tell: Tell, condition: Any, depth: int = 1) -> Iterator[Mistake]:
    if condition == "otherwise":
        return
    if depth > DEEPEST_CONDITION:
        yield tell("too-deep", "more than {most} conditions inside each other", most=DEEPEST_CONDITION)
        return
    if not isinstance(condition, Mapping):
        yield tell("no-condition", "{value!r} is not a condition", value=condition)
        return
    for name in ("all", "any"):
        if name in condition and (not isinstance(condition[name], list) or not condition[name]):
            yield tell("empty-condition", "{name!r} holds no condition", name=name)
        elif name in condition:
            for part in condition[name]:
                yield from _condition(form, tell, part, depth + 1)
    if "not" in condition:
        yield from _condition(form, tell, condition["not"], depth + 1)
    if not {"all", "any", "not"} & set(condition):
        yield from _leaf(form, tell, condition)


def _known(name: Any, names: Any) -> bool:
    """A name written by hand may be a list or an object; it is then no name of anything."""
    return isinstance(name, str) and name in names


def _leaf(form: Form, tell: Tell, leaf: Mapping[str, Any]) -> Iterator[Mistake]:
    if not _known(leaf.get("op", "="), OPERATORS):
        yield tell(
            "bad-operator", "operator {name!r} must be one of {choices}", name=leaf.get("op"),
            choices=" ".join(sorted(OPERATORS)),
        )  # fmt: skip
    source = next((name for name in _SOURCES if name in leaf), None)
    if "worst" in leaf:
        if not _known(leaf["worst"], {*SEVERITIES, "none"}):
            yield tell("bad-worst", "worst must be none or one of {choices}", choices=", ".join(SEVERITIES))
    elif source is None:
        yield tell("names-nothing", "{value!r} names no item, score, previous, change or worst", value=dict(leaf))
    elif source == "score":
        if not _known(leaf["score"], {rule["code"] for rule in form.scores}):
            yield tell("unknown-score", "score {name!r} is not in the form", name=leaf["score"])
    elif not _known(leaf[source], form.index):
        yield tell("unknown-question", "question {name!r} is not in the form", name=leaf[source])
    else:
        yield from _value(tell, form.index[leaf[source]], leaf)
    if "value_of" in leaf and not _known(leaf["value_of"], form.index):
        yield tell("unknown-question", "question {name!r} is not in the form", name=leaf["value_of"])
    if "days" in leaf and not _whole(leaf["days"], LONGEST_CHANGE):
        yield tell("bad-days", "days must be a whole number from 1 to {most}", most=LONGEST_CHANGE)


def _value(tell: Tell, item: Item, leaf: Mapping[str, Any]) -> Iterator[Mistake]:
    value, operator = leaf.get("value"), leaf.get("op", "=")
    if "value_of" in leaf or operator == "exists":
        return
    if item.type == "choice" and operator in ("=", "!=", "contains") and item.option(str(value)) is None:
        yield tell(
            "no-such-option", "{value!r} is no option of question {question}", value=value, question=item.link_id
        )
    if item.type in {"integer", "decimal", "quantity"} and value != NOT_MEASURED and number(value) is None:
        yield tell(
            "no-number", "question {question} is compared with {value!r}, which is no number",
            value=value, question=item.link_id,
        )  # fmt: skip

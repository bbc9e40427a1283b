"""Is this an answer to that question? Codes and parameters here; words at the edge."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules.conditions import Context, holds
from careloop.questionnaires.rules.definition import Form, Item, Words
from careloop.questionnaires.rules.logic import NOT_MEASURED, Answers, as_list, enabled_items, live_answers, number

CODES = frozenset(
    {"required", "type", "too-low", "too-high", "too-early", "too-late", "unknown-option", "exclusive", "too-long",
     "too-many-decimals", "pattern", "check"}
)  # fmt: skip
LONGEST = 4000  # characters of one answer that are kept at all


PATTERN_READS = 200  # characters a pattern is tried on
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # PostgreSQL refuses NUL; the rest is never typed


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one answer, or a check across several (then `words` says it)."""

    link_id: str
    code: str  # a key of CODES
    params: Mapping[str, str] = field(default_factory=dict)
    words: Words = Words("")
    items: tuple[str, ...] = ()


def faults(form: Form, answers: Answers, *, complete: bool) -> tuple[Fault, ...]:
    """All faults. `complete=False` for a draft: missing answers are fine, wrong ones are not."""
    live = live_answers(form, answers)
    found: list[Fault] = []
    for item in enabled_items(form, answers):
        if not item.is_question:
            continue
        given = live.get(item.link_id)
        if given in (None, "", []):
            if complete and item.required and not item.hidden:
                found.append(Fault(item.link_id, "required"))
            continue
        fault = check_value(item, given)
        if fault:
            found.append(fault)
    return (*found, *_violations(form, live))


def _violations(form: Form, live: Answers) -> list[Fault]:
    return [
        Fault(
            check["items"][-1],
            "check",
            words=Words(check["message"]["zh"], check["message"].get("en", "")),
            items=tuple(check["items"]),
        )
        for check in form.checks
        if holds(check["when"], Context(answers=live))
    ]


def check_value(item: Item, given: Any) -> Fault | None:
    """The first fault of one value, or None."""
    if given == NOT_MEASURED and item.may_be_not_measured:
        return None
    values = as_list(given)
    if len(values) > 1 and not item.repeats:
        return Fault(item.link_id, "type")
    for value in values:
        fault = _CHECKS.get(item.type, _text)(item, value)
        if fault:
            return fault
    if len(values) > 1 and any(option.exclusive for option in item.options if option.code in map(str, values)):
        return Fault(item.link_id, "exclusive")
    return None


def clean_value(item: Item, raw: Any) -> Any:
    """What was typed, as the value that is stored: numbers as numbers, several choices as a list, blanks as None."""
    typed = raw if isinstance(raw, list | tuple) else [raw]
    kept = [value for one in typed if (value := _clean_one(item, one)) is not None]
    if not kept:
        return None
    return list(dict.fromkeys(kept)) if item.repeats else kept[0]


def settle_exclusive(item: Item, before: Any, now: Any) -> Any:
    """ "None of these" and a symptom cannot both stand: what was chosen last wins. Needs the answer from before."""
    alone = {option.code for option in item.options if option.exclusive}
    if not isinstance(now, list) or len(now) < 2 or not alone & set(now):
        return now
    was_alone = bool(alone & {str(value) for value in as_list(before)})
    return [value for value in now if (value in alone) != was_alone]


def _clean_one(item: Item, raw: Any) -> Any:
    if isinstance(raw, str):
        raw = _CONTROL.sub("", raw.replace("\r\n", "\n")).strip()
    if raw in (None, ""):
        return None
    if item.type in {"integer", "decimal", "quantity"} and raw != NOT_MEASURED:
        return _clean_number(item, raw)
    if item.type == "boolean" and isinstance(raw, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(raw.lower(), raw)
    return raw


def _clean_number(item: Item, raw: Any) -> Any:
    found = number(unicodedata.normalize("NFKC", str(raw)).replace(",", ".").replace("。", "."))
    if found is None:
        return raw
    if found == found.to_integral_value():
        return int(found)
    return float(found)


def _whole(item: Item, value: Any) -> Fault | None:
    found = number(value)
    if found is None or found != found.to_integral_value():
        return Fault(item.link_id, "type", {"expected": "integer"})
    return _in_range(item, found)


def _decimal(item: Item, value: Any) -> Fault | None:
    found = number(value)
    if found is None:
        return Fault(item.link_id, "type", {"expected": "decimal"})
    exponent = found.normalize().as_tuple().exponent
    if item.decimals is not None and isinstance(exponent, int) and -exponent > item.decimals:
        return Fault(item.link_id, "too-many-decimals", {"most": str(item.decimals)})
    return _in_range(item, found)


def _in_range(item: Item, found: Decimal) -> Fault | None:
    if item.minimum is not None and found < item.minimum:
        return Fault(item.link_id, "too-low", {"least": str(item.minimum), "unit": item.unit_display})
    if item.maximum is not None and found > item.maximum:
        return Fault(item.link_id, "too-high", {"most": str(item.maximum), "unit": item.unit_display})
    return None


def _choice(item: Item, value: Any) -> Fault | None:
    return None if item.option(str(value)) else Fault(item.link_id, "unknown-option")


def _boolean(item: Item, value: Any) -> Fault | None:
    return None if isinstance(value, bool) else Fault(item.link_id, "type", {"expected": "boolean"})


def _text(item: Item, value: Any) -> Fault | None:
    if not isinstance(value, str):
        return Fault(item.link_id, "type", {"expected": "text"})
    longest = item.longest or LONGEST
    if len(value) > longest:
        return Fault(item.link_id, "too-long", {"most": str(longest)})
    if item.pattern and not re.fullmatch(item.pattern, value[:PATTERN_READS]):
        return Fault(item.link_id, "pattern", {"example": item.entry_format})
    return None


def _moment(item: Item, value: Any) -> Fault | None:
    reader = {"date": date.fromisoformat, "dateTime": datetime.fromisoformat, "time": time.fromisoformat}[item.type]
    try:
        reader(str(value))
    except ValueError:
        return Fault(item.link_id, "type", {"expected": item.type})
    if item.earliest and str(value) < item.earliest:
        return Fault(item.link_id, "too-early", {"least": item.earliest})
    if item.latest and str(value) > item.latest:
        return Fault(item.link_id, "too-late", {"most": item.latest})
    return None


_CHECKS = {
    "integer": _whole, "decimal": _decimal, "quantity": _decimal, "choice": _choice, "boolean": _boolean,
    "date": _moment, "dateTime": _moment, "time": _moment,
}  # fmt: skip

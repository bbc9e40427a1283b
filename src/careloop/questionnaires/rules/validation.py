"""Is this an answer to that question? Codes and parameters here; words at the edge."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules.conditions import Context, holds, items_of
from careloop.questionnaires.rules.definition import Form, Item, Words
from careloop.questionnaires.rules.logic import NOT_MEASURED, Answers, as_list, enabled_items, live_answers, number
from careloop.questionnaires.rules.repeating import readings, renamed

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
            renamed(check["items"][-1], instances, form),
            "check",
            words=Words(check["message"]["zh"], check["message"].get("en", "")),
            items=tuple(renamed(name, instances, form) for name in check["items"]),
        )
        for check in form.checks
        for instances, seen in readings(form, live, items_of(check["when"]))
        if holds(check["when"], Context(answers=seen))
    ]


def check_value(item: Item, given: Any) -> Fault | None:
    """The first fault of one value, or None."""
    if given == NOT_MEASURED:
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


ABSENT_REASONS = ("not-performed", "asked-unknown", "asked-declined", "temp-unknown", "not-applicable", "unknown")
"""Why there is no answer: codes of http://terminology.hl7.org/CodeSystem/data-absent-reason, the honest ones of a call."""


def settle_absent(item: Item, before: Any, typed: Any) -> tuple[Any, str]:
    """What was typed without the mark "no answer", and the reason when the mark stands.

    "not-measured" or "not-measured:asked-declined" takes the place of an answer; an answer that comes later takes the
    place of the mark. An unknown reason counts as the usual one, so that this answer never blocks.
    """
    values = list(typed) if isinstance(typed, list | tuple) else [typed]
    marks = [value for value in values if _is_mark(item, value)]
    rest = [value for value in values if value not in marks and value not in (None, "")]
    if not marks or (rest and before == NOT_MEASURED):
        return (rest if isinstance(typed, list | tuple) else typed), ""
    reason = str(marks[-1]).partition(":")[2]
    return NOT_MEASURED, reason if reason in ABSENT_REASONS else usual_reason(item)


def _is_mark(item: Item, value: Any) -> bool:
    if not isinstance(value, str) or item.option(value) is not None:
        return False
    return value == NOT_MEASURED or value.startswith(f"{NOT_MEASURED}:")


def usual_reason(item: Item) -> str:
    """What one key means: a number or a picture was not taken, everything else is not known."""
    return "not-performed" if item.type in {"integer", "decimal", "quantity", "attachment"} else "asked-unknown"


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
    if raw in (None, "") or raw != raw:  # "not a number" is not even itself
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
    if not item.options:
        return _text(item, value)  # its value set is not in the file: asked as text
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

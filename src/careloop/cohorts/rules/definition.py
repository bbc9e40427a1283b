"""A cohort as data: groups of conditions, read from what a form or a file says, with every fault named.

A patient belongs to it when every group holds: `all` of its conditions, `any` of them, or `none`. A group may stand among
the conditions of another one, three levels deep. So AND, OR and NOT are there, and every definition can be read aloud.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

from careloop.patients.rules.codes import icd_key, procedure_key

Mode = Literal["all", "any", "none"]
MODES: tuple[Mode, ...] = get_args(Mode)
Comparison = Literal[">=", "<=", ">", "<", "="]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
SEXES = ("male", "female", "other", "unknown")
RISKS = ("none", "ok", "watch", "high", "critical")
CLASSES = ("IMP", "AMB", "EMER", "SS", "EXAM", "OTH")
PLAN_STATES = ("active", "on-hold", "completed", "revoked")
OLDEST = 130  # years
LONGEST = 36_500  # days back
MOST = 30  # conditions in one definition: more cannot be read, and the question would take too long
DEEPEST = 3  # groups inside groups: deeper sentences cannot be understood any more
MOST_VALUES = 60  # codes or tags in one condition


class BadDefinition(ValueError):
    """A definition that cannot be used. `faults` name the place (`groups.0.conditions.1.codes`) and the code of the fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(", ".join(f"{fault.place}: {fault.code}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Fault:
    """One place that needs a change."""

    place: str
    code: str


class _Wrong(ValueError):
    """Inside one condition: the field and the code of the fault."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(code)
        self.field, self.code = field, code


@dataclass(frozen=True, slots=True)
class CodeRange:
    """Codes from `low` up to, not including, `below`, compared character by character. A prefix is a range, too."""

    low: str
    below: str
    text: str

    def holds(self, key: str) -> bool:
        return self.low <= key < self.below


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Has (had) a diagnosis under one of these headings; `main_only`: as the main one of a stay."""

    kind = "diagnosis"
    codes: tuple[CodeRange, ...]
    main_only: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """Has had an operation or procedure under one of these headings."""

    kind = "operation"
    codes: tuple[CodeRange, ...]


@dataclass(frozen=True, slots=True)
class Stay:
    """Has a finished stay that fits all of this at once. Dates are days of the hospital, both ends included."""

    kind = "stay"
    departments: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    discharged_from: date | None = None
    discharged_to: date | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """Completed years today, both ends included. A patient without a birth date has no age and does not fit."""

    kind = "age"
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Sex:
    kind = "sex"
    sexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Risk:
    kind = "risk"
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A result or measurement compares so; `latest`: only the newest of its kind counts. `days`: not older than that."""

    kind = "result"
    concept: str
    comparison: Comparison
    value: Decimal
    latest: bool = True
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest answer to one question is this code, or compares so."""

    kind = "answer"
    questionnaire: str
    link_id: str
    comparison: Comparison
    code: str = ""
    number: Decimal | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    kind = "tag"
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Has a follow-up plan in one of these states; `url` empty: any plan."""

    kind = "plan"
    states: tuple[str, ...]
    url: str = ""


Condition = Diagnosis | Operation | Stay | Age | Sex | Risk | Result | Answer | Tag | Plan


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions, or groups of them, that hold together: all, any or none. An empty group says nothing."""

    mode: Mode
    conditions: tuple[Part, ...]


Part = Condition | Group


def leaves(part: Part) -> tuple[Condition, ...]:
    """Every single condition of it, however deep it stands."""
    if not isinstance(part, Group):
        return (part,)
    return tuple(leaf for one in part.conditions for leaf in leaves(one))


@dataclass(frozen=True, slots=True)
class Definition:
    """All groups must hold."""

    groups: tuple[Group, ...]

    @property
    def is_everyone(self) -> bool:
        """No condition at all: that would be every patient there is."""
        return not self.conditions

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every single condition, however deep it stands."""
        return tuple(leaf for group in self.groups for leaf in leaves(group))

    def as_json(self) -> dict[str, object]:
        """As stored; `parse` of it gives the same definition back."""
        return {"groups": [_json(group) for group in self.groups]}


Fields = Mapping[str, object]


def parse(raw: object) -> Definition:
    """Read a definition. Raises BadDefinition with every fault at once: unknown kinds, empty conditions, reversed ranges …"""
    faults: list[Fault] = []
    groups = raw.get("groups") if isinstance(raw, Mapping) else None
    if not isinstance(groups, Sequence) or isinstance(groups, str):
        raise BadDefinition([Fault("groups", "missing")])
    read = [_group(group, f"groups.{n}", faults) for n, group in enumerate(groups)]
    if sum(len(leaves(group)) for group in read) > MOST:
        faults.append(Fault("groups", "too-many"))
    if faults:
        raise BadDefinition(faults)
    return Definition(tuple(read))


def _group(raw: object, place: str, faults: list[Fault], depth: int = 1) -> Group:
    if not isinstance(raw, Mapping):
        faults.append(Fault(place, "missing"))
        return Group("all", ())
    mode = raw.get("mode", "all")
    if mode not in MODES:
        faults.append(Fault(f"{place}.mode", "unknown"))
        mode = "all"
    told = raw.get("conditions")
    if not isinstance(told, Sequence) or isinstance(told, str):
        faults.append(Fault(f"{place}.conditions", "missing"))
        told = ()
    found: list[Part] = []
    for n, one in enumerate(told):
        here = f"{place}.conditions.{n}"
        if _is_group(one):
            if depth < DEEPEST:
                found.append(_group(one, here, faults, depth + 1))
            else:
                faults.append(Fault(here, "too-deep"))
            continue
        try:
            found.append(_condition(one))
        except _Wrong as wrong:
            faults.append(Fault(f"{here}.{wrong.field}", wrong.code))
    return Group(mode, tuple(found))


def _is_group(raw: object) -> bool:
    """A group has conditions and no kind of its own."""
    return isinstance(raw, Mapping) and "kind" not in raw and "conditions" in raw


def _condition(raw: object) -> Condition:
    if not isinstance(raw, Mapping):
        raise _Wrong("kind", "missing")
    kind = raw.get("kind")
    reader = READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise _Wrong("kind", "unknown")
    return reader(raw)


def _diagnosis(raw: Fields) -> Diagnosis:
    return Diagnosis(_codes(raw, icd_key), bool(raw.get("main_only")))


def _operation(raw: Fields) -> Operation:
    return Operation(_codes(raw, procedure_key))


def _stay(raw: Fields) -> Stay:
    stay = Stay(
        departments=_words(raw, "departments"), classes=_choices(raw, "classes", CLASSES),
        discharged_from=_day(raw, "discharged_from"), discharged_to=_day(raw, "discharged_to"), days=_days(raw),
    )  # fmt: skip
    if stay == Stay():
        raise _Wrong("departments", "empty")
    if stay.discharged_from and stay.discharged_to and stay.discharged_from > stay.discharged_to:
        raise _Wrong("discharged_to", "reversed")
    return stay


def _age(raw: Fields) -> Age:
    age = Age(_whole(raw, "low", OLDEST), _whole(raw, "high", OLDEST))
    if age == Age():
        raise _Wrong("low", "empty")
    if age.low is not None and age.high is not None and age.low > age.high:
        raise _Wrong("high", "reversed")
    return age


def _sex(raw: Fields) -> Sex:
    return Sex(_needed(_choices(raw, "sexes", SEXES), "sexes"))


def _risk(raw: Fields) -> Risk:
    return Risk(_needed(_choices(raw, "levels", RISKS), "levels"))


def _result(raw: Fields) -> Result:
    concept = _text(raw, "concept", 20)
    if not concept:
        raise _Wrong("concept", "empty")
    value = _number(raw, "value")
    if value is None:
        raise _Wrong("value", "empty")
    return Result(concept, _comparison(raw), value, str(raw.get("latest", "1")) in {"1", "True", "true"}, _days(raw))


def _answer(raw: Fields) -> Answer:
    questionnaire, link_id = _text(raw, "questionnaire", 200), _text(raw, "link_id", 60)
    if not questionnaire or not link_id:
        raise _Wrong("question", "empty")
    code, number = _text(raw, "code", 60), _number(raw, "number")
    if bool(code) == (number is not None):
        raise _Wrong("code", "empty" if not code else "one-only")
    comparison = _comparison(raw)
    if code and comparison != "=":
        raise _Wrong("comparison", "code-equals-only")
    return Answer(questionnaire, link_id, comparison, code, number, _days(raw))


def _tag(raw: Fields) -> Tag:
    return Tag(_needed(_words(raw, "tags"), "tags"))


def _plan(raw: Fields) -> Plan:
    return Plan(_needed(_choices(raw, "states", PLAN_STATES), "states"), _text(raw, "url", 200))


READERS: Mapping[str, Callable[[Fields], Condition]] = {
    "diagnosis": _diagnosis, "operation": _operation, "stay": _stay, "age": _age, "sex": _sex, "result": _result,
    "answer": _answer, "plan": _plan, "tag": _tag, "risk": _risk,
}  # fmt: skip
KINDS = tuple(READERS)


def _json(part: Part) -> dict[str, object]:
    if isinstance(part, Group):
        return {"mode": part.mode, "conditions": [_json(one) for one in part.conditions]}
    return _condition_json(part)


def _condition_json(condition: Condition) -> dict[str, object]:
    told: dict[str, object] = {"kind": condition.kind}
    for name, value in asdict(condition).items():
        if name == "codes":
            told[name] = [code["text"] for code in value]
        elif isinstance(value, tuple):
            told[name] = list(value)
        elif isinstance(value, date | Decimal):
            told[name] = str(value)
        elif value is not None:
            told[name] = value
    return told


def code_range(text: str, key: Callable[[str], str]) -> CodeRange:
    """`I21` or `I20-I25` (both ends with all that is under them). Raises ValueError with the code of the fault."""
    low, dash, high = text.replace("–", "-").replace("~", "-").partition("-")
    first, last = key(low), key(high) if dash else key(low)
    if not first or not last or not first[0].isalnum():
        raise ValueError("empty")
    if last < first[: len(last)]:
        raise ValueError("reversed")
    return CodeRange(first, last[:-1] + chr(ord(last[-1]) + 1), text.strip())


def _codes(raw: Fields, key: Callable[[str], str]) -> tuple[CodeRange, ...]:
    found = []
    for text in _words(raw, "codes"):
        try:
            found.append(code_range(text, key))
        except ValueError as fault:
            raise _Wrong("codes", str(fault)) from None
    if not found:
        raise _Wrong("codes", "empty")
    return tuple(found)


def _words(raw: Fields, name: str) -> tuple[str, ...]:
    """A list, or one text with commas; each once, in the order told."""
    told = raw.get(name) or ()
    if isinstance(told, str):
        for mark in "，、；;\n\t ":
            told = told.replace(mark, ",")
        told = told.split(",")
    if not isinstance(told, Sequence):
        raise _Wrong(name, "unreadable")
    words = tuple(dict.fromkeys(word for one in told if (word := _plain(one)[:60])))
    if len(words) > MOST_VALUES:
        raise _Wrong(name, "too-many")
    return words


def _choices(raw: Fields, name: str, known: Sequence[str]) -> tuple[str, ...]:
    told = _words(raw, name)
    if set(told) - set(known):
        raise _Wrong(name, "unknown")
    return tuple(word for word in known if word in told)


def _needed(told: tuple[str, ...], name: str) -> tuple[str, ...]:
    if not told:
        raise _Wrong(name, "empty")
    return told


def _comparison(raw: Fields) -> Comparison:
    for known in COMPARISONS:
        if raw.get("comparison", "=") == known:
            return known
    raise _Wrong("comparison", "unknown")


def _text(raw: Fields, name: str, longest: int) -> str:
    return _plain(raw.get(name) or "")[:longest]


def _plain(told: object) -> str:
    """Without control characters: no database and no page can hold them all."""
    return "".join(c for c in str(told) if c.isprintable()).strip()


def _days(raw: Fields) -> int | None:
    days = _whole(raw, "days", LONGEST)
    if days == 0:  # nothing is younger than no day at all: taken as "whenever" it would find everybody
        raise _Wrong("days", "unreadable")
    return days


def _whole(raw: Fields, name: str, most: int) -> int | None:
    told = _text(raw, name, 12) if raw.get(name) != 0 else "0"
    if not told:
        return None
    if not told.isdecimal() or int(told) > most:
        raise _Wrong(name, "unreadable")
    return int(told)


def _number(raw: Fields, name: str) -> Decimal | None:
    told = str(raw.get(name) if raw.get(name) is not None else "").strip()
    if not told:
        return None
    try:
        value = Decimal(told)
    except InvalidOperation:
        raise _Wrong(name, "unreadable") from None
    if not value.is_finite() or abs(value) >= Decimal(10) ** 12 or len(told) > 30:
        raise _Wrong(name, "unreadable")
    return value


def _day(raw: Fields, name: str) -> date | None:
    told = _text(raw, name, 12)
    if not told:
        return None
    try:
        return date.fromisoformat(told)
    except ValueError:
        raise _Wrong(name, "unreadable") from None


def years_before(day: date, years: int) -> date:
    """The last day on which somebody could be born who is so many years old on this day.

    On 29 February of a leap year that is 28 February: who was born on 1 March has the birthday tomorrow.
    """
    if day.year - years < 1:
        return date.min
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 2, 28)


def born_between(age: Age, today: date) -> tuple[date | None, date | None]:
    """Birth dates that give this age today: (after or on, before or on)."""
    latest = years_before(today, age.low) if age.low is not None else None
    if age.high is None:
        return None, latest
    oldest = years_before(today, age.high + 1)
    return (oldest.fromordinal(oldest.toordinal() + 1) if oldest > date.min else date.min), latest

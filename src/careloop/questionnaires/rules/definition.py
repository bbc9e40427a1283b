"""A FHIR R4 Questionnaire with our wordings, scores and rules, as frozen dataclasses. Nothing in it is dropped silently."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules.shape import shape_faults

OURS = "https://careloop.org/fhir/StructureDefinition/"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
TYPES = frozenset(
    {"group", "display", "boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url", "choice",
     "open-choice", "quantity", "attachment", "reference"}
)  # fmt: skip
KNOWN = frozenset(
    {OURS + n for n in (
        "wording", "patient-wording", "patient-wording-en", "control", "may-be-not-measured", "locked-scale", "slider-step",
    )}
    | {HL7 + n for n in (
        "minValue", "maxValue", "maxDecimalPlaces", "regex", "entryFormat", "questionnaire-unit",
        "questionnaire-itemControl", "questionnaire-hidden", "itemWeight", "ordinalValue", "translation",
        "questionnaire-unitOption", "questionnaire-optionExclusive", "questionnaire-sliderStepValue", "mimeType",
    )}
)  # fmt: skip
TABLES = frozenset({"table", "gtable"})
CONTROLS = frozenset({"slider"}) | TABLES
"""Codes of questionnaire-itemControl that change how a question is asked here; the others are kept without an effect."""

MOMENTS = frozenset({"date", "dateTime", "time"})
MOST_FAULTS = 30  # told of one file
DEEPEST = 50  # groups in groups; nobody draws so many, but somebody's program may
PATIENT_LIMIT = 30  # characters of a question on the patient's page (ux R21)


class BadQuestionnaire(ValueError):
    """The definition cannot be used; the message names the item and says how to mend it."""


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages; English falls back to Chinese."""

    zh: str
    en: str = ""

    def say(self, language: str) -> str:
        return self.en if language == "en" and self.en else self.zh


@dataclass(frozen=True, slots=True)
class Option:
    """One possible answer of a choice question."""

    code: str
    staff: Words
    patient: Words
    weight: Decimal | None = None
    exclusive: bool = False
    system: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """One enableWhen line."""

    question: str
    operator: str
    answer: Any


@dataclass(frozen=True, slots=True)
class Item:
    """One question, group or displayed text."""

    link_id: str
    type: str
    staff: Words
    script: Words
    patient: Words
    required: bool = False
    repeats: bool = False
    read_only: bool = False
    hidden: bool = False
    options: tuple[Option, ...] = ()
    when: tuple[When, ...] = ()
    when_any: bool = False
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    decimals: int | None = None
    longest: int | None = None
    earliest: str = ""
    latest: str = ""
    pattern: str = ""
    entry_format: str = ""
    unit: str = ""
    unit_display: str = ""
    code: str = ""
    control: str = ""
    may_be_not_measured: bool = False
    initial: Any = None
    items: tuple[Item, ...] = ()
    parent: str = ""
    group: str = ""  # the repeating group it stands in (linkId of the first instance)
    instance: int = 1  # which instance of that group
    base: str = ""  # linkId of the same item in the first instance
    value_set: str = ""  # where the options come from, when they are not in the file
    locked: str = ""  # the standard scale it belongs to: its words and points are not ours to change
    kinds_of_file: tuple[str, ...] = ()  # MIME types an attachment may have; empty: pictures and PDF
    step: Decimal | None = None  # of a slider, from one mark to the next

    @property
    def is_question(self) -> bool:
        return self.type not in {"group", "display"}

    @property
    def is_slider(self) -> bool:
        """A number that is drawn between two ends; without both ends, or in no whole step, it is typed."""
        if self.control != "slider" or self.minimum is None or self.maximum is None:
            return False
        return self.type in {"integer", "decimal"} and self.minimum < self.maximum

    @property
    def is_matrix(self) -> bool:
        """Several choices with the same options under one heading; each row stays a question of its own."""
        if self.type != "group" or self.control not in TABLES or self.repeats or not self.items:
            return False
        first = [(option.code, option.staff) for option in self.items[0].options]
        return bool(first) and all(
            row.type == "choice" and not row.repeats and not row.items
            and [(option.code, option.staff) for option in row.options] == first
            for row in self.items
        )  # fmt: skip

    @property
    def is_voice(self) -> bool:
        """Answered by speaking: a recording, or typed words where nothing can be recorded."""
        return self.type == "attachment" and any(kind.startswith("audio/") for kind in self.kinds_of_file)

    @property
    def slider_step(self) -> Decimal:
        """From one mark to the next: as set, else one; a hundredth of the way where one would be too much."""
        if self.step is not None and self.step > 0:
            return self.step
        way = (self.maximum or Decimal(0)) - (self.minimum or Decimal(0))
        return Decimal(1) if self.type == "integer" or way > 1 else way / 100

    def option(self, code: str) -> Option | None:
        return next((option for option in self.options if option.code == code), None)

    def weights(self) -> list[Decimal]:
        return [option.weight for option in self.options if option.weight is not None]


@dataclass(frozen=True, slots=True)
class Form:
    """A whole form, parsed. `unsupported` lists what was kept but is not acted on."""

    url: str
    version: str
    name: str
    title: Words
    source: str
    items: tuple[Item, ...]
    scores: tuple[Mapping[str, Any], ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    classification: Mapping[str, Any] | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    opening: Words = Words("")
    read_aloud: bool = True  # the patient's page may read questions to who wants to listen
    minutes: Mapping[str, int] = field(default_factory=dict)
    unsupported: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)  # repeating group → instances, after expand()
    looks_back: bool = True  # a rule may compare with what was answered last time
    index: Mapping[str, Item] = field(default_factory=dict, compare=False, repr=False)

    def walk(self) -> Iterator[Item]:
        """Every item, parents before children, in the order of the form."""
        yield from _walk(self.items)

    @property
    def questions(self) -> tuple[Item, ...]:
        return tuple(item for item in self.walk() if item.is_question)

    def item(self, link_id: str) -> Item:
        return self.index[link_id]

    @property
    def screens(self) -> tuple[tuple[Item, ...], ...]:
        """What stands on one page: each question alone, but a group of numbers (a blood pressure) together."""
        found: list[tuple[Item, ...]] = []
        for item in self.items:
            found += _screens(item)
        return tuple(found)


def _walk(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        yield from _walk(item.items)


def _screens(item: Item) -> list[tuple[Item, ...]]:
    if item.is_question:
        return [(item, *[child for child in _walk(item.items) if child.is_question])]
    numbers = [child for child in item.items if child.type in {"integer", "decimal", "quantity"}]
    if item.type == "group" and numbers and len(numbers) == len(item.items):
        return [tuple(numbers)]
    return [screen for child in item.items for screen in _screens(child)]


def parse(content: Mapping[str, Any]) -> Form:
    """Our content file (definition, scores, rules …) or a bare FHIR Questionnaire. Raises BadQuestionnaire."""
    definition = content.get("definition", content)
    if not isinstance(definition, Mapping) or definition.get("resourceType") != "Questionnaire":
        raise BadQuestionnaire("resourceType must be 'Questionnaire'")
    if definition is not content and (faults := list(shape_faults(content))):
        raise BadQuestionnaire("\n".join(faults[:MOST_FAULTS]))
    try:
        form = _form(content, definition)
    except (AttributeError, KeyError, TypeError, ArithmeticError) as fault:
        raise BadQuestionnaire(f"the definition has not the shape of a FHIR R4 Questionnaire: {fault!r}") from fault
    _check_links(form)
    return form


def _form(content: Mapping[str, Any], definition: Mapping[str, Any]) -> Form:
    unsupported: list[str] = []
    unsupported += _unused(definition)
    items = tuple(_item(raw, "", definition, unsupported) for raw in definition.get("item", ()))
    return Form(
        url=_needed(definition, "url"),
        version=str(_needed(definition, "version")),
        name=str(definition.get("name", "")),
        title=_title(content, definition),
        source=str(content.get("source", "")),
        items=items,
        scores=tuple(content.get("scores") or ()),
        rules=tuple(content.get("rules") or ()),
        classification=content.get("classification"),
        checks=tuple(content.get("checks") or ()),
        opening=_words(content.get("opening") or ""),
        read_aloud=content.get("read_aloud", True) is not False,
        minutes=content.get("minutes") or {},
        unsupported=tuple(unsupported),
        looks_back=_looks_back([content.get("rules"), content.get("classification")]),
        index={item.link_id: item for item in _walk(items)},
    )


_ABOUT = frozenset(
    {"resourceType", "id", "meta", "url", "identifier", "version", "name", "title", "status", "experimental",
     "subjectType", "date", "publisher", "contact", "description", "jurisdiction", "purpose", "copyright",
     "approvalDate", "lastReviewDate", "effectivePeriod", "code", "item", "contained", "text", "language", "useContext",
     "extension", "derivedFrom", "_title", "_description"}
)  # fmt: skip
_OF_ITEM = frozenset(
    {"linkId", "text", "_text", "type", "required", "repeats", "readOnly", "maxLength", "answerValueSet", "code",
     "answerOption", "initial", "enableWhen", "enableBehavior", "item", "extension", "prefix", "id"}
)  # fmt: skip


def _unused(definition: Mapping[str, Any]) -> list[str]:
    """What stands at the top and is kept without an effect."""
    found = [f"{name} is kept but not acted on" for name in sorted(set(definition) - _ABOUT)]
    found += [f"extension {one.get('url')} is kept but not acted on" for one in definition.get("extension", ())]
    return found + [
        f"derived from {one}: kept, nothing is taken over from there" for one in definition.get("derivedFrom", ())
    ]


def _title(content: Mapping[str, Any], definition: Mapping[str, Any]) -> Words:
    title = content.get("title") or definition.get("title") or definition.get("name") or ""
    return _words(title)


def _words(value: Any) -> Words:
    if isinstance(value, Mapping):
        return Words(str(value.get("zh", "")), str(value.get("en", "")))
    return Words(str(value))


def _needed(raw: Mapping[str, Any], name: str) -> Any:
    if not raw.get(name):
        raise BadQuestionnaire(f"the questionnaire needs a {name}")
    return raw[name]


def _pattern(pattern: Any, link_id: str) -> str:
    """A regular expression that cannot run for ever: no repeated group that repeats inside."""
    if not pattern:
        return ""
    try:
        re.compile(str(pattern))
    except re.error as wrong:
        raise BadQuestionnaire(f"item {link_id}: the pattern {pattern!r} cannot be read: {wrong}") from None
    if len(str(pattern)) > 200 or _repeats_in_repeats(str(pattern)):
        raise BadQuestionnaire(f"item {link_id}: the pattern {pattern!r} repeats a group that repeats; write it flat")
    return str(pattern)


def _repeats_in_repeats(pattern: str) -> bool:
    """(a+)+ or (a|ab)* may take years on a short text."""
    opened: list[int] = []
    for place, sign in enumerate(pattern):
        if sign == "(":
            opened.append(place)
        elif sign == ")" and opened:
            inside = pattern[opened.pop() + 1 : place]
            if pattern[place + 1 : place + 2] in {"+", "*", "{"} and any(mark in inside for mark in "+*?{|"):
                return True
    return False


def _identity(raw: Mapping[str, Any], parent: str, depth: int) -> tuple[str, str]:
    """linkId and type of an item that may stand where it stands."""
    if depth > DEEPEST:
        raise BadQuestionnaire(f"item {parent}: more than {DEEPEST} groups stand in one another; flatten them")
    link_id = raw.get("linkId")
    if not link_id:
        raise BadQuestionnaire(f"an item ({raw.get('text', 'without text')!r}) has no linkId; give it one")
    kind = raw.get("type", "")
    if kind not in TYPES:
        raise BadQuestionnaire(f"item {link_id}: type {kind!r} is not one of {', '.join(sorted(TYPES))}")
    return str(link_id), str(kind)


def _item(
    raw: Mapping[str, Any],
    parent: str,
    definition: Mapping[str, Any],
    unsupported: list[str],
    depth: int = 1,
    group: str = "",
) -> Item:
    link_id, kind = _identity(raw, parent, depth)
    extensions = _extensions(raw, link_id, unsupported)
    staff = Words(str(raw.get("text", "")), _translated(raw.get("_text")))
    wording = {
        part["url"]: str(part.get("valueString", ""))
        for part in extensions.get(OURS + "wording", {}).get("extension", ())
    }
    unit = extensions.get(HL7 + "questionnaire-unit", {}).get("valueCoding", {})
    repeats = bool(raw.get("repeats"))
    if kind == "group" and repeats and group:
        unsupported.append(f"{link_id}: a repeating group inside a repeating group is asked once in each")
        repeats = False
    inside = group or (link_id if kind == "group" and repeats else "")
    unsupported += _unheard(raw, link_id, kind)
    made = Item(
        link_id=link_id,
        type=kind,
        staff=staff,
        script=Words(wording.get("script", ""), wording.get("script-en", "")),
        patient=Words(wording.get("patient", "") or staff.zh, wording.get("patient-en", "") or staff.en),
        required=bool(raw.get("required")),
        repeats=repeats,
        read_only=bool(raw.get("readOnly")),
        hidden=bool(_value(extensions.get(HL7 + "questionnaire-hidden"))),
        options=_options(raw, definition, link_id, unsupported),
        when=tuple(_when(line, link_id) for line in raw.get("enableWhen", ())),
        when_any=raw.get("enableBehavior", "all") == "any",
        minimum=None if kind in MOMENTS else _number(_value(extensions.get(HL7 + "minValue"))),
        maximum=None if kind in MOMENTS else _number(_value(extensions.get(HL7 + "maxValue"))),
        earliest=str(_value(extensions.get(HL7 + "minValue")) or "") if kind in MOMENTS else "",
        latest=str(_value(extensions.get(HL7 + "maxValue")) or "") if kind in MOMENTS else "",
        pattern=_pattern(_value(extensions.get(HL7 + "regex")), link_id),
        entry_format=str(_value(extensions.get(HL7 + "entryFormat")) or ""),
        decimals=_value(extensions.get(HL7 + "maxDecimalPlaces")),
        longest=raw.get("maxLength"),
        unit=str(unit.get("code", "")),
        unit_display=str(unit.get("display", "") or unit.get("code", "")),
        code=str((raw.get("code") or [{}])[0].get("code", "")),
        control=_control(extensions),
        may_be_not_measured=bool(_value(extensions.get(OURS + "may-be-not-measured"))),
        initial=_plain_value(_value((raw.get("initial") or [None])[0])),
        items=tuple(_item(child, link_id, definition, unsupported, depth + 1, inside) for child in raw.get("item", ())),
        parent=parent,
        group=inside,
        base=link_id,
        value_set=str(raw.get("answerValueSet") or ""),
        locked=str(_value(extensions.get(OURS + "locked-scale")) or ""),
        kinds_of_file=tuple(
            str(_value(one) or "") for one in raw.get("extension", ()) if one.get("url") == HL7 + "mimeType"
        ),
        step=_number(
            _value(extensions.get(OURS + "slider-step"))
            or _value(extensions.get(HL7 + "questionnaire-sliderStepValue"))
        ),
    )
    if kind == "group" and made.control in TABLES and made.items and not made.is_matrix:
        unsupported.append(f"{link_id}: a table of unlike questions is asked one question at a time")
    return made


def _control(extensions: Mapping[str, Mapping[str, Any]]) -> str:
    """Our own way of asking, else the one of questionnaire-itemControl when we have it."""
    if own := str(_value(extensions.get(OURS + "control")) or ""):
        return own
    concept = _value(extensions.get(HL7 + "questionnaire-itemControl"))
    codings = concept.get("coding") or () if isinstance(concept, Mapping) else ()
    return next((str(one["code"]) for one in codings if one.get("code") in CONTROLS), "")


def _unheard(raw: Mapping[str, Any], link_id: str, kind: str) -> Iterator[str]:
    """Parts of an item that are kept and have no effect here."""
    for name in sorted(set(raw) - _OF_ITEM):
        yield f"{link_id}: {name} is kept but not acted on"
    if kind == "reference":
        yield f"{link_id}: a reference is asked as text"
    if len(raw.get("initial", ())) > 1:
        yield f"{link_id}: only the first of several initial values is filled in"
    if kind in {"quantity"} and isinstance((_value((raw.get("initial") or [None])[0]) or 0), Mapping):
        yield f"{link_id}: the unit of the initial value is not compared with the unit of the question"


def _extensions(raw: Mapping[str, Any], link_id: str, unsupported: list[str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for extension in raw.get("extension", ()):
        url = str(extension.get("url", ""))
        found[url] = extension
        if url not in KNOWN:
            unsupported.append(f"{link_id}: extension {url} is kept but not acted on")
    return found


def _value(holder: Mapping[str, Any] | None) -> Any:
    """The one value[x] of an extension or initial."""
    if not holder:
        return None
    return next((value for name, value in holder.items() if name.startswith("value")), None)


def _number(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = value.get("value")
    number = Decimal(str(value))
    if not number.is_finite():
        raise TypeError(f"{value!r} is no number")
    return number


def _translated(element: Mapping[str, Any] | None, language: str = "en") -> str:
    for extension in (element or {}).get("extension", ()):
        parts = {part["url"]: _value(part) for part in extension.get("extension", ())}
        if extension.get("url") == HL7 + "translation" and parts.get("lang") == language:
            return str(parts.get("content", ""))
    return ""


def _options(
    raw: Mapping[str, Any], definition: Mapping[str, Any], link_id: str, unsupported: list[str]
) -> tuple[Option, ...]:
    lines = list(raw.get("answerOption", ()))
    if raw.get("answerValueSet"):
        lines += _value_set(str(raw["answerValueSet"]), definition, link_id, unsupported)
    return tuple(_distinct([_option(line) for line in lines], link_id, unsupported))


def _distinct(found: list[Option], link_id: str, unsupported: list[str]) -> Iterator[Option]:
    """Codes of two systems may be alike: the later one gets its system before it, so that answers stay apart."""
    taken: set[str] = set()
    whole = [(option.system, option.code) for option in found]
    if len(set(whole)) != len(whole):
        raise BadQuestionnaire(f"item {link_id}: two options have the same code; every code must differ")
    for option in found:
        code = option.code
        if code in taken:
            code = f"{option.system}|{code}"
            unsupported.append(f"{link_id}: two code systems use {option.code!r}; the second is kept as {code!r}")
        taken.add(code)
        yield replace(option, code=code)


def _value_set(
    reference: str, definition: Mapping[str, Any], link_id: str, unsupported: list[str]
) -> list[Mapping[str, Any]]:
    """The codings of a contained value set. One that stands elsewhere is listed: the question is then asked as text."""
    for contained in definition.get("contained", ()):
        if reference == f"#{contained.get('id')}":
            return _codings(contained, link_id, unsupported)
    if reference.startswith("#"):
        raise BadQuestionnaire(f"item {link_id}: value set {reference} is not contained in the questionnaire")
    unsupported.append(f"{link_id}: value set {reference} is not in the file; the question is asked as text")
    return []


def _codings(value_set: Mapping[str, Any], link_id: str, unsupported: list[str]) -> list[Mapping[str, Any]]:
    if expanded := value_set.get("expansion", {}).get("contains"):
        return [{"valueCoding": coding} for coding in expanded]
    found: list[Mapping[str, Any]] = []
    for include in value_set.get("compose", {}).get("include", ()):
        found += [{"valueCoding": {"system": include.get("system"), **one}} for one in include.get("concept", ())]
        if not include.get("concept"):
            unsupported.append(f"{link_id}: a whole code system ({include.get('system')}) cannot be listed as options")
    return found


def _option(line: Mapping[str, Any]) -> Option:
    value = line.get("valueCoding")
    if value is None:
        text = str(_plain_value(_value(line)))
        return Option(code=text, staff=Words(text), patient=Words(text))
    extensions = {e.get("url"): e for e in [*line.get("extension", ()), *value.get("extension", ())]}
    staff = Words(str(value.get("display") or value.get("code")), _translated(value.get("_display")))
    weight = (
        _value(extensions.get(HL7 + "itemWeight"))
        if HL7 + "itemWeight" in extensions
        else _value(extensions.get(HL7 + "ordinalValue"))
    )
    return Option(
        code=str(value.get("code") or value.get("display")),
        staff=staff,
        patient=Words(
            str(_value(extensions.get(OURS + "patient-wording")) or staff.zh),
            str(_value(extensions.get(OURS + "patient-wording-en")) or staff.en),
        ),
        weight=_number(weight),
        exclusive=bool(_value(extensions.get(HL7 + "questionnaire-optionExclusive"))),
        system=str(value.get("system") or ""),
    )


def _plain_value(value: Any) -> Any:
    """A coding as its code, a quantity as its number, a reference as its text."""
    if not isinstance(value, Mapping):
        return value
    for name in ("code", "value", "display", "reference", "title", "url"):
        if value.get(name) is not None and not (name == "code" and "value" in value):
            return value[name]
    return str(dict(value))


def _when(line: Mapping[str, Any], link_id: str) -> When:
    operator = line.get("operator", "")
    if operator not in {"exists", "=", "!=", ">", "<", ">=", "<="}:
        raise BadQuestionnaire(f"item {link_id}: enableWhen operator {operator!r} is unknown")
    answer = next((value for name, value in line.items() if name.startswith("answer")), None)
    answer = _plain_value(answer)
    return When(question=str(line.get("question", "")), operator=operator, answer=answer)


def _check_links(form: Form) -> None:
    seen: set[str] = set()
    for item in form.walk():
        if item.link_id in seen:
            raise BadQuestionnaire(f"linkId {item.link_id} is used twice; every item needs its own")
        seen.add(item.link_id)
    for item in form.walk():
        for line in item.when:
            _check_line(form, item, line)
    _refuse_cycles(form)


def _check_line(form: Form, item: Item, line: When) -> None:
    asked = form.index.get(line.question)
    if asked is None:
        raise BadQuestionnaire(f"item {item.link_id}: enableWhen asks for {line.question!r}, which is not in the form")
    if line.operator == "exists" and not isinstance(line.answer, bool):
        raise BadQuestionnaire(f"item {item.link_id}: enableWhen 'exists' needs answerBoolean")


def _refuse_cycles(form: Form) -> None:
    asks = {
        item.link_id: {line.question for line in item.when} | ({item.parent} if item.parent else set())
        for item in form.walk()
    }
    done: set[str] = set()
    while rest := {name: needs - done for name, needs in asks.items() if name not in done}:
        free = {name for name, needs in rest.items() if not needs}
        if not free:
            raise BadQuestionnaire(
                f"enableWhen runs in a circle through {', '.join(sorted(rest))}; break it at one item"
            )
        done |= free


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: the same content has the same hash, whatever the order of its keys."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _looks_back(content: Any) -> bool:
    """Whether anything in these conditions compares with what was answered last time."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            if "previous" in part or "change" in part:
                return True
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
    return False

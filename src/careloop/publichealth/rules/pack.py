"""One version of the rule pack: programmes with their forms, targets, clocks and indicators. Data in, dataclasses out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from careloop.questionnaires.rules import Form, Words

KINDS: Final = ("recheck", "referral-check", "routine", "first-visit")
ROLES: Final = ("first-visit", "follow-up", "closing", "referral-check")
FORMULAS: Final = ("bmi", "percent")
# What an indicator may count; each is one yes-or-no about a patient (or a clock) in the period.
MEASURES: Final = (
    "known", "managed", "standard", "in_target", "clocks_due", "clocks_kept", "notified", "visited", "first_in_time",
    "closed", "regular", "elderly", "assessed",
)  # fmt: skip
DATA_ELEMENT = re.compile(r"DE\d\d\.\d\d\.\d\d\d\.\d\d")


class BadPack(ValueError):
    """The pack cannot be used; each line says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule is written, whether a second source agrees, which one, and why not when it does not."""

    document: str
    section: str
    year: int | None
    page: str
    verified: bool
    second: str = ""
    why: Words = Words("")


@dataclass(frozen=True, slots=True)
class ClockRule:
    """A kind of work that a visit starts. `days` only where the norm fixes them whatever the class says."""

    kind: str
    title: Words
    window_days: int
    form: str
    days: int | None
    source: Source


@dataclass(frozen=True, slots=True)
class Pair:
    """A value of today and the target agreed for the next visit ("x / y" of the national forms)."""

    code: str
    title: Words
    unit: str
    now: str
    target: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that is reckoned, not asked: body mass index, dose rate."""

    code: str
    title: Words
    unit: str
    formula: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One figure: what is counted out of what, in words and by measure."""

    code: str
    names: Words
    numerator: str
    denominator: str
    numerator_text: Words
    denominator_text: Words
    target: float | None
    source: Source


@dataclass(frozen=True, slots=True)
class Note:
    """Something the reader must know about a rule, for patients of an age or for all."""

    code: str
    text: Words
    age_from: int | None
    source: Source


@dataclass(frozen=True, slots=True)
class Trend:
    """A value drawn over time, with the line it should stay below."""

    item: str
    title: Words
    limit: float


@dataclass(frozen=True, slots=True)
class ClosingTarget:
    """At the end of a course a derived value says whether it went well."""

    derived: str
    at_least: Decimal
    source: Source


@dataclass(frozen=True, slots=True)
class Programme:
    """One programme of the specification."""

    code: str
    title: Words
    diagnoses: tuple[str, ...]
    age_from: int | None
    forms: Mapping[str, str]
    in_target: frozenset[str]
    not_in_target: frozenset[str]
    at_closing: ClosingTarget | None
    visits_per_year: int
    face_to_face: frozenset[str]
    pairs: tuple[Pair, ...]
    derived: tuple[Derived, ...]
    trend: tuple[Trend, ...]
    clocks: Mapping[str, ClockRule]
    indicators: tuple[Indicator, ...]
    notes: tuple[Note, ...]
    sources: tuple[Source, ...]
    starts_with_notice: bool = False
    first_visit_hours: int | None = None
    misses_until_report: int | None = None

    def role_of(self, url: str) -> str | None:
        """What this form is in the programme."""
        return next((role for role, known in self.forms.items() if known == url), None)

    def indicator(self, code: str) -> Indicator | None:
        """The indicator with this code, if there is one."""
        return next((one for one in self.indicators if one.code == code), None)


@dataclass(frozen=True, slots=True)
class Pack:
    """One version."""

    version: str
    title: Words
    valid_from: date
    valid_to: date | None
    verified: bool
    programmes: tuple[Programme, ...]
    elements: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def programme(self, code: str) -> Programme | None:
        """The programme with this code, if there is one."""
        return next((one for one in self.programmes if one.code == code), None)

    def programme_of(self, url: str) -> Programme | None:
        """The programme this form is a visit of. The referral check belongs to whoever asked for it: None."""
        return next((one for one in self.programmes if one.role_of(url) not in (None, "referral-check")), None)


def parse_pack(content: Mapping[str, Any]) -> Pack:
    """Read a pack. Raises BadPack when it has not the shape of one."""
    try:
        pack = Pack(
            version=str(content["version"]),
            title=_words(content["title"]),
            valid_from=date.fromisoformat(content["valid_from"]),
            valid_to=date.fromisoformat(content["valid_to"]) if content.get("valid_to") else None,
            verified=bool(content["verified"]),
            programmes=tuple(_programme(raw) for raw in content["programmes"]),
            elements=content["data_elements"]["forms"],
        )
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as fault:
        raise BadPack(f"the pack has not the expected shape: {type(fault).__name__} {fault}") from fault
    if pack.valid_to is not None and pack.valid_to < pack.valid_from:
        raise BadPack("valid_to lies before valid_from")
    return pack


def _programme(raw: Mapping[str, Any]) -> Programme:
    outcome = raw["outcome"]
    closing = outcome.get("at_closing")
    return Programme(
        code=str(raw["code"]),
        title=_words(raw["title"]),
        diagnoses=tuple(raw["diagnoses"]),
        age_from=raw.get("age_from"),
        forms=dict(raw["forms"]),
        in_target=frozenset(outcome["in_target"]),
        not_in_target=frozenset(outcome["not_in_target"]),
        at_closing=ClosingTarget(closing["derived"], Decimal(str(closing["at_least"])), _source(closing.get("source")))
        if closing
        else None,
        visits_per_year=int(raw["visits_per_year"]),
        face_to_face=frozenset(raw["face_to_face"]),
        pairs=tuple(Pair(p["code"], _words(p["title"]), p["unit"], p["now"], p["target"]) for p in raw["pairs"]),
        derived=tuple(
            Derived(d["code"], _words(d["title"]), d["unit"], d["formula"], tuple(d["items"])) for d in raw["derived"]
        ),
        trend=tuple(Trend(t["item"], _words(t["title"]), float(t["limit"])) for t in raw["trend"]),
        clocks={kind: _clock(kind, rule) for kind, rule in raw["clocks"].items()},
        indicators=tuple(_indicator(one) for one in raw["indicators"]),
        notes=tuple(
            Note(n["code"], _words(n["text"]), n["when"].get("age_from"), _source(n["source"])) for n in raw["notes"]
        ),
        sources=tuple(_source(one) for one in raw["sources"]),
        starts_with_notice=bool(raw.get("starts_with_notice")),
        first_visit_hours=raw.get("first_visit_hours"),
        misses_until_report=raw.get("misses_until_report"),
    )


def _clock(kind: str, raw: Mapping[str, Any]) -> ClockRule:
    return ClockRule(
        kind, _words(raw["title"]), int(raw["window_days"]), raw["form"], raw.get("days"), _source(raw["source"])
    )


def _indicator(raw: Mapping[str, Any]) -> Indicator:
    return Indicator(
        code=raw["code"],
        names=_words(raw["names"]),
        numerator=raw["numerator"],
        denominator=raw["denominator"],
        numerator_text=_words(raw["numerator_text"]),
        denominator_text=_words(raw["denominator_text"]),
        target=raw.get("target"),
        source=_source(raw["source"]),
    )


def _source(raw: Mapping[str, Any] | None) -> Source:
    if raw is None:
        return Source("", "", None, "", verified=False)
    return Source(
        raw["document"], raw["section"], raw.get("year"), str(raw.get("page") or ""), bool(raw["verified"]),
        str(raw.get("second", "")), _words(raw["why"]) if raw.get("why") else Words(""),
    )  # fmt: skip


def _words(raw: Mapping[str, str]) -> Words:
    return Words(raw["zh"], raw["en"])


# --- proofreading ----------------------------------------------------------------------------------------------


def proofread_pack(pack: Pack, forms: Mapping[str, Form]) -> tuple[str, ...]:
    """Every mistake with its place: unknown forms, fields, classes and measures, overlaps, missing sources and slots."""
    codes = [programme.code for programme in pack.programmes]
    found = [f"programme {code}: stands twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
    found += [line for programme in pack.programmes for line in _programme_mistakes(programme, forms)]
    return (*found, *_element_mistakes(pack, forms))


def _programme_mistakes(programme: Programme, forms: Mapping[str, Form]) -> Iterator[str]:
    where = f"programme {programme.code}"
    for role, url in programme.forms.items():
        if role not in ROLES:
            yield f"{where}: form role {role!r} must be one of {', '.join(ROLES)}"
        if url not in forms:
            yield f"{where}: form {url} is not there"
    yield from _class_mistakes(where, programme, forms)
    yield from _field_mistakes(where, programme, forms)
    yield from _clock_mistakes(where, programme)
    for one in programme.indicators:
        for measure in (one.numerator, one.denominator):
            if measure not in MEASURES:
                yield f"{where}: indicator {one.code} counts {measure!r}, which nobody counts"
    if not programme.sources or not all(source.section for source in programme.sources):
        yield f"{where}: needs a source with its section"


def _class_mistakes(where: str, programme: Programme, forms: Mapping[str, Form]) -> Iterator[str]:
    both = programme.in_target & programme.not_in_target
    if both:
        yield f"{where}: class {', '.join(sorted(both))} is in target and not in target"
    form = forms.get(programme.forms.get("follow-up", ""))
    if form is None:
        return
    known = {str(outcome["code"]) for outcome in (form.classification or {}).get("outcomes", ())}
    for code in sorted((programme.in_target | programme.not_in_target) - known):
        yield f"{where}: class {code!r} is not given by {form.url}"


def _field_mistakes(where: str, programme: Programme, forms: Mapping[str, Form]) -> Iterator[str]:
    questions = {name for url in programme.forms.values() if url in forms for name in forms[url].index}
    scores = {f"score:{s['code']}" for url in programme.forms.values() if url in forms for s in forms[url].scores}
    reckoned = {f"derived:{one.code}" for one in programme.derived}
    asked = [(f"pair {p.code}", name) for p in programme.pairs for name in (p.now, p.target)]
    asked += [(f"trend {t.item}", t.item) for t in programme.trend]
    asked += [(f"derived value {d.code}", name) for d in programme.derived for name in d.items]
    for what, name in asked:
        if name not in questions | scores | reckoned:
            yield f"{where}: {what} names {name!r}, which is on none of its forms"
    for one in programme.derived:
        if one.formula not in FORMULAS or len(one.items) != 2:
            yield f"{where}: derived value {one.code} needs one of {', '.join(FORMULAS)} and two questions"
    closing = programme.at_closing
    if closing is not None and closing.derived not in {one.code for one in programme.derived}:
        yield f"{where}: the closing target names {closing.derived!r}, which is not derived"


def _clock_mistakes(where: str, programme: Programme) -> Iterator[str]:
    for rule in programme.clocks.values():
        if rule.kind not in KINDS:
            yield f"{where}: clock {rule.kind!r} must be one of {', '.join(KINDS)}"
        if rule.form not in programme.forms:
            yield f"{where}: clock {rule.kind} asks for the form {rule.form!r}, which the programme has not"
        if rule.window_days < 0 or (rule.days is not None and rule.days < 1):
            yield f"{where}: clock {rule.kind} has a window or days below zero"
    if programme.first_visit_hours is not None and "first-visit" not in programme.clocks:
        yield f"{where}: the first visit has hours but no clock"
    if "routine" not in programme.clocks:
        yield f"{where}: needs a routine clock"


def _element_mistakes(pack: Pack, forms: Mapping[str, Form]) -> Iterator[str]:
    for url in sorted({url for programme in pack.programmes for url in programme.forms.values()} & set(forms)):
        slots = pack.elements.get(url, {})
        asked = {item.link_id for item in forms[url].questions}
        for name in sorted(asked - set(slots)):
            yield f"data elements of {url}: question {name!r} has no slot"
        for name in sorted(set(slots) - asked - {"class"}):
            yield f"data elements of {url}: {name!r} is not a question of the form"
        yield from _codes(url, slots)


def _codes(url: str, slots: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, slot in slots.items():
        code = slot.get("code", "")
        if code and not DATA_ELEMENT.fullmatch(code):
            yield f"data elements of {url}: {code!r} of {name} is not written like DE04.10.174.00"

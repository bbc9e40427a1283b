"""The content of one version of a plan, as frozen dataclasses, and the parser that refuses nonsense in clear words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Any, Never, TypeVar

from careloop.plans.rules.calendar import Shift
from careloop.plans.rules.codes import CodeError, CodePattern, parse_code_pattern
from careloop.plans.rules.faults import FaultError, gettext_noop
from careloop.plans.rules.intervals import IntervalError, Intervals, Offset, parse_intervals

E = TypeVar("E", bound=StrEnum)

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_URL = re.compile(r"https?://\S+")
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_WIDEST_WINDOW = 180
_OLDEST = 130
_LONGEST_WAIT_HOURS = 24 * 14


class PlanContentError(FaultError):
    """The content of a plan is wrong; the fault says where (a path such as steps[2].schedule) and how to mend it."""


class Category(StrEnum):
    """B02: routine for everyone, specialty for some departments, single-disease for a diagnosis or operation."""

    ROUTINE = "routine"
    SPECIALTY = "specialty"
    SINGLE_DISEASE = "single-disease"


class Purpose(StrEnum):
    """L23: caring reminds (return, drug, life, diet); tracking asks how the patient is."""

    CARING = "caring"
    TRACKING = "tracking"


class Activity(StrEnum):
    """What a step consists of."""

    QUESTIONNAIRE = "questionnaire"
    EDUCATION = "education"
    REMINDER = "reminder"
    REVISIT = "revisit"


class Anchor(StrEnum):
    """The day from which a step counts."""

    DISCHARGE = "discharge"
    OPERATION = "operation"
    DIAGNOSIS = "diagnosis"
    ENROLMENT = "enrolment"
    PREVIOUS_COMPLETION = "previous-completion"


class Channel(StrEnum):
    """A way to reach the patient. `phone`, `visit` and `clinic` mean a person: the task comes onto the list."""

    WECHAT = "wechat"
    SMS = "sms"
    PHONE = "phone"
    VISIT = "visit"  # a nurse or family doctor at the patient's home
    CLINIC = "clinic"  # the patient comes to the outpatient clinic


BY_PERSON = frozenset({Channel.PHONE, Channel.VISIT, Channel.CLINIC})


class OwnerRule(StrEnum):
    """Who gets the task."""

    FOLLOW_UP_CENTRE = "follow-up-centre"
    WARD_NURSE = "ward-nurse"
    ATTENDING_DOCTOR = "attending-doctor"
    SAME_NURSE = "same-nurse"


class EndCause(StrEnum):
    """What can end a plan before its steps are used up. Death and refusal for ever end every plan, listed or not."""

    DEATH = "death"
    REFUSAL = "refusal"
    TRANSFER = "transfer"
    MOVED = "moved"
    NOT_NEEDED = "not-needed"


ALWAYS_ENDS = frozenset({EndCause.DEATH, EndCause.REFUSAL})


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a plan in the languages of the screen: content, so not gettext."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        return self.en if language.startswith("en") else self.zh


@dataclass(frozen=True, slots=True)
class Source:
    """Where a plan comes from. `is_verified` false means: known from practice only, editable, to be checked."""

    title: str
    locator: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the channel ladder: try this channel, wait so many hours for an answer, then the next."""

    channel: Channel
    wait_hours: int


@dataclass(frozen=True, slots=True)
class CodeRule:
    """Codes of which one must be there (`wanted`) and codes of which none may be there (`unwanted`)."""

    wanted: tuple[CodePattern, ...] = ()
    unwanted: tuple[CodePattern, ...] = ()
    main_only: bool = False  # only the main diagnosis counts for `wanted`


@dataclass(frozen=True, slots=True)
class NameRule:
    """The same for plain names: departments (with everything below them), dispositions."""

    wanted: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EnrolmentRule:
    """Who gets this plan. Every condition that is given must hold; an empty rule fits everybody."""

    diagnoses: CodeRule = CodeRule()
    procedures: CodeRule = CodeRule()
    either_code: bool = False  # a wanted diagnosis or a wanted procedure is enough
    departments: NameRule = NameRule()
    dispositions: NameRule = NameRule()
    encounter_classes: frozenset[str] = frozenset()
    sex: str | None = None
    youngest: int | None = None  # years, included
    oldest: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One planned contact and its repetitions."""

    code: str
    title: Text
    purpose: Purpose
    activity: Activity
    anchor: Anchor
    schedule: Intervals
    first_from: Anchor = Anchor.DISCHARGE  # previous-completion: from where the first one counts
    of_step: str | None = None  # previous-completion: of which step; None = this one
    opens_before: int = 0  # days before due from which it may be done
    closes_after: int = 0  # days after due until which it counts as on time
    times: int | None = None
    until: Offset | None = None  # after the anchor
    shift: Shift = Shift.KEEP
    ladder: tuple[Rung, ...] = (Rung(Channel.PHONE, 0),)
    owner: OwnerRule = OwnerRule.FOLLOW_UP_CENTRE
    questionnaire: str | None = None
    education: str | None = None
    text: Text | None = None
    lapses: bool = False  # closed by itself when its window has passed; otherwise it stays overdue until a person acts

    @property
    def repeats(self) -> bool:
        return self.schedule.repeats and self.times != 1


@dataclass(frozen=True, slots=True)
class EndRule:
    """When the plan ends by itself; whatever comes first."""

    after: Offset | None = None  # counted from the discharge
    on: date | None = None
    after_completed: int | None = None
    causes: frozenset[EndCause] = ALWAYS_ENDS


@dataclass(frozen=True, slots=True)
class PlanContent:
    """One version of a plan, complete."""

    url: str
    version: str
    title: Text
    description: Text
    category: Category
    group: str  # programme group: of several fitting plans of one group the most specific wins
    specialty: str
    enrolment: EnrolmentRule
    steps: tuple[Step, ...]
    ends: EndRule
    sources: tuple[Source, ...]
    valid_from: date
    valid_to: date | None = None
    covers_first_contact: bool = False  # it already calls within two weeks, so the routine plan is not needed as well
    targets: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_verified(self) -> bool:
        return all(source.is_verified for source in self.sources)

    def step(self, code: str) -> Step | None:
        return next((step for step in self.steps if step.code == code), None)


def content_hash(raw: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: two versions with the same words and rules have the same hash."""
    text = json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def parse_plan(raw: Mapping[str, Any]) -> PlanContent:
    """Read one plan file. Anything unknown, missing or contradictory is refused with its path."""
    _only(raw, "plan", PLAN_KEYS)
    steps = tuple(parse_step(item, f"steps[{n}]") for n, item in enumerate(_list(raw, "steps", "plan")))
    _check_steps(steps)
    return PlanContent(
        url=_pattern(raw, "url", "plan", _URL),
        version=_pattern(raw, "version", "plan", _VERSION),
        title=_text(raw.get("title"), "title"),
        description=_text(raw.get("description"), "description"),
        category=_enum(Category, raw.get("category"), "category"),
        group=_pattern(raw, "group", "plan", _CODE),
        specialty=_pattern(raw, "specialty", "plan", _CODE),
        enrolment=parse_enrolment(raw.get("enrolment", {})),
        steps=steps,
        ends=_ends(_map(raw.get("ends", {}), "ends")),
        sources=_sources(raw),
        valid_from=_day(raw.get("valid_from"), "valid_from"),
        valid_to=_day(raw["valid_to"], "valid_to") if raw.get("valid_to") else None,
        covers_first_contact=_flag(raw, "covers_first_contact", "plan"),
        targets={str(key): str(value) for key, value in _map(raw.get("targets", {}), "targets").items()},
    )


PLAN_KEYS = frozenset(
    {
        "url",
        "version",
        "title",
        "description",
        "category",
        "group",
        "specialty",
        "enrolment",
        "steps",
        "ends",
        "sources",
        "valid_from",
        "valid_to",
        "covers_first_contact",
        "targets",
        "in_force",
    }
)
STEP_KEYS = frozenset(
    {
        "code",
        "title",
        "purpose",
        "activity",
        "anchor",
        "schedule",
        "first_from",
        "of_step",
        "window",
        "times",
        "until",
        "shift",
        "ladder",
        "owner",
        "questionnaire",
        "education",
        "text",
        "lapses",
    }
)
_ENROLMENT_KEYS = frozenset(
    {
        "diagnoses",
        "procedures",
        "either_code",
        "departments",
        "dispositions",
        "encounter_classes",
        "sex",
        "age",
    }
)


def _check_steps(steps: Sequence[Step]) -> None:
    if not steps:
        _refuse("steps", gettext_noop("a plan needs at least one step"))
    codes = [step.code for step in steps]
    for n, step in enumerate(steps):
        if codes.index(step.code) != n:
            _refuse(f"steps[{n}].code", gettext_noop("`%(code)s` is used twice"), code=step.code)
        if step.of_step is not None and step.of_step not in codes:
            _refuse(f"steps[{n}].of_step", gettext_noop("there is no step `%(code)s`"), code=step.of_step)
        if step.of_step is not None and step.of_step == step.code:
            _refuse(f"steps[{n}].of_step", gettext_noop("leave it out when the step counts from its own completion"))
    _check_waits(steps)


def _check_waits(steps: Sequence[Step]) -> None:
    waits = {step.code: step.of_step for step in steps}
    for start, waited_for in waits.items():
        seen, code = {start}, waited_for
        while code is not None:
            if code in seen:
                _refuse(
                    "steps",
                    gettext_noop("`%(one)s` and `%(other)s` wait for each other for ever"),
                    one=start,
                    other=code,
                )
            seen.add(code)
            code = waits[code]


def parse_step(raw_item: object, at: str) -> Step:
    """Read one step. Refused like the whole plan, with the path it stands at."""
    raw = _map(raw_item, at)
    _only(raw, at, STEP_KEYS)
    activity = _enum(Activity, raw.get("activity", "questionnaire"), f"{at}.activity")
    before, after = _window(raw.get("window", [0, 0]), f"{at}.window")
    step = Step(
        code=_pattern(raw, "code", at, _CODE),
        title=_text(raw.get("title"), f"{at}.title"),
        purpose=_enum(Purpose, raw.get("purpose"), f"{at}.purpose"),
        activity=activity,
        anchor=_enum(Anchor, raw.get("anchor", "discharge"), f"{at}.anchor"),
        schedule=_schedule(raw.get("schedule"), f"{at}.schedule"),
        first_from=_enum(Anchor, raw.get("first_from", "discharge"), f"{at}.first_from"),
        of_step=_pattern(raw, "of_step", at, _CODE) if raw.get("of_step") else None,
        opens_before=before,
        closes_after=after,
        times=_number(raw, "times", at, low=1, high=1000),
        until=_offset(raw.get("until"), f"{at}.until"),
        shift=_enum(Shift, raw.get("shift", "keep"), f"{at}.shift"),
        ladder=_ladder(raw.get("ladder", [{"channel": "phone"}]), f"{at}.ladder"),
        owner=_enum(OwnerRule, raw.get("owner", "follow-up-centre"), f"{at}.owner"),
        questionnaire=_pattern(raw, "questionnaire", at, _URL) if raw.get("questionnaire") else None,
        education=_pattern(raw, "education", at, _CODE) if raw.get("education") else None,
        text=_text(raw["text"], f"{at}.text") if raw.get("text") else None,
        lapses=_flag(raw, "lapses", at),
    )
    _check_step(step, at)
    return step


def _check_step(step: Step, at: str) -> None:
    if step.activity is Activity.QUESTIONNAIRE and step.questionnaire is None:
        _refuse(f"{at}.questionnaire", gettext_noop("a questionnaire step must name its questionnaire by URL"))
    if step.activity is Activity.EDUCATION and step.education is None:
        _refuse(f"{at}.education", gettext_noop("an education step must name its material by code"))
    if step.first_from is Anchor.PREVIOUS_COMPLETION:
        _refuse(
            f"{at}.first_from",
            gettext_noop("the first one cannot count from a completion: take discharge or enrolment"),
        )
    if step.of_step is not None and step.anchor is not Anchor.PREVIOUS_COMPLETION:
        _refuse(f"{at}.of_step", gettext_noop("it needs the anchor previous-completion"))


def parse_enrolment(told: object) -> EnrolmentRule:
    """Read the enrolment rule alone: a draft shows its count before the rest of the plan is right."""
    raw = _map(told, "enrolment")
    _only(raw, "enrolment", _ENROLMENT_KEYS)
    age = _map(raw.get("age", {}), "enrolment.age")
    _only(age, "enrolment.age", frozenset({"from", "to"}))
    rule = EnrolmentRule(
        diagnoses=_codes(raw.get("diagnoses", {}), "enrolment.diagnoses"),
        procedures=_codes(raw.get("procedures", {}), "enrolment.procedures"),
        either_code=_flag(raw, "either_code", "enrolment"),
        departments=_names(raw.get("departments", {}), "enrolment.departments"),
        dispositions=_names(raw.get("dispositions", {}), "enrolment.dispositions"),
        encounter_classes=frozenset(_strings(raw.get("encounter_classes", []), "enrolment.encounter_classes")),
        sex=_one_of(raw.get("sex"), ("male", "female"), "enrolment.sex"),
        youngest=_number(age, "from", "enrolment.age", low=0, high=_OLDEST),
        oldest=_number(age, "to", "enrolment.age", low=0, high=_OLDEST),
    )
    if rule.youngest is not None and rule.oldest is not None and rule.youngest > rule.oldest:
        _refuse("enrolment.age", gettext_noop("`from` is above `to`"))
    if rule.either_code and not (rule.diagnoses.wanted and rule.procedures.wanted):
        _refuse("enrolment.either_code", gettext_noop("it needs wanted diagnoses and wanted procedures"))
    return rule


def _ends(raw: Mapping[str, Any]) -> EndRule:
    _only(raw, "ends", frozenset({"after", "on", "after_completed", "causes"}))
    causes = {_enum(EndCause, item, "ends.causes") for item in _strings(raw.get("causes", []), "ends.causes")}
    return EndRule(
        after=_offset(raw.get("after"), "ends.after"),
        on=_day(raw["on"], "ends.on") if raw.get("on") else None,
        after_completed=_number(raw, "after_completed", "ends", low=1, high=1000),
        causes=frozenset(causes) | ALWAYS_ENDS,
    )


def _sources(raw: Mapping[str, Any]) -> tuple[Source, ...]:
    sources = []
    for n, item in enumerate(_list(raw, "sources", "plan")):
        entry = _map(item, f"sources[{n}]")
        title = entry.get("title")
        if not isinstance(title, str) or not title.strip():
            _refuse(f"sources[{n}].title", gettext_noop("is missing"))
        verified = _flag(entry, "verified", f"sources[{n}]")
        sources.append(Source(title, str(entry.get("locator", "")), verified))
    if not sources:
        _refuse("sources", gettext_noop("a plan must say where it comes from"))
    return tuple(sources)


def _ladder(raw: object, at: str) -> tuple[Rung, ...]:
    if not isinstance(raw, list) or not raw:
        _refuse(at, gettext_noop("must be a list of {channel, wait_hours}"))
    rungs = []
    for n, item in enumerate(raw):
        entry = _map(item, f"{at}[{n}]")
        channel = _enum(Channel, entry.get("channel"), f"{at}[{n}].channel")
        wait = _number(entry, "wait_hours", f"{at}[{n}]", low=0, high=_LONGEST_WAIT_HOURS) or 0
        if channel not in BY_PERSON and not wait:
            _refuse(f"{at}[{n}].wait_hours", gettext_noop("a message needs time to be answered: give hours"))
        rungs.append(Rung(channel, wait))
    channels = [rung.channel for rung in rungs]
    if BY_PERSON & set(channels[:-1]):
        _refuse(at, gettext_noop("nothing can follow a call or a visit: a person has taken over"))
    if len(set(channels)) != len(channels):
        _refuse(at, gettext_noop("a channel appears twice"))
    return tuple(rungs)


def _codes(raw: object, at: str) -> CodeRule:
    entry = _map(raw, at)
    _only(entry, at, frozenset({"any", "none", "main_only"}))
    return CodeRule(
        wanted=_patterns(entry.get("any", []), f"{at}.any"),
        unwanted=_patterns(entry.get("none", []), f"{at}.none"),
        main_only=_flag(entry, "main_only", at),
    )


def _patterns(raw: object, at: str) -> tuple[CodePattern, ...]:
    try:
        return tuple(parse_code_pattern(text) for text in _strings(raw, at))
    except CodeError as error:
        _refuse(at, error.fault.text, **error.fault.values)


def _names(raw: object, at: str) -> NameRule:
    entry = _map(raw, at)
    _only(entry, at, frozenset({"any", "none"}))
    return NameRule(
        wanted=frozenset(_strings(entry.get("any", []), f"{at}.any")),
        unwanted=frozenset(_strings(entry.get("none", []), f"{at}.none")),
    )


def _schedule(raw: object, at: str) -> Intervals:
    if not isinstance(raw, str):
        _refuse(at, gettext_noop("must be a text such as `3`, `1m` or `30, +150, every 150`"))
    try:
        return parse_intervals(raw)
    except IntervalError as error:
        _refuse(at, error.fault.text, **error.fault.values)


def _offset(raw: object, at: str) -> Offset | None:
    if raw is None:
        return None
    intervals = _schedule(raw, at)
    if intervals.repeats:
        _refuse(at, gettext_noop("must be one distance, such as `12m`"))
    return intervals.legs[0].every


def _window(raw: object, at: str) -> tuple[int, int]:
    if isinstance(raw, list) and len(raw) == 2:
        before, after = raw
        if all(type(value) is int and 0 <= value <= _WIDEST_WINDOW for value in (before, after)):
            return before, after
    _refuse(at, gettext_noop("must be [days before, days after], each 0 to %(most)s"), most=_WIDEST_WINDOW)


def _text(raw: object, at: str) -> Text:
    entry = _map(raw, at)
    zh, en = entry.get("zh"), entry.get("en")
    if not (isinstance(zh, str) and zh.strip() and isinstance(en, str) and en.strip()):
        _refuse(at, gettext_noop("needs the words in both languages: {zh, en}"))
    return Text(zh.strip(), en.strip())


def _enum(kind: type[E], raw: object, at: str) -> E:
    try:
        return kind(str(raw))
    except ValueError:
        _refuse(at, gettext_noop("`%(given)s` is not one of %(known)s"), given=raw, known=", ".join(kind))


def _one_of(raw: object, allowed: Sequence[str], at: str) -> str | None:
    if raw is None:
        return None
    if raw not in allowed:
        _refuse(at, gettext_noop("`%(given)s` is not one of %(known)s"), given=raw, known=", ".join(allowed))
    return str(raw)


def _pattern(raw: Mapping[str, Any], key: str, at: str, pattern: re.Pattern[str]) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(f"{at}.{key}", gettext_noop("`%(given)s` is missing or malformed"), given=value)
    return value


def _number(raw: Mapping[str, Any], key: str, at: str, *, low: int, high: int) -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if type(value) is not int or not low <= value <= high:
        _refuse(
            f"{at}.{key}",
            gettext_noop("`%(given)s` must be a whole number from %(low)s to %(high)s"),
            given=value,
            low=low,
            high=high,
        )
    return value


def _flag(raw: Mapping[str, Any], key: str, at: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        _refuse(f"{at}.{key}", gettext_noop("must be true or false"))
    return value


def _day(raw: object, at: str) -> date:
    try:
        return date.fromisoformat(str(raw))
    except ValueError:
        _refuse(at, gettext_noop("`%(given)s` is not a date (YYYY-MM-DD)"), given=raw)


def _list(raw: Mapping[str, Any], key: str, at: str) -> list[object]:
    value = raw.get(key)
    if not isinstance(value, list):
        _refuse(f"{at}.{key}", gettext_noop("must be a list"))
    return value


def _strings(raw: object, at: str) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(item, str) and item.strip() for item in raw):
        _refuse(at, gettext_noop("must be a list of texts"))
    return raw


def _map(raw: object, at: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        _refuse(at, gettext_noop("must be an object {…}"))
    return raw


def _only(raw: Mapping[str, Any], at: str, known: frozenset[str]) -> None:
    if unknown := sorted(set(raw) - known):
        _refuse(
            at,
            gettext_noop("unknown: %(unknown)s; known: %(known)s"),
            unknown=", ".join(unknown),
            known=", ".join(sorted(known)),
        )


def _refuse(at: str, why: str, /, **values: object) -> Never:
    raise PlanContentError(at, why, **values)

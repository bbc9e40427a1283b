"""What an indicator is and how it is reckoned from measures. Pure: no database, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

# Counted per month, department and person, and kept in the roll-up by database triggers.
OF_TASKS: Final = (
    "planned", "open", "done", "closed", "excluded", "attempted", "followed", "effective", "online", "lost", "visited",
    "in_clinic",
)  # fmt: skip
OF_CALLS: Final = ("calls", "calls_reached", "calls_invalid")
OF_ALERTS: Final = ("alerts", "alerts_accepted", "alerts_closed", "alerts_closed_in_time", "alert_close_seconds")
OF_DISCHARGES: Final = ("discharges", "discharges_excluded", "contacted_72h", "contacted_14d", "stays")
OF_READMISSIONS: Final = ("readmitted",)
OF_SURVEYS: Final = ("surveyed", "satisfied")
STORED: Final = (*OF_TASKS, *OF_CALLS, *OF_ALERTS, *OF_DISCHARGES, *OF_READMISSIONS, *OF_SURVEYS)
# Of public health programmes and of opinions; kept like the others, per programme, year, department and span of days.
PROGRAMME: Final = (
    "managed", "standard", "in_target", "assessed", "notified", "visited", "first_in_time", "closed", "regular",
    "clocks_due", "clocks_kept", "undocumented", "suggested", "decided", "agreed", "underivable",
)  # fmt: skip
WINDOW: Final = timedelta(days=30)  # from a discharge to the last day on which coming back is a readmission
OPINIONS: Final = "opinion"  # stands where a programme would
# These depend on the clock: summed when the page is made, from the roll-up by day and the half hour that is running.
BY_CLOCK: Final = (
    "not_yet_due", "alerts_waiting", "discharges_waiting", "discharges_waiting_14d", "stays_open", "readmitted_open",
)  # fmt: skip

Measures = Mapping[str, int]
Unit = Literal["percent", "hours"]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator with its definition in words and in measures. `minus` is taken from the denominator, `less` from the numerator."""

    code: str
    source: str
    names: Mapping[str, str]
    unit: str
    better: str
    target: float
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    minus: tuple[str, ...]
    less: tuple[str, ...]
    numerator_text: Mapping[str, str]
    denominator_text: Mapping[str, str]
    excludes: tuple[str, ...]

    def name(self, language: str) -> str:
        """The name in this language; Chinese unless English is asked for."""
        return self.names[_two(language)]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A kind of follow-up that nobody can be blamed for, by the codes that say so.

    A contact that was made counts before the reason why the item was closed: a patient who says on the phone that he
    is in hospital again was followed up; an item withdrawn because he was admitted is left out.
    """

    code: str
    names: Mapping[str, str]
    reasons: tuple[str, ...]
    dispositions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definitions:
    """One version of all definitions."""

    version: str
    verified: bool
    source: str
    indicators: tuple[Indicator, ...]
    exclusions: tuple[Exclusion, ...]
    contact_made_outcomes: tuple[str, ...]
    invalid_number_outcomes: tuple[str, ...]
    reached_outcomes: tuple[str, ...]
    planned_treatments: tuple[str, ...]
    no_way_back: tuple[str, ...]

    def indicator(self, code: str) -> Indicator | None:
        """The indicator with this code, if there is one."""
        return next((indicator for indicator in self.indicators if indicator.code == code), None)


def _two(language: str) -> str:
    return "en" if language.startswith("en") else "zh"


def parse_definitions(text: str) -> Definitions:
    """Read the definitions. Refuses an indicator that uses a measure nobody counts."""
    data = json.loads(text)
    indicators = tuple(_indicator(item) for item in data["indicators"])
    known = {*STORED, *BY_CLOCK}
    for indicator in indicators:
        unknown = {*indicator.numerator, *indicator.less, *indicator.denominator, *indicator.minus} - known
        if unknown:
            raise ValueError(f"{indicator.code}: nobody counts {', '.join(sorted(unknown))}")
    return Definitions(
        version=data["version"],
        verified=bool(data["verified"]),
        source=data["source"],
        indicators=indicators,
        exclusions=tuple(_exclusion(item) for item in data["exclusions"]),
        contact_made_outcomes=tuple(data["contact_made_outcomes"]),
        invalid_number_outcomes=tuple(data["invalid_number_outcomes"]),
        reached_outcomes=tuple(data["reached_outcomes"]),
        planned_treatments=tuple(data["planned_treatments"]),
        no_way_back=tuple(data["no_way_back"]),
    )


def _indicator(item: Mapping[str, object]) -> Indicator:
    return Indicator(
        code=str(item["code"]),
        source=str(item["source"]),
        names={"zh": str(item["zh"]), "en": str(item["en"])},
        unit=str(item["unit"]),
        better=str(item["better"]),
        target=float(str(item["target"])),
        numerator=_codes(item["numerator"]),
        denominator=_codes(item["denominator"]),
        minus=_codes(item["minus"]),
        less=_codes(item.get("less")),
        numerator_text={"zh": str(item["numerator_zh"]), "en": str(item["numerator_en"])},
        denominator_text={"zh": str(item["denominator_zh"]), "en": str(item["denominator_en"])},
        excludes=_codes(item["excludes"]),
    )


def _exclusion(item: Mapping[str, object]) -> Exclusion:
    return Exclusion(
        code=str(item["code"]),
        names={"zh": str(item["zh"]), "en": str(item["en"])},
        reasons=_codes(item["reasons"]),
        dispositions=_codes(item["dispositions"]),
    )


def _codes(value: object) -> tuple[str, ...]:
    return tuple(str(code) for code in value) if isinstance(value, list) else ()


# --- reckoning -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """One indicator for one group: the quotient, and the two counts it comes from."""

    numerator: int
    denominator: int
    number: float | None

    @property
    def is_known(self) -> bool:
        return self.number is not None


def value_of(indicator: Indicator, measures: Measures) -> Value:
    """Reckon one indicator. Without a denominator there is no number: 0 of 0 is not 0 %."""
    numerator = _sum(measures, indicator.numerator) - _sum(measures, indicator.less)
    denominator = _sum(measures, indicator.denominator) - _sum(measures, indicator.minus)
    if denominator <= 0:
        return Value(numerator=numerator, denominator=max(denominator, 0), number=None)
    quotient = numerator / denominator
    number = quotient * 100 if indicator.unit == "percent" else quotient / 3600
    return Value(numerator=numerator, denominator=denominator, number=round(number, 4))


def _sum(measures: Measures, names: Iterable[str]) -> int:
    total = 0
    for name in names:
        total += measures.get(name, 0)
    return total


def meets_target(indicator: Indicator, value: Value) -> bool | None:
    """Whether the target is met; None when there is no number."""
    if value.number is None:
        return None
    return value.number >= indicator.target if indicator.better == "higher" else value.number <= indicator.target


@dataclass(frozen=True, slots=True)
class Change:
    """This period against the one before: how much, and whether that is good."""

    amount: float
    is_better: bool


def change(indicator: Indicator, now: Value, before: Value) -> Change | None:
    """The difference to the period before, rounded as it is shown; None when either has no number or none is seen."""
    if now.number is None or before.number is None:
        return None
    amount = round(now.number - before.number, 1)
    if amount == 0:
        return None
    return Change(amount=amount, is_better=(amount > 0) == (indicator.better == "higher"))


def add(measures: Iterable[Measures]) -> dict[str, int]:
    """The sum of several groups, measure by measure."""
    total: dict[str, int] = {}
    for group in measures:
        for name, number in group.items():
            total[name] = total.get(name, 0) + number
    return total


def percent(numerator: int, denominator: int) -> float | None:
    """With one decimal; without anybody to count there is no figure: 0 of 0 is not 0 %."""
    return round(100 * numerator / denominator, 1) if denominator else None


def programme_measures(stored: Measures) -> dict[str, int]:
    """What the indicators of a programme count, from what is stored: known are the managed and who has no record yet."""
    managed = stored.get("managed", 0)
    return {**stored, "known": managed + stored.get("undocumented", 0), "elderly": managed}


# --- identities ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """A sum that must come out equal: its parts in words and numbers, and the whole."""

    code: str
    parts: tuple[tuple[str, int], ...]
    whole: int

    @property
    def holds(self) -> bool:
        return sum(number for _, number in self.parts) == self.whole


def departments_make_the_hospital(departments: Mapping[str, Measures], hospital: Measures, measure: str) -> Identity:
    """Σ departments = hospital, for one measure."""
    parts = tuple((name, measures.get(measure, 0)) for name, measures in departments.items())
    return Identity(code=f"departments-{measure}", parts=parts, whole=hospital.get(measure, 0))


def states_make_the_enrolled(states: Mapping[str, int], enrolled: int) -> Identity:
    """Enrolled = scheduled + due + snoozed + done + closed. Nobody vanishes."""
    return Identity(code="states", parts=tuple(states.items()), whole=enrolled)


# --- months ----------------------------------------------------------------------------------------------------


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def add_months(month: date, number: int) -> date:
    """So many months later (or earlier), as the first of the month."""
    index = month.year * 12 + month.month - 1 + number
    return date(index // 12, index % 12 + 1, 1)


def last_months(month: date, number: int) -> tuple[date, ...]:
    """The months up to and with this one, the oldest first."""
    return tuple(add_months(month, -back) for back in range(number - 1, -1, -1))


def months_between(first: date, last: date) -> tuple[date, ...]:
    """The months from one to the other, both with it; none when the last lies before the first."""
    number = (last.year - first.year) * 12 + last.month - first.month
    return tuple(add_months(first, more) for more in range(number + 1))


def parse_month(text: str) -> date | None:
    """`2026-11` as a month; None for anything else."""
    year, _, month = text.partition("-")
    if not (year.isdigit() and month.isdigit() and len(year) == 4 and 1 <= int(month) <= 12):
        return None
    return date(int(year), int(month), 1)


# --- surveys ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with one answer of several, and which of them say that somebody is satisfied."""

    code: str
    points: Mapping[str, Decimal]
    """Points of each answer that has any; "did not use it" has none and counts nowhere."""
    good: Sequence[tuple[Decimal, Decimal]]
    """From how many points to how many somebody is satisfied."""
    is_whole: bool
    """Whether it is the question on the whole, from which the indicator is made."""

    def is_good(self, answer: str) -> bool:
        """Whether this answer says satisfied."""
        points = self.points.get(answer)
        return points is not None and any(low <= points <= high for low, high in self.good)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many are satisfied with one thing."""

    answers: Mapping[str, int]
    good: int
    n: int

    @property
    def percent(self) -> float | None:
        """Nobody answered: no share."""
        return round(self.good * 100 / self.n, 1) if self.n else None


def share_of(question: Choice, told: Iterable[Mapping[str, int]]) -> Share:
    """Answers added up; those without points and those the question does not know are shown nowhere and count nowhere."""
    answers: dict[str, int] = dict.fromkeys(question.points, 0)
    for counts in told:
        for code, number in counts.items():
            if code in answers:
                answers[code] += number
    good = sum(number for code, number in answers.items() if question.is_good(code))
    return Share(answers=answers, good=good, n=sum(answers.values()))

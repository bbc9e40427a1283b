"""Which plans a discharge gets, with the reason for every yes and every no (B02, B04, pain 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from careloop.plans.rules.codes import CodePattern
from careloop.plans.rules.content import Category, CodeRule, EnrolmentRule, NameRule, PlanContent

# A code of one character weighs 20, so that any code tells more about the patient than the department does.
_DEPARTMENT_WEIGHT = 10


BEATEN = ("more-specific-plan", "covered-by-plan")  # it fits, but another plan does its work


class Outcome(StrEnum):
    """What was decided about one discharge."""

    ENROLLED = "enrolled"
    NO_PLAN = "no-plan"  # nothing in force fits
    DIED = "died"
    AGAINST_ADVICE = "against-advice"
    TRANSFERRED = "transferred"
    ENCOUNTER_CANCELLED = "encounter-cancelled"
    REFUSED = "refused"
    NOT_FINISHED = "not-finished"
    TOO_LATE = "too-late"
    DECLINED = "declined"  # a person said that nobody needs to follow this discharge up


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One coded diagnosis of the stay."""

    code: str
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class DischargeFacts:
    """All that the rules may look at. Departments hold the ward's code and the codes of everything above it."""

    discharged_on: date | None
    diagnoses: tuple[Diagnosis, ...] = ()
    procedures: tuple[str, ...] = ()
    departments: frozenset[str] = frozenset()
    encounter_class: str = ""
    disposition: str = ""
    sex: str = ""
    age: int | None = None
    is_deceased: bool = False
    is_cancelled: bool = False
    is_finished: bool = True
    has_refused: bool = False
    is_declined: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code that a page turns into words, and the values that belong into them."""

    code: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """The verdict of one plan about one discharge."""

    url: str
    fits: bool
    reasons: tuple[Reason, ...]
    specificity: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """The verdict of all plans: `taken` in order of importance, and a match with reasons for every plan in force."""

    outcome: Outcome
    taken: tuple[PlanContent, ...]
    matches: tuple[Match, ...]


def exclusion(facts: DischargeFacts, *, today: date, latest_days: int) -> Outcome | None:
    """Why nobody should contact this patient at all: dead, left against advice, cancelled, refused (pain 25)."""
    checks = (
        (facts.is_cancelled, Outcome.ENCOUNTER_CANCELLED),
        (facts.is_deceased or facts.disposition == "died", Outcome.DIED),
        (not facts.is_finished or facts.discharged_on is None, Outcome.NOT_FINISHED),
        (facts.disposition == "against-advice", Outcome.AGAINST_ADVICE),
        (facts.disposition == "other-hospital", Outcome.TRANSFERRED),
        (facts.has_refused, Outcome.REFUSED),
        (_days_since(facts.discharged_on, today) > latest_days, Outcome.TOO_LATE),
    )
    return next((outcome for holds, outcome in checks if holds), None)


def choose(
    plans: Sequence[PlanContent], facts: DischargeFacts, *, today: date, latest_days: int = 365, briefly: bool = False
) -> Choice:
    """Pick the plans for one discharge: an exclusion beats all, then a person's word, then the most specific of each group.

    `briefly`: where plans are taken, those that do not fit name their first reason against only.
    """
    excluded = exclusion(facts, today=today, latest_days=latest_days)
    if excluded is not None:
        return Choice(excluded, (), ())
    if briefly and not facts.is_declined:
        brief = {plan.url: match(plan, facts, in_full=False) for plan in plans}
        if any(verdict.fits for verdict in brief.values()):
            return _chosen(plans, brief)
    matches = {plan.url: match(plan, facts) for plan in plans}
    if facts.is_declined:  # what the rules would have done is told all the same
        return Choice(Outcome.DECLINED, (), tuple(matches.values()))
    return _chosen(plans, matches)


def _chosen(plans: Sequence[PlanContent], matches: dict[str, Match]) -> Choice:
    taken = _best_of_each_group([plan for plan in plans if matches[plan.url].fits], matches)
    taken = _without_needless_routine(taken, matches)
    ordered = tuple(sorted(taken, key=lambda plan: _rank(plan, matches[plan.url])))
    return Choice(Outcome.ENROLLED if taken else Outcome.NO_PLAN, ordered, tuple(matches.values()))


def match(plan: PlanContent, facts: DischargeFacts, *, in_full: bool = True) -> Match:
    """Does this one plan fit, and why? All failing conditions are named, not only the first (unless not `in_full`)."""
    verdicts: list[_Verdict] = []
    for verdict in _verdicts(plan, facts):
        if not in_full and not verdict.fits:
            return Match(plan.url, False, (verdict.reason,))
        verdicts.append(verdict)
    wrong = tuple(verdict.reason for verdict in verdicts if not verdict.fits)
    if wrong:
        return Match(plan.url, False, wrong)
    right = tuple(verdict.reason for verdict in verdicts) or (Reason("fits-everybody"),)
    return Match(plan.url, True, right, sum(verdict.weight for verdict in verdicts))


@dataclass(frozen=True, slots=True)
class _Verdict:
    fits: bool
    reason: Reason
    weight: int = 0


def _yes(why: str, weight: int = 0, /, **values: str) -> _Verdict:
    return _Verdict(True, Reason(why, values), weight)


def _no(why: str, /, **values: str) -> _Verdict:
    return _Verdict(False, Reason(why, values))


def _verdicts(plan: PlanContent, facts: DischargeFacts) -> Iterator[_Verdict]:
    """Each condition in turn: who needs no more than the first that fails asks for no more."""
    yield from _code_verdicts(plan.enrolment, facts)
    yield from _other_verdicts(plan.enrolment, facts)
    if facts.discharged_on is not None and not _in_force(plan, facts.discharged_on):
        yield _no("not-in-force", day=facts.discharged_on.isoformat())


def _code_verdicts(rule: EnrolmentRule, facts: DischargeFacts) -> Iterator[_Verdict]:
    counted = [d.code for d in facts.diagnoses if d.is_main or not rule.diagnoses.main_only]
    diagnosis = _wanted("diagnosis", rule.diagnoses, counted)
    procedure = _wanted("procedure", rule.procedures, list(facts.procedures))
    wanted = [verdict for verdict in (diagnosis, procedure) if verdict is not None]
    if rule.either_code and any(verdict.fits for verdict in wanted):
        wanted = [verdict for verdict in wanted if verdict.fits]
    yield from wanted
    yield from _unwanted("diagnosis", rule.diagnoses.unwanted, [d.code for d in facts.diagnoses])
    yield from _unwanted("procedure", rule.procedures.unwanted, facts.procedures)


def _wanted(what: str, rule: CodeRule, codes: Sequence[str]) -> _Verdict | None:
    if not rule.wanted:
        return None
    hits = [
        (pattern.specificity, pattern.text, code) for pattern in rule.wanted for code in codes if pattern.matches(code)
    ]
    if hits:
        weight, pattern, code = max(hits, key=lambda hit: hit[0])
        return _yes(f"{what}-fits", 10 * weight, code=code, pattern=pattern)
    texts = ", ".join(pattern.text for pattern in rule.wanted)
    if not codes:
        return _no(f"{what}-unknown", patterns=texts)
    return _no(f"{what}-differs", codes=", ".join(codes), patterns=texts)


def _unwanted(what: str, patterns: Sequence[CodePattern], codes: Sequence[str]) -> list[_Verdict]:
    if not patterns or not codes:
        return []
    hits = [(pattern.text, code) for pattern in patterns for code in codes if pattern.matches(code)]
    return [_no(f"{what}-excluded", code=code, pattern=text) for text, code in hits[:1]]


def _other_verdicts(rule: EnrolmentRule, facts: DischargeFacts) -> Iterator[_Verdict]:
    yield from _name("department", rule.departments, facts.departments)
    yield from _name("disposition", rule.dispositions, frozenset({facts.disposition} - {""}))
    yield from _age(rule, facts.age)
    if rule.encounter_classes:
        fits = facts.encounter_class in rule.encounter_classes
        yield _yes("class-fits", 1) if fits else _no("class-differs", given=facts.encounter_class)
    if rule.sex is not None:
        yield _yes("sex-fits", 5) if facts.sex == rule.sex else _no("sex-differs")


def _name(what: str, rule: NameRule, given: frozenset[str]) -> list[_Verdict]:
    if not rule.wanted and not rule.unwanted:
        return []
    shown = ", ".join(sorted(given))
    if hit := sorted(rule.unwanted & given):
        return [_no(f"{what}-excluded", given=hit[0])]
    if not rule.wanted:
        return []
    if hit := sorted(rule.wanted & given):
        return [_yes(f"{what}-fits", _DEPARTMENT_WEIGHT, given=hit[0])]
    return [_no(f"{what}-differs", given=shown, wanted=", ".join(sorted(rule.wanted)))]


def _age(rule: EnrolmentRule, age: int | None) -> list[_Verdict]:
    if rule.youngest is None and rule.oldest is None:
        return []
    span = f"{rule.youngest or 0}-{'' if rule.oldest is None else rule.oldest}"
    if age is None:
        return [_no("age-unknown", wanted=span)]
    if age < (rule.youngest or 0) or (rule.oldest is not None and age > rule.oldest):
        return [_no("age-differs", age=str(age), wanted=span)]
    return [_yes("age-fits", 2, age=str(age), wanted=span)]


def _best_of_each_group(fitting: Sequence[PlanContent], matches: dict[str, Match]) -> list[PlanContent]:
    best: dict[str, PlanContent] = {}
    for plan in sorted(fitting, key=lambda plan: _rank(plan, matches[plan.url])):
        winner = best.setdefault(plan.group, plan)
        if winner is not plan:
            matches[plan.url] = _beaten(matches[plan.url], "more-specific-plan", winner)
    return list(best.values())


def _without_needless_routine(taken: list[PlanContent], matches: dict[str, Match]) -> list[PlanContent]:
    cover = next((p for p in taken if p.covers_first_contact and p.category is not Category.ROUTINE), None)
    if cover is None:
        return taken
    for plan in taken:
        if plan.category is Category.ROUTINE:
            matches[plan.url] = _beaten(matches[plan.url], "covered-by-plan", cover)
    return [plan for plan in taken if plan.category is not Category.ROUTINE]


def _beaten(lost: Match, code: str, winner: PlanContent) -> Match:
    return Match(lost.url, False, (*lost.reasons, Reason(code, {"url": winner.url})), lost.specificity)


_ORDER = {Category.SINGLE_DISEASE: 0, Category.SPECIALTY: 1, Category.ROUTINE: 2}


def _rank(plan: PlanContent, verdict: Match) -> tuple[int, int, str]:
    return _ORDER[plan.category], -verdict.specificity, plan.url


def _in_force(plan: PlanContent, day: date) -> bool:
    return plan.valid_from <= day and (plan.valid_to is None or day <= plan.valid_to)


def _days_since(day: date | None, today: date) -> int:
    return (today - day).days if day else 0

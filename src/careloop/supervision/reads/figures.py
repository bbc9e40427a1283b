"""Agreement by department, person and question; and the indicators of a month with their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.reads.wording import said
from careloop.supervision import rules
from careloop.supervision.models import AnswerPair, IntegrityIndicator, Sample
from careloop.supervision.reads import content
from careloop.supervision.reads.checks import pairs_for_kappa
from careloop.supervision.reads.records import Period
from careloop.supervision.rules import integrity


@dataclass(frozen=True, slots=True)
class Line:
    """Agreement of one department, person or question."""

    name: str
    records: int
    pairs: int
    agreeing: int
    share: float | None
    share_low: float
    share_high: float
    kappa: rules.Kappa
    words: str


def agreement(*, viewer: Viewer, period: Period, department_id: UUID | None) -> dict[str, list[Line]]:
    """Lines by department, by person and by question of the blind re-checks of this period. Figures only."""
    found = AnswerPair.objects.unscoped("figures of the viewer's departments, nothing about a patient").filter(
        answered_at__gte=period.begin, answered_at__lt=period.end, counts_for_kappa=True
    )
    if department_id is not None:
        found = found.filter(department_id=department_id)
    elif not viewer.hospital_wide:
        found = found.filter(department_id__in=viewer.departments)
    if not viewer.hospital_wide:
        found = found.filter(record__level=2)
    pairs = list(found.order_by("answered_at", "pk"))
    departments = dict(Organization.objects.filter(pk__in={p.department_id for p in pairs}).values_list("pk", "name"))
    people = dict(Practitioner.objects.filter(pk__in={p.author_id for p in pairs}).values_list("pk", "name"))
    questions = _question_names({pair.questionnaire_url for pair in pairs})
    return {
        "departments": _lines(pairs, lambda pair: departments[pair.department_id]),
        "people": _lines(pairs, lambda pair: people[pair.author_id]),
        "questions": _lines(pairs, lambda pair: questions.get((pair.questionnaire_url, pair.link_id), pair.link_id)),
    }


def _lines(pairs: Sequence[AnswerPair], name: Any) -> list[Line]:
    groups: dict[str, list[AnswerPair]] = {}
    for pair in pairs:
        groups.setdefault(name(pair), []).append(pair)
    return [line_of(label, mine) for label, mine in sorted(groups.items())]


def line_of(name: str, pairs: Sequence[AnswerPair]) -> Line:
    """Share, kappa and interval of these pairs, with the words that go with them."""
    found = rules.agreement_of(pairs_for_kappa(pairs))
    return Line(
        name=name, records=len({pair.record_id for pair in pairs if pair.counts_for_kappa}), pairs=found.pairs,
        agreeing=found.agreeing, share=found.agreeing / found.pairs if found.pairs else None,
        share_low=found.share_low, share_high=found.share_high, kappa=found.pooled, words=kappa_words(found.pooled),
    )  # fmt: skip


def kappa_words(kappa: rules.Kappa) -> str:
    """Why there is no kappa, or how strong the agreement is beyond chance (Landis and Koch 1977)."""
    undefined = {
        "no-pairs": _("No question could be compared yet."),
        "one-category": _("All answers are the same, so agreement beyond chance cannot be told. Look at the share."),
        "one-record": _("One record alone gives no interval."),
    }
    if kappa.undefined:
        return undefined[kappa.undefined]
    value = kappa.value or 0.0
    bands = (
        (0.80, _("almost perfect")), (0.60, _("substantial")), (0.40, _("moderate")), (0.20, _("fair")),
        (0.0, _("slight")), (-2.0, _("no better than chance")),
    )  # fmt: skip
    return next(words for least, words in bands if value > least)


def _question_names(urls: set[str]) -> dict[tuple[str, str], str]:
    names: dict[tuple[str, str], str] = {}
    for questionnaire in Questionnaire.objects.filter(url__in=urls).order_by("published_at", "pk"):
        for item in form_of(questionnaire).questions:
            names[questionnaire.url, item.link_id] = said(item.staff)
    return names


@dataclass(frozen=True, slots=True)
class IndicatorView:
    """One indicator in words. `alarm_rate`: how often it fired for honest people when that was measured."""

    row: IntegrityIndicator
    label: str
    sentence: str
    alarm_rate: float | None


@dataclass(frozen=True, slots=True)
class PersonMonth:
    """All indicators of one person in one department and month."""

    practitioner: Practitioner
    department: Organization
    records: int
    indicators: tuple[IndicatorView, ...]
    over_months: tuple[IndicatorView, ...] = ()  # this month and those before it, judged as one

    @property
    def firing(self) -> tuple[IndicatorView, ...]:
        """Reasons to look: of the month, and of the months together what the month does not say already."""
        found = tuple(one for one in self.indicators if one.row.fires)
        told = {one.row.code for one in found}
        return found + tuple(one for one in self.over_months if one.row.fires and one.row.code not in told)


def people_of_month(
    *, viewer: Viewer, month: date, department_id: UUID | None = None, practitioner_id: UUID | None = None
) -> list[PersonMonth]:
    """One indexed query; who has most indicators comes first."""
    rows = (
        IntegrityIndicator.objects.visible_to(viewer)
        .select_related("practitioner", "department")
        .filter(month=month.replace(day=1))
    )
    if department_id is not None:
        rows = rows.filter(department_id=department_id)
    if practitioner_id is not None:
        rows = rows.filter(practitioner_id=practitioner_id)
    groups: dict[tuple[UUID, UUID], list[IntegrityIndicator]] = {}
    for row in rows.order_by("department", "practitioner", "months", "code"):
        groups.setdefault((row.department_id, row.practitioner_id), []).append(row)
    found = [_person_month(mine) for mine in groups.values()]
    return sorted(found, key=lambda one: (-len(one.firing), one.department.name, one.practitioner.name))


def _person_month(rows: Sequence[IntegrityIndicator]) -> PersonMonth:
    alone = _ordered([row for row in rows if row.months == 1])
    over = _ordered([row for row in rows if row.months > 1])
    return PersonMonth(
        rows[0].practitioner, rows[0].department, alone[0].records if alone else 0,
        tuple(map(indicator_view, alone)), tuple(map(indicator_view, over)),
    )  # fmt: skip


def _ordered(rows: Sequence[IntegrityIndicator]) -> list[IntegrityIndicator]:
    return sorted(rows, key=lambda row: integrity.CODES.index(row.code))


def indicator_view(row: IntegrityIndicator) -> IndicatorView:
    """The indicator with its sentence and its measured false-alarm rate."""
    rates = content.measured()["false_alarms" if row.months == 1 else "false_alarms_over_months"]
    return IndicatorView(row, label(row.code), sentence(row), rates.get(row.code))


def label(code: str) -> str:
    """What an indicator looks at."""
    return {
        "no-attempt": _("Records without a call"),
        "tempo": _("Faster than one can ask"),
        "copied": _("Same as the last time"),
        "just-under": _("Readings just under a limit"),
        "written-down": _("Readings moved under a limit"),
        "last-digits": _("Last digits"),
        "nothing-found": _("Nothing ever found"),
        "contradicted": _("Second look says otherwise"),
        "together": _("Several together"),
    }[code]


def sentence(row: IntegrityIndicator) -> str:
    """One sentence with the numbers. It says what is there, not what somebody did."""
    if row.chance is None:
        return _("Too few records to judge (%(count)s).") % {"count": row.out_of}
    numbers = {
        "cases": row.cases, "out_of": row.out_of, "share": _percent(row.facts.get("honest_share")),
        "noughts": row.facts.get("noughts"), "round": row.facts.get("round"),
        "with_findings": row.facts.get("with_findings"), "peers": _percent(row.facts.get("peers_share")),
        "shaded": _percent(row.facts.get("shaded")),
        "raised": _("; ").join(label(code) for code in row.facts.get("raised", ())) or _("none"),
    }  # fmt: skip
    return _template(row) % numbers


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * float(value):.0f}"


def _template(row: IntegrityIndicator) -> str:
    few = row.facts.get("kind") == "few-round"
    templates = {
        "no-attempt": _("%(cases)s of %(out_of)s phone records have no call, or one of under 10 seconds; forgotten logging explains up to %(share)s %%."),
        "tempo": _("%(cases)s of %(out_of)s calls ended sooner after the one before than their questions take; typing in notes explains up to %(share)s %%."),
        "copied": _("%(cases)s of %(out_of)s records repeat the patient's last one in every answer and number; steady patients explain up to %(share)s %%."),
        "just-under": _("%(cases)s of %(out_of)s readings near a limit lie just under it; the colleagues' readings of the month explain up to %(share)s %%."),
        "written-down": _("About %(shaded)s %% of the readings over a limit seem to be written as just under it (%(cases)s of %(out_of)s lie under): a gap that this person's own level and rounding do not explain. At the colleagues' it is %(share)s %%."),
        "together": _("%(cases)s of %(out_of)s indicators are a little high at the same time: %(raised)s. Each alone would be chance."),
        "last-digits": _("Of %(out_of)s last digits of blood pressures only %(round)s are 0 or 5; a device gives a fifth, reading by hand more.")
        if few else _("Of %(out_of)s last digits of blood pressures %(noughts)s are 0; reading by hand explains up to four in five."),
        "nothing-found": _("%(with_findings)s of %(out_of)s records found anything; among the colleagues it is %(peers)s %%."),
        "contradicted": _("%(cases)s of %(out_of)s records that were checked again differ seriously; honest work explains up to %(share)s %%."),
    }  # fmt: skip
    return templates[row.code]


@dataclass(frozen=True, slots=True)
class Caught:
    """One kind of simulated inventor and share: how many were found by the end of each month."""

    kind: str
    share: str
    by_month: tuple[float, ...]


def caught() -> list[Caught]:
    """What the study found, kind by kind; the least found ones last."""
    told = [
        Caught(trick_label(name.rsplit("-", 1)[0]), name.rsplit("-", 1)[1], tuple(shares))
        for name, shares in content.measured()["caught"].items()
    ]
    return sorted(told, key=lambda one: -one.by_month[0])


def trick_label(trick: str) -> str:
    """How a simulated inventor works."""
    return {
        "desk": _("never calls, types everything in"),
        "careful": _("lets it ring, invents the answers"),
        "lazy": _("always writes the same numbers"),
        "copier": _("takes over the last record"),
        "shader": _("asks, but writes high readings down"),
    }[trick]


def left_out_words(left_out: dict[str, int]) -> list[str]:
    """Why records could not be drawn, each with its number."""
    texts = {
        "by-patient": lambda n: ngettext("%(num)d was answered by the patient", "%(num)d were answered by the patients", n),
        "second-look": lambda n: ngettext("%(num)d is a second look itself", "%(num)d are second looks themselves", n),
        "no-department": lambda n: ngettext("%(num)d belongs to no department", "%(num)d belong to no department", n),
        "not-visible": lambda n: ngettext("%(num)d is closed to you now", "%(num)d are closed to you now", n),
        "own": lambda n: ngettext("%(num)d is your own", "%(num)d are your own", n),
        "checked-already": lambda n: ngettext("%(num)d is in a check already", "%(num)d are in a check already", n),
        "no-contact": lambda n: ngettext("%(num)d patient died or does not want calls", "%(num)d patients died or do not want calls", n),
        "open-alert": lambda n: ngettext("%(num)d patient has an open alert", "%(num)d patients have an open alert", n),
    }  # fmt: skip
    return [texts[code](count) % {"num": count} for code, count in left_out.items()]


def reason_label(code: str) -> str:
    """Why a record was more likely to be drawn."""
    return {
        "no-attempt": _("no call recorded"),
        "zero-seconds": _("call of under 10 seconds"),
        "tempo": _("very soon after the one before"),
        "copied": _("same as the last time"),
        "perfect-streak": _("long row without any finding"),
    }[code]


def difference_label(code: str) -> str:
    """Where a difference comes from."""
    return {
        "changed-since": _("Has changed since"),
        "understood-differently": _("Question understood differently"),
        "unclear": _("Cannot be told"),
        "recorded-wrong": _("Recorded wrongly"),
        "not-asked": _("Was never asked"),
    }[code]


def finding_label(code: str) -> str:
    """What is to be put right."""
    return {
        "differs": _("Answers differ"),
        "no-call": _("The patient says nobody called"),
        "invented": _("The record does not match what happened"),
        "incomplete": _("The record is incomplete"),
        "wrong-person": _("Somebody else was asked"),
        "late": _("Not done in time"),
        "other": _("Something else"),
    }[code]


@dataclass(frozen=True, slots=True)
class PlanView:
    """How many serious records a sample may have, and what that costs whom; shares in percent, risks of 100 samples."""

    allowed: int
    acceptable: str
    limiting: str
    producer: str
    consumer: str


def plan_of(sample: Sample) -> PlanView:
    """The acceptance plan of this sample: of those checked when it was judged, else of all its records."""
    plan = rules.AcceptancePlan.from_data(content.sampling())
    size = int(sample.decision.get("checked", sample.size))
    allowed = int(sample.decision.get("allowed", plan.accepts(size, sample.population_size)))
    producer, consumer = plan.risks(size, sample.population_size, allowed)
    return PlanView(
        allowed=allowed,
        acceptable=_percent(plan.acceptable), limiting=_percent(plan.limiting),
        producer=f"{100 * producer:.1f}", consumer=f"{100 * consumer:.1f}",
    )  # fmt: skip


def decision_words(decision: dict[str, Any]) -> list[str]:
    """Why a sample was not accepted."""
    texts = {
        "too-many-serious": _("%(serious)s records differ seriously; at most %(allowed)s are accepted.") % decision,
        "low-kappa": _("Agreement beyond chance is low, even at the upper end of its interval."),
        "too-few-reached": _("Too few patients could be asked again."),
    }
    return [texts[code] for code in decision["reasons"]]

"""The dashboards of the hospital and of a department, and the lists behind their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.http import Http404, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from markupsafe import Markup

from careloop.audit.record import list_seen
from careloop.kernel import svg
from careloop.kernel.addresses import address
from careloop.kernel.display import moment
from careloop.kernel.pages import PageRequest, page, render
from careloop.kernel.prepared import Asked
from careloop.kernel.viewer import Viewer
from careloop.publichealth import access as programme_access
from careloop.publichealth.reads import packs
from careloop.publichealth.reads import pages as programme_pages
from careloop.publichealth.rules import Indicator as ProgrammeIndicator
from careloop.publichealth.rules import Programme
from careloop.questionnaires import access as questionnaires
from careloop.questionnaires.reads.wording import said
from careloop.reports import access, actions, reads, rules
from careloop.reports.forms import PeriodForm
from careloop.reports.models import RollupCheck
from careloop.tasks.reads import outcome_label

CARDS = (
    "follow-up-rate", "effective-rate", "satisfaction", "alert-closed-in-time", "readmission-30d", "first-contact-72h",
)  # fmt: skip
LINES = ("first-contact-14d", "alert-closure-time", "invalid-number-rate")
SIDES = ("numerator", "denominator")
LISTED = 200
TEAL = "#4E9A88"  # the second series of the design: never a colour of risk


@page(access.HOSPITAL)
def hospital(request: PageRequest) -> HttpResponse:
    """The whole hospital: six indicators, twelve months, departments side by side."""
    viewer, period = request.viewer, _period(request)
    rows, check, (places,) = _asked(viewer, period, None, also=(reads.asked_by_departments(viewer),))
    seen = reads.departments(viewer, places)
    drawn = _board_drawn(
        _language(), _without_moment(period), rows, seen, None, None, _check_words(check), viewer.can(access.HOSPITAL)
    )
    context = {"title": _("Hospital dashboard"), "period": period, "chosen": None, "drawn": drawn}
    return render(request, "reports/dashboard.html", context)


@page(access.DEPARTMENT)
def department(request: PageRequest) -> HttpResponse:
    """One department: the same indicators, its people side by side for those who may see them."""
    viewer, period = request.viewer, _period(request)
    seen = reads.departments(viewer)
    chosen = _chosen(seen, period)
    if chosen:  # every address on the page names the department, also when none was asked for
        period = replace(period, department=chosen.id)
    members = chosen.members if chosen else ()
    rows, check, _others = _asked(viewer, period, members)
    people = tuple(_person_bars(viewer, period, members)) if viewer.can(access.PEOPLE) else None
    drawn = _board_drawn(
        _language(),
        _without_moment(period),
        rows,
        seen,
        members,
        people,
        _check_words(check),
        viewer.can(access.HOSPITAL),
    )
    title = chosen.label(_language()) if chosen else _("Department dashboard")
    context = {"title": title, "period": period, "chosen": chosen, "drawn": drawn}
    return render(request, "reports/dashboard.html", context)


class Check(NamedTuple):
    """The newest recount in words."""

    at: str
    groups: int
    differing: int


def _check_words(check: RollupCheck | None) -> Check | None:
    return None if check is None else Check(moment(check.at), check.groups, check.differing)


class Drawn(NamedTuple):
    """What a dashboard says, as text."""

    menus: Markup
    body: Markup


@lru_cache(maxsize=16)  # some 200 kB each, and a drawing is over as soon as a number changes
def _board_drawn(
    language: str, period: Period, rows: reads.Counted, seen: tuple[reads.Department, ...],
    members: tuple[UUID, ...] | None, people: tuple[Bar, ...] | None, check: Check | None, may_see_all: bool,
) -> Drawn:  # fmt: skip
    """Everything on the page that follows from the rows just read, drawn once for the same rows.

    It is given all that it shows: the numbers, the departments this viewer sees, the words, whether the menu leads to the
    whole hospital. It knows no viewer and no clock (`period.at` is the beginning of the running month), and reads nothing.
    `members` None: the whole hospital.
    """
    figures = Figures(found=reads.figures_of(rows), months=rows.months)
    chosen = None
    if members is None:
        if (period.month, reads.NOBODY) in figures.found.departments:
            seen = (*seen, reads.Department(reads.NOBODY, _("No department"), "", (reads.NOBODY,)))
        shown, title = seen, _("Follow-up rate by department")
        bars: Sequence[Bar] | None = _department_bars(seen, figures, period)
    else:
        chosen = next((one for one in seen if one.id == period.department), None)
        shown, title, bars = (chosen,) if chosen else (), _("Follow-up rate by person"), people
    context = _common(period, figures, members) | {
        "bars": bars,
        "bars_title": title,
        "places": _place_links(seen, period),
        "overview": _overview(shown, figures, period),
        "identities": _identities(period, figures, shown, members),
        "chosen": chosen,
        "check": check,
        "may_see_all": may_see_all,
        "language": language,
    }
    return Drawn(
        menus=Markup(render_to_string("reports/_menus.html", context)),
        body=Markup(render_to_string("reports/_board.html", context)),
    )


@page(programme_access.NUMBERS)
def programmes(request: PageRequest) -> HttpResponse:
    """Fragment: public health of the running year up to today, and how often doctors agree. From the roll-up alone."""
    today = timezone.localdate()
    row = packs.pack_on(today)
    if row is None:
        return HttpResponse(status=204)  # a dashboard goes on without the national rules
    asked = request.GET.get("department", "")
    counted = reads.programmes(viewer=request.viewer, day=today, departments=reads.below(asked))
    may_list = request.viewer.can(programme_access.VIEW)
    lines = [
        (one, [figure for figure in (_programme_figure(one, rule, counted, asked, may_list) for rule in one.indicators) if figure])
        for one in row.pack().programmes
    ]  # fmt: skip
    opinions = counted.get(rules.OPINIONS, {})
    context = {
        "lines": [line for line in lines if line[1]],
        "first": today.replace(month=1, day=1),
        "last": today,
        "say": programme_pages.say,
        "opinions": {name: opinions.get(name, 0) for name in ("suggested", "decided", "agreed")},
        "agreement": rules.percent(opinions.get("agreed", 0), opinions.get("decided", 0)),
    }
    return render(request, "reports/_programmes.html", context)


def _programme_figure(
    programme: Programme, rule: ProgrammeIndicator, counted: Mapping[str, Mapping[str, int]], asked: str, may_list: bool
) -> dict[str, Any] | None:
    """One figure with its definition and the list behind it; None when there is nobody to count."""
    measures = counted.get(programme.code, {})
    below, above = measures.get(rule.denominator, 0), measures.get(rule.numerator, 0)
    if not below:
        return None
    query = urlencode({"year": str(timezone.localdate().year)} | ({"department": asked} if asked else {}))
    address = reverse("publichealth:indicator-list", args=[programme.code, rule.code, "numerator"])
    say = programme_pages.say
    return {
        "code": rule.code, "name": say(rule.names), "percent": rules.percent(above, below), "numerator": above,
        "denominator": below, "definition": f"{say(rule.numerator_text)} ÷ {say(rule.denominator_text)}",
        "href": f"{address}?{query}" if may_list else f"{reverse('publichealth:indicators')}?programme={programme.code}",
    }  # fmt: skip


@page(access.DEPARTMENT)
def reasons(request: PageRequest) -> HttpResponse:
    """Why follow-ups were not made; fetched after the page, because it looks at the tasks themselves."""
    period = _period(request)
    members = _members(request, period)
    rows = reads.reasons_not_followed(
        viewer=request.viewer, begin=period.begin, end=period.end, at=period.at, departments=members
    )
    total = sum(number for _why, number in rows)
    shown = [(_reason(why), number, round(number * 100 / total)) for why, number in rows[:6]]
    return render(request, "reports/_reasons.html", {"reasons": shown, "total": total})


@page(access.DEPARTMENT)
def lost(request: PageRequest) -> HttpResponse:
    """Lost to follow-up: how many, of how many, why, where, month by month; each number leads to its patients."""
    return render(request, "reports/lost.html", _lost(request))


@page(access.DEPARTMENT)
def lost_card(request: PageRequest) -> HttpResponse:
    """The same in three lines, for other rooms' pages."""
    return render(request, "reports/_lost.html", _lost(request))


def _lost(request: PageRequest) -> dict[str, Any]:
    viewer, period = request.viewer, _period(request)
    seen = reads.departments(viewer)
    if period.department is None and not (viewer.hospital_wide or viewer.everything) and len(seen) == 1:
        period = replace(period, department=seen[0].id)
    members = _members(request, period)
    figures = _figures(viewer, period, members)
    now, before = figures.of_month(period.month), figures.of_month(rules.add_months(period.month, -1))
    why = reads.reasons_lost(viewer=viewer, begin=period.begin, end=period.end, departments=members)
    here = [one for one in seen if period.department in (None, one.id)]
    return {
        "period": period,
        "card": _card("lost-rate", now, before, period),
        "number": now.get("lost", 0),
        "reasons": [(code, outcome_label(code), number) for code, number in why],
        "adds_up": sum(number for _code, number in why) == now.get("lost", 0),
        "months": [
            _lost_row(_month(month), figures.of_month(month), replace(period, month=month))
            for month in reversed(figures.months[1:])
        ],
        "places": _most_lost(
            [
                _lost_row(
                    one.label(_language()),
                    figures.of_department(period.month, one.members),
                    replace(period, department=one.id),
                )
                for one in here
            ]
        ),
        "departments": seen,
        "chosen": next((one for one in seen if one.id == period.department), None),
        "page_url": _address("reports:lost", period),
        "of_month": lambda month: _address("reports:lost", replace(period, month=month)),
        "of_department": lambda department: _address("reports:lost", period, department=department),
        "month_list": rules.last_months(rules.month_of(timezone.localtime(period.at).date()), 12)[::-1],
        "target": int(reads.definitions().indicator("lost-rate").target),  # type: ignore[union-attr]  # shipped with it
    }


@dataclass(frozen=True, slots=True)
class LostRow:
    """One month or department: how many of how many."""

    label: str
    number: int
    n: int
    rate: float | None
    href: str


def _lost_row(label: str, measures: rules.Measures, period: Period) -> LostRow:
    indicator = reads.definitions().indicator("lost-rate")
    if indicator is None:
        raise LookupError("lost-rate")
    value = rules.value_of(indicator, measures)
    return LostRow(
        label=label, number=value.numerator, n=value.denominator,
        rate=None if value.number is None else round(value.number, 1), href=_address_of_list("lost-rate", "numerator", period),
    )  # fmt: skip


def _most_lost(rows: list[LostRow]) -> list[LostRow]:
    return sorted(
        (row for row in rows if row.n or row.number), key=lambda row: (-(row.rate or 0.0), -row.number, row.label)
    )


@page(access.DEPARTMENT)
def patients(request: PageRequest, code: str, side: str) -> HttpResponse:
    """The list behind a number. Looking is logged; names need a permission of their own."""
    indicator = reads.definitions().indicator(code)
    if indicator is None or side not in SIDES:
        raise Http404
    period = _period(request)
    members = _members(request, period)
    lines, total = reads.listed(
        getattr(indicator, side)[0],
        without=indicator.minus,
        viewer=request.viewer,
        month=period.month,
        departments=members,
        practitioner_id=period.person,
        at=period.at,
        limit=LISTED,
    )
    actions.log_drill_down(
        indicator=code,
        side=side,
        month=period.month,
        department_id=period.department,
        practitioner_id=period.person,
        shown=[line.patient_id for line in lines],
        by=request.viewer,
    )
    named = request.viewer.can(access.PEOPLE)
    context = {
        "indicator": indicator,
        "definition": _definition(indicator),
        "side": side,
        "month": period.month,
        "lines": [_shown(line, named=named) for line in lines],
        "total": total,
        "limit": LISTED,
        "named": named,
        "tabs": [_side_tab(code, one, side, period) for one in SIDES],
        "back": _address("reports:department" if period.department else "reports:hospital", period),
    }
    return render(request, "reports/patients.html", context)


@page(access.DEPARTMENT)
def satisfaction(request: PageRequest) -> HttpResponse:
    """What patients are satisfied with and what not: each question of the surveys, departments in the order of one of them.

    What was written beside the choices is for those who may see what stands behind numbers; that they looked is recorded.
    """
    viewer, period = request.viewer, _period(request)
    seen = reads.departments(viewer)
    members = _members(request, period)
    chosen = next((one for one in seen if one.id == period.department), None)
    form = PeriodForm(request.GET)
    form.is_valid()
    asked = form.cleaned_data.get("question", "")
    found = reads.surveys(viewer=viewer, begin=period.begin, end=period.end, departments=members)
    context = {
        "period": period, "chosen": chosen, "departments": seen, "named": viewer.can(access.PEOPLE),
        "surveys": [_survey_shown(survey, asked, (chosen,) if chosen else seen, period) for survey in found],
        "comments": _comments(viewer, period, members) if viewer.can(access.PEOPLE) else (),
        "of_month": lambda month: _address("reports:satisfaction", replace(period, month=month)),
        "of_department": lambda department: _address("reports:satisfaction", period, department=department),
        "month_list": rules.last_months(rules.month_of(timezone.localtime(period.at).date()), 12)[::-1],
        "few": FEW,
    }  # fmt: skip
    return render(request, "reports/satisfaction.html", context)


COMMENTS = 50


def _comments(viewer: Viewer, period: Period, members: Sequence[UUID] | None) -> list[dict[str, Any]]:
    rows = reads.survey_comments(viewer=viewer, begin=period.begin, end=period.end, departments=members, limit=COMMENTS)
    list_seen(what="reports:satisfaction", ids=[row.patient_id for row in rows], by=viewer)
    may_open = viewer.can(questionnaires.VIEW)
    return [
        {
            "id": row.response_id, "when": row.when, "department": row.department, "form": said(row.form), "texts": row.texts,
            "files": row.files, "href": address("questionnaires:response", row.response_id) if may_open else "",
        }
        for row in rows
    ]  # fmt: skip


def _survey_shown(survey: reads.Survey, asked: str, seen: Sequence[reads.Department], period: Period) -> dict[str, Any]:
    """Questions, the worst first; departments by the question asked for, else by the one on the whole."""
    whole = next((one for one in survey.questions if one.is_whole), survey.questions[0])
    by = next((one for one in survey.questions if one.code == asked), whole)
    lines = [_question_line(survey, one, period) for one in survey.questions]
    places = [(one.label(_language()), survey.share(by, one.members)) for one in seen]
    nowhere = survey.share(by, [reads.NOBODY])
    if nowhere.n:
        places.append((_("No department"), nowhere))
    return {
        "url": survey.url, "title": said(survey.title), "answered": survey.answered, "by": by.code,
        "by_label": said(survey.labels[by.code]),
        "questions": sorted(lines, key=lambda one: (one["share"].percent is None, one["share"].percent, one["label"])),
        "places": sorted(
            ((label, share) for label, share in places if share.n), key=lambda one: (one[1].percent or 0.0, one[0])
        ),
    }  # fmt: skip


def _question_line(survey: reads.Survey, question: rules.Choice, period: Period) -> dict[str, Any]:
    share = survey.share(question)
    best_first = sorted(share.answers, key=lambda code: -question.points[code])
    return {
        "code": question.code, "label": said(survey.labels[question.code]), "share": share, "is_whole": question.is_whole,
        "answers": [(code, said(survey.answers[question.code][code]), share.answers[code], question.is_good(code)) for code in best_first],
        "href": f"{_address('reports:satisfaction', period)}&{urlencode({'question': question.code})}",
    }  # fmt: skip


# --- the period ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Period:
    """Which month of which department or person, and at which moment it is looked at."""

    month: date
    department: UUID | None
    person: UUID | None
    at: datetime

    @property
    def begin(self) -> datetime:
        return _local_midnight(self.month)

    @property
    def end(self) -> datetime:
        return _local_midnight(rules.add_months(self.month, 1))

    @property
    def is_running(self) -> bool:
        return self.begin <= self.at < self.end


def _local_midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))


def _period(request: PageRequest) -> Period:
    form = PeriodForm(request.GET)
    form.is_valid()
    given = form.cleaned_data
    at = timezone.now()
    this_month = rules.month_of(timezone.localtime(at).date())
    return Period(given.get("month") or this_month, given.get("department"), given.get("person"), at)


def _without_moment(period: Period) -> Period:
    """Of the moment only its month: what the same month shows with the same numbers is the same at any minute."""
    local = timezone.localtime(period.at).date()
    return replace(period, at=_local_midnight(rules.month_of(local)))


def _address(name: str, period: Period, **changed: object) -> str:
    values: dict[str, object] = {
        "month": _text_of(period.month),
        "department": period.department,
        "person": period.person,
    } | changed
    return f"{address(name)}?{_query(values)}"


def _query(values: Mapping[str, object]) -> str:
    """Months and identifiers: nothing among them needs quoting."""
    return "&".join([f"{key}={value}" for key, value in values.items() if value])


def _text_of(month: date) -> str:
    """As addresses name it: strftime() leaves out leading zeros of years before 1000."""
    return f"{month.year:04}-{month.month:02}"


def _chosen(seen: Sequence[reads.Department], period: Period) -> reads.Department | None:
    """The department asked for; 404 when it is not the viewer's; the first one when none was asked for."""
    if period.department is None:
        return seen[0] if seen else None
    found = next((one for one in seen if one.id == period.department), None)
    if found is None:
        raise Http404
    return found


def _members(request: PageRequest, period: Period) -> Sequence[UUID] | None:
    """None: everything the viewer may see."""
    if period.department is None:
        return None
    chosen = _chosen(reads.departments(request.viewer), period)
    return chosen.members if chosen else ()


def _language() -> str:
    return get_language() or "zh-hans"


# --- figures ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figures:
    """Thirteen months of measures; those of the last by department too."""

    found: reads.Dashboard
    months: tuple[date, ...]

    def of_month(self, month: date) -> dict[str, int]:
        return self.found.months[month]

    def of_department(self, month: date, members: Sequence[UUID]) -> rules.Measures:
        found = [self.found.departments[month, one] for one in members if (month, one) in self.found.departments]
        return found[0] if len(found) == 1 else rules.add(found)


def _asked(
    viewer: Viewer,
    period: Period,
    members: Sequence[UUID] | None,
    *,
    adds_up: bool = True,
    also: Sequence[Asked[Any]] = (),
) -> tuple[reads.Counted, RollupCheck | None, list[list[Any]]]:
    return reads.counted(
        viewer=viewer, months=rules.last_months(period.month, 13), begin=period.begin, end=period.end, at=period.at,
        departments=members, adds_up=adds_up, also=also,
    )  # fmt: skip


def _figures(viewer: Viewer, period: Period, members: Sequence[UUID] | None) -> Figures:
    """For a page that does not say whether its numbers were checked."""
    rows, _check, _others = _asked(viewer, period, members, adds_up=False)
    return Figures(found=reads.figures_of(rows), months=rows.months)


def _common(period: Period, figures: Figures, members: Sequence[UUID] | None) -> dict[str, Any]:
    now, before = figures.of_month(period.month), figures.of_month(rules.add_months(period.month, -1))
    return {
        "period": period,
        "cards": [_card(code, now, before, period) for code in CARDS],
        "lines": [_card(code, now, before, period) for code in LINES],
        "trend": _trend(figures),
        "trends": [_trend_of_one("satisfaction", figures), _trend_of_one("readmission-30d", figures)],
        "modes": _modes(figures),
        "funnel": _funnel(now),
        "reasons_url": _address("reports:reasons", period),
        "lost_url": _address("reports:lost", period),
        "satisfaction_url": _address("reports:satisfaction", period),
        "month_links": [
            (_text_of(month), _here(members, period, month=_text_of(month)), month == period.month)
            for month in reversed(rules.last_months(rules.month_of(timezone.localtime(period.at).date()), 12))
        ],
        "definitions": reads.definitions(),
        "target": int(reads.definitions().indicators[0].target),
    }


def _here(members: Sequence[UUID] | None, period: Period, **changed: object) -> str:
    return _address("reports:hospital" if members is None else "reports:department", period, **changed)


@dataclass(frozen=True, slots=True)
class Card:
    """One indicator as the page shows it."""

    code: str
    label: str
    value: str
    unit: str
    comparison: str
    good: str
    target: str
    n: str
    definition: Mapping[str, str]
    low: bool
    href: str


def _card(code: str, now: rules.Measures, before: rules.Measures, period: Period) -> Card:
    indicator = reads.definitions().indicator(code)
    if indicator is None:
        raise LookupError(code)
    value = rules.value_of(indicator, now)
    change = rules.change(indicator, value, rules.value_of(indicator, before))
    sign = {"higher": "≥", "lower": "≤"}[indicator.better]
    unit = _unit(indicator)
    return Card(
        code=code,
        label=indicator.name(_language()),
        value="–" if value.number is None else f"{value.number:.1f}",
        unit=unit if value.is_known else "",
        comparison=_comparison(indicator, change),
        good="" if change is None else ("up" if change.is_better else "down"),
        target=f"{sign} {indicator.target:g}{unit}",
        n=f"{value.denominator:,}",
        definition=_definition(indicator),
        low=rules.meets_target(indicator, value) is False,
        href=_address_of_list(code, "numerator", period),
    )


def _unit(indicator: rules.Indicator) -> str:
    return "%" if indicator.unit == "percent" else _("h")


def _comparison(indicator: rules.Indicator, change: rules.Change | None) -> str:
    if change is None:
        return ""
    unit = "pt" if indicator.unit == "percent" else _("h")
    return f"{'↑' if change.amount > 0 else '↓'} {abs(change.amount):.1f} {unit}"


def _definition(indicator: rules.Indicator) -> dict[str, str]:
    return _defined(indicator.code, "en" if _language().startswith("en") else "zh")


@cache
def _defined(code: str, two: str) -> dict[str, str]:
    """The words of the definitions in force, which stand in a file."""
    indicator = reads.definitions().indicator(code)
    if indicator is None:
        raise LookupError(code)
    named = {exclusion.code: exclusion.names[two] for exclusion in reads.definitions().exclusions}
    return {
        "numerator": indicator.numerator_text[two],
        "denominator": indicator.denominator_text[two],
        "exclusions": ("，" if two == "zh" else ", ").join(named[code] for code in indicator.excludes),
        "source": f"{indicator.source} · {reads.definitions().version}",
    }


def _address_of_list(code: str, side: str, period: Period) -> str:
    path = address("reports:patients", code, side)
    query = {"month": _text_of(period.month), "department": period.department, "person": period.person}
    return f"{path}?{_query(query)}"


def _side_tab(code: str, one: str, side: str, period: Period) -> dict[str, object]:
    labels = {"numerator": _("Counted (numerator)"), "denominator": _("Out of (denominator)")}
    return {"url": _address_of_list(code, one, period), "label": labels[one], "count": None, "active": one == side}


# --- charts ----------------------------------------------------------------------------------------------------


def _month(month: date) -> str:
    return _("M%(month)s") % {"month": month.month}


def _rate(code: str, measures: rules.Measures) -> float | None:
    indicator = reads.definitions().indicator(code)
    value = rules.value_of(indicator, measures) if indicator else None
    return None if value is None or value.number is None else round(value.number, 1)


def _trend(figures: Figures) -> Markup:
    months = figures.months[1:]
    rates = [
        tuple(_rate(code, figures.of_month(month)) for month in months) for code in ("follow-up-rate", "effective-rate")
    ]
    return _trend_drawn(_language(), months, rates[0], rates[1])


Rates = tuple[float | None, ...]


@lru_cache(maxsize=100)
def _trend_drawn(language: str, months: tuple[date, ...], *series: Rates) -> Markup:
    """The figure of two rates. It says nothing but these numbers, so the same numbers are drawn once."""
    labels = [_month(month) for month in months]
    names = (_("Follow-up rate"), _("Effective rate"))
    target = reads.definitions().indicators[0].target
    known = [number for line in series for number in line if number is not None]
    low = min([*known, target, 100]) // 10 * 10 - (10 if known else 40)
    lines = [list(line) for line in series]
    title = _("Follow-up rate and effective rate, 12 months")
    return _lines_drawn(title, labels, names, lines, target, (max(0, low), 100))


def _trend_of_one(code: str, figures: Figures) -> Markup:
    months = figures.months[1:]
    return _one_drawn(_language(), code, months, tuple(_rate(code, figures.of_month(month)) for month in months))


@lru_cache(maxsize=100)
def _one_drawn(language: str, code: str, months: tuple[date, ...], rates: Rates) -> Markup:
    """The figure of one rate over the year; the same numbers are drawn once."""
    indicator = reads.definitions().indicator(code)
    if indicator is None:
        raise LookupError(code)
    known = [number for number in rates if number is not None]
    bounds: tuple[float, float]
    if indicator.better == "higher":
        bounds = (max(0, min([*known, indicator.target]) // 10 * 10 - 10), 100)
    else:
        bounds = (0, max([*known, indicator.target]) // 5 * 5 + 5)
    name = indicator.name(language)
    title = _("%(indicator)s, 12 months") % {"indicator": name}
    return _lines_drawn(title, [_month(month) for month in months], (name,), [list(rates)], indicator.target, bounds)


def _lines_drawn(
    title: str, labels: list[str], names: tuple[str, ...], lines: list[list[float | None]], target: float,
    bounds: tuple[float, float],
) -> Markup:  # fmt: skip
    context = {
        "title": title,
        "options": _line_options(labels, names, lines, target, bounds),
        "headers": [_("Month"), *names],
        "rows": [
            [label, *("–" if line[index] is None else f"{line[index]}%" for line in lines)]
            for index, label in enumerate(labels)
        ],
        "fallback": svg.line_chart(labels, list(zip(names, lines, strict=True)), target=target, height=220),
    }
    return Markup(render_to_string("reports/_trend.html", context))


def _line_options(
    labels: list[str],
    names: tuple[str, ...],
    series: list[list[float | None]],
    target: float,
    bounds: tuple[float, float],
) -> dict[str, Any]:
    looks = [("circle", 2.5, None), ("rect", 2, TEAL)][: len(names)]
    low, high = bounds
    lines: list[dict[str, Any]] = []
    for name, values, (symbol, width, colour) in zip(names, series, looks, strict=True):
        line: dict[str, Any] = {
            "name": name, "type": "line", "data": values, "symbol": symbol, "symbolSize": 6, "connectNulls": False,
            "lineStyle": {"width": width}, "endLabel": {"show": True, "formatter": "{c}%", "fontSize": 13},
        }  # fmt: skip
        if colour:
            line |= {"color": colour}
        lines.append(line)
    lines[0]["markLine"] = {
        "silent": True, "symbol": "none", "lineStyle": {"type": "dashed", "color": "#5F6F7D"},
        "label": {"position": "insideStartTop", "formatter": _("Target %(target)s%%") % {"target": f"{target:g}"}},
        "data": [{"yAxis": target}],
    }  # fmt: skip
    return {
        "legend": {"top": 2, "left": 6, "itemWidth": 14, "itemHeight": 6},
        "xAxis": {"type": "category", "data": labels, "axisTick": {"show": False}},
        "yAxis": {"type": "value", "min": low, "max": high, "interval": _step(high - low)},
        "series": lines,
    }


def _step(span: float) -> int:
    """Between two lines of an axis, so that there are three to six of them."""
    return next((step for step in (1, 2, 5, 10) if span <= step * 5), 20)


WAYS = (("phone", None), ("online", "#5BA3C0"), ("visited", "#4E9A88"), ("in_clinic", "#B7C9D6"))


def _modes(figures: Figures) -> Markup:
    months = figures.months[-6:]
    return _modes_drawn(_language(), months, *(tuple(_by_way(figures.of_month(month)).values()) for month in months))


@lru_cache(maxsize=100)
def _modes_drawn(language: str, months: tuple[date, ...], *numbers: tuple[int, ...]) -> Markup:
    """How the effective follow-ups came about: on the phone, online, at home, in the clinic. Shares make 100 %.

    The same numbers are drawn once.
    """
    labels = [_month(month) for month in months]
    words = {
        "phone": _("By phone"), "online": _("Online"), "visited": _("Home visit"), "in_clinic": _("Clinic"),
    }  # fmt: skip
    counts = [dict(zip(("phone", "online", "visited", "in_clinic"), one, strict=True)) for one in numbers]
    shown = [(way, colour) for way, colour in WAYS if way in ("phone", "online") or any(one[way] for one in counts)]
    shares = {way: [_share(one[way], sum(one.values())) for one in counts] for way, _colour in shown}
    bars = [
        {
            "name": words[way], "type": "bar", "stack": "all", "data": shares[way], "barWidth": "62%",
            "label": {"show": True, "formatter": "{c}%", "fontSize": 12}, **({"color": colour} if colour else {}),
        }
        for way, colour in shown
    ]  # fmt: skip
    context = {
        "options": {
            "legend": {"top": 2, "left": 6, "itemWidth": 12, "itemHeight": 10},
            "grid": {"left": 8, "right": 14, "top": 30, "bottom": 4, "containLabel": True},
            "xAxis": {"type": "category", "data": labels, "axisTick": {"show": False}},
            "yAxis": {"type": "value", "max": 100, "interval": 50, "axisLabel": {"formatter": "{value}%"}},
            "series": bars,
        },
        "headers": [_("Month"), *(words[way] for way, _colour in shown)],
        "rows": [
            [label, *(_counted(counts[index][way], shares[way][index]) for way, _colour in shown)]
            for index, label in enumerate(labels)
        ],
    }
    return Markup(render_to_string("reports/_modes.html", context))


def _by_way(measures: rules.Measures) -> dict[str, int]:
    """The effective follow-ups by way; what was neither online nor in person was on the phone."""
    others = {way: measures.get(way, 0) for way in ("online", "visited", "in_clinic")}
    return {"phone": measures.get("effective", 0) - sum(others.values()), **others}


def _share(part: int, whole: int) -> float | None:
    return round(part * 100 / whole, 1) if whole else None


def _counted(number: int, share: float | None) -> str:
    return "–" if share is None else f"{number:,} ({share:g}%)"


def _place_links(seen: Sequence[reads.Department], period: Period) -> list[tuple[str, str, bool]]:
    """(address, name, whether it is shown now) of each department in the menu."""
    language, begin = _language(), f"{address('reports:department')}?month={_text_of(period.month)}&department="
    return [(f"{begin}{one.id}", one.label(language), one.id == period.department) for one in seen]


class Place(NamedTuple):
    """One department of the overview: its counts, and (text, n, address, look) of each rate."""

    label: str
    href: str
    due: int
    done: int
    rates: tuple[tuple[str, int, str, str], ...]
    running: int  # stays whose thirty days are not over


FEW = 30  # a rate of fewer is shown in grey and praises or blames nobody (design: monthly report)
OVERVIEW = ("follow-up-rate", "satisfaction", "readmission-30d")


def _overview(seen: Sequence[reads.Department], figures: Figures, period: Period) -> Markup:
    language, month = _language(), _text_of(period.month)
    begin = f"{address('reports:department')}?month={month}&department="
    lists = [
        (reads.definitions().indicator(code), address("reports:patients", code, "denominator")) for code in OVERVIEW
    ]
    places = []
    for one in seen:
        measures = figures.of_department(period.month, one.members)
        values = [rules.value_of(indicator, measures) for indicator, _path in lists if indicator]
        if not any(value.denominator for value in values):
            continue
        places.append(
            Place(
                one.label(language), f"{begin}{one.id}", values[0].denominator, values[0].numerator,
                tuple(
                    (
                        "–" if value.number is None else f"{value.number:.1f}%", value.denominator,
                        f"{path}?month={month}&department={one.id}", _look(indicator, value),
                    )
                    for (indicator, path), value in zip(lists, values, strict=True)
                    if indicator
                ),
                measures.get("stays_open", 0),
            )
        )  # fmt: skip
    return _overview_drawn(language, tuple(sorted(places)))


def _look(indicator: rules.Indicator, value: rules.Value) -> str:
    if value.denominator < FEW:
        return "muted"
    return "lo" if rules.meets_target(indicator, value) is False else ""


@lru_cache(maxsize=16)
def _overview_drawn(language: str, places: tuple[Place, ...]) -> Markup:
    """Departments side by side. It says nothing but these words and numbers, so the same ones are drawn once."""
    names = [indicator.name(language) for code in OVERVIEW if (indicator := reads.definitions().indicator(code))]
    return Markup(render_to_string("reports/_overview.html", {"places": places, "names": names}))


class Bar(NamedTuple):
    """One line of a sorted bar list, in the words and widths that the page shows."""

    label: str
    href: str
    n: int
    width: float
    text: str
    look: str


def _department_bars(seen: Sequence[reads.Department], figures: Figures, period: Period) -> list[Bar]:
    language, begin = _language(), f"{address('reports:department')}?month={_text_of(period.month)}"
    whose = "" if period.person is None else f"&person={period.person}"
    bars = [
        _bar(
            one.label(language),
            figures.of_department(period.month, one.members),
            f"{begin}&department={one.id}{whose}",
        )
        for one in seen
    ]
    return _sorted(bars)


def _person_bars(viewer: Viewer, period: Period, members: Sequence[UUID]) -> list[Bar]:
    people = reads.by_person(viewer=viewer, month=period.month, departments=members)
    names = reads.names_of(people)
    bars = [
        _bar(names.get(person, _("Nobody yet")), measures, _list_of(person, period))
        for person, measures in people.items()
    ]
    return _sorted(bars)


def _list_of(person: UUID, period: Period) -> str:
    return _address_of_list("follow-up-rate", "denominator", Period(period.month, period.department, person, period.at))


def _bar(label: str, measures: rules.Measures, href: str) -> Bar:
    indicator = reads.definitions().indicators[0]
    value = rules.value_of(indicator, measures)
    low = rules.meets_target(indicator, value) is False
    if value.number is None:
        return Bar(label, href, value.denominator, 0, "–", "")
    return Bar(label, href, value.denominator, round(value.number, 1), f"{value.number:.1f}%", "lo" if low else "")


def _sorted(bars: list[Bar]) -> list[Bar]:
    known = [bar for bar in bars if bar.n]
    return sorted(known, key=lambda bar: (-bar.width, bar.label))


def _funnel(measures: rules.Measures) -> list[tuple[str, str, int, float, str]]:
    """(code, label, number, share of the first, colour)."""
    get = measures.get
    due = get("planned", 0) - get("excluded", 0) - get("not_yet_due", 0)
    rows = [
        ("due", _("Were due"), due, ""),
        ("attempted", _("Tried"), get("attempted", 0), ""),
        ("followed", _("Were reached"), get("followed", 0), ""),
        ("effective", _("Answered to the end"), get("effective", 0), ""),
        ("alerts", _("Alerts raised"), get("alerts", 0), "high"),
        ("alerts_closed", _("Alerts closed"), get("alerts_closed", 0), "ok"),
    ]
    most = max(due, 1)
    return [
        (code, label, number, min(100.0, round(number * 100 / most, 1)), kind) for code, label, number, kind in rows
    ]


# --- identities ------------------------------------------------------------------------------------------------

_ADDED_UP = ("planned", "followed", "effective", "calls", "alerts", "discharges")


def _identities(
    period: Period,
    figures: Figures,
    seen: Sequence[reads.Department],
    members: Sequence[UUID] | None,
) -> list[dict[str, Any]]:
    """What must add up, shown: the departments, and the states of everything planned for the month."""
    total = figures.found.whole
    parts = {str(one.id): figures.of_department(period.month, one.members) for one in seen}
    sums = [(measure, rules.departments_make_the_hospital(parts, total, measure)) for measure in _ADDED_UP]
    states = figures.found.states | {"done": total["done"], "closed": total["closed"]}
    enrolled = rules.states_make_the_enrolled(states, total["planned"])
    words = {
        "scheduled": _("scheduled"), "snoozed": _("put off"), "due": _("due"), "done": _("done"), "closed": _("closed"),
    }  # fmt: skip
    wrong = [measure for measure, identity in sums if not identity.holds]
    return [
        {
            "code": "departments",
            "label": _("Σ departments = hospital") if members is None else _("Σ wards = department"),
            "text": _("%(departments)s departments, %(measures)s measures")
            % {"departments": len(seen), "measures": len(_ADDED_UP)},
            "holds": not wrong,
        },
        {
            "code": "states",
            "label": _("Planned = Σ states"),
            "text": f"{enrolled.whole:,} = "
            + " + ".join(f"{number:,} {words[name]}" for name, number in enrolled.parts),
            "holds": enrolled.holds,
        },
    ]


# --- words -----------------------------------------------------------------------------------------------------


def _result(code: str) -> str:
    """How it ended, or what was answered on the whole stay."""
    answers = {"satisfied": _("Satisfied"), "neutral": _("Neither"), "dissatisfied": _("Dissatisfied")}
    return answers.get(code) or (outcome_label(code) if code else "")


def _reason(code: str) -> str:
    return _("Not tried") if code == "not-tried" else outcome_label(code)


def _shown(line: reads.Line, *, named: bool) -> dict[str, Any]:
    hidden = f"{line.patient_name[:1]}**"
    return {
        "id": line.row_id,
        "name": line.patient_name if named else hidden,
        "department": line.department,
        "when": line.when,
        "what": line.what,
        "code": line.code,
        "result": _result(line.code),
    }

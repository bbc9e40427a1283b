"""Indicators with their definitions and lists, the file, and the rules themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.accounts.models import Organization
from careloop.audit.record import list_seen
from careloop.kernel.errors import Refused
from careloop.kernel.pages import PageRequest, page, render
from careloop.publichealth import access, actions, rules
from careloop.publichealth.models import RulePack
from careloop.publichealth.reads import exporting, packs, pages
from careloop.publichealth.reads import indicators as reads
from careloop.publichealth.views.following import pack_in_force
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of, wording

PARTS = ("numerator", "denominator", "gap")
LISTED = 200
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class TooManyRows(Refused):
    """A file of this size helps nobody."""

    code = "too-many-rows"
    message = gettext_lazy("These are too many visits for one file. Choose another year or form.")


class NothingToExport(Refused):
    """An empty file would look like a mistake."""

    code = "nothing-to-export"
    message = gettext_lazy("There is no visit with this form in this year.")


def _asked(request: PageRequest) -> tuple[rules.Pack, rules.Programme, rules.Period]:
    today = timezone.localdate()
    pack = pack_in_force(today)
    given = request.POST if request.method == "POST" else request.GET
    programme = pack.programme(given.get("programme", "")) or pack.programmes[0]
    return pack, programme, rules.year_of(given.get("year", ""), today=today)


def _query(programme: rules.Programme, period: rules.Period, **more: str) -> str:
    return urlencode({"programme": programme.code, "year": str(period.first.year)} | more)


@page(access.NUMBERS)
def indicators(request: PageRequest) -> HttpResponse:
    """Each indicator with its written definition, by department, and whether the departments add up."""
    pack, programme, period = _asked(request)
    sheet = reads.sheet(programme, reads.facts(request.viewer, programme, period))
    today = timezone.localdate()
    context = {
        "title": _("Public health indicators"),
        "pack": pack,
        "programme": programme,
        "period": period,
        "sheet": sheet,
        "say": pages.say,
        "may_list": request.viewer.can(access.VIEW),
        "may_export": request.viewer.can(access.EXPORT),
        "forms": [(role, url) for role, url in programme.forms.items() if role != "referral-check"],
        "roles": role_words(),
        "query": _query(programme, period),
        "years": [
            {"url": f"?{_query(programme, rules.year_of(str(year), today=today))}", "label": str(year), "active": year == period.first.year, "count": None}
            for year in range(today.year, today.year - 4, -1)
        ],
        "tabs": [
            {"url": f"?{_query(one, period)}", "label": pages.say(one.title), "active": one.code == programme.code, "count": None}
            for one in pack.programmes
        ],
    }  # fmt: skip
    return render(request, "publichealth/indicators.html", context)


def role_words() -> dict[str, str]:
    """What a form is in its programme."""
    return {
        "first-visit": _("First visit"), "follow-up": _("Follow-up"), "closing": _("Closing"),
        "referral-check": _("Referral check"),
    }  # fmt: skip


def _below(department: str) -> set[UUID] | None:
    """The department and its wards; None for everything. What is no department has nobody."""
    if not department:
        return None
    try:
        head = Organization.objects.filter(pk=UUID(department)).first()
    except ValueError:
        head = None
    return set(Organization.objects.filter(path__startswith=head.path).values_list("pk", flat=True)) if head else set()


@page(access.VIEW)
def indicator_list(request: PageRequest, programme: str, code: str, part: str) -> HttpResponse:
    """Who is counted, out of whom, and who is missing: the same rows as the figure."""
    pack = pack_in_force(timezone.localdate())
    rule = pack.programme(programme)
    indicator = rule.indicator(code) if rule else None
    if rule is None or indicator is None or part not in PARTS:
        raise Http404
    period = rules.year_of(request.GET.get("year", ""), today=timezone.localdate())
    rows = reads.part(indicator, reads.facts(request.viewer, rule, period), part)
    members = _below(request.GET.get("department", ""))
    if members is not None:
        rows = [fact for fact in rows if fact.department_id in members]
    shown = rows[:LISTED]
    people = reads.patients_of(shown, request.viewer)
    names: dict[UUID | None, str] = dict(Organization.objects.values_list("pk", "name"))
    list_seen(what="publichealth.indicator", ids=[fact.patient_id for fact in shown], by=request.viewer)
    context = {
        "title": f"{pages.say(rule.title)} · {pages.say(indicator.names)}",
        "indicator": indicator,
        "programme": rule,
        "period": period,
        "part": part,
        "rows": [(fact, people[fact.patient_id], names.get(fact.department_id, "–")) for fact in shown],
        "total": len(rows),
        "say": pages.say,
        "back": f"{reverse('publichealth:indicators')}?{_query(rule, period)}",
        "parts": [
            {"url": f"{reverse('publichealth:indicator-list', args=[rule.code, code, name])}?{request.GET.urlencode()}", "label": words, "active": name == part, "count": None}
            for name, words in (("numerator", _("Counted")), ("denominator", _("Out of")), ("gap", _("Not counted")))
        ],
    }  # fmt: skip
    return render(request, "publichealth/indicator_list.html", context)


@page(access.EXPORT, methods=("POST",))
def export(request: PageRequest) -> HttpResponse:
    """The visits of a year as a file. Refused when there is nothing or far too much; who took it is recorded."""
    pack, programme, period = _asked(request)
    url = programme.forms.get(request.POST.get("form", "follow-up"))
    if url is None:
        raise Http404
    visits = exporting.visits_to_export(request.viewer, programme=programme, form_url=url, period=period)
    if not visits:
        raise NothingToExport
    if len(visits) > exporting.MOST:
        raise TooManyRows
    made = exporting.make_export(pack, programme, url, visits)
    kind = "json" if request.POST.get("kind") == "json" else "xlsx"
    actions.note_export(programme=programme.code, rows=len(visits), form=kind, by=request.viewer)
    content = exporting.as_json(made) if kind == "json" else exporting.as_xlsx(made)
    answer = HttpResponse(content, content_type="application/json" if kind == "json" else XLSX)
    answer["Content-Disposition"] = f'attachment; filename="{programme.code}-{period.first.year}.{kind}"'
    return answer


@page(access.NUMBERS)
def pack_page(request: PageRequest) -> HttpResponse:
    """The rules in force: forms, classes in words, clocks, indicators, sources, what is not verified, versions."""
    today = timezone.localdate()
    row = packs.pack_on(today)
    if row is None:
        raise Http404
    pack = row.pack()
    chosen = pack.programme(request.GET.get("programme", "")) or pack.programmes[0]
    scenes = [scene for scene in packs.shipped_scenes() if scene["programme"] == chosen.code]
    context = {
        "title": _("Rule pack of the national forms"),
        "row": row,
        "pack": pack,
        "chosen": chosen,
        "versions": list(RulePack.objects.order_by("-valid_from", "-published_at", "pk")),
        "forms": _forms(pack, chosen),
        "scenes": scenes,
        "say": pages.say,
        "roles": role_words(),
        "tabs": [
            {"url": f"?programme={one.code}", "label": pages.say(one.title), "active": one.code == chosen.code, "count": None}
            for one in pack.programmes
        ],
    }  # fmt: skip
    return render(request, "publichealth/pack.html", context)


def _forms(pack: rules.Pack, programme: rules.Programme) -> list[dict[str, Any]]:
    in_force = {
        one.url: one
        for one in Questionnaire.objects.filter(url__in=programme.forms.values(), status=Questionnaire.Status.ACTIVE)
    }
    found = []
    for role, url in programme.forms.items():
        row = in_force.get(url)
        if row is None:
            continue
        form = form_of(row)
        slots = [
            (item, pack.elements.get(url, {}).get(item.link_id, {"code": "", "verified": False}))
            for item in form.questions
        ]
        found.append(
            {
                "role": role, "row": row, "classes": wording.class_lines(form), "alerts": wording.rule_lines(form), "slots": slots,
                "known": sum(bool(slot["code"]) for _item, slot in slots),
            }
        )  # fmt: skip
    return found

"""The follow-up report: where the patient stands, how the figures moved, the doctor's assessment, what comes next (K08)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from careloop.alerts.models import Alert
from careloop.kernel.viewer import Viewer
from careloop.letters.models import FollowUpReport
from careloop.letters.reads import frame, site
from careloop.letters.reads.plan import target_texts
from careloop.letters.reads.values import stay_of
from careloop.letters.rules.chart import Series, limits_of, trend_svg
from careloop.patients.models import MedicationStatement, Observation, Patient
from careloop.plans.reads.pages import PlanCard, patient_cards
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.reads import classification_line, score_lines
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads import outcome_label

DEFAULT_DAYS = 365
MOST_CHARTS, MOST_VALUES = 6, 60


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement as it is drawn: one or two lines, its unit, its newest value in words."""

    code: str
    title: str
    unit: str
    series: tuple[Series, ...]
    newest: str
    newest_on: date | None


def default_period(*, at: datetime) -> tuple[date, date]:
    today = timezone.localdate(at)
    return today - timedelta(days=DEFAULT_DAYS), today


def newest_report(patient: Patient, *, viewer: Viewer) -> FollowUpReport | None:
    """The assessment that counts: nobody has replaced it."""
    rows = FollowUpReport.objects.visible_to(viewer).filter(patient=patient, replaced_by__isnull=True)
    return rows.select_related("author").order_by("-written_at", "-pk").first()


def report_sheet(patient: Patient, report: FollowUpReport | None, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """Data of the sheet. Without a written assessment there are lines to write it by hand."""
    first, last = (report.period_from, report.period_to) if report else default_period(at=at)
    cards = patient_cards(patient, viewer, at=at, language=site.language())
    running = [card for card in cards if card.plan.ended_at is None]
    stay = stay_of(patient, None, viewer=viewer)
    measured = measurements(patient, first=first, last=last, viewer=viewer)
    blocks = [
        frame.person_block(patient, stay, department=None, point=_("Report"), viewer=viewer, at=at),
        frame.heading(_("State")),
        frame.pairs(_state(patient, cards, first=first, last=last, viewer=viewer)),
        *_figures(measured, target_texts([card.plan for card in running]), first=first, last=last),
        *_answered(patient, first=first, last=last, viewer=viewer),
        frame.heading(_("Doctor's assessment")),
        *_written(report.assessment if report else ""),
        frame.heading(_("Next steps")),
        *_next(running, report.advice if report else "", at=at),
        {"kind": "signatures", "labels": [_("Doctor:"), _("Date:")]},
    ]
    note = _("%(first)s to %(last)s") % {"first": first.isoformat(), "last": last.isoformat()}
    if report is not None:
        note += " · " + _("assessed by %(name)s on %(day)s") % {
            "name": report.author.name, "day": timezone.localdate(report.written_at).isoformat(),
        }  # fmt: skip
    number = f"RP-{timezone.localdate(report.written_at):%Y%m%d}-{report.pk.hex[-6:].upper()}" if report else ""
    return frame.sheet(heading=_("Follow-up report"), blocks=blocks, viewer=viewer, at=at, number=number, note=note)


# ---- state --------------------------------------------------------------------------------------------------------


def _state(
    patient: Patient, cards: Sequence[PlanCard], *, first: date, last: date, viewer: Viewer
) -> list[tuple[str, Any]]:
    return [
        (_("Follow-up plans"), "\n".join(f"{card.title} · {card.status}" for card in cards[:6])),
        (_("Risk"), f"{patient.get_risk_display()}"),
        (_("Contacts"), _contacts(patient, first=first, last=last, viewer=viewer)),
        (_("Last contact"), _last_contact(patient, viewer=viewer)),
        (_("Alerts"), _alerts(patient, first=first, last=last, viewer=viewer)),
        (_("Medicines"), _medicines(patient, viewer=viewer)),
    ]


def _contacts(patient: Patient, *, first: date, last: date, viewer: Viewer) -> str:
    """How many of the period were done, ended without being done, and are open beyond their day."""
    rows = Task.objects.visible_to(viewer).filter(
        patient=patient, kind__in=["follow-up", "revisit"], due_at__date__gte=first, due_at__date__lte=last
    )
    count = Counter(rows.order_by("pk").values_list("status", flat=True))
    return _("%(done)d done, %(closed)d ended without being done, %(open)d open") % {
        "done": count["completed"], "closed": count["cancelled"], "open": count["requested"],
    }  # fmt: skip


def _last_contact(patient: Patient, *, viewer: Viewer) -> str:
    rows = ContactAttempt.objects.visible_to(viewer).filter(patient=patient, undone_at__isnull=True)
    last = rows.select_related("by_practitioner").order_by("-started_at", "-pk").first()
    if last is None:
        return ""
    who = last.by_practitioner.name if last.by_practitioner else ""
    return f"{timezone.localdate(last.started_at).isoformat()} {outcome_label(last.outcome)} {who}".strip()


def _alerts(patient: Patient, *, first: date, last: date, viewer: Viewer) -> str:
    if not viewer.can("alerts.view"):
        return ""
    rows = Alert.objects.visible_to(viewer.within("alerts.view")).filter(
        patient=patient, raised_at__date__gte=first, raised_at__date__lte=last
    )
    found = list(rows.order_by("-raised_at", "-pk")[:5])
    lines = [
        f"{timezone.localdate(a.raised_at).isoformat()} {a.sentence(site.language())} · "
        f"{a.get_severity_display()} · {a.get_status_display()}"
        for a in found
    ]
    return "\n".join(lines) or _("none in this time")


def _medicines(patient: Patient, *, viewer: Viewer) -> str:
    rows = MedicationStatement.objects.visible_to(viewer).filter(patient=patient, status="active")
    return "\n".join(
        " ".join(part for part in (m.text, m.dose, m.frequency) if part)
        for m in rows.order_by("-started_at", "pk")[:10]
    )


# ---- figures ------------------------------------------------------------------------------------------------------


@cache
def _wanted() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((site.CONTENT / "report.json").read_text(encoding="utf-8"))["charts"]
    return found


def measurements(patient: Patient, *, first: date, last: date, viewer: Viewer) -> list[Measured]:
    """What was measured in the period, in one indexed query; text results and mistakes are left out."""
    wanted = {concept for chart in _wanted() for concept in chart["concepts"]}
    rows = (
        Observation.objects.visible_to(viewer)
        .filter(
            patient=patient, concept__in=wanted, value_number__isnull=False, effective_at__date__gte=first,
            effective_at__date__lte=last,
        )
        .exclude(status=Observation.Status.ENTERED_IN_ERROR)
        .order_by("-effective_at", "-pk")
        .values_list("concept", "effective_at", "value_number", "unit")[: MOST_VALUES * len(wanted)]
    )  # fmt: skip
    by_concept: dict[str, list[tuple[date, float]]] = {}
    units: dict[str, str] = {}
    for concept, moment, value, unit in rows:
        by_concept.setdefault(concept, []).append((timezone.localdate(moment), float(value or 0)))
        units.setdefault(concept, {"mm[Hg]": "mmHg", "/min": _("/min"), "Cel": "℃"}.get(unit, unit))
    return [found for chart in _wanted() if (found := _measured(chart, by_concept, units)) is not None]


def _measured(
    chart: dict[str, Any], by_concept: dict[str, list[tuple[date, float]]], units: dict[str, str]
) -> Measured | None:
    present = [concept for concept in chart["concepts"] if concept in by_concept]
    if not present:
        return None
    series = tuple(Series(concept_words(c), tuple(reversed(by_concept[c][:MOST_VALUES]))) for c in present)
    newest = "/".join(f"{by_concept[c][0][1]:.{chart['decimals']}f}" for c in present)
    return Measured(
        chart["code"], concept_words(chart["code"]), units[present[0]], series, newest, by_concept[present[0]][0][0]
    )


def concept_words(code: str) -> str:
    """What a measurement is called."""
    return {
        "blood-pressure": _("Blood pressure"),
        "systolic": _("Systolic"),
        "diastolic": _("Diastolic"),
        "heart-rate": _("Heart rate"),
        "fasting-glucose": _("Glucose"),
        "glucose": _("Glucose"),
        "hba1c": _("HbA1c"),
        "ldl-c": _("LDL-C"),
        "weight": _("Weight"),
        "ejection-fraction": _("Ejection fraction"),
        "nt-probnp": _("NT-proBNP"),
        "creatinine": _("Creatinine"),
    }.get(code, code)


def _figures(measured: Sequence[Measured], targets: dict[str, str], *, first: date, last: date) -> list[frame.Block]:
    if not measured:
        return []
    heads = ((_("Measured"), "1fr"), (_("Newest value"), "48mm"), (_("On"), "34mm"), (_("Target"), "48mm"))
    rows = [
        [
            m.title,
            f"{m.newest} {m.unit}".strip(),
            m.newest_on.isoformat() if m.newest_on else "",
            targets.get(m.code, "–"),
        ]
        for m in measured
    ]
    table = {"kind": "table", "columns": [{"head": h, "width": w} for h, w in heads], "rows": rows}
    pictures = []
    for one in measured:
        target = targets.get(one.code, "")
        svg = trend_svg(one.series, first=first, last=last, limits=limits_of(target))
        if svg is not None:
            note = " ".join(
                part for part in (one.unit, _("target %(target)s") % {"target": target} if target else "") if part
            )
            pictures.append({"title": one.title, "note": note, "svg": svg})
    blocks: list[frame.Block] = [frame.heading(_("Figures and how they moved")), table]
    return [*blocks, {"kind": "gap"}, {"kind": "charts", "charts": pictures[:MOST_CHARTS]}] if pictures else blocks


def _answered(patient: Patient, *, first: date, last: date, viewer: Viewer) -> list[frame.Block]:
    """The newest answers to each form with their score and class."""
    rows = (
        QuestionnaireResponse.objects.visible_to(viewer)
        .filter(patient=patient, status="completed", authored_at__date__gte=first, authored_at__date__lte=last)
        .select_related("questionnaire")
        .order_by("-authored_at", "-pk")[:40]
    )
    newest: dict[str, QuestionnaireResponse] = {}
    for row in rows:
        newest.setdefault(row.questionnaire.url, row)
    lines = [_answer_line(row) for row in newest.values()]
    if not lines:
        return []
    heads = ((_("Form"), "1fr"), (_("On"), "30mm"), (_("What they say"), "90mm"))
    columns = [{"head": head, "width": width} for head, width in heads]
    return [frame.heading(_("Answers")), {"kind": "table", "columns": columns, "rows": lines}]


def _answer_line(row: QuestionnaireResponse) -> list[Any]:
    parts = [" ".join(p for p in (title, value, band) if p) for title, value, band in score_lines(row)]
    line = classification_line(row)
    if line:
        parts.append(f"{line[0]}: {line[1]}" if site.language() == "en" else f"{line[0]}：{line[1]}")
    n = len(row.findings)
    if n:
        parts.append(ngettext("%(num)d abnormal answer", "%(num)d abnormal answers", n) % {"num": n})
    title = row.questionnaire.called(site.language())
    day = timezone.localdate(row.authored_at).isoformat() if row.authored_at else ""
    return [title, day, {"text": "\n".join(parts) or _("nothing abnormal"), "strong": bool(n)}]


def _written(text: str) -> list[frame.Block]:
    return [{"kind": "paragraph", "text": text}] if text else [{"kind": "lines", "count": 4}]


def _next(running: Sequence[PlanCard], advice: str, *, at: datetime) -> list[frame.Block]:
    """The advice in words, then the coming contacts of every plan."""
    today = timezone.localdate(at)
    coming = sorted(
        (node for card in running for node in card.nodes if node.state not in ("done", "closed", "off")),
        key=lambda node: (node.day, node.step),
    )[:6]
    rows = [[max(node.day, today).isoformat(), node.title] for node in coming]
    columns = [{"head": _("Day"), "width": "34mm"}, {"head": _("Step"), "width": "1fr"}]
    blocks = _written(advice)
    return [*blocks, {"kind": "gap"}, {"kind": "table", "columns": columns, "rows": rows}] if rows else blocks


def draft_assessment(patient: Patient, *, viewer: Viewer, at: datetime) -> str:
    """What the newest answers say, as a start for the doctor: classes with their reasons, and abnormal answers."""
    first, last = default_period(at=at)
    blocks = _answered(patient, first=first, last=last, viewer=viewer)
    lines = [f"{row[0]}（{row[1]}）：{row[2]['text']}" for block in blocks for row in block.get("rows", ())]
    if site.language() == "en":
        lines = [line.replace("（", " (").replace("）：", "): ") for line in lines]
    return "\n".join(lines)[:2000]

"""The patient's own plan in large type: what, when, whom to call, when to act at once (J25, G08)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.viewer import Viewer
from careloop.letters.reads import frame, site
from careloop.letters.reads.values import stay_of
from careloop.letters.rules.recipients import day_words
from careloop.patients.models import MedicationStatement, Patient
from careloop.plans.models import CarePlan
from careloop.plans.reads.pages import Node, PlanCard, patient_cards
from careloop.plans.rules.content import Activity, Channel, Step
from careloop.plans.rules.ladder import channel_of_person
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of

MOST_STEPS, MOST_WARNINGS = 12, 8
# Scales about the mind are not named on paper that lies about at home; their alerts reach the staff all the same.
NOT_ON_PAPER = ("phq-9", "gad-7")
COMING = frozenset({"scheduled", "due", "overdue", "snoozed", "planned"})


def plan_paper(patient: Patient, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """Data of `plan.typ`: every running plan of the patient, in one list of days."""
    cards = [
        card for card in patient_cards(patient, viewer, at=at, language=site.language()) if card.plan.ended_at is None
    ]
    stay = stay_of(patient, None, viewer=viewer)
    department = cards[0].plan.department if cards else stay.department if stay else None
    phone = site.phone_of(department)
    return {
        "title": _("My follow-up plan"),
        "lang": site.language(),
        "hospital": site.hospital_name(),
        "heading": _("My follow-up plan"),
        "who": "　".join(part for part in (patient.name, site.department_name(department)) if part),
        "call_words": _("If anything is wrong, call"),
        "phone": phone or "____________________",
        "call_note": _("Tell us your name. Please call, too, when your telephone number changes or a date does not suit you."),
        "when_words": _("What happens when"),
        "no_steps": _("Nothing is planned at the moment."),
        "steps": _steps(cards, today=timezone.localdate(at)),
        "targets_words": _("Your targets"),
        "targets": [[name, value] for card in cards for name, value in card.targets.items()],
        "medicines_words": _("Your medicines"),
        "medicines": _medicines(patient, viewer=viewer),
        "warnings_words": _("Call 120 or come to the emergency department at once if"),
        "warnings": warning_signs([card.plan for card in cards]),
        "emergency_words": _("Do not wait for our call."),
        "footer": frame.footer(viewer, at),
        "page_words": frame.page_words(),
    }  # fmt: skip


def dates_sheet(patient: Patient, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """Every date of a patient's plans, done and coming, for the file (J25)."""
    cards = patient_cards(patient, viewer, at=at, language=site.language())
    stay = stay_of(patient, None, viewer=viewer)
    heads = ((_("Day"), "30mm"), (_("Step"), "1fr"), (_("State"), "40mm"))
    columns = [{"head": head, "width": width} for head, width in heads]
    blocks = [frame.person_block(patient, stay, department=None, point="", viewer=viewer, at=at)]
    for card in cards:
        rows = [[f"{n.day:%Y-%m-%d}", n.title, state_words(n)] for n in card.nodes]
        title = f"{card.title} · {card.status}"
        blocks += [frame.heading(title), {"kind": "table", "columns": columns, "rows": rows}]
    return frame.sheet(heading=_("Follow-up dates of a patient"), blocks=blocks, viewer=viewer, at=at)


def state_words(node: Node) -> str:
    """Where one date of a plan stands."""
    words = {
        "done": _("is done"), "overdue": _("overdue"), "due": _("due now"), "snoozed": _("snoozed"),
        "scheduled": _("Planned"), "planned": _("Planned"), "closed": node.note or _("closed"), "off": _("left out"),
    }  # fmt: skip
    return words.get(node.state, node.state)


def _steps(cards: Sequence[PlanCard], *, today: date) -> list[dict[str, str]]:
    coming = sorted(
        ((node, card.plan) for card in cards for node in card.nodes if node.state in COMING),
        key=lambda found: (found[0].day, found[0].step),
    )
    return [_step(node, plan, today=today) for node, plan in coming[:MOST_STEPS]]


def _step(node: Node, plan: CarePlan, *, today: date) -> dict[str, str]:
    step = plan.definition.plan().step(node.step)
    day = max(node.day, today)  # what is overdue is done now
    weekday = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))[day.weekday()]
    return {
        "day": f"{weekday} {_short(day, today)}" if site.language() == "en" else f"{_short(day, today)} {weekday}",
        "title": node.title,
        "note": step.text.in_language(site.language()) if step and step.text else "",
        "how": how_words(step),
    }


def _short(day: date, today: date) -> str:
    """11月24日; with the year only when it is another one."""
    words = day_words(day, site.language())
    if day.year != today.year:
        return words
    return words.removeprefix(f"{day.year}年").removesuffix(f" {day.year}")


def how_words(step: Step | None) -> str:
    """What the patient does: wait for the call, answer on the phone, come."""
    if step is None:
        return _("We call you")
    if step.activity is Activity.REVISIT:
        return _("Please come to the hospital")
    if step.activity in (Activity.EDUCATION, Activity.REMINDER):
        return _("We write to you")
    meets = channel_of_person(step.ladder)
    if meets is not Channel.PHONE:
        return _("We visit you at home") if meets is Channel.VISIT else _("Please come to the clinic")
    first = step.ladder[0].channel if step.ladder else Channel.PHONE
    return _("We call you") if first is Channel.PHONE else _("Questions on your phone; otherwise we call")


def warning_signs(plans: Sequence[CarePlan]) -> list[str]:
    """The signs of the critical rules of the plans' own forms, each once, in the language of the paper."""
    urls = [step.questionnaire for plan in plans for step in plan.definition.plan().steps if step.questionnaire]
    wanted = [url for url in dict.fromkeys(urls) if not url.endswith(NOT_ON_PAPER)]
    found = {q.url: q for q in Questionnaire.objects.filter(url__in=wanted, status="active").order_by("pk")}
    signs: list[str] = []
    for url in wanted:
        rules = form_of(found[url]).rules if url in found else ()
        for rule in rules:
            if rule.get("severity") == "critical" and rule.get("safety"):
                signs += rule["safety"].get(site.language(), rule["safety"].get("zh", {})).get("signs", [])
    return list(dict.fromkeys(signs))[:MOST_WARNINGS]


def _medicines(patient: Patient, *, viewer: Viewer) -> list[list[str]]:
    rows = MedicationStatement.objects.visible_to(viewer).filter(patient=patient, status="active")
    return [
        [row.text, " ".join(part for part in (row.dose, row.frequency) if part)]
        for row in rows.order_by("-started_at", "pk")[:10]
    ]


def target_texts(plans: Sequence[CarePlan]) -> dict[str, str]:
    """The targets of the running plans by code: personal ones before the plan's own."""
    texts: dict[str, str] = {}
    for plan in plans:
        texts |= {**plan.definition.plan().targets, **plan.personal().targets}
    return texts

"""Home, plan, medicines: what is to do and what was agreed."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.kernel.display import number
from careloop.plans.reads.reminders import reminders_sent
from careloop.plans.reads.titles import Titles, titles_in
from careloop.portal import reads, rules
from careloop.portal.access import patient_page
from careloop.portal.views.showing import PatientRequest, show
from careloop.tasks.models import Task

HOME = "/"
# How a single number is written: its decimals and its unit as people say it.
SHOWN = (("weight", 1, "kg"), ("glucose", 1, "mmol/L"), ("temperature", 1, "℃"), ("spo2", 0, "%"))
ICONS = {"blood-pressure": "pulse", "weight": "scale"}


@patient_page("home")
def home(request: PatientRequest) -> HttpResponse:
    """What to do today, and the ways to everything else."""
    at = timezone.now()
    viewer = request.viewer
    patient = request.patient_session.patient
    coming = reads.coming_tasks(viewer, at=at)
    context = {
        "name": patient.name,
        "tasks": reads.questionnaires_to_answer(viewer, at=at),
        "reminders": reminders_sent(language=get_language() or "zh-hans", viewer=viewer, at=at),
        "measures": [_measure_card(request, one) for one in reads.measurements().values() if one.on_home],
        "more_measures": [
            {"code": one.code, "name": measured_words()[one.code]}
            for one in reads.measurements().values()
            if not one.on_home
        ],
        "next_date": day_words(coming[0].due_at) if coming else "",
        "medicine_count": len(reads.medicines(viewer)),
    }
    return show(request, "portal/home.html", context)


def _measure_card(request: PatientRequest, measurement: rules.Measurement) -> dict[str, str]:
    found = reads.readings(request.viewer, measurement, count=1)
    last = f"{value_words(found[-1])} · {day_words(found[-1].measured_at)}" if found else _("Not noted yet")
    titles = {"blood-pressure": _("Note the blood pressure"), "weight": _("Note the weight")}
    return {"code": measurement.code, "icon": ICONS[measurement.code], "title": titles[measurement.code], "note": last}


@patient_page("home")
def plan(request: PatientRequest) -> HttpResponse:
    """The plans that run, what comes next and what is done."""
    at, titles = timezone.now(), titles_in(get_language() or "zh-hans")
    context = {
        "plans": [titles.plan(title) for title in reads.running_plans(request.viewer)],
        "coming": [
            {
                "title": title_of(task, titles),
                "how": task.get_kind_display(),
                "date": day_words(task.due_at),
            }
            for task in reads.coming_tasks(request.viewer, at=at)
        ],
        "done": [
            {"title": title_of(task, titles), "date": day_words(task.ended_at)}
            for task in reads.done_tasks(request.viewer)
        ],
    }
    return show(request, "portal/plan.html", context, title=_("My plan"), back=HOME)


@patient_page("home")
def medicines(request: PatientRequest) -> HttpResponse:
    """The medicines the hospital wrote down."""
    context = {"medicines": reads.medicines(request.viewer)}
    return show(request, "portal/medicines.html", context, title=_("My medicines"), back=HOME)


def title_of(task: Task, titles: Titles) -> str:
    """What the patient calls it, in the patient's language: the step, else the plan."""
    return titles.step(task.plan_title, task.step_words) or titles.plan(task.plan_words)


def day_words(moment: datetime | None) -> str:
    """11月20日 / 20 November; empty for nothing."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return _("%(month)s/%(day)s") % {"month": local.month, "day": local.day}


def measured_words() -> dict[str, str]:
    """What can be measured at home, in one or two words."""
    return {
        "blood-pressure": _("Blood pressure"),
        "weight": _("Weight"),
        "glucose": _("Blood sugar"),
        "temperature": _("Temperature"),
        "oxygen": _("Oxygen in the blood"),
    }


def value_words(reading: reads.Reading) -> str:
    """148 / 92, 61.2 kg, 7.1 mmol/L, 38.2 ℃ or 96 %."""
    values = reading.values
    if "systolic" in values:
        lower = values.get("diastolic")
        return f"{number(float(values['systolic']))} / {number(float(lower)) if lower is not None else '–'}"
    return " ".join(f"{number(float(values[name]), digits)} {unit}" for name, digits, unit in SHOWN if name in values)

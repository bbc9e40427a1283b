"""Blood pressure, weight, blood sugar, temperature, oxygen: note a number, see the trend, hear what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from careloop.kernel import svg
from careloop.portal import actions, forms, reads, rules
from careloop.portal.access import patient_page
from careloop.portal.views.home import day_words, measured_words, value_words
from careloop.portal.views.showing import PatientRequest, show

WORDS: Mapping[str, tuple[str | Promise, str | Promise, str | Promise]] = {
    "blood-pressure": (
        _("Note the blood pressure"), _("What is your blood pressure today?"), _("Read the three numbers on the device")
    ),
    "weight": (
        _("Note the weight"), _("What is your weight today?"),
        _("In the morning, after the toilet, before breakfast, in light clothes"),
    ),
    "glucose": (
        _("Note the blood sugar"), _("What is your blood sugar now?"), _("Wash your hands with warm water before")
    ),
    "temperature": (
        _("Note the temperature"), _("What is your temperature now?"), _("Rest for half an hour before")
    ),
    "oxygen": (
        _("Note the oxygen"), _("What does the finger clip show?"), _("Warm finger, no nail polish, sit still")
    ),
}  # fmt: skip
ADVICE: Mapping[str, Mapping[str, str | Promise]] = {
    "blood-pressure": {
        "urgent": _(
            "This is very high. Sit still for 5 minutes and measure again. "
            "If it is still so high, call us or go to hospital today. We call you too."
        ),
        "above-target": _("A little above the aim (130 / 80). Rest 5 minutes and measure again, that is more exact."),
        "low": _("A little low. Get up slowly. If you feel dizzy, sit down and call us."),
        "ok": _("Good. Measure again tomorrow at the same time."),
    },
    "weight": {
        "urgent": _(
            "You have gained 2 kg or more in 3 days. Water may be gathering in your body. "
            "We call you; please call us if you are short of breath."
        ),
        "ok": _("No quick change. Weigh yourself at the same time tomorrow."),
    },
    "glucose": {
        "urgent-low": _(
            "This is too low. Drink a glass of sugar water or juice now, sit down and measure again after 15 minutes. We call you."
        ),
        "urgent": _(
            "This is very high. Drink water, do not leave out your medicine or insulin, and measure again in an hour. We call you."
        ),
        "above-target": _("Higher than the aim. Note it with what you ate; we look at it with you."),
        "ok": _("Good. Go on as agreed."),
    },
    "temperature": {
        "urgent": _("This is a high fever. Drink enough and rest. We call you; call us if you feel worse."),
        "above-target": _("A little fever. Measure again in four hours and call us if it rises."),
        "ok": _("No fever."),
    },
    "oxygen": {
        "urgent": _("This is too little. Sit upright, warm your finger and measure again. We call you."),
        "low": _("A little low. Warm your finger, sit still for 5 minutes and measure again."),
        "ok": _("Good. Go on as agreed."),
    },
}
# The pictures of a measurement: lines of one scale together. A heartbeat is not drawn beside pressures.
TRENDS: Mapping[str, tuple[tuple[str, ...], ...]] = {"blood-pressure": (("systolic", "diastolic"), ("pulse",))}
SIGNS: Mapping[str, tuple[str | Promise, ...]] = {
    "blood-pressure": (
        _("chest pain or tightness"),
        _("strong headache, unclear speech, weak arm or leg"),
        _("short of breath, cannot lie flat"),
    ),
    "weight": (_("short of breath when lying flat"), _("both legs swell more and more"), _("chest tightness")),
    "glucose": (
        _("confused, hard to wake, or a fit"),
        _("vomiting again and again, deep breathing, breath smells of fruit"),
        _("cold sweat and trembling that do not pass after sugar"),
    ),
    "temperature": (
        _("confused or hard to wake"),
        _("short of breath, lips turn blue"),
        _("shivering with a wound that is red, swollen or runs"),
    ),
    "oxygen": (_("short of breath at rest"), _("lips or nails turn blue"), _("confused or hard to wake")),
}


@patient_page("measurements", methods=("GET", "POST"))
def measure(request: PatientRequest, code: str) -> HttpResponse:
    """The form; after saving the same page with what the number means. A number nobody can have is not saved."""
    measurement = reads.measurements().get(code)
    if measurement is None:
        raise Http404
    if request.method != "POST":
        return _page(request, measurement)
    entry = forms.read_measurement(measurement, request.POST)
    if not entry.is_good:
        return _page(request, measurement, entry=entry, status=422)
    level = actions.enter_measurement(
        patient=request.patient_session.patient,
        measurement=measurement,
        values=entry.values,
        once=entry.once,
        at=timezone.now(),
        by=request.viewer,
    )
    return _page(request, measurement, level=level)


def _page(
    request: PatientRequest,
    measurement: rules.Measurement,
    *,
    entry: forms.MeasurementEntry | None = None,
    level: str = "",
    status: int = 200,
) -> HttpResponse:
    found = reads.readings(request.viewer, measurement)
    words = _words(measurement.code)
    context = {
        **words,
        "fields": _fields(measurement, entry),
        "errors": entry.problems if entry else (),
        "once": entry.once if entry else uuid4(),
        "level": level,
        "urgent": rules.is_urgent(level),
        "saved": _("Saved: %(value)s") % {"value": value_words(found[-1])} if level and found else "",
        "advice": _advice(measurement.code, level),
        "signs": SIGNS[measurement.code],
        "trends": _trends(measurement, found),
        "rows": [{"words": value_words(one), "when": one.measured_at} for one in reversed(found[-5:])],
    }
    home = request.patient_session.purpose == rules.HOME
    return show(
        request, "portal/measure.html", context, title=str(words["title"]), back="/" if home else "", status=status
    )


def _trends(measurement: rules.Measurement, found: list[reads.Reading]) -> list[tuple[svg.LineChart, str]]:
    """A picture of each group of lines that has two readings, with its name."""
    groups = TRENDS.get(measurement.code, (tuple(field.name for field in measurement.fields),))
    drawn = []
    for names in groups:
        told = [one for one in found if any(name in one.values for name in names)]
        if len(told) > 1:
            labels = [day_words(one.measured_at) for one in told]
            lines = [
                (name, [float(one.values[name]) if name in one.values else None for one in told]) for name in names
            ]
            title = str(_("Heartbeat")) if names == ("pulse",) else measured_words()[measurement.code]
            drawn.append((svg.line_chart(labels, lines, width=520, height=220), title))
    return drawn


def _fields(measurement: rules.Measurement, entry: forms.MeasurementEntry | None) -> list[dict[str, Any]]:
    labels = {
        "systolic": (_("Upper pressure"), _("the number on top")),
        "diastolic": (_("Lower pressure"), _("the number in the middle")),
        "pulse": (_("Heartbeat"), _("may stay empty")),
        "weight": (_("Weight"), _("in kilograms")),
        "glucose": (_("Blood sugar"), _("in mmol/L")),
        "temperature": (_("Temperature"), _("in °C")),
        "spo2": (_("Oxygen"), _("in percent")),
    }
    wrong = {problem.field for problem in entry.problems} if entry else set()
    return [
        {
            "name": field.name,
            "label": labels[field.name][0],
            "help": labels[field.name][1],
            "decimals": field.decimals,
            "value": entry.raw[field.name] if entry else "",
            "error": field.name in wrong,
        }
        for field in measurement.fields
    ]


def _words(code: str) -> dict[str, Any]:
    title, question, help_words = WORDS[code]
    return {"title": title, "question": question, "help": help_words}


def _advice(code: str, level: str) -> str:
    return str(ADVICE[code][level]) if level else ""

"""Blood pressure and weight: note a number, see the trend, hear what it means."""

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
from careloop.portal.views.home import day_words, value_words
from careloop.portal.views.showing import PatientRequest, show

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
}
TREND = {"blood-pressure": ("systolic", "diastolic"), "weight": ("weight",)}


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
        "saved": _("Saved: %(value)s") % {"value": value_words(found[-1])} if level and found else "",
        "advice": _advice(measurement.code, level),
        "signs": _signs(measurement.code),
        "trend": _trend(measurement.code, found),
        "trend_words": words["title"],
        "rows": [{"words": value_words(one), "when": one.measured_at} for one in reversed(found[-5:])],
    }
    home = request.patient_session.purpose == rules.HOME
    return show(
        request, "portal/measure.html", context, title=str(words["title"]), back="/" if home else "", status=status
    )


def _trend(code: str, found: list[reads.Reading]) -> svg.LineChart | None:
    if len(found) < 2:
        return None
    labels = [day_words(one.measured_at) for one in found]
    lines = [(name, [float(one.values[name]) if name in one.values else None for one in found]) for name in TREND[code]]
    return svg.line_chart(labels, lines, width=520, height=220)


def _fields(measurement: rules.Measurement, entry: forms.MeasurementEntry | None) -> list[dict[str, Any]]:
    labels = {
        "systolic": (_("Upper pressure"), _("the number on top")),
        "diastolic": (_("Lower pressure"), _("the number in the middle")),
        "pulse": (_("Heartbeat"), _("may stay empty")),
        "weight": (_("Weight"), _("in kilograms")),
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
    if code == "weight":
        return {
            "title": _("Note the weight"),
            "question": _("What is your weight today?"),
            "help": _("In the morning, after the toilet, before breakfast, in light clothes"),
        }
    return {
        "title": _("Note the blood pressure"),
        "question": _("What is your blood pressure today?"),
        "help": _("Read the three numbers on the device"),
    }


def _advice(code: str, level: str) -> str:
    return str(ADVICE[code][level]) if level else ""


def _signs(code: str) -> list[str | Promise]:
    if code == "weight":
        return [_("short of breath when lying flat"), _("both legs swell more and more"), _("chest tightness")]
    return [
        _("chest pain or tightness"),
        _("strong headache, unclear speech, weak arm or leg"),
        _("short of breath, cannot lie flat"),
    ]

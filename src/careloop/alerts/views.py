"""Pages and fragments of alerts: the board, one alert beside it, the banner on a patient's page, the bell."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.alerts import access, actions, reads, rules
from careloop.alerts.forms import AbsenceForm, BoardFilter, DutyForm, HandOverForm, PeriodForm, StepForm, UndoForm
from careloop.alerts.models import Absence, Alert, AlertAction, Duty
from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404, id_from
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.reads.finding import find_or_404
from careloop.questionnaires.rules import whole_number


@page(access.VIEW)
def no_live(request: PageRequest) -> HttpResponse:
    """Only a server without the event app gets here. 204 tells the browser to stop asking; it polls then."""
    return HttpResponse(status=204)


@page(access.VIEW)
def promise(request: PageRequest, severity: str, role: str) -> HttpResponse:
    """Fragment beside an alert rule: who is told first, who when nobody answers, and when, as the limits in force say."""
    limits = reads.limits()
    level = limits.severities.get(severity)
    if level is None:
        raise Http404
    minutes = whole_number(request.GET.get("minutes", ""))
    told = rules.promised(level, minutes=minutes)
    context = {"told": told, "limits": limits, "level": level, "asked": rules.wanted_order(role)}
    return render(request, "alerts/_promise.html", context)


@page(access.VIEW)
def board(request: PageRequest) -> HttpResponse:
    """The list with its tabs; `?open=` shows one alert beside it."""
    context = _board_context(request)
    chosen = _chosen(request)
    if chosen is not None:
        context |= _detail_context(request, chosen)
    return render(request, "alerts/board.html", context | {"alert": chosen})


@page(access.VIEW)
def rows(request: PageRequest) -> HttpResponse:
    """The list alone, fetched again when something happened."""
    return render(request, "alerts/_board.html", _board_context(request))


@page(access.VIEW)
def detail(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """One alert. Opening it is what the owner's `seen` time records."""
    return _detail(request, _open(request, _find(request, alert_id)))


@page(access.HANDLE, methods=("POST",))
def accept(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """One click from the list, from the pane or from the patient's banner."""
    alert = actions.accept(alert=_find(request, alert_id), at=timezone.now(), by=request.viewer)
    return _after(request, alert, _("Accepted. Close it by %(time)s.") % {"time": _clock(alert.close_by)})


@page(access.HANDLE, methods=("POST",))
def hand_over(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """To a colleague, who is told at once."""

    def step(alert: Alert, given: dict[str, Any]) -> Alert:
        return actions.hand_over(
            alert=alert, to=given["to"], note=given["note"], at=timezone.now(), by=request.viewer
        )  # fmt: skip

    return _step(request, alert_id, HandOverForm(request.POST), step, _("Handed over. The clock goes on."))


@page(access.HANDLE, methods=("POST",))
def act(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """A chip and a line."""

    def step(alert: Alert, given: dict[str, Any]) -> Alert:
        days = given["days"] if given["days"] is not None else 3
        return actions.act(
            alert=alert, code=given["code"], note=given["note"], days=days, at=timezone.now(), by=request.viewer
        )

    return _step(request, alert_id, StepForm(request.POST), step, _("Recorded."))


@page(access.HANDLE, methods=("POST",))
def close(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """The end, with a code."""

    def step(alert: Alert, given: dict[str, Any]) -> Alert:
        return actions.close(
            alert=alert, code=given["code"], note=given["note"], at=timezone.now(), by=request.viewer
        )  # fmt: skip

    return _step(request, alert_id, StepForm(request.POST), step, _("Closed. The nurse is informed."))


def _step(
    request: PageRequest, alert_id: UUID, form: Form, step: Callable[[Alert, dict[str, Any]], Alert], said: str
) -> HttpResponse:
    """One step of whoever answers: 422 beside the fields, or the pane again with what was done and its undo."""
    alert = _find(request, alert_id)
    if not form.is_valid():
        return _detail(request, alert, faults=form.errors.get_json_data(), status=422)
    told = form.cleaned_data
    changed = step(alert, told)
    return _after(request, changed, said, can_undo=told.get("code") != actions.ASK_TO_MEASURE)


@page(access.HANDLE, methods=("POST",))
def undo(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """Take back one's own last step."""
    meant = UndoForm(request.GET)
    step_id = meant.cleaned_data["step"] if meant.is_valid() else None
    alert = actions.undo(alert=_find(request, alert_id), step_id=step_id, at=timezone.now(), by=request.viewer)
    response = _after(request, alert, _("Taken back."), can_undo=False)
    if request.headers.get("HX-Request"):  # the toast's button swaps nothing, so the pane fetches itself
        triggers = json.loads(response.headers["HX-Trigger"]) | {"alert-undone": str(alert.pk)}
        response.headers["HX-Trigger"] = json.dumps(triggers)
    return response


@page(access.VIEW)
def bell(request: PageRequest) -> HttpResponse:
    """The number in the top bar: what this person has to look at."""
    return render(request, "alerts/_bell.html", {"count": reads.waiting_for(request.viewer)})


@page(access.VIEW)
def patient_banner(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """On top of a patient's page: the open alerts, with the buttons to take them on."""
    find_or_404(patient_id, viewer=request.viewer)
    alerts = reads.worst_open(patient_id, viewer=request.viewer)
    context = {
        "alerts": alerts,
        "patient_id": patient_id,
        "may_handle": request.viewer.can(access.HANDLE),
        "at": timezone.now(),
    }
    return render(request, "alerts/_patient_banner.html", context)


# --- who answers


@page(access.OVERSEE)
def duties(request: PageRequest) -> HttpResponse:
    """Duty lists, heads, oversight and absences: whom the ladder finds."""
    return _duties(request)


@page(access.OVERSEE, methods=("POST",))
def add_duty(request: PageRequest) -> HttpResponse:
    """A new entry; 422 with words when something is missing."""
    return _kept(request, DutyForm(request.POST), actions.set_duty)


@page(access.OVERSEE, methods=("POST",))
def end_duty(request: PageRequest, duty_id: UUID) -> HttpResponse:
    """Over from now on."""
    duty = get_or_404(Duty.objects.all(), pk=duty_id)
    actions.end_duty(duty=duty, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("alerts:duties"))


@page(access.OVERSEE, methods=("POST",))
def add_absence(request: PageRequest) -> HttpResponse:
    """Somebody is away; 422 with words when something is missing."""
    return _kept(request, AbsenceForm(request.POST), actions.set_absence)


@page(access.OVERSEE, methods=("POST",))
def end_absence(request: PageRequest, absence_id: UUID) -> HttpResponse:
    """Back again."""
    absence = get_or_404(Absence.objects.all(), pk=absence_id)
    actions.end_absence(absence=absence, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("alerts:duties"))


def _kept(request: PageRequest, form: PeriodForm, keep: Callable[..., object]) -> HttpResponse:
    """What the form says becomes an entry, or the page comes back with what is wrong. The fields are the action's own."""
    if not form.is_valid():
        return _duties(request, faulty=form, status=422)
    keep(**form.entry(), at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("alerts:duties"))


def _duties(request: PageRequest, *, faulty: PeriodForm | None = None, status: int = 200) -> HttpResponse:
    at = timezone.now()
    faults = [*faulty.errors.values()] if faulty else []
    context = {
        "lists": reads.duty_lists(viewer=request.viewer, at=at),
        "limits": reads.limits(),
        "kinds": Duty.Kind.choices,
        "faults": [fault for found in faults for fault in found],
        "at": at,
        "now_text": f"{timezone.localtime(at):%Y-%m-%dT%H:%M}",
    }
    return render(request, "alerts/duties.html", context, status=status)


# --- what the views share


def _find(request: PageRequest, alert_id: UUID) -> Alert:
    visible = Alert.objects.visible_to(request.viewer)
    return get_or_404(visible.select_related("patient", "department", "owner", "stand_in", "copied_to"), pk=alert_id)


def _chosen(request: PageRequest) -> Alert | None:
    alert_id = id_from(request.GET.get("open", ""))
    return None if alert_id is None else _open(request, _find(request, alert_id))


def _open(request: PageRequest, alert: Alert) -> Alert:
    seen(patient_id=alert.patient_id, what="alert", by=request.viewer)
    actions.mark_seen(alert=alert, at=timezone.now(), by=request.viewer)
    return _find(request, alert.pk)


def _board_context(request: PageRequest) -> dict[str, object]:
    form = BoardFilter(request.GET)
    form.is_valid()
    chosen = form.cleaned_data
    at = timezone.now()
    found = reads.board(
        viewer=request.viewer, severity=chosen["severity"], state=chosen["state"], mine=chosen["mine"], at=at
    )
    return {
        "board": found,
        "chosen": chosen,
        "tabs": _tabs(chosen, found.counts),
        "mine_url": _address(chosen, mine=not chosen["mine"]),
        "state_url": _address(chosen, state="closed" if chosen["state"] == "open" else "open"),
        "rows_url": f"{reverse('alerts:rows')}?{_query(chosen)}",
        "at": at,
        "may_handle": request.viewer.can(access.HANDLE),
        "may_oversee": request.viewer.can(access.OVERSEE),
        "who": request.viewer.practitioner_id,
    }


def _tabs(chosen: dict[str, object], counts: reads.Counts) -> list[dict[str, object]]:
    open_now = chosen["state"] == "open"
    return [
        {
            "url": _address(chosen, severity=code),
            "label": label,
            "count": count,
            "hot": open_now and code in {"critical", "high"},
            "active": chosen["severity"] == code,
            "icon": icon,
        }
        for code, label, count, icon in (
            ("", _("All"), counts.all, ""),
            ("critical", _("Critical"), counts.critical, "alert-octagon"),
            ("high", _("High risk"), counts.high, "alert-triangle"),
            ("watch", _("Watch"), counts.watch, "eye"),
        )
    ]


def _query(chosen: dict[str, object], **changed: object) -> str:
    merged = chosen | changed
    return urlencode([(key, "1" if value is True else str(value)) for key, value in merged.items() if value])


def _address(chosen: dict[str, object], **changed: object) -> str:
    return f"{reverse('alerts:board')}?{_query(chosen, **changed)}"


def _detail_context(request: PageRequest, alert: Alert) -> dict[str, object]:
    choices = reads.choices()
    language = get_language() or "zh-hans"
    return {
        "detail": reads.detail(alert, viewer=request.viewer, at=timezone.now()),
        "choices": choices,
        "names": {choice.code: choice.name(language) for choice in (*choices.actions, *choices.closings)},
        "may_handle": request.viewer.can(access.HANDLE),
        "who": request.viewer.practitioner_id,
        "faults": {},
        "at": timezone.now(),
    }


def _detail(
    request: PageRequest, alert: Alert, *, faults: dict[str, object] | None = None, status: int = 200
) -> HttpResponse:
    context = _detail_context(request, alert) | {"alert": alert, "faults": faults or {}}
    return render(request, "alerts/_detail.html", context, status=status)


def _after(request: PageRequest, alert: Alert, text: str, *, can_undo: bool = True) -> HttpResponse:
    """The pane again, a toast with undo, and word to the list; without htmx, the page."""
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(f"{reverse('alerts:board')}?open={alert.pk}")
    response = _detail(request, _find(request, alert.pk))
    toast: dict[str, object] = {"text": text}
    if can_undo:
        newest = AlertAction.objects.visible_to(request.viewer).filter(alert=alert).order_by("-at", "-id").first()
        toast["undo"] = f"{reverse('alerts:undo', args=[alert.pk])}?step={newest.pk if newest else ''}"
    response.headers["HX-Trigger"] = json.dumps({"toast": toast, "alerts-changed": str(alert.pk)})
    return response


def _clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M}"

"""Messages both ways: what the hospital wrote here, what the patient wrote, and a field to write."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.portal import actions, forms, reads
from careloop.portal.access import patient_page
from careloop.portal.views.home import HOME
from careloop.portal.views.showing import PatientRequest, show


@patient_page("home", methods=("GET", "POST"))
def messages(request: PatientRequest) -> HttpResponse:
    """Writing asks a nurse for an answer; the page says that nobody reads it at night (ux R12)."""
    if request.method != "POST":
        return _page(request, sent=request.GET.get("sent") == "1")
    text, problem = forms.read_text(request.POST)
    if problem:
        return _page(request, text=text, error=problem, status=422)
    patient = request.patient_session.patient
    once = forms.read_once(request.POST)
    actions.leave_message(patient=patient, text=text, once=once, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(f"{reverse('portal:messages')}?sent=1", status=303)


def _page(request: PatientRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    names = {True: _("You"), False: _("The hospital")}
    context = {
        "messages": [
            {"text": one.text, "mine": one.mine, "from_words": names[one.mine], "at": one.at}
            for one in reads.conversation(request.viewer)
        ],
        "once": uuid4(),
        "sent": False,
        "text": "",
        "error": None,
        **more,
    }
    return show(request, "portal/messages.html", context, title=_("My messages"), back=HOME, status=status)

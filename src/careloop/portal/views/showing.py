"""What every patient page knows: hospital, way back, call button, large print, for whom a relative writes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from careloop.kernel.pages import PageRequest, render
from careloop.portal import reads, rules

LARGE = "large"


class PatientRequest(PageRequest):
    """A request that `patient_page` let in: there is a patient behind it."""

    patient_session: reads.PatientSession


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    title: str = "",
    back: str = "",
    may_help: bool = False,
    status: int = 200,
) -> HttpResponse:
    """Renders a patient page. Without a title the hospital's name stands in its place."""
    session = getattr(request, "patient_session", None)
    phone = reads.centre_phone()
    hospital = reads.hospital_name()
    page = {
        "title": title or hospital,
        "hospital": hospital,
        "back": back,
        "here": rules.next_path(request.path),
        "phone": phone,
        "dial": rules.digits_of(phone),
        "large": request.COOKIES.get(LARGE) == "1",
        "may_help": bool(may_help and session and not session.family),
        "family_of": session.patient.name if session and session.family else "",
    }
    return render(request, template, {"page": page, **(context or {})}, status=status)

"""Doors of the patient pages. A link opens the pages of its purpose and no others (security A03)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from careloop.kernel.pages import PageRequest, View

# Which part of the portal each purpose opens.
PARTS = {
    "questionnaire": frozenset({"questions"}),
    "measurement": frozenset({"measurements"}),
    "home": frozenset({"questions", "measurements", "home"}),
}


def patient_page(part: str, *, methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
    """A page behind the second factor. Locked or no session → asked again; a link for something else → 404.

    Part "any" is open to every link that passed its check.
    """

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            session = request.patient_session  # type: ignore[attr-defined]
            if session is None:
                return HttpResponseRedirect(reverse("portal:again"))
            if part != "any" and part not in PARTS.get(session.purpose, frozenset()):
                raise Http404
            if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
                return HttpResponse(status=405)
            return view(request, *args, **kwargs)

        guarded.permission = f"public: patient link ({part})"  # type: ignore[attr-defined]
        guarded.methods = methods  # type: ignore[attr-defined]
        return guarded

    return declare

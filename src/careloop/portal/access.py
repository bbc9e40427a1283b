"""Doors of the patient pages. A link opens the pages of its purpose and no others (security A03)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from careloop.kernel.pages import PageRequest, View, declared, not_this_way, takes

# Which part of the portal each purpose opens.
PARTS = {
    "questionnaire": frozenset({"questions"}),
    "measurement": frozenset({"measurements"}),
    "home": frozenset({"questions", "measurements", "home"}),
}


class OpenedLink(Protocol):
    """What a door asks of the link that was opened: what it is for."""

    @property
    def purpose(self) -> str: ...


class LinkRequest(PageRequest):
    """A request to the portal: it knows which link was opened and proven, or that none was."""

    patient_session: OpenedLink | None


def patient_page(part: str, *, methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
    """A page behind the second factor. Locked or no session → asked again; a link for something else → 404.

    Part "any" is open to every link that passed its check.
    """

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: LinkRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            session = request.patient_session
            if session is None:
                return HttpResponseRedirect(reverse("portal:again"))
            if part != "any" and part not in PARTS.get(session.purpose, frozenset()):
                raise Http404
            if not takes(request, methods):
                return not_this_way(request, methods)
            return view(request, *args, **kwargs)

        return declared(guarded, permission=f"public: patient link ({part})", methods=methods)

    return declare

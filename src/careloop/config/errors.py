"""Pages for what went wrong: what it means and what to do next, without a trace of the inside."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from careloop.accounts.middleware import must_change_password
from careloop.kernel.pages import public_page, render


@public_page("error page")
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "ui/404.html", {}, status=404)


@public_page("error page")
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Not allowed; somebody whose password must be changed first is led to where that is done."""
    session = getattr(request, "staff_session", None)
    if session is not None and must_change_password(session):
        return HttpResponseRedirect(reverse("accounts:sessions"))
    return render(request, "ui/403.html", {}, status=403)


@public_page("error page")
def failed(request: HttpRequest) -> HttpResponse:
    return render(request, "ui/500.html", {}, status=500)


@public_page("error page")
def csrf_failed(request: HttpRequest, reason: str = "", **_: Any) -> HttpResponse:
    return render(request, "ui/403.html", {"csrf": True}, status=403)


@public_page("error page")
def unreadable(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "ui/400.html", {}, status=400)


@public_page("error page")
def not_this_way(request: HttpRequest) -> HttpResponse:
    """The address of a button was opened by itself."""
    return render(request, "ui/405.html", {}, status=405)

"""The first page after signing in: where this role works."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from careloop.kernel.pages import PageRequest, public_page

# Role → home (ux 2.2): what one works with most comes first.
HOMES = (
    ("tasks.work", "workbench:today"),
    ("reports.hospital", "reports:hospital"),
    ("reports.department", "reports:department"),
    ("alerts.view", "alerts:board"),
    ("console.health", "console:health"),
    ("audit.view", "console:audit"),
    ("accounts.view", "console:people"),
)


@public_page("sends everybody to their own first page", methods=("GET",))
def home(request: PageRequest) -> HttpResponse:
    """Not signed in: the login page."""
    if not request.viewer.is_staff:
        return HttpResponseRedirect(f"{reverse('accounts:login')}?{urlencode({'next': '/'})}")
    for permission, name in HOMES:
        if request.viewer.can(permission):
            try:
                return HttpResponseRedirect(reverse(name))
            except NoReverseMatch:  # a room this site does not run
                continue
    return HttpResponseRedirect(reverse("accounts:sessions"))

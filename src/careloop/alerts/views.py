"""Pages and fragments of alerts."""

from __future__ import annotations

from django.http import HttpResponse

from careloop.alerts import access
from careloop.kernel.pages import PageRequest, page


@page(access.VIEW)
def no_live(request: PageRequest) -> HttpResponse:
    """Only a server without the event app gets here. 204 tells the browser's EventSource to stop asking; it polls then."""
    return HttpResponse(status=204)

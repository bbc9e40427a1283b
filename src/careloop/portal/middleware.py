"""Who is looking on the portal: the patient of the link whose second factor was given, or nobody."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from careloop.accounts.middleware import client_ip
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.portal import reads
from careloop.portal.access import LinkRequest

Handler = Callable[[LinkRequest], HttpResponse]


class TokenCsrf(CsrfViewMiddleware):
    """Our pages send no referrer (the address holds a secret), so a browser says `Origin: null` with every form.

    Then the token decides alone, with a SameSite cookie; any other foreign origin is refused as usual.
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        return request.META["HTTP_ORIGIN"] == "null" or bool(super()._origin_verified(request))  # type: ignore[misc]  # Django's own, not in its type


def viewer(get_response: Handler) -> Callable[[LinkRequest], HttpResponse]:
    """Sets request.patient_session and request.viewer. The patient comes from the link, never from the request."""

    def middleware(request: LinkRequest) -> HttpResponse:
        session = reads.open_session(request.session, at=timezone.now())
        ip, request_id = client_ip(request), getattr(request, "request_id", "")
        request.patient_session = session
        if session is None:
            request.viewer = Viewer(actor=NOBODY.actor, ip=ip, request_id=request_id)
        else:
            request.viewer = Viewer.patient(session.patient.pk, ip=ip, request_id=request_id)
        response = get_response(request)
        response.headers.setdefault("X-Robots-Tag", "noindex, nofollow, noarchive")
        return response

    return middleware

"""Headers on every answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.http import HttpResponse

from careloop.kernel.pages import PageRequest

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # computed widths of bars and charts
        "img-src 'self' data:",
        "media-src 'self' blob:",  # a recording is played before it is sent
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def security_headers(get_response: Callable[[PageRequest], HttpResponse]) -> Callable[[PageRequest], HttpResponse]:
    """Content security policy, no caching of pages about people, and an id that ties log, audit and answer together."""

    def middleware(request: PageRequest) -> HttpResponse:
        request.request_id = uuid.uuid4().hex
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", "geolocation=(), camera=(), microphone=(self)")
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Request-ID"] = request.request_id
        return response

    return middleware

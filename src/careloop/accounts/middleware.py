"""Who is looking: made from the session at every request, so a change of rights counts at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from careloop.accounts import actions, reads
from careloop.accounts.models import StaffSession
from careloop.accounts.rules import PROFILES, password_expired, session_end
from careloop.kernel.viewer import NOBODY, Viewer

Handler = Callable[[HttpRequest], HttpResponse]
HEARTBEAT = timedelta(seconds=60)


def viewer(get_response: Handler) -> Handler:
    """Sets request.viewer and request.staff_session. Anonymous when there is no session, or it is over."""

    def middleware(request: HttpRequest) -> HttpResponse:
        session = _session(request)
        request.staff_session = session  # type: ignore[attr-defined]  # an attribute of ours on Django's request
        request.viewer = _viewer(request, session)  # type: ignore[attr-defined]  # an attribute of ours on Django's request
        return get_response(request)

    return middleware


def language(get_response: Handler) -> Handler:
    """The person's language; before sign-in the one chosen on the login page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        session: StaffSession | None = request.staff_session  # type: ignore[attr-defined]  # an attribute of ours on Django's request
        chosen = session.practitioner.language if session else request.session.get("language", settings.LANGUAGE_CODE)
        with translation.override(chosen):
            return get_response(request)

    return middleware


def client_ip(request: HttpRequest) -> str:
    """The address of the client; proxies' headers count only as far as we trust proxies (A32)."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    trusted = settings.ENV.trusted_proxies
    if trusted and len(hops) >= trusted:
        return hops[-trusted][:45]
    return str(request.META.get("REMOTE_ADDR", ""))[:45]


def must_change_password(session: StaffSession) -> bool:
    """A first or expired password must be changed before anything else."""
    person = session.practitioner
    profile = PROFILES[settings.ENV.password_profile]
    return person.must_change_password or password_expired(
        person.password_changed_at, profile=profile, at=timezone.now()
    )


def _session(request: HttpRequest) -> StaffSession | None:
    key = request.session.session_key
    if not key:
        return None
    session = reads.open_session(key)
    if session is None:
        return None
    at = timezone.now()
    why = session_end(
        started_at=session.started_at,
        last_seen_at=session.last_seen_at,
        at=at,
        idle=timedelta(minutes=settings.ENV.idle_minutes),
        absolute=timedelta(hours=settings.ENV.absolute_hours),
    )
    by = Viewer(actor=f"staff:{session.practitioner_id}", practitioner_id=session.practitioner_id)
    if why:
        actions.end_session(session=session, why=why, at=at, by=by)
        return None
    if at - session.last_seen_at > HEARTBEAT and not _is_background(request):
        actions.touch_session(session=session, at=at, by=by)
    return session


def _is_background(request: HttpRequest) -> bool:
    """Polling and live events prove that a page is open, not that anybody is there."""
    return request.headers.get("X-Background") == "1"


def _viewer(request: HttpRequest, session: StaffSession | None) -> Viewer:
    ip, request_id = client_ip(request), getattr(request, "request_id", "")
    if session is None:
        return Viewer(actor=NOBODY.actor, ip=ip, request_id=request_id)
    found = reads.viewer_for(
        session.practitioner, at=timezone.now(), session_id=session.pk, ip=ip, request_id=request_id
    )
    if must_change_password(session):  # until then only the own account is open
        return Viewer(
            actor=found.actor, practitioner_id=found.practitioner_id, name=found.name, session_id=found.session_id,
            permissions=frozenset({"accounts.self"}), ip=ip, request_id=request_id,
        )  # fmt: skip
    return found

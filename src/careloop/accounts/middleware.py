"""Who is looking: made from the session at every request, so a change of rights counts at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from careloop.accounts import actions, reads
from careloop.accounts.models import StaffSession
from careloop.accounts.rules import PROFILES, password_expired, session_end
from careloop.kernel.pages import PageRequest
from careloop.kernel.viewer import NOBODY, Viewer


class StaffRequest(PageRequest):
    """A request to the staff's side: it knows its session, None before sign-in."""

    staff_session: StaffSession | None


Handler = Callable[[StaffRequest], HttpResponse]
HEARTBEAT = timedelta(seconds=60)


def viewer(get_response: Handler) -> Handler:
    """Sets request.viewer and request.staff_session. Anonymous when there is no session, or it is over."""

    def middleware(request: StaffRequest) -> HttpResponse:
        session, viewer = _who(request)
        request.staff_session = session
        request.viewer = viewer
        return get_response(request)

    return middleware


def language(get_response: Handler) -> Handler:
    """The person's language; before sign-in the one chosen on the login page."""

    def middleware(request: StaffRequest) -> HttpResponse:
        session = request.staff_session
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


def _who(request: HttpRequest) -> tuple[StaffSession | None, Viewer]:
    """Session and viewer from one statement. Nobody when there is no session, or its time is over."""
    ip, request_id = client_ip(request), getattr(request, "request_id", "")
    key, at = request.session.session_key, timezone.now()
    found = reads.identity(key, at=at, ip=ip, request_id=request_id) if key else None
    if found is None or not _goes_on(request, found[0], at):
        return None, Viewer(actor=NOBODY.actor, ip=ip, request_id=request_id)
    session, viewer = found
    if must_change_password(session):  # until then only the own account is open
        return session, Viewer(
            actor=viewer.actor, practitioner_id=viewer.practitioner_id, name=viewer.name, session_id=viewer.session_id,
            permissions=frozenset({"accounts.self"}), ip=ip, request_id=request_id,
        )  # fmt: skip
    return session, viewer


def _goes_on(request: HttpRequest, session: StaffSession, at: datetime) -> bool:
    """Ends a session whose time is over; else notes now and then that somebody is there."""
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
    elif at - session.last_seen_at > HEARTBEAT and not _is_background(request):
        actions.touch_session(session=session, at=at, by=by)
    return not why


def _is_background(request: HttpRequest) -> bool:
    """Polling and live events prove that a page is open, not that anybody is there."""
    return request.headers.get("X-Background") == "1"

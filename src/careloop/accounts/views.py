"""Signing in and out, and the own account."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from careloop.accounts import access, actions
from careloop.accounts.forms import PasswordForm, SignInForm
from careloop.accounts.middleware import StaffRequest, client_ip, must_change_password
from careloop.accounts.models import Practitioner, StaffSession
from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import page, public_page, render
from careloop.kernel.viewer import Viewer


@public_page("one must be able to sign in")
def sign_in(request: StaffRequest) -> HttpResponse:
    """The login page. Every kind of failure gives the same words in about the same time."""
    if request.method != "POST":
        return render(
            request, "accounts/login.html", {"next": request.GET.get("next", ""), "failed": False, "username": ""}
        )
    form = SignInForm(request.POST)
    person = _checked(request, form) if form.is_valid() else None
    if person is None:
        context = {"next": request.POST.get("next", ""), "failed": True, "username": request.POST.get("username", "")}
        return render(request, "accounts/login.html", context, status=422)
    _start_session(request, person)
    return HttpResponseRedirect(_safe_next(request, form.cleaned_data["next"]))


def _checked(request: StaffRequest, form: SignInForm) -> Practitioner | None:
    return actions.sign_in(
        username=form.cleaned_data["username"],
        password=form.cleaned_data["password"],
        ip=client_ip(request),
        at=timezone.now(),
        by=request.viewer,
    )


def _start_session(request: StaffRequest, person: Practitioner) -> None:
    before = request.staff_session
    if before is not None:  # somebody signs in again in this browser: the cookie of before ends with its session
        actions.end_session(session=before, why="logout", at=timezone.now(), by=request.viewer)
    request.session.flush()  # a key from before the sign-in is worth nothing (A25)
    request.session["practitioner"] = str(person.pk)
    request.session.save()
    actions.open_session(
        practitioner=person,
        session_key=str(request.session.session_key),
        ip=client_ip(request),
        user_agent=request.headers.get("User-Agent", ""),
        at=timezone.now(),
        by=Viewer(actor=f"staff:{person.pk}", practitioner_id=person.pk, ip=client_ip(request)),
    )


def _safe_next(request: StaffRequest, target: str) -> str:
    allowed = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if target and allowed else "/"


@page(access.SELF, methods=("POST",))
def sign_out(request: StaffRequest) -> HttpResponse:
    """End this session and forget the browser's drafts."""
    session = _own(request)
    actions.end_session(session=session, why="logout", at=timezone.now(), by=request.viewer)
    request.session.flush()
    response = HttpResponseRedirect(settings.LOGIN_URL)
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


@page(access.SELF)
def own_account(request: StaffRequest) -> HttpResponse:
    """Password, language and the own signed-in browsers."""
    return _account_page(request, form_errors={}, message="")


@page(access.SELF, methods=("POST",))
def change_password(request: StaffRequest) -> HttpResponse:
    """Change the own password; other browsers of this person are signed out."""
    form = PasswordForm(request.POST)
    if not form.is_valid():
        return _account_page(request, form_errors=form.errors, message="", status=422)
    session = _own(request)
    at = timezone.now()
    try:
        actions.change_password(
            practitioner=session.practitioner,
            current=form.cleaned_data["current"],
            new=form.cleaned_data["new"],
            at=at,
            by=request.viewer,
        )
    except Refused as refusal:
        return _account_page(request, form_errors={refusal.code: [str(refusal)]}, message="", status=422)
    actions.end_sessions(
        practitioner=session.practitioner, why="password", at=at, by=request.viewer, except_for=session
    )
    return HttpResponseRedirect("/")


@public_page("the login page is bilingual too", methods=("POST",))
def choose_language(request: StaffRequest) -> HttpResponse:
    """Chinese or English; kept with the person once signed in."""
    chosen = request.POST.get("language", "")
    if chosen in dict(settings.LANGUAGES):
        session = request.staff_session
        if session is None:
            request.session["language"] = chosen
        else:
            actions.set_language(practitioner=session.practitioner, language=chosen, by=request.viewer)
    return HttpResponseRedirect(_safe_next(request, request.POST.get("next", "")))


@page(access.SELF, methods=("POST",))
def end_own_session(request: StaffRequest, session_id: UUID) -> HttpResponse:
    """Sign another own browser out."""
    session = get_or_404(StaffSession.objects.filter(practitioner_id=request.viewer.practitioner_id), pk=session_id)  # type: ignore[misc]  # None finds nothing, which is right
    actions.end_session(session=session, why="logout", at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect("/account/")


def _account_page(request: StaffRequest, *, form_errors: object, message: str, status: int = 200) -> HttpResponse:
    session = _own(request)
    sessions = list(session.practitioner.staff_sessions.filter(ended_at__isnull=True).order_by("-last_seen_at")[:20])
    context = {
        "person": session.practitioner,
        "sessions": sessions,
        "this_session": session.pk,
        "errors": form_errors,
        "message": message,
        "must_change": must_change_password(session),
        "title": _("My account"),
    }
    return render(request, "accounts/self.html", context, status=status)


def _own(request: StaffRequest) -> StaffSession:
    """The session behind a page that only signed-in people reach."""
    if request.staff_session is None:
        raise PermissionDenied
    return request.staff_session

"""The way in: a link, a short check, large print, the way out."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts.middleware import client_ip
from careloop.kernel.pages import PageRequest, public_page
from careloop.patients.models import AccessLink
from careloop.portal import actions, reads, rules
from careloop.portal.access import LinkRequest, patient_page
from careloop.portal.views.showing import LARGE, show

YEAR = 365 * 24 * 3600


@public_page("the link of a message; nothing about a person is shown before the second factor")
def link(request: PageRequest, token: str) -> HttpResponse:
    """The check page. GET changes nothing and looks the same for every token; an old link fails like a wrong number."""
    if request.method != "POST":
        return _check_page(request)
    return _check(request, reads.usable_link(token, at=timezone.now()), tried=token)


@public_page("a browser that was idle too long is asked again")
def again(request: PageRequest) -> HttpResponse:
    """The same check without looking for the message again. Whoever has no session is told to open the message."""
    found = reads.locked_link(request.session, at=timezone.now())
    if found is None:
        return message_page(
            request,
            _("Please open the message again"),
            _("This page has been closed to protect you. Tap the link in our message; your answers are kept."),
            status=401 if request.method == "POST" else 200,
        )
    if request.method != "POST":
        return _check_page(request)
    return _check(request, found, tried=str(found.pk))


def _check(request: PageRequest, found: AccessLink | None, *, tried: str) -> HttpResponse:
    at = timezone.now()
    fingerprints = rules.fingerprints(ip=client_ip(request), token=tried)
    given = request.POST.get("factor", "")
    outcome = actions.try_check(link=found, given=given, fingerprints=fingerprints, at=at, by=request.viewer)
    if outcome is actions.Check.TOO_MANY:
        return too_many(request)
    if outcome is actions.Check.WRONG or found is None:
        return _check_page(request, wrong=True)
    reads.remember(request.session, found, at=at)
    return HttpResponseRedirect(start_of(found), status=303)


def start_of(found: AccessLink) -> str:
    """Where a link leads once it is open."""
    if found.purpose == rules.QUESTIONNAIRE and found.task_id:
        return reverse("portal:task", args=[found.task_id])
    if found.purpose == "measurement":
        return reverse("portal:measure", args=["blood-pressure"])
    return reverse("portal:home")


def _check_page(request: PageRequest, *, wrong: bool = False) -> HttpResponse:
    by_birth_year = settings.ENV.link_check == rules.Check.BIRTH_YEAR.value
    context = {"wrong": wrong, "by_birth_year": by_birth_year}
    return show(request, "portal/check.html", context, status=422 if wrong else 200)


@public_page("large print needs no second factor", methods=("POST",))
def large(request: PageRequest) -> HttpResponse:
    """Large print on or off, remembered by this browser."""
    answer = HttpResponseRedirect(rules.next_path(request.POST.get("next", "")), status=303)
    wanted = "1" if request.POST.get("large") == "1" else "0"
    answer.set_cookie(LARGE, wanted, max_age=YEAR, httponly=True, samesite="Lax", secure=settings.ENV.behind_https)
    return answer


@patient_page("any", methods=("POST",))
def family(request: PageRequest) -> HttpResponse:
    """A relative helps: every page says for whom, and answers say who gave them."""
    request.session["family"] = request.POST.get("family") == "1"
    return HttpResponseRedirect(rules.next_path(request.POST.get("next", "")), status=303)


@public_page("one must be able to leave a borrowed telephone", methods=("POST",))
def leave(request: LinkRequest) -> HttpResponse:
    """Ends the session in this browser."""
    request.session.flush()
    request.patient_session = None
    answer = message_page(request, _("You have left"), _("Nobody can see your pages on this telephone now."))
    answer.headers["Clear-Site-Data"] = '"storage"'
    return answer


def message_page(request: PageRequest, heading: str, words: str, *, go_on: str = "", status: int = 200) -> HttpResponse:
    """One sentence and the call button."""
    context = {"heading": heading, "words": words, "go_on": go_on}
    return show(request, "portal/message_page.html", context, status=status)


def too_many(request: PageRequest) -> HttpResponse:
    """After ten wrong tries in ten minutes."""
    words = _("Wait ten minutes and try again, or call us and we help you on the telephone.")
    answer = message_page(request, _("Too many tries"), words, status=429)
    answer.headers["Retry-After"] = str(int(rules.TRY_WINDOW.total_seconds()))
    return answer

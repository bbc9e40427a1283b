"""Faults in the patients' words. Never says whether something exists."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from careloop.kernel.pages import PageRequest, public_page
from careloop.portal.views.link import message_page


@public_page("error page")
def not_found(request: PageRequest, exception: Exception | None = None) -> HttpResponse:
    words = _("It may be over, or it belongs to another link. Open the newest message, or call us.")
    return message_page(request, _("This page is not here"), words, status=404)


@public_page("error page")
def forbidden(request: PageRequest, exception: Exception | None = None, **_more: Any) -> HttpResponse:
    words = _("Please go back, load the page again and repeat the last step.")
    return message_page(request, _("That did not work"), words, status=403)


@public_page("error page")
def not_this_way(request: PageRequest) -> HttpResponse:
    """The address of a button was opened by itself: nothing was changed."""
    words = _("Nothing was changed. Open the newest message again, or call us.")
    return message_page(request, _("This step cannot be opened by itself"), words, status=405)


@public_page("error page")
def failed(request: PageRequest) -> HttpResponse:
    words = _("The fault is ours. Your earlier answers are kept. Try again in a few minutes, or call us.")
    return message_page(request, _("That did not work"), words, status=500)

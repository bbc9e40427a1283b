"""The template environment: what every page may call, and what every page knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from jinja2 import Environment, StrictUndefined

from careloop.config.nav import navigation
from careloop.kernel import display
from careloop.kernel.assets import asset


def environment(**options: Any) -> Environment:
    """Autoescape is always on; an unknown name in a template is an error, not an empty string."""
    options |= {
        "autoescape": True,
        "undefined": StrictUndefined,
        "extensions": ["jinja2.ext.i18n", "jinja2.ext.do"],
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    made = Environment(**options)
    made.install_gettext_callables(  # type: ignore[attr-defined]  # comes with the i18n extension
        translation.gettext, translation.ngettext, newstyle=True, pgettext=translation.pgettext
    )
    made.globals.update(asset=asset, url=url, url_or_none=url_or_none, now=timezone.localtime)
    made.filters.update(display.FILTERS)
    return made


def url(name: str, *args: Any, **kwargs: Any) -> str:
    """reverse() for templates."""
    return reverse(name, args=args, kwargs=kwargs)


def url_or_none(name: str, *args: Any, **kwargs: Any) -> str | None:
    """The address of a page of another room, or None while this site does not have it."""
    try:
        return reverse(name, args=args, kwargs=kwargs)
    except NoReverseMatch:
        return None


def context(request: HttpRequest) -> dict[str, Any]:
    """What every page knows: who looks, the menu, the language, the hospital's name."""
    viewer = getattr(request, "viewer", None)
    return {
        "viewer": viewer,
        "nav": navigation(request) if viewer is not None and viewer.is_staff else [],
        "language": translation.get_language() or settings.LANGUAGE_CODE,
        "hospital_name": settings.ENV.hospital_name,
        "product_name": settings.PRODUCT_NAME,
        "csrf_token_value": get_token(request),
        "debug": settings.DEBUG,
    }

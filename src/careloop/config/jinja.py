"""The template environment: what every page may call, and what every page knows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject, lazy
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from careloop.config.csrf import csrf_token
from careloop.config.nav import navigation
from careloop.config.templates import SpeakingEnvironment
from careloop.kernel import display
from careloop.kernel.addresses import address
from careloop.kernel.assets import asset
from careloop.kernel.pages import PageRequest


def environment(**options: Any) -> Environment:
    """Autoescape is always on; an unknown name in a template is an error, not an empty string."""
    options |= {
        "autoescape": True,
        "undefined": StrictUndefined,
        "extensions": ["jinja2.ext.i18n", "jinja2.ext.do"],
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    made = SpeakingEnvironment(**options)
    made.install_gettext_callables(  # type: ignore[attr-defined]  # comes with the i18n extension
        translation.gettext, translation.ngettext, newstyle=True, pgettext=translation.pgettext
    )
    made.globals.update(
        _=said,
        gettext=said,
        asset=asset,
        url=address,
        url_or_none=url_or_none,
        now=timezone.localtime,
        svg_icon=svg_icon,
    )
    made.filters.update(display.FILTERS)

    def shortcut_sheet() -> Markup:
        """The keys every page explains: the same words for everybody."""
        ui: Any = made.get_template("ui/ui.html").module
        return Markup(ui.shortcut_sheet())

    made.fixed = {
        "_": said, "gettext": said, "asset": asset, "svg_icon": svg_icon, "ui.icon": svg_icon,
        "ui.shortcut_sheet": shortcut_sheet,
    }  # fmt: skip
    return made


_PRODUCT = display.Words({"name": settings.PRODUCT_NAME})
lazystr = lazy(lambda make: str(make()), str)  # a fragment without a menu or a form asks for neither


def said(message: str, **variables: Any) -> Markup:
    """`_()` of templates: the words in the language of the page, with escaped values in their places.

    The same as Jinja's own, but a page says hundreds of words: each is looked up once for each language.
    """
    words = _words(message, translation.get_language())
    return words % variables if variables or "%" in words else words


@lru_cache(maxsize=20_000)
def _words(message: str, _language: str | None) -> Markup:
    return Markup(translation.gettext(message))  # the catalogue is ours; values are escaped when they are put in


@lru_cache(maxsize=2_000)
def svg_icon(name: str, size: int | None = None, label: str | None = None) -> Markup:
    """One picture of the sprite. With a label it speaks, without it is decoration."""
    style = Markup(' style="font-size:{}px"').format(size) if size else ""
    voice = Markup(' role="img" aria-label="{}"').format(label) if label else Markup(' aria-hidden="true"')
    return Markup('<svg class="ti"{}{} focusable="false"><use href="{}#{}"></use></svg>').format(
        style, voice, asset("sprite.svg"), name
    )


def url_or_none(name: str, *args: Any, **kwargs: Any) -> str | None:
    """The address of a page of another room, or None while this site does not have it."""
    try:
        return address(name, *args, **kwargs)
    except NoReverseMatch:
        return None


def _token(request: PageRequest) -> str:
    """One token for all forms of an answer: masking it anew for each says nothing more."""
    found: str | None = getattr(request, "shown_csrf_token", None)
    if found is None:
        found = request.shown_csrf_token = csrf_token(request)
    return found


def context(request: PageRequest) -> dict[str, Any]:
    """What every page knows: who looks, the menu, the language, the hospital's name."""
    viewer = getattr(request, "viewer", None)
    return {
        "viewer": viewer,
        "nav": SimpleLazyObject(lambda: navigation(request) if viewer is not None and viewer.is_staff else []),
        "language": translation.get_language() or settings.LANGUAGE_CODE,
        "hospital_name": settings.ENV.hospital_name,
        "product_name": _PRODUCT("name"),
        "csrf_token_value": lazystr(lambda: _token(request)),  # type: ignore[no-untyped-call]  # what lazy() makes has no type
        "debug": settings.DEBUG,
    }

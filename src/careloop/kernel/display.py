"""How dates and numbers look on screen (ux §5.6), as filters for templates; and codes in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from careloop.kernel.places import language


class Words:
    """Words for codes, each looked up once for a language. A code that is none of ours is shown as it is."""

    def __init__(self, words: Mapping[str, str | Promise]) -> None:
        self._words = words
        self._said: dict[str | None, dict[str, str]] = {}

    def said(self) -> dict[str, str]:
        """All of them in the language of the page, in their order. Not to be changed."""
        spoken = language()
        found = self._said.get(spoken)
        if found is None:
            found = self._said[spoken] = {code: str(words) for code, words in self._words.items()}
        return found

    def __call__(self, code: str) -> str:
        return self.said().get(code, code)


def _local(value: date | datetime) -> date | datetime:
    return timezone.localtime(value) if isinstance(value, datetime) else value


def day_short(value: date | datetime | None) -> str:
    """11-20, for tables."""
    return f"{_local(value):%m-%d}" if value else "–"


def day_full(value: date | datetime | None) -> str:
    """2026-11-20, for banners and print."""
    return f"{_local(value):%Y-%m-%d}" if value else "–"


def clock(value: datetime | None) -> str:
    """20:14."""
    return f"{_local(value):%H:%M}" if value else "–"


def moment(value: datetime | None) -> str:
    """Today and yesterday in words, else 11-20 20:14, and the day alone in another year."""
    if value is None:
        return "–"
    zone = timezone.get_current_timezone()
    local, today = timezone.localtime(value, zone), timezone.now().astimezone(zone)
    days = (today.date() - local.date()).days
    if days == 0:
        return _("Today %(time)s") % {"time": f"{local:%H:%M}"}
    if days == 1:
        return _("Yesterday %(time)s") % {"time": f"{local:%H:%M}"}
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d}"


def number(value: float | int | None, digits: int = 0) -> str:
    """12,486 with `digits` decimals. What is rounded to nothing is 0, never -0."""
    return "–" if value is None else f"{value:z,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share 0–1 as 93.4."""
    return "–" if value is None else f"{value * 100:z.{digits}f}"


FILTERS: dict[str, Callable[..., Any]] = {
    "day_short": day_short,
    "day_full": day_full,
    "clock": clock,
    "moment": moment,
    "number": number,
    "percent": percent,
}

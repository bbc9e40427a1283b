"""How each channel behaves on this site: from the settings, as frozen values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from django.conf import settings

from careloop.messaging.rules.states import Abilities
from careloop.messaging.rules.timing import Caps, CodeLimits, Policy, QuietHours

_REPEATS = {
    "key": Abilities(knows_key=True, can_be_asked=True),
    "ask": Abilities(knows_key=False, can_be_asked=True),
    "none": Abilities(knows_key=False, can_be_asked=False),
}
_NEVER_QUIET = QuietHours()
_NO_CAPS = Caps(per_day=10_000, per_week=10_000)


def policy(channel: str) -> Policy:
    """Quiet hours and caps. The inbox of the patient pages disturbs nobody, so it has neither."""
    env = settings.ENV
    if channel == "portal":
        return Policy(_NEVER_QUIET, _NO_CAPS)
    quiet = env.email_quiet_hours if channel == "email" else env.sms_quiet_hours
    return Policy(_quiet(quiet), Caps(per_day=env.messages_per_day, per_week=env.messages_per_week))


@cache
def _quiet(text: str) -> QuietHours:
    return QuietHours.parse(text)


def abilities(channel: str) -> Abilities:
    """What the gateway of this channel can do about a repeat. Mail servers can do nothing; our own inbox can."""
    if channel == "sms":
        return _REPEATS[settings.ENV.sms_gateway_repeat]
    return _REPEATS["key" if channel == "portal" else "none"]


def is_available(channel: str) -> bool:
    """Whether this site can send this way at all."""
    configured = {"sms": settings.ENV.sms_gateway_url, "email": settings.ENV.smtp_url, "portal": "always"}
    return bool(configured.get(channel))


def has_adapter(channel: str) -> bool:
    """Whether this product can send that way at all, if the site sets it up. WeChat has no adapter yet."""
    return channel in ("sms", "email", "portal")


def code_limits() -> CodeLimits:
    """Limits of one-time codes."""
    return CodeLimits(per_hour_all=settings.ENV.codes_per_hour)


def languages() -> tuple[str, ...]:
    """Languages that a template must cover before it may be submitted."""
    return tuple(part.strip() for part in settings.ENV.message_languages.split(",") if part.strip())


@cache
def banned_words() -> Mapping[str, tuple[str, ...]]:
    """What no message may say."""
    return {kind: tuple(words) for kind, words in _content("banned_words.json")["words"].items()}


def shipped_templates() -> list[dict[str, Any]]:
    """The templates that come with the product."""
    found: list[dict[str, Any]] = _content("templates.json")["templates"]
    return found


def _content(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files("careloop.messaging").joinpath("content", name).read_text("utf-8"))
    return loaded


@cache
def staff_texts() -> Mapping[str, Mapping[str, str]]:
    """What may be said to staff."""
    texts: dict[str, Mapping[str, str]] = _content("staff_templates.json")["templates"]
    return texts

"""What a setting's value must look like. Each check gives `""`, or words for what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

Check = Callable[[Any], str]

_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_RANGE = re.compile(rf"{_TIME}-{_TIME}")


def one_of(*words: str) -> Check:
    """Exactly one of these words."""
    return lambda value: "" if value in words else f"one of: {', '.join(words)}"


def some_of(*words: str) -> Check:
    """One or more of these words, separated by commas."""

    def check(value: str) -> str:
        given = _parts(value)
        return "" if given and set(given) <= set(words) else f"some of: {', '.join(words)}, separated by commas"

    return check


def between(least: int, most: int) -> Check:
    """A whole number in this range."""
    return lambda value: "" if least <= value <= most else f"a number from {least} to {most}"


def address(*schemes: str) -> Check:
    """Empty, or an address with one of these schemes and a host."""

    def check(value: str) -> str:
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            right = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number, brackets that do not close
            right = False
        return "" if right else f"an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    return check


def site_address(*schemes: str) -> Check:
    """As `address`, and never empty."""
    check = address(*schemes)
    return lambda value: check(value or "-")


def database(value: str) -> str:
    """Empty, or the address of a PostgreSQL; a socket's folder stands in its query, so no host is asked for."""
    try:
        right = not value or urlsplit(value).scheme in {"postgresql", "postgres"}
    except ValueError:  # brackets that do not close
        right = False
    return "" if right else "a postgresql:// address"


def zone(value: str) -> str:
    """A time zone this machine knows."""
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        return "the name of a time zone, such as Asia/Shanghai"
    return ""


def charset(value: str) -> str:
    """A character set that Python reads text with."""
    try:
        "".encode(value)
    except (LookupError, ValueError):  # unknown, or not one of text (base64), or no name at all
        return "the name of a character set, such as gb18030"
    return "" if value else "the name of a character set, such as gb18030"


def hours(value: str) -> str:
    """Empty, or ranges of the day such as 21:00-08:00."""
    return "" if all(_RANGE.fullmatch(part) for part in _parts(value)) else "ranges such as 21:00-08:00, by commas"


def networks(value: str) -> str:
    """Empty, or addresses and networks."""
    try:
        for part in _parts(value):
            ip_network(part, strict=False)
    except ValueError:
        return "IP addresses or networks such as 10.1.0.0/16, separated by commas"
    return ""


def area_code(value: str) -> str:
    """Empty, or a Chinese area code."""
    return "" if re.fullmatch(r"(0\d{2,3})?", value, re.ASCII) else "an area code such as 0571, or empty"


def shift(value: str) -> str:
    """Two lengths in millimetres."""
    return "" if re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*,\s*[+-]?\d+(\.\d+)?\s*", value, re.ASCII) else (
        "two numbers in millimetres, such as 1.5,-2"
    )  # fmt: skip


def not_empty(value: str) -> str:
    return "" if value.strip() else "not empty"


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


PORT = between(1, 65535)
# Settings that are not named here take any text.
CHECKS: Mapping[str, Check] = {
    "mode": one_of("production", "demo", "dev", "test"),
    "surface": one_of("web", "portal"),
    "database_url": database,
    "database_owner_url": database,
    "allowed_hosts": not_empty,
    "public_url": site_address("http", "https"),
    "staff_url": site_address("http", "https"),
    "trusted_proxies": between(0, 10),
    "link_check": one_of("phone", "birth-year"),
    "time_zone": zone,
    "area_code": area_code,
    "web_host": not_empty,
    "web_port": PORT,
    "portal_port": PORT,
    "web_workers": between(1, 64),
    "web_threads": between(1, 256),
    "hl7_host": not_empty,
    "hl7_port": between(0, 65535),
    "hl7_peers": networks,
    "hl7_charset": charset,
    "hl7_unknown_department": one_of("dead", "keep"),
    "hl7_idle_seconds": between(1, 86_400),
    "sms_gateway_url": address("http", "https"),
    "sms_gateway_repeat": one_of("key", "ask", "none"),
    "sms_gateway_peers": networks,
    "sms_at_once": between(1, 1_000),
    "sms_per_second": between(0, 100_000),
    "sms_quiet_hours": hours,
    "email_quiet_hours": hours,
    "messages_per_day": between(0, 100),
    "messages_per_week": between(0, 500),
    "survey_interval_days": between(0, 3650),
    "message_languages": some_of("zh", "en"),
    "codes_per_hour": between(0, 1_000_000),
    "outbox_lease_seconds": between(1, 3_600),
    "smtp_url": address("smtp", "smtps"),
    "idle_minutes": between(1, 1_440),
    "absolute_hours": between(1, 168),
    "password_profile": one_of("dengbao", "asvs"),
    "cohort_limit": between(1, 10_000_000),
    "dialler": one_of("manual", "tel"),
    "letter_shift_mm": shift,
    "letter_reply_days": between(1, 366),
    "log_level": one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
}

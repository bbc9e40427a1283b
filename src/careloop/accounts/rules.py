"""Pure rules about passwords, throttles and session ages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

THROTTLE_WINDOW = timedelta(minutes=30)
MOST_PER_ACCOUNT = 5  # GB/T 22239 level 3: lock after repeated failures
MOST_PER_ADDRESS = 50  # one hospital often leaves by one address, so much higher than per account

COMMON = frozenset(
    [
        "password",
        "passw0rd",
        "12345678",
        "123456789",
        "1234567890",
        "qwertyuiop",
        "admin123456",
        "hospital2026",
        "careloop",
        "suifang123",
        "1q2w3e4r5t",
        "yiyuan123456",
        "a123456789",
        "woaini1314",
        "5201314520",
        "iloveyou123",
        "zaq12wsx",
    ]
)


@dataclass(frozen=True, slots=True)
class PasswordProfile:
    """What a password must be. `dengbao` follows GB/T 22239-2019 8.1.4.1, `asvs` OWASP ASVS 5.0 6.2."""

    shortest: int
    classes: int
    max_age_days: int | None
    remembered: int


PROFILES = {
    "dengbao": PasswordProfile(shortest=10, classes=3, max_age_days=90, remembered=5),
    "asvs": PasswordProfile(shortest=15, classes=1, max_age_days=None, remembered=0),
}


def password_faults(
    password: str, *, profile: PasswordProfile, username: str, names: Iterable[str] = ()
) -> tuple[str, ...]:
    """Codes of what is wrong: too-short, too-few-classes, common, contains-name. Empty when it is good."""
    faults = []
    if len(password) < profile.shortest:
        faults.append("too-short")
    if _classes(password) < profile.classes:
        faults.append("too-few-classes")
    if password.lower() in COMMON:
        faults.append("common")
    if any(_is_a_word(word) and word.lower() in password.lower() for word in (username, *names)):
        faults.append("contains-name")
    return tuple(faults)


def _is_a_word(text: str) -> bool:
    """Long enough to give a person away: three letters, or two characters (王伟)."""
    return len(text) >= (3 if text.isascii() else 2)


def _classes(password: str) -> int:
    kinds = (str.islower, str.isupper, str.isdigit)
    other = any(not c.isalnum() for c in password)
    return sum(any(kind(c) for c in password) for kind in kinds) + other


def path_below(parent: str, code: str) -> str:
    """Where a place stands in the tree: its parent's path and its own code. A `/` inside a code is no step down."""
    return f"{parent or '/'}{code.replace('%', '%25').replace('/', '%2F')}/"


def password_expired(changed_at: datetime | None, *, profile: PasswordProfile, at: datetime) -> bool:
    """Whether the profile asks for a new password by now."""
    if profile.max_age_days is None or changed_at is None:
        return False
    return at - changed_at > timedelta(days=profile.max_age_days)


def is_throttled(*, account_failures: int, address_failures: int) -> bool:
    """Failures counted within THROTTLE_WINDOW."""
    return account_failures >= MOST_PER_ACCOUNT or address_failures >= MOST_PER_ADDRESS


def session_end(
    *, started_at: datetime, last_seen_at: datetime, at: datetime, idle: timedelta, absolute: timedelta
) -> str:
    """ "" while the session lives, else why it is over: idle or absolute."""
    if at - started_at >= absolute:
        return "absolute"
    if at - last_seen_at >= idle:
        return "idle"
    return ""

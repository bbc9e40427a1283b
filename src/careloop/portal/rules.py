"""What a patient page may show and when: the second factor, the session, home measurements. Pure: the clock is `at`."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

WRONG_TRIES: Final = 10
TRY_WINDOW: Final = timedelta(minutes=10)
LINK_DIES_AFTER: Final = 30
"""Wrong tries a link survives altogether: 10,000 endings, so a finder of the link has 0.3 % at most (security A05)."""

IDLE: Final = timedelta(minutes=10)
ABSOLUTE: Final = timedelta(hours=12)

QUESTIONNAIRE: Final = "questionnaire"
HOME: Final = "home"
VERIFY: Final = "verify"
"""Scanned at the bedside: the right digits prove the number (B07); afterwards it is a link to the patient's pages."""


class Check(Enum):
    """What the link asks before it shows anything about a person."""

    PHONE = "phone"  # last four digits of a telephone we know
    BIRTH_YEAR = "birth-year"


class SessionState(Enum):
    """OPEN: go on. LOCKED: idle too long, ask the second factor again. ENDED: open the link again."""

    OPEN = "open"
    LOCKED = "locked"
    ENDED = "ended"


def session_state(*, started_at: datetime, seen_at: datetime, at: datetime) -> SessionState:
    """Ten minutes without a page lock it, twelve hours end it (a phone left on a table or lent to a neighbour)."""
    if at - started_at >= ABSOLUTE:
        return SessionState.ENDED
    return SessionState.LOCKED if at - seen_at >= IDLE else SessionState.OPEN


def token_hash(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def digits_of(text: str) -> str:
    """The digits somebody typed, also full-width ones of a Chinese keyboard; everything else is dropped."""
    return "".join(character for character in unicodedata.normalize("NFKC", text) if character in "0123456789")


def factor_matches(given: str, known: Iterable[str]) -> bool:
    """Whether the four digits are one of the known ones. Looks at all of them, in the same time whatever fits."""
    typed = digits_of(given).encode()
    fits = [hmac.compare_digest(typed, candidate.encode()) for candidate in known if len(candidate) == 4]
    return len(typed) == 4 and any(fits)


def fingerprints(*, ip: str, token: str) -> tuple[str, str]:
    """What wrong tries are counted by: the sender's network and the link. Hashed, so no address is stored."""
    return (
        hashlib.sha256(f"ip:{network_of(ip)}".encode()).hexdigest(),
        hashlib.sha256(f"link:{token_hash(token)}".encode()).hexdigest(),
    )


def network_of(ip: str) -> str:
    """An IPv4 address as it is; for IPv6 the /64, because one phone owns all addresses of it."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network(f"{address}/64", strict=False))


def too_many(counts: Iterable[int]) -> bool:
    """Whether any of the counts of the last ten minutes is used up."""
    return any(count >= WRONG_TRIES for count in counts)


def next_path(path: str, *, fallback: str = "/") -> str:
    """A path on this site, or the fallback: never another host."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or any(ord(c) < 32 for c in path):
        return fallback
    return path


# ---- questions: where somebody is ----


@dataclass(frozen=True, slots=True)
class Position:
    """Question `number` of `total`, with its neighbours among the questions that apply now."""

    link_id: str
    number: int
    total: int
    before: str | None
    after: str | None

    @property
    def percent(self) -> int:
        return round(100 * self.number / self.total)


def position(link_id: str, asked: Sequence[str]) -> Position | None:
    """Where this question stands among those that apply now; None when it does not apply (any more)."""
    if link_id not in asked:
        return None
    index = asked.index(link_id)
    return Position(
        link_id=link_id,
        number=index + 1,
        total=len(asked),
        before=asked[index - 1] if index else None,
        after=asked[index + 1] if index + 1 < len(asked) else None,
    )


def first_open(asked: Sequence[str], answered: Iterable[str]) -> str | None:
    """Where somebody who comes back goes on: the first question without an answer; None when all have one."""
    done = frozenset(answered)
    return next((link_id for link_id in asked if link_id not in done), None)


# ---- home measurements ----


@dataclass(frozen=True, slots=True)
class Field:
    """One number of a measurement: what it is (our concept, a code), its UCUM unit and the range a person can have."""

    name: str
    concept: str
    system: str
    code: str
    unit: str
    low: Decimal
    high: Decimal
    decimals: int
    required: bool


@dataclass(frozen=True, slots=True)
class Trigger:
    """One way to cross a limit: a value at or above, a value below, or a gain within some days."""

    field: str
    at_least: Decimal | None = None
    below: Decimal | None = None
    gain_at_least: Decimal | None = None
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A cited limit; the first one that is crossed gives the level."""

    level: str
    triggers: tuple[Trigger, ...]
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """Something a patient measures at home."""

    code: str
    on_home: bool
    """Whether it has a card of its own on the home page; the others stand in one row of links."""
    fields: tuple[Field, ...]
    limits: tuple[Limit, ...]
    vectors: tuple[Mapping[str, Any], ...]

    def field(self, name: str) -> Field:
        """The field of this name."""
        return next(field for field in self.fields if field.name == name)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A value measured before, for the limits about gain."""

    field: str
    value: Decimal
    measured_at: datetime


def parse_measurements(text: str) -> Mapping[str, Measurement]:
    """Reads content/measurements.json. Refuses a limit about a field that the measurement does not have."""
    parsed = {item["code"]: _measurement(item) for item in json.loads(text)["measurements"]}
    for measurement in parsed.values():
        names = {field.name for field in measurement.fields}
        unknown = {trigger.field for limit in measurement.limits for trigger in limit.triggers} - names
        if unknown:
            raise ValueError(f"{measurement.code}: limits about unknown fields {sorted(unknown)}")
    return parsed


def is_urgent(level: str) -> bool:
    """Whether somebody calls: much too high, or much too low where that needs other words."""
    return level.startswith("urgent")


def number_in(field: Field, text: str) -> Decimal | None:
    """The number somebody typed, None for nothing. Raises ValueError when it is no number or nobody can have it."""
    cleaned = unicodedata.normalize("NFKC", text).strip().replace("。", ".").replace(",", ".")
    if not cleaned:
        if field.required:
            raise ValueError("missing")
        return None
    try:
        value = Decimal(cleaned)
    except InvalidOperation:
        raise ValueError("not-a-number") from None
    if not value.is_finite() or not field.low <= value <= field.high:
        raise ValueError("out-of-range")
    return round(value, field.decimals)


def plausible_pair(values: Mapping[str, Decimal | None]) -> bool:
    """The lower pressure cannot be as high as the upper one."""
    upper, lower = values.get("systolic"), values.get("diastolic")
    return upper is None or lower is None or lower < upper


def level_of(
    measurement: Measurement,
    values: Mapping[str, Decimal | None],
    *,
    earlier: Sequence[Earlier] = (),
    at: datetime,
) -> str:
    """urgent | urgent-low | above-target | low | ok: the first limit that one of its triggers crosses."""
    for limit in measurement.limits:
        if any(_crossed(trigger, values.get(trigger.field), earlier, at) for trigger in limit.triggers):
            return limit.level
    return "ok"


def _crossed(trigger: Trigger, value: Decimal | None, earlier: Sequence[Earlier], at: datetime) -> bool:
    if value is None:
        return False
    if trigger.at_least is not None and value >= trigger.at_least:
        return True
    if trigger.below is not None and value < trigger.below:
        return True
    if trigger.gain_at_least is None or trigger.within is None:
        return False
    since = at - trigger.within
    before = [one.value for one in earlier if one.field == trigger.field and one.measured_at >= since]
    return bool(before) and value - min(before) >= trigger.gain_at_least


def _measurement(item: Mapping[str, Any]) -> Measurement:
    return Measurement(
        code=item["code"],
        on_home=item["on_home"],
        fields=tuple(_field(field) for field in item["fields"]),
        limits=tuple(_limit(limit) for limit in item["limits"]),
        vectors=tuple(item["vectors"]),
    )


def _field(item: Mapping[str, Any]) -> Field:
    return Field(
        name=item["name"],
        concept=item["concept"],
        system=item["system"],
        code=item["code"],
        unit=item["unit"],
        low=Decimal(str(item["low"])),
        high=Decimal(str(item["high"])),
        decimals=item["decimals"],
        required=item["required"],
    )


def _limit(item: Mapping[str, Any]) -> Limit:
    if not item["source"]:
        raise ValueError(f"limit {item['level']} names no source")
    return Limit(
        level=item["level"],
        triggers=tuple(_trigger(trigger) for trigger in item["any"]),
        source=item["source"],
        verified=bool(item["verified"]),
    )


def _trigger(item: Mapping[str, Any]) -> Trigger:
    def number(name: str) -> Decimal | None:
        return Decimal(str(item[name])) if name in item else None

    days = item.get("within_days")
    return Trigger(
        field=item["field"],
        at_least=number("at_least"),
        below=number("below"),
        gain_at_least=number("gain_at_least"),
        within=None if days is None else timedelta(days=days),
    )

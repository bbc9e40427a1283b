"""Data types: times, names, numbers, codes, phones. Each reader takes a field and gives a plain value or `None`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from careloop.integration.hl7v2.message import Field, Segment

_TIMESTAMP = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})?(?P<day>\d{2})?(?P<hour>\d{2})?(?P<minute>\d{2})?(?P<second>\d{2})?"
    r"(?:\.(?P<fraction>\d{1,6})\d*)?(?P<zone>[+-]\d{4})?"
)
_WRITTEN_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?.*")
# Outside of these a time is a sender's "unknown" (00010101, 99991231). In our zone the year 1 begins before it in UTC:
# the database would take such a time and could never give it back.
_EARLIEST_YEAR, _LATEST_YEAR = 1850, 2200
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\ue000-\uf8ff]")


def read_time(text: str, *, zone: tzinfo) -> datetime | None:
    """`20261105093000+0800`, shortened anywhere, or a date written with dashes. Without an offset it is site time.

    A wrong time (month 13, `99999999`) or one of another age (`00010101`) is `None`: the message says nothing we can use.
    """
    at = _read_any_time(text.strip(), zone)
    return at if at is not None and _EARLIEST_YEAR <= at.year <= _LATEST_YEAR else None


def _read_any_time(text: str, zone: tzinfo) -> datetime | None:
    if len(text) == 14 and text.isascii() and text.isdigit():  # as nearly every sender writes it
        return _to_the_second(text, zone)
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return _read_written(text, zone)
    part = {key: int(value) for key, value in match.groupdict().items() if value and key not in ("fraction", "zone")}
    try:
        return datetime(
            part["year"], part.get("month", 1), part.get("day", 1), part.get("hour", 0), part.get("minute", 0),
            min(part.get("second", 0), 59), int((match["fraction"] or "0").ljust(6, "0")),
            tzinfo=_offset(match["zone"]) or zone,
        )  # fmt: skip
    except (ValueError, OverflowError):
        return None


def _to_the_second(text: str, zone: tzinfo) -> datetime | None:
    try:
        return datetime(
            int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), min(int(text[12:]), 59),
            tzinfo=zone,
        )  # fmt: skip
    except ValueError:
        return None


def read_date(text: str) -> date | None:
    """The day as written, whatever time and offset follow: a birth date does not move with the zone.

    A day is needed; `1985` or `198501` is too little for a birth date and gives `None`.
    """
    text = text.strip()
    if len(text) < 8:
        return None
    at = read_time(text, zone=UTC)
    return at.date() if at is not None else None


def read_name(repetitions: tuple[Field, ...]) -> str:
    """The name to show, of all the names sent. Characters win over pinyin; a legal or current name over an alias."""
    named = [(field, person_name(field)) for field in repetitions]
    usable = [(field, name) for field, name in named if name]
    if not usable:
        return ""
    return min(usable, key=lambda pair: _name_rank(*pair))[1]


def read_pinyin(repetitions: tuple[Field, ...]) -> str:
    """The spelled-out name beside one in characters (representation code A or P, or plain Latin letters)."""
    names = [person_name(field) for field in repetitions]
    if not any(has_characters(name) for name in names):
        return ""
    return next((name for name in names if name and not has_characters(name)), "")


def person_name(field: Field) -> str:
    """One XPN or XCN-like name as people write it: 王韡, 买买提·艾力, Donald D Duck. Surnames are never guessed."""
    family, given, middle = (field.first(n).strip() for n in (1, 2, 3))
    suffix = field.first(4).strip()
    if has_characters(family + given):
        return f"{family}{given}"
    return " ".join(part for part in (given, middle, family, suffix) if part)


def staff_name(field: Field) -> str:
    """The name in an XCN, whose first component is the staff number: `C006^Woolfson^Kathleen`."""
    family, given = field.first(2).strip(), field.first(3).strip()
    if has_characters(family + given):
        return f"{family}{given}"
    return " ".join(part for part in (given, family) if part)


def phone_text(field: Field) -> str:
    """The number in an XTN: the text of component 1, else 12 (2.8), else country, area and local number."""
    whole = field.get(1).strip()
    if any(c.isdigit() for c in whole):
        return whole
    if unformatted := field.get(12).strip():
        return unformatted
    return "".join(field.get(n).strip() for n in (5, 6, 7))


def address_text(field: Field) -> str:
    """One XAD in a line. Chinese addresses come whole in the first component or from large to small."""
    parts = [field.get(n).replace("&", " ").strip() for n in (1, 2, 3, 4, 5)]
    if has_characters("".join(parts)):
        return "".join(parts)
    return ", ".join(part for part in parts if part)


def code_text(field: Field) -> tuple[str, str, str]:
    """Code, words and code system of a CE/CWE; the alternate triplet or the original text when the first is empty."""
    for first in (1, 4):
        if code := field.get(first).strip():
            words = field.get(first + 1).strip() or field.get(9).strip()
            return code, words, field.get(first + 2).strip()
    return "", field.get(2).strip() or field.get(9).strip(), ""


def lines_of(segment: Segment, field: int) -> str:
    """A text that may be spread over repetitions, one line each."""
    return "\n".join(part.get() for part in segment.all(field))


def has_characters(text: str) -> bool:
    """Chinese characters (private use included: GB 18030-2022 moved some there)."""
    return _CJK.search(text) is not None


def _name_rank(field: Field, name: str) -> tuple[bool, bool, bool]:
    kind, representation = field.get(7).upper(), field.get(8).upper()
    return (not has_characters(name), representation in ("A", "P"), kind in ("A", "N", "M", "B", "BAD"))


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    delta = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-delta if text[0] == "-" else delta)


def _read_written(text: str, zone: tzinfo) -> datetime | None:
    match = _WRITTEN_DATE.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None

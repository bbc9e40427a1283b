"""The shape of what stands beside the definition: scores, alert rules, checks, classes. Told by place, before anything reads it.

A file edited by hand may have anything anywhere. What is refused here is what reading, scoring and judging could not bear;
what the words and numbers mean is looked at by proofreading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

Check = Callable[[Any], str]  # "" when it fits, else what it must be


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "must be a text"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _words(value: Any) -> str:
    fits = isinstance(value, Mapping) and all(isinstance(value.get(name, ""), str) for name in ("zh", "en"))
    return "" if fits else 'must be {"zh": …, "en": …}'


def _wording(value: Any) -> str:
    return "" if isinstance(value, str) else _words(value)


def _names(value: Any) -> str:
    fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return "" if fits else "must be a list of names"


def _number(value: Any) -> str:
    fits = isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value)
    return "" if fits else "must be a number"


def _whole(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def _safety(value: Any) -> str:
    fits = isinstance(value, Mapping) and all(
        isinstance(page, Mapping)
        and all(isinstance(page.get(name, ""), str) for name in ("title", "text"))
        and not _names(page.get("signs", []))
        for page in value.values()
    )
    return "" if fits else "must have title, text and a list of signs for each language"


_BAND: Final[Mapping[str, Check]] = {"code": _text, "title": _words, "from": _number, "to": _number}
_RULE: Final[Mapping[str, Check]] = {
    "code": _text, "severity": _text, "owner_role": _text, "sentence": _words, "advice": _words, "why": _words, "safety": _safety,
    "source": _text,
}  # fmt: skip
_PARTS: Final[Mapping[str, tuple[Mapping[str, Check], frozenset[str]]]] = {
    "scores": (
        {"code": _text, "title": _words, "items": _names, "reverse": _names, "missing": _text, "max_missing": _whole, "method": _text},
        frozenset({"code", "title", "items"}),
    ),
    "rules": (_RULE, frozenset({"code"})),
    "paused_rules": (_RULE, frozenset({"code"})),
    "checks": ({"code": _text, "items": _names, "message": _words}, frozenset({"code"})),
    "outcomes": ({"code": _text, "title": _words, "reason": _words, "why": _words, "clock": _text, "next_days": _whole}, frozenset({"code", "title"})),
    "overrides": ({"code": _text, "title": _words, "reason": _words, "clock": _text, "next_days": _whole}, frozenset()),
}  # fmt: skip
_TOP: Final[Mapping[str, Check]] = {
    "url": _text,
    "version": _text,
    "name": _text,
    "title": _wording,
    "opening": _wording,
    "source": _text,
    "why": _words,
    "verified": _flag,
}


def shape_faults(content: Mapping[str, Any]) -> Iterator[str]:
    """What has not the shape that reading needs, each with its place. Parts that are missing are no fault."""
    yield from _fields(content, "", _TOP, frozenset())
    for name in ("scores", "rules", "paused_rules", "checks"):
        yield from _list(content.get(name), name)
    yield from _bands(content.get("scores"))
    yield from _minutes(content.get("minutes"))
    found = content.get("classification")
    if found is None:
        return
    if not isinstance(found, Mapping):
        yield "classification: must be an object"
        return
    yield from _fields(found, "classification", {"code": _text, "title": _words, "source": _text}, frozenset())
    for name in ("outcomes", "overrides"):
        if found.get(name, None if name == "outcomes" else []) is None:
            yield f"classification.{name}: is missing"
        yield from _list(found.get(name), name)


def _minutes(value: Any) -> Iterator[str]:
    if value is not None and not (isinstance(value, Mapping) and all(not _number(one) for one in value.values())):
        yield "minutes: must be an object with a number for each channel"


def _list(value: Any, name: str) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, list):
        yield f"{name}: must be a list"
        return
    checks, needed = _PARTS[name]
    for place, one in enumerate(value):
        yield from _fields(one, f"{name}[{place}]", checks, needed)


def _fields(value: Any, place: str, checks: Mapping[str, Check], needed: frozenset[str]) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place}: must be an object"
        return
    for name, check in checks.items():
        where = f"{place}.{name}" if place else name
        if value.get(name) is None:
            if name in needed or (name in value and check is _names):
                yield f"{where}: is missing"
        elif told := check(value[name]):
            yield f"{where}: {told}"


def _bands(scores: Any) -> Iterator[str]:
    for place, one in enumerate(scores if isinstance(scores, list) else ()):
        bands = one.get("bands") if isinstance(one, Mapping) else None
        if isinstance(one, Mapping) and not isinstance(one.get("bands", []), list):
            yield f"scores[{place}].bands: must be a list"
        for number, band in enumerate(bands if isinstance(bands, list) else ()):
            yield from _fields(band, f"scores[{place}].bands[{number}]", _BAND, frozenset({"code", "from", "to"}))

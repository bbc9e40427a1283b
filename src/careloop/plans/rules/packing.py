"""How the explanation of a decision stands in its row: a dozen plans a discharge, most of them with one reason against.

In full it is 1,200 bytes of a discharge: the same four keys and the same beginning of an address twelve times. Packed it is
some 350, and it comes back exactly. Nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BEGINNING = "https://careloop.org/PlanDefinition/"
SHORT = "~"  # stands for BEGINNING; no address begins with it


def pack(entries: Sequence[Mapping[str, Any]]) -> Any:
    """`{"not": {code: "url url …"}, "told": [[url, fits, code, values, …], …]}`, for entries in the order of their addresses.

    What would not come back exactly is given back as it is.
    """
    brief: dict[str, str] = {}
    told: list[list[Any]] = []
    try:
        for entry in entries:
            url = _shortened(entry["url"])
            if entry == {
                "url": entry["url"],
                "fits": False,
                "reasons": [{"code": (code := entry["reasons"][0]["code"])}],
            }:
                brief[code] = f"{brief[code]} {url}" if code in brief else url
            else:
                told.append([url, entry["fits"], *(part for reason in entry["reasons"] for part in _parts(reason))])
    except (KeyError, IndexError, TypeError, AttributeError):
        return entries
    packed = {"not": brief, "told": told}
    each_once = len({entry["url"] for entry in entries}) == len(entries)
    return packed if entries and each_once and unpack(packed) == entries else entries


def unpack(stored: Any) -> Any:
    """The entries of a row, those from before packing too."""
    if not isinstance(stored, dict):
        return stored
    found = [
        {"url": _in_full(url), "fits": False, "reasons": [{"code": code}]}
        for code, urls in stored["not"].items()
        for url in urls.split(" ")
    ]
    found += [{"url": _in_full(url), "fits": fits, "reasons": _reasons(parts)} for url, fits, *parts in stored["told"]]
    return sorted(found, key=lambda entry: str(entry["url"]))


def _parts(reason: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    values = reason.get("values")
    return reason["code"], None if values is None else {name: _shortened(value) for name, value in values.items()}


def _reasons(parts: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"code": code}
        if values is None
        else {"code": code, "values": {name: _in_full(v) for name, v in values.items()}}
        for code, values in zip(parts[::2], parts[1::2], strict=True)
    ]


def _shortened(text: Any) -> Any:
    return SHORT + text.removeprefix(BEGINNING) if isinstance(text, str) and text.startswith(BEGINNING) else text


def _in_full(text: Any) -> Any:
    return BEGINNING + text.removeprefix(SHORT) if isinstance(text, str) and text.startswith(SHORT) else text

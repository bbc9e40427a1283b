"""How the explanation of a decision stands in its row: a dozen plans a discharge, most of them with one reason against.

In full it is 1,200 bytes of a discharge: the same four keys and the same beginning of an address twelve times. Packed it is
some 350, and it comes back exactly. Nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BEGINNING = "https://careloop.org/PlanDefinition/"
_ENTRY = {"url", "fits", "reasons"}
SHORT = "~"  # stands for BEGINNING; no address begins with it


def pack(entries: Sequence[Mapping[str, Any]]) -> Any:
    """`{"not": {code: "url url …"}, "told": [[url, fits, code, values, …], …]}`, for entries in the order of their addresses.

    What would not come back exactly is given back as it is.
    """
    brief: dict[str, str] = {}
    told: list[list[Any]] = []
    last: str | None = None
    for entry in entries:
        if not _comes_back(entry) or (
            last is not None and entry["url"] <= last
        ):  # it comes back in this order, each once
            return entries
        last, url, reasons = entry["url"], _shortened(entry["url"]), entry["reasons"]
        if not entry["fits"] and len(reasons) == 1 and len(reasons[0]) == 1:
            if " " in url:
                return entries
            code = reasons[0]["code"]
            brief[code] = f"{brief[code]} {url}" if code in brief else url
        else:
            told.append([url, entry["fits"], *(part for reason in reasons for part in _parts(reason))])
    return {"not": brief, "told": told} if entries else entries


def _comes_back(entry: Any) -> bool:
    """Whether an entry has the shape that packing knows, and no text that would be taken for a shortened one."""
    if type(entry) is not dict or entry.keys() != _ENTRY or type(entry["fits"]) is not bool:
        return False
    url, reasons = entry["url"], entry["reasons"]
    if type(url) is not str or url.startswith(SHORT) or type(reasons) is not list or not reasons:
        return False
    return all(_reason_comes_back(reason) for reason in reasons)


def _reason_comes_back(reason: Any) -> bool:
    if type(reason) is not dict or type(reason.get("code")) is not str:
        return False
    if len(reason) == 1:
        return True
    values = reason.get("values")
    return (
        len(reason) == 2
        and type(values) is dict
        and not any(type(each) is str and each.startswith(SHORT) for each in values.values())
    )


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

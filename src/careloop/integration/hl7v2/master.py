"""MFN: staff (M02: STF, PRA) and locations (M05: LOC, LDP)."""

from __future__ import annotations

from typing import Literal

from careloop.integration.hl7v2.facts import LocationRecord, StaffRecord
from careloop.integration.hl7v2.message import Message, Segment
from careloop.integration.hl7v2.values import code_text, person_name, phone_text

_GONE = frozenset({"MDL", "MDC"})
_KINDS: dict[str, Literal["department", "ward", "clinic"]] = {
    "N": "ward", "W": "ward", "R": "ward", "C": "clinic", "O": "clinic", "D": "department",
}  # fmt: skip


def read_staff_records(message: Message) -> tuple[StaffRecord, ...]:
    """One for each MFE with a staff number (STF-1, else MFE-4). MDL and MDC switch a person off, never delete."""
    records = []
    for group in message.groups("MFE"):
        entry, stf = group[0], _find(group, "STF")
        number = stf.field(1).first(1).strip() or entry.field(4).first(1).strip()
        if not number:
            continue
        records.append(
            StaffRecord(
                number=number,
                name=next((name for name in map(person_name, stf.all(3)) if name), ""),
                title=_words(stf, 18) or _words(stf, 19),
                department=stf.field(8).first(1).strip(),
                phone=next((phone for phone in map(phone_text, stf.all(10)) if phone), ""),
                is_active=entry.get(1).upper() not in _GONE and stf.get(7, 1).upper() != "I",
            )
        )
    return tuple(records)


def read_location_records(message: Message) -> tuple[LocationRecord, ...]:
    """One for each MFE with a location code (LOC-1, else MFE-4); LDP-2 names the department it belongs to."""
    records = []
    for group in message.groups("MFE"):
        entry, loc, ldp = group[0], _find(group, "LOC"), _find(group, "LDP")
        code = loc.field(1).first(1).strip() or entry.field(4).first(1).strip()
        if not code:
            continue
        records.append(
            LocationRecord(
                code=code,
                name=loc.get(2).strip() or loc.get(1, 9).strip(),
                kind=_KINDS.get(loc.get(3, 1).strip().upper(), "department"),
                parent=ldp.field(2).first(1).strip(),
                is_active=entry.get(1).upper() not in _GONE and ldp.get(6, 1).upper() != "I",
            )
        )
    return tuple(records)


def _find(group: list[Segment], name: str) -> Segment:
    return next((segment for segment in group if segment.name == name), Segment(name, group[0].marks))


def _words(segment: Segment, field: int) -> str:
    code, words, _ = code_text(segment.field(field))
    return words or code

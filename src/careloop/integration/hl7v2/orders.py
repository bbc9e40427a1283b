"""ORC, RXE, RXO, RXD, RXR and TQ1 → medicines."""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Literal

from careloop.integration.hl7v2.message import Message, Segment
from careloop.integration.hl7v2.values import code_text, lines_of, read_time
from careloop.patients.rules import MedicationData

_CONTROLS: dict[str, Literal["new", "changed", "stopped", "cancelled"]] = {
    "XO": "changed", "XR": "changed", "RP": "changed", "RO": "changed", "DC": "stopped", "OD": "stopped",
    "DR": "stopped", "CA": "cancelled", "OC": "cancelled", "CR": "cancelled",
}  # fmt: skip
_TAKEN_HOME = ("出院带药", "TAKE HOME", "DISCHARGE MED")
_DRUGS = ("RXE", "RXD", "RXO")
_DURATION = re.compile(r"D?(\d{1,3})(?:\.0+)?D?", re.IGNORECASE)


def read_medications(message: Message, *, zone: tzinfo) -> tuple[MedicationData, ...]:
    """One medicine for each order: as encoded by the pharmacy (RXE), else dispensed (RXD), else as ordered (RXO)."""
    found: dict[str, MedicationData] = {}
    for n, order in enumerate(_orders(message), 1):
        drug = next((segment for name in _DRUGS for segment in order if segment.name == name), None)
        if drug is not None and (each := _medication(order, drug, n, zone)) is not None:
            found.setdefault(each.key, each)
    return tuple(found.values())


def _orders(message: Message) -> list[list[Segment]]:
    """From each ORC to the next. Pharmacies that send one ORC and several RXE start a new order at each RXE."""
    orders: list[list[Segment]] = []
    for group in message.groups("ORC"):
        orders.append([group[0]])
        for segment in group[1:]:
            if segment.name == "RXE" and any(each.name == "RXE" for each in orders[-1]):
                orders.append([group[0]])
            orders[-1].append(segment)
    return orders


def _medication(order: list[Segment], drug: Segment, n: int, zone: tzinfo) -> MedicationData | None:
    code, text, system = code_text(drug.field({"RXE": 2, "RXD": 2, "RXO": 1}[drug.name]))
    if not (code or text):
        return None
    orc, timing = order[0], _first(order, "TQ1")
    dispensed = _first(order, "RXD")
    number = orc.get(2, 1).strip() or orc.get(3, 1).strip() or drug.get(15 if drug.name == "RXE" else 7, 1).strip()
    return MedicationData(
        key=f"{number}|{code or text}"[:200] if number else f"line-{n}|{code or text}"[:200],
        code=code,
        system=system or "local",
        text=text,
        dose=drug.get({"RXE": 3, "RXD": 12, "RXO": 2}[drug.name], 1).strip(),
        dose_unit=_unit(drug, {"RXE": 5, "RXD": 0, "RXO": 4}[drug.name]),
        quantity=_quantity(drug, dispensed),
        quantity_unit=_quantity_unit(drug, dispensed),
        frequency=timing.field(3).first(1).strip() or (drug.get(1, 2).strip() if drug.name == "RXE" else ""),
        route=_route(order),
        started_at=read_time(timing.get(7, 1), zone=zone) or read_time(drug.get(1, 4), zone=zone),
        ended_at=read_time(timing.get(8, 1), zone=zone),
        days=_days(timing),
        is_discharge=any(word in orc.raw.upper() or word in drug.raw.upper() for word in _TAKEN_HOME),
        control=_CONTROLS.get(orc.get(1).strip().upper(), "new"),
        note=lines_of(drug, {"RXE": 7, "RXD": 9, "RXO": 7}[drug.name]).replace("^", " ").strip(),
    )


def _first(order: list[Segment], name: str) -> Segment:
    return next((segment for segment in order if segment.name == name), Segment(name, order[0].marks))


def _unit(drug: Segment, field: int) -> str:
    return (drug.get(field, 2).strip() or drug.get(field, 1).strip()) if field else ""


def _quantity(drug: Segment, dispensed: Segment) -> str:
    given = dispensed.get(4, 1).strip()
    return given or drug.get({"RXE": 10, "RXO": 11}.get(drug.name, 0), 1).strip() if drug.name != "RXD" else given


def _quantity_unit(drug: Segment, dispensed: Segment) -> str:
    if dispensed.get(4, 1).strip():
        return dispensed.get(5, 2).strip() or dispensed.get(5, 1).strip()
    field = {"RXE": 11, "RXO": 12}.get(drug.name, 0)
    return (drug.get(field, 2).strip() or drug.get(field, 1).strip()) if field else ""


def _route(order: list[Segment]) -> str:
    """The last RXR: the route of the encoded order stands after that of the request."""
    routes = [segment for segment in order if segment.name == "RXR"]
    return (routes[-1].get(1, 2).strip() or routes[-1].get(1, 1).strip()) if routes else ""


def _days(timing: Segment) -> int | None:
    """TQ1-6 as a number of days: `7^D`, `7^天`, or the old form `D7`."""
    amount, unit = timing.get(6, 1).strip(), timing.field(6).first(2).strip().lower()
    match = _DURATION.fullmatch(amount)
    if match is None or (unit and unit not in ("d", "day", "days", "天", "日")):
        return None
    return int(match[1]) if unit or "d" in amount.lower() else None

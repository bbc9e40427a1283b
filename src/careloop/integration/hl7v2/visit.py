"""PV1, PV2, DG1 and PR1 → the visit, its diagnoses and its operations."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Literal

from careloop.integration.hl7v2.facts import PerformedProcedure, Place
from careloop.integration.hl7v2.message import Field, Message, Segment
from careloop.integration.hl7v2.person import read_staff
from careloop.integration.hl7v2.values import code_text, read_time
from careloop.patients.rules import (
    DELETE,
    Change,
    DiagnosisData,
    IdentifierData,
    ProcedureData,
    VisitData,
    VisitEvent,
)

CLASSES = {
    "I": "IMP", "B": "IMP", "O": "AMB", "R": "AMB", "C": "AMB", "E": "EMER", "P": "PRENC", "D": "DAY", "H": "HH",
    "IMP": "IMP", "AMB": "AMB", "EMER": "EMER", "DAY": "DAY", "HH": "HH", "PRENC": "PRENC",
    "住院": "IMP", "门诊": "AMB", "急诊": "EMER", "日间": "DAY",
}  # fmt: skip
"""PV1-2 (table 0004), and the words Chinese feeds put there."""

DISPOSITIONS = {
    "1": "home", "2": "other-hospital", "3": "community", "4": "against-advice", "5": "died", "9": "other",
    "01": "home", "02": "other-hospital", "03": "community", "04": "community", "05": "other-hospital",
    "06": "home", "07": "against-advice", "08": "home", "20": "died", "40": "died", "41": "died", "42": "died",
    "A": "home", "D": "died", "死亡": "died", "医嘱离院": "home", "医嘱转院": "other-hospital",
    "医嘱转社区": "community", "非医嘱离院": "against-advice",
}  # fmt: skip
"""PV1-36: one digit is the Chinese 离院方式 code, two digits HL7 table 0112."""

DIED = "died"

_DIAGNOSIS_KINDS: dict[str, Literal["admission", "working", "discharge", "pathology", "outpatient"]] = {
    "A": "admission", "AD": "admission", "入院诊断": "admission",
    "W": "working",
    "F": "discharge", "D": "discharge", "出院诊断": "discharge",
    "P": "pathology", "病理诊断": "pathology",
    "O": "outpatient", "门诊诊断": "outpatient",
}  # fmt: skip
_ICD10 = re.compile(r"[A-Za-z]\d{2}(?:\.|$|[0-9Xx])")


def read_visit(
    message: Message, *, event: VisitEvent, identifiers: tuple[IdentifierData, ...], facility: str,
    occurred_at: datetime | None, zone: tzinfo,
) -> VisitData | None:  # fmt: skip
    """The visit of PV1, or None when nothing in the message tells one visit from another."""
    pv1 = message.first("PV1")
    number, authority = _key(message, pv1, identifiers, facility)
    if not number:
        return None
    return VisitData(
        number=number,
        authority=authority,
        event=event,
        occurred_at=occurred_at,
        encounter_class=CLASSES.get(pv1.get(2, 1).strip().upper()),
        admission_number=_other_number(message, number),
        room=_part(pv1.field(3), 2),
        bed=_part(pv1.field(3), 3),
        admitted_at=_time(pv1, 44, zone),
        discharged_at=_time(pv1, 45, zone),
        disposition=_disposition(pv1),
        discharged_to=_text(pv1, 37),
        reason=code_text(message.first("PV2").field(3))[1] or None,
    )


def read_place(message: Message) -> Place:
    """PV1-3 and PV1-10 as the sender writes them."""
    pv1 = message.first("PV1")
    return _place_of(pv1.field(3), service=pv1.field(10).first(1).strip())


def _place_of(field: Field, *, service: str = "") -> Place:
    unit, facility = field.first(1).strip(), field.first(4).strip()
    words = field.get(9).strip() or " ".join(part for part in (unit, facility) if part)
    return Place(unit=unit, facility=facility, service=service, text=words)


def read_diagnoses(message: Message, *, event: VisitEvent, zone: tzinfo) -> tuple[DiagnosisData, ...] | None:
    """Every DG1 that is not being deleted. None when the message has no DG1: silence is no empty set."""
    segments = message.all("DG1")
    if not segments:
        return None
    kept = (segment for segment in segments if segment.get(21).upper() != "D")
    found = (_diagnosis(segment, event, zone, n) for n, segment in enumerate(kept, 1))
    return tuple(each for each in found if each.code or each.text)


def read_procedures(message: Message, *, zone: tzinfo) -> tuple[PerformedProcedure, ...] | None:
    """Every PR1. None when the message has none."""
    segments = message.all("PR1")
    if not segments:
        return None
    return tuple(_procedure(segment, zone, n) for n, segment in enumerate(segments, 1))


def _diagnosis(segment: Segment, event: VisitEvent, zone: tzinfo, order: int) -> DiagnosisData:
    code, text, system = code_text(segment.field(3))
    return DiagnosisData(
        code=code,
        text=text or segment.get(4, 1).strip(),
        system=diagnosis_system(code, system or segment.get(2, 1).strip()),
        kind=_DIAGNOSIS_KINDS.get(segment.get(6, 1).strip().upper(), _kind_by_event(event)),
        rank=_int(segment.get(15, 1)) or order,
        recorded_at=read_time(segment.get(5, 1), zone=zone),
    )


def diagnosis_system(code: str, sent: str) -> str:
    """`I10`, `ICD10`, `I10C`, or nothing beside a code that looks like one → ICD-10; other systems keep their name."""
    plain = sent.upper().replace("-", "").replace("_", "").replace(" ", "")
    if plain in ("I10", "I10C", "ICD10", "ICD10CM", "I10CM", "国临", "医保") or plain.startswith("ICD10"):
        return "ICD-10"
    if plain in ("I9", "I9C", "ICD9", "ICD9CM"):
        return "ICD-9-CM"
    if not sent and _ICD10.match(code):
        return "ICD-10"
    return sent or "local"


def _kind_by_event(event: VisitEvent) -> Literal["admission", "discharge"]:
    return "admission" if event in ("admitted", "planned", "registered") else "discharge"


def _procedure(segment: Segment, zone: tzinfo, order: int) -> PerformedProcedure:
    code, text, system = code_text(segment.field(3))
    surgeon = next((who for n in (11, 12) if (who := read_staff(segment.field(n)))), None)
    sent = (system or segment.get(2, 1)).upper().replace("-", "")
    return PerformedProcedure(
        ProcedureData(
            code=code,
            text=text or segment.get(4, 1).strip(),
            system="ICD-9-CM-3" if sent in ("", "I9C", "I9CM", "ICD9CM3", "ICD9CM") else system,
            performed_at=read_time(segment.get(5, 1), zone=zone),
            rank=_int(segment.get(14, 1)) or order,
            kind=segment.get(6, 1).strip(),
        ),
        surgeon,
    )


def _key(message: Message, pv1: Segment, identifiers: tuple[IdentifierData, ...], facility: str) -> tuple[str, str]:
    for field in (pv1.field(19), message.first("PID").field(18)):
        if number := field.first(1).strip():
            return number, field.first(4).strip() or facility
    day = pv1.get(44, 1).strip()
    if day and identifiers:
        return f"{identifiers[0].value}@{day[:14]}", identifiers[0].authority
    return "", ""


def _other_number(message: Message, number: str) -> str | None:
    """PID-18 when PV1-19 is the key: sites put the 住院号 into one and the visit's serial number into the other."""
    other = message.first("PID").field(18).first(1).strip()
    return other if other and other != number else None


def _disposition(pv1: Segment) -> Change[str]:
    if pv1.is_deleted(36):
        return DELETE
    sent = pv1.get(36, 1).strip()
    return DISPOSITIONS.get(sent.upper(), "other") if sent else None


def _time(segment: Segment, field: int, zone: tzinfo) -> Change[datetime]:
    return DELETE if segment.is_deleted(field) else read_time(segment.get(field, 1), zone=zone)


def _text(segment: Segment, field: int) -> Change[str]:
    return DELETE if segment.is_deleted(field) else segment.field(field).first(1).strip() or None


def _part(field: Field, component: int) -> Change[str]:
    return DELETE if field.raw == '""' else field.first(component).strip() or None


def _int(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 5 else None

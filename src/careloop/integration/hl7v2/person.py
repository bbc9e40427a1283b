"""PID, PD1, NK1, AL1 and MRG → who the patient is."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Literal, TypeVar

from careloop.integration.hl7v2.facts import StaffRef
from careloop.integration.hl7v2.message import Field, Message, Segment, State
from careloop.integration.hl7v2.values import (
    address_text,
    code_text,
    person_name,
    phone_text,
    read_date,
    read_name,
    read_pinyin,
    read_time,
    staff_name,
)
from careloop.patients.rules import (
    DELETE,
    AllergyData,
    Change,
    ContactData,
    IdentifierData,
    PersonData,
    RelatedPersonData,
)

Value = TypeVar("Value")

_CARD_NUMBER = re.compile(r"[1-9]\d{16}[0-9Xx]|[1-9]\d{14}")
_TYPE_CODE = re.compile(r"[A-Z0-9_-]{1,12}")
_TYPES = {
    "MRN": "MR", "PATID": "MR", "住院号": "MR", "病案号": "MR",
    "NI": "NNCHN", "NNCN": "NNCHN", "IDCARD": "NNCHN", "ID": "NNCHN", "身份证": "NNCHN", "身份证号": "NNCHN",
    "社保": "SS", "医保": "SS",
}  # fmt: skip
_PREFERRED = ("MR", "PI")
_ALLERGY_KINDS: dict[str, Literal["drug", "food", "environment", "other"]] = {
    "DA": "drug", "FA": "food", "EA": "environment", "AA": "environment", "PA": "environment", "LA": "environment",
    "MA": "other", "MC": "other",
}  # fmt: skip
_SEVERITIES: dict[str, Literal["mild", "moderate", "severe"]] = {"MI": "mild", "MO": "moderate", "SV": "severe"}
_YES_NO = {"Y": True, "N": False, "1": True, "0": False, "是": True, "否": False}


def read_identifiers(pid: Segment, *, facility: str) -> tuple[IdentifierData, ...]:
    """PID-3; where an old feed leaves it empty PID-2, then PID-4. PID-19 adds a national number."""
    main = next((found for n in (3, 2, 4) if (found := _identifiers(pid.all(n), facility))), ())
    card = pid.get(19, 1).strip()
    if card and all(card != each.value for each in main):
        kind = "NNCHN" if _CARD_NUMBER.fullmatch(card) else "SS"
        main = (*main, IdentifierData(value=card, type=kind, authority=_authority_of(pid.field(19), facility)))
    return main


def read_gone(mrg: Segment, *, facility: str) -> tuple[IdentifierData, ...]:
    """MRG-1, or MRG-4 in old feeds: the numbers that go."""
    return _identifiers(mrg.all(1), facility) or _identifiers(mrg.all(4), facility)


def main_identifier(identifiers: tuple[IdentifierData, ...]) -> IdentifierData | None:
    """The number that orders a patient's messages: the record number, else the first one sent."""
    for kind in _PREFERRED:
        for each in identifiers:
            if each.type == kind:
                return each
    return identifiers[0] if identifiers else None


def read_person(message: Message, pid: Segment, *, facility: str, zone: tzinfo) -> PersonData:
    """The person of one PID, with the NK1 and PD1 of the message."""
    deceased_at = _time(pid, 29, zone)
    return PersonData(
        identifiers=read_identifiers(pid, facility=facility),
        name=_whole(pid, 5, read_name(pid.all(5))),
        name_pinyin=read_pinyin(pid.all(5)) or None,
        sex=_text(pid, 8, 1),
        birth_date=_whole(pid, 7, read_date(pid.get(7, 1))),
        address=_whole(pid, 11, _address(pid.all(11))),
        phones=_phones(pid),
        related=_related(message),
        marital_status=_text(pid, 16, 1),
        ethnicity=_code_words(pid, 22) or _code_words(pid, 10),
        language=_text(pid, 15, 1),
        is_deceased=_is_deceased(pid, deceased_at),
        deceased_at=deceased_at,
    )


def read_family_doctor(message: Message) -> StaffRef | None:
    """PD1-4."""
    return read_staff(message.first("PD1").field(4))


def read_staff(field: Field) -> StaffRef | None:
    """An XCN with a number; a name alone cannot be told from its namesakes."""
    number = field.first(1).strip()
    return StaffRef(number, staff_name(field) or number) if number else None


def read_allergies(message: Message) -> tuple[AllergyData, ...] | None:
    """AL1: the whole list the sender knows. None when the message has no AL1."""
    segments = message.all("AL1")
    if not segments:
        return None
    return tuple(each for each in map(_allergy, segments) if each.code or each.text)


def _allergy(segment: Segment) -> AllergyData:
    code, text, system = code_text(segment.field(3))
    return AllergyData(
        code=code, text=text, system=system or "local",
        kind=_ALLERGY_KINDS.get(segment.get(2, 1).upper(), ""),
        severity=_SEVERITIES.get(segment.get(4, 1).upper(), ""),
        reaction="; ".join(part.get(1) for part in segment.all(5) if part),
        recorded_on=read_date(segment.get(6)),
    )  # fmt: skip


def _identifiers(fields: tuple[Field, ...], facility: str) -> tuple[IdentifierData, ...]:
    found: dict[tuple[str, str, str], IdentifierData] = {}
    for field in fields:
        value = field.first(1).strip()
        if not value:
            continue
        kind = _type_of(field, value) or ("PI" if found else "MR")
        each = IdentifierData(value=value, type=kind, authority=_authority_of(field, facility))
        found.setdefault((each.authority, each.type, each.value), each)
    return tuple(found.values())


def _type_of(field: Field, value: str) -> str:
    """Our code of the type; `""` when the sender gave none, or wrote something that is no code (a hospital's name)."""
    sent = field.get(5).strip().upper()
    if not sent and len(value) == 18 and _CARD_NUMBER.fullmatch(value):
        return "NNCHN"
    return _TYPES.get(sent, sent if _TYPE_CODE.fullmatch(sent) else "")


def _authority_of(field: Field, facility: str) -> str:
    return field.first(4).strip() or field.get(4, 2).strip() or field.first(6).strip() or facility


def _phones(pid: Segment) -> tuple[ContactData, ...] | None:
    if not pid.raw_field(13) and not pid.raw_field(14):
        return None
    return (*_contacts(pid.all(13), "home"), *_contacts(pid.all(14), "work"))


def _contacts(fields: tuple[Field, ...], use: Literal["home", "work"]) -> tuple[ContactData, ...]:
    contacts = []
    for field in fields:
        number = phone_text(field)
        if not number or "@" in number or field.get(3).upper() in ("FX", "BP", "TDD"):
            continue
        is_mobile = field.get(3).upper() == "CP" or field.get(2).upper() in ("PRS", "CP")
        contacts.append(ContactData(value=number, use="mobile" if is_mobile else use))
    return tuple(contacts)


def _related(message: Message) -> tuple[RelatedPersonData, ...] | None:
    segments = message.all("NK1")
    if not segments:
        return None
    return tuple(each for each in map(_relative, segments) if each.name or each.phones)


def _relative(segment: Segment) -> RelatedPersonData:
    code, text, _ = code_text(segment.field(3))
    return RelatedPersonData(
        name=next((name for name in map(person_name, segment.all(2)) if name), None),
        relation=code or text or None,
        phones=(*_contacts(segment.all(5), "home"), *_contacts(segment.all(6), "work")),
    )


def _address(fields: tuple[Field, ...]) -> str:
    home = [field for field in fields if field.get(7).upper() in ("H", "HOME", "P")]
    return next((text for text in map(address_text, (*home, *fields)) if text), "")


def _is_deceased(pid: Segment, deceased_at: Change[datetime]) -> bool | None:
    said = _YES_NO.get(pid.get(30, 1).strip().upper())
    if said is None and isinstance(deceased_at, datetime):
        return True
    return said


def _time(segment: Segment, field: int, zone: tzinfo) -> Change[datetime]:
    return _whole(segment, field, read_time(segment.get(field, 1), zone=zone))


def _text(segment: Segment, field: int, component: int) -> Change[str]:
    told = segment.value(field, component, 1)
    if told is State.DELETE:
        return DELETE
    return told.strip() or None if isinstance(told, str) else None


def _code_words(segment: Segment, field: int) -> Change[str]:
    if segment.is_deleted(field):
        return DELETE
    code, words, _ = code_text(segment.field(field))
    return words or code or None


def _whole(segment: Segment, field: int, value: Value | None) -> Change[Value]:
    if segment.is_deleted(field):
        return DELETE
    return value or None

"""OBR, OBX and NTE → observations; TXA, OBX and embedded files → documents."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Literal

from careloop.integration.hl7v2.message import Message, Segment
from careloop.integration.hl7v2.values import code_text, lines_of, read_name, read_time, staff_name
from careloop.patients.rules import DocumentData, ObservationData

Category = Literal["", "laboratory", "vital-signs", "imaging", "exam", "survey"]

LOINC = "http://loinc.org"
_TEXT_TYPES = frozenset({"TX", "FT", "ST", ""})
_EMBEDDED = frozenset({"ED", "RP"})
_NOT_YET = frozenset({"I", "R", "S", "O", "N"})
_SECTIONS: dict[str, Category] = {
    "RAD": "imaging", "RX": "imaging", "CT": "imaging", "RUS": "imaging", "OUS": "imaging", "NMR": "imaging",
    "VUS": "imaging", "NMS": "imaging", "MRI": "imaging", "CUS": "imaging", "EC": "exam", "EN": "exam", "CTH": "exam",
}  # fmt: skip
_FINAL = frozenset({"AU", "LA", "DO", ""})
_CONTENT_TYPES = {
    "PDF": "application/pdf", "JPEG": "image/jpeg", "JPG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff",
    "HTML": "text/html", "XML": "text/xml", "RTF": "text/rtf", "PLAIN": "text/plain", "TEXT": "text/plain",
}  # fmt: skip


def read_observations(message: Message, *, zone: tzinfo) -> tuple[ObservationData, ...]:
    """Every result of a report. Lines of text under one code are one result; a value not there yet is skipped."""
    found: dict[str, ObservationData] = {}
    for group in _orders(message):
        order = group[0]
        for obx, notes in _with_notes(group):
            if obx.get(2, 1).upper() in _EMBEDDED:
                continue
            for each in _observations(order, obx, notes, zone):
                _add(found, each)
    return tuple(found.values())


def read_bedside(message: Message, *, visit: str, occurred_at: datetime | None, zone: tzinfo) -> tuple[
    ObservationData, ...
]:  # fmt: skip
    """OBX in a visit message: height, weight, pulse. They have no order, so visit and time make the key."""
    order = Segment("OBR", message.delimiters)
    found: dict[str, ObservationData] = {}
    for obx in message.all("OBX"):
        if obx.get(2, 1).upper() in _EMBEDDED:
            continue
        for each in _observations(order, obx, [], zone):
            at = each.observed_at or occurred_at
            stamp = at.isoformat() if at else ""
            _add(found, replace(each, key=f"{visit}|{stamp}{each.key}"[:200], observed_at=at, category="vital-signs"))
    return tuple(found.values())


def read_documents(message: Message, *, zone: tzinfo) -> tuple[DocumentData, ...]:
    """The document of an MDM, its text lines joined, its file decoded. Nothing without a document number (TXA-12)."""
    txa = message.first("TXA")
    number = txa.get(12, 1).strip()
    if not number:
        return ()
    code, words, _ = code_text(txa.field(2))
    content_type, content = next((file for obx in message.all("OBX") if (file := _file(obx))), ("text/plain", b""))
    lines = [lines_of(obx, 5) for obx in message.all("OBX") if obx.get(2, 1).upper() in _TEXT_TYPES]
    return (
        DocumentData(
            number=number,
            type_code=code,
            title=words or message.first("OBX").get(3, 2).strip() or txa.get(25).strip(),
            status="entered-in-error" if _trigger(message) == "T11" or txa.get(19).upper() == "CA" else "current",
            is_final=txa.get(17).strip().upper() in _FINAL,
            replaces=txa.get(13, 1).strip() if _trigger(message) == "T10" else "",  # else TXA-13 names a parent
            content_type=content_type,
            text="\n".join(line for line in lines if line),
            content=content,
            authored_at=next((at for n in (6, 4, 8) if (at := read_time(txa.get(n, 1), zone=zone))), None),
            author=next((name for n in (9, 5, 22) if (name := staff_name(txa.field(n)))), "")
            or read_name(txa.all(9)),
        ),
    )  # fmt: skip


def read_embedded(message: Message, *, zone: tzinfo) -> tuple[DocumentData, ...]:
    """Files inside a report (OBX of type ED): a PDF of a laboratory or imaging report."""
    documents = []
    for group in _orders(message):
        order = group[0]
        for n, (obx, _) in enumerate(_with_notes(group), 1):
            file = _file(obx)
            if file is None:
                continue
            code, words, _system = code_text(obx.field(3))
            panel = code_text(order.field(4))
            documents.append(
                DocumentData(
                    number="|".join((_order_number(order), code or str(n))),
                    type_code=panel[0] or code,
                    title=words or panel[1],
                    is_final=obx.get(11).upper() in ("F", "C", ""),
                    content_type=file[0],
                    content=file[1],
                    authored_at=read_time(order.get(22, 1) or order.get(7, 1), zone=zone),
                )
            )
    return tuple(documents)


def _orders(message: Message) -> list[list[Segment]]:
    return list(message.groups("OBR", members=frozenset({"OBX", "NTE"})))


def _with_notes(group: list[Segment]) -> list[tuple[Segment, list[Segment]]]:
    """Each OBX with the NTE that follow it; notes on the order itself belong to no result."""
    found: list[tuple[Segment, list[Segment]]] = []
    for segment in group[1:]:
        if segment.name == "OBX":
            found.append((segment, []))
        elif found:
            found[-1][1].append(segment)
    return found


def _observations(order: Segment, obx: Segment, notes: list[Segment], zone: tzinfo) -> list[ObservationData]:
    code, text, system = _loinc_first(obx)
    if not (code or text):
        return []
    kind, status = obx.get(2, 1).strip().upper(), obx.get(11).strip().upper() or "F"
    panel_code, panel_text, _ = code_text(order.field(4))
    values = [lines_of(obx, 5)] if kind in _TEXT_TYPES else [_value(obx, n) for n in range(1, len(obx.all(5)) + 1)]
    number = _order_number(order)
    found = []
    for n, (value, value_code) in enumerate(
        ((v, "") if isinstance(v, str) else v for v in values or [""]), 1
    ):  # fmt: skip
        if not value and status in _NOT_YET:
            continue
        found.append(
            ObservationData(
                key="|".join((number, code or text, obx.get(4), *([str(n)] if n > 1 else [])))[:200],
                code=code or text,
                system=system,
                text=text,
                value=value,
                value_type=kind,
                value_code=value_code,
                unit=_unit(obx),
                reference_range=obx.get(7).strip(),
                flag=obx.get(8, 1).strip(),
                status=status,
                observed_at=_first_time(zone, obx.get(14, 1), order.get(7, 1)),
                issued_at=_first_time(zone, order.get(22, 1)),
                category=_SECTIONS.get(order.get(24).strip().upper(), "laboratory"),
                panel_code=panel_code,
                panel_text=panel_text,
                order_number=number,
                performer=obx.get(23, 1).strip(),
                note="\n".join(line for note in notes if (line := lines_of(note, 3))),
            )
        )
    return found


def _unit(obx: Segment) -> str:
    """The code (UCUM, as a rule); its words where the code is only a number of the laboratory's own list."""
    code, words = obx.get(6, 1).strip(), obx.get(6, 2).strip()
    return words if words and (not code or code.isdecimal()) else code


def _add(found: dict[str, ObservationData], each: ObservationData) -> None:
    """A text sent over several OBX is one result; any other repeated key is a further value."""
    known = found.get(each.key)
    if known is None:
        found[each.key] = each
    elif each.value_type in _TEXT_TYPES and known.value_type in _TEXT_TYPES:
        found[each.key] = replace(known, value=f"{known.value}\n{each.value}")
    else:
        key = next(key for n in range(2, 10_000) if (key := f"{each.key}#{n}") not in found)
        found[key] = replace(each, key=key)


def _value(obx: Segment, repetition: int) -> tuple[str, str]:
    field = obx.field(5, repetition)
    kind = obx.get(2, 1).upper()
    if kind == "SN":  # comparator ^ number ^ separator ^ number: >^100, ^1^:^160
        return "".join(field.get(n).strip() for n in (1, 2, 3, 4)), ""
    if kind not in ("CE", "CWE", "CNE", "CF"):
        return field.get().strip(), ""
    code, words, _ = code_text(field)
    return words or code, code


def _loinc_first(obx: Segment) -> tuple[str, str, str]:
    field = obx.field(3)
    code, text, system = code_text(field)
    if system.upper() in ("LN", "LOINC"):
        return code, text, LOINC
    if field.get(6).upper() in ("LN", "LOINC") and field.get(4):
        return field.get(4).strip(), text or field.get(5).strip(), LOINC
    return code, text, "local"


def _order_number(order: Segment) -> str:
    return order.get(3, 1).strip() or order.get(2, 1).strip()


def _first_time(zone: tzinfo, *texts: str) -> datetime | None:
    return next((at for text in texts if text and (at := read_time(text, zone=zone))), None)


def _file(obx: Segment) -> tuple[str, bytes] | None:
    if obx.get(2, 1).upper() != "ED":
        return None
    field = obx.field(5)
    data = field.raw.rsplit(obx.component_mark, 1)[-1]
    content = _decode(data, field.get(4).strip().upper())
    if not content:
        return None
    kind, subtype = field.get(2).strip(), field.get(3).strip()
    known = _CONTENT_TYPES.get(subtype.upper()) or _CONTENT_TYPES.get(kind.upper())
    return known or ("application/pdf" if content.startswith(b"%PDF") else "application/octet-stream"), content


def _decode(data: str, encoding: str) -> bytes:
    try:
        if encoding == "HEX":
            return bytes.fromhex(data)
        if encoding in ("A", "") and not data.startswith("JVBER"):
            return data.encode() if encoding == "A" else b""
        return base64.b64decode(data.replace("\\.br\\", ""), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _trigger(message: Message) -> str:
    return message.first("MSH").get(9, 2).strip().upper()

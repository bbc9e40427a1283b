"""One row of a list → the facts it states, or what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal

from careloop.integration.hl7v2.facts import Facts, Place, Site, StaffRef
from careloop.integration.hl7v2.framing import fingerprint
from careloop.integration.hl7v2.values import read_date, read_time
from careloop.integration.hl7v2.visit import CLASSES, DIED, DISPOSITIONS, diagnosis_system
from careloop.patients.rules import (
    ContactData,
    DiagnosisData,
    IdentifierData,
    PersonData,
    RelatedPersonData,
    VisitData,
    VisitEvent,
)
from careloop.patients.rules.codes import SEXES, clean
from careloop.patients.rules.identity import read_identity_number
from careloop.patients.rules.phones import NO_NUMBER, read_phones

Told = Mapping[str, str]
"""Column code → what the cell says; columns that are not there or empty are left out."""

_DAYS: Final = ("birth", "admitted", "discharged", "visited")
_ROUNDED: Final = re.compile(r"-?\d(\.\d+)?E[+-]?\d+")
_SEVERAL: Final = re.compile(r"[;；|\n]+")
_DIAGNOSIS_KINDS: Final[dict[str, Literal["discharge", "admission"]]] = {
    "discharged": "discharge",
    "admitted": "admission",
}
_SHORTEST_DAY: Final = len("2026-1-1")
_FILED: Final = ("number", "visit", "admission")
_LONGEST_NUMBER: Final = 80
_NUMBERS: Final = ("number", "visit", "admission", "id_card", "phone", "relative_phone")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a cell: its column and a code (wording in the room's reads)."""

    column: str
    code: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A row, read. With an error it is not taken in; with doubts it is, and what is doubtful is kept as evidence."""

    errors: tuple[Problem, ...]
    doubts: tuple[Problem, ...]


def examine(told: Told, *, site: Site, on: date) -> Reading:
    """What keeps this row out, and what somebody should look at. `on` is today in the hospital."""
    errors = [Problem(code, "missing") for code in ("number", "name") if code not in told]
    errors += [Problem(code, "rounded") for code in _NUMBERS if _ROUNDED.fullmatch(told.get(code, "")) and code in told]
    errors += [Problem(code, "too-long") for code in _FILED if len(told.get(code, "")) > _LONGEST_NUMBER]
    times = {code: _time(told, code, site) for code in _DAYS}
    errors += [Problem(code, "no-date") for code in _DAYS if code in told and times[code] is None]
    errors += _impossible_days(times, site, on)
    return Reading(tuple(errors), tuple(_doubts(told, on)))


def _impossible_days(times: Mapping[str, datetime | None], site: Site, on: date) -> list[Problem]:
    found = [
        Problem(code, "in-future")
        for code in ("birth", "discharged", "visited")
        if (at := times[code]) is not None and at.date() > on
    ]
    admitted, discharged = times["admitted"], times["discharged"]
    if admitted is not None and discharged is not None and discharged.date() < admitted.date():
        found.append(Problem("discharged", "before-admission"))
    return found


def _doubts(told: Told, on: date) -> list[Problem]:
    found = []
    if "sex" in told and clean(told["sex"]).upper() not in SEXES:
        found.append(Problem("sex", "unknown-sex"))
    if "id_card" in told and not read_identity_number(told["id_card"], on=on).is_valid:
        found.append(Problem("id_card", "suspect-identity"))
    for code in ("phone", "relative_phone"):
        if told.get(code, "").lower() not in NO_NUMBER and not any(p.is_usable for p in read_phones(told[code])):
            found.append(Problem(code, "suspect-phone"))
    if "disposition" in told and told["disposition"].strip().upper() not in DISPOSITIONS:
        found.append(Problem("disposition", "unknown-disposition"))
    return found


# --- as it waits in the inbox


def stored(told: Told, *, cells: Mapping[str, str], facility: str, line: int) -> bytes:
    """The row as the inbox keeps it: what it was read as, and every cell as it stood under its heading."""
    content = {"line": line, "facility": facility, "told": dict(told), "cells": dict(cells)}
    return json.dumps(content, ensure_ascii=False).encode()


def same_row(told: Told, *, facility: str) -> bytes:
    """What makes two rows one: everything they say, wherever they stand."""
    return fingerprint(json.dumps([facility, dict(told)], ensure_ascii=False, sort_keys=True).encode())


def order_key(told: Told, *, facility: str) -> str:
    """Rows and messages about one patient are applied in the order they came: the key HL7 messages have, too."""
    return f"{facility}|{told.get('number', '')}"[:200]


def facts_of(raw: bytes, *, site: Site) -> Facts:
    """A kept row as facts. It was examined before it was kept, so its days can be read."""
    content: dict[str, Any] = json.loads(raw)
    return read_row(content["told"], facility=content["facility"], site=site)


def cells_of(raw: bytes) -> tuple[int, dict[str, str]]:
    """The line of a kept row and its cells under their headings, for those who may read them."""
    content: dict[str, Any] = json.loads(raw)
    return int(content["line"]), {str(name): str(value) for name, value in content["cells"].items()}


# --- as facts


def read_row(told: Told, *, facility: str, site: Site) -> Facts:
    """The person, and the visit where the row names a day of one. A row without a day is about the person alone."""
    visit, codes = _visit(told, facility, site), (told.get("department", ""), told.get("ward", ""))
    return Facts(
        event="ROW",
        source=f"sheet:{facility}"[:120],
        facility=facility,
        occurred_at=visit.occurred_at if visit else None,
        person=_person(told, facility, site, visit),
        visit=visit,
        visit_is_told=visit is not None,
        place=Place(service=codes[0], unit=codes[1], text=" ".join(code for code in codes if code)),
        attending=_doctor(told),
        diagnoses=_diagnoses(told, visit) if visit else None,
    )


def _person(told: Told, facility: str, site: Site, visit: VisitData | None) -> PersonData:
    numbers = [IdentifierData(value=told["number"], type="MR", authority=facility)]
    if "id_card" in told:
        numbers.append(IdentifierData(value=told["id_card"], type="NNCHN", authority=facility))
    person = PersonData(
        identifiers=tuple(numbers),
        name=told["name"],
        sex=told.get("sex"),
        birth_date=read_date(told.get("birth", "")) if "birth" in told else None,
        address=told.get("address"),
        phones=(ContactData(value=told["phone"]),) if "phone" in told else None,
        related=_related(told),
    )
    if visit is not None and visit.disposition == DIED:
        return replace(person, is_deceased=True, deceased_at=visit.discharged_at)
    return person


def _related(told: Told) -> tuple[RelatedPersonData, ...] | None:
    if "relative" not in told and "relative_phone" not in told:
        return None
    phones = (ContactData(value=told["relative_phone"]),) if "relative_phone" in told else ()
    return (RelatedPersonData(name=told.get("relative"), relation=told.get("relation"), phones=phones),)


def _doctor(told: Told) -> StaffRef | None:
    """Only with a staff number: a name alone cannot be told from its namesakes."""
    number = told.get("doctor_number", "")
    return StaffRef(number, told.get("doctor", number)) if number else None


def visit_day(told: Told, *, site: Site) -> date | None:
    """The day that tells one visit from another where no number does."""
    at = _time(told, "admitted", site) or _time(told, "visited", site) or _time(told, "discharged", site)
    return at.date() if at else None


def _visit(told: Told, facility: str, site: Site) -> VisitData | None:
    admitted, discharged, visited = (_time(told, code, site) for code in ("admitted", "discharged", "visited"))
    day = visit_day(told, site=site)
    if day is None:
        return None
    event: VisitEvent = "discharged" if discharged else "admitted" if admitted else "registered"
    sequence = told.get("sequence", "")
    return VisitData(
        number=told.get("visit") or f"{told['number']}@{day:%Y%m%d}",
        authority=told.get("visit_authority") or facility,
        event=event,
        occurred_at=discharged or admitted or visited,
        encounter_class=_class(told, event),
        admission_number=told.get("admission"),
        visit_sequence=int(sequence) if sequence.isdecimal() and len(sequence) < 4 else None,
        bed=told.get("bed"),
        admitted_at=admitted or visited,
        discharged_at=discharged,
        disposition=DISPOSITIONS.get(told["disposition"].strip().upper(), "other") if "disposition" in told else None,
    )


def _class(told: Told, event: VisitEvent) -> str:
    said = clean(told.get("kind", "")).upper()
    known = next(
        (code for word, code in CLASSES.items() if said == word or (len(word) > 1 and said.startswith(word))), ""
    )
    return known or ("AMB" if event == "registered" else "IMP")


def _diagnoses(told: Told, visit: VisitData) -> tuple[DiagnosisData, ...] | None:
    """Codes and names, several separated by semicolons; the first is the main one. Silence is no empty set."""
    codes, texts = _parts(told.get("diagnosis_code", "")), _parts(told.get("diagnosis", ""))
    if not codes and not texts:
        return None
    if codes and texts and len(codes) != len(texts):  # nobody can say which belong together: the words stay whole
        texts = [told["diagnosis"], *[""] * (len(codes) - 1)]
    count = max(len(codes), len(texts))
    return tuple(
        DiagnosisData(
            code=code, text=text[:300], system=diagnosis_system(code, "") if code else "local",
            kind=_DIAGNOSIS_KINDS.get(visit.event, "outpatient"), rank=rank,
        )
        for rank, (code, text) in enumerate(zip(_filled(codes, count), _filled(texts, count), strict=True), 1)
    )  # fmt: skip


def _parts(text: str) -> list[str]:
    return [part for piece in _SEVERAL.split(text) if (part := piece.strip())]


def _filled(parts: list[str], count: int) -> list[str]:
    return [*parts, *[""] * (count - len(parts))]


def _time(told: Told, code: str, site: Site) -> datetime | None:
    """A whole day at least: `2026` or `202611` is no day."""
    text = told.get(code, "").strip()
    return read_time(text, zone=site.zone) if len(text) >= _SHORTEST_DAY else None

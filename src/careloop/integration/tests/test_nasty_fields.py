"""Every field of every kind of message, filled with what senders do write: nothing may crash, hang, or poison a record.

A message is applied, ignored, or parked with a reason a person can act on. `unexpected` (our own mistake) and endless
retries are failures, and so is a row that the database takes and cannot give back.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from careloop.integration.jobs.process import process_inbox
from careloop.integration.models import InboxMessage
from careloop.integration.rules import UNEXPECTED
from careloop.integration.tests.factories import AT, adt, oru, receive
from careloop.patients.models import (
    AllergyIntolerance,
    Condition,
    ContactPoint,
    DocumentReference,
    Encounter,
    MedicationStatement,
    Observation,
    Patient,
    PatientIdentifier,
    Procedure,
    RelatedPerson,
)
from tests.cast import SYSTEM, Cast

PER_FIELD = 2
EVERYTHING = (
    Patient, PatientIdentifier, ContactPoint, RelatedPerson, Encounter, Condition, Procedure, Observation,
    AllergyIntolerance, MedicationStatement, DocumentReference,
)  # fmt: skip
NASTY = {
    "nul": "\x00", "long": "长" * 3_000, "deleted": '""', "year one": "00010101", "year 9999": "99991231235959+0800",
    "no date": "20261399", "huge": "9" * 400, "exponent": "1e99999", "minus": "-1", "separators": "^^^&&~~^", "repeats": "~".join("abcdefgh"),
    "emoji": "👨‍👩‍👧", "right to left": "\u202e王\u202c", "rare": "𠮷𬱖䶮", "quote": "'; DROP TABLE patients_patient;--",
    "escape": "\\X00\\\\.br\\\\E", "blank": " \t ", "percent": "%s%(x)s{0}", "bad zone": "20261120100000+9999",
    "newline word": "\\.br\\" * 50, "infinite": "Infinity", "nan": "NaN", "fraction": "20261120100000.999999999+0800",
}  # fmt: skip
PERSON = (
    "PD1||||F01^Lin^Da\rNK1|1|Zhou^Min|SPO|addr|13800000002|13800000003\rAL1|1|DA|P^青霉素|SV|rash|20200101\r"
    "DG1|1|I10|I21.0^心梗^I10|text|20261112|F\rPR1|1|I9C|36.06^支架^I9C|text|20261113|||||||D77^赵明\r"
)
MESSAGES = {
    "admission": adt("A01") + PERSON,
    "discharge": adt("A03", dx="I21.0") + PERSON,
    "merge": adt("A40", merges=[("9001", "9002")]),
    "report": oru("9001", "V9001", "L1", [("K", "4.1", "mmol/L", "N"), ("NA", "阴性", "", "")]),
    "medicines": (
        "MSH|^~\\&|HIS|YX|||20261120090000||RDE^O11|R1|P|2.4\rPID|1||9001^^^YX^MR||周国强\rPV1|1|I|CARD||||||||||||||||V9001\r"
        "ORC|NW|P1|F1\rTQ1|1||BID|||7^D|20261120|20261127\rRXE|^^^20261120|D1^阿司匹林|100||mg||note|||14|片\rRXR|PO^口服\r"
    ),
    "appointment": (
        "MSH|^~\\&|HIS|YX|||20261120090000||SIU^S12|S1|P|2.4\rSCH|1|A1||||R^复诊|复诊||30|MIN|^^^20261220090000^20261220093000\r"
        "PID|1||9001^^^YX^MR||周国强\rAIS|1||C^门诊|20261220090000\rAIL|1||CARD^1^1^YX\rAIP|1||D77^赵明\r"
    ),
    "document": (
        "MSH|^~\\&|HIS|YX|||20261120090000||MDM^T02|M1|P|2.4\rPID|1||9001^^^YX^MR||周国强\rPV1|1|I|CARD||||||||||||||||V9001\r"
        "TXA|1|DS^出院小结|TX|20261120|||||D77^赵明|||DOC1|||||AU||AV\rOBX|1|TX|T^x||病情稳定||||||F\r"
    ),
    "staff": (
        "MSH|^~\\&|HIS|YX|||20261120090000||MFN^M02|F1|P|2.4\rMFI|PRA||UPD|||AL\r"
        "MFE|MAD|1|20261120|S9\rSTF|S9|S9|Wang^Wu||||A|CARD||13800000009||||||||主任\r"
    ),
    "places": (
        "MSH|^~\\&|HIS|YX|||20261120090000||MFN^M05|F2|P|2.4\rMFI|LOC||UPD|||AL\rMFE|MAD|1|20261120|NEW1\rLOC|NEW1|新病区|N\rLDP|NEW1|CARD||||A\r"
    ),
}  # fmt: skip


def spoiled(message: str, value: str) -> Iterator[tuple[str, str]]:
    """The message once for each of its fields, with that field replaced. (The header's separators stay: they are framing.)"""
    lines = message.rstrip("\r").split("\r")
    for row, line in enumerate(lines):
        fields = line.split("|")
        for n in range(2 if line.startswith("MSH") else 1, max(len(fields), 2)):
            changed = [*fields[:n], value, *fields[n + 1 :]]
            yield f"{fields[0]}-{n}", "\r".join([*lines[:row], "|".join(changed), *lines[row + 1 :]]) + "\r"


@pytest.mark.parametrize("kind", MESSAGES)
def test_no_field_can_break_us(cast: Cast, kind: str) -> None:
    """Every field with one value in turn, so that every value meets every kind of message: what stood in it is named."""
    values = itertools.cycle(NASTY.items())
    where: dict[object, str] = {}
    for field, _ in spoiled(MESSAGES[kind], ""):
        for name, value in itertools.islice(values, PER_FIELD):
            message = dict(spoiled(MESSAGES[kind], value))[field]
            where[receive(message.encode("utf-8", "surrogatepass")).message_id] = f"{field} {name}"
    settled(where)


@pytest.mark.parametrize("name", ["nul", "year one", "escape", "long", "deleted"])
def test_what_broke_us_once_does_not_again_in_any_field(cast: Cast, name: str) -> None:
    """A NUL in a department code stopped the whole inbox; the year 1 could be written and never read."""
    where: dict[object, str] = {}
    for field, message in spoiled(MESSAGES["discharge"], NASTY[name]):
        where[receive(message.encode("utf-8", "surrogatepass")).message_id] = field
    after = receive(adt("A01", number="9777", visit="V9777", control="after"))
    where[after.message_id] = "the next patient"
    settled(where)
    assert InboxMessage.objects.visible_to(SYSTEM).get(pk=after.message_id).state == "done"


def settled(where: dict[object, str]) -> None:
    """Everything came to an end for a reason that is not ours, and every row can be read back."""
    process_inbox(at=AT)
    rows = InboxMessage.objects.visible_to(SYSTEM).filter(pk__in=where)
    assert not [(where[row.pk], row.state, row.error_code) for row in rows if row.state in {"received", "retry"}]
    assert not [(where[row.pk], row.error_text) for row in rows if row.error_code in {UNEXPECTED, "database"}]
    for model in EVERYTHING:
        list(model.objects.unscoped("every row can be read back"))

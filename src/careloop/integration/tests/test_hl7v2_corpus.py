"""Facts read from real sample messages, against what a person read in the same file.

The table was written by hand from the raw text of each message, before looking at any program's opinion.
Times are given in the offset of the message; a message without one is in the hospital's zone (+08:00).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import hl7 as second_opinion
import pytest

from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.facts import Facts, Ignored, Site, Unusable
from careloop.integration.hl7v2.framing import split_file
from careloop.integration.hl7v2.mapping import Outcome, read_message
from careloop.integration.hl7v2.message import Message
from careloop.integration.hl7v2.person import main_identifier

CORPUS = Path(os.environ["CARELOOP_SHARED_DATA"]) / "hl7v2"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the sample messages are not beside the project")


def messages(name: str) -> list[Message]:
    return [Message(decode(raw).text) for raw in split_file((CORPUS / f"{name}.hl7").read_bytes())]


def outcome(name: str) -> Outcome:
    return read_message(messages(name)[0], site=Site())


def at(value: Any) -> str:
    return value.isoformat() if value else ""


def flat(facts: Facts) -> dict[str, Any]:
    """The facts as short words, for a table one can read."""
    person, visit = facts.person, facts.visit
    out: dict[str, Any] = {"event": facts.event, "source": facts.source}
    if person is not None:
        main = main_identifier(person.identifiers)
        out |= {
            "id": f"{main.authority}|{main.type}|{main.value}" if main else "",
            "ids": [f"{each.type} {each.value}" for each in person.identifiers],
            "name": person.name, "sex": person.sex, "born": at(person.birth_date), "address": person.address,
            "phones": [each.value for each in person.phones or ()], "dead": person.is_deceased,
            "died": at(person.deceased_at), "ethnicity": person.ethnicity, "married": person.marital_status,
            "related": [(each.name, each.relation, [p.value for p in each.phones]) for each in person.related or ()],
            "family_doctor": facts.family_doctor.name if facts.family_doctor else "",
        }  # fmt: skip
    if visit is not None:
        out |= {
            "visit": f"{visit.authority}|{visit.number}", "happened": visit.event, "class": visit.encounter_class,
            "admitted": at(visit.admitted_at), "discharged": at(visit.discharged_at), "bed": visit.bed,
            "room": visit.room, "disposition": visit.disposition, "reason": visit.reason,
            "also": visit.admission_number,
        }  # fmt: skip
    out |= {
        "unit": facts.place.unit, "service": facts.place.service, "facility": facts.place.facility,
        "doctor": f"{facts.attending.number} {facts.attending.name}" if facts.attending else "",
        "dx": [f"{d.kind} {d.system} {d.code} {d.text}" for d in facts.diagnoses or ()],
        "ops": [f"{p.procedure.system} {p.procedure.code} {at(p.procedure.performed_at)} {p.surgeon.name if p.surgeon else ''}" for p in facts.procedures or ()],
        "allergies": [f"{a.kind} {a.severity} {a.code} {a.text} {a.reaction}" for a in facts.allergies or ()],
        "results": {o.code: f"{o.value} {o.unit} {o.flag} {o.status}" for o in facts.observations},
        "result_times": {at(o.observed_at) for o in facts.observations},
        "notes": [o.note for o in facts.observations if o.note],
        "panels": sorted({f"{o.panel_code} {o.panel_text}" for o in facts.observations}),
        "orders": sorted({o.order_number for o in facts.observations}),
        "medicines": [f"{m.text} {m.dose} {m.dose_unit} {m.frequency} {m.route} x{m.quantity} {m.quantity_unit} {m.days}d" for m in facts.medications],
        "documents": [f"{d.number} {d.type_code} {'final' if d.is_final else 'draft'} {d.title} by {d.author}" for d in facts.documents],
        "merges": [([i.value for i in m.survivor.identifiers], [i.value for i in m.gone]) for m in facts.merges],
    }  # fmt: skip
    if facts.appointment is not None:
        a = facts.appointment
        out["appointment"] = (
            f"{a.number} {a.event} {at(a.starts_at)} {at(a.ends_at)} {a.service_text} / {a.place} / {a.practitioner_name}"
        )
    return out


EVERYMAN = {
    "id": "test1|MR|PATID1234", "name": "ADAM A EVERYMAN III", "sex": "M", "born": "1988-08-18",
    "phones": ["78788788", "12121212", "7777"], "dead": True, "died": "2008-08-25T11:16:30+01:15",
    "address": "1000 Hospital Lane, Ste. 123, Ann Arbor, MI, 99999",
}  # fmt: skip
EVERYMAN_VISIT = {
    "visit": "AccMng|40007716", "class": "PRENC", "unit": "HUH AE OMU", "service": "SUR", "bed": "Bed 03",
    "doctor": "1122334 Mohammed Alaz", "admitted": "2015-02-08T11:34:19+01:10", "also": "4000776",
}  # fmt: skip
STROKE = ["admission SCT 422504002 Ischemic stroke(disorder)"]
DUCK = {"id": "1|MR|10006579", "name": "DONALD D DUCK", "sex": "M", "born": "1924-10-10"}
SIM_ADMISSION = {"event": "ADT^A01", "happened": "admitted", "class": "IMP", "source": "hl7:SIMHOSP/SFAC"}

HAND_CHECKED: list[tuple[str, dict[str, Any]]] = [
    ("fhir-converter/0001", {
        **EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A01", "happened": "admitted", "discharged": "", "dx": STROKE,
        "ids": ["MR PATID1234", "SS 123456789", "SS PSSN123121234"], "family_doctor": "rold Hippo",
        "related": [("ADAM A Evan III", "EMC", ["78788788", "121111", "88888888"])],
        "ops": ["SCT 76164006 2005-01-25T11:40:00+01:00 Harold Patrick"], "reason": "Chronic pharyngitis",
        "allergies": ["environment mild P PENICILLIN CODE16"], "results": {"8867-4": "120 beats/min A S"}}),
    ("fhir-converter/0002", {**EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A01", "dx": [], "related": [], "allergies": []}),
    ("fhir-converter/0004", {**EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A02", "happened": "transferred"}),
    ("fhir-converter/0005", {
        **EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A03", "happened": "discharged", "dx": STROKE,
        "discharged": "2015-02-09T11:34:19+01:10"}),
    ("fhir-converter/0006", {**EVERYMAN, "event": "ADT^A03", "dx": [], "discharged": "2015-02-09T11:34:19+01:10"}),
    ("fhir-converter/0008", {**EVERYMAN, "event": "ADT^A04", "happened": "registered", "visit": "AccMng|40007716"}),
    ("fhir-converter/0011", {
        "event": "ADT^A06", "happened": "class-changed", "class": "IMP", "id": "ADT1|MR|PATID1234",
        "name": "ADAM A EVERYMAN III", "born": "1961-06-15", "visit": "AccMgr|5001", "unit": "SPROOM", "room": "ROOM2",
        "bed": "BED-1", "doctor": "0210 AARON ATTEND", "phones": ["2706009800"], "dead": False, "died": "",
        "related": [("MARY DOE", "MTH", ["(555) 555-2004", "(555)555-2005"])], "dx": STROKE,
        "allergies": ["drug mild XYZallergen  moderate"], "results": {"8867-4": "44 beats/min A F"}}),
    ("fhir-converter/0013", {
        "event": "ADT^A07", "happened": "class-changed", "class": "AMB", "visit": "AccMgr|5001", "unit": "OPD",
        "facility": "GOOD HEALTH HOSPITAL", "admitted": "2021-01-15T16:00:10+02:15",
        "ops": ["SCT 76164006 2021-09-07T11:22:33+02:15 ROBERT SURGEON"]}),
    ("fhir-converter/0015", {**EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A08", "happened": "updated", "dx": STROKE}),
    ("fhir-converter/0021", {**EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A11", "happened": "admission-cancelled"}),
    ("fhir-converter/0023", {**EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A13", "happened": "discharge-cancelled", "dx": STROKE}),
    ("fhir-converter/0037", {**EVERYMAN, "event": "ADT^A28", "family_doctor": "rold Hippo", "dx": []}),
    ("fhir-converter/0041", {**EVERYMAN, **EVERYMAN_VISIT, "event": "ADT^A31", "happened": "updated"}),
    ("fhir-converter/0043", {"event": "ADT^A40", "merges": [(["12345"], ["56789"])]}),
    ("fhir-converter/0044", {"event": "ADT^A40", "merges": [(["12345"], ["56789"]), (["145"], ["569"])]}),
    ("fhir-converter/0053", {
        **DUCK, "event": "ADT^A01", "source": "hl7:AccMgr/1", "visit": "AccMgr|40007716", "unit": "PREOP",
        "service": "01", "room": "101", "bed": "1", "doctor": "37 WALT DISNEY", "class": "IMP",
        "admitted": "2005-01-10T04:55:02+07:00", "address": "111 DUCK ST, FOWL, CA, 999990000",
        "phones": ["8885551212", "8885551212"], "related": [("HUEY DUCK", "SO", ["8885552222"])],
        "dx": ["admission ICD-9-CM 71596 OSTEOARTHROS NOS-L/LEG"]}),
    ("fhir-converter/0054", {
        "event": "ADT^A01", "id": "ADT1|MR|PATID1234", "born": "1961-06-15", "visit": "ADT1|PATID12345001",
        "unit": "2000", "room": "2012", "bed": "01", "doctor": "004777 AARON ATTEND", "service": "SUR",
        "phones": ["(555) 555-2004", "(555)555-2004"], "related": [("NELDA W NUCLEAR", "SPO", [])], "married": "S"}),
    ("fhir-converter/0055", {
        "event": "ADT^A04", "id": "NINTENDO|MR|123456789", "name": "MARIO BROS", "born": "1985-01-01", "sex": "M",
        "visit": "NINTENDO|0123456789", "class": "AMB", "doctor": "123456 YOSHI DINO", "dead": False,
        "related": [("PRINCESS PEACH", "SO", ["(123)555-1234", "(123)555-2345"]),
                    ("PRINCESS TOADSTOOL", "SO", ["(123)555-3456", "(123)555-4567"])]}),
    ("fhir-converter/0056", {
        "event": "ADT^A04", "id": "Special Hospital|MR|MRN12345", "name": "Jane Doe", "born": "1978-01-01", "sex": "F",
        "class": "EMER", "visit": "RDX|123456789", "admitted": "2019-05-04T18:12:05+07:00", "doctor": "12345 Peter Johnson",
        "related": [("CONWAY JOHNSON", "SPOUS", ["(130) 724-0433", "(330) 274-8214"])]}),
    ("fhir-converter/0057", {
        "event": "ADT^A04", "name": "Timothy Paul Bixby", "born": "2008-01-06", "phones": ["8088675301"],
        "visit": "RDX|1234", "unit": "3N", "bed": "B", "class": "IMP", "married": "Married",
        "doctor": "4356789876 Pat Granite", "related": [("Barbara Bixby", "Mother", ["+19189368865"])]}),
    ("fhir-converter/0070", {
        **DUCK, "event": "ORU^R01", "orders": ["82503246", "890775544"],
        "results": {"11273-0": "4.06 tera.l-1 N P", "20570-8": "40.1 % N P", "11125-2": "221 giga.l-1 N F",
                    "23761-0": "72 % N P", "26450-7": "2 % N P", "26478-8": "20 % N P", "26485-3": "6 % N P",
                    "30180-4": "0 % N P"},
        "panels": ["24317-0 Hemogram and platelet count, automated", "26464-8 Differential WBC Count, buffy coat"]}),
    ("fhir-converter/0071", {
        **DUCK, "result_times": {"2014-10-06T08:30:00+07:00"},
        "results": {"30180-4": "0 % N F", "23761-0": "72 % N F", "26450-7": "2 % N F", "26478-8": "20 % N F",
                    "26485-3": "6 % N F", "20509-6": "13.4 g/l-1 N F", "11156-7": "8.2 giga.l-1 N F",
                    "11273-0": "4.08 tera.l-1 N F", "20570-8": "39.7 % N F", "11125-2": "220 giga.l-1 N F"}}),
    ("fhir-converter/0077", {
        "event": "MDM^T02", "id": "XYZHOSPITAL|MR|987654321", "name": "SAMPLE PROSOLV", "born": "1972-12-01",
        "documents": ["1.2.840.317.5947431.51.20080131160038 DI final DICOM Study by Ivan Doctorovich"]}),
    ("fhir-converter/0101", {
        "event": "ORU^R01", "name": "EVE E EVERYWOMAN", "sex": "F", "born": "1962-03-20",
        "results": {"1554-5": "182 mg/dl H F"}, "result_times": {"2002-02-15T07:30:00+06:00"}}),
    ("fhir-converter/0112", {
        **EVERYMAN, "event": "RDE^O11",
        "medicines": ["200 ML BAG : NICARDIPINE IN NACL (ISO-OS) 40 MG/200 ML IV PGBK 5 mg/hr TID Intravenous x3 Bag 3d",
                      "200 ML BAG : NICARDIPINE IN NACL (ISO-OS) 40 MG/200 ML IV PGBK 8 mg/hr P Intraperitoneal x4 Bag Noned"]}),
    ("fhir-converter/0115", {
        **EVERYMAN, "event": "RDS^O13", "medicines": ["Doxycycline 1 Tablet TID oral x10 Tablet 3d"]}),
    ("fhir-converter/0121", {
        **EVERYMAN, "event": "SIU^S12", "appointment":
        "36996 booked 2021-09-24T09:30:00+02:15 2021-09-24T10:20:00+02:15 Biopsy of colon (procedure) / GH Clinic 055 Room01 / Robert GE"}),
    ("fhir-converter/0122", {"appointment":
        "36996 booked 2021-08-18T11:30:00+02:15 2021-08-18T12:30:00+02:15 CBC Panel-Blood by Automated Count / GHH Hospital LabUnit101 Lab Room 01 / Tim PB"}),
    ("fhir-converter/0126", {"event": "SIU^S14", "appointment":
        "36996 changed 2021-09-24T09:30:00+02:15 2021-09-24T10:20:00+02:15 Biopsy of colon (procedure) / GH Clinic 055 Room02 / Robert GE"}),
    ("fhir-converter/0128", {"event": "SIU^S15", "appointment":
        "36996 cancelled 2021-09-24T09:30:00+02:15 2021-09-24T10:20:00+02:15 Biopsy of colon (procedure) / GH Clinic 055 Room01 / Robert GE"}),
    ("fhir-converter/0135", {"event": "SIU^S26", "appointment":
        "36996 no-show 2021-08-18T11:30:00+02:15 2021-08-18T12:30:00+02:15 CBC Panel-Blood by Automated Count / GHH Hospital LabUnit101 Lab Room 01 / Tim PB"}),
    ("simhospital/0001", {
        "event": "ORU^R01", "id": "SIMULATOR MRN|MR|2590157853", "ids": ["MR 2590157853", "NHSNMBR 2478684691"],
        "name": "AKI Scenario 6 Esterkin", "sex": "F", "born": "1989-01-18", "phones": ["020 5368 1665"],
        "address": "170 Juice Place, London, RW21 6KC", "ethnicity": "Other - Chinese",
        "results": {"tt-0003-01": "98.00 UMOLL H F"}, "result_times": {"2020-05-01T14:06:43+08:00"},
        "panels": ["us-0003 UREA AND ELECTROLYTES"], "orders": ["4262718364"],
        "notes": ["Task cow administration\nGrapefruit garlic resale camera"]}),
    ("simhospital/0002", {"results": {"tt-0003-01": "83.00 UMOLL  F"}, "orders": ["3281433988"], "notes": []}),
    ("simhospital/0005", {
        **SIM_ADMISSION, "name": "AKI Scenario 6 Esterkin", "visit": "SFAC|6145914547062969032", "unit": "RenalWard",
        "room": "MainRoom", "bed": "Bed 1", "service": "MED", "doctor": "C006 Kathleen Woolfson",
        "admitted": "2020-05-08T13:06:43+08:00", "facility": "Simulated Hospital"}),
    ("simhospital/0012", {
        **SIM_ADMISSION, "id": "SIMULATOR MRN|MR|4104857070", "name": "Ross James", "sex": "M", "born": "1997-06-15",
        "phones": ["020 3512 2810"], "visit": "SFAC|15189655734337172144", "unit": "OtherWard", "bed": "Bed 4"}),
    ("simhospital/0025", {
        "name": "AKI Scenario 21 Christina Lanning", "born": "2003-03-13", "results": {"tt-0003-01": "208 UMOLL H F"},
        "visit": "SIMULATOR MRN|1380092204@20200306140651", "class": "AMB"}),
    ("simhospital/0048", {
        **SIM_ADMISSION, "name": "AKI Scenario 2 with Uraemia Joel Dalkin", "service": "CAR", "bed": "Bed 5",
        "doctor": "C005 Sylvia Whittingham", "visit": "SFAC|4132313855884734610"}),
    ("simhospital/0060", {
        **SIM_ADMISSION, "name": "Elliot Sam Kanani", "born": "1999-06-23", "service": "SUR", "bed": "Bed 20",
        "doctor": "C007 Natasha Litherland", "ethnicity": "Asian or Asian British - Indian"}),
    ("simhospital/0144", {
        "event": "MDM^T02", "id": "SIMULATOR MRN|MR|3898498329", "name": "Margaret Glenys Spero", "born": "1950-05-21",
        "documents": ["8CZ5WWM0QGQMA PN final Established Patient 15 by Richard Forster"]}),
    ("simhospital/0150", {
        **SIM_ADMISSION, "name": "Shaun Douglas Nolan", "born": "2014-06-21", "doctor": "C002 Elizabeth Smith",
        "address": "167 Plantation Square, Westerham, QT6 4GS", "bed": "Bed 54"}),
    ("simhospital/0200", {"name": "AKI Scenario 13 Susan Douer", "sex": "F", "admitted": "2019-09-16T19:08:08+08:00",
                          "results": {"tt-0003-01": "86.00 UMOLL  F"}, "orders": ["3949442597"]}),
    ("simhospital/0271", {
        "event": "ADT^A34", "merges": [(["2777246431", "5002147747"], ["618454581"])]}),
    ("simhospital/0300", {**SIM_ADMISSION, "name": "Grace Radice CCNA", "born": "1929-07-14", "sex": "F", "bed": "Bed 106"}),
    ("simhospital/0500", {**SIM_ADMISSION, "name": "AKI Scenario 9 Blair", "unit": "RenalWard", "bed": "Bed 29",
                          "visit": "SFAC|1758613282361152148", "phones": ["078 9891 1145"]}),
    ("simhospital/0540", {"documents": ["93SFJB9LJNQ9B CD final Established Patient 15 by Joyce Walsh"], "name": "Joyce Phillips"}),
    ("simhospital/0600", {
        "event": "ORU^R01", "name": "Timothy Thomas Venables", "panels": ["us-0004 MRI Ankle Lt"],
        "results": {"tt-0004-01": "MANKL value   F", "tt-0004-02": "MRI Ankle Lt value   F"}}),
    ("simhospital/0850", {"name": "AKI Scenario 16 Burgering CCNA", "results": {"tt-0003-01": "231.00 UMOLL H F"}}),
    ("simhospital/0950", {**SIM_ADMISSION, "name": "Teresa Lyndsey Dupas", "allergies": [
        "other mild 419511003 Propensity to adverse reactions to drug (disorder) Sneezing"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), HAND_CHECKED, ids=[name for name, _ in HAND_CHECKED])
def test_hand_checked(name: str, expected: dict[str, Any]) -> None:
    facts = outcome(name)
    assert isinstance(facts, Facts), facts
    found = flat(facts)
    assert {key: found[key] for key in expected} == expected


def test_enough_of_them() -> None:
    assert len({name for name, _ in HAND_CHECKED}) >= 40


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fhir-converter/0069", Ignored("ORM^O01")),
        ("fhir-converter/0068", Ignored("VXU^V04")),
        ("fhir-converter/0045", Ignored("ADT^A41")),
        ("fhir-converter/0075", Ignored("MDM^T01")),
        ("fhir-converter/0141", Unusable("no-patient-number")),
    ],
)
def test_not_for_us(name: str, expected: Outcome) -> None:
    assert outcome(name) == expected


def test_batch_file_holds_two_messages() -> None:
    assert [m.get("OBR-2") for m in messages("fhir-converter/0144")] == ["6323", "6324"]


def test_creatinine_trend_of_one_patient() -> None:
    values = [flat(outcome(f"simhospital/000{n}"))["results"]["tt-0003-01"] for n in (1, 2, 3, 4)]
    assert values == ["98.00 UMOLL H F", "83.00 UMOLL  F", "95.00 UMOLL H F", "85.00 UMOLL  F"]


class TestWholeCorpus:
    def test_every_message_is_read(self) -> None:
        kinds: Counter[str] = Counter()
        for path in sorted(CORPUS.rglob("*.hl7")):
            content = path.read_bytes()
            pieces = split_file(content)
            assert b"".join(pieces) == content
            for raw in pieces:
                kinds[type(read_message(Message(decode(raw).text), site=Site())).__name__] += 1
        assert kinds == {"Facts": 1087, "Ignored": 70, "Unusable": 1}

    def test_no_character_is_lost(self) -> None:
        """Segments joined again are the message, but for line ends and batch envelopes."""
        for path in sorted(CORPUS.rglob("*.hl7")):
            for raw in split_file(path.read_bytes()):
                text = decode(raw).text
                joined = "".join(segment.raw for segment in Message(text).segments)
                lines = [
                    line
                    for line in text.replace("\r", "\n").split("\n")
                    if line[:3] not in ("FHS", "BHS", "BTS", "FTS")
                ]
                assert joined == "".join(lines)

    def test_second_opinion(self) -> None:
        """python-hl7 reads the same fields (it is fed single line ends, which it needs)."""
        compared = 0
        for path in sorted(CORPUS.rglob("*.hl7"))[::3]:
            for raw in split_file(path.read_bytes()):
                ours = Message(decode(raw).text)
                theirs = second_opinion.parse("\r".join(segment.raw for segment in ours.segments))
                for mine, other in zip(ours.segments, theirs, strict=True):
                    for n in range(3, len(other)):
                        assert mine.raw_field(n) == str(other[n]), (path.name, mine.name, n)
                        compared += 1
        assert compared > 50_000

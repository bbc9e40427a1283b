"""The hospital system's side of the wire: HL7 v2 messages as a Chinese HIS sends them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from careloop.simulation.world import Person, Stay

FACILITY = "YXYY"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message and when the hospital system sends it."""

    at: datetime
    control_id: str
    event: str
    content: bytes


class Sender:
    """Numbers messages and encodes them. Every third stay comes from the old system, which writes GB18030."""

    def __init__(self, run: str) -> None:
        self.run = run
        self._count = 0

    def message(self, event: str, at: datetime, segments: list[str], *, old_system: bool) -> Outgoing:
        self._count += 1
        control_id = f"{self.run}{self._count:08d}"
        charset, word = ("gb18030", "GB18030") if old_system else ("utf-8", "UNICODE UTF-8")
        kind = event.replace("_", "^")
        header = (
            f"MSH|^~\\&|HIS|{FACILITY}|CARELOOP|{FACILITY}|{at:%Y%m%d%H%M%S}||{kind}|{control_id}|P|2.4||||||{word}"
        )
        text = "\r".join([header, f"EVN|{event[-3:]}|{at:%Y%m%d%H%M%S}", *segments]) + "\r"
        return Outgoing(at=at, control_id=control_id, event=event, content=text.encode(charset))


def of_stay(stay: Stay, send: Sender) -> Iterator[Outgoing]:
    """All messages of one stay, numbered as the hospital system writes them; the run sends them in order of time."""
    old = int(stay.visit_number[2:]) % 3 == 0
    number = stay.duplicate_record or stay.person.record_number
    person = pid(stay.person, number)
    yield send.message("ADT_A01", stay.admitted_at, [person, *nk1(stay.person), pv1(stay)], old_system=old)
    if stay.profile.get("medicines"):
        yield send.message(
            "ORU_R01", stay.admitted_at + timedelta(hours=3), [person, pv1(stay), *results(stay)], old_system=old
        )
    yield from discharge(stay, send, person, stay.discharged_at, old=old)
    if stay.duplicate_record:
        merged_at = stay.discharged_at + timedelta(hours=20)
        merge = [pid(stay.person, stay.person.record_number), f"MRG|{stay.duplicate_record}^^^{FACILITY}^MR"]
        yield send.message("ADT_A40", merged_at, merge, old_system=old)


def discharge(stay: Stay, send: Sender, person: str, at: datetime, *, old: bool) -> Iterator[Outgoing]:
    """A03 with or without diagnosis, its doubles, its cancellation and its return."""
    coded = [*dg1(stay), *pr1(stay)]
    first = [person, pv1(stay, discharged=at), *([] if stay.late_diagnosis else coded)]
    yield send.message("ADT_A03", at, first, old_system=old)
    if stay.profile.get("medicines"):
        yield send.message(
            "RDE_O11", at + timedelta(minutes=10), [person, pv1(stay), *medicines(stay, at)], old_system=old
        )
    if stay.discharged_twice:
        yield send.message("ADT_A03", at + timedelta(minutes=30), first, old_system=old)
    if stay.late_diagnosis:
        late = at + timedelta(hours=22)
        yield send.message("ADT_A08", late, [person, pv1(stay, discharged=at), *coded], old_system=old)
    if stay.discharge_cancelled:
        back = at + timedelta(hours=5)
        again = at + timedelta(days=2)
        yield send.message("ADT_A13", back, [person, pv1(stay)], old_system=old)
        yield send.message("ADT_A03", again, [person, pv1(stay, discharged=again), *coded], old_system=old)


def readmission(stay: Stay, send: Sender, visit_number: str, at: datetime) -> Outgoing:
    """The patient is back in the ward."""
    visit = pv1(stay, visit_number=visit_number, admitted=at)
    return send.message("ADT_A01", at, [pid(stay.person, stay.person.record_number), visit], old_system=False)


def readmission_over(stay: Stay, send: Sender, visit_number: str, admitted: datetime, at: datetime) -> Outgoing:
    """… and goes home again."""
    visit = pv1(stay, visit_number=visit_number, admitted=admitted, discharged=at)
    segments = [pid(stay.person, stay.person.record_number), visit, *dg1(stay)]
    return send.message("ADT_A03", at, segments, old_system=False)


def death(stay: Stay, send: Sender, at: datetime) -> Outgoing:
    """A31 with the death fields: all contact must stop."""
    person = pid(stay.person, stay.person.record_number, died=at)
    return send.message("ADT_A31", at, [person, "PV1||N"], old_system=False)


def appointment(stay: Stay, send: Sender, event: str, number: str, at: datetime, when: datetime) -> Outgoing:
    """A revisit booked (S12) or missed (S26)."""
    status = "NOSHOW" if event.endswith("S26") else "BOOKED"
    schedule = f"SCH|{number}|{number}|||||复诊||30|min|^^30^{when:%Y%m%d%H%M%S}^{when + timedelta(minutes=30):%Y%m%d%H%M%S}||||||||||||||{status}"
    segments = [
        schedule,
        pid(stay.person, stay.person.record_number),
        f"PV1||O|{stay.department}^^^{FACILITY}",
        f"AIL|1||{stay.department}^^^{FACILITY}",
    ]
    return send.message(event, at, segments, old_system=False)


def pid(person: Person, record_number: str, died: datetime | None = None) -> str:
    """The patient's segment; with `died` the death fields 29 and 30."""
    ids = f"{record_number}^^^{FACILITY}^MR~{person.identity_number}^^^CN^NI"
    fields = [""] * 31
    fields[3], fields[5], fields[7], fields[8] = ids, person.name, f"{person.born:%Y%m%d}", person.sex
    fields[11], fields[13] = person.address, person.phone
    if died:
        fields[29], fields[30] = f"{died:%Y%m%d%H%M%S}", "Y"
    return "PID|" + "|".join(fields[1:]).rstrip("|")


def nk1(person: Person) -> list[str]:
    """The relative's segment, where there is one."""
    if person.relative is None:
        return []
    return [f"NK1|1|{person.relative.name}|{person.relative.relation}||{person.relative.phone}"]


def pv1(
    stay: Stay, *, visit_number: str = "", admitted: datetime | None = None, discharged: datetime | None = None
) -> str:
    """The visit's segment; without `discharged` the patient still lies there."""
    fields = [""] * 46
    fields[2], fields[3] = "I", f"{stay.department}^^^{FACILITY}"
    fields[7], fields[10] = f"{stay.doctor}^{stay.doctor}", stay.department
    fields[19], fields[44] = visit_number or stay.visit_number, f"{admitted or stay.admitted_at:%Y%m%d%H%M%S}"
    if discharged:
        fields[36] = "07" if stay.against_advice else "01"  # HL7 table 0112: left against advice, home
        fields[45] = f"{discharged:%Y%m%d%H%M%S}"
    return "PV1|" + "|".join(fields[1:]).rstrip("|")


def dg1(stay: Stay) -> list[str]:
    """The coded diagnosis of the stay (ICD-10)."""
    at = f"{stay.discharged_at:%Y%m%d%H%M%S}"
    return [f"DG1|1||{stay.profile['icd']}^{stay.profile['text']}^I10|{stay.profile['text']}|{at}|F|||||||||1"]


def pr1(stay: Stay) -> list[str]:
    """The coded operation (ICD-9-CM-3), where there was one: a third of the way into the stay."""
    if "operation" not in stay.profile:
        return []
    at = stay.admitted_at + (stay.discharged_at - stay.admitted_at) / 3
    return [f"PR1|1||{stay.profile['operation']}^{stay.profile['operation_text']}^I9C||{at:%Y%m%d%H%M%S}"]


def results(stay: Stay) -> list[str]:
    """A small admission panel whose numbers depend on the visit number only."""
    n = int(stay.visit_number[2:])
    potassium, creatinine, protein = round(3.4 + n % 17 / 10, 1), 55 + n % 90, n % 40 + 0.2
    at = f"{stay.admitted_at + timedelta(hours=2):%Y%m%d%H%M%S}"
    order = f"{stay.visit_number}L1"
    return [
        f"OBR|1|{order}|{order}|CHEM^生化^L|||{at}|||||||||||||||{at}|||F",
        f"OBX|1|NM|K^血钾^L||{potassium:.1f}|mmol/L|3.5-5.3|{_flag(potassium, 3.5, 5.3)}|||F|||{at}",
        f"OBX|2|NM|CREA^肌酐^L||{creatinine}|umol/L|57-111|{_flag(creatinine, 57, 111)}|||F|||{at}",
        f"OBX|3|ST|CRP^C反应蛋白^L||<5.0|mg/L|0-10||||F|||{at}"
        if n % 4 == 0
        else f"OBX|3|NM|CRP^C反应蛋白^L||{protein:.1f}|mg/L|0-10|{_flag(protein, 0, 10)}|||F|||{at}",
    ]


def _flag(value: float, low: float, high: float) -> str:
    """OBX-8 as a laboratory sets it beside its range."""
    return "L" if value < low else "H" if value > high else ""


def medicines(stay: Stay, at: datetime) -> list[str]:
    """One ORC and RXE for each medicine of the profile, written “name dose frequency”."""
    segments = []
    for i, text in enumerate(stay.profile["medicines"], start=1):
        name, dose, frequency = text.split(" ")
        order = f"{stay.visit_number}M{i}"
        segments.append(f"ORC|NW|{order}|{order}||||||{at:%Y%m%d%H%M%S}")
        segments.append(
            f"RXE|1^{frequency}|{name}^{name}^L|{dose.rstrip('g').rstrip('m') if dose.endswith('mg') else dose}||{'mg' if dose.endswith('mg') else ''}"
        )
    return segments

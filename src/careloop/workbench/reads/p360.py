"""Everything the 360 page shows of one patient, read once per page; templates ask nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.kernel.display import Words
from careloop.kernel.prepared import Asked, at_once, prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import (
    AccessGrant,
    AllergyIntolerance,
    Condition,
    Consent,
    ContactPoint,
    DocumentReference,
    DuplicateCandidate,
    Encounter,
    MedicationStatement,
    Observation,
    Patient,
    PatientIdentifier,
    Procedure,
    RelatedPerson,
    Sex,
)
from careloop.patients.reads.columns import width
from careloop.patients.reads.contact import asked_by_dial_list, dial_list, trust_of
from careloop.patients.rules.corrections import CORRECTABLE
from careloop.patients.rules.masking import mask_identity_number, mask_phone
from careloop.plans.reads.pages import asked_by_running
from careloop.tasks.models import Task
from careloop.workbench.reads.goals import pressure_goal
from careloop.workbench.reads.people import age, discharge_text
from careloop.workbench.reads.relations import relation_label
from careloop.workbench.reads.stays import Stay, asked_by_stays
from careloop.workbench.reads.timeline import asked_by_operations
from careloop.workbench.rules import (
    Measurement,
    Part,
    Reading,
    Trend,
    age_of,
    draw_trend,
    latest_readings,
    parse_measurements,
    pressure_band,
)

VITALS_FILE: Final = Path(__file__).parent.parent / "content" / "vitals.json"
YEAR: Final = timedelta(days=366)
MEASURED: dict[str, str | Promise] = {
    "blood-pressure": gettext_lazy("Blood pressure"),
    "heart-rate": gettext_lazy("Heart rate"),
    "glucose": gettext_lazy("Glucose"),
    "hba1c": gettext_lazy("HbA1c"),
    "ldl-c": gettext_lazy("LDL-C"),
    "ejection-fraction": gettext_lazy("Ejection fraction"),
    "weight": gettext_lazy("Weight"),
    "spo2": gettext_lazy("Oxygen saturation"),
    "nt-probnp": gettext_lazy("NT-proBNP"),
    "creatinine": gettext_lazy("Creatinine"),
    "temperature": gettext_lazy("Temperature"),
    "respiratory-rate": gettext_lazy("Respiration"),
    "albumin-creatinine": gettext_lazy("Albumin to creatinine in urine"),
}
MEASUREMENTS = Words(MEASURED)
UNIT_WORDS = Words(
    {
        "/min": gettext_lazy("/min"),
        "mm[Hg]": "mmHg",
        "Cel": "℃",
        "{score}": gettext_lazy("points"),
    }
)
CONSENTS = Words(
    {
        "contact": gettext_lazy("Any contact"),
        "contact-phone": gettext_lazy("Phone calls"),
        "contact-sms": gettext_lazy("Text messages"),
        "contact-wechat": gettext_lazy("WeChat messages"),
        "contact-letter": gettext_lazy("Letters by post"),
        "recording": gettext_lazy("Recording of calls"),
        "share-family": gettext_lazy("Family may see results"),
        "share-family-doctor": gettext_lazy("Family doctor may see summary, medicines and follow-up"),
        "share-psychological": gettext_lazy("Psychological scales may be shared"),
        "research": gettext_lazy("Use for research"),
    }
)
IDENTIFIERS = Words(
    {
        "MR": gettext_lazy("Medical record no."),
        "PI": gettext_lazy("Patient no."),
        "NI": gettext_lazy("Identity card"),
        "SS": gettext_lazy("Insurance no."),
        "PPN": gettext_lazy("Passport"),
    }
)
CONFLICTS = Words(
    {
        "identity-check-digit": gettext_lazy(
            "The check digit of the identity number is wrong. Compare it with the card."
        ),
        "identity-format": gettext_lazy("The identity number is incomplete. Compare it with the card."),
        "identity-birth-date": gettext_lazy("The identity number holds no real date. Compare it with the card."),
        "identity-future-birth": gettext_lazy("The identity number holds a birth date in the future."),
        "birth-date-differs": gettext_lazy("Birth date and identity number disagree. Ask the patient."),
        "sex-differs": gettext_lazy("Sex and identity number disagree. Ask the patient."),
    }
)


CONCEPTS = Words(
    {
        **MEASURED,
        "systolic": gettext_lazy("Systolic"),
        "diastolic": gettext_lazy("Diastolic"),
        "height": gettext_lazy("Height"),
        "egfr": gettext_lazy("eGFR"),
        "haemoglobin": gettext_lazy("Haemoglobin"),
        "inr": gettext_lazy("INR"),
    }
)
SEXES = Words(dict(Sex.choices))
DECISIONS = Words(dict(Consent.Decision.choices))


def test_name(row: Observation) -> str:
    """The sender's name of a test; ours where it sends only a code."""
    return row.text or CONCEPTS.said().get(row.concept, row.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every tab needs: the patient, the stays, and the banner made of them."""

    patient: Patient
    stays: list[Stay]
    banner: dict[str, Any]
    conflicts: list[str]
    as_of: datetime | None
    next_task_id: UUID | None

    @property
    def last_stay(self) -> Stay | None:
        return self.stays[0] if self.stays else None


def read_record(patient: Patient, *, viewer: Viewer, at: datetime) -> Record:
    """The common part of all tabs. Five indexed questions, asked together."""
    rows, tasks, numbers, diagnoses, allergies = at_once(*_asked_by_record(patient, viewer))
    stays = [Stay._make(row) for row in rows]
    return Record(
        patient=patient,
        stays=stays,
        banner=_banner(patient, stays, numbers=numbers, diagnoses=diagnoses, allergies=allergies, at=at),
        conflicts=[CONFLICTS(row["code"]) for row in patient.data_conflicts],
        as_of=max((stay.updated_at for stay in stays), default=None),
        next_task_id=tasks[0] if tasks else None,
    )


def _asked_by_record(patient: Patient, viewer: Viewer) -> list[Asked[Any]]:
    questions = (_next_task, _record_number, _diagnoses, _allergies)
    stays = asked_by_stays(patient.pk, viewer=viewer)
    return [stays, *(one.asked(viewer=viewer, patient_id=patient.pk) for one in questions)]


def asked_by_overview(patient: Patient, *, viewer: Viewer, at: datetime) -> list[Asked[Any]]:
    """What the record and its first tab ask, each function for itself: to be asked in one journey."""
    questions = (_relatives, _decisions)
    return [
        *_asked_by_record(patient, viewer),
        _measured.asked(viewer=viewer, patient_id=patient.pk, since=at - YEAR),
        *(one.asked(viewer=viewer, patient_id=patient.pk) for one in questions),
        *asked_by_running(patient.pk, viewer),
        asked_by_operations(patient.pk, viewer=viewer),
        asked_by_dial_list(patient.pk, by=viewer),
    ]


@prepared
def _next_task(viewer: Viewer, patient_id: UUID) -> QuerySet[Task, Any]:
    waiting = Task.objects.visible_to(viewer).open().filter(patient_id=patient_id, kind=Task.Kind.FOLLOW_UP)
    return waiting.order_by("due_at", "pk").values_list("pk", flat=True)[:1]


@prepared
def _record_number(viewer: Viewer, patient_id: UUID) -> QuerySet[PatientIdentifier, Any]:
    mine = PatientIdentifier.objects.visible_to(viewer).filter(patient_id=patient_id, type__in=("MR", "PI"))
    return mine.order_by("type", "pk").values_list("value", flat=True)[:1]


@prepared
def _diagnoses(viewer: Viewer, patient_id: UUID) -> QuerySet[Condition, Any]:
    """The first of each stay."""
    mine = Condition.objects.visible_to(viewer).filter(patient_id=patient_id, active=True)
    first = mine.order_by("encounter_id", "rank", "pk").distinct("encounter_id")
    return first.values_list("encounter_id", "rank", "pk", "text")


@prepared
def _allergies(viewer: Viewer, patient_id: UUID) -> QuerySet[AllergyIntolerance, Any]:
    mine = AllergyIntolerance.objects.visible_to(viewer).filter(patient_id=patient_id, active=True)
    return mine.order_by("pk").values_list("text", flat=True)[:5]


def _banner(
    patient: Patient, stays: Sequence[Stay], *, numbers: Sequence[str], diagnoses: Sequence[tuple[Any, ...]],
    allergies: list[str], at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """The facts of `ui.patient_banner`, in its order (R9)."""
    last = next((stay for stay in stays if stay.class_code == Encounter.Class.INPATIENT), stays[0] if stays else None)
    said = [(rank, pk, text) for stay, rank, pk, text in diagnoses if last is None or stay == last.pk]
    return {
        "name": patient.name,
        "sex": SEXES(patient.sex) if patient.sex != "unknown" else "",
        "age": age(patient.birth_date, on=timezone.localdate(at)),
        "birth_date": f"{patient.birth_date:%Y-%m-%d}" if patient.birth_date else "",
        "identifiers": [(_("Admission no."), number) for number in numbers if number],
        "discharged": discharge_text(last, at=at),
        "doctor": (last and last.attending) or "",
        "nurse": (last and last.nurse) or "",
        "diagnosis": min(said)[2] if said else "",
        "allergies": allergies,
        "risk": patient.risk,
    }


@cache
def measurements() -> tuple[Measurement, ...]:
    """The content file, read once."""
    return parse_measurements(json.loads(VITALS_FILE.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Box:
    """One box of the vitals strip, in words."""

    code: str
    label: str
    value: str
    unit: str
    direction: str
    age: str
    is_stale: bool


def vitals(patient: Patient, *, viewer: Viewer, at: datetime) -> tuple[list[Box], list[Part]]:
    """The boxes, and the values behind them for the trend. One query over the last year."""
    rows = _measured(viewer=viewer, patient_id=patient.pk, since=at - YEAR)
    parts = [
        Part(
            concept=concept, value=value, comparator=comparator, unit=unit or unit_original, flag=flag, at=when,
            source=source,
        )
        for concept, value, comparator, unit, unit_original, flag, when, source in rows
    ]  # fmt: skip
    zone = timezone.get_current_timezone()
    return [_box(r, at) for r in latest_readings(measurements(), parts, at=at, zone=zone)], parts


@prepared
def _measured(viewer: Viewer, patient_id: UUID, since: datetime) -> QuerySet[Observation, Any]:
    rows = Observation.objects.visible_to(viewer).filter(
        patient_id=patient_id, effective_at__gte=since, value_number__isnull=False
    )
    rows = rows.exclude(concept="").exclude(status=Observation.Status.ENTERED_IN_ERROR)
    return rows.order_by("-effective_at", "pk").values_list(
        "concept", "value_number", "comparator", "unit", "unit_original", "interpretation", "effective_at", "source"
    )[:1500]


def _box(reading: Reading, at: datetime) -> Box:
    when = age_words(timezone.localdate(reading.at), today=timezone.localdate(at))
    origin = source_words(reading.source)
    return Box(
        code=reading.code,
        label=MEASUREMENTS(reading.code),
        value=reading.text,
        unit=UNIT_WORDS(reading.unit),
        direction=reading.direction,
        age=f"{when} · {origin}" if origin else when,
        is_stale=reading.is_stale,
    )


def age_words(day: date, *, today: date) -> str:
    """`today`, `3 days ago`, else the date (ux §5.6)."""
    kind, days = age_of(day, today=today)
    if kind == "today":
        return _("today")
    if kind == "yesterday":
        return _("yesterday")
    if kind == "days":
        return _("%(n)d days ago") % {"n": days}
    return f"{day:%m-%d}" if day.year == today.year else f"{day:%Y-%m-%d}"


def source_words(source: str) -> str:
    """Who measured, where it matters; a laboratory result needs no word."""
    for beginning, words in (
        ("portal", _("own measurement")),
        ("patient", _("own measurement")),
        ("device", _("device")),
        ("call", _("told by phone")),
    ):
        if source.startswith(beginning):
            return words
    return ""


def blood_pressure_trend(
    patient: Patient, parts: Sequence[Part], stays: Sequence[Stay], *, days: int, viewer: Viewer, at: datetime
) -> Trend | None:
    """Systolic and diastolic by day, with operations and discharges marked."""
    today = timezone.localdate(at)
    operations = sorted(asked_by_operations(patient.pk, viewer=viewer).fetch(), key=itemgetter(0))
    events = [(timezone.localdate(moment), text[:12]) for moment, text, *_rest in operations]
    events += [(timezone.localdate(stay.discharged_at), _("Discharge")) for stay in stays if stay.discharged_at]
    return draw_trend(
        [(_("Systolic"), _by_day(parts, "systolic")), (_("Diastolic"), _by_day(parts, "diastolic"))],
        first=today - timedelta(days=days),
        last=today,
        band=pressure_band(pressure_goal(patient.pk, viewer=viewer), default=usual_zone()),
        events=events,
    )


def usual_zone() -> tuple[float, float]:
    """From the lower limit of the lower value to the upper limit of the upper one, for who has no goal of their own."""
    limits = next(m.normal for m in measurements() if m.code == "blood-pressure")
    return float(limits["diastolic"][0]), float(limits["systolic"][1])


def _by_day(parts: Sequence[Part], concept: str) -> list[tuple[date, float]]:
    """One value a day, the last: several readings a day would make a brush of the line."""
    days: dict[date, float] = {}
    for part in sorted((p for p in parts if p.concept == concept), key=lambda p: p.at):
        days[timezone.localdate(part.at)] = float(part.value)
    return sorted(days.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One number in the contacts panel, with its evidence in words."""

    id: UUID
    masked: str
    whose: str
    source: str
    result: str
    trust: str
    is_patient: bool
    knows: bool | None


def contacts(patient_id: UUID, *, viewer: Viewer, at: datetime) -> list[Contact]:
    """The numbers of a patient, the one to dial first on top."""
    return [_contact(point) for point in dial_list(patient_id, at=at, by=viewer)]


def _contact(point: ContactPoint) -> Contact:
    relative = point.related_person
    whose = " ".join((relation_label(relative.relation), relative.name)).strip() if relative else ""
    return Contact(
        id=point.pk,
        masked=mask_phone(point.value) or point.value,
        whose=whose or point.owner_note or _("Patient"),
        source=contact_source(point.source),
        result=_last_result(point),
        trust=trust_of(point),
        is_patient=relative is None,
        knows=point.knows_condition,
    )


def contact_source(source: str) -> str:
    """Where a number comes from."""
    return SOURCES("hl7" if source.startswith("hl7") else source)


SOURCES = Words(
    {
        "hl7": gettext_lazy("hospital system"),
        "staff": gettext_lazy("staff"),
        "patient": gettext_lazy("patient"),
        "portal": gettext_lazy("patient"),
        "admission-form": gettext_lazy("admission form"),
        "nursing-assessment": gettext_lazy("nursing assessment"),
        "call": gettext_lazy("call"),
    }
)


def _last_result(point: ContactPoint) -> str:
    if point.invalid_reason and not point.is_valid:
        return INVALID.said().get(point.invalid_reason) or _("not a valid number")
    if point.last_result and point.last_result_at:
        return f"{point.get_last_result_display()} {timezone.localtime(point.last_result_at):%m-%d}"
    if point.verified_at:
        return _("verified %(date)s") % {"date": f"{timezone.localtime(point.verified_at):%m-%d}"}
    return _("never tried")


INVALID = Words(
    {
        "fake": gettext_lazy("made-up number"),
        "too-short": gettext_lazy("digits missing"),
        "needs-area-code": gettext_lazy("area code missing"),
        "not-a-number": gettext_lazy("not a valid number"),
        "empty-number": gettext_lazy("number not in service"),
        "wrong-person": gettext_lazy("belongs to somebody else"),
    }
)


def family(patient: Patient, *, viewer: Viewer) -> list[dict[str, Any]]:
    """Relatives with what they may do."""
    rows = _relatives(viewer=viewer, patient_id=patient.pk)
    return [
        {
            "id": pk,
            "name": name,
            "relation": relation_label(relation),
            "code": relation,
            "rights": _rights(may_answer=may_answer, may_receive=may_receive),
            "may_answer": may_answer,
            "may_receive": may_receive,
        }
        for pk, name, relation, may_answer, may_receive in rows
    ]


@prepared
def _relatives(viewer: Viewer, patient_id: UUID) -> QuerySet[RelatedPerson, Any]:
    mine = RelatedPerson.objects.visible_to(viewer).filter(patient_id=patient_id, active=True)
    return mine.order_by("created_at", "pk").values_list("pk", "name", "relation", "may_answer", "may_receive")


def _rights(*, may_answer: bool, may_receive: bool) -> str:
    rights = [words for has, words in ((may_answer, _("may answer")), (may_receive, _("gets reminders"))) if has]
    return ", ".join(rights) or _("no rights given")


def consents(patient: Patient, *, viewer: Viewer) -> list[dict[str, Any]]:
    """The newest decision of each kind, in a fixed order; undecided ones too."""
    rows = _decisions(viewer=viewer, patient_id=patient.pk)
    newest = {scope: Decision(decision, DECISIONS(decision), at) for scope, decision, at in rows}
    return [{"scope": scope, "label": label, "row": newest.get(scope)} for scope, label in CONSENTS.said().items()]


class Decision(NamedTuple):
    """What a patient said last about one kind of consent."""

    decision: str
    words: str
    decided_at: datetime


@prepared
def _decisions(viewer: Viewer, patient_id: UUID) -> QuerySet[Consent, Any]:
    mine = Consent.objects.visible_to(viewer).filter(patient_id=patient_id)
    return mine.order_by("decided_at", "pk").values_list("consent_scope", "decision", "decided_at")


def care_team(record: Record) -> list[tuple[str, str]]:
    """(name, role) of those who are responsible now."""
    team: dict[str, str] = {}
    stay = record.last_stay
    if stay and stay.attending:
        team[stay.attending] = " · ".join(part for part in (stay.attending_title, _("Attending doctor")) if part)
    if stay and stay.nurse:
        team.setdefault(stay.nurse, " · ".join(part for part in (stay.nurse_title, _("Responsible nurse")) if part))
    doctor = record.patient.family_doctor
    if doctor is not None:
        where = doctor.organization.name if doctor.organization else ""
        team.setdefault(doctor.name, " · ".join(part for part in (_("Family doctor"), where) if part))
    return list(team.items())


def diagnoses_of(stays: Sequence[Stay], *, viewer: Viewer) -> dict[UUID, dict[str, list[Any]]]:
    """Diagnoses, operations and documents of the shown stays, by stay. Three queries however many stays."""
    ids = [stay.pk for stay in stays]
    found: dict[UUID, dict[str, list[Any]]] = {pk: {"conditions": [], "procedures": [], "documents": []} for pk in ids}
    for kind, model, order in (
        ("conditions", Condition, ("rank", "pk")),
        ("procedures", Procedure, ("rank", "pk")),
    ):
        for row in model.objects.visible_to(viewer).filter(encounter_id__in=ids, active=True).order_by(*order):
            if row.encounter_id is not None:
                found[row.encounter_id][kind].append(row)
    documents = DocumentReference.objects.visible_to(viewer).filter(encounter_id__in=ids).defer("content", "text")
    for document in documents.exclude(status__in=("superseded", "entered-in-error")).order_by("authored_at", "pk"):
        if document.encounter_id:
            found[document.encounter_id]["documents"].append(document)
    return found


def results(patient: Patient, *, code: str, viewer: Viewer) -> list[Observation]:
    """Results, newest first; of one test if `code` is given."""
    rows = Observation.objects.visible_to(viewer).filter(patient=patient)
    if code:
        rows = rows.filter(code=code)
    return list(rows.order_by("-effective_at", "pk")[:200])


def result_trend(rows: Sequence[Observation], *, at: datetime) -> Trend | None:
    """The course of one test over a year, if it is a number."""
    points = [
        (timezone.localdate(row.effective_at), float(row.value_number))
        for row in rows
        if row.value_number is not None and row.status != Observation.Status.ENTERED_IN_ERROR
    ]
    today = timezone.localdate(at)
    return draw_trend([(test_name(rows[0]), points)], first=today - timedelta(days=365), last=today) if rows else None


def medications(patient: Patient, *, viewer: Viewer) -> list[MedicationStatement]:
    """Medicines, running ones first."""
    rows = MedicationStatement.objects.visible_to(viewer).filter(patient=patient)
    rows = rows.exclude(status=MedicationStatement.Status.ENTERED_IN_ERROR)
    return sorted(
        rows.order_by("-started_at", "pk")[:120], key=lambda row: row.status != MedicationStatement.Status.ACTIVE
    )


def personal(patient: Patient, *, viewer: Viewer) -> dict[str, Any]:
    """The dossier: numbers (masked), particulars, allergies, all diagnoses, merged and doubtful records."""
    numbers = PatientIdentifier.objects.visible_to(viewer).filter(patient=patient).order_by("type", "pk")
    return {
        "numbers": [
            (IDENTIFIERS(row.type), _shown(row), row.is_suspect) for row in numbers
        ],
        "particulars": particulars(patient),
        "allergies": list(AllergyIntolerance.objects.visible_to(viewer).filter(patient=patient).order_by("-active", "pk")),
        "conditions": list(
            Condition.objects.visible_to(viewer).filter(patient=patient, active=True).order_by("code_key", "rank", "pk")[:80]
        ),
        "procedures": list(
            Procedure.objects.visible_to(viewer).filter(patient=patient, active=True).order_by("-performed_at", "pk")[:40]
        ),
        "tombstones": list(Patient.objects.unscoped("records merged into a visible one").filter(merged_into=patient)),
        "duplicates": DuplicateCandidate.objects.visible_to(viewer)
        .filter(patient=patient, status=DuplicateCandidate.Status.OPEN)
        .count(),
    }  # fmt: skip


def _shown(row: PatientIdentifier) -> str:
    return mask_identity_number(row.value) if row.type in ("NI", "SS", "PPN") else row.value


@dataclass(frozen=True, slots=True)
class Particular:
    """One fact about a person outside medicine, and what the hospital system said before staff corrected it."""

    code: str
    label: str
    value: str
    replaced: str | None
    longest: int


def particulars(patient: Patient) -> list[Particular]:
    """In the order of the record; those without a value too, so that they can be filled in."""
    labels = {
        "address": _("Address"),
        "employer": _("Employer"),
        "occupation": _("Occupation"),
        "insurance": _("Insurance"),
        "ethnicity": _("Ethnic group"),
        "language": _("Language"),
        "marital_status": _("Marital status"),
    }
    replaced = patient.corrected or {}
    return [
        Particular(code, labels[code], getattr(patient, code), replaced.get(code), width(Patient, code) or 0)
        for code in CORRECTABLE
    ]


def grants(patient: Patient, *, viewer: Viewer) -> list[AccessGrant]:
    """Who was lent or took access to this record."""
    rows = AccessGrant.objects.visible_to(viewer).filter(patient=patient).select_related("practitioner", "granted_by")
    return list(rows.order_by("-valid_from", "pk")[:20])


def unreviewed(*, viewer: Viewer) -> list[AccessGrant]:
    """Emergency accesses nobody has looked at yet, oldest first."""
    rows = AccessGrant.objects.visible_to(viewer).filter(kind=AccessGrant.Kind.BREAK_GLASS, reviewed_at=None)
    return list(rows.select_related("patient", "practitioner").order_by("valid_from", "pk")[:100])

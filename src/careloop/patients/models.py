"""The patient and everything known about the patient. Names are FHIR's."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.functions import Collate, Now, Replace, Substr
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import ScopedModel
from careloop.kernel.viewer import Viewer

# Joined by accounts to the one statement of each request. `{who}` and `{at}` stand for the person and the moment.
RUNNING_GRANTS = (
    "SELECT array_agg(DISTINCT g.patient_id) FROM patients_accessgrant g"
    " WHERE g.practitioner_id = {who} AND g.valid_from <= {at} AND g.valid_to > {at}"
)
MAY_BE_SEALED = "supervision.check"  # the permission of those who ask patients again without seeing the record


class Risk(models.TextChoices):
    """How worried we are. Always shown as icon + word + colour (ux R15)."""

    NONE = "none", _("Not assessed")
    OK = "ok", _("Stable")
    WATCH = "watch", _("Watch")
    HIGH = "high", _("High risk")
    CRITICAL = "critical", _("Critical")


class Sex(models.TextChoices):
    """GB/T 2261.1, FHIR administrative-gender."""

    MALE = "male", _("Male")
    FEMALE = "female", _("Female")
    OTHER = "other", _("Other")
    UNKNOWN = "unknown", _("Unknown")


class _RowByRow(Func):
    """A condition that PostgreSQL tries for each row: it may not turn it into a join that reads both tables whole."""

    template = "(%(expressions)s) IS TRUE"
    output_field = models.BooleanField()


def patient_scope(viewer: Viewer, path: str = "patient", *, sealed: bool = True) -> Q:
    """Which patients a viewer may see, as a condition on a table whose foreign key is `path` ("" on Patient itself).

    Own / departments / hospital by care relationship, plus running grants; sensitive records need their own permission.
    What a blind re-check keeps from the viewer is left out, unless the caller says so itself (`sealed=False`).
    """
    pk = f"{path}_id" if path else "pk"
    if viewer.patient_id:
        return Q(**{pk: viewer.patient_id})
    if not viewer.is_staff:
        return Q(pk__in=[])
    if viewer.narrowed_to:
        return Q(**{pk: viewer.narrowed_to})
    allowed = Q() if viewer.hospital_wide else Q(_RowByRow(Exists(_relationships(viewer, pk))))
    if not viewer.may_see_sensitive:
        allowed &= Q(**{f"{path}__sensitivity" if path else "sensitivity": Patient.Sensitivity.NORMAL})
    if not viewer.hospital_wide or not viewer.may_see_sensitive:
        allowed |= _granted(viewer, pk)
    return allowed & not_sealed(viewer, path) if sealed else allowed


def not_sealed(viewer: Viewer, path: str = "patient", *, before: str = "") -> Q:
    """Leaves out the records that a blind re-check keeps from this viewer; stronger than every right and every grant.

    `before` names a time of the row: then only what is older than the seal is kept away (a new alert is not).
    Only who may re-check can be sealed off, so nobody else's queries pay for it.
    """
    if not viewer.can(MAY_BE_SEALED) or viewer.practitioner_id is None or viewer.narrowed_to:
        return Q()  # a record that a viewer was narrowed to was found, so nothing seals it
    seals = BlindSeal.objects.unscoped("this is the scope itself").filter(
        patient_id=OuterRef(f"{path}_id" if path else "pk"), practitioner_id=viewer.practitioner_id, lifted_at=None
    )
    return ~Q(Exists(seals.filter(since__gte=OuterRef(before)) if before else seals))


def not_sensitive(path: str = "patient", *, unless_lent_to: Viewer | None = None) -> Q:
    """Leaves out what belongs to a sensitive record, said the other way round: of all patients few are sensitive, and an
    index of those few answers for a list of thousands. Joining each row's patient to ask reads thousands of pages.
    `unless_lent_to` leaves in what a running grant shows this person.
    """
    sensitive = Patient.objects.unscoped("this is the scope itself").exclude(sensitivity=Patient.Sensitivity.NORMAL)
    if unless_lent_to is not None:
        sensitive = sensitive.exclude(_granted(unless_lent_to, "pk"))
    return ~Q(Exists(sensitive.filter(pk=OuterRef(f"{path}_id"))))


def patient_scope_as_set(viewer: Viewer) -> Q:
    """The same patients as patient_scope(viewer, ""), said as sets instead of row by row: for counting a whole hospital.

    A list of twenty lines wants twenty look-ups; a count over a million patients wants each set read once.
    """
    if viewer.patient_id:
        return Q(pk=viewer.patient_id)
    if not viewer.is_staff:
        return Q(pk__in=[])
    if viewer.narrowed_to:
        return Q(pk=viewer.narrowed_to)
    grants = AccessGrant.objects.unscoped("this is the scope itself").filter(
        practitioner_id=_person(viewer), valid_from__lte=Now(), valid_to__gt=Now()
    )
    granted = Q(pk__in=grants.values("patient_id"))
    normal = Q() if viewer.may_see_sensitive else Q(sensitivity=Patient.Sensitivity.NORMAL)
    if viewer.hospital_wide:
        return normal | granted if normal else Q()
    mine = CareRelationship.objects.unscoped("this is the scope itself")
    if viewer.own_only:
        mine = mine.filter(practitioner_id=_person(viewer))
    else:
        mine = mine.filter(department_id__in=viewer.departments)
    reachable = Q(pk__in=mine.order_by().values("patient_id").union(grants.order_by().values("patient_id"), all=True))
    return reachable & (normal | granted) if normal else reachable


def _relationships(viewer: Viewer, pk: str) -> models.QuerySet[CareRelationship]:
    mine = CareRelationship.objects.unscoped("this is the scope itself").filter(**_row_by_row(pk))
    if viewer.own_only:
        return mine.filter(practitioner_id=_person(viewer))
    return mine.filter(department_id__in=viewer.departments)


def _granted(viewer: Viewer, pk: str) -> Q:
    """Records lent to this person: those the viewer brought along, else whatever the table says at this moment."""
    if viewer.granted is None:
        return Q(Exists(_grants(viewer, pk)))
    return Q(**{f"{pk}__in": sorted(viewer.granted)})


def _grants(viewer: Viewer, pk: str) -> models.QuerySet[AccessGrant]:
    return AccessGrant.objects.unscoped("this is the scope itself").filter(
        **_row_by_row(pk), practitioner_id=_person(viewer), valid_from__lte=Now(), valid_to__gt=Now()
    )


def _person(viewer: Viewer) -> UUID:
    """Only staff come here: a patient's and a stranger's scope end earlier."""
    if viewer.practitioner_id is None:
        raise TypeError("a scope by care relationship needs a person")
    return viewer.practitioner_id


def _row_by_row(pk: str) -> dict[str, OuterRef]:
    """The same patient, said twice. `>=` cannot be hashed, so PostgreSQL looks each shown row up in an index.

    With the equality alone it would read the whole table of relationships into memory for twenty lines of a list.
    """
    return {"patient_id": OuterRef(pk), "patient_id__gte": OuterRef(pk)}


class PatientRow(ScopedModel):
    """A row that belongs to one patient and is visible with that patient."""

    class Meta:
        abstract = True

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        return patient_scope(viewer)


class Patient(ScopedModel):
    """A person we follow up (FHIR Patient). A merged patient stays as a tombstone that points to the survivor."""

    class Sensitivity(models.TextChoices):
        NORMAL = "normal", _("Normal")
        RESTRICTED = "restricted", _("Restricted")

    name = models.CharField(max_length=120)
    name_pinyin = models.CharField(max_length=240, blank=True, default="")  # sort key: "zhou guo qiang"
    name_initials = models.CharField(max_length=60, blank=True, default="")  # search: "zgq"
    sex = models.CharField(max_length=8, choices=Sex, default=Sex.UNKNOWN)
    birth_date = models.DateField(null=True)
    deceased = models.BooleanField(default=False)
    deceased_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=300, blank=True, default="")
    employer = models.CharField(max_length=200, blank=True, default="")
    ethnicity = models.CharField(max_length=40, blank=True, default="")
    language = models.CharField(max_length=40, blank=True, default="")
    marital_status = models.CharField(max_length=20, blank=True, default="")
    insurance = models.CharField(max_length=60, blank=True, default="")
    occupation = models.CharField(max_length=60, blank=True, default="")
    address_code = models.CharField(max_length=12, blank=True, default="")  # GB/T 2260 county
    family_doctor = models.ForeignKey(
        Practitioner, models.PROTECT, null=True, related_name="family_patients", db_index=False
    )
    sensitivity = models.CharField(max_length=12, choices=Sensitivity, default=Sensitivity.NORMAL)
    risk = models.CharField(max_length=10, choices=Risk, default=Risk.NONE)
    risk_reason = models.CharField(max_length=120, blank=True, default="")  # code of the rule that set it
    risk_at = models.DateTimeField(null=True)
    do_not_contact = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="tombstones", db_index=False)
    data_conflicts = models.JSONField(default=list)  # [{"code": "birth-date-differs", …}] shown, never blocking
    corrected = models.JSONField(null=True)  # {column: the sender's word that staff replaced}; null: nothing corrected

    privacy = {
        "name": "direct", "name_pinyin": "direct", "name_initials": "direct", "birth_date": "quasi",
        "deceased": "clinical", "deceased_at": "clinical", "address": "direct", "employer": "quasi",
        "ethnicity": "quasi", "language": "quasi", "marital_status": "quasi", "insurance": "quasi",
        "occupation": "quasi", "address_code": "quasi",
        "risk_reason": "clinical", "risk_at": "clinical", "do_not_contact": "none", "active": "none",
        "data_conflicts": "quasi", "corrected": "direct",
    }  # fmt: skip

    class Meta:
        # Ordered in the C collation: a prefix and the first page of its matches come from one short index walk.
        indexes = [
            models.Index(Collate("name_initials", "C"), F("id"), name="patient_initials_c"),
            models.Index(Collate("name", "C"), F("id"), name="patient_name_c"),
            models.Index(Collate(Substr("name", 2), "C"), F("id"), name="patient_given_c"),
            models.Index(Collate(Replace("name_pinyin", Value(" "), Value("")), "C"), F("id"), name="patient_pinyin_c"),
            models.Index(fields=["id"], name="patient_sensitive", condition=~Q(sensitivity="normal")),
            # Few have one: an index of all would hold an entry for each that has none.
            models.Index(
                fields=["family_doctor"], name="patient_family_doctor", condition=Q(family_doctor__isnull=False)
            ),
            models.Index(fields=["merged_into"], name="patient_merged_into", condition=Q(merged_into__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(active=False) | Q(merged_into__isnull=True), name="patient_tombstone"),
            models.CheckConstraint(
                condition=Q(deceased=True) | Q(deceased_at__isnull=True), name="patient_death_has_flag"
            ),
        ]

    def __str__(self) -> str:
        return f"Patient {self.pk}"

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        return patient_scope(viewer, "")


class CareRelationship(PatientRow):
    """Which department (and person) cares for a patient. Written from encounters and plans; scopes look at it."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="care_relationships", db_index=False)
    department = models.ForeignKey(Organization, models.PROTECT, db_index=False)
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, db_index=False)
    since = models.DateTimeField()

    privacy = {"since": "quasi"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "department", "practitioner"], name="care_relationship_once", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["department", "patient"], name="care_by_department"),
            models.Index(
                fields=["practitioner", "patient"], name="care_by_practitioner", condition=Q(practitioner__isnull=False)
            ),
        ]


class PatientIdentifier(PatientRow):
    """One number of a patient: system (assigning authority or sending facility), type and value."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="identifiers", db_index=False)
    system = models.CharField(max_length=160)
    type = models.CharField(max_length=12)  # HL7 table 0203: MR, PI, NI (identity number), SS, VN …
    value = models.CharField(max_length=80)
    last4 = models.CharField(max_length=4, blank=True, default="")  # of an identity number, for search
    is_suspect = models.BooleanField(default=False)
    suspect_reason = models.CharField(max_length=40, blank=True, default="")
    source = models.CharField(max_length=80, blank=True, default="")

    privacy = {
        "system": "none", "type": "none", "value": "direct", "last4": "direct", "is_suspect": "none",
        "suspect_reason": "none",
        "source": "none",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "type", "value"], name="identifier_once")]
        indexes = [
            models.Index(fields=["value"], name="identifier_value", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["patient"], name="identifier_patient"),
            models.Index(fields=["last4"], name="identifier_last4", condition=~Q(last4="")),
        ]


class RelatedPerson(PatientRow):
    """A relative or other contact (FHIR RelatedPerson). `relation` is GB/T 4761 or the sender's word."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="related_persons")
    name = models.CharField(max_length=120)
    relation = models.CharField(max_length=40, blank=True, default="")
    may_answer = models.BooleanField(default=False)  # an informed relative, allowed to answer for the patient
    may_receive = models.BooleanField(default=False)
    is_emergency = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    source = models.CharField(max_length=80, blank=True, default="")

    privacy = {
        "name": "direct", "relation": "quasi", "may_answer": "none", "may_receive": "none", "is_emergency": "none",
        "active": "none", "source": "none",
    }  # fmt: skip


class ContactPoint(PatientRow):
    """One number or address, as evidence: whose, from where, verified how, what happened last (B07–B09)."""

    class System(models.TextChoices):
        PHONE = "phone", _("Telephone")
        EMAIL = "email", _("E-mail")
        WECHAT = "wechat", "WeChat"

    class Result(models.TextChoices):
        NONE = "", _("Never tried")
        REACHED = "reached", _("Got through")
        NO_ANSWER = "no-answer", _("No answer")
        BUSY = "busy", _("Busy")
        OFF = "off", _("Powered off")
        EMPTY = "empty-number", _("Number not in service")
        WRONG = "wrong-person", _("Wrong person")
        UNDELIVERABLE = "undeliverable", _("Message not deliverable")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="contact_points", db_index=False)
    related_person = models.ForeignKey(
        RelatedPerson, models.PROTECT, null=True, related_name="contact_points", db_index=False
    )
    system = models.CharField(max_length=8, choices=System, default=System.PHONE)
    value = models.CharField(max_length=120)  # E.164 for phones that parse, else as written
    raw = models.CharField(max_length=200, blank=True, default="")
    last4 = models.CharField(max_length=4, blank=True, default="")
    is_mobile = models.BooleanField(default=False)
    is_valid = models.BooleanField(default=True)  # false: it cannot be a number (fake, too short)
    invalid_reason = models.CharField(max_length=40, blank=True, default="")
    use = models.CharField(max_length=12, blank=True, default="")  # home | work | mobile | temp
    rank = models.PositiveSmallIntegerField(default=9)
    source = models.CharField(max_length=80, blank=True, default="")  # admission-form, nursing-assessment, patient …
    owner_note = models.CharField(max_length=60, blank=True, default="")  # "女儿" as written beside the number
    verified_at = models.DateTimeField(null=True)
    verified_how = models.CharField(max_length=30, blank=True, default="")
    verified_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)
    knows_condition = models.BooleanField(null=True)
    last_result = models.CharField(max_length=16, choices=Result, default=Result.NONE, blank=True)
    last_result_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)  # in a row
    best_hour = models.PositiveSmallIntegerField(null=True)  # local hour of the last success
    active = models.BooleanField(default=True)

    privacy = {
        "value": "direct", "raw": "direct", "last4": "direct", "is_mobile": "none", "is_valid": "none",
        "invalid_reason": "none", "use": "none", "rank": "none", "source": "none", "owner_note": "direct",
        "verified_at": "none", "verified_how": "none", "knows_condition": "none", "last_result_at": "quasi",
        "failures": "none", "best_hour": "quasi", "active": "none",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patient", "system", "value"], name="contact_point_once")]
        indexes = [
            models.Index(fields=["last4"], name="contact_last4", condition=~Q(last4="")),
            models.Index(
                fields=["related_person"], name="contact_of_relative", condition=Q(related_person__isnull=False)
            ),
            models.Index(fields=["verified_by"], name="contact_verified_by", condition=Q(verified_by__isnull=False)),
        ]


class Encounter(PatientRow):
    """One visit or stay (FHIR Encounter). The key is the visit number of its sender."""

    class Class(models.TextChoices):
        INPATIENT = "IMP", _("Inpatient")
        OUTPATIENT = "AMB", _("Outpatient")
        EMERGENCY = "EMER", _("Emergency")
        DAY = "SS", _("Day case")
        EXAMINATION = "EXAM", _("Physical examination")
        OTHER = "OTH", _("Other")

    class Status(models.TextChoices):
        PLANNED = "planned", _("Visit planned")
        IN_PROGRESS = "in-progress", _("Visit going on")
        FINISHED = "finished", _("Visit over")
        CANCELLED = "cancelled", _("Visit cancelled")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="encounters", db_index=False)
    system = models.CharField(max_length=160)
    visit_number = models.CharField(max_length=80)
    class_code = models.CharField(max_length=6, choices=Class, default=Class.OTHER)
    status = models.CharField(max_length=12, choices=Status)
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="encounters")
    department_text = models.CharField(max_length=120, blank=True, default="")
    ward = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="ward_encounters", db_index=False)
    admission_number = models.CharField(max_length=80, blank=True, default="")  # 住院号, if not the visit number
    visit_sequence = models.PositiveSmallIntegerField(null=True)  # 住院次数
    room = models.CharField(max_length=40, blank=True, default="")
    bed = models.CharField(max_length=40, blank=True, default="")
    attending = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="attended_encounters")
    nurse = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="nursed_encounters")
    reason = models.CharField(max_length=300, blank=True, default="")
    admitted_at = models.DateTimeField(null=True)
    discharged_at = models.DateTimeField(null=True)
    disposition = models.CharField(max_length=20, blank=True, default="")  # home, against-advice, transferred, died …
    discharged_to = models.CharField(max_length=120, blank=True, default="")
    last_event_at = models.DateTimeField(null=True)  # of the newest status change: an older message does not undo it
    discharge_cycle = models.PositiveSmallIntegerField(default=0)  # +1 with each discharge: a later A03 is a new cycle
    source = models.CharField(max_length=80, blank=True, default="")

    privacy = {
        "system": "none", "visit_number": "direct", "department_text": "quasi", "admission_number": "direct",
        "visit_sequence": "quasi", "room": "quasi", "bed": "quasi", "reason": "clinical", "discharged_to": "quasi",
        "last_event_at": "quasi",
        "admitted_at": "quasi", "discharged_at": "quasi", "disposition": "clinical", "discharge_cycle": "none",
        "source": "none",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "visit_number"], name="encounter_once"),
            models.CheckConstraint(
                condition=~Q(status="finished") | Q(discharged_at__isnull=False), name="encounter_finished_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["patient", "-admitted_at"], name="encounter_of_patient"),
            models.Index(fields=["-discharged_at", "-id"], name="encounter_discharged", condition=Q(status="finished")),
            models.Index(fields=["visit_number"], name="encounter_number", opclasses=["varchar_pattern_ops"]),
            models.Index(
                fields=["admission_number"],
                name="encounter_admission",
                opclasses=["varchar_pattern_ops"],
                condition=~Q(admission_number=""),
            ),
            models.Index(
                fields=["department", "-discharged_at"], name="encounter_discharges", condition=Q(status="finished")
            ),
        ]


class Condition(PatientRow):
    """A diagnosis (FHIR Condition). `code_key` is the normalised code that rules match by prefix."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="conditions", db_index=False)
    encounter = models.ForeignKey(Encounter, models.PROTECT, null=True, related_name="conditions", db_index=False)
    system = models.CharField(max_length=60, blank=True, default="")
    code = models.CharField(max_length=40, blank=True, default="")
    code_key = models.CharField(max_length=20, blank=True, default="")
    text = models.CharField(max_length=300, blank=True, default="")
    use = models.CharField(max_length=12, blank=True, default="")  # admitting | working | final
    rank = models.PositiveSmallIntegerField(default=9)  # 1 = main diagnosis
    recorded_at = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)

    privacy = {
        "system": "none", "code": "clinical", "code_key": "clinical", "text": "clinical", "use": "none", "rank": "none",
        "recorded_at": "quasi", "active": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["encounter", "rank"], name="condition_of_encounter"),
            models.Index(fields=["patient"], name="condition_of_patient"),
            models.Index(
                fields=["code_key"], name="condition_key", opclasses=["varchar_pattern_ops"], condition=Q(active=True)
            ),
        ]


class Procedure(PatientRow):
    """An operation or procedure (FHIR Procedure), ICD-9-CM-3 as sent."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="procedures", db_index=False)
    encounter = models.ForeignKey(Encounter, models.PROTECT, null=True, related_name="procedures", db_index=False)
    system = models.CharField(max_length=60, blank=True, default="")
    code = models.CharField(max_length=40, blank=True, default="")
    code_key = models.CharField(max_length=20, blank=True, default="")
    text = models.CharField(max_length=300, blank=True, default="")
    rank = models.PositiveSmallIntegerField(default=9)
    performed_at = models.DateTimeField(null=True)
    performer_text = models.CharField(max_length=120, blank=True, default="")
    active = models.BooleanField(default=True)

    privacy = {
        "system": "none", "code": "clinical", "code_key": "clinical", "text": "clinical", "rank": "none",
        "performed_at": "quasi", "performer_text": "quasi", "active": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["encounter", "rank"], name="procedure_of_encounter"),
            models.Index(fields=["patient"], name="procedure_of_patient"),
        ]


class Observation(PatientRow):
    """A result or measurement (FHIR Observation). Numbers stay exact; what is no number stays text."""

    class Status(models.TextChoices):
        PRELIMINARY = "preliminary", _("Preliminary")
        FINAL = "final", _("Final")
        CORRECTED = "corrected", _("Corrected")
        ENTERED_IN_ERROR = "entered-in-error", _("Entered in error")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="observations", db_index=False)
    encounter = models.ForeignKey(Encounter, models.PROTECT, null=True, related_name="observations")
    key = models.CharField(max_length=200, unique=True)  # what makes this the same result when it comes again
    system = models.CharField(max_length=60, blank=True, default="")
    code = models.CharField(max_length=60)
    text = models.CharField(max_length=200, blank=True, default="")
    value_number = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    comparator = models.CharField(max_length=2, blank=True, default="")
    value_text = models.TextField(blank=True, default="")
    unit = models.CharField(max_length=40, blank=True, default="")  # UCUM where it could be mapped
    unit_original = models.CharField(max_length=40, blank=True, default="")
    reference_range = models.CharField(max_length=80, blank=True, default="")
    interpretation = models.CharField(max_length=10, blank=True, default="")  # H L HH LL A N
    status = models.CharField(max_length=18, choices=Status, default=Status.FINAL)
    effective_at = models.DateTimeField()
    issued_at = models.DateTimeField(null=True)
    category = models.CharField(max_length=20, blank=True, default="")  # laboratory | vital-signs | survey
    concept = models.CharField(max_length=20, blank=True, default="")  # systolic, ldl-c … the few we draw and judge
    panel = models.CharField(max_length=120, blank=True, default="")
    note = models.TextField(blank=True, default="")
    source = models.CharField(max_length=80, blank=True, default="")  # lab, patient, device, call …

    privacy = {
        "key": "none", "system": "none", "code": "clinical", "text": "clinical", "value_number": "clinical",
        "comparator": "clinical", "value_text": "clinical", "unit": "clinical", "unit_original": "clinical",
        "reference_range": "clinical", "interpretation": "clinical", "effective_at": "quasi", "issued_at": "quasi",
        "category": "none", "concept": "clinical", "panel": "clinical", "note": "clinical", "source": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["patient", "-effective_at"], name="observation_by_time"),
            models.Index(
                fields=["patient", "concept", "-effective_at"], name="observation_by_concept", condition=~Q(concept="")
            ),
        ]


class MedicationStatement(PatientRow):
    """A medicine the patient takes or was sent home with (FHIR MedicationStatement)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Taking")
        STOPPED = "stopped", _("Stopped")
        COMPLETED = "completed", _("Course over")
        ENTERED_IN_ERROR = "entered-in-error", _("Entered in error")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="medications", db_index=False)
    encounter = models.ForeignKey(Encounter, models.PROTECT, null=True, related_name="medications")
    key = models.CharField(max_length=200, unique=True)
    code = models.CharField(max_length=60, blank=True, default="")
    system = models.CharField(max_length=60, blank=True, default="")
    text = models.CharField(max_length=200)
    dose = models.CharField(max_length=80, blank=True, default="")
    route = models.CharField(max_length=40, blank=True, default="")
    frequency = models.CharField(max_length=80, blank=True, default="")
    quantity = models.CharField(max_length=60, blank=True, default="")
    days = models.PositiveSmallIntegerField(null=True)  # how long the quantity lasts
    is_discharge = models.BooleanField(default=False)  # taken home (出院带药)
    note = models.CharField(max_length=300, blank=True, default="")
    status = models.CharField(max_length=18, choices=Status, default=Status.ACTIVE)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    privacy = {
        "key": "none", "code": "clinical", "system": "none", "text": "clinical", "dose": "clinical",
        "route": "clinical", "frequency": "clinical", "quantity": "clinical", "days": "clinical",
        "is_discharge": "none", "note": "clinical", "started_at": "quasi", "ended_at": "quasi",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["patient", "-started_at"], name="medication_of_patient")]


class AllergyIntolerance(PatientRow):
    """An allergy (FHIR AllergyIntolerance), shown in the banner of every page about the patient."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="allergies", db_index=False)
    code = models.CharField(max_length=60, blank=True, default="")
    text = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, blank=True, default="")  # drug | food | environment | other
    criticality = models.CharField(max_length=20, blank=True, default="")
    reaction = models.CharField(max_length=200, blank=True, default="")
    source = models.CharField(max_length=80, blank=True, default="")
    recorded_at = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)

    privacy = {
        "code": "clinical", "text": "clinical", "kind": "clinical", "criticality": "clinical", "reaction": "clinical",
        "source": "none", "recorded_at": "quasi", "active": "none",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patient", "code", "text"], name="allergy_once")]


class DocumentReference(PatientRow):
    """A document about the patient (FHIR DocumentReference): discharge summary, operation note."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="documents", db_index=False)
    encounter = models.ForeignKey(Encounter, models.PROTECT, null=True, related_name="documents")
    key = models.CharField(max_length=200, unique=True)
    type = models.CharField(max_length=60, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=20, blank=True, default="")
    content_type = models.CharField(max_length=60, default="text/plain")
    text = models.TextField(blank=True, default="")
    content = models.BinaryField(null=True)  # a PDF or picture
    authored_at = models.DateTimeField(null=True)
    author_text = models.CharField(max_length=120, blank=True, default="")
    replaces_key = models.CharField(max_length=200, blank=True, default="")

    privacy = {
        "key": "none", "type": "clinical", "title": "clinical", "status": "none", "content_type": "none",
        "text": "clinical", "content": "clinical", "authored_at": "quasi", "author_text": "quasi",
        "replaces_key": "none",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["patient", "-authored_at"], name="document_of_patient")]


class Consent(PatientRow):
    """What the patient allows, as a history: the newest row of a scope counts (FHIR Consent)."""

    class Decision(models.TextChoices):
        PERMIT = "permit", _("Consent given")
        DENY = "deny", _("Consent refused")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="consents", db_index=False)
    consent_scope = models.CharField(
        max_length=30
    )  # contact-phone | contact-sms | contact-wechat | contact | research …
    decision = models.CharField(max_length=6, choices=Decision)
    decided_at = models.DateTimeField()
    how = models.CharField(max_length=40)  # paper, call, sms-reply, portal
    recorded_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    privacy = {"consent_scope": "none", "decided_at": "quasi", "how": "none"}

    class Meta:
        indexes = [models.Index(fields=["patient", "consent_scope", "-decided_at"], name="consent_of_patient")]


class AccessLink(PatientRow):
    """A link sent to a patient. The token is derived from the id with a secret; only its hash is kept here."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="access_links", db_index=False)
    token_hash = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=20)  # questionnaire | home | verify
    task_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    first_opened_at = models.DateTimeField(null=True)
    passed_at = models.DateTimeField(null=True)  # second factor first passed
    failures = models.PositiveSmallIntegerField(default=0)

    privacy = {
        "token_hash": "none", "purpose": "none", "task_id": "none", "expires_at": "none", "revoked_at": "none",
        "first_opened_at": "quasi", "passed_at": "quasi", "failures": "none",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["patient"], name="link_of_patient")]


class DuplicateCandidate(PatientRow):
    """Two records that may be one person (FHIR link "seealso"): found by a shared number, decided by a person."""

    class Status(models.TextChoices):
        OPEN = "open", _("To be checked")
        DISMISSED = "dismissed", _("Two different people")
        MERGED = "merged", _("Merged")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="duplicate_candidates", db_index=False)
    other = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=40)  # same-identity-number, numbers-of-two-patients
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)

    privacy = {"reason": "none"}

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patient", "other"], name="duplicate_once")]


class AccessGrant(PatientRow):
    """A temporary right to one patient: granted by a supervisor, or taken in an emergency and then reviewed."""

    class Kind(models.TextChoices):
        TEMPORARY = "temporary", _("Temporary access")
        BREAK_GLASS = "break-glass", _("Emergency access")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="access_grants")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    reason = models.CharField(max_length=300)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()
    granted_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    privacy = {"reason": "none", "valid_from": "none", "valid_to": "none", "reviewed_at": "none"}

    class Meta:
        indexes = [
            models.Index(fields=["practitioner", "patient"], name="grant_of_practitioner"),
            models.Index(
                fields=["valid_from", "id"],
                name="grant_unreviewed",
                condition=Q(kind="break-glass", reviewed_at__isnull=True),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(valid_to__gt=models.F("valid_from")), name="grant_period"),
            models.CheckConstraint(condition=~Q(reason=""), name="grant_has_reason"),
        ]


class BlindSeal(PatientRow):
    """While somebody is to ask a patient again, this record is closed to that person: the second answer stays blind."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="blind_seals", db_index=False)
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    why = models.CharField(max_length=80)  # what it is for, as "re-check:<id>"; each seals and lifts for itself
    since = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    lifted_because = models.CharField(max_length=40, blank=True, default="")

    privacy = {"why": "none", "since": "none", "lifted_at": "none", "lifted_because": "none"}

    class Meta:
        indexes = [
            models.Index(fields=["patient", "practitioner"], name="seal_running", condition=Q(lifted_at__isnull=True))
        ]
        constraints = [
            models.UniqueConstraint(fields=["patient", "practitioner", "why"], name="seal_once"),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True) ^ ~Q(lifted_because=""), name="seal_lifted_has_reason"
            ),
        ]


class PatientMerge(PatientRow):
    """Two records became one. `moved` lists what moved, table by table, so that it can be undone exactly."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="merges")  # the survivor
    gone = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    merged_at = models.DateTimeField()
    moved = models.JSONField(default=dict)
    source = models.CharField(max_length=80, blank=True, default="")
    undone_at = models.DateTimeField(null=True)
    undone_reason = models.CharField(max_length=200, blank=True, default="")

    privacy = {"merged_at": "none", "moved": "none", "source": "none", "undone_at": "none", "undone_reason": "none"}

"""Samples, what came out of them, what is to be put right, and the monthly indicators of integrity."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import ScopedModel
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient, PatientRow
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.models import Task


def supervised(viewer: Viewer, *, level: str = "level") -> Q:
    """Rows of a sample: the hospital's inspector sees all, a supervisor the second level of the own departments."""
    if not viewer.is_staff:
        return Q(pk__in=[])
    if viewer.hospital_wide:
        return Q()
    return Q(**{level: 2}, department_id__in=viewer.departments)


def _normal_only(viewer: Viewer) -> Q:
    return Q() if viewer.may_see_sensitive else Q(patient__sensitivity=Patient.Sensitivity.NORMAL)


class Sample(ScopedModel):
    """Records drawn for checking. The list it was drawn from, the weights and the seed are kept: anybody can draw it again."""

    class Status(models.TextChoices):
        OPEN = "open", _("Being checked")
        ACCEPTED = "accepted", _("Sample accepted")
        WIDENED = "widened", _("Widened")

    key = models.CharField(max_length=80, unique=True)  # of the form that asked for it: sent twice, drawn once
    level = models.PositiveSmallIntegerField()  # 2 department, 3 hospital
    department = models.ForeignKey(Organization, models.PROTECT, null=True)  # None: the whole hospital
    drawn_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    drawn_at = models.DateTimeField()
    period_from = models.DateField()
    period_to = models.DateField()  # the last day that counts
    asked = models.JSONField(default=dict)  # size or percent, strata, author, form, mode, blind share
    seed = models.CharField(max_length=64)
    population = models.JSONField(default=list)  # [[response id, stratum, weight], …]: exactly what was drawn from
    population_size = models.PositiveIntegerField()
    population_hash = models.CharField(max_length=64)
    left_out = models.JSONField(default=dict)  # why → how many records could not be drawn
    policy_version = models.CharField(max_length=20)  # of content/sampling.json
    size = models.PositiveIntegerField()
    widens = models.OneToOneField("self", models.PROTECT, null=True, related_name="widened_by")
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    decided_at = models.DateTimeField(null=True)
    decision = models.JSONField(default=dict)

    privacy = {
        "key": "none", "level": "none", "drawn_at": "none", "period_from": "none", "period_to": "none", "asked": "none",
        "seed": "none", "population": "none", "population_size": "none", "population_hash": "none", "left_out": "none",
        "policy_version": "none", "size": "none", "decided_at": "none", "decision": "none",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["department", "-drawn_at", "id"], name="sample_of_department")]
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gte=1) & Q(size__lte=models.F("population_size")), name="sample_fits"
            ),
            models.CheckConstraint(condition=Q(level__in=[2, 3]), name="sample_level"),
            models.CheckConstraint(condition=Q(level=3) | Q(department__isnull=False), name="sample_of_a_department"),
            models.CheckConstraint(condition=Q(status="open") ^ Q(decided_at__isnull=False), name="sample_decided_at"),
        ]

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        return supervised(viewer)


class SampledRecord(PatientRow):
    """One record of a sample, and its check. Blind: nothing of the first answers is shown before the second ones stand."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("To be checked")
        COMPARING = "comparing", _("Differences to explain")
        SETTLED = "settled", _("Checked")
        NOT_REACHED = "not-reached", _("Not reached again")

    class Verdict(models.TextChoices):
        AGREES = "agrees", _("Agrees")
        DIFFERS = "differs", _("Differs")
        SERIOUS = "serious", _("Serious difference")

    sample = models.ForeignKey(Sample, models.PROTECT, related_name="records", db_index=False)
    level = models.PositiveSmallIntegerField()
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    department = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    author = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="+")
    first_task = models.ForeignKey(Task, models.PROTECT, null=True, related_name="+")  # None: nothing had asked for it
    order = models.PositiveIntegerField()
    stratum = models.CharField(max_length=300, blank=True, default="")
    weight = models.FloatField(default=1)
    reasons = models.JSONField(default=list)  # codes that made this record more likely to be drawn
    is_blind = models.BooleanField()
    checker = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    task = models.OneToOneField(Task, models.PROTECT, null=True, related_name="re_check")
    second = models.OneToOneField(QuestionnaireResponse, models.PROTECT, null=True, related_name="re_check_of")
    status = models.CharField(max_length=12, choices=Status, default=Status.WAITING)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    unblinded_at = models.DateTimeField(null=True)
    unblinded_because = models.CharField(max_length=200, blank=True, default="")
    submitted_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    privacy = {
        "level": "none", "order": "none", "stratum": "none", "weight": "none", "reasons": "none", "is_blind": "none",
        "note": "clinical", "unblinded_at": "none", "unblinded_because": "none", "submitted_at": "quasi",
        "settled_at": "none",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["checker", "status", "order"], name="record_of_checker")]
        constraints = [
            models.UniqueConstraint(fields=["sample", "response"], name="record_drawn_once"),
            models.UniqueConstraint(fields=["sample", "order"], name="record_order_once"),
            models.CheckConstraint(condition=~Q(author=models.F("checker")), name="nobody_checks_own_record"),
            models.CheckConstraint(
                condition=Q(status__in=["settled", "not-reached"]) ^ Q(settled_at__isnull=True),
                name="record_settled_at",
            ),
            models.CheckConstraint(condition=~Q(status="settled") | ~Q(verdict=""), name="record_settled_has_verdict"),
        ]

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """The checker's own, and what the viewer supervises. A blind seal closes the patient's record, not this list."""
        mine = Q(checker_id=viewer.practitioner_id) if viewer.is_staff else Q(pk__in=[])
        return (mine | supervised(viewer)) & _normal_only(viewer)

    @property
    def seal(self) -> str:
        """What the blind seal of this record is for."""
        return f"re-check:{self.pk}"

    @property
    def hides_first_answers(self) -> bool:
        """Whether the first answers must not be shown to anybody who checks: asked blind and not yet submitted."""
        return self.is_blind and self.status == self.Status.WAITING


class AnswerPair(PatientRow):
    """The first and the second answer to one question: what kappa is counted from."""

    record = models.ForeignKey(SampledRecord, models.PROTECT, related_name="pairs")
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", db_index=False)
    department = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    author = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    questionnaire_url = models.CharField(max_length=200)
    link_id = models.CharField(max_length=60)
    scale = models.CharField(max_length=8)
    categories = models.JSONField(default=list)
    first = models.CharField(max_length=500, blank=True, default="")
    second = models.CharField(max_length=500, blank=True, default="")
    agrees = models.BooleanField(null=True)  # None: cannot be compared
    counts_for_kappa = models.BooleanField(default=False)
    reason = models.CharField(max_length=30, blank=True, default="")  # why they differ, as the checker says
    answered_at = models.DateTimeField()

    privacy = {
        "questionnaire_url": "clinical", "link_id": "clinical", "scale": "none", "categories": "clinical",
        "first": "clinical", "second": "clinical", "agrees": "none", "counts_for_kappa": "none", "reason": "clinical",
        "answered_at": "quasi",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["record", "link_id"], name="pair_once")]
        indexes = [
            models.Index(fields=["department", "answered_at"], name="pair_of_department"),
            models.Index(fields=["author", "answered_at"], name="pair_of_author"),
        ]


class RecordReview(PatientRow):
    """Somebody other than the author read a record through (level 1 by a colleague; of a sample by its checker)."""

    class Verdict(models.TextChoices):
        FINE = "fine", _("Nothing to object to")
        FINDING = "finding", _("Something to put right")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="reviews", db_index=False)
    author = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    reviewer = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=8, choices=Verdict)
    note = models.CharField(max_length=500, blank=True, default="")
    reviewed_at = models.DateTimeField()

    privacy = {"note": "clinical", "reviewed_at": "quasi"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["response", "reviewer"], name="review_once"),
            models.CheckConstraint(condition=~Q(author=models.F("reviewer")), name="nobody_reviews_own_record"),
        ]


class Finding(PatientRow):
    """Something to put right (整改). It ends only when another person has looked at the evidence."""

    class Severity(models.TextChoices):
        MINOR = "minor", _("Minor")
        SERIOUS = "serious", _("Serious")

    class Status(models.TextChoices):
        OPEN = "open", _("To be put right")
        ANSWERED = "answered", _("Put right, to be looked at")
        CLOSED = "closed", _("Closed after a look")

    key = models.CharField(max_length=120, unique=True)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    department = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="findings_about")
    record = models.ForeignKey(SampledRecord, models.PROTECT, null=True, related_name="findings")
    responsible = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    raised_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    raised_at = models.DateTimeField()
    code = models.CharField(max_length=30)
    severity = models.CharField(max_length=8, choices=Severity)
    note = models.CharField(max_length=500, blank=True, default="")
    task = models.OneToOneField(
        Task, models.PROTECT, related_name="rectifies"
    )  # the work order now running, or the last
    due_at = models.DateTimeField()
    rounds = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    privacy = {
        "key": "none", "raised_at": "quasi", "code": "none", "note": "clinical", "due_at": "none", "rounds": "none",
        "closed_at": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["department", "due_at", "id"], name="finding_open", condition=~Q(status="closed")),
            models.Index(fields=["responsible", "due_at", "id"], name="finding_of", condition=~Q(status="closed")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="closed") ^ Q(closed_at__isnull=True), name="finding_closed_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="closed") | ~Q(closed_by=models.F("responsible")), name="finding_closed_by_another"
            ),
        ]

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """Whoever must put it right, whoever found it, and those who supervise the department."""
        if not viewer.is_staff:
            return Q(pk__in=[])
        mine = Q(responsible_id=viewer.practitioner_id) | Q(raised_by_id=viewer.practitioner_id)
        if viewer.can("supervision.view"):
            there = viewer.within("supervision.view")
            mine |= Q() if there.hospital_wide else Q(department_id__in=there.departments)
            if there.hospital_wide:
                return _normal_only(viewer)
        return mine & _normal_only(viewer)


class FindingStep(PatientRow):
    """What happened to a finding: raised, answered with evidence, returned, closed. Only ever added to."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="steps")
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)  # raised | answered | returned | closed
    text = models.CharField(max_length=1000, blank=True, default="")
    by_practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    privacy = {"kind": "none", "text": "clinical", "at": "quasi"}


class IntegrityIndicator(ScopedModel):
    """One indicator of one person's records of one month. A reason to look, never a verdict; staff see their own."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    department = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    month = models.DateField()  # its first day
    months = models.PositiveSmallIntegerField(default=1)  # counted together, this one being the last
    code = models.CharField(max_length=30)
    records = models.PositiveIntegerField()  # of these months, by this person in this department
    cases = models.PositiveIntegerField(default=0)  # what counts against …
    out_of = models.PositiveIntegerField(default=0)  # … of what could be judged
    chance = models.FloatField(null=True)  # how likely so many are by honest work alone; None: not judged
    fires = models.BooleanField(default=False)
    facts = models.JSONField(default=dict)  # the numbers of the sentence
    evidence = models.JSONField(default=list)  # response ids, at most fifty
    version = models.CharField(max_length=20)  # of content/integrity.json
    counted_at = models.DateTimeField()

    privacy = {
        "month": "none", "months": "none", "code": "none", "records": "none", "cases": "none", "out_of": "none", "chance": "none",
        "fires": "none", "facts": "none", "evidence": "none", "version": "none", "counted_at": "none",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["practitioner", "department", "month", "months", "code"], name="indicator_once_per_window"
            )
        ]
        indexes = [models.Index(fields=["department", "month", "practitioner"], name="indicator_of_department")]

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """One's own, and those of the people one supervises."""
        if not viewer.is_staff:
            return Q(pk__in=[])
        mine = Q(practitioner_id=viewer.practitioner_id)
        if not viewer.can("supervision.view-integrity"):
            return mine
        there = viewer.within("supervision.view-integrity")
        return Q() if there.hospital_wide else mine | Q(department_id__in=there.departments)

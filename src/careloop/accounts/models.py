"""Organization, Practitioner, Role, session and throttle tables."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.kernel.actions import ledger
from careloop.kernel.models import BaseModel, WatchedQuerySet, uuid7


class Organization(BaseModel):
    """A hospital or a part of it (FHIR Organization). `path` holds the codes from the root, `/H/CARD/`: a subtree is a prefix."""

    class Kind(models.TextChoices):
        HOSPITAL = "hospital", _("Hospital")
        DEPARTMENT = "department", _("Department")
        WARD = "ward", _("Ward")
        CLINIC = "clinic", _("Clinic")
        CENTRE = "centre", _("Follow-up centre")

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    name_en = models.CharField(max_length=120, blank=True, default="")
    kind = models.CharField(max_length=12, choices=Kind)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    path = models.CharField(max_length=400, unique=True)
    phone = models.CharField(max_length=30, blank=True, default="")
    is_active = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["path"], name="organization_path", opclasses=["varchar_pattern_ops"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="hospital") ^ Q(parent__isnull=False), name="organization_has_parent"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def called(self, language: str) -> str:
        """Its name in this language; the Chinese one where nobody gave it another."""
        return self.name_en or self.name if language.startswith("en") else self.name


class OrganizationCode(BaseModel):
    """A department code as a sending system writes it, mapped to ours (system = sending facility or code system)."""

    system = models.CharField(max_length=120)
    value = models.CharField(max_length=120)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="codes")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "value"], name="organization_code_once")]


class PractitionerManager(BaseUserManager["Practitioner"]):
    """People by username; a doctor known only from messages has none and cannot sign in."""

    def get_by_natural_key(self, username: str | None) -> Practitioner:
        return self.get(username=username)


class Practitioner(AbstractBaseUser):
    """A person who works here (FHIR Practitioner). `username` is null for those who never sign in."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    username = models.CharField(max_length=60, unique=True, null=True)
    staff_number = models.CharField(max_length=40, unique=True, null=True)
    name = models.CharField(max_length=80)
    title = models.CharField(max_length=60, blank=True, default="")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="staff", null=True)
    phone = models.CharField(max_length=30, blank=True, default="")
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=True)
    password_changed_at = models.DateTimeField(null=True)
    password_history = ArrayField(models.CharField(max_length=200), default=list)
    language = models.CharField(max_length=10, default="zh-hans")
    single_keys = models.BooleanField(default=True)  # WCAG 2.1.4: single-key shortcuts can be turned off
    daily_capacity = models.PositiveSmallIntegerField(default=40)  # contacts a day this person can take

    USERNAME_FIELD = "username"
    objects = PractitionerManager()

    def save(self, *args: Any, **kwargs: Any) -> None:
        mine = ledger("Practitioner")
        super().save(*args, **kwargs)
        mine.writes += 1

    def __str__(self) -> str:
        return self.name


class Role(BaseModel):
    """A named set of permissions. Shipped roles come from content/roles.json; a hospital may add its own."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    name_en = models.CharField(max_length=60)
    permissions = ArrayField(models.CharField(max_length=60), default=list)
    own_only = models.BooleanField(default=False)
    separated_duty = models.CharField(max_length=10, blank=True, default="")  # system | security | audit
    is_shipped = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name

    def called(self, language: str) -> str:
        """Its name in this language; the Chinese one where nobody gave it another."""
        return self.name_en or self.name if language.startswith("en") else self.name


class RoleAssignment(BaseModel):
    """Who has which role where, and from when to when. At the hospital's root it means the whole hospital."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="assignments")
    role = models.ForeignKey(Role, models.PROTECT)
    organization = models.ForeignKey(Organization, models.PROTECT)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    granted_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["practitioner", "valid_to"], name="role_by_practitioner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=models.F("valid_from")), name="assignment_period"
            )
        ]


class StaffSession(BaseModel):
    """One signed-in browser. The cookie's key is kept only as a hash; ended, never deleted."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="staff_sessions")
    key_hash = models.CharField(max_length=64, unique=True)
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.CharField(max_length=20, blank=True, default="")
    ip = models.CharField(max_length=45, blank=True, default="")
    user_agent = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["practitioner"], name="open_sessions", condition=Q(ended_at__isnull=True))]


class LoginAttempt(models.Model):
    """One try to sign in, for the throttle that all web processes share. The name is kept as a keyed hash."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    account_hash = models.CharField(max_length=64)
    ip = models.CharField(max_length=45)
    succeeded = models.BooleanField()

    objects = WatchedQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["account_hash", "at"], name="attempt_by_account"),
            models.Index(fields=["ip", "at"], name="attempt_by_ip"),
        ]

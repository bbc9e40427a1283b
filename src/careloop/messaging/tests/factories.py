"""What tests of messages need: settings of a site that can send, the shipped texts, quick requests."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.test import override_settings

from careloop.kernel.actions import seeding
from careloop.messaging import actions
from careloop.messaging.models import Communication
from careloop.messaging.rules.states import Outcome
from careloop.patients.models import AccessLink, CareRelationship, ContactPoint, Patient
from tests.cast import NOW, SYSTEM

GATEWAY = "http://127.0.0.1:9"


def site(**values: object) -> override_settings:
    """A site with an SMS gateway; `values` are fields of config/env.py."""
    defaults: dict[str, object] = {
        "sms_gateway_url": GATEWAY,
        "sms_gateway_secret": "callback-secret",
        "hospital_name": "云溪市第一人民医院",
        "hospital_phone": "0571-88880000",
        "smtp_url": "smtp://127.0.0.1:9",
    }
    return override_settings(ENV=replace(settings.ENV, **(defaults | values)), SEND_GUARDS=())


def queue(patient: Patient, key: str = "k1", *, at: datetime = NOW, **values: object) -> Communication:
    """One caring SMS, unless `values` says otherwise."""
    defaults: dict[str, object] = {"channel": "sms", "template_code": "caring-message", "params": {}, "by": SYSTEM}
    return actions.queue_message(key=key, patient_id=patient.pk, at=at, **(defaults | values))


def claim(
    at: datetime = NOW, *, channels: tuple[str, ...] = ("sms", "portal", "email"), limit: int = 100, lease: int = 60
):
    return actions.claim_batch(channels=channels, limit=limit, lease_seconds=lease, at=at, by=SYSTEM)


def record(taken: actions.Claim, outcome: Outcome, at: datetime = NOW) -> int:
    """The same answer for everything claimed."""
    return actions.record_results(token=taken.token, results=[(m, outcome) for m in taken.messages], at=at, by=SYSTEM)


def fresh(communication: Communication | UUID) -> Communication:
    pk = communication if isinstance(communication, UUID) else communication.pk
    return Communication.objects.unscoped("a test").select_related("template").get(pk=pk)


def link_for(patient: Patient, *, at: datetime = NOW, days: int = 3) -> AccessLink:
    with seeding():
        return AccessLink.objects.create(
            patient=patient, token_hash=f"{patient.pk}{at.timestamp()}"[:64], purpose="questionnaire",
            expires_at=at + timedelta(days=days),
        )  # fmt: skip


def change(row: object, **values: object) -> None:
    """Change a row behind the back of every action."""
    with seeding():
        type(row).objects.unscoped("a test").filter(pk=row.pk).update(**values)


def more_patients(count: int, department: object, *, prefix: str = "139") -> list[Patient]:
    """Patients with a number each, for crowds."""
    with seeding():
        patients = Patient.objects.bulk_create(
            [Patient(name=f"周{n}", sex="male" if n % 2 else "female") for n in range(count)]
        )
        ContactPoint.objects.bulk_create(
            [
                ContactPoint(patient=p, value=f"+86{prefix}{n:08d}", last4=f"{n:08d}"[-4:], is_mobile=True, rank=1)
                for n, p in enumerate(patients)
            ]
        )
        CareRelationship.objects.bulk_create(
            [CareRelationship(patient=p, department=department, since=NOW) for p in patients]
        )
    return patients


@contextmanager
def guard(path: str):
    with override_settings(SEND_GUARDS=(path,)):
        yield

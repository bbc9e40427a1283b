"""The portal as its own process serves it: its addresses, its middleware, its headers. And links to patients of the cast."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from careloop.kernel.actions import seeding
from careloop.patients.models import AccessLink, Patient
from careloop.portal import rules
from tests.cast import Cast

PHONE_ZHANG = "0347"  # last four digits of the telephone of patient Zhang
PHONE_MA = "0999"


@pytest.fixture
def portal(settings):
    """Settings as with CARELOOP_SURFACE=portal."""
    written = importlib.import_module("careloop.config.settings")
    settings.ROOT_URLCONF = "careloop.config.urls_portal"
    settings.MIDDLEWARE = written._COMMON + written._PORTAL
    settings.SESSION_COOKIE_NAME = "careloop_patient"
    settings.CSRF_COOKIE_NAME = "careloop_csrf_portal"
    settings.SECURE_REFERRER_POLICY = "no-referrer"
    settings.CSRF_FAILURE_VIEW = "careloop.portal.views.errors.forbidden"
    return settings


@dataclass
class Visitor:
    """A browser on the portal and the link somebody sent it."""

    client: Client
    token: str
    link: AccessLink

    @property
    def url(self) -> str:
        return f"/q/{self.token}"

    def enter(self, factor: str = PHONE_ZHANG):
        return self.client.post(self.url, {"factor": factor})


def make_link(patient: Patient, *, purpose: str = rules.HOME, task_id=None, days: int = 7, token: str | None = None):
    """A link as issue_link leaves it: only the hash is stored."""
    token = token or f"t{patient.pk.hex}{purpose}{task_id or ''}"
    with seeding():
        link = AccessLink.objects.create(
            patient=patient, token_hash=rules.token_hash(token), purpose=purpose, task_id=task_id,
            expires_at=datetime.now(UTC) + timedelta(days=days),
        )  # fmt: skip
    return token, link


def visitor(patient: Patient, **more) -> Visitor:
    token, link = make_link(patient, **more)
    return Visitor(client=Client(), token=token, link=link)


@pytest.fixture
def zhang(portal, cast: Cast) -> Visitor:
    return visitor(cast.zhang)

"""What the patient pages show, each page from a few indexed queries."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from careloop.accounts.models import Organization
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.messaging.models import Communication, InboundMessage
from careloop.messaging.reads.texts import shown_text
from careloop.patients.models import AccessLink, ContactPoint, MedicationStatement, Observation, Patient
from careloop.portal import rules
from careloop.portal.models import FailedCheck
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.rules import Form
from careloop.tasks.models import Task

WHY_BEFORE_FACTOR = "the link itself is checked before anybody is known"
HEARTBEAT = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class PatientSession:
    """A link whose second factor was given in this browser, not too long ago."""

    link: AccessLink
    patient: Patient
    family: bool

    @property
    def purpose(self) -> str:
        return rules.HOME if self.link.purpose == rules.VERIFY else self.link.purpose

    @property
    def task_id(self) -> UUID | None:
        return self.link.task_id

    def opens(self, task_id: UUID) -> bool:
        """Whether this task's questions may be answered here: the link's own task, or any with a home link."""
        return self.purpose == rules.HOME or self.task_id == task_id


# ---- the link and its second factor ----


def usable_link(token: str, *, at: datetime) -> AccessLink | None:
    """The link of this token while it may be used: not over, not revoked, not tried to death, for a living record."""
    link = (
        AccessLink.objects.unscoped(WHY_BEFORE_FACTOR)
        .select_related("patient")
        .filter(token_hash=rules.token_hash(token))
        .first()
    )
    return link if link is not None and _usable(link, at=at) else None


def locked_link(session: SessionBase, *, at: datetime) -> AccessLink | None:
    """The link a locked browser had open, so that its owner need not look for the message again."""
    if _state(session, at=at) not in {rules.SessionState.LOCKED, rules.SessionState.OPEN}:
        return None
    return _link_of(session, at=at)


def known_factors(link: AccessLink | None) -> list[str]:
    """What would pass. An unknown link asks the database the same question, so that it takes the same time."""
    patient_id = link.patient_id if link else uuid.UUID(int=0)
    if settings.ENV.link_check == rules.Check.BIRTH_YEAR.value:
        dates = Patient.objects.unscoped(WHY_BEFORE_FACTOR).filter(pk=patient_id).values_list("birth_date", flat=True)
        return [f"{born:%Y}" for born in dates if born]
    return list(
        ContactPoint.objects.unscoped(WHY_BEFORE_FACTOR)
        .filter(patient_id=patient_id, active=True)
        .exclude(last4="")
        .values_list("last4", flat=True)
    )


def proven_number(link: AccessLink, given: str, viewer: Viewer) -> ContactPoint | None:
    """The patient's number that these digits belong to, when the link was scanned to prove one. A relative's does not
    count, and a birth year proves no number."""
    if link.purpose != rules.VERIFY or settings.ENV.link_check != rules.Check.PHONE.value:
        return None
    mine = ContactPoint.objects.visible_to(viewer).filter(patient_id=link.patient_id, active=True)
    return mine.filter(last4=rules.digits_of(given), related_person=None).order_by("rank", "pk").first()


def wrong_tries(fingerprints: Sequence[str], *, at: datetime) -> list[int]:
    """How often each fingerprint was wrong in the last ten minutes."""
    since = at - rules.TRY_WINDOW
    return [FailedCheck.objects.filter(fingerprint=one, failed_at__gt=since).count() for one in fingerprints]


def _usable(link: AccessLink, *, at: datetime) -> bool:
    return (
        link.revoked_at is None
        and link.expires_at > at
        and link.failures < rules.LINK_DIES_AFTER
        and link.patient.active
    )


# ---- the session ----


def remember(session: SessionBase, link: AccessLink, *, at: datetime) -> None:
    """Opens the pages of this link in this browser. The key from before is worth nothing any more."""
    session.flush()
    session["link"] = str(link.pk)
    session["started"] = session["seen"] = at.isoformat()


def open_session(session: SessionBase, *, at: datetime) -> PatientSession | None:
    """Who is here. None when nobody is, when it was idle too long or too old, or when the link was revoked."""
    if _state(session, at=at) is not rules.SessionState.OPEN:
        return None
    link = _link_of(session, at=at)
    if link is None:
        return None
    if at - datetime.fromisoformat(session["seen"]) > HEARTBEAT:
        session["seen"] = at.isoformat()
    return PatientSession(link=link, patient=link.patient, family=bool(session.get("family")))


def _state(session: SessionBase, *, at: datetime) -> rules.SessionState:
    if "link" not in session:
        return rules.SessionState.ENDED
    return rules.session_state(
        started_at=datetime.fromisoformat(session["started"]), seen_at=datetime.fromisoformat(session["seen"]), at=at
    )


def _link_of(session: SessionBase, *, at: datetime) -> AccessLink | None:
    found: list[AccessLink] = _link_by_id(viewer=NOBODY, link_id=UUID(session["link"]))
    return found[0] if found and _usable(found[0], at=at) else None


@prepared
def _link_by_id(viewer: Viewer, link_id: UUID) -> QuerySet[AccessLink]:
    links = AccessLink.objects.unscoped("the session of this browser names its own link")
    return links.select_related("patient").filter(pk=link_id)


# ---- pages ----


def centre_phone() -> str:
    """The number of the call button; empty when the hospital set none."""
    return str(settings.ENV.hospital_phone)


def hospital_name() -> str:
    """The name set for messages and pages, else the root organization's."""
    if settings.ENV.hospital_name:
        return str(settings.ENV.hospital_name)
    names: list[str] = _root_names(viewer=NOBODY)
    return names[0] if names else ""


@prepared
def _root_names(viewer: Viewer) -> QuerySet[Organization, Any]:
    roots = Organization.objects.filter(kind="hospital", parent__isnull=True)
    return roots.order_by("id").values_list("name", flat=True)[:1]


@dataclass(frozen=True, slots=True)
class ToAnswer:
    """A questionnaire on the home page."""

    id: UUID
    title: str
    note: str
    begun: bool


def questionnaires_to_answer(viewer: Viewer, *, at: datetime) -> list[ToAnswer]:
    """Questionnaires the patient can answer now, the oldest first."""
    tasks = (
        Task.objects.visible_to(viewer)
        .open()
        .filter(Q(available_at__lte=at) | ~Q(message_state=""))  # asked by message before a person would call
        .exclude(questionnaire_url="")
        .order_by("due_at", "id")[:10]
    )
    found = list(tasks)
    begun = set(
        QuestionnaireResponse.objects.visible_to(viewer)
        .filter(task_id__in=[task.pk for task in found], status="in-progress")
        .values_list("task_id", flat=True)
    )
    forms = {
        one.url: form_of(one)
        for one in Questionnaire.objects.filter(url__in={t.questionnaire_url for t in found}, status="active")
    }
    return [
        ToAnswer(task.pk, task.step_words or task.plan_words, _note(forms[task.questionnaire_url]), task.pk in begun)
        for task in found
        if task.questionnaire_url in forms
    ]


def _note(form: Form) -> str:
    """9 questions, about 3 minutes."""
    count, minutes = len(form.screens), form.minutes.get("portal") or form.minutes.get("patient")
    questions = ngettext("%(count)s question", "%(count)s questions", count) % {"count": count}
    if not minutes:
        return questions
    return _("%(questions)s, about %(minutes)s minutes") % {"questions": questions, "minutes": minutes}


def coming_tasks(viewer: Viewer, *, at: datetime) -> list[Task]:
    """What the plan holds next, for "my plan"."""
    return list(Task.objects.visible_to(viewer).open().filter(available_at__gt=at).order_by("due_at", "id")[:12])


def done_tasks(viewer: Viewer) -> list[Task]:
    """What is behind the patient, newest first."""
    return list(Task.objects.visible_to(viewer).filter(status=Task.Status.COMPLETED).order_by("-ended_at", "-id")[:12])


def running_plans(viewer: Viewer) -> list[str]:
    """Titles of the plans that still hold something."""
    titles = Task.objects.visible_to(viewer).open().exclude(plan_title="").order_by("plan_title")
    return list(titles.values_list("plan_title", flat=True).distinct()[:10])


def medicines(viewer: Viewer) -> list[MedicationStatement]:
    """What the patient takes now, one line a medicine."""
    return list(
        MedicationStatement.objects.visible_to(viewer)
        .filter(status=MedicationStatement.Status.ACTIVE)
        .order_by("-started_at", "id")[:40]
    )


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the conversation."""

    text: str
    mine: bool
    at: datetime


def conversation(viewer: Viewer) -> list[Said]:
    """The newest messages of both sides, oldest first: the portal inbox and what the patient wrote."""
    inbox = (
        Communication.objects.visible_to(viewer)
        .select_related("template")
        .filter(channel="portal", state=Communication.State.DELIVERED)
        .order_by("-delivered_at", "-id")[:20]
    )
    wrote = InboundMessage.objects.visible_to(viewer).order_by("-received_at", "-id")[:20]
    said = [Said(shown_text(one), False, one.delivered_at or one.requested_at) for one in inbox]
    said += [Said(one.text, True, one.occurred_at) for one in wrote]
    return sorted(said, key=lambda one: one.at)[-20:]


# ---- measurements ----


@cache
def measurements() -> Mapping[str, rules.Measurement]:
    """The measurements we ship, by code."""
    path = Path(__file__).parent.parent / "content" / "measurements.json"
    return rules.parse_measurements(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of one moment, by field name."""

    measured_at: datetime
    values: Mapping[str, Decimal]


def readings(viewer: Viewer, measurement: rules.Measurement, *, count: int = 14) -> list[Reading]:
    """The newest readings from any source (home, ward, device), oldest first.

    A heartbeat that a ward sends by itself is no reading of blood pressure: what the measurement needs makes the moments,
    what may stay empty is looked up for them (not for the newest one alone, which is shown without it).
    """
    needed = {field.concept: field.name for field in measurement.fields if field.required}
    others = {field.concept: field.name for field in measurement.fields if not field.required}
    rows = _values(viewer, needed).order_by("-effective_at", "-id")[: count * len(needed)]
    moments: dict[datetime, dict[str, Decimal]] = {}
    for when, concept, value in rows:
        moments.setdefault(when, {})[needed[concept]] = value
    newest = sorted(moments)[-count:]
    if others and count > 1:
        for when, concept, value in _values(viewer, others).filter(effective_at__in=newest):
            moments[when][others[concept]] = value
    return [Reading(when, moments[when]) for when in newest]


def _values(viewer: Viewer, concepts: Iterable[str]) -> QuerySet[Observation, Any]:
    """When, what and how much, of the numbers that stand."""
    return (
        Observation.objects.visible_to(viewer)
        .filter(concept__in=list(concepts), value_number__isnull=False)
        .exclude(status=Observation.Status.ENTERED_IN_ERROR)
        .values_list("effective_at", "concept", "value_number")
    )


def earlier_values(found: Sequence[Reading]) -> list[rules.Earlier]:
    """The same readings as the limits about gain want them."""
    return [
        rules.Earlier(name, value, reading.measured_at) for reading in found for name, value in reading.values.items()
    ]

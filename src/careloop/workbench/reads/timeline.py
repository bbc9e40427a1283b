"""Everything that happened to a patient, of all rooms, on one line of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from careloop.alerts.models import Alert
from careloop.kernel.prepared import Asked, Prepared, prepared, together
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Communication
from careloop.patients.models import DocumentReference, Encounter, Patient, Procedure
from careloop.plans.reads.titles import titles_in
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads.wording import channel_label, outcome_label
from careloop.tasks.rules import outcome_of

KINDS: Final = ("all", "follow-up", "visit", "message", "alert")
LIMIT: Final = 30
RISK_TAGS: Final = {"critical": "crit", "high": "high", "watch": "watch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: when, what, in which words. `tag` is (look, words)."""

    at: datetime
    kind: str
    icon: str
    title: str
    text: str = ""
    tag: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The newest entries, and whether there are older ones."""

    entries: list[Entry]
    older_than: datetime | None


Make = Callable[[list[Any], datetime | None], Iterable[Entry]]


def timeline(patient: Patient, *, kind: str, viewer: Viewer, before: datetime | None = None) -> Timeline:
    """The newest entries of a kind, from every room; one indexed question a source, asked together.

    `before` turns the page.
    """
    answers = together(*asked(patient, kind=kind, viewer=viewer, before=before))
    makes = [make for *_, make in _sources(kind, viewer)]
    found = [entry for make, rows in zip(makes, answers, strict=True) for entry in make(rows, before)]
    found.sort(key=lambda entry: entry.at, reverse=True)
    return Timeline(found[:LIMIT], found[LIMIT - 1].at if len(found) > LIMIT else None)


def asked(patient: Patient, *, kind: str, viewer: Viewer, before: datetime | None) -> list[Asked[Any]]:
    """What `timeline` asks, to be asked with other questions of a page."""
    sources = _sources(kind, viewer)
    return [
        ask.asked(viewer=viewer, patient_id=patient.pk, before=before) for _kind, _permission, ask, _make in sources
    ]


def _sources(kind: str, viewer: Viewer) -> list[tuple[str, str, Prepared[Any], Make]]:
    return [one for one in SOURCES if kind in ("all", one[0]) and viewer.can(one[1])]


@prepared
def _asked_attempts(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[ContactAttempt]:
    rows = ContactAttempt.objects.visible_to(viewer).filter(patient_id=patient_id, undone_at=None)
    if before is not None:
        rows = rows.filter(started_at__lt=before)
    return rows.select_related("by_practitioner", "task").order_by("-started_at", "pk")[: LIMIT + 1]


def _attempts(rows: list[ContactAttempt], before: datetime | None) -> Iterable[Entry]:
    titles = titles_in(get_language() or "zh-hans")
    for row in rows:
        step = titles.step(row.task.plan_title, row.task.step_words)
        outcome = outcome_of(row.outcome)
        reached = outcome is not None and outcome.reached
        who = row.by_practitioner.name if row.by_practitioner else ""
        yield Entry(
            at=row.started_at,
            kind="follow-up",
            icon=_way_icon(row.channel, reached),
            title=" · ".join(
                part
                for part in (_("Phone follow-up") if row.channel == "phone" else channel_label(row.channel), step)
                if part
            ),
            text=" ".join(part for part in (who, row.note) if part),
            tag=("ok" if reached else "none", outcome_label(row.outcome, row.channel)),
        )


def _way_icon(channel: str, reached: bool) -> str:
    way = {"letter": "mail", "visit": "home", "clinic": "stethoscope"}.get(channel)
    return way or ("phone-call" if reached else "phone-off")


@prepared
def _asked_closed_tasks(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Task]:
    rows = (
        Task.objects.visible_to(viewer)
        .filter(patient_id=patient_id, ended_at__isnull=False)
        .exclude(kind=Task.Kind.ALERT)
    )
    rows = rows.filter(contact_attempts__isnull=True)
    if before is not None:
        rows = rows.filter(ended_at__lt=before)
    return rows.order_by("-ended_at", "pk")[: LIMIT + 1]


def _closed_tasks(rows: list[Task], before: datetime | None) -> Iterable[Entry]:
    """Follow-ups that ended without a call: answered online, or closed with a reason."""
    titles = titles_in(get_language() or "zh-hans")
    for row in rows:
        step = titles.step(row.plan_title, row.step_words)
        done = row.status == Task.Status.COMPLETED
        yield Entry(
            at=row.ended_at or row.updated_at,
            kind="follow-up",
            icon="forms" if row.outcome == "answered-online" else "clipboard-check" if done else "circle-x",
            title=" · ".join(part for part in (row.get_kind_display(), step) if part),
            text=titles.plan(row.plan_words),
            tag=("ok", outcome_label(row.outcome)) if done else ("none", _("Closed")),
        )


@prepared
def _asked_stays(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Encounter]:
    rows = Encounter.objects.visible_to(viewer).filter(patient_id=patient_id).exclude(status=Encounter.Status.CANCELLED)
    return rows.select_related("department", "attending").order_by("-admitted_at", "pk")[:60]


def _stays(rows: list[Encounter], before: datetime | None) -> Iterable[Entry]:
    for row in rows:
        where = row.department.name if row.department else row.department_text
        if row.discharged_at and row.class_code == Encounter.Class.INPATIENT and _is_before(row.discharged_at, before):
            days = max((row.discharged_at - row.admitted_at).days, 1) if row.admitted_at else None
            text = _("%(where)s, %(n)d days in hospital") % {"where": where, "n": days} if days else where
            yield Entry(at=row.discharged_at, kind="visit", icon="door-exit", title=_("Discharge"), text=text)
        if row.admitted_at and _is_before(row.admitted_at, before):
            inpatient = row.class_code == Encounter.Class.INPATIENT
            yield Entry(
                at=row.admitted_at,
                kind="visit",
                icon="bed" if inpatient else "stethoscope",
                title=_("Admission") if inpatient else row.get_class_code_display(),
                text=", ".join(part for part in (where, row.reason) if part),
            )


def _is_before(moment: datetime, before: datetime | None) -> bool:
    return before is None or moment < before


@prepared
def _asked_operations(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Procedure]:
    rows = Procedure.objects.visible_to(viewer).filter(patient_id=patient_id, active=True, performed_at__isnull=False)
    if before is not None:
        rows = rows.filter(performed_at__lt=before)
    return rows.order_by("-performed_at", "pk")[: LIMIT + 1]


def _operations(rows: list[Procedure], before: datetime | None) -> Iterable[Entry]:
    for row in rows:
        if row.performed_at is not None:
            text = _("Surgeon %(name)s") % {"name": row.performer_text} if row.performer_text else ""
            yield Entry(at=row.performed_at, kind="visit", icon="heartbeat", title=row.text or row.code, text=text)


@prepared
def _asked_documents(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[DocumentReference]:
    rows = DocumentReference.objects.visible_to(viewer).filter(patient_id=patient_id, authored_at__isnull=False)
    if before is not None:
        rows = rows.filter(authored_at__lt=before)
    rows = rows.exclude(status__in=("superseded", "entered-in-error")).defer("content", "text")
    return rows.order_by("-authored_at", "pk")[: LIMIT + 1]


def _documents(rows: list[DocumentReference], before: datetime | None) -> Iterable[Entry]:
    for row in rows:
        if row.authored_at is not None:
            title = row.title or _("Document")
            yield Entry(at=row.authored_at, kind="visit", icon="file-text", title=title, text=row.author_text)


@prepared
def _asked_alerts(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Alert]:
    rows = Alert.objects.visible_to(viewer).filter(patient_id=patient_id)
    if before is not None:
        rows = rows.filter(raised_at__lt=before)
    return rows.select_related("owner").order_by("-raised_at", "pk")[: LIMIT + 1]


def _alerts(rows: list[Alert], before: datetime | None) -> Iterable[Entry]:
    chinese = (get_language() or "zh").startswith("zh")
    for row in rows:
        yield Entry(
            at=row.raised_at,
            kind="alert",
            icon="alert-triangle",
            title=row.sentence_zh if chinese else row.sentence_en or row.sentence_zh,
            text=" · ".join(part for part in (row.get_status_display(), row.owner.name if row.owner else "") if part),
            tag=(RISK_TAGS[row.severity], row.get_severity_display()),
        )


@prepared
def _asked_messages(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Communication]:
    rows = Communication.objects.visible_to(viewer).filter(patient_id=patient_id)
    if before is not None:
        rows = rows.filter(requested_at__lt=before)
    return rows.select_related("template").order_by("-requested_at", "pk")[: LIMIT + 1]


def _messages(rows: list[Communication], before: datetime | None) -> Iterable[Entry]:
    chinese = (get_language() or "zh").startswith("zh")
    for row in rows:
        titles = row.template.title if row.template else row.params.get("titles", {})  # a letter brings its own
        bad = row.state in (Communication.State.FAILED, Communication.State.UNKNOWN)
        yield Entry(
            at=row.sent_at or row.requested_at,
            kind="message",
            icon="message",
            title=f"{row.get_channel_display()} · {titles.get('zh' if chinese else 'en', row.template_code)}",
            tag=("high" if bad else "none", row.get_state_display()),
        )


@prepared
def _asked_responses(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[QuestionnaireResponse]:
    rows = QuestionnaireResponse.objects.visible_to(viewer).filter(patient_id=patient_id, authored_at__isnull=False)
    rows = rows.filter(mode=QuestionnaireResponse.Mode.PORTAL)
    if before is not None:
        rows = rows.filter(authored_at__lt=before)
    return rows.select_related("questionnaire").order_by("-authored_at", "pk")[: LIMIT + 1]


def _responses(rows: list[QuestionnaireResponse], before: datetime | None) -> Iterable[Entry]:
    """Answers given online; those given on the phone stand with the call."""
    chinese = (get_language() or "zh").startswith("zh")
    for row in rows:
        if row.authored_at is not None:
            title = row.questionnaire.title if chinese else row.questionnaire.title_en or row.questionnaire.title
            n = len(row.findings)
            words = ngettext("%(num)d abnormal answer", "%(num)d abnormal answers", n) % {"num": n}
            tag = ("high", words) if n else ("ok", _("nothing abnormal"))
            yield Entry(
                at=row.authored_at, kind="follow-up", icon="device-mobile", tag=tag,
                title=" · ".join((_("Answered online"), title)),
            )  # fmt: skip


# (kind, permission, what is asked, what is made of the rows). A room that is added later adds a line.
SOURCES: Final[tuple[tuple[str, str, Prepared[Any], Make], ...]] = (
    ("follow-up", "tasks.view", _asked_attempts, _attempts),
    ("follow-up", "tasks.view", _asked_closed_tasks, _closed_tasks),
    ("follow-up", "questionnaires.view", _asked_responses, _responses),
    ("visit", "patients.view", _asked_stays, _stays),
    ("visit", "patients.view", _asked_operations, _operations),
    ("visit", "patients.view", _asked_documents, _documents),
    ("alert", "alerts.view", _asked_alerts, _alerts),
    ("message", "messaging.view", _asked_messages, _messages),
)

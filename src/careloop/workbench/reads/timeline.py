"""Everything that happened to a patient, of all rooms, on one line of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from careloop.alerts.models import Alert
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


Source = Callable[[Patient, Viewer, datetime | None], Iterable[Entry]]


def timeline(patient: Patient, *, kind: str, viewer: Viewer, before: datetime | None = None) -> Timeline:
    """The newest entries of a kind, from every room; one indexed query a source. `before` turns the page."""
    found = [
        entry
        for own_kind, permission, source in SOURCES
        if kind in ("all", own_kind) and viewer.can(permission)
        for entry in source(patient, viewer, before)
    ]
    found.sort(key=lambda entry: entry.at, reverse=True)
    return Timeline(found[:LIMIT], found[LIMIT - 1].at if len(found) > LIMIT else None)


def _attempts(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    rows = ContactAttempt.objects.visible_to(viewer).filter(patient=patient, undone_at=None)
    if before is not None:
        rows = rows.filter(started_at__lt=before)
    titles = titles_in(get_language() or "zh-hans")
    for row in rows.select_related("by_practitioner", "task").order_by("-started_at", "pk")[: LIMIT + 1]:
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


def _closed_tasks(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    """Follow-ups that ended without a call: answered online, or closed with a reason."""
    rows = Task.objects.visible_to(viewer).filter(patient=patient, ended_at__isnull=False).exclude(kind=Task.Kind.ALERT)
    rows = rows.filter(contact_attempts__isnull=True)
    if before is not None:
        rows = rows.filter(ended_at__lt=before)
    titles = titles_in(get_language() or "zh-hans")
    for row in rows.order_by("-ended_at", "pk")[: LIMIT + 1]:
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


def _stays(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    rows = Encounter.objects.visible_to(viewer).filter(patient=patient).exclude(status=Encounter.Status.CANCELLED)
    for row in rows.select_related("department", "attending").order_by("-admitted_at", "pk")[:60]:
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


def _operations(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    rows = Procedure.objects.visible_to(viewer).filter(patient=patient, active=True, performed_at__isnull=False)
    if before is not None:
        rows = rows.filter(performed_at__lt=before)
    for row in rows.order_by("-performed_at", "pk")[: LIMIT + 1]:
        if row.performed_at is not None:
            text = _("Surgeon %(name)s") % {"name": row.performer_text} if row.performer_text else ""
            yield Entry(at=row.performed_at, kind="visit", icon="heartbeat", title=row.text or row.code, text=text)


def _documents(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    rows = DocumentReference.objects.visible_to(viewer).filter(patient=patient, authored_at__isnull=False)
    if before is not None:
        rows = rows.filter(authored_at__lt=before)
    rows = rows.exclude(status__in=("superseded", "entered-in-error")).defer("content", "text")
    for row in rows.order_by("-authored_at", "pk")[: LIMIT + 1]:
        if row.authored_at is not None:
            title = row.title or _("Document")
            yield Entry(at=row.authored_at, kind="visit", icon="file-text", title=title, text=row.author_text)


def _alerts(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    rows = Alert.objects.visible_to(viewer).filter(patient=patient)
    if before is not None:
        rows = rows.filter(raised_at__lt=before)
    chinese = (get_language() or "zh").startswith("zh")
    for row in rows.select_related("owner").order_by("-raised_at", "pk")[: LIMIT + 1]:
        yield Entry(
            at=row.raised_at,
            kind="alert",
            icon="alert-triangle",
            title=row.sentence_zh if chinese else row.sentence_en or row.sentence_zh,
            text=" · ".join(part for part in (row.get_status_display(), row.owner.name if row.owner else "") if part),
            tag=(RISK_TAGS[row.severity], row.get_severity_display()),
        )


def _messages(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    rows = Communication.objects.visible_to(viewer).filter(patient=patient)
    if before is not None:
        rows = rows.filter(requested_at__lt=before)
    chinese = (get_language() or "zh").startswith("zh")
    for row in rows.select_related("template").order_by("-requested_at", "pk")[: LIMIT + 1]:
        titles = row.template.title if row.template else row.params.get("titles", {})  # a letter brings its own
        bad = row.state in (Communication.State.FAILED, Communication.State.UNKNOWN)
        yield Entry(
            at=row.sent_at or row.requested_at,
            kind="message",
            icon="message",
            title=f"{row.get_channel_display()} · {titles.get('zh' if chinese else 'en', row.template_code)}",
            tag=("high" if bad else "none", row.get_state_display()),
        )


def _responses(patient: Patient, viewer: Viewer, before: datetime | None) -> Iterable[Entry]:
    """Answers given online; those given on the phone stand with the call."""
    rows = QuestionnaireResponse.objects.visible_to(viewer).filter(patient=patient, authored_at__isnull=False)
    rows = rows.filter(mode=QuestionnaireResponse.Mode.PORTAL)
    if before is not None:
        rows = rows.filter(authored_at__lt=before)
    chinese = (get_language() or "zh").startswith("zh")
    for row in rows.select_related("questionnaire").order_by("-authored_at", "pk")[: LIMIT + 1]:
        if row.authored_at is not None:
            title = row.questionnaire.title if chinese else row.questionnaire.title_en or row.questionnaire.title
            n = len(row.findings)
            words = ngettext("%(num)d abnormal answer", "%(num)d abnormal answers", n) % {"num": n}
            tag = ("high", words) if n else ("ok", _("nothing abnormal"))
            yield Entry(
                at=row.authored_at, kind="follow-up", icon="device-mobile", tag=tag,
                title=" · ".join((_("Answered online"), title)),
            )  # fmt: skip


# (kind, permission, source). A room that is added later adds a line.
SOURCES: Final[tuple[tuple[str, str, Source], ...]] = (
    ("follow-up", "tasks.view", _attempts),
    ("follow-up", "tasks.view", _closed_tasks),
    ("follow-up", "questionnaires.view", _responses),
    ("visit", "patients.view", _stays),
    ("visit", "patients.view", _operations),
    ("visit", "patients.view", _documents),
    ("alert", "alerts.view", _alerts),
    ("message", "messaging.view", _messages),
)

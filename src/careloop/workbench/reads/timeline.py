"""Everything that happened to a patient, of all rooms, on one line of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Func, IntegerField, QuerySet
from django.db.models.fields.json import KeyTransform
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from careloop.alerts.models import Alert
from careloop.kernel.display import Words
from careloop.kernel.prepared import Asked, prepared, together
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Channel, Communication
from careloop.patients.models import DocumentReference, Encounter, Patient, Procedure
from careloop.plans.reads.titles import titles_in
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.models import ContactAttempt, Task, in_language
from careloop.tasks.reads.wording import channel_label, outcome_label
from careloop.tasks.rules import outcome_of
from careloop.workbench.reads.stays import Stay, asked_by_stays

KINDS: Final = ("all", "follow-up", "visit", "message", "alert")
LIMIT: Final = 30
RISK_TAGS: Final = {"critical": "crit", "high": "high", "watch": "watch"}


_TASK_KINDS: Final = Words(dict(Task.Kind.choices))
_ALERT_STATES: Final = Words(dict(Alert.Status.choices))
_SEVERITIES: Final = Words(dict(Alert.Severity.choices))
_CHANNELS: Final = Words(dict(Channel.choices))
_MESSAGE_STATES: Final = Words(dict(Communication.State.choices))
_SAID: Final = Words(
    {
        "phone": gettext_lazy("Phone follow-up"),
        "closed": gettext_lazy("Closed"),
        "discharge": gettext_lazy("Discharge"),
        "admission": gettext_lazy("Admission"),
        "normal": gettext_lazy("nothing abnormal"),
        "online": gettext_lazy("Answered online"),
    }
)


class Entry(NamedTuple):
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


Rows = list[tuple[Any, ...]]
Make = Callable[[Rows, datetime | None], Iterable[Entry]]
Ask = Callable[..., Asked[Any]]  # (viewer, patient_id, before)


def timeline(patient: Patient, *, kind: str, viewer: Viewer, before: datetime | None = None) -> Timeline:
    """The newest entries of a kind, from every room; one indexed question a source, asked together.

    `before` turns the page.
    """
    answers = together(*asked(patient, kind=kind, viewer=viewer, before=before))
    makes = [make for *_, make in _sources(kind, viewer)]
    found = [entry for make, rows in zip(makes, answers, strict=True) if rows for entry in make(rows, before)]
    found.sort(key=lambda entry: entry.at, reverse=True)
    return Timeline(found[:LIMIT], found[LIMIT - 1].at if len(found) > LIMIT else None)


def asked(patient: Patient, *, kind: str, viewer: Viewer, before: datetime | None) -> list[Asked[Any]]:
    """What `timeline` asks, to be asked with other questions of a page."""
    sources = _sources(kind, viewer)
    return [ask(viewer=viewer, patient_id=patient.pk, before=before) for _kind, _permission, ask, _make in sources]


def _sources(kind: str, viewer: Viewer) -> list[tuple[str, str, Ask, Make]]:
    return [one for one in SOURCES if kind in ("all", one[0]) and viewer.can(one[1])]


@prepared
def _asked_attempts(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[ContactAttempt, Any]:
    rows = ContactAttempt.objects.visible_to(viewer).filter(patient_id=patient_id, undone_at=None)
    if before is not None:
        rows = rows.filter(started_at__lt=before)
    return rows.order_by("-started_at", "pk").values_list(
        "started_at", "outcome", "channel", "note", "by_practitioner__name", "task__plan_title", "task__step_title",
        "task__step_title_en",
    )[: LIMIT + 1]  # fmt: skip


def _attempts(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    titles = titles_in(get_language() or "zh-hans")
    for at, result, channel, note, who, plan, title, title_en in rows:
        step = titles.step(plan, in_language(title, title_en))
        outcome = outcome_of(result)
        reached = outcome is not None and outcome.reached
        way = _SAID("phone") if channel == "phone" else channel_label(channel)
        yield Entry(
            at,
            "follow-up",
            _way_icon(channel, reached),
            " · ".join(part for part in (way, step) if part),
            " ".join(part for part in (who, note) if part),
            ("ok" if reached else "none", outcome_label(result, channel)),
        )


def _way_icon(channel: str, reached: bool) -> str:
    way = {"letter": "mail", "visit": "home", "clinic": "stethoscope"}.get(channel)
    return way or ("phone-call" if reached else "phone-off")


@prepared
def _asked_closed_tasks(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Task, Any]:
    rows = (
        Task.objects.visible_to(viewer)
        .filter(patient_id=patient_id, ended_at__isnull=False)
        .exclude(kind=Task.Kind.ALERT)
    )
    rows = rows.filter(contact_attempts__isnull=True)
    if before is not None:
        rows = rows.filter(ended_at__lt=before)
    return rows.order_by("-ended_at", "pk").values_list(
        "ended_at", "kind", "status", "outcome", "plan_title", "plan_title_en", "step_title", "step_title_en"
    )[: LIMIT + 1]


def _closed_tasks(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    """Follow-ups that ended without a call: answered online, or closed with a reason."""
    titles = titles_in(get_language() or "zh-hans")
    for at, kind, status, outcome, plan, plan_en, title, title_en in rows:
        step = titles.step(plan, in_language(title, title_en))
        done = status == Task.Status.COMPLETED
        yield Entry(
            at,
            "follow-up",
            "forms" if outcome == "answered-online" else "clipboard-check" if done else "circle-x",
            " · ".join(part for part in (_TASK_KINDS(kind), step) if part),
            titles.plan(in_language(plan, plan_en)),
            ("ok", outcome_label(outcome)) if done else ("none", _SAID("closed")),
        )


def _asked_stays(*, viewer: Viewer, patient_id: UUID, before: datetime | None) -> Asked[Any]:
    """The banner's own question: one stay is two entries, of which `before` may leave one."""
    return asked_by_stays(patient_id, viewer=viewer)


def _stays(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    for stay in map(Stay._make, rows):
        admitted_at, discharged_at = stay.admitted_at, stay.discharged_at
        where = stay.department_text if stay.department is None else stay.department
        inpatient = stay.class_code == Encounter.Class.INPATIENT
        if discharged_at and inpatient and _is_before(discharged_at, before):
            days = max((discharged_at - admitted_at).days, 1) if admitted_at else None
            text = _("%(where)s, %(n)d days in hospital") % {"where": where, "n": days} if days else where
            yield Entry(discharged_at, "visit", "door-exit", _SAID("discharge"), text)
        if admitted_at and _is_before(admitted_at, before):
            yield Entry(
                admitted_at,
                "visit",
                "bed" if inpatient else "stethoscope",
                _SAID("admission") if inpatient else stay.kind_words,
                ", ".join(part for part in (where, stay.reason) if part),
            )


def _is_before(moment: datetime, before: datetime | None) -> bool:
    return before is None or moment < before


@prepared
def _asked_operations(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Procedure, Any]:
    rows = Procedure.objects.visible_to(viewer).filter(patient_id=patient_id, active=True, performed_at__isnull=False)
    if before is not None:
        rows = rows.filter(performed_at__lt=before)
    return rows.order_by("-performed_at", "pk").values_list("performed_at", "text", "code", "performer_text")[
        : LIMIT + 1
    ]


def asked_by_operations(patient_id: UUID, *, viewer: Viewer) -> Asked[tuple[Any, ...]]:
    """The newest operations, as the time line asks for them: (when, what, code, surgeon)."""
    return _asked_operations.asked(viewer=viewer, patient_id=patient_id, before=None)


def _operations(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    for at, text, code, surgeon in rows:
        yield Entry(
            at, "visit", "heartbeat", text or code, _("Surgeon %(name)s") % {"name": surgeon} if surgeon else ""
        )


@prepared
def _asked_documents(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[DocumentReference, Any]:
    rows = DocumentReference.objects.visible_to(viewer).filter(patient_id=patient_id, authored_at__isnull=False)
    if before is not None:
        rows = rows.filter(authored_at__lt=before)
    rows = rows.exclude(status__in=("superseded", "entered-in-error"))
    return rows.order_by("-authored_at", "pk").values_list("authored_at", "title", "author_text")[: LIMIT + 1]


def _documents(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    for at, title, author in rows:
        yield Entry(at, "visit", "file-text", title or _("Document"), author)


@prepared
def _asked_alerts(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Alert, Any]:
    rows = Alert.objects.visible_to(viewer).filter(patient_id=patient_id)
    if before is not None:
        rows = rows.filter(raised_at__lt=before)
    return rows.order_by("-raised_at", "pk").values_list(
        "raised_at", "sentence_zh", "sentence_en", "status", "owner__name", "severity"
    )[: LIMIT + 1]


def _alerts(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    chinese = (get_language() or "zh").startswith("zh")
    for at, sentence_zh, sentence_en, status, owner, severity in rows:
        yield Entry(
            at,
            "alert",
            "alert-triangle",
            sentence_zh if chinese else sentence_en or sentence_zh,
            " · ".join(part for part in (_ALERT_STATES(status), owner) if part),
            (RISK_TAGS[severity], _SEVERITIES(severity)),
        )


@prepared
def _asked_messages(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[Communication, Any]:
    rows = Communication.objects.visible_to(viewer).filter(patient_id=patient_id)
    if before is not None:
        rows = rows.filter(requested_at__lt=before)
    return (
        rows.annotate(own_titles=KeyTransform("titles", "params"))
        .order_by("-requested_at", "pk")
        .values_list("sent_at", "requested_at", "channel", "state", "template_code", "template__title", "own_titles")
    )[: LIMIT + 1]


def _messages(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    language = "zh" if (get_language() or "zh").startswith("zh") else "en"
    for sent_at, requested_at, channel, state, code, title, own_titles in rows:
        titles = (own_titles or {}) if title is None else title  # a letter brings its own
        bad = state in (Communication.State.FAILED, Communication.State.UNKNOWN)
        words = f"{_CHANNELS(channel)} · {titles.get(language, code)}"
        yield Entry(
            sent_at or requested_at,
            "message",
            "message",
            words,
            tag=("high" if bad else "none", _MESSAGE_STATES(state)),
        )


@prepared
def _asked_responses(viewer: Viewer, patient_id: UUID, before: datetime | None) -> QuerySet[QuestionnaireResponse, Any]:
    rows = QuestionnaireResponse.objects.visible_to(viewer).filter(patient_id=patient_id, authored_at__isnull=False)
    rows = rows.filter(mode=QuestionnaireResponse.Mode.PORTAL)
    if before is not None:
        rows = rows.filter(authored_at__lt=before)
    return (
        rows.annotate(abnormal=Func("findings", function="jsonb_array_length", output_field=IntegerField()))
        .order_by("-authored_at", "pk")
        .values_list("authored_at", "questionnaire__title", "questionnaire__title_en", "abnormal")
    )[: LIMIT + 1]


def _responses(rows: Rows, before: datetime | None) -> Iterable[Entry]:
    """Answers given online; those given on the phone stand with the call."""
    chinese = (get_language() or "zh").startswith("zh")
    for at, title, title_en, n in rows:
        words = ngettext("%(num)d abnormal answer", "%(num)d abnormal answers", n) % {"num": n}
        tag = ("high", words) if n else ("ok", _SAID("normal"))
        named = title if chinese else title_en or title
        yield Entry(at, "follow-up", "device-mobile", " · ".join((_SAID("online"), named)), tag=tag)


# (kind, permission, what is asked, what is made of the rows). A room that is added later adds a line.
SOURCES: Final[tuple[tuple[str, str, Ask, Make], ...]] = (
    ("follow-up", "tasks.view", _asked_attempts.asked, _attempts),
    ("follow-up", "tasks.view", _asked_closed_tasks.asked, _closed_tasks),
    ("follow-up", "questionnaires.view", _asked_responses.asked, _responses),
    ("visit", "patients.view", _asked_stays, _stays),
    ("visit", "patients.view", _asked_operations.asked, _operations),
    ("visit", "patients.view", _asked_documents.asked, _documents),
    ("alert", "alerts.view", _asked_alerts.asked, _alerts),
    ("message", "messaging.view", _asked_messages.asked, _messages),
)

"""The record sheet of one follow-up: who, how, what was asked and answered, what followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.alerts.models import Alert
from careloop.kernel.viewer import Viewer
from careloop.letters.reads import frame, site
from careloop.letters.reads.values import stay_of
from careloop.patients.models import Patient
from careloop.questionnaires import reads as forms
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads.wording import both
from careloop.questionnaires.rules import finding_from
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads import outcome_label
from careloop.tasks.rules import is_in_person, outcome_of

QUESTION_COLUMNS = ("10mm", "1fr", "58mm", "26mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the sheet is about; the viewer may see all of it."""

    patient: Patient
    task: Task | None
    response: QuestionnaireResponse | None


def of_task(task: Task, *, viewer: Viewer) -> Subject:
    """The task with its answers: completed before begun ones, the newest first."""
    rows = QuestionnaireResponse.objects.visible_to(viewer).filter(
        task_id=task.pk, status__in=["completed", "in-progress"]
    )
    found = rows.select_related("questionnaire", "author").order_by("status", "-started_at", "-pk").first()
    return Subject(patient=task.patient, task=task, response=found)


def of_response(response: QuestionnaireResponse, *, viewer: Viewer) -> Subject:
    """The answers with their task, if they had one."""
    tasks = Task.objects.visible_to(viewer).select_related("department", "patient")
    task = tasks.filter(pk=response.task_id).first() if response.task_id else None
    return Subject(patient=response.patient, task=task, response=response)


def record_sheet(subject: Subject, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """Data of the filled sheet. Without answers it says who was tried when, and keeps room to write."""
    stay = stay_of(subject.patient, subject.task, viewer=viewer)
    department = subject.task.department if subject.task else None
    attempts = _attempts(subject, viewer=viewer)
    blocks = [
        _person(subject, stay, department, viewer, at),
        frame.heading(_("The contact")),
        *_contact(subject, attempts),
    ]
    if subject.response is not None:
        blocks += _answers(subject.response, at=at)
    elif subject.task is not None and subject.task.questionnaire_url:
        blocks += _empty_form(subject.task.questionnaire_url, at=at)
    blocks += [frame.heading(_("Measures taken")), *_measures(subject, attempts, viewer=viewer), _signatures()]
    return frame.sheet(
        heading=_("Record of a follow-up after discharge"), blocks=blocks, viewer=viewer, at=at,
        number=record_number(subject),
    )  # fmt: skip


def blank_sheet(
    questionnaire: Questionnaire, *, subject: Subject | None, viewer: Viewer, at: datetime
) -> dict[str, Any]:
    """The empty form on paper: for the ward, or for a patient whose lines at the top are filled already."""
    if subject is not None:
        stay = stay_of(subject.patient, subject.task, viewer=viewer)
        person = _person(subject, stay, subject.task.department if subject.task else None, viewer, at)
    else:
        person = _empty_person()
    ways = "   ".join(f"□\u00a0{words}" for words in (_("Phone"), _("Clinic"), _("Home visit"), _("Letter")))
    blocks = [
        person,
        frame.heading(_("The contact")),
        {"kind": "facts", "columns": 4, "rows": [
            [{"label": _("How"), "value": ways}, {"label": _("Date and time"), "value": " "}],
            [{"label": _("Who answered"), "value": f"□ {_('Patient')}   □ {_('Relative or carer')}"}, {"label": _("Followed up by"), "value": " "}],
        ]},
        *_form_to_fill(questionnaire, at=at),
        frame.heading(_("Measures taken")),
        {"kind": "lines", "count": 3},
        _signatures(),
    ]  # fmt: skip
    return frame.sheet(
        heading=_("Record of a follow-up after discharge"), blocks=blocks, viewer=viewer, at=at,
        number=f"{questionnaire.name} v{questionnaire.version}",
    )  # fmt: skip


def record_number(subject: Subject) -> str:
    """FU, the day, and six characters of the row's own id: the same at every print."""
    row = subject.response or subject.task
    if row is None:
        return ""
    day = timezone.localdate(row.created_at)
    return f"FU-{day:%Y%m%d}-{row.pk.hex[-6:].upper()}"


def _person(subject: Subject, stay: Any, department: Organization | None, viewer: Viewer, at: datetime) -> frame.Block:
    point = " ".join(filter(None, (subject.task.step_words, subject.task.nth_words))) if subject.task else ""
    return frame.person_block(subject.patient, stay, department=department, point=point, viewer=viewer, at=at)


def _empty_person() -> frame.Block:
    def row(*labels: str) -> list[dict[str, str]]:
        return [{"label": label, "value": " " * 12} for label in labels]

    return {
        "kind": "facts", "columns": 8, "shares": frame.SHARES,
        "rows": [
            row(_("Name"), _("Sex"), _("Age"), _("Record no.")),
            row(_("Department"), _("Attending"), _("Discharge day"), _("Contact point")),
            [{"label": _("Diagnosis"), "value": " ", "span": 7}],
        ],
    }  # fmt: skip


# ---- the contact --------------------------------------------------------------------------------------------------


def _attempts(subject: Subject, *, viewer: Viewer) -> list[ContactAttempt]:
    if subject.task is None:
        return []
    rows = ContactAttempt.objects.visible_to(viewer).filter(task=subject.task, undone_at__isnull=True)
    return list(rows.select_related("by_practitioner").order_by("started_at", "pk")[:40])


def _contact(subject: Subject, attempts: Sequence[ContactAttempt]) -> list[frame.Block]:
    """How, when, by whom; the tries before it in one line each."""
    decisive = next((a for a in reversed(attempts) if _reached(a)), attempts[-1] if attempts else None)
    row = [
        {"label": _("How"), "value": _way(subject, decisive)},
        {"label": _("Time"), "value": _when(subject, decisive)},
        {"label": _("Followed up by"), "value": _who(subject, decisive)},
    ]
    blocks: list[frame.Block] = [{"kind": "facts", "columns": 6, "shares": [1.25, 2, 0.8], "rows": [row]}]
    earlier = [a for a in attempts if a is not decisive]
    if earlier:
        lines = [
            f"{_local(a.started_at)}  {_channel(a.channel)}  {outcome_label(a.outcome, a.channel)}"
            f"{'  ' + a.by_practitioner.name if a.by_practitioner else ''}"
            for a in earlier
        ]
        blocks.append(frame.pairs([(_("Other tries"), "\n".join(lines))]))
    return blocks


def _reached(attempt: ContactAttempt) -> bool:
    outcome = outcome_of(attempt.outcome)
    return outcome is not None and outcome.reached


def _channel(code: str) -> str:
    return {"phone": _("Phone"), "letter": _("Letter"), "visit": _("Home visit"), "clinic": _("Clinic")}.get(code, code)


def _way(subject: Subject, attempt: ContactAttempt | None) -> str:
    if attempt is not None:
        brackets = "%s（%s）" if site.language() == "zh" else "%s (%s)"
        return brackets % (_channel(attempt.channel), outcome_label(attempt.outcome, attempt.channel))
    return str(subject.response.get_mode_display()) if subject.response else "–"


def _when(subject: Subject, attempt: ContactAttempt | None) -> str:
    if attempt is None:
        moment = (subject.response.authored_at or subject.response.started_at) if subject.response else None
        return _local(moment) if moment else "–"
    text = _local(attempt.started_at)
    if is_in_person(attempt.channel):  # written down later: the time between is not the time with the patient
        return text
    seconds = int((attempt.ended_at - attempt.started_at).total_seconds()) if attempt.ended_at else 0
    if seconds <= 0:
        return text
    took = _("%(minutes)d min %(seconds)02d s") % {"minutes": seconds // 60, "seconds": seconds % 60}
    return _("%(when)s, for %(took)s") % {"when": text, "took": took}


def _who(subject: Subject, attempt: ContactAttempt | None) -> str:
    if attempt is not None and attempt.by_practitioner:
        return attempt.by_practitioner.name
    if subject.response is None:
        return "–"
    if subject.response.author:
        return subject.response.author.name
    return _("The patient") if subject.response.mode == "portal" else "–"


def _local(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


# ---- the questions ------------------------------------------------------------------------------------------------


def _answers(response: QuestionnaireResponse, *, at: datetime) -> list[frame.Block]:
    findings = [finding_from(stored) for stored in response.findings]
    view = forms.form_view(response.questionnaire, response=response, at=at, findings=findings)
    rows: list[list[Any]] = []
    for screen in (screen for screen in view.screens if screen.enabled):
        for n, question in enumerate(screen.questions):
            number = str(screen.number) if n == 0 else ""
            answer = {"text": _said(question), "strong": bool(question.alerts)}
            source = question.source_label or (str(response.get_mode_display()) if question.display else "")
            rows.append([number, question.text, answer, source])
    heads = (_("No."), _("Question"), _("Answer"), _("Given by"))
    columns = [{"head": head, "width": width} for head, width in zip(heads, QUESTION_COLUMNS, strict=True)]
    title = _("Questions: %(title)s v%(version)s") % {"title": view.title, "version": view.version}
    blocks = [frame.heading(title), {"kind": "table", "columns": columns, "rows": rows}]
    judged = _judged(response)
    return [*blocks, frame.heading(_("Assessment")), frame.pairs(judged)] if judged else blocks


def _said(question: forms.QuestionView) -> str:
    """The answer; an abnormal one says so in words, because paper has no colour."""
    text = question.display or _("not answered")
    if not question.alerts:
        return text
    return _("%(answer)s (abnormal)") % {"answer": text}


def _judged(response: QuestionnaireResponse) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        (title, " ".join(part for part in (value, band) if part)) for title, value, band in forms.score_lines(response)
    ]
    line = forms.classification_line(response)
    if line:
        rows.append((_("Class"), f"{line[0]}\n{line[1]}"))
    return rows


def _empty_form(url: str, *, at: datetime) -> list[frame.Block]:
    """The form of a task nobody has answered yet, when it is in force."""
    questionnaire = Questionnaire.objects.filter(url=url, status=Questionnaire.Status.ACTIVE).first()
    return _form_to_fill(questionnaire, at=at) if questionnaire else []


def _form_to_fill(questionnaire: Questionnaire, *, at: datetime) -> list[frame.Block]:
    widths = (QUESTION_COLUMNS[0], "1fr", "92mm")
    heads = (_("No."), _("Question"), _("Answer"))
    columns = [{"head": head, "width": width} for head, width in zip(heads, widths, strict=True)]
    blocks: list[frame.Block] = []
    rows: list[list[Any]] = []
    for line in forms.preview(questionnaire, at=at):
        if line.screen.matrix is not None:
            if line.screen.matrix.opens:
                blocks += [{"kind": "table", "columns": columns, "rows": rows}] if rows else []
                rows = []
                blocks.append(_table_to_fill(line.screen.matrix))
            continue
        for n, question in enumerate(line.screen.questions):
            text = question.text
            if n == 0 and line.asked_when:
                text += "\n" + _("Only when: %(what)s") % {"what": line.asked_when}
            rows.append([str(line.screen.number) if n == 0 else "", text, _boxes(question)])
    form = forms.form_of(questionnaire)
    title = _("Questions: %(title)s v%(version)s") % {
        "title": both({"zh": form.title.zh, "en": form.title.en}),
        "version": form.version,
    }
    if rows or not blocks:
        blocks.append({"kind": "table", "columns": columns, "rows": rows})
    return [frame.heading(title), *blocks]


def _table_to_fill(table: forms.MatrixView) -> frame.Block:
    """Questions with the same options: a box for each option behind each question."""
    columns = [
        {"head": _("No."), "width": QUESTION_COLUMNS[0]},
        {"head": table.title, "width": "1fr"},
        *({"head": option, "width": "auto"} for option in table.options),
    ]
    rows = [
        [str(number), text + ("\n" + _("Only when: %(what)s") % {"what": when} if when else ""), *("□" for _option in table.options)]
        for number, text, when in table.rows
    ]  # fmt: skip
    return {"kind": "table", "columns": columns, "rows": rows}


def _boxes(question: forms.QuestionView) -> str:
    """Boxes to tick, or a line to write on with its unit."""
    if question.options:
        return "   ".join(f"□\u00a0{option.text}" for option in question.options)
    if slider := question.slider:
        return f"{slider.low} |{'___|' * (len(slider.marks) - 1)} {slider.high} {question.unit}"
    extra = f"   □\u00a0{_('Not measured')}" if question.item.may_be_not_measured else ""
    line = "_" * (14 if question.type in {"integer", "decimal", "quantity"} else 44)
    return f"{line} {question.unit}{extra}"


# ---- what followed ------------------------------------------------------------------------------------------------


def _measures(subject: Subject, attempts: Sequence[ContactAttempt], *, viewer: Viewer) -> list[frame.Block]:
    rows: list[tuple[str, Any]] = []
    if subject.response is not None:
        advice = [both(f.get("advice")) for f in subject.response.findings if f.get("advice")]
        rows.append((_("Guidance"), "\n".join(dict.fromkeys(text for text in advice if text))))
    rows.append((_("Notes"), "\n".join(a.note for a in attempts if a.note)))
    if viewer.can("alerts.view"):
        rows.append((_("Alert"), "\n".join(_alert_lines(subject, viewer=viewer.within("alerts.view")))))
    rows.append((_("Next follow-up"), next_contact(subject, viewer=viewer)))
    known = frame.pairs(rows)
    return [known] if known["rows"] else [{"kind": "lines", "count": 3}]


def _alert_lines(subject: Subject, *, viewer: Viewer) -> list[str]:
    """Each alert of this follow-up with its times: raised, accepted, closed."""
    rows = Alert.objects.visible_to(viewer).filter(patient=subject.patient)
    if subject.response is not None:
        rows = rows.filter(response_id=subject.response.pk)
    elif subject.task is not None:
        rows = rows.filter(source_task_id=subject.task.pk)
    return [_alert_line(alert) for alert in rows.select_related("owner").order_by("-rank", "raised_at", "pk")[:10]]


def _alert_line(alert: Alert) -> str:
    steps = [
        (alert.raised_at, _("sent to %(name)s") % {"name": alert.owner.name} if alert.owner else _("raised")),
        (alert.accepted_at, _("accepted")),
        (alert.closed_at, _("closed")),
    ]
    times = ", ".join(f"{timezone.localtime(at):%m-%d %H:%M} {words}" for at, words in steps if at)
    brackets = "%s（%s）" if site.language() == "zh" else "%s (%s)"
    text = brackets % (alert.sentence(site.language()), alert.get_severity_display())
    return f"{text} {times}" + (f" {alert.closing_note}" if alert.closing_note else "")


def next_contact(subject: Subject, *, viewer: Viewer) -> str:
    """The next planned contact of the patient, with its day."""
    rows = Task.objects.visible_to(viewer).open().filter(patient=subject.patient, kind__in=["follow-up", "revisit"])
    if subject.task is not None:
        rows = rows.exclude(pk=subject.task.pk)
    task = rows.order_by("due_at", "pk").first()
    if task is None:
        return ""
    brackets = "%s %s（%s）" if site.language() == "zh" else "%s %s (%s)"
    return brackets % (f"{timezone.localtime(task.due_at):%Y-%m-%d}", task.step_words, task.get_kind_display())


def _signatures() -> frame.Block:
    return {"kind": "signatures", "labels": [_("Signature:"), _("Checked by:"), _("Date:")]}

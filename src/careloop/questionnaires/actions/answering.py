"""Answers: begun, saved one by one, completed, corrected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action, wrote
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.prepared import prepared
from careloop.kernel.rows import Conflict, insert_rows
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import store_observations
from careloop.patients.models import Patient
from careloop.patients.rules import ObservationData
from careloop.questionnaires import events, reads, rules
from careloop.questionnaires.actions._open import (
    ResponseClosed,
    UnknownQuestion,
    answer_of,
    drop_files,
    file_ids,
    item_of,
    locked_response,
    open_response,
    question_of,
)
from careloop.questionnaires.models import AnswerFact, Questionnaire, QuestionnaireResponse
from careloop.questionnaires.rules.logic import live_answers, number

Status = QuestionnaireResponse.Status


class ResponseIncomplete(Refused):
    """`faults` holds what is missing or wrong, question by question."""

    code = "response-incomplete"
    message = _("Some answers are missing or not possible.")
    status = 422

    def __init__(self, found: Sequence[rules.Fault] = ()) -> None:
        self.faults = tuple(found)
        super().__init__()


class AnswerTooLong(Refused):
    code = "answer-too-long"
    message = _("This answer is too long to be kept.")


class TooManyInstances(Refused):
    code = "too-many-instances"
    message = _("There are twenty of these already. Write the rest into a note.")


@action
def start_response(
    *, questionnaire: Questionnaire, patient_id: UUID, task_id: UUID | None, mode: str, at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """The open answers for this task, or new ones. The form is the one the answers were begun with, for ever."""
    begun = _open_for(patient_id, task_id, by)
    if begun is not None:
        return begun
    try:
        with transaction.atomic():
            made = QuestionnaireResponse.objects.unscoped("creating").create(
                questionnaire=questionnaire,
                patient_id=patient_id,
                canonical=questionnaire.canonical,
                task_id=task_id,
                mode=mode,
                started_at=at,
                author_id=by.practitioner_id,
                answers=_initial(questionnaire, at, by),
            )
    except IntegrityError:  # another browser began at the same moment
        begun = _open_for(patient_id, task_id, by)
        if begun is None:
            raise ResponseClosed from None
        return begun
    record(events.ResponseStarted(response_id=made.pk, patient_id=patient_id, task_id=task_id), by=by)
    return made


def _initial(questionnaire: Questionnaire, at: datetime, by: Viewer) -> dict[str, Any]:
    """initial[x] of the form. Never a choice: nobody is led to an answer (ux R14)."""
    return {
        item.link_id: {
            "value": rules.clean_value(item, item.initial),
            "source": "form",
            "at": at.isoformat(),
            "by": by.actor,
        }
        for item in reads.form_of(questionnaire).questions
        if item.initial is not None and not item.options and item.type != "boolean"
    }


def _open_for(patient_id: UUID, task_id: UUID | None, by: Viewer) -> QuestionnaireResponse | None:
    if task_id is None:
        return None
    begun: list[QuestionnaireResponse] = _begun(viewer=by, patient_id=patient_id, task_id=UUID(str(task_id)))
    return begun[0] if begun else None


@prepared
def _begun(viewer: Viewer, patient_id: UUID, task_id: UUID) -> QuerySet[QuestionnaireResponse]:
    found = QuestionnaireResponse.objects.visible_to(viewer).filter(patient_id=patient_id, task_id=task_id)
    found = found.filter(status__in=[Status.IN_PROGRESS, Status.COMPLETED]).order_by("pk")[:1]
    return found.select_related("questionnaire").defer("questionnaire__content")


@action
def save_answer(
    *, response: QuestionnaireResponse, link_id: str, value: Any, source: str, at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """Keep one answer of a draft at once; None takes it back. Two people saving different answers keep both.

    A value out of range is kept too (the form shows the fault; completing refuses), so that nothing typed is lost.
    "not-measured", or "not-measured:asked-declined" with a reason of FHIR's, answers every question and never blocks.
    """
    return _put_answers(response, {link_id: value}, source, at, by)


@action
def save_answers(
    *,
    response: QuestionnaireResponse,
    answers: Mapping[str, Any],
    source: str,
    at: datetime,
    by: Viewer,
    key: UUID | None = None,
) -> QuestionnaireResponse:
    """Several answers of a draft as save_answer keeps one: all of them or none, in one statement.

    `key` is the number of a whole form that a telephone sends: what is sent again with it is known again.
    """
    saved = _put_answers(response, answers, source, at, by, key=key)
    if key is not None:
        record(
            events.AnswersSent(response_id=saved.pk, patient_id=saved.patient_id, key=key, count=len(answers)), by=by
        )
    return saved


def _put_answers(
    response: QuestionnaireResponse,
    answers: Mapping[str, Any],
    source: str,
    at: datetime,
    by: Viewer,
    *,
    key: UUID | None = None,
) -> QuestionnaireResponse:
    kept = _at_hand(response, answers, by)
    changed = _put(kept, answers, source, at, by) if kept else []
    if kept is None or not (changed or key) or not _saved_as_read(kept, key):
        kept = open_response(response, by)
        changed = _put(kept, answers, source, at, by)
        if not changed and key is None:
            return kept
        kept.sent_key = key or kept.sent_key
        kept.save(update_fields=["answers", "sent_key", "updated_at"])
    facts = [
        events.AnswerSaved(response_id=kept.pk, patient_id=kept.patient_id, link_id=name, source=source)
        for name in changed
    ]
    record_all(facts, by=by)
    return kept


def _put(into: QuestionnaireResponse, answers: Mapping[str, Any], source: str, at: datetime, by: Viewer) -> list[str]:
    """The names of those that changed anything."""
    form, put = reads.asked_form(into), _Putting(into, source, at, by)
    return [name for name, value in answers.items() if put.answer(question_of(form, name), value)]


def _at_hand(response: QuestionnaireResponse, answers: Mapping[str, Any], by: Viewer) -> QuestionnaireResponse | None:
    """A copy to answer without a lock: of the patient's own open answers, as this request read them. None: lock first.

    Files are let go row by row, so they wait for the lock; so does a question that came up meanwhile.
    """
    if by.patient_id != response.patient_id or response.status != Status.IN_PROGRESS:
        return None
    form = reads.asked_form(response)
    if any(name not in form.index or form.item(name).type == "attachment" for name in answers):
        return None
    kept = copy(response)
    kept.answers = dict(response.answers)
    return kept


# Whoever wrote since the row was read moved its time of change on: then nothing is written, and the lock is taken.
_SAVE = (
    "UPDATE questionnaires_questionnaireresponse SET answers = %s::jsonb, sent_key = %s::uuid, updated_at = %s::timestamptz"
    " WHERE id = %s::uuid AND patient_id = %s::uuid AND status = 'in-progress' AND updated_at = %s::timestamptz"
)


def _saved_as_read(response: QuestionnaireResponse, key: UUID | None) -> bool:
    """Look and lock in one statement: writes answers of a patient if nobody else wrote since they were read."""
    now, key = timezone.now(), key or response.sent_key
    answers, read_at = json.dumps(response.answers), response.updated_at
    with connection.cursor() as cursor:
        cursor.execute(_SAVE, [answers, key, now, response.pk, response.patient_id, read_at])
        if cursor.rowcount != 1:
            return False
    wrote("questionnaires_questionnaireresponse", 1)
    response.sent_key, response.updated_at = key, now
    return True


@dataclass(frozen=True, slots=True)
class _Putting:
    """Answers on their way into a locked response."""

    response: QuestionnaireResponse
    source: str
    at: datetime
    by: Viewer

    def answer(self, item: rules.Item, value: Any) -> bool:
        """Whether it changed anything."""
        given = self.response.answers.get(item.link_id, {})
        cleaned, reason = _read(item, given.get("value"), value)
        same = cleaned == given.get("value") and reason == given.get("reason", "")
        if same and (cleaned is None or given.get("source") == self.source):
            return False
        if cleaned is None:
            self.response.answers.pop(item.link_id, None)
        else:
            self.response.answers[item.link_id] = answer_of(cleaned, reason, self.source, self.at, self.by)
        if item.type == "attachment":
            drop_files(self.response, file_ids({item.link_id: given}), at=self.at, by=self.by)
        return True


def _read(item: rules.Item, before: Any, value: Any) -> tuple[Any, str]:
    """(value, reason why there is none) of what was typed."""
    rest, reason = rules.settle_absent(item, before, value)
    if reason:
        return rules.NOT_MEASURED, reason
    if item.type == "attachment" and rest not in (None, "", []):
        raise UnknownQuestion  # a file comes by attach_file, which looks at it
    cleaned = _within_limits(rules.clean_value(item, rest))
    return rules.settle_exclusive(item, before, cleaned), ""


@action
def answer_whole(
    *,
    questionnaire: Questionnaire,
    patient_id: UUID,
    task_id: UUID,
    answers: Mapping[str, Any],
    mode: str,
    source: str,
    key: UUID,
    at: datetime,
    by: Viewer,
) -> QuestionnaireResponse | None:
    """A form that nobody had begun, answered and completed at once: what start_response, save_answers and
    complete_response leave behind, facts and all, in one row written once. None: it was begun meanwhile.

    Refused as by those: unknown questions, answers too long, missing or impossible.
    """
    made = QuestionnaireResponse(
        questionnaire=questionnaire, patient_id=patient_id, canonical=questionnaire.canonical, task_id=task_id, mode=mode,
        started_at=at, answers=_initial(questionnaire, at, by), sent_key=key,
    )  # fmt: skip
    form = reads.asked_form(made)
    put = _Putting(made, source, at, by)
    changed = [name for name, value in answers.items() if put.answer(question_of(form, name), value)]
    _complete(made, form, at=at, by=by)
    if not insert_rows([made], conflict=Conflict(ignore=True)):  # its first answer arrived in the same moment
        return None
    wrote("questionnaires_questionnaireresponse", 1)
    same = {"response_id": made.pk, "patient_id": patient_id}
    record(events.ResponseStarted(**same, task_id=task_id), by=by)
    record_all([events.AnswerSaved(**same, link_id=name, source=source) for name in changed], by=by)
    record(events.AnswersSent(**same, key=key, count=len(answers)), by=by)
    _write_facts(made, form, at=at, by=by)
    record(events.ResponseCompleted(**same, task_id=task_id, mode=mode), by=by)
    return made


@action
def add_instance(*, response: QuestionnaireResponse, group: str, at: datetime, by: Viewer) -> QuestionnaireResponse:
    """One more of a repeating group (another medicine), still empty. Refused when there are twenty."""
    locked = open_response(response, by)
    counts = _counts(locked, group)
    if counts[group] >= rules.MOST_INSTANCES:
        raise TooManyInstances
    locked.instances = {**locked.instances, group: counts[group] + 1}
    locked.save(update_fields=["instances", "updated_at"])
    record(events.InstanceAdded(response_id=locked.pk, patient_id=locked.patient_id, link_id=group), by=by)
    return locked


@action
def remove_instance(
    *, response: QuestionnaireResponse, group: str, number: int, at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """Take one instance with its answers away; the later ones move up. The last one is emptied. Unknown: refused."""
    locked = open_response(response, by)
    count = _counts(locked, group)[group]
    if not 1 <= number <= count:
        raise UnknownQuestion
    files = file_ids(locked.answers)
    locked.answers = rules.moved_up(reads.form_of(locked.questionnaire), locked.answers, group, number)
    locked.instances = {**locked.instances, group: max(1, count - 1)}
    locked.save(update_fields=["answers", "instances", "updated_at"])
    drop_files(locked, sorted(set(files) - set(file_ids(locked.answers))), at=at, by=by)
    record(events.InstanceRemoved(response_id=locked.pk, patient_id=locked.patient_id, link_id=group), by=by)
    return locked


def _counts(response: QuestionnaireResponse, group: str) -> dict[str, int]:
    counts = rules.counted(reads.form_of(response.questionnaire), response.answers, response.instances)
    if group not in counts:
        raise UnknownQuestion
    return counts


def _within_limits(value: Any) -> Any:
    """Nothing typed is lost, but a book is not an answer."""
    values = value if isinstance(value, list) else [value]
    if len(values) > 100 or any(len(str(one)) > rules.LONGEST for one in values):
        raise AnswerTooLong
    return value


@action
def complete_response(
    *, response: QuestionnaireResponse, at: datetime, by: Viewer, partial: bool = False, mode: str = ""
) -> QuestionnaireResponse:
    """The answers stand: hidden ones are set aside, scores, judgement and facts are written. Again: no second effect.

    `partial` accepts missing answers (a call broken off); impossible ones are refused always. `mode`: how they came
    about in the end, if not as they began (a visit instead of a call).
    """
    locked = locked_response(response, by)
    if locked.status == Status.COMPLETED:
        return locked
    if locked.status != Status.IN_PROGRESS:
        raise ResponseClosed
    form = reads.asked_form(locked)
    _complete(locked, form, at=at, by=by, partial=partial)
    locked.mode = mode or locked.mode
    locked.save(update_fields=COMPLETED)
    _write_facts(locked, form, at=at, by=by)
    record(
        events.ResponseCompleted(
            response_id=locked.pk, patient_id=locked.patient_id, task_id=locked.task_id, mode=locked.mode
        ),
        by=by,
    )
    return locked


COMPLETED = (
    "answers", "dropped", "scores", "findings", "classification", "author", "status", "authored_at", "mode", "updated_at",
)  # fmt: skip


def _complete(
    response: QuestionnaireResponse, form: rules.Form, *, at: datetime, by: Viewer, partial: bool = False
) -> None:
    """The answers of a response at hand stand. Refused: missing ones (unless `partial`), impossible ones."""
    if found := rules.faults(form, response.values, complete=not partial):
        raise ResponseIncomplete(found)
    _settle(response, form, at=at)
    response.author_id = by.practitioner_id
    response.status = Status.COMPLETED
    response.authored_at = at


def _settle(response: QuestionnaireResponse, form: rules.Form, *, at: datetime) -> None:
    """Scores, findings and class of the answers that were really asked."""
    kept = live_answers(form, response.values)
    response.dropped = {name: answer for name, answer in response.answers.items() if name not in kept}
    response.answers = {name: answer for name, answer in response.answers.items() if name in kept}
    previous, previous_at = reads.compared_with(form, response.patient_id, before=at)
    response.scores = {
        found.code: {"value": _plain(found.value), "band": found.band, "missing": list(found.missing)}
        for found in rules.score(form, kept)
    }
    findings = rules.judge(form, kept, previous=previous, previous_at=previous_at, at=at)
    response.findings = [asdict(finding) for finding in findings]
    classed = rules.classify(form, kept, previous=previous, previous_at=previous_at, at=at)
    response.classification = asdict(classed) if classed else None


def _plain(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def _write_facts(response: QuestionnaireResponse, form: rules.Form, *, at: datetime, by: Viewer) -> None:
    facts = [fact for name, value in response.values.items() for fact in _facts(response, form.item(name), value)]
    _insert_facts(response, facts, at)
    _store_measured(response, form, "F", at=at, by=by)


def _withdraw_facts(response: QuestionnaireResponse, *, by: Viewer) -> None:
    """What was answered wrongly counts nowhere: neither as a fact nor among the patient's results."""
    AnswerFact.objects.visible_to(by).filter(response=response).delete()
    if response.authored_at is not None:
        _store_measured(response, reads.asked_form(response), "W", at=response.authored_at, by=by)


def _store_measured(
    response: QuestionnaireResponse, form: rules.Form, status: str, *, at: datetime, by: Viewer
) -> None:
    """The measured answers among the patient's results; the status "W" takes them out again as wrong."""
    measured = [_observation(response, form.item(name), value, status, at) for name, value in response.values.items()]
    wanted = [observation for observation in measured if observation is not None]
    if wanted:
        store_observations(
            patient=Patient(pk=response.patient_id),  # stands for the row: its number is all that is written
            encounter=None,
            observations=wanted,
            source=f"questionnaire:{response.mode}",
            at=at,
            by=by,
        )


# One statement whatever the number of answers, so it is prepared once.
_FACTS = (
    "INSERT INTO questionnaires_answerfact (created_at, updated_at, answered_at, patient_id, response_id,"
    " questionnaire_url, id, link_id, instance, unit, absent_reason, code, number, text, date)"
    " SELECT now(), now(), %s, %s, %s, %s, given.*"
    " FROM unnest(%s::uuid[], %s::text[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::text[],"
    " %s::date[]) AS given"
)
Fact = tuple[UUID, str, int, str, str, str, Decimal | None, str, date | None]


def _insert_facts(response: QuestionnaireResponse, facts: Sequence[Fact], at: datetime) -> None:
    """One row for each answer, each choice of several, as columns that can be counted."""
    if not facts:
        return
    columns = [list(column) for column in zip(*facts, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [at, response.patient_id, response.pk, response.questionnaire.url, *columns])
    wrote("questionnaires_answerfact", len(facts))


def _facts(response: QuestionnaireResponse, item: rules.Item, value: Any) -> list[Fact]:
    reason = response.answers[item.link_id].get("reason", "")
    return [
        (uuid7(), item.base or item.link_id, item.instance, item.unit[:20], reason, *_typed(item, one))
        for one in (value if isinstance(value, list) else [value])
    ]


def _typed(item: rules.Item, value: Any) -> tuple[str, Decimal | None, str, date | None]:
    """(code, number, text, date), one of which holds the answer."""
    if value == rules.NOT_MEASURED or item.type in {"choice", "boolean"}:
        return (str(value).lower() if isinstance(value, bool) else str(value))[:255], None, "", None
    if item.type in {"integer", "decimal", "quantity"}:
        return "", number(value), "", None
    if item.type == "date":
        return "", None, "", date.fromisoformat(str(value))
    return "", None, str(value)[:500], None


def _observation(
    response: QuestionnaireResponse, item: rules.Item, value: Any, status: str, at: datetime
) -> ObservationData | None:
    if not item.code or number(value) is None:
        return None
    return ObservationData(
        key=f"response:{response.pk}:{item.link_id}",
        code=item.code,
        system="http://loinc.org",
        text=item.staff.zh,
        value=str(value),
        value_type="NM",
        unit=item.unit_display or item.unit,
        status=status,
        observed_at=at,
    )


@action
def amend_response(
    *, response: QuestionnaireResponse, answers: Mapping[str, Any], at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """A corrected copy takes the place of a completed response; the old one stays as it was answered.

    The copy stands on the day of the answers, not of the correction: it is compared with what came before that day,
    and what came after it stays the newest. When each answer was corrected stands with the answer.
    """
    old = locked_response(response, by)
    if old.status != Status.COMPLETED or old.authored_at is None:
        raise ResponseClosed
    form = reads.asked_form(old)
    merged = dict(old.answers)
    for link_id, value in answers.items():
        cleaned, reason = _read(item_of(old, link_id), merged.pop(link_id, {}).get("value"), value)
        if cleaned is not None:
            merged[link_id] = answer_of(cleaned, reason, "amended", at, by)
    if found := rules.faults(form, {name: answer["value"] for name, answer in merged.items()}, complete=False):
        raise ResponseIncomplete(found)  # what was missing may stay missing: the call may have been broken off
    QuestionnaireResponse.objects.visible_to(by).filter(pk=old.pk).update(status=Status.AMENDED)
    new = QuestionnaireResponse(
        patient_id=old.patient_id, questionnaire=old.questionnaire, canonical=old.canonical, task_id=old.task_id,
        mode=old.mode, answers=merged, instances=old.instances, started_at=old.started_at, authored_at=old.authored_at,
        status=Status.COMPLETED, author_id=by.practitioner_id, replaces=old,
    )  # fmt: skip
    _settle(new, form, at=old.authored_at)
    new.save()
    _withdraw_facts(old, by=by)
    _write_facts(new, form, at=old.authored_at, by=by)
    record(
        events.ResponseAmended(response_id=new.pk, replaces_id=old.pk, patient_id=new.patient_id, task_id=new.task_id),
        by=by,
    )
    return new


@action
def mark_entered_in_error(*, response: QuestionnaireResponse, by: Viewer) -> QuestionnaireResponse:
    """These answers belong to somebody else or to nobody: they stay readable and count nowhere. Again: nothing."""
    locked = locked_response(response, by)
    if locked.status == Status.ENTERED_IN_ERROR:
        return locked
    locked.status = Status.ENTERED_IN_ERROR
    locked.save(update_fields=["status", "updated_at"])
    _withdraw_facts(locked, by=by)
    record(
        events.ResponseEnteredInError(response_id=locked.pk, patient_id=locked.patient_id, task_id=locked.task_id),
        by=by,
    )
    return locked


@action
def prefill(
    *, response: QuestionnaireResponse, values: Mapping[str, Any], source: str, at: datetime, by: Viewer
) -> int:
    """Fill in what is already known, labelled with its source; never over an answer that is there. Returns how many."""
    locked = locked_response(response, by)
    if locked.status != Status.IN_PROGRESS:
        return 0
    form = reads.asked_form(locked)
    known = {item.link_id for item in form.questions}
    new = {name: value for name, value in values.items() if name in known and name not in locked.answers}
    for name, value in new.items():
        locked.answers[name] = {"value": value, "source": source, "at": at.isoformat(), "by": by.actor}
        record(
            events.AnswerSaved(response_id=locked.pk, patient_id=locked.patient_id, link_id=name, source=source), by=by
        )
    if new:
        locked.save(update_fields=["answers", "updated_at"])
    return len(new)

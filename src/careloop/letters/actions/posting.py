"""What happens to a letter after it was printed: given to the post, answered, or brought back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.events import LetterAnswered, LetterPosted, LetterReturned
from careloop.letters.models import Letter
from careloop.messaging.actions import note_letter_end, note_letter_posted
from careloop.patients.models import CareRelationship
from careloop.tasks.actions import record_attempt, request_tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import TaskRequest

State = Letter.State
CHECK_WITHIN = timedelta(days=2)


class LetterNotOpen(Refused):
    """The letter is in a state in which this cannot happen to it (any more)."""

    code = "letter-not-open"
    message = _("This letter was already posted, answered, returned or withdrawn. Load the page again.")


@action
def post_letter(*, letter_id: UUID, at: datetime, by: Viewer) -> Letter:
    """A person gave it to the post: it stands among the messages, and counts as a try to reach the patient.

    Refused: a letter that is not waiting to be posted.
    """
    letter = _locked(letter_id, (State.MADE,), by)
    letter.state, letter.posted_at, letter.posted_by_id = State.POSTED, at, by.practitioner_id
    letter.save(update_fields=["state", "posted_at", "posted_by", "updated_at"])
    note_letter_posted(
        key=_key(letter), patient_id=letter.patient_id, template_code=letter.template_code,
        titles=letter.template.title, language=letter.language, task_id=letter.task_id, at=at, by=by,
    )  # fmt: skip
    task = Task.objects.visible_to(by).open().filter(pk=letter.task_id).first() if letter.task_id else None
    if task is not None:
        record_attempt(task=task, contact_point_id=None, outcome="letter-sent", channel="letter", at=at, by=by)
    record(LetterPosted(patient_id=letter.patient_id, letter_id=letter.pk, task_id=letter.task_id), by=by)
    return letter


@action
def answer_letter(*, letter_id: UUID, at: datetime, by: Viewer) -> Letter:
    """The reply slip came, or the patient called or came with the letter. Entering the answers is the task's own work."""
    letter = _end(_locked(letter_id, (State.MADE, State.POSTED, State.RETURNED), by), State.ANSWERED, at, by)
    note_letter_end(key=_key(letter), arrived=True, at=at, by=by)
    record(LetterAnswered(patient_id=letter.patient_id, letter_id=letter.pk, task_id=letter.task_id), by=by)
    return letter


@action
def return_letter(*, letter_id: UUID, reason: str, at: datetime, by: Viewer) -> Letter:
    """The post brought it back: the message failed, and somebody is asked to find the right address."""
    letter = _locked(letter_id, (State.MADE, State.POSTED), by)
    letter.return_reason = Letter.Return(reason)
    _end(letter, State.RETURNED, at, by)
    note_letter_end(key=_key(letter), arrived=False, at=at, by=by)
    department_id = letter.department_id or _caring_department(letter)
    if department_id is not None:
        request_tasks(requests=[_address_check(letter, department_id, at)], by=by)
    record(LetterReturned(patient_id=letter.patient_id, letter_id=letter.pk, reason=letter.return_reason), by=by)
    return letter


def _locked(letter_id: UUID, states: tuple[str, ...], by: Viewer) -> Letter:
    letter = (
        Letter.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .select_related("template")
        .filter(pk=letter_id, state__in=states)
        .first()
    )
    if letter is None:
        raise LetterNotOpen
    return letter


def _end(letter: Letter, state: str, at: datetime, by: Viewer) -> Letter:
    letter.state, letter.ended_at, letter.ended_by_id = State(state), at, by.practitioner_id
    if state != State.RETURNED:
        letter.return_reason = ""  # blank is no choice of its own
    letter.save(update_fields=["state", "ended_at", "ended_by", "return_reason", "updated_at"])
    return letter


def _address_check(letter: Letter, department_id: UUID, at: datetime) -> TaskRequest:
    return TaskRequest(
        key=f"letter-returned:{letter.pk}", patient_id=letter.patient_id, department_id=department_id,
        kind=Task.Kind.CONTACT_CHECK, step_code="address-check", focus_id=letter.pk, available_at=at,
        due_at=at + CHECK_WITHIN,
    )  # fmt: skip


def _caring_department(letter: Letter) -> UUID | None:
    caring = CareRelationship.objects.unscoped("of the letter's own patient").filter(patient_id=letter.patient_id)
    return caring.order_by("-since", "pk").values_list("department_id", flat=True).first()


def _key(letter: Letter) -> str:
    return f"letter:{letter.pk}"

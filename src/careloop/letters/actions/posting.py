"""What happens to a letter after it was printed: given to the post, answered, or brought back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.actions.making import withdraw_letter
from careloop.letters.events import LetterAnswered, LetterPosted, LetterReturned
from careloop.letters.models import ANSWERABLE, Letter
from careloop.messaging.actions import note_letter_end, note_letter_posted
from careloop.patients.actions import set_consent
from careloop.patients.models import CareRelationship, Encounter
from careloop.tasks.actions import close_tasks, record_attempt, request_tasks
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
def answer_letter(*, letter_id: UUID, no_more: bool = False, at: datetime, by: Viewer) -> Letter:
    """The reply slip came, or the patient called or came with the letter. Entering the answers is the task's own work.

    `no_more`: the patient ticked that no more letters are wished.
    Refused: a letter that is answered already, or was withdrawn.
    """
    letter = _locked(letter_id, ANSWERABLE, by)
    if no_more:
        set_consent(patient=letter.patient, scope="contact-letter", decision="deny", how="reply-slip", at=at, by=by)
    return _answered(letter, Letter.Answer.SLIP, at, by)


@action
def settle_by_answers(*, patient_id: UUID, task_id: UUID | None, online: bool, at: datetime, by: Viewer) -> int:
    """Answers of this patient came in: no letter that asked for them waits any longer. Says how many letters ended.

    A letter whose own link was opened is answered by it. Online answers another way answer a posted letter about the
    same follow-up too. One that nobody has posted yet is withdrawn, so that it is not sent for nothing; a covering letter
    asks for nothing and stays.
    """
    ended = 0
    for letter in _waiting_for_answers(patient_id, task_id, at):
        opened = online and letter.link is not None and letter.link.passed_at is not None
        if opened:
            _answered(letter, Letter.Answer.LINK, at, by)
        elif letter.state == State.POSTED and online:
            _answered(letter, Letter.Answer.ONLINE, at, by)
        elif letter.state == State.MADE and letter.template.has_slip:
            withdraw_letter(letter_id=letter.pk, at=at, by=by)
        else:
            continue
        ended += 1
    return ended


def _waiting_for_answers(patient_id: UUID, task_id: UUID | None, at: datetime) -> list[Letter]:
    """Letters about this follow-up, and those whose link leads to everything and was opened."""
    about = Q(task_id=task_id) if task_id else Q(pk=None)
    opened = Q(link__purpose="home", link__passed_at__isnull=False, link__expires_at__gte=at)
    rows = Letter.objects.unscoped("the patient's own answers").filter(patient_id=patient_id, state__in=ANSWERABLE)
    held = rows.filter(about | opened).select_related("template", "link", "patient")
    return list(held.select_for_update(of=("self",), no_key=True).order_by("pk"))


def _answered(letter: Letter, how: str, at: datetime, by: Viewer) -> Letter:
    letter.answered_how = Letter.Answer(how)
    _end(letter, State.ANSWERED, at, by)
    note_letter_end(key=_key(letter), arrived=True, at=at, by=by)
    checks = Task.objects.unscoped("the search for this letter's address").open().filter(key=_check_key(letter))
    close_tasks(task_ids=list(checks.values_list("pk", flat=True)), reason="not-needed", at=at, by=by)
    record(LetterAnswered(patient_id=letter.patient_id, letter_id=letter.pk, task_id=letter.task_id, how=how), by=by)
    return letter


@action
def return_letter(*, letter_id: UUID, reason: str, at: datetime, by: Viewer) -> Letter:
    """The post brought it back: the message failed, and somebody is asked to find the right address."""
    letter = _locked(letter_id, (State.MADE, State.POSTED), by)
    letter.return_reason = Letter.Return(reason)
    _end(letter, State.RETURNED, at, by)
    note_letter_end(key=_key(letter), arrived=False, at=at, by=by)
    request_tasks(requests=[_address_check(letter, _who_searches(letter), at)], by=by)
    record(LetterReturned(patient_id=letter.patient_id, letter_id=letter.pk, reason=letter.return_reason), by=by)
    return letter


def _locked(letter_id: UUID, states: tuple[str, ...], by: Viewer) -> Letter:
    letter = (
        Letter.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .select_related("template", "patient")
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
    letter.save(update_fields=["state", "ended_at", "ended_by", "return_reason", "answered_how", "updated_at"])
    return letter


def _address_check(letter: Letter, department_id: UUID, at: datetime) -> TaskRequest:
    return TaskRequest(
        key=_check_key(letter), patient_id=letter.patient_id, department_id=department_id,
        kind=Task.Kind.CONTACT_CHECK, step_code="address-check", focus_id=letter.pk, available_at=at,
        due_at=at + CHECK_WITHIN,
    )  # fmt: skip


def _who_searches(letter: Letter) -> UUID:
    """Whose work the search for the address is: who follows up, who cares for the patient, where the latest stay was, or
    else the follow-up centre, so that nobody vanishes.
    """
    return letter.department_id or _caring_department(letter) or _treating_department(letter) or _centre()


def _caring_department(letter: Letter) -> UUID | None:
    caring = CareRelationship.objects.unscoped("of the letter's own patient").filter(patient_id=letter.patient_id)
    return caring.order_by("-since", "pk").values_list("department_id", flat=True).first()


def _treating_department(letter: Letter) -> UUID | None:
    stays = Encounter.objects.unscoped("of the letter's own patient").filter(patient_id=letter.patient_id)
    known = stays.filter(department__isnull=False).order_by(F("admitted_at").desc(nulls_last=True), "pk")
    return known.values_list("department_id", flat=True).first()


def _centre() -> UUID:
    """The follow-up centre; a hospital without one searches itself."""
    kinds = (Organization.Kind.CENTRE, Organization.Kind.HOSPITAL)
    units = Organization.objects.filter(is_active=True, kind__in=kinds)
    return min(units, key=lambda unit: (unit.kind != Organization.Kind.CENTRE, unit.path)).pk


def _check_key(letter: Letter) -> str:
    return f"letter-returned:{letter.pk}"


def _key(letter: Letter) -> str:
    return f"letter:{letter.pk}"

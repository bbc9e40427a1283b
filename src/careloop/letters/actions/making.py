"""Letters to patients: what stands on each, and taking one back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.letters.events import LetterMade, LetterWithdrawn
from careloop.letters.models import Letter
from careloop.letters.reads import site
from careloop.letters.reads.desk import Desk, Ready, read_desk
from careloop.letters.rules.codes import reply_code
from careloop.letters.rules.wanted import LetterWanted
from careloop.messaging.models import Communication
from careloop.patients.actions import LinkWanted, issue_links, revoke_link
from careloop.patients.models import AccessLink, Patient
from careloop.tasks.models import Task


@action
def make_letter(
    *,
    key: str,
    patient_id: UUID,
    template_id: UUID,
    task_id: UUID | None = None,
    batch_id: UUID | None = None,
    at: datetime,
    by: Viewer,
) -> Letter:
    """Write one letter down, ready to be printed. The same key again gives the same letter.

    Refused: whoever must not or cannot be written to (see reads/desk.py), each with its own reason.
    """
    wanted = LetterWanted(key=key, patient_id=patient_id, task_id=task_id)
    made = make_letters(wanted=[wanted], template_id=template_id, batch_id=batch_id, at=at, by=by)[key]
    if isinstance(made, Refused):
        raise made
    return made


@action
def make_letters(
    *, wanted: Sequence[LetterWanted], template_id: UUID, batch_id: UUID | None = None, at: datetime, by: Viewer
) -> dict[str, Letter | Refused]:
    """Write many letters down with a fixed number of statements: by key the letter, or why there is none.

    The same key again gives the same letter. Keys given twice in one call are a mistake of the caller.
    """
    desk = read_desk(wanted, template_id=template_id, patients=_held(wanted, by), viewer=by, at=at)
    told: dict[str, Letter | Refused] = {}
    ready: list[Ready] = []
    for one in wanted:
        known = desk.known_letter(one)
        if known is not None:
            told[one.key] = known
            continue
        try:
            ready.append(desk.ready(one))
            desk.note(ready[-1])
        except Refused as refusal:
            told[one.key] = refusal
    return told | _written(desk, ready, batch_id=batch_id, by=by)


@action
def withdraw_letter(*, letter_id: UUID, at: datetime, by: Viewer) -> bool:
    """Take back a letter that was not posted yet. Its link opens nothing any more. False: too late, nothing changed."""
    letter = (
        Letter.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=letter_id, state=Letter.State.MADE)
        .first()
    )
    if letter is None:
        return False
    letter.state, letter.ended_at, letter.ended_by_id = Letter.State.WITHDRAWN, at, by.practitioner_id
    letter.save(update_fields=["state", "ended_at", "ended_by", "updated_at"])
    if letter.link is not None and not _is_shared(letter):
        revoke_link(link=letter.link, at=at, by=by)
    record(LetterWithdrawn(patient_id=letter.patient_id, letter_id=letter.pk), by=by)
    return True


def _is_shared(letter: Letter) -> bool:
    """Links of letters made today are their own; those of earlier days may be in another letter or message too."""
    others = Letter.objects.unscoped("the letter's own link").sent_out().filter(link_id=letter.link_id)
    messages = Communication.objects.unscoped("the letter's own link").filter(link_id=letter.link_id)
    return others.exists() or messages.exists()


def _held(wanted: Sequence[LetterWanted], by: Viewer) -> dict[UUID, Patient]:
    """The patients, held in a fixed order, so that two letters to the same person are made one after the other."""
    patients = Patient.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
    return {patient.pk: patient for patient in patients.filter(pk__in={w.patient_id for w in wanted}).order_by("pk")}


def _written(desk: Desk, ready: Sequence[Ready], *, batch_id: UUID | None, by: Viewer) -> dict[str, Letter]:
    if not ready or desk.template is None:
        return {}
    pks = [uuid7() for _one in ready]
    codes = _free_codes(pks)
    links = _links(ready, at=desk.at, by=by)
    envelope = site.envelope().code
    letters = [
        Letter(
            id=pk, patient=one.patient, template=desk.template, template_code=desk.template.code,
            department=one.department, key=one.wanted.key, batch_id=batch_id, task_id=one.wanted.task_id,
            language=one.language, params=desk.values(one, code=code), address=one.patient.address[:300],
            recipient={"lines": list(one.block.lines), "size": one.block.size}, envelope=envelope, reply_code=code,
            link=links.get(one.wanted.key), made_at=desk.at, made_by_id=by.practitioner_id,
        )
        for pk, code, one in zip(pks, codes, ready, strict=True)
    ]  # fmt: skip
    Letter.objects.bulk_create(letters)
    record_all(
        [
            LetterMade(
                patient_id=letter.patient_id, letter_id=letter.pk, template=letter.template_code,
                task_id=letter.task_id, batch_id=batch_id,
            )
            for letter in letters
        ],
        by=by,
    )  # fmt: skip
    return {letter.key: letter for letter in letters}


def _free_codes(pks: Sequence[UUID]) -> list[str]:
    """Two letters of a hospital never share a code; with 32⁹ of them a second try is rare."""
    found: dict[UUID, str] = {}
    taken: set[str] = set()
    for attempt in range(100):
        tried = {pk: reply_code(pk, settings.SECRET_KEY, attempt=attempt) for pk in pks if pk not in found}
        rows = Letter.objects.unscoped("codes are the hospital's").filter(reply_code__in=tried.values())
        taken |= set(rows.values_list("reply_code", flat=True))
        for pk, code in tried.items():
            if code not in taken:
                found[pk] = code
                taken.add(code)
        if len(found) == len(pks):
            break
    return [found[pk] for pk in pks]


def _links(ready: Sequence[Ready], *, at: datetime, by: Viewer) -> dict[str, AccessLink]:
    """What the QR pictures open. None for a patient who could not pass the second check: no telephone is known."""
    until = timezone.localtime(at).replace(hour=23, minute=59, second=59, microsecond=0)
    expires_at = until + timedelta(days=settings.ENV.letter_reply_days)
    able = [one for one in ready if one.has_phone]
    wanted = [
        LinkWanted(
            patient_id=one.patient.pk, purpose="questionnaire" if _asks(one.task) else "home",
            task_id=one.wanted.task_id if _asks(one.task) else None, expires_at=expires_at,
        )
        for one in able
    ]  # fmt: skip
    return {one.wanted.key: link for one, link in zip(able, issue_links(wanted=wanted, by=by), strict=True)}


def _asks(task: Task | None) -> bool:
    """Whether the follow-up waits for answers to a form."""
    return task is not None and bool(task.questionnaire_url) and task.status == Task.Status.REQUESTED

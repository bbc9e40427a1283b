"""A letter to one patient: who gets none and why, and what stands on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.letters.events import LetterMade, LetterWithdrawn
from careloop.letters.models import Letter, LetterTemplate
from careloop.letters.reads import pdf, site
from careloop.letters.reads.values import letter_values
from careloop.letters.rules import wording
from careloop.letters.rules.codes import reply_code
from careloop.letters.rules.envelope import Block, fit_address
from careloop.letters.rules.recipients import has_address, recipient_lines
from careloop.patients.actions import issue_link, revoke_link
from careloop.patients.models import AccessLink, ContactPoint, Patient
from careloop.patients.reads import contact_refusal
from careloop.tasks.models import Task

NOT_AGAIN_WITHIN = timedelta(days=14)


class PatientNotThere(Refused):
    """The record does not exist, was merged, or is not the viewer's."""

    code = "letter-no-patient"
    message = _("This record is closed or not yours.")


class PatientDied(Refused):
    """Nobody writes to the dead."""

    code = "letter-died"
    message = _("The patient has died. No letter was made.")


class NoContactWished(Refused):
    """The patient wants no contact."""

    code = "letter-do-not-contact"
    message = _("The patient wants no contact. No letter was made.")


class AddressMissing(Refused):
    """There is no postal address."""

    code = "letter-no-address"
    message = _("No postal address is known. Ask for it at the next contact.")


class AddressReturned(Refused):
    """The last letter to this very address came back."""

    code = "letter-address-returned"
    message = _("The last letter to this address came back. Correct the address first.")


class AddressTooLong(Refused):
    """It does not fit the window."""

    code = "letter-address-too-long"
    message = _("The address does not fit into the window of the envelope. Shorten it.")


class CharacterMissing(Refused):
    """A character of the name or the address cannot be printed."""

    code = "letter-character-missing"
    message = _("A character of the name or address is in no font of this site. Add a font (CARELOOP_LETTER_FONTS).")


class FieldMissing(Refused):
    """The template needs something that the record does not have."""

    code = "letter-field-missing"
    message = _(
        "The letter needs something that the record or the site does not have, such as a discharge date or a telephone number."
    )


class TemplateNotApproved(Refused):
    """Only approved letters are sent."""

    code = "letter-template-not-approved"
    message = _("This letter is not approved (any more). Choose another one.")


class LetterRecent(Refused):
    """The same letter was made a short time ago."""

    code = "letter-recent"
    message = _("The same letter was made in the last 14 days already.")


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

    Refused: whoever must not or cannot be written to (see the classes above), each with its own reason.
    """
    template = LetterTemplate.objects.filter(pk=template_id, state=LetterTemplate.State.APPROVED).first()
    patient = _held(patient_id, by)
    known = Letter.objects.visible_to(by).filter(key=key, patient=patient).first()
    if known is not None:
        return known
    if template is None:
        raise TemplateNotApproved
    _refuse_unwritable(patient, by)
    task = _task_of(task_id, patient, by)
    _refuse_recent(template, patient, task, at, by)
    block = _block(patient)
    return _written(template, patient, task, block, key=key, batch_id=batch_id, at=at, by=by)


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
    others = (
        Letter.objects.visible_to(by).sent_out().filter(link_id=letter.link_id).exists() if letter.link_id else True
    )
    if not others and letter.link is not None:
        revoke_link(link=letter.link, at=at, by=by)
    record(LetterWithdrawn(patient_id=letter.patient_id, letter_id=letter.pk), by=by)
    return True


def _held(patient_id: UUID, by: Viewer) -> Patient:
    """The patient, held, so that two letters to the same person are made one after the other."""
    patients = Patient.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
    patient = patients.filter(pk=patient_id, active=True).first()
    if patient is None:
        raise PatientNotThere
    return patient


def _refuse_unwritable(patient: Patient, by: Viewer) -> None:
    refusal = contact_refusal(patient.pk, channel="letter", by=by)
    if refusal == "died":
        raise PatientDied
    if refusal:
        raise NoContactWished


def _task_of(task_id: UUID | None, patient: Patient, by: Viewer) -> Task | None:
    if task_id is None:
        return None
    task = Task.objects.visible_to(by).filter(pk=task_id, patient=patient).select_related("department").first()
    if task is None:
        raise PatientNotThere
    return task


def _refuse_recent(template: LetterTemplate, patient: Patient, task: Task | None, at: datetime, by: Viewer) -> None:
    same = (
        Letter.objects.visible_to(by)
        .sent_out()
        .filter(patient=patient, template_code=template.code, made_at__gt=at - NOT_AGAIN_WITHIN)
    )
    if same.filter(task_id=task.pk if task else None).exists():
        raise LetterRecent


def _block(patient: Patient) -> Block:
    """The lines in the window. Refused: no address, one that brought a letter back, one that does not fit."""
    if not has_address(patient.address):
        raise AddressMissing
    newest = Letter.objects.unscoped("the address of the patient just found")
    last = (
        newest.filter(patient=patient, state__in=["posted", "answered", "returned"]).order_by("-made_at", "-pk").first()
    )
    if last is not None and last.state == Letter.State.RETURNED and last.address == patient.address[:300]:
        raise AddressReturned
    if pdf.lacking(patient.name + patient.address):
        raise CharacterMissing
    lines = recipient_lines(name=patient.name, sex=patient.sex, address=patient.address, language=_language(patient))
    block = fit_address(lines, site.envelope().address_area())
    if block is None:
        raise AddressTooLong
    return block


def _language(patient: Patient) -> str:
    return "en" if patient.language.lower().startswith("en") else "zh"


def _written(
    template: LetterTemplate,
    patient: Patient,
    task: Task | None,
    block: Block,
    *,
    key: str,
    batch_id: UUID | None,
    at: datetime,
    by: Viewer,
) -> Letter:
    pk = uuid7()
    code = _free_code(pk)
    language = _language(patient) if _language(patient) in template.texts else "zh"
    values, department = letter_values(patient, task, language=language, code=code, at=at, viewer=by)
    try:
        for part in template.texts[language].values():
            wording.render(part, values)
    except wording.MissingField as hole:
        raise FieldMissing(_("The letter needs {%(name)s}, and it is not known.") % {"name": hole.name}) from None
    letter = Letter(
        id=pk, patient=patient, template=template, template_code=template.code, department=department, key=key,
        batch_id=batch_id, task_id=task.pk if task else None, language=language, params=values,
        address=patient.address[:300], recipient={"lines": list(block.lines), "size": block.size},
        envelope=site.envelope().code, reply_code=code, link=_link(patient, task, at, by), made_at=at,
        made_by_id=by.practitioner_id,
    )  # fmt: skip
    letter.save(force_insert=True)
    record(
        LetterMade(
            patient_id=patient.pk,
            letter_id=letter.pk,
            template=template.code,
            task_id=letter.task_id,
            batch_id=batch_id,
        ),
        by=by,
    )
    return letter


def _free_code(pk: UUID) -> str:
    """Two letters of a hospital never share a code; with 32⁹ of them a second try is rare."""
    taken = Letter.objects.unscoped("codes are the hospital's")
    codes = (reply_code(pk, settings.SECRET_KEY, attempt=n) for n in range(100))
    return next(code for code in codes if not taken.filter(reply_code=code).exists())


def _link(patient: Patient, task: Task | None, at: datetime, by: Viewer) -> AccessLink | None:
    """What the QR picture opens. None when the patient could not pass the second check: no telephone is known."""
    if settings.ENV.link_check == "phone" and not _has_phone(patient):
        return None
    until = timezone.localtime(at).replace(hour=23, minute=59, second=59, microsecond=0)
    is_questionnaire = task is not None and task.questionnaire_url and task.status == Task.Status.REQUESTED
    wanted: dict[str, Any] = (
        {"purpose": "questionnaire", "task_id": task.pk}
        if is_questionnaire and task
        else {"purpose": "home", "task_id": None}
    )
    expires_at = until + timedelta(days=settings.ENV.letter_reply_days)
    return issue_link(patient_id=patient.pk, expires_at=expires_at, by=by, **wanted)


def _has_phone(patient: Patient) -> bool:
    points = ContactPoint.objects.unscoped("of the patient just found")
    return points.filter(patient=patient, active=True).exclude(last4="").exists()

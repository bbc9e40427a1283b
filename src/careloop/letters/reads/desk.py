"""Who gets a letter and who does not, and why: asked before a batch starts and again when each letter is made.

Everything that hundreds of letters need is read with a fixed number of statements; judging one of them reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.models import Letter, LetterTemplate
from careloop.letters.reads import pdf, site
from careloop.letters.reads.values import department_of, letter_values, stays_of
from careloop.letters.rules import wording
from careloop.letters.rules.envelope import Block, Rect, fit_address
from careloop.letters.rules.recipients import has_address, recipient_lines
from careloop.letters.rules.wanted import COMING, LetterWanted, fits_date
from careloop.messaging.reads.consent import refused_scopes, refuses
from careloop.patients.models import ContactPoint, Encounter, Patient
from careloop.tasks.models import Task

NOT_AGAIN_WITHIN = timedelta(days=14)
ARRIVED_OR_NOT = (Letter.State.POSTED, Letter.State.ANSWERED, Letter.State.RETURNED)
ANY_CODE = "00000-00000"  # stands for the reply code while a letter is only weighed


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


class DateGoneBy(Refused):
    """The letter announces a date that has passed."""

    code = "letter-date-gone-by"
    message = _("The date of this follow-up has passed. Choose the letter for overdue follow-ups.")


class NotOverdue(Refused):
    """The letter speaks of a missed follow-up that is still to come."""

    code = "letter-not-overdue"
    message = _("This follow-up is not overdue. Choose the letter that tells its date.")


class FollowUpOver(Refused):
    """The letter asks for answers to a follow-up that was done or closed meanwhile."""

    code = "letter-follow-up-over"
    message = _("This follow-up is done or closed already. A letter that asks for its answers would ask for nothing.")


class LetterRecent(Refused):
    """The same letter was made a short time ago."""

    code = "letter-recent"
    message = _("The same letter was made in the last 14 days already.")


@dataclass(frozen=True, slots=True)
class Ready:
    """One letter that may be made: everything that will stand on it but its own code."""

    wanted: LetterWanted
    patient: Patient
    task: Task | None
    stay: Encounter | None
    block: Block
    language: str
    has_phone: bool

    @property
    def department(self) -> Organization | None:
        return department_of(self.task, self.stay)


@dataclass(slots=True)
class Desk:
    """What is known about everybody a letter was asked for."""

    template: LetterTemplate | None
    patients: Mapping[UUID, Patient]
    known: Mapping[str, Letter]
    tasks: Mapping[UUID, Task]
    stays: Mapping[tuple[UUID, UUID | None], Encounter]
    refused: Mapping[UUID, frozenset[str]]
    recent: set[tuple[UUID, UUID | None]]
    last: Mapping[UUID, tuple[str, str]]  # state and address of the newest letter that was on its way
    with_phone: frozenset[UUID]
    sender: site.Sender
    area: Rect | None  # None: the envelope of this site cannot be used
    unusable: Refused | None
    at: datetime
    undecided: bool = False  # no letter is chosen yet: only the patients and their addresses are judged

    def known_letter(self, wanted: LetterWanted) -> Letter | None:
        """The letter that was made with this key before."""
        found = self.known.get(wanted.key)
        return found if found is not None and found.patient_id == wanted.patient_id else None

    def ready(self, wanted: LetterWanted) -> Ready:
        """Raises the reason why this one gets no letter; the heaviest first: nobody is told to mend an address of the dead."""
        patient = self._patient(wanted)
        if self.template is None and not self.undecided:
            raise TemplateNotApproved
        if patient.deceased:
            raise PatientDied
        if patient.do_not_contact or refuses(self.refused.get(patient.pk, frozenset()), "letter"):
            raise NoContactWished
        task = self._task(wanted, patient)
        if (patient.pk, wanted.task_id) in self.recent:
            raise LetterRecent
        block = self._block(patient)
        ready = Ready(
            wanted, patient, task, self.stays.get((patient.pk, wanted.task_id)), block,
            language_of(patient, self.template), patient.pk in self.with_phone,
        )  # fmt: skip
        self._refuse_holes(ready)
        return ready

    def values(self, ready: Ready, *, code: str) -> dict[str, str]:
        """The fields of the letter with this reply code."""
        return letter_values(
            ready.patient, ready.task, ready.stay, sender=self.sender, language=ready.language, code=code, at=self.at
        )

    def note(self, ready: Ready) -> None:
        """It is made now: a second one of the same kind in the same breath is refused."""
        self.recent.add((ready.patient.pk, ready.wanted.task_id))

    def _patient(self, wanted: LetterWanted) -> Patient:
        patient = self.patients.get(wanted.patient_id)
        if patient is None or not patient.active:
            raise PatientNotThere
        return patient

    def _task(self, wanted: LetterWanted, patient: Patient) -> Task | None:
        if wanted.task_id is None:
            return None
        task = self.tasks.get(wanted.task_id)
        if task is None or task.patient_id != patient.pk:
            raise PatientNotThere
        if self.template is not None and self.template.has_slip and task.status != Task.Status.REQUESTED:
            raise FollowUpOver
        code = self.template.code if self.template else ""
        if not fits_date(code, timezone.localdate(task.due_at), today=timezone.localdate(self.at)):
            raise DateGoneBy if code in COMING else NotOverdue
        return task

    def _block(self, patient: Patient) -> Block:
        """The lines in the window."""
        if not has_address(patient.address):
            raise AddressMissing
        if self.last.get(patient.pk) == (Letter.State.RETURNED, patient.address[:300]):
            raise AddressReturned
        if pdf.lacking(patient.name + patient.address):
            raise CharacterMissing
        if self.area is None:
            raise self.unusable or site.EnvelopeUnusable()
        language = patient_language(patient)
        lines = recipient_lines(name=patient.name, sex=patient.sex, address=patient.address, language=language)
        block = fit_address(lines, self.area)
        if block is None:
            raise AddressTooLong
        return block

    def _refuse_holes(self, ready: Ready) -> None:
        if self.template is None:
            return
        values = self.values(ready, code=ANY_CODE)
        try:
            for part in self.template.texts[ready.language].values():
                wording.render(part, values)
        except wording.MissingField as hole:
            words = _("The letter needs {%(name)s}, and it is not known.") % {"name": hole.name}
            raise FieldMissing(words) from None


def patient_language(patient: Patient) -> str:
    return "en" if patient.language.lower().startswith("en") else "zh"


def language_of(patient: Patient, template: LetterTemplate | None) -> str:
    """The patient's, when the letter has it."""
    if template is None:
        return patient_language(patient)
    return patient_language(patient) if patient_language(patient) in template.texts else "zh"


def read_desk(
    wanted: Sequence[LetterWanted],
    *,
    template_id: UUID | None,
    patients: Mapping[UUID, Patient],
    viewer: Viewer,
    at: datetime,
) -> Desk:
    """Everything about these, in a fixed number of statements. `patients` were read (or locked) for this viewer."""
    approved = LetterTemplate.objects.filter(state=LetterTemplate.State.APPROVED)
    template = approved.filter(pk=template_id).first() if template_id else None
    ids = set(patients)
    tasks = _tasks({one.task_id for one in wanted if one.task_id}, ids, viewer)
    mine = Letter.objects.unscoped("letters of the patients read for the viewer")
    recent = mine.sent_out().filter(
        patient_id__in=ids, template_code=template.code if template else "", made_at__gt=at - NOT_AGAIN_WITHIN
    )
    area, unusable = _area()
    return Desk(
        template=template,
        patients=patients,
        known={one.key: one for one in mine.filter(key__in=[one.key for one in wanted], patient_id__in=ids)},
        tasks=tasks,
        stays=stays_of(
            [(one.patient_id, tasks.get(one.task_id) if one.task_id else None) for one in wanted], viewer=viewer
        ),
        refused=refused_scopes(ids),
        recent=set(recent.values_list("patient_id", "task_id")),
        last=_last_on_its_way(ids),
        with_phone=_with_phone(ids),
        sender=site.sender(),
        area=area,
        unusable=unusable,
        at=at,
        undecided=template_id is None,
    )


def _tasks(task_ids: set[UUID], patient_ids: set[UUID], viewer: Viewer) -> dict[UUID, Task]:
    if not task_ids:
        return {}
    mine = Task.objects.visible_to(viewer).filter(pk__in=task_ids, patient_id__in=patient_ids)
    return {task.pk: task for task in mine.select_related("department")}


def _last_on_its_way(ids: set[UUID]) -> dict[UUID, tuple[str, str]]:
    newest = (
        Letter.objects.unscoped("the address of patients just read")
        .filter(patient_id__in=ids, state__in=ARRIVED_OR_NOT)
        .order_by("patient_id", "-made_at", "-pk").distinct("patient_id").values_list("patient_id", "state", "address")
    )  # fmt: skip
    return {patient_id: (state, address) for patient_id, state, address in newest}


def _with_phone(ids: set[UUID]) -> frozenset[UUID]:
    """Who could pass the second check of the patient pages."""
    if settings.ENV.link_check != "phone":
        return frozenset(ids)
    points = ContactPoint.objects.unscoped("of patients just read").filter(patient_id__in=ids, active=True)
    return frozenset(points.exclude(last4="").values_list("patient_id", flat=True))


def _area() -> tuple[Rect | None, Refused | None]:
    try:
        return site.envelope().address_area(), None
    except site.EnvelopeUnusable as unusable:
        return None, unusable

"""Contact points: evidence about numbers, and the relatives behind them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.models import ContactPoint, Patient, RelatedPerson
from careloop.patients.reads.told import local_phones, number_row
from careloop.patients.rules import ContactData
from careloop.patients.rules.contacts import DEAD, REACHED, SILENT, Evidence, after_result
from careloop.patients.rules.names import clean_name

RESULTS = {
    **dict.fromkeys(REACHED, ContactPoint.Result.REACHED),
    "no-answer": ContactPoint.Result.NO_ANSWER,
    "left-message": ContactPoint.Result.NO_ANSWER,
    "busy": ContactPoint.Result.BUSY,
    "off": ContactPoint.Result.OFF,
    "empty-number": ContactPoint.Result.EMPTY,
    "wrong-person": ContactPoint.Result.WRONG,
    "undeliverable": ContactPoint.Result.UNDELIVERABLE,
}


class NotANumber(Refused):
    code = "not-a-number"
    message = _("This is not a telephone number. Check the digits: a mobile has 11, a landline needs its area code.")


class NumberKnown(Refused):
    code = "number-known"
    message = _("This patient already has this number.")


@action
def add_contact_point(
    *, patient: Patient, number: str, source: str, at: datetime, by: Viewer,
    related_person: RelatedPerson | None = None, owner_note: str = "", use: str = "",
) -> ContactPoint:  # fmt: skip
    """A number somebody told us. Refuses what cannot be a number, and one the patient has already."""
    phones = [phone for phone in local_phones(number) if phone.is_usable]
    if not phones:
        raise NotANumber
    wanted = number_row(patient, phones[0], ContactData(value=number, owner_name=owner_note), related_person, source)
    row, is_new = ContactPoint.objects.visible_to(by).get_or_create(
        patient=patient,
        system=ContactPoint.System.PHONE,
        value=wanted.value,
        defaults={
            "related_person": related_person,
            "raw": wanted.raw,
            "last4": wanted.last4,
            "is_mobile": wanted.is_mobile,
            "use": use or wanted.use,
            "rank": 1,
            "source": wanted.source,
            "owner_note": wanted.owner_note,
        },
    )
    if not is_new and row.active:
        raise NumberKnown
    if not is_new:
        row.active, row.is_valid, row.invalid_reason, row.failures = True, True, "", 0
        row.save(update_fields=["active", "is_valid", "invalid_reason", "failures", "updated_at"])
    record(events.ContactPointChanged(patient_id=patient.pk, contact_point_id=row.pk, what="added"), by=by)
    return row


@action
def verify_contact_point(*, contact_point: ContactPoint, how: str, at: datetime, by: Viewer) -> None:
    """The number was proven to reach the patient or the named relative: `how` = call, sms-code, bedside, portal."""
    row = _locked(contact_point, by)
    row.verified_at, row.verified_how, row.verified_by_id = at, how[:30], by.practitioner_id
    row.is_valid, row.invalid_reason, row.failures, row.active = True, "", 0, True
    row.save()
    record(events.ContactPointChanged(patient_id=row.patient_id, contact_point_id=row.pk, what="verified"), by=by)


@action
def note_knowledge(*, contact_point: ContactPoint, knows_condition: bool | None, by: Viewer) -> None:
    """Whether whoever answers this number has been told the diagnosis: True, False, or None for not known (B07)."""
    row = _locked(contact_point, by)
    row.knows_condition = knows_condition
    row.save(update_fields=["knows_condition", "updated_at"])
    what = {True: "knows", False: "does-not-know", None: "knowledge-unknown"}[knows_condition]
    record(events.ContactPointChanged(patient_id=row.patient_id, contact_point_id=row.pk, what=what), by=by)


@action
def correct_contact_point(*, contact_point: ContactPoint, number: str, at: datetime, by: Viewer) -> ContactPoint:
    """The number was wrong: keep it as history, out of use, and put the right one in its place with the same owner."""
    row = _locked(contact_point, by)
    new = add_contact_point(
        patient=row.patient, number=number, source="staff", at=at, by=by,
        related_person=row.related_person, owner_note=row.owner_note,
    )  # fmt: skip
    row.active, row.is_valid, row.invalid_reason = False, False, "corrected"
    row.save(update_fields=["active", "is_valid", "invalid_reason", "updated_at"])
    record(events.ContactPointChanged(patient_id=row.patient_id, contact_point_id=row.pk, what="corrected"), by=by)
    return new


@action
def retire_contact_point(*, contact_point: ContactPoint, at: datetime, by: Viewer) -> None:
    """No longer used; kept as history."""
    row = _locked(contact_point, by)
    row.active = False
    row.save(update_fields=["active", "updated_at"])
    record(events.ContactPointChanged(patient_id=row.patient_id, contact_point_id=row.pk, what="retired"), by=by)


@action
def report_contact_result(*, contact_point: ContactPoint, result: str, at: datetime, by: Viewer) -> None:
    """What one try told about the number. `result` is an outcome code of a task, or "delivered"/"undeliverable".

    No subscriber or a stranger makes the number invalid; silence only counts; being reached proves it again.
    A result older than the last one known is ignored.
    """
    if result not in REACHED | DEAD | SILENT:
        return
    row = _locked(contact_point, by)
    if row.last_result_at is not None and at < row.last_result_at:
        return
    after = after_result(Evidence(trust="unverified" if row.is_valid else "invalid", failures=row.failures), result)
    row.failures, row.last_result, row.last_result_at = min(after.failures, 9999), RESULTS[result], at
    if result in DEAD:
        row.is_valid, row.invalid_reason = False, result
    elif result in REACHED and result != "delivered":
        row.is_valid, row.invalid_reason = True, ""
        row.verified_at, row.verified_how = at, "call"
        row.best_hour = at.astimezone(ZoneInfo(settings.TIME_ZONE)).hour
        row.knows_condition = {"reached-informed-relative": True, "reached-uninformed": False}.get(
            result, row.knows_condition
        )
    row.save()
    record_all([_result_fact(row, result)], by=by)


def _result_fact(row: ContactPoint, result: str) -> Event:
    if result in REACHED:
        return events.ContactPointReached(patient_id=row.patient_id, contact_point_id=row.pk, result=result)
    return events.ContactPointFailed(
        patient_id=row.patient_id, contact_point_id=row.pk, result=result, is_dead=result in DEAD
    )


def _locked(contact_point: ContactPoint, by: Viewer) -> ContactPoint:
    rows = ContactPoint.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
    return rows.select_related("patient", "related_person").get(pk=contact_point.pk)


@action
def reveal_contact_point(*, contact_point: ContactPoint, by: Viewer) -> str:
    """The whole number of a masked one, for somebody who will dial it. Kept in the audit trail."""
    row = ContactPoint.objects.visible_to(by).get(pk=contact_point.pk)
    record(events.PhoneRevealed(patient_id=row.patient_id, contact_point_id=row.pk), by=by)
    return row.value


@action
def set_related_person(
    *, patient: Patient, name: str, relation: str, may_answer: bool, may_receive: bool, by: Viewer,
    related_person_id: UUID | None = None, active: bool = True,
) -> RelatedPerson:  # fmt: skip
    """Add or change a relative: who they are, whether they may answer for the patient, whether they get reminders."""
    row = RelatedPerson(patient=patient, source="staff")
    if related_person_id is not None:
        row = RelatedPerson.objects.visible_to(by).get(pk=related_person_id, patient=patient)
    row.name, row.relation = clean_name(name)[:120], relation[:40]
    row.may_answer, row.may_receive, row.active = may_answer, may_receive, active
    row.save()
    record(events.RelatedPersonChanged(patient_id=patient.pk, related_person_id=row.pk), by=by)
    return row

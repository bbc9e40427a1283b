"""Contact points: evidence about numbers, and the relatives behind them."""

from __future__ import annotations

from collections.abc import Sequence
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
from careloop.patients.rules import ContactData, PersonData, RelatedPersonData
from careloop.patients.rules.codes import relation_code
from careloop.patients.rules.contacts import DEAD, REACHED, SILENT, Evidence, after_result
from careloop.patients.rules.names import clean_name
from careloop.patients.rules.phones import Phone, read_phones

HELD = "the caller holds a row of this patient"
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


def related_rows(
    patient: Patient, told: Sequence[RelatedPersonData], *, source: str, is_new: bool
) -> tuple[list[tuple[RelatedPersonData, RelatedPerson]], list[RelatedPerson], list[RelatedPerson]]:
    """Each told relative with its row, the rows to insert and the rows that changed. Key: name, else relation."""
    known = (
        {}
        if is_new
        else {_key(row.name, row.relation): row for row in RelatedPerson.objects.unscoped(HELD).filter(patient=patient)}
    )
    pairs: list[tuple[RelatedPersonData, RelatedPerson]] = []
    new: list[RelatedPerson] = []
    altered: list[RelatedPerson] = []
    for person in told:
        name = clean_name(person.name)[:120] if isinstance(person.name, str) else ""
        relation = _relation(person)
        if not name and not relation and not person.phones:
            continue
        row = known.get(_key(name, relation))
        if row is None:
            row = RelatedPerson(patient=patient, name=name, relation=relation, source=source[:80])
            known[_key(name, relation)] = row
            new.append(row)
        elif _complete(row, relation, person):
            altered.append(row)
        row.may_answer = row.may_answer or bool(person.knows_condition)
        pairs.append((person, row))
    return pairs, new, [row for row in altered if row not in new]


def _key(name: str, relation: str) -> str:
    return name or f"relation:{relation}"


def _relation(person: RelatedPersonData) -> str:
    if not isinstance(person.relation, str) or not person.relation.strip():
        return ""
    code = relation_code(person.relation)
    return code if code != "other" else person.relation.strip()[:40]


def _complete(row: RelatedPerson, relation: str, person: RelatedPersonData) -> bool:
    """Take over what is newer; true if something changed."""
    before = (row.relation, row.may_answer)
    row.relation = relation or row.relation
    row.may_answer = row.may_answer or bool(person.knows_condition)
    return before != (row.relation, row.may_answer)


def contact_rows(
    patient: Patient,
    person: PersonData,
    relatives: Sequence[tuple[RelatedPersonData, RelatedPerson]],
    *,
    source: str,
    is_new: bool,
) -> list[ContactPoint]:
    """The numbers that are not known yet, as rows. The patient's own come first; a number is kept once per patient."""
    points = [(phone, told, None) for told in person.phones or () for phone in read_phones(told.value)]
    rows = [_row(patient, phone, told, None, source) for phone, told, __ in points]
    for related, relative in relatives:
        rows += [
            _row(patient, phone, told, relative, source) for told in related.phones for phone in read_phones(told.value)
        ]
    wanted = {row.value: row for row in reversed(rows)}
    known: set[str] = set()
    if wanted and not is_new:
        known = set(ContactPoint.objects.unscoped(HELD).filter(patient=patient).values_list("value", flat=True))
    ordered = [row for row in wanted.values() if row.value not in known][::-1]
    for rank, row in enumerate(ordered, start=1):
        row.rank = min(rank, 99)
    return ordered


def _row(
    patient: Patient, phone: Phone, told: ContactData, relative: RelatedPerson | None, source: str
) -> ContactPoint:
    digits = "".join(c for c in phone.number or phone.raw if c.isdigit())
    relation = phone.owner_note or (told.relation if relative is None else "")
    return ContactPoint(
        patient=patient,
        related_person=relative,
        value=(phone.number or phone.raw)[:120],
        raw=told.value[:200],
        last4=digits[-4:] if phone.is_usable else "",
        is_mobile=phone.kind == "mobile",
        is_valid=phone.is_usable,
        invalid_reason=phone.problem,
        use="mobile" if phone.kind == "mobile" else told.use,
        source=source[:80],
        owner_note=(told.owner_name or relation)[:60],
    )


@action
def add_contact_point(
    *, patient: Patient, number: str, source: str, at: datetime, by: Viewer,
    related_person: RelatedPerson | None = None, owner_note: str = "", use: str = "",
) -> ContactPoint:  # fmt: skip
    """A number somebody told us. Refuses what cannot be a number, and one the patient has already."""
    phones = [phone for phone in read_phones(number) if phone.is_usable]
    if not phones:
        raise NotANumber
    wanted = _row(patient, phones[0], ContactData(value=number, owner_name=owner_note), related_person, source)
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

"""The relatives and numbers a sender knows, as rows that are not stored yet."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from careloop.kernel.rows import new_row
from careloop.patients.models import ContactPoint, Patient, RelatedPerson
from careloop.patients.rules import ContactData, PersonData, RelatedPersonData
from careloop.patients.rules.codes import relation_code
from careloop.patients.rules.names import clean_name
from careloop.patients.rules.phones import Phone, read_phones

HELD = "the caller holds a row of this patient"


def related_rows(
    patient: Patient, told: Sequence[RelatedPersonData], *, source: str, is_new: bool
) -> tuple[list[tuple[RelatedPersonData, RelatedPerson]], list[RelatedPerson], list[RelatedPerson]]:
    """Each told relative with its row, the rows to insert and the rows that changed. Key: name, else relation."""
    known = (
        {}
        if is_new or not told
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
    points = [(phone, told, None) for told in person.phones or () for phone in local_phones(told.value)]
    rows = [number_row(patient, phone, told, None, source) for phone, told, __ in points]
    for related, relative in relatives:
        rows += [
            number_row(patient, phone, told, relative, source)
            for told in related.phones
            for phone in local_phones(told.value)
        ]
    wanted = {row.value: row for row in reversed(rows)}
    known: set[str] = set()
    if wanted and not is_new:
        known = set(ContactPoint.objects.unscoped(HELD).filter(patient=patient).values_list("value", flat=True))
    ordered = [row for row in wanted.values() if row.value not in known][::-1]
    for rank, row in enumerate(ordered, start=1):
        row.rank = min(rank, 99)
    return ordered


def local_phones(text: str) -> tuple[Phone, ...]:
    """All numbers of a field; local ones get the hospital's area code, if the site has set it."""
    return read_phones(text, area_code=settings.ENV.area_code)


def number_row(
    patient: Patient, phone: Phone, told: ContactData, relative: RelatedPerson | None, source: str
) -> ContactPoint:
    """One number with its evidence so far: raw text, whose it is, whether it can be one at all."""
    digits = "".join(c for c in phone.number or phone.raw if c.isdigit())
    relation = phone.owner_note or (told.relation if relative is None else "")
    return new_row(
        ContactPoint,
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

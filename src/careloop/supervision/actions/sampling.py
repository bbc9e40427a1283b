"""A sample is drawn, and who checks a record may change. Nobody draws or checks what they wrote themselves."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.accounts.models import Practitioner
from careloop.accounts.reads import viewer_for
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import lift_seal, seal_records
from careloop.supervision import access, events, rules
from careloop.supervision.models import Sample, SampledRecord
from careloop.supervision.reads import content
from careloop.supervision.reads.samples import (
    Population,
    Wanted,
    asked_json,
    departments_below,
    drawn_before,
    population,
)


class OwnRecords(Refused):
    """Nobody draws or checks what they wrote themselves."""

    code = "own-records"
    message = gettext_lazy(
        "These are your own records. Somebody else has to draw and check them: another supervisor or the hospital's inspector."
    )


class NotYourDepartment(Refused):
    """A supervisor draws from the own departments only."""

    code = "not-your-department"
    message = gettext_lazy(
        "You supervise other departments. Choose one of yours; only the hospital's inspector draws from all."
    )


class NothingToDraw(Refused):
    """There is no record that could be drawn; the message says what was left out."""

    code = "nothing-to-draw"
    message = gettext_lazy("No record can be drawn from this selection. Take a longer period or fewer conditions.")


class SizeImpossible(Refused):
    """The message says what is possible."""

    code = "size-impossible"


class PopulationTooLarge(Refused):
    """More records than one list may hold."""

    code = "population-too-large"
    message = gettext_lazy("These are too many records for one sample. Take a shorter period or one department.")


class AlreadySubmitted(Refused):
    code = "already-submitted"
    message = gettext_lazy("This check has gone on meanwhile: it was begun or submitted already. Load the page again.")


class CannotCheck(Refused):
    """This person may not check these records."""

    code = "cannot-check"
    message = gettext_lazy("This person may not check records of this department. Choose somebody who supervises it.")


@action
def draw_sample(
    *,
    key: str,
    wanted: Wanted,
    size: int | None,
    percent: float | None,
    blind_percent: float,
    seed: str,
    at: datetime,
    by: Viewer,
    checker_id: UUID | None = None,
    widens: Sample | None = None,
) -> Sample:
    """Draw, keep the list and the seed, and close the records of the blind part to the checker. Sent twice: drawn once.

    Refused: a foreign department, own records, an impossible size or share, nothing left, a checker who may not check.
    """
    _one_at_a_time(key)
    existing = Sample.objects.visible_to(by).filter(key=key).first()
    if existing is not None:
        return existing
    _may_draw(wanted, by)
    _check_blind(blind_percent)
    checker = checker_id or _person(by)
    people = population(wanted, viewer=by, without=drawn_before(widens))
    _check_population(people, wanted, size, percent)
    _may_check(checker, wanted, people, by=by, at=at)
    count = rules.how_many(len(people.candidates), size=size, percent=percent)
    drawn = rules.draw(people.candidates, size=count, seed=seed, blind_percent=blind_percent)
    try:
        with transaction.atomic():
            sample = _insert(key, wanted, people, drawn, seed, size, percent, blind_percent, at, by, widens)
    except IntegrityError:  # the same form, sent twice at the same moment
        found = Sample.objects.visible_to(by).filter(key=key).first()
        if found is None:
            raise
        return found
    _records(sample, people, drawn, checker)
    _seal(sample, at, by)
    record(
        events.SampleDrawn(sample_id=sample.pk, size=count, population=len(people.candidates), seed=seed[:64]), by=by
    )
    return sample


def _one_at_a_time(key: str) -> None:
    """Whoever sends the same form waits here until the first has drawn, and then finds its sample, not an empty pot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s::text))", [f"supervision.sample:{key}"])


def _person(by: Viewer) -> UUID:
    """Samples are drawn and checked by people."""
    if by.practitioner_id is None:
        raise CannotCheck
    return by.practitioner_id


def _may_draw(wanted: Wanted, by: Viewer) -> None:
    if not by.can(access.SAMPLE) or by.practitioner_id is None:
        raise NotYourDepartment
    if wanted.author_id is not None and wanted.author_id == by.practitioner_id:
        raise OwnRecords
    by = by.within(access.SAMPLE)
    if by.hospital_wide:
        return
    if wanted.department_id is None or not set(departments_below(wanted.department_id) or ()) <= by.departments:
        raise NotYourDepartment


def _check_blind(percent: float) -> None:
    if not 0 <= percent <= 100:
        raise SizeImpossible(_("The share that is asked again blind must be between 0 and 100 %."))


def _check_population(people: Population, wanted: Wanted, size: int | None, percent: float | None) -> None:
    total = len(people.candidates)
    if total + sum(people.left_out.values()) > content.sampling()["largest_population"]:
        raise PopulationTooLarge
    if total == 0 and people.left_out.get("own"):
        raise OwnRecords
    if total == 0:
        raise NothingToDraw
    fault = rules.fault_of_size(total, size=size, percent=percent)
    texts = {
        "size-or-percent": _("Give either a number of records or a percentage."),
        "size-not-positive": _("A sample has at least one record."),
        "size-too-large": _("There are only %(total)s records to draw from. Draw at most so many.") % {"total": total},
        "percent-out-of-range": _("The percentage must be above 0 and at most 100."),
    }
    if fault:
        raise SizeImpossible(texts[fault])


def _may_check(checker: UUID, wanted: Wanted, people: Population, *, by: Viewer, at: datetime) -> None:
    """The checker must be somebody who may check there. What the checker wrote is not on the list of another drawer."""
    by = by.within(access.CHECK)
    if (
        checker == by.practitioner_id
        and by.can(access.CHECK)
        and (by.hospital_wide or wanted.department_id in by.departments)
    ):
        return
    if not _checks(checker, wanted.department_id, at=at):
        raise CannotCheck
    if any(one.author_id == checker for one in people.found.values()):
        raise OwnRecords


def _checks(practitioner_id: UUID, department_id: UUID | None, *, at: datetime) -> bool:
    person = Practitioner.objects.filter(pk=practitioner_id, is_active=True).first()
    if person is None:
        return False
    viewer = viewer_for(person, at=at)
    viewer = viewer.within(access.CHECK)
    return viewer.can(access.CHECK) and (viewer.hospital_wide or department_id in viewer.departments)


def _insert(
    key: str, wanted: Wanted, people: Population, drawn: tuple[rules.Drawn, ...], seed: str, size: int | None,
    percent: float | None, blind_percent: float, at: datetime, by: Viewer, widens: Sample | None,
) -> Sample:  # fmt: skip
    return Sample.objects.unscoped("creating").create(
        key=key, level=3 if by.hospital_wide else 2, department_id=wanted.department_id, drawn_by_id=_person(by),
        drawn_at=at, period_from=wanted.period.first, period_to=wanted.period.last, seed=seed[:64],
        asked=asked_json(wanted, size, percent, blind_percent),
        population=[[one.id, one.stratum, one.weight] for one in sorted(people.candidates, key=lambda one: one.id)],
        population_size=len(people.candidates), population_hash=rules.fingerprint(people.candidates),
        left_out=people.left_out, policy_version=content.sampling()["version"], size=len(drawn), widens=widens,
    )  # fmt: skip


def _records(sample: Sample, people: Population, drawn: tuple[rules.Drawn, ...], checker: UUID) -> None:
    SampledRecord.objects.unscoped("creating").bulk_create(
        SampledRecord(
            sample=sample, level=sample.level, patient_id=found.response.patient_id, department_id=found.department_id,
            author_id=found.author_id, response=found.response, first_task_id=found.task_id, order=one.order,
            stratum=one.candidate.stratum, weight=one.candidate.weight, reasons=list(one.candidate.reasons),
            is_blind=one.is_blind, checker_id=checker,
        )
        for one in drawn
        for found in (people.found[one.candidate.id],)
    )  # fmt: skip


def _seal(sample: Sample, at: datetime, by: Viewer) -> None:
    blind = SampledRecord.objects.unscoped("just drawn").filter(sample=sample, is_blind=True)
    by_checker: dict[UUID, dict[str, UUID]] = {}
    for row in blind.order_by("order"):
        by_checker.setdefault(row.checker_id, {})[row.seal] = row.patient_id
    for checker, patients in by_checker.items():
        seal_records(patients=patients, practitioner_id=checker, at=at, by=by)


@action
def hand_over_check(*, row: SampledRecord, to_id: UUID, at: datetime, by: Viewer) -> SampledRecord:
    """Another person checks this record; the seal moves with it. Refused: its author, somebody who may not check there,
    a check that has begun."""
    locked = SampledRecord.objects.visible_to(by).select_for_update(of=("self",), no_key=True).get(pk=row.pk)
    if locked.status != SampledRecord.Status.WAITING or locked.second_id is not None:
        raise AlreadySubmitted
    if to_id == locked.author_id:
        raise OwnRecords
    if not by.can(access.SAMPLE) or not _checks(to_id, locked.department_id, at=at):
        raise CannotCheck
    if to_id == locked.checker_id:
        return locked
    if locked.is_blind:
        lift_seal(why=locked.seal, because="handed-over", at=at, by=by)
        locked.checker_id = to_id
        # A name of its own for each hand-over: a seal that was lifted once is never closed again by its old name.
        seal_records(patients={f"{locked.seal}:{uuid7().hex}": locked.patient_id}, practitioner_id=to_id, at=at, by=by)
    locked.checker_id = to_id
    locked.save(update_fields=["checker", "updated_at"])
    record(events.CheckHandedOver(record_id=locked.pk, to_id=to_id, patient_id=locked.patient_id), by=by)
    return locked

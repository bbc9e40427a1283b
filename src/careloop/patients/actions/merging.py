"""Two records become one, and can become two again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.models import AccessGrant, DuplicateCandidate, Patient, PatientMerge
from careloop.patients.reads.columns import column_of
from careloop.patients.rules.merging import merged_columns

WHY = "a merge concerns both records, whoever cares for them"
STAY: Final = (AccessGrant, DuplicateCandidate, PatientMerge, Patient)
"""Rows that do not follow: a right to one record must not become a right to the other; history stays where it is."""


class SamePatient(Refused):
    code = "merge-into-itself"
    message = _("Both numbers already belong to the same patient.")


class MergeInCircle(Refused):
    code = "merge-in-circle"
    message = _("The record that should stay was merged into the one that should go. Undo that merge first.")


class MergedElsewhere(Refused):
    code = "merged-elsewhere"
    message = _("This record was already merged into another patient. Undo that merge first.")


class MergedOnwards(Refused):
    code = "merged-onwards"
    message = _("The surviving record was itself merged later. Undo the later merge first.")


class AlreadyUndone(Refused):
    code = "merge-already-undone"
    message = _("This merge was already undone.")


@action
def merge_patients(*, survivor: Patient, gone: Patient, source: str, at: datetime, by: Viewer) -> PatientMerge:
    """`gone` becomes a tombstone that points to `survivor`; every row about it moves, and is listed to move back.

    Direction as in A40: PID survives, MRG goes. The same merge again returns the first one. A survivor that is itself
    a tombstone stands for the record it was merged into; a circle is refused.
    Rows that would break a unique rule of the survivor (the same phone number twice) stay with the tombstone.
    """
    rows = _locked(survivor.pk, gone.pk)
    keeper, goer = _living(rows[survivor.pk]), rows[gone.pk]
    if goer.merged_into_id is not None and _living(goer).pk == keeper.pk:
        return _merge_of(goer)
    if keeper.pk == goer.pk:
        raise MergeInCircle if rows[survivor.pk].pk != keeper.pk else SamePatient
    if goer.merged_into_id is not None:
        raise MergedElsewhere
    moved = {label: [str(pk) for pk in pks] for label, pks in _move_all(goer.pk, keeper.pk)}
    before = _take_over(keeper, goer)
    goer.active, goer.merged_into = False, keeper
    goer.save(update_fields=["active", "merged_into", "updated_at"])
    merge = PatientMerge.objects.create(
        patient=keeper, gone=goer, merged_at=at, moved={"rows": moved, "survivor": before}, source=source[:80]
    )
    _settle_duplicates(keeper.pk, goer.pk)
    record(
        events.PatientsMerged(patient_id=keeper.pk, survivor_id=keeper.pk, gone_id=goer.pk, merge_id=merge.pk), by=by
    )
    return merge


@action
def unmerge_patients(*, merge: PatientMerge, reason: str, at: datetime, by: Viewer) -> None:
    """Undo a merge: every row that moved goes back, columns taken over are emptied again, the tombstone lives.

    What was added to the survivor since stays there. Refuses a merge already undone, and one whose survivor was merged
    onwards (undo that first).
    """
    row = PatientMerge.objects.unscoped(WHY).select_for_update(of=("self",), no_key=True).get(pk=merge.pk)
    if row.undone_at is not None:
        raise AlreadyUndone
    rows = _locked(row.patient_id, row.gone_id)
    keeper, goer = rows[row.patient_id], rows[row.gone_id]
    if keeper.merged_into_id is not None:
        raise MergedOnwards
    for label, pks in row.moved["rows"].items():
        _move_back(label, pks, keeper.pk, goer.pk)
    _give_back(keeper, row.moved["survivor"])
    goer.active, goer.merged_into = True, None
    goer.save(update_fields=["active", "merged_into", "updated_at"])
    row.undone_at, row.undone_reason = at, reason[:200]
    row.save(update_fields=["undone_at", "undone_reason", "updated_at"])
    record(
        events.PatientsUnmerged(patient_id=keeper.pk, survivor_id=keeper.pk, gone_id=goer.pk, merge_id=row.pk), by=by
    )


@action
def dismiss_duplicate(*, candidate: DuplicateCandidate, by: Viewer) -> None:
    """A person has looked: these are two people."""
    rows = DuplicateCandidate.objects.visible_to(by).filter(pk=candidate.pk, status=DuplicateCandidate.Status.OPEN)
    if rows.update(status=DuplicateCandidate.Status.DISMISSED):
        record(events.DuplicateDismissed(patient_id=candidate.patient_id, other_id=candidate.other_id), by=by)


def _locked(*ids: UUID) -> dict[UUID, Patient]:
    """Both records, locked in one order so that two merges never wait for each other."""
    rows = Patient.objects.unscoped(WHY).filter(pk__in=ids).order_by("pk").select_for_update(of=("self",))
    return {row.pk: row for row in rows}


def _living(patient: Patient) -> Patient:
    while patient.merged_into_id is not None:
        patient = Patient.objects.unscoped(WHY).select_for_update(of=("self",)).get(pk=patient.merged_into_id)
    return patient


def _merge_of(goer: Patient) -> PatientMerge:
    running = PatientMerge.objects.unscoped(WHY).filter(gone=goer, undone_at=None)
    return running.latest("merged_at")


def _patient_keys() -> Iterator[tuple[type[models.Model], str]]:
    """Every column of every room that points to a patient and moves with it."""
    for model in apps.get_models():
        if model in STAY or not model._meta.managed:
            continue
        for field in model._meta.concrete_fields:
            if isinstance(field, models.ForeignKey) and field.related_model is Patient:
                yield model, field.attname


def _move_all(gone: UUID, keeper: UUID) -> Iterator[tuple[str, list[UUID]]]:
    for model, column in _patient_keys():
        rows = _all(model).filter(**{column: gone})
        pks = list(rows.order_by("pk").values_list("pk", flat=True))
        if pks:
            yield f"{model._meta.label}.{column}", _move(model, column, pks, keeper)


def _move(model: type[models.Model], column: str, pks: Sequence[UUID], to: UUID) -> list[UUID]:
    """All at once; if a unique rule forbids it, one by one, leaving behind those it forbids."""
    try:
        with transaction.atomic():
            _repoint(model, column, pks, to)
            return list(pks)
    except IntegrityError:
        return [pk for pk in pks if _move_one(model, column, pk, to)]


def _move_one(model: type[models.Model], column: str, pk: UUID, to: UUID) -> bool:
    try:
        with transaction.atomic():
            _repoint(model, column, [pk], to)
    except IntegrityError:
        return False
    return True


def _repoint(model: type[models.Model], column: str, pks: Sequence[UUID], to: UUID) -> int:
    rows = models.QuerySet(model).filter(pk__in=pks).update(**{column: to})
    wrote(model._meta.label, rows)
    return rows


def _move_back(label: str, pks: Sequence[str], keeper: UUID, goer: UUID) -> None:
    """Only rows that are still the survivor's: what a person has since given elsewhere is left alone."""
    name, __, column = label.rpartition(".")
    model = apps.get_model(name)
    still_here = list(_all(model).filter(Q(**{column: keeper}), pk__in=pks).values_list("pk", flat=True))
    _move(model, column, still_here, goer)


def _all(model: type[models.Model]) -> models.QuerySet[Any]:
    """The bare table: rooms above are moved by their foreign keys without being known here."""
    return models.QuerySet(model)


def _take_over(keeper: Patient, goer: Patient) -> dict[str, list[Any]]:
    """Fill what the survivor lacks; never make it less protected. Returns [before, after] for each changed column."""
    changes = merged_columns(_as_dict(keeper), _as_dict(goer))
    fields = {column: column_of(Patient, column) for column in changes}
    before = {
        column: fields[column].value_to_string(keeper) for column in changes if getattr(keeper, column) is not None
    }
    for column, value in changes.items():
        setattr(keeper, column, value)
    if changes:
        keeper.save(update_fields=[*changes, "updated_at"])
    return {column: [before.get(column), fields[column].value_to_string(keeper)] for column in changes}


def _give_back(keeper: Patient, changes: dict[str, list[Any]]) -> None:
    """Put columns back unless they were changed again since."""
    restored = []
    for column, (before, after) in changes.items():
        field = column_of(Patient, column)
        if getattr(keeper, column) is not None and field.value_to_string(keeper) == after:
            setattr(keeper, column, None if before is None else field.to_python(before))
            restored.append(column)
    if restored:
        keeper.save(update_fields=[*restored, "updated_at"])


def _as_dict(patient: Patient) -> dict[str, Any]:
    return {field.attname: getattr(patient, field.attname) for field in Patient._meta.concrete_fields}


def _settle_duplicates(keeper: UUID, goer: UUID) -> None:
    first, second = sorted((keeper, goer))
    DuplicateCandidate.objects.unscoped(WHY).filter(patient_id=first, other_id=second).update(
        status=DuplicateCandidate.Status.MERGED
    )

"""Before a batch: who of many patients would get a letter, about what, and who would not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.batches.rules import Item, Prepared
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.reads.desk import read_desk
from careloop.letters.rules.wanted import LetterWanted
from careloop.patients.models import Patient
from careloop.tasks.models import QUEUE_KINDS, Task

MOST_LETTERS = 5000  # in one file
PORTION = 500  # patients whose facts are in memory at once


class TooManyLetters(Refused):
    """One file takes so many and no more."""

    code = "letter-not-this-time"
    message = _("One batch makes at most 5,000 letters. Start another one for the rest.")


def prepare(subject_ids: Sequence[UUID], *, template_id: UUID | None, viewer: Viewer, at: datetime) -> Prepared:
    """Each patient once: a row with the task it is about, or the code of the refusal. Reads only."""
    ids = list(dict.fromkeys(subject_ids))
    items: list[Item] = []
    left_out: dict[UUID, str] = {}
    for start in range(0, len(ids), PORTION):
        _portion(ids[start : start + PORTION], items, left_out, template_id=template_id, viewer=viewer, at=at)
    for item in items[MOST_LETTERS:]:
        assert item.subject_id is not None
        left_out[item.subject_id] = TooManyLetters.code
    return Prepared(tuple(items[:MOST_LETTERS]), left_out)


def _portion(
    ids: Sequence[UUID],
    items: list[Item],
    left_out: dict[UUID, str],
    *,
    template_id: UUID | None,
    viewer: Viewer,
    at: datetime,
) -> None:
    patients = {p.pk: p for p in Patient.objects.visible_to(viewer).filter(pk__in=ids)}
    about = first_open_tasks(ids, viewer=viewer)
    wanted = [LetterWanted(key=str(pk), patient_id=pk, task_id=about.get(pk)) for pk in ids]
    desk = read_desk(wanted, template_id=template_id, patients=patients, viewer=viewer, at=at)
    for one in wanted:
        try:
            desk.ready(one)
        except Refused as refusal:
            left_out[one.patient_id] = refusal.code
        else:
            data = {"task_id": str(one.task_id)} if one.task_id else {}
            items.append(Item(str(one.patient_id), one.patient_id, data))


def first_open_tasks(patient_ids: Sequence[UUID], *, viewer: Viewer) -> dict[UUID, UUID]:
    """The open follow-up of each patient that is due first, among those the viewer may see."""
    tasks = Task.objects.visible_to(viewer).open().filter(patient_id__in=patient_ids, kind__in=QUEUE_KINDS)
    first = tasks.order_by("patient_id", "due_at", "pk").distinct("patient_id")
    return dict(first.values_list("patient_id", "pk"))

"""Before a batch: who of many patients would get a letter, about what, and who would not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.batches.rules import Item, Prepared
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.letters.models import LetterTemplate
from careloop.letters.reads.desk import read_desk
from careloop.letters.rules.wanted import COMING, LetterWanted
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
    code = code_of(template_id)
    for start in range(0, len(ids), PORTION):
        portion = ids[start : start + PORTION]
        _portion(portion, items, left_out, template_id=template_id, code=code, viewer=viewer, at=at)
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
    code: str,
    viewer: Viewer,
    at: datetime,
) -> None:
    patients = {p.pk: p for p in Patient.objects.visible_to(viewer).filter(pk__in=ids)}
    about = first_open_tasks(ids, template_code=code, viewer=viewer, at=at)
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


def first_open_tasks(
    patient_ids: Sequence[UUID], *, template_code: str, viewer: Viewer, at: datetime
) -> dict[UUID, UUID]:
    """The open follow-up of each patient that is due first, among those the viewer may see; of a letter that announces
    dates the first one still to come, if there is any.
    """
    tasks = Task.objects.visible_to(viewer).open().filter(patient_id__in=patient_ids, kind__in=QUEUE_KINDS)
    in_turn: list[Any] = ["patient_id", "due_at", "pk"]
    if template_code in COMING:
        today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
        in_turn.insert(1, Case(When(due_at__lt=today, then=1), default=0))
    first = tasks.order_by(*in_turn).distinct("patient_id")
    return dict(first.values_list("patient_id", "pk"))


def code_of(template_id: UUID | None) -> str:
    """Which letter it is; empty while none is chosen."""
    found = (
        LetterTemplate.objects.filter(pk=template_id).values_list("code", flat=True).first() if template_id else None
    )
    return found or ""

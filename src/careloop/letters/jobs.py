"""Letters in the background: one row of a batch each, and the one file that comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from careloop.batches.actions import store_result_file
from careloop.batches.rules import Item, Prepared
from careloop.kernel.errors import Refused
from careloop.kernel.jobs import job
from careloop.kernel.viewer import Viewer
from careloop.letters import actions
from careloop.letters.reads import letters as letters_reads
from careloop.letters.reads import pdf, planning
from careloop.letters.rules.wanted import LetterWanted
from careloop.patients.models import Patient


@job()
def settle_by_answers(*, event: dict[str, Any]) -> None:
    """ResponseCompleted: the letters that asked for these answers wait no longer."""
    if not event.get("patient_id"):
        return
    task_id = event.get("task_id")
    if not letters_reads.may_wait_for_answers(UUID(event["patient_id"])):
        return
    actions.settle_by_answers(
        patient_id=UUID(event["patient_id"]), task_id=UUID(task_id) if task_id else None,
        online=event.get("mode") == "portal", at=timezone.now(), by=Viewer.system("letters.settle_by_answers"),
    )  # fmt: skip


def one_letter(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> Mapping[str, object]:
    """One row of "make letters": `subject_id` is the patient, `data.task_id` the follow-up it is about, if any."""
    if item.subject_id is None:
        raise actions.PatientNotThere
    task_id = item.data.get("task_id")
    letter = actions.make_letter(
        key=f"{batch_id}:{item.key}", patient_id=item.subject_id, template_id=UUID(str(parameters["template_id"])),
        task_id=UUID(str(task_id)) if task_id else None, batch_id=batch_id, at=at, by=by,
    )  # fmt: skip
    return {"letter_id": str(letter.pk)}


def many_letters(
    *, items: Sequence[Item], batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> dict[str, Mapping[str, object] | Refused]:
    """A chunk of "make letters" with few statements; each row's letter, or the refusal it would have got alone."""
    rows = [item for item in items if item.subject_id is not None]
    made = actions.make_letters(
        wanted=[_wanted(item, batch_id) for item in rows], template_id=UUID(str(parameters["template_id"])),
        batch_id=batch_id, at=at, by=by,
    )  # fmt: skip
    told: dict[str, Mapping[str, object] | Refused] = {item.key: actions.PatientNotThere() for item in items}
    for item in rows:
        one = made[f"{batch_id}:{item.key}"]
        told[item.key] = one if isinstance(one, Refused) else {"letter_id": str(one.pk)}
    return told


def _wanted(item: Item, batch_id: UUID) -> LetterWanted:
    assert item.subject_id is not None
    task_id = item.data.get("task_id")
    return LetterWanted(
        key=f"{batch_id}:{item.key}", patient_id=item.subject_id, task_id=UUID(str(task_id)) if task_id else None
    )


def letters_to_choose(*, viewer: Viewer) -> list[tuple[str, str]]:
    """The approved letters, for whoever starts a batch."""
    return [(str(pk), words) for pk, words in letters_reads.approved_templates()]


def prepare_letters(
    *, subject_ids: Sequence[UUID], parameters: Mapping[str, object], viewer: Viewer, at: datetime
) -> Prepared:
    """Patients who would get this letter, each about the follow-up that is due first; the others with their reason.

    While no letter is chosen, only what does not depend on it is judged.
    """
    given = str(parameters.get("template_id") or "")
    template_id = UUID(given) if given else None
    return planning.prepare(subject_ids, template_id=template_id, viewer=viewer, at=at)


def bind_letters(*, batch_id: UUID, at: datetime, by: Viewer) -> Mapping[str, object]:
    """The last step: all letters of the batch as one PDF. The same letters give the same pages."""
    letters = letters_reads.letters_of_batch(batch_id, viewer=by)
    data = pdf.pdf("letter", letters_reads.letter_data(letters))
    store_result_file(
        batch_id=batch_id, name=f"letters-{timezone.localdate(at):%Y%m%d}.pdf", content_type="application/pdf",
        data=data, at=at, by=by,
    )  # fmt: skip
    return {"letters": len(letters)}


def withdraw_one(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> Mapping[str, object]:
    """One row of taking a batch back. Refused for a letter that was posted meanwhile."""
    if not actions.withdraw_letter(letter_id=UUID(str(item.data["letter_id"])), at=at, by=by):
        raise actions.LetterNotOpen
    return {}


def post_one(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> Mapping[str, object]:
    """One row of "all of these were posted": `data.letter_id`."""
    actions.post_letter(letter_id=UUID(str(item.data["letter_id"])), at=at, by=by)
    return {}


def describe_patients(*, subject_ids: Sequence[UUID], viewer: Viewer) -> Mapping[UUID, tuple[str, str]]:
    """Names and addresses of the rows that got no letter, for whoever may still see them."""
    rows = Patient.objects.visible_to(viewer).filter(pk__in=subject_ids).order_by("pk").values_list("pk", "name")
    return {pk: (name, _record_address(pk)) for pk, name in rows}


def _record_address(patient_id: UUID) -> str:
    try:
        return reverse("workbench:patient", args=[patient_id])
    except NoReverseMatch:
        return ""

"""What the background does with one row of each kind of work in bulk (config/batches.py). Each calls one action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from careloop.batches.rules import Item, Skip
from careloop.cohorts import actions
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.tasks.models import Task

Parameters = Mapping[str, object]


def enrol_topic_member(
    *, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer
) -> Mapping[str, object] | Skip | None:
    """One patient of a special topic. Who cannot be followed up any more stays in the topic with the reason."""
    topic_id = UUID(str(parameters["topic"]))
    why = actions.enrol_member(topic_id=topic_id, patient_id=_subject(item), at=at, by=by)
    return Skip(f"excluded-{why}") if why else None


def make_list(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> Parameters:
    """The one row of an export: the whole list."""
    return {"rows": actions.make_list(export_id=_subject(item), batch_id=batch_id, at=at, by=by)}


def assign(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> Parameters:
    """Keeps who had it before, for the undo."""
    before = actions.assign_one(task_id=_subject(item), owner_id=_id(parameters["owner"]), at=at, by=by)
    return {"before": before}


def unassign(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> None:
    """Takes an assignment back where nobody has changed it since."""
    actions.unassign_one(
        task_id=_subject(item), given_to=_id(parameters["owner"]), before=_id(item.data["before"]), at=at, by=by
    )


def close(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> None:
    actions.close_one(task_id=_subject(item), reason=str(parameters["reason"]), at=at, by=by)


def reopen(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> None:
    actions.reopen_one(task_id=_subject(item), reason=str(parameters["reason"]), at=at, by=by)


def send(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> Parameters | Skip:
    """One row, when its chunk broke."""
    return send_many(items=[item], batch_id=batch_id, parameters=parameters, at=at, by=by)[item.key]


def send_many(
    *, items: Sequence[Item], batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer
) -> dict[str, Parameters | Skip]:
    """A chunk of messages with few statements."""
    told = actions.send_to_many(
        patient_ids=[_subject(item) for item in items], template_id=UUID(str(parameters["template"])),
        batch_id=batch_id, at=at, by=by,
    )  # fmt: skip
    found = {item.key: told[_subject(item)] for item in items}
    return {
        key: Skip(f"excluded-{one}") if isinstance(one, str) else {"communication": str(one)}
        for key, one in found.items()
    }


def unsend(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> None:
    actions.unsend_one(communication_id=UUID(str(item.data["communication"])), at=at, by=by)


def enrol(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> Parameters:
    plan = actions.enrol_one(patient_id=_subject(item), plan_url=str(parameters["plan"]), at=at, by=by)
    return {"care_plan": str(plan)}


def unenrol(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> None:
    actions.unenrol_one(care_plan_id=UUID(str(item.data["care_plan"])), at=at, by=by)


def tag(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> Skip | None:
    new = actions.tag_patient(patient_id=_subject(item), tag=str(parameters["tag"]), by=by)
    return None if new else Skip("tagged")


def untag(*, item: Item, batch_id: UUID, parameters: Parameters, at: datetime, by: Viewer) -> Skip | None:
    gone = actions.untag_patient(patient_id=_subject(item), tag=str(parameters["tag"]), by=by)
    return None if gone else Skip("not-tagged")


def describe_patients(*, subject_ids: Sequence[UUID], viewer: Viewer) -> dict[UUID, tuple[str, str]]:
    """Names and addresses of patients whom the viewer still may see."""
    rows = Patient.objects.visible_to(viewer).filter(pk__in=subject_ids).values_list("pk", "name")
    return {pk: (name, _patient_page(pk)) for pk, name in rows}


def describe_tasks(*, subject_ids: Sequence[UUID], viewer: Viewer) -> dict[UUID, tuple[str, str]]:
    """Tasks in words: the patient and what it was for."""
    rows = Task.objects.visible_to(viewer).filter(pk__in=subject_ids).select_related("patient")
    return {
        t.pk: (f"{t.patient.name} · {t.plan_words} {t.step_words}".strip(" ·"), _patient_page(t.patient_id))
        for t in rows
    }


def _patient_page(patient_id: UUID) -> str:
    try:
        return reverse("workbench:patient", args=[patient_id])
    except NoReverseMatch:  # a site without the workbench has no such page
        return ""


def _subject(item: Item) -> UUID:
    assert item.subject_id is not None
    return item.subject_id


def _id(text: object) -> UUID | None:
    return UUID(str(text)) if text else None


def recount(arguments: list[str]) -> int:
    """The command `recount-newest`: 0 when all stood right, 1 when something had to be mended."""
    wrong = actions.recount_newest(by=Viewer.system("cohorts.recount"))
    print(f"{wrong} pairs of patient and result or question stood wrong" + (" and were written anew" if wrong else ""))
    return 1 if wrong else 0

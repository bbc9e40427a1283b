"""What work in bulk would do, before it does it: how many rows, who is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from careloop.accounts.models import Practitioner
from careloop.batches.reads import kind
from careloop.batches.rules import Item
from careloop.cohorts.models import PatientTag, Selection
from careloop.cohorts.reads.exclusions import Purpose, sort_members
from careloop.cohorts.reads.sending import sending, template_of, templates
from careloop.cohorts.reads.topics import staff_choices
from careloop.cohorts.rules.bulk import WORKS
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.plans.models import PlanDefinition
from careloop.tasks.models import Task

__all__ = ["Preview", "are_usable", "choices_of", "people", "preview", "templates"]
CHOSEN = "template_id"  # the parameter of a kind of batch that says itself what can be chosen
REASONS = (
    "not-visible", "not-open", "same-owner", "died", "refused", "in-hospital", "transferred",
    "already-in-plan", "no-consent", "channel-unavailable", "no-stay", "no-number", "no-form", "told-today",
    "forbidden-word", "tagged",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preview:
    """Rows that would be done, and the others by reason. included + excluded = chosen (after tasks became patients)."""

    included: tuple[UUID, ...]
    excluded: Mapping[UUID, str]
    rows: tuple[Item, ...] = ()  # what the owner of the work wants to know of each, when it prepared them itself

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Our own reasons in their order, then those of the room that owns the work, the most frequent first."""
        found = Counter(self.excluded.values())
        known = [(reason, found[reason]) for reason in REASONS if found[reason]]
        others = [(reason, n) for reason, n in found.most_common() if reason not in REASONS]
        return known + others

    @property
    def items(self) -> tuple[Item, ...]:
        """The rows of the batch."""
        return self.rows or tuple(Item(str(pk), pk) for pk in self.included)


def preview(
    selection: Selection, verb: str, values: Mapping[str, str], *, viewer: Viewer, at: datetime | None = None
) -> Preview:
    """Each chosen row once: in, or out with one reason. Nothing is written."""
    ids = selection.uuids()
    if WORKS[verb].subject == "task":
        return _tasks(ids, verb, values, viewer)
    patients = _to_patients(selection, ids, viewer)
    template = template_of(values.get("template", "")) if verb == "send" else None
    if template is not None:
        found = sending(patients, template, viewer=viewer, at=at or timezone.now())
        return Preview(tuple(one.patient_id for one in found.recipients), found.left_out)
    prepare = kind(WORKS[verb].kind).prepare
    if prepare is None:
        return _patients(patients, verb, values, viewer)
    told = prepare(subject_ids=patients, parameters=values, viewer=viewer, at=at or timezone.now())
    return Preview(tuple(item.subject_id for item in told.items if item.subject_id), told.left_out, told.items)


def named(told: Preview, verb: str, *, viewer: Viewer, most: int = 20) -> list[tuple[UUID, str, str]]:
    """The first of those left out: patient, name and reason. Who is out of the viewer's sight is counted, never named."""
    reasons = {pk: why for pk, why in told.excluded.items() if why != "not-visible"}
    shown = list(reasons)[:most]
    found: dict[UUID, tuple[UUID, str]]
    if WORKS[verb].subject == "task":
        tasks = Task.objects.visible_to(viewer).filter(pk__in=shown)
        found = {pk: (patient, name) for pk, patient, name in tasks.values_list("pk", "patient_id", "patient__name")}
    else:
        patients = Patient.objects.visible_to(viewer).filter(pk__in=shown)
        found = {pk: (pk, name) for pk, name in patients.values_list("pk", "name")}
    return [(*found[pk], reasons[pk]) for pk in shown if pk in found]


def _to_patients(selection: Selection, ids: Sequence[UUID], viewer: Viewer) -> list[UUID]:
    """Tasks chosen, patients meant: each patient once. A task out of scope leads to nobody."""
    if selection.subject != Selection.Subject.TASK:
        return list(ids)
    rows = Task.objects.visible_to(viewer).filter(pk__in=ids).order_by("pk").values_list("patient_id", flat=True)
    return list(dict.fromkeys(rows))


def _tasks(ids: Sequence[UUID], verb: str, values: Mapping[str, str], viewer: Viewer) -> Preview:
    rows = {t.pk: t for t in Task.objects.visible_to(viewer).filter(pk__in=ids).only("status", "owner_id")}
    excluded: dict[UUID, str] = {}
    for pk in ids:
        task = rows.get(pk)
        if task is None:
            excluded[pk] = "not-visible"
        elif task.status != Task.Status.REQUESTED:
            excluded[pk] = "not-open"
        elif verb == "assign" and str(task.owner_id or "") == values.get("owner", ""):
            excluded[pk] = "same-owner"
    return Preview(tuple(pk for pk in ids if pk not in excluded), excluded)


def _patients(ids: Sequence[UUID], verb: str, values: Mapping[str, str], viewer: Viewer) -> Preview:
    seen = set(Patient.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    excluded: dict[UUID, str] = {pk: "not-visible" for pk in ids if pk not in seen}
    visible = [pk for pk in ids if pk in seen]
    if verb == "tag":
        rows = PatientTag.objects.visible_to(viewer).filter(patient_id__in=visible, tag=values.get("tag", ""))
        excluded |= dict.fromkeys(rows.values_list("patient_id", flat=True), "tagged")
    else:
        found = sort_members(visible, Purpose(plan_url=values.get("plan", "")))
        wanted = ("died", "refused", "no-number") if verb == "send" else None
        excluded |= {pk: why for pk, why in found.excluded.items() if wanted is None or why in wanted}
    return Preview(tuple(pk for pk in visible if pk not in excluded), excluded)


def are_usable(verb: str, values: Mapping[str, str], *, viewer: Viewer, at: datetime) -> bool:
    """Whether the values that the work needs exist and may be used."""
    if verb == "assign":
        return values.get("owner", "") in {"", *(str(one.pk) for one in staff_choices(viewer, at=at))}
    choices = kind(WORKS[verb].kind).choices
    if choices is not None:
        return values.get(CHOSEN, "") in {value for value, _words in choices(viewer=viewer)}
    if verb == "send":
        return template_of(values.get("template", "")) is not None
    if verb == "enrol":
        return PlanDefinition.objects.active().filter(url=values.get("plan", "")).exists()
    return verb == "close" or bool(values.get("tag", "").strip())


def choices_of(verb: str, *, viewer: Viewer) -> list[tuple[str, str]]:
    """What the room that owns the work lets one choose."""
    choices = kind(WORKS[verb].kind).choices
    return list(choices(viewer=viewer)) if choices is not None else []


def people(viewer: Viewer, *, at: datetime) -> list[Practitioner]:
    """To whom tasks may be given."""
    return staff_choices(viewer, at=at)

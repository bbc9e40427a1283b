"""Work in bulk (Part 12): rows are chosen, previewed with counts and exclusions, then done one by one in the background.

Each `…_one` does one row, in the requester's rights, through the action of the room that owns it, so that every row leaves
the same fact as if it had been done by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.batches.actions import start_batch
from careloop.batches.models import Batch
from careloop.cohorts.actions.topics import PlanDatesOver
from careloop.cohorts.events import SelectionMade
from careloop.cohorts.models import Selection
from careloop.cohorts.reads import bulk as reads
from careloop.cohorts.reads import sending
from careloop.cohorts.reads.topics import place_of
from careloop.cohorts.rules.bulk import CLOSE_REASONS, LINK_LASTS, UNSENT_FOR, WORKS
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging import actions as messaging
from careloop.messaging.models import Communication
from careloop.messaging.rules.requests import MessageRequest
from careloop.patients.actions import LinkWanted, issue_links, revoke_link
from careloop.patients.models import Patient
from careloop.plans import actions as plans
from careloop.plans.actions.enrolment import NotDischarged
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task

LONGEST_TOLD = 100  # of the values of a piece of work, as they stand in its key


class SelectionEmpty(Refused):
    """Nothing is chosen."""

    code = "selection-empty"
    message = _("Nothing is chosen. Tick rows, or choose all that match.")


class SelectionTooLarge(Refused):
    """More rows than one piece of work may have (CARELOOP_COHORT_LIMIT)."""

    code = "selection-too-large"
    message = _("These are too many rows for one piece of work. Narrow the list.")


class UnknownBulkWork(Refused):
    """The work does not exist, does not fit these rows, or a value for it is missing."""

    code = "bulk-unknown"
    message = _("This work cannot be done with these rows. Check what you chose.")


class TaskChangedSince(Refused):
    """It was changed after the work in bulk; taking that back would destroy the later change."""

    code = "task-changed-since"
    message = _("It was changed again afterwards; the later change stays.")


class CannotClose(Refused):
    """A reason that is not in the list for work in bulk."""

    code = "bulk-close-reason"
    message = _("Choose one of the reasons.")


class MessageLeft(Refused):
    """Too late to hold it back."""

    code = "bulk-message-left"
    message = _("The message has left already; it cannot be taken back.")


@action
def select_rows(*, subject: str, ids: Sequence[UUID], came_from: str, by: Viewer) -> Selection:
    """Keep what was chosen. Refused: nothing, or more than the setting allows."""
    wanted = list(dict.fromkeys(ids))
    limit = settings.ENV.cohort_limit
    if not wanted or by.practitioner_id is None:
        raise SelectionEmpty
    if len(wanted) > limit:
        raise SelectionTooLarge(
            gettext("These are more than %(limit)s rows; that is the most for one piece of work. Narrow the list.")
            % {"limit": f"{limit:,}"}
        )
    selection = Selection.objects.create(
        owner_id=by.practitioner_id, subject=subject, ids=[str(one) for one in wanted], came_from=came_from
    )
    record(SelectionMade(selection_id=selection.pk, subject=subject, rows=len(wanted)), by=by)
    return selection


@action
def start_bulk(
    *, selection_id: UUID, verb: str, values: Mapping[str, str], title: str, at: datetime, by: Viewer
) -> Batch:
    """Begin the work that was previewed; the same selection and work with the same values again is the same batch.

    Refused: a work that does not fit, a missing or unusable value, nobody left after the exclusions.
    """
    selection = Selection.objects.get(pk=selection_id, owner_id=by.practitioner_id)
    work = WORKS.get(verb)
    if work is None or not by.can(work.permission) or (work.subject == "task" and selection.subject != "task"):
        raise UnknownBulkWork
    by = by.within(work.permission)  # the selection may hold patients of places where this person may only look
    if verb == "close" and values.get("reason") not in CLOSE_REASONS:
        raise CannotClose
    if not reads.are_usable(verb, values, viewer=by, at=at):
        raise UnknownBulkWork
    preview = reads.preview(selection, verb, values, viewer=by, at=at)
    told = "|".join(f"{name}={values[name]}" for name in sorted(values))
    if len(told) > LONGEST_TOLD:  # two long values that begin alike are two pieces of work
        told = hashlib.sha256(told.encode()).hexdigest()
    return start_batch(
        kind=work.kind, title=title, key=f"bulk:{selection.pk}:{verb}:{told}"[:200],
        items=preview.items, parameters=dict(values), at=at, by=by,
    )  # fmt: skip


# --- one row each


@action
def assign_one(*, task_id: UUID, owner_id: UUID | None, at: datetime, by: Viewer) -> str:
    """Give one open task to a person. Gives back who had it, as text; empty: nobody."""
    task = Task.objects.visible_to(by).open().select_for_update(of=("self",), no_key=True).filter(pk=task_id).first()
    if task is None:
        raise tasks.TaskNotOpen
    tasks.assign_tasks(task_ids=[task_id], owner_id=owner_id, at=at, by=by, why="in-bulk")
    return str(task.owner_id or "")


@action
def unassign_one(*, task_id: UUID, given_to: UUID | None, before: UUID | None, at: datetime, by: Viewer) -> None:
    """Give it back to who had it before. Refused: it is over, or was given on meanwhile."""
    task = Task.objects.visible_to(by).open().select_for_update(of=("self",), no_key=True).filter(pk=task_id).first()
    if task is None or task.owner_id != given_to:
        raise TaskChangedSince
    tasks.assign_tasks(task_ids=[task_id], owner_id=before, at=at, by=by, why="bulk-undone")


@action
def close_one(*, task_id: UUID, reason: str, at: datetime, by: Viewer) -> None:
    """Close one open task without doing it. Refused: it is over, or somebody has the patient in hand."""
    if reason not in CLOSE_REASONS:
        raise CannotClose
    task = Task.objects.visible_to(by).open().filter(pk=task_id).first()
    if task is None:
        raise tasks.TaskNotOpen
    if task.claimed_by_id not in (None, by.practitioner_id) and task.claimed_until and task.claimed_until > at:
        raise tasks.TaskTaken
    tasks.close_tasks(task_ids=[task_id], reason=reason, at=at, by=by)


@action
def reopen_one(*, task_id: UUID, reason: str, at: datetime, by: Viewer) -> None:
    """Open it again. Refused: it was opened, done or closed for another reason meanwhile."""
    tasks.reopen_task(task_id=task_id, closed_reason=reason, at=at, by=by)


@action
def send_to_many(
    *, patient_ids: Sequence[UUID], template_id: UUID, batch_id: UUID, at: datetime, by: Viewer
) -> dict[UUID, UUID | str]:
    """Write a message for each down for the sender, each with a link of its own where the text has one.

    By patient the message, or the code of why there is none. The same batch again writes to nobody twice.
    Refused: a text that may not go to many (any more).
    """
    template = sending.template_of(str(template_id))
    if template is None:
        raise UnknownBulkWork
    known = _written_before(patient_ids, batch_id)
    fresh = [pk for pk in patient_ids if pk not in known]
    found = sending.sending(fresh, template, viewer=by, at=at)
    linked = [one for one in found.recipients if one.purpose]
    links = issue_links(
        wanted=[
            LinkWanted(patient_id=r.patient_id, purpose=r.purpose, task_id=r.task_id, expires_at=at + LINK_LASTS)
            for r in linked
        ],
        by=by,
    )
    link_of = {one.patient_id: link.pk for one, link in zip(linked, links, strict=True)}
    made = messaging.queue_messages(
        requests=[
            MessageRequest(
                key=_key(batch_id, one.patient_id), patient_id=one.patient_id, channel=template.channel,
                template_code=template.code, params=one.params, task_id=one.task_id, link_id=link_of.get(one.patient_id),
                not_before=at + UNSENT_FOR,
            )
            for one in found.recipients
        ],
        at=at, by=by,
    )  # fmt: skip
    tasks.note_message(task_ids=[one.task_id for one in linked if one.task_id], state="sent", at=at, by=by)
    return {**found.left_out, **known, **{one.patient_id: one.pk for one in made}}


@action
def unsend_one(*, communication_id: UUID, at: datetime, by: Viewer) -> None:
    """Hold one message back and shut its link. Refused: it has left, or is leaving at this moment."""
    message = Communication.objects.visible_to(by).select_related("link").filter(pk=communication_id).first()
    if message is None or not messaging.hold_back(keys=[message.key], reason="withdrawn", at=at, by=by):
        raise MessageLeft
    if message.link is not None:
        revoke_link(link=message.link, at=at, by=by)
    if message.task_id:
        tasks.note_message(task_ids=[message.task_id], state="", at=at, by=by)


def _written_before(patient_ids: Sequence[UUID], batch_id: UUID) -> dict[UUID, UUID]:
    keys = [_key(batch_id, pk) for pk in patient_ids]
    rows = Communication.objects.unscoped("the key is this batch's own").filter(key__in=keys)
    return dict(rows.values_list("patient_id", "pk"))


def _key(batch_id: UUID, patient_id: UUID) -> str:
    return f"bulk:{batch_id}:{patient_id}"


@action
def enrol_one(*, patient_id: UUID, plan_url: str, at: datetime, by: Viewer) -> UUID:
    """Start one plan for the last discharge. Refused as by hand: no discharge, running already, not to be contacted."""
    if not Patient.objects.visible_to(by).filter(pk=patient_id).exists():
        raise NotDischarged
    place = place_of(patient_id)
    if place is None or place.encounter is None:
        raise NotDischarged
    definition = PlanDefinition.objects.active().filter(url=plan_url).first()
    if definition is None:
        raise UnknownBulkWork
    plan = plans.start_care_plan(encounter=place.encounter, definition=definition, at=at, by=by)
    plan.refresh_from_db(fields=["ended_at"])
    if plan.ended_at is not None:
        raise PlanDatesOver
    return plan.pk


@action
def unenrol_one(*, care_plan_id: UUID, at: datetime, by: Viewer) -> None:
    """End the plan again. Refused: somebody has spoken to the patient for it; then it must be ended by hand, with a reason."""
    plan = CarePlan.objects.visible_to(by).running().filter(pk=care_plan_id).first()
    worked = Task.objects.unscoped("of the plan just found").filter(care_plan_id=care_plan_id)
    if plan is None or worked.exclude(attempts=0, status=Task.Status.REQUESTED).exists():
        raise TaskChangedSince
    plans.end_care_plan(care_plan=plan, reason="bulk-undone", at=at, by=by)

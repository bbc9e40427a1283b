"""Work in bulk: previewed, done once a row, recorded once a row, taken back where that is possible."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import jobs as batches_jobs
from careloop.batches.actions import NothingToDo, undo_batch
from careloop.batches.models import Batch, BatchItem
from careloop.batches.reads import reasons
from careloop.cohorts import actions
from careloop.cohorts.models import PatientTag, Selection
from careloop.cohorts.reads import bulk
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.messaging import actions as messaging
from careloop.messaging.models import Communication
from careloop.messaging.tests.factories import site
from careloop.plans.models import CarePlan
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import SYSTEM, Cast

AT = timezone.now()


def select(cast: Cast, *rows: object, subject: str = "task", by: object = None) -> Selection:
    ids = [getattr(row, "pk", row) for row in rows]
    return actions.select_rows(subject=subject, ids=ids, came_from="today", by=by or cast.as_wang)


def begin(cast: Cast, selection: Selection, verb: str, **values: str) -> Batch:
    return actions.start_bulk(
        selection_id=selection.pk, verb=verb, values=values, title=verb, at=AT, by=cast.viewer(selection.owner)
    )


def run(batch: Batch) -> Batch:
    assert batches_jobs.work_through(batch.pk, seconds=60)
    batch.refresh_from_db()
    return batch


def task_row(task: Task) -> Task:
    return Task.objects.unscoped("test").get(pk=task.pk)


# --- choosing


def test_choosing_keeps_each_row_once(cast: Cast):
    task = make_task(cast)
    selection = select(cast, task, task)
    assert selection.uuids() == [task.pk]
    assert AuditEvent.objects.get(name="cohorts.SelectionMade").payload["rows"] == 1


def test_choosing_nothing_or_too_much_is_refused(cast: Cast):
    with pytest.raises(actions.SelectionEmpty):
        select(cast)
    with pytest.raises(actions.SelectionTooLarge):
        select(cast, *[uuid4() for __ in range(20_001)])


# --- assigning


def test_tasks_are_given_to_one_person_and_back(cast: Cast):
    mine, theirs = make_task(cast, owner=cast.wang), make_task(cast, owner=cast.zhao)
    batch = run(begin(cast, select(cast, mine, theirs), "assign", owner=str(cast.wang.pk)))
    assert (batch.total, batch.done) == (1, 1)  # Wang has the other one already
    assert task_row(theirs).owner_id == cast.wang.pk
    undone = run(undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang))
    assert undone.done == 1
    assert task_row(theirs).owner_id == cast.zhao.pk


def test_undo_leaves_alone_what_was_changed_afterwards(cast: Cast):
    task = make_task(cast, owner=cast.zhao)
    batch = run(begin(cast, select(cast, task), "assign", owner=str(cast.wang.pk)))
    tasks.assign_tasks(task_ids=[task.pk], owner_id=cast.qian.pk, at=AT, by=SYSTEM)
    undone = run(undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang))
    assert (undone.done, undone.skipped) == (0, 1)
    assert reasons(undone)[0].code == "task-changed-since"
    assert task_row(task).owner_id == cast.qian.pk


def test_each_row_leaves_a_fact_of_its_own(cast: Cast):
    some = [make_task(cast) for __ in range(4)]
    run(begin(cast, select(cast, *some), "assign", owner=str(cast.zhao.pk)))
    facts = AuditEvent.objects.filter(name="tasks.TasksAssigned")
    assert sorted(row.payload["task_ids"][0] for row in facts) == sorted(str(task.pk) for task in some)
    assert {row.actor for row in facts} == {f"staff:{cast.wang.pk}"}


def test_a_person_of_another_department_gets_nothing(cast: Cast):
    with pytest.raises(actions.UnknownBulkWork):
        begin(cast, select(cast, make_task(cast)), "assign", owner=str(cast.li.pk))


# --- closing


def test_tasks_are_closed_with_a_reason_and_opened_again(cast: Cast):
    open_one, over = make_task(cast), make_task(cast)
    tasks.complete_task(task=over, outcome="reached-patient", at=AT, by=cast.as_wang)
    batch = run(begin(cast, select(cast, open_one, over), "close", reason="not-needed"))
    assert (batch.total, batch.done) == (1, 1)
    assert (task_row(open_one).status, task_row(open_one).closed_reason) == ("cancelled", "not-needed")
    assert task_row(over).status == "completed"
    run(undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang))
    again = task_row(open_one)
    assert (again.status, again.closed_reason, again.ended_at) == ("requested", "", None)
    assert AuditEvent.objects.filter(name="tasks.TaskReopened").count() == 1


@pytest.mark.parametrize("reason", ["", "because", "reached-patient"])
def test_nothing_is_closed_without_one_of_the_reasons(cast: Cast, reason: str):
    with pytest.raises(actions.CannotClose):
        begin(cast, select(cast, make_task(cast)), "close", reason=reason)


def test_a_patient_in_a_colleagues_hands_is_passed_over(cast: Cast):
    task = make_task(cast, claimed_by=cast.zhao, claimed_until=timezone.now() + timedelta(minutes=20))
    batch = run(begin(cast, select(cast, task), "close", reason="not-needed"))
    assert (batch.done, batch.skipped) == (0, 1)
    assert task_row(task).status == "requested"


def test_what_was_closed_for_another_reason_stays_closed(cast: Cast):
    task = make_task(cast)
    tasks.close_tasks(task_ids=[task.pk], reason="moved", at=AT, by=cast.as_wang)
    with pytest.raises(tasks.NotClosedLikeThis):
        tasks.reopen_task(task_id=task.pk, closed_reason="not-needed", at=AT, by=cast.as_wang)
    with pytest.raises(tasks.NotClosedLikeThis):
        tasks.reopen_task(task_id=task.pk, closed_reason="moved", at=AT, by=cast.as_li)
    tasks.reopen_task(task_id=task.pk, closed_reason="moved", at=AT, by=cast.as_wang)
    with pytest.raises(tasks.NotClosedLikeThis):
        tasks.reopen_task(task_id=task.pk, closed_reason="moved", at=AT, by=cast.as_wang)


def test_a_contact_that_was_made_is_not_opened_again(cast: Cast):
    task = make_task(cast)
    tasks.record_attempt(task=task, contact_point_id=None, outcome="refused", at=AT, by=cast.as_wang)
    with pytest.raises(tasks.NotClosedLikeThis):
        tasks.reopen_task(task_id=task.pk, closed_reason="refused", at=AT, by=cast.as_wang)


# --- scope


def test_foreign_rows_are_counted_as_not_yours_and_never_touched(cast: Cast):
    foreign = make_task(cast, patient=cast.ma, department=cast.orthopaedics)
    mine = make_task(cast)
    selection = select(cast, foreign, mine)
    told = bulk.preview(selection, "close", {"reason": "not-needed"}, viewer=cast.as_wang)
    assert (told.included, dict(told.excluded)) == ((mine.pk,), {foreign.pk: "not-visible"})
    run(begin(cast, selection, "close", reason="not-needed"))
    assert task_row(foreign).status == "requested"


def test_only_foreign_rows_is_nothing_to_do(cast: Cast):
    foreign = make_task(cast, patient=cast.ma, department=cast.orthopaedics)
    with pytest.raises(NothingToDo):
        begin(cast, select(cast, foreign), "close", reason="not-needed")


def test_somebody_elses_selection_is_not_there(cast: Cast):
    selection = select(cast, make_task(cast))
    with pytest.raises(Selection.DoesNotExist):
        actions.start_bulk(selection_id=selection.pk, verb="close", values={"reason": "moved"}, title="", at=AT, by=cast.as_zhao)  # fmt: skip


@pytest.mark.parametrize("verb", ["", "explode", "assign"])
def test_work_that_does_not_fit_is_refused(cast: Cast, verb: str):
    selection = select(cast, cast.zhang, subject="patient")
    with pytest.raises(actions.UnknownBulkWork):
        begin(cast, selection, verb, owner=str(cast.wang.pk))


def test_work_without_the_permission_is_refused(cast: Cast):
    selection = select(cast, make_task(cast), by=cast.as_zhao)  # a ward doctor does not distribute
    with pytest.raises(actions.UnknownBulkWork):
        begin(cast, selection, "assign", owner=str(cast.zhao.pk))


def test_a_row_that_changed_since_the_preview_is_passed_over(cast: Cast):
    task = make_task(cast)
    batch = begin(cast, select(cast, task, make_task(cast)), "close", reason="moved")
    tasks.complete_task(task=task, outcome="reached-patient", at=AT, by=cast.as_wang)
    run(batch)
    assert (batch.done, batch.skipped) == (1, 1)
    assert task_row(task).status == "completed"


def test_pressing_start_twice_is_one_batch(cast: Cast):
    selection = select(cast, make_task(cast))
    first, again = (begin(cast, selection, "close", reason="moved") for __ in range(2))
    assert first.pk == again.pk


# --- patients: plans, tags, messages


def test_enrolling_and_taking_it_back(cast: Cast):
    definition = make.plan_definition()
    ready, new = make.person(cast.cardiology), make.person(cast.cardiology)
    make.stay(ready, cast.cardiology)
    selection = select(cast, ready, new, cast.zhang, subject="patient")
    told = bulk.preview(selection, "enrol", {"plan": definition.url}, viewer=cast.as_wang)
    assert dict(told.excluded) == {new.pk: "no-stay", cast.zhang.pk: "in-hospital"}
    batch = run(begin(cast, selection, "enrol", plan=definition.url))
    plan = CarePlan.objects.unscoped("test").get(patient=ready)
    assert plan.status == "active"
    run(undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang))
    plan.refresh_from_db()
    assert (plan.status, plan.end_reason) == ("revoked", "bulk-undone")


def test_a_plan_somebody_worked_on_is_not_taken_back(cast: Cast):
    definition, patient = make.plan_definition(), make.person(cast.cardiology)
    make.stay(patient, cast.cardiology, days_ago=1)
    batch = run(begin(cast, select(cast, patient, subject="patient"), "enrol", plan=definition.url))
    plan = CarePlan.objects.unscoped("test").get(patient=patient)
    with seeding():
        Task.objects.unscoped("test").filter(care_plan_id=plan.pk).update(attempts=1)
    undone = run(undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang))
    assert (undone.done, undone.skipped) == (0, 1)
    plan.refresh_from_db()
    assert plan.status == "active"


def test_tags_go_on_once_and_off_again(cast: Cast):
    other = make.person(cast.cardiology)
    make.tag(other, "study")
    batch = run(begin(cast, select(cast, cast.zhang, other, subject="patient"), "tag", tag="study"))
    assert (batch.total, batch.done) == (1, 1)
    assert PatientTag.objects.unscoped("test").filter(tag="study").count() == 2
    run(undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang))
    assert list(PatientTag.objects.unscoped("test").values_list("patient_id", flat=True)) == [other.pk]


def test_an_empty_tag_is_refused_and_a_foreign_patient_too(cast: Cast):
    with pytest.raises(actions.UnknownBulkWork):
        begin(cast, select(cast, cast.zhang, subject="patient"), "tag", tag="  ")
    with pytest.raises(actions.TagNeedsWord):
        actions.tag_patient(patient_id=cast.zhang.pk, tag=" \n ", by=cast.as_wang)
    with pytest.raises(type(cast.ma).DoesNotExist):
        actions.tag_patient(patient_id=cast.ma.pk, tag="x", by=cast.as_wang)
    assert not actions.untag_patient(patient_id=cast.zhang.pk, tag="x", by=cast.as_wang)


def test_a_message_goes_to_each_patient_once(cast: Cast):
    silent, other = make.person(cast.cardiology, phone=False), make.person(cast.cardiology)
    with site(sms_quiet_hours=""):
        messaging.load_templates(at=AT, by=SYSTEM)
        template = next(one for one in bulk.templates() if (one.code, one.channel) == ("caring-message", "sms"))
        selection = select(cast, cast.zhang, silent, other, subject="patient")
        told = bulk.preview(selection, "send", {"template": str(template.pk)}, viewer=cast.as_wang)
        assert dict(told.excluded) == {silent.pk: "no-number"}
        batch = run(begin(cast, selection, "send", template=str(template.pk)))
        batches_jobs.run_batch.func(event={"batch_id": str(batch.pk)})
    assert (batch.done, batch.skipped) == (2, 0)
    sent = Communication.objects.unscoped("test").filter(template_code="caring-message")
    assert set(sent.values_list("patient_id", "state")) == {(cast.zhang.pk, "queued"), (other.pk, "queued")}


def test_only_texts_for_everybody_can_go_to_many(cast: Cast):
    messaging.load_templates(at=AT, by=SYSTEM)
    offered = {template.code for template in bulk.templates()}
    assert {"caring-message", "follow-up-link", "measurement-link", "plan-link"} <= offered
    assert not offered & {
        "care-reminder",
        "number-check",
        "one-time-code",
        "revisit-reminder",
        "appointment-reminder",
        "relative-added",
    }


def test_tasks_chosen_and_patients_meant(cast: Cast):
    two_of_one = [make_task(cast), make_task(cast)]
    selection = select(cast, *two_of_one)
    told = bulk.preview(selection, "tag", {"tag": "x"}, viewer=cast.as_wang)
    assert told.included == (cast.zhang.pk,)


def test_three_workers_at_once_close_each_task_once(cast: Cast):
    some = [make_task(cast) for __ in range(7)]
    batch = begin(cast, select(cast, *some), "close", reason="moved")
    run(batch)
    run(batch)
    assert BatchItem.objects.filter(batch=batch, state="done").count() == 7
    assert AuditEvent.objects.filter(name="tasks.TaskClosed").count() == 7


def test_who_is_left_out_is_named_unless_out_of_sight(cast: Cast):
    mine, closed, foreign = (
        make_task(cast),
        make_task(cast),
        make_task(cast, patient=cast.ma, department=cast.orthopaedics),
    )
    tasks.close_tasks(task_ids=[closed.pk], reason="moved", at=timezone.now(), by=SYSTEM)
    told = bulk.preview(select(cast, mine, closed, foreign), "close", {"reason": "moved"}, viewer=cast.as_wang)
    assert sorted(told.excluded.values()) == ["not-open", "not-visible"]
    assert bulk.named(told, "close", viewer=cast.as_wang) == [(cast.zhang.pk, cast.zhang.name, "not-open")]
    assert bulk.named(told, "close", viewer=cast.as_wang, most=0) == []
    patients = select(cast, cast.zhang, cast.ma, subject="patient")
    told = bulk.preview(patients, "tag", {"tag": "study"}, viewer=cast.as_wang)
    assert bulk.named(told, "tag", viewer=cast.as_wang) == []  # Ma is another department's
    with seeding():
        PatientTag.objects.create(patient=cast.zhang, tag="study")
    told = bulk.preview(patients, "tag", {"tag": "study"}, viewer=cast.as_wang)
    assert bulk.named(told, "tag", viewer=cast.as_wang) == [(cast.zhang.pk, cast.zhang.name, "tagged")]

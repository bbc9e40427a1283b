"""Who cannot be reached and what to do next; lost only after the last step, with a reason."""

from datetime import timedelta

import pytest
from django.urls import reverse

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import ContactPoint
from careloop.plans import jobs as plans_jobs
from careloop.tasks import actions, reads
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads import UnreachableQuery
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def fail(cast, task, *outcomes, by=None):
    """These results, a day apart, each on the patient's first number."""
    point = ContactPoint.objects.unscoped("test").filter(patient=task.patient_id).order_by("rank").first()
    for n, outcome in enumerate(outcomes):
        actions.record_attempt(
            task=task, contact_point_id=point.pk if point else None, outcome=outcome, at=NOW + n * DAY,
            by=by or cast.as_wang,
        )  # fmt: skip
    return task


def rows(cast, at=NOW + 5 * DAY, by=None, **given):
    found, more = reads.unreachable(UnreachableQuery(**given), viewer=by or cast.as_wang, at=at)
    return found


def state(task):
    task.refresh_from_db()
    return task.status, task.closed_reason, task.outcome


# --- the list -----------------------------------------------------------------------------------------------------------------


def test_only_whoever_was_tried_in_vain_stands_on_the_list(cast):
    tried = fail(cast, make_task(cast, make_patient(cast)), "no-answer")
    make_task(cast, make_patient(cast))
    fail(cast, make_task(cast, make_patient(cast)), "reached-patient")
    (row,) = rows(cast)
    assert (row.task.pk, row.tries, row.last_outcome, row.step) == (tried.pk, 1, "no-answer", "call")
    assert not row.may_be_lost


def test_what_to_do_next_follows_the_ladder(cast):
    again = fail(cast, make_task(cast, make_patient(cast)), "busy")
    decide = fail(cast, make_task(cast, make_patient(cast)), "no-answer", "off", "no-answer")
    dead = fail(cast, make_task(cast, make_patient(cast)), "empty-number")
    found = {row.task.pk: (row.step, row.may_be_lost) for row in rows(cast)}
    assert found == {again.pk: ("call", False), decide.pk: ("review", True), dead.pk: ("no-number", True)}
    assert [row.task.pk for row in rows(cast)][0] == decide.pk  # the most often tried first


def test_the_chips_narrow(cast):
    once = fail(cast, make_task(cast, make_patient(cast)), "busy")
    twice = fail(cast, make_task(cast, make_patient(cast)), "off", "off")
    assert [row.task.pk for row in rows(cast, outcome="busy")] == [once.pk]
    assert [row.task.pk for row in rows(cast, at_least=2)] == [twice.pk]
    assert rows(cast, department_id=cast.orthopaedics.pk) == []
    assert len(rows(cast, outcome="gone-fishing")) == 2


def test_patients_without_any_number_are_found_before_anybody_calls(cast):
    without = make_task(cast, make_patient(cast, phones=0))
    make_task(cast, make_patient(cast))
    (row,) = rows(cast, no_number=True)
    assert (row.task.pk, row.step, row.numbers) == (without.pk, "no-number", 0)


def test_good_hours_are_shown_with_their_evidence(cast):
    patient = make_patient(cast)
    point = ContactPoint.objects.unscoped("test").get(patient=patient)
    earlier, task = make_task(cast, patient), fail(cast, make_task(cast, patient), "no-answer")
    with seeding():
        for n, outcome in enumerate(["reached-patient", "call-later", "no-answer", "reached-patient"]):
            ContactAttempt.objects.create(
                patient=patient, task=earlier, contact_point=point, outcome=outcome,
                started_at=NOW + timedelta(hours=8) - n * DAY, ended_at=NOW,
            )  # fmt: skip
    row = next(row for row in rows(cast) if row.task.pk == task.pk)
    assert (row.reach.band, row.reach.reached, row.reach.tried) == ("evening", 3, 4)
    assert "3" in reads.reach_text(row.reach)
    assert "17:30" in reads.reach_text(row.reach)
    client = cast.client(cast.wang)
    assert "data-reach" in client.get(reverse("tasks:patient_followups", args=[patient.pk])).content.decode()


def test_the_next_try_is_put_into_the_good_hours(cast):
    patient = make_patient(cast)
    point = ContactPoint.objects.unscoped("test").get(patient=patient)
    task = make_task(cast, patient)
    with seeding():
        ContactAttempt.objects.create(
            patient=patient, task=task, contact_point=point, outcome="reached-patient", by_practitioner=cast.wang,
            started_at=NOW + timedelta(hours=8) - 3 * DAY, ended_at=NOW - 3 * DAY,
        )  # fmt: skip
    fail(cast, task, "no-answer")
    task.refresh_from_db()
    assert task.snoozed_until.hour * 60 + task.snoozed_until.minute == 9 * 60 + 30  # 17:30 in the hospital


def test_a_foreign_department_sees_nobody(cast):
    fail(cast, make_task(cast), "no-answer")
    assert rows(cast, by=cast.as_li) == []
    page = cast.client(cast.li).get(reverse("tasks:unreachable")).content.decode()
    assert "data-step" not in page


def test_the_list_asks_no_more_with_more_patients(cast, django_assert_num_queries):
    for _n in range(8):
        fail(cast, make_task(cast, make_patient(cast)), "no-answer")
    viewer = cast.as_wang
    with django_assert_num_queries(5):  # rows, ladder, good hours, numbers, tries
        assert len(reads.unreachable(UnreachableQuery(), viewer=viewer, at=NOW)[0]) == 8


def test_the_list_is_one_indexed_query(cast):
    from django.db import connection

    tasks = reads.unreachable_tasks(UnreachableQuery(department_id=cast.cardiology.pk), viewer=cast.as_wang, at=NOW)
    sql, params = tasks.order_by("-attempts", "due_at", "pk")[:50].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql}", params)
        plan = "\n".join(line[0] for line in cursor.fetchall())
    assert "task_unreached" in plan


def test_pages(cast):
    for _n in range(3):
        fail(cast, make_task(cast, make_patient(cast)), "no-answer")
    assert len(rows(cast, offset=2)) == 1


@pytest.mark.parametrize("query", ["department=x", "outcome=zzz", "at_least=-5", "offset=99999999999", "no_number=1"])
def test_an_unreadable_address_narrows_nothing_and_breaks_nothing(cast, query):
    assert cast.client(cast.wang).get(f"{reverse('tasks:unreachable')}?{query}").status_code == 200


# --- lost ------------------------------------------------------------------------------------------------------------------------


def lose(cast, task, reason="not-reached", by=None, **given):
    return actions.lose_patient(task=task, reason=reason, at=NOW + 4 * DAY, by=by or cast.as_wang, **given)


@pytest.mark.parametrize("outcomes", [(), ("no-answer",), ("no-answer", "busy"), ("reached-uninformed", "off")])
def test_nobody_is_lost_while_there_is_a_step_left(cast, outcomes):
    task = fail(cast, make_task(cast), *outcomes)
    with pytest.raises(actions.LadderNotExhausted):
        lose(cast, task)
    assert state(task)[0] == "requested"


def test_after_the_last_step_with_a_reason(cast):
    task = fail(cast, make_task(cast), "no-answer", "off", "no-answer")
    assert lose(cast, task, reason="working-away") == 2  # the follow-up and the question whether the patient is lost
    assert state(task) == ("cancelled", "lost-to-follow-up", "lost-working-away")
    assert not Task.objects.unscoped("test").open().exists()
    fact = AuditEvent.objects.get(name="tasks.PatientLost")
    assert fact.payload["reason"] == "working-away"


def test_from_the_question_about_it_too(cast):
    task = fail(cast, make_task(cast), "no-answer", "off", "no-answer")
    question = Task.objects.unscoped("test").get(kind="contact-check")
    lose(cast, question)
    assert state(task)[0] == state(question)[0] == "cancelled"


def test_without_a_number_that_works(cast):
    task = fail(cast, make_task(cast), "empty-number")
    lose(cast, task, reason="moved")
    assert state(task)[2] == "lost-moved"


@pytest.mark.parametrize(("reason", "note"), [("", ""), ("bored", "x"), ("other", "  ")])
def test_a_reason_is_needed_and_other_needs_words(cast, reason, note):
    task = fail(cast, make_task(cast), "no-answer", "off", "no-answer")
    with pytest.raises(actions.LossNeedsReason):
        lose(cast, task, reason=reason, note=note)
    lose(cast, task, reason="other", note="joined a ship")
    kept = ContactAttempt.objects.unscoped("test").get(outcome="lost-to-follow-up")
    assert "joined a ship" in kept.note
    assert "ship" not in str(list(AuditEvent.objects.values_list("payload", flat=True)))


def test_a_found_number_gives_new_steps(cast):
    task = fail(cast, make_task(cast), "empty-number")
    with seeding():
        ContactPoint.objects.create(patient=task.patient, value="+8613912346722", last4="6722", is_mobile=True, rank=2)
    with pytest.raises(actions.LadderNotExhausted):
        lose(cast, task)


def test_twice_or_by_a_stranger_is_refused(cast):
    task = fail(cast, make_task(cast), "no-answer", "off", "no-answer")
    with pytest.raises(actions.TaskNotOpen):
        lose(cast, task, by=cast.as_li)
    lose(cast, task)
    with pytest.raises(actions.TaskNotOpen):
        lose(cast, task)


def test_the_button_is_there_only_when_everything_was_tried(cast):
    early = fail(cast, make_task(cast, make_patient(cast)), "no-answer")
    late = fail(cast, make_task(cast, make_patient(cast)), "no-answer", "off", "no-answer")
    client = cast.client(cast.wang)
    page = client.get(reverse("tasks:unreachable")).content.decode()
    assert reverse("tasks:lose", args=[late.pk]) in page
    assert reverse("tasks:lose", args=[early.pk]) not in page
    assert client.post(reverse("tasks:lose", args=[early.pk]), {"reason": "moved"}).status_code == 409
    assert client.post(reverse("tasks:lose", args=[late.pk]), {"reason": "nonsense"}).status_code == 409
    assert client.post(reverse("tasks:lose", args=[late.pk]), {"reason": "moved"}).status_code == 302
    assert cast.client(cast.li).post(reverse("tasks:lose", args=[early.pk]), {"reason": "moved"}).status_code == 404
    assert state(late)[0] == "cancelled"


def test_without_a_plan_nothing_more_ends(cast):
    plans_jobs.end_for_loss.func(event={"care_plan_id": None})
    assert actions.request_tasks(requests=[], by=SYSTEM) == 0

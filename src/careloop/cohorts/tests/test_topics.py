"""A search becomes a running special topic: real tasks and plans, everybody in one state, every refusal."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import override_settings
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import jobs as batches_jobs
from careloop.cohorts import actions
from careloop.cohorts.models import Cohort, Topic, TopicMember
from careloop.cohorts.reads import topics
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint, Patient
from careloop.plans.models import CarePlan
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from tests.cast import NOW, Cast

AT = timezone.now()
DEADLINE = (timezone.localtime(AT) + timedelta(days=10)).date()


@pytest.fixture
def group(cast: Cast) -> Cohort:
    """Six men of Cardiology after a stay, besides Zhang who is in hospital."""
    make.form()
    for n in range(6):
        make.stay(make.person(cast.cardiology, f"Man{n}"), cast.cardiology, days_ago=20 + n)
    return make.cohort(cast.wang)


def start(cast: Cast, cohort: Cohort, *, by: Viewer | None = None, **given: object) -> Topic:
    values = {
        "title": "Chest pain study", "questionnaire_url": make.FORM, "plan_url": "", "staff": [], "deadline": DEADLINE,
        "key": str(uuid4()), "at": AT, **given,
    }  # fmt: skip
    return actions.start_topic(cohort_id=cohort.pk, by=by or cast.as_wang, **values)


def run(topic: Topic) -> Topic:
    assert topic.batch is not None
    assert batches_jobs.work_through(topic.batch.pk, seconds=60)
    topic.refresh_from_db()
    return topic


def states(topic: Topic, viewer: Viewer) -> dict[str, int]:
    return {state: n for state, n in topics.progress(topic, viewer=viewer).counts.items() if n}


def test_a_search_becomes_tasks_on_the_list(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    assert topic.batch is not None
    assert (topic.batch.state, topic.batch.done) == ("done", 6)
    made = Task.objects.unscoped("test").filter(focus_id=topic.pk)
    assert made.count() == 6
    task = made.order_by("pk").first()
    assert task is not None
    assert (task.kind, task.questionnaire_url, task.plan_title) == ("follow-up", make.FORM, "Chest pain study")
    assert task.department_id == cast.cardiology.pk
    assert timezone.localtime(task.due_at).date() == DEADLINE
    assert task.available_at <= timezone.now()
    assert states(topic, cast.as_wang) == {"open": 6, "excluded": 1}


def test_it_leaves_a_fact_each(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    assert AuditEvent.objects.filter(name="cohorts.TopicStarted").count() == 1
    enrolled = AuditEvent.objects.filter(name="cohorts.TopicMemberEnrolled")
    assert enrolled.count() == len(set(enrolled.values_list("patient_id", flat=True))) == 6
    assert {row.actor for row in enrolled} == {f"staff:{cast.wang.pk}"}
    assert "Man" not in str([row.payload for row in AuditEvent.objects.all()])
    assert topic.definition == group.definition


def test_who_cannot_be_followed_up_stands_in_it_with_the_reason(cast: Cast, group: Cohort):
    dead = make.person(cast.cardiology, deceased=True)
    refused = make.person(cast.cardiology, do_not_contact=True)
    moved = make.person(cast.cardiology)
    make.stay(moved, cast.cardiology, disposition="other-hospital")
    back = make.person(cast.cardiology)
    make.stay(back, cast.cardiology, disposition="other-hospital", days_ago=50)
    make.stay(back, cast.cardiology, days_ago=5)
    silent = make.person(cast.cardiology, phone=False)
    broken = make.person(cast.cardiology)
    with seeding():
        ContactPoint.objects.unscoped("test").filter(patient=broken).update(last_result="empty-number")
    topic = run(start(cast, group))
    told = dict(TopicMember.objects.unscoped("test").filter(topic=topic).values_list("patient_id", "excluded"))
    wanted = {
        dead.pk: "died", refused.pk: "refused", moved.pk: "transferred", back.pk: "", silent.pk: "no-number",
        broken.pk: "no-number", cast.zhang.pk: "in-hospital",
    }  # fmt: skip
    assert {pk: told[pk] for pk in wanted} == wanted
    progress = topics.progress(topic, viewer=cast.as_wang)
    assert progress.total == len(told) == progress.included + progress.counts["excluded"]


def test_nobody_is_asked_the_same_for_two_topics_at_once(cast: Cast, group: Cohort):
    first = run(start(cast, group))
    with pytest.raises(actions.CohortEmpty):
        start(cast, group)
    task = Task.objects.unscoped("test").filter(focus_id=first.pk).order_by("pk").first()
    assert task is not None
    tasks.complete_task(task=task, outcome="reached-patient", at=AT, by=cast.as_wang)
    second = run(start(cast, group))
    assert states(second, cast.as_wang) == {"open": 1, "excluded": 6}


def test_the_same_press_twice_is_one_topic(cast: Cast, group: Cohort):
    key = str(uuid4())
    first, again = start(cast, group, key=key), start(cast, group, key=key)
    assert first.pk == again.pk
    assert Topic.objects.count() == 1
    run(first)
    batches_jobs.run_batch.func(event={"batch_id": str(first.batch_id)})
    assert Task.objects.unscoped("test").filter(focus_id=first.pk).count() == 6


def test_enrolling_one_patient_again_changes_nothing(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    member = TopicMember.objects.unscoped("test").filter(topic=topic, excluded="").order_by("pk").first()
    assert member is not None
    before = member.task_id
    assert actions.enrol_member(topic_id=topic.pk, patient_id=member.patient_id, at=AT, by=cast.as_wang) == ""
    member.refresh_from_db()
    assert member.task_id == before


def test_what_changed_between_start_and_turn_is_looked_at_again(cast: Cast, group: Cohort):
    topic = start(cast, group)
    late = TopicMember.objects.unscoped("test").filter(topic=topic, excluded="").order_by("pk").first()
    assert late is not None
    with seeding():
        Patient.objects.unscoped("test").filter(pk=late.patient_id).update(deceased=True)
    run(topic)
    late.refresh_from_db()
    assert (late.excluded, late.task_id) == ("died", None)
    assert topic.batch is not None
    topic.batch.refresh_from_db()
    assert (topic.batch.done, topic.batch.skipped) == (5, 1)
    assert AuditEvent.objects.filter(name="cohorts.TopicMemberExcluded").count() == 1


def test_work_is_shared_evenly_among_the_staff_chosen(cast: Cast, group: Cohort):
    topic = run(start(cast, group, staff=[cast.wang.pk, cast.zhao.pk]))
    owners = Task.objects.unscoped("test").filter(focus_id=topic.pk).values_list("owner_id", flat=True)
    assert Counter(owners) == {cast.wang.pk: 3, cast.zhao.pk: 3}


def test_a_plan_instead_of_one_contact(cast: Cast, group: Cohort):
    definition = make.plan_definition()
    topic = run(start(cast, group, plan_url=definition.url, questionnaire_url="", staff=[cast.wang.pk]))
    plans = CarePlan.objects.unscoped("test").filter(definition_url=definition.url)
    assert plans.count() == 6
    assert set(plans.values_list("owner_id", flat=True)) == {cast.wang.pk}
    assert states(topic, cast.as_wang) == {"open": 6, "excluded": 1}
    with pytest.raises(actions.CohortEmpty):  # everybody is in this plan already
        start(cast, group, plan_url=definition.url)


def test_a_plan_whose_dates_are_over_is_told_and_not_started(cast: Cast, group: Cohort):
    long_ago = make.person(cast.cardiology)
    make.stay(long_ago, cast.cardiology, days_ago=400)
    topic = run(start(cast, group, plan_url=make.plan_definition().url))
    assert TopicMember.objects.unscoped("test").get(topic=topic, patient=long_ago).excluded == "plan-over"
    assert not CarePlan.objects.unscoped("test").filter(patient=long_ago).exists()


def test_a_plan_needs_a_stay_to_count_from(cast: Cast, group: Cohort):
    newcomer = make.person(cast.cardiology)
    topic = run(start(cast, group, plan_url=make.plan_definition().url))
    assert TopicMember.objects.unscoped("test").get(topic=topic, patient=newcomer).excluded == "no-stay"


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"title": "  "}, actions.CohortNeedsTitle),
        ({"deadline": DEADLINE - timedelta(days=60)}, actions.DeadlineOver),
        ({"questionnaire_url": ""}, actions.TopicNeedsForm),
        ({"questionnaire_url": "https://example.org/none"}, actions.TopicNeedsForm),
        ({"plan_url": "https://example.org/none"}, actions.TopicNeedsForm),
        ({"staff": [uuid4()]}, actions.StaffUnknown),
    ],
)
def test_what_makes_no_sense_is_refused(cast: Cast, group: Cohort, given: dict, refusal: type[Exception]):
    with pytest.raises(refusal):
        start(cast, group, **given)
    assert not Topic.objects.exists()


def test_staff_of_another_department_is_refused(cast: Cast, group: Cohort):
    with pytest.raises(actions.StaffUnknown):
        start(cast, group, staff=[cast.li.pk])


def test_nobody_is_refused(cast: Cast):
    make.form()
    with pytest.raises(actions.CohortEmpty):
        start(cast, make.cohort(cast.wang, {"kind": "tag", "tags": ["nowhere"]}))


def test_everybody_is_refused(cast: Cast, group: Cohort):
    with seeding():
        Cohort.objects.filter(pk=group.pk).update(definition={"groups": []})
    with pytest.raises(actions.CohortUnlimited):
        start(cast, group)


def test_too_many_are_refused_with_both_numbers(cast: Cast, group: Cohort):
    from django.conf import settings

    from careloop.config.env import Env

    small = Env(**{f: getattr(settings.ENV, f) for f in Env.__dataclass_fields__} | {"cohort_limit": 3})
    with override_settings(ENV=small), pytest.raises(actions.CohortTooLarge) as refused:
        start(cast, group)
    assert "7" in str(refused.value)
    assert "3" in str(refused.value)
    assert not Topic.objects.exists()


def test_a_group_of_which_nobody_can_be_followed_up_is_refused(cast: Cast):
    make.form()
    make.person(cast.cardiology, deceased=True, risk="critical")
    with pytest.raises(actions.CohortEmpty):
        start(cast, make.cohort(cast.wang, {"kind": "risk", "levels": ["critical"]}))


def test_another_departments_nurse_starts_it_for_own_patients_only(cast: Cast, group: Cohort):
    with seeding():
        Cohort.objects.filter(pk=group.pk).update(kind="living", title="Men", shared=True)
    theirs = make.person(cast.orthopaedics)
    make.stay(theirs, cast.orthopaedics)
    topic = run(start(cast, group, by=cast.as_li))
    found = set(TopicMember.objects.unscoped("test").filter(topic=topic).values_list("patient_id", flat=True))
    assert found == {theirs.pk, cast.ma.pk}


def test_a_cohort_that_is_not_shared_is_nobody_elses(cast: Cast, group: Cohort):
    with pytest.raises(Cohort.DoesNotExist):
        start(cast, group, by=cast.as_li)


def test_every_end_of_a_task_is_one_state_and_they_add_up(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    open_tasks = list(Task.objects.unscoped("test").filter(focus_id=topic.pk).order_by("pk"))
    tasks.complete_task(task=open_tasks[0], outcome="reached-patient", at=AT, by=cast.as_wang)
    tasks.record_attempt(task=open_tasks[1], contact_point_id=None, outcome="refused", at=AT, by=cast.as_wang)
    tasks.close_tasks(task_ids=[open_tasks[2].pk], reason="unreachable", at=AT, by=cast.as_wang)
    tasks.close_tasks(task_ids=[open_tasks[3].pk], reason="not-needed", at=AT, by=cast.as_wang)
    tasks.record_attempt(task=open_tasks[4], contact_point_id=None, outcome="no-answer", at=AT, by=cast.as_wang)
    progress = topics.progress(topic, viewer=cast.as_wang)
    assert {s: n for s, n in progress.counts.items() if n} == {
        "done": 1, "refused": 1, "unreachable": 1, "ended": 1, "open": 2, "excluded": 1,
    }  # fmt: skip
    assert progress.total == TopicMember.objects.unscoped("test").filter(topic=topic).count() == 7
    for state, n in progress.counts.items():
        rows = topics.member_rows(topic, state=state, viewer=cast.as_wang, offset=0, limit=50)
        assert len(rows) == n
        assert {row.state for row in rows} <= {state}
        assert len(topics.member_ids(topic, state=state, viewer=cast.as_wang, limit=50)) == n


def test_progress_is_of_the_patients_one_may_see(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    assert topics.progress(topic, viewer=cast.as_wang).total == 7
    assert topics.progress(topic, viewer=cast.as_sun).total == 7
    assert topics.progress(topic, viewer=cast.as_li).total == 0
    nowhere = replace(cast.as_li, departments=frozenset())
    assert topics.progress(topic, viewer=nowhere).total == 0
    assert topics.member_rows(topic, state="", viewer=nowhere, offset=0, limit=9) == []


def test_closing_ends_what_is_open_and_keeps_what_was_done(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    first = Task.objects.unscoped("test").filter(focus_id=topic.pk).order_by("pk").first()
    assert first is not None
    tasks.complete_task(task=first, outcome="reached-patient", at=AT, by=cast.as_wang)
    assert actions.close_topic(topic_id=topic.pk, at=AT, by=cast.as_wang) == 5
    assert states(topic, cast.as_wang) == {"done": 1, "ended": 5, "excluded": 1}
    with pytest.raises(actions.TopicOver):
        actions.close_topic(topic_id=topic.pk, at=AT, by=cast.as_wang)


def test_a_closed_topic_enrols_nobody_any_more(cast: Cast, group: Cohort):
    topic = start(cast, group)
    actions.close_topic(topic_id=topic.pk, at=AT, by=cast.as_wang)
    run(topic)
    assert not Task.objects.unscoped("test").filter(focus_id=topic.pk).exists()
    assert topic.batch is not None
    topic.batch.refresh_from_db()
    assert topic.batch.skipped == 6


def test_only_who_started_it_closes_it(cast: Cast, group: Cohort):
    topic = start(cast, group)
    with pytest.raises(Topic.DoesNotExist):
        actions.close_topic(topic_id=topic.pk, at=AT, by=cast.as_zhao)


# --- kept groups


def test_a_living_group_changes_and_a_frozen_one_does_not(cast: Cast, group: Cohort):
    from careloop.cohorts.reads import members

    other = make.cohort(cast.wang)
    actions.keep_cohort(cohort_id=group.pk, title="Living", frozen=False, shared=False, at=NOW, by=cast.as_wang)
    actions.keep_cohort(cohort_id=other.pk, title="Frozen", frozen=True, shared=False, at=NOW, by=cast.as_wang)
    make.person(cast.cardiology)
    group.refresh_from_db()
    other.refresh_from_db()
    assert members.count(members.members_of(group, viewer=cast.as_wang, at=NOW)) == 8
    assert members.count(members.members_of(other, viewer=cast.as_wang, at=NOW)) == 7
    assert members.count(members.members_of(other, viewer=cast.as_li, at=NOW)) == 0  # in scope of who looks, always


def test_keeping_needs_a_name_and_a_condition(cast: Cast, group: Cohort):
    with pytest.raises(actions.CohortNeedsTitle):
        actions.keep_cohort(cohort_id=group.pk, title=" ", frozen=False, shared=False, at=NOW, by=cast.as_wang)
    with pytest.raises(Cohort.DoesNotExist):
        actions.keep_cohort(cohort_id=group.pk, title="x", frozen=False, shared=False, at=NOW, by=cast.as_li)
    nobody = make.cohort(cast.wang, {"kind": "tag", "tags": ["nowhere"]})
    with pytest.raises(actions.CohortEmpty):
        actions.keep_cohort(cohort_id=nobody.pk, title="x", frozen=True, shared=False, at=NOW, by=cast.as_wang)


def test_an_archived_group_is_off_the_list_and_its_topic_goes_on(cast: Cast, group: Cohort):
    topic = run(start(cast, group))
    actions.keep_cohort(cohort_id=group.pk, title="Men", frozen=False, shared=False, at=NOW, by=cast.as_wang)
    actions.archive_cohort(cohort_id=group.pk, at=NOW, by=cast.as_li)  # not theirs: nothing happens
    assert Cohort.objects.of(cast.as_wang).kept().filter(pk=group.pk).exists()
    actions.archive_cohort(cohort_id=group.pk, at=NOW, by=cast.as_wang)
    actions.archive_cohort(cohort_id=group.pk, at=NOW, by=cast.as_wang)
    assert not Cohort.objects.of(cast.as_wang).kept().exists()
    assert AuditEvent.objects.filter(name="cohorts.CohortArchived").count() == 1
    assert states(topic, cast.as_wang) == {"open": 6, "excluded": 1}

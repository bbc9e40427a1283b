"""An ad-hoc search becomes a special-topic follow-up (J16): real tasks or plans, through the rooms that own them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.batches.actions import start_batch
from careloop.batches.rules import Item
from careloop.cohorts.actions.keeping import ROWS, CohortEmpty, CohortNeedsTitle, _ids_within_limit
from careloop.cohorts.events import TopicClosed, TopicMemberEnrolled, TopicMemberExcluded, TopicStarted
from careloop.cohorts.models import Cohort, Topic, TopicMember
from careloop.cohorts.reads import topics as reads
from careloop.cohorts.reads.exclusions import Purpose, sort_members
from careloop.cohorts.rules.exclusion import deal
from careloop.kernel.actions import action, savepoint
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.plans import actions as plans
from careloop.plans.actions.enrolment import NotDischarged
from careloop.plans.models import PlanDefinition
from careloop.questionnaires.models import Questionnaire
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import TaskRequest

ENROL = "cohorts.enrol-topic"
END_OF_DAY = time(18)


class TopicNeedsForm(Refused):
    """Neither a form in use nor a plan in use."""

    code = "topic-needs-form"
    message = _("Choose a questionnaire or a plan that is in use.")


class DeadlineOver(Refused):
    """The deadline has passed already."""

    code = "deadline-over"
    message = _("The deadline has passed already. Choose today or a later day.")


class StaffUnknown(Refused):
    """Somebody chosen may not do follow-ups here."""

    code = "staff-unknown"
    message = _("One of the people chosen does not make follow-up calls in your departments. Choose again.")


class PlanDatesOver(Refused):
    """Counted from the last discharge, every date of the plan has passed: there would be nothing to do."""

    code = "plan-over"
    message = _("Counted from the last discharge, every date of this plan has passed.")


class TopicOver(Refused):
    """It is closed."""

    code = "topic-over"
    message = _("This special topic is closed already.")


@action
def start_topic(
    *,
    cohort_id: UUID,
    title: str,
    questionnaire_url: str,
    plan_url: str,
    staff: Sequence[UUID],
    deadline: date,
    key: str,
    at: datetime,
    by: Viewer,
) -> Topic:
    """Start a topic for everybody of the cohort who can be followed up; the others stand in it with their reason.

    The same key again gives the first topic back. Refused: no title, no form or plan in use, a deadline that is over,
    staff that may not, a cohort of nobody, of everybody, or larger than the setting allows.
    """
    if by.practitioner_id is None:
        raise StaffUnknown
    existing = Topic.objects.filter(key=key, requested_by_id=by.practitioner_id).first()
    if existing is not None:
        return existing
    _check(title, questionnaire_url, plan_url, staff, deadline, at, by)
    cohort = Cohort.objects.of(by).get(pk=cohort_id)
    ids = _ids_within_limit(cohort, viewer=by, at=at)
    found = sort_members(ids, Purpose(plan_url, questionnaire_url))
    if not found.included:
        raise CohortEmpty
    topic = Topic(
        title=title.strip()[:120], key=key, cohort=cohort, definition=cohort.definition, plan_url=plan_url,
        questionnaire_url="" if plan_url else questionnaire_url, staff=[str(one) for one in dict.fromkeys(staff)],
        deadline=deadline, requested_by_id=by.practitioner_id,
    )  # fmt: skip
    try:
        with transaction.atomic():
            topic.save(force_insert=True)
    except IntegrityError:  # pressed twice at the same moment
        return Topic.objects.get(key=key, requested_by_id=by.practitioner_id)
    owners = deal(found.included, staff, reads.last_callers(found.included, staff) if staff else {})
    TopicMember.objects.bulk_create(
        [TopicMember(topic=topic, patient_id=pk, owner_id=owners.get(pk)) for pk in found.included]
        + [TopicMember(topic=topic, patient_id=pk, excluded=why) for pk, why in found.excluded.items()],
        batch_size=ROWS,
    )
    topic.batch = start_batch(
        kind=ENROL, title=topic.title, key=f"topic:{topic.pk}", items=[Item(str(pk), pk) for pk in found.included],
        parameters={"topic": str(topic.pk)}, at=at, by=by,
    )  # fmt: skip
    topic.save(update_fields=["batch", "updated_at"])
    record(
        TopicStarted(
            topic_id=topic.pk, batch_id=topic.batch.pk, included=len(found.included), excluded=len(found.excluded),
            deadline=deadline,
        ),
        by=by,
    )  # fmt: skip
    return topic


def _check(
    title: str, questionnaire_url: str, plan_url: str, staff: Sequence[UUID], deadline: date, at: datetime, by: Viewer
) -> None:
    if not title.strip():
        raise CohortNeedsTitle
    if deadline < timezone.localtime(at).date():
        raise DeadlineOver
    if plan_url:
        usable = PlanDefinition.objects.active().filter(url=plan_url).exists()
    else:
        usable = Questionnaire.objects.filter(url=questionnaire_url, status="active").exists()
    if not usable:
        raise TopicNeedsForm
    if set(staff) - {one.pk for one in reads.staff_choices(by, at=at)}:
        raise StaffUnknown


@action
def enrol_member(*, topic_id: UUID, patient_id: UUID, at: datetime, by: Viewer) -> str:
    """Give one patient of a topic the task or the plan, once. What has changed since the start is looked at again.

    Gives back the reason when the patient can no longer be followed up, else an empty text. Refused: the topic is closed.
    """
    topic = Topic.objects.get(pk=topic_id)
    if topic.state != Topic.State.RUNNING:
        raise TopicOver
    member = (
        TopicMember.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
        .filter(topic=topic, patient_id=patient_id).first()
    )  # fmt: skip
    if member is None:
        return "no-longer-visible"
    if member.task_id or member.care_plan_id or member.excluded:
        return member.excluded
    found = sort_members([patient_id], Purpose(topic.plan_url, topic.questionnaire_url))
    why: str = found.excluded.get(patient_id, "")
    place = reads.place_of(patient_id)
    if not why and place is None:
        why = "no-stay"
    if why or place is None:
        return _exclude(member, why, by)
    if topic.plan_url:
        try:
            with savepoint():
                _start_plan(member, topic, place, at, by)
        except PlanDatesOver:
            return _exclude(member, "plan-over", by)
    else:
        _ask_for_task(member, topic, place, at, by)
    member.save(update_fields=["task_id", "care_plan_id", "updated_at"])
    record(
        TopicMemberEnrolled(
            patient_id=patient_id, topic_id=topic.pk, task_id=member.task_id, care_plan_id=member.care_plan_id
        ),
        by=by,
    )
    return ""


def _exclude(member: TopicMember, why: str, by: Viewer) -> str:
    member.excluded = why
    member.save(update_fields=["excluded", "updated_at"])
    record(TopicMemberExcluded(patient_id=member.patient_id, topic_id=member.topic_id, reason=why), by=by)
    return why


def _ask_for_task(member: TopicMember, topic: Topic, place: reads.Place, at: datetime, by: Viewer) -> None:
    key = f"topic:{topic.pk}:{member.patient_id}"
    due = timezone.make_aware(datetime.combine(topic.deadline, END_OF_DAY))
    patient = Patient.objects.visible_to(by).only("risk").get(pk=member.patient_id)
    asked = TaskRequest(
        key=key, patient_id=member.patient_id, department_id=place.department_id, available_at=min(at, due),
        due_at=due, owner_id=member.owner_id, encounter_id=place.encounter.pk if place.encounter else None,
        focus_id=topic.pk, questionnaire_url=topic.questionnaire_url, plan_title=topic.title, risk=patient.risk,
    )  # fmt: skip
    tasks.request_tasks(requests=[asked], by=by)
    member.task_id = Task.objects.unscoped("the task just asked for").only("pk").get(key=key).pk


def _start_plan(member: TopicMember, topic: Topic, place: reads.Place, at: datetime, by: Viewer) -> None:
    if place.encounter is None:
        raise NotDischarged
    definition = PlanDefinition.objects.active().get(url=topic.plan_url)
    plan = plans.start_care_plan(encounter=place.encounter, definition=definition, at=at, by=by)
    plan.refresh_from_db(fields=["ended_at"])
    if plan.ended_at is not None:
        raise PlanDatesOver
    if member.owner_id:
        plans.set_owner(care_plan=plan, rule="same-nurse", practitioner_id=member.owner_id, at=at, by=by)
    member.care_plan_id = plan.pk


@action
def close_topic(*, topic_id: UUID, at: datetime, by: Viewer) -> int:
    """End a topic: its open tasks are closed with that reason, answers stay, plans it started go on. Refused: it is over."""
    topic = Topic.objects.filter(requested_by_id=by.practitioner_id).select_for_update(of=("self",)).get(pk=topic_id)
    if topic.state != Topic.State.RUNNING:
        raise TopicOver
    topic.state, topic.closed_at = Topic.State.CLOSED, at
    topic.save(update_fields=["state", "closed_at", "updated_at"])
    closed = tasks.close_tasks(
        task_ids=reads.open_task_ids(topic), reason="topic-closed", at=at, by=Viewer.system("cohorts.close_topic")
    )
    record(TopicClosed(topic_id=topic.pk, closed=closed), by=by)
    return closed

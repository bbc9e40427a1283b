"""Confirming, declining, choosing another plan, proving a number: states, facts, again, at once, taken back."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.messaging.models import Communication
from careloop.messaging.rules.signing import one_time_code
from careloop.messaging.tests.factories import site
from careloop.patients import actions as patients
from careloop.patients.models import AccessLink, ContactPoint
from careloop.plans import actions as plans
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.tests.factories import Scene, tasks_of
from careloop.tasks.models import Task
from careloop.workbench import actions
from careloop.workbench.models import DischargeReview
from careloop.workbench.tests.discharging import left_hospital, load_content, plan_of
from tests.cast import make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def stay(cast):
    load_content()
    return left_hospital(cast)


@pytest.fixture
def stay_without_plan(cast):
    """No rule takes this discharge: enrolment is switched off for every plan."""
    load_content()
    PlanDefinition.objects.active().filter(enrols=True)
    for definition in PlanDefinition.objects.enrolling():
        plans.switch_enrolment(definition=definition, enrols=False, by=cast.as_sun)
    return left_hospital(cast)


def reviews(stay) -> list[tuple[str, bool]]:
    rows = DischargeReview.objects.unscoped("test").filter(encounter=stay).order_by("decided_at", "pk")
    return [(row.decision, row.undone_at is None) for row in rows]


@pytest.fixture(autouse=True)
def gateway():
    """A site that can send at any hour."""
    with site(sms_quiet_hours=""):
        yield


def facts(name: str) -> int:
    return AuditEvent.objects.filter(name=name).count()


def confirm(cast, stay, definition=None, by=None):
    return actions.confirm_discharge(encounter=stay, definition=definition, at=timezone.now(), by=by or cast.as_zhao)


def decline(cast, stay, reason="other-hospital"):
    return actions.decline_discharge(encounter=stay, reason=reason, at=timezone.now(), by=cast.as_zhao)


def test_confirming_keeps_the_plan_and_says_who_did_it(cast, stay):
    plan = plan_of(stay)
    review = confirm(cast, stay)
    assert (review.decision, review.decided_by_id, review.started_id) == ("confirmed", cast.zhao.pk, None)
    assert plan_of(stay).pk == plan.pk
    assert facts("workbench.DischargeReviewed") == 1


def test_confirming_twice_is_one_decision_and_one_fact(cast, stay):
    first = confirm(cast, stay)
    again = confirm(cast, stay, by=cast.as_wang)
    assert again.pk == first.pk
    assert reviews(stay) == [("confirmed", True)]
    assert facts("workbench.DischargeReviewed") == 1


def test_a_patient_without_plan_needs_a_choice(cast, stay_without_plan):
    with pytest.raises(actions.NoPlanChosen):
        confirm(cast, stay_without_plan)
    assert reviews(stay_without_plan) == []


def test_confirming_starts_the_chosen_plan(cast, stay_without_plan):
    definition = Scene(cast).definition("pci-12-months")
    review = confirm(cast, stay_without_plan, definition)
    plan = plan_of(stay_without_plan)
    assert (plan.definition_id, review.started_id) == (definition.pk, plan.pk)
    assert tasks_of(plan, status="requested")


def test_undoing_ends_the_plan_that_confirming_started_and_confirming_again_takes_it_up(cast, stay_without_plan):
    definition = Scene(cast).definition("pci-12-months")
    review = confirm(cast, stay_without_plan, definition)
    plan = plan_of(stay_without_plan)
    actions.undo_review(review=review, at=timezone.now(), by=cast.as_zhao)
    plan.refresh_from_db()
    assert (plan.status, plan.end_reason) == ("revoked", "chosen-otherwise")
    assert not tasks_of(plan, status="requested")
    confirm(cast, stay_without_plan, definition)
    assert plan_of(stay_without_plan).pk == plan.pk
    assert tasks_of(plan, status="requested")
    assert reviews(stay_without_plan) == [("confirmed", False), ("confirmed", True)]


def test_declining_ends_the_plan_and_closes_its_tasks(cast, stay):
    plan = plan_of(stay)
    assert tasks_of(plan, status="requested")
    review = decline(cast, stay)
    plan.refresh_from_db()
    assert (plan.status, plan.end_reason, review.reason) == ("revoked", "no-follow-up", "other-hospital")
    assert not tasks_of(plan, status="requested")


def test_codes_that_come_late_do_not_overrule_a_refusal(cast, stay):
    decline(cast, stay)
    Scene(cast).diagnose(stay, "I50.9")
    plans.enrol_discharges(encounter_ids=[stay.pk], at=timezone.now(), by=cast.as_sun)
    assert not CarePlan.objects.unscoped("test").running().filter(encounter=stay).exists()


def test_undoing_a_refusal_plans_the_same_contacts_again(cast, stay):
    plan = plan_of(stay)
    before = [(task.step_code, task.occurrence, task.due_at) for task in tasks_of(plan, status="requested")]
    review = decline(cast, stay)
    actions.undo_review(review=review, at=timezone.now(), by=cast.as_zhao)
    plan.refresh_from_db()
    assert plan.status == "active"
    after = [(task.step_code, task.occurrence, task.due_at) for task in tasks_of(plan, status="requested")]
    assert after == before
    assert reviews(stay) == [("no-follow-up", False)]


def test_undoing_touches_no_plan_of_another_discharge(cast, stay):
    scene = Scene(cast)
    other = scene.new_patient()
    older = left_hospital(cast, other, diagnosis="I21.0")
    decline(cast, older)
    review = decline(cast, stay)
    actions.undo_review(review=review, at=timezone.now(), by=cast.as_zhao)
    assert not CarePlan.objects.unscoped("test").running().filter(encounter=older).exists()


def test_undoing_twice_is_refused(cast, stay):
    review = confirm(cast, stay)
    actions.undo_review(review=review, at=timezone.now(), by=cast.as_zhao)
    with pytest.raises(actions.ReviewGone):
        actions.undo_review(review=review, at=timezone.now(), by=cast.as_zhao)
    assert facts("workbench.DischargeReviewUndone") == 1


def test_a_colleague_who_decided_otherwise_is_not_overruled(cast, stay):
    confirm(cast, stay)
    with pytest.raises(actions.AlreadyReviewed):
        decline(cast, stay)
    assert plan_of(stay).status == "active"


def test_the_next_discharge_of_the_same_stay_is_looked_at_again(cast, stay):
    confirm(cast, stay)
    Scene(cast).change(stay, discharge_cycle=2)
    assert confirm(cast, stay).cycle == 2
    assert len(reviews(stay)) == 2


def test_li_can_decide_nothing_of_zhang(cast, stay):
    review = confirm(cast, stay)
    with pytest.raises(actions.ReviewGone):
        actions.undo_review(review=review, at=timezone.now(), by=cast.as_li)


def choose(cast, stay, name, instead_of):
    return plans.choose_plan(
        encounter=stay,
        definition=Scene(cast).definition(name),
        instead_of=instead_of,
        at=timezone.now(),
        by=cast.as_zhao,
    )


def test_another_plan_takes_over_and_choosing_back_takes_the_first_up_again(cast, stay):
    first = plan_of(stay)
    second = choose(cast, stay, "routine-discharge", first)
    assert plan_of(stay).pk == second.pk
    assert choose(cast, stay, "pci-12-months", second).pk == first.pk
    assert plan_of(stay).pk == first.pk
    assert Task.objects.unscoped("test").open().filter(care_plan_id=second.pk).count() == 0


def test_a_plan_that_runs_is_not_chosen_twice(cast, stay):
    with pytest.raises(plans.enrolment.PlanRunsAlready):
        choose(cast, stay, "pci-12-months", None)


def test_a_plan_that_is_over_cannot_be_replaced(cast, stay):
    plan = plan_of(stay)
    plans.end_care_plan(care_plan=plan, reason="recovered", at=timezone.now(), by=cast.as_zhao)
    with pytest.raises(plans.CarePlanClosed):
        choose(cast, stay, "routine-discharge", plan)


def test_an_added_clinic_visit_is_a_revisit_and_a_call_is_a_follow_up(cast, stay):
    plan = plan_of(stay)
    for channel in ("phone", "clinic"):
        plans.add_visit(
            care_plan=plan, title=channel, day=timezone.localdate() + timedelta(days=3), channel=channel, at=timezone.now(),
            by=cast.as_zhao,
        )  # fmt: skip
    kinds = {task.step_title: task.kind for task in tasks_of(plan) if task.step_code.startswith("visit-")}
    assert kinds == {"phone": "follow-up", "clinic": "revisit"}


# ---- the number ----


def point_of(cast) -> ContactPoint:
    return ContactPoint.objects.unscoped("test").filter(patient=cast.zhang).order_by("created_at", "pk")[0]


def test_a_test_message_goes_to_exactly_this_number_and_twice_is_once(cast, stay):
    other = patients.add_contact_point(
        patient=cast.zhang, number="13900000001", source="discharge", at=timezone.now(), by=cast.as_zhao
    )
    at = timezone.now()
    first = actions.send_number_check(contact_point=other, at=at, by=cast.as_zhao)
    again = actions.send_number_check(contact_point=other, at=at, by=cast.as_zhao)
    assert (first.contact_point_id, first.address) == (other.pk, other.value)
    assert first.state == "queued", first.reason
    assert again.pk == first.pk


def test_the_code_read_out_proves_the_number(cast, stay):
    point, at = point_of(cast), timezone.now()
    message = actions.send_number_check(contact_point=point, at=at, by=cast.as_zhao)
    code = one_time_code(message.pk, settings.SECRET_KEY)
    actions.confirm_number(contact_point=point, communication_id=message.pk, typed=code, at=at, by=cast.as_zhao)
    point.refresh_from_db()
    assert (point.verified_how, point.verified_by_id) == ("sms-code", cast.zhao.pk)


@pytest.mark.parametrize("minutes", [11, 600])
def test_an_old_code_proves_nothing(cast, stay, minutes):
    point, at = point_of(cast), timezone.now()
    message = actions.send_number_check(contact_point=point, at=at, by=cast.as_zhao)
    code = one_time_code(message.pk, settings.SECRET_KEY)
    with pytest.raises(actions.CodeWrong):
        actions.confirm_number(
            contact_point=point,
            communication_id=message.pk,
            typed=code,
            at=at + timedelta(minutes=minutes),
            by=cast.as_zhao,
        )
    point.refresh_from_db()
    assert point.verified_at is None


def test_the_code_of_another_number_proves_nothing(cast, stay):
    at = timezone.now()
    other = patients.add_contact_point(patient=cast.zhang, number="13900000001", source="x", at=at, by=cast.as_zhao)
    message = actions.send_number_check(contact_point=other, at=at, by=cast.as_zhao)
    code = one_time_code(message.pk, settings.SECRET_KEY)
    with pytest.raises(actions.CodeWrong):
        actions.confirm_number(
            contact_point=point_of(cast), communication_id=message.pk, typed=code, at=at, by=cast.as_zhao
        )


def test_who_knows_the_diagnosis_is_kept_with_a_fact(cast, stay):
    point = point_of(cast)
    for knows in (False, True, None):
        patients.note_knowledge(contact_point=point, knows_condition=knows, by=cast.as_zhao)
        point.refresh_from_db()
        assert point.knows_condition is knows
    assert facts("patients.ContactPointChanged") == 3


# ---- the plan to the patient ----


def test_the_plan_goes_out_as_a_link_to_the_patient_pages(cast, stay):
    sent = actions.send_plan(encounter=stay, at=timezone.now(), by=cast.as_zhao)
    link = AccessLink.objects.unscoped("test").get(pk=sent.link_id)
    assert (sent.template_code, sent.state, sent.reason, link.purpose) == ("plan-link", "queued", "", "home")
    assert Communication.objects.unscoped("test").filter(template_code="plan-link").count() == 1


def test_who_refused_messages_gets_no_link(cast, stay):
    patients.set_consent(
        patient=cast.zhang, scope="contact-sms", decision="deny", how="staff", at=timezone.now(), by=cast.as_zhao
    )
    assert actions.send_plan(encounter=stay, at=timezone.now(), by=cast.as_zhao).state == "suppressed"


@pytest.mark.django_db(transaction=True)
def test_two_doctors_confirm_at_once_and_one_plan_starts():
    cast = make_cast()
    load_content()
    for definition in PlanDefinition.objects.enrolling():
        plans.switch_enrolment(definition=definition, enrols=False, by=cast.as_sun)
    stay = left_hospital(cast)
    definition = Scene(cast).definition("pci-12-months")
    viewers = [cast.as_zhao, cast.as_wang] * 3
    gate, faults = threading.Barrier(len(viewers)), []

    def press(viewer):
        try:
            gate.wait(10)
            actions.confirm_discharge(encounter=stay, definition=definition, at=timezone.now(), by=viewer)
        except Exception as error:  # the main thread reports it
            faults.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press, args=[viewer]) for viewer in viewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert CarePlan.objects.unscoped("test").filter(encounter=stay).count() == 1
    assert reviews(stay) == [("confirmed", True)]

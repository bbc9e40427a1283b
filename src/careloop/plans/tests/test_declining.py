"""No follow-up after this discharge: the mark holds against whatever comes later, and one decision is kept of every discharge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from careloop.audit.models import AuditEvent
from careloop.patients.models import Encounter
from careloop.plans import actions
from careloop.plans.models import CarePlan, EnrolmentDecision, FollowUpDecline
from careloop.plans.reads import facts, wording
from careloop.plans.rules.enrolment import Diagnosis, DischargeFacts, Outcome, choose
from careloop.plans.tests.factories import Scene, a_plan, raw_plan, raw_step
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CHEST = {"diagnoses": {"any": ["I21"]}}


@pytest.fixture
def scene(cast: Cast) -> Scene:
    actions.publish_plan(raw=raw_plan("heart", raw_step("a", "3"), enrolment=CHEST), enrols=True, at=AT, by=SYSTEM)
    return Scene(cast)


@pytest.fixture
def bare(scene: Scene) -> Encounter:
    """A discharge that fits no plan as long as its codes are missing."""
    return scene.discharge(patient=scene.new_patient(), diagnosis="S72.0")


def enrol(stay: Encounter, at: datetime = AT) -> int:
    return actions.enrol_discharges(encounter_ids=[stay.pk], at=at, by=SYSTEM)


def decline(stay: Encounter, reason: str = "recovered", at: datetime = AT) -> FollowUpDecline:
    return actions.decline_plans(encounter=stay, reason=reason, at=at, by=SYSTEM)


def take_back(stay: Encounter, at: datetime = AT + DAY) -> int:
    return actions.take_up_declined(encounter=stay, at=at, by=SYSTEM)


def decision(stay: Encounter) -> EnrolmentDecision:
    return EnrolmentDecision.objects.unscoped("test").get(encounter=stay)  # exactly one


def plans(stay: Encounter) -> list[str]:
    rows = CarePlan.objects.unscoped("test").filter(encounter=stay).order_by("started_at", "pk")
    return list(rows.values_list("status", flat=True))


def facts_told(name: str) -> int:
    return AuditEvent.objects.filter(name=f"plans.{name}").count()


def test_the_mark_says_who_when_and_why(scene: Scene, bare: Encounter) -> None:
    by = scene.cast.as_zhao
    mark = actions.decline_plans(encounter=bare, reason="other-hospital", at=AT, by=by)
    assert (mark.reason, mark.declined_at, mark.declined_by_id) == ("other-hospital", AT, scene.cast.zhao.pk)
    assert (mark.encounter_id, mark.cycle, mark.taken_back_at) == (bare.pk, 1, None)
    assert facts_told("FollowUpDeclined") == 1


def test_codes_that_come_late_start_nothing(scene: Scene, bare: Encounter) -> None:
    enrol(bare)
    decline(bare)
    scene.diagnose(bare, "I21.0")
    assert enrol(bare, at=AT + DAY) == 0
    assert plans(bare) == []
    assert decision(bare).outcome == "declined"


def test_a_discharge_declined_before_it_was_judged_is_judged_once(scene: Scene, bare: Encounter) -> None:
    scene.diagnose(bare, "I21.0")
    decline(bare)
    assert (decision(bare).outcome, decision(bare).plans, decision(bare).times_decided) == ("declined", 0, 1)
    assert enrol(bare) == 0
    assert decision(bare).times_decided == 1


def test_what_the_rules_would_have_done_is_told_all_the_same(scene: Scene, bare: Encounter) -> None:
    scene.diagnose(bare, "I21.0")
    decline(bare)
    (told,) = decision(bare).explanation
    assert told["fits"]


def test_running_plans_end_and_go_on_again(scene: Scene) -> None:
    stay = scene.discharge(patient=scene.new_patient(), diagnosis="I21.0")
    enrol(stay)
    assert decision(stay).outcome == "enrolled"
    decline(stay)
    assert plans(stay) == ["revoked"]
    assert (decision(stay).outcome, decision(stay).plans) == ("declined", 0)
    assert not Task.objects.unscoped("test").open().exists()
    assert take_back(stay) == 1
    assert plans(stay) == ["active"]
    assert (decision(stay).outcome, decision(stay).plans) == ("enrolled", 1)
    assert Task.objects.unscoped("test").open().count() == 1


def test_taken_back_the_late_codes_count(scene: Scene, bare: Encounter) -> None:
    decline(bare)
    scene.diagnose(bare, "I21.0")
    enrol(bare)
    assert take_back(bare) == 0  # nothing was running before
    assert plans(bare) == ["active"]
    assert decision(bare).outcome == "enrolled"
    mark = FollowUpDecline.objects.unscoped("test").get()
    assert mark.taken_back_at == AT + DAY
    assert facts_told("FollowUpDeclineTakenBack") == 1


def test_taking_back_what_is_not_there_does_nothing(scene: Scene, bare: Encounter) -> None:
    assert take_back(bare) == 0
    decline(bare)
    take_back(bare)
    assert take_back(bare) == 0
    assert facts_told("FollowUpDeclineTakenBack") == 1


def test_declining_twice_keeps_the_first_word(scene: Scene, bare: Encounter) -> None:
    first = decline(bare, "recovered")
    second = decline(bare, "other-hospital", at=AT + DAY)
    assert (second.pk, second.reason, second.declined_at) == (first.pk, "recovered", AT)
    assert facts_told("FollowUpDeclined") == 1


def test_declined_taken_back_and_declined_again_keeps_all_of_it(scene: Scene, bare: Encounter) -> None:
    for n in range(3):
        decline(bare, at=AT + n * DAY)
        take_back(bare, at=AT + n * DAY)
    decline(bare, at=AT + 4 * DAY)
    marks = FollowUpDecline.objects.unscoped("test").filter(encounter=bare)
    assert (marks.count(), marks.filter(taken_back_at=None).count()) == (4, 1)
    assert decision(bare).outcome == "declined"


def test_a_plan_does_not_slip_in_by_hand(scene: Scene, bare: Encounter) -> None:
    decline(bare)
    definition = scene.definition("heart")
    with pytest.raises(actions.FollowUpWasDeclined):
        actions.start_care_plan(encounter=bare, definition=definition, at=AT, by=SYSTEM)
    with pytest.raises(actions.FollowUpWasDeclined):
        actions.choose_plan(encounter=bare, definition=definition, instead_of=None, at=AT, by=SYSTEM)
    take_back(bare)
    assert actions.start_care_plan(encounter=bare, definition=definition, at=AT, by=SYSTEM).is_active


def test_another_discharge_of_the_patient_is_not_declined(scene: Scene) -> None:
    patient = scene.new_patient()
    decline(scene.discharge(patient=patient, diagnosis="I21.0"))
    again = scene.discharge(patient=patient, diagnosis="I21.0", at=AT + 30 * DAY)
    assert enrol(again, at=AT + 30 * DAY) == 1
    assert decision(again).outcome == "enrolled"


def test_a_second_discharge_of_the_same_stay_is_asked_again(scene: Scene) -> None:
    stay = scene.discharge(patient=scene.new_patient(), diagnosis="I21.0")
    decline(stay)
    scene.change(stay, discharge_cycle=2, discharged_at=AT + 2 * DAY)
    assert enrol(stay, at=AT + 2 * DAY) == 1
    told = EnrolmentDecision.objects.unscoped("test").filter(encounter=stay).values_list("cycle", "outcome")
    assert set(told) == {(1, "declined"), (2, "enrolled")}


def test_a_plan_of_an_earlier_stay_goes_on_when_the_readmission_is_declined(scene: Scene) -> None:
    patient = scene.new_patient()
    first = scene.discharge(patient=patient, diagnosis="I21.0")
    enrol(first)
    second = scene.admit(patient, at=AT + DAY)
    actions.pause_for_readmission(encounter_id=second.pk, at=AT + DAY, by=SYSTEM)
    scene.discharge(patient=patient, diagnosis="S72.0", at=AT + 2 * DAY)
    decline(second, at=AT + 2 * DAY)
    assert plans(first) == ["active"]
    assert decision(second).outcome == "declined"


@pytest.mark.parametrize("reason", ["", " ", "\t\n"])
def test_no_reason_no_mark(scene: Scene, bare: Encounter, reason: str) -> None:
    with pytest.raises(actions.DeclineNeedsReason):
        decline(bare, reason)
    assert not FollowUpDecline.objects.unscoped("test").exists()


def test_a_reason_as_long_as_a_letter_is_cut(bare: Encounter) -> None:
    assert decline(bare, "原因" * 100).reason == "原因" * 20


@pytest.mark.parametrize("status", ["in-progress", "cancelled"])
def test_a_stay_without_discharge_cannot_be_declined(scene: Scene, bare: Encounter, status: str) -> None:
    scene.change(bare, status=status)
    with pytest.raises(actions.NotDischarged):
        decline(bare)


def test_another_department_cannot_decline_or_take_back(scene: Scene, bare: Encounter) -> None:
    li = scene.cast.viewer(scene.cast.li)
    with pytest.raises(actions.NotDischarged):
        actions.decline_plans(encounter=bare, reason="recovered", at=AT, by=li)
    decline(bare)
    assert actions.take_up_declined(encounter=bare, at=AT, by=li) == 0
    assert decision(bare).outcome == "declined"


def died(scene: Scene, stay: Encounter) -> None:
    scene.change(stay.patient, deceased=True)


def refused(scene: Scene, stay: Encounter) -> None:
    scene.change(stay.patient, do_not_contact=True)


@pytest.mark.parametrize(("happened", "outcome"), [(died, "died"), (refused, "refused")])
def test_a_harder_reason_is_told_before_the_decline(
    scene: Scene, bare: Encounter, happened: Callable[[Scene, Encounter], None], outcome: str
) -> None:
    decline(bare)
    happened(scene, bare)
    enrol(bare, at=AT + DAY)
    assert decision(bare).outcome == outcome


def test_the_rule_itself() -> None:
    plan = a_plan("x", enrolment=CHEST)
    told = DischargeFacts(AT.date(), diagnoses=(Diagnosis("I21.0", is_main=True),), is_declined=True)
    choice = choose([plan], told, today=AT.date())
    assert (choice.outcome, choice.taken) == (Outcome.DECLINED, ())
    assert [match.fits for match in choice.matches] == [True]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_but_the_open_one_has_words(outcome: Outcome) -> None:
    if outcome is not Outcome.NOT_FINISHED:
        assert wording.outcome_words(outcome.value) != outcome.value


def test_marks_are_read_for_many_discharges_at_once(scene: Scene, django_assert_num_queries) -> None:
    stays = [scene.discharge(patient=scene.new_patient(), diagnosis="S72.0") for _n in range(4)]
    for stay in stays[:2]:
        decline(stay)
    with django_assert_num_queries(4):
        found = facts.stays([stay.pk for stay in stays])
    assert sorted(one.is_declined for one in found) == [False, False, True, True]

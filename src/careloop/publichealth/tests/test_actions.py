"""Visits, clocks and episodes as real work: once, in time, explained, and stopped when it must stop."""

import copy
import json
import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients import actions as patients
from careloop.publichealth import actions, jobs
from careloop.publichealth.models import EpisodeOfCare, ProgrammeClock, ProgrammeVisit, RulePack
from careloop.publichealth.reads import packs
from careloop.publichealth.tests.factories import (
    BP,
    CLOSING,
    HTN,
    REFERRAL,
    TB,
    TB_CLOSING,
    TB_FIRST,
    answered,
    day,
    pack_content,
    publish_all,
    visited,
)
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import Questionnaire
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db
HIGH = {"sbp": 152}
FIRST, SECOND = day("2026-10-05"), day("2026-10-19")


@pytest.fixture
def world(cast):
    publish_all()
    return cast


def clocks(**given):
    return list(ProgrammeClock.objects.unscoped("test").filter(**given).order_by("due_on", "kind"))


def work():
    return list(Task.objects.unscoped("test").filter(key__startswith="publichealth").order_by("due_at", "key"))


def episode(**given):
    return EpisodeOfCare.objects.unscoped("test").get(**given)


def facts(name):
    return AuditEvent.objects.filter(name=name).count()


# --- the pack --------------------------------------------------------------------------------------------------


def test_the_shipped_pack_is_published_once(world):
    assert RulePack.objects.count() == 1
    assert actions.load_shipped_pack(at=NOW, by=SYSTEM) is None
    again = actions.publish_pack(content=packs.shipped_pack(), scenes=packs.shipped_scenes(), at=NOW, by=SYSTEM)
    assert RulePack.objects.get() == again


def test_a_version_is_immutable_in_the_action_and_in_the_database(world):
    with pytest.raises(actions.PackVersionTaken):
        actions.publish_pack(content=pack_content(verified=True), scenes=[], at=NOW, by=SYSTEM)
    row = RulePack.objects.get()
    for change in ({"content": {}}, {"version": "x"}, {"valid_from": "2020-01-01"}):
        with pytest.raises(IntegrityError), transaction.atomic(), seeding():
            RulePack.objects.filter(pk=row.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        RulePack.objects.filter(pk=row.pk).delete()


@pytest.mark.parametrize(
    "change", [{"valid_from": "never"}, {"programmes": []}, {"version": "2", "data_elements": {"forms": {}}}]
)
def test_a_bad_pack_is_refused_with_reasons_and_nothing_is_kept(world, change):
    content = pack_content(version="2") | change
    if change == {"programmes": []}:
        content["programmes"] = [{"code": "x"}]
    with pytest.raises(actions.BadRulePack) as refused:
        actions.publish_pack(content=content, scenes=[], at=NOW, by=SYSTEM)
    assert str(refused.value)
    assert RulePack.objects.count() == 1


def test_a_pack_whose_vectors_come_out_differently_is_refused(world):
    scenes = copy.deepcopy(list(packs.shipped_scenes()))
    scenes[0]["visits"][0]["expect"]["class"] = "4"
    with pytest.raises(actions.BadRulePack, match="class should be '4'"):
        actions.publish_pack(content=pack_content(version="2"), scenes=scenes, at=NOW, by=SYSTEM)


# --- versions in time ------------------------------------------------------------------------------------------


def test_a_record_of_last_year_is_judged_by_last_years_pack(world):
    """Three months became two in the pack of 2026; a visit of 2025 taken up today still gets the old window."""
    content = pack_content(version="2026-test", valid_from="2026-01-01")
    content["programmes"][0]["clocks"]["recheck"]["window_days"] = 9
    actions.publish_pack(content=content, scenes=[], at=NOW, by=SYSTEM)
    assert packs.pack_on(day("2025-12-31").date()).version == "3-2017.2"
    assert packs.pack_on(day("2026-01-01").date()).version == "2026-test"
    assert packs.pack_on(day("2016-01-01").date()) is None
    assert visited(world, values=HIGH, at=day("2025-12-30")).pack_version == "3-2017.2"
    other = make_patient(world)
    assert visited(world, values=HIGH, at=day("2026-01-05"), patient=other).pack_version == "2026-test"
    opened = {
        task.patient_id: (timezone.localtime(task.due_at).date() - timezone.localtime(task.available_at).date()).days
        for task in work()
    }
    assert opened == {world.zhang.pk: 4, other.pk: 9}


def test_answers_keep_the_class_of_the_form_version_they_were_given_to(world):
    before = visited(world, values={"sbp": 139}, at=FIRST)
    stricter = copy.deepcopy(Questionnaire.objects.get(url=HTN).content)
    stricter["version"] = stricter["definition"]["version"] = "9.0"
    text = str(stricter["classification"])
    assert "140" in text
    stricter["classification"]["outcomes"].insert(
        0,
        {
            **stricter["classification"]["outcomes"][4],
            "when": {"item": "sbp", "op": ">=", "value": 130},
            "reason": {"zh": "收缩压 {sbp} ≥ 130", "en": "SBP {sbp} ≥ 130"},
        },
    )
    questionnaires.publish_questionnaire(content=stricter, at=NOW, by=SYSTEM)
    after = visited(world, values={"sbp": 139}, at=SECOND)
    before.refresh_from_db()
    assert (before.class_code, before.canonical) == ("1", f"{HTN}|1.2")
    assert (after.class_code, after.canonical, after.reason["en"]) == ("2", f"{HTN}|9.0", "SBP 139 ≥ 130")


# --- two-week clocks -------------------------------------------------------------------------------------------


def test_the_first_form_begins_the_management_and_tells_the_list(world):
    visit = visited(world, at=FIRST)
    found = episode()
    assert (found.programme, found.status, found.started_how, found.department_id) == (
        "hypertension", "active", "first-form", world.cardiology.pk,
    )  # fmt: skip
    assert (found.control, found.last_class, found.last_visit_on, found.streak) == ("in", "1", visit.visited_on, 0)
    assert found.next_due_on == visit.visited_on + timedelta(days=90)
    assert visit.is_face_to_face
    assert work() == [], "three months ahead nothing is on a list yet"
    assert [clock.kind for clock in clocks()] == ["routine"]


def test_dissatisfied_once_is_a_task_in_two_weeks_that_says_why(world):
    visited(world, values=HIGH, at=FIRST)
    (task,) = work()
    assert timezone.localtime(task.due_at).date() == FIRST.date() + timedelta(days=14)
    assert (task.kind, task.questionnaire_url, task.step_code, task.care_plan_id) == ("follow-up", HTN, "recheck", None)
    assert "152 ≥ 140" in task.step_title
    assert "3-2017.2" in task.step_title
    clock = clocks()[0]
    assert task.focus_id == clock.pk
    assert clock.reason["en"].startswith("Not controlled, because SBP 152 ≥ 140")
    assert episode().control == "out"


def test_dissatisfied_twice_advises_referral_and_checks_it(world):
    visited(world, values=HIGH, at=FIRST)
    second = visited(world, values={"sbp": 146}, at=SECOND)
    assert (second.streak, second.advises_referral) == (2, True)
    running = {clock.kind: clock for clock in clocks(status="running")}
    assert set(running) == {"recheck", "referral-check"}
    assert running["referral-check"].form_url == REFERRAL
    done = clocks(status="done")
    assert [(clock.kind, clock.end_reason) for clock in done] == [("recheck", "visited")]
    assert [task.status for task in work()] == ["cancelled", "requested", "requested"]


def test_taking_up_the_same_answers_again_changes_nothing(world):
    response = answered(world, HTN, {**BP, **HIGH}, at=FIRST)
    event = {"response_id": str(response.pk), "patient_id": str(world.zhang.pk)}
    for _ in range(3):
        jobs.take_up_response.func(event=event)
    assert (ProgrammeVisit.objects.unscoped("test").count(), len(clocks()), len(work())) == (1, 1, 1)
    assert facts("publichealth.VisitJudged") == 1


def test_urgent_has_a_check_of_the_referral_and_shows_on_the_list(world):
    visited(world, values={"sbp": 184}, at=FIRST)
    assert episode().is_urgent
    assert {clock.kind for clock in clocks(status="running")} == {"referral-check", "recheck"}


def test_what_cannot_be_classed_starts_nothing_and_says_what_is_missing(world):
    response = answered(world, HTN, {name: value for name, value in BP.items() if name not in {"sbp", "dbp"}}, at=FIRST)
    visit = actions.take_up_response(response_id=response.pk, at=FIRST, by=SYSTEM)
    assert (visit.class_code, visit.missing, visit.in_target) == ("", ["sbp", "dbp"], None)
    assert episode().control == "unknown"
    assert clocks() == []


def test_the_referral_check_answers_its_clock_only(world):
    visited(world, values={"sbp": 184}, at=FIRST)
    response = answered(world, REFERRAL, {"went": "yes", "result": "adjusted"}, at=SECOND)
    assert actions.take_up_response(response_id=response.pk, at=SECOND, by=SYSTEM) is None
    assert {clock.kind: clock.status for clock in clocks()} == {"referral-check": "done", "recheck": "running"}
    assert ProgrammeVisit.objects.unscoped("test").count() == 1


def test_the_task_at_which_the_form_is_answered_ends_with_its_own_call(world):
    visited(world, values=HIGH, at=FIRST)
    (task,) = work()
    visited(world, at=SECOND, task_id=task.pk)
    task.refresh_from_db()
    assert task.status == "requested"
    assert clocks(kind="recheck")[0].status == "done"
    tasks.complete_task(task=task, outcome="reached-patient", at=SECOND, by=SYSTEM)
    jobs.settle_clock.func(
        event={"task_id": str(task.pk), "outcome": "reached-patient", "patient_id": str(world.zhang.pk)}
    )
    assert [clock.status for clock in clocks(kind="recheck")] == ["done"]


def test_a_late_record_of_an_older_visit_counts_but_starts_no_clock(world):
    visited(world, at=SECOND)
    late = visited(world, values=HIGH, at=FIRST)
    assert late.in_target is False
    found = episode()
    assert (found.control, found.last_visit_on, found.streak) == ("in", SECOND.date(), 0)
    assert [clock.kind for clock in clocks(status="running")] == ["routine"]


def test_another_form_is_none_of_our_business(world):
    publish_all("nrs-pain")
    response = answered(world, "https://careloop.org/Questionnaire/nrs-pain", {"pain": 2}, at=FIRST)
    assert actions.take_up_response(response_id=response.pk, at=FIRST, by=SYSTEM) is None
    assert not EpisodeOfCare.objects.unscoped("test").exists()


# --- just in time ----------------------------------------------------------------------------------------------


def test_the_regular_visit_comes_onto_the_list_when_its_window_opens_and_only_once(world):
    visited(world, at=FIRST)
    due = episode().next_due_on
    for before, expected in ((15, 0), (14, 1), (13, 1), (0, 1)):
        actions.open_due_clocks(at=day((due - timedelta(days=before)).isoformat()), by=SYSTEM)
        assert len(work()) == expected
    assert work()[0].questionnaire_url == HTN


def test_a_plans_own_contact_with_the_same_form_is_not_doubled(world):
    visited(world, at=FIRST)
    due = day(episode().next_due_on.isoformat())
    make_task(world, questionnaire_url=HTN, available_at=due - timedelta(days=3), due_at=due)
    assert actions.open_due_clocks(at=due, by=SYSTEM) == 0
    assert work() == []


def test_nobody_who_died_unnoticed_is_called(world):
    visited(world, at=FIRST)
    with seeding():
        world.zhang.deceased = True
        world.zhang.save()
    actions.open_due_clocks(at=day(episode().next_due_on.isoformat()), by=SYSTEM)
    assert work() == []
    assert [(clock.status, clock.end_reason) for clock in clocks()] == [("stopped", "death")]


def test_the_nightly_job_reads_its_time_from_the_schedule(world):
    visited(world, at=FIRST)
    jobs.open_due_clocks.func(timestamp=int(day(episode().next_due_on.isoformat()).timestamp()))
    assert len(work()) == 1


# --- how it stops ----------------------------------------------------------------------------------------------


def test_death_ends_the_programme_and_its_work_and_a_mistake_is_taken_back(world):
    visited(world, values=HIGH, at=FIRST)
    event = {"patient_id": str(world.zhang.pk)}
    jobs.stop_for_death.func(event=event)
    jobs.stop_for_death.func(event=event)
    assert (episode().status, episode().end_reason, episode().next_due_on) == ("finished", "death", None)
    assert [task.status for task in work()] == ["cancelled"]
    assert facts("publichealth.ManagementEnded") == 1
    jobs.resume_after_mistake.func(event=event)
    jobs.resume_after_mistake.func(event=event)
    assert episode().status == "active"
    assert [task.status for task in work()] == ["cancelled", "requested"]
    assert [clock.due_on for clock in clocks(status="running")] == [FIRST.date() + timedelta(days=14)]


@pytest.mark.parametrize(("outcome", "reason"), [("moved", "moved"), ("transferred", "transferred"), ("died", "death")])
def test_who_moved_or_was_transferred_leaves_the_programme(world, outcome, reason):
    visited(world, values=HIGH, at=FIRST)
    (task,) = work()
    jobs.settle_clock.func(event={"task_id": str(task.pk), "outcome": outcome, "patient_id": str(world.zhang.pk)})
    assert (episode().status, episode().end_reason) == ("finished", reason)
    assert clocks(status="running") == []


@pytest.mark.parametrize(
    ("outcome", "status"), [("refused", "stopped"), ("reached-patient", "done"), ("lapsed", "stopped")]
)
def test_other_ends_of_the_task_end_its_clock_only(world, outcome, status):
    visited(world, values=HIGH, at=FIRST)
    (task,) = work()
    jobs.settle_clock.func(event={"task_id": str(task.pk), "reason": outcome, "patient_id": str(world.zhang.pk)})
    assert clocks()[0].status == status
    assert episode().status == "active"


def test_the_end_of_any_other_task_is_none_of_our_business(world):
    visited(world, values=HIGH, at=FIRST)
    other = make_task(world)
    jobs.settle_clock.func(event={"task_id": str(other.pk), "outcome": "moved", "patient_id": str(world.zhang.pk)})
    assert episode().status == "active"


def test_ending_by_hand_needs_a_reason_once(world):
    visited(world, values=HIGH, at=FIRST)
    with pytest.raises(actions.UnknownEnding):
        actions.end_episode(episode=episode(), reason="bored", at=SECOND, by=world.as_wang)
    actions.end_episode(episode=episode(), reason="moved", at=SECOND, by=world.as_wang)
    with pytest.raises(actions.EpisodeClosed):
        actions.end_episode(episode=episode(), reason="moved", at=SECOND, by=world.as_wang)
    assert [task.status for task in work()] == ["cancelled"]


def test_a_nurse_of_another_department_ends_nothing(world):
    visited(world, values=HIGH, at=FIRST)
    with pytest.raises(actions.EpisodeClosed):
        actions.end_episode(episode=episode(), reason="moved", at=SECOND, by=world.as_li)
    assert episode().status == "active"


def test_a_new_form_after_the_end_begins_a_new_episode(world):
    visited(world, at=FIRST)
    actions.end_episode(episode=episode(), reason="moved", at=FIRST, by=world.as_wang)
    visited(world, at=SECOND)
    assert sorted(EpisodeOfCare.objects.unscoped("test").values_list("status", flat=True)) == ["active", "finished"]


def test_a_form_of_somebody_known_to_be_dead_is_kept_without_work(world):
    with seeding():
        world.zhang.deceased = True
        world.zhang.save()
    visited(world, values=HIGH, at=FIRST)
    assert (episode().status, episode().end_reason) == ("finished", "death")
    assert clocks(status="running") == []


# --- corrections -----------------------------------------------------------------------------------------------


def test_corrected_answers_replace_the_visit_and_its_clocks_on_its_own_day(world):
    response = answered(world, HTN, {**BP, **HIGH}, at=FIRST)
    first = actions.take_up_response(response_id=response.pk, at=FIRST, by=SYSTEM)
    new = questionnaires.amend_response(response=response, answers={"sbp": 132}, at=SECOND, by=world.as_wang)
    jobs.take_up_response.func(event={"response_id": str(new.pk), "patient_id": str(world.zhang.pk)})
    first.refresh_from_db()
    assert first.status == "replaced"
    (current,) = ProgrammeVisit.objects.unscoped("test").filter(status="current")
    assert (current.visited_on, current.class_code, current.episode_id) == (FIRST.date(), "1", first.episode_id)
    assert [(c.kind, c.status, c.end_reason) for c in clocks()] == [
        ("recheck", "stopped", "visit-replaced"),
        ("routine", "running", ""),
    ]
    assert [task.status for task in work()] == ["cancelled"]
    assert episode().control == "in"


def test_answers_entered_in_error_give_the_word_back_to_the_visit_before(world):
    visited(world, values=HIGH, at=FIRST)
    response = answered(world, HTN, BP, at=SECOND)
    actions.take_up_response(response_id=response.pk, at=SECOND, by=SYSTEM)
    questionnaires.mark_entered_in_error(response=response, by=SYSTEM)
    for _ in range(2):
        jobs.withdraw_visit.func(event={"response_id": str(response.pk), "patient_id": str(world.zhang.pk)})
    found = episode()
    assert (found.control, found.last_visit_on, found.next_due_on) == (
        "out",
        FIRST.date(),
        FIRST.date() + timedelta(days=14),
    )
    assert sorted((c.kind, c.status, c.end_reason) for c in clocks()) == [
        ("recheck", "running", ""), ("recheck", "stopped", "visit-error"), ("routine", "stopped", "visit-error"),
    ]  # fmt: skip
    assert len({clock.key for clock in clocks()}) == 3


def test_a_correction_of_an_older_visit_leaves_the_clock_of_the_newest_alone(world):
    old = answered(world, HTN, {**BP, **HIGH}, at=FIRST)
    actions.take_up_response(response_id=old.pk, at=FIRST, by=SYSTEM)
    newest = visited(world, values={"sbp": 146}, at=SECOND)
    before = [(c.kind, c.status, c.key, c.due_on) for c in clocks()]
    asked = [task.pk for task in work() if task.status == "requested"]
    new = questionnaires.amend_response(
        response=old, answers={"sbp": 131}, at=SECOND + timedelta(days=1), by=world.as_wang
    )
    jobs.take_up_response.func(event={"response_id": str(new.pk), "patient_id": str(world.zhang.pk)})
    assert [(c.kind, c.status, c.key, c.due_on) for c in clocks()] == before
    assert [task.pk for task in work() if task.status == "requested"] == asked
    newest.refresh_from_db()
    assert (newest.streak, episode().streak, episode().last_visit_on) == (1, 1, SECOND.date())


@pytest.mark.parametrize("late_by", [0, 1, 30])
def test_a_clock_is_kept_on_the_day_of_the_visit_whenever_the_job_runs(world, late_by):
    visited(world, values=HIGH, at=FIRST)
    response = answered(world, HTN, BP, at=SECOND)
    actions.take_up_response(response_id=response.pk, at=SECOND + timedelta(days=late_by), by=SYSTEM)
    (recheck,) = clocks(kind="recheck")
    assert (recheck.status, recheck.ended_at) == ("done", SECOND)
    assert timezone.localdate(recheck.ended_at) <= recheck.due_on


def test_a_closing_form_entered_in_error_lets_the_course_run_on(world):
    register(world)
    visited(world, TB_FIRST, TB, at=FIRST + timedelta(days=1))
    waiting = [(clock.kind, clock.due_on) for clock in clocks(status="running")]
    response = answered(world, TB_CLOSING, CLOSING, at=SECOND)
    actions.take_up_response(response_id=response.pk, at=SECOND, by=SYSTEM)
    assert (episode().status, clocks(status="running")) == ("finished", [])
    questionnaires.mark_entered_in_error(response=response, by=SYSTEM)
    for _ in range(2):
        jobs.withdraw_visit.func(event={"response_id": str(response.pk), "patient_id": str(world.zhang.pk)})
    found = episode()
    assert (found.status, found.ended_at, found.end_reason) == ("active", None, "")
    assert [(clock.kind, clock.due_on) for clock in clocks(status="running")] == waiting
    assert (found.next_due_on, found.last_visit_on) == (waiting[0][1], FIRST.date() + timedelta(days=1))
    assert facts("publichealth.ManagementResumed") == 1


def test_a_closing_form_entered_in_error_after_a_new_course_began_resumes_nothing(world):
    register(world)
    response = answered(world, TB_CLOSING, CLOSING, at=FIRST + timedelta(hours=2))
    actions.take_up_response(response_id=response.pk, at=FIRST + timedelta(hours=2), by=SYSTEM)
    register(world)
    questionnaires.mark_entered_in_error(response=response, by=SYSTEM)
    assert actions.withdraw_visit(response_id=response.pk, at=SECOND, by=SYSTEM)
    assert EpisodeOfCare.objects.unscoped("test").filter(status="active").count() == 1


def test_withdrawing_the_only_visit_leaves_the_patient_managed_without_a_result(world):
    response = answered(world, HTN, BP, at=FIRST)
    actions.take_up_response(response_id=response.pk, at=FIRST, by=SYSTEM)
    questionnaires.mark_entered_in_error(response=response, by=SYSTEM)
    assert actions.withdraw_visit(response_id=response.pk, at=SECOND, by=SYSTEM)
    found = episode()
    assert (found.status, found.control, found.last_visit_on, found.next_due_on) == ("active", "", None, None)


# --- registration and tuberculosis -----------------------------------------------------------------------------


def register(world, programme="tuberculosis", *, notice=FIRST, on=FIRST, patient=None, by=None):
    return actions.register_patient(
        patient=patient or world.zhang, programme=programme, department_id=world.cardiology.pk, started_on=on.date(),
        noticed_at=notice, at=FIRST + timedelta(hours=1), by=by or world.as_wang,
    )  # fmt: skip


def test_a_notice_starts_seventy_two_hours(world):
    register(world)
    (clock,) = clocks()
    assert (clock.kind, clock.due_at) == ("first-visit", FIRST + timedelta(hours=72))
    (task,) = work()
    assert (task.due_at, task.questionnaire_url) == (FIRST + timedelta(hours=72), TB_FIRST)
    assert "72" in task.step_title
    visited(world, TB_FIRST, TB, at=FIRST + timedelta(days=1))
    assert [(c.kind, c.status) for c in clocks()] == [("first-visit", "done"), ("routine", "running")]
    assert clocks(kind="routine")[0].due_on == FIRST.date() + timedelta(days=11)


def test_two_misses_are_reported_upward_once(world):
    register(world)
    (task,) = work()
    for number in range(1, 4):
        tasks.record_attempt(
            task=task, contact_point_id=None, outcome="no-answer", at=FIRST + timedelta(hours=number), by=world.as_wang
        )
        jobs.count_misses.func(event={"task_id": str(task.pk)})
        assert Task.objects.unscoped("test").filter(step_code="report-upward").count() == (1 if number >= 2 else 0)
    assert facts("publichealth.FirstVisitMissed") == 1


def test_misses_of_an_ordinary_task_are_not_reported(world):
    task = make_task(world)
    tasks.record_attempt(task=task, contact_point_id=None, outcome="no-answer", at=NOW, by=world.as_wang)
    jobs.count_misses.func(event={"task_id": str(task.pk)})
    assert not Task.objects.unscoped("test").filter(step_code="report-upward").exists()


@pytest.mark.parametrize(("taken", "regular"), [(162, True), (161, False)])
def test_the_closing_form_ends_the_course_with_its_dose_rate(world, taken, regular):
    register(world)
    visit = visited(world, TB_CLOSING, {**CLOSING, "doses-taken": taken}, at=day("2026-11-01"))
    assert visit.in_target is regular
    assert visit.derived["dose-rate"] == pytest.approx(taken / 1.8, abs=0.1)
    assert (episode().status, episode().end_reason) == ("finished", "course-closed")
    assert clocks(status="running") == []


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"programme": "gout"}, actions.UnknownProgramme),
        ({"notice": None}, actions.BadRegistration),
        ({"notice": FIRST + timedelta(days=2)}, actions.BadRegistration),
        ({"on": FIRST + timedelta(days=2)}, actions.BadRegistration),
    ],
)
def test_an_impossible_registration_is_refused(world, given, refusal):
    with pytest.raises(refusal):
        register(world, **given)
    assert not EpisodeOfCare.objects.unscoped("test").exists()


def test_nobody_is_managed_twice_dead_too_young_or_by_a_stranger(world):
    register(world)
    with pytest.raises(actions.AlreadyManaged):
        register(world)
    with pytest.raises(actions.BadRegistration):
        register(world, by=world.as_li)
    child = make_patient(world)
    with seeding():
        child.birth_date = "1990-01-01"
        child.save()
    with pytest.raises(actions.BadRegistration):
        register(world, "elderly", notice=None, patient=child)
    with seeding():
        child.deceased = True
        child.save()
    with pytest.raises(actions.BadRegistration):
        register(world, "hypertension", notice=None, patient=child)
    assert register(world, "elderly", notice=None).programme == "elderly"


# --- merging ---------------------------------------------------------------------------------------------------


def test_programmes_follow_a_merge_and_its_undoing(world):
    other = make_patient(world)
    visited(world, at=FIRST)
    visited(world, values=HIGH, at=SECOND, patient=other)
    merge = patients.merge_patients(survivor=world.zhang, gone=other, source="test", at=SECOND, by=SYSTEM)
    event = {"survivor_id": str(world.zhang.pk), "gone_id": str(other.pk), "patient_id": str(world.zhang.pk)}
    jobs.realign_after_merge.func(event=event)
    kept = episode(patient=world.zhang, status="active")
    assert ProgrammeVisit.objects.unscoped("test").filter(episode=kept).count() == 2
    assert (kept.control, kept.last_class, kept.last_visit_on, kept.streak) == ("out", "2", SECOND.date(), 1)
    assert kept.next_due_on == SECOND.date() + timedelta(days=14)
    assert not EpisodeOfCare.objects.unscoped("test").filter(patient=other, status="active").exists()
    patients.unmerge_patients(merge=merge, reason="mistake", at=SECOND, by=SYSTEM)
    jobs.realign_after_merge.func(event=event)
    again = EpisodeOfCare.objects.unscoped("test").filter(patient=other, status="active")
    assert ProgrammeVisit.objects.unscoped("test").filter(episode__in=again).count() == 1
    own = episode(patient=world.zhang, status="active")
    assert (own.control, own.last_visit_on, own.streak) == ("in", FIRST.date(), 0)
    assert (again.get().control, again.get().last_visit_on) == ("out", SECOND.date())


# --- races -----------------------------------------------------------------------------------------------------


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_eight_workers_take_up_one_response_once():
    world = make_cast()
    publish_all(
        "hypertension-national",
        "diabetes-national",
        "severe-mental-disorder-national",
        "tuberculosis-first-visit-national",
        "tuberculosis-follow-up-national",
        "tuberculosis-closing-national",
        "elderly-self-care-national",
        "referral-check-national",
    )
    response = answered(world, HTN, {**BP, **HIGH}, at=FIRST)
    faults = []

    def take():
        try:
            actions.take_up_response(response_id=response.pk, at=FIRST, by=SYSTEM)
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert (EpisodeOfCare.objects.unscoped("test").count(), len(clocks()), len(work())) == (1, 1, 1)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_forms_at_once_make_one_episode():
    world = make_cast()
    publish_all()
    other = answered(world, HTN, BP, at=FIRST)
    response = answered(world, HTN, {**BP, **HIGH}, at=SECOND)

    def take(pk):
        actions.take_up_response(response_id=pk, at=SECOND, by=SYSTEM)
        connection.close()

    threads = [threading.Thread(target=take, args=(one.pk,)) for one in (other, response)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert EpisodeOfCare.objects.unscoped("test").get().last_visit_on == SECOND.date()
    assert [clock.kind for clock in clocks(status="running")] == ["recheck"]


# --- updating a hospital that keeps its own forms --------------------------------------------------------------


def own_form(name):
    """The hospital's own version of a shipped form, without one of its questions."""
    content = json.loads((packs.FORMS / f"{name}.json").read_text())
    content["version"] = content["definition"]["version"] = "99"
    content["definition"]["item"] = [
        item for item in content["definition"]["item"] if item["linkId"] not in {"salt-target", "other"}
    ]
    return questionnaires.publish_questionnaire(content=content, at=NOW, by=SYSTEM)


def test_our_pack_and_tables_load_beside_a_hospitals_own_forms(db):
    own_form("hypertension-national")
    own_form("oncology-post-op")
    assert actions.load_shipped_pack(at=NOW, by=SYSTEM) is not None
    assert actions.load_shipped_tables(at=NOW, by=SYSTEM) == 0


def test_a_hospitals_own_pack_is_checked_against_its_own_forms(db):
    publish_all()
    own_form("hypertension-national")
    with pytest.raises(actions.BadRulePack, match="salt-target"):
        actions.publish_pack(content=pack_content(version="mine"), scenes=[], at=NOW, by=SYSTEM)

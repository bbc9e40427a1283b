"""Every write on work: state, recorded facts, twice is harmless, refusals."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint, Patient
from careloop.tasks import actions, reads, rules
from careloop.tasks.actions import weighing
from careloop.tasks.models import ContactAttempt, SavedFilter, Task
from careloop.tasks.rules import HandOut, TaskRequest
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def facts(name):
    return AuditEvent.objects.filter(name=f"tasks.{name}").count()


def asked(cast, key, **given):
    return TaskRequest(
        **{
            "key": key,
            "patient_id": cast.zhang.pk,
            "department_id": cast.cardiology.pk,
            "available_at": NOW,
            "due_at": NOW + DAY,
            **given,
        }  # fmt: skip
    )


def phone(patient):
    return ContactPoint.objects.unscoped("test").filter(patient=patient).order_by("rank").first()


# --- asking ----------------------------------------------------------------------------------------------------------


def test_asking_twice_makes_one_task(cast):
    wanted = [asked(cast, "a", risk="high", questionnaire_url="http://x/q"), asked(cast, "b")]
    assert actions.request_tasks(requests=wanted, by=SYSTEM) == 2
    assert actions.request_tasks(requests=[*wanted, asked(cast, "c")], by=SYSTEM) == 1
    assert actions.request_tasks(requests=wanted, by=SYSTEM) == 0
    assert actions.request_tasks(requests=[], by=SYSTEM) == 0
    task = Task.objects.unscoped("test").get(key="a")
    assert (task.status, task.questionnaire_url, task.priority) == ("requested", "http://x/q", 250)
    assert task.priority_reasons == [{"code": "risk", "points": 250, "params": {"risk": "high"}}]
    assert facts("TasksRequested") == 2


def test_what_tasks_have_in_common_is_told_once_and_each_keeps_its_own(cast):
    """Mixed patients, plans, risks and words longer than their columns: each row holds what was asked for it."""
    with seeding():
        Patient.objects.unscoped("test").filter(pk=cast.ma.pk).update(risk="high")
    plans, stays = [uuid4(), None, uuid4()], [uuid4(), None]
    long = "长" * 300
    wanted = [
        asked(
            cast, f"own:{n}", patient_id=(cast.zhang, cast.ma)[n % 2].pk, care_plan_id=plans[n % 3], encounter_id=stays[n % 2],
            risk=("none", "watch")[n // 2 % 2], plan_title=(long, "\"'{},\\n")[n % 2], step_title=(long, "第 1 天")[n // 2 % 2],
            step_code=f"s{n}", occurrence=n, owner_id=(None, cast.wang.pk)[n % 2], kind=("follow-up", "revisit")[n // 3 % 2],
            due_at=NOW + n * DAY, window_ends_at=(None, NOW + 30 * DAY)[n % 2], discharged_at=(NOW - DAY, None)[n // 4 % 2],
            diagnosis_text=long, focus_id=uuid4(),
        )
        for n in range(12)
    ]  # fmt: skip
    assert actions.request_tasks(requests=[*wanted, wanted[3]], by=SYSTEM) == 12
    own = {cast.zhang.pk: "none", cast.ma.pk: "high"}
    plain = (
        "patient_id", "care_plan_id", "encounter_id", "step_code", "occurrence", "owner_id", "kind", "due_at",
        "window_ends_at", "discharged_at", "focus_id", "department_id", "available_at", "channel",
    )  # fmt: skip
    rows = {row.key: row for row in Task.objects.unscoped("test").filter(key__startswith="own:")}
    for one in wanted:
        row = rows[one.key]
        assert [getattr(row, name) for name in plain] == [getattr(one, name) for name in plain]
        assert row.risk == (own[one.patient_id] if one.risk == "none" else one.risk)
        assert (row.plan_title, row.step_title) == (one.plan_title[:120], one.step_title[:120])
        assert row.diagnosis_text == long[:200]


def test_a_thousand_tasks_are_one_statement(cast, django_assert_max_num_queries):
    wanted = [asked(cast, f"many:{n}") for n in range(1000)]
    with django_assert_max_num_queries(6):  # savepoints, the insert, the fact and its job
        assert actions.request_tasks(requests=wanted, by=SYSTEM) == 1000


# --- ending ----------------------------------------------------------------------------------------------------------


def test_complete(cast):
    task = make_task(cast)
    actions.complete_task(task=task, outcome="reached-patient", at=NOW, by=cast.as_wang)
    task.refresh_from_db()
    assert (task.status, task.outcome, task.ended_at, task.ended_by_id) == (
        "completed", "reached-patient", NOW, cast.wang.pk,
    )  # fmt: skip
    assert facts("TaskCompleted") == 1
    with pytest.raises(actions.TaskNotOpen):
        actions.complete_task(task=task, outcome="reached-patient", at=NOW, by=cast.as_wang)


@pytest.mark.parametrize("outcome", ["no-answer", "nonsense", ""])
def test_complete_needs_a_finishing_outcome(cast, outcome):
    with pytest.raises(actions.UnknownOutcome):
        actions.complete_task(task=make_task(cast), outcome=outcome, at=NOW, by=cast.as_wang)


def test_li_cannot_complete_wangs_task(cast):
    with pytest.raises(actions.TaskNotOpen):
        actions.complete_task(task=make_task(cast), outcome="reached-patient", at=NOW, by=cast.as_li)


def test_a_patient_completes_a_task_online(cast):
    task = make_task(cast)
    actions.complete_task(task=task, outcome="answered-online", at=NOW, by=Viewer.patient(cast.zhang.pk))
    task.refresh_from_db()
    assert (task.status, task.ended_by_id) == ("completed", None)


def test_close_says_why_and_is_harmless_twice(cast):
    ids = [make_task(cast).pk, make_task(cast).pk]
    assert actions.close_tasks(task_ids=ids, reason="patient-died", at=NOW, by=SYSTEM) == 2
    assert actions.close_tasks(task_ids=ids, reason="patient-died", at=NOW, by=SYSTEM) == 0
    assert facts("TaskClosed") == 2
    with pytest.raises(actions.TaskNeedsReason):
        actions.close_tasks(task_ids=ids, reason="", at=NOW, by=SYSTEM)


# --- attempts --------------------------------------------------------------------------------------------------------


def attempt(cast, task, outcome, **given):
    by = given.pop("by", cast.as_wang)
    point = given.pop("point", phone(task.patient))
    return actions.record_attempt(
        task=task,
        contact_point_id=point.pk if point else None,
        outcome=outcome,
        at=given.pop("at", NOW),
        by=by,
        **given,
    )


def test_no_answer_comes_back_in_another_part_of_the_day(cast):
    task = make_task(cast)
    result = attempt(cast, task, "no-answer", note="rang long")
    task.refresh_from_db()
    assert (task.status, task.attempts, task.last_outcome, task.snooze_reason) == (
        "requested", 1, "no-answer", "no-answer",
    )  # fmt: skip
    assert timezone.localtime(task.snoozed_until).hour == 14
    assert result.decision.move == "retry"
    assert result.attempt.note == "rang long"
    assert (facts("AttemptRecorded"), facts("TaskSnoozed")) == (1, 1)
    assert phone(cast.zhang).last_result == "no-answer"


def test_an_empty_number_without_another_asks_a_person(cast):
    task = make_task(cast)
    ContactPoint.objects.unscoped("test")
    result = attempt(cast, task, "empty-number")
    check = Task.objects.unscoped("test").get(kind="contact-check")
    assert result.decision.move == "contact-check"
    assert (check.patient_id, check.focus_id, check.step_code) == (cast.zhang.pk, task.pk, "contact-check")


def test_three_failures_ask_whether_the_patient_is_lost(cast):
    task = make_task(cast)
    for day in range(3):
        result = attempt(cast, task, "no-answer", at=NOW + day * DAY)
    assert result.decision.move == "review"
    assert Task.objects.unscoped("test").filter(kind="contact-check", step_code="review").count() == 1


def test_a_promise_needs_a_time_and_keeps_the_due_date(cast):
    task = make_task(cast)
    with pytest.raises(actions.PromiseNeedsTime):
        attempt(cast, task, "call-later")
    due = task.due_at
    attempt(cast, task, "call-later", promised_at=NOW + DAY)
    task.refresh_from_db()
    assert (task.promised_at, task.due_at, task.status) == (NOW + DAY, due, "requested")
    assert facts("CallPromised") == 1


def test_reaching_the_patient_completes(cast):
    task = make_task(cast)
    attempt(cast, task, "reached-patient")
    task.refresh_from_db()
    assert (task.status, task.outcome, task.attempts) == ("completed", "reached-patient", 1)


def test_refusing_closes_this_one_refusing_for_ever_closes_all(cast):
    first, second = make_task(cast), make_task(cast)
    attempt(cast, first, "refused")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.closed_reason, second.status) == ("cancelled", "refused", "requested")
    attempt(cast, second, "refused-for-ever")
    third = make_task(cast, make_patient(cast))
    second.refresh_from_db()
    assert (second.status, third.status) == ("cancelled", "requested")


def test_an_unknown_outcome_writes_nothing(cast):
    with pytest.raises(actions.UnknownOutcome):
        attempt(cast, make_task(cast), "nonsense")
    assert not ContactAttempt.objects.unscoped("test").exists()


def test_one_call_counts_for_all_tasks_in_hand(cast):
    first, second = make_task(cast, priority=10), make_task(cast)
    actions.claim_next(at=NOW, by=cast.as_wang)
    attempt(cast, first, "no-answer")
    second.refresh_from_db()
    assert second.snoozed_until is not None
    assert second.attempts == 0


@pytest.mark.parametrize("outcome", sorted(rules.OUTCOMES))
def test_undo_puts_everything_back(cast, outcome):
    task, sibling = make_task(cast, priority=10), make_task(cast)
    actions.claim_next(at=NOW, by=cast.as_wang)
    before = [model_state(pk) for pk in (task.pk, sibling.pk)]
    number = ContactPoint.objects.unscoped("test").filter(patient=cast.zhang).values().get()
    result = attempt(cast, task, outcome, promised_at=NOW + DAY)
    actions.undo_attempt(attempt=result.attempt, at=NOW + timedelta(seconds=8), by=cast.as_wang)
    assert [model_state(pk) for pk in (task.pk, sibling.pk)] == before
    number_now = ContactPoint.objects.unscoped("test").filter(patient=cast.zhang).values().get()
    assert {**number_now, "updated_at": None} == {**number, "updated_at": None}
    cast.zhang.refresh_from_db()
    assert (cast.zhang.deceased, cast.zhang.do_not_contact) == (False, False)
    assert facts("TaskReopened") == 1
    with pytest.raises(actions.TooLateToUndo):
        actions.undo_attempt(attempt=result.attempt, at=NOW + timedelta(seconds=9), by=cast.as_wang)


def model_state(pk):
    left_out = {"updated_at", "priority", "priority_reasons"}
    values = Task.objects.unscoped("test").filter(pk=pk).values().get()
    return {name: value for name, value in values.items() if name not in left_out}


def test_undo_is_over_after_its_time_and_only_ones_own(cast):
    result = attempt(cast, make_task(cast), "refused")
    with pytest.raises(actions.TaskNotOpen):
        actions.undo_attempt(attempt=result.attempt, at=NOW, by=cast.as_zhao)
    with pytest.raises(actions.TooLateToUndo):
        actions.undo_attempt(attempt=result.attempt, at=NOW + timedelta(minutes=5), by=cast.as_wang)


def test_snooze(cast):
    task = make_task(cast)
    actions.snooze_task(task=task, until=NOW + DAY, reason="holiday", at=NOW, by=cast.as_wang)
    task.refresh_from_db()
    assert rules.state_of(
        status=task.status, available_at=task.available_at, snoozed_until=task.snoozed_until, at=NOW
    ) == ("snoozed")
    with pytest.raises(actions.TaskNotOpen):
        actions.snooze_task(task=task, until=NOW, reason="x", at=NOW, by=cast.as_li)


# --- claiming --------------------------------------------------------------------------------------------------------


def test_the_most_urgent_first_and_never_twice(cast):
    low = make_task(cast, make_patient(cast), priority=1)
    high = make_task(cast, make_patient(cast), priority=500)
    assert actions.claim_next(at=NOW, by=cast.as_wang).pk == high.pk
    assert actions.claim_next(at=NOW, by=cast.as_zhao).pk == low.pk
    assert actions.claim_next(at=NOW, by=cast.as_sun) is None


def test_a_promised_call_that_is_due_comes_before_everything(cast):
    make_task(cast, make_patient(cast), priority=5000)
    promised = make_task(cast, make_patient(cast), promised_at=NOW - timedelta(minutes=1))
    assert actions.claim_next(at=NOW, by=cast.as_wang).pk == promised.pk


def test_what_sleeps_or_is_not_open_yet_is_not_handed_out(cast):
    make_task(cast, make_patient(cast), snoozed_until=NOW + DAY)
    make_task(cast, make_patient(cast), promised_at=NOW + DAY)
    make_task(cast, make_patient(cast), available_at=NOW + DAY, due_at=NOW + DAY)
    make_task(cast, make_patient(cast), kind="alert")
    make_task(cast, make_patient(cast), owner=cast.zhao)
    assert actions.claim_next(at=NOW, by=cast.as_wang) is None


def test_a_claim_takes_the_whole_patient(cast):
    patient = make_patient(cast)
    first, second = make_task(cast, patient, priority=9), make_task(cast, patient, priority=1)
    assert actions.claim_next(at=NOW, by=cast.as_wang).pk == first.pk
    second.refresh_from_db()
    assert second.claimed_by_id == cast.wang.pk
    with pytest.raises(actions.TaskTaken):
        actions.claim_task(task=second, at=NOW, by=cast.as_zhao)
    attempt(cast, first, "reached-patient")
    make_task(cast, make_patient(cast), priority=9999)
    assert actions.claim_next(at=NOW, by=cast.as_wang, after=first.pk).pk == second.pk  # rest of the same patient first


def test_a_claim_ends_by_itself_and_can_be_kept(cast):
    task = make_task(cast)
    actions.claim_task(task=task, at=NOW, by=cast.as_wang)
    later = NOW + timedelta(minutes=29)
    assert actions.keep_claim(task=task, at=later, by=cast.as_wang)
    with pytest.raises(actions.TaskTaken):
        actions.claim_task(task=task, at=later + timedelta(minutes=20), by=cast.as_zhao)
    actions.claim_task(task=task, at=later + timedelta(minutes=31), by=cast.as_zhao)
    assert not actions.keep_claim(task=task, at=later + timedelta(minutes=31), by=cast.as_wang)


def test_taking_the_next_patient_puts_the_last_one_back(cast):
    first, second = make_task(cast, make_patient(cast), priority=9), make_task(cast, make_patient(cast))
    actions.claim_next(at=NOW, by=cast.as_wang)
    actions.claim_task(task=second, at=NOW, by=cast.as_wang)
    first.refresh_from_db()
    assert first.claimed_by_id is None
    assert actions.release_claims(at=NOW, by=cast.as_wang) == 1
    assert actions.release_claims(at=NOW, by=cast.as_wang) == 0


def test_li_cannot_claim_what_she_cannot_see(cast):
    with pytest.raises(actions.TaskNotOpen):
        actions.claim_task(task=make_task(cast), at=NOW, by=cast.as_li)


# --- sharing out, weighing, filters ----------------------------------------------------------------------------------


def handed(task, owner, before=None, why="balance"):
    return HandOut(task_id=task.pk, owner_id=owner.pk if owner else None, before=before.pk if before else None, why=why)


def test_work_is_handed_out_in_one_go(cast):
    mine, hers, done = (make_task(cast, make_patient(cast)) for _n in range(3))
    actions.complete_task(task=done, outcome="reached-patient", at=NOW, by=cast.as_wang)
    given = [handed(mine, cast.wang), handed(hers, cast.zhao, why="continuity"), handed(done, cast.wang)]
    assert set(actions.hand_out(given=given, at=NOW, by=SYSTEM)) == {mine.pk, hers.pk}
    owners = dict(Task.objects.unscoped("test").values_list("pk", "owner_id"))
    assert owners == {mine.pk: cast.wang.pk, hers.pk: cast.zhao.pk, done.pk: None}
    assert facts("TasksAssigned") == 2
    assert actions.hand_out(given=[], at=NOW, by=SYSTEM) == []


def test_what_got_an_owner_meanwhile_keeps_it(cast):
    task = make_task(cast, owner=cast.zhao)
    assert actions.hand_out(given=[handed(task, cast.wang)], at=NOW, by=SYSTEM) == []
    assert actions.hand_out(given=[handed(task, cast.wang, before=cast.zhao)], at=NOW, by=SYSTEM) == [task.pk]
    assert actions.hand_out(given=[handed(task, None, before=cast.wang)], at=NOW, by=SYSTEM) == [task.pk]
    assert Task.objects.unscoped("test").get().owner_id is None
    assert facts("TasksAssigned") == 2


def test_assign_by_hand_and_back(cast):
    task = make_task(cast)
    assert actions.assign_tasks(task_ids=[task.pk], owner_id=cast.zhao.pk, at=NOW, by=cast.as_wang) == 1
    assert actions.assign_tasks(task_ids=[task.pk], owner_id=None, at=NOW, by=cast.as_wang) == 1
    assert actions.assign_tasks(task_ids=[task.pk], owner_id=cast.li.pk, at=NOW, by=cast.as_li) == 0


def test_weighing_moves_what_time_has_moved(cast):
    late = make_task(cast, due_at=NOW - 3 * DAY, available_at=NOW - 5 * DAY, risk="watch")
    assert actions.refresh_priorities(at=NOW, by=SYSTEM) == 1
    late.refresh_from_db()
    assert late.priority == 3 * 40 + 100
    assert [r["code"] for r in late.priority_reasons] == ["overdue", "risk"]
    assert actions.refresh_priorities(at=NOW, by=SYSTEM) == 0


@pytest.mark.parametrize("portion", [1, 2, 5, 1_000])
def test_all_are_weighed_whatever_the_portion(cast, monkeypatch, portion):
    monkeypatch.setattr(weighing, "PORTION", portion)
    late = [make_task(cast, due_at=NOW - n * DAY, available_at=NOW - 9 * DAY) for n in range(1, 6)]
    make_task(cast, due_at=NOW + 2 * DAY, available_at=NOW + DAY, risk="high")  # its window is not open
    make_task(cast, due_at=NOW - DAY, available_at=NOW - DAY, kind="work-order", risk="high")  # no follow-up
    assert actions.refresh_priorities(at=NOW, by=SYSTEM, task_ids=[late[0].pk, late[0].pk, uuid4()]) == 1
    assert actions.refresh_priorities(at=NOW, by=SYSTEM) == 4
    weighed = Task.objects.unscoped("test").filter(pk__in=[task.pk for task in late]).order_by("-due_at")
    told = [{reason["code"]: reason for reason in task.priority_reasons} for task in weighed]
    assert [reasons["overdue"]["params"]["days"] for reasons in told] == [1, 2, 3, 4, 5]
    assert [task.priority for task in weighed] == [sum(r["points"] for r in reasons.values()) for reasons in told]
    assert actions.refresh_priorities(at=NOW, by=SYSTEM, task_ids=[]) == 0


def test_worrying_answers_lift_the_open_calls(cast):
    task, other = make_task(cast), make_task(cast, make_patient(cast))
    assert actions.flag_self_report(patient_id=cast.zhang.pk, severity="critical", at=NOW, by=SYSTEM) == 1
    assert actions.flag_self_report(patient_id=cast.zhang.pk, severity="critical", at=NOW, by=SYSTEM) == 0
    task.refresh_from_db()
    other.refresh_from_db()
    assert (task.self_report, task.priority >= 800, other.self_report) == ("critical", True, "")


def test_filters_are_kept_by_name(cast):
    actions.save_filter(name=" Mine ", query={"mine": "1"}, by=cast.as_wang)
    saved = actions.save_filter(name="Mine", query={"risk": "high"}, by=cast.as_wang)
    assert SavedFilter.objects.get().query == {"risk": "high"}
    actions.remove_filter(saved=saved, by=cast.as_wang)
    assert not SavedFilter.objects.exists()
    with pytest.raises(actions.FilterNeedsName):
        actions.save_filter(name=" ", query={}, by=cast.as_wang)


def test_the_sender_asks_what_is_still_open(cast):
    here, gone = make_task(cast), make_task(cast)
    actions.complete_task(task=gone, outcome="reached-patient", at=NOW, by=cast.as_wang)
    assert reads.still_open([here.pk, gone.pk]) == {here.pk}


def test_the_patients_risk_reaches_open_calls_and_new_ones(cast):
    from careloop.patients.actions import set_risk

    first = make_task(cast)
    set_risk(patient_id=cast.zhang.pk, risk="high", reason="a-rule", at=NOW, by=SYSTEM)
    assert actions.carry_risk(patient_id=cast.zhang.pk, risk="high", at=NOW, by=SYSTEM) == 1
    assert actions.carry_risk(patient_id=cast.zhang.pk, risk="high", at=NOW, by=SYSTEM) == 0
    actions.request_tasks(requests=[asked(cast, "later")], by=SYSTEM)
    first.refresh_from_db()
    later = Task.objects.visible_to(SYSTEM).get(key="later")
    assert (first.risk, later.risk) == ("high", "high")

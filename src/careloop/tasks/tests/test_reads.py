"""The list, its exact counts against brute force, and the page that explains it."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.kernel.actions import seeding
from careloop.tasks import actions, reads, rules
from careloop.tasks.models import QUEUE_KINDS, Task
from careloop.tasks.reads import wording
from careloop.tasks.reads.worklist import UNREACHED
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def listed(cast, tab="todo", viewer=None, **chips):
    return reads.work_list(reads.ListQuery(tab=tab, **chips), viewer=viewer or cast.as_wang, at=NOW)


def scatter(cast, how_many, seed):
    """Tasks in every state there is, over two departments."""
    chance = random.Random(seed)
    patients = [make_patient(cast) for _n in range(6)] + [make_patient(cast, department=cast.orthopaedics)]
    rows = []
    for n in range(how_many):
        patient = chance.choice(patients)
        ended = chance.random() < 0.25
        available = NOW + timedelta(hours=chance.randint(-200, 30))
        rows.append(
            Task(
                patient=patient, key=f"scatter:{seed}:{n}", kind=chance.choice([*QUEUE_KINDS, "alert"]),
                department=cast.orthopaedics if patient is patients[-1] else cast.cardiology,
                status=("completed" if chance.random() < 0.7 else "cancelled") if ended else "requested",
                outcome="reached-patient" if ended else "", closed_reason="x" if ended else "",
                ended_at=NOW - timedelta(hours=chance.randint(0, 40)) if ended else None,
                available_at=available, due_at=available + timedelta(hours=chance.randint(0, 60)),
                snoozed_until=NOW + timedelta(hours=chance.randint(-5, 5)) if chance.random() < 0.3 else None,
                promised_at=NOW + timedelta(hours=chance.randint(-5, 20)) if chance.random() < 0.3 else None,
                last_outcome=chance.choice(["", "", "busy", "no-answer", "reached-uninformed"]),
                self_report=chance.choice(["", "", "", "critical"]), priority=chance.randint(0, 900),
            )
        )  # fmt: skip
    with seeding():
        Task.objects.bulk_create(rows)


def brute_force(viewer):
    """The definition of each tab in plain Python."""
    today = timezone.localtime(NOW).replace(hour=0, minute=0, second=0, microsecond=0)
    soon = NOW + timedelta(minutes=30)
    tabs = {tab: [] for tab in reads.TABS}
    for task in Task.objects.visible_to(viewer).filter(kind__in=QUEUE_KINDS):
        if task.status == "completed" and task.ended_at >= today:
            tabs["done"].append(task.pk)
        if task.status != "requested" or task.available_at > NOW:
            continue
        held = (task.snoozed_until and task.snoozed_until > NOW) or (task.promised_at and task.promised_at > soon)
        if not held:
            tabs["todo"].append(task.pk)
            if task.due_at < today:
                tabs["overdue"].append(task.pk)
        if task.promised_at and task.promised_at < today + DAY:
            tabs["promised"].append(task.pk)
        if task.last_outcome in UNREACHED:
            tabs["unreached"].append(task.pk)
        if task.self_report:
            tabs["abnormal"].append(task.pk)
    return tabs


@pytest.mark.parametrize("seed", range(5))
def test_rows_and_counts_equal_brute_force(cast, seed):
    scatter(cast, 120, seed)
    for viewer in (cast.as_wang, cast.as_li, cast.as_sun):
        truth = brute_force(viewer)
        for tab in reads.TABS:
            found = listed(cast, tab, viewer, limit=500)
            assert {row.task_id for row in found.rows} == set(truth[tab])
            assert {name: found.counts.of(name) for name in reads.TABS} == {k: len(v) for k, v in truth.items()}
            assert found.counts.patients == len({row.patient_id for row in found.rows})


def test_one_statement(cast, django_assert_num_queries):
    scatter(cast, 80, 1)
    viewer = cast.as_sun
    with django_assert_num_queries(1):
        reads.work_list(reads.ListQuery(), viewer=viewer, at=NOW)


@pytest.mark.parametrize("seed", range(3))
def test_the_list_is_ordered_as_claims_are(cast, seed):
    """What stands on top is what F9 opens."""
    scatter(cast, 60, seed)
    rows = listed(cast, limit=500).rows
    order = [(row.section == 0 and 0 or 1, row.promised_at if row.section == 0 else 0, -row.priority) for row in rows]
    assert [o[0] for o in order] == sorted(o[0] for o in order)
    first = actions.claim_next(at=NOW, by=cast.as_wang)
    top = [row.patient_id for row in rows if row.section == rows[0].section] if rows else []
    assert (first is None and not rows) or first.patient_id in top


def test_sections(cast):
    promised = make_task(cast, make_patient(cast), promised_at=NOW + timedelta(minutes=6))
    urgent = make_task(cast, make_patient(cast), priority=400)
    calm = make_task(cast, make_patient(cast), priority=10)
    assert [(row.task_id, row.section) for row in listed(cast).rows] == [(promised.pk, 0), (urgent.pk, 1), (calm.pk, 2)]


def test_pages(cast):
    for _n in range(5):
        make_task(cast)
    first, rest = listed(cast, limit=3), listed(cast, limit=3, offset=3)
    assert (len(first.rows), first.more, len(rest.rows), rest.more) == (3, True, 2, False)
    assert first.counts == rest.counts


def test_empty(cast):
    found = listed(cast)
    assert (found.rows, found.counts.todo, found.more) == ([], 0, False)


def test_chips_narrow_rows_and_counts(cast):
    wanted = make_task(cast, risk="high", plan_title="Stroke", owner=cast.wang, encounter_id=cast.stay.pk)
    make_task(cast)
    with seeding():
        type(cast.stay).objects.unscoped("test").filter(pk=cast.stay.pk).update(
            status="finished", discharged_at=NOW - DAY
        )
    yesterday = timezone.localtime(NOW - DAY).date()
    for chips in (
        {"risk": "high"}, {"plan": "Stroke"}, {"mine": True},
        {"discharged_from": yesterday, "discharged_to": yesterday},
    ):  # fmt: skip
        found = listed(cast, **chips)
        assert ([row.task_id for row in found.rows], found.counts.todo) == ([wanted.pk], 1), chips
    assert listed(cast, department_id=cast.orthopaedics.pk).counts.todo == 0


def test_li_sees_nothing_of_cardiology(cast):
    make_task(cast)
    assert listed(cast, viewer=cast.as_li).counts.todo == 0


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 10_000))
def test_every_item_is_in_exactly_one_state(cast, seed):
    """enrolled = Σ states, as the page shows it."""
    scatter(cast, 30, 100_000 + seed)
    counts = reads.state_counts(viewer=cast.as_sun, at=NOW)
    everything = list(Task.objects.visible_to(cast.as_sun))
    assert sum(counts.values()) == len(everything)
    for state in rules.STATES:
        expected = [
            task for task in everything
            if rules.state_of(
                status=task.status, available_at=task.available_at, snoozed_until=task.snoozed_until,
                promised_at=task.promised_at, at=NOW,
            ) == state
        ]  # fmt: skip
        assert counts[state] == len(expected)


@pytest.mark.parametrize(
    ("values", "state", "why"),
    [
        ({}, "due", "due"),
        ({"available_at": NOW + DAY, "due_at": NOW + DAY}, "scheduled", "window-not-open"),
        ({"snoozed_until": NOW + DAY, "snooze_reason": "busy"}, "snoozed", "busy"),
        ({"promised_at": NOW + DAY}, "snoozed", "promised"),
        ({"kind": "alert"}, "due", "other-list"),
        ({"status": "completed", "outcome": "reached-patient", "ended_at": NOW}, "done", "reached-patient"),
        ({"status": "cancelled", "closed_reason": "patient-died", "ended_at": NOW}, "closed", "patient-died"),
    ],
)
def test_every_item_explains_itself(cast, values, state, why):
    make_task(cast, **values)
    (item,) = reads.explain_patient(cast.zhang.pk, viewer=cast.as_wang, at=NOW)
    assert (item.state, item.why) == (state, why)
    assert wording.why_label(why) != why


def test_who_holds_a_call_is_said_to_each_in_their_words(cast):
    actions.claim_task(task=make_task(cast), at=NOW, by=cast.as_wang)
    for viewer, why in ((cast.as_wang, "in-own-hand"), (cast.as_zhao, "in-hand")):
        (item,) = reads.explain_patient(cast.zhang.pk, viewer=viewer, at=NOW)
        assert item.why == why


def test_the_explanation_names_the_facts(cast):
    task = make_task(cast)
    actions.claim_task(task=task, at=NOW, by=cast.as_wang)
    actions.record_attempt(task=task, contact_point_id=None, outcome="busy", at=NOW, by=cast.as_wang)
    (item,) = reads.explain_patient(cast.zhang.pk, viewer=cast.as_wang, at=NOW)
    assert [name for _at, name in item.facts] == ["tasks.TaskClaimed", "tasks.TaskSnoozed", "tasks.AttemptRecorded"]
    assert reads.explain_patient(cast.zhang.pk, viewer=cast.as_li, at=NOW) == []


def test_every_outcome_and_reason_has_words():
    assert set(wording.OUTCOME_LABELS) == set(rules.OUTCOMES)
    facts = rules.PriorityFacts(
        due_at=NOW - 3 * DAY, promised_at=NOW, window_ends_at=NOW + DAY, risk="high", self_report="critical",
        discharged_at=NOW - DAY, contacted_since_discharge=False, best_hour=NOW.hour, answered_partly=True, tries_today=2,
    )  # fmt: skip
    for term in rules.explain(facts, at=NOW):
        assert wording.reason_text(term.as_json()) not in ("", term.code)


def test_unknown_numbers_of_a_stranger(cast):
    assert reads.numbers_of(cast.zhang.pk, viewer=cast.as_li) == []
    (number,) = reads.numbers_of(cast.zhang.pk, viewer=SYSTEM)
    assert (number.owner, number.dead) == ("self", False)


# --- one call for all of a patient's work (pain 16) -----------------------------------------------------------------------


def merged(cast, tab="todo", **chips):
    return reads.work_list(reads.ListQuery(tab=tab, merged=True, **chips), viewer=cast.as_wang, at=NOW)


def test_a_patient_with_three_plans_is_one_row_that_names_all_and_nothing_is_lost(cast):
    patient = make_patient(cast)
    first = make_task(cast, patient, priority=9, plan_title="PCI", step_title="Day 7")
    make_task(cast, patient, priority=5, plan_title="Diabetes", step_title="Month 1")
    make_task(cast, patient, priority=1, plan_title="", step_title="Wound")
    other = make_task(cast, make_patient(cast), priority=3)
    found = merged(cast)
    assert [row.task_id for row in found.rows] == [first.pk, other.pk]
    assert found.rows[0].also == (("Diabetes", "Month 1"), ("", "Wound"))
    assert found.rows[1].also == ()
    assert (found.counts.todo, found.counts.patients) == (4, 2)  # the counts stay counts of follow-ups
    assert sum(1 + len(row.also) for row in found.rows) == found.counts.todo


def test_pages_are_pages_of_patients(cast):
    for _n in range(3):
        patient = make_patient(cast)
        make_task(cast, patient)
        make_task(cast, patient)
    first = merged(cast, limit=2)
    second = merged(cast, limit=2, offset=2)
    assert (len(first.rows), first.more, len(second.rows), second.more) == (2, True, 1, False)
    assert len({row.patient_id for row in first.rows + second.rows}) == 3


def test_what_is_done_is_listed_one_by_one(cast):
    patient = make_patient(cast)
    for _n in range(2):
        actions.complete_task(task=make_task(cast, patient), outcome="reached-patient", at=NOW, by=cast.as_wang)
    assert len(merged(cast, tab="done").rows) == 2


@pytest.mark.parametrize("tab", ["todo", "overdue", "promised", "unreached", "abnormal"])
def test_merged_and_unmerged_lists_hold_the_same_patients(cast, tab):
    for n in range(3):
        patient = make_patient(cast)
        make_task(cast, patient, promised_at=NOW, last_outcome="busy", self_report="high", attempts=n)
        make_task(cast, patient, due_at=NOW - 3 * DAY, available_at=NOW - 5 * DAY)
    plain = reads.work_list(reads.ListQuery(tab=tab), viewer=cast.as_wang, at=NOW)
    together = merged(cast, tab=tab)
    assert {row.patient_id for row in plain.rows} == {row.patient_id for row in together.rows}
    assert len(plain.rows) == sum(1 + len(row.also) for row in together.rows)
    assert plain.counts == together.counts


def test_one_call_shows_what_it_did_and_what_is_left(cast):
    patient = make_patient(cast)
    done, here, left = (make_task(cast, patient, priority=p) for p in (9, 5, 1))
    make_task(cast, patient, snoozed_until=NOW + DAY)
    make_task(cast, patient, available_at=NOW + DAY, due_at=NOW + 2 * DAY)
    make_task(cast, make_patient(cast))
    actions.claim_task(task=done, at=NOW, by=cast.as_wang)
    actions.complete_task(task=done, outcome="reached-patient", at=NOW, by=cast.as_wang)
    shown = reads.same_call(here, viewer=cast.as_wang, at=NOW)
    assert [one.pk for one in shown] == [done.pk, here.pk, left.pk]
    later = reads.same_call(here, viewer=cast.as_wang, at=NOW + timedelta(hours=2))
    assert done.pk not in {one.pk for one in later}


def test_finishing_each_closes_each_and_the_states_still_add_up(cast):
    patient = make_patient(cast)
    tasks = [make_task(cast, patient) for _n in range(3)]
    before = sum(reads.state_counts(viewer=cast.as_wang, at=NOW).values())
    task = actions.claim_next(at=NOW, by=cast.as_wang)
    finished = []
    while task is not None:
        actions.complete_task(task=task, outcome="reached-patient", at=NOW, by=cast.as_wang)
        finished.append(task.pk)
        task = actions.claim_next(at=NOW, by=cast.as_wang, after=task.pk)
    assert set(finished) == {one.pk for one in tasks}
    counts = reads.state_counts(viewer=cast.as_wang, at=NOW)
    assert (counts["done"], counts["due"]) == (3, 0)
    assert sum(counts.values()) == before


@pytest.mark.parametrize(("minutes", "shown"), [(1, "1"), (119, "119"), (120, "2"), (1514, "25")])
def test_a_promise_is_late_by_minutes_first_and_then_by_hours(minutes, shown):
    text = wording.reason_text({"code": "promise-due", "params": {"minutes": minutes}})
    assert [word for word in text.replace("分钟", " ").replace("小时", " ").split() if word.isdigit()] == [shown]

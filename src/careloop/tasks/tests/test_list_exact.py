"""Every viewer's list, chips and counts against a plain reading of all tasks, with a scope written down a second time here."""

import random
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import MAY_BE_SEALED, AccessGrant, BlindSeal, Patient
from careloop.tasks import reads
from careloop.tasks.models import LIST_COLUMNS, QUEUE_KINDS, Task
from careloop.tasks.tests.factories import make_patient, make_task
from careloop.tasks.tests.test_reads import scatter
from tests.cast import NOW

pytestmark = pytest.mark.django_db
PLANS, RISKS = ["PCI", "COPD", ""], ["none", "high"]


def world(cast, seed):
    """Tasks of three departments, some owned or in hand across departments, every third patient restricted, one sealed."""
    scatter(cast, 60, seed)
    chance = random.Random(seed)
    patients = list(Patient.objects.unscoped("test").order_by("pk"))
    tasks = list(Task.objects.unscoped("test").order_by("key"))
    people = [cast.wang, cast.li, cast.zhao, cast.qian, None, None]
    for task in tasks:
        task.patient = chance.choice(patients)
        task.department = chance.choice([cast.cardiology, cast.orthopaedics, cast.centre])
        task.owner, task.claimed_by = chance.choice(people), chance.choice([*people, None, None])
        task.plan_title, task.risk = chance.choice(PLANS), chance.choice(RISKS)
        task.message_state = chance.choice(["", "sent", "answered"])
        if task.status == "completed" and chance.random() < 0.4:
            task.outcome = "answered-online"
    with seeding():
        Task.objects.unscoped("test").bulk_update(
            tasks, ["patient", "department", "owner", "claimed_by", "plan_title", "risk", "message_state", "outcome"]
        )
        chosen = chance.sample(patients, len(patients) // 3)
        Patient.objects.unscoped("test").filter(pk__in=[one.pk for one in chosen]).update(sensitivity="restricted")
        BlindSeal.objects.create(patient=patients[0], practitioner=cast.qian, why="re-check:1", since=NOW)
        AccessGrant.objects.create(
            patient=chosen[0], practitioner=cast.sun, reason="test", valid_from=NOW - timedelta(days=9000),
            valid_to=NOW + timedelta(days=9000),
        )  # fmt: skip


def viewers(cast):
    """Rights and places in every combination that a scope tells apart."""
    wang, li, qian, sun = cast.as_wang, cast.as_li, cast.viewer(cast.qian), cast.as_sun
    both = frozenset({cast.cardiology.pk, cast.orthopaedics.pk})
    lent = AccessGrant.objects.unscoped("test").filter(practitioner=cast.sun).values_list("patient_id", flat=True)
    return {
        "one department": wang,
        "the other department": li,
        "two departments": replace(wang, departments=both),
        "two departments, sensitive": replace(wang, departments=both, may_see_sensitive=True),
        "sensitive": replace(li, may_see_sensitive=True),
        "own only": replace(wang, own_only=True),
        "own only, sensitive": replace(wang, own_only=True, may_see_sensitive=True),
        "no department": replace(wang, departments=frozenset()),
        "no person": replace(wang, practitioner_id=None),
        "may be sealed off": replace(qian, permissions=qian.permissions | {MAY_BE_SEALED}),
        "hospital": sun,
        "hospital, lent records brought along": replace(sun, granted=frozenset(lent)),
        "hospital, nothing lent": replace(sun, granted=frozenset()),
        "hospital, sensitive": replace(sun, may_see_sensitive=True),
        "hospital, may be sealed off": replace(
            qian, hospital_wide=True, permissions=qian.permissions | {MAY_BE_SEALED}
        ),
        "one patient": replace(wang, narrowed_to=Task.objects.unscoped("test").earliest("key").patient_id),
        "nobody": Viewer(actor="test"),
    }


def seen(viewer):
    """Who may see what, in plain Python: departments or own, no sensitive record without the right, nothing sealed."""
    tasks = Task.objects.unscoped("test").select_related("patient").filter(kind__in=QUEUE_KINDS)
    sealed = set(
        BlindSeal.objects.unscoped("test")
        .filter(practitioner_id=viewer.practitioner_id, lifted_at=None)
        .values_list("patient_id", flat=True)
    )

    table = AccessGrant.objects.unscoped("test").filter(practitioner_id=viewer.practitioner_id)
    lent = set(table.values_list("patient_id", flat=True)) if viewer.granted is None else viewer.granted

    def is_seen(task):
        if not viewer.is_staff:
            return False
        if viewer.hospital_wide and MAY_BE_SEALED in viewer.permissions and task.patient_id in sealed:
            return False
        if viewer.hospital_wide:
            return viewer.may_see_sensitive or task.patient.sensitivity == "normal" or task.patient_id in lent
        here = viewer.practitioner_id is not None and task.owner_id == viewer.practitioner_id
        here = here or (not viewer.own_only and task.department_id in viewer.departments)
        if viewer.narrowed_to:
            return here and task.patient_id == viewer.narrowed_to
        if MAY_BE_SEALED in viewer.permissions and task.patient_id in sealed:
            return False
        return here and (viewer.may_see_sensitive or task.patient.sensitivity == "normal")

    return [task for task in tasks if is_seen(task)]


def tabs_of(tasks):
    """Ids of each tab, and how many are put off."""
    today, soon = NOW.replace(hour=16) - timedelta(days=1), NOW + timedelta(minutes=30)
    done = [task for task in tasks if task.status == "completed" and task.ended_at >= today]
    waiting = [task for task in tasks if task.status == "requested" and task.available_at <= NOW]
    due = [
        task
        for task in waiting
        if (not task.snoozed_until or task.snoozed_until <= NOW) and (not task.promised_at or task.promised_at <= soon)
    ]
    tabs = {
        "todo": due, "overdue": [task for task in due if task.due_at < today],
        "promised": [task for task in waiting if task.promised_at and task.promised_at < today + timedelta(days=1)],
        "unreached": [task for task in waiting if task.last_outcome in reads.worklist.UNREACHED],
        "abnormal": [task for task in waiting if task.self_report], "done": done,
    }  # fmt: skip
    online = [task for task in done if task.outcome == "answered-online"]
    asked = {task.pk for task in [*waiting, *done] if task.message_state in ("sent", "opened")}
    numbers = {name: len(found) for name, found in tabs.items()} | {
        "snoozed": len(waiting) - len(due), "online_done": len(online),
        "online_asked": len(asked | {task.pk for task in online}),
    }  # fmt: skip
    return {name: {task.pk for task in found} for name, found in tabs.items()}, numbers


CHIPS = {
    "none": lambda task, viewer: True,
    "mine": lambda task, viewer: viewer.practitioner_id in (task.owner_id, task.claimed_by_id),
    "plan": lambda task, viewer: task.plan_title == "COPD",
    "risk": lambda task, viewer: task.risk == "high",
}
GIVEN = {"none": {}, "mine": {"mine": True}, "plan": {"plan": "COPD"}, "risk": {"risk": "high"}}


@pytest.mark.parametrize("seed", range(3))
def test_every_viewer_with_every_chip_sees_exactly_the_rows_and_counts_of_a_plain_reading(cast, seed):
    world(cast, seed)
    departments = (None, cast.cardiology.pk, cast.orthopaedics.pk)
    some = 0
    for who, viewer in viewers(cast).items():
        visible = seen(viewer)
        for chip, keeps in CHIPS.items():
            if chip == "mine" and viewer.practitioner_id is None:
                continue
            for department in departments:
                left = [t for t in visible if keeps(t, viewer) and department in (None, t.department_id)]
                truth, numbers = tabs_of(left)
                tab = reads.TABS[(seed + some) % len(reads.TABS)]  # the counts are those of all tabs in any case
                for merged in (False, True):
                    query = reads.ListQuery(tab=tab, limit=500, department_id=department, merged=merged, **GIVEN[chip])
                    found = reads.work_list(query, viewer=viewer, at=NOW)
                    case = (who, chip, department, tab, merged)
                    assert {name: getattr(found.counts, name) for name in numbers} == numbers, case
                    people = {t.patient_id for t in left if t.pk in truth[tab]}
                    assert found.counts.patients == len(people), case
                    shown = {row.task_id for row in found.rows}
                    if merged and tab != "done":
                        assert {row.patient_id for row in found.rows} == people, case
                        assert shown <= truth[tab], case
                        assert sum(1 + len(row.also) for row in found.rows) == len(truth[tab]), case
                    else:
                        assert shown == truth[tab], case
                some += 1


@pytest.mark.parametrize("seed", range(3))
def test_the_chips_offer_what_stands_on_the_whole_list_and_nothing_else(cast, seed):
    world(cast, seed)
    for who, viewer in viewers(cast).items():
        waiting = [t for t in seen(viewer) if t.status == "requested" and t.available_at <= NOW]
        offered = reads.departments_and_plans(viewer=viewer, at=NOW).fetch()
        assert {(department, plan) for department, _name, plan in offered} == {
            (t.department_id, t.plan_title) for t in waiting
        }, who
        assert len(offered) == len(set(offered)), who


def test_a_record_that_becomes_sensitive_leaves_the_list_and_its_counts_at_once(cast):
    patient = make_patient(cast)
    make_task(cast, patient)
    make_task(cast)

    def figures(viewer):
        found = reads.work_list(reads.ListQuery(), viewer=viewer, at=NOW)
        return found.counts.todo, found.counts.patients, len(found.rows)

    trusted = replace(cast.as_wang, may_see_sensitive=True)
    assert figures(cast.as_wang) == figures(trusted) == (2, 2, 2)
    with seeding():
        Patient.objects.unscoped("test").filter(pk=patient.pk).update(sensitivity="restricted")
    assert (figures(cast.as_wang), figures(trusted)) == ((1, 1, 1), (2, 2, 2))
    with seeding():
        Patient.objects.unscoped("test").filter(pk=patient.pk).update(sensitivity="normal")
    assert figures(cast.as_wang) == (2, 2, 2)


def test_of_another_department_only_what_one_owns_is_listed_and_once(cast):
    mine = make_task(cast, department=cast.orthopaedics, owner=cast.wang)
    make_task(cast, department=cast.orthopaedics, owner=cast.li)
    here = make_task(cast, owner=cast.wang)

    def ids(**chips):
        return sorted(
            row.task_id for row in reads.work_list(reads.ListQuery(**chips), viewer=cast.as_wang, at=NOW).rows
        )

    assert ids() == sorted([mine.pk, here.pk])
    assert ids(department_id=cast.orthopaedics.pk) == [mine.pk]
    assert ids(department_id=cast.cardiology.pk) == [here.pk]
    assert ids(department_id=cast.centre.pk) == []


def test_a_list_of_the_whole_hospital_asks_no_row_for_its_patient(cast):
    """Who is sensitive comes from the index of the few, whoever looks; a join would read the patient of every task."""
    for viewer in (cast.as_wang, cast.as_sun, replace(cast.as_sun, granted=frozenset({uuid4()}))):
        for asked in (
            reads.asked_list(
                reads.ListQuery(discharged_from=NOW.date(), discharged_to=NOW.date()), viewer=viewer, at=NOW
            ),
            reads.departments_and_plans(viewer=viewer, at=NOW),
        ):
            counted = asked.sql.partition("tabs AS MATERIALIZED")[0]
            assert "patients_patient" in counted, "sensitive records are left out somewhere"
            assert "JOIN" not in counted.partition("JOIN accounts_organization")[0]
            assert 'discharged_at" AT TIME ZONE' not in counted, "a day is asked for by its two ends"


@pytest.mark.parametrize(
    ("seconds", "is_in"), [(-0.000001, False), (0, True), (86_399.999999, True), (86_400, False)]
)  # fmt: skip
def test_a_day_of_discharges_has_both_its_midnights_of_shanghai(cast, seconds, is_in):
    make_task(cast, encounter_id=cast.stay.pk)
    day = timezone.localtime(NOW).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    with seeding():
        type(cast.stay).objects.unscoped("test").filter(pk=cast.stay.pk).update(
            status="finished", discharged_at=day + timedelta(seconds=seconds)
        )
    chips = {"discharged_from": day.date(), "discharged_to": day.date()}
    found = reads.work_list(reads.ListQuery(**chips), viewer=cast.as_wang, at=NOW)
    assert len(found.rows) == found.counts.todo == int(is_in)
    mine = Task.objects.visible_to(cast.as_wang).filter(reads.narrowing(reads.ListQuery(**chips), cast.as_wang))
    assert mine.count() == int(is_in)


def test_what_a_list_counts_stands_in_the_indexes_of_lists():
    """A column that the list reads of every task and that no index brings along would cost a page for each task."""
    counted = {Task._meta.get_field(name.removesuffix("_id")).name for name in reads.worklist._COLUMNS}
    chips = {"owner", "claimed_by", "department", "plan_title", "risk"}
    for index in Task._meta.indexes:
        if index.name in ("task_listed", "task_open_owner"):
            assert counted | chips <= {*index.fields, *index.include}, index.name
            assert set(LIST_COLUMNS) <= set(index.include)


@pytest.mark.parametrize(
    "zone", ["Asia/Shanghai", "Asia/Urumqi", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"]
)
def test_what_was_done_today_is_found_in_every_zone(cast, zone):
    """The index counts days of Shanghai; the day that is meant is the one of the clock on the wall."""
    hours = range(0, 49, 3)
    tasks = [
        make_task(
            cast, status="completed", outcome="reached-patient", ended_at=cast.now - timedelta(hours=h, minutes=m)
        )
        for h in hours
        for m in (0, 1)
    ]
    with timezone.override(zone):
        midnight = timezone.localtime(cast.now).replace(hour=0, minute=0, second=0, microsecond=0)
        done = reads.work_list(reads.ListQuery(tab="done", limit=50), viewer=cast.as_wang, at=cast.now)
    wanted = {task.pk for task in tasks if midnight <= task.ended_at < midnight + timedelta(days=1)}
    assert {row.task_id for row in done.rows} == wanted
    assert done.counts.done == len(wanted)

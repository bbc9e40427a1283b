"""The day's work is given away: fair, to people who may and can, once; and taken from whoever is away."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.rosters import actions, jobs, reads, rules
from careloop.rosters.models import Assignment, Distribution, NurseDay
from careloop.rosters.tests.factories import DAY, away, member, owners, skill, spoke, team
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db


def distribute(by=SYSTEM, **given):
    return actions.distribute(day=DAY, at=NOW, by=by, **given)


def patients_with_a_task(cast, n, **given):
    return [make_task(cast, make_patient(cast), **given) for _n in range(n)]


def test_work_is_shared_out_fairly_and_written_down(cast):
    work = patients_with_a_task(cast, 7)
    run = distribute(cast.as_wang)
    counts = Counter(owners().values())
    assert sum(counts.values()) == 7
    assert set(counts) <= {cast.wang.pk, cast.zhao.pk, cast.sun.pk}  # not Li: she cannot see these patients
    assert rules.spread(list(counts.values())) <= 1
    assert (run.given, run.kept, run.full, run.nobody_able) == (7, 0, 0, 0)
    assert Assignment.objects.unscoped("test").count() == 7
    assert set(Assignment.objects.unscoped("test").values_list("task_id", flat=True)) == {one.pk for one in work}
    assert AuditEvent.objects.filter(name="rosters.WorkDistributed").count() == 1


def test_again_gives_nothing_twice(cast):
    patients_with_a_task(cast, 4)
    distribute()
    before = owners()
    run = distribute()
    assert (run.given, run.full) == (0, 0)
    assert owners() == before
    assert Assignment.objects.unscoped("test").count() == 4


def test_only_the_team_gets_the_work_of_its_departments(cast):
    heart = team(cast)
    member(heart, cast.wang, 10)
    patients_with_a_task(cast, 3)
    distribute()
    assert set(owners().values()) == {cast.wang.pk}


def test_what_does_not_fit_into_the_day_is_left_over_the_least_important_first(cast):
    heart = team(cast)
    member(heart, cast.wang, 2)
    urgent, normal, later = (make_task(cast, make_patient(cast), priority=p) for p in (9, 5, 1))
    run = distribute()
    assert owners() == {urgent.pk: cast.wang.pk, normal.pk: cast.wang.pk, later.pk: None}
    assert (run.given, run.full) == (2, 1)


def test_a_team_without_anybody_leaves_its_work_and_says_so(cast):
    team(cast)
    patients_with_a_task(cast, 2)
    with pytest.raises(actions.NobodyHere):
        distribute()
    run = distribute(trigger=Distribution.Trigger.NIGHT)
    assert (run.given, run.nobody_able) == (0, 2)


def test_the_patient_stays_with_the_nurse_they_know(cast):
    heart = team(cast)
    member(heart, cast.wang, 10)
    member(heart, cast.zhao, 10)
    work = patients_with_a_task(cast, 4)
    for one in work[:2]:
        spoke(one, cast.zhao)
    run = distribute()
    assert {owners()[one.pk] for one in work[:2]} == {cast.zhao.pk}
    assert {owners()[one.pk] for one in work[2:]} == {cast.wang.pk}
    assert run.kept == 2
    assert Assignment.objects.unscoped("test").filter(why="continuity").count() == 2


def test_work_that_needs_a_skill_goes_to_whoever_has_it(cast):
    skill()
    heart = team(cast)
    member(heart, cast.wang, 10)
    member(heart, cast.zhao, 10, skills=("wound",))
    special = patients_with_a_task(cast, 2, plan_title="Wound care")
    plain = patients_with_a_task(cast, 2)
    distribute()
    assert {owners()[one.pk] for one in special} == {cast.zhao.pk}
    assert {owners()[one.pk] for one in plain} == {cast.wang.pk}


def test_work_whose_skill_nobody_has_waits_with_the_reason(cast):
    skill()
    member(team(cast), cast.wang, 10)
    patients_with_a_task(cast, 1, plan_title="Wound care")
    assert distribute(trigger="night").nobody_able == 1


def test_several_tasks_of_one_patient_are_one_contact_for_one_person(cast):
    heart = team(cast)
    member(heart, cast.wang, 1)
    member(heart, cast.zhao, 1)
    patient = make_patient(cast)
    for _n in range(3):
        make_task(cast, patient)
    other = make_task(cast, make_patient(cast))
    run = distribute()
    of_patient = {owner for pk, owner in owners().items() if pk != other.pk}
    assert len(of_patient) == 1
    assert run.given == 2
    assert set(owners().values()) == {cast.wang.pk, cast.zhao.pk}


def test_tasks_of_two_departments_go_together_to_somebody_who_serves_both(cast):
    patient = make_patient(cast)
    one, other = make_task(cast, patient), make_task(cast, patient, department=cast.orthopaedics)
    distribute()
    assert owners() == {one.pk: cast.sun.pk, other.pk: cast.sun.pk}


def test_and_apart_when_nobody_serves_both(cast):
    member(team(cast), cast.wang)
    member(team(cast, name="Bones", departments=[cast.orthopaedics]), cast.li)
    patient = make_patient(cast)
    one, other = make_task(cast, patient), make_task(cast, patient, department=cast.orthopaedics)
    run = distribute()
    assert owners() == {one.pk: cast.wang.pk, other.pk: cast.li.pk}
    assert run.given == 2


@pytest.mark.parametrize(
    "given",
    [
        {"available_at": NOW + timedelta(days=2), "due_at": NOW + timedelta(days=3)},
        {"snoozed_until": NOW + timedelta(days=1)},
        {"kind": "alert"},
    ],
)
def test_what_is_not_due_today_is_not_given_away(cast, given):
    task = make_task(cast, **given)
    assert distribute().given == 0
    assert owners() == {task.pk: None}


def test_somebody_on_the_phone_keeps_the_patient_in_hand(cast):
    task = make_task(cast, make_patient(cast))
    tasks.claim_task(task=task, at=NOW, by=cast.as_zhao)
    assert distribute().given == 0


def test_a_full_person_gets_nothing_more(cast):
    heart = team(cast)
    member(heart, cast.wang, 2)
    member(heart, cast.zhao, 10)
    for task in patients_with_a_task(cast, 2):
        tasks.assign_tasks(task_ids=[task.pk], owner_id=cast.wang.pk, at=NOW, by=SYSTEM)
    new = patients_with_a_task(cast, 3)
    distribute()
    assert {owners()[one.pk] for one in new} == {cast.zhao.pk}


# --- away ---------------------------------------------------------------------------------------------------------------


def test_the_work_of_somebody_away_goes_to_the_others(cast):
    heart = team(cast)
    member(heart, cast.wang, 10)
    member(heart, cast.zhao, 10)
    patients_with_a_task(cast, 4)
    distribute()
    away(cast.wang)
    run = distribute(trigger="absence")
    assert set(owners().values()) == {cast.zhao.pk}
    assert (run.given, run.taken) == (2, 2)
    assert NurseDay.objects.get(practitioner=cast.wang).capacity == 0


def test_half_a_day_keeps_half_the_work_the_most_important(cast):
    heart = team(cast)
    member(heart, cast.wang, 4)
    member(heart, cast.zhao, 40)
    work = [make_task(cast, make_patient(cast), owner=cast.wang, priority=p) for p in (9, 8, 2, 1)]
    away(cast.wang, first_half="afternoon")
    run = distribute(trigger="absence")
    assert run.taken == 2
    assert [owners()[one.pk] for one in work] == [cast.wang.pk, cast.wang.pk, cast.zhao.pk, cast.zhao.pk]


def test_when_nobody_else_is_here_the_work_is_everybodys_again(cast):
    member(team(cast), cast.wang, 4)
    task = make_task(cast, owner=cast.wang)
    away(cast.wang)
    run = distribute(trigger="absence")
    assert owners() == {task.pk: None}
    assert (run.given, run.taken) == (0, 1)
    assert AuditEvent.objects.filter(name="tasks.TasksAssigned", payload__why="owner-away").count() == 1


def test_whoever_left_the_hospital_keeps_nothing(cast):
    heart = team(cast)
    member(heart, cast.zhao)
    task = make_task(cast, owner=cast.wang)
    with seeding():
        cast.wang.is_active = False
        cast.wang.save()
    distribute()
    assert owners() == {task.pk: cast.zhao.pk}


def test_an_owner_outside_the_calling_roles_is_left_alone(cast):
    task = make_task(cast, owner=cast.he)
    distribute(trigger="night")
    assert owners() == {task.pk: cast.he.pk}


def test_leave_from_today_moves_the_work_at_once_and_leave_from_tomorrow_does_not(cast, monkeypatch):
    monkeypatch.setattr(jobs.timezone, "now", lambda: NOW)
    heart = team(cast)
    member(heart, cast.wang)
    member(heart, cast.zhao)
    task = make_task(cast, owner=cast.wang)
    tomorrow = away(cast.wang, DAY + timedelta(days=1), DAY + timedelta(days=1))
    jobs.give_to_others.func(event={"what": "taken", "first_day": str(tomorrow.first_day)})
    assert owners() == {task.pk: cast.wang.pk}
    today = away(cast.wang)
    jobs.give_to_others.func(event={"what": "taken", "first_day": str(today.first_day)})
    assert owners() == {task.pk: cast.zhao.pk}


def test_every_night_the_new_day_is_shared_out(cast):
    member(team(cast), cast.wang)
    task = make_task(cast, available_at=NOW - timedelta(hours=1), due_at=NOW + timedelta(hours=3))
    night = datetime(2026, 11, 19, 21, 30, tzinfo=UTC)  # 05:30 of the 20th in the hospital
    jobs.distribute_nightly.func(timestamp=int(night.timestamp()))
    assert owners() == {task.pk: cast.wang.pk}
    assert Distribution.objects.get().trigger == "night"
    assert Distribution.objects.get().day == DAY


def test_by_itself_work_goes_to_teams_only(cast):
    """A hospital without teams keeps its common list: nobody wakes up with patients of their own."""
    task = make_task(cast)
    run = distribute(trigger="night")
    assert (run.given, run.full, run.nobody_able) == (0, 0, 0)
    assert owners() == {task.pk: None}
    assert distribute().given == 1


def test_without_a_team_the_work_of_somebody_away_is_everybodys_again(cast):
    task = make_task(cast, owner=cast.wang)
    away(cast.wang)
    distribute(trigger="absence")
    assert owners() == {task.pk: None}


# --- report ---------------------------------------------------------------------------------------------------------------


def rows(cast):
    people = [cast.wang.pk, cast.zhao.pk]
    return {row.practitioner_id: row for row in reads.nurse_days(people=people, first=DAY, last=DAY)}


def test_the_report_counts_contacts_and_what_was_taken_away_is_not_counted(cast):
    heart = team(cast)
    member(heart, cast.wang, 10)
    member(heart, cast.zhao, 10)
    patients_with_a_task(cast, 5)
    distribute()
    found = rows(cast)
    assert sorted(row.given for row in found.values()) == [2, 3]
    assert reads.fairness_of(found.values()).widest == 1
    away(cast.wang)
    distribute(trigger="absence")
    found = rows(cast)
    assert (found[cast.wang.pk].given, found[cast.zhao.pk].given) == (0, 5)
    assert found[cast.wang.pk].capacity == 0
    assert reads.fairness_of(found.values()).widest == 0


def test_every_figure_leads_to_its_list(cast):
    member(team(cast), cast.wang, 10)
    work = patients_with_a_task(cast, 3)
    distribute()
    shown, total = reads.nurse_day_tasks(practitioner_id=cast.wang.pk, day=DAY, viewer=cast.as_wang)
    assert {one.task.pk for one in shown} == {one.pk for one in work}
    assert total == rows(cast)[cast.wang.pk].given == 3
    hidden, total = reads.nurse_day_tasks(practitioner_id=cast.wang.pk, day=DAY, viewer=cast.as_li)
    assert (hidden, total) == ([], 3)


def test_done_work_is_counted_on_its_day_and_to_whoever_did_it(cast):
    member(team(cast), cast.wang, 10)
    task = make_task(cast)
    distribute()
    tasks.complete_task(task=task, outcome="reached-patient", at=NOW, by=cast.as_wang)
    assert rows(cast)[cast.wang.pk].done == 1
    load = next(one for one in reads.loads(reads.colleagues(day=DAY, at=NOW), day=DAY) if one.done)
    assert (load.colleague.practitioner.pk, load.open) == (cast.wang.pk, 0)


def test_queries_do_not_grow_with_the_work(cast, django_assert_max_num_queries):
    heart = team(cast)
    member(heart, cast.wang)
    member(heart, cast.zhao)
    patients_with_a_task(cast, 25)
    with django_assert_max_num_queries(26):
        distribute()


# --- many hands -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_distributions_at_once_never_give_a_task_twice():
    cast = make_cast()
    heart = team(cast)
    member(heart, cast.wang, 20)
    member(heart, cast.zhao, 20)
    for _n in range(30):
        make_task(cast, make_patient(cast))

    def run(_n):
        try:
            return actions.distribute(day=DAY, at=NOW, by=Viewer.system("test"), trigger="night").given
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        given = list(pool.map(run, range(6)))
    assert sorted(given) == [0, 0, 0, 0, 0, 30]
    assert Assignment.objects.unscoped("test").count() == 30
    assert Counter(owners().values()) == {cast.wang.pk: 15, cast.zhao.pk: 15}


@pytest.mark.django_db(transaction=True)
def test_a_distribution_beside_finishing_hands_never_gives_done_work_an_owner_it_did_not_have():
    cast = make_cast()
    member(team(cast), cast.wang, 100)
    work = [make_task(cast, make_patient(cast)) for _n in range(20)]

    def finish(task):
        try:
            tasks.complete_task(task=task, outcome="reached-patient", at=NOW, by=SYSTEM)
        finally:
            connection.close()

    def share(_n):
        try:
            actions.distribute(day=DAY, at=NOW, by=SYSTEM, trigger="night")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda pair: pair[0](pair[1]), [(finish, t) for t in work[:10]] + [(share, n) for n in range(3)]))
    open_ones = Task.objects.unscoped("test").filter(status="requested")
    assert open_ones.count() == 10
    assert set(open_ones.values_list("owner_id", flat=True)) == {cast.wang.pk}
    assert Task.objects.unscoped("test").filter(status="completed").count() == 10

"""The roll-up equals the recount after whatever happened to tasks, attempts, alerts and encounters."""

import itertools
import random
import re
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction

from careloop.alerts.models import Alert
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, Encounter
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.reports import actions, rules
from careloop.reports.models import FirstContact, Rollup, RollupCheck
from careloop.tasks.models import ContactAttempt, Task
from tests.cast import NOW, make_cast

SYSTEM = Viewer.system("tests")
KEY = ("month", "department_id", "practitioner_id")
numbers = itertools.count()


def summed(table):
    names = ", ".join(f"sum({name})::bigint" for name in rules.STORED)
    any_of = " OR ".join(f"sum({name}) <> 0" for name in rules.STORED)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(KEY)}, {names} FROM {table} GROUP BY {', '.join(KEY)} HAVING {any_of}")
        return {row[:3]: dict(zip(rules.STORED, row[3:], strict=True)) for row in cursor.fetchall()}


def by_half_hour(view):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT measure, month, department_id, day, slot, sum(number)::int FROM {view} GROUP BY 1, 2, 3, 4, 5"
            " HAVING sum(number) <> 0"
        )
        return set(cursor.fetchall())


def without_people(table, where="true"):
    """Of each month and department, and of each month as a whole (None): what is not zero."""
    names = ", ".join(f"sum({name})::bigint" for name in rules.STORED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT month, department_id, {names} FROM {table} WHERE {where} GROUP BY"
            + (
                " month, department_id"
                if table == "reports_monthrollup"
                else " GROUPING SETS ((month, department_id), (month))"
            )
        )
        return {row[:2]: row[2:] for row in cursor.fetchall() if any(row[2:])}


def assert_equal():
    assert summed("reports_rollup") == summed("reports_recount")
    assert without_people("reports_monthrollup") == without_people("reports_rollup", "folded")
    assert by_half_hour("reports_clockslots") == by_half_hour("reports_clockrecount")


def total():
    return rules.add(summed("reports_rollup").values())


def make_task(cast, **more):
    due = more.pop("due_at", NOW)
    values = {
        "patient": cast.zhang, "department": cast.cardiology, "key": f"t{next(numbers)}", "kind": "follow-up",
        "available_at": due - timedelta(days=1), "due_at": due, "encounter_id": cast.stay.pk,
    } | more  # fmt: skip
    with seeding():
        return Task.objects.create(**values)


def change(model, pk, **values):
    with seeding():
        return model.objects.unscoped("test").filter(pk=pk).update(**values)


def attempt(task, outcome="no-answer", **more):
    with seeding():
        return ContactAttempt.objects.create(
            patient=task.patient, task=task, outcome=outcome, started_at=more.pop("started_at", NOW), **more
        )


def make_alert(cast, **more):
    raised = more.pop("raised_at", NOW)
    with seeding():
        return Alert.objects.create(
            patient=cast.zhang, department=more.pop("department", cast.cardiology), key=f"a{next(numbers)}",
            rule_code="r", severity="critical", rank=3, sentence_zh="x", limits_version="1", wanted_role="head",
            respond_by=raised + timedelta(minutes=30), close_by=raised + timedelta(hours=4), raised_at=raised, **more,
        )  # fmt: skip


def make_stay(cast, came, left, **more):
    """A stay in bed from one instant to another; still going on without the second."""
    values = {
        "patient": cast.zhang, "system": "test", "visit_number": f"s{next(numbers)}", "class_code": "IMP",
        "status": "finished" if left else "in-progress", "department": cast.cardiology, "admitted_at": came,
        "discharged_at": left, "disposition": "home",
    } | more  # fmt: skip
    with seeding():
        return Encounter.objects.create(**values)


def scored(level):
    """What the form's score says of an answer from 1 to 5; None: the question was left out."""
    band = {None: "", 1: "dissatisfied", 2: "dissatisfied", 3: "neutral"}.get(level, "satisfied")
    return {"satisfaction": {"value": level, "band": band, "missing": []}}


def make_answer(cast, level, **more):
    """A completed satisfaction survey with this answer on the whole stay."""
    with seeding():
        form = Questionnaire.objects.filter(name="survey").first() or Questionnaire.objects.create(
            url="https://test/survey", version="1", name="survey", title="x", content={}, content_hash="x",
            valid_from=NOW.date(),
        )  # fmt: skip
        values = {
            "patient": cast.zhang, "questionnaire": form, "canonical": "https://test/survey|1", "status": "completed",
            "mode": "portal", "scores": scored(level), "started_at": NOW, "authored_at": NOW,
        } | more  # fmt: skip
        return QuestionnaireResponse.objects.create(**values)


def test_a_follow_up_counts_from_planned_to_effective(cast):
    task = make_task(cast)
    assert total() == dict.fromkeys(rules.STORED, 0) | {"planned": 1, "open": 1}
    attempt(task)
    change(Task, task.pk, attempts=1)
    assert total()["attempted"] == 1
    change(Task, task.pk, status="completed", outcome="reached-patient", ended_at=NOW, ended_by=cast.wang)
    found = total()
    assert (found["planned"], found["open"], found["done"], found["followed"], found["effective"]) == (1, 0, 1, 1, 1)
    assert {key[2] for key in summed("reports_rollup")} >= {cast.wang.pk}
    assert_equal()


@pytest.mark.parametrize(
    ("reason", "outcome", "excluded", "followed"),
    [
        ("died", "died", 1, 0),
        ("refused", "refused", 1, 0),
        ("transferred", "transferred", 1, 0),
        ("discharge-cancelled", "", 1, 0),
        ("readmitted", "", 1, 0),  # withdrawn while the patient was in hospital
        ("readmitted", "readmitted", 0, 1),  # said by the patient on the phone
        ("moved", "", 1, 0),  # the item was moved to another day
        ("moved", "moved", 0, 1),  # the patient moved house, and said so
        ("window-passed", "", 0, 0),
        ("tried-enough", "", 0, 0),
    ],
)
def test_what_is_excluded_and_what_counts_as_followed(cast, reason, outcome, excluded, followed):
    task = make_task(cast)
    change(Task, task.pk, status="cancelled", closed_reason=reason, outcome=outcome, ended_at=NOW)
    found = total()
    assert (found["closed"], found["excluded"], found["followed"]) == (1, excluded, followed)
    assert_equal()


def test_other_kinds_of_tasks_do_not_count(cast):
    make_task(cast, kind="alert")
    assert total().get("planned", 0) == 0


def test_the_month_is_the_hospitals(cast):
    make_task(cast, due_at=NOW.replace(day=30, hour=15, minute=59))
    make_task(cast, due_at=NOW.replace(day=30, hour=16, minute=1))
    assert sorted(key[0].month for key in summed("reports_rollup")) == [11, 12]


def test_calls_and_invalid_numbers_and_undone_calls(cast):
    task = make_task(cast)
    attempt(task, "empty-number", by_practitioner=cast.wang)
    wrong = attempt(task, "wrong-person", by_practitioner=cast.wang)
    attempt(task, "reached-patient", by_practitioner=cast.wang)
    attempt(task, "reached-patient", channel="sms")
    assert (total()["calls"], total()["calls_invalid"], total()["calls_reached"]) == (3, 2, 1)
    change(ContactAttempt, wrong.pk, undone_at=NOW)
    assert (total()["calls"], total()["calls_invalid"]) == (2, 1)
    assert_equal()


def test_when_a_task_moves_to_another_department_its_calls_move_too(cast):
    task = make_task(cast)
    attempt(task)
    change(Task, task.pk, department=cast.orthopaedics)
    by_department = {}
    for key, counts in summed("reports_rollup").items():
        by_department[key[1]] = by_department.get(key[1], 0) + counts["calls"]
    assert by_department.get(cast.cardiology.pk, 0) == 0
    assert by_department[cast.orthopaedics.pk] == 1
    assert_equal()


def test_alerts_closed_in_time_and_late(cast):
    quick, late = make_alert(cast), make_alert(cast)
    for alert, hours in ((quick, 1), (late, 5)):
        end = NOW + timedelta(hours=hours)
        change(
            Alert, alert.pk, status="closed", owner=cast.zhao, accepted_at=NOW, closed_at=end, closing_code="resolved"
        )
    found = total()
    assert (found["alerts"], found["alerts_closed"], found["alerts_closed_in_time"]) == (2, 2, 1)
    assert found["alert_close_seconds"] == 6 * 3600
    assert_equal()


def discharge(cast, at=NOW, **more):
    change(Encounter, cast.stay.pk, status="finished", discharged_at=at, disposition="home", **more)


def test_first_contact_within_72_hours(cast):
    task = make_task(cast)
    discharge(cast)
    assert (total()["discharges"], total()["contacted_72h"]) == (1, 0)
    attempt(task, "no-answer", started_at=NOW + timedelta(hours=10))
    assert total()["contacted_72h"] == 0
    reached = attempt(task, "reached-patient", started_at=NOW + timedelta(hours=71))
    assert (total()["contacted_72h"], total()["contacted_14d"]) == (1, 1)
    change(ContactAttempt, reached.pk, undone_at=NOW)
    assert (total()["contacted_72h"], FirstContact.objects.count()) == (0, 0)
    assert_equal()


def test_an_online_answer_is_a_first_contact_and_73_hours_are_too_late(cast):
    task = make_task(cast)
    discharge(cast)
    late = NOW + timedelta(hours=73)
    change(Task, task.pk, status="completed", outcome="answered-online", ended_at=late)
    assert (total()["contacted_72h"], total()["contacted_14d"], total()["online"]) == (0, 1, 1)
    discharge(cast, at=NOW + timedelta(hours=2))  # corrected by the HIS: now it was within 72 hours
    assert total()["contacted_72h"] == 1
    assert_equal()


def test_when_two_records_become_one_the_first_contact_stays(cast):
    from careloop.patients import actions as patients

    task = make_task(cast)
    discharge(cast)
    attempt(task, "reached-patient", started_at=NOW + timedelta(hours=5))
    assert total()["contacted_72h"] == 1
    merge = patients.merge_patients(survivor=cast.ma, gone=cast.zhang, source="test", at=NOW, by=SYSTEM)
    assert total()["contacted_72h"] == 1
    patients.unmerge_patients(merge=merge, reason="test", at=NOW, by=SYSTEM)
    assert total()["contacted_72h"] == 1
    assert_equal()


def test_the_nightly_check_finds_a_lost_first_contact(cast):
    task = make_task(cast)
    discharge(cast)
    attempt(task, "reached-patient", started_at=NOW + timedelta(hours=5))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reports_firstcontact")
    assert total()["contacted_72h"] == 0
    actions.check_rollup(at=NOW + timedelta(days=1), by=SYSTEM)
    assert total()["contacted_72h"] == 1


def test_a_cancelled_discharge_counts_no_more_and_a_death_is_excluded(cast):
    discharge(cast)
    change(Encounter, cast.stay.pk, disposition="died")
    assert (total()["discharges"], total()["discharges_excluded"]) == (1, 1)
    change(Encounter, cast.stay.pk, status="in-progress", discharged_at=None)
    assert total().get("discharges", 0) == 0
    assert_equal()


class Chaos:
    """Random things that happen in a hospital."""

    def __init__(self, cast, seed):
        self.cast, self.dice = cast, random.Random(seed)
        self.tasks, self.attempts, self.alerts = [], [], []
        self.stays, self.diagnoses, self.answers = [], [], []

    def when(self):
        return NOW + timedelta(hours=self.dice.randint(-900, 900))

    def person(self):
        return self.dice.choice([None, self.cast.wang, self.cast.li, self.cast.sun])

    def step(self):
        self.dice.choice(
            [
                self.new_task, self.new_task, self.end_task, self.reopen, self.move, self.call, self.call, self.undo,
                self.new_alert, self.close_alert, self.discharge, self.readmit, self.bulk, self.come_and_go,
                self.come_and_go, self.stay_otherwise, self.diagnose, self.answer, self.answer_otherwise,
            ]
        )()  # fmt: skip

    def new_task(self):
        stay = self.dice.choice([self.cast.stay, self.cast.other_stay])
        self.tasks.append(
            make_task(
                self.cast, due_at=self.when(), owner=self.person(), patient=stay.patient, encounter_id=stay.pk,
                kind=self.dice.choice(["follow-up", "follow-up", "alert"]),
            )
        )  # fmt: skip

    def end_task(self):
        if self.tasks:
            done = self.dice.random() < 0.6
            change(
                Task, self.dice.choice(self.tasks).pk, ended_at=self.when(), ended_by=self.person(),
                status="completed" if done else "cancelled",
                outcome=self.dice.choice(["reached-patient", "answered-online"] if done else ["", "moved", "died"]),
                closed_reason="" if done else self.dice.choice(["died", "refused", "moved", "unreachable"]),
            )  # fmt: skip

    def reopen(self):
        if self.tasks:
            change(
                Task, self.dice.choice(self.tasks).pk, status="requested", ended_at=None, ended_by=None, outcome="",
                closed_reason="",
            )  # fmt: skip

    def move(self):
        if self.tasks:
            to = self.dice.choice([self.cast.cardiology, self.cast.orthopaedics])
            change(Task, self.dice.choice(self.tasks).pk, department=to, owner=self.person())

    def call(self):
        if self.tasks:
            outcome = self.dice.choice(["no-answer", "empty-number", "reached-patient", "wrong-person", "busy"])
            self.attempts.append(
                attempt(
                    self.dice.choice(self.tasks), outcome, started_at=self.when(), by_practitioner=self.person(),
                    channel=self.dice.choice(["phone", "phone", "sms"]),
                )
            )  # fmt: skip

    def undo(self):
        if self.attempts:
            change(ContactAttempt, self.dice.choice(self.attempts).pk, undone_at=NOW)

    def come_and_go(self):
        came = self.when()
        left = self.dice.choice([None, came + timedelta(hours=self.dice.randint(1, 200))])
        self.stays.append(
            make_stay(
                self.cast, came, left, patient=self.dice.choice([self.cast.zhang, self.cast.zhang, self.cast.ma]),
                department=self.dice.choice([None, self.cast.cardiology, self.cast.orthopaedics]), attending=self.person(),
            )
        )  # fmt: skip

    def stay_otherwise(self):
        if self.stays:
            stay, came = self.dice.choice(self.stays), self.when()
            values = self.dice.choice(
                [
                    {"class_code": self.dice.choice(["IMP", "SS", "AMB"])},
                    {"status": "cancelled", "discharged_at": None},
                    {"status": "finished", "admitted_at": came, "discharged_at": came + timedelta(days=3)},
                    {"disposition": self.dice.choice(["home", "died", "transferred", "against-advice"])},
                    {"patient": self.dice.choice([self.cast.zhang, self.cast.ma]), "attending": self.person()},
                ]
            )
            change(Encounter, stay.pk, **values)

    def diagnose(self):
        if self.stays:
            stay = self.dice.choice(self.stays)
            with seeding():
                self.diagnoses.append(
                    Condition.objects.create(
                        patient_id=Encounter.objects.unscoped("test").get(pk=stay.pk).patient_id, encounter=stay,
                        code_key=self.dice.choice(["Z51.102", "Z51.102", "I21.0"]), rank=self.dice.choice([1, 1, 2]),
                    )
                )  # fmt: skip
        if self.diagnoses and self.dice.random() < 0.3:
            change(Condition, self.dice.choice(self.diagnoses).pk, active=self.dice.choice([True, False]))

    def answer(self):
        taken = {one.task_id for one in self.answers}
        free = [task for task in self.tasks if task.pk not in taken]
        task = self.dice.choice([None, *free])
        self.answers.append(
            make_answer(
                self.cast, self.dice.choice([1, 3, 4, 5, None]), task_id=task and task.pk, authored_at=self.when(),
                author=self.person(), status=self.dice.choice(["completed", "completed", "in-progress"]),
            )
        )  # fmt: skip

    def answer_otherwise(self):
        if self.answers:
            one = self.dice.choice(self.answers)
            if QuestionnaireResponse.objects.unscoped("test").get(pk=one.pk).status == "in-progress":
                change(QuestionnaireResponse, one.pk, status="completed", scores=scored(self.dice.randint(1, 5)))
            else:
                change(QuestionnaireResponse, one.pk, status="entered-in-error")

    def new_alert(self):
        self.alerts.append(make_alert(self.cast, raised_at=self.when(), owner=self.person()))

    def close_alert(self):
        if self.alerts:
            alert = self.dice.choice(self.alerts)
            end = alert.raised_at + timedelta(hours=self.dice.randint(0, 9))
            change(
                Alert, alert.pk, status="closed", owner=self.cast.zhao, accepted_at=alert.raised_at, closed_at=end,
                closing_code="resolved",
            )  # fmt: skip

    def discharge(self):
        stay = self.dice.choice([self.cast.stay, self.cast.other_stay])
        change(
            Encounter, stay.pk, status="finished", discharged_at=self.when(),
            disposition=self.dice.choice(["home", "home", "died", "against-advice"]),
        )  # fmt: skip

    def readmit(self):
        stay = self.dice.choice([self.cast.stay, self.cast.other_stay])
        change(Encounter, stay.pk, status="in-progress", discharged_at=None)

    def bulk(self):
        change(Task, uuid4())  # a statement that touches nothing
        with seeding():
            Task.objects.unscoped("test").filter(owner=self.cast.wang).update(owner=self.cast.sun, attempts=2)
            Task.objects.bulk_create(
                [
                    Task(
                        patient=self.cast.ma, department=self.cast.orthopaedics, key=f"b{next(numbers)}", kind="follow-up",
                        available_at=NOW, due_at=NOW + timedelta(days=n),
                    )
                    for n in range(3)
                ]
            )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_rollup_equals_the_recount(cast, seed):
    chaos = Chaos(cast, seed)
    for number in range(120):
        chaos.step()
        if number % 20 == 19:
            assert_equal()
        if number == 60:
            actions.fold_rollup(by=SYSTEM)
    actions.fold_rollup(by=SYSTEM)
    assert_equal()
    keys = list(Rollup.objects.values_list(*KEY))
    assert len(keys) == len(set(keys))


def test_departments_make_the_hospital_whatever_happened(cast):
    chaos = Chaos(cast, 99)
    for _ in range(80):
        chaos.step()
    groups = summed("reports_rollup")
    by_department = {}
    for (_month, department, _person), counts in groups.items():
        by_department[str(department)] = rules.add([by_department.get(str(department), {}), counts])
    for measure in rules.STORED:
        assert rules.departments_make_the_hospital(by_department, total(), measure).holds
    states = {name: total()[name] for name in ("open", "done", "closed")}
    assert rules.states_make_the_enrolled(states, total()["planned"]).holds


def test_a_difference_is_found_written_down_and_put_right(cast):
    make_task(cast)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reports_rollup SET done = done + 5")
    check = actions.check_rollup(at=NOW, by=SYSTEM)
    assert (check.differing, RollupCheck.objects.count()) == (1, 1)
    assert_equal()
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE reports_rollup SET done = done + 5",  # a folded row: a person, and so the month, has too many
        "UPDATE reports_monthrollup SET done = done + 5",
        "UPDATE reports_monthrollup SET done = done + 5 WHERE department_id IS NULL",
        "DELETE FROM reports_monthrollup",
        "DELETE FROM reports_rollup",
        "UPDATE reports_rollup SET folded = false",
        "INSERT INTO reports_monthrollup (month, department_id, lost) VALUES ('2020-02-01', gen_random_uuid(), 3)",
    ],
)
def test_sums_without_people_that_are_wrong_are_found_at_night_and_put_right(cast, wrong):
    task = make_task(cast)
    actions.fold_rollup(by=SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(wrong)
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing >= 1
    assert_equal()
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing == 0
    change(Task, task.pk, status="completed", outcome="reached-patient", ended_at=NOW)
    for _twice in range(2):
        actions.fold_rollup(by=SYSTEM)
        assert_equal()
    assert not Rollup.objects.filter(folded=False).exists()


def test_a_fold_writes_nothing_where_nothing_is_new(cast):
    make_task(cast)
    assert actions.fold_rollup(by=SYSTEM) > 0
    before = set(Rollup.objects.values_list("pk", flat=True))
    assert actions.fold_rollup(by=SYSTEM) == 0
    assert set(Rollup.objects.values_list("pk", flat=True)) == before


def test_the_code_lists_in_the_database_are_those_of_the_definitions(cast):
    from careloop.reports.reads import definitions

    found = definitions()
    reasons = {reason for one in found.exclusions for reason in one.reasons}
    dispositions = {code for one in found.exclusions for code in one.dispositions}
    lists = {
        "reports_excluded_reason": reasons,
        "reports_excluded_disposition": dispositions,
        "reports_contact_made": set(found.contact_made_outcomes),
        "reports_invalid_number": set(found.invalid_number_outcomes),
        "reports_reached": set(found.reached_outcomes),
    }
    with connection.cursor() as cursor:
        for name, codes in lists.items():
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [name])
            source = cursor.fetchone()[0]
            assert {part.strip(" ')") for part in source.split("IN (")[1].split(",")} == codes, name


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_eight_writers_and_a_folder_at_once_lose_nothing():
    cast = make_cast()
    stop = threading.Event()

    def write():
        try:
            for _ in range(25):
                with transaction.atomic():
                    one = make_task(cast)
                    change(Task, one.pk, due_at=NOW + timedelta(minutes=next(numbers)), available_at=NOW)
                    change(Task, one.pk, status="completed", outcome="reached-patient", ended_at=NOW)
        finally:
            connections.close_all()

    def fold():
        try:
            while not stop.is_set():
                actions.fold_rollup(by=SYSTEM)
        finally:
            connections.close_all()

    folder = threading.Thread(target=fold)
    writers = [threading.Thread(target=write) for _ in range(8)]
    for thread in (*writers, folder):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    folder.join()
    assert total()["done"] == 200
    assert by_half_hour("reports_clockslots") == set()  # nothing is open
    assert_equal()


# --- many rows in one statement -------------------------------------------------------------------------------------


def test_many_tasks_moved_ended_and_reopened_in_one_statement(cast):
    tasks = [make_task(cast) for _ in range(12)]
    for number, task in enumerate(tasks):
        for _ in range(number % 3):
            attempt(task, "reached-patient" if number % 2 else "no-answer", by_practitioner=cast.wang)
    ids = [task.pk for task in tasks]
    everything = Task.objects.unscoped("test").filter(pk__in=ids)
    with seeding():
        everything.filter(pk__in=ids[:7]).update(department=cast.orthopaedics)
        assert_equal()
        everything.filter(pk__in=ids[3:]).update(status="completed", outcome="reached-patient", ended_at=NOW)
        assert_equal()
        everything.update(department=cast.cardiology, priority=7)
        assert_equal()
        everything.update(priority=8)  # nothing that counts
        assert_equal()
        everything.update(status="requested", outcome="", ended_at=None)
    assert_equal()
    assert total()["calls"] == sum(number % 3 for number in range(12))


def test_many_discharges_change_their_instant_in_one_statement(cast):
    change(Encounter, cast.stay.pk, discharged_at=NOW - timedelta(days=5))
    make_task(cast, status="completed", outcome="reached-patient", ended_at=NOW)
    assert_equal()
    with seeding():
        Encounter.objects.unscoped("test").update(discharged_at=NOW - timedelta(hours=3))
    assert_equal()
    with seeding():
        Encounter.objects.unscoped("test").update(discharged_at=NOW + timedelta(hours=3))
    assert_equal()


def test_no_trigger_compares_the_rows_before_with_the_rows_after(db):
    """These sets have no index: a join of both costs the square of the rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE prorettype = 'trigger'::regtype AND prosrc LIKE '%%_rows%%'"
        )
        functions = dict(cursor.fetchall())
    assert "reports_task_changed" in functions
    joined = re.compile(r"JOIN\s+(old|new)_rows", re.IGNORECASE)
    assert [name for name, source in functions.items() if joined.search(source)] == []

"""Satisfaction and readmission: what counts, from when on, and that page, list and recount say the same."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from careloop.kernel.actions import seeding
from careloop.patients.models import Condition, Encounter
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.reports import actions, reads, rules, views
from careloop.reports.models import Readmission
from careloop.reports.tests.test_rollup import (
    SYSTEM,
    assert_equal,
    change,
    make_answer,
    make_stay,
    make_task,
    scored,
    total,
)
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient
from tests.cast import NOW

ZONE = ZoneInfo("Asia/Shanghai")
LEFT = datetime(2026, 9, 10, 15, 0, tzinfo=ZONE)


def stay(cast, came, left=None, **more):
    return make_stay(cast, came, left or came + timedelta(days=4), **more)


def first(cast, **more):
    return make_stay(cast, LEFT - timedelta(days=5), LEFT, **more)


def readmitted(month=9):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(readmitted), 0), coalesce(sum(stays), 0) FROM reports_rollup"
            " WHERE extract(month FROM month) = %s",
            [month],
        )
        return cursor.fetchone()


@pytest.mark.parametrize(
    ("came", "more", "counts"),
    [
        (LEFT + timedelta(days=3), {}, 1),
        (LEFT + timedelta(microseconds=1), {}, 1),
        (LEFT, {}, 0),  # moved on in the same moment: one stay in two beds
        (datetime(2026, 10, 10, 23, 59, 59, tzinfo=ZONE), {}, 1),  # the thirtieth day, to its end
        (datetime(2026, 10, 11, 0, 0, tzinfo=ZONE), {}, 0),
        (LEFT + timedelta(days=3), {"class_code": "SS"}, 0),
        (LEFT + timedelta(days=3), {"class_code": "EMER"}, 0),
        (LEFT + timedelta(days=3), {"status": "cancelled", "discharged_at": None}, 0),
        (LEFT + timedelta(days=3), {"status": "planned", "discharged_at": None}, 0),
        (LEFT + timedelta(days=3), {"status": "in-progress", "discharged_at": None}, 1),
        (LEFT - timedelta(days=40), {}, 0),
    ],
)
def test_coming_to_a_bed_again_within_thirty_days_counts(cast, came, more, counts):
    first(cast)
    stay(cast, came, patient=cast.zhang, **more)
    assert readmitted()[0] == counts
    assert_equal()


@pytest.mark.parametrize(
    ("more", "stays", "counts"),
    [
        ({}, 1, 1),
        ({"disposition": "against-advice"}, 1, 1),
        ({"disposition": "died"}, 0, 0),
        ({"disposition": "transferred"}, 0, 0),
        ({"class_code": "SS"}, 0, 0),
        ({"department": None}, 1, 1),
    ],
)
def test_which_stays_are_looked_at(cast, more, stays, counts):
    first(cast, **more)
    make_stay(cast, LEFT + timedelta(days=20), None)
    assert readmitted() == (counts, stays)
    assert_equal()


def test_somebody_elses_stay_is_no_readmission_until_the_records_are_one(cast):
    first(cast)
    other = stay(cast, LEFT + timedelta(days=2), patient=cast.ma)
    assert readmitted()[0] == 0
    change(Encounter, other.pk, patient=cast.zhang)
    assert readmitted()[0] == 1
    change(Encounter, other.pk, patient=cast.ma)
    assert readmitted()[0] == 0
    assert_equal()


def test_treatment_that_was_planned_does_not_count_and_counts_again_when_the_diagnosis_is_another(cast):
    first(cast)
    again = stay(cast, LEFT + timedelta(days=21))
    assert readmitted()[0] == 1
    with seeding():
        chemotherapy = Condition.objects.create(patient=cast.zhang, encounter=again, code_key="Z51.102", rank=1)
        Condition.objects.create(patient=cast.zhang, encounter=again, code_key="C34.9", rank=2)
    assert readmitted()[0] == 0
    change(Condition, chemotherapy.pk, rank=2)  # a diagnosis beside another main one
    assert readmitted()[0] == 1
    change(Condition, chemotherapy.pk, rank=1, code_key="Z51.8")
    assert readmitted()[0] == 1
    change(Condition, chemotherapy.pk, code_key="Z49.1")
    assert readmitted()[0] == 0
    assert_equal()


def test_stays_that_come_in_one_statement_are_looked_at_together(cast):
    """A first import: two stays of a new patient in one message, one of another, then a third that follows at once."""
    one, other = make_patient(cast), make_patient(cast)

    def coming(who, number, came):
        return Encounter(
            patient=who, system="test", visit_number=number, class_code="IMP", status="finished",
            department=cast.cardiology, admitted_at=came, discharged_at=came + timedelta(days=2), disposition="home",
        )  # fmt: skip

    together = [coming(one, "n1", LEFT), coming(one, "n2", LEFT + timedelta(days=9)), coming(other, "n3", LEFT)]
    with seeding():
        Encounter.objects.bulk_create(together)
    assert readmitted() == (1, 3)
    with seeding():
        Encounter.objects.bulk_create([coming(other, "n4", LEFT + timedelta(days=5))])
    assert readmitted() == (2, 4)
    assert_equal()


def test_a_stay_has_one_readmission_however_often_the_patient_came_and_each_stay_its_own(cast):
    first(cast)
    stay(cast, LEFT + timedelta(days=5))
    last = stay(cast, LEFT + timedelta(days=12))
    assert readmitted() == (2, 3)
    change(Encounter, last.pk, status="cancelled", discharged_at=None)
    assert readmitted() == (1, 2)
    with seeding():
        Encounter.objects.unscoped("test").filter(system="test").delete()
    assert readmitted() == (0, 0)
    assert not Readmission.objects.exists()
    assert_equal()


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (datetime(2026, 10, 10, 23, 59, 59, 999_999, tzinfo=ZONE), rules.Value(0, 0, None)),
        (datetime(2026, 10, 11, 0, 0, tzinfo=ZONE), rules.Value(1, 1, 100.0)),
    ],
)
@pytest.mark.parametrize("folded", [False, True])
def test_a_window_counts_from_the_day_on_which_it_is_over(cast, at, value, folded):
    first(cast)
    stay(cast, LEFT + timedelta(days=3), LEFT + timedelta(days=33))
    if folded:
        actions.fold_rollup(by=SYSTEM)
    begin = datetime(2026, 9, 1, tzinfo=ZONE)
    found = reads.dashboard(
        viewer=SYSTEM,
        months=rules.last_months(begin.date(), 2),
        begin=begin,
        end=datetime(2026, 10, 1, tzinfo=ZONE),
        at=at,
    )
    indicator = reads.definitions().indicator("readmission-30d")
    assert rules.value_of(indicator, found.months[begin.date()]) == value
    for side in ("readmitted", "stays"):
        lines, number = reads.listed(
            side, without=indicator.minus, viewer=SYSTEM, month=begin.date(), departments=None, practitioner_id=None, at=at,
            limit=9,
        )  # fmt: skip
        assert (len(lines), number) == (value.denominator, value.denominator)


@pytest.mark.parametrize(
    ("level", "more", "counted"),
    [
        (5, {}, (1, 1)),
        (4, {}, (1, 1)),
        (3, {}, (1, 0)),
        (1, {}, (1, 0)),
        (None, {}, (0, 0)),  # the question was left out
        (5, {"status": "in-progress"}, (0, 0)),
        (5, {"status": "entered-in-error"}, (0, 0)),
        (5, {"scores": {"total": {"value": 5, "band": "satisfied"}}}, (0, 0)),  # another form's score
        (5, {"scores": {}}, (0, 0)),
    ],
)
def test_what_counts_as_an_answer_and_as_satisfied(cast, level, more, counted):
    make_answer(cast, level, **more)
    assert (total().get("surveyed", 0), total().get("satisfied", 0)) == counted
    assert_equal()


def test_an_answer_counts_when_it_is_complete_belongs_to_the_tasks_department_and_goes_when_it_was_wrong(cast):
    task = make_task(cast)
    answer = make_answer(cast, None, task_id=task.pk, status="in-progress", author=cast.wang)
    change(QuestionnaireResponse, answer.pk, status="completed", scores=scored(4))
    assert total()["satisfied"] == 1
    change(Task, task.pk, department=cast.orthopaedics)
    with connection.cursor() as cursor:
        cursor.execute("SELECT department_id, sum(satisfied) FROM reports_rollup GROUP BY 1 HAVING sum(satisfied) <> 0")
        assert cursor.fetchall() == [(cast.orthopaedics.pk, 1)]
    assert_equal()
    change(QuestionnaireResponse, answer.pk, status="entered-in-error")
    assert total()["surveyed"] == 0
    assert_equal()


def test_a_readmission_that_was_lost_is_found_by_the_recount(cast):
    first(cast)
    stay(cast, LEFT + timedelta(days=5))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reports_readmission")
        cursor.execute("INSERT INTO reports_readmission SELECT gen_random_uuid(), '2026-09-01', %s, %s, '2026-09-09', now()",
                       [cast.cardiology.pk, cast.wang.pk])  # fmt: skip
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing > 0
    assert_equal()
    assert actions.check_rollup(at=NOW, by=SYSTEM).differing == 0


def test_the_lists_of_codes_are_those_of_the_definitions(cast):
    found = reads.definitions()
    for name, codes in (("planned_treatment", found.planned_treatments), ("no_way_back", found.no_way_back)):
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [f"reports_{name}"])
            assert set(re.findall(r"'([^'%]+)%?'", cursor.fetchone()[0])) == set(codes), name


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_shows_both_with_n_and_what_still_runs(cast, language):
    month = rules.add_months(rules.month_of(datetime.now(UTC).date()), -3)
    left = datetime(month.year, month.month, 5, 10, tzinfo=ZONE)
    make_stay(cast, left - timedelta(days=4), left)
    make_stay(cast, left + timedelta(days=6), left + timedelta(days=9), department=cast.orthopaedics)
    task = make_task(cast, due_at=left)
    make_answer(cast, 5, task_id=task.pk, authored_at=left)
    make_answer(cast, 2, authored_at=left)
    with seeding():
        cast.he.language = language
        cast.he.save()
    client = cast.client(cast.he)
    page = client.get(f"/reports/?month={month:%Y-%m}").content.decode()
    assert ("Satisfied patients" in page) is (language == "en")
    shown = {
        code: re.search(rf'data-indicator="{code}" data-value="([^"]*)" data-n="([^"]*)"', page) for code in views.CARDS
    }
    assert shown["satisfaction"].groups() == ("50.0", "2")
    assert shown["readmission-30d"].groups() == ("50.0", "2")
    for code, side, number in (
        ("satisfaction", "numerator", 1), ("satisfaction", "denominator", 2), ("readmission-30d", "numerator", 1),
        ("readmission-30d", "denominator", 2),
    ):  # fmt: skip
        listed = client.get(f"/reports/lists/{code}/{side}/?month={month:%Y-%m}").content.decode()
        assert f'data-total="{number}"' in listed, (code, side)
        assert "Z**" in listed
    now = rules.month_of(datetime.now(ZONE).date())
    make_stay(cast, datetime.now(UTC) - timedelta(hours=9), datetime.now(UTC) - timedelta(hours=1))
    running = client.get(f"/reports/?month={now:%Y-%m}").content.decode()
    assert re.search(r'data-indicator="readmission-30d" data-value="–" data-n="0"', running)

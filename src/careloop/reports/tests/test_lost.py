"""Lost to follow-up as a number, and follow-ups by their way: the roll-up, its recount, the page, the list behind it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint
from careloop.reports import actions, reads, rules
from careloop.reports.tests.test_rollup import SYSTEM, assert_equal, change, make_task, total
from careloop.reports.tests.test_views import html, now, value
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from tests.cast import NOW

DAY = timedelta(days=1)


def lost(cast, reason="missing", *, department=None, due_at=None, ended_by=None):
    task = make_task(cast, department=department or cast.cardiology, due_at=due_at or now() - timedelta(minutes=5))
    change(
        Task, task.pk, status="cancelled", closed_reason="lost-to-follow-up", outcome=f"lost-{reason}", ended_at=now(),
        attempts=3, ended_by=ended_by or cast.wang,
    )  # fmt: skip
    return task


def done(cast, channel="phone", outcome="reached-patient", **more):
    task = make_task(cast, due_at=now() - timedelta(minutes=5), **more)
    change(Task, task.pk, status="completed", outcome=outcome, channel=channel, ended_at=now(), ended_by=cast.wang)
    return task


def page(cast, person, query="", name="reports:lost"):
    return html(cast.client(person).get(f"{reverse(name)}{query}"))


def reasons(text):
    return {code: int(n) for code, n in re.findall(r'data-reason="([a-z-]+)" data-count="(\d+)"', text)}


def by(kind, text):
    found = re.findall(rf'data-{kind}="([^"]*)" data-lost="(\d+)" data-n="(\d+)"', text)
    return {label: (int(number), int(n)) for label, number, n in found}


# --- the roll-up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "closed_reason", "outcome", "counts"),
    [
        ("cancelled", "lost-to-follow-up", "lost-missing", 1),
        ("cancelled", "lost-to-follow-up", "lost-other", 1),
        ("cancelled", "lost-to-follow-up", "", 0),  # later steps of the plan that ended with it: one loss, not many
        ("cancelled", "moved", "moved", 0),
        ("cancelled", "patient-died", "died", 0),
        ("requested", "", "", 0),
        ("completed", "", "reached-patient", 0),
    ],
)
def test_what_counts_as_lost(cast, status, closed_reason, outcome, counts):
    task = make_task(cast)
    ended = {} if status == "requested" else {"ended_at": NOW}
    change(Task, task.pk, status=status, closed_reason=closed_reason, outcome=outcome, **ended)
    assert (total().get("lost", 0), total()["planned"]) == (counts, 1)
    assert_equal()


def test_a_loss_that_is_taken_back_is_no_loss(cast):
    task = lost(cast)
    change(Task, task.pk, status="requested", closed_reason="", outcome="", ended_at=None)
    assert total()["lost"] == 0
    assert_equal()


def test_the_loss_of_the_real_action_is_counted(cast):
    task = make_task(cast)
    point = ContactPoint.objects.unscoped("test").get(patient=cast.zhang)
    for n in range(3):
        tasks.record_attempt(
            task=task, contact_point_id=point.pk, outcome="no-answer", at=NOW + n * DAY, by=cast.as_wang
        )
    tasks.lose_patient(task=task, reason="not-reached", at=NOW + 4 * DAY, by=cast.as_wang)
    assert (total()["lost"], total()["closed"], total()["followed"]) == (1, 1, 0)
    assert_equal()


@pytest.mark.parametrize(
    ("channel", "outcome", "measure"),
    [
        ("visit", "reached-patient", "visited"),
        ("visit", "reached-informed-relative", "visited"),
        ("clinic", "reached-patient", "in_clinic"),
        ("phone", "reached-patient", None),
        ("online", "answered-online", "online"),
        ("visit", "refused", None),
    ],
)
def test_effective_follow_ups_by_way(cast, channel, outcome, measure):
    done(cast, channel, outcome)
    found = total()
    assert {name for name in ("visited", "in_clinic", "online") if found[name]} == ({measure} if measure else set())
    assert_equal()


def test_a_way_that_changes_moves_the_count(cast):
    task = done(cast, "visit")
    change(Task, task.pk, channel="clinic")
    assert (total()["visited"], total()["in_clinic"]) == (0, 1)
    assert_equal()


def test_the_recount_finds_nothing_and_mends_what_was_damaged(cast):
    lost(cast)
    done(cast, "visit")
    assert actions.check_rollup(at=now(), by=SYSTEM).differing == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reports_rollup SET lost = lost + 5, visited = visited + 2")
    assert actions.check_rollup(at=now(), by=SYSTEM).differing > 0
    assert (total()["lost"], total()["visited"]) == (1, 1)
    assert_equal()


def test_the_function_that_knows_a_loss_agrees_with_the_reasons():
    assert all(f"lost-{reason}".startswith("lost-") for reason in tasks.LOST_REASONS)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "expected"),
    [*((f"lost-{reason}", True) for reason in tasks.LOST_REASONS), ("lost", False), ("", False), ("moved", False)],
)
def test_the_database_knows_a_loss(code, expected):
    with connection.cursor() as cursor:
        cursor.execute("SELECT reports_lost(%s::text)", [code])
        assert cursor.fetchone()[0] is expected


# --- the indicator -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measures", "number", "of"),
    [
        ({"planned": 20, "lost": 1}, 5.0, 20),
        ({"planned": 20, "lost": 1, "excluded": 5, "not_yet_due": 5}, 10.0, 10),
        ({"planned": 3, "excluded": 3}, None, 0),
        ({}, None, 0),
        ({"planned": 4}, 0.0, 4),
    ],
)
def test_the_rate_and_its_denominator(measures, number, of):
    found = rules.value_of(reads.definitions().indicator("lost-rate"), measures)
    assert (found.number, found.denominator) == (number, of)


# --- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_shows_number_denominator_reasons_and_places(cast):
    lost(cast, "missing")
    lost(cast, "moved")
    lost(cast, "missing", department=cast.orthopaedics)
    for _ in range(7):
        done(cast)
    text = page(cast, cast.he)
    assert value(text, "lost-rate") == "30.0"
    assert re.search(r'data-indicator="lost-rate" data-value="30.0" data-n="10"', text)
    assert reasons(text) == {"lost-missing": 2, "lost-moved": 1}
    assert by("place", text) == {"Cardiology": (2, 9), "Orthopaedics": (1, 1)}
    assert "失访率" in text
    assert reads.definitions().indicator("lost-rate").denominator_text["zh"] in text


def test_reasons_add_up_to_the_roll_up_in_every_scope(cast):
    for n, reason in enumerate(tasks.LOST_REASONS):
        for _ in range(n + 1):
            lost(cast, reason, department=cast.cardiology if n % 2 else cast.orthopaedics)
    local = now()
    begin, end = local - 40 * DAY, local + 40 * DAY
    for viewer in (Viewer.system("t"), cast.as_wang, cast.as_li):
        live = dict(reads.reasons_lost(viewer=viewer, begin=begin, end=end))
        months = (rules.month_of(begin.date()), rules.month_of(end.date()))
        counted = reads.dashboard(viewer=viewer, months=months, begin=begin, end=end, at=local).months
        assert sum(live.values()) == rules.add(counted.values()).get("lost", 0)


def test_months_are_told_apart_and_the_others_stay_empty(cast):
    lost(cast)
    lost(cast, due_at=now() - 31 * DAY)
    months = by("month", page(cast, cast.he))
    assert len(months) == 12
    assert sum(number for number, _n in months.values()) == 2
    assert max(number for number, _n in months.values()) == 1


def test_nobody_lost_is_said_in_words(cast):
    text = page(cast, cast.he)
    assert value(text, "lost-rate") == "–"
    assert reasons(text) == {}
    assert 'data-lost-card="0"' in page(cast, cast.he, name="reports:lost-card")


def test_a_supervisor_sees_the_own_department_only(cast):
    lost(cast, "missing")
    lost(cast, "moved", department=cast.orthopaedics)
    text = page(cast, cast.qian)
    assert reasons(text) == {"lost-missing": 1}
    assert list(by("place", text)) == ["Cardiology"]
    other = cast.client(cast.qian).get(f"{reverse('reports:lost')}?department={cast.orthopaedics.pk}")
    assert other.status_code == 404


@pytest.mark.parametrize("name", ["reports:lost", "reports:lost-card"])
def test_who_may_not_see_numbers_of_a_department_gets_403(cast, name):
    assert cast.client(cast.wang).get(reverse(name)).status_code == 403


@pytest.mark.parametrize("query", ["?month=2026-13", "?month=x", "?department=1", "?month=1999-01", "?person=zz"])
def test_nonsense_in_the_address_is_ignored(cast, query):
    assert cast.client(cast.he).get(f"{reverse('reports:lost')}{query}").status_code == 200


def test_the_list_behind_the_number_is_the_lost_and_their_reason(cast):
    gone = lost(cast, "working-away")
    done(cast)
    text = html(cast.client(cast.qian).get(reverse("reports:patients", args=["lost-rate", "numerator"])))
    assert re.findall(r'data-line="([^"]+)"', text) == [str(gone.pk)]
    assert 'data-code="lost-working-away"' in text
    whole = html(cast.client(cast.qian).get(reverse("reports:patients", args=["lost-rate", "denominator"])))
    assert 'data-total="2"' in whole


def test_names_behind_the_number_need_their_permission(cast):
    lost(cast)
    text = html(cast.client(cast.he).get(reverse("reports:patients", args=["lost-rate", "numerator"])))
    assert "Zhang" not in text
    assert "Z**" in text


def test_the_same_number_of_queries_however_many_are_lost(cast, django_assert_max_num_queries):
    lost(cast)
    client = cast.client(cast.he)
    client.get(reverse("reports:lost"))
    with django_assert_max_num_queries(16):
        client.get(reverse("reports:lost"))
    for reason in tasks.LOST_REASONS * 4:
        lost(cast, reason, department=cast.orthopaedics)
    with django_assert_max_num_queries(16):
        client.get(reverse("reports:lost"))


def test_in_english_too(cast):
    lost(cast, "missing")
    cast.he.__class__.objects.filter(pk=cast.he.pk).update(language="en")
    text = page(cast, cast.he)
    assert "Lost to follow-up" in text
    assert "失访" not in text


def test_the_supervisors_page_asks_for_the_card(cast):
    text = html(cast.client(cast.qian).get(reverse("supervision:home")))
    assert f'hx-get="{reverse("reports:lost-card")}"' in text
    assert reverse("reports:lost") in page(cast, cast.qian, name="reports:lost-card")


def test_the_dashboard_shows_ways_only_when_they_were_used(cast):
    done(cast)
    plain = html(cast.client(cast.he).get("/reports/"))
    assert "上门" not in plain
    done(cast, "visit")
    done(cast, "clinic")
    text = html(cast.client(cast.he).get("/reports/"))
    assert "上门" in text
    assert "门诊" in text
    assert re.search(r"1 \(33\.3%\)", text)

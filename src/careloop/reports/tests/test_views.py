"""The dashboards: numbers equal the rows behind them, sums add up, names stay hidden, looking is logged."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from careloop.accounts.models import Organization, Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import Encounter
from careloop.reports import actions, reads, rules, views
from careloop.reports.tests.test_rollup import SYSTEM, Chaos, attempt, change, make_task
from careloop.tasks.models import Task


def now():
    return datetime.now(UTC)


def html(response):
    assert response.status_code == 200, response.content[:400]
    return response.content.decode()


def value(page, code):
    return re.search(rf'data-indicator="{code}" data-value="([^"]*)"', page).group(1)


def held(page):
    return dict(re.findall(r'data-identity="([a-z]+)" data-holds="([a-z]+)"', page))


def followed_up(cast, *, reached=3, missed=1, department=None, owner=None):
    earlier = now() - timedelta(minutes=5)
    for _ in range(reached):
        task = make_task(cast, due_at=earlier, department=department or cast.cardiology)
        attempt(task, "reached-patient", by_practitioner=owner or cast.wang, started_at=earlier)
        change(
            Task, task.pk, attempts=1, status="completed", outcome="reached-patient", ended_at=earlier,
            ended_by=owner or cast.wang,
        )  # fmt: skip
    for _ in range(missed):
        task = make_task(cast, due_at=earlier, department=department or cast.cardiology, owner=owner or cast.wang)
        attempt(task, "empty-number", by_practitioner=owner or cast.wang, started_at=earlier)
        change(Task, task.pk, attempts=1, last_outcome="empty-number")


def test_the_hospital_page_shows_the_rates_and_that_they_add_up(cast):
    followed_up(cast)
    followed_up(cast, reached=1, missed=0, department=cast.orthopaedics, owner=cast.li)
    make_task(cast, due_at=now() + timedelta(minutes=1), key="later")  # not due yet: not in the denominator
    page = html(cast.client(cast.he).get("/reports/"))
    assert value(page, "follow-up-rate") == "80.0"
    assert value(page, "invalid-number-rate") == "20.0"
    assert held(page) == {"departments": "yes", "states": "yes"}
    assert page.count('class="rk"') == 2
    assert re.search(r'data-funnel="due".*?<b>5</b>', page)


def test_every_indicator_shows_its_definition(cast):
    page = html(cast.client(cast.he).get("/reports/"))
    for code in ("follow-up-rate", "alert-closure-time"):
        assert reads.definitions().indicator(code).numerator_text["zh"] in page


def test_whatever_happens_the_page_adds_up(cast):
    chaos = Chaos(cast, 5)
    for _ in range(100):
        chaos.step()
    client = cast.client(cast.he)
    for month in ("2026-10", "2026-11", "2026-12"):
        assert held(html(client.get(f"/reports/?month={month}"))) == {"departments": "yes", "states": "yes"}


def test_two_departments_of_one_name_and_a_discharge_without_department_still_add_up(cast):
    with seeding():
        twin = Organization.objects.create(
            code="CARD2", name="Cardiology", kind="department", parent=cast.hospital, path=f"{cast.hospital.path}CARD2/"
        )
    followed_up(cast)
    followed_up(cast, department=twin)
    change(Encounter, cast.stay.pk, status="finished", discharged_at=now(), department=None)
    assert held(html(cast.client(cast.he).get("/reports/"))) == {"departments": "yes", "states": "yes"}


def test_a_number_that_does_not_add_up_is_shown(cast):
    followed_up(cast)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reports_rollup SET planned = planned + 1")
    assert held(html(cast.client(cast.he).get("/reports/")))["states"] == "no"


def test_a_department_page_counts_its_wards_and_shows_people_to_the_supervisor(cast):
    with seeding():
        ward = Organization.objects.create(
            code="CARD-3", name="Ward 3", kind="ward", parent=cast.cardiology, path=f"{cast.cardiology.path}CARD-3/"
        )
    followed_up(cast, department=ward)
    followed_up(cast, department=cast.orthopaedics, owner=cast.li)
    page = html(cast.client(cast.qian).get("/reports/department/"))
    assert value(page, "follow-up-rate") == "75.0"
    assert "Wang" in page
    assert "Orthopaedics" not in page
    assert held(page) == {"departments": "yes", "states": "yes"}


def test_another_department_is_not_found_and_the_hospital_needs_its_permission(cast):
    client = cast.client(cast.qian)
    assert client.get(f"/reports/department/?department={cast.orthopaedics.pk}").status_code == 404
    assert client.get(f"/reports/reasons/?department={cast.orthopaedics.pk}").status_code == 404
    assert client.get("/reports/").status_code == 403
    assert cast.client(cast.wang).get("/reports/department/").status_code == 403
    listed = f"/reports/lists/follow-up-rate/denominator/?department={cast.orthopaedics.pk}"
    assert client.get(listed).status_code == 404


def test_a_manager_sees_no_names_of_people_or_patients(cast):
    followed_up(cast)
    client = cast.client(cast.he)
    department = html(client.get(f"/reports/department/?department={cast.cardiology.pk}"))
    assert "Wang" not in department
    listed = html(client.get("/reports/lists/follow-up-rate/denominator/"))
    assert "Zhang" not in listed
    assert "Z**" in listed


@pytest.mark.parametrize(
    ("code", "side", "count"),
    [
        ("follow-up-rate", "numerator", 3),
        ("follow-up-rate", "denominator", 4),
        ("invalid-number-rate", "numerator", 1),
        ("invalid-number-rate", "denominator", 4),
        ("alert-closed-in-time", "denominator", 0),
        ("first-contact-72h", "denominator", 0),
    ],
)
def test_the_lists_are_as_long_as_the_numbers_and_are_logged(cast, code, side, count):
    followed_up(cast)
    make_task(cast, due_at=now() + timedelta(minutes=1))
    page = html(cast.client(cast.qian).get(f"/reports/lists/{code}/{side}/"))
    assert page.count("data-line=") == count
    (logged,) = AuditEvent.objects.filter(name="reports.DrilledDown")
    assert (logged.payload["indicator"], logged.payload["side"], len(logged.payload["shown"])) == (code, side, count)
    assert ("Zhang" in page) is (count > 0)


def test_lists_by_person_and_unknown_lists(cast):
    followed_up(cast)
    followed_up(cast, reached=1, missed=0, owner=cast.sun)
    client = cast.client(cast.qian)
    assert html(client.get(f"/reports/lists/follow-up-rate/numerator/?person={cast.sun.pk}")).count("data-line=") == 1
    assert client.get("/reports/lists/happiness/numerator/").status_code == 404
    assert client.get("/reports/lists/follow-up-rate/middle/").status_code == 404


def test_every_list_equals_its_measure_whatever_happened(cast):
    chaos = Chaos(cast, 11)
    for _ in range(150):
        chaos.step()
    at, hospital = now() + timedelta(days=400), cast.viewer(cast.sun)
    for month in rules.last_months(date(2026, 12, 1), 3):
        counted = reads.dashboard(viewer=hospital, months=(month,), begin=at, end=at, at=at)
        total = rules.add(counted.departments.values())
        assert total == counted.months[month]
        assert all(total.get(name, 0) == number for name, number in counted.whole.items())
        for indicator in reads.definitions().indicators:
            for side in ("numerator", "denominator"):
                measure = getattr(indicator, side)[0]
                if measure == "alert_close_seconds":
                    continue
                _lines, count = reads.listed(
                    measure, without=(), viewer=hospital, month=month, departments=None, practitioner_id=None, at=at,
                    limit=5,
                )  # fmt: skip
                assert count == total.get(measure, 0), (indicator.code, side)


def test_reasons_for_not_reaching(cast):
    followed_up(cast, reached=0, missed=2)
    make_task(cast, due_at=now() - timedelta(minutes=5))
    fragment = html(cast.client(cast.qian).get("/reports/reasons/"))
    assert fragment.count("data-reason") == 2
    assert "67%" in fragment


def test_the_page_needs_few_queries_whatever_the_size(cast, django_assert_max_num_queries):
    followed_up(cast)
    client = cast.client(cast.he)
    with django_assert_max_num_queries(10):
        client.get("/reports/")


def test_the_nightly_check_is_shown(cast):
    followed_up(cast)
    actions.check_rollup(at=now(), by=SYSTEM)
    page = html(cast.client(cast.he).get("/reports/"))
    assert 'data-identity="recount"' in page


@pytest.mark.parametrize("query", ["?month=nonsense", "?month=2026-99", "?department=x", "?month=2031-01"])
def test_odd_addresses_do_no_harm(cast, query):
    assert cast.client(cast.he).get(f"/reports/{query}").status_code == 200


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_both_languages_render(cast, language):
    with seeding():
        cast.he.language = language
        cast.he.save()
    page = html(cast.client(cast.he).get("/reports/"))
    assert ("Follow-up rate" in page) is (language == "en")


def test_the_department_board_opens_on_one_and_every_address_names_it(cast):
    page = cast.client(cast.he).get("/reports/department/").content.decode()
    found = [address.replace("&amp;", "&") for address in re.findall(r'hx-get="(/reports/reasons/[^"]*)"', page)]
    assert found
    assert all(re.search(r"department=[0-9a-f-]{36}", address) for address in found)
    assert str(cast.hospital.pk) not in found[0]


# --- drawn once for the same rows ---


def drawn():
    return views._board_drawn.cache_info()


@pytest.fixture
def nothing_drawn():
    views._board_drawn.cache_clear()


@pytest.mark.usefixtures("nothing_drawn")
def test_a_page_is_drawn_once_for_the_same_rows_and_anew_for_every_change(cast):
    client = cast.client(cast.he)
    task = make_task(cast, due_at=now() - timedelta(minutes=5))
    steps = (
        ("0.0", lambda: None),
        ("100.0", lambda: change(Task, task.pk, status="completed", outcome="reached-patient", ended_at=now(), attempts=1)),
        ("50.0", lambda: make_task(cast, due_at=now() - timedelta(minutes=4))),
        ("50.0", lambda: actions.fold_rollup(by=SYSTEM)),  # the same numbers, however many rows they stand in
        ("–", lambda: [change(Task, one.pk, kind="alert") for one in Task.objects.unscoped("all of them")]),
    )  # fmt: skip
    for number, (rate, step) in enumerate(steps, 1):
        step()
        for _twice in range(2):
            assert value(html(client.get("/reports/")), "follow-up-rate") == rate, number
    assert (drawn().misses, drawn().hits) == (4, 6)


@pytest.mark.usefixtures("nothing_drawn")
def test_what_was_drawn_for_one_viewer_or_language_is_not_shown_to_another(cast):
    """Each sees what a drawing of one's own shows, whoever asked before."""
    followed_up(cast)
    followed_up(cast, reached=1, missed=0, department=cast.orthopaedics, owner=cast.li)
    actions.check_rollup(at=now(), by=SYSTEM)
    asked = [
        (person, path, language)
        for person, path in (
            (cast.he, "/reports/"), (cast.sun, "/reports/"), (cast.he, "/reports/department/"), (cast.qian, "/reports/department/"),
            (cast.wang, "/reports/department/"), (cast.he, f"/reports/department/?department={cast.orthopaedics.pk}"),
            (cast.he, "/reports/?month=2026-01"), (cast.he, f"/reports/?person={cast.wang.pk}"),
        )
        for language in ("zh-hans", "en")
    ]  # fmt: skip
    clients = {person.pk: cast.client(person) for person, _path, _language in asked}

    def body(person, path, language):
        with seeding():
            Practitioner.objects.filter(pk=person.pk).update(language=language)
        answer = clients[person.pk].get(path)
        return answer.status_code, answer.content.decode().partition('<div class="pbody">')[2]

    alone = []
    for one in asked:
        views._board_drawn.cache_clear()
        alone.append(body(*one))
    views._board_drawn.cache_clear()
    assert [body(*one) for one in asked] == alone
    assert [body(*one) for one in reversed(asked)] == alone[::-1]
    assert len(set(alone)) >= 13


def test_what_is_drawn_knows_the_month_that_runs_and_no_minute(cast):
    zone = timezone.get_default_timezone()
    last_minute = datetime(2026, 11, 30, 23, 59, 59, tzinfo=zone)
    november = [views.Period(date(2026, 11, 1), None, None, last_minute - timedelta(days=days)) for days in (0, 3, 29)]
    assert len({views._without_moment(one) for one in november}) == 1
    after = views._without_moment(views.Period(date(2026, 11, 1), None, None, last_minute + timedelta(seconds=1)))
    assert after != views._without_moment(november[0])
    assert (after.at.date(), after.at.tzinfo) == (date(2026, 12, 1), november[0].begin.tzinfo)

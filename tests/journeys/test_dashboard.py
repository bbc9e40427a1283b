"""The dashboards in a real browser: accessible, no sideways scrolling, charts with tables, definitions, lists behind numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from careloop.accounts.models import Practitioner
from careloop.reports.tests.test_rollup import Chaos
from careloop.reports.tests.test_survey_questions import Surveys
from careloop.reports.tests.test_views import followed_up
from tests.browser import axe_violations, overflow, page, site
from tests.cast import Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
SHOTS = Path(__file__).resolve().parents[2] / "test-results"


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    SHOTS.mkdir(exist_ok=True)
    cast = make_cast()
    chaos = Chaos(cast, 3)
    for _ in range(120):
        chaos.step()
    followed_up(cast, reached=12, missed=2)
    followed_up(cast, reached=3, missed=2, department=cast.orthopaedics, owner=cast.li)
    return cast


def enter(tab, url: str, person: Practitioner) -> None:
    key = signed_in(person).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080)])
def test_the_hospital_dashboard(cast: Cast, browser: Browser, width: int, height: int) -> None:
    with site() as url, page(browser, width, height) as tab:
        enter(tab, url, cast.he)
        tab.goto(f"{url}/reports/")
        expect(tab.locator("[data-chart-canvas] svg").first).to_be_visible()
        expect(tab.locator("[data-reason]").first).to_be_visible()
        assert tab.locator("[data-identity][data-holds=yes]").count() == 2
        tab.screenshot(path=SHOTS / f"dashboard-{width}.png")
        assert overflow(tab) <= 0
        assert axe_violations(tab) == []
        tab.locator("[data-chart-table]").first.click()
        expect(tab.locator("[data-chart-values]").first).to_be_visible()
        tab.locator("[data-indicator=follow-up-rate] summary").click()
        expect(tab.locator("[data-indicator=follow-up-rate] .pop dl")).to_be_visible()
        assert axe_violations(tab) == []


def test_from_a_number_to_its_list(cast: Cast, browser: Browser) -> None:
    with site() as url, page(browser, 1366, 768) as tab:
        enter(tab, url, cast.qian)
        tab.goto(f"{url}/reports/department/")
        tab.screenshot(path=SHOTS / "dashboard-department.png")
        assert axe_violations(tab) == []
        tab.locator("[data-indicator=follow-up-rate] .v a").click()
        expect(tab.locator("[data-line]").first).to_be_visible()
        assert tab.locator("[data-line]").count() >= 12
        assert axe_violations(tab) == []
        assert overflow(tab) <= 0
        tab.screenshot(path=SHOTS / "dashboard-list.png")


def test_without_scripts_the_chart_is_there(cast: Cast, browser: Browser) -> None:
    with site() as url, page(browser, 1366, 768, javascript=False) as tab:
        enter(tab, url, cast.he)
        tab.goto(f"{url}/reports/")
        charts = tab.locator("svg.linechart")
        expect(charts).to_have_count(3)  # follow-up, satisfaction, readmission
        for chart in charts.all():
            expect(chart).to_be_visible()


def test_the_duty_page(cast: Cast, browser: Browser) -> None:
    now = datetime.now(UTC)
    from careloop.alerts import actions

    actions.set_duty(
        organization_id=cast.cardiology.pk, kind="department-duty", practitioner_id=cast.zhao.pk, phone="8012",
        valid_from=now - timedelta(hours=1), valid_to=None, at=now, by=cast.viewer(cast.qian),
    )  # fmt: skip
    with site() as url, page(browser, 1366, 768) as tab:
        enter(tab, url, cast.qian)
        tab.goto(f"{url}/alerts/duties/")
        expect(tab.locator("[data-duty]")).to_be_visible()
        assert axe_violations(tab) == []
        assert overflow(tab) <= 0
        tab.screenshot(path=SHOTS / "alerts-duties.png")


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (375, 812)])
def test_satisfaction_question_by_question(browser: Browser, width: int, height: int) -> None:
    SHOTS.mkdir(exist_ok=True)
    cast = make_cast()
    survey = Surveys(cast)
    for department, overall, food, words in (
        (cast.cardiology, "5", "2", "护士很耐心"), (cast.cardiology, "4", "3", "停车要等一个小时"), (cast.orthopaedics, "2", "5", "等太久"),
    ):  # fmt: skip
        survey("inpatient", department, overall=overall, food=food, doctors="5", parking="na", comment=words)
    survey("outpatient", overall="4", waiting="1", doctors="4")
    with site() as url, page(browser, width, height) as tab:
        enter(tab, url, cast.qian)
        tab.goto(f"{url}/reports/department/?month=2026-09")
        tab.locator("[data-satisfaction-link]").click()
        expect(tab.locator("[data-comment]")).to_have_count(2)  # of the own department
        tab.locator("[data-question=food] a").first.click()
        expect(tab.locator("[data-question=food] a[aria-current]").first).to_be_visible()
        tab.screenshot(path=SHOTS / f"satisfaction-{width}.png", full_page=True)
        assert overflow(tab) <= 0
        assert axe_violations(tab) == []

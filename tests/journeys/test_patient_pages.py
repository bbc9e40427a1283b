"""Patient pages on a telephone: accessible, large enough, small enough, and all of it without JavaScript."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from careloop.kernel import assets
from careloop.kernel.actions import seeding
from careloop.patients.models import MedicationStatement, Observation
from careloop.portal.tests.conftest import PHONE_ZHANG, make_link
from tests.browser import axe_violations, overflow, page, site, small_targets, small_texts
from tests.cast import make_cast

pytestmark = pytest.mark.journey
SHOTS = Path(__file__).resolve().parents[2] / "test-results"
PAGES = ["/", "/plan/", "/medicines/", "/measure/blood-pressure/", "/measure/weight/", "/measure/glucose/"]


@pytest.fixture
def people(transactional_db, portal):
    people = make_cast()
    with seeding():
        people.zhang.name = "周国强"
        people.zhang.save()
        now = datetime.now(UTC)
        for day, upper, lower in ((6, 152, 95), (5, 149, 93), (3, 148, 92), (1, 141, 88)):
            for concept, value in (("systolic", upper), ("diastolic", lower)):
                Observation.objects.create(
                    patient=people.zhang, key=f"patient|{day}{concept}", code=concept, concept=concept,
                    value_number=Decimal(value), effective_at=now - timedelta(days=day), source="patient",
                )  # fmt: skip
        MedicationStatement.objects.create(
            patient=people.zhang, key="HIS|1", text="替格瑞洛片 90 mg", dose="90 mg", frequency="一天两次", route="口服"
        )
    return people


def enter(tab, url, token):
    tab.goto(f"{url}/q/{token}")
    tab.fill("#factor", PHONE_ZHANG)
    tab.click("button[form=check]")


def check_page(tab, name):
    """What every patient page must hold (ux R22, 适老化)."""
    tab.screenshot(path=SHOTS / f"patient-{name}.png")
    assert axe_violations(tab) == []
    assert small_targets(tab, 59.5) == []
    assert small_texts(tab, 17.9) == []
    assert overflow(tab) <= 0


def test_every_page_is_made_for_old_eyes_and_hands(people, browser):
    SHOTS.mkdir(exist_ok=True)
    token, _ = make_link(people.zhang)
    with site() as url, page(browser, 375, 812, device_scale_factor=2) as tab:
        tab.goto(f"{url}/q/{token}")
        check_page(tab, "check")
        tab.fill("#factor", "1111")
        tab.click("button[form=check]")
        assert tab.locator("[data-code=not-matched]").is_visible()
        check_page(tab, "check-wrong")
        tab.fill("#factor", PHONE_ZHANG)
        tab.click("button[form=check]")
        for path in PAGES:
            tab.goto(f"{url}{path}")
            check_page(tab, path.strip("/").replace("/", "-") or "home")
        tab.goto(f"{url}/measure/blood-pressure/")
        tab.fill("#f-systolic", "186")
        tab.fill("#f-diastolic", "112")
        tab.click("button[form=measure]")
        assert tab.locator("[data-level=urgent]").is_visible()
        check_page(tab, "measure-urgent")
        tab.goto(url)
        tab.click("summary")
        check_page(tab, "home-more")
        tab.click("[data-measure=glucose]")
        tab.fill("#f-glucose", "3.2")
        tab.click("button[form=measure]")
        assert tab.locator("[data-level=urgent-low]").is_visible()
        check_page(tab, "measure-low")


def test_large_print_on_the_smallest_telephone_does_not_overflow(people, browser):
    token, _ = make_link(people.zhang)
    with site() as url, page(browser, 320, 640) as tab:
        enter(tab, url, token)
        for path in PAGES:
            tab.goto(f"{url}{path}")
            for size in ("20px", "28px"):  # 1.4 times: WeChat's care mode
                tab.evaluate("size => document.documentElement.style.fontSize = size", size)
                assert overflow(tab) <= 0, (path, size)


def test_large_print_is_one_tap_and_stays(people, browser):
    token, _ = make_link(people.zhang)
    with site() as url, page(browser, 375, 812) as tab:
        enter(tab, url, token)
        with tab.expect_response("**/large/"):
            tab.click(".fs")
        assert tab.evaluate("document.documentElement.className") == "xl"
        tab.goto(f"{url}/medicines/")
        assert tab.evaluate("document.documentElement.className") == "xl"


def test_everything_works_without_javascript(people, browser):
    token, _ = make_link(people.zhang)
    with site() as url, page(browser, 375, 812, javascript=False) as tab:
        enter(tab, url, token)
        tab.click("a[href='/measure/blood-pressure/']")
        tab.fill("#f-systolic", "128")
        tab.fill("#f-diastolic", "76")
        tab.click("button[form=measure]")
        assert tab.locator("[data-level=ok]").is_visible()
        tab.click(".fs")
        assert tab.locator("html.xl").count() == 1


def weight_of(html: bytes) -> int:
    """What a first visit costs, gzipped: the page, its style and its script."""
    return len(gzip.compress(html)) + sum(
        len(gzip.compress((assets.DIST / Path(assets.asset(name)).name).read_bytes()))
        for name in ("patient.css", "patient.js")
    )


@pytest.mark.parametrize(("path", "budget"), [("/", 40_000), ("/measure/blood-pressure/", 25_000)])
def test_a_page_is_light(people, client, path, budget):
    token, _ = make_link(people.zhang)
    client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    answer = client.get(path)
    assert answer.status_code == 200
    assert weight_of(answer.content) <= budget

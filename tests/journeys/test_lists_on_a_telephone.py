"""Lists of staff on a telephone: entries below each other, nothing runs out of the page, the call within reach of the thumb."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Browser

from careloop.accounts.actions import set_language
from careloop.plans.actions import load_shipped_content
from careloop.tasks.tests.factories import make_patient
from careloop.workbench.tests.test_today import due_now
from tests.browser import page, site
from tests.cast import SYSTEM, make_cast, signed_in
from tests.journeys.conftest import SHOTS

TOO_WIDE = """[...document.querySelectorAll('.scroll, .scroll-x, .card-x, html')]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className || e.tagName)"""
TOO_SMALL = """[...document.querySelectorAll('main a, main button, main summary')]
  .map(e => [e.getBoundingClientRect(), e]).filter(([box]) => box.width && box.height && box.height < 44)
  .map(([box, e]) => `${e.className} ${e.textContent.trim()} ${box.height}`)"""
pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_nothing_scrolls_sideways(browser: Browser, language: str) -> None:
    cast = make_cast()
    load_shipped_content(at=timezone.now(), by=SYSTEM)
    for person in (cast.wang, cast.zhao):
        set_language(practitioner=person, language=language, by=SYSTEM)
    for n in range(4):
        due_now(cast, make_patient(cast, phones=1), priority=500 - n)
    SHOTS.mkdir(exist_ok=True)
    with site() as url:
        for who, path, rows in (
            (cast.wang, "/today/", "tr[data-task]"),
            (cast.zhao, "/plans/versions/", "tr[data-plan]"),
        ):
            with page(browser, 375, 812, has_touch=True, is_mobile=True) as tab:
                for name, one in signed_in(who).cookies.items():
                    tab.context.add_cookies([{"name": name, "value": one.value, "url": url}])
                tab.goto(url + path)
                tab.locator(rows).first.wait_for()
                tab.screenshot(path=str(SHOTS / f"telephone{path.replace('/', '-')}{language}.png"))
                assert tab.evaluate(TOO_WIDE) == []
                if path == "/today/":
                    assert tab.evaluate(TOO_SMALL) == []
                    call = tab.locator("[data-call]").first.bounding_box()
                    assert min(call["width"], call["height"]) >= 44
                    assert call["x"] > 375 / 2
                    tab.locator(rows).last.tap(position={"x": 40, "y": 40})
                    assert tab.locator(f"{rows}[aria-selected=true]").count() == 1
                    assert tab.locator(rows).last.get_attribute("aria-selected") == "true"
                else:
                    tab.locator(rows).last.tap(
                        position={"x": 300, "y": 40}
                    )  # far from the title: the entry opens the plan
                    tab.wait_for_url(re.compile(r"/plans/versions/[0-9a-f-]{36}/"))


def test_entries_are_chosen_with_a_thumb(browser: Browser) -> None:
    cast = make_cast()
    for n in range(3):
        due_now(cast, make_patient(cast, phones=1), priority=500 - n)
    with site() as url, page(browser, 375, 812, has_touch=True, is_mobile=True) as tab:
        for name, one in signed_in(cast.wang).cookies.items():
            tab.context.add_cookies([{"name": name, "value": one.value, "url": url}])
        tab.goto(f"{url}/today/choose/")
        rows, told = tab.locator("tr[data-id]"), tab.locator("[data-bulk-count]")
        rows.first.wait_for()
        tab.screenshot(path=str(SHOTS / "telephone-choose.png"))
        assert tab.evaluate(TOO_WIDE) == []
        for touched in (
            rows.first,
            tab.locator(".pick thead"),
            tab.locator(".bulkbar .chip"),
            tab.locator("[data-bulk-go]"),
        ):
            assert touched.bounding_box()["height"] >= 44
        rows.last.tap(position={"x": 300, "y": 30})  # far from the box: the whole entry is the box
        assert rows.last.locator("input").is_checked()
        assert told.get_attribute("data-bulk-count") == "1"
        tab.locator(".pick thead").tap()
        assert told.get_attribute("data-bulk-count") == "3"
        tab.locator(".pick thead").tap()
        assert tab.locator("[data-bulk-go]").is_disabled()

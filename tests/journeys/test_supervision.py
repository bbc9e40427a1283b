"""Level 2: a sample is drawn, patients are asked again blind, and the page tells kappa with its interval."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision.models import AnswerPair, Sample, SampledRecord
from careloop.supervision.tests.factories import GOOD, number, record_of
from tests.browser import axe_violations, overflow, page, site
from tests.cast import Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
SHOTS = Path(__file__).resolve().parents[2] / "test-results"
FIRST = ({**GOOD, "sbp": 187}, {**GOOD, "pain": "yes", "where": "arm"}, {**GOOD, "drugs": "never"}, GOOD)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """Four finished calls of nurse Wang, each remarkable in its own way."""
    cast = make_cast()
    for hours, answers in enumerate(FIRST, start=2):
        record_of(cast, at=timezone.now() - timedelta(hours=hours), answers=answers)
    return cast


def sign_in(tab: Page, url: str, cast: Cast) -> None:
    key = signed_in(cast.qian).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def looks_right(tab: Page) -> None:
    assert axe_violations(tab) == []
    assert overflow(tab) <= 0


def test_from_drawing_to_kappa(cast: Cast, browser: Browser) -> None:
    SHOTS.mkdir(exist_ok=True)
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast)
        draw(tab, url)
        records = list(SampledRecord.objects.unscoped("test").order_by("order"))
        for row in records:
            ask_again(tab, url, row, cast)
        tab.goto(f"{url}/supervision/samples/{Sample.objects.unscoped('test').get().pk}/")
        expect(tab.locator("[data-kappa=defined]")).to_be_visible()
        looks_right(tab)
        tab.screenshot(path=SHOTS / "supervision-sample.png")
        tab.goto(f"{url}/supervision/agreement/")
        line = tab.locator("[data-agreement] [data-line]").first
        assert float(line.get_attribute("data-kappa") or "nan") == pytest.approx(kappa_by_hand(), abs=0.001)
        looks_right(tab)
        tab.screenshot(path=SHOTS / "supervision-agreement.png")


def draw(tab: Page, url: str) -> None:
    tab.goto(f"{url}/supervision/samples/new/")
    expect(tab.locator("[data-population]")).to_have_attribute("data-population", "4")
    looks_right(tab)
    tab.screenshot(path=SHOTS / "supervision-new.png")
    tab.fill("[name=size]", "5")
    tab.keyboard.press("F9")
    expect(tab.locator("[data-error-summary]")).to_be_visible()  # there are only four
    tab.fill("[name=size]", "4")
    tab.keyboard.press("F9")
    expect(tab.locator("[data-redrawn=same]")).to_be_visible()
    expect(tab.locator("[data-record=waiting]")).to_have_count(4)


def ask_again(tab: Page, url: str, row: SampledRecord, cast: Cast) -> None:
    """Everybody says now what was true: no pain, always the drugs, 128/76."""
    original = QuestionnaireResponse.objects.unscoped("test").get(pk=row.response_id)
    tab.goto(f"{url}/supervision/checks/{row.pk}/")
    tab.keyboard.press("F9")
    expect(tab.locator("[data-blind=begun]")).to_be_visible()
    assert tab.goto(f"{url}/questionnaires/responses/{row.response_id}/").status == 404
    tab.goto(f"{url}/supervision/checks/{row.pk}/")
    if row.order == 1:
        looks_right(tab)
    tab.locator("[data-number-of] button").first.click()
    expect(tab.locator("[data-shown]")).to_be_visible()
    assert number(row.patient)
    tab.locator("label:has(#a-pain-yes)").click()  # heard wrongly at first: the next question appears
    expect(tab.locator("[data-link-id=where]")).to_be_visible()
    tab.locator("label:has(#a-pain-no)").click()
    expect(tab.locator("[data-link-id=where]")).to_have_count(0)
    tab.locator("label:has(#a-drugs-always)").click()
    tab.locator("label:has(#a-level-0)").click()
    tab.fill("#a-sbp", "128")
    tab.fill("#a-dbp", "76")
    if row.order == 1:
        tab.screenshot(path=SHOTS / "supervision-blind.png")
    tab.keyboard.press("F9")
    expect(tab.locator("[data-comparison]")).to_be_visible()
    differing = tab.locator("[data-agrees=no] select")
    assert differing.count() == (0 if original.values == GOOD else 1)
    if differing.count():
        tab.screenshot(path=SHOTS / "supervision-comparison.png")
        differing.select_option("recorded-wrong" if "sbp" in differing.get_attribute("name") else "changed-since")
        tab.keyboard.press("F9")
    expect(tab.locator("[data-open=settled]")).to_be_visible()
    if row.order == 1:
        looks_right(tab)


def kappa_by_hand() -> float:
    """Pain: 3 of 4 agree, drugs: 3 of 4, level: always 0. Weighted where the answers have an order."""
    pairs = AnswerPair.objects.unscoped("test").filter(counts_for_kappa=True)
    assert pairs.count() == 12
    pain_observed, pain_expected = 3 / 4, 3 / 4  # first: one yes of four; second: never yes
    drugs_observed = drugs_expected = 3 / 4  # never against always is as far apart as can be
    observed, expected = (pain_observed + drugs_observed + 1) / 3, (pain_expected + drugs_expected + 1) / 3
    return (observed - expected) / (1 - expected)


def test_the_pages_on_a_telephone(cast: Cast, browser: Browser) -> None:
    with site() as url, page(browser, 375, 812) as tab:
        sign_in(tab, url, cast)
        for path in ("", "samples/new/", "findings/", "records/", "agreement/", "integrity/", "integrity/mine/"):
            tab.goto(f"{url}/supervision/{path}")
            assert (path, overflow(tab)) == (path, 0)
        tab.screenshot(path=SHOTS / "supervision-375.png")

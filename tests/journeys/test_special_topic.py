"""From an ad-hoc search to a running special topic, in a browser, in far less than ninety seconds (issue: Done when)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.batches import jobs as batches_jobs
from careloop.batches.models import Batch
from careloop.cohorts.models import Cohort, Topic
from careloop.cohorts.tests import factories as make
from careloop.tasks.models import Task
from tests.browser import axe_violations, overflow, page, ready, site
from tests.cast import Cast, make_cast, signed_in
from tests.figures import figure

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

# Keystroke-level model (Card, Moran & Newell 1983): a click with the hand on the mouse 1.1 + 0.2 s, a key 0.28 s (average
# typist), a mental step 1.35 s. Counted, not measured, so that a slow test machine changes nothing.
CLICK, KEY, THINK = 1.3, 0.28, 1.35


class Hands:
    """Does what a nurse does and counts how long it would take."""

    def __init__(self, tab: Page) -> None:
        self.tab, self.seconds, self.clicks = tab, 0.0, 0

    def click(self, selector: str) -> None:
        self.tab.locator(selector).first.click()
        self.clicks += 1
        self.seconds += CLICK + THINK

    def type(self, selector: str, text: str) -> None:
        self.tab.locator(selector).first.fill(text)
        self.seconds += CLICK + THINK + KEY * len(text)

    def choose(self, selector: str, value: str) -> None:
        self.tab.locator(selector).first.select_option(value)
        self.clicks += 2
        self.seconds += 2 * CLICK + THINK


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """Seven men after a heart attack in Cardiology, one of whom died and one without a telephone; a form in use."""
    cast = make_cast()
    make.form()
    for n in range(7):
        patient = make.person(cast.cardiology, f"Heart{n}", phone=n != 1, deceased=n == 0)
        make.stay(patient, cast.cardiology, days_ago=30 + n)
        make.diagnosis(patient, "I21.0")
    make.diagnosis(make.person(cast.orthopaedics, "Elsewhere"), "I21.0")
    return cast


def test_an_ad_hoc_search_becomes_a_running_special_topic(cast: Cast, browser: Browser) -> None:
    faults: dict[str, list[str]] = {}
    with site() as url, page(browser, 1366, 768) as tab:
        key = signed_in(cast.wang).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        hands = Hands(tab)
        tab.goto(f"{url}/follow-up/?way=topic")
        hands.click('main a[href="/follow-up/new/"]')
        faults["builder"] = axe_violations(tab)

        hands.click('[data-add="0:diagnosis"]')
        hands.type('[name="g0.c0.codes"]', "I20-I25")
        expect(tab.locator("#cb-count")).to_have_attribute("data-total", "8")  # seven and Zhang, nobody of Orthopaedics
        hands.click('[data-add="0:stay"]')
        expect(tab.locator('[name="g0.c0.codes"]')).to_have_value("I20-I25")
        hands.type('[name="g0.c1.days"]', "365")
        expect(tab.locator("#cb-count")).to_have_attribute("data-total", re.compile(r"^7$"))
        faults["conditions"] = axe_violations(tab)
        tab.wait_for_timeout(600)  # the field's own delay; then nothing may be under way when the page goes
        ready(tab)
        hands.click("#show")

        expect(tab.locator('#left-out [data-reason="died"]')).to_be_visible()
        expect(tab.locator("#left-out [data-included]")).to_have_attribute("data-included", "5")
        faults["group"] = axe_violations(tab)
        assert overflow(tab) == 0
        hands.click("#start-topic")

        hands.type("#f-title", "Chest pain after a year")
        hands.choose("#f-questionnaire", make.FORM)
        hands.click(f'[name="staff"][value="{cast.wang.pk}"]')
        faults["start"] = axe_violations(tab)
        hands.click("#start")
        tab.wait_for_url("**/follow-up/topics/*/")
        expect(tab.locator("#topic")).to_have_attribute("data-enrolling", "yes")

        assert batches_jobs.work_through(Batch.objects.get().pk, seconds=60)
        expect(tab.locator("#topic")).to_have_attribute("data-enrolling", "no")  # the page found out itself
        expect(tab.locator('[data-count="open=5"]')).to_be_visible()
        expect(tab.locator('[data-count="excluded=2"]')).to_be_visible()
        faults["topic"] = axe_violations(tab)
        assert overflow(tab) == 0

        tab.goto(f"{url}/today/?mine=1")
        expect(tab.locator("tr[data-task]")).to_have_count(5)
    topic = Topic.objects.get()
    assert topic.state == "running"
    assert Cohort.objects.count() == 1
    due = timezone.localtime() + timedelta(days=14)
    made = Task.objects.unscoped("test").filter(focus_id=topic.pk)
    assert {(task.owner_id, timezone.localtime(task.due_at).date()) for task in made} == {(cast.wang.pk, due.date())}
    assert {name: wrong for name, wrong in faults.items() if wrong} == {}
    figure(
        f"ad-hoc search → running special topic: {hands.seconds:.0f} s by the keystroke-level model, {hands.clicks} clicks"
    )
    assert hands.seconds <= 90


def test_chosen_rows_are_counted_before_anything_is_done(cast: Cast, browser: Browser) -> None:
    """Boxes, this page, all that match: the bar says how many; bulk starts only after the preview."""
    cohort = make.cohort(cast.wang)
    with site() as url, page(browser, 1366, 768) as tab:
        key = signed_in(cast.wang).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        tab.goto(f"{url}/follow-up/groups/{cohort.pk}/")
        for width in (375, 768, 1366):
            tab.set_viewport_size({"width": width, "height": 768})
            assert overflow(tab) == 0, width
        bar = tab.locator("[data-bulk-count]")
        expect(tab.locator("[data-bulk-go]")).to_be_disabled()
        tab.locator('[name="row"]').first.check()
        expect(bar).to_have_attribute("data-bulk-count", "1")
        tab.locator("[data-bulk-page]").check()
        expect(bar).to_have_attribute("data-bulk-count", "8")
        tab.locator("[data-bulk-all]").check()
        expect(bar).to_have_attribute("data-bulk-count", "8")
        tab.locator("[data-bulk-go]").click()
        tab.locator('nav.tabs a[href*="/tag/"]').click()
        expect(tab.locator("#bulk-start")).to_be_disabled()
        ready(tab)
        tab.locator('[name="tag"]:visible').fill("study")
        expect(tab.locator("#bulk-start")).to_be_enabled()
        assert axe_violations(tab) == []
        tab.locator("#bulk-start").click()
        tab.wait_for_url("**/batches/*/")
        assert batches_jobs.work_through(Batch.objects.get().pk, seconds=60)
        expect(tab.locator("#batch")).to_have_attribute("data-state", "done")
        assert axe_violations(tab) == []
        tab.locator("[data-undo]").click()
        tab.wait_for_url(re.compile(r"/batches/"))
        undo = Batch.objects.get(undo_of__isnull=False)
        assert batches_jobs.work_through(undo.pk, seconds=60)
        assert (undo.kind, undo.total) == ("cohorts.untag", 8)

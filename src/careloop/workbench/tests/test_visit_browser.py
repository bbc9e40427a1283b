"""A visit recorded on the call screen in a real browser, and date fields that are typed alike in every browser language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.accounts.models import Practitioner
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks import actions
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.tests.factories import make_patient
from careloop.workbench.tests import forms
from careloop.workbench.tests.test_today import due_now
from tests.browser import axe_violations, overflow, page, site
from tests.cast import Cast, make_cast, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def desk(browser: Browser, person: Practitioner, url: str, width: int = 1366, height: int = 768) -> Iterator[Page]:
    """A signed-in tab."""
    with page(browser, width, height) as tab:
        cookies = signed_in(person).cookies
        tab.context.add_cookies([{"name": name, "value": one.value, "url": url} for name, one in cookies.items()])
        yield tab


def taken(cast: Cast, **given: object) -> Task:
    """A task in the hands of Wang."""
    task = due_now(cast, make_patient(cast, phones=2), questionnaire_url=forms.URL, **given)
    actions.claim_task(task=task, at=timezone.now(), by=cast.as_wang)
    return task


def answer_all(tab: Page) -> None:
    """The first option of every required question."""
    tab.evaluate(
        "() => document.querySelectorAll('[data-question][data-required]:not([hidden])').forEach("
        "(block) => block.querySelector('[data-value]').click())"
    )
    expect(tab.locator("[data-saved]")).to_have_attribute("data-saved-at", re.compile(r"\d\d:\d\d"))


def test_a_home_visit_by_keys_and_what_it_leaves_behind(transactional_db: None, browser: Browser) -> None:
    cast = make_cast()
    forms.publish()
    task = taken(cast)
    with site() as url, desk(browser, cast.wang, url) as tab:
        tab.goto(url + reverse("workbench:call", args=[task.pk]))
        expect(tab.locator("[data-dial-button]")).to_be_visible()
        tab.keyboard.press("h")
        expect(tab.locator('[data-way="visit"]')).to_have_attribute("aria-pressed", "true")
        expect(tab.locator("[data-dial-button]")).to_be_hidden()
        expect(tab.locator('[data-result="wrong-person"]')).to_be_hidden()
        assert axe_violations(tab) == []
        assert overflow(tab) <= 0
        when = timezone.localtime() - timedelta(hours=2)
        tab.fill("#happened-at", f"{when:%Y年%-m月%-d日 %H:%M}")
        tab.locator("#happened-at").blur()
        expect(tab.locator("#happened-at")).to_have_value(f"{when:%Y-%m-%d %H:%M}")
        answer_all(tab)
        tab.click("[data-finish-button]")
        tab.wait_for_selector('.callscreen[data-state="none"], .toast')
    attempt = ContactAttempt.objects.unscoped("test").get(task=task)
    task.refresh_from_db()
    assert (attempt.channel, attempt.outcome, attempt.contact_point_id) == ("visit", "reached-patient", None)
    assert timezone.localtime(attempt.started_at).strftime("%H:%M") == f"{when:%H:%M}"
    assert (task.status, task.channel) == ("completed", "visit")
    assert QuestionnaireResponse.objects.unscoped("test").get(task_id=task.pk).mode == "visit"


def test_nobody_at_home_on_a_phone_sized_screen(transactional_db: None, browser: Browser) -> None:
    cast = make_cast()
    forms.publish()
    task = taken(cast, channel="visit")
    with site() as url, desk(browser, cast.wang, url, 375, 812) as tab:
        tab.goto(url + reverse("workbench:call", args=[task.pk]))
        expect(tab.locator('[data-way="visit"]')).to_have_attribute("aria-pressed", "true")  # as it was planned
        assert overflow(tab) <= 0
        tab.keyboard.press("F4")
        offered = tab.locator("#not-reached [data-outcome]:visible")
        assert offered.count() == 1
        tab.keyboard.press("1")
        tab.wait_for_selector(".toast")
    attempt = ContactAttempt.objects.unscoped("test").get(task=task)
    task.refresh_from_db()
    assert (attempt.channel, attempt.outcome) == ("visit", "no-answer")
    assert (task.status, task.channel, task.attempts) == ("requested", "visit", 1)


def test_the_phone_takes_over_again_and_digits_mean_what_they_show(transactional_db: None, browser: Browser) -> None:
    cast = make_cast()
    forms.publish()
    task = taken(cast)
    with site() as url, desk(browser, cast.wang, url) as tab:
        tab.goto(url + reverse("workbench:call", args=[task.pk]))
        tab.keyboard.press("o")
        expect(tab.locator('[data-way="clinic"]')).to_have_attribute("aria-pressed", "true")
        tab.keyboard.press("h")
        expect(tab.locator('[data-way="clinic"]')).to_have_attribute("aria-pressed", "false")
        tab.keyboard.press("h")
        expect(tab.locator("[data-dial-button]")).to_be_visible()
        tab.keyboard.press("F4")
        assert tab.locator("#not-reached [data-outcome]:visible").count() == 5
        tab.keyboard.press("2")
        tab.wait_for_selector(".toast")
    attempt = ContactAttempt.objects.unscoped("test").get(task=task)
    assert (attempt.channel, attempt.outcome) == ("phone", "busy")


TYPED = {
    "2026-11-22": "2026-11-22", "20261122": "2026-11-22", "2026/1/2": "2026-01-02", "2026.1.2": "2026-01-02",
    "2026年11月22日": "2026-11-22", "２０２６－１１－２２": "2026-11-22", "2028-2-29": "2028-02-29", " 2026-11-22 ": "2026-11-22",
}  # fmt: skip
RELATIVE = {"今天": 0, "明天": 1, "后天": 2, "昨天": -1, "+7": 7, "-3": -3, "today": 0, "+400": 400}
WRONG = ("2026-02-29", "2026-13-01", "11/22/2026", "abc", "0000-00-00", "2026-11", "+12345", "32月1日")


def test_days_are_read_as_people_write_them(transactional_db: None, browser: Browser) -> None:
    cast = make_cast()
    with site() as url, desk(browser, cast.qian, url) as tab:
        tab.goto(url + reverse("rosters:teams"))
        field = tab.locator("#s-last")
        expect(field).to_have_attribute("type", "text")  # the browser's own field would follow the browser's language
        for given, kept in TYPED.items():
            field.fill(given)
            field.blur()
            expect(field).to_have_value(kept)
            assert field.evaluate("field => field.checkValidity()")
        here = tab.evaluate(
            "() => { const now = new Date(); return [now.getFullYear(), now.getMonth(), now.getDate()]; }"
        )
        for given, days in RELATIVE.items():
            field.fill(given)
            field.blur()
            expected = tab.evaluate(
                "([y, m, d, n]) => new Date(Date.UTC(y, m, d + n)).toISOString().slice(0, 10)", [*here, days]
            )
            expect(field).to_have_value(expected)
        for given in WRONG:
            field.fill(given)
            field.blur()
            expect(field).to_have_value(given)  # what was typed stays to be put right
            expect(field).to_have_attribute("aria-invalid", "true")
            assert not field.evaluate("field => field.checkValidity()")
        field.fill("")
        field.blur()
        expect(field).to_have_attribute("aria-invalid", "false")
        assert axe_violations(tab) == []


def test_the_calendar_behind_the_field_and_the_server_agree(transactional_db: None, browser: Browser) -> None:
    cast = make_cast()
    with site() as url, desk(browser, cast.qian, url) as tab:
        tab.goto(url + reverse("rosters:workload") + "?first=2026-11-01&last=2026-11-20")
        field = tab.locator("input[name=last]")
        expect(field).to_have_value("2026-11-20")
        tab.locator(".date-in:has(input[name=last]) [data-native]").evaluate(
            "(calendar) => { calendar.value = '2026-11-18'; calendar.dispatchEvent(new Event('change', {bubbles: true})); }"
        )
        expect(field).to_have_value("2026-11-18")
        field.press("Enter")
        tab.wait_for_url("**last=2026-11-18**")
        expect(tab.locator("input[name=last]")).to_have_value("2026-11-18")

"""The nurse's loop in a real browser: keys only, two nurses, a killed browser, undo, the next patient at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.accounts.models import Practitioner
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.tests.factories import make_patient
from careloop.workbench.tests import forms
from careloop.workbench.tests.test_today import due_now
from tests.browser import arrived, axe_violations, overflow, page, site
from tests.cast import Cast, make_cast, signed_in
from tests.figures import figure

pytestmark = pytest.mark.journey
COUNT = """
window.__keys = 0; window.__clicks = 0;
addEventListener('keydown', (event) => { if (event.isTrusted && !['Shift', 'Control', 'Alt'].includes(event.key)) window.__keys += 1; }, true);
addEventListener('mousedown', (event) => { if (event.isTrusted) window.__clicks += 1; }, true);
"""


@pytest.fixture
def people(transactional_db) -> Cast:
    """The cast, and a form of nine questions."""
    cast = make_cast()
    forms.publish()
    return cast


def waiting(cast: Cast, how_many: int = 1) -> list[Task]:
    """Patients with a call that is due, the first the most urgent."""
    return [
        due_now(cast, make_patient(cast, phones=2), questionnaire_url=forms.URL, priority=500 - n)
        for n in range(how_many)
    ]


@contextmanager
def desk(browser: Browser, person: Practitioner, url: str, path: str = "/today/") -> Iterator[Page]:
    """A signed-in browser of this person, on the list."""
    with page(browser, 1366, 768) as tab:
        cookies = signed_in(person).cookies
        tab.context.add_cookies([{"name": name, "value": one.value, "url": url} for name, one in cookies.items()])
        tab.add_init_script(COUNT)
        tab.goto(url + path)
        yield tab


def saved(tab: Page, answered: int) -> None:
    """Until the server has confirmed so many answers."""
    expect(tab.locator(f'[data-answered="{answered}"]')).to_have_count(1)


def status(task: Task) -> str:
    return Task.objects.unscoped("test").values_list("status", flat=True).get(pk=task.pk)


def test_nine_questions_with_at_most_22_keys_and_no_click(people, browser):
    first, second = waiting(people, 2)
    with site() as url, desk(browser, people.wang, url) as tab:
        keys = 0

        def press(key: str) -> None:
            nonlocal keys
            tab.keyboard.press(key)
            keys += 1

        press("F9")
        arrived(tab, f'.callscreen[data-task="{first.pk}"]')
        press("F2")
        tab.wait_for_selector('.callscreen[data-state="talking"]')
        for digit in "1111111":  # who, pain (none: the next question is left out), wound, drugs, sleep, salt, smoke
            press(f"Digit{digit}")
        for digit in "148":
            press(f"Digit{digit}")
        for digit in "92":
            press(f"Digit{digit}")
        press("Digit1")  # 92 can take no third digit, so the focus is on the ninth question already
        press("F2")
        press("Digit1")
        saved(tab, 9)
        press("F9")
        tab.wait_for_selector(f'.callscreen[data-task="{second.pk}"]')
        assert keys <= 22
        assert tab.evaluate("window.__clicks") == 0
    assert status(first) == "completed"
    response = QuestionnaireResponse.objects.unscoped("test").get()
    assert (response.status, response.values["sbp"], response.values["dbp"], len(response.values)) == (
        "completed", 148, 92, 10,
    )  # fmt: skip


def test_an_unanswered_call_takes_three_keys(people, browser):
    first, second = waiting(people, 2)
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.keyboard.press("F9")
        arrived(tab, f'.callscreen[data-task="{first.pk}"]')
        for key in ("F2", "F4", "F4"):
            tab.keyboard.press(key)
        tab.wait_for_selector(f'.callscreen[data-task="{second.pk}"]')
        assert tab.evaluate("window.__clicks") == 0
    attempt = ContactAttempt.objects.unscoped("test").get()
    assert (attempt.outcome, attempt.task_id) == ("no-answer", first.pk)


def test_two_nurses_never_get_the_same_patient(people, browser):
    tasks = waiting(people, 6)
    got: list[str] = []
    with site() as url, desk(browser, people.wang, url) as wang, desk(browser, people.sun, url) as sun:
        for tab in (wang, sun):
            tab.keyboard.press("F9")
        for _round in range(3):
            for tab in (wang, sun):
                arrived(tab, ".callscreen[data-finish]")
                got.append(tab.locator(".callscreen").get_attribute("data-task") or "")
            for tab in (wang, sun):
                before = tab.locator(".callscreen").get_attribute("data-task")
                tab.keyboard.press("F4")
                tab.keyboard.press("F4")
                tab.wait_for_selector(f'.callscreen:not([data-task="{before}"])')
    assert len(got) == len(set(got)) == 6
    assert set(got) == {str(task.pk) for task in tasks}


def test_a_killed_browser_loses_at_most_the_answer_that_was_being_typed(people, browser):
    (task,) = waiting(people)
    with site() as url:
        with desk(browser, people.wang, url) as tab:
            tab.keyboard.press("F9")
            arrived(tab, ".callscreen[data-finish]")
            tab.keyboard.press("F2")
            for _n in range(4):
                tab.keyboard.press("Digit1")
            saved(tab, 4)
            tab.keyboard.press("Digit2")  # may or may not arrive
        with desk(browser, people.wang, url, f"/call/{task.pk}/") as again:
            kept = int(again.locator("[data-answered]").get_attribute("data-answered") or "0")
            assert kept in (4, 5)
            again.keyboard.press("F2")
            again.wait_for_selector('.callscreen[data-state="talking"]')
            current = again.locator("[data-question].cur")
            assert current.get_attribute("data-link-id") == ("sleep" if kept == 4 else "salt")


def test_answers_wait_for_the_network_and_leave_nothing_after_logout(people, browser):
    waiting(people)
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.keyboard.press("F9")
        arrived(tab, ".callscreen[data-finish]")
        tab.keyboard.press("F2")
        tab.wait_for_selector('.callscreen[data-state="talking"]')
        tab.evaluate(
            "window.__fetch = window.fetch; window.fetch = () => Promise.reject(new TypeError('no network')); 0"
        )
        for _n in range(3):
            tab.keyboard.press("Digit1")
        tab.wait_for_function("JSON.parse(sessionStorage.getItem('careloop.unsent') || '[]').length === 3")
        expect(tab.locator("html.is-offline")).to_have_count(1)
        tab.evaluate("window.fetch = window.__fetch; dispatchEvent(new Event('online')); 0")
        saved(tab, 3)
        tab.wait_for_function("sessionStorage.getItem('careloop.unsent') === null")
        expect(tab.locator("html.is-offline")).to_have_count(0)
        tab.keyboard.press("Escape")
        tab.evaluate("sessionStorage.setItem('careloop.note.x', 'private')")
        tab.locator("form[action$='/logout/'] button").evaluate("button => button.click()")
        tab.wait_for_url("**/login/**")
        assert tab.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('careloop.')).length") == 0


def test_undo_brings_the_patient_back(people, browser):
    first, second = waiting(people, 2)
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.keyboard.press("F9")
        arrived(tab, f'.callscreen[data-task="{first.pk}"]')
        tab.keyboard.press("F4")
        tab.keyboard.press("F4")
        tab.wait_for_selector(f'.callscreen[data-task="{second.pk}"]')
        tab.keyboard.press("Control+z")
        tab.wait_for_selector(f'.callscreen[data-task="{first.pk}"]')
    task = Task.objects.unscoped("test").get(pk=first.pk)
    assert (task.attempts, task.snoozed_until) == (0, None)


def test_the_next_patient_is_there_within_300_ms(people, browser):
    waiting(people, 12)
    took = []
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.keyboard.press("F9")
        arrived(tab, ".callscreen[data-finish]")
        loads = tab.evaluate("performance.getEntriesByType('navigation').length")
        for _n in range(8):
            before = tab.locator(".callscreen").get_attribute("data-task")
            tab.keyboard.press("F2")
            tab.wait_for_selector(".callscreen[data-ahead]")  # drawn ahead while the nurse talks
            tab.keyboard.press("F4")
            started = time.perf_counter()
            tab.keyboard.press("F4")
            tab.wait_for_selector(f'.callscreen:not([data-task="{before}"])')
            took.append(time.perf_counter() - started)
        assert tab.evaluate("performance.getEntriesByType('navigation').length") == loads
    took.sort()
    figure(f"next patient, ms: {[round(one * 1000) for one in took]}")
    crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # 300 ms are meant for a machine that is not busy
    assert took[len(took) // 2] <= 0.3 * crowded


def test_a_dangerous_answer_shows_owner_and_deadline_and_goes_out_with_one_key(people, browser):
    waiting(people)
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.keyboard.press("F9")
        arrived(tab, ".callscreen[data-finish]")
        tab.keyboard.press("F2")
        for digit in ("1", "2", "2"):
            tab.keyboard.press(f"Digit{digit}")
        alert = tab.locator('[data-alert="angina-again"]')
        expect(alert).to_be_visible()
        assert "30" in alert.inner_text()
        expect(tab.locator('#advice [data-rule="angina-again"]')).to_have_count(1)
        assert axe_violations(tab) == []
        tab.keyboard.press("Alt+KeyA")
        expect(tab.locator('[data-alert="angina-again"][data-reported]')).to_have_count(1)


def test_the_list_by_keys(people, browser):
    tasks = waiting(people, 12)
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.wait_for_selector(f'[data-preview-of="{tasks[0].pk}"]')
        tab.keyboard.press("ArrowDown")
        tab.wait_for_selector(f'[data-preview-of="{tasks[1].pk}"]')
        tab.keyboard.press("F8")
        tab.keyboard.press("Digit2")
        expect(tab.locator(f'[data-row][data-task="{tasks[1].pk}"]')).to_have_count(0)
        assert Task.objects.unscoped("test").get(pk=tasks[1].pk).promised_at > timezone.now() + timedelta(hours=1)
        tab.keyboard.press("Control+z")
        expect(tab.locator(f'[data-row][data-task="{tasks[1].pk}"]')).to_have_count(1)
        tab.keyboard.press("ArrowDown")
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".callscreen[data-finish]")


def test_at_1366_ten_rows_no_sideways_scroll_and_nothing_for_axe(people, browser):
    waiting(people, 14)
    with site() as url, desk(browser, people.wang, url) as tab:
        tab.wait_for_selector("[data-preview-of]")
        whole = """() => { const box = document.querySelector('#rows').getBoundingClientRect();
          return [...document.querySelectorAll('#rows [data-row]')].filter((row) => row.getBoundingClientRect().bottom <= box.bottom).length; }"""
        assert tab.evaluate(whole) >= 10
        assert overflow(tab) == 0
        assert axe_violations(tab) == []
        expect(tab.locator("#start")).to_be_in_viewport()
        tab.keyboard.press("F9")
        arrived(tab, ".callscreen[data-finish]")
        assert overflow(tab) == 0
        assert axe_violations(tab) == []
        expect(tab.locator("[data-finish-button]")).to_be_in_viewport()

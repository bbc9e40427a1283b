"""A patient in a lift: the network goes, the answers stay on the telephone, and the hospital gets them in one piece."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from careloop.audit.models import AuditEvent
from careloop.questionnaires.models import QuestionnaireResponse
from tests.browser import axe_violations, overflow, page, site, small_targets, small_texts
from tests.cast import SYSTEM
from tests.journeys.test_patient_link import enter, link_for

pytestmark = pytest.mark.journey
SHOTS = Path(__file__).resolve().parents[2] / "test-results"
TAPS = {"breath": "和平常一样", "chest": "没有", "pain": "2", "pills": "都吃了", "signs": "都没有"}
COPIED = "() => Object.keys(sessionStorage).some((name) => name.startsWith('careloop.form.'))"
SENT = """() => Object.keys(sessionStorage).filter((name) => name.startsWith('careloop.answers.'))
  .every((name) => Object.values(JSON.parse(sessionStorage.getItem(name)).pages).every((page) => page.sent))"""
KEPT = "() => Object.keys(sessionStorage).filter((name) => name.startsWith('careloop.')).length"


@contextmanager
def telephone(browser, url, people):
    """Inside the form, at its first question, with the copy of the form fetched."""
    with page(browser, 375, 812, may_lose_network=True, device_scale_factor=2, has_touch=True, is_mobile=True) as tab:
        enter(tab, link_for(people, url))
        tab.wait_for_function(COPIED)
        yield tab


def key_of(tab) -> str:
    return tab.locator("form[data-question-form]").get_attribute("data-page")


def tap(tab, **changed) -> None:
    """Answers the question that is shown and goes on."""
    key, taps = key_of(tab), {**TAPS, **changed}
    if key == "sbp":
        tab.fill("[name=sbp]", changed.get("sbp", "128"))
        tab.fill("[name=dbp]", "76")
    elif key in taps:
        tab.get_by_text(taps[key], exact=True).click()
    elif key == "weight":
        tab.get_by_text("没有测量").click()
    tab.click("button[form=question]")
    tab.wait_for_function(
        "(old) => { const form = document.querySelector('form[data-question-form]'); return !form || form.dataset.page !== old }",
        arg=key,
    )


def answer_the_rest(tab) -> list[str]:
    seen = []
    while tab.locator("form[data-question-form]").count():
        seen.append(key_of(tab))
        tap(tab)
    return seen


def looks_right(tab, name: str) -> None:
    tab.screenshot(path=SHOTS / f"patient-{name}.png")
    assert axe_violations(tab) == [], name
    assert small_targets(tab, 59.5) == [], name
    assert small_texts(tab, 17.9) == [], name
    assert overflow(tab) <= 0, name


def opened_again(tab, url: str) -> None:
    """The network is back and the patient opens the page before anything could be sent: sending waits until it stands."""
    tab.context.route("**/*", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    tab.context.set_offline(False)
    tab.goto(url)
    tab.context.unroute("**/*")


def stored(people) -> QuestionnaireResponse:
    return QuestionnaireResponse.objects.visible_to(SYSTEM).get(task_id=people.task.pk)


def test_the_network_goes_in_the_middle_and_comes_back_at_the_end(people, browser):
    with site() as url, telephone(browser, url, people) as tab:
        tap(tab)
        tap(tab)
        tab.context.set_offline(True)
        assert key_of(tab) == "pain"
        tap(tab)
        assert tab.locator("[data-offline]").is_visible()
        assert "第 4 题，共 8 题" in tab.locator("[data-number]").inner_text()
        looks_right(tab, "offline-question")
        tab.locator("[data-before]").click()
        assert (key_of(tab), tab.locator("input:checked").get_attribute("value")) == ("pain", "2")
        tab.click("button[form=question]")
        assert answer_the_rest(tab) == ["sbp", "pills", "signs", "weight", "words"]
        assert "都吃了" in tab.locator("[data-rows]").inner_text()
        looks_right(tab, "offline-check")
        assert stored(people).values == {"breath": "good", "chest": "no"}
        tab.click("[data-send-kept]")
        looks_right(tab, "offline-kept")
        tab.context.set_offline(False)
        tab.wait_for_selector("[data-state=done]")
        assert tab.evaluate(KEPT) == 0
    response = stored(people)
    assert (response.status, response.values["sbp"], response.values["weight"]) == ("completed", 128, "not-measured")
    people.task.refresh_from_db()
    assert people.task.outcome == "answered-online"
    assert AuditEvent.objects.filter(name="questionnaires.AnswersSent").count() == 1


def test_a_question_that_depends_on_another_is_asked_without_network_too(people, browser):
    with site() as url, telephone(browser, url, people) as tab:
        tap(tab)
        tab.context.set_offline(True)
        tap(tab, chest="有")
        assert key_of(tab) == "when"
        tab.locator("[data-before]").click()
        tap(tab, chest="没有")
        assert key_of(tab) == "pain"
        tab.click("button[form=question]")
        assert tab.locator(".err").inner_text() == "请选一个回答"


def test_what_was_kept_is_sent_after_a_reload_and_the_way_goes_on_with_the_network(people, browser):
    with site() as url, telephone(browser, url, people) as tab:
        tab.context.set_offline(True)
        tap(tab)
        tap(tab)
        opened_again(tab, tab.url)
        tab.wait_for_function("() => document.querySelector('[data-offline]').hidden")
        tab.wait_for_function(SENT)
        assert stored(people).values == {"breath": "good", "chest": "no"}
        assert answer_the_rest(tab) == ["pain", "sbp", "pills", "signs", "weight", "words"]
        tab.click("button[form=send]")
        tab.wait_for_selector("[data-state=done]")
    assert stored(people).status == "completed"


def test_what_cannot_be_right_comes_back_with_its_question_and_nothing_was_stored(people, browser):
    with site() as url, telephone(browser, url, people) as tab:
        tab.context.set_offline(True)
        for _page in range(3):
            tap(tab)
        tap(tab, sbp="900")
        answer_the_rest(tab)
        tab.click("[data-send-kept]")
        tab.context.set_offline(False)
        tab.wait_for_selector(".err")
        assert key_of(tab) == "sbp"
        looks_right(tab, "offline-problem")
        assert not QuestionnaireResponse.objects.visible_to(SYSTEM).filter(task_id=people.task.pk).exists()
        tap(tab)
        answer_the_rest(tab)
        tab.wait_for_selector("button[form=send], [data-send-kept]")
        tab.locator("button[form=send], [data-send-kept]").click()
        tab.wait_for_selector("[data-state=done]")
    assert stored(people).values["sbp"] == 128


def test_a_dangerous_answer_without_network_shows_help_and_is_not_lost_by_a_reload(people, browser):
    with site() as url, telephone(browser, url, people) as tab:
        tap(tab)
        tab.context.set_offline(True)
        tap(tab, chest="有")
        tab.get_by_text("走路、做家务时就有").click()
        tab.click("button[form=question]")
        tab.wait_for_selector("[data-safety-rule=chest-daily]")
        tab.wait_for_selector("[data-unsent]:not([hidden])")
        looks_right(tab, "offline-danger")
        opened_again(tab, url + f"/t/{people.task.pk}/")
        tab.wait_for_selector("main[data-safety]")
    assert stored(people).values == {"breath": "good", "chest": "yes", "when": "walk"}

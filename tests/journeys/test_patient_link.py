"""The patient's way: link in an SMS → last four digits → nine questions → a dangerous answer → safety page → alert →
the doctor accepts, acts and closes it. On a telephone of 375 × 812, by touch."""

from __future__ import annotations

import gzip
import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import override_settings

from careloop.alerts.models import Alert
from careloop.kernel import assets
from careloop.messaging.reads.texts import link_address
from careloop.patients.actions import issue_link
from careloop.portal.tests.conftest import PHONE_ZHANG
from careloop.questionnaires.models import QuestionnaireResponse
from tests.browser import arrived, axe_violations, overflow, page, site, small_targets, small_texts
from tests.cast import SYSTEM, signed_in
from tests.figures import figure

pytestmark = pytest.mark.journey
SHOTS = Path(__file__).resolve().parents[2] / "test-results"
TAPS = {"breath": "和平常一样", "chest": "没有", "pain": "2", "pills": "都吃了", "signs": "都没有"}


def link_for(people, url):
    """The address exactly as the SMS carries it, on this test's server."""
    link = issue_link(
        patient_id=people.zhang.pk, purpose="questionnaire", task_id=people.task.pk,
        expires_at=datetime.now(UTC) + timedelta(days=7), by=SYSTEM,
    )  # fmt: skip
    return url + "/" + link_address(link.pk).split("/", 3)[3]


def enter(tab, address):
    tab.goto(address)
    tab.fill("#factor", PHONE_ZHANG)
    tab.click("button[form=check]")
    arrived(tab, "form[data-question-form]")


def check_page(tab, name):
    tab.screenshot(path=SHOTS / f"patient-{name}.png")
    assert axe_violations(tab) == [], name
    assert small_targets(tab, 59.5) == [], name
    assert small_texts(tab, 17.9) == [], name
    assert overflow(tab) <= 0, name


def key_of(tab):
    return tab.url.rstrip("/").rsplit("/", 1)[-1]


def answer_here(tab, **changed):
    key, taps = key_of(tab), {**TAPS, **changed}
    if key in taps:
        tab.get_by_text(taps[key], exact=True).click()
    elif key == "sbp":
        tab.fill("[name=sbp]", "128")
        tab.fill("[name=dbp]", "76")
    elif key == "weight":
        tab.get_by_text("没有测量").click()
    before = tab.url
    tab.click("button[form=question]")
    tab.wait_for_url(lambda now: now != before)


def test_from_the_link_to_the_answers_in_the_hospital(people, browser):
    with site() as url, page(browser, 375, 812, device_scale_factor=2, has_touch=True, is_mobile=True) as tab:
        enter(tab, link_for(people, url))
        seen = []
        while "/q/" in tab.url:
            seen.append(key_of(tab))
            check_page(tab, f"question-{key_of(tab)}")
            assert tab.locator(f"input[name={key_of(tab)}]:checked").count() == 0
            answer_here(tab)
        assert len(seen) == 8
        check_page(tab, "answers")
        tab.click("button[form=send]")
        tab.wait_for_selector("[data-state=done]")
        check_page(tab, "done")
        tab.go_back()
        tab.reload()
        assert tab.locator("[data-state=done]").is_visible()
    people.task.refresh_from_db()
    assert people.task.status == "completed"


def test_a_dangerous_answer_shows_help_before_the_network_answers_and_its_alert_is_closed_by_the_doctor(
    people, browser
):
    with site() as url, page(browser, 375, 812, device_scale_factor=2, has_touch=True, is_mobile=True) as tab:
        enter(tab, link_for(people, url))
        answer_here(tab)
        answer_here(tab, chest="有")
        tab.get_by_text("走路、做家务时就有", exact=True).click()
        check_page(tab, "question-when")
        tries = []

        def first_hangs(route):
            tries.append(route)
            if len(tries) > 1:
                route.continue_()

        tab.route("**/q/when/", first_hangs)
        tab.click("button[form=question]")
        tab.wait_for_selector("[data-safety-rule=chest-daily]")
        assert tab.get_by_text("出大汗、喘不上气").is_visible()
        assert tab.locator("a[href='tel:120']").is_visible()
        assert not Alert.objects.visible_to(SYSTEM).exists()
        tries[0].abort()
        tab.wait_for_selector("main[data-safety]")  # sent again, and the hospital has it
        assert len(tries) == 2
        check_page(tab, "safety")
    alert = Alert.objects.visible_to(SYSTEM).get()
    assert (alert.rule_code, alert.severity) == ("chest-daily", "critical")
    close_as_doctor(people, alert)


def close_as_doctor(people, alert):
    written = importlib.import_module("careloop.config.settings")
    with override_settings(
        ROOT_URLCONF="careloop.config.urls",
        MIDDLEWARE=written._COMMON + written._STAFF,
        SESSION_COOKIE_NAME="careloop_staff",
    ):
        doctor = signed_in(people.zhao)
        for step, data in (("accept", {}), ("act", {"code": "phone-contact"}), ("close", {"code": "resolved"})):
            answer = doctor.post(f"/alerts/{alert.pk}/{step}/", data)
            assert answer.status_code in {200, 204, 302, 303}, (step, answer.status_code, answer.content[:500])
    alert.refresh_from_db()
    assert alert.status == "closed"


def test_without_javascript_the_whole_form_and_the_safety_page_work(people, browser):
    with site() as url, page(browser, 375, 812, javascript=False) as tab:
        enter(tab, link_for(people, url))
        answer_here(tab)
        answer_here(tab, chest="有")
        tab.get_by_text("坐着躺着不动也有", exact=True).click()
        tab.click("button[form=question]")
        assert tab.locator("main[data-safety]").is_visible()
        tab.get_by_text("接着回答其他题目").click()
        while "/q/" in tab.url:
            answer_here(tab)
        tab.click("button[form=send]")
        assert tab.locator("[data-state=done]").is_visible()
    assert Alert.objects.visible_to(SYSTEM).count() == 1


def test_resuming_on_another_telephone_and_going_back_lose_nothing(people, browser):
    with site() as url:
        address = link_for(people, url)
        with page(browser, 375, 812) as tab:
            enter(tab, address)
            answer_here(tab)
            answer_here(tab)
            assert key_of(tab) == "pain"
            tab.go_back()
            tab.reload()
            assert tab.locator("input[name=chest][value=no]").is_checked()
        with page(browser, 390, 844) as other:
            enter(other, address)
            assert key_of(other) == "pain"
    assert QuestionnaireResponse.objects.visible_to(SYSTEM).get().values == {"breath": "good", "chest": "no"}


def test_every_question_fits_the_smallest_telephone_in_large_print(people, browser):
    with site() as url, page(browser, 320, 640) as tab:
        enter(tab, link_for(people, url))
        while "/q/" in tab.url:
            tab.evaluate("document.documentElement.style.fontSize = '28px'")  # 1.4 times
            assert overflow(tab) <= 0, key_of(tab)
            answer_here(tab)
        tab.evaluate("document.documentElement.style.fontSize = '28px'")
        assert overflow(tab) <= 0


def test_a_tap_on_the_listen_button_speaks_the_question(people, browser):
    with site() as url, page(browser, 375, 812) as tab:
        tab.add_init_script(
            "window.said = []; Object.defineProperty(window, 'speechSynthesis', {value: {speaking: false,"
            " speak: (u) => window.said.push(u.text), cancel: () => 0}});"
            "window.SpeechSynthesisUtterance = function (text) { this.text = text; };"
        )
        enter(tab, link_for(people, url))
        tab.click("[data-speak]")
        assert "喘气" in tab.evaluate("window.said[0]")
        assert "说不清楚" in tab.evaluate("window.said[0]")


def test_a_question_page_weighs_less_than_25_kb(people, client):
    token = link_address(
        issue_link(
            patient_id=people.zhang.pk, purpose="questionnaire", task_id=people.task.pk,
            expires_at=datetime.now(UTC) + timedelta(days=7), by=SYSTEM,
        ).pk
    ).rsplit("/", 1)[-1]  # fmt: skip
    client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    client.post(f"/t/{people.task.pk}/q/chest/", {"chest": "yes"})
    answer = client.get(f"/t/{people.task.pk}/q/when/")
    assert answer.status_code == 200
    assert b'id="danger"' in answer.content
    built = sum(
        len(gzip.compress((assets.DIST / Path(assets.asset(name)).name).read_bytes()))
        for name in ("patient.css", "patient.js")
    )
    weight = len(gzip.compress(answer.content)) + built
    figure(f"question page: {weight} bytes gzipped")
    assert weight <= 25_000

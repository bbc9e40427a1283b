"""Kinds of questions that need more than a tap, on a telephone and on the call screen, in a real browser."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect, sync_playwright

from careloop.kernel.actions import seeding
from careloop.questionnaires import actions
from careloop.questionnaires.models import Attachment, Questionnaire, QuestionnaireResponse
from careloop.questionnaires.tests.forms import CALL, choice, content, number
from careloop.questionnaires.tests.test_sliders import slider
from careloop.questionnaires.tests.test_tables_of_questions import table
from careloop.questionnaires.tests.test_voice import VOICE
from tests.browser import ARGUMENTS, NAMES, axe_violations, overflow, page, site, small_targets, small_texts
from tests.cast import SYSTEM, Cast, make_cast, signed_in
from tests.journeys.test_patient_link import enter, link_for

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
SHOTS = Path(__file__).resolve().parents[2] / "test-results"
URL = "https://careloop.example/Questionnaire/kinds"
FORM = content(
    {**slider(), "text": "今天精神怎么样？", "required": True},
    {**number("n", 0, 20), "text": "昨晚醒了几次？"},
    url=URL,
)


@pytest.fixture(scope="module")
def browser():
    """A telephone with a microphone that hums."""
    more = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    path = next(found for name in NAMES if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *more])
        yield started
        started.close()


def asked(people: Any, made: dict[str, Any] = FORM) -> None:
    """The patient's task asks this form."""
    actions.publish_questionnaire(content=made, at=timezone.now(), by=SYSTEM)
    people.task.questionnaire_url = made["url"]
    with seeding():
        people.task.save()


@contextmanager
def telephone(browser: Any, url: str, people: Any, **more: Any):
    with page(browser, 375, 812, device_scale_factor=2, has_touch=True, is_mobile=True, **more) as tab:
        enter(tab, link_for(people, url))
        yield tab


def check_page(tab: Any, name: str) -> None:
    tab.screenshot(path=SHOTS / f"patient-{name}.png")
    assert axe_violations(tab) == [], name
    assert small_targets(tab, 59.5) == [], name
    assert small_texts(tab, 17.9) == [], name
    assert overflow(tab) <= 0, name


def on(tab: Any) -> None:
    before = tab.locator("form[data-question-form]").get_attribute("data-page")
    tab.click("button[form=question]")
    tab.wait_for_function(
        "(old) => { const form = document.querySelector('form[data-question-form]'); return !form || form.dataset.page !== old }",
        arg=before,
    )


def stored(people: Any) -> dict[str, Any]:
    return QuestionnaireResponse.objects.visible_to(SYSTEM).get(task_id=people.task.pk).values


def test_a_slider_answers_nothing_until_it_is_touched(people, browser):
    asked(people)
    with site() as url, telephone(browser, url, people, may_lose_network=True) as tab:
        way, words = tab.locator("input[type=range]"), tab.locator("[data-slider-words]")
        assert words.inner_text() == "还没有选"
        check_page(tab, "slider-untouched")
        tab.click("button[form=question]")
        assert "请拖动滑尺" in tab.locator(".err").inner_text()
        assert not QuestionnaireResponse.objects.visible_to(SYSTEM).filter(task_id=people.task.pk).exists()
        way.focus()
        way.press("Enter")  # the middle, where the knob stands
        assert "50" in words.inner_text()
        way.press("ArrowRight")
        assert way.get_attribute("aria-valuetext") == words.inner_text() == "您选的是 51"
        check_page(tab, "slider-chosen")
        tab.locator("[data-slide=clear]").click()
        assert words.inner_text() == "还没有选"
        tab.locator("[data-slide='1']").click()
        tab.wait_for_function("() => Object.keys(sessionStorage).some((name) => name.startsWith('careloop.form.'))")
        tab.context.set_offline(True)
        on(tab)
        tab.locator("[data-before]").click()
        assert tab.locator("[data-slider-words]").inner_text() == "您选的是 51"
        tab.locator("[data-slide='-1']").click()
        on(tab)
        tab.context.set_offline(False)
        tab.wait_for_function("() => document.querySelector('[data-offline]').hidden")
        on(tab)
        assert "50" in tab.locator("main").inner_text()
    assert stored(people)["s"] == 50


def test_a_table_is_answered_row_by_row_with_digits_and_page_by_page_on_a_telephone(people, browser):
    asked(people, content(table(), number("n", 0, 20), url=URL + "-table"))
    with site() as url, telephone(browser, url, people) as tab:
        seen = []
        while "/q/" in tab.url and len(seen) < 3:
            seen.append(tab.locator("form[data-question-form]").get_attribute("data-page"))
            assert tab.locator("[data-instance]").inner_text() == "最近一周"
            tab.locator("label.opt").nth(1).click()
            on(tab)
        assert seen == ["a", "b", "c"]
    assert stored(people) == {"a": "yes", "b": "yes", "c": "yes"}


def test_a_voice_is_recorded_heard_deleted_recorded_again_and_sent(people, browser):
    asked(
        people, content({**VOICE, "text": "请说一说您的情况", "required": True}, number("n", 0, 20), url=URL + "-voice")
    )
    with site() as url, telephone(browser, url, people) as tab:
        tab.click("button[form=question]")
        tab.wait_for_selector(".err")
        check_page(tab, "voice")
        record_for(tab, 1200)
        assert tab.locator("[data-replay]").evaluate("(sound) => sound.src.startsWith('blob:')")
        check_page(tab, "voice-recorded")
        tab.locator("[data-again]").click()
        assert tab.locator("[data-voice-file]").evaluate("(field) => field.files.length") == 0
        record_for(tab, 900)
        on(tab)
        kept = Attachment.objects.unscoped("test").get()
        assert (kept.content_type, kept.size > 500) == ("audio/webm", True)
        tab.locator("[data-before]").click()
        sound = tab.locator("[data-file] audio")
        sound.evaluate("(one) => { one.preload = 'auto'; one.load(); }")
        tab.wait_for_function("() => document.querySelector('[data-file] audio').readyState >= 2")
    assert stored(people) == {"told": str(kept.pk)}


def record_for(tab: Any, milliseconds: int) -> None:
    tab.locator("[data-record]").click()
    tab.locator("[data-stop]").wait_for()
    tab.wait_for_timeout(milliseconds)
    tab.locator("[data-stop]").click()
    tab.locator("[data-replay]").wait_for()


# The telephone's voice: notes what it is told to say and when it is silenced, over pages. The page's own script is untouched.
VOICE_OF_THE_TELEPHONE = """
const note = (line) => sessionStorage.setItem("heard", JSON.stringify([...JSON.parse(sessionStorage.heard || "[]"), line]));
let talking = false;
Object.defineProperty(SpeechSynthesis.prototype, "speaking", { get: () => talking });
SpeechSynthesis.prototype.speak = (words) => { talking = true; note([words.text, words.lang, words.rate < 1]); };
SpeechSynthesis.prototype.cancel = () => { if (talking) note("silence"); talking = false; };
"""


def heard(tab: Any) -> list[Any]:
    found: list[Any] = tab.evaluate("() => JSON.parse(sessionStorage.heard || '[]')")
    return found


def test_the_question_is_read_aloud_with_its_options_silenced_by_a_second_tap_and_by_going_on(people, browser):
    pain = choice("pain", "no", "yes", text="还疼吗？", required=True)
    made = content(pain, {**number("n", 0, 20), "text": "昨晚醒了几次？"}, url=URL + "-aloud", read_aloud=True)
    asked(people, made)
    with site() as url, page(browser, 375, 812, has_touch=True, is_mobile=True) as tab:
        tab.add_init_script(VOICE_OF_THE_TELEPHONE)
        enter(tab, link_for(people, url))
        assert heard(tab) == [], "nothing speaks by itself"
        ear = tab.locator("[data-speak]")
        first = ["还疼吗？\nNO\nYES", "zh-CN", True]
        ear.click()
        assert heard(tab) == [first]
        assert tab.locator("[data-question-form]").get_attribute("data-page") == "pain", "listening answers nothing"
        ear.click()
        assert heard(tab) == [first, "silence"]
        ear.click()
        tab.locator("label.opt").first.click()
        on(tab)
        assert heard(tab) == [first, "silence", first, "silence"], "the next page is quiet until it is asked"
        tab.locator("[data-speak]").click()
        assert heard(tab)[-1] == ["昨晚醒了几次？", "zh-CN", True]
    assert stored(people) == {"pain": "no"}


def test_a_form_that_is_not_read_aloud_and_a_telephone_without_a_voice_have_no_button(people, browser):
    asked(people, content({**number("n", 0, 20), "text": "昨晚醒了几次？"}, url=URL + "-quiet", read_aloud=False))
    with site() as url, telephone(browser, url, people) as tab:
        assert tab.locator("[data-speak]").count() == 0
        asked(people, content({**number("n", 0, 20), "text": "昨晚醒了几次？"}, url=URL + "-aloud", read_aloud=True))
        tab.add_init_script("delete window.speechSynthesis; delete Window.prototype.speechSynthesis")
        tab.add_init_script("Object.defineProperty(window, 'speechSynthesis', { value: undefined })")
        tab.reload()
        assert tab.locator("[data-speak]").count() == 1
        assert not tab.locator("[data-speak]").is_visible()


def test_without_a_secure_page_words_take_its_place(people, browser):
    asked(people, content({**VOICE, "required": True}, number("n", 0, 20), url=URL + "-voice"))
    with site() as url, page(browser, 375, 812) as tab:
        tab.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
        enter(tab, link_for(people, url))
        assert tab.locator("[data-no-recorder]").is_visible()
        assert not tab.locator("[data-record]").is_visible()
        tab.fill("textarea", "这两天还好")
        on(tab)
    assert bytes(Attachment.objects.unscoped("test").get().data).decode() == "这两天还好"


def test_the_drawn_logic_leads_to_the_question_and_a_rule_says_who_is_told_next(browser, transactional_db):
    cast = make_cast()
    actions.publish_questionnaire(content=CALL, at=timezone.now(), by=SYSTEM)
    made = Questionnaire.objects.get(url=CALL["url"])
    draft = actions.start_version(questionnaire=made, at=timezone.now(), by=cast.as_zhao)
    here = reverse("questionnaires:designer", args=[draft.pk])
    with site() as url, page(browser, 1366, 768) as tab:
        key = signed_in(cast.zhao).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        tab.goto(url + here + "?view=logic")
        expect(tab.locator("[data-drawing] [data-node]")).to_have_count(6)
        expect(tab.locator("[data-drawing] .way")).to_have_count(1)
        expect(tab.locator("[data-node=where].critical")).to_be_visible()
        tab.screenshot(path=SHOTS / "designer-drawing.png")
        assert axe_violations(tab) == []
        tab.locator("[data-node=where]").focus()
        tab.keyboard.press("Enter")
        expect(tab.locator("[data-card=where].on")).to_be_visible()
        tab.goto(url + here + "?selected=where&tab=alerts")
        expect(tab.locator("[data-promise] [data-rung='department-head'][data-minutes='30']")).to_be_visible()
        tab.screenshot(path=SHOTS / "designer-promise.png")
        assert axe_violations(tab) == []


def test_paper_and_desk_show_the_same_slider(browser, transactional_db):
    cast: Cast = make_cast()
    both = content(*FORM["definition"]["item"], table(), url=URL)
    made: Questionnaire = actions.publish_questionnaire(content=both, at=timezone.now(), by=SYSTEM)
    with site() as url, page(browser, 1366, 768) as tab:
        key = signed_in(cast.zhao).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        tab.goto(url + reverse("questionnaires:version", args=[made.pk]) + "?mode=paper")
        expect(tab.locator("svg.paper-scale text")).to_have_count(11)
        expect(tab.locator("table.paper-table tbody tr")).to_have_count(3)
        tab.goto(url + reverse("questionnaires:version", args=[made.pk]))
        expect(tab.locator("[data-link-id=s] input[data-number-field]")).to_be_visible()
        expect(tab.locator("[data-matrix-head=m] .c")).to_have_text(["NO", "YES"])
        tab.screenshot(path=SHOTS / "desk-kinds.png")
        assert axe_violations(tab) == []
        tab.goto(url + reverse("questionnaires:version", args=[made.pk]) + "?mode=patient")
        assert axe_violations(tab) == []

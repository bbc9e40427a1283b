"""A questionnaire is built, replayed, published, answered and superseded, and the old answer is shown as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.accounts.models import Practitioner
from careloop.questionnaires import actions
from careloop.questionnaires.models import Questionnaire, QuestionnaireDraft, QuestionnaireResponse
from careloop.questionnaires.tests.forms import choice, content, number
from tests.browser import axe_violations, overflow, page, ready, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
URL = "https://careloop.example/Questionnaire/built"


def a_form() -> dict[str, Any]:
    bp = {"linkId": "bp", "type": "group", "text": "今日血压", "item": [number("sbp", 40, 300), number("dbp", 20, 200)]}
    part = {
        "linkId": "part-1",
        "type": "group",
        "text": "第一部分 症状",
        "item": [choice("pain", "no", "yes", required=True, text="有无胸痛？"), bp],
    }
    return content(part, url=URL, version="1", scores=[], rules=[])


def answer(
    cast: Cast, questionnaire: Questionnaire, values: dict[str, Any], *, days_ago: float
) -> QuestionnaireResponse:
    at = timezone.now() - timedelta(days=days_ago)
    response = actions.start_response(
        questionnaire=questionnaire, patient_id=cast.zhang.pk, task_id=None, mode="phone", at=at, by=cast.as_wang
    )
    for link, value in values.items():
        actions.save_answer(response=response, link_id=link, value=value, source="phone", at=at, by=cast.as_wang)
    return actions.complete_response(response=response, at=at, by=cast.as_wang)


def sign_in(tab: Page, url: str, person: Practitioner) -> None:
    key = signed_in(person).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def settled(tab: Page, step: Any) -> None:
    """Do something that posts a change, and wait until the designer is as it is after it."""
    before = tab.locator("#designer").get_attribute("data-revision")
    step()
    expect(tab.locator(f"#designer:not([data-revision='{before}'])")).to_be_visible()
    ready(tab)


def test_built_replayed_published_answered_superseded(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    first = actions.publish_questionnaire(
        content=a_form(), at=timezone.now() - timedelta(days=60), by=SYSTEM, department_id=cast.cardiology.pk
    )
    past = [answer(cast, first, {"pain": "no", "sbp": sbp, "dbp": 80}, days_ago=days) for days, sbp in ((40, 120), (30, 172), (20, 140), (10, 181))]  # fmt: skip
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.zhao)
        tab.goto(url + reverse("questionnaires:version", args=[first.pk]))
        tab.locator("[data-new-version]").click()
        expect(tab.locator("#designer")).to_be_visible()
        build(tab)
        replay(tab, fired=2, of=4)
        assert axe_violations(tab) == []
        assert not overflow(tab)
        draft = QuestionnaireDraft.objects.get(url=URL)
        tab.locator("[data-submit]").click()
        expect(tab.locator("#designer[data-status='in-review']")).to_be_visible()
        expect(tab.locator("[data-publish]")).to_be_disabled()  # nobody publishes own work

    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.qian)
        tab.goto(url + reverse("questionnaires:designer", args=[draft.pk]))
        tab.locator("[data-publish]").click()
        tab.wait_for_url("**/questionnaires/*-*/")
        second = Questionnaire.objects.get(url=URL, status="active")
        assert second.version == "2"
        assert tab.url.endswith(reverse("questionnaires:version", args=[second.pk]))

        given = answer(cast, second, {"pain": "yes", "sbp": 150, "dbp": 90, "pain-2": 7}, days_ago=0)
        third = a_form()
        third["version"] = third["definition"]["version"] = "3"
        third["definition"]["item"][0]["item"][0]["text"] = "现在还胸痛吗？"
        actions.publish_questionnaire(content=third, at=timezone.now(), by=SYSTEM, department_id=cast.cardiology.pk)

    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.wang)
        tab.goto(url + reverse("questionnaires:response", args=[given.pk]))
        expect(tab.locator("[data-link-id='pain-2']")).to_contain_text("7")
        expect(tab.locator("[data-link-id='pain']")).to_contain_text("有无胸痛？")
        tab.goto(url + reverse("questionnaires:response", args=[past[0].pk]))
        expect(tab.locator("[data-link-id='sbp']")).to_contain_text("120")
        expect(tab.locator("[data-link-id='pain-2']")).to_have_count(0)
        tab.goto(
            url
            + reverse("questionnaires:compare", args=[second.pk, Questionnaire.objects.get(url=URL, version="3").pk])
        )
        expect(tab.locator("tr[data-link='pain-2'][data-row-kind='removed']")).to_be_visible()
        expect(tab.locator("tr[data-link='pain'][data-row-kind='changed']")).to_be_visible()
        assert axe_violations(tab) == []


def build(tab: Page) -> None:
    """A pain scale by mouse, its words, moved by keys, taken back, and a rule about the pressure."""
    tab.locator("[data-card='pain']").click()
    expect(tab.locator("[data-card='pain'].on")).to_be_visible()
    settled(tab, lambda: tab.locator("[data-add*='\"pain\"']").click())
    new = tab.locator("[data-card='pain-2']")
    expect(new).to_have_class("dq on")
    words = tab.locator("#w-patient")
    words.fill("现在有多疼？" * 6)
    expect(tab.locator("[data-count]")).to_have_text("36 / 30")
    expect(tab.locator("[data-count]")).to_have_class("s12 count over")
    words.fill("现在胸口有多疼？0 到 10")
    settled(tab, lambda: words.press("Tab"))
    expect(tab.locator("[data-count]")).to_have_text("14 / 30")
    new.focus()
    settled(tab, lambda: new.press("Alt+ArrowDown"))
    expect(tab.locator("[data-card]").nth(1)).to_have_attribute("data-card", "bp")
    settled(tab, lambda: tab.locator("[data-key='Ctrl+Z']").click())
    expect(tab.locator("[data-card]").nth(1)).to_have_attribute("data-card", "pain-2")
    drag_up(tab)
    tab.locator("[data-card='sbp']").click()
    expect(tab.locator("[data-card='sbp'].on")).to_be_visible()
    tab.get_by_role("group", name="属性").get_by_role("button").nth(2).click()
    rule = tab.locator("[data-add-rule]")
    expect(rule).to_be_visible()
    rule.locator("[name=operator]").select_option(">=")
    rule.locator("[name=value]").fill("160")
    rule.locator("[name=sentence]").fill("高压 160 以上")
    settled(tab, lambda: rule.locator("button").click())
    expect(tab.locator("[data-rule-card]")).to_have_count(1)


def drag_up(tab: Page) -> None:
    """The same with the mouse: the new question in front of its neighbour's place, then back by undo."""
    settled(
        tab,
        lambda: tab.locator("[data-card='pain-2']").drag_to(
            tab.locator("[data-card='bp']"), source_position={"x": 12, "y": 12}
        ),
    )
    expect(tab.locator("[data-card]").nth(1)).to_have_attribute("data-card", "bp")
    settled(tab, lambda: tab.locator("[data-key='Ctrl+Z']").click())


def replay(tab: Page, *, fired: int, of: int) -> None:
    """The trial says how often and on which answers."""
    trial = tab.locator("[data-replay]")
    expect(trial).to_have_attribute("data-responses", str(of))
    line = trial.locator("[data-fired]")
    expect(line).to_have_attribute("data-times", str(fired))
    line.locator("summary").click()
    expect(line.locator("a")).to_have_count(fired)


def test_every_view_of_a_draft_at_every_width(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    actions.load_shipped_content(at=timezone.now(), by=SYSTEM)
    pci = Questionnaire.objects.get(url="https://careloop.org/Questionnaire/pci-follow-up", status="active")
    draft = actions.start_version(questionnaire=pci, at=timezone.now(), by=cast.viewer(cast.zhao))
    for width, height in ((1366, 768), (375, 812)):
        with site() as url, page(browser, width, height) as tab:
            sign_in(tab, url, cast.zhao)
            for view in ("edit", "logic", "phone", "mobile", "paper"):
                tab.goto(f"{url}{reverse('questionnaires:designer', args=[draft.pk])}?view={view}&tab=alerts")
                expect(tab.locator("#designer")).to_be_visible()
                assert axe_violations(tab) == [], (view, width)
                assert not overflow(tab), (view, width)
            for address in (reverse("questionnaires:list"), reverse("questionnaires:import")):
                tab.goto(url + address)
                assert axe_violations(tab) == [], (address, width)
                assert not overflow(tab), (address, width)

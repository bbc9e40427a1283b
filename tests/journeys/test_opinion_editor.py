"""A table of opinions is written row by row, tried, reviewed, published; the doctor then decides otherwise, both are kept (J08)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from careloop.accounts.models import Practitioner
from careloop.publichealth import actions
from careloop.publichealth.models import Opinion, OpinionChoice, OpinionDraft, OpinionTable
from careloop.publichealth.tests.factories import ONCOLOGY, answered, give, publish_all
from tests.browser import axe_violations, overflow, page, ready, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

SETTLED = """() => { window.editorSettled = new Promise(done => document.addEventListener("htmx:afterSettle",
  event => event.target.id === "designer" && done())); }"""  # without a return value: nothing to wait for yet
pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def sign_in(tab: Page, url: str, person: Practitioner) -> None:
    key = signed_in(person).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def changed(tab: Page, step: Callable[[], Any]) -> None:
    """Do something that posts a change, and wait until the editor is as it is after it."""
    before = tab.locator("#designer").get_attribute("data-revision")
    tab.evaluate(SETTLED)
    step()
    tab.evaluate("window.editorSettled")
    expect(tab.locator(f"#designer:not([data-revision='{before}'])")).to_be_visible()
    ready(tab)


def past_answers(cast: Cast) -> None:
    """Three answered forms, one of them decided by a doctor."""
    for days, values in ((20, {"condition": "normal", "pain": 1}), (10, {"condition": "normal", "pain": 3}), (5, {"condition": "normal", "pain": 3, "lump": "yes"})):  # fmt: skip
        at = timezone.now() - timedelta(days=days)
        response = answered(cast, ONCOLOGY, {"lump": "no", **values}, at=at)
        actions.suggest_opinion(response_id=response.pk, at=at, by=SYSTEM)
    decided = Opinion.objects.unscoped("test").filter(suggested="normal").earliest("suggested_at")
    actions.choose_opinion(opinion=decided, code="normal", note="", at=timezone.now(), by=cast.viewer(cast.zhao))


def test_written_tried_reviewed_published_and_overridden(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    publish_all("oncology-post-op")
    actions.load_shipped_tables(at=timezone.now(), by=SYSTEM)
    give(cast.zhao, "ward-doctor")
    past_answers(cast)

    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.zhao)
        tab.goto(url + reverse("publichealth:tables"))
        tab.locator("[data-table] a").first.click()
        tab.locator("[data-begin]").click()
        expect(tab.locator("#designer[data-status='editing']")).to_be_visible()
        write_rows(tab)
        try_it(tab)
        assert axe_violations(tab) == []
        assert not overflow(tab)
        submit(tab)
        expect(tab.locator("[data-publish]")).to_have_count(0)  # a doctor writes, a supervisor publishes
        draft = OpinionDraft.objects.get()

    with site() as url, page(browser, 375, 812) as tab:
        sign_in(tab, url, cast.qian)
        tab.goto(url + reverse("publichealth:tables"))
        tab.locator(f"[data-draft='{draft.pk}'] a").click()
        expect(tab.locator("#designer[data-status='in-review']")).to_be_visible()
        assert not overflow(tab)
        expect(tab.locator("#trial [data-trial='3']")).to_be_visible()
        tab.goto(url + reverse("publichealth:draft-compare", args=[draft.pk]))
        expect(tab.locator("[data-row-kind='changed']")).to_have_count(1)
        expect(tab.locator("[data-row-kind='added']")).to_have_count(1)
        tab.goto(url + reverse("publichealth:draft", args=[draft.pk]))
        tab.locator("[data-publish]").click()
        tab.wait_for_url("**/opinion-tables/*-*/")
        made = OpinionTable.objects.get(department=cast.cardiology)
        assert tab.url.endswith(reverse("publichealth:table", args=[made.pk]))
        expect(tab.locator("[data-author]")).to_contain_text(cast.zhao.name)
        expect(tab.locator("[data-author]")).to_contain_text(cast.qian.name)

    response = answered(cast, ONCOLOGY, {"condition": "normal", "pain": 3, "lump": "no"}, at=timezone.now())
    actions.suggest_opinion(response_id=response.pk, at=timezone.now(), by=SYSTEM)
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.zhao)
        tab.goto(url + reverse("questionnaires:response", args=[response.pk]))
        part = tab.locator("#opinion")
        expect(part).to_have_attribute("data-suggested", "attention")
        expect(part).to_contain_text("疼痛 3 分，先观察")
        part.locator("select").select_option("relapse")
        part.locator("input[name=note]").fill("CT 提示新发结节")
        part.locator("button").click()
        expect(tab.locator("[data-choice=relapse]")).to_contain_text("CT 提示新发结节")
        expect(tab.locator("#opinion")).to_have_attribute("data-suggested", "attention")
        expect(tab.locator("#opinion")).to_contain_text("疼痛 3 分，先观察")
        assert axe_violations(tab) == []

    kept = Opinion.objects.unscoped("test").get(response=response)
    choice = OpinionChoice.objects.unscoped("test").get(opinion=kept)
    assert (kept.table_id, kept.suggested, kept.chosen) == (made.pk, "attention", "relapse")
    assert (choice.agrees, choice.chosen_by_id, kept.reason["zh"]) == (False, cast.zhao.pk, "疼痛 3 分，先观察")
    first = Opinion.objects.unscoped("test").earliest("suggested_at")
    assert (first.suggested, first.chosen) == ("normal", "normal"), "what was suggested before stays as it was"


def write_rows(tab: Page) -> None:
    """“Normal” now needs a pain below three; a row after it says what a pain of three means; its example is proposed."""
    row = open_row(tab, "5")
    changed(tab, row.locator(".cond button").nth(1).click)
    condition(tab, row, "pain", "<=", "2")
    expect(tab.locator("[data-holds='no']")).to_have_count(1)  # the published example of a pain of three
    expect(tab.locator("[data-submit]")).to_be_disabled()
    changed(tab, tab.locator("[data-holds='no'] button").click)

    adding = tab.locator("[data-add-row]")
    adding.locator("[name=code]").fill("attention")
    changed(tab, adding.locator("button").click)
    row = tab.locator("[data-table-row='6'].on")
    condition(tab, row, "condition", "=", "normal")
    condition(tab, row, "pain", "=", "3")
    switch = row.locator("button[role=switch]").first
    if switch.get_attribute("aria-checked") == "false":
        changed(tab, switch.click)
    keep_typing(tab)
    for field, words in (("#r-r", "疼痛 {pain} 分，先观察"), ("#r-re", "pain {pain}, wait and see")):
        tab.locator(field).fill(words)
        changed(tab, lambda: tab.locator(field).press("Tab"))  # noqa: B023  (used within this turn of the loop)
    changed(tab, tab.locator("[data-propose]").click)
    expect(tab.locator("[data-mistakes]")).to_have_count(0)


def keep_typing(tab: Page) -> None:
    """Marking text in a field of a row does not bring the editor anew: what is being typed would be lost."""
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.locator("#r-te").select_text()
    tab.wait_for_timeout(300)  # a request would start at once
    assert asked == []


def open_row(tab: Page, place: str) -> Locator:
    tab.locator(f"[data-table-row='{place}'] .qt").click()
    found = tab.locator(f"[data-table-row='{place}'].on")
    expect(found).to_be_visible()
    ready(tab)
    return found


def condition(tab: Page, row: Locator, question: str, operator: str, value: str) -> None:
    """One more statement of the row, chosen in its line of fields."""
    line = row.locator("form.build").first
    line.locator("[name=link]").select_option(question)
    line.locator("[name=operator]").select_option(operator)
    typed = line.locator("[name=value]:enabled")
    if typed.evaluate("e => e.tagName") == "SELECT":
        typed.select_option(value)
    else:
        typed.fill(value)
    changed(tab, line.locator("button").click)


def try_it(tab: Page) -> None:
    """The draft on the three past answers: one would come out differently, the doctor's decision still agrees."""
    trial = tab.locator("#trial [data-trial]")
    expect(trial).to_have_attribute("data-trial", "3")
    expect(trial).to_have_attribute("data-changes", "1")
    expect(trial).to_have_attribute("data-decided", "1")
    expect(trial).to_have_attribute("data-agrees", "1")
    trial.locator("summary").click()
    expect(trial.locator("[data-change]")).to_have_count(1)


def submit(tab: Page) -> None:
    tab.locator("[data-submit]").click()
    expect(tab.locator("#designer[data-status='in-review']")).to_be_visible()

"""From a critical answer to a closed alert (J4): it comes by itself, is accepted, acted on and closed; times are kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from careloop.alerts import jobs
from careloop.alerts.models import Alert, AlertAction
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import Questionnaire
from careloop.tasks.models import Task
from tests.browser import axe_violations, overflow, page
from tests.cast import SYSTEM, Cast, make_cast, signed_in
from tests.real_server import real_site

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
SHOTS = Path(__file__).resolve().parents[2] / "test-results"


def follow_up(cast: Cast) -> Task:
    now = datetime.now(UTC)
    with seeding():
        cast.zhang.name = "周国强"
        cast.zhang.save()
        return Task.objects.create(
            patient=cast.zhang, department=cast.cardiology, key="pci-7", kind="follow-up", owner=cast.wang,
            encounter_id=cast.stay.pk, available_at=now, due_at=now,
        )  # fmt: skip


def answer_badly(cast: Cast, task: Task) -> None:
    """The patient answers at home: chest tightness already in daily life. Then the worker judges."""
    patient, at = Viewer.patient(cast.zhang.pk), datetime.now(UTC)
    form = Questionnaire.objects.get(name="pci-follow-up", status="active")
    response = questionnaires.start_response(
        questionnaire=form, patient_id=cast.zhang.pk, task_id=task.pk, mode="portal", at=at, by=patient
    )
    for link_id, value in (("chest-pain", "yes"), ("chest-pain-when", "daily"), ("chest-pain-level", 5)):
        questionnaires.save_answer(response=response, link_id=link_id, value=value, source="portal", at=at, by=patient)
    done = questionnaires.complete_response(response=response, at=at, by=patient, partial=True)
    jobs.judge_response.func(event={"response_id": str(done.pk), "patient_id": str(cast.zhang.pk)})


def sign_in(tab: Page, url: str, cast: Cast) -> None:
    key = signed_in(cast.zhao).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def test_critical_answer_to_closed_alert(browser: Browser, transactional_db: None) -> None:
    SHOTS.mkdir(exist_ok=True)
    cast = make_cast()
    questionnaires.load_shipped_content(at=datetime.now(UTC), by=SYSTEM)
    task = follow_up(cast)
    with real_site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast)
        tab.goto(f"{url}/alerts/")
        expect(tab.locator("#alert-bell")).to_be_visible()  # it comes with the page
        expect(tab.locator("[data-state=empty-done]")).to_be_visible()

        tab.evaluate("document.body.addEventListener('live:alert', () => { document.body.dataset.heard = 'yes' })")

        answer_badly(cast, task)  # while the page is open: no reload follows
        row = tab.locator("[data-alert-rows] [data-row][data-severity=critical]").first
        expect(row).to_be_visible(timeout=20_000)
        expect(tab.locator("body")).to_have_attribute("data-heard", "yes")  # by the stream, not by the poll
        expect(tab.locator("#alert-bell [data-bell]")).not_to_have_attribute("data-bell", "0")
        tab.screenshot(path=SHOTS / "alerts-live.png")
        tab.set_viewport_size({"width": 375, "height": 812})  # on a doctor's phone the list stands above the pane
        box = row.bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert overflow(tab) <= 0
        tab.set_viewport_size({"width": 1366, "height": 768})

        row.click()
        pane = tab.locator("#alert-pane .ad-h")
        expect(pane).to_have_attribute("data-status", "seen")
        assert axe_violations(tab) == []
        assert overflow(tab) <= 0
        tab.keyboard.press("a")  # accept
        expect(pane).to_have_attribute("data-status", "accepted")

        tab.fill("#act-note", "已电话联系，嘱即刻服药并来院")
        tab.locator("button.act[value=phone-contact]").click()
        expect(pane).to_have_attribute("data-status", "acted")
        tab.select_option("#close-code", "resolved")
        tab.get_by_role("button", name=re.compile("闭环|Close alert")).click()
        expect(pane).to_have_attribute("data-status", "closed")
        expect(tab.locator("[data-ledger] [data-kind=closed]")).to_be_visible()
        tab.screenshot(path=SHOTS / "alerts-closed.png")
    check_ledger(cast, task)


def check_ledger(cast: Cast, task: Task) -> None:
    alert = Alert.objects.unscoped("test").filter(severity="critical", status="closed").get()
    assert alert.raised_at <= alert.seen_at <= alert.accepted_at <= alert.acted_at <= alert.closed_at
    assert (alert.owner_id, alert.source_task_id, alert.closing_code) == (cast.zhao.pk, task.pk, "resolved")
    kinds = (
        AlertAction.objects.unscoped("test").filter(alert=alert).order_by("created_at").values_list("kind", flat=True)
    )
    assert list(kinds) == ["raised", "seen", "accepted", "acted", "closed"]
    work_order = Task.objects.unscoped("test").get(pk=alert.work_order_id)
    assert (work_order.status, work_order.closed_reason) == ("cancelled", "alert-handled")

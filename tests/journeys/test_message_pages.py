"""The pages of messages in a real browser: readable by everybody, and a failed message is dealt with by hand."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.messaging import actions
from careloop.messaging.models import Communication
from careloop.messaging.rules.requests import ReplyData
from careloop.messaging.rules.states import Outcome
from careloop.messaging.tests.factories import claim, queue, record
from careloop.messaging.tests.factories import site as hospital
from tests.browser import axe_violations, overflow, page, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def some_messages(cast: Cast) -> Communication:
    """One failed, one waiting, one answered."""
    at = timezone.now()
    actions.load_templates(at=at, by=SYSTEM)
    failed = queue(cast.zhang, "failed", at=at)
    record(claim(at), Outcome.rejected("bad-number"), at)
    queue(cast.zhang, "waiting", channel="portal", at=at)
    reply = ReplyData(message_id="r1", address="+8613800110347", text="伤口有点红，要紧吗？", occurred_at=at)
    actions.store_replies(gateway="sms", replies=[reply], at=at, by=SYSTEM)
    return failed


def sign_in(tab: Page, url: str, person: object) -> None:
    key = signed_in(person).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def looks_right(tab: Page, address: str) -> None:
    tab.goto(address)
    assert axe_violations(tab) == [], address
    assert not overflow(tab), address


def test_the_message_pages(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    with hospital(sms_quiet_hours=""):
        failed = some_messages(cast)
        with site() as url, page(browser, 1366, 768) as tab:
            sign_in(tab, url, cast.wang)
            for name in ("list", "replies"):
                looks_right(tab, url + reverse(f"messaging:{name}"))
            looks_right(tab, url + reverse("messaging:detail", args=[failed.pk]))
            looks_right(tab, url + reverse("messaging:dead"))
            row = tab.locator(f"#m-{failed.pk}")
            row.locator("button", has_text="我来处理").click()
            expect(row).to_contain_text("Wang")
            row.locator("button", has_text="重新发送").click()
            expect(row).to_have_attribute("data-settled", "yes")
    assert Communication.objects.unscoped("test").filter(key=f"resend:{failed.pk}", state="queued").exists()


def test_writing_a_template(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    with hospital():
        actions.load_templates(at=timezone.now(), by=SYSTEM)
        with site() as url, page(browser, 1366, 768) as tab:
            sign_in(tab, url, cast.system_admin)
            looks_right(tab, url + reverse("messaging:templates"))
            looks_right(tab, url + reverse("messaging:template_draft"))
            text = tab.locator("textarea[name=zh]")
            text.fill("【{hospital}】您的糖尿病复查")
            expect(tab.locator("#preview")).to_have_attribute("data-fault", "yes")
            text.fill("【{hospital}】{salutation}，您好。")
            expect(tab.locator("#preview [data-language=zh]")).to_have_attribute("data-segments", "1")
            tab.fill("input[name=title]", "问候")
            tab.fill("input[name=code]", "greeting")
            tab.click("button[type=submit]:has-text('保存草稿')")
            expect(tab.locator("dd[data-state]")).to_have_attribute("data-state", "draft")
            assert axe_violations(tab) == []

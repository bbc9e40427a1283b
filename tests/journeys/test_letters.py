"""Letters in a real browser: written from a patient's page, printed, made by the batch, scanned by the patient, answered."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.batches import jobs as batches_jobs
from careloop.batches.models import Batch
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.models import Letter, LetterTemplate
from careloop.letters.tests.factories import ADDRESS, change, reader, run_queued, text_of  # fmt: skip
from careloop.letters.tests.factories import site as paper_site
from careloop.messaging.reads.texts import link_address
from careloop.patients.models import Patient
from careloop.portal.tests.conftest import PHONE_ZHANG
from careloop.portal.tests.forms import make_task
from tests.browser import ROOT, arrived, axe_violations, overflow, page, ready, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
SHOTS = ROOT / "test-results"
TAPS = {"breath": "和平常一样", "chest": "没有", "pain": "2", "pills": "都吃了", "signs": "都没有"}
WIDTHS = [(1366, 768), (375, 812)]


@pytest.fixture
def people(transactional_db: None) -> Iterator[Cast]:
    """Zhang at home with an address and an open follow-up; the shipped letters; a hospital that can be called."""
    cast = make_cast()
    with paper_site(hospital_phone="0571-88880000", hospital_name="云溪市第一人民医院"):
        actions.load_letter_templates(at=timezone.now(), by=SYSTEM)
        change(cast.stay, status="finished", discharged_at=timezone.now() - timedelta(days=7), discharge_cycle=1)
        change(cast.zhang, name="周国强", address=ADDRESS)
        cast.task = make_task(cast)
        yield cast
    with connection.cursor() as cursor:  # the queue is not emptied with the tables
        cursor.execute("TRUNCATE procrastinate_jobs CASCADE")


@contextmanager
def nurse(browser: Browser, people: Cast, width: int = 1366, height: int = 768) -> Iterator[tuple[Page, str]]:
    """Nurse Wang at her desk."""
    with site() as url, page(browser, width, height) as tab:
        key = signed_in(people.wang).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        yield tab, url


@contextmanager
def telephone(browser: Browser) -> Iterator[tuple[Page, str]]:
    """The patient's telephone on the patient pages, which are a server of their own."""
    written = importlib.import_module("careloop.config.settings")
    with (
        override_settings(
            ROOT_URLCONF="careloop.config.urls_portal", MIDDLEWARE=written._COMMON + written._PORTAL,
            SESSION_COOKIE_NAME="careloop_patient", CSRF_COOKIE_NAME="careloop_csrf_portal",
            SECURE_REFERRER_POLICY="no-referrer",
        ),
        site() as url,
        page(browser, 375, 812, has_touch=True, is_mobile=True) as tab,
    ):  # fmt: skip
        yield tab, url


def taken(tab: Page, address: str) -> bytes:
    """A file as the browser would get it, with its cookie."""
    answer = tab.context.request.get(address)
    assert answer.status == 200
    return bytes(answer.body())


def good(tab: Page) -> None:
    assert overflow(tab) <= 0, tab.url
    assert axe_violations(tab) == [], tab.url


def run(batch: Batch) -> Batch:
    assert batches_jobs.work_through(batch.pk, seconds=120)
    batch.refresh_from_db()
    return batch


def test_from_the_patients_page_through_the_post_to_the_answered_letter(people: Cast, browser: Browser) -> None:
    with nurse(browser, people) as (tab, url):
        tab.goto(f"{url}/letters/patients/{people.zhang.pk}/")
        good(tab)
        not_reached = LetterTemplate.objects.get(code="not-reached", state="approved")
        tab.locator("select[name=template]").select_option(str(not_reached.pk))
        tab.locator("select[name=task]").select_option(str(people.task.pk))
        tab.locator("form button.p").click()
        expect(tab.locator("[data-state=made]")).to_be_visible()
        good(tab)
        letter = Letter.objects.unscoped("test").select_related("link").get()
        text = text_of(taken(tab, f"{url}/letters/{letter.pk}/paper/"))
        for words in ("周国强先生收", "浙江省云溪市西山区人民路128号", letter.params["reply_code"], "0571-88880000"):
            assert words in text
        assert "I21" not in text
        tab.locator(f'form[action$="/{letter.pk}/posted/"] button').click()
        expect(tab.locator("[data-state=posted]")).to_be_visible()

    with telephone(browser) as (tab, url):
        tab.goto(url + "/" + link_address(letter.link_id).split("/", 3)[3])
        tab.fill("#factor", "0000")
        tab.click("button[form=check]")
        expect(tab.locator("#factor")).to_be_visible()  # one wrong try is no way in
        tab.fill("#factor", PHONE_ZHANG)
        tab.click("button[form=check]")
        arrived(tab, "form[data-question-form]")
        while "/q/" in tab.url:
            answer_here(tab)
        tab.click("button[form=send]")
        tab.wait_for_selector("[data-state=done]")

    assert run_queued("careloop.letters.jobs.settle_by_answers") == 1
    with nurse(browser, people, 375, 812) as (tab, url):
        tab.goto(f"{url}/letters/{letter.pk}/")
        expect(tab.locator("[data-state=answered]")).to_be_visible()
        expect(tab.locator("[data-answered=link]")).to_be_visible()
        good(tab)
    people.task.refresh_from_db()
    assert people.task.outcome == "answered-online"


def answer_here(tab: Page) -> None:
    """One question on the telephone."""
    key = tab.url.rstrip("/").rsplit("/", 1)[-1]
    if key in TAPS:
        tab.get_by_text(TAPS[key], exact=True).click()
    elif key == "sbp":
        tab.fill("[name=sbp]", "128")
        tab.fill("[name=dbp]", "76")
    elif key == "weight":
        tab.get_by_text("没有测量").click()
    before = tab.url
    tab.click("button[form=question]")
    tab.wait_for_url(lambda now: now != before)


@pytest.fixture
def group(people: Cast) -> list[Patient]:
    """Six women who left Cardiology; one has no address, one died."""
    found = []
    for n in range(6):
        patient = make.person(people.cardiology, f"赵{n}", sex="female", address="" if n == 0 else f"{ADDRESS} {n}")
        make.stay(patient, people.cardiology, days_ago=5 + n)
        found.append(patient)
    with seeding():
        Patient.objects.unscoped("test").filter(pk=found[1].pk).update(deceased=True)
    return found


def test_a_group_becomes_one_file_and_a_pile_for_the_post(
    people: Cast,
    group: list[Patient],
    browser: Browser,
) -> None:
    kept = make.cohort(people.wang, {"kind": "sex", "sexes": ["female"]})
    with nurse(browser, people) as (tab, url):
        tab.goto(f"{url}/follow-up/groups/{kept.pk}/")
        tab.locator("#write-letters").click()
        expect(tab.locator("#bulk")).to_have_attribute("data-included", "4")
        ready(tab)
        cover = LetterTemplate.objects.get(code="plan-cover", state="approved")
        tab.locator("#bulk-letter").select_option(str(cover.pk))
        expect(tab.locator('[data-reason="letter-no-address"]')).to_contain_text("1")
        expect(tab.locator('[data-reason="letter-died"]')).to_contain_text("1")
        expect(tab.locator("#bulk-start")).to_be_enabled()
        good(tab)
        tab.locator("#bulk-start").click()
        tab.wait_for_url(re.compile("/batches/"))
        batch = run(Batch.objects.get(kind="letters.letters"))
        tab.reload()
        good(tab)
        data = taken(tab, f"{url}/batches/{batch.pk}/file/")
        assert len(reader(data).pages) == 4
        for patient in group[2:]:
            assert f"{patient.name}女士收" in text_of(data)
        tab.goto(f"{url}/letters/?batch={batch.pk}")
        good(tab)
        tab.locator('form[action="/letters/posted/"] button').click()
        tab.wait_for_url(re.compile("/batches/"))
    assert run(Batch.objects.get(kind="letters.post")).done == 4
    states = Letter.objects.unscoped("test").values_list("state", flat=True)
    assert list(states) == ["posted"] * 4


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_every_page_of_letters_fits_and_can_be_read(
    people: Cast,
    group: list[Patient],
    browser: Browser,
    width: int,
    height: int,
) -> None:
    letter = actions.make_letter(
        key="x", patient_id=people.zhang.pk, template_id=LetterTemplate.objects.get(code="not-reached").pk,
        task_id=people.task.pk, at=timezone.now(), by=people.as_wang,
    )  # fmt: skip
    template = letter.template_id
    pages = [
        "/letters/", "/letters/?state=returned", "/letters/due/", f"/letters/{letter.pk}/", "/letters/scan/?scan=7K3M9",
        f"/letters/patients/{people.zhang.pk}/", f"/letters/patients/{people.zhang.pk}/report/", "/letters/templates/",
        f"/letters/templates/{template}/", f"/letters/templates/new/?from={template}",
    ]  # fmt: skip
    faults: dict[str, object] = {}
    SHOTS.mkdir(exist_ok=True)
    with nurse(browser, people, width, height) as (tab, url):
        for address in pages:
            tab.goto(url + address)
            name = address.strip("/").replace("/", "-").split("?")[0] or "home"
            tab.screenshot(path=SHOTS / f"letters-{width}-{name[:24]}.png", full_page=True)
            wide, axe = overflow(tab), axe_violations(tab)
            if wide > 0 or axe:
                faults[address] = (wide, axe)
    assert faults == {}

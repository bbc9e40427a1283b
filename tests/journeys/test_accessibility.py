"""axe (WCAG 2.2 AA) and the width of pages that no other journey looks at; the others check theirs where they walk.

Today's list and the call screen: test_nurse_loop. Record: workbench/tests/test_p360_browser. Alerts: test_alert_closed.
Dashboards: test_dashboard. Plans: test_plan_pages. Every patient page, also at 320 px in large print: test_patient_*.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser

from careloop.accounts.models import Practitioner
from careloop.integration.tests.factories import adt, receive
from careloop.patients.actions import break_glass
from careloop.questionnaires.actions import load_shipped_content
from careloop.questionnaires.models import Questionnaire
from tests.browser import axe_violations, overflow, page, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """With forms, messages of the hospital system (one that waits for a person), and an emergency access to review."""
    cast = make_cast()
    load_shipped_content(at=timezone.now(), by=SYSTEM)
    receive(adt("A01"), at=timezone.now() - timedelta(minutes=5))
    receive("nonsense", at=timezone.now())
    break_glass(patient_id=cast.ma.pk, reason="unconscious in our corridor", at=timezone.now(), by=cast.as_wang)
    return cast


def faults(browser: Browser, url: str, person: Practitioner | None, paths: list[str]) -> dict[str, object]:
    """What is wrong with these pages of this person at 1366 × 768."""
    found: dict[str, object] = {}
    with page(browser, 1366, 768) as tab:
        if person:
            key = signed_in(person).cookies["careloop_staff"].value
            tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        for path in paths:
            answer = tab.goto(url + path)
            wrong = axe_violations(tab), overflow(tab) > 0, answer.status if answer else 0
            if wrong != ([], False, 200):
                found[path] = wrong
    return found


def test_the_login_page(cast: Cast, browser: Browser) -> None:
    with site() as url:
        assert faults(browser, url, None, ["/login/"]) == {}


def test_pages_of_nurses(cast: Cast, browser: Browser) -> None:
    forms = Questionnaire.objects.filter(status="active").order_by("name").values_list("pk", flat=True)[:3]
    versions = [f"/questionnaires/{pk}/?mode={mode}" for pk in forms for mode in ("staff", "patient", "paper")]
    with site() as url:
        paths = ["/questionnaires/", *versions, "/patients/", "/account/", "/today/why/"]
        assert faults(browser, url, cast.wang, paths) == {}


def test_pages_of_administrators(cast: Cast, browser: Browser) -> None:
    with site() as url:
        assert faults(browser, url, cast.system_admin, ["/integration/", "/console/health/", "/console/people/"]) == {}
        person = f"/console/people/{cast.wang.pk}/"
        assert faults(browser, url, cast.security_admin, ["/console/people/", person]) == {}
        assert faults(browser, url, cast.audit_admin, ["/console/audit/"]) == {}


def test_pages_of_supervisors(cast: Cast, browser: Browser) -> None:
    with site() as url:
        assert faults(browser, url, cast.qian, ["/patients/access-reviews/", "/alerts/"]) == {}

"""History lists on paper: every row that the page holds, not only those in sight, and no menu."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from careloop.reports.tests.test_rollup import attempt, change, make_task
from careloop.tasks.models import Task
from tests.browser import page, site
from tests.cast import Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def called_at(cast: Cast, moments: list[datetime]) -> None:
    for when in moments:
        task = make_task(cast, due_at=when, owner=cast.wang)
        attempt(task, "reached-patient", by_practitioner=cast.wang, started_at=when)
        ended = {"status": "completed", "outcome": "reached-patient", "ended_at": when, "ended_by": cast.wang}
        change(Task, task.pk, attempts=1, **ended)


@pytest.mark.parametrize(
    ("who", "path", "rows", "width"),
    [
        ("wang", "/patients/{patient}/", "[data-entry] .d", 1366),
        ("wang", "/patients/{patient}/", "[data-entry] .d", 375),
        ("qian", "/reports/lists/follow-up-rate/numerator/?month={month}", "[data-line] .num", 1366),
    ],
)
def test_the_whole_list_is_printed_and_nothing_else(
    browser: Browser, who: str, path: str, rows: str, width: int
) -> None:
    cast, last_month = make_cast(), datetime.now(UTC).replace(day=1) - timedelta(days=1)
    called_at(cast, [last_month - timedelta(hours=10 * number) for number in range(40)])
    with site() as url, page(browser, width, 768) as tab:
        key = signed_in(getattr(cast, who)).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        tab.goto(url + path.format(patient=cast.zhang.pk, month=f"{last_month:%Y-%m}"))
        shown = tab.locator(rows).all_inner_texts()
        first_of_menu = tab.locator(".side a .t").first.inner_text()
        tab.evaluate("window.print = () => { document.body.dataset.printed = 'yes' }")
        tab.locator(".user-menu > summary").click()
        tab.locator("[data-print]").first.click()
        assert tab.locator("body[data-printed=yes]").count() == 1
        printed = PdfReader(io.BytesIO(tab.pdf(format="A4")))
    text = "\n".join(one.extract_text() for one in printed.pages)
    assert len(shown) >= 30
    assert [one for one in shown if shown.count(one) > text.count(one)] == []
    assert len(printed.pages) > 1
    assert first_of_menu not in text.splitlines()

"""A real browser for tests: Chromium of the machine, a server in a thread, axe, and the checks every page shares.

Use: `def test_x(transactional_db, browser): with site() as url, page(browser, 1366, 768) as tab: tab.goto(url) …`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
PATIENCE = 30_000  # ms: how long a test waits for what must come; a slow machine is no fault of the page
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests; each test opens its own context.

    Not for the whole run: while Playwright is started its event loop counts as running in this thread, and tests that
    use asyncio would be refused.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is missing: run `make browser`"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def site() -> Iterator[str]:
    """Serves the application as the settings stand now (staff or portal). Needs `transactional_db`."""
    server = LiveServerThread("127.0.0.1", StaticFilesHandler, port=0)
    server.daemon = True
    server.start()
    server.is_ready.wait(20)
    if server.error:
        raise server.error
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.terminate()
        connections.close_all()


@contextmanager
def page(
    browser: Browser,
    width: int,
    height: int,
    *,
    javascript: bool = True,
    may_lose_network: bool = False,
    **options: object,
) -> Iterator[Page]:
    """A tab that fails the test at the end when the page logged an error or broke the content security policy."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale="zh-CN", java_script_enabled=javascript, **options
    )
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda line: faults.append(line.text) if _is_fault(line.type, line.text) else None)
    cut_off = "net::ERR_INTERNET_DISCONNECTED" if may_lose_network else "\n"
    try:
        yield tab
    finally:
        context.close()
    assert [fault for fault in faults if cut_off not in fault] == []


def ready(tab: Page) -> None:
    """Waits until the page hears what is done to it: its scripts have run and no part of it is being replaced.

    What a test finds in the text of a page may be there before its scripts are; a choice made then is heard by nobody.
    """
    tab.wait_for_load_state("load")
    expect(tab.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def arrived(tab: Page, selector: str) -> None:
    """Waits for a page of which only this is known, and until it hears what is done to it."""
    tab.wait_for_selector(selector)
    ready(tab)


def _is_fault(kind: str, text: str) -> bool:
    """Refusals (4xx) and requests that a test cut off are told by the browser too; they are no faults of the page."""
    return kind == "error" and "status of 4" not in text and "net::ERR_FAILED" not in text


@cache
def _axe() -> str:
    return (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def axe_violations(tab: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA, one line each; the page passes with an empty list."""
    tab.evaluate(_axe() + ";0")
    found = tab.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found["violations"]]


def overflow(tab: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(tab.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def small_targets(tab: Page, least: int) -> list[str]:
    """Visible things to tap that are lower or narrower than `least` pixels."""
    script = """least => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), textarea, select, label.opt')]
      .filter(e => e.getClientRects().length && getComputedStyle(e).opacity !== '0' && !e.classList.contains('skip'))
      .map(e => [e, e.getBoundingClientRect()])
      .filter(([e, r]) => r.height < least || r.width < least)
      .map(([e, r]) => `${e.outerHTML.slice(0, 90)} ${Math.round(r.width)}x${Math.round(r.height)}`)"""
    return list(tab.evaluate(script, least))


def small_texts(tab: Page, least: float) -> list[str]:
    """Visible text set smaller than `least` pixels."""
    script = """least => { const found = []; const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) { const n = walk.currentNode, p = n.parentElement;
        if (!n.textContent.trim() || !p.getClientRects().length || ['SCRIPT', 'STYLE', 'TEMPLATE'].includes(p.tagName)) continue;
        const size = parseFloat(getComputedStyle(p).fontSize); if (size < least) found.push(`${size} ${n.textContent.trim().slice(0, 40)}`); }
      return found; }"""
    return list(tab.evaluate(script, least))

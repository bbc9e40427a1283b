"""Every component, in a real browser: no axe violation, no overflow, keys and menus work."""

from __future__ import annotations

import pytest

from tests.browser import axe_violations, overflow, page, site

pytestmark = pytest.mark.journey


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080), (375, 812)])
def test_every_component_is_accessible_and_fits(transactional_db, browser, width, height):
    with site() as url, page(browser, width, height) as tab:
        tab.goto(f"{url}/styleguide/")
        tab.wait_for_selector("[data-chart-canvas] svg")
        assert axe_violations(tab) == []
        assert overflow(tab) <= 0
        assert tab.locator("[data-risk]").count() >= 6


def test_keys_menus_and_undo(transactional_db, browser):
    with site() as url, page(browser, 1366, 768) as tab:
        tab.goto(f"{url}/styleguide/")
        tab.keyboard.press("Shift+Slash")
        assert tab.evaluate("document.getElementById('shortcuts').open")
        tab.keyboard.press("Escape")
        assert not tab.evaluate("document.getElementById('shortcuts').open")
        tab.locator(".kpi .menu summary").first.click()
        assert tab.locator(".kpi .menu[open]").count() == 1
        tab.keyboard.press("Escape")
        assert tab.locator(".kpi .menu[open]").count() == 0
        tab.locator("[data-rows] [data-row]").first.focus()
        tab.keyboard.press("ArrowDown")
        assert tab.evaluate("document.activeElement === document.querySelectorAll('[data-row]')[1]")
        tab.evaluate("document.dispatchEvent(new CustomEvent('toast', {detail: {text: 'saved', undo: '/undo/'}}))")
        assert tab.locator(".toast button").last.is_visible()


def test_single_keys_can_be_switched_off(transactional_db, browser):
    with site() as url, page(browser, 1366, 768) as tab:
        tab.goto(f"{url}/styleguide/")
        tab.evaluate("document.body.dataset.shortcuts = 'off'")
        tab.keyboard.press("Shift+Slash")
        assert not tab.evaluate("document.getElementById('shortcuts').open")


def test_print_hides_the_shell(transactional_db, browser):
    with site() as url, page(browser, 820, 1130) as tab:
        tab.goto(f"{url}/styleguide/")
        tab.emulate_media(media="print")
        assert not tab.locator(".top").is_visible()
        assert not tab.locator(".side").is_visible()

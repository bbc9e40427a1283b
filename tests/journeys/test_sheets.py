"""A list of patients from the file on somebody's computer to the patients, with a heading to explain and rows to mend."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from careloop.integration.jobs import import_sheet
from careloop.integration.models import PatientSheet
from careloop.integration.tests.sheets import HEADINGS, csv_of, person
from careloop.integration.tests.test_sheets import importer
from tests.browser import page, site
from tests.cast import make_cast, signed_in
from tests.journeys.conftest import SHOTS

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [1366, 375])
def test_from_the_file_to_the_patients(browser: Browser, width: int) -> None:
    cast = make_cast()
    headings = ("序列", *HEADINGS[1:])
    rows = [person(str(7000 + n), f"沈{n}", **{"出院科室": cast.cardiology.name}) for n in range(12)]
    rows += [person("7100", **{"出院日期": "下周三"}), person("7101", **{"联系电话": "123", "出院科室": "新科室"})]
    SHOTS.mkdir(exist_ok=True)
    with site() as url, page(browser, width, 768) as tab:
        key = signed_in(importer(cast)).cookies["careloop_staff"].value
        tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])
        tab.goto(f"{url}/patients/")
        tab.get_by_role("link", name="表格导入").click()
        tab.screenshot(path=str(SHOTS / f"sheets-{width}.png"))
        given = {"name": "十一月出院.csv", "mimeType": "text/csv", "buffer": csv_of(*rows, headings=headings)}
        tab.locator("input[type=file]").set_input_files(given)
        tab.get_by_role("button", name="核对名单").click()
        assert tab.locator("[data-start]").count() == 0
        tab.get_by_label("“序列”的含义").select_option("number")
        tab.get_by_role("button", name="重新读取").click()
        expect(tab.locator("[data-trouble]")).to_have_count(2)
        tab.screenshot(path=str(SHOTS / f"sheet-draft-{width}.png"), full_page=True)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        with tab.expect_download() as mended:
            tab.get_by_role("link", name="下载待修改的行").click()
        assert mended.value.suggested_filename == "careloop-rows-to-mend.xlsx"
        tab.locator("[data-start]").click()
        expect(tab.locator('#sheet-progress[data-under-way="1"]')).to_be_visible()
        import_sheet(event={"sheet_id": str(PatientSheet.objects.unscoped("test").get().pk)})
        expect(tab.locator('#sheet-progress[data-under-way="0"]')).to_be_visible()
        assert "12 / 13" in tab.get_by_role("status").first.inner_text()
        tab.screenshot(path=str(SHOTS / f"sheet-done-{width}.png"), full_page=True)

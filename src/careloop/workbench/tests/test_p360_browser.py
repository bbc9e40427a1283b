"""The record page and the list in a real browser: contrast and names (axe), no sideways scrolling, keyboard, htmx."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from careloop.accounts.models import Practitioner
from careloop.kernel.actions import seeding
from careloop.patients import actions
from careloop.patients.models import ContactPoint, Patient
from careloop.patients.rules import (
    AllergyData,
    ContactData,
    DiagnosisData,
    IdentifierData,
    MedicationData,
    ObservationData,
    PersonData,
    ProcedureData,
    RelatedPersonData,
    VisitData,
)
from careloop.workbench.views.p360 import TABS
from tests.browser import axe_violations, overflow, page, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def furnish(cast: Cast) -> Patient:
    """An invented patient as the picture shows one."""
    now = datetime.now(UTC)
    told: dict[str, Any] = {"source": "hl7:HIS", "at": now, "by": SYSTEM}
    person = PersonData(
        identifiers=(
            IdentifierData(value="2026110777", authority="HIS"),
            IdentifierData(value="110101195903080014", type="NI", authority="HIS"),
        ),
        name="周国强", sex="1", birth_date=date(1959, 3, 8), insurance="职工医保", address="云溪市云溪路 1 号",
        phones=(ContactData(value="13812346721/12345678901"),), family_doctor_id=cast.sun.pk,
        related=(RelatedPersonData(name="周敏", relation="女儿", knows_condition=True, phones=(ContactData(value="13912346722"),)),),
    )  # fmt: skip
    patient = actions.upsert_patient(person=person, **told)
    left = now - timedelta(days=9)
    visit = VisitData(
        number="V0347", authority="HIS", event="discharged", occurred_at=left, encounter_class="IMP",
        department_id=cast.cardiology.pk, attending_id=cast.zhao.pk, nurse_id=cast.wang.pk, disposition="home",
        admitted_at=left - timedelta(days=6), discharged_at=left, reason="突发胸痛 3 小时",
    )  # fmt: skip
    stay = actions.upsert_encounter(patient=patient, visit=visit, **told)
    actions.replace_conditions(
        encounter=stay,
        diagnoses=[DiagnosisData(code="I21.000", text="急性前壁心肌梗死"), DiagnosisData(code="I10.x00", text="高血压 3 级")], at=told["at"], by=told["by"],
    )  # fmt: skip
    done = ProcedureData(
        code="36.0600", text="急诊 PCI", performed_at=left - timedelta(days=5), performer_text="赵医生"
    )
    actions.replace_procedures(encounter=stay, patient=patient, procedures=[done], **told)
    actions.store_observations(patient=patient, encounter=stay, observations=_readings(now), **told)
    medicines = [
        MedicationData(
            key="m1", text="替格瑞洛片", dose="90", dose_unit="mg", frequency="每日两次", days=30, is_discharge=True
        ),
        MedicationData(
            key="m2", text="阿托伐他汀钙片", dose="20", dose_unit="mg", frequency="每晚一次", control="stopped"
        ),
    ]
    actions.store_medications(patient=patient, encounter=stay, medications=medicines, **told)
    actions.store_allergies(
        patient=patient, allergies=[AllergyData(text="青霉素", kind="drug", severity="severe")], **told
    )
    actions.set_consent(patient=patient, scope="share-family-doctor", decision="permit", how="paper", at=now, by=SYSTEM)
    point = ContactPoint.objects.unscoped("test").get(patient=patient, value="+8613812346721")
    actions.report_contact_result(contact_point=point, result="reached-patient", at=now - timedelta(days=2), by=SYSTEM)
    actions.set_risk(patient_id=patient.pk, risk="critical", reason="alert", at=now, by=SYSTEM)
    return patient


def _readings(now: datetime) -> list[ObservationData]:
    upper = [150, 146, 144, 141, 138, 136, 134, 133, 130, 132, 131, 134, 128, 130, 132, 129, 131, 133, 130, 128, 132, 132, 136, 138, 142, 140, 145, 148]  # fmt: skip
    found = []
    for n, value in enumerate(upper):
        at = now - timedelta(days=len(upper) - 1 - n)
        for code, told in (("8480-6", value), ("8462-4", round(Decimal(value) * Decimal("0.62")))):
            found.append(
                ObservationData(key=f"bp{code}{n}", code=code, system="http://loinc.org", text="", value=str(told),
                                unit="mmHg", observed_at=at, category="vital-signs")
            )  # fmt: skip
    for key, text, told_value, unit, flag, days in (
        ("hr", "心率", "84", "次/分", "", 0), ("ldl", "LDL-C", "2.41", "mmol/L", "↑", 3), ("ef", "射血分数", "48", "%", "", 12),
        ("w", "体重", "74.5", "kg", "", 4), ("tni", "肌钙蛋白 I", "<0.01", "ng/mL", "N", 8), ("hbs", "乙肝表面抗原", "阴性", "", "", 12),
    ):  # fmt: skip
        found.append(
            ObservationData(
                key=key,
                code=key,
                text=text,
                value=told_value,
                unit=unit,
                flag=flag,
                observed_at=now - timedelta(days=days),
            )
        )
    return found


def enter(tab: Page, url: str, person: Practitioner) -> None:
    cookies = signed_in(person).cookies
    tab.context.add_cookies([{"name": "careloop_staff", "value": cookies["careloop_staff"].value, "url": url}])


def keep(tab: Page, name: str) -> None:
    """Keep a picture in the folder PICTURES names, for people who compare it with the design."""
    folder = os.environ.get("PICTURES")
    if folder:
        tab.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_the_record_and_the_list_look_right_and_work_by_keyboard(browser: Browser) -> None:
    cast = make_cast()
    with seeding():
        for person, name in ((cast.zhao, "张明远"), (cast.wang, "陈雨"), (cast.sun, "黄志平")):
            person.name = name
            person.save()
        for row, name in ((cast.hospital, "云溪市第一人民医院"), (cast.cardiology, "心内科")):
            row.name = name
            row.save()
    patient = furnish(cast)
    with site() as url, page(browser, 1366, 768) as tab:
        enter(tab, url, cast.zhao)
        for code, __ in TABS:
            tab.goto(f"{url}/patients/{patient.pk}/" + ("" if code == "overview" else f"{code}/"))
            tab.wait_for_selector(".htmx-request", state="detached")
            assert axe_violations(tab) == [], code
            assert overflow(tab) <= 0, code
            keep(tab, f"p360-{code}")
        _timeline_and_contacts(tab, f"{url}/patients/{patient.pk}/")
        _search_by_keyboard(tab, url, patient)
        _closed_record(tab, url, cast)


def _timeline_and_contacts(tab: Page, address: str) -> None:
    tab.goto(address)
    tab.click("#timeline .chip >> nth=2")
    tab.wait_for_selector("#timeline[data-kind=visit]")
    tab.click("#trend .chip >> nth=1")
    tab.wait_for_selector("#trend .chip.on >> nth=0")
    tab.click("#contacts .masked button >> nth=0")
    tab.wait_for_selector("[data-revealed]")
    assert tab.inner_text("[data-revealed]") == "13812346721"
    tab.click("#contacts [data-trust=unverified] >> text=核实")
    tab.wait_for_selector("#contacts [data-trust=verified] >> nth=1")


def _search_by_keyboard(tab: Page, url: str, patient: Patient) -> None:
    tab.goto(f"{url}/patients/")
    tab.wait_for_selector(".htmx-request", state="detached")
    assert axe_violations(tab) == []
    assert overflow(tab) <= 0
    keep(tab, "patients")
    tab.fill("#list-q", "zgq")
    tab.wait_for_url("**q=zgq**")
    assert tab.locator(f"[data-patient='{patient.pk}']").count() == 1
    tab.fill(".omni input", "6721")
    tab.wait_for_selector("#omni-results a")
    keep(tab, "omni")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/patients/{patient.pk}/")


def _closed_record(tab: Page, url: str, cast: Cast) -> None:
    tab.goto(f"{url}/patients/{cast.ma.pk}/")
    assert axe_violations(tab) == []
    keep(tab, "p360-closed")
    tab.fill("[name=reason]", "患者来电诉胸痛")
    tab.click("form[action$='emergency-access/'] button[type=submit]")
    tab.wait_for_url(f"**/patients/{cast.ma.pk}/")
    assert tab.locator(".pb").count() == 1

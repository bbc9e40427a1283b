"""The record page, the list and the search: who sees what, what is recorded, what a click mends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse

from careloop.accounts.models import Role, RoleAssignment
from careloop.alerts.models import Alert
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients import actions
from careloop.patients.models import (
    AccessGrant,
    CareRelationship,
    Consent,
    ContactPoint,
    Observation,
    Procedure,
    RelatedPerson,
)
from careloop.patients.rules import AllergyData, MedicationData, ObservationData, ProcedureData, VisitData
from careloop.workbench.views.p360 import TABS
from tests.cast import LONG_AGO, SYSTEM, Cast

HTMX = {"HTTP_HX_REQUEST": "true"}
pytestmark = pytest.mark.django_db


def html(response: HttpResponse, status: int = 200) -> str:
    assert response.status_code == status, response.content.decode()[:600]
    return response.content.decode()


@pytest.fixture
def furnished(cast: Cast) -> Cast:
    """Zhang with a stay, an operation, readings, medicines and an allergy."""
    now = datetime.now(UTC)
    told: dict[str, Any] = {"patient": cast.zhang, "source": "hl7:HIS", "at": now, "by": SYSTEM}
    visit = VisitData(
        number="V2026110347", authority="HIS", event="discharged", occurred_at=now - timedelta(days=7),
        admitted_at=now - timedelta(days=9), discharged_at=now - timedelta(days=7), disposition="home",
    )  # fmt: skip
    stay = actions.upsert_encounter(visit=visit, **told)
    done = ProcedureData(code="36.0600", text="PCI", performed_at=now - timedelta(days=12), performer_text="Zhao")
    actions.replace_procedures(encounter=stay, procedures=[done], **told)
    readings = [
        ObservationData(
            key=f"{code}{day}", code=code, system="http://loinc.org", value=value, unit="mmHg",
            observed_at=now - timedelta(days=day), category="vital-signs",
        )
        for day in range(12)
        for code, value in (("8480-6", str(148 - day)), ("8462-4", "82"))
    ]  # fmt: skip
    ldl = ObservationData(
        key="ldl", code="LDL", text="LDL-C", value="2.41", unit="mmol/L", flag="H", observed_at=now - timedelta(days=3)
    )
    actions.store_observations(encounter=stay, observations=[*readings, ldl], **told)
    actions.store_medications(
        encounter=stay, medications=[MedicationData(key="m1", text="Ticagrelor", is_discharge=True)], **told
    )
    actions.store_allergies(allergies=[AllergyData(text="Penicillin", kind="drug", severity="severe")], **told)
    return cast


def address(cast: Cast, rest: str = "") -> str:
    return f"/patients/{cast.zhang.pk}/{rest}"


@pytest.mark.parametrize("tab", [code for code, __ in TABS])
def test_every_tab_opens_for_the_care_team_and_is_audited(furnished: Cast, tab: str) -> None:
    page = html(furnished.client(furnished.wang).get(address(furnished, "" if tab == "overview" else f"{tab}/")))
    assert 'aria-current="page"' in page
    assert "Zhang" in page
    assert "Penicillin" in page  # the banner is the same everywhere
    seen = AuditEvent.objects.filter(name="audit.RecordSeen").order_by("pk")
    assert {row.patient_id for row in seen} == {furnished.zhang.pk}
    with_it = ["plans.patient_card"] if tab == "overview" else []  # the plan comes with the page, and says so
    assert [row.payload["what"] for row in seen] == [f"p360.{tab}", *with_it]


def test_alerts_and_plan_come_with_the_page_and_refresh_by_their_own_addresses(furnished: Cast) -> None:
    page = html(furnished.client(furnished.wang).get(address(furnished)))
    for part_id, own in (("patient-alerts", "/alerts/patient/"), ("plan-card", "/plans/patients/")):
        assert page.count(f'id="{part_id}"') == 1
        assert f'hx-get="{own}{furnished.zhang.pk}/"' in page
    assert f'hx-get="/plans/patients/{furnished.zhang.pk}/" hx-trigger="load"' not in page


def test_the_page_loads_nothing_after_itself(furnished: Cast) -> None:
    page = html(furnished.client(furnished.wang).get(address(furnished)))
    assert 'id="tags"' in page
    assert re.findall(r'hx-trigger="[^"]*load[ ,"]', page) == []


def test_the_bells_ring_for_all_that_is_mine_also_around_the_record_of_one(furnished: Cast) -> None:
    """The page is narrowed to its record, the frame is not: an alert about somebody else counts."""
    now = datetime.now(UTC)
    with seeding():
        CareRelationship.objects.create(patient=furnished.ma, department=furnished.cardiology, since=now)
        Alert.objects.create(
            patient=furnished.ma, department=furnished.cardiology, key="bell", rule_code="r", severity="high", rank=2,
            sentence_zh="疼痛", owner=furnished.wang, raised_at=now, respond_by=now, close_by=now,
        )  # fmt: skip
    client = furnished.client(furnished.wang)
    alone, page = html(client.get("/alerts/bell/")), html(client.get(address(furnished)))
    assert 'data-bell="1"' in alone
    assert alone.strip() in page


def test_every_part_of_the_page_that_is_read_has_its_own_row(furnished: Cast) -> None:
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    html(furnished.client(furnished.wang).get(address(furnished)))
    rows = AuditEvent.objects.filter(name="audit.RecordSeen").exclude(pk__in=before)
    assert {(row.patient_id, row.payload["what"]) for row in rows} == {
        (furnished.zhang.pk, "p360.overview"), (furnished.zhang.pk, "plans.patient_card"),
    }  # fmt: skip


@pytest.mark.parametrize(("right", "gone"), [("alerts.view", "patient-alerts"), ("plans.view", "plan-card")])
def test_a_part_behind_a_shut_door_does_not_come_with_the_page(furnished: Cast, right: str, gone: str) -> None:
    with seeding():
        for role in Role.objects.filter(permissions__contains=[right]):
            role.permissions = [one for one in role.permissions if one != right]
            role.save()
    page = html(furnished.client(furnished.wang).get(address(furnished)))
    assert "Zhang" in page
    assert f'id="{gone}"' not in page


def test_a_stranger_gets_404_and_the_same_as_for_a_record_that_is_not_there(furnished: Cast) -> None:
    client = furnished.client(furnished.li)
    strange, missing = client.get(address(furnished)), client.get(f"/patients/{uuid4()}/")
    assert strange.status_code == missing.status_code == 404
    assert re.sub(r"[0-9a-f-]{36}|value=\"\w{64}\"|X-CSRFToken\": \"\w+", "", strange.content.decode()) == re.sub(
        r"[0-9a-f-]{36}|value=\"\w{64}\"|X-CSRFToken\": \"\w+", "", missing.content.decode()
    )
    assert "Zhang" not in strange.content.decode()
    assert AuditEvent.objects.filter(name="audit.AccessDenied").count() == 2
    assert not AuditEvent.objects.filter(name="audit.RecordSeen").exists()


@pytest.mark.parametrize("rest", ["trend/", "timeline/", "results/", "family/", "no-such-tab/"])
def test_li_gets_404_everywhere(furnished: Cast, rest: str) -> None:
    assert furnished.client(furnished.li).get(address(furnished, rest)).status_code == 404


def test_li_changes_nothing(furnished: Cast) -> None:
    point = ContactPoint.objects.unscoped("test").get(patient=furnished.zhang)
    client = furnished.client(furnished.li)
    for rest in ("verify", "correct", "retire", "reveal"):
        assert (
            client.post(address(furnished, f"numbers/{point.pk}/{rest}/"), {"number": "13912346789"}).status_code == 404
        )
    for rest in ("numbers/", "consents/", "relatives/"):
        given = {"number": "13912346789", "scope": "contact", "decision": "deny", "name": "X"}
        assert client.post(address(furnished, rest), given).status_code == 404
    assert not Consent.objects.unscoped("test").exists()


def test_a_number_of_another_patient_in_the_address_is_404(furnished: Cast) -> None:
    point = ContactPoint.objects.unscoped("test").get(patient=furnished.ma)
    assert furnished.client(furnished.sun).post(address(furnished, f"numbers/{point.pk}/verify/")).status_code == 404


def test_breaking_the_glass_opens_the_record_for_a_while(furnished: Cast) -> None:
    client = furnished.client(furnished.li)
    assert "emergency-access" in html(client.get(address(furnished)), 404)
    assert html(client.post(address(furnished, "emergency-access/"), {"reason": " "}), 422)
    opened = client.post(address(furnished, "emergency-access/"), {"reason": "called us with chest pain"})
    assert opened.status_code == 302
    assert "Zhang" in html(client.get(address(furnished)))
    assert client.post(f"/patients/{uuid4()}/emergency-access/", {"reason": "called us"}).status_code == 404


def test_a_manager_has_no_door(furnished: Cast) -> None:
    assert furnished.client(furnished.he).get(address(furnished)).status_code == 403
    assert furnished.client(furnished.he).get("/patients/").status_code == 403
    assert furnished.client(furnished.he).get("/search/?q=zhang").status_code == 403


def test_emergency_access_is_reviewed_by_somebody_else(furnished: Cast) -> None:
    now = datetime.now(UTC)
    actions.break_glass(patient_id=furnished.zhang.pk, reason="called us", at=now, by=furnished.as_li)
    client = furnished.client(furnished.qian)
    assert "called us" in html(client.get("/patients/access-reviews/"))
    grant = AccessGrant.objects.unscoped("test").get()
    assert client.post(f"/patients/access-reviews/{grant.pk}/").status_code == 302
    grant.refresh_from_db()
    assert grant.reviewed_by_id == furnished.qian.pk
    assert furnished.client(furnished.wang).get("/patients/access-reviews/").status_code == 403


def test_the_overview_asks_the_database_a_bounded_number_of_times(
    furnished: Cast, django_assert_max_num_queries: Any
) -> None:
    client = furnished.client(furnished.wang)
    client.get(address(furnished))
    with django_assert_max_num_queries(4):  # who looks, the record, everything the page and its frame show, audit
        html(client.get(address(furnished)))


def test_whoever_holds_different_roles_sees_the_same_page_for_a_few_questions_more(
    furnished: Cast, django_assert_max_num_queries: Any
) -> None:
    """What they may see of the record is known only once it is known who cares for the patient."""
    plain = re.findall(r'data-(?:vital|entry)="[^"]*"', html(furnished.client(furnished.wang).get(address(furnished))))
    with seeding():
        reader = Role.objects.get(code="researcher")
        RoleAssignment.objects.create(
            practitioner=furnished.wang, role=reader, organization=furnished.orthopaedics, valid_from=LONG_AGO
        )
    client = furnished.client(furnished.wang)
    client.get(address(furnished))
    with django_assert_max_num_queries(5):  # who looks, the record, who cares for it, everything the page shows, audit
        page = html(client.get(address(furnished)))
    assert re.findall(r'data-(?:vital|entry)="[^"]*"', page) == plain
    assert plain


def test_a_record_that_stays_closed_tells_nothing_of_what_lies_behind_it(furnished: Cast) -> None:
    page = html(furnished.client(furnished.li).get(address(furnished)), 404)
    assert not re.search(r"data-(?:vital|entry)=|36\.0600|V2026110347", page)
    assert AuditEvent.objects.filter(name="audit.AccessDenied", actor__endswith=str(furnished.li.pk)).exists()
    assert not AuditEvent.objects.filter(name="audit.RecordSeen", actor__endswith=str(furnished.li.pk)).exists()


def test_the_trend_marks_the_latest_operations_however_many_there_were(furnished: Cast) -> None:
    """A patient of many small operations: those of this month are on the picture, not those of years ago."""
    now = datetime.now(UTC)
    with seeding():
        Procedure.objects.unscoped("test").filter(patient=furnished.zhang).delete()
        for n in range(40):
            when = now - timedelta(days=3 if n == 0 else 400 + n)
            Procedure.objects.create(patient=furnished.zhang, code=f"39.{n}", text=f"Operation {n}", performed_at=when)
    page = html(furnished.client(furnished.wang).get(address(furnished)))
    marks = re.findall(r'class="ev-t"[^>]*>([^<]*)<', page)
    assert any("Operation 0" in mark for mark in marks), marks


def test_the_strip_the_trend_and_the_timeline_show_what_happened(furnished: Cast) -> None:
    page = html(furnished.client(furnished.wang).get(address(furnished)))
    assert re.findall(r'data-vital="([a-z0-9-]+)" data-direction="(\w*)"', page) == [
        ("blood-pressure", "high"), ("ldl-c", "high"),
    ]  # fmt: skip
    assert "148/82" in page
    assert page.count('class="ev-l"') == 2  # the operation and the discharge
    assert page.count('data-entry="visit"') == 3  # admission, operation, discharge


def test_the_trend_and_the_timeline_alone_equal_those_of_the_page(furnished: Cast) -> None:
    client = furnished.client(furnished.wang)
    page = html(client.get(address(furnished, "?days=90&kind=visit")))
    for part in ("trend/?days=90", "timeline/?kind=visit"):
        assert html(client.get(address(furnished, part), **HTMX)).strip() in page


def test_an_old_page_of_the_timeline_begins_after_the_new_one(furnished: Cast) -> None:
    before = (datetime.now(UTC) - timedelta(days=10)).isoformat().replace("+", "%2B")
    rest = html(furnished.client(furnished.wang).get(address(furnished, f"timeline/?kind=visit&before={before}")))
    assert rest.count('data-entry="visit"') == 1  # only the operation
    assert html(furnished.client(furnished.wang).get(address(furnished, "timeline/?kind=x&before=nonsense")))


def test_one_test_over_time(furnished: Cast) -> None:
    page = html(furnished.client(furnished.wang).get(address(furnished, "results/?code=8480-6")))
    assert page.count("data-observation=") == 12
    assert '<svg class="trend"' in page
    assert page.count("data-observation=") < Observation.objects.unscoped("test").count()


def test_numbers_are_masked_revealed_verified_corrected_and_retired(furnished: Cast) -> None:
    client = furnished.client(furnished.wang)
    point = ContactPoint.objects.unscoped("test").get(patient=furnished.zhang)
    assert point.value[3:] not in html(client.get(address(furnished)))
    shown = html(client.post(address(furnished, f"numbers/{point.pk}/reveal/"), **HTMX))
    assert point.value[3:] in shown
    assert AuditEvent.objects.filter(name="patients.PhoneRevealed").count() == 1
    panel = html(client.post(address(furnished, f"numbers/{point.pk}/verify/"), **HTMX))
    assert f'data-contact="{point.pk}" data-trust="verified"' in panel
    panel = html(client.post(address(furnished, f"numbers/{point.pk}/correct/"), {"number": "139 1234 6789"}, **HTMX))
    assert f'data-contact="{point.pk}"' not in panel
    new = ContactPoint.objects.unscoped("test").get(patient=furnished.zhang, active=True)
    assert new.value == "+8613912346789"
    assert 'data-state="empty-first"' in html(client.post(address(furnished, f"numbers/{new.pk}/retire/"), **HTMX))


@pytest.mark.parametrize("number", ["", "123", "11111111111"])
def test_a_wrong_number_is_refused_with_what_to_do(furnished: Cast, number: str) -> None:
    refused = furnished.client(furnished.wang).post(address(furnished, "numbers/"), {"number": number}, **HTMX)
    assert refused.status_code == 409
    assert ContactPoint.objects.unscoped("test").filter(patient=furnished.zhang).count() == 1


def test_a_number_and_a_relative_are_added(furnished: Cast) -> None:
    client = furnished.client(furnished.wang)
    html(client.post(address(furnished, "numbers/"), {"number": "13912346789", "owner": "daughter"}, **HTMX))
    assert ContactPoint.objects.unscoped("test").get(value="+8613912346789").owner_note == "daughter"
    given = {"name": "Zhou Min", "relation": "daughter", "may_answer": "on"}
    assert "Zhou Min" in html(client.post(address(furnished, "relatives/"), given, **HTMX))
    assert RelatedPerson.objects.unscoped("test").get().may_answer
    assert html(client.post(address(furnished, "relatives/"), {"name": ""}, **HTMX), 422)


def test_a_refusal_of_contact_is_shown_on_every_tab(furnished: Cast) -> None:
    client = furnished.client(furnished.wang)
    given = {"scope": "contact", "decision": "deny"}
    panel = html(client.post(address(furnished, "consents/"), given, **HTMX))
    assert 'data-consent="contact" data-decision="deny"' in panel
    assert 'data-code="do-not-contact"' in html(client.get(address(furnished, "medicines/")))
    assert client.post(address(furnished, "consents/"), {"scope": "x", "decision": "deny"}).status_code == 409


def test_the_dead_are_said_to_be_dead(furnished: Cast) -> None:
    actions.record_death(patient=furnished.zhang, deceased_at=None, source="s", at=datetime.now(UTC), by=SYSTEM)
    assert 'data-code="deceased"' in html(furnished.client(furnished.wang).get(address(furnished)))


def test_a_tombstone_leads_to_the_survivor(furnished: Cast) -> None:
    gone = actions.upsert_patient(person=_second(), source="s", at=datetime.now(UTC), by=SYSTEM)
    actions.merge_patients(survivor=furnished.zhang, gone=gone, source="s", at=datetime.now(UTC), by=SYSTEM)
    answer = furnished.client(furnished.sun).get(f"/patients/{gone.pk}/")
    assert (answer.status_code, answer["Location"]) == (302, address(furnished))


def _second() -> Any:
    from careloop.patients.rules import IdentifierData, PersonData

    return PersonData(identifiers=(IdentifierData(value="second", authority="HIS"),), name="Zhang")


def found(page: str) -> list[str]:
    return re.findall(r'data-patient="([0-9a-f-]+)"', page)


def test_the_list_shows_the_viewers_discharged_and_narrows(furnished: Cast) -> None:
    client, zhang = furnished.client(furnished.wang), [str(furnished.zhang.pk)]
    assert found(html(client.get("/patients/"))) == zhang
    assert found(html(client.get("/patients/?diagnosis=I21&days=30&risk=none"))) == zhang
    assert found(html(client.get("/patients/?diagnosis=S72"))) == []
    assert found(html(client.get("/patients/?risk=high"))) == []
    assert found(html(client.get("/patients/?days=x&department=x&risk=x&after=x"))) == zhang
    assert found(html(furnished.client(furnished.li).get("/patients/"))) == []
    assert AuditEvent.objects.filter(name="audit.ListSeen").exists()


def test_the_list_searches_and_htmx_gets_the_rows_alone(furnished: Cast) -> None:
    client, zhang = furnished.client(furnished.wang), [str(furnished.zhang.pk)]
    whole = html(client.get("/patients/?q=2026110347"))
    rows = html(client.get("/patients/?q=2026110347", **HTMX))
    assert found(whole) == found(rows) == zhang
    assert rows.strip() in whole
    assert 'data-state="empty-filtered"' in html(client.get("/patients/?q=nobody", **HTMX))


def test_the_top_bar_finds_by_name_and_number_only_ones_own(furnished: Cast) -> None:
    client, zhang = furnished.client(furnished.wang), [str(furnished.zhang.pk)]
    for query in ("Zhang", "2026110347", "0347"):
        assert found(html(client.get(f"/search/?q={query}"))) == zhang
        assert found(html(furnished.client(furnished.li).get(f"/search/?q={query}"))) == []
    assert html(client.get("/search/?q=")).strip() == ""

"""The 数据对接 page: what each duty sees, mapping, re-running, and that reading is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from careloop.accounts.models import OrganizationCode, Practitioner, Role, RoleAssignment
from careloop.audit.models import AuditEvent
from careloop.integration import rules
from careloop.integration.jobs import process_inbox
from careloop.integration.jobs.process import process_replayed, process_waiting
from careloop.integration.models import InboxMessage
from careloop.integration.tests.factories import adt, receive
from careloop.kernel.actions import seeding
from tests.cast import LONG_AGO, Cast

OVERVIEW = "integration:overview"


def inbox() -> Any:
    return InboxMessage.objects.unscoped("test").order_by("seq")


def specialist(cast: Cast, *, at: Any = None) -> Client:
    """Somebody who may read what messages say, in the whole hospital or one department."""
    with seeding():
        person = Practitioner(username="spec", name="Spec", organization=cast.hospital, must_change_password=False)
        person.password_changed_at = datetime.now(UTC)
        person.set_unusable_password()
        person.save()
        RoleAssignment.objects.create(
            practitioner=person, role=Role.objects.get(code="interface-specialist"),
            organization=at or cast.hospital, valid_from=LONG_AGO,
        )  # fmt: skip
    return cast.client(person)


def fill(cast: Cast) -> None:
    receive(adt("A01", control="good"), at=datetime.now(UTC))
    receive(adt("A01", control="lost", number="7", visit="V7", unit="0417", service=""), at=datetime.now(UTC))
    receive(b"nothing readable", at=datetime.now(UTC))
    process_inbox()


class TestOverview:
    def test_counts_states_and_reasons(self, cast: Cast) -> None:
        fill(cast)
        response = cast.client(cast.system_admin).get(reverse(OVERVIEW))
        page = response.content.decode()
        assert response.status_code == 200
        assert 'data-channel="mllp"' in page
        assert 'data-reason="unknown-department" data-subject="0417"' in page
        assert page.count("data-message=") == 3
        assert 'data-state="dead"' in page

    def test_no_patient_data_on_it(self, cast: Cast) -> None:
        fill(cast)
        page = cast.client(cast.system_admin).get(reverse(OVERVIEW)).content.decode()
        for secret in ("周国强", "13800000001", "和平路", "9001"):
            assert secret not in page

    def test_nurses_do_not_come_in(self, cast: Cast) -> None:
        assert cast.client(cast.wang).get(reverse(OVERVIEW)).status_code == 403
        assert cast.client(cast.li).get(reverse(OVERVIEW)).status_code == 403

    def test_empty(self, cast: Cast) -> None:
        page = cast.client(cast.system_admin).get(reverse(OVERVIEW)).content.decode()
        assert 'data-state="empty-first"' in page
        assert 'data-state="empty-done"' in page

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("state=dead", 2), ("state=done", 1), ("channel=file", 0), ("event=adt", 2), ("sender=HIS", 2),
            ("control=good", 1), ("state=dead&code=no-header", 1), ("state=nonsense", 3), ("before=1", 0),
        ],
    )  # fmt: skip
    def test_filters(self, cast: Cast, query: str, expected: int) -> None:
        fill(cast)
        page = cast.client(cast.system_admin).get(f"{reverse(OVERVIEW)}?{query}").content.decode()
        assert page.count("data-message=") == expected

    def test_pages(self, cast: Cast) -> None:
        for n in range(60):
            receive(adt("A08", control=f"M{n}"), at=datetime.now(UTC))
        client = cast.client(cast.system_admin)
        first = client.get(reverse(OVERVIEW)).content.decode()
        assert first.count("data-message=") == 50
        oldest = inbox()[10].seq
        second = client.get(f"{reverse(OVERVIEW)}?before={oldest}").content.decode()
        assert second.count("data-message=") == 10

    def test_a_fixed_number_of_queries(self, cast: Cast, django_assert_max_num_queries: Any) -> None:
        for n in range(30):
            receive(adt("A08", control=f"M{n}"), at=datetime.now(UTC))
        client = cast.client(cast.system_admin)
        client.get(reverse(OVERVIEW))
        with django_assert_max_num_queries(16):
            client.get(reverse(OVERVIEW))

    def test_waiting_too_long_is_said(self, cast: Cast) -> None:
        receive(adt("A01"), at=datetime.now(UTC) - timedelta(minutes=20))
        page = cast.client(cast.system_admin).get(reverse("integration:health")).content.decode()
        assert 'data-code="late"' in page


class TestMending:
    def test_map_and_run(self, cast: Cast) -> None:
        fill(cast)
        client = cast.client(cast.system_admin)
        given = {"facility": "YX", "value": "0417", "organization": str(cast.orthopaedics.pk)}
        response = client.post(reverse("integration:map"), given, headers={"HX-Request": "true"})
        assert response.status_code == 200
        assert 'data-subject="0417"' not in response.content.decode()
        assert response.headers["HX-Trigger"] == "inbox-changed"
        assert OrganizationCode.objects.get(value="0417").organization == cast.orthopaedics
        process_replayed.func(event={})
        assert inbox().filter(control_id="lost").get().state == "done"

    def test_without_scripts_the_page_comes_back(self, cast: Cast) -> None:
        fill(cast)
        given = {"facility": "YX", "value": "0417", "organization": str(cast.orthopaedics.pk)}
        response = cast.client(cast.system_admin).post(reverse("integration:map"), given)
        assert response.status_code == 302

    def test_no_department_chosen(self, cast: Cast) -> None:
        fill(cast)
        given = {"facility": "YX", "value": "0417", "organization": ""}
        response = cast.client(cast.system_admin).post(
            reverse("integration:map"), given, headers={"HX-Request": "true"}
        )
        assert response.status_code == 422
        assert not OrganizationCode.objects.exists()

    def test_run_a_group_again(self, cast: Cast) -> None:
        fill(cast)
        given = {"code": "unknown-department", "facility": "YX", "subject": "0417"}
        client = cast.client(cast.system_admin)
        response = client.post(reverse("integration:replay-group"), given, headers={"HX-Request": "true"})
        assert response.status_code == 200
        assert inbox().filter(control_id="lost").get().state == "received"
        again = client.post(reverse("integration:replay-group"), given, headers={"HX-Request": "true"})
        assert again.status_code == 200

    def test_put_aside(self, cast: Cast) -> None:
        fill(cast)
        given = {"code": "no-header", "facility": "", "subject": ""}
        cast.client(cast.system_admin).post(reverse("integration:put-aside"), given, headers={"HX-Request": "true"})
        assert inbox().filter(error_code="no-header").get().state == "ignored"

    def test_one_message(self, cast: Cast) -> None:
        fill(cast)
        lost = inbox().filter(control_id="lost").get()
        response = cast.client(cast.system_admin).post(reverse("integration:replay", args=[lost.pk]))
        assert response.status_code == 302
        waiting = cast.client(cast.system_admin).post(reverse("integration:replay", args=[lost.pk]))
        assert waiting.status_code == 409

    def test_half_a_group_is_refused(self, cast: Cast) -> None:
        assert cast.client(cast.system_admin).post(reverse("integration:replay-group"), {}).status_code == 409

    @pytest.mark.parametrize("name", ["map", "replay-group", "put-aside"])
    def test_nurses_may_not(self, cast: Cast, name: str) -> None:
        assert cast.client(cast.wang).post(reverse(f"integration:{name}"), {}).status_code == 403


class TestMessage:
    def test_administrators_see_what_became_of_it_not_what_it_says(self, cast: Cast) -> None:
        fill(cast)
        row = inbox().filter(control_id="good").get()
        page = cast.client(cast.system_admin).get(reverse("integration:message", args=[row.pk])).content.decode()
        assert 'data-state="forbidden"' in page
        assert "周国强" not in page
        assert not AuditEvent.objects.filter(name="audit.RecordSeen").exists()

    def test_reading_is_recorded_with_the_patient(self, cast: Cast) -> None:
        fill(cast)
        row = inbox().filter(control_id="good").get()
        page = specialist(cast).get(reverse("integration:message", args=[row.pk])).content.decode()
        assert "周国强" in page
        assert 'data-segment="PID"' in page
        seen = AuditEvent.objects.get(name="audit.RecordSeen")
        assert (seen.patient_id, seen.payload["what"]) == (row.patient_id, "hl7-message")

    def test_reading_one_without_a_patient_is_recorded_too(self, cast: Cast) -> None:
        fill(cast)
        row = inbox().filter(control_id="lost").get()
        assert specialist(cast).get(reverse("integration:message", args=[row.pk])).status_code == 200
        assert AuditEvent.objects.filter(name="integration.MessageContentSeen").count() == 1

    def test_a_departments_specialist_reads_only_its_patients(self, cast: Cast) -> None:
        fill(cast)
        client = specialist(cast, at=cast.orthopaedics)
        for control in ("good", "lost"):
            row = inbox().filter(control_id=control).get()
            page = client.get(reverse("integration:message", args=[row.pk])).content.decode()
            assert 'data-state="forbidden"' in page
            assert "周国强" not in page

    def test_an_unreadable_one(self, cast: Cast) -> None:
        fill(cast)
        row = inbox().filter(error_code="no-header").get()
        page = specialist(cast).get(reverse("integration:message", args=[row.pk])).content.decode()
        assert 'data-reason="no-header"' in page

    def test_gb18030_is_shown_right(self, cast: Cast) -> None:
        receive(adt("A01", name="王韡").encode("gb18030"))
        process_inbox()
        page = specialist(cast).get(reverse("integration:message", args=[inbox().get().pk])).content.decode()
        assert "王韡" in page

    def test_li_gets_nothing(self, cast: Cast) -> None:
        fill(cast)
        row = inbox().first()
        assert cast.client(cast.li).get(reverse("integration:message", args=[row.pk])).status_code == 403


def test_silence_is_noticed_in_working_hours_only() -> None:
    at = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    for hour, workday, minutes, expected in [
        (10, True, 31, True), (10, True, 29, False), (22, True, 31, False), (10, False, 31, False), (10, True, 60 * 24 * 8, False),
    ]:  # fmt: skip
        last = at - timedelta(minutes=minutes)
        assert rules.is_silent(last_at=last, at=at, hour=hour, is_workday=workday) is expected
    assert not rules.is_silent(last_at=None, at=at, hour=10, is_workday=True)


def test_the_clock_works_through_what_waits(cast: Cast) -> None:
    receive(adt("A01"))
    process_waiting.func(timestamp=0)
    assert inbox().get().state == "done"

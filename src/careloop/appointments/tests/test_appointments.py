"""Appointments follow the scheduling system: booked, moved, cancelled, missed; old news changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.appointments.actions import follow_appointment
from careloop.appointments.models import Appointment
from careloop.appointments.rules import STATUS_AFTER, AppointmentData, is_stale, next_status
from careloop.audit.models import AuditEvent
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
BOOKED = AppointmentData(
    number="S1", event="booked", starts_at=AT + timedelta(days=7), ends_at=AT + timedelta(days=7, minutes=30),
    service_text="心内科复诊", place="门诊 3 楼", practitioner_name="赵明", occurred_at=AT,
)  # fmt: skip


def follow(cast: Cast, data: AppointmentData, *, source: str = "hl7:SCH/YX") -> Appointment:
    return follow_appointment(patient=cast.zhang, data=data, source=source, at=AT, by=SYSTEM)


def facts() -> list[str]:
    rows = AuditEvent.objects.filter(name__startswith="appointments.").order_by("id")
    return [name.removeprefix("appointments.") for name in rows.values_list("name", flat=True)]


class TestRules:
    @pytest.mark.parametrize(
        ("now", "event", "after"),
        [
            ("booked", "changed", "booked"), ("booked", "cancelled", "cancelled"), ("booked", "no-show", "noshow"),
            ("cancelled", "booked", "booked"), ("noshow", "changed", "booked"), ("fulfilled", "cancelled", "fulfilled"),
        ],
    )  # fmt: skip
    def test_what_follows_what(self, now: str, event: str, after: str) -> None:
        assert next_status(now=now, event=event) == after  # type: ignore[arg-type]

    @given(st.sampled_from(["booked", "cancelled", "noshow"]), st.sampled_from(sorted(STATUS_AFTER)))
    def test_the_last_word_counts(self, now: str, event: str) -> None:
        assert next_status(now=now, event=event) == STATUS_AFTER[event]  # type: ignore[index,arg-type]

    def test_old_news(self) -> None:
        assert is_stale(occurred_at=AT, last_said_at=AT + timedelta(seconds=1))
        assert not is_stale(occurred_at=AT, last_said_at=AT)
        assert not is_stale(occurred_at=None, last_said_at=AT)


class TestFollowing:
    def test_booked_moved_missed(self, cast: Cast) -> None:
        follow(cast, BOOKED)
        moved = replace(
            BOOKED,
            event="changed",
            starts_at=AT + timedelta(days=9),
            ends_at=None,
            place="",
            occurred_at=AT + timedelta(hours=1),
        )
        follow(cast, moved)
        kept = follow(cast, AppointmentData(number="S1", event="no-show", occurred_at=AT + timedelta(days=9)))
        assert (kept.status, kept.starts_at) == ("noshow", AT + timedelta(days=9))
        assert (kept.place_text, kept.ends_at) == ("门诊 3 楼", AT + timedelta(days=7, minutes=30))  # silence keeps
        assert facts() == ["AppointmentBooked", "AppointmentChanged", "AppointmentNoShow"]

    def test_again_changes_and_records_nothing(self, cast: Cast) -> None:
        first = follow(cast, BOOKED)
        assert follow(cast, BOOKED).pk == first.pk
        assert facts() == ["AppointmentBooked"]

    def test_an_older_message_never_undoes_a_newer_one(self, cast: Cast) -> None:
        follow(cast, BOOKED)
        follow(cast, replace(BOOKED, event="cancelled", occurred_at=AT + timedelta(hours=2)))
        late = follow(cast, replace(BOOKED, event="changed", occurred_at=AT + timedelta(hours=1)))
        assert late.status == "cancelled"
        assert facts() == ["AppointmentBooked", "AppointmentCancelled"]

    def test_any_order_of_arrival_ends_the_same(self, cast: Cast) -> None:
        told = [
            BOOKED,
            replace(BOOKED, event="changed", starts_at=AT + timedelta(days=8), occurred_at=AT + timedelta(hours=1)),
            replace(BOOKED, event="cancelled", starts_at=AT + timedelta(days=8), occurred_at=AT + timedelta(hours=2)),
        ]
        ends = set()
        for n, order in enumerate(permutations(told)):
            for data in order:
                row = follow(cast, replace(data, number=f"P{n}"))
            ends.add((row.status, row.starts_at))
        assert ends == {("cancelled", AT + timedelta(days=8))}

    def test_a_change_of_one_never_heard_of_creates_it(self, cast: Cast) -> None:
        assert follow(cast, replace(BOOKED, event="changed")).status == "booked"
        assert follow(cast, replace(BOOKED, number="S2", event="cancelled")).status == "cancelled"
        assert facts() == ["AppointmentBooked", "AppointmentCancelled"]

    def test_two_sources_may_use_the_same_number(self, cast: Cast) -> None:
        follow(cast, BOOKED)
        follow(cast, BOOKED, source="hl7:OTHER")
        assert Appointment.objects.unscoped("test").count() == 2

    def test_only_those_who_see_the_patient_see_it(self, cast: Cast) -> None:
        follow(cast, BOOKED)
        assert Appointment.objects.visible_to(cast.as_wang).count() == 1
        assert Appointment.objects.visible_to(cast.as_li).count() == 0

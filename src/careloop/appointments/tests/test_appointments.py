"""Appointments follow the scheduling system: booked, moved, cancelled, missed; old news changes nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, permutations

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.appointments.actions import follow_appointment
from careloop.appointments.models import Appointment
from careloop.appointments.rules import STATUS_AFTER, AppointmentData, is_stale, next_status
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from tests.cast import SYSTEM, Cast, make_cast

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
        assert next_status(now=now, event=event) == after

    @given(st.sampled_from(["booked", "cancelled", "noshow"]), st.sampled_from(sorted(STATUS_AFTER)))
    def test_the_last_word_counts(self, now: str, event: str) -> None:
        assert next_status(now=now, event=event) == STATUS_AFTER[event]

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

    def test_a_repeated_message_still_moves_the_time_of_the_last_word(self, cast: Cast) -> None:
        """Booked, said again unchanged two hours later; a cancellation from in between arrives last and is old news."""
        follow(cast, BOOKED)
        follow(cast, replace(BOOKED, occurred_at=AT + timedelta(hours=2)))
        late = follow(cast, replace(BOOKED, event="cancelled", occurred_at=AT + timedelta(hours=1)))
        assert late.status == "booked"
        assert facts() == ["AppointmentBooked", "AppointmentConfirmed"]

    def test_the_last_word_never_moves_back(self, cast: Cast) -> None:
        follow(cast, replace(BOOKED, occurred_at=AT + timedelta(days=1)))
        untimed = follow(cast, replace(BOOKED, event="changed", place="门诊 5 楼", occurred_at=None))
        assert untimed.last_said_at == AT + timedelta(days=1)
        assert follow(cast, replace(BOOKED, event="cancelled", occurred_at=AT + timedelta(hours=1))).status == "booked"

    def test_a_message_without_a_time_counts_as_said_now(self, cast: Cast) -> None:
        row = follow(cast, replace(BOOKED, occurred_at=None))
        assert row.last_said_at == AT
        assert follow(cast, replace(BOOKED, event="cancelled", occurred_at=AT)).status == "cancelled"

    @pytest.mark.parametrize("event", sorted(STATUS_AFTER))
    def test_whatever_is_heard_first_makes_it(self, cast: Cast, event: str) -> None:
        row = follow(cast, AppointmentData(number="S9", event=event, occurred_at=AT))
        assert row.status == STATUS_AFTER[event]
        assert (row.starts_at, row.place_text, row.practitioner_text) == (None, "", "")
        assert len(facts()) == 1

    def test_a_kept_appointment_stays_kept(self, cast: Cast) -> None:
        row = follow(cast, BOOKED)
        with seeding():
            Appointment.objects.unscoped("test").filter(pk=row.pk).update(status="fulfilled")
        assert (
            follow(cast, replace(BOOKED, event="cancelled", occurred_at=AT + timedelta(hours=3))).status == "fulfilled"
        )

    def test_a_cancelled_one_may_be_booked_again(self, cast: Cast) -> None:
        follow(cast, BOOKED)
        follow(cast, replace(BOOKED, event="cancelled", occurred_at=AT + timedelta(hours=1)))
        row = follow(cast, replace(BOOKED, occurred_at=AT + timedelta(hours=2)))
        assert row.status == "booked"
        assert facts() == ["AppointmentBooked", "AppointmentCancelled", "AppointmentBooked"]

    @pytest.mark.parametrize(
        ("field", "kept", "most"),
        [("practitioner_name", "practitioner_text", 120), ("place", "place_text", 160), ("service_code", "service_code", 60), ("service_text", "service_text", 200), ("reason", "reason", 200)],
    )  # fmt: skip
    @pytest.mark.parametrize("text", ["漢" * 500, "𠮷" * 300, "e\u0301" * 400, "ʻOkina ’ \u202e abc" * 40])
    def test_long_and_unusual_words_fit(self, cast: Cast, field: str, kept: str, most: int, text: str) -> None:
        row = follow(cast, replace(BOOKED, **{field: text}))
        row.refresh_from_db()
        assert getattr(row, kept) == text[:most]

    def test_the_end_of_a_leap_day_in_the_hospital(self, cast: Cast) -> None:
        starts = datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC)
        row = follow(cast, replace(BOOKED, starts_at=starts))
        row.refresh_from_db()
        assert row.starts_at == starts

    def test_facts_carry_ids_only(self, cast: Cast) -> None:
        follow(cast, BOOKED)
        (payload,) = AuditEvent.objects.filter(name="appointments.AppointmentBooked").values_list("payload", flat=True)
        assert set(payload) <= {"appointment_id", "patient_id"}
        assert "赵明" not in str(payload)

    def test_a_patients_appointments_follow_the_patient_to_another_record(self, cast: Cast) -> None:
        """After a merge the scheduling system names the survivor: the appointment moves along."""
        row = follow(cast, BOOKED)
        moved = follow_appointment(
            patient=cast.ma,
            data=replace(BOOKED, occurred_at=AT + timedelta(hours=1)),
            source=row.source,
            at=AT,
            by=SYSTEM,
        )
        assert moved.pk == row.pk
        assert moved.patient_id == cast.ma.pk
        assert Appointment.objects.visible_to(cast.as_wang).count() == 0
        assert Appointment.objects.visible_to(cast.as_li).count() == 1


MESSAGES = st.lists(
    st.tuples(st.sampled_from(sorted(STATUS_AFTER)), st.integers(1, 30), st.sampled_from(["一楼", "二楼", "三楼"])),
    min_size=1, max_size=6,
).flatmap(lambda told: st.tuples(st.just(told), st.permutations(range(len(told)))))  # fmt: skip
_numbers = count(1)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MESSAGES)
def test_messages_out_of_order_end_where_the_newest_one_says(
    cast: Cast, given_: tuple[list[tuple[str, int, str]], list[int]]
) -> None:
    """Each message says everything; whatever the order of arrival, and however often each comes, the newest counts."""
    told, order = given_
    number = f"H{next(_numbers)}"
    messages = [
        AppointmentData(
            number=number, event=event, starts_at=AT + timedelta(days=days), place=place, occurred_at=AT + timedelta(minutes=n)
        )
        for n, (event, days, place) in enumerate(told)
    ]  # fmt: skip
    for n in order:
        row = follow(cast, messages[n])
        row = follow(cast, messages[n])
    newest = messages[-1]
    assert (row.status, row.starts_at, row.place_text) == (STATUS_AFTER[newest.event], newest.starts_at, newest.place)
    assert row.last_said_at == newest.occurred_at


@pytest.mark.django_db(transaction=True)
def test_the_first_message_twice_at_the_same_moment_makes_one() -> None:
    cast = make_cast()
    start, faults = threading.Barrier(4), []

    def hear(n: int) -> None:
        try:
            start.wait(timeout=20)
            follow(cast, replace(BOOKED, number="RACE", occurred_at=AT + timedelta(minutes=n)))
        except Exception as fault:  # any fault of any thread fails the test below
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=hear, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert faults == []
    (row,) = Appointment.objects.unscoped("test").filter(number="RACE")
    assert row.last_said_at == AT + timedelta(minutes=3)
    assert facts().count("AppointmentBooked") == 1

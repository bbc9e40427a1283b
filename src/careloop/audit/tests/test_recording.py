"""record(): the fact, its jobs and the change stand or fall together; ids and codes only; nobody is left out."""

from __future__ import annotations

import importlib
import re
import threading
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, get_type_hints
from uuid import UUID

import orjson
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils.module_loading import import_string

from careloop.audit.events import AccessDenied, ListSeen, RecordSeen
from careloop.audit.models import AuditEvent
from careloop.audit.record import denied, list_seen, one_visit, record, record_all, seen
from careloop.kernel.actions import NothingRecorded, WriteOutsideAction, action, seeding, wrote
from careloop.kernel.events import Event
from careloop.kernel.postgres import APP
from careloop.kernel.rows import as_json
from careloop.kernel.viewer import NOBODY, Viewer
from tests.cast import SYSTEM, Cast, make_cast

pytestmark = pytest.mark.django_db
REACTIONS = import_string(settings.REACTIONS)


class Boom(Exception):
    """Something else went wrong."""


@pytest.mark.parametrize("event", sorted(REACTIONS, key=lambda event: event.name()), ids=lambda event: event.name())
def test_the_trail_says_of_ids_what_jobs_are_told(event: type[Event]) -> None:
    """The trail's writer takes ids as they are; jobs take them as text. Both read the same."""
    kinds = get_type_hints(event)
    one, two = UUID(int=7), UUID(int=8)
    for ids in ((one, two), (), (one, "x")):
        values = {
            name: ids if "tuple" in str(kind) else one if "UUID" in str(kind) else at(kind)
            for name, kind in kinds.items()
        }
        fact = event(**values)
        assert orjson.loads(as_json(fact.told())) == orjson.loads(as_json(fact.payload()))


def at(kind: Any) -> Any:
    """Something of this kind that a fact may carry."""
    return (
        datetime(2026, 11, 23, 1, 2, 3, 4, UTC)
        if "datetime" in str(kind)
        else date(2026, 11, 23)
        if "date" in str(kind)
        else 1
    )


def jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        return cursor.fetchone()[0]


def facts(name: str) -> int:
    return AuditEvent.objects.filter(name=name).count()


# ---- together or not at all


def test_a_fact_outside_an_action_is_refused(cast):
    with pytest.raises(WriteOutsideAction):
        record(RecordSeen(patient_id=cast.zhang.pk, what="x"), by=SYSTEM)
    assert facts("audit.RecordSeen") == 0


def test_no_facts_are_no_statement(cast, django_assert_num_queries):
    with django_assert_num_queries(0):
        record_all([], by=SYSTEM)


def test_many_facts_are_one_statement(cast, django_assert_num_queries):
    events = [RecordSeen(patient_id=cast.zhang.pk, what=f"w{n}") for n in range(50)]
    with seeding(), django_assert_num_queries(1):
        record_all(events, by=SYSTEM)
    assert facts("audit.RecordSeen") == 50


def test_the_change_falls_with_its_fact(cast, monkeypatch):
    """F36: when the trail cannot be written, the business fails too."""
    broken = importlib.import_module("careloop.audit.record")
    monkeypatch.setattr(broken, "_FACTS", broken._FACTS.replace("audit_auditevent", "no_such_trail"))

    @action
    def rename(*, by):
        cast.zhang.name = "Other"
        cast.zhang.save(update_fields=["name"])
        record(RecordSeen(patient_id=cast.zhang.pk, what="x"), by=by)

    with pytest.raises(DatabaseError):
        rename(by=SYSTEM)
    cast.zhang.refresh_from_db()
    assert cast.zhang.name == "Zhang"


def test_the_fact_falls_with_its_change(cast):
    before = jobs()

    @action
    def look_and_fail(*, by):
        record(RecordSeen(patient_id=cast.zhang.pk, what="x"), by=by)
        raise Boom

    with pytest.raises(Boom), transaction.atomic():
        look_and_fail(by=SYSTEM)
    assert (facts("audit.RecordSeen"), jobs()) == (0, before)


def test_an_inner_action_does_not_excuse_the_outer_one(cast):
    @action
    def outer(*, by):
        seen(patient_id=cast.zhang.pk, what="inner", by=by)
        wrote("somewhere", 1)

    with pytest.raises(NothingRecorded, match="outer"):
        outer(by=SYSTEM)
    assert facts("audit.RecordSeen") == 0


def test_a_fact_nobody_put_on_the_map_is_heard_of_at_once(cast):
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Unmapped(Event):
        what: str = ""

    with pytest.raises(KeyError), seeding(), transaction.atomic():
        record(Unmapped(), by=SYSTEM)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_many_writers_lose_nothing():
    cast = make_cast()
    start = threading.Barrier(8)

    def look(n: int) -> None:
        start.wait()
        try:
            for m in range(5):
                seen(patient_id=cast.zhang.pk, what=f"{n}.{m}", by=SYSTEM)
        finally:
            connection.close()

    threads = [threading.Thread(target=look, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = AuditEvent.objects.filter(name="audit.RecordSeen")
    assert set(found.values_list("payload__what", flat=True)) == {f"{n}.{m}" for n in range(8) for m in range(5)}


# ---- who, what, about whom, from where, how it went


def test_a_row_says_everything_the_standard_asks_for(cast):
    by = Viewer(actor=f"staff:{cast.wang.pk}", practitioner_id=cast.wang.pk, ip="10.1.2.3", request_id="r1")
    seen(patient_id=cast.zhang.pk, what="p360", by=by)
    row = AuditEvent.objects.latest("pk")
    assert (row.actor, row.name, row.patient_id, row.outcome) == (
        f"staff:{cast.wang.pk}", "audit.RecordSeen", cast.zhang.pk, "success",
    )  # fmt: skip
    assert (row.ip, row.request_id, row.payload) == ("10.1.2.3", "r1", {"what": "p360"})
    assert row.at.tzinfo is not None


@pytest.mark.parametrize("by", [NOBODY, SYSTEM, Viewer.patient(UUID(int=7))])
def test_nobody_acts_without_a_name(cast, by):
    denied(what="x", by=by)
    assert AuditEvent.objects.latest("pk").actor in {"anonymous", "job:tests", f"patient:{UUID(int=7)}"}


def test_a_list_is_one_row_with_the_ids_it_showed(cast):
    list_seen(what="today", ids=[cast.zhang.pk, cast.ma.pk], by=cast.as_sun)
    row = AuditEvent.objects.get(name="audit.ListSeen")
    assert row.payload == {"what": "today", "ids": [str(cast.zhang.pk), str(cast.ma.pk)]}
    assert row.patient_id is None
    list_seen(what="today", ids=[], by=cast.as_sun)
    assert AuditEvent.objects.latest("pk").payload["ids"] == []


def test_what_was_refused_is_marked(cast):
    denied(what="patients/x", by=cast.as_li)
    assert AuditEvent.objects.get(name="audit.AccessDenied").outcome == "denied"


@pytest.mark.parametrize("path", ["/patients/{patient_id}/", "/patients/{patient_id}/results/"])
def test_looking_at_a_record_is_written_down_and_a_stranger_leaves_no_success(cast, path):
    address = path.format(patient_id=cast.zhang.pk)
    assert cast.client(cast.wang).get(address).status_code == 200
    mine = AuditEvent.objects.filter(actor=f"staff:{cast.wang.pk}", patient_id=cast.zhang.pk, name="audit.RecordSeen")
    assert mine.exists()
    assert cast.client(cast.li).get(address).status_code == 404
    strange = AuditEvent.objects.filter(actor=f"staff:{cast.li.pk}", patient_id=cast.zhang.pk)
    assert not strange.filter(outcome="success").exists()


def test_the_address_and_the_answer_share_an_id_with_the_log(cast):
    answer = cast.client(cast.wang).get(f"/patients/{cast.zhang.pk}/")
    row = AuditEvent.objects.filter(name="audit.RecordSeen").latest("pk")
    assert row.request_id == answer["X-Request-ID"]
    assert row.ip == "127.0.0.1"


# ---- nothing personal


PERSONAL = {
    "name",
    "phone",
    "address",
    "birth_date",
    "id_number",
    "text",
    "note",
    "answer",
    "answers",
    "email",
    "body",
    "comment",
}


@pytest.mark.parametrize("event", sorted(REACTIONS, key=lambda e: e.name()), ids=lambda e: e.name())
def test_no_fact_has_a_field_for_something_personal(event):
    assert not {field.name for field in fields(event)} & PERSONAL


def test_a_working_day_leaves_no_name_or_number_in_the_trail(cast):
    client = cast.client(cast.wang)
    for path in (
        "/today/",
        f"/patients/{cast.zhang.pk}/",
        "/search/?q=Zhang",
        "/search/?q=0347",
        "/patients/?q=Zhang",
        "/login/",
    ):
        client.get(path)
    client.post("/login/", {"username": "wang", "password": "Zhang-13800110347"})
    told = str(list(AuditEvent.objects.values()))
    assert not re.search(r"Zhang|13800110347|2026110347|\b0347\b|wang\b", told)


# ---- append-only, for the application as it runs


def test_every_reaction_is_on_the_map_once_and_is_a_job(cast):
    for event, following in REACTIONS.items():
        assert isinstance(following, tuple), event
        assert len(set(map(id, following))) == len(following), event
        assert all(callable(getattr(job, "defer", None)) for job in following), event


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_auditevent SET actor = 'x' WHERE false", "DELETE FROM audit_auditevent WHERE false",
        "TRUNCATE audit_auditevent", "ALTER TABLE audit_auditevent DISABLE TRIGGER ALL", "DROP TABLE audit_auditevent",
        "DROP TRIGGER audit_no_change ON audit_auditevent", "UPDATE audit_auditevent SET at = now() - interval '1 year'",
        "INSERT INTO audit_auditevent SELECT * FROM audit_auditevent ON CONFLICT (id) DO UPDATE SET actor = 'x'",
        "MERGE INTO audit_auditevent a USING audit_auditevent b ON a.id = b.id WHEN MATCHED THEN DELETE",
    ],
)  # fmt: skip
def test_the_applications_role_cannot_change_the_trail(cast, sql):
    """As the role the product runs as: not even a statement that would touch no row."""
    from careloop.config.grants import grant_application_role

    seen(patient_id=cast.zhang.pk, what="x", by=SYSTEM)
    grant_application_role()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(current_user, %s, 'SET')", [APP])
        if not cursor.fetchone()[0]:
            cursor.execute(
                "SELECT array_agg(privilege_type::text) FROM information_schema.role_table_grants"
                " WHERE table_name = 'audit_auditevent' AND grantee = %s",
                [APP],
            )
            assert set(cursor.fetchone()[0]) == {"INSERT", "SELECT"}
            cursor.execute("SELECT relowner <> %s::regrole FROM pg_class WHERE relname = 'audit_auditevent'", [APP])
            assert cursor.fetchone()[0]
            return
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {APP}")
        cursor.execute(sql)


@pytest.mark.parametrize("sql", ["UPDATE audit_auditevent SET at = now()", "DELETE FROM audit_auditevent", "UPDATE audit_auditevent SET payload = '{}'"])  # fmt: skip
def test_nor_can_the_owner_of_the_table(cast, sql):
    seen(patient_id=cast.zhang.pk, what="x", by=SYSTEM)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("way", ["save", "delete", "update", "queryset-delete"])
def test_nor_can_a_program_by_the_model(cast, way):
    seen(patient_id=cast.zhang.pk, what="x", by=SYSTEM)
    row = AuditEvent.objects.latest("pk")
    with pytest.raises(DatabaseError), transaction.atomic(), seeding():
        match way:
            case "save":
                row.actor = "x"
                row.save()
            case "delete":
                row.delete()
            case "update":
                AuditEvent.objects.filter(pk=row.pk).update(actor="x")
            case "queryset-delete":
                AuditEvent.objects.filter(pk=row.pk).delete()


def test_the_trail_outlives_what_it_tells_of(cast):
    """No foreign keys: neither blocks the other."""
    assert not [field for field in AuditEvent._meta.get_fields() if field.is_relation]
    assert {type(one).__name__ for one in (AccessDenied(what="x"), ListSeen(what="x", ids=()))} == {
        "AccessDenied",
        "ListSeen",
    }


def looks(cast: Cast) -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(actor=cast.as_wang.actor, name="audit.RecordSeen").order_by("pk")
    return [(str(row.patient_id), row.payload["what"]) for row in rows]


def test_the_looks_of_one_visit_are_a_row_for_each_thing_and_one_statement(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    wang = cast.as_wang
    with django_assert_num_queries(1), one_visit():
        seen(patient_id=cast.zhang.pk, what="page", by=wang)
        with one_visit():  # a part that is a visit by itself, when it is asked for alone
            seen(patient_id=cast.zhang.pk, what="part 'with\" quotes", by=wang)
        list_seen(what="list", ids=[cast.zhang.pk, cast.ma.pk], by=wang)
    assert looks(cast) == [(str(cast.zhang.pk), "page"), (str(cast.zhang.pk), "part 'with\" quotes")]
    listed = AuditEvent.objects.get(name="audit.ListSeen", actor=cast.as_wang.actor)
    assert listed.payload["ids"] == [str(cast.zhang.pk), str(cast.ma.pk)]
    assert (listed.outcome, listed.patient_id) == ("success", None)


def test_a_visit_that_reads_nothing_writes_nothing(cast: Cast, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), one_visit():
        pass
    with one_visit():
        pass
    seen(patient_id=cast.zhang.pk, what="alone", by=cast.as_wang)
    assert looks(cast) == [(str(cast.zhang.pk), "alone")]


def test_what_broke_was_shown_to_nobody_and_the_next_look_is_written(cast: Cast) -> None:
    with pytest.raises(ZeroDivisionError), one_visit():
        seen(patient_id=cast.zhang.pk, what="broken", by=cast.as_wang)
        raise ZeroDivisionError
    seen(patient_id=cast.zhang.pk, what="next", by=cast.as_wang)
    assert looks(cast) == [(str(cast.zhang.pk), "next")]

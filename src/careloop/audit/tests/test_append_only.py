"""The audit trail refuses to be changed, by anybody, in the database itself."""

import pytest
from django.db import DatabaseError, connection, transaction

from careloop.audit.models import AuditEvent
from careloop.audit.record import seen
from careloop.kernel.postgres import APP


@pytest.fixture
def one_row(cast):
    seen(patient_id=cast.zhang.pk, what="test", by=cast.as_wang)
    return AuditEvent.objects.filter(name="audit.RecordSeen").get()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_auditevent SET actor = 'somebody else'",
        "DELETE FROM audit_auditevent",
    ],
)
def test_change_raises_even_for_the_owner(one_row, sql):
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_truncate_raises(one_row):
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditevent ENABLE TRIGGER audit_no_truncate")
        cursor.execute("TRUNCATE audit_auditevent")


def test_application_role_may_only_add_and_read(one_row):
    from careloop.config.grants import grant_application_role

    with connection.cursor() as cursor:
        grant_application_role()
        cursor.execute(
            "SELECT privilege_type FROM information_schema.role_table_grants WHERE table_name = 'audit_auditevent' AND grantee = %s",
            [APP],
        )
        assert {row[0] for row in cursor.fetchall()} == {"INSERT", "SELECT"}


def test_row_says_who_what_about_whom(one_row, cast):
    assert one_row.actor == f"staff:{cast.wang.pk}"
    assert one_row.patient_id == cast.zhang.pk
    assert one_row.payload == {"what": "test"}

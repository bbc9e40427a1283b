"""Rights of the application's role: all of ours, nothing that belongs to somebody else, and the audit trail only to be added to."""

import psycopg
import pytest
from django.db import connection

from careloop.config.grants import APPEND_ONLY, grant_application_role
from careloop.kernel.postgres import APP, SUPERUSER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def foreign():
    """What an extension of the superuser leaves in our schema."""
    at = connection.get_connection_params()
    with psycopg.connect(host=at["host"], dbname=at["dbname"], user=SUPERUSER, autocommit=True) as superuser:
        superuser.execute("CREATE FUNCTION public.foreign_reset() RETURNS int LANGUAGE sql RETURN 1")
        superuser.execute("REVOKE ALL ON FUNCTION public.foreign_reset() FROM PUBLIC")
        superuser.execute("CREATE VIEW public.foreign_view AS SELECT 1 AS one")
        superuser.execute("CREATE SEQUENCE public.foreign_sequence")
        try:
            yield
        finally:
            superuser.execute("DROP SEQUENCE public.foreign_sequence")
            superuser.execute("DROP VIEW public.foreign_view")
            superuser.execute("DROP FUNCTION public.foreign_reset()")


def may(what: str, name: str, right: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT has_{what}_privilege(%s, %s, %s)", [APP, name, right])
        return bool(cursor.fetchone()[0])


def test_what_belongs_to_somebody_else_is_left_alone(foreign):
    grant_application_role()
    assert not may("function", "public.foreign_reset()", "EXECUTE")
    assert not may("table", "public.foreign_view", "SELECT")
    assert may("table", "tasks_task", "UPDATE")
    assert may("table", "audit_auditevent", "INSERT")


def test_all_tables_sequences_and_functions_of_ours_can_be_used():
    grant_application_role()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND relowner = current_user::regrole"
            " AND relnamespace = 'public'::regnamespace AND NOT (has_table_privilege(%s, oid, 'SELECT')"
            " AND has_table_privilege(%s, oid, 'INSERT'))",
            [APP, APP],
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE proowner = current_user::regrole"
            " AND pronamespace = 'public'::regnamespace AND NOT has_function_privilege(%s, oid, 'EXECUTE')",
            [APP],
        )
        assert cursor.fetchall() == []


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_was_recorded_is_not_changed(table):
    grant_application_role()
    assert [may("table", table, right) for right in ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE")] == [
        True, True, False, False, False,
    ]  # fmt: skip

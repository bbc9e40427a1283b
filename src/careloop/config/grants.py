"""The application's database role may do its work and nothing else: in the audit trail it may only add and read."""

from __future__ import annotations

from django.db import connection
from django.db.backends.utils import CursorWrapper

from careloop.kernel.postgres import APP

APPEND_ONLY = ("audit_auditevent",)
# What belongs to the owner alone: an extension in the same schema (pg_stat_statements) is the superuser's to give away.
_MINE = "{of}namespace = 'public'::regnamespace AND {of}owner = current_user::regrole"
TABLES = f"SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND {_MINE.format(of='rel')}"
SEQUENCES = f"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND {_MINE.format(of='rel')}"
ROUTINES = f"SELECT oid::regprocedure::text FROM pg_proc WHERE {_MINE.format(of='pro')}"


def grant_application_role() -> None:
    """Give rights on all tables to the application role, if there is one. Re-run after every migration."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [APP])
        if cursor.fetchone() is None:
            return
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {APP}")
        for rights, kind, names in (
            ("SELECT, INSERT, UPDATE, DELETE", "TABLE", _own(cursor, TABLES)),
            ("USAGE, SELECT, UPDATE", "SEQUENCE", _own(cursor, SEQUENCES)),
            ("EXECUTE", "ROUTINE", _own(cursor, ROUTINES)),
        ):
            if names:
                cursor.execute(f"GRANT {rights} ON {kind} {', '.join(names)} TO {APP}")
        for table in APPEND_ONLY:
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {APP}")


def _own(cursor: CursorWrapper, statement: str) -> list[str]:
    cursor.execute(statement)
    return [str(name) for (name,) in cursor.fetchall()]

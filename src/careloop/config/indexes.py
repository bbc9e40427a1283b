"""Indexes that a killed command left half built.

`CREATE INDEX CONCURRENTLY` that is killed leaves an index that answers no question and is written to all the same.
`IF NOT EXISTS` takes it for finished, so `careloop migrate` looks for such ones first.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql

# Not those that somebody is building at this moment.
_INVALID = """
SELECT c.relname FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname = 'public' AND c.relkind = 'i'
  AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
ORDER BY 1
"""
_LEFT_OF_REBUILDING = re.compile(r"_cc(new|old)\d*$")


def mend_indexes(database: psycopg.Connection[Any]) -> list[str]:
    """Build them anew without holding up anybody who writes; what a killed rebuilding left is dropped. The names of both.

    `database` is outside a transaction. An index that cannot be built (a unique one over rows that are not) stops here
    with PostgreSQL's own words, and the next try begins again.
    """
    found = [str(row[0]) for row in database.execute(_INVALID).fetchall()]
    for name in found:
        verb = (
            "DROP INDEX CONCURRENTLY IF EXISTS {}"
            if _LEFT_OF_REBUILDING.search(name)
            else "REINDEX INDEX CONCURRENTLY {}"
        )
        database.execute(sql.SQL(verb).format(sql.Identifier(name)))
    return found

"""Connections of their own, for those who wait for news from the database (LISTEN)."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


def parameters() -> dict[str, Any]:
    """How the driver connects where Django does, without what only Django's cursors need."""
    told = connections[DEFAULT_DB_ALIAS].get_connection_params()
    return {key: value for key, value in told.items() if key not in {"cursor_factory", "context"}}

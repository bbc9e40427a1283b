"""Django's sessions in the database, read by one prepared statement: every page of a patient begins with it."""

from __future__ import annotations

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer


class SessionStore(DatabaseSessions):
    """Written as always; only looking one up goes the short way."""

    def _get_session_from_db(self) -> Session | None:
        """The row of this key while it has not run out; else the key is forgotten, as Django does."""
        found: list[Session] = _row(viewer=NOBODY, key=self.session_key or "", at=timezone.now())
        if found:
            return found[0]
        self._session_key = None
        return None


@prepared
def _row(viewer: Viewer, key: str, at: object) -> QuerySet[Session]:
    return Session.objects.filter(session_key=key, expire_date__gt=at)

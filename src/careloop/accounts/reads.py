"""Who may do what where, as one query per request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.utils.module_loading import import_string

from careloop.accounts.models import LoginAttempt, Organization, Practitioner, RoleAssignment, StaffSession
from careloop.accounts.rules import THROTTLE_WINDOW, session_end
from careloop.kernel.prepared import ask
from careloop.kernel.viewer import ALWAYS, SEE_SENSITIVE, Holding, Viewer, together

# One row for each running assignment: its role's permissions, and its organization with everything below it.
_RIGHTS = """
SELECT role.permissions, here.kind = 'hospital', role.own_only,
  CASE WHEN here.kind <> 'hospital' THEN ARRAY(
    SELECT below.id FROM accounts_organization below WHERE starts_with(below.path, here.path)) END
FROM accounts_roleassignment given
JOIN accounts_role role ON role.id = given.role_id
JOIN accounts_organization here ON here.id = given.organization_id
WHERE given.practitioner_id = {who} AND given.valid_from <= %(at)s
  AND (given.valid_to IS NULL OR given.valid_to > %(at)s)
"""
# All that a request must know of who sends it: the open session, the person, the rights and the records lent.
_IDENTITY = """
SELECT {columns}, rights.*, ({grants})
FROM accounts_staffsession s
JOIN accounts_practitioner p ON p.id = s.practitioner_id
LEFT JOIN accounts_organization o ON o.id = p.organization_id
LEFT JOIN LATERAL ({rights}) AS rights ON true
WHERE s.key_hash = %(key)s AND s.ended_at IS NULL AND p.is_active
"""


def _some(model: type[Model], *names: str) -> tuple[str, ...]:
    """These columns in the order of the model: a row is taken for an instance by its places."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)


_SESSION = _some(StaffSession, "id", "practitioner_id", "key_hash", "started_at", "last_seen_at", "ended_at")
_PERSON = _some(
    Practitioner, "id", "name", "title", "username", "organization_id", "is_active", "must_change_password",
    "password_changed_at", "language", "single_keys",
)  # fmt: skip
_PLACE = _some(Organization, "id", "code", "name", "name_en", "kind", "path")
MOST_GRANTS = 20


def viewer_for(
    practitioner: Practitioner, *, at: datetime, session_id: UUID | None = None, ip: str = "", request_id: str = ""
) -> Viewer:
    """The rights of this moment: a grant that ended a second ago is gone."""
    with connection.cursor() as cursor:
        cursor.execute(_RIGHTS.format(who="%(who)s"), {"who": practitioner.pk, "at": at})
        rights = cursor.fetchall()
    return _viewer(practitioner, rights, granted=None, session_id=session_id, ip=ip, request_id=request_id)


def identity(
    session_key: str, *, at: datetime, ip: str = "", request_id: str = ""
) -> tuple[StaffSession, Viewer] | None:
    """Who is behind a cookie and what they may do at this moment, in one statement. None without an open session.

    Session, person and place come with the columns that requests look at; the others are fetched when somebody asks.
    """
    rows = ask(_identity_sql(), {"key": key_hash(session_key), "at": at})
    if not rows:
        return None
    row = rows[0]
    begin, person_end = len(_SESSION), len(_SESSION) + len(_PERSON)
    end = person_end + len(_PLACE)
    session = StaffSession.from_db("default", _SESSION, row[:begin])
    person = Practitioner.from_db("default", _PERSON, row[begin:person_end])
    place = Organization.from_db("default", _PLACE, row[person_end:end])
    person.organization = place if person.organization_id else None
    session.practitioner = person
    grants = frozenset(row[end + 4] or ())
    lent = grants if len(grants) <= MOST_GRANTS else None  # so many are better asked for by each query
    return session, _viewer(
        person, [one[end : end + 4] for one in rows], granted=lent, session_id=session.pk, ip=ip, request_id=request_id
    )


@cache
def _identity_sql() -> str:
    columns = [
        f"{table}.{column}" for table, names in (("s", _SESSION), ("p", _PERSON), ("o", _PLACE)) for column in names
    ]
    grants = import_string(settings.RUNNING_GRANTS).format(who="p.id", at="%(at)s")
    return _IDENTITY.format(columns=", ".join(columns), rights=_RIGHTS.format(who="p.id"), grants=grants)


def _viewer(
    practitioner: Practitioner, rights: Sequence[tuple[Any, ...]], *, granted: frozenset[UUID] | None, session_id: UUID | None,
    ip: str, request_id: str,
) -> Viewer:  # fmt: skip
    holdings = held(rights)
    whole = together(holdings)
    return Viewer(
        actor=f"staff:{practitioner.pk}",
        practitioner_id=practitioner.pk,
        name=practitioner.name,
        organization_id=practitioner.organization_id,
        permissions=whole.permissions | ALWAYS,
        departments=whole.departments,
        hospital_wide=whole.hospital_wide,
        own_only=whole.own_only,
        may_see_sensitive=SEE_SENSITIVE in whole.permissions,
        granted=granted,
        holdings=holdings if len(holdings) > 1 else (),
        session_id=session_id,
        ip=ip,
        request_id=request_id,
    )


def held(rights: Iterable[tuple[Any, ...]]) -> tuple[Holding, ...]:
    """The running assignments, those of the same places as one. Nearly everybody has one."""
    places: dict[tuple[bool, bool, frozenset[UUID]], frozenset[str]] = {}
    for permissions, hospital_wide, own_only, departments in rights:
        if permissions is not None:  # a person without any role comes with one empty row
            where = (hospital_wide, own_only, frozenset(departments or ()))
            places[where] = places.get(where, frozenset()) | frozenset(permissions)
    made = (
        Holding(permissions=permissions, departments=departments, hospital_wide=wide, own_only=own)
        for (wide, own, departments), permissions in places.items()
    )
    return tuple(sorted(made, key=lambda one: (one.hospital_wide, one.own_only, sorted(one.departments))))


def live_viewer(session_key: str, *, at: datetime) -> Viewer | None:
    """The viewer behind a cookie, for a live stream: the session's ages are checked but nothing is written."""
    session = open_session(session_key)
    if session is None:
        return None
    why = session_end(
        started_at=session.started_at,
        last_seen_at=session.last_seen_at,
        at=at,
        idle=timedelta(minutes=settings.ENV.idle_minutes),
        absolute=timedelta(hours=settings.ENV.absolute_hours),
    )
    return None if why else viewer_for(session.practitioner, at=at, session_id=session.pk)


def open_keys(session_keys: Iterable[str], *, at: datetime) -> frozenset[str]:
    """Which of these sessions are still open at this moment: not ended, not too old, not idle, the person active."""
    by_hash = {key_hash(key): key for key in session_keys if key}
    alive = StaffSession.objects.filter(
        key_hash__in=by_hash,
        ended_at__isnull=True,
        practitioner__is_active=True,
        started_at__gt=at - timedelta(hours=settings.ENV.absolute_hours),
        last_seen_at__gt=at - timedelta(minutes=settings.ENV.idle_minutes),
    )
    return frozenset(by_hash[found] for found in alive.values_list("key_hash", flat=True))


def duties_apart(practitioner_id: UUID, from_id: UUID | None, *, at: datetime) -> frozenset[str]:
    """The administrations (system, security, audit) of one person, now or from some day on, that the other has not."""
    given = RoleAssignment.objects.exclude(role__separated_duty="").exclude(valid_to__lte=at)
    theirs = given.filter(practitioner_id=practitioner_id)
    mine = given.filter(practitioner_id__in=[from_id] if from_id else [], valid_from__lte=at)
    return frozenset(theirs.values_list("role__separated_duty", flat=True)) - frozenset(
        mine.values_list("role__separated_duty", flat=True)
    )


def account_hash(username: str) -> str:
    """What the throttle remembers instead of the typed name."""
    return hmac.new(settings.SECRET_KEY.encode(), username.strip().lower().encode(), hashlib.sha256).hexdigest()


def key_hash(session_key: str) -> str:
    """What the session list keeps instead of the cookie."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def failures(*, username: str, ip: str, at: datetime) -> tuple[int, int]:
    """Failed attempts within the throttle window: for this account since its last success, and for this address."""
    recent = LoginAttempt.objects.filter(at__gt=at - THROTTLE_WINDOW)
    account = recent.filter(account_hash=account_hash(username))
    last_success = account.filter(succeeded=True).order_by("-at").values_list("at", flat=True).first()
    if last_success:
        account = account.filter(at__gt=last_success)
    return account.filter(succeeded=False).count(), recent.filter(ip=ip, succeeded=False).count()


def open_session(session_key: str) -> StaffSession | None:
    """The signed-in session of this cookie with its person, if it is still open."""
    return (
        StaffSession.objects.select_related("practitioner__organization")
        .filter(key_hash=key_hash(session_key), ended_at__isnull=True, practitioner__is_active=True)
        .first()
    )

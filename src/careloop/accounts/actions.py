"""Every write about people, rights and sessions."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts import events, reads
from careloop.accounts.models import (
    LoginAttempt,
    Organization,
    OrganizationCode,
    Practitioner,
    Role,
    RoleAssignment,
    StaffSession,
)
from careloop.accounts.reads import account_hash, failures, key_hash
from careloop.accounts.rules import PROFILES, PasswordProfile, is_throttled, password_faults, path_below
from careloop.audit.record import record
from careloop.kernel.actions import action, ledger
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer

LONGEST_PATH = 400
SHIPPED_ROLES = Path(__file__).parent / "content" / "roles.json"
# Verified when the name is unknown, so that both ways take the same time (A24).
_DUMMY_HASH = make_password("no such person")


class PasswordTooWeak(Refused):
    code = "password-too-weak"
    message = _("Choose a longer password that mixes letters, digits and signs and does not contain your name.")


class PasswordUsedBefore(Refused):
    code = "password-used-before"
    message = _("You used this password before. Choose another one.")


class WrongPassword(Refused):
    code = "wrong-password"
    message = _("The current password is not right.")


class SeparatedDuties(Refused):
    code = "separated-duties"
    message = _("System, security and audit administration must be three different people, without access to patients.")


class OwnRights(Refused):
    code = "own-rights"
    message = _("Nobody may change their own rights.")


class OwnAccount(Refused):
    """Whoever shuts the own account cannot open it again, and perhaps nobody else can."""

    code = "own-account"
    message = _("This is your own account. Somebody else has to disable it.")


class OtherAdministration(Refused):
    code = "other-administration"
    message = _(
        "This account belongs to another administration. Its one-time password is made on the server:"
        " careloop one-time-password and the user name."
    )


class OrganizationExists(Refused):
    code = "organization-exists"
    message = _("There is already a department with this code.")


class OrganizationMisplaced(Refused):
    code = "organization-misplaced"
    message = _("A hospital stands at the top, everything else is part of something. Choose another kind or place.")


class OrganizationTooDeep(Refused):
    code = "organization-too-deep"
    message = _("There are too many levels above this place. Choose a shorter code or a place higher up.")


class PractitionerExists(Refused):
    code = "practitioner-exists"
    message = _("Somebody else has this user name or staff number. Choose another one.")


class UserNameStays(Refused):
    code = "user-name-stays"
    message = _("A user name is never changed. Disable this account and make another one if the person needs it.")


class PeriodOver(Refused):
    code = "period-over"
    message = _("The end must lie after the beginning and in the future.")


@action
def sign_in(*, username: str, password: str, ip: str, at: datetime, by: Viewer) -> Practitioner | None:
    """The person, or None for every kind of failure alike. The attempt is kept for the throttle."""
    _one_at_a_time(account_hash(username))
    person = Practitioner.objects.filter(username=username.strip()).first()
    of_account, of_address = failures(username=username, ip=ip, at=at)
    throttled = is_throttled(account_failures=of_account, address_failures=of_address)
    right = check_password(password, person.password if person else _DUMMY_HASH)
    succeeded = bool(person and person.is_active and right and not throttled)
    LoginAttempt.objects.bulk_create(
        [LoginAttempt(at=at, account_hash=account_hash(username), ip=ip, succeeded=succeeded)]
    )
    if not succeeded or person is None:
        why = "throttled" if throttled else "disabled" if person and right else "unknown-or-wrong"
        record(events.SignInFailed(why=why, practitioner_id=person.pk if person else None), by=by)
        return None
    record(events.SignedIn(practitioner_id=person.pk), by=by)
    return person


def _one_at_a_time(key: str) -> None:
    """Tries for one account wait for each other until the end of the transaction: fifty at once still count as fifty."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


@action
def open_session(
    *, practitioner: Practitioner, session_key: str, ip: str, user_agent: str, at: datetime, by: Viewer
) -> StaffSession:
    """Remember this browser as signed in."""
    session = StaffSession.objects.create(
        practitioner=practitioner,
        key_hash=key_hash(session_key),
        started_at=at,
        last_seen_at=at,
        ip=ip,
        user_agent=user_agent[:200],
    )
    record(events.SignedIn(practitioner_id=practitioner.pk), by=by)
    return session


@action
def end_session(*, session: StaffSession, why: str, at: datetime, by: Viewer) -> None:
    """End one session. Ending it again changes nothing."""
    ended = StaffSession.objects.filter(pk=session.pk, ended_at__isnull=True).update(ended_at=at, ended_reason=why)
    if ended:
        record(events.SignedOut(practitioner_id=session.practitioner_id, why=why), by=by)


@action
def end_sessions(
    *, practitioner: Practitioner, why: str, at: datetime, by: Viewer, except_for: StaffSession | None = None
) -> int:
    """End all sessions of a person: after a password or role change, when disabled, or by hand."""
    running = StaffSession.objects.filter(practitioner=practitioner, ended_at__isnull=True)
    if except_for is not None:
        running = running.exclude(pk=except_for.pk)
    count = running.update(ended_at=at, ended_reason=why)
    if count:
        record(events.SessionsEnded(practitioner_id=practitioner.pk, count=count, why=why), by=by)
    return count


@action
def set_language(*, practitioner: Practitioner, language: str, by: Viewer) -> None:
    """Chinese or English for this person."""
    practitioner.language = language
    practitioner.save(update_fields=["language", "updated_at"])
    record(events.PractitionerChanged(practitioner_id=practitioner.pk, what="language"), by=by)


@action
def change_password(*, practitioner: Practitioner, current: str, new: str, at: datetime, by: Viewer) -> None:
    """A person's own new password. Refused when the current one is wrong, or the new one is weak or was used before."""
    if not check_password(current, practitioner.password):
        raise WrongPassword
    _set_password(practitioner, new, at=at, must_change=False)
    record(events.PasswordChanged(practitioner_id=practitioner.pk), by=by)


@action
def issue_password(*, practitioner: Practitioner, at: datetime, by: Viewer) -> str:
    """A random one-time password, shown once; it must be changed at the first sign-in. Ends all sessions.

    Whoever knows it can be that person until it is changed. So an administrator gets one only from the same kind of
    administration, or on the server itself; refused to everybody else.
    """
    if not by.everything and reads.duties_apart(practitioner.pk, by.practitioner_id, at=at):
        raise OtherAdministration
    password = f"{secrets.token_urlsafe(9)}aA7-"
    practitioner.password_history = _remembered(practitioner)
    practitioner.password = make_password(password)
    practitioner.must_change_password = True
    practitioner.password_changed_at = at
    practitioner.save(
        update_fields=["password", "password_history", "must_change_password", "password_changed_at", "updated_at"]
    )
    end_sessions(practitioner=practitioner, why="password", at=at, by=by)
    record(events.PasswordChanged(practitioner_id=practitioner.pk), by=by)
    return password


def _profile() -> PasswordProfile:
    return PROFILES[settings.ENV.password_profile]


def _set_password(practitioner: Practitioner, new: str, *, at: datetime, must_change: bool) -> None:
    profile = _profile()
    if password_faults(new, profile=profile, username=practitioner.username or "", names=[practitioner.name]):
        raise PasswordTooWeak
    remembered = _remembered(practitioner)
    # The one in use never counts as a new one, also where none is remembered: a one-time password must go.
    if any(old and check_password(new, old) for old in {practitioner.password, *remembered}):
        raise PasswordUsedBefore
    practitioner.password_history = remembered
    practitioner.password = make_password(new)
    practitioner.password_changed_at = at
    practitioner.must_change_password = must_change
    practitioner.save()


def _remembered(practitioner: Practitioner) -> list[str]:
    """The hashes that count as used before, the newest first, once the one in use is replaced."""
    return [practitioner.password, *practitioner.password_history][: _profile().remembered]


@action
def create_organization(
    *, code: str, name: str, kind: str, parent: Organization | None, by: Viewer, name_en: str = "", phone: str = ""
) -> Organization:
    """Add a hospital (without parent) or a part of one. Refused when the code is taken or the place makes no sense."""
    if (kind == Organization.Kind.HOSPITAL) is not (parent is None):
        raise OrganizationMisplaced
    path = path_below(parent.path if parent else "", code)
    if len(path) > LONGEST_PATH:
        raise OrganizationTooDeep
    try:
        with transaction.atomic():
            made = Organization.objects.create(
                code=code, name=name, name_en=name_en, kind=kind, parent=parent, path=path, phone=phone
            )
    except IntegrityError:
        raise OrganizationExists from None
    record(events.OrganizationChanged(organization_id=made.pk, what="created"), by=by)
    return made


@action
def map_organization_code(*, system: str, value: str, organization: Organization, by: Viewer) -> OrganizationCode:
    """Say which department a sender's code means. Saying it again with another department changes it."""
    mapped, _created = OrganizationCode.objects.update_or_create(
        system=system, value=value, defaults={"organization": organization}
    )
    record(events.OrganizationCodeMapped(organization_id=organization.pk, system=system, value=value), by=by)
    return mapped


@action
def create_practitioner(
    *,
    name: str,
    by: Viewer,
    username: str | None = None,
    staff_number: str | None = None,
    title: str = "",
    organization: Organization | None = None,
    phone: str = "",
    daily_capacity: int = 40,
) -> Practitioner:
    """A person. Without a username (known from messages only) nobody can sign in as them. Refused when a name is taken."""
    person = Practitioner(
        name=name,
        username=username,
        staff_number=staff_number,
        title=title,
        organization=organization,
        phone=phone,
        daily_capacity=daily_capacity,
        password=make_password(None),
    )
    try:
        with transaction.atomic():
            person.save()
    except IntegrityError:
        raise PractitionerExists from None
    record(events.PractitionerChanged(practitioner_id=person.pk, what="created"), by=by)
    return person


@action
def change_practitioner(
    *, practitioner: Practitioner, name: str, title: str, organization: Organization, staff_number: str | None,
    username: str | None, by: Viewer,
) -> tuple[str, ...]:  # fmt: skip
    """What is known about a person, and the user name of somebody who had none: a doctor known only from messages can
    sign in from then on as the doctor of those patients. The names of the changed columns; again: nothing.

    Refuses a user name or number that somebody else has, and another user name than the one there is: people are known
    by it to their colleagues.
    """
    row = Practitioner.objects.select_for_update(no_key=True).get(pk=practitioner.pk)
    if row.username and username != row.username:
        raise UserNameStays
    wanted = {
        "name": name, "title": title, "organization_id": organization.pk, "staff_number": staff_number,
        "username": username,
    }  # fmt: skip
    changed = tuple(column for column, value in wanted.items() if getattr(row, column) != value)
    for column in changed:
        setattr(row, column, wanted[column])
    if changed:
        try:
            with transaction.atomic():
                row.save(update_fields=[*changed, "updated_at"])
        except IntegrityError:
            raise PractitionerExists from None
        record(events.PractitionerChanged(practitioner_id=row.pk, what=",".join(changed)), by=by)
    return changed


@action
def disable_practitioner(*, practitioner: Practitioner, at: datetime, by: Viewer) -> None:
    """Close an account at once, with its sessions. People are disabled, never deleted. Refused: one's own account."""
    if practitioner.pk == by.practitioner_id:
        raise OwnAccount
    practitioner.is_active = False
    practitioner.save(update_fields=["is_active", "updated_at"])
    end_sessions(practitioner=practitioner, why="disabled", at=at, by=by)
    record(events.PractitionerChanged(practitioner_id=practitioner.pk, what="disabled"), by=by)


@action
def enable_practitioner(*, practitioner: Practitioner, by: Viewer) -> None:
    """Open a disabled account again."""
    practitioner.is_active = True
    practitioner.save(update_fields=["is_active", "updated_at"])
    record(events.PractitionerChanged(practitioner_id=practitioner.pk, what="enabled"), by=by)


@action
def grant_role(
    *,
    practitioner: Practitioner,
    role: Role,
    organization: Organization,
    valid_from: datetime,
    by: Viewer,
    valid_to: datetime | None = None,
    reason: str = "",
) -> RoleAssignment:
    """Give a role somewhere, for a time. Refused for oneself, for no time, and when it would mix separated duties."""
    if by.practitioner_id == practitioner.pk:
        raise OwnRights
    if valid_to is not None and valid_to <= valid_from:
        raise PeriodOver
    # Two grants to one person at the same moment see each other.
    Practitioner.objects.select_for_update(no_key=True).get(pk=practitioner.pk)
    _refuse_mixed_duties(practitioner, role, valid_from=valid_from, valid_to=valid_to)
    given = RoleAssignment.objects.create(
        practitioner=practitioner,
        role=role,
        organization=organization,
        valid_from=valid_from,
        valid_to=valid_to,
        granted_by_id=by.practitioner_id,
        reason=reason,
    )
    if role.separated_duty and not by.everything:
        _forget_password(practitioner, at=valid_from, by=by)
    record(
        events.RoleGranted(
            assignment_id=given.pk, practitioner_id=practitioner.pk, role=role.code, organization_id=organization.pk
        ),
        by=by,
    )
    return given


def _forget_password(practitioner: Practitioner, *, at: datetime, by: Viewer) -> None:
    """Somebody else may know the password of an account that is about to become an administrator's: it opens nothing
    any more, and the new duty begins with a one-time password from whoever may give one.
    """
    practitioner.password_history = _remembered(practitioner)
    practitioner.password = make_password(None)
    practitioner.must_change_password = True
    practitioner.save(update_fields=["password", "password_history", "must_change_password", "updated_at"])
    end_sessions(practitioner=practitioner, why="role", at=at, by=by)
    record(events.PasswordChanged(practitioner_id=practitioner.pk), by=by)


def _refuse_mixed_duties(
    practitioner: Practitioner, role: Role, *, valid_from: datetime, valid_to: datetime | None
) -> None:
    """GB/T 22239 8.1.5: an administrator of one kind is nothing else at any time, and nobody else is an administrator."""
    held = RoleAssignment.objects.filter(practitioner=practitioner).filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=valid_from)
    )
    if valid_to is not None:
        held = held.filter(valid_from__lt=valid_to)
    if any(duty != role.separated_duty for duty in held.values_list("role__separated_duty", flat=True)):
        raise SeparatedDuties


@action
def revoke_role(*, assignment: RoleAssignment, at: datetime, by: Viewer) -> None:
    """End an assignment now; it stays in the history. One that is over already keeps the end it had."""
    if by.practitioner_id == assignment.practitioner_id:
        raise OwnRights
    if assignment.valid_to is not None and assignment.valid_to <= at:
        return
    # One that has not begun never will: it ends with its first instant.
    assignment.valid_to = max(at, assignment.valid_from + timedelta(microseconds=1))
    assignment.save()
    record(events.RoleRevoked(assignment_id=assignment.pk, practitioner_id=assignment.practitioner_id), by=by)


@action
def load_shipped_roles(*, by: Viewer) -> int:
    """Bring the shipped roles up to date with content/roles.json. A hospital's own roles are not touched."""
    shipped = json.loads(SHIPPED_ROLES.read_text())["roles"]
    for role in shipped:
        made, created = Role.objects.update_or_create(
            code=role["code"],
            defaults={
                "name": role["name"]["zh"],
                "name_en": role["name"]["en"],
                "permissions": sorted(role["permissions"]),
                "own_only": role.get("own_only", False),
                "separated_duty": role.get("separated_duty", ""),
                "is_shipped": True,
            },
        )
        record(events.RoleChanged(role_id=made.pk, what="created" if created else "updated"), by=by)
    return len(shipped)


@action
def touch_session(*, session: StaffSession, at: datetime, by: Viewer) -> None:
    """Note that somebody is still there. Written at most once a minute by the middleware."""
    StaffSession.objects.filter(pk=session.pk).update(last_seen_at=at)
    ledger("StaffSession").records += 1  # a heartbeat is no fact worth an audit row

"""Facts about people, rights and sessions."""

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    practitioner_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFailed(Event):
    """`why` is a code: unknown-or-wrong, throttled, disabled. The typed name is never kept."""

    why: str
    practitioner_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(Event):
    practitioner_id: UUID
    why: str  # logout | idle | absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded(Event):
    """So many browsers of one person were signed out."""

    practitioner_id: UUID
    count: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    practitioner_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationChanged(Event):
    organization_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationCodeMapped(Event):
    """A sender's code means this department from now on."""

    organization_id: UUID
    system: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerChanged(Event):
    practitioner_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(Event):
    role_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(Event):
    """A person holds a role in one place."""

    assignment_id: UUID
    practitioner_id: UUID
    role: str
    organization_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRevoked(Event):
    assignment_id: UUID
    practitioner_id: UUID

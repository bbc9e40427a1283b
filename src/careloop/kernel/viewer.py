"""Who is looking or acting, and what they may see. Made once per request, job or command; never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from careloop.kernel.access import Permission

SEE_SENSITIVE = "patients.see-sensitive"
ALWAYS = frozenset({"accounts.self"})
"""What everybody may who is signed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a person may do in some places: the roles that hold there, taken together."""

    permissions: frozenset[str]
    departments: frozenset[UUID] = field(default_factory=frozenset)
    hospital_wide: bool = False
    own_only: bool = False

    def covers(self, other: Holding) -> bool:
        """Whether every patient that the other's places show is also in these."""
        if self.hospital_wide:
            return True
        return self.own_only is other.own_only and not other.hospital_wide and other.departments <= self.departments


def together(holdings: Iterable[Holding]) -> Holding:
    """Their permissions and places added up. One's own patients in one place are not all patients there: where another role
    shows whole places, only those count.
    """
    given = tuple(holdings)
    whole = tuple(one for one in given if not one.own_only)
    places = whole or given
    return Holding(
        permissions=frozenset().union(*(one.permissions for one in given)),
        departments=frozenset().union(*(one.departments for one in places)),
        hospital_wide=any(one.hospital_wide for one in whole),
        own_only=bool(given) and not whole,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """`departments` is already expanded to the whole subtree. `own_only` narrows to the person's own patients.

    Whoever holds different roles in different places brings them as `holdings`; permissions and places added up would be
    more than any role gives. Each door narrows with `within(its permission)`, and so does every decision of an action that
    needs another permission than its door's. Without `holdings` all permissions hold wherever this person sees anything.

    `granted` are the patients lent to this person at the moment the viewer was made; None means: ask the table in each
    query. Only a request, which is over in moments, brings them along. `narrowed_to` leaves one patient of all that this
    person may see: for the pages about one record, after that record was found to be visible.
    """

    actor: str  # "staff:<uuid>", "patient:<uuid>", "job:plans.enrol"
    practitioner_id: UUID | None = None
    name: str = ""
    organization_id: UUID | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)
    departments: frozenset[UUID] = field(default_factory=frozenset)
    hospital_wide: bool = False
    own_only: bool = False
    may_see_sensitive: bool = False
    patient_id: UUID | None = None
    granted: frozenset[UUID] | None = None
    narrowed_to: UUID | None = None
    found: Any = field(default=None, compare=False, repr=False)  # the record of `narrowed_to`, as it was just read
    narrowed_from: Viewer | None = field(default=None, compare=False, repr=False)
    holdings: tuple[Holding, ...] = ()
    anywhere: frozenset[str] = field(default_factory=frozenset)
    everything: bool = False
    session_id: UUID | None = None
    ip: str = ""
    request_id: str = ""
    asks_as: Any = field(
        default=None, init=False, compare=False, repr=False
    )  # kernel.prepared's: what follows from this viewer

    def can(self, permission: Permission | str) -> bool:
        """Whether a role of this viewer allows it somewhere. The system itself may do everything."""
        return self.everything or _code(permission) in self.permissions

    def enters(self, permission: Permission | str) -> bool:
        """The same for the menu, also on the page of a record where less is allowed."""
        return self.can(permission) or _code(permission) in self.anywhere

    def within(self, *permissions: Permission | str) -> Viewer:
        """The same person in those places only where one role, or several in the same places, gives all of these."""
        if not self.holdings:
            return self
        codes = {_code(one) for one in permissions}
        here = together(one for one in self.holdings if codes <= one.permissions)
        sensitive = together(one for one in self.holdings if SEE_SENSITIVE in one.permissions)
        return replace(
            self, departments=here.departments, hospital_wide=here.hospital_wide, own_only=here.own_only,
            may_see_sensitive=SEE_SENSITIVE in sensitive.permissions and sensitive.covers(here),
        )  # fmt: skip

    def among(self, departments: frozenset[UUID], *, is_own: bool) -> Viewer:
        """For the pages about one record, cared for in these departments: only what this person may do there.

        A record that no role of theirs reaches was lent to them; then all of their roles count, as for a colleague there.
        """
        if not self.holdings:
            return self
        here = [
            one
            for one in self.holdings
            if (is_own if one.own_only else one.hospital_wide or not departments.isdisjoint(one.departments))
        ]
        given = together(here or self.holdings)
        return replace(
            self, permissions=given.permissions | ALWAYS, anywhere=self.permissions | self.anywhere, holdings=(),
            narrowed_from=self.whole,
            may_see_sensitive=SEE_SENSITIVE in given.permissions,
        )  # fmt: skip

    @property
    def is_staff(self) -> bool:
        return self.practitioner_id is not None

    def narrowed(self, patient_id: UUID, *, found: Any = None) -> Viewer:
        """The same person, looking at this one record only. Whoever calls has just found it by `.visible_to(self)`.

        `found` is that record: the parts of a page that only shows it need not look it up again.
        """
        if self.narrowed_to not in (None, patient_id):
            raise ValueError("a viewer narrowed to one patient does not turn to another")
        if found is not None and found.pk != patient_id:
            raise ValueError("the record brought along is another patient's")
        return replace(self, narrowed_to=patient_id, found=found, narrowed_from=self.whole) if self.is_staff else self

    @property
    def whole(self) -> Viewer:
        """This person before a page narrowed them: for what stands around the page and is not about its record."""
        return self.narrowed_from or self

    @classmethod
    def system(cls, name: str) -> Viewer:
        """The machine itself, acting for nobody: `name` is `room.function`."""
        return cls(actor=f"job:{name}", everything=True, may_see_sensitive=True)

    @classmethod
    def patient(cls, patient_id: UUID, *, ip: str = "", request_id: str = "") -> Viewer:
        """A patient, or a relative in the patient's name, on the portal: sees one patient only."""
        return cls(
            actor=f"patient:{patient_id}", patient_id=patient_id, may_see_sensitive=True, ip=ip, request_id=request_id
        )


def _code(permission: Permission | str) -> str:
    return permission if isinstance(permission, str) else permission.code


NOBODY = Viewer(actor="anonymous")

"""Who is looking or acting, and what they may see. Made once per request, job or command; never changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from careloop.kernel.access import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """`departments` is already expanded to the whole subtree. `own_only` narrows to the person's own patients.

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
    everything: bool = False
    session_id: UUID | None = None
    ip: str = ""
    request_id: str = ""

    def can(self, permission: Permission | str) -> bool:
        """Whether a role of this viewer allows it. The system itself may do everything."""
        code = permission if isinstance(permission, str) else permission.code
        return self.everything or code in self.permissions

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


NOBODY = Viewer(actor="anonymous")

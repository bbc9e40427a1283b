"""Who is looking or acting, and what they may see. Made once per request, job or command; never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from careloop.kernel.access import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """`departments` is already expanded to the whole subtree. `own_only` narrows to the person's own patients."""

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

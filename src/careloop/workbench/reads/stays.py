"""The stays of one patient as the tabs of the record show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from careloop.kernel.display import Words
from careloop.kernel.prepared import Asked, prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter

VISIT_KINDS: Final = Words(dict(Encounter.Class.choices))
_STATES: Final = Words(dict(Encounter.Status.choices))
_COLUMNS: Final = (
    "pk", "status", "class_code", "visit_number", "admitted_at", "discharged_at", "updated_at", "reason",
    "department_text", "department__name", "attending__name", "attending__title", "nurse__name", "nurse__title",
)  # fmt: skip


class Stay(NamedTuple):
    """One stay, with the names of those who cared. None where nobody is recorded."""

    pk: UUID
    status: str
    class_code: str
    visit_number: str
    admitted_at: datetime | None
    discharged_at: datetime | None
    updated_at: datetime
    reason: str
    department_text: str
    department: str | None
    attending: str | None
    attending_title: str
    nurse: str | None
    nurse_title: str

    @property
    def kind_words(self) -> str:
        return VISIT_KINDS(self.class_code)

    @property
    def status_words(self) -> str:
        return _STATES(self.status)


def asked_by_stays(patient_id: UUID, *, viewer: Viewer) -> Asked[tuple[Any, ...]]:
    """The stays that were not cancelled, the newest first; made into `Stay` by the one who asks."""
    return _stays.asked(viewer=viewer, patient_id=patient_id)


@prepared
def _stays(viewer: Viewer, patient_id: UUID) -> QuerySet[Encounter, Any]:
    mine = Encounter.objects.visible_to(viewer).filter(patient_id=patient_id).exclude(status=Encounter.Status.CANCELLED)
    return mine.order_by("-admitted_at", "-pk").values_list(*_COLUMNS)[:60]

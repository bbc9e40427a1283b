"""A fact: something happened. Named in the past tense, carries ids and codes, never prose or names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all facts. `patient_id` is set whenever one patient is concerned."""

    patient_id: UUID | None = None

    @classmethod
    def name(cls) -> str:
        """`room.Fact`, as audit and the map of reactions know it."""
        return f"{cls.__module__.split('.')[1]}.{cls.__name__}"

    def payload(self) -> dict[str, Any]:
        """JSON-ready: ids and instants as text."""
        return {key: _plain(getattr(self, key)) for key in self.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | frozenset):
        return [_plain(item) for item in value]
    return value

"""A fact: something happened. Named in the past tense, carries ids and codes, never prose or names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all facts. `patient_id` is set whenever one patient is concerned."""

    patient_id: UUID | None = None

    @classmethod
    def name(cls) -> str:
        """`room.Fact`, as audit and the map of reactions know it."""
        return _name(cls.__module__, cls.__name__)

    def payload(self) -> dict[str, Any]:
        """JSON-ready: ids and instants as text."""
        return {key: _plain(getattr(self, key)) for key in self.__dataclass_fields__}

    def told(self) -> dict[str, Any]:
        """The same for a JSON writer that knows ids: they need not be text."""
        return {
            key: value if type(value) is UUID else _all_ids(value) or _plain(value)
            for key, value in ((key, getattr(self, key)) for key in self.__dataclass_fields__)
        }


@cache
def _name(module: str, event: str) -> str:
    return f"{module.split('.')[1]}.{event}"


def _all_ids(value: Any) -> Any:
    return list(value) if type(value) is tuple and value and {type(each) for each in value} == {UUID} else None


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | frozenset):
        return [_plain(item) for item in value]
    return value

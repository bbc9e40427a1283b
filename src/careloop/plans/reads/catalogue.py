"""All versions of all plans with their words and states, kept by the process for as long as the table stays as it is.

They are a few dozen, change when somebody publishes, and belong to no patient. Every page that shows plans asks for the
stamp of the table, in the same statement as its own rows; only another stamp than the one kept reads the versions anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from careloop.kernel.prepared import Column, at_once, prepared, question
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.plans.models import PlanDefinition

# What may change of a published version; the database itself refuses to change its words and contents.
STAMP: Final = question(
    "SELECT concat_ws('/', count(*), bit_xor(hash_record_extended(ROW(id, status, enrols, updated_at), 0)))"
    " FROM plans_plandefinition",
    {},
    columns=(Column(),),
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The versions, the newest last. Shared by all pages of the process: to be read only."""

    definitions: tuple[PlanDefinition, ...]
    by_id: Mapping[UUID, PlanDefinition]
    in_use: Mapping[str, PlanDefinition]  # by url
    titles: Mapping[str, str]  # by url
    titles_en: Mapping[str, str]

    def titles_in(self, language: str) -> Mapping[str, str]:
        """Plan titles by url, of the newest version of each."""
        return self.titles_en if language.startswith("en") else self.titles


_kept: dict[str, Catalogue] = {}


def catalogue(stamp: str) -> Catalogue:
    """The versions as they were when the table had this stamp, or newer."""
    found = _kept.get(stamp)
    if found is None:
        ((newer,),), definitions = at_once(STAMP, _all.asked(viewer=NOBODY))
        found = _catalogue(definitions)
        _kept.clear()
        _kept[newer] = found
    return found


def _catalogue(definitions: list[PlanDefinition]) -> Catalogue:
    active = PlanDefinition.Status.ACTIVE
    return Catalogue(
        definitions=tuple(definitions),
        by_id={one.pk: one for one in definitions},
        in_use={one.url: one for one in definitions if one.status == active},
        titles={one.url: one.title for one in definitions},
        titles_en={one.url: one.title_en for one in definitions},
    )


@prepared
def _all(viewer: Viewer) -> QuerySet[PlanDefinition]:
    """The contents stay in the database: they are parsed once a process, by their hash."""
    return PlanDefinition.objects.defer("content").order_by("published_at", "pk")

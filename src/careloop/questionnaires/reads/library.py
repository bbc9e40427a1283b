"""What the designer offers: the palette, standard scales, libraries and favourites; and its refusals in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import FavouriteForm, LibraryItem, Questionnaire, QuestionnaireDraft
from careloop.questionnaires.reads.wording import both
from careloop.questionnaires.rules import designing, fhir

FILES = Path(__file__).parents[1] / "content" / "library"


@lru_cache(maxsize=8)
def _file(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text())
    return found


def speeds() -> Mapping[str, Any]:
    """How fast people speak, read and answer."""
    return _file("length")


@dataclass(frozen=True, slots=True)
class Tile:
    """One thing that can be put into a form."""

    code: str
    title: str
    icon: str


def palette() -> dict[str, list[Tile]]:
    """Kinds of questions: basic and medical."""
    found: dict[str, list[Tile]] = {"basic": [], "medical": []}
    for one in _file("palette")["palette"]:
        found[one["category"]].append(Tile(one["code"], both(one["title"]), one["icon"]))
    return found


def palette_item(kind: str) -> dict[str, Any] | None:
    """The question a tile stands for."""
    return next((one["item"] for one in _file("palette")["palette"] if one["code"] == kind), None)


@dataclass(frozen=True, slots=True)
class ScaleTile:
    """A standard scale whose words nobody changes."""

    canonical: str
    title: str
    licence: str


def is_scale(url: str) -> bool:
    """Whether this form is a locked scale."""
    return any(one["url"] == url for one in _file("locked-scales")["scales"])


def scales() -> list[ScaleTile]:
    """The scales in force, in the order of the file."""
    known = {one["url"]: one for one in _file("locked-scales")["scales"]}
    rows = Questionnaire.objects.filter(url__in=list(known), status=Questionnaire.Status.ACTIVE).order_by("url", "pk")
    versions = {row.url: row.canonical for row in rows.only("url", "version")}
    return [
        ScaleTile(versions[url], both(one["short"]), both(one["licence"]))
        for url, one in known.items()
        if url in versions
    ]


def scale_content(canonical: str) -> dict[str, Any] | None:
    """The content of a scale; None when it is none."""
    url, _bar, version = canonical.partition("|")
    if not is_scale(url):
        return None
    found = Questionnaire.objects.filter(url=url, version=version).values_list("content", flat=True).first()
    return dict(found) if found is not None else None


def scale_sources(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The scales a form says it holds, as they were published."""
    named = {
        designing.locked_scale(item)
        for item in designing.walk(list(content.get("definition", {}).get("item", [])))
        if designing.locked_scale(item)
    }
    return {name: found for name in named if (found := scale_content(name)) is not None}


# ---- whose ----


def may_change(questionnaire: Questionnaire, viewer: Viewer) -> bool:
    """A department's form is changed there; a form of the whole hospital by who answers for the hospital."""
    if viewer.hospital_wide or viewer.everything:
        return True
    return questionnaire.department_id is not None and questionnaire.department_id in viewer.departments


def drafts_of(viewer: Viewer) -> QuerySet[QuestionnaireDraft]:
    """Drafts of the viewer's departments; of the hospital too for who answers for it or began them."""
    rows = QuestionnaireDraft.objects.select_related("department", "author", "editor", "based_on", "published_as")
    if viewer.hospital_wide or viewer.everything:
        return rows
    return rows.filter(Q(department_id__in=viewer.departments) | Q(author_id=viewer.practitioner_id))


def own_forms(viewer: Viewer) -> Q:
    """The forms of the viewer's departments and of the hospital, as a condition."""
    return Q(department=None) | Q(department_id__in=viewer.departments)


def favourites(viewer: Viewer) -> frozenset[str]:
    """The addresses of the forms this person keeps at hand."""
    if viewer.practitioner_id is None:
        return frozenset()
    mine = FavouriteForm.objects.filter(practitioner_id=viewer.practitioner_id)
    return frozenset(mine.values_list("url", flat=True))


def kept_items(viewer: Viewer) -> QuerySet[LibraryItem]:
    """Questions kept by this person or in the departments."""
    mine = Q(practitioner_id=viewer.practitioner_id) | Q(department_id__in=viewer.departments)
    if viewer.hospital_wide:
        mine |= Q(department__isnull=False)
    return LibraryItem.objects.filter(mine).select_related("department").order_by("title", "pk")


def kept_item(pk: str, *, viewer: Viewer) -> dict[str, Any] | None:
    """The question kept under this id, if the viewer may take it."""
    try:
        found = kept_items(viewer).filter(pk=UUID(pk)).values_list("content", flat=True).first()
    except ValueError:
        return None
    return dict(found) if found is not None else None


# ---- words ----


def edit_words(fault: designing.BadEdit) -> str:
    """Why a change was refused and what to do."""
    words = {
        "unknown-change": _("This change is not known."),
        "too-many-items": _("A form has at most 400 parts and a question 100 options. Split it."),
        "breaks-form": _("The form would not work any more: %(detail)s"),
        "unknown-question": _("The question %(place)s is not in the form (any more). Look at the form as it is now."),
        "locked-scale": _("%(place)s belongs to a standard scale. Its words, points and rules stay as they are; you can add questions around it."),
        "not-a-group": _("%(place)s is no section. Choose a section."),
        "scale-twice": _("This scale is in the form already."),
        "still-used": _("%(place)s is still used by %(detail)s. Change that first."),
        "into-itself": _("A section cannot stand in itself."),
        "unknown-field": _("%(place)s cannot be set."),
        "empty-text": _("Write something; it may not be empty (%(place)s)."),
        "not-a-date": _("“%(detail)s” is not a possible date for %(place)s."),
        "not-a-number": _("“%(detail)s” is not a possible number for %(place)s."),
        "unknown-option": _("This option is not there (any more)."),
        "no-options-here": _("%(place)s has no options of its own."),
        "unknown-line": _("This line is not there (any more)."),
        "unknown-rule": _("The rule %(place)s is not there (any more)."),
        "unknown-score": _("The score %(place)s is not there (any more)."),
        "deep-condition": _("The condition of %(place)s has conditions inside conditions and cannot be changed line by line. Make a new rule, then remove this one."),
        "last-line": _("A rule needs at least one line. Remove the whole rule instead."),
        "bad-band": _("Write one band a line, like “0-4 none”; bands must not overlap. %(detail)s"),
        "bad-version": _("A version has letters, digits, dots and hyphens, like 1.2."),
        "unknown-material": _("There is no such question or scale to put in."),
    }  # fmt: skip
    return words[fault.code] % {"place": fault.place, "detail": fault.detail}


def trouble_words(one: fhir.Trouble) -> str:
    """One reason why a file is refused, after its path."""
    words = {
        "too-big": _("the file is larger than 5 MB (%(detail)s)"),
        "not-utf-8": _("the file is not UTF-8; save it as UTF-8"),
        "broken-json": _("this is not JSON: %(detail)s"),
        "too-deep": _("too many levels inside each other; at most 50"),
        "not-an-object": _("a JSON object is expected"),
        "key-twice": _("the same key stands here twice; keep one"),
        "not-a-questionnaire": _("resourceType must be “Questionnaire”, not “%(detail)s”"),
        "breaks-form": "%(detail)s",
        "unknown-code": _("“%(detail)s” is not one of the codes of FHIR R4"),
        "unstorable-text": _("the text holds a character that cannot be stored (NUL or half a character)"),
        "wrong-kind": _("must be of kind %(detail)s"),
        "missing": _("is missing"),
        "too-long": _("is longer than 250 characters"),
        "link-twice": _("linkId %(detail)s is used twice; every item needs its own"),
        "unknown-type": _("the type “%(detail)s” is not one of FHIR R4"),
        "unknown-question": _("asks for “%(detail)s”, which is not in the form"),
        "circle": _("these questions wait for each other: %(detail)s; break the circle at one of them"),
    }
    text = words[one.code] % {"detail": one.detail}
    return f"{one.path}: {text}" if one.path else text

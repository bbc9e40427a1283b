"""Two versions of a form, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Any

from careloop.questionnaires.rules.definition import Form, Item

WORDS = ("staff", "script", "patient")
_LOOKED_AT = tuple(
    field.name
    for field in fields(Item)
    if field.name not in {"link_id", "items", "parent", "base", "instance", "group"}
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: same, changed, added, removed or moved."""

    kind: str
    old: Item | None
    new: Item | None
    changed: tuple[str, ...] = ()

    @property
    def link_id(self) -> str:
        item = self.new or self.old
        return item.link_id if item else ""


@dataclass(frozen=True, slots=True)
class Part:
    """A score, rule, check or class that differs."""

    what: str
    code: str
    kind: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs, in the order of the new form."""

    rows: tuple[Row, ...]
    parts: tuple[Part, ...]

    @property
    def counts(self) -> dict[str, int]:
        kinds = [row.kind for row in self.rows] + [part.kind for part in self.parts]
        return {kind: kinds.count(kind) for kind in ("changed", "added", "removed", "moved")}

    @property
    def is_same(self) -> bool:
        return not any(self.counts.values())


def compare(old: Form, new: Form) -> Comparison:
    """What became of every question, total and rule."""
    return Comparison(tuple(_rows(old, new)), tuple(_parts(old, new)))


def _rows(old: Form, new: Form) -> list[Row]:
    before, after = [item.link_id for item in old.walk()], [item.link_id for item in new.walk()]
    rows: list[Row] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            rows += [_pair(old.item(link), new.item(link)) for link in after[c:d]]
            continue
        rows += [Row("removed", old.item(link), None) for link in before[a:b] if link not in new.index]
        rows += [
            _moved(old.item(link), new.item(link)) if link in old.index else Row("added", None, new.item(link))
            for link in after[c:d]
        ]
    return rows


def _pair(old: Item, new: Item) -> Row:
    changed = _changes(old, new)
    if old.parent != new.parent:
        return Row("moved", old, new, changed)
    return Row("changed" if changed else "same", old, new, changed)


def _moved(old: Item, new: Item) -> Row:
    return Row("moved", old, new, _changes(old, new))


def _changes(old: Item, new: Item) -> tuple[str, ...]:
    return tuple(name for name in _LOOKED_AT if getattr(old, name) != getattr(new, name))


def _parts(old: Form, new: Form) -> list[Part]:
    found: list[Part] = []
    for what in ("scores", "rules", "checks"):
        found += _differing(what, _by_code(getattr(old, what)), _by_code(getattr(new, what)))
    if old.classification != new.classification:
        found += _differing("classification", _whole(old), _whole(new))
    return found


def _whole(form: Form) -> dict[str, Any]:
    return {"classification": form.classification} if form.classification else {}


def _by_code(parts: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    return {str(part.get("code", place)): part for place, part in enumerate(parts)}


def _differing(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Part]:
    found = [Part(what, code, "removed", part, None) for code, part in old.items() if code not in new]
    for code, part in new.items():
        if code not in old:
            found.append(Part(what, code, "added", None, part))
        elif old[code] != part:
            found.append(Part(what, code, "changed", old[code], part))
    return found

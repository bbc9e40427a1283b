"""FHIR R4 Questionnaires in and out. Nothing is dropped: what has no effect here is listed, kept and written out again.

Our scores, rules and checks travel in one extension of the resource, so that a form comes back as it left.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from careloop.questionnaires.rules.definition import DEEPEST, OURS, TYPES, BadQuestionnaire, parse
from careloop.questionnaires.rules.proofreading import proofread

MOST_BYTES = 5 * 1024 * 1024
MOST_FAULTS = 20
CONTENT = OURS + "content"  # the parts of a content file that FHIR has no place for, as JSON
STATUSES = frozenset({"draft", "active", "retired", "unknown"})
_LISTS, _OBJECTS, _TEXTS, _FLAGS = "list", "object", "text", "flag"
_SHAPE: Mapping[str, Mapping[str, str]] = {
    "top": {
        "id": _TEXTS, "url": _TEXTS, "version": _TEXTS, "name": _TEXTS, "title": _TEXTS, "status": _TEXTS, "date": _TEXTS,
        "publisher": _TEXTS, "description": _TEXTS, "purpose": _TEXTS, "copyright": _TEXTS, "language": _TEXTS,
        "implicitRules": _TEXTS, "approvalDate": _TEXTS, "lastReviewDate": _TEXTS, "experimental": _FLAGS, "meta": _OBJECTS,
        "text": _OBJECTS, "effectivePeriod": _OBJECTS, "contained": _LISTS, "extension": _LISTS, "modifierExtension": _LISTS,
        "identifier": _LISTS, "derivedFrom": _LISTS, "subjectType": _LISTS, "contact": _LISTS, "useContext": _LISTS,
        "jurisdiction": _LISTS, "code": _LISTS, "item": _LISTS,
    },
    "item": {
        "id": _TEXTS, "linkId": _TEXTS, "definition": _TEXTS, "prefix": _TEXTS, "text": _TEXTS, "type": _TEXTS,
        "enableBehavior": _TEXTS, "answerValueSet": _TEXTS, "required": _FLAGS, "repeats": _FLAGS, "readOnly": _FLAGS,
        "extension": _LISTS, "modifierExtension": _LISTS, "code": _LISTS, "enableWhen": _LISTS, "answerOption": _LISTS,
        "initial": _LISTS, "item": _LISTS,
    },
}  # fmt: skip
_PYTHON: Mapping[str, type] = {_LISTS: list, _OBJECTS: dict, _TEXTS: str, _FLAGS: bool}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a file is refused: where (a path like item[2].item[0].type), a code, and the value."""

    path: str
    code: str
    detail: str = ""


class BadResource(ValueError):
    """The file cannot be imported; `troubles` say why, with paths."""

    def __init__(self, *troubles: Trouble) -> None:
        self.troubles = troubles
        super().__init__("; ".join(f"{one.path}: {one.code} {one.detail}" for one in troubles))


@dataclass(frozen=True, slots=True)
class Imported:
    """A form as content, and what was kept without an effect."""

    content: dict[str, Any]
    notes: tuple[str, ...]


def read_file(data: bytes) -> dict[str, Any]:
    """The JSON object in a file. Raises BadResource: too big, not UTF-8, broken, the same key twice, no storable text."""
    if len(data) > MOST_BYTES:
        raise BadResource(Trouble("", "too-big", f"{len(data) // 1024} KB"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadResource(Trouble(f"byte {fault.start}", "not-utf-8")) from None
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as fault:
        raise BadResource(Trouble(f"line {fault.lineno}, column {fault.colno}", "broken-json", fault.msg)) from None
    except RecursionError:
        raise BadResource(Trouble("", "too-deep")) from None
    except BadResource:
        raise
    except ValueError as fault:  # a number of thousands of digits
        raise BadResource(Trouble("", "broken-json", str(fault)[:80])) from None
    if not isinstance(found, dict):
        raise BadResource(Trouble("", "not-an-object"))
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _value in pairs]
        raise BadResource(Trouble(next(key for key in keys if keys.count(key) > 1), "key-twice"))
    return made


def _no_number(name: str) -> Any:
    raise BadResource(Trouble("", "broken-json", name))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadResource(Trouble("", "broken-json", text[:40]))
    return value


def from_fhir(resource: Mapping[str, Any], *, url: str = "") -> Imported:
    """The content of a Questionnaire. `url` is given to one without an address. Raises BadResource with every path."""
    if resource.get("resourceType") != "Questionnaire":
        raise BadResource(Trouble("resourceType", "not-a-questionnaire", str(resource.get("resourceType"))[:60]))
    troubles = _first(_troubles(resource))
    if troubles:
        raise BadResource(*troubles)
    definition = copy.deepcopy(dict(resource))
    rest = _taken_out(definition)
    notes = _completed(definition, url)
    derived = _derived(definition)
    named = {name: derived[name] for name in ("url", "version", "name")}  # the definition's, whatever stands beside it
    content = {**derived, **rest, **named, "definition": definition}
    try:
        form = parse(content)
        unreadable = _unreadable(content)
    except BadQuestionnaire as fault:
        raise BadResource(Trouble(_place(resource, str(fault)), "breaks-form", str(fault))) from None
    if unreadable:
        raise BadResource(*unreadable)
    return Imported(content, (*notes, *form.unsupported, *_invariants(resource)))


# A draft may be unfinished; what no page could say in words, and nobody could mend there, is refused when it comes in.
_UNREADABLE = frozenset({
    "unknown-question", "unknown-score", "bad-severity", "bad-owner", "bad-minutes", "no-condition", "empty-condition", "bad-operator",
    "bad-worst", "names-nothing", "too-deep",
})  # fmt: skip


def _unreadable(content: Mapping[str, Any]) -> list[Trouble]:
    """Mistakes in rules (those that are off too), checks and classes edited by hand, each with its place."""
    all_rules = [*(content.get("rules") or ()), *(content.get("paused_rules") or ())]
    found = [one for one in proofread(parse({**content, "rules": all_rules})) if one.code in _UNREADABLE]
    return [Trouble(f"{one.kind} {one.place}", "breaks-form", str(one)) for one in found[:MOST_FAULTS]]


def _first(found: Iterator[Trouble]) -> list[Trouble]:
    return [one for one, _number in zip(found, range(MOST_FAULTS), strict=False)]


def _taken_out(definition: dict[str, Any]) -> dict[str, Any]:
    """What our own export wrote into its extension; the extension itself goes."""
    for extension in definition.get("extension", []):
        if isinstance(extension, dict) and extension.get("url") == CONTENT:
            rest = _our_content(extension)
            definition["extension"] = [one for one in definition["extension"] if one is not extension]
            if not definition["extension"]:
                del definition["extension"]
            return rest
    return {}


def _our_content(extension: Mapping[str, Any]) -> dict[str, Any]:
    try:
        rest = json.loads(str(extension.get("valueString", "")))
    except (json.JSONDecodeError, RecursionError) as fault:
        raise BadResource(Trouble(f"extension({CONTENT})", "broken-json", str(fault)[:80])) from None
    if not isinstance(rest, dict) or "definition" in rest:
        raise BadResource(Trouble(f"extension({CONTENT})", "not-an-object"))
    return rest


def _completed(definition: dict[str, Any], url: str) -> list[str]:
    """What every form of ours has and R4 leaves open."""
    notes = []
    for name, value in (("url", url), ("version", "1"), ("status", "draft")):
        if not definition.get(name):
            definition[name] = value
            notes.append(f"{name} was missing; it is now {value}")
    return notes


def _derived(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The outer parts of a content file that follow from the definition."""
    title = str(definition.get("title") or definition.get("name") or definition["url"])
    return {
        "url": definition["url"], "version": definition["version"], "name": str(definition.get("name") or "")[:60],
        "title": {"zh": title[:120], "en": ""}, "source": str(definition.get("publisher") or definition.get("copyright") or "")[:400],
    }  # fmt: skip


def as_fhir(content: Mapping[str, Any]) -> dict[str, Any]:
    """The Questionnaire resource; what FHIR has no place for goes into our extension."""
    resource = copy.deepcopy(dict(content["definition"]))
    derived = _derived(resource)
    rest = {
        key: value
        for key, value in content.items()
        if key != "definition" and (key not in derived or derived[key] != value)
    }
    if rest:
        text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        resource["extension"] = [*resource.get("extension", []), {"url": CONTENT, "valueString": text}]
    return resource


def resource_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resource in a file: the file itself, or what a content file of ours stands for. Raises BadResource."""
    definition = found.get("definition")
    if found.get("resourceType") is not None or not isinstance(definition, dict):
        return found
    if troubles := _first(_troubles(definition)):
        raise BadResource(*troubles)
    return as_fhir({**found, "definition": {"url": "", "version": "", **definition}})


# ---- shape, with paths ----


def unstorable(found: Mapping[str, Any]) -> tuple[Trouble, ...]:
    """Texts that the database cannot keep (NUL, half a character), each with its path."""
    return tuple(Trouble(path, "unstorable-text") for text, path in _strings(found, "", 0) if _UNSTORABLE.search(text))


def _troubles(resource: Mapping[str, Any]) -> Iterator[Trouble]:
    yield from _shape(resource, "", "top")
    if resource.get("status") is not None and resource["status"] not in STATUSES:
        yield Trouble("status", "unknown-code", str(resource["status"])[:60])
    yield from unstorable(resource)
    for name in ("contained", "extension"):
        found = resource.get(name)
        for place, one in enumerate(found if isinstance(found, list) else []):
            if not isinstance(one, dict):
                yield Trouble(f"{name}[{place}]", "wrong-kind", "object")
    if isinstance(resource.get("item", []), list):
        seen: dict[str, str] = {}
        yield from _item_troubles(resource.get("item", []), "", seen, 1)
        yield from _when_troubles(resource, seen)


def _strings(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > 200:
        return
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key, path
            yield from _strings(one, f"{path}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _strings(one, f"{path}[{place}]", depth + 1)


def _shape(value: Mapping[str, Any], path: str, what: str) -> Iterator[Trouble]:
    for name, kind in _SHAPE[what].items():
        if name in value and not isinstance(value[name], _PYTHON[kind]):
            yield Trouble(f"{path}.{name}".lstrip("."), "wrong-kind", kind)


def _item_troubles(items: list[Any], above: str, seen: dict[str, str], depth: int) -> Iterator[Trouble]:
    for place, item in enumerate(items):
        path = f"{above}.item[{place}]".lstrip(".")
        if depth > DEEPEST:
            yield Trouble(path, "too-deep")
            return
        if not isinstance(item, dict):
            yield Trouble(path, "wrong-kind", "object")
            continue
        yield from _shape(item, path, "item")
        yield from _one_item(item, path, seen)
        if isinstance(item.get("item", []), list):
            yield from _item_troubles(item.get("item", []), path, seen, depth + 1)


def _one_item(item: Mapping[str, Any], path: str, seen: dict[str, str]) -> Iterator[Trouble]:
    yield from _link_troubles(item.get("linkId"), path, seen)
    if not isinstance(item.get("type"), str) or item["type"] not in TYPES:
        yield Trouble(f"{path}.type", "unknown-type", str(item.get("type"))[:60])
    longest = item.get("maxLength")
    if longest is not None and (not isinstance(longest, int) or isinstance(longest, bool)):
        yield Trouble(f"{path}.maxLength", "wrong-kind", "integer")
    if item.get("enableBehavior", "all") not in ("all", "any"):
        yield Trouble(f"{path}.enableBehavior", "unknown-code", str(item["enableBehavior"])[:60])
    for name in ("enableWhen", "answerOption", "initial", "extension", "code"):
        found = item.get(name)
        for place, one in enumerate(found if isinstance(found, list) else []):
            if not isinstance(one, dict):
                yield Trouble(f"{path}.{name}[{place}]", "wrong-kind", "object")


def _link_troubles(link: Any, path: str, seen: dict[str, str]) -> Iterator[Trouble]:
    if not link:
        yield Trouble(f"{path}.linkId", "missing")
    elif isinstance(link, str):
        if len(link) > 250:
            yield Trouble(f"{path}.linkId", "too-long", link[:40])
        if link in seen:
            yield Trouble(f"{path}.linkId", "link-twice", f"{link} ({seen[link]})")
        seen.setdefault(link, path)


def _when_troubles(resource: Mapping[str, Any], seen: Mapping[str, str]) -> Iterator[Trouble]:
    needs: dict[str, set[str]] = {}
    for item, path, parent in _walk(resource.get("item", []), "", ""):
        link = str(item.get("linkId"))
        needs.setdefault(link, set()).update({parent} if parent else set())
        lines = item.get("enableWhen")  # of a wrong kind: the shape has said so
        for place, line in enumerate(lines if isinstance(lines, list) else []):
            if not isinstance(line, dict):
                continue
            here, asked = f"{path}.enableWhen[{place}]", str(line.get("question", ""))
            if asked not in seen:
                yield Trouble(f"{here}.question", "unknown-question", asked[:60])
            else:
                needs[link].add(asked)
            if line.get("operator") not in {"exists", "=", "!=", ">", "<", ">=", "<="}:
                yield Trouble(f"{here}.operator", "unknown-code", str(line.get("operator"))[:60])
            if not any(name.startswith("answer") for name in line):
                yield Trouble(f"{here}.answer", "missing")
            elif line.get("operator") == "exists" and not isinstance(line.get("answerBoolean"), bool):
                yield Trouble(f"{here}.answer", "wrong-kind", "answerBoolean")
    if circle := _circle(needs):
        yield Trouble(seen.get(circle[0], ""), "circle", " → ".join(circle))


def _walk(items: Any, above: str, parent: str, depth: int = 1) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    for place, item in enumerate(items if isinstance(items, list) and depth <= DEEPEST else []):
        if isinstance(item, dict):
            path = f"{above}.item[{place}]".lstrip(".")
            yield item, path, parent
            yield from _walk(item.get("item", []), path, str(item.get("linkId")), depth + 1)


def _circle(needs: Mapping[str, set[str]]) -> list[str]:
    """One circle of questions that wait for each other; empty when there is none."""
    left = {name: set(waits) & set(needs) for name, waits in needs.items()}
    while free := [name for name, waits in left.items() if not waits]:
        for name in free:
            del left[name]
        for waits in left.values():
            waits -= set(free)
    if not left:
        return []
    here = min(left)
    way = [here]
    while (here := min(left[here])) not in way:
        way.append(here)
    return [*way[way.index(here) :], here]


def _place(resource: Mapping[str, Any], message: str) -> str:
    """The path of the item a parser's message is about."""
    found = re.match(r"(?:item|linkId) (.+?)(?:: | is )", message)
    for item, path, _parent in _walk(resource.get("item", []), "", ""):
        if found and str(item.get("linkId")) == found[1]:
            return path
    return ""


def _invariants(resource: Mapping[str, Any]) -> Iterator[str]:
    """Rules of R4 that the file breaks and that hurt nobody here: said, not refused."""
    for item, path, _parent in _walk(resource.get("item", []), "", ""):
        kind = item.get("type")
        if kind == "display" and item.get("item"):
            yield f"{path}: a display with questions inside (que-1); they are asked"
        if item.get("answerOption") and item.get("answerValueSet"):
            yield f"{path}: options and a value set (que-4); both are offered"
        if kind in {"group", "display"} and item.get("initial"):
            yield f"{path}: an initial value on a {kind} (que-8) has no effect"
        if item.get("answerOption") and item.get("initial"):
            yield f"{path}: initial beside answerOption (que-11): nobody is led to an answer, so it is not filled in"

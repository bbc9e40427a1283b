"""Changing a form: each change takes the content and gives new content. What would break the form is refused with its place.

Content is a content file (definition, scores, rules, …). Locked scales may be moved and taken out whole, nothing else.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Container, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from careloop.questionnaires.rules.conditions import LONGEST_CHANGE, scores_of
from careloop.questionnaires.rules.definition import HL7, OURS, TABLES, BadQuestionnaire, parse
from careloop.questionnaires.rules.proofreading import LONGEST_RESPONSE
from careloop.questionnaires.rules.typed import whole_number

Content = dict[str, Any]
Params = Mapping[str, str]
MOST_ITEMS = 400
WORDINGS = ("script", "script-en", "patient", "patient-en")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?|\d\d:\d\d(:\d\d)?")  # a day, a moment, a time of day
NUMBERS = frozenset({"integer", "decimal", "quantity"})
ROLE_MINUTES = {
    "critical": ("attending-doctor", 30),
    "high": ("follow-up-nurse", 120),
    "watch": ("responsible-nurse", 1440),
}


class BadEdit(ValueError):
    """The change cannot be made. `code` for machines; `place` is the question or rule."""

    def __init__(self, code: str, place: str = "", detail: str = "") -> None:
        self.code, self.place, self.detail = code, place, detail
        super().__init__(f"{code} {place} {detail}".strip())


def change(content: Content, op: str, params: Params, *, material: Any = None) -> Content:
    """The content after one change. `material` is what add_item and add_scale bring in. Raises BadEdit."""
    if op not in OPERATIONS:
        raise BadEdit("unknown-change", op)
    made = copy.deepcopy(content)
    OPERATIONS[op](made, params, material)
    if sum(1 for _one in walk(_items(made))) > MOST_ITEMS:
        raise BadEdit("too-many-items")
    try:
        parse(made)
    except BadQuestionnaire as fault:
        raise BadEdit("breaks-form", params.get("link", ""), str(fault)) from None
    return made


# ---- finding things ----


def _items(content: Content) -> list[dict[str, Any]]:
    definition: dict[str, Any] = content.setdefault("definition", {})
    found: list[dict[str, Any]] = definition.setdefault("item", [])
    return found


def walk(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every item, parents first."""
    for item in items:
        yield item
        yield from walk(item.get("item", []))


def find(content: Content, link: str) -> dict[str, Any]:
    """The item with this linkId. Raises BadEdit."""
    for item in walk(_items(content)):
        if item.get("linkId") == link:
            return item
    raise BadEdit("unknown-question", link)


def _siblings(content: Content, link: str) -> tuple[list[dict[str, Any]], int, dict[str, Any] | None]:
    """(the list it stands in, where, its parent)."""

    def look(items: list[dict[str, Any]], parent: dict[str, Any] | None) -> Any:
        for place, item in enumerate(items):
            if item.get("linkId") == link:
                return items, place, parent
            if found := look(item.get("item", []), item):
                return found
        return None

    found = look(_items(content), None)
    if found is None:
        raise BadEdit("unknown-question", link)
    return found


def locked_scale(item: Mapping[str, Any]) -> str:
    """The canonical of the scale this group holds; empty when it is none."""
    return next(
        (str(e.get("valueString", "")) for e in item.get("extension", []) if e.get("url") == OURS + "locked-scale"), ""
    )


def lock_of(content: Content, link: str) -> str:
    """The scale a question belongs to; empty when it may be changed."""
    for item in walk(_items(content)):
        if locked_scale(item) and any(one.get("linkId") == link for one in walk([item])):
            return locked_scale(item)
    return ""


def holds_scale(item: Mapping[str, Any]) -> bool:
    """Whether a locked scale stands in it: a copy under other names would be no longer that scale."""
    return any(locked_scale(one) for one in walk([dict(item)]))


def _free(content: Content, link: str) -> dict[str, Any]:
    """The item, if it may be changed."""
    item = find(content, link)
    if lock_of(content, link):
        raise BadEdit("locked-scale", link)
    return item


def _links(content: Content) -> set[str]:
    return {str(item.get("linkId")) for item in walk(_items(content))}


def _fresh(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"


# ---- items ----


def _add_item(content: Content, params: Params, material: Any) -> None:
    item, _names = _renamed(material, _links(content))
    _put(content, item, params)


def _renamed(item: Mapping[str, Any], taken: set[str], prefix: str = "") -> tuple[dict[str, Any], dict[str, str]]:
    """A copy whose linkIds are not in use, and old → new name."""
    made: dict[str, Any] = copy.deepcopy(dict(item))
    names: dict[str, str] = {}
    taken = set(taken)
    for one in walk([made]):
        names[one["linkId"]] = _fresh(prefix + one["linkId"], taken)
        taken.add(names[one["linkId"]])
    for one in walk([made]):
        one["linkId"] = names[one["linkId"]]
        for line in one.get("enableWhen", []):
            line["question"] = names.get(line["question"], line["question"])
    return made, names


def _put(content: Content, item: dict[str, Any], params: Params) -> None:
    """Behind `after`, at the end of group `into`, or at the end."""
    if into := params.get("into", ""):
        group = _free(content, into)
        if group.get("type") != "group":
            raise BadEdit("not-a-group", into)
        group.setdefault("item", []).append(item)
        return
    after = params.get("after", "")
    if not after:
        _items(content).append(item)
        return
    siblings, place, parent = _siblings(content, after)
    if parent is not None and _stays_whole(content, parent):
        siblings, place, parent = _siblings(content, parent["linkId"])
    if item.get("type") == "group" and _is_section(item):  # sections stand beside each other, not in one another
        while parent is not None:
            siblings, place, parent = _siblings(content, parent["linkId"])
    elif parent is None and _is_section(siblings[place]):
        siblings[place].setdefault("item", []).insert(0, item)
        return
    siblings.insert(place + 1, item)


def _stays_whole(content: Content, group: Mapping[str, Any]) -> bool:
    """Nothing new is put between the parts of a scale, a measurement or a table."""
    whole = locked_scale(group) or _is_measurement(group) or is_matrix(group)
    return bool(whole or lock_of(content, str(group["linkId"])))


def _is_measurement(item: Mapping[str, Any]) -> bool:
    """A group of numbers that stand on one screen (a blood pressure)."""
    children = item.get("item", [])
    return item.get("type") == "group" and bool(children) and all(c.get("type") in NUMBERS for c in children)


def is_matrix(item: Mapping[str, Any]) -> bool:
    """Whether this group is drawn as a table: its rows share their options."""
    return item.get("type") == "group" and not item.get("repeats") and control_of(item) in TABLES


def _is_section(item: Mapping[str, Any]) -> bool:
    one_card = item.get("repeats") or locked_scale(item) or _is_measurement(item) or is_matrix(item)
    return item.get("type") == "group" and not one_card


def is_section(item: Mapping[str, Any]) -> bool:
    """Whether this group is a part of the form with a heading, and not one question of several fields."""
    return _is_section(item)


def _add_scale(content: Content, params: Params, material: Any) -> None:
    """A standard scale as a locked group, with its scores and rules."""
    group, scores, found_rules = scale_parts(material)
    if group["linkId"] in _links(content):
        raise BadEdit("scale-twice", group["linkId"])
    _put(content, group, params)
    content["scores"] = [*content.get("scores", []), *scores]
    content["rules"] = [*content.get("rules", []), *found_rules]


def scale_parts(source: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """(locked group, scores, rules) of a scale, everything renamed after the scale, the same every time."""
    definition = source["definition"]
    name = str(definition.get("name") or definition["url"].rsplit("/", 1)[-1])
    canonical = f"{definition['url']}|{definition['version']}"
    title = source.get("title") or definition.get("title") or name
    words = title if isinstance(title, Mapping) else {"zh": str(title)}
    raw = {"linkId": name, "type": "group", "text": words.get("zh", name), "item": definition["item"]}
    group, names = _renamed(raw, set(), prefix=f"{name}.")
    group["linkId"] = name
    group["_text"] = _translation(str(words.get("en", "")))
    group["extension"] = [{"url": OURS + "locked-scale", "valueString": canonical}]
    codes = {score["code"]: f"{name}.{score['code']}" for score in source.get("scores") or ()}
    scores = [
        {**_translated(score, names, codes), "code": codes[score["code"]], "locked": canonical}
        for score in source.get("scores") or ()
    ]
    taken = [
        {**rule, "when": _translated(rule["when"], names, codes), "locked": canonical}
        for rule in source.get("rules") or ()
    ]
    return group, scores, taken


def _translated(value: Any, names: Mapping[str, str], codes: Mapping[str, str]) -> Any:
    """Conditions and score lines with the new names of questions and scores."""
    if isinstance(value, list):
        return [names.get(one, one) if isinstance(one, str) else _translated(one, names, codes) for one in value]
    if not isinstance(value, Mapping):
        return value
    made = {}
    for key, one in value.items():
        if key in {"item", "previous", "change", "value_of"}:
            made[key] = names.get(one, one)
        elif key == "score":
            made[key] = codes.get(one, one)
        elif key in {"items", "reverse", "all", "any", "not"}:
            made[key] = _translated(one, names, codes)
        else:
            made[key] = copy.deepcopy(one)
    return made


def _copy(content: Content, params: Params, material: Any) -> None:
    item = _free(content, params.get("link", ""))
    if holds_scale(item):
        raise BadEdit("locked-scale", item["linkId"])
    siblings, place, _parent = _siblings(content, item["linkId"])
    siblings.insert(place + 1, _renamed(item, _links(content))[0])


def _remove(content: Content, params: Params, material: Any) -> None:
    """Refused while logic, scores or rules ask for it; a locked scale goes with its scores and rules."""
    link = params.get("link", "")
    item = find(content, link)
    scale = locked_scale(item)
    if lock_of(content, link) and not scale:
        raise BadEdit("locked-scale", link)
    if scale:
        _refuse_scores_in_use(content, scale, link)
        for name in ("scores", "rules", "paused_rules"):
            content[name] = [one for one in content.get(name, []) if one.get("locked") != scale]
    gone = {str(one["linkId"]) for one in walk([item])}
    if user := next(iter(_users(content, gone)), ""):
        raise BadEdit("still-used", link, user)
    siblings, place, _parent = _siblings(content, link)
    siblings.pop(place)


def _refuse_scores_in_use(content: Content, scale: str, link: str) -> None:
    """What somebody else still asks a locked scale for: a rule of the form's own, a check, a class."""
    totals = {str(one["code"]) for one in content.get("scores") or () if one.get("locked") == scale}
    for line in _conditions(content):
        if line.get("locked") != scale and scores_of(line.get("when")) & totals:
            raise BadEdit("still-used", link, str(line.get("code", "classification")))


def _conditions(content: Content) -> Iterator[Mapping[str, Any]]:
    """Everything with a condition: rules that are on and off, checks, classes and what overrides them."""
    for name in ("rules", "paused_rules", "checks"):
        yield from content.get(name) or ()
    classes = content.get("classification") or {}
    yield from classes.get("outcomes") or ()
    yield from classes.get("overrides") or ()


def _users(content: Content, links: set[str]) -> Iterator[str]:
    for item in walk(_items(content)):
        if str(item["linkId"]) not in links and any(
            line.get("question") in links for line in item.get("enableWhen", [])
        ):
            yield str(item["linkId"])
    for line in _conditions(content):
        if any(
            str(leaf.get(name)) in links for leaf in leaves(line.get("when")) for name in _QUESTIONS if name in leaf
        ):
            yield str(line.get("code", "classification"))
    for score in content.get("scores") or ():
        if set(score.get("items", ())) & links:
            yield str(score["code"])


_QUESTIONS = ("item", "previous", "change", "value_of")  # where a line of a condition names a question


def _move(content: Content, params: Params, material: Any) -> None:
    """One place up or down; at the end of a section into the next one."""
    link, up = params.get("link", ""), params.get("way") == "up"
    item = _movable(content, link)
    siblings, place, parent = _siblings(content, link)
    target = place - 1 if up else place + 1
    if 0 <= target < len(siblings):
        siblings.pop(place)
        neighbour = siblings[target if up else place]
        if parent is None and _is_section(neighbour) and not _is_section(item):
            neighbour.setdefault("item", []).insert(len(neighbour.get("item", [])) if up else 0, item)
        else:
            siblings.insert(target, item)
    elif parent is not None and not parent.get("repeats"):
        siblings.pop(place)
        outer, at, _above = _siblings(content, parent["linkId"])
        beyond = at - 1 if up else at + 1
        if 0 <= beyond < len(outer) and _is_section(outer[beyond]):
            inside = outer[beyond].setdefault("item", [])
            inside.insert(len(inside) if up else 0, item)
        else:
            outer.insert(at if up else at + 1, item)


def _movable(content: Content, link: str) -> dict[str, Any]:
    item = find(content, link)
    if lock_of(content, link) and not locked_scale(item):
        raise BadEdit("locked-scale", link)
    return item


def _drop(content: Content, params: Params, material: Any) -> None:
    """Dragged: behind `after`, at the end of `into`, or to the end."""
    link = params.get("link", "")
    item = _movable(content, link)
    target = params.get("after", "") or params.get("into", "")
    if target in {str(one["linkId"]) for one in walk([item])}:
        raise BadEdit("into-itself", link)
    siblings, place, _parent = _siblings(content, link)
    siblings.pop(place)
    _put(content, item, params)


# ---- words and properties of one question ----


def _set(content: Content, params: Params, material: Any) -> None:
    field, value = params.get("field", ""), params.get("value", "").strip()
    item = _free(content, params.get("link", ""))
    if field not in _FIELDS:
        raise BadEdit("unknown-field", field)
    _FIELDS[field](item, value)


def _text(item: dict[str, Any], value: str) -> None:
    if not value:
        raise BadEdit("empty-text", item["linkId"])
    item["text"] = value[:1000]


def _translation(value: str) -> dict[str, Any]:
    parts = [{"url": "lang", "valueCode": "en"}, {"url": "content", "valueString": value}]
    return {"extension": [{"url": HL7 + "translation", "extension": parts}]}


def _text_en(item: dict[str, Any], value: str) -> None:
    others = [one for one in item.get("_text", {}).get("extension", []) if not _is_english(one)]
    mine = _translation(value[:1000])["extension"] if value else []
    item["_text"] = {**item.get("_text", {}), "extension": [*others, *mine]}
    if not item["_text"]["extension"]:
        del item["_text"]


def _is_english(extension: Mapping[str, Any]) -> bool:
    parts = {part.get("url"): part.get("valueCode") for part in extension.get("extension", [])}
    return extension.get("url") == HL7 + "translation" and parts.get("lang") == "en"


def _wording(name: str) -> Callable[[dict[str, Any], str], None]:
    def write(item: dict[str, Any], value: str) -> None:
        holder = next((one for one in item.get("extension", []) if one.get("url") == OURS + "wording"), None)
        if holder is None:
            holder = {"url": OURS + "wording", "extension": []}
            item.setdefault("extension", []).append(holder)
        rest = [part for part in holder.get("extension", []) if part.get("url") != name]
        holder["extension"] = [*rest, {"url": name, "valueString": value[:1000]}] if value else rest
        if not holder["extension"]:
            item["extension"].remove(holder)

    return write


def _flag(name: str) -> Callable[[dict[str, Any], str], None]:
    def write(item: dict[str, Any], value: str) -> None:
        if value in {"1", "true", "on"}:
            item[name] = True
        else:
            item.pop(name, None)

    return write


def put_extension(item: dict[str, Any], url: str, **value: Any) -> None:
    """Set an extension, or take it away when there is no value."""
    rest = [one for one in item.get("extension", []) if one.get("url") != url]
    item["extension"] = [*rest, {"url": url, **value}] if value else rest
    if not item["extension"]:
        del item["extension"]


def _number_of(value: str, place: str) -> int | float:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise BadEdit("not-a-number", place, value[:40]) from None
    if not number.is_finite() or abs(number) > 10**12:
        raise BadEdit("not-a-number", place, value[:40])
    return int(number) if number == number.to_integral_value() else float(number)


def _limit(name: str) -> Callable[[dict[str, Any], str], None]:
    def write(item: dict[str, Any], value: str) -> None:
        if item.get("type") in {"date", "dateTime", "time"}:
            if value and not MOMENT.fullmatch(value):
                raise BadEdit("not-a-date", item["linkId"], value[:40])
            put_extension(item, HL7 + name, **({"valueDate": value} if value else {}))
            return
        put_extension(item, HL7 + name, **({"valueDecimal": _number_of(value, item["linkId"])} if value else {}))

    return write


def _decimals(item: dict[str, Any], value: str) -> None:
    number = whole_number(value, 6)
    if value and number is None:
        raise BadEdit("not-a-number", item["linkId"], value[:40])
    put_extension(item, HL7 + "maxDecimalPlaces", **({"valueInteger": number} if value else {}))


def _longest(item: dict[str, Any], value: str) -> None:
    number = whole_number(value, 4000)
    if value and not number:
        raise BadEdit("not-a-number", item["linkId"], value[:40])
    item.pop("maxLength", None)
    if number:
        item["maxLength"] = number


def _unit(item: dict[str, Any], value: str) -> None:
    coding = {"system": "http://unitsofmeasure.org", "code": value[:40], "display": value[:40]}
    put_extension(item, HL7 + "questionnaire-unit", **({"valueCoding": coding} if value else {}))


def _code(item: dict[str, Any], value: str) -> None:
    """A LOINC code, or "system|code"."""
    item.pop("code", None)
    if value:
        system, _bar, code = value.rpartition("|")
        if not code.strip():
            raise BadEdit("empty-text", item["linkId"])
        item["code"] = [{"system": system or "http://loinc.org", "code": code[:60]}]


def _may_skip(item: dict[str, Any], value: str) -> None:
    on = value in {"1", "true", "on"}
    put_extension(item, OURS + "may-be-not-measured", **({"valueBoolean": True} if on else {}))


def _scale(item: dict[str, Any], value: str) -> None:
    on = value in {"1", "true", "on"}
    put_extension(item, OURS + "control", **({"valueString": "scale-0-10"} if on else {}))


ITEM_CONTROL = HL7 + "questionnaire-itemControl"


def control_of(item: Mapping[str, Any]) -> str:
    """The first code of questionnaire-itemControl; empty when there is none."""
    for extension in item.get("extension", []):
        codings = (extension.get("valueCodeableConcept") or {}).get("coding") or []
        if extension.get("url") == ITEM_CONTROL and codings:
            return str(codings[0].get("code", ""))
    return ""


def put_control(item: dict[str, Any], code: str) -> None:
    """How it is asked, as FHIR says it; taken away when the code is empty."""
    coding = {"system": "http://hl7.org/fhir/questionnaire-item-control", "code": code}
    put_extension(item, ITEM_CONTROL, **({"valueCodeableConcept": {"coding": [coding]}} if code else {}))


def _slider(item: dict[str, Any], value: str) -> None:
    if item.get("type") not in {"integer", "decimal"}:
        raise BadEdit("unknown-field", "slider")
    put_control(item, "slider" if value in {"1", "true", "on"} else "")


def _step(item: dict[str, Any], value: str) -> None:
    """FHIR has whole steps; a step between them goes into our own extension."""
    number = _number_of(value, item["linkId"]) if value else None
    if number is not None and (number <= 0 or (item.get("type") == "integer" and not isinstance(number, int))):
        raise BadEdit("not-a-number", item["linkId"], value[:40])
    whole = isinstance(number, int)
    put_extension(item, HL7 + "questionnaire-sliderStepValue", **({"valueInteger": number} if whole else {}))
    put_extension(item, OURS + "slider-step", **({"valueDecimal": number} if number is not None and not whole else {}))


_FIELDS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "text": _text, "text-en": _text_en, **{name: _wording(name) for name in WORDINGS},
    "required": _flag("required"), "repeats": _flag("repeats"), "readOnly": _flag("readOnly"),
    "minValue": _limit("minValue"), "maxValue": _limit("maxValue"), "decimals": _decimals, "maxLength": _longest,
    "unit": _unit, "code": _code, "may-skip": _may_skip, "scale": _scale, "slider": _slider, "step": _step,
}  # fmt: skip


# ---- options ----


def _options(item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = item.setdefault("answerOption", [])
    return found


def _option_at(item: dict[str, Any], params: Params) -> int:
    text = params.get("place", "")
    place = whole_number(text)
    if place is None or place >= len(_options(item)):
        raise BadEdit("unknown-option", item["linkId"], text[:10])
    return place


def _codes(item: dict[str, Any]) -> set[str]:
    return {str(line.get("valueCoding", {}).get("code", "")) for line in _options(item)}


def _add_options(content: Content, params: Params, material: Any) -> None:
    """One option a line; "text|points" gives points too. The codes are o1, o2 …"""
    item = _free(content, params.get("link", ""))
    if item.get("type") not in {"choice", "open-choice"} or item.get("answerValueSet"):
        raise BadEdit("no-options-here", item["linkId"])
    lines = [line.strip() for line in params.get("value", "").splitlines() if line.strip()]
    if not lines or len(lines) + len(_options(item)) > 100:
        raise BadEdit("empty-text" if not lines else "too-many-items", item["linkId"])
    for line in lines:
        text, _bar, points = line.partition("|")
        coding: dict[str, Any] = {"code": _new_code(_codes(item)), "display": text.strip()[:200]}
        if points.strip():
            put_extension(coding, HL7 + "itemWeight", valueDecimal=_number_of(points.strip(), item["linkId"]))
        _options(item).append({"valueCoding": coding})


def _new_code(taken: set[str]) -> str:
    return next(code for number in range(1, 1000) if (code := f"o{number}") not in taken)


def _set_option(content: Content, params: Params, material: Any) -> None:
    item = _free(content, params.get("link", ""))
    line = _options(item)[_option_at(item, params)]
    field, value = params.get("field", ""), params.get("value", "").strip()
    coding = line.setdefault("valueCoding", {})
    if field == "text":
        if not value:
            raise BadEdit("empty-text", item["linkId"])
        coding["display"] = value[:200]
    elif field == "text-en":
        coding.pop("_display", None)
        if value:
            coding["_display"] = _translation(value[:200])
    elif field in {"patient", "patient-en"}:
        put_extension(
            coding,
            OURS + f"{field.replace('patient', 'patient-wording')}",
            **({"valueString": value[:200]} if value else {}),
        )
    elif field == "weight":
        for url in ("ordinalValue", "itemWeight"):
            put_extension(coding, HL7 + url)
            put_extension(line, HL7 + url)
        if value:
            put_extension(coding, HL7 + "itemWeight", valueDecimal=_number_of(value, item["linkId"]))
    elif field == "exclusive":
        on = value in {"1", "true", "on"}
        put_extension(coding, HL7 + "questionnaire-optionExclusive", **({"valueBoolean": True} if on else {}))
    else:
        raise BadEdit("unknown-field", field)


def _remove_option(content: Content, params: Params, material: Any) -> None:
    """Refused while logic or a rule waits for it."""
    item = _free(content, params.get("link", ""))
    place = _option_at(item, params)
    code = str(_options(item)[place].get("valueCoding", {}).get("code", ""))
    if user := next(iter(_waiting(content, item["linkId"], code)), ""):
        raise BadEdit("still-used", item["linkId"], user)
    _options(item).pop(place)


def _waiting(content: Content, link: str, code: str) -> Iterator[str]:
    for item in walk(_items(content)):
        for line in item.get("enableWhen", []):
            if line.get("question") == link and str((line.get("answerCoding") or {}).get("code")) == code:
                yield str(item["linkId"])
    for rule in _conditions(content):
        if any(_waits_for(leaf, link, code) for leaf in leaves(rule.get("when"))):
            yield str(rule.get("code", "classification"))


def _waits_for(leaf: Mapping[str, Any], link: str, code: str) -> bool:
    return link in (leaf.get("item"), leaf.get("previous")) and str(leaf.get("value")) == code


def _move_option(content: Content, params: Params, material: Any) -> None:
    item = _free(content, params.get("link", ""))
    place = _option_at(item, params)
    target = place + (-1 if params.get("way") == "up" else 1)
    if 0 <= target < len(_options(item)):
        _options(item).insert(target, _options(item).pop(place))


# ---- tables ----


def _rows(content: Content, link: str) -> list[str]:
    """The rows of the table this question stands in; the question alone when it stands in none."""
    siblings, _place, parent = _siblings(content, link)
    return [str(one["linkId"]) for one in siblings] if parent is not None and is_matrix(parent) else [link]


def _in_every_row(step: Callable[[Content, Params, Any], None]) -> Callable[[Content, Params, Any], None]:
    """Options of a table are the same in every row: what is done to one row is done to all, or refused."""

    def write(content: Content, params: Params, material: Any) -> None:
        for link in _rows(content, params.get("link", "")):
            step(content, {**params, "link": link}, material)

    return write


def _add_rows(content: Content, params: Params, material: Any) -> None:
    """One question a line, each with the options of the row above it."""
    group = _free(content, params.get("link", ""))
    rows = group.get("item", [])
    lines = [line.strip() for line in params.get("value", "").splitlines() if line.strip()]
    if not is_matrix(group) or not rows:
        raise BadEdit("not-a-group", group["linkId"])
    if not lines:
        raise BadEdit("empty-text", group["linkId"])
    for line in lines[:MOST_ITEMS]:
        row, _names = _renamed(rows[-1], _links(content))
        row["text"] = line[:1000]
        for name in ("_text", "code", "enableWhen", "enableBehavior"):
            row.pop(name, None)
        put_extension(row, OURS + "wording")
        rows.append(row)


# ---- when it is asked ----


def _add_when(content: Content, params: Params, material: Any) -> None:
    """Ask this question when an answer to another fits. A locked scale may be asked or not as a whole."""
    item = _movable(content, params.get("link", ""))
    asked = find(content, params.get("question", ""))
    line = {"question": asked["linkId"], "operator": params.get("operator", "="), **_answer(asked, params)}
    item.setdefault("enableWhen", []).append(line)
    if len(item["enableWhen"]) > 1:
        item.setdefault("enableBehavior", "all")


def _answer(asked: Mapping[str, Any], params: Params) -> dict[str, Any]:
    value, kind = params.get("value", "").strip(), asked.get("type")
    if params.get("operator") == "exists":
        return {"answerBoolean": value != "false"}
    if not value:
        raise BadEdit("empty-text", str(asked.get("linkId")))
    if kind == "boolean":
        return {"answerBoolean": value == "true"}
    if kind in NUMBERS:
        number = _number_of(value, str(asked.get("linkId")))
        return {"answerInteger" if isinstance(number, int) else "answerDecimal": number}
    if kind in {"choice", "open-choice"}:
        return {"answerCoding": {"code": value}}
    named = {"date": "answerDate", "dateTime": "answerDateTime", "time": "answerTime"}
    return {named.get(str(kind), "answerString"): value}


def _remove_when(content: Content, params: Params, material: Any) -> None:
    item = _movable(content, params.get("link", ""))
    lines, place = item.get("enableWhen", []), whole_number(params.get("place", ""))
    if place is None or place >= len(lines):
        raise BadEdit("unknown-line", item["linkId"])
    lines.pop(place)
    if len(lines) < 2:
        item.pop("enableBehavior", None)
    if not lines:
        item.pop("enableWhen", None)


def _set_behavior(content: Content, params: Params, material: Any) -> None:
    item = _movable(content, params.get("link", ""))
    item["enableBehavior"] = "any" if params.get("value") == "any" else "all"


# ---- alert rules ----


def leaves(condition: Any) -> Iterator[Mapping[str, Any]]:
    """The plain lines of a condition."""
    if not isinstance(condition, Mapping):
        return
    nested = [*condition.get("all", ()), *condition.get("any", ())]
    if "not" in condition:
        nested.append(condition["not"])
    if not nested and condition:
        yield condition
    for part in nested:
        yield from leaves(part)


def lines_of(rule: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]] | None:
    """("all" or "any", lines) of a condition that people build line by line; None for one with more depth."""
    condition = rule.get("when")
    if not isinstance(condition, Mapping):
        return None
    join = "any" if "any" in condition else "all"
    lines = list(condition.get(join, [] if join in condition else [condition]))
    if any(not isinstance(line, Mapping) or {"all", "any", "not", "worst"} & set(line) for line in lines):
        return None
    return join, [dict(line) for line in lines if line]


def _rule(content: Content, params: Params) -> dict[str, Any]:
    code = params.get("rule", "")
    for rule in [*content.get("rules", []), *content.get("paused_rules", [])]:
        if rule.get("code") == code:
            if rule.get("locked"):
                raise BadEdit("locked-scale", code)
            return rule
    raise BadEdit("unknown-rule", code)


def _add_rule(content: Content, params: Params, material: Any) -> None:
    """A new rule about a question; it fires when the first line holds."""
    severity = params.get("severity", "high")
    if severity not in ROLE_MINUTES:
        raise BadEdit("unknown-field", severity)
    taken = {str(rule.get("code")) for rule in [*content.get("rules", []), *content.get("paused_rules", [])]}
    owner, minutes = ROLE_MINUTES[severity]
    made = {
        "code": _fresh(re.sub(r"[^a-z0-9.-]", "-", f"{params.get('link', 'rule')}-{severity}".lower())[:50], taken),
        "severity": severity, "owner_role": owner, "respond_within_minutes": minutes,
        "when": {"all": [_leaf(content, params)]}, "sentence": {"zh": "", "en": ""}, "source": "",
    }  # fmt: skip
    words = params.get("sentence", "").strip() or str(find(content, params.get("link", "")).get("text", ""))
    made["sentence"] = {"zh": words[:200], "en": words[:200]}
    content["rules"] = [*content.get("rules", []), made]


def _leaf(content: Content, params: Params) -> dict[str, Any]:
    """One line of a rule of this content."""
    kinds = {str(item["linkId"]): str(item.get("type")) for item in walk(_items(content))}
    return leaf_of(params, kinds=kinds, scores={str(score["code"]) for score in content.get("scores") or ()})


def leaf_of(params: Params, *, kinds: Mapping[str, str], scores: Container[str]) -> dict[str, Any]:
    """One line: a question, its last answer or its change, or a score, compared with a value.

    `kinds` has the type of every question. Raises BadEdit for what is not there, no number, or nothing to compare with.
    """
    about, link, value = params.get("about", "item"), params.get("link", ""), params.get("value", "").strip()
    operator = params.get("operator", "=")
    if about == "score":
        if link not in scores:
            raise BadEdit("unknown-score", link)
        return {"score": link, "op": operator, "value": _number_of(value, link)}
    if link not in kinds:
        raise BadEdit("unknown-question", link)
    if about not in {"item", "previous", "change"}:
        raise BadEdit("unknown-field", about)
    if operator == "exists":
        return {about: link, "op": "exists", "value": value != "false"}
    if kinds[link] in NUMBERS and value != "not-measured":
        leaf = {about: link, "op": operator, "value": _number_of(value, link)}
        days = whole_number(params.get("days", ""), LONGEST_CHANGE)
        return {**leaf, "days": days} if about == "change" and days else leaf
    if not value:
        raise BadEdit("empty-text", link)
    return {about: link, "op": operator, "value": value == "true" if kinds[link] == "boolean" else value}


def _lines(content: Content, params: Params) -> tuple[dict[str, Any], str, list[dict[str, Any]]]:
    rule = _rule(content, params)
    found = lines_of(rule)
    if found is None:
        raise BadEdit("deep-condition", str(rule["code"]))
    return rule, *found


def _add_line(content: Content, params: Params, material: Any) -> None:
    rule, join, lines = _lines(content, params)
    rule["when"] = {join: [*lines, _leaf(content, params)]}


def _remove_line(content: Content, params: Params, material: Any) -> None:
    rule, join, lines = _lines(content, params)
    place = whole_number(params.get("place", ""))
    if place is None or place >= len(lines):
        raise BadEdit("unknown-line", str(rule["code"]))
    if len(lines) == 1:
        raise BadEdit("last-line", str(rule["code"]))
    lines.pop(place)
    rule["when"] = {join: lines}


def _set_rule(content: Content, params: Params, material: Any) -> None:
    rule = _rule(content, params)
    field, value = params.get("field", ""), params.get("value", "").strip()
    if field == "join" and value in {"all", "any"}:
        _found, _join, lines = _lines(content, params)
        rule["when"] = {value: lines}
    elif field in _RULE_FIELDS and (value or field == "source"):
        _RULE_FIELDS[field](rule, value)
    else:
        raise BadEdit("unknown-field", field)


def _rule_severity(rule: dict[str, Any], value: str) -> None:
    if value not in ROLE_MINUTES:
        raise BadEdit("unknown-field", value[:40])
    rule["severity"] = value


def _rule_minutes(rule: dict[str, Any], value: str) -> None:
    minutes = whole_number(value, LONGEST_RESPONSE)
    if not minutes:
        raise BadEdit("not-a-number", str(rule["code"]), value[:40])
    rule["respond_within_minutes"] = minutes


def _rule_text(name: str) -> Callable[[dict[str, Any], str], None]:
    def write(rule: dict[str, Any], value: str) -> None:
        rule[name] = value[:400]

    return write


def _follows(other: Any, mine: Any, language: str) -> bool:
    """Whether the other language takes the new words: it has none, or English still repeats the Chinese ones."""
    return not other or (language == "zh" and other == mine)


def _rule_words(name: str, language: str) -> Callable[[dict[str, Any], str], None]:
    """In one language; the other gets the same words until it has its own."""

    def write(rule: dict[str, Any], value: str) -> None:
        words = dict(rule.get(name) or {})
        other = "en" if language == "zh" else "zh"
        follows = _follows(words.get(other), words.get(language), language)
        rule[name] = {**words, language: value[:400], other: value[:400] if follows else words[other]}

    return write


def _rule_safety(name: str, language: str) -> Callable[[dict[str, Any], str], None]:
    """A part of the patient's page in one language; the other gets the same words until it has its own."""

    def write(rule: dict[str, Any], value: str) -> None:
        pages = rule.setdefault("safety", {})
        for one in ("zh", "en"):
            pages.setdefault(one, {"title": "", "text": "", "signs": []})
        mine, other = pages[language], pages["en" if language == "zh" else "zh"]
        if _follows(other.get(name), mine.get(name), language):
            other[name] = value[:400]
        mine[name] = value[:400]

    return write


_RULE_FIELDS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "severity": _rule_severity, "minutes": _rule_minutes, "owner_role": _rule_text("owner_role"), "source": _rule_text("source"),
    "sentence": _rule_words("sentence", "zh"), "sentence-en": _rule_words("sentence", "en"),
    "advice": _rule_words("advice", "zh"), "advice-en": _rule_words("advice", "en"),
    "safety-title": _rule_safety("title", "zh"), "safety-title-en": _rule_safety("title", "en"),
    "safety-text": _rule_safety("text", "zh"), "safety-text-en": _rule_safety("text", "en"),
}  # fmt: skip


def _remove_rule(content: Content, params: Params, material: Any) -> None:
    rule = _rule(content, params)
    for name in ("rules", "paused_rules"):
        content[name] = [one for one in content.get(name, []) if one is not rule]


def _pause_rule(content: Content, params: Params, material: Any) -> None:
    """Off or on: a rule that is off is kept with the form and judges nothing."""
    rule = _rule(content, params)
    here, there = ("rules", "paused_rules") if rule in content.get("rules", []) else ("paused_rules", "rules")
    content[here] = [one for one in content[here] if one is not rule]
    content[there] = [*content.get(there, []), rule]


# ---- scores ----


def _add_score(content: Content, params: Params, material: Any) -> None:
    """A total over questions whose options carry points, or over numbers."""
    links = [link for link in params.get("items", "").split() if find(content, link)]
    if not links:
        raise BadEdit("empty-text", "score")
    taken = {str(score["code"]) for score in content.get("scores") or ()}
    title = params.get("value", "").strip()[:80] or "总分"
    missing = "prorate" if params.get("missing") == "prorate" else "null"
    made = {
        "code": _fresh("total", taken), "title": {"zh": title, "en": title}, "method": "sum", "items": links,
        "missing": missing, "max_missing": len(links) // 5 if missing == "prorate" else 0, "reverse": [], "bands": [],
    }  # fmt: skip
    content["scores"] = [*(content.get("scores") or []), made]


def _score(content: Content, params: Params) -> dict[str, Any]:
    for score in content.get("scores") or ():
        if score.get("code") == params.get("score"):
            if score.get("locked"):
                raise BadEdit("locked-scale", str(score["code"]))
            return score
    raise BadEdit("unknown-score", params.get("score", ""))


def _set_bands(content: Content, params: Params, material: Any) -> None:
    """One band a line: "0-4 low". Overlapping bands are refused."""
    score = _score(content, params)
    bands: list[dict[str, Any]] = []
    for number, line in enumerate(params.get("value", "").splitlines(), start=1):
        if not line.strip():
            continue
        found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*[-–~]\s*(-?\d+(?:\.\d+)?)\s+(\S.*)", line)
        if found is None:
            raise BadEdit("bad-band", str(score["code"]), line.strip()[:40])
        low, high = _number_of(found[1], score["code"]), _number_of(found[2], score["code"])
        bands.append(
            {
                "from": low,
                "to": high,
                "code": f"band{number}",
                "title": {"zh": found[3].strip(), "en": found[3].strip()},
            }
        )
    ordered = sorted(bands, key=lambda band: band["from"])
    if any(one["from"] > one["to"] for one in bands) or any(
        later["from"] <= sooner["to"] for sooner, later in zip(ordered, ordered[1:], strict=False)
    ):
        raise BadEdit("bad-band", str(score["code"]))
    score["bands"] = bands


def _remove_score(content: Content, params: Params, material: Any) -> None:
    score = _score(content, params)
    for line in _conditions(content):
        if str(score["code"]) in scores_of(line.get("when")):
            raise BadEdit("still-used", str(score["code"]), str(line.get("code", "classification")))
    content["scores"] = [one for one in content["scores"] if one is not score]


# ---- the form itself ----


def _both(words: Any) -> dict[str, Any]:
    return dict(words) if isinstance(words, Mapping) else {"zh": str(words or ""), "en": ""}


def _set_form(content: Content, params: Params, material: Any) -> None:
    field, value = params.get("field", ""), params.get("value", "").strip()
    title, opening = _both(content.get("title")), _both(content.get("opening"))
    if field in {"title", "title-en"}:
        if not value and field == "title":
            raise BadEdit("empty-text", "title")
        content["title"] = {**title, "en" if field.endswith("-en") else "zh": value[:120]}
    elif field in {"opening", "opening-en"}:
        content["opening"] = {**opening, "en" if field.endswith("-en") else "zh": value[:1000]}
    elif field == "read-aloud":
        content["read_aloud"] = value in {"1", "true", "on"}
    elif field == "source":
        content["source"] = value[:400]
    elif field == "version":
        if not re.fullmatch(r"[0-9A-Za-z.\-]{1,60}", value):
            raise BadEdit("bad-version", "version", value[:40])
        content["version"] = value
        content["definition"]["version"] = value
    else:
        raise BadEdit("unknown-field", field)


OPERATIONS: dict[str, Callable[[Content, Params, Any], None]] = {
    "add-item": _add_item, "add-scale": _add_scale, "copy": _copy, "remove": _remove, "move": _move, "drop": _drop,
    "set": _set, "add-options": _in_every_row(_add_options), "set-option": _in_every_row(_set_option),
    "remove-option": _in_every_row(_remove_option), "move-option": _in_every_row(_move_option), "add-rows": _add_rows, "add-when": _add_when, "remove-when": _remove_when, "set-behavior": _set_behavior,
    "add-rule": _add_rule, "add-line": _add_line, "remove-line": _remove_line, "set-rule": _set_rule,
    "remove-rule": _remove_rule, "pause-rule": _pause_rule, "add-score": _add_score, "set-bands": _set_bands,
    "remove-score": _remove_score, "set-form": _set_form,
}  # fmt: skip


def new_content(*, url: str, title: str, name: str) -> Content:
    """An empty form with one section."""
    section = {"linkId": "part-1", "type": "group", "text": "第一部分", "_text": _translation("Part one"), "item": []}
    return {
        "url": url, "version": "1", "name": name, "title": {"zh": title, "en": ""}, "source": "", "verified": False,
        "scores": [], "rules": [], "checks": [], "classification": None, "opening": {"zh": "", "en": ""},
        "definition": {
            "resourceType": "Questionnaire", "url": url, "version": "1", "name": name, "title": title, "status": "draft",
            "subjectType": ["Patient"], "item": [section],
        },
    }  # fmt: skip


def next_version(version: str) -> str:
    """1.4 → 1.5, 3 → 4, "spring" → "spring-2"."""
    found = re.fullmatch(r"(.*?)(\d+)", version)
    return f"{found[1]}{int(found[2]) + 1}" if found else f"{version}-2"


def broken_locks(content: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Locked scales whose words, points, totals or rules are not those of the scale (a file edited by hand)."""
    for item in walk(list(content.get("definition", {}).get("item", []))):
        canonical = locked_scale(item)
        if not canonical:
            continue
        source = sources.get(canonical)
        if source is None:
            yield canonical
            continue
        group, scores, found_rules = scale_parts(source)
        around = {"enableWhen", "enableBehavior"}
        mine = {key: value for key, value in item.items() if key not in around}
        totals = [one for one in content.get("scores") or () if one.get("locked") == canonical]
        alerts = [one for one in content.get("rules") or () if one.get("locked") == canonical]
        if mine != group or totals != scores or alerts != found_rules:
            yield canonical

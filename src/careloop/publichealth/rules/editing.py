"""Changing an opinion table row by row: each change takes the content and gives new content. Pure.

A draft may be unfinished (a row without words, a gap); `proofread_table` says so. What is refused here is a change that
cannot be made at all: a row that is not there, an operator nobody knows, a value that is no number.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from careloop.publichealth.rules.coverage import SEVERITIES, cases
from careloop.publichealth.rules.opinions import LONGEST_CODE, MOST_ROWS, Table, suggest
from careloop.questionnaires.rules import Form, Words, condition_mistakes, whole_number
from careloop.questionnaires.rules.conditions import OPERATORS
from careloop.questionnaires.rules.designing import BadEdit, Params, leaf_of

Content = dict[str, Any]
MOST_LINES = 12
MOST_VECTORS = 100
WORDS = {
    "title": ("title", "zh"),
    "title-en": ("title", "en"),
    "reason": ("reason", "zh"),
    "reason-en": ("reason", "en"),
}


def change_table(content: Mapping[str, Any], op: str, params: Params, form: Form) -> Content:
    """The content after one change. Raises BadEdit with the code and the place."""
    if op not in OPERATIONS:
        raise BadEdit("unknown-change", op)
    made = copy.deepcopy(dict(content))
    made.setdefault("outcomes", [])
    made.setdefault("vectors", [])
    OPERATIONS[op](made, params, form)
    return made


def new_table(*, questionnaire: str, title: Mapping[str, str]) -> Content:
    """A table with the one row that always answers."""
    blank = {"zh": "", "en": ""}
    return {
        "questionnaire": questionnaire, "title": dict(title), "source": "",
        "outcomes": [{"code": "normal", "title": {"zh": "正常", "en": "Normal"}, "reason": dict(blank), "when": "otherwise"}],
        "vectors": [],
    }  # fmt: skip


# ---- rows ----


def _place(content: Content, params: Params, name: str = "row", among: str = "outcomes") -> int:
    text = params.get(name, "")
    number = whole_number(text)
    if not number or number > len(content[among]):
        raise BadEdit("unknown-row", text[:10])
    return number - 1


def _row(content: Content, params: Params) -> dict[str, Any]:
    row = content["outcomes"][_place(content, params)]
    if not isinstance(row, dict):
        raise BadEdit("unknown-row", params.get("row", ""))
    return row


def _room(content: Content) -> None:
    if len(content["outcomes"]) >= MOST_ROWS:
        raise BadEdit("too-many-rows", str(MOST_ROWS))


def _add_row(content: Content, params: Params, form: Form) -> None:
    """Behind `row`, or before a closing “otherwise”, or at the end. It is tried only when no row above fits."""
    _room(content)
    code, rows = params.get("code", "").strip()[:LONGEST_CODE], content["outcomes"]
    if not code:
        raise BadEdit("empty-text", "opinion")
    known: Mapping[str, str] = next((row["title"] for row in rows if row.get("code") == code and row.get("title")), {})
    title = {
        "zh": params.get("title", "")[:60] or known.get("zh") or code,
        "en": params.get("title-en", "")[:60] or known.get("en") or code,
    }
    made = {"code": code, "title": title, "reason": {"zh": "", "en": ""}, "when": {"all": []}, "else": True}
    if params.get("row"):
        at = _place(content, params) + 1
    else:
        at = len(rows) - 1 if rows and rows[-1].get("when") == "otherwise" else len(rows)
    rows.insert(at, made)


def _copy_row(content: Content, params: Params, form: Form) -> None:
    _room(content)
    at = _place(content, params)
    content["outcomes"].insert(at + 1, copy.deepcopy(content["outcomes"][at]))


def _remove_row(content: Content, params: Params, form: Form) -> None:
    at = _place(content, params)
    if len(content["outcomes"]) == 1:
        raise BadEdit("last-row", "1")
    content["outcomes"].pop(at)


def _move_row(content: Content, params: Params, form: Form) -> None:
    """One place up or down; at either end nothing happens."""
    at, rows = _place(content, params), content["outcomes"]
    target = at + (-1 if params.get("way") == "up" else 1)
    if 0 <= target < len(rows):
        rows.insert(target, rows.pop(at))


def _set_row(content: Content, params: Params, form: Form) -> None:
    row, field, value = _row(content, params), params.get("field", ""), params.get("value", "").strip()
    if field in WORDS:
        name, language = WORDS[field]
        row[name] = {**(row.get(name) or {}), language: value[:300]}
    elif field == "code":
        if not value:
            raise BadEdit("empty-text", f"row {params['row']}")
        row["code"] = value[:LONGEST_CODE]
    elif field == "opinion":  # one of the listed opinions, with its words
        row["code"] = value[:LONGEST_CODE] or row["code"]
        row["title"] = {"zh": params.get("title", "")[:60], "en": params.get("title-en", "")[:60]}
    elif field == "else":
        row.pop("else", None)
        if value in {"1", "true", "on"}:
            row["else"] = True
    elif field == "otherwise":
        row["when"] = "otherwise" if value in {"1", "true", "on"} else {"all": []}
        row.pop("else", None)
    elif field == "join" and value in {"all", "any"}:
        _set_join(row, value, params)
    elif field == "clear":  # a condition too deep for lines is written anew
        row["when"] = {"all": []}
    else:
        raise BadEdit("unknown-field", field)


# ---- the condition of a row, line by line ----

Line = list[dict[str, Any]]  # one statement, or several of which one (all, when the lines are joined by “or”) must hold
INNER = {"all": "any", "any": "all"}


def row_lines(row: Mapping[str, Any]) -> tuple[str, list[Line]] | None:
    """("all" or "any", lines) of a condition of at most two levels; None for one that goes deeper."""
    condition = row.get("when")
    if condition == "otherwise":
        return "all", []
    if not isinstance(condition, Mapping):
        return None
    join = "any" if "any" in condition else "all"
    parts = condition.get(join, [condition])
    if not isinstance(parts, list):
        return None
    found: list[Line] = []
    for part in parts:
        inside = part.get(INNER[join], [part]) if isinstance(part, Mapping) else None
        if not isinstance(inside, list) or not inside or not all(_is_leaf(one) for one in inside):
            return None
        found.append([dict(one) for one in inside])
    return join, found


def _is_leaf(value: Any) -> bool:
    return isinstance(value, Mapping) and not {"all", "any", "not", "value_of"} & set(value)


def _lines(row: Mapping[str, Any], params: Params) -> tuple[str, list[Line]]:
    found = row_lines(row)
    if found is None:
        raise BadEdit("deep-row", params.get("row", ""))
    return found


def _write(row: dict[str, Any], join: str, lines: list[Line]) -> None:
    row["when"] = {join: [line[0] if len(line) == 1 else {INNER[join]: line} for line in lines]}


def _leaves(params: Params, form: Form) -> Line:
    """What is to be compared. Several options of a choice (with commas) are alternatives."""
    if params.get("about") == "worst":
        if params.get("value", "") not in SEVERITIES:
            raise BadEdit("unknown-field", params.get("value", "")[:10])
        return [{"worst": params["value"]}]
    if params.get("operator", "=") not in OPERATORS:
        raise BadEdit("unknown-field", params.get("operator", "")[:10])
    kinds = {item.link_id: item.type for item in form.questions}
    scores = {str(score["code"]) for score in form.scores}
    values = [one.strip() for one in params.get("value", "").split(",") if one.strip()] or [""]
    if kinds.get(params.get("link", "")) != "choice":
        values = [params.get("value", "")]
    found = [leaf_of({**params, "value": value}, kinds=kinds, scores=scores) for value in values]
    for leaf in found:
        _check_option(leaf, form)
    return found


def _check_option(leaf: Mapping[str, Any], form: Form) -> None:
    name = leaf.get("item") or leaf.get("previous")
    item = form.index.get(str(name))
    if item is None or item.type != "choice" or leaf["op"] == "exists":
        return
    if item.option(str(leaf["value"])) is None:
        raise BadEdit("unknown-choice", item.link_id, str(leaf["value"])[:40])


def _add_line(content: Content, params: Params, form: Form) -> None:
    row = _row(content, params)
    join, lines = _lines(row, params)
    if len(lines) >= MOST_LINES:
        raise BadEdit("too-many-lines", str(MOST_LINES))
    found = _leaves(params, form)
    lines += [found] if join == "all" else [[leaf] for leaf in found]
    _write(row, join, lines)


def _add_part(content: Content, params: Params, form: Form) -> None:
    """One more alternative in a line (one more condition, when the lines are joined by “or”)."""
    row, join, lines, at = _line(content, params)
    lines[at] += _leaves(params, form)
    if len(lines[at]) > MOST_LINES:
        raise BadEdit("too-many-lines", str(MOST_LINES))
    _write(row, join, lines)


def _remove_line(content: Content, params: Params, form: Form) -> None:
    """A line, or with `part` one statement of it."""
    row, join, lines, at = _line(content, params)
    told = params.get("part", "")
    if told:
        part = whole_number(told)
        if part is None or part >= len(lines[at]):
            raise BadEdit("unknown-line", params.get("row", ""))
        lines[at].pop(part)
    if not told or not lines[at]:
        lines.pop(at)
    _write(row, join, lines)


def _line(content: Content, params: Params) -> tuple[dict[str, Any], str, list[Line], int]:
    row = _row(content, params)
    join, lines = _lines(row, params)
    place = whole_number(params.get("place", ""))
    if place is None or place >= len(lines):
        raise BadEdit("unknown-line", params.get("row", ""))
    return row, join, lines, place


def _set_join(row: dict[str, Any], value: str, params: Params) -> None:
    _join, lines = _lines(row, params)
    if any(len(line) > 1 for line in lines):
        raise BadEdit("deep-row", params.get("row", ""))
    _write(row, value, lines)


# ---- examples that must come out as they say ----


def _add_vector(content: Content, params: Params, form: Form) -> None:
    """Answers typed as “pain = 3; lump = yes” and the opinion they must give."""
    if len(content["vectors"]) >= MOST_VECTORS:
        raise BadEdit("too-many-rows", str(MOST_VECTORS))
    answers = answers_of(params.get("value", ""), form)
    opinion = params.get("opinion", "").strip() or None
    if opinion is not None and opinion not in {str(row.get("code")) for row in content["outcomes"]}:
        raise BadEdit("unknown-opinion", opinion[:40])
    content["vectors"].append({"answers": answers, "opinion": opinion})


def answers_of(text: str, form: Form) -> dict[str, Any]:
    """Typed answers: linkId or the question's words, “=”, a number, an option's code or words. Raises BadEdit."""
    found: dict[str, Any] = {}
    for part in text.replace("；", ";").replace("\n", ";").split(";"):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        item = next((one for one in form.questions if name.strip() in (one.link_id, one.staff.zh, one.staff.en)), None)
        if not sign or item is None:
            raise BadEdit("unknown-question", part.strip()[:60])
        codes = [_option_code(item, one.strip()) for one in value.replace("，", ",").split(",")]
        found[item.link_id] = codes if item.repeats else codes[0]
    return found


def _option_code(item: Any, text: str) -> Any:
    if item.type == "boolean":
        if text not in {"true", "false"}:
            raise BadEdit("unknown-choice", item.link_id, text[:40])
        return text == "true"
    if item.options:
        option = next((o for o in item.options if text in (o.code, o.staff.zh, o.staff.en)), None)
        if option is None and item.type == "choice":
            raise BadEdit("unknown-choice", item.link_id, text[:40])
        return option.code if option else text
    if item.type in {"integer", "decimal", "quantity"}:
        leaf = leaf_of({"link": item.link_id, "value": text}, kinds={item.link_id: item.type}, scores=())
        return leaf["value"]
    if not text:
        raise BadEdit("empty-text", item.link_id)
    return text


def _remove_vector(content: Content, params: Params, form: Form) -> None:
    content["vectors"].pop(_place(content, params, "vector", "vectors"))


def _propose_vectors(content: Content, params: Params, form: Form) -> None:
    """One example for every row that has none: the first case of the corner values that this row answers."""
    rows = content["outcomes"]
    if any(condition_mistakes(form, row.get("when"), kind="row", place=0) or not row.get("title") for row in rows):
        raise BadEdit("mend-first")
    table = Table(str(content.get("questionnaire")), Words(""), tuple(rows), (), "")
    covered = {
        suggest(table, form, one["answers"], previous=one.get("previous")).row
        for one in content["vectors"]
        if isinstance(one, Mapping)
    }
    for answers, previous in cases(form, content["outcomes"]):
        if len(covered) > len(content["outcomes"]) or len(content["vectors"]) >= MOST_VECTORS:
            return
        found = suggest(table, form, answers, previous=previous)
        if found.row is not None and found.row not in covered:
            covered.add(found.row)
            plain = {name: _plain(value) for name, value in answers.items()}
            before = {"previous": {name: _plain(value) for name, value in previous.items()}} if previous else {}
            content["vectors"].append({"answers": plain, **before, "opinion": found.code})


def _plain(value: Any) -> Any:
    """Numbers as JSON has them."""
    if isinstance(value, str | bool | list):
        return value
    return int(value) if value == int(value) else float(value)


# ---- the table itself ----


def _set_table(content: Content, params: Params, form: Form) -> None:
    field, value = params.get("field", ""), params.get("value", "").strip()
    if field in {"title", "title-en"}:
        content["title"] = {**(content.get("title") or {}), "en" if field.endswith("-en") else "zh": value[:120]}
    elif field == "source":
        content["source"] = value[:400]
    else:
        raise BadEdit("unknown-field", field)


OPERATIONS: dict[str, Callable[[Content, Params, Form], None]] = {
    "add-row": _add_row, "copy-row": _copy_row, "remove-row": _remove_row, "move-row": _move_row, "set-row": _set_row,
    "add-line": _add_line, "add-part": _add_part, "remove-line": _remove_line, "add-vector": _add_vector,
    "remove-vector": _remove_vector, "propose-vectors": _propose_vectors, "set-table": _set_table,
}  # fmt: skip


# ---- two versions ----


def compare_tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, int | None, int | None]]:
    """Row by row: (same | changed | moved | added | removed, place in the old, place in the new), in the new order.

    A row is the same row when it has the same opinion and condition, else when it has the same opinion or the same
    condition as the first row of the old table that is not taken yet.
    """
    before, after = list(old.get("outcomes", ())), list(new.get("outcomes", ()))
    free = dict(enumerate(before))
    pairs: dict[int, int] = {}
    for test in (_equal, _same_rule, _same_condition, _same_opinion):
        for place, row in enumerate(after):
            if (
                place not in pairs
                and (match := next((o for o, one in free.items() if test(one, row)), None)) is not None
            ):
                pairs[place] = match
                del free[match]
    found: list[tuple[str, int | None, int | None]] = []
    kept = [pairs[place] for place in sorted(pairs)]
    stays = _longest_rising(kept)
    for place, row in enumerate(after):
        if place not in pairs:
            found.append(("added", None, place + 1))
            continue
        match = pairs[place]
        kind = "changed" if before[match] != row else "same" if match in stays else "moved"
        found.append((kind, match + 1, place + 1))
    return found + [("removed", place + 1, None) for place in sorted(free)]


def _equal(old: Any, new: Any) -> bool:
    return bool(old == new)


def _same_rule(old: Any, new: Any) -> bool:
    return bool(old["code"] == new["code"] and old["when"] == new["when"])


def _same_condition(old: Any, new: Any) -> bool:
    return bool(old["when"] == new["when"])


def _same_opinion(old: Any, new: Any) -> bool:
    return bool(old["code"] == new["code"])


def _longest_rising(places: list[int]) -> set[int]:
    """The rows that kept their order; the others were moved."""
    best: list[list[int]] = [[]]
    for place in places:
        before = max((line for line in best if not line or line[-1] < place), key=_size)
        best.append([*before, place])
    longest = max(best, key=_size)
    return set(longest)


def _size(line: list[int]) -> int:
    return len(line)

"""What the builder, the topic form, the bulk preview and the export form send."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from careloop.cohorts.rules.columns import COLUMNS
from careloop.cohorts.rules.definition import DEEPEST, KINDS, MODES
from careloop.kernel.choices import offer

PLACE = re.compile(rf"g(\d{{1,2}})((?:\.c\d{{1,2}}){{0,{DEEPEST}}})\.([a-z_]{{1,20}})")
LISTS = frozenset({"departments", "classes", "sexes", "levels", "states"})
MOST_GROUPS = 6
MOST_STEPS = 20  # that can be taken back

Raw = dict[str, Any]


def builder_state(sent: QueryDict) -> Raw:
    """The builder's fields as a raw definition, with the button pressed already carried out.

    A field is named by where it stands: `g0.mode`, `g0.c1.codes`, and in a block inside a block `g0.c2.c0.codes`. Buttons
    are named `do`: `add:0:age`, `block:0.2:any` (a block inside), `remove:0:1`, `group::none` (a block of its own),
    `drop:1`, `undo`. What makes no sense is left out; `rules.definition.parse` then says what is wrong with the rest.
    """
    return builder_step(sent)[0]


def builder_step(sent: QueryDict) -> tuple[Raw, list[Raw]]:
    """The same, and the states before it that "undo" goes back to, newest last."""
    raw, before = _fields(sent), _steps(sent.get("undo", ""))
    button = sent.get("do", "")
    if button == "undo":
        return (before[-1], before[:-1]) if before else (raw, [])
    if not button:
        return raw, before
    changed = copy.deepcopy(raw)
    _do(changed["groups"], button)
    return changed, before if changed == raw else [*before, raw][-MOST_STEPS:]


def _fields(sent: QueryDict) -> Raw:
    top: dict[int, Raw] = {}
    for name in sent:
        match = PLACE.fullmatch(name)
        if match is None:
            continue
        node = top.setdefault(int(match[1]), {"group": True})
        for step in match[2].split(".c")[1:]:
            node = node.setdefault("parts", {}).setdefault(int(step), {})
        field = match[3]
        node.setdefault("fields", {})[field] = sent.getlist(name) if field in LISTS else sent[name]
    groups = [_group(top[n]) for n in sorted(top)][:MOST_GROUPS]
    return {"groups": groups or [{"mode": "all", "conditions": []}]}


def _group(node: Raw) -> Raw:
    mode = node.get("fields", {}).get("mode")
    parts = [_part(one) for __, one in sorted(node.get("parts", {}).items())]
    return {"mode": mode if mode in MODES else "all", "conditions": [one for one in parts if one is not None]}


def _part(node: Raw) -> Raw | None:
    """A block inside has a mode and no kind; a condition has a kind we know; anything else is nothing."""
    fields = node.get("fields", {})
    if "mode" in fields or ("parts" in node and "kind" not in fields):
        return _group(node)
    return _told(fields) if fields.get("kind") in KINDS else None


def _steps(text: str) -> list[Raw]:
    """The states the page brought back. A page can be changed by hand: only what has the shape of a state is taken."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(told, list):
        return []
    return [{"groups": groups} for one in told[-MOST_STEPS:] if (groups := _shaped_groups(one)) is not None]


def _shaped_groups(state: object) -> list[Raw] | None:
    groups = state.get("groups") if isinstance(state, dict) else None
    if not isinstance(groups, list) or not groups:
        return None
    found = [_shaped(one, 1) for one in groups[:MOST_GROUPS]]
    return [one for one in found if one is not None and "conditions" in one] or None


def _shaped(part: object, depth: int) -> Raw | None:
    if not isinstance(part, dict):
        return None
    if "kind" in part:
        texts = {k: v for k, v in part.items() if isinstance(v, str) or (k in LISTS and isinstance(v, list))}
        return {k: v if isinstance(v, str) else [str(one) for one in v] for k, v in texts.items()} if part["kind"] in KINDS else None  # fmt: skip
    parts = part.get("conditions")
    if depth > DEEPEST or not isinstance(parts, list):
        return None
    mode = part["mode"] if part.get("mode") in MODES else "all"
    return {"mode": mode, "conditions": [one for raw in parts if (one := _shaped(raw, depth + 1)) is not None]}


def _told(condition: Raw) -> Raw:
    """A question is chosen as one thing (`url#linkId`) and stored as two; an answer is a code or a number."""
    if condition.get("kind") == "answer":
        url, __, link = str(condition.pop("question", "")).partition("#")
        value = str(condition.pop("value", "")).strip()
        condition |= {"questionnaire": url, "link_id": link}
        condition |= {"number": value} if _is_number(value) and condition.get("as_number") else {"code": value}
    return condition


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", text))


def _do(groups: list[Raw], button: str) -> None:
    verb, __, rest = button.partition(":")
    where, __, what = rest.partition(":")
    if verb == "group":
        if len(groups) < MOST_GROUPS:
            groups.append({"mode": what if what in MODES else "any", "conditions": []})
        return
    path = where.split(".")
    group = _at(groups, path)
    if group is None:
        return
    if verb == "add" and what in KINDS:
        group["conditions"].append({"kind": what})
    elif verb == "block" and len(path) < DEEPEST:
        group["conditions"].append({"mode": what if what in MODES else "any", "conditions": []})
    elif verb == "remove" and _index(what) < len(group["conditions"]):
        del group["conditions"][_index(what)]
    elif verb == "drop" and len(path) == 1 and len(groups) > 1:
        del groups[int(path[0])]


def _index(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,2}", text) else 99


def _at(groups: list[Raw], path: list[str]) -> Raw | None:
    """The block at this place; None where there is none."""
    parts, found = groups, None
    for step in path:
        if _index(step) >= len(parts) or "conditions" not in parts[_index(step)]:
            return None
        found = parts[_index(step)]
        parts = found["conditions"]
    return found


class QuickForm(forms.Form):
    """病例/诊断: diagnosis or operation codes, with a time."""

    codes = forms.CharField(max_length=300, required=False)
    operations = forms.CharField(max_length=300, required=False)
    department = forms.UUIDField(required=False)
    days = forms.TypedChoiceField(
        choices=[(n, n) for n in (0, 30, 90, 365, 1095)], coerce=int, required=False, empty_value=None
    )

    def raw(self) -> dict[str, Any] | None:
        """The definition it means; None while nothing is asked for."""
        if not self.is_valid():
            return None
        told = self.cleaned_data
        conditions: list[dict[str, Any]] = []
        if told["codes"].strip():
            conditions.append({"kind": "diagnosis", "codes": told["codes"]})
        if told["operations"].strip():
            conditions.append({"kind": "operation", "codes": told["operations"]})
        if not conditions:
            return None
        if told["department"] or told["days"]:
            place = [str(told["department"])] if told["department"] else []
            conditions.append({"kind": "stay", "departments": place, "days": str(told["days"] or "")})
        return {"groups": [{"mode": "all", "conditions": conditions}]}


class KeepForm(forms.Form):
    """Keep a search."""

    title = forms.CharField(max_length=120, label=_("Group name"))
    frozen = forms.BooleanField(required=False)
    shared = forms.BooleanField(required=False)


class TopicForm(forms.Form):
    """What a special topic needs. The lists of choices come with the page."""

    title = forms.CharField(max_length=120, label=_("Topic title"))
    what = forms.ChoiceField(choices=[("contact", "contact"), ("plan", "plan")], label=_("Kind of follow-up"))
    questionnaire = forms.CharField(max_length=200, required=False, label=_("Questionnaire"))
    plan = forms.CharField(max_length=200, required=False, label=_("Plan"))
    staff = forms.TypedMultipleChoiceField(coerce=UUID, required=False, label=_("Staff"))
    deadline = forms.DateField(label=_("Deadline"))
    key = forms.UUIDField()

    def __init__(self, *args: Any, staff: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "staff", staff.items())

    def clean(self) -> dict[str, Any]:
        """A contact needs a form, a plan needs a plan."""
        data = super().clean() or self.cleaned_data
        needed = "plan" if data.get("what") == "plan" else "questionnaire"
        if not data.get(needed):
            self.add_error(needed, _("Choose one."))
        return data

    @property
    def deadline_day(self) -> date:
        day: date = self.cleaned_data["deadline"]
        return day


class BulkForm(forms.Form):
    """The values a kind of bulk work may need; each kind reads its own."""

    owner = forms.UUIDField(required=False)
    reason = forms.CharField(max_length=40, required=False)
    template = forms.UUIDField(required=False)
    template_id = forms.UUIDField(required=False)
    plan = forms.CharField(max_length=200, required=False)
    tag = forms.CharField(max_length=40, required=False)

    def values(self, verb: str) -> dict[str, str]:
        """Only what this work needs, as text."""
        self.is_valid()
        return {_NEEDED[verb]: str(self.cleaned_data.get(_NEEDED[verb]) or "")}


_NEEDED = {
    "assign": "owner", "close": "reason", "send": "template", "letter": "template_id", "enrol": "plan", "tag": "tag",
}  # fmt: skip


class ExportForm(forms.Form):
    """Columns and what the list is for."""

    columns = forms.MultipleChoiceField(choices=[(c.code, c.code) for c in COLUMNS], label=_("Columns"))
    purpose = forms.CharField(max_length=200, label=_("What the list is for"))
    key = forms.UUIDField()

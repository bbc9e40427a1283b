"""What the builder, the topic form, the bulk preview and the export form send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from careloop.cohorts.rules.columns import COLUMNS
from careloop.cohorts.rules.definition import KINDS, MODES

PLACE = re.compile(r"g(\d{1,2})(?:\.c(\d{1,2}))?\.([a-z_]{1,20})")
LISTS = frozenset({"departments", "classes", "sexes", "levels", "states"})
MOST_GROUPS = 6


def builder_state(sent: QueryDict) -> dict[str, Any]:
    """The builder's fields (`g0.mode`, `g0.c1.codes`) as a raw definition, with the button pressed already carried out.

    Buttons are named `do`: `add:<group>:<kind>`, `remove:<group>:<condition>`, `group`. What makes no sense is left out;
    `rules.definition.parse` then says what is wrong with the rest.
    """
    groups: dict[int, dict[str, Any]] = {}
    for name in sent:
        match = PLACE.fullmatch(name)
        if match is None:
            continue
        group = groups.setdefault(int(match[1]), {"mode": "all", "conditions": {}})
        if match[2] is None:
            if match[3] == "mode" and sent[name] in MODES:
                group["mode"] = sent[name]
        else:
            condition = group["conditions"].setdefault(int(match[2]), {})
            condition[match[3]] = sent.getlist(name) if match[3] in LISTS else sent[name]
    ordered = [groups[n] for n in sorted(groups)][:MOST_GROUPS] or [{"mode": "all", "conditions": {}}]
    raw = [
        {
            "mode": group["mode"],
            "conditions": [_told(one) for __, one in sorted(group["conditions"].items()) if one.get("kind") in KINDS],
        }
        for group in ordered
    ]
    _do(raw, sent.get("do", ""))
    return {"groups": raw}


def _told(condition: dict[str, Any]) -> dict[str, Any]:
    """A question is chosen as one thing (`url#linkId`) and stored as two; an answer is a code or a number."""
    if condition.get("kind") == "answer":
        url, __, link = str(condition.pop("question", "")).partition("#")
        value = str(condition.pop("value", "")).strip()
        condition |= {"questionnaire": url, "link_id": link}
        condition |= {"number": value} if _is_number(value) and condition.get("as_number") else {"code": value}
    return condition


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", text))


def _do(raw: list[dict[str, Any]], button: str) -> None:
    verb, __, rest = button.partition(":")
    first, __, second = rest.partition(":")
    group = int(first) if first.isdecimal() and int(first) < len(raw) else None
    if verb == "group" and len(raw) < MOST_GROUPS:
        raw.append({"mode": second if second in MODES else "any", "conditions": []})
    elif verb == "add" and group is not None and second in KINDS:
        raw[group]["conditions"].append({"kind": second})
    elif verb == "remove" and group is not None and second.isdecimal() and int(second) < len(raw[group]["conditions"]):
        del raw[group]["conditions"][int(second)]
    elif verb == "drop" and group is not None and len(raw) > 1:
        del raw[group]


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
        self.fields["staff"].choices = list(staff.items())  # type: ignore[attr-defined]

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

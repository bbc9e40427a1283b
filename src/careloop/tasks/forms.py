"""Parse what the pages of retry rules and of unreachable patients send; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from careloop.tasks import rules
from careloop.tasks.actions import LOST_REASONS
from careloop.tasks.reads import UnreachableQuery
from careloop.tasks.reads.wording import LOST_LABELS
from careloop.tasks.reads.worklist import UNREACHED

SPARE_RUNGS = 3


class LadderHead(forms.Form):
    """From when, why, and which version was edited."""

    valid_from = forms.DateField(label=_("In force from"))
    note = forms.CharField(max_length=300, required=False, label=_("Why"))
    based_on = forms.IntegerField(min_value=0)


class LossForm(forms.Form):
    """Why somebody is lost."""

    reason = forms.ChoiceField(choices=[(code, LOST_LABELS[code]) for code in LOST_REASONS], label=_("Reason"))
    note = forms.CharField(max_length=250, required=False, label=_("Note"))


class UnreachableForm(forms.Form):
    """The chips above the list; anything unreadable narrows nothing."""

    department = forms.UUIDField(required=False)
    outcome = forms.ChoiceField(choices=[("", ""), *[(code, code) for code in UNREACHED]], required=False)
    at_least = forms.IntegerField(required=False, min_value=1, max_value=99)
    no_number = forms.BooleanField(required=False)
    offset = forms.IntegerField(required=False, min_value=0, max_value=100_000)

    def query(self) -> UnreachableQuery:
        """What was understood."""
        self.is_valid()
        given = self.cleaned_data
        return UnreachableQuery(
            department_id=given.get("department"), outcome=given.get("outcome") or "",
            at_least=given.get("at_least") or 1, no_number=bool(given.get("no_number")),
            offset=given.get("offset") or 0,
        )  # fmt: skip


def ladder_content(given: QueryDict, before: Mapping[str, Any]) -> dict[str, Any]:
    """The edited ladder; hours and parts of the day keep their order. What cannot be read is left for the check to find."""
    content = deepcopy(dict(before))
    content["calling_hours"] = {"from": given.get("opens", ""), "to": given.get("closes", "")}
    content["bands"] = [
        {"code": band["code"], "from": given.get(f"band.{n}.from", ""), "to": given.get(f"band.{n}.to", "")}
        for n, band in enumerate(before["bands"])
    ]
    content["rungs"] = dict(_rungs(given))
    content["after"] = {code: _step(given, code) for code in rules.RETRIED}
    content["follow"] = {code: given.get(f"follow.{code}", "none") for code in rules.FOLLOWED}
    content["no_number"] = given.get("no_number", "")
    for name in ("tries_per_number", "contact_check_within_hours", "review_within_hours"):
        content[name] = _number(given.get(name, ""))
    return content


def _rungs(given: QueryDict) -> Iterator[tuple[str, dict[str, Any]]]:
    for n, code in enumerate(given.getlist("rung.code")):
        if not code.strip():
            continue
        rung: dict[str, Any] = {
            "do": given.get(f"rung.{n}.do", ""), "next": given.get(f"rung.{n}.next", "").strip(),
            "number": given.get(f"rung.{n}.number", "best"), "message": f"rung.{n}.message" in given,
            "days": _number(given.get(f"rung.{n}.days", "")),
        }  # fmt: skip
        yield code.strip()[:40], rung


def _step(given: QueryDict, code: str) -> dict[str, Any]:
    return {
        "wait": given.get(f"after.{code}.wait", ""), "minutes": _number(given.get(f"after.{code}.minutes", "")),
        "same_number": f"after.{code}.same_number" in given, "start": given.get(f"after.{code}.start", ""),
    }  # fmt: skip


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0

"""Input of the plan pages."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from careloop.kernel.choices import choose_from
from careloop.kernel.display import Words
from careloop.plans.models import PlanDefinition
from careloop.plans.rules.drafting import DROPPED

HAND_REASONS = (
    ("patient-request", _("Patient asked for it")),
    ("other-hospital", _("Followed up elsewhere")),
    ("recovered", _("Recovered")),
    ("entered-in-error", _("Started by mistake")),
)
DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class VisitForm(forms.Form):
    """A visit for one patient that the protocol does not have."""

    title = forms.CharField(label=_("What for"), max_length=120)
    day = forms.DateField(label=_("Day"), widget=DAY)


class MoveForm(forms.Form):
    """An open step goes to another day."""

    day = forms.DateField(label=_("New day"), widget=DAY)


class EndForm(forms.Form):
    """Why a plan ends."""

    reason = forms.ChoiceField(label=_("Reason"), choices=HAND_REASONS)


DOERS = (
    ("follow-up-centre", _("Follow-up centre")),
    ("ward-nurse", _("Ward nurse")),
    ("attending-doctor", _("Attending doctor")),
    ("same-nurse", _("The nurse who called before")),
    ("myself", _("Myself")),
)
AIMS = (
    ("blood-pressure", _("Blood pressure")),
    ("ldl-c", "LDL-C"),
    ("fasting-glucose", _("Fasting glucose")),
    ("weight", _("Weight")),
)


class OwnerForm(forms.Form):
    """Who does the contacts of a plan: a rule, or the person who is asking."""

    MYSELF = "myself"
    owner = forms.ChoiceField(label=_("Done by"), choices=DOERS)


class TargetForm(forms.Form):
    """A target for one patient."""

    name = forms.ChoiceField(label=_("Target for"), choices=AIMS)
    value = forms.CharField(label=_("Target value"), max_length=40)


# What these forms offer, for the card that shows them with every record.
OWNERS = Words(dict(DOERS))
TARGETS = Words(dict(AIMS))
REASONS = Words(dict(HAND_REASONS))


class StartForm(forms.Form):
    """Which plan to start by hand."""

    definition = forms.ModelChoiceField(label=_("Plan"), queryset=PlanDefinition.objects.none(), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self, "definition", PlanDefinition.objects.active())


class NewPlanForm(forms.Form):
    """A plan from nothing."""

    title = forms.CharField(label=_("Plan title"), max_length=120)
    title_en = forms.CharField(label=_("Plan title in English"), max_length=120)
    name = forms.RegexField(
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        label=_("Short name for the address"),
        max_length=60,
        help_text=_("Small letters, digits and hyphens: heart-failure-2027"),
    )


class ReplayForm(forms.Form):
    """How far back to play, and who would be there to work."""

    months = forms.IntegerField(label=_("Months back"), min_value=1, max_value=12, initial=6)
    nurses = forms.IntegerField(label=_("Nurses"), min_value=1, max_value=500)
    per_day = forms.IntegerField(label=_("Calls per nurse and day"), min_value=1, max_value=300)
    by_roster = forms.BooleanField(label=_("The people of the roster instead: teams, shifts and leave"), required=False)


class ReturnForm(forms.Form):
    """Why a draft goes back to its author."""

    note = forms.CharField(label=_("What should be changed"), max_length=400)


def step_values(data: QueryDict) -> dict[str, Any]:
    """The fields of one step as the plan's JSON has them. What is no number stays a text, so that the page can say so."""
    activity = data.get("activity", "")
    text = _words(data, "text")
    return {
        "title": _words(data, "title"),
        "purpose": data.get("purpose", ""),
        "activity": activity,
        "anchor": _or_dropped(data.get("anchor", ""), "discharge"),
        "first_from": _or_dropped(data.get("first_from", ""), "discharge"),
        "of_step": _or_dropped(data.get("of_step", "")) if data.get("anchor") == "previous-completion" else DROPPED,
        "schedule": data.get("schedule", "").strip(),
        "window": [_number(data.get("before", "")), _number(data.get("after", ""))],
        "times": _number(data.get("times", ""), empty=DROPPED),
        "until": _or_dropped(data.get("until", "")),
        "shift": _or_dropped(data.get("shift", ""), "keep"),
        "ladder": _ladder(data),
        "owner": _or_dropped(data.get("owner", ""), "follow-up-centre"),
        "questionnaire": _or_dropped(data.get("questionnaire", "")) if activity == "questionnaire" else DROPPED,
        "education": _or_dropped(data.get("education", "")) if activity == "education" else DROPPED,
        "text": text if any(text.values()) else DROPPED,
        "lapses": True if data.get("lapses") else DROPPED,
    }


def rule_values(data: QueryDict) -> dict[str, Any]:
    """The enrolment rule as the plan's JSON has it; conditions that are left empty are left out."""
    age = {
        key: number
        for key, name in (("from", "age_from"), ("to", "age_to"))
        if (number := _number(data.get(name, ""), empty=None)) is not None
    }
    return {
        "diagnoses": _codes(data, "diagnoses", main_only=bool(data.get("main_only"))),
        "procedures": _codes(data, "procedures"),
        "either_code": True if data.get("either_code") else DROPPED,
        "departments": _chosen(data, "departments"),
        "dispositions": _chosen(data, "dispositions"),
        "encounter_classes": data.getlist("encounter_classes") or DROPPED,
        "sex": _or_dropped(data.get("sex", "")),
        "age": age or DROPPED,
    }


def end_values(data: QueryDict) -> dict[str, Any]:
    """When the plan ends."""
    return {
        "after": _or_dropped(data.get("after", "")),
        "on": _or_dropped(data.get("on", "")),
        "after_completed": _number(data.get("after_completed", ""), empty=DROPPED),
        "causes": data.getlist("causes") or DROPPED,
    }


def head_values(data: QueryDict) -> dict[str, Any]:
    """Titles, kind, validity, sources and targets. Sources: one a line, `title | place | checked`."""
    targets = [line.partition("=") for line in data.get("targets", "").splitlines() if line.strip()]
    return {
        "title": _words(data, "title"),
        "description": _words(data, "description"),
        "version": data.get("version", "").strip(),
        "category": data.get("category", ""),
        "group": data.get("group", "").strip(),
        "specialty": data.get("specialty", "").strip(),
        "valid_from": data.get("valid_from", "").strip(),
        "valid_to": _or_dropped(data.get("valid_to", "")),
        "covers_first_contact": bool(data.get("covers_first_contact")),
        "sources": [_source(line) for line in data.get("sources", "").splitlines() if line.strip()],
        "targets": {name.strip(): value.strip() for name, _equals, value in targets} or DROPPED,
    }


def source_lines(sources: object) -> str:
    """Sources as the text field shows them; `head_values` reads the same."""
    lines = []
    for source in sources if isinstance(sources, list) else []:
        if isinstance(source, dict):
            marks = [
                str(source.get("title", "")),
                str(source.get("locator", "")),
                CHECKED if source.get("verified") else "",
            ]
            lines.append(" | ".join(marks).rstrip(" |"))
    return "\n".join(lines)


CHECKED = "checked"
_CHECKED_WORDS = frozenset({CHECKED, "yes", "已核对", "是"})


def _source(line: str) -> dict[str, Any]:
    title, place, checked = [*[part.strip() for part in line.split("|")], "", ""][:3]
    return {"title": title, "locator": place, "verified": checked.lower() in _CHECKED_WORDS}


def _words(data: QueryDict, name: str) -> dict[str, str]:
    return {"zh": data.get(f"{name}_zh", "").strip(), "en": data.get(f"{name}_en", "").strip()}


def _or_dropped(text: str, usual: str = "") -> object:
    """A text, or nothing at all when it is empty or says what holds anyway."""
    plain = text.strip()
    return DROPPED if plain in ("", usual) else plain


def _number(text: str, *, empty: object = 0) -> object:
    """Digits as a number (full-width ones too); anything else stays what it is, for the parser to name it."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        return empty
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 7 else plain


def _ladder(data: QueryDict) -> list[dict[str, object]]:
    rungs: list[dict[str, object]] = []
    for channel, wait in zip(data.getlist("channel"), data.getlist("wait"), strict=False):
        if channel:
            hours = _number(wait)
            rungs.append({"channel": channel, "wait_hours": hours} if hours else {"channel": channel})
    return rungs


def _codes(data: QueryDict, name: str, *, main_only: bool = False) -> object:
    found: dict[str, object] = {}
    for key in ("any", "none"):
        codes = [code for code in re.split(r"[,，、;；\s]+", data.get(f"{name}_{key}", "")) if code]
        if codes:
            found[key] = codes
    if main_only and found:
        found["main_only"] = True
    return found or DROPPED


def _chosen(data: QueryDict, name: str) -> object:
    found = {key: values for key in ("any", "none") if (values := data.getlist(f"{name}_{key}"))}
    return found or DROPPED

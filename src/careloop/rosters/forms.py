"""Parse and check what a page sends; nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from careloop.kernel.choices import offer
from careloop.rosters.models import MOST_A_DAY, Leave, Shift
from careloop.rosters.reads.workload import LONGEST
from careloop.tasks.models import QUEUE_KINDS, Task

WEEKDAYS = (
    (0, _("Monday")), (1, _("Tuesday")), (2, _("Wednesday")), (3, _("Thursday")), (4, _("Friday")),
    (5, _("Saturday")), (6, _("Sunday")),
)  # fmt: skip
KINDS = [("", _("Any kind")), *[(kind, Task.Kind(kind).label) for kind in QUEUE_KINDS]]


class TeamForm(forms.Form):
    """A new team."""

    name = forms.CharField(max_length=60, label=_("Name of the team"))
    organization = forms.UUIDField(label=_("Kept by"))
    departments = forms.TypedMultipleChoiceField(coerce=str, required=False, label=_("Follows up"))

    def __init__(self, data: Mapping[str, Any] | None, departments: list[tuple[str, str]]) -> None:
        super().__init__(data)
        offer(self, "departments", departments)


class MemberForm(forms.Form):
    """Capacity and skills of a member."""

    practitioner = forms.UUIDField(required=False)
    capacity = forms.IntegerField(min_value=1, max_value=MOST_A_DAY, label=_("Patients a day"))


class SkillForm(forms.Form):
    """A skill and what needs it."""

    code = forms.SlugField(max_length=40, label=_("Code"))
    name = forms.CharField(max_length=60, label=_("Name of the skill"))
    kind = forms.ChoiceField(choices=KINDS, required=False, label=_("Kind of task"))
    plan_title = forms.CharField(max_length=120, required=False, label=_("Plan"))


class ShiftForm(forms.Form):
    """When somebody works."""

    practitioner = forms.UUIDField(label=_("Who"))
    first_day = forms.DateField(label=_("First day"))
    last_day = forms.DateField(required=False, label=_("Last day"))
    weekdays = forms.TypedMultipleChoiceField(choices=WEEKDAYS, coerce=int, label=_("Days of the week"))
    part = forms.ChoiceField(choices=Shift.Part.choices, label=_("Part of the day"))


class LeaveForm(forms.Form):
    """When somebody is away."""

    practitioner = forms.UUIDField(label=_("Who"))
    first_day = forms.DateField(label=_("First day"))
    first_half = forms.ChoiceField(choices=Leave.Half.choices, label=_("From"))
    last_day = forms.DateField(required=False, label=_("Last day"))
    last_half = forms.ChoiceField(choices=Leave.Half.choices, label=_("Until"))
    reason = forms.ChoiceField(
        choices=[c for c in Leave.Reason.choices if c[0] != Leave.Reason.FROM_ALERTS], label=_("Reason")
    )


class PeriodForm(forms.Form):
    """First and last day of the fairness report; anything unreadable falls back to the last seven days."""

    first = forms.DateField(required=False)
    last = forms.DateField(required=False)

    def period(self, *, today: date) -> tuple[date, date]:
        """In order, not longer than a quarter."""
        self.is_valid()
        last = _of_our_time(self.cleaned_data.get("last") or today)
        first = _of_our_time(self.cleaned_data.get("first") or last - timedelta(days=6))
        first, last = min(first, last), max(first, last)
        return max(first, last - LONGEST), last


def _of_our_time(day: date) -> date:
    """The calendar of the computer ends in the years 1 and 9999, where nothing can be added or taken away any more."""
    return min(max(day, date(1900, 1, 1)), date(2999, 12, 31))

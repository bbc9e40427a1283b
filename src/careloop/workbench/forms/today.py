"""Chips and small dialogs of today's list."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.patients.models import Risk
from careloop.tasks import rules
from careloop.tasks.reads import TABS, ListQuery

QUICK_PROMISES = ("30m", "2h", "afternoon", "tomorrow")


def read_list(asked: QueryDict) -> ListForm:
    """The address of the list, understood. The same address is read once: the page asks for it after every step."""
    text = asked.urlencode()
    return _read_list(text) if len(text) < 400 else ListForm(asked)


@lru_cache(maxsize=500)
def _read_list(text: str) -> ListForm:
    form = ListForm(QueryDict(text))
    form.is_valid()
    return form


class ListForm(forms.Form):
    """The list's address: tab and chips. What cannot be read is left out, so an old bookmark still opens."""

    tab = forms.ChoiceField(choices=[(tab, tab) for tab in TABS], required=False)
    mine = forms.BooleanField(required=False)
    department = forms.UUIDField(required=False)
    plan = forms.CharField(max_length=120, required=False)
    risk = forms.ChoiceField(choices=Risk.choices, required=False)
    discharged = forms.TypedChoiceField(choices=[(n, n) for n in ("3", "7", "30")], coerce=int, required=False)
    offset = forms.IntegerField(min_value=0, max_value=100_000, required=False)

    def query(self, *, at: datetime) -> ListQuery:
        """What to ask the database."""
        self.is_valid()
        value: dict[str, Any] = {name: self.cleaned_data.get(name) for name in self.fields}
        return ListQuery(
            tab=value["tab"] or "todo",
            mine=bool(value["mine"]),
            department_id=value["department"] if isinstance(value["department"], UUID) else None,
            plan=value["plan"] or "",
            risk=value["risk"] or "",
            discharged_from=_days_ago(value["discharged"], at),
            merged=True,
            offset=value["offset"] or 0,
        )

    def chips(self) -> dict[str, str]:
        """The filters that are on, as they stand in the address (no tab, no page)."""
        self.is_valid()
        on = {name: self.cleaned_data.get(name) for name in ("mine", "department", "plan", "risk", "discharged")}
        return {name: "1" if value is True else str(value) for name, value in on.items() if value}


def _days_ago(days: int | str | None, at: datetime) -> date | None:
    return timezone.localtime(at).date() - timedelta(days=int(days)) if days else None


class AttemptForm(forms.Form):
    """A result of one try: an outcome, the way, the number called, a promised time where the outcome needs one.

    `happened_at`: when a visit was, if it is written down later.
    """

    outcome = forms.ChoiceField(choices=[(code, code) for code in rules.OUTCOMES])
    contact_point = forms.UUIDField(required=False)
    channel = forms.ChoiceField(choices=[(code, code) for code in rules.CHANNELS], required=False)
    happened_at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])
    seconds = forms.IntegerField(min_value=0, max_value=6 * 3600, required=False)
    when = forms.ChoiceField(choices=[(quick, quick) for quick in (*QUICK_PROMISES, "at")], required=False)
    promised_at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])
    note = forms.CharField(max_length=300, required=False)

    def began(self, *, at: datetime) -> datetime:
        """When the contact began: the moment given for a visit, or so many seconds before the end of a call."""
        moment: datetime | None = self.cleaned_data.get("happened_at")
        if rules.is_in_person(self.channel_code()):
            return moment or at
        return at - timedelta(seconds=self.cleaned_data.get("seconds") or 0)

    def channel_code(self) -> str:
        """The way; a call unless something else is said."""
        return self.cleaned_data.get("channel") or rules.PHONE

    def promise(self, *, at: datetime) -> datetime | None:
        """When to call again: a quick choice or a moment."""
        quick = self.cleaned_data.get("when")
        if quick and quick != "at":
            return quick_promise(quick, at=timezone.localtime(at))
        moment: datetime | None = self.cleaned_data.get("promised_at")
        return moment

    def clean(self) -> dict[str, Any]:
        """A promise into the past is a slip of the finger."""
        data = super().clean() or self.cleaned_data
        moment = data.get("promised_at")
        if moment is not None and moment < timezone.now() - timedelta(minutes=1):
            self.add_error("promised_at", _("This time is over."))
        return data


def quick_promise(code: str, *, at: datetime) -> datetime:
    """The four times that are promised most. `at` in the hospital's time zone."""
    if code == "30m":
        return at + timedelta(minutes=30)
    if code == "2h":
        return at + timedelta(hours=2)
    if code == "afternoon" and at.hour < 15:
        return at.replace(hour=15, minute=0, second=0, microsecond=0)
    return (at + timedelta(days=1)).replace(hour=9, minute=30, second=0, microsecond=0)


class FilterForm(forms.Form):
    """A name for the filters of the moment."""

    name = forms.CharField(max_length=40)


class WhyForm(forms.Form):
    """Who is asked about."""

    q = forms.CharField(max_length=60, required=False)
    patient = forms.UUIDField(required=False)

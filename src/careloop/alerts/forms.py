"""What people send about alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from careloop.alerts.models import Duty


class BoardFilter(forms.Form):
    """The state of the board, as it stands in the address. Anything unknown falls back to everything that is open."""

    SEVERITIES = ("critical", "high", "watch")
    STATES = ("open", "closed")

    severity = forms.CharField(required=False)
    state = forms.CharField(required=False)
    mine = forms.BooleanField(required=False)

    def clean_severity(self) -> str:
        given: str = self.cleaned_data["severity"]
        return given if given in self.SEVERITIES else ""

    def clean_state(self) -> str:
        given: str = self.cleaned_data["state"]
        return given if given in self.STATES else "open"

    def clean(self) -> dict[str, Any]:
        """What cannot even be read, such as a NUL, is left out by Django: it falls back likewise."""
        return {"severity": "", "state": "open", "mine": False} | (super().clean() or {})


class StepForm(forms.Form):
    """One step with a code and a line."""

    code = forms.CharField(max_length=40, label=_("Action"))
    note = forms.CharField(max_length=300, required=False, label=_("Note"))
    days = forms.IntegerField(min_value=0, max_value=365, required=False, label=_("Days"))


class HandOverForm(forms.Form):
    """To whom, and why."""

    to = forms.UUIDField(label=_("Colleague"))
    note = forms.CharField(max_length=300, required=False, label=_("Note"))


class UndoForm(forms.Form):
    """Which step is meant."""

    step = forms.UUIDField(required=False)


class PeriodForm(forms.Form):
    """Something from then to then (local time), or open at the end."""

    FIELDS: ClassVar[Mapping[str, str]] = {}  # field of the form → argument of the action, where they differ

    valid_from = forms.DateTimeField(label=_("Starts"))
    valid_to = forms.DateTimeField(required=False, label=_("Ends"))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        begin, end = given.get("valid_from"), given.get("valid_to")
        if begin and end and end <= begin:
            raise forms.ValidationError(_("The end must be later than the beginning."))
        return given

    def entry(self) -> dict[str, Any]:
        """What was given, by the names the actions know."""
        return {self.FIELDS.get(name, name): value for name, value in self.cleaned_data.items()}


class DutyForm(PeriodForm):
    """Who is on duty, head or oversight of a department."""

    FIELDS = {"organization": "organization_id", "practitioner": "practitioner_id"}

    organization = forms.UUIDField(label=_("Department"))
    kind = forms.ChoiceField(choices=Duty.Kind.choices, label=_("Duty"))
    practitioner = forms.UUIDField(label=_("Who"))
    phone = forms.CharField(max_length=30, required=False, label=_("Duty phone"))


class AbsenceForm(PeriodForm):
    """Who is away, and who stands in."""

    FIELDS = {"practitioner": "practitioner_id", "stand_in": "stand_in_id"}

    practitioner = forms.UUIDField(label=_("Who"))
    stand_in = forms.UUIDField(required=False, label=_("Stand-in"))

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if given.get("stand_in") and given["stand_in"] == given.get("practitioner"):
            raise forms.ValidationError(_("The stand-in must be somebody else."))
        return given

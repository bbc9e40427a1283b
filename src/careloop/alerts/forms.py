"""What people send about alerts."""

from __future__ import annotations

from typing import Any

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


class DutyForm(forms.Form):
    """Who is on duty, head or oversight of a department, and from when to when (local time)."""

    organization = forms.UUIDField(label=_("Department"))
    kind = forms.ChoiceField(choices=Duty.Kind.choices, label=_("Duty"))
    practitioner = forms.UUIDField(label=_("Who"))
    phone = forms.CharField(max_length=30, required=False, label=_("Duty phone"))
    valid_from = forms.DateTimeField(label=_("Starts"))
    valid_to = forms.DateTimeField(required=False, label=_("Ends"))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        begin, end = given.get("valid_from"), given.get("valid_to")
        if begin and end and end <= begin:
            raise forms.ValidationError(_("The end must be later than the beginning."))
        return given


class AbsenceForm(forms.Form):
    """Who is away, and who stands in."""

    practitioner = forms.UUIDField(label=_("Who"))
    stand_in = forms.UUIDField(required=False, label=_("Stand-in"))
    valid_from = forms.DateTimeField(label=_("Starts"))
    valid_to = forms.DateTimeField(required=False, label=_("Ends"))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        begin, end = given.get("valid_from"), given.get("valid_to")
        if begin and end and end <= begin:
            raise forms.ValidationError(_("The end must be later than the beginning."))
        if given.get("practitioner") and given.get("practitioner") == given.get("stand_in"):
            raise forms.ValidationError(_("The stand-in must be somebody else."))
        return given

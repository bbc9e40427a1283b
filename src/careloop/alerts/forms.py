"""What people send about alerts."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


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

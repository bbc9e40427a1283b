"""Input of the programme and opinion pages."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

ENDING_LABELS = (
    ("moved", _("Moved away")),
    ("transferred", _("Transferred to another institution")),
    ("refused", _("Refuses further follow-up")),
    ("lost", _("Lost to follow-up")),
    ("wrong-diagnosis", _("Registered by mistake or wrong diagnosis")),
)


class EndManagementForm(forms.Form):
    """Why the management ends."""

    reason = forms.ChoiceField(label=_("Reason"), choices=ENDING_LABELS)


class RegisterForm(forms.Form):
    """A patient comes into a programme by hand."""

    programme = forms.CharField(max_length=30)
    started_on = forms.DateField(
        label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    noticed_at = forms.DateTimeField(
        label=_("Notice received"), required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M"],
    )  # fmt: skip


class ChooseForm(forms.Form):
    """The doctor's own opinion."""

    code = forms.CharField(max_length=40)
    note = forms.CharField(max_length=300, required=False, strip=True)

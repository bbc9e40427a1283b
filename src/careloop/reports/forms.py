"""What a dashboard's address says."""

from __future__ import annotations

from datetime import date

from django import forms

from careloop.reports import rules


class PeriodForm(forms.Form):
    """Month, department, person and a question of a survey. Anything that is not one is ignored."""

    month = forms.CharField(required=False, max_length=7)
    department = forms.UUIDField(required=False)
    person = forms.UUIDField(required=False)
    question = forms.CharField(required=False, max_length=255)

    def clean_month(self) -> date | None:
        return rules.parse_month(self.cleaned_data["month"])

"""What people send about a patient: filters of the list, numbers, consents, a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.kernel.choices import choose_from
from careloop.patients.actions import SCOPES
from careloop.patients.models import Consent, Patient, Risk
from careloop.patients.reads import PatientFilter
from careloop.patients.rules.codes import RELATION_WORDS

DAYS = (0, 7, 30, 90, 365)


class ListForm(forms.Form):
    """The state of the list, as it stands in the address. What cannot be read narrows nothing."""

    q = forms.CharField(required=False, max_length=60)
    department = forms.UUIDField(required=False)
    risk = forms.ChoiceField(required=False, choices=[("", ""), *Risk.choices])
    diagnosis = forms.CharField(required=False, max_length=20)
    days = forms.TypedChoiceField(required=False, coerce=int, choices=[(d, d) for d in DAYS])
    after = forms.CharField(required=False, max_length=80)

    def wanted(self) -> PatientFilter:
        """The filter; fields with faults are left out."""
        self.is_valid()
        given = self.cleaned_data
        return PatientFilter(
            department_id=given.get("department"),
            risk=given.get("risk") or "",
            diagnosis=given.get("diagnosis") or "",
            days=given.get("days") or 0,
        )

    def after_key(self) -> tuple[datetime, UUID] | None:
        """The last line of the page before, from `2026-11-20T02:00:00+00:00_<uuid>`."""
        moment, __, pk = self.cleaned_data.get("after", "").partition("_")
        try:
            parsed = parse_datetime(moment.replace(" ", "+"))
            return (parsed, UUID(pk)) if parsed and parsed.tzinfo else None
        except ValueError:
            return None


class NumberForm(forms.Form):
    """A telephone number and whose it is."""

    number = forms.CharField(max_length=40, label=_("Number"))
    owner = forms.CharField(max_length=60, required=False, label=_("Whose"))


class RelativeForm(forms.Form):
    """A relative and what they may do."""

    name = forms.CharField(max_length=120, label=_("Name"))
    relation = forms.ChoiceField(
        required=False, choices=[("", ""), *((c, c) for c in sorted(set(RELATION_WORDS.values())))], label=_("Relation")
    )
    may_answer = forms.BooleanField(required=False)
    may_receive = forms.BooleanField(required=False)


class ParticularsForm(forms.Form):
    """What a patient told about themself. A field that is not sent changes nothing; an empty one takes the word away."""

    address = forms.CharField(required=False, max_length=300, label=_("Address"))
    employer = forms.CharField(required=False, max_length=200, label=_("Employer"))
    occupation = forms.CharField(required=False, max_length=60, label=_("Occupation"))
    insurance = forms.CharField(required=False, max_length=60, label=_("Insurance"))
    ethnicity = forms.CharField(required=False, max_length=40, label=_("Ethnic group"))
    language = forms.CharField(required=False, max_length=40, label=_("Language"))
    marital_status = forms.CharField(required=False, max_length=20, label=_("Marital status"))

    def given(self) -> dict[str, str]:
        """Only what was sent."""
        return {name: self.cleaned_data[name] for name in self.fields if name in self.data}


class GrantForm(forms.Form):
    """Who may see a record that is not theirs, why, and for how long."""

    HOURS = (4, 24, 72, 168)
    person = forms.ModelChoiceField(label=_("Colleague"), queryset=Practitioner.objects.none())
    reason = forms.CharField(label=_("Reason"), max_length=300)
    hours = forms.TypedChoiceField(label=_("For how long"), coerce=int, choices=[(h, h) for h in HOURS])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self, "person", Practitioner.objects.filter(is_active=True))


class SensitivityForm(forms.Form):
    """Open to the care team, or to nobody without the right to sensitive records."""

    sensitivity = forms.ChoiceField(choices=Patient.Sensitivity.choices)


class ConsentForm(forms.Form):
    """One decision of the patient."""

    scope = forms.ChoiceField(choices=[(scope, scope) for scope in SCOPES])
    decision = forms.ChoiceField(choices=Consent.Decision.choices)


class TrendForm(forms.Form):
    """How far back the trend goes."""

    days = forms.TypedChoiceField(required=False, coerce=int, choices=[(30, 30), (90, 90), (365, 365)])

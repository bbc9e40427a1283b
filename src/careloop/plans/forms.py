"""Input of the plan pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from careloop.plans.models import PlanDefinition

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


class OwnerForm(forms.Form):
    """Who does the contacts of a plan: a rule, or the person who is asking."""

    MYSELF = "myself"
    owner = forms.ChoiceField(
        label=_("Done by"),
        choices=(
            ("follow-up-centre", _("Follow-up centre")),
            ("ward-nurse", _("Ward nurse")),
            ("attending-doctor", _("Attending doctor")),
            ("same-nurse", _("The nurse who called before")),
            (MYSELF, _("Myself")),
        ),
    )


class TargetForm(forms.Form):
    """A target for one patient."""

    name = forms.ChoiceField(
        label=_("Target for"),
        choices=(
            ("blood-pressure", _("Blood pressure")),
            ("ldl-c", "LDL-C"),
            ("fasting-glucose", _("Fasting glucose")),
            ("weight", _("Weight")),
        ),
    )
    value = forms.CharField(label=_("Target value"), max_length=40)


class StartForm(forms.Form):
    """Which plan to start by hand."""

    definition = forms.ModelChoiceField(label=_("Plan"), queryset=PlanDefinition.objects.none(), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["definition"].queryset = PlanDefinition.objects.active()  # type: ignore[attr-defined]

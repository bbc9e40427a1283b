"""Input of the discharge list and its drawer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from careloop.kernel.choices import choose_from
from careloop.plans.forms import HAND_REASONS, OwnerForm
from careloop.plans.models import PlanDefinition
from careloop.workbench.reads.discharges import DAYS, STATES, ListQuery

NO_FOLLOW_UP = tuple(one for one in HAND_REASONS if one[0] != "entered-in-error")
FARTHEST = 730


class ListForm(forms.Form):
    """The list's address. What cannot be read is left out, so an old bookmark still opens."""

    days = forms.TypedChoiceField(choices=[(str(n), str(n)) for n in DAYS], coerce=int, required=False)
    department = forms.UUIDField(required=False)
    state = forms.ChoiceField(choices=[(one, one) for one in STATES], required=False)
    open = forms.UUIDField(required=False)
    offset = forms.IntegerField(min_value=0, max_value=100_000, required=False)

    def query(self) -> ListQuery:
        """What to ask the database."""
        self.is_valid()
        given = self.cleaned_data
        department = given.get("department")
        return ListQuery(
            days=given.get("days") or DAYS[0],
            department_id=department if isinstance(department, UUID) else None,
            state=given.get("state") or "",
            offset=given.get("offset") or 0,
        )


class ConfirmForm(forms.Form):
    """The plan chosen for a patient without one; empty when a plan runs already."""

    definition = forms.ModelChoiceField(queryset=PlanDefinition.objects.none(), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self, "definition", PlanDefinition.objects.active())


class DeclineForm(forms.Form):
    """Why this patient is not followed up."""

    reason = forms.ChoiceField(label=_("Reason"), choices=NO_FOLLOW_UP)


class VisitForm(forms.Form):
    """One more contact, so many days from today."""

    days = forms.IntegerField(
        label=_("Days from today"), min_value=0, max_value=FARTHEST,
        error_messages={"max_value": _("At most two years ahead."), "min_value": _("Choose today or a later day.")},
    )  # fmt: skip
    channel = forms.ChoiceField(
        label=_("How"), choices=(("phone", _("Phone")), ("visit", _("Home visit")), ("clinic", _("Clinic")))
    )
    title = forms.CharField(label=_("What for"), max_length=120)


class TickForm(forms.Form):
    """Whether a step is to be done."""

    on = forms.BooleanField(required=False)


class MoveForm(forms.Form):
    """An open step on another day."""

    day = forms.DateField(label=_("New day"))


NO_GOAL = dict.fromkeys(("required", "max_length"), _("Write the goal as a number; blood pressure as 130/80."))


class GoalForm(forms.Form):
    """A personal goal; the reader of goals says whether it can be meant."""

    name = forms.CharField(max_length=40, error_messages=NO_GOAL)
    value = forms.CharField(max_length=40, error_messages=NO_GOAL)


class OwnerChoice(OwnerForm):
    """Who does the contacts, as in the plan card."""


class CodeForm(forms.Form):
    """What the patient read out, and of which message."""

    communication = forms.UUIDField()
    code = forms.CharField(max_length=12)


LINK_LASTS = timedelta(days=1)

"""Reading what administrators typed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner, Role


class NamedChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]  # Django has no brackets for it when it runs
    """Departments or roles, by their names in the language of the page."""

    def label_from_instance(self, obj: Any) -> str:
        """The words of one choice."""
        return str(obj.called(get_language() or ""))


class FetchedForm(forms.Form):
    """Asks the database for its choices when it is made, in the view, never while a template renders."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.ModelChoiceField):
                field.choices = list(field.choices)  # type: ignore[arg-type]  # the iterator of choices, once


class PersonForm(FetchedForm):
    """A new person. The user name may stay empty for people who never sign in."""

    name = forms.CharField(label=_("Name"), max_length=80)
    username = forms.SlugField(label=_("User name"), max_length=60, required=False)
    staff_number = forms.CharField(label=_("Staff number"), max_length=40, required=False)
    title = forms.CharField(label=_("Title"), max_length=60, required=False)
    organization = NamedChoiceField(label=_("Department"), queryset=Organization.objects.filter(is_active=True))


class ChangePersonForm(PersonForm):
    """What is known about a person. A user name can be given once; then it stays and is not asked again."""

    def __init__(self, *args: Any, person: Practitioner, **kwargs: Any) -> None:
        given = {name: getattr(person, name) for name in ("name", "username", "staff_number", "title")}
        super().__init__(*args, initial=given | {"organization": person.organization_id}, **kwargs)
        if person.username:
            self.fields["username"].disabled = True


class GrantForm(FetchedForm):
    """A role, where, and until when."""

    role = NamedChoiceField(label=_("Role"), queryset=Role.objects.all())
    organization = NamedChoiceField(label=_("Where"), queryset=Organization.objects.filter(is_active=True))
    valid_to = forms.DateTimeField(
        label=_("Until"), required=False, help_text=_("Empty: until somebody takes it away"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )  # fmt: skip
    reason = forms.CharField(label=_("Reason"), max_length=200)


class OrganizationForm(FetchedForm):
    """A new part of the hospital."""

    code = forms.SlugField(label=_("Code"), max_length=40)
    name = forms.CharField(label=_("Department name"), max_length=120)
    name_en = forms.CharField(label=_("English name"), max_length=120, required=False)
    kind = forms.ChoiceField(label=_("Kind"), choices=Organization.Kind.choices, initial=Organization.Kind.DEPARTMENT)
    parent = NamedChoiceField(label=_("Part of"), queryset=Organization.objects.filter(is_active=True))


class AuditFilter(forms.Form):
    """What to look for in the audit log; everything is optional."""

    actor = forms.CharField(label=_("Who"), max_length=80, required=False)
    name = forms.CharField(label=_("What"), max_length=80, required=False)
    patient_id = forms.UUIDField(
        label=_("Patient record"), required=False,
        error_messages={"invalid": _("This is no record of the log. Copy it from a row of the log or from a record's address.")},
    )  # fmt: skip
    outcome = forms.ChoiceField(label=_("Outcome"), required=False, choices=[("", _("All")), ("denied", _("Denied"))])
    since = forms.DateField(label=_("Since"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    before_id = forms.IntegerField(required=False)

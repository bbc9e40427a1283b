"""Choices of a form's field that are known only when the form is made: Django's forms say Field of every field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Model, QuerySet


def offer(form: forms.BaseForm, name: str, choices: Iterable[Any]) -> None:
    """Gives the choice field of this name its (value, words) pairs. Raises TypeError when it is no choice field."""
    _choice_field(form.fields[name]).choices = list(choices)


def choose_from(form: forms.BaseForm, name: str, rows: QuerySet[Model]) -> None:
    """Gives the model choice field of this name the rows it may choose from. Raises TypeError when it is none."""
    field = form.fields[name]
    if not isinstance(field, forms.ModelChoiceField):
        raise TypeError(f"{type(form).__name__}.{name} does not choose among rows")
    field.queryset = rows


def choices_of(fields: dict[str, forms.Field], name: str) -> Any:
    """What the choice field of this name offers; `fields` are a form's `fields` or a class's `base_fields`."""
    return _choice_field(fields[name]).choices


def _choice_field(field: forms.Field) -> forms.ChoiceField:
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{type(field).__name__} offers no choices")
    return field

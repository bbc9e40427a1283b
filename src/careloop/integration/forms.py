"""Filters and decisions of the 数据对接 page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization
from careloop.integration.models import InboxMessage
from careloop.kernel.choices import choose_from

_TYPED = frozenset({"event", "sender", "control"})


class MessageFilter(forms.Form):
    """What the list shows. Nothing is required; what makes no sense is left out."""

    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("All states")), *InboxMessage.State.choices]
    )
    channel = forms.ChoiceField(
        label=_("Channel"), required=False, choices=[("", _("All channels")), *InboxMessage.Channel.choices]
    )
    event = forms.CharField(label=_("Event"), required=False, max_length=40)
    sender = forms.CharField(label=_("Sender"), required=False, max_length=120)
    control = forms.CharField(label=_("Control ID"), required=False, max_length=120)
    code = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)
    subject = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)
    facility = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("state", "channel", "event", "sender", "control"):
            self.fields[name].widget.attrs = (
                {"class": "in auto", "size": 14} if name in _TYPED else {"class": "in auto"}
            )

    @property
    def wanted(self) -> dict[str, str]:
        """The filters in use, as for a query string. One that makes no sense does not take the others with it."""
        self.is_valid()
        return {key: str(value) for key, value in self.cleaned_data.items() if value and key != "before"}


def columns_form(given: Mapping[str, str]) -> tuple[dict[str, int], str]:
    """Which place each column has (`column-3` = `phone`), and who issued the numbers. What makes no sense is left out."""
    chosen: dict[str, int] = {}
    for name, code in given.items():
        place = name.removeprefix("column-")
        if name.startswith("column-") and place.isdecimal() and len(place) < 4 and code:
            chosen.setdefault(code, int(place))
    return chosen, given.get("facility", "").replace("\x00", "")


class DeadGroupForm(forms.Form):
    """Which dead letters are meant: all with one reason, sender and subject."""

    code = forms.CharField(max_length=60)
    facility = forms.CharField(max_length=120, required=False)
    subject = forms.CharField(max_length=120, required=False)


class MapForm(forms.Form):
    """A sender's code and the department it means."""

    facility = forms.CharField(max_length=120)
    value = forms.CharField(max_length=120)
    organization = forms.ModelChoiceField(queryset=Organization.objects.none(), to_field_name="id")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self, "organization", Organization.objects.filter(is_active=True))

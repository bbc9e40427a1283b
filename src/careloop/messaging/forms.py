"""Reading what was typed about templates and filters."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from careloop.messaging.models import Channel, Communication, MessageTemplate


class FilterForm(forms.Form):
    """Which messages to show. Anything unknown shows everything."""

    state = forms.ChoiceField(choices=[("", _("Any state")), *Communication.State.choices], required=False)
    channel = forms.ChoiceField(choices=[("", _("Any way")), *Channel.choices], required=False)
    before = forms.UUIDField(required=False)


class TemplateForm(forms.Form):
    """A new text. Its rules are checked by the action; here only what is missing."""

    code = forms.SlugField(
        label=_("Short name"), max_length=40, help_text=_("Latin letters and hyphens; rules refer to it")
    )
    channel = forms.ChoiceField(
        label=_("Channel"), choices=[(c.value, c.label) for c in (Channel.SMS, Channel.EMAIL, Channel.PORTAL)]
    )
    category = forms.ChoiceField(
        label=_("Kind"),
        choices=[c for c in MessageTemplate.Category.choices if c[0] != "one-time-code"],
    )
    title = forms.CharField(label=_("Template title"), max_length=60)
    zh = forms.CharField(label=_("Chinese text"), max_length=1000, widget=forms.Textarea(attrs={"rows": 4}), strip=True)
    en = forms.CharField(
        label=_("English text"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 4}), strip=True
    )

    def texts(self) -> dict[str, str]:
        """By language, empty ones left out."""
        return {language: self.cleaned_data[language] for language in ("zh", "en") if self.cleaned_data.get(language)}


class StepForm(forms.Form):
    """What the carrier said."""

    step = forms.ChoiceField(choices=[(s, s) for s in ("submit", "approve", "reject", "retire")])
    carrier_id = forms.CharField(max_length=60, required=False)
    reason = forms.CharField(max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        """A rejection without a reason helps nobody."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("step") == "reject" and not given.get("reason"):
            self.add_error("reason", _("Say why the carrier rejected it."))
        return given


class SettleForm(forms.Form):
    """What a person found out."""

    how = forms.ChoiceField(choices=[(s, s) for s in ("was-sent", "was-not-sent", "closed")])

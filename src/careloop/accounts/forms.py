"""Reading what was typed."""

from django import forms
from django.utils.translation import gettext_lazy as _


class SignInForm(forms.Form):
    """Name and password. Says nothing about which of the two was wrong."""

    username = forms.CharField(label=_("User name"), max_length=60)
    password = forms.CharField(label=_("Password"), max_length=200, strip=False)
    next = forms.CharField(required=False)


class PasswordForm(forms.Form):
    """Current password and the new one twice."""

    current = forms.CharField(label=_("Current password"), max_length=200, strip=False)
    new = forms.CharField(label=_("New password"), max_length=200, strip=False)
    again = forms.CharField(label=_("New password again"), max_length=200, strip=False)

    def clean(self) -> dict[str, object]:
        given: dict[str, object] = super().clean() or {}
        if given.get("new") != given.get("again"):
            self.add_error("again", _("The two new passwords differ."))
        return given

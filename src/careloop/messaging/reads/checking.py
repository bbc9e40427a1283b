"""Whether a template's texts may be saved. Asked while somebody types, and once more by the action that saves."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from careloop.kernel.errors import Refused
from careloop.messaging.reads import policy
from careloop.messaging.rules.wording import TemplateFault, check_template

FAULTS = {
    "empty": _("The text is empty."),
    "bad-brace": _("Braces may only stand around an allowed name, such as {salutation}."),
    "unknown-placeholder": _("This name may not be used: %(detail)s"),
    "forbidden-word": _("A message must not say: %(detail)s"),
    "too-long": _("The text may grow to %(detail)s SMS. At most 4 are allowed."),
    "language-missing": _("The text is missing in this language: %(detail)s"),
}


class TemplateRefused(Refused):
    """The text may not be saved; `fault` is the rule's code."""

    code = "template-refused"
    status = 422

    def __init__(self, fault: str, detail: str = "") -> None:
        super().__init__(FAULTS[fault] % {"detail": detail} if "%(detail)s" in str(FAULTS[fault]) else FAULTS[fault])
        self.fault = fault


def check_texts(texts: Mapping[str, str], *, sms: bool) -> None:
    """Raises TemplateRefused with the first fault; writes nothing."""
    if not texts:
        raise TemplateRefused("empty")
    for text in texts.values():
        try:
            check_template(text, policy.banned_words(), sms=sms)
        except TemplateFault as fault:
            raise TemplateRefused(fault.code, fault.detail) from None

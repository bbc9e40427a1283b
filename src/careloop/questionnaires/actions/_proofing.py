"""What keeps a form from being published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _

from careloop.kernel.errors import Refused
from careloop.questionnaires import rules
from careloop.questionnaires.reads.wording import mistake_words


class BadDefinition(Refused):
    code = "bad-questionnaire"
    message = _("This questionnaire cannot be used.")


def proofed(content: Mapping[str, Any], *, shipped: bool = False) -> rules.Form:
    """The parsed form, ready for publishing. Refused with every mistake and its place."""
    try:
        form = rules.parse(content)
    except rules.BadQuestionnaire as fault:
        raise BadDefinition(str(fault)) from None
    for name in ("valid_from", "valid_to"):
        if content.get(name) and not _is_date(content[name]):
            raise BadDefinition(f"{name} must be a date like 2026-01-31")
    if mistakes := rules.proofread(form, shipped=shipped):
        raise BadDefinition("\n".join(mistake_words(one) for one in mistakes))
    return form


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return False
    return True

"""A message's words: its template filled in; secrets only in the moment of sending."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings

from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads.claims import Candidate
from careloop.messaging.rules import wording
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.signing import one_time_code
from careloop.patients.rules.links import link_token

HIDDEN = "•••"


@lru_cache(maxsize=500)
def _texts(template_id: UUID) -> tuple[Mapping[str, str], Mapping[str, str], frozenset[str]]:
    """Subject, text and the names used, by language. An approved version never changes: read once a process."""
    template = MessageTemplate.objects.get(pk=template_id)
    used = frozenset().union(*(wording.placeholders(text) for text in template.texts.values()))
    return template.subject, template.texts, used


def compose(candidate: Candidate) -> Outgoing:
    """The message as it leaves. The link's address comes from the settings, never from a request (A22)."""
    subject, texts, used = _texts(candidate.template_id)
    values = candidate.params
    if used & wording.SECRETS:
        values = {**values, **_secrets(candidate, used)}
    text = wording.render(texts[candidate.language], values)
    return Outgoing(
        id=candidate.id,
        key=candidate.key,
        channel=candidate.channel,
        to=candidate.address,
        subject=subject.get(candidate.language, ""),
        text=text,
        segments=wording.sms_size(text).segments if candidate.channel == "sms" else 0,
        attempts=candidate.attempts + 1,
        maybe_sent=candidate.maybe_sent,
    )


def _secrets(candidate: Candidate, used: frozenset[str]) -> dict[str, str]:
    made = {}
    if "link" in used and candidate.link_id:
        made["link"] = link_address(candidate.link_id)
    if "code" in used:
        made["code"] = one_time_code(candidate.id, settings.SECRET_KEY)
    return made


def link_address(link_id: UUID) -> str:
    """Where a link leads: the portal's address and the token."""
    return f"{settings.ENV.public_url.rstrip('/')}/q/{link_token(link_id, settings.SECRET_KEY)}"


def shown_text(communication: Communication) -> str:
    """The words for staff: the same text, the link and the code as dots."""
    template: Any = communication.template
    if template is None:
        return ""
    return wording.render(
        template.texts[communication.language], {**communication.params, "link": HIDDEN, "code": HIDDEN}
    )

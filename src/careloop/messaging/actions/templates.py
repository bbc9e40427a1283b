"""The registry of texts: draft → submitted → approved or rejected → retired. Approved versions never change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import CommunicationsReleased, TemplateChanged
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads import policy
from careloop.messaging.reads.checking import TemplateRefused, check_texts
from careloop.messaging.rules.wording import SECRETS, placeholders

State = MessageTemplate.State


class TemplateStateRefused(Refused):
    """The template is not in the state that this step needs."""

    code = "template-state"
    message = _("Somebody already decided about this template. Load the page again.")


@action
def draft_template(
    *,
    code: str,
    channel: str,
    title: Mapping[str, str],
    texts: Mapping[str, str],
    subject: Mapping[str, str] | None = None,
    category: str = MessageTemplate.Category.CARE,
    urgent: bool = False,
    by: Viewer,
) -> MessageTemplate:
    """A new version as a draft. The same content as the newest version gives that version back.

    Refused: unknown names, braces that are no placeholder, words that tell a diagnosis, too many segments.
    """
    clean = {language: text.strip() for language, text in texts.items() if text.strip()}
    check_texts(clean, sms=channel == "sms")
    fingerprint = _fingerprint(clean, subject or {}, category, urgent)
    versions = MessageTemplate.objects.select_for_update().filter(code=code, channel=channel)
    newest = versions.order_by("-version").first()
    if newest and newest.content_hash == fingerprint and newest.state != State.RETIRED:
        return newest
    made = MessageTemplate.objects.create(
        code=code,
        channel=channel,
        version=(versions.aggregate(newest=Max("version"))["newest"] or 0) + 1,
        category=category,
        urgent=urgent,
        title=dict(title),
        subject=dict(subject or {}),
        texts=clean,
        content_hash=fingerprint,
    )
    _changed(made, by=by)
    return made


@action
def submit_template(*, template: MessageTemplate, at: datetime, by: Viewer) -> MessageTemplate:
    """Hand it to the carrier. Refused when a language that this hospital needs is missing."""
    missing = [language for language in policy.languages() if language not in template.texts]
    if missing:
        raise TemplateRefused("language-missing", ", ".join(missing))
    return _move(template, (State.DRAFT,), State.SUBMITTED, by=by, submitted_at=at)


@action
def approve_template(*, template: MessageTemplate, carrier_id: str = "", at: datetime, by: Viewer) -> MessageTemplate:
    """The carrier (or for our own pages, the hospital) said yes: this version is used from now on.

    The version before it is retired; messages that waited for this template are let go.
    """
    MessageTemplate.objects.filter(code=template.code, channel=template.channel, state=State.APPROVED).exclude(
        pk=template.pk
    ).update(state=State.RETIRED, decided_at=at, updated_at=at)
    approved = _move(
        template, (State.SUBMITTED,), State.APPROVED, by=by, decided_at=at, carrier_id=carrier_id, rejected_reason=""
    )
    _follow_new_version(approved, at=at, by=by)
    return approved


@action
def reject_template(*, template: MessageTemplate, reason: str, at: datetime, by: Viewer) -> MessageTemplate:
    """The carrier said no, for a reason that is kept."""
    return _move(template, (State.SUBMITTED,), State.REJECTED, by=by, decided_at=at, rejected_reason=reason[:200])


@action
def retire_template(*, template: MessageTemplate, at: datetime, by: Viewer) -> MessageTemplate:
    """Not used any more. Messages that wait with it are held back when their turn comes."""
    return _move(template, (State.DRAFT, State.APPROVED, State.REJECTED), State.RETIRED, by=by, decided_at=at)


@action
def load_templates(*, at: datetime, by: Viewer) -> int:
    """Bring the shipped texts up to date; says how many versions are new. What a hospital wrote itself is kept.

    They come approved: the demo gateway asks for no registration. A carrier that does is told by a new version.
    """
    versions = MessageTemplate.objects.order_by("version")
    newest = {(template.code, template.channel): template for template in versions}
    made = [
        fresh
        for shipped in policy.shipped_templates()
        for channel in shipped["channels"]
        if (fresh := _next_shipped(shipped, channel, newest.get((shipped["code"], channel)), at=at))
    ]
    for template in made:
        versions.filter(code=template.code, channel=template.channel, state=State.APPROVED).update(
            state=State.RETIRED, decided_at=at, updated_at=at
        )
    MessageTemplate.objects.bulk_create(made)
    record_all([_fact(template) for template in made], by=by)
    for template in made:
        if template.version > 1:
            _follow_new_version(template, at=at, by=by)
    return len(made)


def _next_shipped(
    shipped: Mapping[str, Any], channel: str, newest: MessageTemplate | None, *, at: datetime
) -> MessageTemplate | None:
    """The approved version to add, or None when the newest says the same or is the hospital's own."""
    texts, subject, urgent = shipped["channels"][channel], shipped["subject"], bool(shipped.get("urgent"))
    fingerprint = _fingerprint(texts, subject, shipped["category"], urgent)
    if newest is not None and (newest.origin == "hospital" or newest.content_hash == fingerprint):
        return None
    check_texts(texts, sms=channel == "sms")
    return MessageTemplate(
        code=shipped["code"],
        channel=channel,
        version=newest.version + 1 if newest else 1,
        category=shipped["category"],
        urgent=urgent,
        title=shipped["title"],
        subject=subject,
        texts=texts,
        state=State.APPROVED,
        submitted_at=at,
        decided_at=at,
        content_hash=fingerprint,
        origin="shipped",
    )


def _fingerprint(texts: Mapping[str, str], subject: Mapping[str, str], category: str, urgent: bool) -> str:
    content = json.dumps([texts, subject, str(category), urgent], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _move(
    template: MessageTemplate, before: tuple[str, ...], after: str, *, by: Viewer, **values: Any
) -> MessageTemplate:
    changed = MessageTemplate.objects.filter(pk=template.pk, state__in=before).update(state=after, **values)
    if not changed:
        raise TemplateStateRefused
    template.refresh_from_db()
    _changed(template, by=by)
    return template


def _changed(template: MessageTemplate, *, by: Viewer) -> None:
    record(_fact(template), by=by)


def _fact(template: MessageTemplate) -> TemplateChanged:
    return TemplateChanged(code=template.code, channel=template.channel, version=template.version, state=template.state)


def _follow_new_version(template: MessageTemplate, *, at: datetime, by: Viewer) -> None:
    """What waits takes the new version, if it has every value that the new text needs. The rest stays as it is."""
    needed = frozenset[str]().union(*(placeholders(text) for text in template.texts.values()))
    waiting = Communication.objects.unscoped("the template is everybody's").filter(
        template_code=template.code,
        channel=template.channel,
        state__in=[Communication.State.PREPARATION, Communication.State.QUEUED],
        maybe_sent=False,
    )
    if needed - SECRETS:
        waiting = waiting.filter(params__has_keys=sorted(needed - SECRETS))
    if "link" in needed:
        waiting = waiting.filter(link__isnull=False)
    waiting.exclude(language__in=list(template.texts)).update(language="zh")
    released = waiting.update(
        template=template,
        category=template.category,
        urgent=template.urgent,
        state=Communication.State.QUEUED,
        reason="",
        updated_at=at,
    )
    if released:
        record(CommunicationsReleased(token=template.pk, count=released), by=by)

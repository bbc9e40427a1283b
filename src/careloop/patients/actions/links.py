"""Links for patients. The token is made from the id when a message is sent, and kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.models import AccessLink
from careloop.patients.rules.links import link_token, token_digest


@action
def issue_link(*, patient_id: UUID, purpose: str, task_id: UUID | None, expires_at: datetime, by: Viewer) -> AccessLink:
    """A link for one purpose and, with `task_id`, one task. A running link for the same is used again.

    The token is `rules.link_token(link.pk, settings.SECRET_KEY)`; the database holds only its SHA-256.
    """
    same = AccessLink.objects.visible_to(by).filter(
        patient_id=patient_id, purpose=purpose, task_id=task_id, revoked_at=None, expires_at__gte=expires_at
    )
    running = same.order_by("-expires_at", "id").first() if task_id is not None else None
    if running is not None:
        return running
    pk = uuid7()
    link = AccessLink.objects.create(
        id=pk, patient_id=patient_id, purpose=purpose[:20], task_id=task_id, expires_at=expires_at,
        token_hash=token_digest(link_token(pk, settings.SECRET_KEY)),
    )  # fmt: skip
    record(events.LinkIssued(patient_id=patient_id, link_id=link.pk, purpose=purpose), by=by)
    return link


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWanted:
    """One link that is asked for."""

    patient_id: UUID
    purpose: str
    task_id: UUID | None
    expires_at: datetime


@action
def issue_links(*, wanted: Sequence[LinkWanted], by: Viewer) -> list[AccessLink]:
    """A new link for each, in the order asked for, with two statements for all of them.

    Unlike `issue_link` it never gives out one that runs already: who takes back what carried one of these revokes its
    link, and must not shut the link of another message with that.
    """
    if not wanted:
        return []
    secret = settings.SECRET_KEY
    links = [
        AccessLink(
            id=pk, patient_id=one.patient_id, purpose=one.purpose[:20], task_id=one.task_id, expires_at=one.expires_at,
            token_hash=token_digest(link_token(pk, secret)),
        )
        for one, pk in ((one, uuid7()) for one in wanted)
    ]  # fmt: skip
    AccessLink.objects.bulk_create(links)
    record_all(
        [events.LinkIssued(patient_id=link.patient_id, link_id=link.pk, purpose=link.purpose) for link in links], by=by
    )
    return links


@action
def revoke_link(*, link: AccessLink, at: datetime, by: Viewer) -> None:
    """The link opens nothing from now on."""
    if AccessLink.objects.visible_to(by).filter(pk=link.pk, revoked_at=None).update(revoked_at=at):
        record(events.LinkRevoked(patient_id=link.patient_id, link_id=link.pk), by=by)

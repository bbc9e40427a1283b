"""Versions of forms: publishing, retiring, and what ships with the product."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import events, rules
from careloop.questionnaires.actions._proofing import proofed
from careloop.questionnaires.models import Questionnaire

CONTENT = Path(__file__).parents[1] / "content"


class VersionTaken(Refused):
    code = "version-taken"
    message = _("This version was published with other content. Give the new content a new version number.")


class PublishedMeanwhile(Refused):
    code = "published-meanwhile"
    message = _("Somebody published another version at the same moment. Look at it and publish again.")


@action
def publish_questionnaire(
    *,
    content: Mapping[str, Any],
    at: datetime,
    by: Viewer,
    shipped: bool = False,
    department_id: UUID | None = None,
    author_id: UUID | None = None,
) -> Questionnaire:
    """Put a version in force; the one before is retired. Publishing the same content again changes nothing.

    Refused when the content is unusable, or when this version exists with other content.
    """
    form = proofed(content, shipped=shipped)
    digest = rules.content_hash(content)
    existing = Questionnaire.objects.filter(url=form.url, version=form.version).first()
    if existing is not None:
        if existing.content_hash != digest:
            raise VersionTaken
        return existing
    in_force = Questionnaire.objects.filter(url=form.url, status=Questionnaire.Status.ACTIVE)
    for older in in_force.select_for_update():
        _retire(older, by=by)
    try:
        with transaction.atomic():
            made = _insert(
                form, content, digest, at=at, by=by, shipped=shipped, department_id=department_id, author_id=author_id
            )
    except IntegrityError:
        raise PublishedMeanwhile from None
    record(events.QuestionnairePublished(questionnaire_id=made.pk, canonical=made.canonical), by=by)
    return made


def _insert(
    form: rules.Form, content: Mapping[str, Any], digest: str, *, at: datetime, by: Viewer, shipped: bool, **whose: Any
) -> Questionnaire:
    return Questionnaire.objects.create(
        url=form.url,
        version=form.version,
        name=(form.name or form.url.rsplit("/", 1)[-1])[:60],
        title=form.title.zh[:120],
        title_en=form.title.en[:120],
        status=Questionnaire.Status.ACTIVE,
        content=dict(content),
        content_hash=digest,
        source=form.source[:400],
        is_verified=bool(content.get("verified", False)),
        valid_from=date.fromisoformat(content.get("valid_from") or f"{at:%Y-%m-%d}"),
        valid_to=date.fromisoformat(content["valid_to"]) if content.get("valid_to") else None,
        published_at=at,
        published_by_id=by.practitioner_id,
        is_shipped=shipped,
        **whose,
    )


def _retire(questionnaire: Questionnaire, *, by: Viewer) -> None:
    questionnaire.status = Questionnaire.Status.RETIRED
    questionnaire.save(update_fields=["status", "updated_at"])
    record(events.QuestionnaireRetired(questionnaire_id=questionnaire.pk, canonical=questionnaire.canonical), by=by)


@action
def retire_questionnaire(*, questionnaire: Questionnaire, by: Viewer) -> None:
    """No new answers to this form. What was answered stays readable. Again: nothing."""
    locked = Questionnaire.objects.select_for_update().get(pk=questionnaire.pk)
    if locked.status == Questionnaire.Status.ACTIVE:
        _retire(locked, by=by)


@action
def load_shipped_content(*, at: datetime, by: Viewer) -> int:
    """Publish every form in content/ that is not there yet. A hospital's own versions stay in force."""
    count = 0
    for path in sorted(CONTENT.glob("*.json")):
        content = json.loads(path.read_text())
        url, version = content["url"], content["version"]
        if Questionnaire.objects.filter(url=url, version=version).exists():
            continue
        if Questionnaire.objects.filter(url=url, status=Questionnaire.Status.ACTIVE, is_shipped=False).exists():
            continue
        publish_questionnaire(content=content, at=at, by=by, shipped=True)
        count += 1
    return count

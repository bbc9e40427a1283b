"""Versions of plans: published once, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.plans.events import PlanEnrolmentSwitched, PlanPublished
from careloop.plans.models import PlanDefinition
from careloop.plans.rules.content import PlanContentError, content_hash, parse_plan

CONTENT = Path(__file__).resolve().parent.parent / "content"


class BadPlanContent(Refused):
    """The content of a plan cannot be understood; the message says where."""

    code = "bad-plan-content"

    def __init__(self, error: PlanContentError) -> None:
        super().__init__(_("The plan cannot be published: %(error)s") % {"error": error})


class VersionExists(Refused):
    """This version was published with other content; a published version never changes."""

    code = "plan-version-exists"
    message = gettext_lazy("This version exists already with other content. Give it a new version number.")


class PlanNotInUse(Refused):
    """Only a version in use can take discharges."""

    code = "plan-not-in-use"
    message = gettext_lazy("Only a version in use can take discharges.")


@action
def publish_plan(
    *, raw: Mapping[str, Any], enrols: bool | None, at: datetime, by: Viewer, is_shipped: bool = False
) -> PlanDefinition:
    """Bring a version into use; the one before is retired and running plans stay with it.

    The same content again gives back what exists. `enrols` None keeps the switch of the version before. Refused:
    content that cannot be understood, and another content under an existing version number.
    """
    try:
        plan = parse_plan(raw)
    except PlanContentError as error:
        raise BadPlanContent(error) from None
    stored = {key: value for key, value in raw.items() if key != "in_force"}
    versions = {v.version: v for v in PlanDefinition.objects.select_for_update().filter(url=plan.url)}
    if plan.version in versions:
        if versions[plan.version].content_hash != content_hash(stored):
            raise VersionExists
        return versions[plan.version]
    before = next((v for v in versions.values() if v.status == PlanDefinition.Status.ACTIVE), None)
    _retire(before, at=at)
    definition = PlanDefinition.objects.create(
        url=plan.url,
        version=plan.version,
        status=PlanDefinition.Status.ACTIVE,
        enrols=(before.enrols if before else False) if enrols is None else enrols,
        title=plan.title.zh,
        title_en=plan.title.en,
        category=plan.category.value,
        group=plan.group,
        content=stored,
        content_hash=content_hash(stored),
        is_shipped=is_shipped,
        published_at=at,
        published_by_id=by.practitioner_id,
    )
    record(PlanPublished(definition_id=definition.pk, url=plan.url, version=plan.version), by=by)
    return definition


@action
def switch_enrolment(*, definition: PlanDefinition, enrols: bool, by: Viewer) -> None:
    """Let a version take discharges by rule, or stop it. Running plans are not touched. Refused: not in use."""
    changed = PlanDefinition.objects.active().filter(pk=definition.pk).exclude(enrols=enrols).update(enrols=enrols)
    if changed:
        record(PlanEnrolmentSwitched(definition_id=definition.pk, enrols=enrols), by=by)
    elif not PlanDefinition.objects.active().filter(pk=definition.pk).exists():
        raise PlanNotInUse


@action
def load_shipped_content(*, at: datetime, by: Viewer) -> int:
    """Publish the plans that come with the product. A plan that the hospital has a version of its own is left alone."""
    own = set(PlanDefinition.objects.filter(is_shipped=False).values_list("url", flat=True))
    known = set(PlanDefinition.objects.values_list("url", "version"))
    published = 0
    for path in sorted(CONTENT.glob("*.json")):
        if path.name.startswith("calendar_"):
            continue
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["url"] in own or (raw["url"], raw["version"]) in known:
            continue
        enrols = bool(raw.get("in_force")) if all(url != raw["url"] for url, _version in known) else None
        publish_plan(raw=raw, enrols=enrols, at=at, by=by, is_shipped=True)
        published += 1
    return published


def _retire(before: PlanDefinition | None, *, at: datetime) -> None:
    if before is None:
        return
    PlanDefinition.objects.filter(pk=before.pk).update(
        status=PlanDefinition.Status.RETIRED, enrols=False, retired_at=at, updated_at=at
    )

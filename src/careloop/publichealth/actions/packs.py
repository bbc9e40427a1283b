"""Rule packs are published whole, checked against their forms and their test vectors, and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.publichealth import rules
from careloop.publichealth.events import RulePackPublished
from careloop.publichealth.models import RulePack
from careloop.publichealth.reads import packs
from careloop.questionnaires.rules import content_hash


class BadRulePack(Refused):
    """The message lists every mistake with its place."""

    code = "bad-rule-pack"
    message = _("This rule pack cannot be used.")
    status = 422


class PackVersionTaken(Refused):
    """A published version never changes."""

    code = "pack-version-taken"
    message = _("This version of the rule pack was published with other content. Give the new content a new version.")


@action
def publish_pack(
    *, content: Mapping[str, Any], scenes: Sequence[Mapping[str, Any]], at: datetime, by: Viewer, shipped: bool = False
) -> RulePack:
    """Publish a version. The same content again changes nothing.

    Refused when it names unknown forms, fields or classes, leaves a question without its slot, when the test vectors
    come out differently, or when the version exists with other content.
    """
    try:
        pack = rules.parse_pack(content)
    except rules.BadPack as fault:
        raise BadRulePack(str(fault)) from None
    digest = content_hash(content)
    existing = RulePack.objects.filter(version=pack.version).first()
    if existing is not None:
        if existing.content_hash != digest:
            raise PackVersionTaken
        return existing
    # What we ship was made for the forms we ship; a hospital that keeps its own form must still be able to update.
    forms = packs.shipped_forms() if shipped else packs.forms_in_force(packs.urls_of(pack))
    mistakes = rules.proofread_pack(pack, forms) or rules.play(pack, forms, scenes)
    if mistakes:
        raise BadRulePack("\n".join(mistakes))
    made = RulePack.objects.create(
        version=pack.version, title=pack.title.zh[:200], title_en=pack.title.en[:200], content=dict(content),
        content_hash=digest, valid_from=pack.valid_from, valid_to=pack.valid_to, is_verified=pack.verified,
        is_shipped=shipped, published_at=at, published_by_id=by.practitioner_id,
    )  # fmt: skip
    record(RulePackPublished(pack_id=made.pk, version=made.version), by=by)
    return made


@action
def load_shipped_pack(*, at: datetime, by: Viewer) -> RulePack | None:
    """Publish the pack that comes with the product, once. A hospital that changed a form keeps its own versions."""
    content = packs.shipped_pack()
    if RulePack.objects.filter(version=content["version"]).exists():
        return None
    return publish_pack(content=content, scenes=packs.shipped_scenes(), at=at, by=by, shipped=True)

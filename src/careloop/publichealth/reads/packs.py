"""Which rule pack holds on a day, and the forms it speaks of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from django.db.models import Q

import careloop.questionnaires as questionnaires_room
from careloop.publichealth import rules
from careloop.publichealth.models import RulePack
from careloop.questionnaires import rules as questionnaires
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.rules import Form

CONTENT = Path(__file__).parents[1] / "content"
FORMS = Path(questionnaires_room.__file__).parent / "content"


def pack_on(day: date) -> RulePack | None:
    """The version that held on this day: the newest of those valid then. A record of last year gets last year's."""
    valid = RulePack.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gte=day), valid_from__lte=day)
    return valid.order_by("-valid_from", "-published_at", "-pk").first()


def pack_by_version(version: str) -> RulePack | None:
    """Exactly this version."""
    return RulePack.objects.filter(version=version).first()


def shipped_pack() -> dict[str, Any]:
    """The pack that comes with the product."""
    return dict(json.loads((CONTENT / "rulepack.json").read_text(encoding="utf-8")))


def shipped_scenes() -> Sequence[Mapping[str, Any]]:
    """The public test vectors."""
    return list(json.loads((CONTENT / "vectors.json").read_text(encoding="utf-8"))["scenes"])


def forms_in_force(urls: Sequence[str]) -> dict[str, Form]:
    """The forms of a pack as they are published now."""
    rows = Questionnaire.objects.filter(url__in=urls, status=Questionnaire.Status.ACTIVE)
    return {row.url: form_of(row) for row in rows}


def shipped_forms(folder: Path = FORMS) -> dict[str, Form]:
    """The forms that come with the product, without a database."""
    found = [
        questionnaires.parse(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))
    ]
    return {form.url: form for form in found}


def urls_of(pack: rules.Pack) -> list[str]:
    """Every form a pack speaks of, each once."""
    return sorted({url for programme in pack.programmes for url in programme.forms.values()})

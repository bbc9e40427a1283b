"""Which rule pack holds on a day, and the forms it speaks of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

import careloop.questionnaires as questionnaires_room
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.publichealth import rules
from careloop.publichealth.models import RulePack
from careloop.questionnaires import rules as questionnaires
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.rules import Form

CONTENT = Path(__file__).parents[1] / "content"
FORMS = Path(questionnaires_room.__file__).parent / "content"


def pack_on(day: date) -> RulePack | None:
    """The version that held on this day: the newest of those valid then. A record of last year gets last year's."""
    valid: list[RulePack] = _valid_on(viewer=NOBODY, day=day)
    return valid[0] if valid else None


@prepared
def _valid_on(viewer: Viewer, day: date) -> QuerySet[RulePack]:
    """Without its content, which is parsed once per version and process."""
    valid = RulePack.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gte=day), valid_from__lte=day)
    return valid.order_by("-valid_from", "-published_at", "-pk").defer("content")[:1]


def may_count(response: QuestionnaireResponse) -> bool:
    """Whether these answers may concern a programme: a national form, a referral check, or corrected ones."""
    if response.replaces_id is not None or response.authored_at is None:
        return True  # the day of the first answers decides, and the action looks it up
    row = pack_on(timezone.localdate(response.authored_at))
    url = response.questionnaire.url
    return row is not None and (row.pack().programme_of(url) is not None or is_referral_check(row.pack(), url))


def is_referral_check(pack: rules.Pack, url: str) -> bool:
    """Whether this form answers "did the patient arrive where we referred to?" of some programme."""
    return url in {programme.forms.get("referral-check") for programme in pack.programmes}


def pack_by_version(version: str) -> RulePack | None:
    """Exactly this version."""
    return RulePack.objects.filter(version=version).defer("content").first()


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

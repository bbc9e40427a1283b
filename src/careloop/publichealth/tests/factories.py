"""A published pack, forms in force and answered national forms, with as few words as possible."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.urls import reverse

from careloop.accounts.models import Role, RoleAssignment
from careloop.kernel.actions import seeding
from careloop.publichealth import actions, rules
from careloop.publichealth.models import ProgrammeVisit
from careloop.publichealth.reads import packs
from careloop.publichealth.reads.packs import FORMS
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.rules import Form
from tests.cast import LONG_AGO, NOW, SYSTEM, Cast

Q = "https://careloop.org/Questionnaire/"
HTN = Q + "hypertension-national"
REFERRAL = Q + "referral-check-national"
TB_FIRST = Q + "tuberculosis-first-visit-national"
TB_CLOSING = Q + "tuberculosis-closing-national"
ONCOLOGY = Q + "oncology-post-op"

BP: dict[str, Any] = {
    "mode": "clinic", "symptoms": ["none"], "danger": ["none"], "sbp": 128, "dbp": 78, "adherence": "regular",
    "adr": "no", "complication": "no",
}  # fmt: skip
TB: dict[str, Any] = {
    "mode": "home", "patient-type": "new", "sputum": "positive", "resistance": "sensitive", "symptoms": ["cough"],
    "supervisor": "family", "k-contacts": "yes",
}  # fmt: skip
CLOSING: dict[str, Any] = {
    "stop-date": "2026-06-01", "stop-reason": "completed", "visits-due": 12, "visits-done": 12, "doses-due": 180,
    "doses-taken": 170,
}  # fmt: skip


@cache
def shipped_forms() -> dict[str, Form]:
    return packs.shipped_forms(FORMS)


@cache
def _shipped() -> str:
    return json.dumps(packs.shipped_pack())


def pack_content(**changes: Any) -> dict[str, Any]:
    """The shipped pack as a fresh copy, with some of it changed."""
    return {**json.loads(_shipped()), **changes}


def pack() -> rules.Pack:
    return rules.parse_pack(pack_content())


def publish_all(*names: str) -> None:
    """The forms (all when none is named) and the pack in force."""
    wanted = names or tuple(path.stem for path in FORMS.glob("*-national.json"))
    for name in wanted:
        content = json.loads((FORMS / f"{name}.json").read_text())
        questionnaires.publish_questionnaire(content=content, at=NOW, by=SYSTEM, shipped=True)
    actions.load_shipped_pack(at=NOW, by=SYSTEM)


def day(text: str, hour: int = 2) -> datetime:
    """10:00 in the hospital on this day."""
    return datetime.fromisoformat(text).replace(hour=hour, tzinfo=UTC)


def answered(
    cast: Cast, url: str, values: dict[str, Any], *, at: datetime, patient: Any = None, task_id: Any = None, by: Any = None,
) -> QuestionnaireResponse:  # fmt: skip
    """A completed response, not taken up yet."""
    by = by or cast.as_wang
    response = questionnaires.start_response(
        questionnaire=Questionnaire.objects.get(url=url, status="active"), patient_id=(patient or cast.zhang).pk,
        task_id=task_id, mode="visit", at=at, by=by,
    )  # fmt: skip
    questionnaires.prefill(response=response, values=values, source="visit", at=at, by=SYSTEM)
    return questionnaires.complete_response(response=response, at=at, by=by, partial=True)


def visited(
    cast: Cast, url: str = HTN, values: dict[str, Any] | None = None, *, at: datetime, **more: Any
) -> ProgrammeVisit:
    """A completed form, taken up at once."""
    response = answered(cast, url, {**(BP if url == HTN else {}), **(values or {})}, at=at, **more)
    visit = actions.take_up_response(response_id=response.pk, at=at, by=SYSTEM)
    assert visit is not None
    return visit


def table_content(**changes: Any) -> dict[str, Any]:
    """A small opinion table for the oncology form without a gap."""
    words = {"zh": "字", "en": "word"}
    content = {
        "questionnaire": ONCOLOGY,
        "title": {"zh": "试用", "en": "Trial"},
        "source": "test",
        "outcomes": [
            {"code": "relapse", "title": words, "reason": words, "when": {"all": [{"item": "lump", "op": "exists", "value": True}, {"item": "lump", "op": "=", "value": "yes"}]}},
            {"code": "normal", "title": words, "reason": {"zh": "疼痛 {pain}", "en": "pain {pain}"}, "when": {"item": "pain", "op": "<=", "value": 3}, "else": True},
            {"code": "worse", "title": words, "reason": words, "when": "otherwise"},
        ],
        "vectors": [{"answers": {"pain": 3}, "opinion": "normal"}, {"answers": {"pain": 4}, "opinion": "worse"}],
    }  # fmt: skip
    return copy.deepcopy(content) | changes


def get(client: Any, name: str, *arguments: Any, **query: Any) -> Any:
    """A page of this room."""
    return client.get(reverse(f"publichealth:{name}", args=arguments), query)


def post(client: Any, name: str, *arguments: Any, **data: Any) -> Any:
    return client.post(reverse(f"publichealth:{name}", args=arguments), data)


def give(person: Any, *roles: str) -> Any:
    """More roles for somebody of the cast."""
    with seeding():
        for code in roles:
            RoleAssignment.objects.create(
                practitioner=person,
                role=Role.objects.get(code=code),
                organization=person.organization,
                valid_from=LONG_AGO,
            )
    return person

"""The rules of a draft tried on the answers of the last weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.rules import parse
from careloop.questionnaires.rules.replaying import PastAnswers, Replay, RuleReplay, replay

DAYS = 90
MOST_RESPONSES = 3000
MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Tried:
    """A replay with the answers behind each rule, newest first. `capped`: only the newest answers were tried."""

    result: Replay
    shown: Mapping[str, list[QuestionnaireResponse]]
    capped: bool

    def line(self, code: str) -> RuleReplay | None:
        return next((one for one in self.result.rules if one.code == code), None)


def try_on_past(
    content: Mapping[str, Any], urls: list[str], *, viewer: Viewer, at: datetime, days: int = DAYS
) -> Tried:
    """How often each rule would have fired in the last `days` days, on answers this viewer may see."""
    rows, past, capped = past_answers(urls, viewer=viewer, at=at, days=days)
    found = replay(parse(content), past, days=days)
    by_pk = {row.pk: row for row in rows}
    shown = {line.code: [by_pk[key] for key in reversed(line.keys)][:MOST_SHOWN] for line in found.rules}
    return Tried(found, shown, capped)


def past_answers(
    urls: list[str], *, viewer: Viewer, at: datetime, days: int = DAYS
) -> tuple[list[QuestionnaireResponse], list[PastAnswers], bool]:
    """Completed answers of the last `days` days that this viewer may see, newest first, each with those before it.

    The third value says whether there were more than are tried.
    """
    since = at - timedelta(days=days)
    given = QuestionnaireResponse.objects.visible_to(viewer).filter(
        questionnaire__url__in=urls, status=QuestionnaireResponse.Status.COMPLETED, authored_at__lte=at
    )
    rows = list(
        given.filter(authored_at__gte=since).select_related("patient", "questionnaire").order_by("-authored_at", "-pk")[: MOST_RESPONSES + 1]
    )  # fmt: skip
    capped, rows = len(rows) > MOST_RESPONSES, rows[:MOST_RESPONSES]
    before = _answers_before(rows, given, since)
    return rows, [_past(row, before) for row in rows], capped


def _answers_before(rows: list[QuestionnaireResponse], given: Any, since: datetime) -> dict[Any, QuestionnaireResponse]:
    """The last answers before each of these, of the same patient."""
    patients = {row.patient_id for row in rows}
    older = given.filter(authored_at__lt=since, patient_id__in=patients).order_by("patient_id", "-authored_at", "-pk")
    last = {row.patient_id: row for row in older.distinct("patient_id")}
    found: dict[Any, QuestionnaireResponse] = {}
    for row in sorted(rows, key=lambda one: (one.authored_at, one.pk)):
        if row.patient_id in last:
            found[row.pk] = last[row.patient_id]
        last[row.patient_id] = row
    return found


def _past(row: QuestionnaireResponse, before: Mapping[Any, QuestionnaireResponse]) -> PastAnswers:
    earlier = before.get(row.pk)
    at = row.authored_at
    if at is None:  # the database has a constraint against it
        raise TypeError("completed answers have a time")
    return PastAnswers(
        key=row.pk, values=row.values, at=at, fired=tuple(found["severity"] for found in row.findings),
        previous=earlier.values if earlier else {}, previous_at=earlier.authored_at if earlier else None,
    )  # fmt: skip

"""One record being checked. The first answers are only ever read through `first_answers`, which refuses while they are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from careloop.audit.models import AuditEvent
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint
from careloop.questionnaires import reads as questionnaire_reads
from careloop.questionnaires import rules as questionnaire_rules
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import FormView
from careloop.questionnaires.reads.wording import said
from careloop.questionnaires.rules import Item
from careloop.supervision import rules
from careloop.supervision.models import AnswerPair, SampledRecord
from careloop.supervision.reads import content


class StillBlind(Refused):
    """The first answers stay hidden until the second ones stand."""

    code = "still-blind"
    message = _("The first answers are shown after you have submitted yours. Ask the patient, then submit.")


def first_answers(record: SampledRecord) -> QuestionnaireResponse:
    """The record as level 1 wrote it. Refused while the check is blind and not submitted, whoever asks."""
    if record.hides_first_answers:
        raise StillBlind
    return (
        QuestionnaireResponse.objects.unscoped("a check that may see both")
        .select_related("questionnaire", "author")
        .get(pk=record.response_id)
    )


def questionnaire_of(record: SampledRecord) -> Questionnaire:
    """The very version that level 1 asked, in force or not; nothing of the answers."""
    response = QuestionnaireResponse.objects.unscoped("which form it was, nothing of the answers")
    return Questionnaire.objects.get(pk=response.values_list("questionnaire_id", flat=True).get(pk=record.response_id))


def second_answers(record: SampledRecord) -> QuestionnaireResponse | None:
    """What the checker has heard so far."""
    if record.second_id is None:
        return None
    own = QuestionnaireResponse.objects.unscoped("the checker's own answers, while the record itself is sealed")
    return own.select_related("questionnaire").get(pk=record.second_id)


def form_view(record: SampledRecord, *, at: datetime, viewer: Viewer) -> FormView:
    """The form to ask again. Rules are judged without the earlier answers, which would tell what they were."""
    response = second_answers(record)
    questionnaire = response.questionnaire if response else questionnaire_of(record)
    values = response.values if response else {}
    findings = questionnaire_rules.judge(questionnaire_reads.form_of(questionnaire), values, at=at)
    return questionnaire_reads.form_view(questionnaire, response=response, at=at, findings=findings, nurse=viewer.name)


def numbers(record: SampledRecord) -> list[ContactPoint]:
    """The telephone numbers to call, the best first."""
    own = ContactPoint.objects.unscoped("to call the patient whom this check asks again")
    return list(
        own.filter(patient_id=record.patient_id, system=ContactPoint.System.PHONE, active=True, is_valid=True).order_by(
            "rank", "pk"
        )
    )


def has_looked(record: SampledRecord, *, practitioner_id: Any) -> bool:
    """Whether this person opened the patient's record or answers after they were written, so that blind is not blind."""
    written = (
        QuestionnaireResponse.objects.unscoped("when it was written, nothing of the answers")
        .values_list("authored_at", flat=True)
        .get(pk=record.response_id)
    )
    return (
        AuditEvent.objects.filter(
            actor=f"staff:{practitioner_id}", name="audit.RecordSeen", patient_id=record.patient_id, at__gt=written
        )
        .exclude(payload__what__startswith="supervision.")
        .exists()
    )


def questions_of(questionnaire: Questionnaire) -> list[rules.Question]:
    """The questions of a form as the comparison reads them, in the order of the form."""
    tolerances = content.sampling()["tolerances"]
    return [
        rules.Question(
            link_id=item.link_id, scale=_scale(item), categories=_categories(item),
            tolerance=tolerances.get(item.code, tolerances["default"]),
        )
        for item in questionnaire_reads.form_of(questionnaire).questions
        if not item.hidden and not item.read_only
    ]  # fmt: skip


def _scale(item: Item) -> Any:
    if item.repeats:
        return "many"
    if item.control == "scale-0-10":
        return "ordinal"
    if item.type in ("choice", "boolean"):
        weights = item.weights()
        in_order = len(weights) == len(item.options) > 2 and len(set(weights)) == len(weights)
        return "ordinal" if in_order else "nominal"
    return "number" if item.type in ("integer", "decimal", "quantity") else "words"


def _categories(item: Item) -> tuple[str, ...]:
    if item.control == "scale-0-10":
        return tuple(str(n) for n in range(11))
    if item.type == "boolean":
        return ("true", "false")
    options = list(item.options)
    if _scale(item) == "ordinal":
        options.sort(key=lambda option: option.weight or 0)
    return tuple(option.code for option in options)


@dataclass(frozen=True, slots=True)
class PairView:
    """One line of the comparison."""

    link_id: str
    question: str
    first: str
    second: str
    agrees: bool | None
    reason: str


def comparison(record: SampledRecord, pairs: Sequence[AnswerPair]) -> list[PairView]:
    """Both answers in words, in the order of the form. Refused while the first are hidden."""
    form = questionnaire_reads.form_of(first_answers(record).questionnaire)
    by_link = {pair.link_id: pair for pair in pairs}
    return [
        PairView(
            item.link_id, said(item.staff), _shown(item, pair.first), _shown(item, pair.second),
            pair.agrees, pair.reason,
        )
        for item in form.questions
        if (pair := by_link.get(item.link_id)) is not None
    ]  # fmt: skip


def _shown(item: Item, stored: str) -> str:
    if item.repeats and stored:
        return questionnaire_reads.display_value(item, stored.split("+"))
    if item.type == "boolean" and stored in ("true", "false"):
        return questionnaire_reads.display_value(item, stored == "true")
    return questionnaire_reads.display_value(item, stored)


def pairs_for_kappa(pairs: Sequence[AnswerPair]) -> list[rules.Pair]:
    """Stored pairs as the rules read them; what cannot be compared is left out."""
    return [
        rules.Pair(
            record=str(pair.record_id), question=f"{pair.questionnaire_url}#{pair.link_id}", first=pair.first,
            second=pair.second, categories=tuple(pair.categories), is_ordinal=pair.scale == "ordinal",
        )
        for pair in pairs
        if pair.counts_for_kappa
    ]  # fmt: skip

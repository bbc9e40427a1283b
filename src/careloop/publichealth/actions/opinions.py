"""The rules suggest, the doctor decides; both are kept, and tables are published like everything else: once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, QuerySet
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import Viewer
from careloop.publichealth import rules
from careloop.publichealth.events import OpinionChosen, OpinionSuggested, OpinionTablePublished
from careloop.publichealth.models import Opinion, OpinionChoice, OpinionTable
from careloop.publichealth.reads import opinions as reads
from careloop.publichealth.reads import tables
from careloop.questionnaires import reads as questionnaires
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.rules import content_hash


class BadOpinionTable(Refused):
    """The message lists every mistake: gaps, overlaps, unknown fields, vectors that come out differently."""

    code = "bad-opinion-table"
    message = _("This opinion table cannot be used.")
    status = 422


class UnknownOpinion(Refused):
    """Only an opinion from the list is kept, so that it can be counted."""

    code = "unknown-opinion"
    message = _("Choose one of the listed opinions.")


@action
def publish_table(
    *, content: Mapping[str, Any], department_id: UUID | None, at: datetime, by: Viewer, shipped: bool = False
) -> OpinionTable:
    """Put a new version in force; the one before is kept as it was. The same content again changes nothing.

    Refused: rows without opinion, condition or reason, unknown questions or options, gaps, overlaps, rows that never
    apply, no test vectors, a vector that comes out differently, a department that is not the viewer's.
    """
    table, form = _checked(content)
    if department_id is None and not (by.everything or by.hospital_wide):
        raise BadOpinionTable(_("A table for the whole hospital needs a role for the whole hospital."))
    if department_id is not None and not (by.everything or by.hospital_wide or department_id in by.departments):
        raise BadOpinionTable(_("You may publish tables for your own departments only."))
    digest = content_hash(content)
    mine = OpinionTable.objects.filter(questionnaire_url=table.questionnaire, department_id=department_id)
    in_force = mine.filter(status=OpinionTable.Status.ACTIVE).select_for_update().first()
    if in_force is not None and in_force.content_hash == digest:
        return in_force
    if in_force is not None:
        in_force.status, in_force.retired_at = OpinionTable.Status.RETIRED, at
        in_force.save(update_fields=["status", "retired_at", "updated_at"])
    made = OpinionTable.objects.create(
        questionnaire_url=table.questionnaire, department_id=department_id,
        version=(mine.aggregate(top=Max("version"))["top"] or 0) + 1, title=(table.title.zh or form.title.zh)[:120],
        content=dict(content), content_hash=digest, is_shipped=shipped, published_at=at,
        published_by_id=by.practitioner_id,
    )  # fmt: skip
    record(
        OpinionTablePublished(table_id=made.pk, questionnaire_url=made.questionnaire_url, version=made.version), by=by
    )
    return made


def _checked(content: Mapping[str, Any]) -> tuple[rules.Table, Any]:
    try:
        table = rules.parse_table(content)
    except rules.BadTable as fault:
        raise BadOpinionTable("\n".join(tables.table_words(one) for one in fault.mistakes)) from None
    row = Questionnaire.objects.filter(url=table.questionnaire, status=Questionnaire.Status.ACTIVE).first()
    if row is None:
        raise BadOpinionTable(_("The questionnaire of this table is not in force."))
    form = questionnaires.form_of(row)
    if mistakes := rules.proofread_table(table, form):
        raise BadOpinionTable("\n".join(tables.table_words(one, form) for one in mistakes))
    return table, form


@action
def load_shipped_tables(*, at: datetime, by: Viewer) -> int:
    """Publish the tables that come with the product for the whole hospital.

    Not where the hospital has a table already, or a form of its own that our table was not written for.
    """
    count = 0
    for content in reads.shipped_tables():
        url = content["questionnaire"]
        ours = Questionnaire.objects.filter(url=url, status=Questionnaire.Status.ACTIVE, is_shipped=True)
        if ours.exists() and not OpinionTable.objects.filter(questionnaire_url=url, department=None).exists():
            publish_table(content=content, department_id=None, at=at, by=by, shipped=True)
            count += 1
    return count


@action
def suggest_opinion(*, response_id: UUID, at: datetime, by: Viewer) -> Opinion | None:
    """Derive the opinion of completed answers by the table in force for their department, once.

    Nothing for forms without a table. What cannot be derived is kept as such, with what is missing.
    """
    found: list[QuestionnaireResponse] = _completed(viewer=by, response_id=response_id)
    if not found:
        return None
    response = found[0]
    department_id = reads.department_of(response)
    row = reads.table_for(response.questionnaire.url, department_id)
    table = row.table() if row else reads.table_of_form(response.questionnaire)
    if table is None or Opinion.objects.visible_to(by).filter(response=response).exists():
        return None
    form = questionnaires.form_of(response.questionnaire)
    before = response.authored_at or at
    previous, previous_at = (
        questionnaires.previous_values(response.patient_id, url=form.url, before=before)
        if row
        else questionnaires.compared_with(form, response.patient_id, before=before)
    )
    suggested = rules.suggest(table, form, response.values, previous=previous, previous_at=previous_at, at=at)
    opinion = Opinion.objects.unscoped("creating").create(
        patient_id=response.patient_id, response=response, department_id=department_id, table=row,
        rule_version=_version(row, response), row=suggested.row,
        suggested=suggested.code or "", suggested_title={"zh": suggested.title.zh, "en": suggested.title.en},
        reason={"zh": suggested.reason.zh, "en": suggested.reason.en}, evidence=dict(suggested.evidence),
        missing=list(suggested.missing), suggested_at=at,
    )  # fmt: skip
    record(OpinionSuggested(opinion_id=opinion.pk, code=opinion.suggested, patient_id=opinion.patient_id), by=by)
    return opinion


@prepared
def _completed(viewer: Viewer, response_id: UUID) -> QuerySet[QuestionnaireResponse]:
    mine = QuestionnaireResponse.objects.visible_to(viewer).filter(pk=response_id, status="completed")
    return mine.select_related("questionnaire").defer("questionnaire__content")


def _version(row: OpinionTable | None, response: QuestionnaireResponse) -> str:
    return f"table {row.version} · {row.questionnaire_url}" if row else response.canonical


@action
def choose_opinion(*, opinion: Opinion, code: str, note: str, at: datetime, by: Viewer) -> OpinionChoice:
    """A doctor confirms or overrides. The suggestion stays as it was; earlier choices stay too. The same again: nothing.

    Refused when the opinion is not on the list or the answers were corrected meanwhile.
    """
    mine = Opinion.objects.visible_to(by).select_related("response__questionnaire", "table")
    locked = mine.select_for_update(of=("self",), no_key=True).get(pk=opinion.pk)
    titles = reads.options_for(locked)
    if code not in titles or by.practitioner_id is None:
        raise UnknownOpinion
    if locked.response.status != QuestionnaireResponse.Status.COMPLETED:
        raise UnknownOpinion(_("These answers were corrected meanwhile. Decide on the corrected ones."))
    last = OpinionChoice.objects.visible_to(by).filter(opinion=locked).order_by("-chosen_at", "-pk").first()
    if last is not None and (last.code, last.note, last.chosen_by_id) == (code, note[:300], by.practitioner_id):
        return last
    choice = OpinionChoice.objects.unscoped("the opinion was just found for this viewer").create(
        patient_id=locked.patient_id, opinion=locked, code=code, title={"zh": titles[code].zh, "en": titles[code].en},
        agrees=code == locked.suggested, note=note[:300], chosen_by_id=by.practitioner_id, chosen_at=at,
    )  # fmt: skip
    locked.chosen, locked.chosen_at = code, at
    locked.save(update_fields=["chosen", "chosen_at", "updated_at"])
    record(OpinionChosen(opinion_id=locked.pk, code=code, agrees=choice.agrees, patient_id=locked.patient_id), by=by)
    return choice

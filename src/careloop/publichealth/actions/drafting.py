"""Drafts of opinion tables: begun, changed row by row, taken back, reviewed by another person, published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel import drafts
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.publichealth import events, rules
from careloop.publichealth.actions.opinions import BadOpinionTable, publish_table
from careloop.publichealth.models import OpinionDraft, OpinionTable
from careloop.publichealth.reads import opinions as reads
from careloop.publichealth.reads import tables
from careloop.questionnaires import reads as questionnaires
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import library
from careloop.questionnaires.rules import designing, fhir

KEPT = 30  # changes that can be taken back


class TableDraftClosed(Refused):
    code = "table-draft-closed"
    message = _("This draft was published or discarded already. Begin a new version to change the table.")


class TableDraftInReview(Refused):
    code = "table-draft-in-review"
    message = _("This draft is waiting for review. Give it back first, then change it.")


class TableDraftMovedOn(Refused):
    code = "table-draft-moved-on"
    message = _("Somebody changed this draft meanwhile. Look at it as it is now and do your change again.")


class OwnTableDraft(Refused):
    code = "own-table-draft"
    message = _("You wrote or changed this draft yourself. Another person has to review and publish it.")


class TableNotSubmitted(Refused):
    code = "table-not-submitted"
    message = _("Submit the draft for review first.")


class NothingToTakeBack(Refused):
    code = "nothing-to-take-back"
    message = _("There is no earlier step.")


class TableDraftExists(Refused):
    code = "table-draft-exists"
    message = _("This department is writing a new version of this table already. Open that draft.")


class NotYourDepartment(Refused):
    code = "not-your-department"
    message = _(
        "You may write tables for your own departments only; for the whole hospital with a role for the hospital."
    )


class FormNotInForce(Refused):
    code = "form-not-in-force"
    message = _("This questionnaire is not in force. A table needs a questionnaire that is answered.")


class TableEditRefused(Refused):
    """`edit_code` and `place` are those of BadEdit."""

    code = "table-edit-refused"

    def __init__(self, fault: designing.BadEdit) -> None:
        self.edit_code, self.place = fault.code, fault.place
        super().__init__(tables.edit_words(fault))


REFUSALS = drafts.Refusals(
    closed=TableDraftClosed, in_review=TableDraftInReview, moved_on=TableDraftMovedOn, not_submitted=TableNotSubmitted
)


@action
def start_table_draft(
    *, questionnaire_url: str, department_id: UUID | None, based_on: OpinionTable | None = None,
    content: Mapping[str, Any] | None = None, at: datetime, by: Viewer,
) -> OpinionDraft:  # fmt: skip
    """A new version: from a file's content, a published table, the table the form brings, or one closing row.

    Refused: another department, a form not in force, a second open draft of the same table.
    """
    _may_write(department_id, by)
    form = _form_in_force(questionnaire_url)
    how = "file" if content is not None else "table" if based_on is not None else "form"
    if content is None:
        content = based_on.content if based_on is not None else reads.draft_of_form(form)
    if content is None:
        how, content = "empty", rules.new_table(
            questionnaire=form.url, title={"zh": form.title, "en": form.title_en or form.title}
        )  # fmt: skip
    try:
        with transaction.atomic():
            draft = OpinionDraft.objects.create(
                questionnaire_url=questionnaire_url, department_id=department_id, based_on=based_on, content=dict(content),
                author_id=by.practitioner_id, writers=_with([], by), changed_at=at,
            )  # fmt: skip
    except IntegrityError:
        raise TableDraftExists from None
    record(events.OpinionDraftStarted(draft_id=draft.pk, questionnaire_url=questionnaire_url, how=how), by=by)
    return draft


def _with(writers: list[str], by: Viewer) -> list[str]:
    me = str(by.practitioner_id or "")
    return writers if not me or me in writers else [*writers, me]


def _may_write(department_id: UUID | None, by: Viewer) -> None:
    if by.everything or by.hospital_wide:
        return
    if department_id is None or department_id not in by.departments:
        raise NotYourDepartment


def _form_in_force(url: str) -> Questionnaire:
    row = Questionnaire.objects.filter(url=url, status=Questionnaire.Status.ACTIVE).first()
    if row is None:
        raise FormNotInForce
    return row


@action
def import_table_draft(
    *, data: bytes, department_id: UUID | None, into: OpinionDraft | None, at: datetime, by: Viewer
) -> OpinionDraft:
    """A table written or edited by hand, as a draft (or as the next step of one). Refused with every place.

    Gaps, overlaps and missing examples do not refuse it: the editor shows them and they keep it from being published.
    """
    content = _table_of(data)
    if into is not None:
        locked = drafts.hold_for_change(into, None, REFUSALS)
        if content["questionnaire"] != locked.questionnaire_url:
            raise BadOpinionTable(_("The file is a table of another questionnaire."))
        return _write(locked, content, "import", at, by)
    return start_table_draft(
        questionnaire_url=content["questionnaire"], department_id=department_id, content=content, at=at, by=by
    )


def _table_of(data: bytes) -> dict[str, Any]:
    """The content of a file. Refused: no JSON, a key twice, rows without words, questions or options the form has not."""
    try:
        content = fhir.read_file(data)
        if troubles := fhir.unstorable(content):
            raise fhir.BadResource(*troubles)
    except fhir.BadResource as fault:
        raise BadOpinionTable("\n".join(library.trouble_words(one) for one in fault.troubles)) from None
    try:
        table = rules.parse_table(content)
    except rules.BadTable as fault:
        raise BadOpinionTable("\n".join(tables.table_words(one) for one in fault.mistakes)) from None
    form = questionnaires.form_of(_form_in_force(table.questionnaire))
    if mistakes := tables.condition_lines(form, table.outcomes):
        raise BadOpinionTable("\n".join(mistakes))
    return dict(content)


@action
def change_table_draft(
    *, draft: OpinionDraft, revision: int, op: str, params: Mapping[str, str], at: datetime, by: Viewer
) -> OpinionDraft:
    """One change. Refused: a draft somebody changed meanwhile or that waits for review, a row or value that is not there."""
    locked = drafts.hold_for_change(draft, revision, REFUSALS)
    form = questionnaires.form_of(_form_in_force(locked.questionnaire_url))
    if op == "add-row" and (words := reads.common_opinions().get(params.get("code", "").strip())):
        params = {"title": words.zh, "title-en": words.en, **params}
    try:
        content = rules.change_table(locked.content, op, params, form)
    except designing.BadEdit as fault:
        raise TableEditRefused(fault) from None
    return locked if content == locked.content else _write(locked, content, op, at, by)


def _write(draft: OpinionDraft, content: dict[str, Any], what: str, at: datetime, by: Viewer) -> OpinionDraft:
    draft.past = [*draft.past, draft.content][-KEPT:]
    return _saved(draft, content, what, at, by)


def _saved(draft: OpinionDraft, content: dict[str, Any], what: str, at: datetime, by: Viewer) -> OpinionDraft:
    draft.content, draft.revision, draft.changed_at = content, draft.revision + 1, at
    draft.writers = _with(draft.writers, by)
    draft.save()
    record(events.OpinionDraftChanged(draft_id=draft.pk, revision=draft.revision, what=what[:60]), by=by)
    return draft


@action
def take_back_table_change(*, draft: OpinionDraft, revision: int, at: datetime, by: Viewer) -> OpinionDraft:
    """Undo the last change. Refused when there is none."""
    locked = drafts.hold_for_change(draft, revision, REFUSALS)
    if not locked.past:
        raise NothingToTakeBack
    content = locked.past[-1]
    locked.past = locked.past[:-1]
    return _saved(locked, content, "undo", at, by)


@action
def submit_table_draft(*, draft: OpinionDraft, revision: int, at: datetime, by: Viewer) -> OpinionDraft:
    """Ready for the reviewer. Refused with everything that keeps it from being published."""
    locked = drafts.hold_for_change(draft, revision, REFUSALS)
    if mistakes := tables.mistake_lines(locked):
        raise BadOpinionTable("\n".join(mistakes))
    drafts.submit(locked, at=at)
    record(events.OpinionDraftSubmitted(draft_id=locked.pk, revision=locked.revision), by=by)
    return locked


@action
def return_table_draft(*, draft: OpinionDraft, remark: str, by: Viewer) -> OpinionDraft:
    """Back to the author, with what is to be mended; the author may also take it back."""
    found = drafts.hold_in_review(draft, REFUSALS)
    drafts.give_back(found, remark=remark)
    record(events.OpinionDraftReturned(draft_id=found.pk), by=by)
    return found


@action
def publish_table_draft(*, draft: OpinionDraft, at: datetime, by: Viewer) -> OpinionTable:
    """The reviewed draft comes into force. Refused: one's own work, not submitted, published already, a form changed since."""
    found = drafts.hold_in_review(draft, REFUSALS)
    if str(by.practitioner_id) in found.writers:
        raise OwnTableDraft
    made = publish_table(content=found.content, department_id=found.department_id, at=at, by=by)
    if OpinionDraft.objects.filter(published_as=made).exists():  # the same content as in force: nothing new
        raise BadOpinionTable(_("This table is in force already, word for word."))
    found.status, found.published_as, found.past = drafts.PUBLISHED, made, []
    found.save(update_fields=["status", "published_as", "past", "updated_at"])
    record(events.OpinionDraftPublished(draft_id=found.pk, table_id=made.pk), by=by)
    return made


@action
def discard_table_draft(*, draft: OpinionDraft, by: Viewer) -> None:
    """Thrown away. Again: nothing. Refused when it was published."""
    if drafts.discard(draft, REFUSALS):
        record(events.OpinionDraftDiscarded(draft_id=draft.pk), by=by)

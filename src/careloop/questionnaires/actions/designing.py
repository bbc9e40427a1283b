"""Drafts of forms: begun, changed step by step, taken back, reviewed by another person, published."""

from __future__ import annotations

import copy
import uuid
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
from careloop.questionnaires import events
from careloop.questionnaires.actions._proofing import proofed
from careloop.questionnaires.actions.publishing import VersionTaken, publish_questionnaire
from careloop.questionnaires.models import (
    DraftStep,
    FavouriteForm,
    LibraryItem,
    Questionnaire,
    QuestionnaireDraft,
)
from careloop.questionnaires.reads import library
from careloop.questionnaires.rules import designing, fhir

OWN = "https://careloop.org/Questionnaire/own/"
KEPT_STEPS = 200


class DraftClosed(Refused):
    code = "draft-closed"
    message = _("This draft was published or discarded already. Begin a new version to change the form.")


class DraftInReview(Refused):
    code = "draft-in-review"
    message = _("This draft is waiting for review. Give it back first, then change it.")


class DraftMovedOn(Refused):
    code = "draft-moved-on"
    message = _("Somebody changed this draft meanwhile. Look at it as it is now and do your change again.")


class OwnDraft(Refused):
    code = "own-draft"
    message = _("You wrote or changed this draft yourself. Another person has to review and publish it.")


class ScaleIsLocked(Refused):
    code = "scale-locked"
    message = _("A standard scale is not changed. Make a form of your own and put the scale into it.")


class LockBroken(Refused):
    code = "lock-broken"
    message = _("A standard scale in this form is not as it was published. Take it out and put it in again.")


class NothingToUndo(Refused):
    code = "nothing-to-undo"
    message = _("There is no earlier or later step.")


class NotSubmitted(Refused):
    code = "not-submitted"
    message = _("Submit the draft for review first.")


class DraftExists(Refused):
    code = "draft-exists"
    message = _("There is a draft of this version already. Open it, or give the other one another version number.")


class EditRefused(Refused):
    """`edit_code` is the code of BadEdit."""

    code = "edit-refused"

    def __init__(self, fault: designing.BadEdit) -> None:
        self.edit_code, self.place = fault.code, fault.place
        super().__init__(library.edit_words(fault))


class ImportRefused(Refused):
    """`troubles` has every path."""

    code = "import-refused"
    status = 422

    def __init__(self, fault: fhir.BadResource) -> None:
        self.troubles = fault.troubles
        super().__init__("\n".join(library.trouble_words(one) for one in fault.troubles))


REFUSALS = drafts.Refusals(
    closed=DraftClosed, in_review=DraftInReview, moved_on=DraftMovedOn, not_submitted=NotSubmitted
)


@action
def start_draft(*, title: str, department_id: UUID | None, at: datetime, by: Viewer) -> QuestionnaireDraft:
    """A new, empty form of a department (of the hospital without one)."""
    name = f"own-{uuid.uuid4().hex[:10]}"
    content = designing.new_content(url=f"{OWN}{name}", title=title.strip()[:120] or "新问卷", name=name)
    return _started(content, department_id, None, (), at, by)


@action
def start_version(*, questionnaire: Questionnaire, at: datetime, by: Viewer) -> QuestionnaireDraft:
    """The next version of a published form. Of a form that is not one's department's, a form of one's own is made.

    Refused for a standard scale.
    """
    if library.is_scale(questionnaire.url):
        raise ScaleIsLocked
    content = {
        **questionnaire.content,
        "definition": dict(questionnaire.content.get("definition", questionnaire.content)),
    }
    if questionnaire.content.get("definition") is None:
        content = {**fhir.from_fhir(questionnaire.content).content}
    department_id = questionnaire.department_id
    if not library.may_change(questionnaire, by):
        name = f"{questionnaire.name[:40]}-{uuid.uuid4().hex[:6]}"
        _rename(content, url=f"{OWN}{name}", version="1", name=name)
        department_id = by.organization_id
    else:
        _rename(content, url=questionnaire.url, version=_free_version(questionnaire), name=questionnaire.name)
    content.pop("valid_from", None)
    content["verified"] = False
    return _started(content, department_id, questionnaire, (), at, by)


def _free_version(questionnaire: Questionnaire) -> str:
    version = questionnaire.version
    taken = set(Questionnaire.objects.filter(url=questionnaire.url).values_list("version", flat=True))
    while version in taken:
        version = designing.next_version(version)
    return version


def _rename(content: dict[str, Any], *, url: str, version: str, name: str) -> None:
    content |= {"url": url, "version": version, "name": name}
    content["definition"] = {**content["definition"], "url": url, "version": version, "name": name}


@action
def import_draft(*, data: bytes, department_id: UUID | None, at: datetime, by: Viewer) -> QuestionnaireDraft:
    """A FHIR R4 Questionnaire (or a content file of ours) as a draft. Refused with every path; what is kept is listed."""
    try:
        resource = fhir.resource_of(fhir.read_file(data))
        found = fhir.from_fhir(resource, url=f"{OWN}import-{uuid.uuid4().hex[:10]}")
    except fhir.BadResource as fault:
        raise ImportRefused(fault) from None
    _refuse_broken_locks(found.content)
    if library.is_scale(str(found.content["url"])):
        raise ScaleIsLocked
    content = found.content
    if Questionnaire.objects.filter(url=content["url"], version=content["version"]).exists():
        raise VersionTaken
    return _started(content, department_id, None, found.notes, at, by)


def _started(
    content: dict[str, Any], department_id: UUID | None, based_on: Questionnaire | None, notes: tuple[str, ...],
    at: datetime, by: Viewer,
) -> QuestionnaireDraft:  # fmt: skip
    try:
        with transaction.atomic():
            draft = QuestionnaireDraft.objects.create(
                url=content["url"], version=content["version"], title=_title(content), content=content,
                based_on=based_on, department_id=department_id, author_id=by.practitioner_id, editor_id=by.practitioner_id,
                notes=list(notes), changed_at=at,
            )  # fmt: skip
    except IntegrityError:
        raise DraftExists from None
    _step(draft, "begin", at, by)
    record(
        events.DraftStarted(
            draft_id=draft.pk, url=draft.url, version=draft.version, from_import=based_on is None and bool(notes)
        ),
        by=by,
    )
    return draft


def _title(content: Mapping[str, Any]) -> str:
    title = content.get("title") or content.get("name") or content["url"]
    return str(title.get("zh") or title.get("en") if isinstance(title, Mapping) else title)[:120]


def _step(draft: QuestionnaireDraft, what: str, at: datetime, by: Viewer) -> None:
    DraftStep.objects.create(
        draft=draft, number=draft.step, what=what[:60], content=draft.content, made_at=at, made_by_id=by.practitioner_id
    )


@action
def change_draft(
    *, draft: QuestionnaireDraft, revision: int, op: str, params: Mapping[str, str], at: datetime, by: Viewer
) -> QuestionnaireDraft:
    """One change. Refused: a draft somebody changed meanwhile, what would break the form, locked scales."""
    locked = drafts.hold_for_change(draft, revision, REFUSALS)
    try:
        content = designing.change(locked.content, op, params, material=_material(op, params, by))
    except designing.BadEdit as fault:
        raise EditRefused(fault) from None
    if content == locked.content:
        return locked
    DraftStep.objects.filter(draft=locked, number__gt=locked.step).delete()  # a new way makes "redo" impossible
    DraftStep.objects.filter(draft=locked, number__lte=locked.step - KEPT_STEPS).delete()
    locked.step += 1
    _write(locked, content, at, by)
    _step(locked, op, at, by)
    record(events.DraftChanged(draft_id=locked.pk, revision=locked.revision, what=op), by=by)
    return locked


def _material(op: str, params: Mapping[str, str], by: Viewer) -> Any:
    """What an added part is made of: the palette, a standard scale, somebody's library."""
    if op == "add-scale":
        found = library.scale_content(params.get("scale", ""))
    elif op == "add-item" and params.get("kept"):
        found = library.kept_item(params["kept"], viewer=by)
    elif op == "add-item":
        found = library.palette_item(params.get("kind", ""))
    else:
        return None
    if found is None:
        raise designing.BadEdit("unknown-material", params.get("kind") or params.get("scale") or "")
    return found


def _write(draft: QuestionnaireDraft, content: dict[str, Any], at: datetime, by: Viewer) -> None:
    draft.content, draft.url, draft.version, draft.title = content, content["url"], content["version"], _title(content)
    draft.revision += 1
    draft.editor_id, draft.changed_at = by.practitioner_id, at
    try:
        with transaction.atomic():
            draft.save()
    except IntegrityError:
        raise DraftExists from None


@action
def take_step(*, draft: QuestionnaireDraft, revision: int, back: bool, at: datetime, by: Viewer) -> QuestionnaireDraft:
    """Undo (back) or redo one step. Refused at either end."""
    locked = drafts.hold_for_change(draft, revision, REFUSALS)
    wanted = locked.step + (-1 if back else 1)
    step = DraftStep.objects.filter(draft=locked, number=wanted).first()
    if step is None:
        raise NothingToUndo
    locked.step = wanted
    _write(locked, step.content, at, by)
    record(events.DraftChanged(draft_id=locked.pk, revision=locked.revision, what="undo" if back else "redo"), by=by)
    return locked


@action
def submit_draft(*, draft: QuestionnaireDraft, revision: int, at: datetime, by: Viewer) -> QuestionnaireDraft:
    """Ready for the reviewer. Refused with every mistake that keeps it from being published."""
    locked = drafts.hold_for_change(draft, revision, REFUSALS)
    proofed(locked.content)
    _refuse_broken_locks(locked.content)
    if Questionnaire.objects.filter(url=locked.url, version=locked.version).exists():
        raise VersionTaken
    drafts.submit(locked, at=at)
    record(events.DraftSubmitted(draft_id=locked.pk, revision=locked.revision), by=by)
    return locked


def _refuse_broken_locks(content: Mapping[str, Any]) -> None:
    for _canonical in designing.broken_locks(content, library.scale_sources(content)):
        raise LockBroken


@action
def return_draft(*, draft: QuestionnaireDraft, remark: str, at: datetime, by: Viewer) -> QuestionnaireDraft:
    """Back to the author, with what is to be mended; the author may also take it back."""
    found = drafts.hold_in_review(draft, REFUSALS)
    drafts.give_back(found, remark=remark)
    record(events.DraftReturned(draft_id=found.pk), by=by)
    return found


@action
def publish_draft(*, draft: QuestionnaireDraft, at: datetime, by: Viewer) -> Questionnaire:
    """The reviewed draft comes into force. Refused: one's own work, not submitted, published already (also at the same moment)."""
    found = drafts.hold_in_review(draft, REFUSALS)
    if by.practitioner_id is not None and (
        by.practitioner_id in {found.author_id, found.editor_id}
        or DraftStep.objects.filter(draft=found, made_by_id=by.practitioner_id).exists()
    ):
        raise OwnDraft
    _refuse_broken_locks(found.content)
    content = {**found.content, "definition": {**found.content["definition"], "status": "active"}}
    content["valid_from"] = f"{at:%Y-%m-%d}"
    if Questionnaire.objects.filter(url=found.url, version=found.version).exists():
        raise VersionTaken
    made = publish_questionnaire(
        content=content, at=at, by=by, department_id=found.department_id, author_id=found.editor_id
    )
    found.status, found.published_as = drafts.PUBLISHED, made
    found.save(update_fields=["status", "published_as", "updated_at"])
    record(events.DraftPublished(draft_id=found.pk, questionnaire_id=made.pk), by=by)
    return made


@action
def discard_draft(*, draft: QuestionnaireDraft, by: Viewer) -> None:
    """Thrown away; its steps stay for whoever asks later. Again: nothing. Refused when it was published."""
    if drafts.discard(draft, REFUSALS):
        record(events.DraftDiscarded(draft_id=draft.pk), by=by)


# ---- libraries ----


@action
def keep_favourite(*, url: str, kept: bool, by: Viewer) -> None:
    """Put a form among one's favourites or take it out. Again: nothing."""
    if by.practitioner_id is None:  # a machine has no favourites
        return
    mine = FavouriteForm.objects.filter(practitioner_id=by.practitioner_id, url=url)
    if mine.exists() == kept:
        return
    if kept:
        FavouriteForm.objects.get_or_create(practitioner_id=by.practitioner_id, url=url)
    else:
        mine.delete()
    record(events.FavouriteChanged(url=url, kept=kept), by=by)


@action
def keep_item(*, draft: QuestionnaireDraft, link: str, department: bool, by: Viewer) -> LibraryItem:
    """Keep a question for other forms: for oneself, or for the department. Refused for parts of a locked scale."""
    try:
        item = designing.find(draft.content, link)
        if designing.lock_of(draft.content, link) or designing.holds_scale(item):
            raise designing.BadEdit("locked-scale", link)
    except designing.BadEdit as fault:
        raise EditRefused(fault) from None
    content = copy.deepcopy(item)
    for one in designing.walk([content]):
        one.pop("enableWhen", None)
        one.pop("enableBehavior", None)
    owner = {"department_id": by.organization_id} if department else {"practitioner_id": by.practitioner_id}
    made = LibraryItem.objects.create(title=str(item.get("text") or link)[:120], content=content, **owner)
    record(events.LibraryItemKept(item_id=made.pk), by=by)
    return made


@action
def remove_kept_item(*, item: LibraryItem, by: Viewer) -> None:
    """Out of the library; forms that took it keep it."""
    pk = item.pk
    item.delete()
    record(events.LibraryItemRemoved(item_id=pk), by=by)

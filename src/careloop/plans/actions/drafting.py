"""Plan drafts: begun, changed, taken back, handed in, published by a second person (leap 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.plans.actions.publishing import VersionExists, publish_plan
from careloop.plans.events import (
    PlanDraftApproved,
    PlanDraftChanged,
    PlanDraftDiscarded,
    PlanDraftReturned,
    PlanDraftStarted,
    PlanDraftSubmitted,
)
from careloop.plans.models import PlanDefinition, PlanDraft, PlanDraftChange
from careloop.plans.reads import drafts as reads
from careloop.plans.reads import wording
from careloop.plans.rules import drafting
from careloop.plans.rules.content import PlanContentError, parse_plan
from careloop.plans.rules.drafting import DraftError, Raw
from careloop.plans.rules.faults import Fault, FaultError
from careloop.plans.rules.fhir import Imported

MOST_BYTES = 300_000  # of a draft's JSON: the largest shipped plan has 6,000


class DraftNotOpen(Refused):
    """Published, thrown away, or handed in."""

    code = "draft-not-open"
    message = gettext_lazy("This draft cannot be changed any more. Load the page again to see where it stands.")


class DraftChanged(Refused):
    """Somebody else saved in between."""

    code = "draft-changed"
    message = gettext_lazy("Somebody else changed this draft in between. Load the page again, then repeat your change.")


class DraftOpenAlready(Refused):
    """Two drafts of one plan would overwrite each other."""

    code = "draft-open-already"
    message = gettext_lazy("Somebody is writing a new version of this plan already. Go on with that draft, or throw it away first.")  # fmt: skip


class DraftFaulty(Refused):
    """What is handed in must be right."""

    code = "draft-faulty"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        lines = [wording.fault_words(fault) for fault in faults[:5]]
        super().__init__(_("The plan cannot be handed in yet: %(faults)s") % {"faults": _("; ").join(lines)})


class ChangeRefused(Refused):
    """A change that does not fit the draft: a step that is gone, a direction that leads out of the list."""

    code = "draft-change-refused"

    def __init__(self, error: FaultError) -> None:
        super().__init__(_("Nothing was changed: %(reason)s") % {"reason": wording.fault_words(error.fault)})


class FileRefused(Refused):
    """An imported file that cannot become a plan, with path and reason."""

    code = "plan-file-refused"

    def __init__(self, error: FaultError) -> None:
        self.fault = error.fault
        super().__init__(_("The file was not taken: %(reason)s") % {"reason": wording.fault_words(error.fault)})


class NothingToUndo(Refused):
    """The draft is at its beginning."""

    code = "nothing-to-undo"
    message = gettext_lazy("There is nothing left to undo.")


class OwnDraft(Refused):
    """Whoever wrote it, handed it in or changed it does not review it."""

    code = "own-draft"
    message = gettext_lazy("Somebody who has not worked on this draft must review it: ask a colleague.")


class PublishedAlready(Refused):
    """A second press of the button, or a second reviewer."""

    code = "published-already"
    message = gettext_lazy("This draft is published already. A published version never changes: begin a new one.")


class DraftTooLarge(Refused):
    """A plan is a page of words, not a book."""

    code = "draft-too-large"
    message = gettext_lazy("This plan is too large. A plan has at most a few dozen steps.")


@action
def start_draft(*, title_zh: str, title_en: str, name: str, at: datetime, by: Viewer) -> PlanDraft:
    """Begin a plan from nothing; `name` is the last part of its URL. Refused: a plan of this name exists."""
    url = f"https://careloop.org/PlanDefinition/{name}"
    if PlanDefinition.objects.filter(url=url).exists():
        raise DraftOpenAlready(_("A plan of this name exists. Begin a new version of it instead."))
    raw = drafting.blank_plan(url=url, title_zh=title_zh, title_en=title_en, valid_from=reads.today(at))
    return _begin(raw, origin="blank", based_on=None, enrols=False, unknown=(), at=at, by=by)


@action
def start_version(*, definition: PlanDefinition, at: datetime, by: Viewer) -> PlanDraft:
    """Begin the next version of a plan. Refused: somebody writes one already."""
    taken = list(PlanDefinition.objects.filter(url=definition.url).values_list("version", flat=True))
    raw = drafting.next_version(definition.content, taken=taken)
    return _begin(raw, origin="version", based_on=definition, enrols=definition.enrols, unknown=(), at=at, by=by)


@action
def import_draft(*, imported: Imported, at: datetime, by: Viewer) -> PlanDraft:
    """Begin a draft from a file. What the plan has no place for is kept as a list of paths, never dropped silently.

    Refused with path and reason: content that is no plan (edited by hand, or another kind of file).
    """
    raw = _with_usual_values(imported.raw, at=at)
    try:
        plan = parse_plan(raw)
    except PlanContentError as error:
        raise FileRefused(error) from None
    url = plan.url
    versions = PlanDefinition.objects.filter(url=url)
    if raw.get("version") in set(versions.values_list("version", flat=True)):
        raw = drafting.next_version(raw, taken=list(versions.values_list("version", flat=True)))
    based_on = versions.filter(status=PlanDefinition.Status.ACTIVE).first()
    return _begin(
        raw, origin="file", based_on=based_on, enrols=bool(based_on and based_on.enrols), unknown=imported.unknown,
        at=at, by=by,
    )  # fmt: skip


@action
def change_draft(
    *, draft: PlanDraft, change: Callable[[Raw], Raw], revision: int, at: datetime, by: Viewer
) -> PlanDraft:
    """Save one change. Wrong content is saved too (and told); refused: not open, an older revision, a missing step."""
    locked = _locked(draft, PlanDraft.State.EDITING)
    if locked.revision != revision:
        raise DraftChanged
    try:
        content = change(dict(locked.content))
    except DraftError as error:
        raise ChangeRefused(error) from None
    paths = drafting.changes_between(locked.content, content)
    if not paths:
        return locked
    number = locked.history.count()
    _remember(locked, number, parent=locked.position, paths=paths, content=content, by=by)
    _put(locked, content, position=number, at=at)
    record(PlanDraftChanged(draft_id=locked.pk, number=number), by=by)
    return locked


@action
def undo_draft_change(*, draft: PlanDraft, at: datetime, by: Viewer) -> PlanDraft:
    """Take the last change back. Again goes one further. Refused: nothing left, not open."""
    locked = _locked(draft, PlanDraft.State.EDITING)
    current = locked.history.get(number=locked.position)
    if current.parent is None:
        raise NothingToUndo
    before = locked.history.get(number=current.parent)
    _put(locked, before.content, position=before.number, at=at)
    record(PlanDraftChanged(draft_id=locked.pk, number=current.number, undone=True), by=by)
    return locked


@action
def wish_enrolment(*, draft: PlanDraft, enrols: bool, at: datetime, by: Viewer) -> None:
    """Say whether discharges shall enter by rule once it is published. Refused: not open."""
    locked = _locked(draft, PlanDraft.State.EDITING)
    if locked.enrols == enrols:
        return
    PlanDraft.objects.filter(pk=locked.pk).update(enrols=enrols, revision=locked.revision + 1, updated_at=at)
    record(PlanDraftChanged(draft_id=locked.pk, number=locked.position), by=by)


@action
def submit_draft(*, draft: PlanDraft, at: datetime, by: Viewer) -> None:
    """Hand it in for review. Refused: anything that `review` finds, and names that do not exist."""
    locked = _locked(draft, PlanDraft.State.EDITING)
    faults = reads.faults_of(locked, at=at)
    if faults:
        raise DraftFaulty(faults)
    PlanDraft.objects.filter(pk=locked.pk).update(
        state=PlanDraft.State.IN_REVIEW, submitted_at=at, submitted_by_id=by.practitioner_id, note="",
        revision=locked.revision + 1, updated_at=at,
    )  # fmt: skip
    record(PlanDraftSubmitted(draft_id=locked.pk), by=by)


@action
def return_draft(*, draft: PlanDraft, note: str, at: datetime, by: Viewer) -> None:
    """Give it back with a reason (reviewer), or take it back (author). Refused: not in review."""
    locked = _locked(draft, PlanDraft.State.IN_REVIEW)
    PlanDraft.objects.filter(pk=locked.pk).update(
        state=PlanDraft.State.EDITING, note=Truncator(note).chars(400), revision=locked.revision + 1, updated_at=at
    )
    record(PlanDraftReturned(draft_id=locked.pk), by=by)


@action
def publish_draft(*, draft: PlanDraft, at: datetime, by: Viewer) -> PlanDefinition:
    """The second step: somebody who had no hand in it brings it into use.

    Refused: published already, not handed in, own work, content that is wrong by now, a version number that is taken.
    """
    locked = PlanDraft.objects.select_for_update(of=("self",), no_key=True).get(pk=draft.pk)
    if locked.state == PlanDraft.State.PUBLISHED:
        raise PublishedAlready
    if locked.state != PlanDraft.State.IN_REVIEW:
        raise DraftNotOpen(_("Only a draft that was handed in can be published."))
    if by.practitioner_id is None or by.practitioner_id in reads.hands_in(locked):
        raise OwnDraft
    faults = reads.faults_of(locked, at=at)
    if faults:
        raise DraftFaulty(faults)
    if PlanDefinition.objects.filter(url=locked.url, version=locked.version).exists():
        raise VersionExists
    definition = publish_plan(raw=locked.content, enrols=locked.enrols, at=at, by=by)
    PlanDraft.objects.filter(pk=locked.pk).update(
        state=PlanDraft.State.PUBLISHED, decided_at=at, decided_by_id=by.practitioner_id, published_as=definition,
        revision=locked.revision + 1, updated_at=at,
    )  # fmt: skip
    record(PlanDraftApproved(draft_id=locked.pk, definition_id=definition.pk), by=by)
    return definition


@action
def discard_draft(*, draft: PlanDraft, at: datetime, by: Viewer) -> None:
    """Throw it away: it stays readable, but another draft may begin. Refused: published or thrown away already."""
    locked = PlanDraft.objects.select_for_update(of=("self",), no_key=True).get(pk=draft.pk)
    if not locked.is_open:
        raise DraftNotOpen
    PlanDraft.objects.filter(pk=locked.pk).update(
        state=PlanDraft.State.DISCARDED, decided_at=at, decided_by_id=by.practitioner_id,
        revision=locked.revision + 1, updated_at=at,
    )  # fmt: skip
    record(PlanDraftDiscarded(draft_id=locked.pk), by=by)


def _person(by: Viewer) -> UUID:
    """Drafts are people's work; the machine writes none."""
    if by.practitioner_id is None:
        raise TypeError("a draft needs a person who writes it")
    return by.practitioner_id


def _with_usual_values(told: Mapping[str, Any], *, at: datetime) -> Raw:
    """What another system's file rarely says, and what the hospital decides anyway."""
    title = told.get("title") if isinstance(told.get("title"), Mapping) else None
    usual: Raw = {
        "version": "1.0", "category": "single-disease", "valid_from": reads.today(at).isoformat(),
        "enrolment": {}, "ends": {"after": "12m"},
    }  # fmt: skip
    raw = usual | {key: value for key, value in told.items() if key != "in_force"}
    if title and not any((told.get("description") or {}).values() if isinstance(told.get("description"), dict) else ()):
        raw["description"] = dict(title)
    if not raw.get("sources") and title:
        raw["sources"] = [{"title": str(title.get("zh", "")) or "-", "locator": "", "verified": False}]
    return raw


def _begin(
    raw: Mapping[str, Any],
    *,
    origin: str,
    based_on: PlanDefinition | None,
    enrols: bool,
    unknown: tuple[str, ...],
    at: datetime,
    by: Viewer,
) -> PlanDraft:
    _check_size(raw)
    told = reads.shown_fields(raw)
    draft = PlanDraft(
        content=raw, based_on=based_on, enrols=enrols, unknown=list(unknown)[:200], author_id=_person(by), **told
    )
    try:
        with transaction.atomic():
            draft.save()
    except IntegrityError:  # draft_one_open_per_plan: another request was faster, or a colleague is at it
        raise DraftOpenAlready from None
    _remember(draft, 0, parent=None, paths=[], content=raw, by=by)
    record(PlanDraftStarted(draft_id=draft.pk, url=draft.url, origin=origin), by=by)
    return draft


def _locked(draft: PlanDraft, state: PlanDraft.State) -> PlanDraft:
    locked = PlanDraft.objects.select_for_update(of=("self",), no_key=True).get(pk=draft.pk)
    if locked.state != state:
        raise DraftNotOpen
    return locked


def _put(draft: PlanDraft, content: Mapping[str, Any], *, position: int, at: datetime) -> None:
    _check_size(content)
    told = reads.shown_fields(content)
    try:
        with transaction.atomic():
            PlanDraft.objects.filter(pk=draft.pk).update(
                content=content, position=position, revision=draft.revision + 1, updated_at=at, **told
            )
    except IntegrityError:
        raise DraftOpenAlready from None
    draft.content, draft.position, draft.revision = dict(content), position, draft.revision + 1
    for name, value in told.items():
        setattr(draft, name, value)


def _remember(
    draft: PlanDraft, number: int, *, parent: int | None, paths: list[str], content: Mapping[str, Any], by: Viewer
) -> None:
    PlanDraftChange.objects.create(
        draft=draft, number=number, parent=parent, paths=paths, content=content, by_practitioner_id=_person(by)
    )


def _check_size(content: Mapping[str, Any]) -> None:
    if len(str(content)) > MOST_BYTES:
        raise DraftTooLarge

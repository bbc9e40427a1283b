"""Drafts that a second person publishes: editing → in review → published, or discarded. The same steps in every room.

A draft has the columns `status`, `revision` (counts every change), `submitted_at`, `remark` and `updated_at`. Each function
is called inside an action of the room, which records what happened; the room also brings the words of the refusals.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.db.models import Model

from careloop.kernel.errors import Refused

D = TypeVar("D", bound=Model)
EDITING: Final = "editing"
IN_REVIEW: Final = "in-review"
PUBLISHED: Final = "published"
DISCARDED: Final = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """What a room says when a draft is not where it would have to be."""

    closed: type[Refused]  # published or discarded
    in_review: type[Refused]  # waits for its reviewer: nobody changes it meanwhile
    moved_on: type[Refused]  # somebody else changed it since this person looked
    not_submitted: type[Refused]  # nothing to review yet


def hold_for_change(draft: D, revision: int | None, refusals: Refusals) -> D:
    """The draft, locked, while it can be changed and is as the writer saw it (`revision` None: whatever it is now)."""
    found = _held(draft)
    if found.status in {PUBLISHED, DISCARDED}:
        raise refusals.closed
    if found.status == IN_REVIEW:
        raise refusals.in_review
    if revision is not None and found.revision != revision:
        raise refusals.moved_on
    return found


def hold_in_review(draft: D, refusals: Refusals) -> D:
    """The draft, locked, while it waits for its reviewer."""
    found = _held(draft)
    if found.status in {PUBLISHED, DISCARDED}:
        raise refusals.closed
    if found.status != IN_REVIEW:
        raise refusals.not_submitted
    return found


def submit(held: Any, *, at: datetime) -> None:
    """A draft held for change waits for its reviewer from now on; what an earlier reviewer remarked goes."""
    held.status, held.submitted_at, held.remark = IN_REVIEW, at, ""
    held.save(update_fields=["status", "submitted_at", "remark", "updated_at"])


def give_back(held: Any, *, remark: str) -> None:
    """A draft held in review can be changed again; the remark (at most 400 characters) says what is to be mended."""
    held.status, held.remark = EDITING, remark.strip()[:400]
    held.save(update_fields=["status", "remark", "updated_at"])


def discard(draft: Model, refusals: Refusals) -> bool:
    """Thrown away, from review too. False when it was already. Refused when it was published."""
    found = _held(draft)
    if found.status == DISCARDED:
        return False
    if found.status == PUBLISHED:
        raise refusals.closed
    found.status = DISCARDED
    found.save(update_fields=["status", "updated_at"])
    return True


def _held(draft: Model) -> Any:
    return type(draft)._default_manager.select_for_update().get(pk=draft.pk)

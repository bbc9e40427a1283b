"""What every table of ours has, and the rule that no query runs until someone says who is looking."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q

from careloop.kernel.actions import ledger
from careloop.kernel.rows import Conflict, NotAsJson, insert_rows
from careloop.kernel.viewer import Viewer

M = TypeVar("M", bound=models.Model)

PRIVACY_CLASSES = frozenset({"direct", "quasi", "clinical", "none"})


class UnscopedQuery(RuntimeError):
    """A query about patients was about to run although nobody said who is looking."""


_IDS_A_THROW = 256


class _Dice(threading.local):
    """Chance from the system for the next ids of this thread: asking it is a call into the kernel and costs ten ids."""

    def __init__(self) -> None:
        self.left: list[bytes] = []

    def throw(self) -> bytes:
        if not self.left:
            chance = os.urandom(10 * _IDS_A_THROW)
            self.left = [chance[start : start + 10] for start in range(0, len(chance), 10)]
        return self.left.pop()

    def forget(self) -> None:
        self.left = []


_dice = _Dice()
_CHANCE = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)
_KIND = 0x7 << 76 | 0x2 << 62  # version and variant
os.register_at_fork(after_in_child=_dice.forget)  # two processes must not throw the same


def uuid7() -> uuid.UUID:
    """A time-ordered identifier (RFC 9562 §5.7): new rows land at the end of the index, not all over it."""
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=(milliseconds << 80) | (int.from_bytes(_dice.throw(), "big") & _CHANCE) | _KIND)


class WatchedQuerySet(models.QuerySet[M]):
    """Bulk writes count as writes too."""

    def update(self, **values: Any) -> int:
        mine = ledger(self.model.__name__)
        changed = super().update(**values)
        mine.writes += changed
        return changed

    def delete(self) -> tuple[int, dict[str, int]]:
        mine = ledger(self.model.__name__)
        gone = super().delete()
        mine.writes += gone[0]
        return gone

    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        """Django's, by one statement for any number of rows where the values allow it (`kernel.rows`)."""
        mine = ledger(self.model.__name__)
        rows = list(objs)
        conflict = Conflict(ignore_conflicts, tuple(update_fields or ()), tuple(unique_fields or ()))
        try:
            if rows:
                insert_rows(rows, conflict=conflict)
        except NotAsJson:
            rows = super().bulk_create(
                rows, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
            )
        mine.writes += len(rows)
        return rows


class ScopedQuerySet(WatchedQuerySet[M]):
    """Refuses to run until `.visible_to(viewer)` or `.unscoped(why)` was said."""

    _open = False

    def visible_to(self, viewer: Viewer) -> Self:
        """Only what this viewer may see."""
        opened = self.unscoped("narrowed on the next line")
        return opened if viewer.everything else opened.filter(self.model.scope(viewer))  # type: ignore[attr-defined]  # Django's own, not in its type

    def unscoped(self, why: str) -> Self:
        """Everything, for a reason that stands in the code."""
        if not why:
            raise ValueError("say why this query needs no viewer")
        opened = self._chain()  # type: ignore[attr-defined]  # Django's own, not in its type
        opened._open = True
        return opened

    def _clone(self) -> Self:
        clone = super()._clone()  # type: ignore[misc]  # Django's own, not in its type
        clone._open = self._open
        return clone

    def _refuse_if_unscoped(self) -> None:
        reached_from_a_row_already_held = "instance" in self._hints  # type: ignore[attr-defined]  # Django's own, not in its type
        if not (self._open or reached_from_a_row_already_held):
            raise UnscopedQuery(f"{self.model.__name__}: say .visible_to(viewer) or .unscoped(why)")

    def _merge_sanity_check(self, other: Any) -> None:  # a | b, a & b: both sides must have said it
        other._refuse_if_unscoped()
        super()._merge_sanity_check(other)  # type: ignore[misc]  # Django's own, not in its type

    def _combinator_query(self, combinator: str, *others: Any, all: bool = False) -> Any:
        for other in others:
            other._refuse_if_unscoped()
        return super()._combinator_query(combinator, *others, all=all)  # type: ignore[misc]  # Django's own, not in its type

    def raw(self, *args: Any, **kwargs: Any) -> Any:
        raise UnscopedQuery("raw SQL about patients belongs in reads, behind a viewer")

    def _fetch_all(self) -> None:
        self._refuse_if_unscoped()
        super()._fetch_all()

    def iterator(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse_if_unscoped()
        return super().iterator(*args, **kwargs)

    def count(self) -> int:
        self._refuse_if_unscoped()
        return super().count()

    def exists(self) -> bool:
        self._refuse_if_unscoped()
        return super().exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self._refuse_if_unscoped()
        return super().aggregate(*args, **kwargs)

    def update(self, **values: Any) -> int:
        self._refuse_if_unscoped()
        return super().update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        self._refuse_if_unscoped()
        return super().delete()


class BaseModel(models.Model):
    """Every table of ours: a time-ordered id, and writes only inside an action."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WatchedQuerySet.as_manager()

    class Meta:
        abstract = True

    def _get_FIELD_display(self, field: Any) -> Any:
        """The words of a choice. Django's own way translates and hashes all choices of the field for the one it wants."""
        value = getattr(self, field.attname)
        return next((str(words) for code, words in field.flatchoices if code == value), value)

    def save(self, *args: Any, **kwargs: Any) -> None:
        mine = ledger(type(self).__name__)
        super().save(*args, **kwargs)
        mine.writes += 1  # counted after: a lost race wrote nothing

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        mine = ledger(type(self).__name__)
        gone = super().delete(*args, **kwargs)
        mine.writes += gone[0]
        return gone


class ScopedModel(BaseModel):
    """A row about a patient. Says itself who may see it, and classes each of its columns."""

    privacy: ClassVar[dict[str, str]] = {}

    objects = ScopedQuerySet.as_manager()  # type: ignore[misc]  # Django's own, not in its type

    class Meta:
        abstract = True

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """The rows this viewer may see."""
        raise NotImplementedError

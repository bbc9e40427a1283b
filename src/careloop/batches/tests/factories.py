"""Kinds of work for tests: their rows leave one fact each, so that doing one twice would show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from unittest import mock
from uuid import UUID

from careloop.audit.record import seen
from careloop.batches import actions, reads
from careloop.batches.models import Batch
from careloop.batches.reads import BatchKind
from careloop.batches.rules import Item
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from tests.cast import NOW

KIND = "tests.seen"


class Unwilling(Refused):
    """The row does not want to."""

    code = "tests-unwilling"


def touch(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> dict[str, object] | None:
    """Writes one fact; refuses and breaks on request, after having written."""
    seen(patient_id=item.subject_id, what="batch", by=by)
    if item.data.get("then") == "refuse":
        raise Unwilling
    if item.data.get("then") == "break":
        raise ValueError("a name that must not be logged")
    return {"before": "x"}


def untouch(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> dict[str, object] | None:
    seen(patient_id=item.subject_id, what=f"undo {item.data['before']}", by=by)
    return None


def bind(*, batch_id: UUID, at: datetime, by: Viewer) -> dict[str, object]:
    actions.store_result_file(
        batch_id=batch_id, name="result.txt", content_type="text/plain", data=b"ab" * 700_000, at=at, by=by
    )
    return {"pages": 3}


PLAIN = BatchKind(label="Seen", work=touch, permission="batches.view", chunk=5, undo="tests.unseen")
KINDS = {
    KIND: PLAIN,
    "tests.unseen": BatchKind(label="Unseen", work=untouch, permission="batches.view"),
    "tests.file": BatchKind(label="File", work=touch, permission="batches.view", finish=bind),
    "tests.guarded": BatchKind(label="Guarded", work=touch, permission="accounts.grant"),
}


@contextmanager
def kinds() -> Iterator[None]:
    with mock.patch.object(reads, "_kinds", return_value=KINDS):
        yield


def start(by: Viewer, n: int = 12, *, kind: str = KIND, key: str = "k", **data: Mapping[int, str]) -> Batch:
    """A batch over `n` invented subjects; `then={3: "refuse"}` says what row 3 does."""
    then = data.get("then", {})
    items = [Item(f"row-{i}", uuid7(), {"then": then[i]} if i in then else {}) for i in range(n)]
    return actions.start_batch(kind=kind, title="Work", key=key, items=items, parameters={}, at=NOW, by=by)

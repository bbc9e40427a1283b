"""A new version of the retry ladder: checked as a whole, in force from a day on, never changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.tasks import rules
from careloop.tasks.events import LadderPublished
from careloop.tasks.models import LadderVersion

_ONE_AT_A_TIME = 7_302_002


class LadderFaulty(Refused):
    """The ladder does not end, or points to something that is not there. `faults` says where."""

    code = "ladder-faulty"
    message = _("The retry rules cannot be put in force like this. What is wrong stands beside the form.")
    status = 422

    def __init__(self, faults: Sequence[rules.LadderFault] = ()) -> None:
        super().__init__()
        self.faults = list(faults)


class LadderNeedsNote(Refused):
    code = "ladder-needs-note"
    message = _("Say why the retry rules change.")


class LadderTooEarly(Refused):
    code = "ladder-too-early"
    message = _("Retry rules can begin today or later: what was done already keeps its rules.")


class LadderChangedMeanwhile(Refused):
    code = "ladder-changed-meanwhile"
    message = _("Somebody put another version in force meanwhile. Look at it and make your change again.")


@action
def publish_ladder(
    *, content: Mapping[str, Any], valid_from: date, note: str, based_on: int, today: date, at: datetime, by: Viewer
) -> LadderVersion:
    """Keep a new version. Refused: faults, a day that is over, no reason, or a newer version than the one edited."""
    found = rules.faults(content)
    if found:
        raise LadderFaulty(found)
    if not note.strip():
        raise LadderNeedsNote
    if valid_from < today:
        raise LadderTooEarly
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
    newest = LadderVersion.objects.order_by("-number").values_list("number", flat=True).first() or 0
    if newest != based_on:
        raise LadderChangedMeanwhile
    version = LadderVersion(
        number=newest + 1, content=dict(content), valid_from=valid_from, note=note.strip()[:300], written_at=at,
        written_by_id=by.practitioner_id,
    )  # fmt: skip
    version.save(force_insert=True)
    record(LadderPublished(number=version.number, valid_from=valid_from), by=by)
    return version

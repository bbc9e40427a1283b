"""What every step on an alert shares: the row held, the ledger, the notices, the work order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from careloop.alerts.models import Alert, AlertAction, Notice
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import TaskRequest


class AlertNotYours(Refused):
    """Only the owner acts and closes, so that it is clear who did."""

    code = "alert-not-yours"
    message = _("Accept the alert first, or have it handed over to you.")


def notify(alert: Alert, practitioner_id: UUID, why: str, at: datetime) -> None:
    """Told again means unseen again."""
    Notice.objects.unscoped("a notice belongs to one person").update_or_create(
        alert=alert,
        practitioner_id=practitioner_id,
        why=why,
        defaults={"patient_id": alert.patient_id, "at": at, "seen_at": None},
    )


def ask_for_work(alert: Alert, key: str, by: Viewer) -> None:
    """A work order for whoever answers this alert; the same key asks once. Written onto the alert."""
    request = TaskRequest(
        key=key,
        patient_id=alert.patient_id,
        department_id=alert.department_id,
        kind=Task.Kind.ALERT,
        owner_id=alert.owner_id,
        owner_role=alert.wanted_role,
        encounter_id=alert.encounter_id,
        focus_id=alert.pk,
        step_title=alert.sentence_zh[:120],
        step_title_en=alert.sentence_en[:120],
        risk=alert.severity,
        available_at=alert.raised_at,
        due_at=alert.deadline(),
        window_ends_at=alert.close_by,
    )
    tasks.request_tasks(requests=[request], by=by)
    made = Task.objects.unscoped("asked for a line above").values_list("pk", flat=True).get(key=key)
    everyone().filter(pk=alert.pk).update(work_order_id=made)
    alert.work_order_id = made


def log(
    alert: Alert,
    kind: str,
    at: datetime,
    by: Viewer,
    *,
    code: str = "",
    note: str = "",
    to_id: UUID | None = None,
    before: Mapping[str, Any] | None = None,
) -> AlertAction:
    """One line of the alert's history; `before` is what an undo puts back."""
    entry = AlertAction(
        alert=alert,
        patient_id=alert.patient_id,
        kind=kind,
        code=code[:40],
        note=note[:300],
        at=at,
        by_practitioner_id=by.practitioner_id,
        to_practitioner_id=to_id,
        before=dict(before or {}),
    )
    entry.save(force_insert=True)
    return entry


def everyone() -> Any:
    """All alerts: for writing a row that was found through the viewer's scope."""
    return Alert.objects.unscoped("the row was found through the viewer's scope")


_STEP_COLUMNS = (
    "status", "owner_id", "accepted_by_id", "closed_by_id", "closing_code", "closing_note", "respond_by", "seen_at",
    "accepted_at", "acted_at", "closed_at",
)  # fmt: skip


def snapshot(alert: Alert) -> dict[str, Any]:
    """The columns a step may change, as JSON: what an undo puts back."""
    return {name: plain(getattr(alert, name)) for name in _STEP_COLUMNS}


def plain(value: object) -> object:
    """Instants and ids as text, for JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def restored(before: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `snapshot` as the model wants them."""
    times = {name for name in _STEP_COLUMNS if name.endswith("_at") or name == "respond_by"}
    return {
        name: parse_datetime(value) if name in times and value is not None else value for name, value in before.items()
    }


def locked(alert: Alert, by: Viewer) -> Alert:
    """The row as it is now, held until the end of the action. Refused when it is out of the viewer's sight."""
    held = Alert.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=alert.pk).first()
    if held is None:
        raise AlertNotYours
    return held


def own(alert: Alert, by: Viewer) -> Alert:
    """The row held, refused unless this person owns it."""
    held = locked(alert, by)
    if held.owner_id != by.practitioner_id:
        raise AlertNotYours
    return held


def again(alert: Alert) -> Alert:
    found: Alert = everyone().select_related("patient", "department", "owner", "stand_in").get(pk=alert.pk)
    return found


def give_work(alert: Alert, owner_id: UUID | None, at: datetime, by: Viewer) -> None:
    """The work order of this alert goes to its owner too."""
    if alert.work_order_id is not None:
        tasks.assign_tasks(
            task_ids=[alert.work_order_id], owner_id=owner_id, at=at, by=as_owner_of(by), why="alert-owner"
        )


def as_owner_of(by: Viewer) -> Viewer:
    """The work order follows its alert, also into a colleague's hands whose tasks this viewer does not see."""
    return Viewer(
        actor=by.actor,
        practitioner_id=by.practitioner_id,
        everything=True,
        session_id=by.session_id,
        ip=by.ip,
        request_id=by.request_id,
    )

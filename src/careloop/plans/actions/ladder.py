"""Messages before calls: WeChat, then an SMS with a link, then a person (A16, A17); one message a patient and day.

A patient with contacts of several plans on the same day gets one message that covers them all (pain 16).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions import queue_message
from careloop.messaging.models import Communication
from careloop.messaging.reads import policy
from careloop.patients.actions import issue_link
from careloop.plans.events import LadderClimbed, LadderTimed
from careloop.plans.models import LadderRun
from careloop.plans.reads.locking import hold_patients
from careloop.plans.rules.content import Activity, Channel, Step
from careloop.plans.rules.ladder import CallNow, Exhausted, Send, Tried, Wait, next_move
from careloop.tasks.actions import close_tasks, note_message, open_early
from careloop.tasks.models import Task

LINK_LASTS = timedelta(days=14)
MESSAGES = (Channel.WECHAT, Channel.SMS)
_GONE = frozenset({Communication.State.SUPPRESSED, Communication.State.FAILED})
_MOST_MOVES = len(MESSAGES) + 1  # each channel may fail at once, then the phone


@dataclass(slots=True)
class _Climb:
    """One run with its task and step while its next move is looked for."""

    run: LadderRun
    task: Task
    step: Step

    def tried(self) -> list[Tried]:
        return [
            Tried(Channel(entry["channel"]), datetime.fromisoformat(entry["at"]), has_failed=bool(entry.get("failed")))
            for entry in self.run.tried
        ]


@action
def climb_ladders(*, patient_id: UUID, at: datetime, by: Viewer) -> int:
    """Make the next moves of one patient's ladders. Runs that start later today join a message that goes out now.

    Harmless twice: a message has the key of its first task and channel. Gives back how many runs moved.
    """
    hold_patients([patient_id])
    climbs = _climbs(patient_id, before=_end_of_day(at), at=at)
    if not any(climb.run.next_move_at and climb.run.next_move_at <= at for climb in climbs):
        return 0
    for _attempt in range(_MOST_MOVES):
        sending = _move(climbs, at=at)
        if not sending:
            break
        _send(sending, at=at, by=by)
    _save(climbs, at=at)
    record(LadderTimed(runs=len(climbs), patient_id=patient_id), by=by)
    _hand_over(climbs, at=at, by=by)
    return len(climbs)


@action
def ladder_failed(*, patient_id: UUID, communication_id: UUID, at: datetime, by: Viewer) -> int:
    """A message did not reach the patient: no more waiting for an answer to it."""
    hold_patients([patient_id])
    runs = LadderRun.objects.unscoped("the message's own").filter(
        patient_id=patient_id,
        next_move_at__isnull=False,
        tried__contains=[{"communication": str(communication_id)}],
    )
    found = list(runs)
    for run in found:
        run.tried = [
            {**entry, "failed": True} if entry.get("communication") == str(communication_id) else entry
            for entry in run.tried
        ]
        run.next_move_at = at
    LadderRun.objects.unscoped("the patient is held").bulk_update(found, ["tried", "next_move_at"])
    if found:
        record(LadderTimed(runs=len(found), patient_id=patient_id), by=by)
    return len(found)


@action
def ladder_over(*, task_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """The task is done or closed: nothing more is sent for it. One that was opened again meanwhile keeps its ladder."""
    ended = (
        Task.objects.unscoped("the machine follows a fact").filter(pk__in=list(task_ids)).exclude(status="requested")
    )
    runs = LadderRun.objects.unscoped("the task's own").filter(
        task_id__in=ended.values("pk"), next_move_at__isnull=False
    )
    changed = runs.update(next_move_at=None, ended_how="task-over", updated_at=at)
    if changed:
        record(LadderTimed(runs=changed), by=by)
    return changed


@action
def send_missed_call(*, task_id: UUID, attempt_id: UUID, at: datetime, by: Viewer) -> Communication | None:
    """After a call that nobody answered: "we could not reach you", with the link to answer online."""
    task = Task.objects.unscoped("its own message").open().filter(pk=task_id).first()
    if task is None or not task.questionnaire_url:
        return None
    link = issue_link(
        patient_id=task.patient_id, purpose="questionnaire", task_id=task.pk, expires_at=at + LINK_LASTS, by=by
    )
    return queue_message(
        key=f"missed-call:{attempt_id}", patient_id=task.patient_id, channel=Channel.SMS.value,
        template_code="missed-call", params={}, task_id=task.pk, link_id=link.pk, at=at, by=by,
    )  # fmt: skip


def _climbs(patient_id: UUID, *, before: datetime, at: datetime) -> list[_Climb]:
    runs = list(
        LadderRun.objects.unscoped("the patient is held")
        .filter(patient_id=patient_id, next_move_at__lte=before)
        .select_related("care_plan__definition")
        .order_by("next_move_at", "pk")
    )
    rows = Task.objects.unscoped("their own tasks").filter(pk__in=[run.task_id for run in runs])
    tasks = {task.pk: task for task in rows}
    climbs: list[_Climb] = []
    for run in runs:
        task = tasks.get(run.task_id)
        step = run.care_plan.definition.plan().step(task.step_code) if task else None
        if task is not None and step is not None:
            climbs.append(_Climb(run, task, step))
    for climb in climbs:
        if climb.task.status != Task.Status.REQUESTED or not climb.run.care_plan.is_active:
            _over(climb, "task-over")
    return climbs


def _move(climbs: Iterable[_Climb], *, at: datetime) -> list[tuple[_Climb, Channel]]:
    """Set the waits and ends; give back who is to be sent what. All of today's runs count as begun."""
    sending: list[tuple[_Climb, Channel]] = []
    for climb in climbs:
        run = climb.run
        if run.next_move_at is None:
            continue
        move = next_move(climb.step.ladder, climb.tried(), usable=MESSAGES, starts_at=min(run.starts_at, at), at=at)
        if isinstance(move, Send):
            sending.append((climb, move.channel))
        elif isinstance(move, Wait):
            run.next_move_at = move.until
        elif isinstance(move, CallNow):
            _over(climb, "phone")
        elif isinstance(move, Exhausted):
            _over(climb, "exhausted")
    return sending


def _send(sending: Sequence[tuple[_Climb, Channel]], *, at: datetime, by: Viewer) -> None:
    """One message per channel for all that is to be sent now, with a link that leads to all of it."""
    for channel in MESSAGES:
        together = [climb for climb, wanted in sending if wanted is channel]
        if not together:
            continue
        if not policy.has_adapter(channel.value):  # this site cannot go that way at all: no row for it, but a word
            skipped = {"channel": channel.value, "at": at.isoformat(), "failed": True, "why": "no-adapter"}
            for climb in together:
                climb.run.tried = [*climb.run.tried, skipped]
            continue
        message = _queue(together, channel, at=at, by=by)
        failed = message.state in _GONE
        entry: dict[str, Any] = {"channel": channel.value, "at": at.isoformat(), "communication": str(message.pk)}
        for climb in together:
            climb.run.tried = [*climb.run.tried, {**entry, "failed": True} if failed else entry]
        if not failed:
            ids = tuple(climb.task.pk for climb in together)
            record(LadderClimbed(channel=channel.value, task_ids=ids, patient_id=together[0].run.patient_id), by=by)
            note_message(task_ids=ids, state="sent", at=at, by=by)


def _queue(together: Sequence[_Climb], channel: Channel, *, at: datetime, by: Viewer) -> Communication:
    first = min(together, key=lambda climb: (_importance(climb), climb.task.due_at, climb.task.pk))
    patient_id, task = first.run.patient_id, first.task
    purpose = "questionnaire" if len(together) == 1 and task.questionnaire_url else "home"
    link = issue_link(
        patient_id=patient_id,
        purpose=purpose,
        task_id=task.pk if purpose == "questionnaire" else None,
        expires_at=max(task.window_ends_at or at, at) + LINK_LASTS,
        by=by,
    )
    return queue_message(
        key=f"ladder:{task.key}:{channel.value}",
        patient_id=patient_id,
        channel=channel.value,
        template_code=_TEMPLATES[first.step.activity],
        params={
            "due_date": timezone.localtime(task.due_at, timezone.get_default_timezone()).date(),
            "discharge_date": first.run.care_plan.discharged_on,
        },
        task_id=task.pk,
        link_id=link.pk,
        at=at,
        by=by,
    )


_TEMPLATES = {
    Activity.QUESTIONNAIRE: "follow-up-link",
    Activity.REVISIT: "revisit-reminder",
    Activity.EDUCATION: "education-link",
    Activity.REMINDER: "care-reminder",  # its words stand behind the link: a text message names nothing medical
}
_IMPORTANCE = (Activity.QUESTIONNAIRE, Activity.REVISIT, Activity.EDUCATION, Activity.REMINDER)


def _importance(climb: _Climb) -> int:
    return _IMPORTANCE.index(climb.step.activity)


def _over(climb: _Climb, how: str) -> None:
    climb.run.next_move_at, climb.run.ended_how = None, how


def _save(climbs: Sequence[_Climb], *, at: datetime) -> None:
    for climb in climbs:
        climb.run.updated_at = at
    fields = ["next_move_at", "ended_how", "tried", "updated_at"]
    LadderRun.objects.unscoped("the patient is held").bulk_update([climb.run for climb in climbs], fields)


def _hand_over(climbs: Sequence[_Climb], *, at: datetime, by: Viewer) -> None:
    """Whose turn it is now: a person's, or nobody's because a message was all there was to do."""
    calls = [climb.task.pk for climb in climbs if climb.run.ended_how == "phone"]
    spent = [climb for climb in climbs if climb.run.ended_how == "exhausted"]
    calls += [
        climb.task.pk
        for climb in spent
        if climb.step.activity in (Activity.QUESTIONNAIRE, Activity.REVISIT) and climb.task.kind != Task.Kind.SURVEY
    ]  # a survey waits for the patient and lapses: nobody calls for it
    open_early(task_ids=calls, at=at, by=by)
    told = [climb for climb in spent if climb.step.activity in (Activity.EDUCATION, Activity.REMINDER)]
    sent = [climb.task.pk for climb in told if any(not entry.get("failed") for entry in climb.run.tried)]
    close_tasks(task_ids=sent, reason="message-sent", at=at, by=by)
    unsent = [climb.task.pk for climb in told if climb.task.pk not in sent]
    close_tasks(task_ids=unsent, reason="message-failed", at=at, by=by)


def _end_of_day(at: datetime) -> datetime:
    local = timezone.localtime(at, timezone.get_default_timezone())
    return local.replace(hour=23, minute=59, second=59, microsecond=0)

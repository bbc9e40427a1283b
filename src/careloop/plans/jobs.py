"""What plans do by themselves. Each job loads ids and calls one action."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from procrastinate.exceptions import AlreadyEnqueued

from careloop.batches.rules import Item, Skip
from careloop.kernel.errors import Refused
from careloop.kernel.jobs import gathering_job, job, periodic
from careloop.kernel.viewer import Viewer
from careloop.plans import actions
from careloop.plans.actions import replaying as replays
from careloop.plans.models import CarePlan, PlanDefinition, VersionAdoption
from careloop.plans.reads import due, replaying, surveys
from careloop.tasks.reads import ended_task

BATCH = 500


@gathering_job(most=200, about="encounter_id")
def judge_discharges(*, events: list[dict[str, Any]]) -> None:
    """EncounterFinished: judge the discharge. ConditionsReplaced, ProceduresReplaced: codes often come after it; again."""
    ids = sorted({UUID(event["encounter_id"]) for event in events})
    actions.enrol_discharges(encounter_ids=ids, at=timezone.now(), by=Viewer.system("plans.judge_discharges"))


@job()
def cancel_after_discharge_cancelled(*, event: dict[str, Any]) -> None:
    """DischargeCancelled (A13)."""
    actions.cancel_discharge(
        encounter_id=UUID(event["encounter_id"]), reason="discharge-cancelled", at=timezone.now(),
        by=Viewer.system("plans.cancel_after_discharge_cancelled"),
    )  # fmt: skip


@job()
def cancel_after_encounter_cancelled(*, event: dict[str, Any]) -> None:
    """EncounterCancelled (A11)."""
    actions.cancel_discharge(
        encounter_id=UUID(event["encounter_id"]), reason="encounter-cancelled", at=timezone.now(),
        by=Viewer.system("plans.cancel_after_encounter_cancelled"),
    )  # fmt: skip


@job()
def stop_for_death(*, event: dict[str, Any]) -> None:
    """PatientDied."""
    actions.stop_for_death(
        patient_id=UUID(event["patient_id"]), at=timezone.now(), by=Viewer.system("plans.stop_for_death")
    )


@job()
def end_for_loss(*, event: dict[str, Any]) -> None:
    """PatientLost: the plan whose patient cannot be found ends."""
    if event.get("care_plan_id"):
        actions.stop_for_loss(
            care_plan_id=UUID(event["care_plan_id"]), at=timezone.now(), by=Viewer.system("plans.end_for_loss")
        )


@job()
def after_consent_changed(*, event: dict[str, Any]) -> None:
    """ConsentChanged: whoever refused all contact is in no plan; whoever allows it again goes on."""
    by, at = Viewer.system("plans.after_consent_changed"), timezone.now()
    patient_id = UUID(event["patient_id"])
    actions.stop_for_refusal(patient_id=patient_id, at=at, by=by)
    actions.resume_ended(patient_id=patient_id, reason="refusal", at=at, by=by)


@job()
def resume_after_mistake(*, event: dict[str, Any]) -> None:
    """DeathWithdrawn: the plans that the reported death ended go on."""
    actions.resume_ended(
        patient_id=UUID(event["patient_id"]), reason="death", at=timezone.now(),
        by=Viewer.system("plans.resume_after_mistake"),
    )  # fmt: skip


@job()
def after_merge(*, event: dict[str, Any]) -> None:
    """PatientsMerged, PatientsUnmerged: plans follow their stays."""
    actions.realign_after_merge(
        patient_ids=[UUID(event["survivor_id"]), UUID(event["gone_id"])], at=timezone.now(),
        by=Viewer.system("plans.after_merge"),
    )  # fmt: skip


@job()
def pause_for_readmission(*, event: dict[str, Any]) -> None:
    """EncounterStarted."""
    actions.pause_for_readmission(
        encounter_id=UUID(event["encounter_id"]), at=timezone.now(), by=Viewer.system("plans.pause_for_readmission")
    )


@job()
def derive_next(*, event: dict[str, Any]) -> None:
    """TaskCompleted, TaskClosed: stop its messages, look at what the outcome means, plan what comes next."""
    by, at = Viewer.system("plans.derive_next"), timezone.now()
    ended = ended_task(UUID(event["task_id"]))
    if ended is None or ended.care_plan_id is None:
        return  # opened again meanwhile, or of no plan: nothing was sent for it
    actions.ladder_over(task_ids=[ended.pk], at=at, by=by)
    if ended.outcome:
        actions.stop_for_outcome(care_plan_id=ended.care_plan_id, outcome=ended.outcome, at=at, by=by)
    actions.derive_next(care_plan_ids=[ended.care_plan_id], at=at, by=by)


@job()
def realign_after_reopen(*, event: dict[str, Any]) -> None:
    """TaskReopened: what was planned or ended because of it is taken back."""
    actions.realign_after_reopen(
        task_id=UUID(event["task_id"]), at=timezone.now(), by=Viewer.system("plans.realign_after_reopen")
    )


@job()
def close_task_of_response(*, event: dict[str, Any]) -> None:
    """ResponseCompleted: answers given online do the task, whoever completed them."""
    if event.get("mode") == "portal" and event.get("task_id") and not ended_task(UUID(event["task_id"])):
        actions.close_task_of_response(
            task_id=UUID(event["task_id"]), at=timezone.now(), by=Viewer.system("plans.close_task_of_response")
        )


@job()
def message_failed(*, event: dict[str, Any]) -> None:
    """CommunicationFailed, CommunicationSuppressed: try the next channel without waiting."""
    if not event.get("patient_id"):
        return
    by, at = Viewer.system("plans.message_failed"), timezone.now()
    patient_id = UUID(event["patient_id"])
    if actions.ladder_failed(patient_id=patient_id, communication_id=UUID(event["communication_id"]), at=at, by=by):
        actions.climb_ladders(patient_id=patient_id, at=at, by=by)


@job()
def send_missed_call(*, event: dict[str, Any]) -> None:
    """AttemptRecorded: the retry ladder asked for a message after a call that nobody answered."""
    if event.get("send_message"):
        actions.send_missed_call(
            task_id=UUID(event["task_id"]), attempt_id=UUID(event["attempt_id"]), at=timezone.now(),
            by=Viewer.system("plans.send_missed_call"),
        )  # fmt: skip


@job()
def climb_ladders(*, patient_id: str) -> None:
    """One patient's messages."""
    actions.climb_ladders(patient_id=UUID(patient_id), at=timezone.now(), by=Viewer.system("plans.climb_ladders"))


@periodic("*/5 * * * *")
def run_channel_ladder(timestamp: int) -> None:
    """Every five minutes: whose turn is it?"""
    at = datetime.fromtimestamp(timestamp, UTC)
    for patient_id in due.patients_with_due_ladders(at=at, limit=BATCH):
        with suppress(AlreadyEnqueued):  # a worker that is behind does not get the same patient twice
            climb_ladders.configure(queueing_lock=f"plans.ladder:{patient_id}").defer(patient_id=str(patient_id))


@periodic("10 0 * * *")
def ask_satisfaction(timestamp: int) -> None:
    """Every morning at 08:10 in China: whoever's stay has been over long enough is asked how satisfied they were."""
    at, by = datetime.fromtimestamp(timestamp, UTC), Viewer.system("plans.ask_satisfaction")
    for ids in surveys.stays_to_ask(at=at, size=BATCH):
        actions.ask_satisfaction(encounter_ids=ids, interval_days=settings.ENV.survey_interval_days, at=at, by=by)


@periodic("40 17 * * *")
def end_plans(timestamp: int) -> None:
    """Every night at 01:40 in China: end conditions, lapsed tasks, orphans (pains 4, 17, 19)."""
    by, at = Viewer.system("plans.end_plans"), datetime.fromtimestamp(timestamp, UTC)
    actions.lapse_tasks(at=at, by=by)
    actions.close_orphans(at=at, by=by)
    for ids in due.active_plan_batches(BATCH):
        actions.end_due_plans(care_plan_ids=ids, at=at, by=by)
        actions.derive_next(care_plan_ids=ids, at=at, by=by)  # heals whatever a lost job left undone


@job(attempts=1)
def replay_draft(*, event: dict[str, Any]) -> None:
    """ReplayRequested: play the draft on past discharges, portion by portion, telling how far it got.

    Its process may die at any moment: `revive_replays` begins it again. A fault of the program ends it with a word.
    """
    replay_id, by = UUID(event["replay_id"]), Viewer.system("plans.replay_draft")
    player = actions.start_replay(replay_id=replay_id, at=timezone.now(), by=by)
    try:
        _play(replay_id, player, by)
    except Refused:
        raise
    except Exception:
        actions.fail_replay(
            replay_id=replay_id, run=player.run, failure=replays.BROKEN, at=timezone.now(), by=by
        )  # the fault itself goes on to the log
        raise


def _play(replay_id: UUID, player: replaying.Player, by: Viewer) -> None:
    after = None
    while (after := replaying.play(player, after=after)) is not None:
        if not actions.note_replay(
            replay_id=replay_id, run=player.run, looked_at=player.looked_at, at=timezone.now(), by=by
        ):
            return  # somebody stopped it, or it was begun again elsewhere
    actions.finish_replay(replay_id=replay_id, player=player, at=timezone.now(), by=by)


@periodic("* * * * *")
def revive_replays(timestamp: int) -> None:
    """Every minute: replays whose process died are begun again, or said to have failed."""
    at, by = datetime.fromtimestamp(timestamp, UTC), Viewer.system("plans.revive_replays")
    for replay_id in actions.revive_replays(at=at, by=by):
        with suppress(AlreadyEnqueued):
            replay_draft.configure(queueing_lock=f"plans.replay:{replay_id}").defer(event={"replay_id": str(replay_id)})


def adopt_one(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> Mapping[str, object] | None:
    """One row of the batch `plans.adopt`: one running plan goes on with the new version."""
    plan = CarePlan.objects.visible_to(by).with_plan().filter(pk=UUID(item.key)).first()
    definition = PlanDefinition.objects.filter(pk=UUID(str(parameters["definition"]))).first()
    if plan is None or definition is None:
        raise actions.NothingToAdopt
    adoption = actions.adopt_version(care_plan=plan, definition=definition, at=at, by=by)
    return {"from": str(adoption.from_definition_id), "adoption": str(adoption.pk)}


def unadopt_one(
    *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
) -> Mapping[str, object] | Skip | None:
    """One row of the batch `plans.unadopt`: one adoption is taken back, unless somebody acted on it meanwhile."""
    found = VersionAdoption.objects.visible_to(by).filter(pk=UUID(str(item.data["adoption"]))).first()
    if found is None:
        raise actions.NothingToAdopt
    if not actions.undo_adoption(adoption=found, at=at, by=by):
        return Skip("adoption-undone")
    return None

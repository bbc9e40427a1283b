"""Every write on work."""

from careloop.tasks.actions.assigning import assign_tasks, hand_out
from careloop.tasks.actions.calling_back import call_back
from careloop.tasks.actions.claiming import TaskTaken, claim_next, claim_task, keep_claim, release_claims
from careloop.tasks.actions.contact import (
    UNDO_WITHIN,
    AttemptResult,
    ContactAtNoTime,
    OutcomeNotOfChannel,
    PromiseNeedsTime,
    TooLateToUndo,
    promise_call,
    record_attempt,
    snooze_task,
    undo_attempt,
)
from careloop.tasks.actions.filters import FilterNeedsName, remove_filter, save_filter
from careloop.tasks.actions.finishing import TaskNeedsReason, TaskNotOpen, UnknownOutcome, close_tasks, complete_task
from careloop.tasks.actions.ladder import (
    LadderChangedMeanwhile,
    LadderFaulty,
    LadderNeedsNote,
    LadderTooEarly,
    publish_ladder,
)
from careloop.tasks.actions.losing import LOST_REASONS, LadderNotExhausted, LossNeedsReason, lose_patient
from careloop.tasks.actions.opening import note_message, open_early
from careloop.tasks.actions.reopening import NotClosedLikeThis, reopen_task, restore_tasks
from careloop.tasks.actions.requesting import request_tasks
from careloop.tasks.actions.weighing import carry_risk, flag_self_report, refresh_priorities, weigh_portion
from careloop.tasks.rules import TaskRequest

__all__ = [
    "AttemptResult",
    "ContactAtNoTime",
    "FilterNeedsName",
    "LOST_REASONS",
    "LadderChangedMeanwhile",
    "LadderFaulty",
    "LadderNeedsNote",
    "LadderNotExhausted",
    "LadderTooEarly",
    "LossNeedsReason",
    "NotClosedLikeThis",
    "OutcomeNotOfChannel",
    "PromiseNeedsTime",
    "TaskNeedsReason",
    "TaskNotOpen",
    "TaskRequest",
    "TaskTaken",
    "TooLateToUndo",
    "UNDO_WITHIN",
    "UnknownOutcome",
    "assign_tasks",
    "call_back",
    "carry_risk",
    "claim_next",
    "claim_task",
    "close_tasks",
    "complete_task",
    "flag_self_report",
    "hand_out",
    "keep_claim",
    "lose_patient",
    "note_message",
    "open_early",
    "promise_call",
    "publish_ladder",
    "record_attempt",
    "refresh_priorities",
    "weigh_portion",
    "release_claims",
    "remove_filter",
    "reopen_task",
    "request_tasks",
    "restore_tasks",
    "save_filter",
    "snooze_task",
    "undo_attempt",
]

"""Every write on plans."""

from careloop.plans.actions.deriving import derive_next
from careloop.plans.actions.discharge import choose_plan, decline_plans, end_choice, take_up_declined
from careloop.plans.actions.endings import (
    CarePlanClosed,
    PlanNeedsReason,
    cancel_discharge,
    close_orphans,
    end_care_plan,
    end_due_plans,
    lapse_tasks,
    pause_for_readmission,
    realign_after_merge,
    realign_after_reopen,
    resume_ended,
    stop_for_death,
    stop_for_outcome,
    stop_for_refusal,
)
from careloop.plans.actions.enrolment import enrol_discharges, start_care_plan
from careloop.plans.actions.finishing import close_task_of_response, finish_follow_up
from careloop.plans.actions.ladder import climb_ladders, ladder_failed, ladder_over, send_missed_call
from careloop.plans.actions.personal import (
    ChangeNotFound,
    StepNotFound,
    add_visit,
    move_occurrence,
    restore_step,
    set_owner,
    set_target,
    tick_off_step,
    undo_change,
)
from careloop.plans.actions.publishing import (
    BadPlanContent,
    VersionExists,
    load_shipped_content,
    publish_plan,
    switch_enrolment,
)
from careloop.plans.actions.versions import NothingToAdopt, adopt_version

__all__ = [
    "BadPlanContent",
    "CarePlanClosed",
    "ChangeNotFound",
    "NothingToAdopt",
    "PlanNeedsReason",
    "StepNotFound",
    "VersionExists",
    "add_visit",
    "adopt_version",
    "cancel_discharge",
    "choose_plan",
    "climb_ladders",
    "close_orphans",
    "close_task_of_response",
    "decline_plans",
    "derive_next",
    "end_care_plan",
    "end_choice",
    "end_due_plans",
    "enrol_discharges",
    "finish_follow_up",
    "ladder_failed",
    "ladder_over",
    "lapse_tasks",
    "load_shipped_content",
    "move_occurrence",
    "pause_for_readmission",
    "publish_plan",
    "realign_after_merge",
    "realign_after_reopen",
    "restore_step",
    "resume_ended",
    "send_missed_call",
    "set_owner",
    "set_target",
    "start_care_plan",
    "stop_for_death",
    "stop_for_outcome",
    "stop_for_refusal",
    "switch_enrolment",
    "take_up_declined",
    "tick_off_step",
    "undo_change",
]

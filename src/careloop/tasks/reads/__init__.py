"""Queries on work that join several tables."""

from careloop.tasks.reads.explaining import Explained, explain_patient
from careloop.tasks.reads.facts import WeighedTask, ended_task, facts, number, numbers_of, still_open, tries_of
from careloop.tasks.reads.ladder import ladder_in_force, reach_of, shipped_content, version_in_force, versions
from careloop.tasks.reads.queue import free_for, held_by_others, in_hand, next_for, rest_of_patient, same_call, waiting
from careloop.tasks.reads.unreachable import PAGE as UNREACHABLE_PAGE
from careloop.tasks.reads.unreachable import STEPS, Unreachable, UnreachableQuery, unreachable, unreachable_tasks
from careloop.tasks.reads.wording import (
    channel_label,
    event_label,
    fault_text,
    lost_label,
    outcome_label,
    reach_text,
    reason_text,
    step_label,
    why_label,
)
from careloop.tasks.reads.worklist import (
    TABS,
    Counts,
    ListQuery,
    Row,
    WorkList,
    departments_and_plans,
    narrowing,
    state_counts,
    work_list,
)

__all__ = [
    "same_call",
    "UNREACHABLE_PAGE",
    "Counts",
    "Explained",
    "ListQuery",
    "Row",
    "STEPS",
    "TABS",
    "Unreachable",
    "UnreachableQuery",
    "WeighedTask",
    "WorkList",
    "channel_label",
    "departments_and_plans",
    "event_label",
    "ended_task",
    "explain_patient",
    "facts",
    "fault_text",
    "free_for",
    "held_by_others",
    "in_hand",
    "ladder_in_force",
    "lost_label",
    "narrowing",
    "next_for",
    "number",
    "numbers_of",
    "outcome_label",
    "reach_of",
    "reach_text",
    "reason_text",
    "rest_of_patient",
    "shipped_content",
    "state_counts",
    "step_label",
    "still_open",
    "tries_of",
    "unreachable",
    "unreachable_tasks",
    "version_in_force",
    "versions",
    "waiting",
    "why_label",
    "work_list",
]

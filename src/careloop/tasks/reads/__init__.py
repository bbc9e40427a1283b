"""Queries on work that join several tables."""

from careloop.tasks.reads.explaining import Explained, explain_patient
from careloop.tasks.reads.facts import WeighedTask, facts, number, numbers_of, still_open, tries_of
from careloop.tasks.reads.queue import free_for, held_by_others, in_hand, next_for, rest_of_patient, waiting
from careloop.tasks.reads.wording import event_label, outcome_label, reason_text, why_label
from careloop.tasks.reads.worklist import TABS, Counts, ListQuery, Row, WorkList, narrowing, state_counts, work_list

__all__ = [
    "TABS",
    "Counts",
    "Explained",
    "ListQuery",
    "Row",
    "WeighedTask",
    "WorkList",
    "event_label",
    "explain_patient",
    "facts",
    "free_for",
    "held_by_others",
    "in_hand",
    "narrowing",
    "next_for",
    "number",
    "numbers_of",
    "outcome_label",
    "reason_text",
    "rest_of_patient",
    "state_counts",
    "still_open",
    "tries_of",
    "waiting",
    "why_label",
    "work_list",
]

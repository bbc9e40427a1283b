"""Queries on work that join several tables."""

from careloop.tasks.reads.explaining import Explained, explain_patient
from careloop.tasks.reads.facts import WeighedTask, facts, numbers_of, still_open, tries_of
from careloop.tasks.reads.sharing import Situation, sharing_situation, workload
from careloop.tasks.reads.worklist import TABS, Counts, ListQuery, Row, WorkList, state_counts, work_list

__all__ = [
    "TABS",
    "Counts",
    "Explained",
    "ListQuery",
    "Row",
    "Situation",
    "WeighedTask",
    "WorkList",
    "explain_patient",
    "facts",
    "numbers_of",
    "sharing_situation",
    "state_counts",
    "still_open",
    "tries_of",
    "work_list",
    "workload",
]

"""Queries on people's days and on who has how much."""

from careloop.rosters.reads.people import Colleague, colleagues, teams_of, viewer_keeps
from careloop.rosters.reads.situation import Situation, situation
from careloop.rosters.reads.workload import DayRow, Load, Numerator, fairness_of, loads, nurse_day_tasks, nurse_days

__all__ = [
    "Colleague",
    "DayRow",
    "Load",
    "Numerator",
    "Situation",
    "colleagues",
    "fairness_of",
    "loads",
    "nurse_day_tasks",
    "nurse_days",
    "situation",
    "teams_of",
    "viewer_keeps",
]

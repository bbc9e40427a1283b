"""The pure part of the work list: states, priority, retries, outcomes, fair shares."""

from careloop.tasks.rules.dialler import DIALLERS, Dialler, Dialling, grouped
from careloop.tasks.rules.handing import HandOut
from careloop.tasks.rules.ladder import (
    Decision,
    Ladder,
    Number,
    Try,
    best_number,
    decide,
    found_dead,
    parse_ladder,
    rounds,
    shipped_ladder,
)
from careloop.tasks.rules.outcomes import BY_MACHINE, MORE, NOT_REACHED, OUTCOMES, RESULT_BAR, Outcome, outcome_of
from careloop.tasks.rules.priority import (
    PriorityFacts,
    Term,
    Weights,
    days_overdue,
    explain,
    parse_weights,
    score,
    shipped_weights,
)
from careloop.tasks.rules.request import TaskRequest
from careloop.tasks.rules.state import STATES, State, state_of, wakes_at

__all__ = [
    "DIALLERS",
    "BY_MACHINE",
    "MORE",
    "NOT_REACHED",
    "OUTCOMES",
    "RESULT_BAR",
    "STATES",
    "Decision",
    "Dialler",
    "Dialling",
    "HandOut",
    "Ladder",
    "Number",
    "Outcome",
    "PriorityFacts",
    "State",
    "TaskRequest",
    "Term",
    "Try",
    "Weights",
    "best_number",
    "days_overdue",
    "decide",
    "explain",
    "found_dead",
    "grouped",
    "outcome_of",
    "parse_ladder",
    "parse_weights",
    "rounds",
    "score",
    "shipped_ladder",
    "shipped_weights",
    "state_of",
    "wakes_at",
]

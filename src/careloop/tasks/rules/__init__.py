"""The pure part of the work list: states, priority, retries, outcomes, fair shares."""

from careloop.tasks.rules.dialler import DIALLERS, Dialler, Dialling, grouped
from careloop.tasks.rules.distribution import Distribution, Share, Unit, Worker, distribute, gini, spread
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
from careloop.tasks.rules.outcomes import MORE, NOT_REACHED, OUTCOMES, RESULT_BAR, Outcome, outcome_of
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
    "MORE",
    "NOT_REACHED",
    "OUTCOMES",
    "RESULT_BAR",
    "STATES",
    "Decision",
    "Dialler",
    "Dialling",
    "Distribution",
    "Ladder",
    "Number",
    "Outcome",
    "PriorityFacts",
    "Share",
    "State",
    "TaskRequest",
    "Term",
    "Try",
    "Unit",
    "Weights",
    "Worker",
    "best_number",
    "days_overdue",
    "decide",
    "distribute",
    "explain",
    "found_dead",
    "gini",
    "grouped",
    "outcome_of",
    "parse_ladder",
    "parse_weights",
    "rounds",
    "score",
    "shipped_ladder",
    "shipped_weights",
    "spread",
    "state_of",
    "wakes_at",
]

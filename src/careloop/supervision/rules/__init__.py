"""Supervision as arithmetic: drawing, agreement, acceptance and integrity. No database, no clock."""

from careloop.supervision.rules.acceptance import AcceptancePlan, Decision, decide
from careloop.supervision.rules.agreement import (
    Agreement,
    Kappa,
    Pair,
    agreement_of,
    kappa,
    table_of,
    wilson,
)
from careloop.supervision.rules.comparing import Compared, Question, compare
from careloop.supervision.rules.drawing import (
    Candidate,
    Drawn,
    allocate,
    blind_ones,
    draw,
    fault_of_size,
    fingerprint,
    how_many,
)

__all__ = [
    "AcceptancePlan",
    "Agreement",
    "Candidate",
    "Compared",
    "Decision",
    "Drawn",
    "Kappa",
    "Pair",
    "Question",
    "agreement_of",
    "allocate",
    "blind_ones",
    "compare",
    "decide",
    "draw",
    "fault_of_size",
    "fingerprint",
    "how_many",
    "kappa",
    "table_of",
    "wilson",
]

"""The pure part of public health programmes: the pack, what a visit means, clocks, gaps and overlaps, opinion tables."""

from careloop.publichealth.rules.coverage import Hole, examine
from careloop.publichealth.rules.editing import change_table, compare_tables, new_table, row_lines
from careloop.publichealth.rules.opinions import BadTable, Suggestion, Table, parse_table, proofread_table, suggest
from careloop.publichealth.rules.pack import (
    MEASURES,
    BadPack,
    ClockRule,
    Indicator,
    Pack,
    Pair,
    Programme,
    parse_pack,
    proofread_pack,
)
from careloop.publichealth.rules.periods import Period, required_visits, year_of
from careloop.publichealth.rules.scenes import play
from careloop.publichealth.rules.visits import ClockDue, Judged, derived_values, judge_visit, streak_after

__all__ = [
    "MEASURES", "BadPack", "BadTable", "ClockDue", "ClockRule", "Hole", "Indicator", "Judged", "Pack", "Pair", "Period",
    "Programme", "Suggestion", "Table", "change_table", "compare_tables", "derived_values", "examine", "new_table", "judge_visit", "parse_pack", "parse_table", "play",
    "proofread_pack", "proofread_table", "required_visits", "row_lines", "streak_after", "suggest", "year_of",
]  # fmt: skip

"""The pure part of the pages: readings, their age, the picture of a trend, goals, and the time a record takes."""

from careloop.workbench.rules.goals import Goal, GoalError, GoalKind, parse_goal, parse_kinds, pressure_band
from careloop.workbench.rules.trend import Band, Line, Marker, Trend, draw_trend
from careloop.workbench.rules.vitals import Measurement, Part, Reading, age_of, latest_readings, parse_measurements

__all__ = [
    "Band",
    "Goal",
    "GoalError",
    "GoalKind",
    "Line",
    "Marker",
    "Measurement",
    "Part",
    "Reading",
    "Trend",
    "age_of",
    "draw_trend",
    "latest_readings",
    "parse_goal",
    "parse_kinds",
    "parse_measurements",
    "pressure_band",
]

"""The pure part of the pages: readings, their age, and the picture of a trend."""

from careloop.workbench.rules.trend import Band, Line, Marker, Trend, draw_trend
from careloop.workbench.rules.vitals import Measurement, Part, Reading, age_of, latest_readings, parse_measurements

__all__ = [
    "Band",
    "Line",
    "Marker",
    "Measurement",
    "Part",
    "Reading",
    "Trend",
    "age_of",
    "draw_trend",
    "latest_readings",
    "parse_measurements",
]

"""Reading what patients type. Nothing here writes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from careloop.portal import rules

REASONS: Mapping[str, str | Promise] = {
    "missing": _("Please fill in this number."),
    "not-a-number": _("Please write only digits."),
    "out-of-range": _("This number cannot be right. Please look again."),
    "pair": _("The lower number cannot be as high as the upper one. Please look again."),
    "empty": _("Please write what you want to tell us."),
    "too-long": _("Please make it shorter: at most 500 characters."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: a code for machines, words for the patient."""

    field: str
    code: str

    @property
    def text(self) -> str:
        return str(REASONS[self.code])


@dataclass(frozen=True, slots=True)
class MeasurementEntry:
    """A filled-in measurement: numbers where they could be read, and what is wrong."""

    values: Mapping[str, Decimal | None]
    problems: tuple[Problem, ...]
    raw: Mapping[str, str]
    once: uuid.UUID

    @property
    def is_good(self) -> bool:
        return not self.problems


def read_measurement(measurement: rules.Measurement, data: Mapping[str, str]) -> MeasurementEntry:
    """Reads the numbers of a measurement form; what was typed is kept, so nothing has to be typed twice."""
    values: dict[str, Decimal | None] = {}
    problems: list[Problem] = []
    raw = {field.name: str(data.get(field.name, ""))[:12] for field in measurement.fields}
    for field in measurement.fields:
        try:
            values[field.name] = rules.number_in(field, raw[field.name])
        except ValueError as wrong:
            problems.append(Problem(field.name, str(wrong)))
    if not problems and not rules.plausible_pair(values):
        problems.append(Problem("diastolic", "pair"))
    return MeasurementEntry(values=values, problems=tuple(problems), raw=raw, once=read_once(data))


def read_once(data: Mapping[str, str]) -> uuid.UUID:
    """The number a form carries so that sending it twice counts once; a new one when it carries none."""
    try:
        return uuid.UUID(str(data.get("once", "")))
    except ValueError:
        return uuid.uuid4()


def read_text(data: Mapping[str, str], *, most: int = 500) -> tuple[str, Problem | None]:
    """The text of a message, and what is wrong with it."""
    text = str(data.get("text", "")).replace("\x00", "").strip()
    if not text:
        return "", Problem("text", "empty")
    return (text, Problem("text", "too-long")) if len(text) > most else (text, None)

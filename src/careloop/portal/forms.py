"""Reading what patients type. Nothing here writes."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.portal import rules
from careloop.questionnaires.reads.asking import NUMBERS, kind_of
from careloop.questionnaires.rules import NOT_MEASURED, Fault, Form, Item, clean_value, faults
from careloop.questionnaires.rules.validation import check_value

MOST_READ = 8 * 1024 * 1024 + 1  # of one file; a longer one is refused without being read to its end
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


# ---- answers ----


@dataclass(frozen=True, slots=True)
class AnswerProblem:
    """What is wrong with an answer: a code for machines, words for the patient."""

    field: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerEntry:
    """The answers of one page: values to store, and what is wrong."""

    values: Mapping[str, Any]
    problems: tuple[AnswerProblem, ...]
    raw: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        return not self.problems


def read_answers(form: Form, page: Sequence[Item], data: QueryDict, before: Mapping[str, Any]) -> AnswerEntry:
    """Reads the fields of this page and nothing else; `before` is needed for checks across questions.

    Files are not read here: attach_file looks at them.
    """
    page = [item for item in page if item.type != "attachment"]
    skipped = data.get("not-measured") == "1"
    raw = {item.link_id: _typed(item, data, skipped) for item in page}
    values = {item.link_id: clean_value(item, raw[item.link_id]) for item in page}
    problems = [problem for item in page if (problem := _problem(item, values[item.link_id]))]
    if not problems:
        problems = _across(form, page, {**before, **values})
    return AnswerEntry(values=values, problems=tuple(problems), raw=raw)


def read_whole(
    form: Form, pages: Sequence[Sequence[Item]], data: QueryDict, before: Mapping[str, Any], *, finish: bool
) -> AnswerEntry:
    """Reads what a telephone kept: any questions of this form, those without an answer named in `not-measured`.

    What is wrong is said question by question; with `finish` also what is missing. Answers to questions that are not
    asked in the end are read too: whether they count is decided when the form is closed.
    """
    skipped = set(data.getlist("not-measured"))
    items = [item for page in pages for item in page if item.type != "attachment"]
    given = [item for item in items if item.link_id in data or item.link_id in skipped]
    raw = {item.link_id: _typed(item, data, item.link_id in skipped) for item in given}
    values = {item.link_id: clean_value(item, raw[item.link_id]) for item in given}
    problems = [
        AnswerProblem(fault.link_id, fault.code, _words_of(form, fault))
        for fault in faults(form, {**before, **values}, complete=True)
        if finish or fault.link_id in values or set(fault.items) & set(values)
    ]
    return AnswerEntry(values=values, problems=tuple(problems), raw=raw)


def read_key(data: Mapping[str, str]) -> uuid.UUID | None:
    """The number of this sending; None when it carries none, and then nothing is read."""
    try:
        return uuid.UUID(str(data.get("key", "")))
    except ValueError:
        return None


def _words_of(form: Form, fault: Fault) -> str:
    if fault.code == "check":
        return fault.words.say("en" if _is_english() else "zh")
    if fault.code == "required":
        return required_words(form.item(fault.link_id))
    return _fault_words(fault.code, fault.params)


def required_words(item: Item) -> str:
    """What is said when an answer is missing."""
    if item.is_voice:
        return str(_("Please record your answer, or write it."))
    if item.type == "attachment":
        return str(_("Please choose a picture."))
    if kind_of(item) == "slider":
        return str(_("Please move the slider, or write a number."))
    return str(_("Please fill in this number.") if kind_of(item) == "number" else _("Please choose an answer."))


def _typed(item: Item, data: QueryDict, skipped: bool) -> Any:
    if skipped and item.may_be_not_measured:
        return NOT_MEASURED
    typed = [value.replace("\x00", "")[:1000] for value in data.getlist(item.link_id) if value.strip()]
    if item.type in NUMBERS:
        typed = [unicodedata.normalize("NFKC", value) for value in typed]
    return typed if item.repeats else (typed[-1] if typed else "")


def _problem(item: Item, value: Any) -> AnswerProblem | None:
    if value in (None, "", []):
        if not item.required:
            return None
        return AnswerProblem(item.link_id, "required", required_words(item))
    if item.type == "open-choice" and isinstance(value, str):
        return None
    fault = check_value(item, value)
    if fault is None:
        return None
    return AnswerProblem(item.link_id, fault.code, _fault_words(fault.code, fault.params))


def _fault_words(code: str, params: Mapping[str, str]) -> str:
    if code == "too-low":
        return _("This number cannot be so low. Please look again.") + _limit(params.get("least"))
    if code == "too-high":
        return _("This number cannot be so high. Please look again.") + _limit(params.get("most"))
    if code == "too-long":
        return str(_("Please make it shorter."))
    if code == "unknown-option":
        return str(_("Please choose an answer."))
    return str(_("Please write only digits."))


def _limit(number: str | None) -> str:
    return f" ({number})" if number else ""


def _across(form: Form, page: Sequence[Item], answers: Mapping[str, Any]) -> list[AnswerProblem]:
    """Checks across questions (the lower pressure below the upper one), as far as this page is concerned."""
    here = {item.link_id for item in page}
    return [
        AnswerProblem(fault.link_id, "check", fault.words.say("en" if _is_english() else "zh"))
        for fault in faults(form, answers, complete=False)
        if fault.code == "check" and here & set(fault.items)
    ]


def _is_english() -> bool:
    return (get_language() or "").startswith("en")

"""Opinion tables: a department's readable rules that suggest an opinion from the answers. The doctor decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from careloop.publichealth.rules.coverage import Hole, examine
from careloop.questionnaires import rules as questionnaires
from careloop.questionnaires.rules import Answers, Form, Words
from careloop.questionnaires.rules.conditions import items_of

MOST_ROWS = 40


class BadTable(ValueError):
    """The table cannot be used; `lines` say what is wrong, each with its row."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Table:
    """One version of a table, parsed."""

    questionnaire: str
    title: Words
    outcomes: tuple[Mapping[str, Any], ...]
    vectors: tuple[Mapping[str, Any], ...]
    source: str

    def options(self) -> dict[str, Words]:
        """Every opinion the table can suggest, in its order."""
        return {str(row["code"]): Words(row["title"]["zh"], row["title"]["en"]) for row in self.outcomes}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the table says to these answers; without a code, what is missing."""

    code: str | None
    title: Words
    reason: Words
    row: int | None
    evidence: Mapping[str, Any]
    missing: tuple[str, ...]


def parse_table(content: Any) -> Table:
    """Read a table. Raises BadTable when a row lacks its opinion, condition or reason."""
    if not isinstance(content, Mapping) or not isinstance(content.get("outcomes"), list):
        raise BadTable(["the table must be an object with a list of outcomes"])
    rows, vectors = content["outcomes"], content.get("vectors") or []
    lines = [line for place, row in enumerate(rows, start=1) for line in _row_mistakes(place, row)]
    if not rows or len(rows) > MOST_ROWS:
        lines.append(f"a table has between 1 and {MOST_ROWS} rows")
    if not isinstance(vectors, list) or not all(isinstance(v, Mapping) and "answers" in v for v in vectors):
        lines.append("vectors must be a list of objects with answers")
    if not content.get("questionnaire"):
        lines.append("the table must name its questionnaire")
    if lines:
        raise BadTable(lines)
    title = content.get("title") or {}
    return Table(
        str(content["questionnaire"]),
        Words(str(title.get("zh", "")), str(title.get("en", ""))),
        tuple(rows),
        tuple(vectors),
        str(content.get("source", "")),
    )


def _row_mistakes(place: int, row: Any) -> Iterator[str]:
    if not isinstance(row, Mapping):
        yield f"row {place}: must be an object"
        return
    if not row.get("code") or "when" not in row:
        yield f"row {place}: needs a code and a condition (when)"
    for name in ("title", "reason"):
        words = row.get(name)
        if not isinstance(words, Mapping) or not words.get("zh") or not words.get("en"):
            yield f"row {place}: needs a {name} in zh and en"


def proofread_table(table: Table, form: Form) -> tuple[str, ...]:
    """Unknown fields and values, gaps, overlaps, rows that never apply, and vectors that come out differently."""
    classed = _classed(table, form)
    found = [line for line in questionnaires.proofread(classed) if line.startswith("class ")]
    if found:
        return tuple(found)
    found = [_said(hole) for hole in examine(form, table.outcomes)]
    if not table.vectors:
        found.append("the table needs test vectors: answers and the opinion they must give")
    return (*found, *_vector_mistakes(table, form))


def _said(hole: Hole) -> str:
    example = ", ".join(f"{name} = {value}" for name, value in sorted(hole.example.items(), key=lambda pair: pair[0]))
    rows = " and ".join(f"row {row}" for row in hole.rows)
    return {
        "gap": f"gap: no row fits when {example or 'nothing is answered'}; add a row or an “otherwise”",
        "overlap": f"overlap: {rows} both fit when {example}; narrow one, or mark the later one as “else”",
        "unreachable": f"{rows} never applies: the rows above take all of its cases",
        "blocked": f"{rows} looks at a question that is not asked when {example}; ask first whether it exists",
    }[hole.kind]


def _vector_mistakes(table: Table, form: Form) -> Iterator[str]:
    for place, vector in enumerate(table.vectors, start=1):
        unknown = set(vector["answers"]) - set(form.index)
        if unknown:
            yield f"vector {place}: {', '.join(sorted(unknown))} is not in the form"
            continue
        found = suggest(table, form, vector["answers"], previous=vector.get("previous"))
        if found.code != vector.get("opinion"):
            yield f"vector {place}: should give {vector.get('opinion')!r} and gives {found.code!r}"


def suggest(
    table: Table,
    form: Form,
    answers: Answers,
    *,
    previous: Answers | None = None,
    previous_at: datetime | None = None,
    at: datetime | None = None,
) -> Suggestion:
    """The first row that fits, with the answers it looked at; or what is missing, never a guess."""
    classed = _classed(table, form)
    given: dict[str, Any] = {"previous": previous, "previous_at": previous_at, "at": at}
    found = questionnaires.classify(classed, answers, **given)
    if found is None:
        missing = questionnaires.missing_for_class(classed, answers, **given)
        return Suggestion(None, Words(""), Words(""), None, {}, missing)
    row = next(
        place
        for place, outcome in enumerate(table.outcomes, start=1)
        if outcome["code"] == found.code and _fits(form, outcome, answers, given)
    )
    names = items_of(table.outcomes[row - 1]["when"])
    evidence = {name: answers[name] for name in sorted(names) if name in answers}
    return Suggestion(found.code, found.title, found.reason, row, evidence, ())


def _fits(form: Form, outcome: Mapping[str, Any], answers: Answers, given: Mapping[str, Any]) -> bool:
    return questionnaires.classify(replace(form, classification={"outcomes": [outcome]}), answers, **given) is not None


def _classed(table: Table, form: Form) -> Form:
    return replace(form, classification={"outcomes": list(table.outcomes)})

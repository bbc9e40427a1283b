"""Opinion tables: a department's readable rules that suggest an opinion from the answers. The doctor decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from careloop.publichealth.rules.coverage import Hole, examine
from careloop.questionnaires import rules as questionnaires
from careloop.questionnaires.rules import Answers, Form, Mistake, Words
from careloop.questionnaires.rules.conditions import items_of

MOST_ROWS = 40
LONGEST_CODE = 40  # as long as the column that keeps the opinion


class BadTable(ValueError):
    """The table cannot be used; `mistakes` say what is wrong, each with its row."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(mistakes))


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
        raise BadTable([Mistake("no-table", "", "", "the table must be an object with a list of outcomes")])
    rows, vectors = content["outcomes"], content.get("vectors") or []
    found = [one for place, row in enumerate(rows, start=1) for one in _row_mistakes(place, row)]
    if not rows or len(rows) > MOST_ROWS:
        found.append(Mistake("row-count", "", "", "a table has between 1 and {most} rows", most=MOST_ROWS))
    if not isinstance(vectors, list):
        found.append(Mistake("no-vectors-list", "", "", "vectors must be a list of objects with answers"))
    else:
        found += [one for place, vector in enumerate(vectors, start=1) for one in _vector_shape(place, vector)]
    title = content.get("title") or {}
    if not isinstance(content.get("questionnaire"), str) or not content["questionnaire"]:
        found.append(Mistake("no-questionnaire", "", "", "the table must name its questionnaire"))
    if not isinstance(title, Mapping):
        found.append(Mistake("bad-title", "", "", "the title must be an object with zh and en"))
    if found:
        raise BadTable(found)
    return Table(
        content["questionnaire"],
        Words(str(title.get("zh", "")), str(title.get("en", ""))),
        tuple(rows),
        tuple(vectors),
        str(content.get("source", "")),
    )


def _row_mistakes(place: int, row: Any) -> Iterator[Mistake]:
    if not isinstance(row, Mapping):
        yield Mistake("row-shape", "row", place, "must be an object")
        return
    code = row.get("code")
    if not isinstance(code, str) or not code or "when" not in row:
        yield Mistake("row-incomplete", "row", place, "needs a code and a condition (when)")
    elif len(code) > LONGEST_CODE:
        yield Mistake("long-code", "row", place, "the code is longer than {most} characters", most=LONGEST_CODE)
    for name in ("title", "reason"):
        words = row.get(name)
        if not isinstance(words, Mapping) or not _text(words.get("zh")) or not _text(words.get("en")):
            yield Mistake("needs-words", "row", place, "needs a {what} in zh and en", what=name)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _vector_shape(place: int, vector: Any) -> Iterator[Mistake]:
    answers = isinstance(vector, Mapping) and isinstance(vector.get("answers"), Mapping)
    if not answers or not isinstance(vector.get("previous", {}), Mapping):
        yield Mistake("vector-shape", "vector", place, "must be an object with answers")


def proofread_table(table: Table, form: Form) -> tuple[Mistake, ...]:
    """Unknown fields and values, gaps, overlaps, rows that never apply, and vectors that come out differently."""
    found = [
        mistake
        for place, row in enumerate(table.outcomes, start=1)
        for mistake in questionnaires.condition_mistakes(form, row["when"], kind="row", place=place)
    ]
    if found:
        return tuple(found)
    found = [_said(hole) for hole in examine(form, table.outcomes)]
    if not table.vectors:
        found.append(
            Mistake("no-vectors", "", "", "the table needs test vectors: answers and the opinion they must give")
        )
    return (*found, *_vector_mistakes(table, form))


def _said(hole: Hole) -> Mistake:
    example = ", ".join(f"{name} = {value}" for name, value in sorted(hole.example.items(), key=lambda pair: pair[0]))
    rows = " and ".join(f"row {row}" for row in hole.rows)
    line = {
        "gap": "gap: no row fits when {example}; add a row or an “otherwise”",
        "overlap": "overlap: {rows} both fit when {example}; narrow one, or mark the later one as “else”",
        "unreachable": "{rows} never applies: the rows above take all of its cases",
        "blocked": "{rows} looks at a question that is not asked when {example}; ask first whether it exists",
    }[hole.kind]
    return Mistake(
        hole.kind,
        "",
        "",
        line,
        rows=rows,
        example=example or "nothing is answered",
        places=hole.rows,
        case=hole.example,
    )


def _vector_mistakes(table: Table, form: Form) -> Iterator[Mistake]:
    for place, vector in enumerate(table.vectors, start=1):
        unknown = set(vector["answers"]) - set(form.index)
        if unknown:
            yield Mistake(
                "unknown-question", "vector", place, "{name} is not in the form", name=", ".join(sorted(unknown))
            )
            continue
        found = suggest(table, form, vector["answers"], previous=vector.get("previous"))
        if found.code != vector.get("opinion"):
            yield Mistake(
                "vector-differs", "vector", place, "should give {wanted!r} and gives {found!r}",
                wanted=vector.get("opinion"), found=found.code,
            )  # fmt: skip


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

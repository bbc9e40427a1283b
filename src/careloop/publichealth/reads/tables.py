"""What the editor of opinion tables shows: rows as sentences, what keeps it from publishing, a trial on past answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from careloop.kernel.viewer import Viewer
from careloop.publichealth import rules
from careloop.publichealth.models import Opinion, OpinionDraft, OpinionTable
from careloop.publichealth.reads import opinions
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of, library, replaying, wording
from careloop.questionnaires.rules import Form, Mistake, condition_mistakes
from careloop.questionnaires.rules.designing import BadEdit

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Part:
    """One statement of a line, in words."""

    place: int
    text: str


@dataclass(frozen=True, slots=True)
class RowCard:
    """One row of the table. `lines` is None when the condition is too deep to be changed line by line."""

    place: int
    code: str
    title: str
    title_zh: str
    title_en: str
    reason_zh: str
    reason_en: str
    is_else: bool
    is_otherwise: bool
    join: str
    lines: list[list[Part]] | None
    sentence: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A test vector: answers, the opinion it must give, and what it gives."""

    place: int
    answers: str
    opinion: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Board:
    """The draft as the editor shows it."""

    draft: OpinionDraft
    form: Form
    rows: list[RowCard]
    selected: RowCard | None
    examples: list[Example]
    mistakes: list[str]
    listed: list[tuple[str, str, str]]  # opinions to choose from: code, zh, en


def drafts_of(viewer: Viewer) -> QuerySet[OpinionDraft]:
    """Drafts of the viewer's departments; of the hospital for who answers for it or began them."""
    rows = OpinionDraft.objects.select_related("department", "author", "based_on", "published_as")
    if viewer.hospital_wide or viewer.everything:
        return rows
    return rows.filter(Q(department_id__in=viewer.departments) | Q(author_id=viewer.practitioner_id))


def questionnaire_of(url: str) -> Questionnaire | None:
    """The form in force that a table is about; the newest retired one when none is."""
    rows = Questionnaire.objects.filter(url=url)
    return rows.filter(status=Questionnaire.Status.ACTIVE).first() or rows.order_by("-published_at", "-pk").first()


def board(draft: OpinionDraft, questionnaire: Questionnaire, *, selected: str) -> Board:
    """Rows, examples and mistakes; `selected` is the number of a row."""
    form = form_of(questionnaire)
    rows = [_card(form, place, row, selected) for place, row in enumerate(draft.content["outcomes"], start=1)]
    titles = {row.code: row.title for row in rows}
    known = [(row.code, row.title_zh, row.title_en) for row in rows]
    common = [(code, words.zh, words.en) for code, words in opinions.common_opinions().items()]
    return Board(
        draft=draft, form=form, rows=rows, selected=next((row for row in rows if row.selected), None),
        examples=list(_examples(draft.content, form, titles)), mistakes=mistake_lines(draft, form),
        listed=list({code: (code, zh, en) for code, zh, en in [*common, *known]}.values()),
    )  # fmt: skip


def _card(form: Form, place: int, row: Mapping[str, Any], selected: str) -> RowCard:
    usable = not condition_mistakes(form, row["when"], kind="row", place=place)
    found = rules.row_lines(row) if usable or row["when"] == {"all": []} else None
    join, lines = found or ("all", [])
    shown = [[Part(at, wording.condition_text(form, leaf)) for at, leaf in enumerate(line)] for line in lines]
    title, reason = row.get("title") or {}, row.get("reason") or {}
    return RowCard(
        place=place, code=str(row["code"]), title=wording.both(title) or str(row["code"]), title_zh=str(title.get("zh", "")),
        title_en=str(title.get("en", "")), reason_zh=str(reason.get("zh", "")), reason_en=str(reason.get("en", "")),
        is_else=bool(row.get("else")), is_otherwise=row["when"] == "otherwise", join=join,
        lines=shown if found is not None else None, sentence=sentence(form, row["when"]), selected=str(place) == selected,
    )  # fmt: skip


def sentence(form: Form, condition: Any) -> str:
    """The condition in words; as it is written when it looks at something the form has not (any more)."""
    if condition == {"all": []}:
        return ""
    if condition_mistakes(form, condition, kind="row", place=0):
        return json.dumps(condition, ensure_ascii=False)
    return wording.condition_text(form, condition)


def _examples(content: Mapping[str, Any], form: Form, titles: Mapping[str, str]) -> Iterator[Example]:
    usable = not condition_lines(form, content["outcomes"])
    try:
        table = rules.parse_table({**content, "vectors": []}) if usable else None
    except rules.BadTable:  # a row without words: the examples wait
        table = None
    for place, vector in enumerate(content.get("vectors") or (), start=1):
        opinion = vector.get("opinion") or ""
        found = rules.suggest(table, form, vector["answers"], previous=vector.get("previous")).code if table else None
        yield Example(
            place, answers_text(form, vector), titles.get(opinion, opinion), titles.get(found or "", found or ""),
            table is not None and (found or "") == opinion,
        )  # fmt: skip


def vector_lines(table: OpinionTable, questionnaire: Questionnaire) -> list[tuple[str, str]]:
    """The test vectors of a published version in words: answers, and the opinion they give ("" for none)."""
    form, titles = form_of(questionnaire), table.table().options()
    return [
        (answers_text(form, vector), wording.said(titles[code]) if (code := vector.get("opinion") or "") in titles else code)
        for vector in table.content.get("vectors") or ()
    ]  # fmt: skip


def answers_text(form: Form, vector: Mapping[str, Any]) -> str:
    """“pain = 3 · lump = no (last time: …)” in words."""
    text = " · ".join(_answer(form, name, value) for name, value in vector["answers"].items())
    before = " · ".join(_answer(form, name, value) for name, value in (vector.get("previous") or {}).items())
    shown = text or _("nothing answered")
    return f"{shown} ({_('last time')}: {before})" if before else shown


def _answer(form: Form, name: str, value: Any) -> str:
    item = form.index.get(name)
    if item is None:
        return f"{name} = {value}"
    codes = value if isinstance(value, list) else [value]
    options = [item.option(str(code)) for code in codes]
    words = [wording.said(option.staff) if option else str(code) for option, code in zip(options, codes, strict=True)]
    return f"{wording.said(item.staff).rstrip('？? ')} = {_(', ').join(words)}"


# ---- what keeps it from being published ----


def mistake_lines(draft: OpinionDraft, form: Form | None = None) -> list[str]:
    """Everything to mend, each with its row or example, in the language of the request."""
    try:
        table = rules.parse_table(draft.content)
    except rules.BadTable as fault:
        return [table_words(one) for one in fault.mistakes]
    if form is None:
        questionnaire = questionnaire_of(draft.questionnaire_url)
        if questionnaire is None:
            return [_("The questionnaire of this table is not there.")]
        form = form_of(questionnaire)
    return [table_words(one, form) for one in rules.proofread_table(table, form)]


def condition_lines(form: Form, outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Questions, options and operators that the form has not, each with its row."""
    return [
        table_words(one)
        for place, row in enumerate(outcomes, start=1)
        for one in condition_mistakes(form, row["when"], kind="row", place=place)
        if row["when"] != {"all": []}
    ]


def table_words(one: Mistake, form: Form | None = None) -> str:
    """One mistake of a table in the language of the request."""
    places = _(", ").join(str(row) for row in one.detail.get("places", ()))
    case = answers_text(form, {"answers": one.detail.get("case", {})}) if form else one.detail.get("example", "")
    words = {
        "no-table": _("The table must be one object with a list of outcomes."),
        "row-count": _("A table has between 1 and 40 rows."),
        "no-vectors-list": _("“vectors” must be a list of objects with answers."),
        "no-questionnaire": _("The table must name its questionnaire."),
        "bad-title": _("The title must be an object with zh and en."),
        "row-shape": _("Row %(place)s: must be an object."),
        "row-incomplete": _("Row %(place)s: needs a code and a condition (when)."),
        "long-code": _("Row %(place)s: the code is longer than 40 characters."),
        "vector-shape": _("Example %(place)s: must be an object with answers."),
        "empty-condition": _("Row %(place)s: say when this opinion fits."),
        "no-vectors": _("Add examples: answers and the opinion they must give."),
        "vector-differs": _("Example %(place)s should give “%(wanted)s” and gives “%(found)s”."),
        "gap": _("Gap: no row fits when %(case)s. Add a row or an “in all other cases”."),
        "overlap": _("Rows %(places)s both fit when %(case)s. Narrow one, or say “only when no row above fits” in the later one."),
        "unreachable": _("Row %(places)s never applies: the rows above take all of its cases."),
        "blocked": _("Row %(places)s looks at a question that is not asked when %(case)s. Ask first whether it is answered."),
    }  # fmt: skip
    if one.code not in words:
        return wording.mistake_words(one)
    given = {"place": one.place, "places": places, "case": case}
    given |= {name: str(one.detail.get(name) or _("No suggestion")) for name in ("wanted", "found")}
    return words[one.code] % given


def edit_words(fault: BadEdit) -> str:
    """Why a change was refused and what to do."""
    words = {
        "unknown-row": _("The row or example %(place)s is not there (any more). Look at the table as it is now."),
        "too-many-rows": _("There is room for %(place)s, not for more."),
        "too-many-lines": _("A row has at most %(place)s lines. Make two rows of it."),
        "last-row": _("A table needs at least one row."),
        "deep-row": _("The condition of row %(place)s has conditions inside conditions. Clear it and write it anew."),
        "unknown-choice": _("“%(detail)s” is no option of %(place)s."),
        "unknown-opinion": _("No row gives the opinion “%(place)s”."),
        "mend-first": _("Mend the conditions first; then examples can be made."),
    }  # fmt: skip
    if fault.code in words:
        return words[fault.code] % {"place": fault.place, "detail": fault.detail}
    return library.edit_words(fault)


# ---- trial on past answers ----


@dataclass(frozen=True, slots=True)
class Tally:
    """One opinion in the trial."""

    code: str
    title: str
    draft: int
    today: int
    chosen: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Past answers that would get another opinion."""

    response: QuestionnaireResponse
    today: str
    draft: str
    chosen: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trial:
    """The draft on past answers, beside what is suggested today and what doctors decided."""

    responses: int
    capped: bool
    tallies: list[Tally]
    changes: int
    shown: list[Changed]
    decided: int
    draft_agrees: int
    today_agrees: int
    nothing: int


def try_table(draft: OpinionDraft, questionnaire: Questionnaire, *, viewer: Viewer, at: datetime) -> Trial | None:
    """Every completed answer of the last 90 days that the viewer may see. None while the draft cannot be read."""
    form = form_of(questionnaire)
    try:
        table = rules.parse_table({**draft.content, "vectors": []})
    except rules.BadTable:
        return None
    if condition_lines(form, table.outcomes):
        return None
    row = opinions.table_for(draft.questionnaire_url, draft.department_id)
    today = row.table() if row else opinions.table_of_form(questionnaire)
    rows, past, capped = replaying.past_answers([draft.questionnaire_url], viewer=viewer, at=at)
    chosen = dict(
        Opinion.objects.visible_to(viewer)
        .filter(response_id__in=[one.pk for one in rows], chosen_at__isnull=False)
        .values_list("response_id", "chosen")
    )
    titles = {code: wording.said(words) for code, words in {**opinions.common_opinions(), **(today.options() if today else {}), **table.options()}.items()}  # fmt: skip
    counts: dict[str, Counter[str]] = {"draft": Counter(), "today": Counter(), "chosen": Counter()}
    changed: list[Changed] = []
    changes = draft_agrees = today_agrees = 0
    for one, answers in zip(rows, past, strict=True):
        given: dict[str, Any] = {"previous": answers.previous, "previous_at": answers.previous_at, "at": answers.at}
        found = rules.suggest(table, form, answers.values, **given)
        before = rules.suggest(today, form, answers.values, **given).code if today else None
        decision = chosen.get(one.pk, "")
        counts["draft"][found.code or ""] += 1
        counts["today"][before or ""] += 1
        if decision:
            counts["chosen"][decision] += 1
            draft_agrees += decision == found.code
            today_agrees += decision == before
        if found.code != before:
            changes += 1
            if len(changed) < MOST_SHOWN:
                shown = [titles.get(code or "", "–") for code in (before, found.code, decision)]
                changed.append(Changed(one, shown[0], shown[1], shown[2], wording.said(found.reason)))
    codes = [code for code in titles if any(count[code] for count in counts.values())]
    tallies = [
        Tally(code, titles[code], *(counts[name][code] for name in ("draft", "today", "chosen"))) for code in codes
    ]
    return Trial(
        len(rows), capped, tallies, changes, changed, len(chosen), draft_agrees, today_agrees, counts["draft"][""]
    )


# ---- two versions ----


@dataclass(frozen=True, slots=True)
class Difference:
    """One row of a comparison; a side is None where the row is not."""

    kind: str
    old: RowCard | None
    new: RowCard | None


def compared(old: Mapping[str, Any], new: Mapping[str, Any], form: Form) -> list[Difference]:
    """Row by row, in the order of the new table."""

    def side(content: Mapping[str, Any], place: int | None) -> RowCard | None:
        return _card(form, place, content["outcomes"][place - 1], "") if place else None

    return [
        Difference(kind, side(old, before), side(new, after)) for kind, before, after in rules.compare_tables(old, new)
    ]


def earlier_of(table: OpinionTable) -> OpinionTable | None:
    """The version before, of the same questionnaire and department."""
    rows = OpinionTable.objects.filter(questionnaire_url=table.questionnaire_url, department_id=table.department_id)
    return rows.filter(version__lt=table.version).order_by("-version").first()

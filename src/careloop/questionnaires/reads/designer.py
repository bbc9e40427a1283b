"""What the designer shows of a draft: sections with cards, one selected part, rules as lines, what keeps it from publishing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import DraftStep, Questionnaire, QuestionnaireDraft, QuestionnaireResponse
from careloop.questionnaires.reads import drawing, library
from careloop.questionnaires.reads.wording import asked_when, both, condition_text, mistake_words, role_label, said
from careloop.questionnaires.rules import Form, Item, designing, parse, proofread
from careloop.questionnaires.rules.conditions import items_of
from careloop.questionnaires.rules.definition import PATIENT_LIMIT, TABLES
from careloop.questionnaires.rules.designing import NUMBERS
from careloop.questionnaires.rules.length import Length, lengths
from careloop.questionnaires.rules.proofreading import OWNER_ROLES

SEVERITIES = ("critical", "high", "watch")
TABS = ("question", "logic", "alerts", "coding")
VIEWS = ("edit", "logic", "phone", "mobile", "paper")
SIGNS = ("=", "!=", ">=", "<=", ">", "<", "exists")


@dataclass(frozen=True, slots=True)
class OptionLine:
    """One option on a card, with the severities that wait for it."""

    place: int
    code: str
    text: str  # in the language of the page, for reading
    text_zh: str  # the two that can be written
    text_en: str
    patient: str
    points: str
    exclusive: bool
    severities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One question (or a measurement, a repeating group, a locked scale) on the canvas."""

    link: str
    number: int
    kind: str
    title: str
    script: str
    item: Item
    options: tuple[OptionLine, ...]
    children: tuple[Card, ...]
    when: str
    severities: tuple[str, ...]
    locked: str
    selected: bool
    is_group: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form with its heading; without `link` what stands outside all sections."""

    link: str
    title: str
    cards: tuple[Card, ...]
    questions: int
    lengths: tuple[Length, ...]
    selected: bool
    when: str


@dataclass(frozen=True, slots=True)
class ConditionLine:
    """One line of a rule's condition."""

    place: int
    about: str
    question: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class RuleCard:
    """An alert rule as a sentence of parts that can be changed."""

    code: str
    severity: str
    on: bool
    locked: bool
    join: str
    lines: tuple[ConditionLine, ...]
    condition: str
    owner: str
    owner_label: str
    minutes: int
    sentence: str
    sentence_en: str
    advice: str
    advice_en: str
    source: str
    safety_title: str
    safety_title_en: str
    safety_text: str
    safety_text_en: str
    about: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Words:
    """Three wordings of one question in two languages."""

    staff: str
    staff_en: str
    script: str
    script_en: str
    patient: str
    patient_en: str

    @property
    def patient_length(self) -> int:
        return len(self.patient or self.staff)


@dataclass(frozen=True, slots=True)
class Board:
    """Everything of the page."""

    draft: QuestionnaireDraft
    form: Form
    sections: tuple[Section, ...]
    selected: Card | None
    section: Section | None
    words: Words | None
    rules: tuple[RuleCard, ...]
    all_rules: int
    mistakes: tuple[str, ...]
    lengths: tuple[Length, ...]
    too_long: bool
    may_undo: bool
    may_redo: bool
    answered: int
    in_force: str
    questions: tuple[Item, ...]
    limit: int = PATIENT_LIMIT


def board(draft: QuestionnaireDraft, *, selected: str, at: datetime) -> Board:
    """The draft as the designer shows it, with one part selected."""
    content = draft.content
    form = parse(content)
    rules = tuple(_rule_cards(form, content))
    sections = tuple(_sections(form, content, rules, selected))
    cards = [one for section in sections for card in section.cards for one in (card, *card.children)]
    chosen = next((card for card in cards if card.selected), None)
    speeds = library.speeds()
    found = lengths(form, speeds)
    steps = set(
        DraftStep.objects.filter(draft=draft, number__in=[draft.step - 1, draft.step + 1]).values_list(
            "number", flat=True
        )
    )
    in_force = (
        Questionnaire.objects.filter(url=draft.url, status=Questionnaire.Status.ACTIVE).only("pk", "version").first()
    )
    mine = tuple(rule for rule in rules if chosen is None or rule.about & _links_of(chosen))
    return Board(
        draft=draft, form=form, sections=sections, selected=chosen,
        section=next((one for one in sections if one.selected), None), words=_words(content, selected) if selected else None,
        rules=mine, all_rules=len(rules), mistakes=tuple(mistake_words(one) for one in proofread(form)), lengths=found,
        too_long=next(one.questions for one in found if one.channel == "mobile") > speeds["most_on_a_phone"],
        may_undo=draft.step - 1 in steps, may_redo=draft.step + 1 in steps, answered=_answered(in_force),
        in_force=in_force.version if in_force else "", questions=form.questions,
    )  # fmt: skip


def _answered(in_force: Questionnaire | None) -> int:
    if in_force is None:
        return 0
    given = QuestionnaireResponse.objects.unscoped("a number only: how many answers the version in force has")
    return given.filter(questionnaire_id=in_force.pk).exclude(status="in-progress").count()


def _links_of(card: Card) -> set[str]:
    return {card.link, *(child.link for child in card.children)}


def _sections(form: Form, content: Mapping[str, Any], rules: tuple[RuleCard, ...], selected: str) -> Iterator[Section]:
    number = 0
    loose: list[Card] = []
    for raw in content["definition"].get("item", []):
        item = form.item(str(raw["linkId"]))
        if not designing.is_section(raw):
            number += 1
            loose.append(_card(form, item, raw, number, rules, selected))
            continue
        if loose:
            yield _section(form, None, loose, selected)
            loose = []
        cards = []
        for child in raw.get("item", []):
            number += 1
            cards.append(_card(form, form.item(str(child["linkId"])), child, number, rules, selected))
        yield _section(form, item, cards, selected)
    if loose:
        yield _section(form, None, loose, selected)


def _section(form: Form, item: Item | None, cards: list[Card], selected: str) -> Section:
    mine = tuple(one for card in cards for one in _below(card.item))
    found = lengths(form, library.speeds(), items=mine)
    return Section(
        link=item.link_id if item else "", title=said(item.staff) if item else "", cards=tuple(cards),
        questions=sum(1 for one in mine if one.is_question), lengths=found,
        selected=bool(item) and item is not None and item.link_id == selected, when=asked_when(form, item) if item and item.when else "",
    )  # fmt: skip


def _below(item: Item) -> Iterator[Item]:
    yield item
    for child in item.items:
        yield from _below(child)


def _card(
    form: Form, item: Item, raw: Mapping[str, Any], number: int, rules: tuple[RuleCard, ...], selected: str
) -> Card:
    locked = designing.locked_scale(raw)
    inside = {one.link_id for one in _below(item)}
    mine = [rule for rule in rules if rule.on and rule.about & inside]
    children = tuple(
        _card(form, form.item(str(child["linkId"])), child, place, rules, selected)
        for place, child in enumerate(raw.get("item", []), start=1)
    )
    return Card(
        link=item.link_id, number=number, kind=kind_words(item, locked), title=said(item.staff), script=said(item.script),
        item=item, options=tuple(_option_lines(item, raw, mine)), children=children,
        when=asked_when(form, item) if item.when else "",
        severities=tuple(sorted((rule.severity for rule in mine), key=SEVERITIES.index)), locked=locked,
        selected=item.link_id == selected, is_group=item.type == "group",
    )  # fmt: skip


def _option_lines(item: Item, raw: Mapping[str, Any], rules: list[RuleCard]) -> Iterator[OptionLine]:
    own = len(raw.get("answerOption", []))
    for place, option in enumerate(item.options[:own]):
        waiting = {
            rule.severity
            for rule in rules
            for line in rule.lines
            if line.value == option.code and line.question == item.link_id
        }
        yield OptionLine(
            place=place, code=option.code, text=said(option.staff), text_zh=option.staff.zh, text_en=option.staff.en,
            patient=option.patient.zh if option.patient.zh != option.staff.zh else "",
            points="" if option.weight is None else f"{option.weight.normalize():f}", exclusive=option.exclusive,
            severities=tuple(sorted(waiting, key=SEVERITIES.index)),
        )  # fmt: skip


def kind_words(item: Item, locked: str = "") -> str:
    """The kind of a question in a word."""
    if locked:
        return _("Standard scale")
    if item.type == "group":
        numbers = bool(item.items) and all(child.type in NUMBERS for child in item.items)
        if item.control in TABLES and not item.repeats:
            return _("Table of questions")
        return _("Repeats") if item.repeats else _("Measurement") if numbers else _("Section")
    if item.type == "choice":
        return _("Choose several") if item.repeats else _("Choose one")
    if item.control == "scale-0-10":
        return _("Scale 0–10")
    if item.is_voice:
        return _("Voice")
    if item.control == "slider":
        return _("Slider")
    words = {
        "display": _("Text to read"), "boolean": _("Yes or no"), "integer": _("A number"), "decimal": _("A number"),
        "quantity": _("Number with unit"), "date": _("Date"), "dateTime": _("Date and time"), "time": _("Time"),
        "string": _("Short text"), "text": _("Long text"), "url": _("Web address"), "open-choice": _("Choose or write"),
        "attachment": _("Picture or file"), "reference": _("Reference"),
    }  # fmt: skip
    return words[item.type]


def _rule_cards(form: Form, content: Mapping[str, Any]) -> Iterator[RuleCard]:
    for on, name in ((True, "rules"), (False, "paused_rules")):
        for rule in content.get(name) or ():
            yield _rule_card(form, rule, on)


def _rule_card(form: Form, rule: Mapping[str, Any], on: bool) -> RuleCard:
    found = designing.lines_of(rule)
    join, lines = found or ("all", [])
    safety, safety_en = ((rule.get("safety") or {}).get(language) or {} for language in ("zh", "en"))
    return RuleCard(
        code=str(rule["code"]), severity=str(rule["severity"]), on=on, locked=bool(rule.get("locked")), join=join,
        lines=tuple(_line(place, line) for place, line in enumerate(lines)), condition=condition_text(form, rule["when"]),
        owner=str(rule["owner_role"]), owner_label=role_label(str(rule["owner_role"])),
        minutes=int(rule["respond_within_minutes"]), sentence=str((rule.get("sentence") or {}).get("zh", "")),
        sentence_en=str((rule.get("sentence") or {}).get("en", "")), advice=str((rule.get("advice") or {}).get("zh", "")),
        advice_en=str((rule.get("advice") or {}).get("en", "")), safety_title_en=str(safety_en.get("title", "")),
        safety_text_en=str(safety_en.get("text", "")),
        source=str(rule.get("source", "")), safety_title=str(safety.get("title", "")), safety_text=str(safety.get("text", "")),
        about=frozenset(items_of(rule["when"])) | _scored(form, rule["when"]),
    )  # fmt: skip


def _scored(form: Form, condition: Any) -> frozenset[str]:
    wanted = {leaf.get("score") for leaf in designing.leaves(condition)}
    return frozenset(str(name) for score in form.scores if score["code"] in wanted for name in score["items"])


def _line(place: int, line: Mapping[str, Any]) -> ConditionLine:
    about = next((name for name in ("item", "previous", "change", "score") if name in line), "item")
    value = line.get("value")
    shown = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return ConditionLine(place, about, str(line.get(about, "")), str(line.get("op", "=")), shown)


def _words(content: dict[str, Any], link: str) -> Words | None:
    try:
        raw = designing.find(content, link)
    except designing.BadEdit:
        return None
    item = next(iter(parse({**content, "definition": {**content["definition"], "item": [_alone(raw)]}}).items))
    wording = {
        part.get("url"): str(part.get("valueString", ""))
        for extension in raw.get("extension", [])
        if str(extension.get("url", "")).endswith("/wording")
        for part in extension.get("extension", [])
    }
    return Words(
        staff=item.staff.zh, staff_en=item.staff.en, script=wording.get("script", ""), script_en=wording.get("script-en", ""),
        patient=wording.get("patient", ""), patient_en=wording.get("patient-en", ""),
    )  # fmt: skip


def _alone(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"linkId": raw["linkId"], "type": "display", "text": raw.get("text", ""), "_text": raw.get("_text") or {}}


def owner_choices() -> list[tuple[str, str]]:
    """Who may own an alert."""
    return [(role, role_label(role)) for role in OWNER_ROLES]


@dataclass(frozen=True, slots=True)
class LogicLine:
    """One question in the logic view: when it is asked, and what follows from it."""

    number: int
    link: str
    title: str
    when: str
    leads_to: tuple[tuple[str, str], ...]
    rules: tuple[tuple[str, str], ...]


def logic_lines(shown: Board) -> list[LogicLine]:
    """The way through the form, question by question."""
    form = shown.form
    follow: dict[str, list[tuple[str, str]]] = {}
    for item in form.walk():
        for line in item.when:
            follow.setdefault(line.question, []).append((item.link_id, said(item.staff)))
    lines = []
    for number, item in enumerate(form.questions, start=1):
        rules = tuple((rule.severity, rule.sentence) for rule in _all_rules(shown) if item.link_id in rule.about)
        lines.append(
            LogicLine(
                number,
                item.link_id,
                said(item.staff),
                asked_when(form, item),
                tuple(follow.get(item.link_id, ())),
                rules,
            )
        )
    return lines


def drawn_logic(shown: Board) -> drawing.Drawing:
    """The same as a drawing; a box carries the worst severity of the alerts that look at it."""
    form, worst = shown.form, {}
    for severity in reversed(SEVERITIES):
        for rule in _all_rules(shown):
            if rule.severity == severity:
                worst.update(dict.fromkeys(rule.about, severity))
    words = {}
    for item in form.questions:
        for question, operator, answer in drawing.waits_of(form, item):
            asked = form.index[question]
            option = asked.option(answer)
            value = said(option.staff) if option else {"True": _("Yes"), "False": _("No")}.get(answer, answer)
            sign = "" if operator == "=" else f"{operator} "
            words[question, operator, answer] = "" if operator == "exists" else f"{sign}{value}"
    titles = {item.link_id: said(item.staff) for item in form.questions}
    return drawing.drawing(form, titles=titles, severities=worst, words=words)


def _all_rules(shown: Board) -> list[RuleCard]:
    return [rule for rule in _rule_cards(shown.form, shown.draft.content) if rule.on]


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A draft in the list."""

    draft: QuestionnaireDraft
    is_mine: bool


def open_drafts(viewer: Viewer) -> list[DraftRow]:
    """Drafts that are not published or discarded, newest first."""
    rows = library.drafts_of(viewer).filter(status__in=["editing", "in-review"]).order_by("-changed_at", "pk")[:200]
    return [DraftRow(row, row.author_id == viewer.practitioner_id) for row in rows]


def preview_of(draft: QuestionnaireDraft) -> Questionnaire:
    """The draft as a form that can be looked at in every rendering; it is never stored."""
    return Questionnaire(
        url=draft.url, version=draft.version, name=draft.title[:60], title=draft.title, content=draft.content,
        status=Questionnaire.Status.DRAFT,
    )  # fmt: skip


def score_words(form: Form) -> list[dict[str, Any]]:
    """The totals of a form with their bands as lines of text."""
    return [
        {
            "code": score["code"], "title": both(score["title"]), "count": len(score["items"]), "locked": bool(score.get("locked")),
            "bands": "\n".join(f"{band['from']}-{band['to']} {both(band['title'])}" for band in score.get("bands", ())),
        }
        for score in form.scores
    ]  # fmt: skip

"""A question as the patient's page asks it: what kind of field, which options, in the patient's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from careloop.questionnaires import rules
from careloop.questionnaires.reads import absent_words
from careloop.questionnaires.reads.sliding import Slider, slider_of
from careloop.questionnaires.rules import NOT_MEASURED, Form, Item, attachments

LABELS: Mapping[str, str | Promise] = {"true": gettext_lazy("Yes"), "false": gettext_lazy("No")}
NUMBERS = frozenset({"integer", "decimal", "quantity"})
INPUTS = {"date": "date", "dateTime": "datetime-local", "time": "time"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a field."""

    code: str
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """What a spoken answer may be: limits that the telephone keeps before anything is sent."""

    minutes: int = attachments.MOST_VOICE_MINUTES
    most_bytes: int = attachments.MOST_VOICE_BYTES
    most_words: int = attachments.MOST_WORDS

    @property
    def seconds(self) -> int:
        return self.minutes * 60


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a page. `error` has a code and a text."""

    name: str
    kind: str  # radio, checkbox, scale, slider, number, moment, file, voice, text
    label: str
    spoken: str
    options: tuple[Choice, ...]
    scale_words: str
    other: str | None
    value: Any
    unit: str
    input: str
    inputmode: str
    may_skip: bool
    skipped: bool
    longest: int
    files: tuple[Any, ...] = ()
    over: str = ""
    error: Any = None
    slider: Slider | None = None
    recording: Recording | None = None


def kind_of(item: Item) -> str:
    """How it is asked: radio, checkbox, scale, slider, number, moment, file, voice or text."""
    if item.type in {"choice", "open-choice"}:
        return ("checkbox" if item.repeats else "radio") if item.options or item.type == "open-choice" else "text"
    if item.type == "boolean":
        return "radio"
    if item.type in NUMBERS:
        return "slider" if item.is_slider else "scale" if _is_scale(item) else "number"
    if item.type == "attachment":
        return "voice" if item.is_voice else "file"
    return "moment" if item.type in INPUTS else "text"


def _is_scale(item: Item) -> bool:
    """0 to 10: tapped, not typed."""
    if item.control == "scale-0-10":
        return True
    if item.type != "integer" or item.minimum is None or item.maximum is None:
        return False
    return item.minimum >= 0 and item.maximum - item.minimum <= 10 and not item.unit


def options_of(item: Item, language: str) -> list[tuple[str, str]]:
    """Codes and words to choose from; empty for typed answers."""
    if item.type == "boolean":
        return [(code, str(text)) for code, text in LABELS.items()]
    if kind_of(item) == "scale":
        return [(str(n), str(n)) for n in range(int(item.minimum or 0), int(item.maximum or 10) + 1)]
    return [(option.code, option.patient.say(language)) for option in item.options]


def code_of(value: Any) -> str:
    """The stored value as the code of an option."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def answer_words(item: Item, value: Any, language: str, reason: str = "") -> str:
    """A stored answer in the patient's words; empty when there is none."""
    if value in (None, "", []):
        return ""
    if value == NOT_MEASURED:
        return absent_words().get(reason) or _("Not measured")
    values = value if isinstance(value, list | tuple) else [value]
    if item.type == "attachment":
        return _("%(num)s sent") % {"num": len(values)}
    named = dict(options_of(item, language))
    text = "、".join(named.get(code_of(one), code_of(one)) for one in values)
    return f"{text} {item.unit_display}".strip() if item.type in NUMBERS else text


def field_of(
    form: Form, item: Item, *, given: Any = None, group: str = "", error: Any = None, files: Sequence[Any] = ()
) -> Field:
    """The field of this question with what was given (stored, or typed and refused)."""
    kind, language = kind_of(item), spoken_language()
    chosen = {code_of(value) for value in (given if isinstance(given, list | tuple) else [given])}
    options = tuple(Choice(code, text, code in chosen) for code, text in options_of(item, language))
    known = {option.code for option in options}
    others = [one for one in chosen if one and one not in known and one != NOT_MEASURED]
    words, over = item.patient.say(language), _over(form, item, language)
    return Field(
        name=item.link_id,
        kind=kind,
        label=words,
        spoken=""
        if not form.read_aloud
        else group or "\n".join([*filter(None, [over]), words, *(option.text for option in options)]),
        options=options,
        scale_words=_scale_words(options) if kind == "scale" else "",
        other=(others[0] if others else "") if item.type == "open-choice" else None,
        value="" if given in (None, NOT_MEASURED) or isinstance(given, list) else given,
        unit=item.unit_display,
        input=INPUTS.get(item.type, "text"),
        inputmode="numeric" if item.type == "integer" else "decimal",
        may_skip=item.may_be_not_measured,
        skipped=given == NOT_MEASURED,
        longest=item.longest or 500,
        files=tuple(files),
        over=over,
        error=error,
        slider=slider_of(item) if kind == "slider" else None,
        recording=Recording() if kind == "voice" else None,
    )


def _scale_words(options: Sequence[Choice]) -> str:
    return _("%(low)s is none at all, %(high)s is the worst you can think of") % {
        "low": options[0].text,
        "high": options[-1].text,
    }


def _over(form: Form, item: Item, language: str) -> str:
    """ "Medicine 2" above a question that is asked again; the heading of its table above a row."""
    if item.parent and form.item(item.parent).is_matrix:
        return form.item(item.parent).patient.say(language)
    if not item.group or form.counts.get(item.group, 1) < 2:
        return ""
    return rules.titled(form.item(item.group).patient, item.instance).say(language)


def spoken_language() -> str:
    """`en` or `zh`, as forms know their words."""
    return "en" if (get_language() or "").startswith("en") else "zh"


def logic(form: Form) -> dict[str, Any]:
    """Which question asks for which, for the browser: the next question appears without a round trip."""
    return {
        item.link_id: {
            "parent": item.parent,
            "any": item.when_any,
            "lines": [[line.question, line.operator, _plain(line.answer)] for line in item.when],
        }
        for item in form.walk()
        if item.when or item.parent
    }


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value

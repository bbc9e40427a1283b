"""How long a form takes: by telephone, on the patient's own page, on paper. An estimate from the wording, not a promise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from careloop.questionnaires.rules.definition import Form, Item

CHANNELS = ("phone", "mobile", "paper")
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Length:
    """Questions and seconds of one channel. `always` is without the questions that depend on an answer."""

    channel: str
    questions: int
    always: int
    seconds: int

    @property
    def minutes(self) -> tuple[int, int]:
        return divmod(self.seconds, 60)


def lengths(form: Form, speeds: Mapping[str, Any], items: tuple[Item, ...] | None = None) -> tuple[Length, ...]:
    """The length in every channel. `speeds` is content/library/length.json; `items` narrows to one section."""
    screens = [screen for screen in form.screens if items is None or screen[0] in items]
    found = []
    for channel in CHANNELS:
        pace = speeds["channels"][channel]
        shown = [screen for screen in screens if not screen[0].hidden and screen[0].type not in pace["without"]]
        always = [screen for screen in shown if not _depends(form, screen[0])]
        seconds = sum(
            _seconds(item, form, channel, pace, place) for screen in shown for place, item in enumerate(screen)
        )
        found.append(Length(channel, len(shown), len(always), round(seconds)))
    return tuple(found)


def _depends(form: Form, item: Item) -> bool:
    while True:
        if item.when:
            return True
        if not item.parent:
            return False
        item = form.item(item.parent)


def _seconds(item: Item, form: Form, channel: str, pace: Mapping[str, Any], place: int) -> float:
    kind = "choices" if item.repeats and item.options else "scale" if item.control else item.type
    answering = float(pace["answer"].get(kind, pace["answer"]["other"]))
    words = _words(item, form, channel, place)
    options = "" if channel == "phone" else "".join(option.patient.zh for option in item.options)
    return answering + _reading(words + options, pace)


def _words(item: Item, form: Form, channel: str, place: int) -> str:
    """A measurement is asked for once, its fields are only named."""
    parent = form.item(item.parent) if item.parent else item
    asked = parent if len(form.screens) and place == 0 and parent.script.zh and not item.script.zh else item
    if channel == "phone":
        return asked.script.zh or asked.staff.zh
    return asked.patient.zh


def _reading(text: str, pace: Mapping[str, Any]) -> float:
    han = len(_HAN.findall(text))
    return han / float(pace["han_per_second"]) + (len(text) - han) / float(pace["letters_per_second"])

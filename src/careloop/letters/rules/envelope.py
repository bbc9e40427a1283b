"""Envelopes with a window: where on the sheet the address must stand, and what else could be seen.

A folded sheet is smaller than its envelope and slides. What the window shows *whatever the sheet does* is where the
address goes; what it *might ever* show must hold nothing else. All lengths are millimetres.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAPER_WIDTH, PAPER_HEIGHT = 210.0, 297.0
LEAST_WIDTH, LEAST_HEIGHT = 60.0, 22.0  # less does not take a Chinese address in readable type
INSET = 2.0  # between the edge of the window and the letters
POINT = 0.3528


class BadEnvelope(ValueError):
    """The measures of an envelope cannot be right; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle on the sheet, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def inset(self, by: float) -> Rect:
        return Rect(self.left + by, self.top + by, self.width - 2 * by, self.height - 2 * by)


@dataclass(frozen=True, slots=True)
class Window:
    """The window as envelope makers give it: from the left edge and from the lower edge."""

    left: float
    bottom: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Envelope:
    """One kind of envelope and how an A4 sheet is folded for it."""

    code: str
    title: Mapping[str, str]
    width: float
    height: float
    folds: tuple[float, ...]  # from the upper edge of the sheet
    window: Window | None
    hole: float | None = None

    @property
    def panels(self) -> tuple[float, ...]:
        """The heights of the parts of the folded sheet."""
        edges = (0.0, *self.folds, PAPER_HEIGHT)
        return tuple(round(below - above, 3) for above, below in zip(edges, edges[1:], strict=False))

    def certainly_seen(self) -> Rect | None:
        """The part of the sheet that the window shows however the sheet has slid."""
        if self.window is None:
            return None
        play_x, play_y = self.play
        top = self.height - self.window.bottom - self.window.height
        return Rect(self.window.left, top, self.window.width - play_x, self.window.height - play_y)

    def possibly_seen(self) -> Rect | None:
        """Everything that the window could show in some position."""
        if self.window is None:
            return None
        play_x, play_y = self.play
        top = self.height - self.window.bottom - self.window.height
        return Rect(self.window.left - play_x, top - play_y, self.window.width + play_x, self.window.height + play_y)

    @property
    def play(self) -> tuple[float, float]:
        """How far the folded sheet can slide sideways and up and down."""
        return self.width - PAPER_WIDTH, self.height - self.panels[0]

    def address_area(self) -> Rect:
        """Where the address is printed; without a window where it is out of the way of the text."""
        seen = self.certainly_seen()
        return seen.inset(INSET) if seen else Rect(22.0, 50.0, 80.0, 36.0)

    def text_starts(self) -> float:
        """The first line of the letter may stand here: below everything that a window could show."""
        seen = self.possibly_seen()
        return max(seen.bottom + 3.0, 98.0) if seen else 92.0


def parse_envelope(raw: Mapping[str, Any]) -> Envelope:
    """Read one envelope. Refuses measures that cannot be right, with the reason."""
    try:
        window = raw.get("window")
        made = Envelope(
            code=str(raw["code"]),
            title={str(k): str(v) for k, v in raw["title"].items()},
            width=float(raw["width"]),
            height=float(raw["height"]),
            folds=tuple(float(fold) for fold in raw["folds"]),
            window=Window(*(float(window[name]) for name in ("left", "bottom", "width", "height"))) if window else None,
            hole=float(raw["hole"]) if raw.get("hole") is not None else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BadEnvelope(f"envelope: {fault} is missing or not a number") from None
    _check(made)
    return made


def parse_envelopes(text: str) -> dict[str, Envelope]:
    """A content file: {"envelopes": […]}, or one envelope alone."""
    try:
        data = json.loads(text)
    except ValueError as fault:
        raise BadEnvelope(f"this is not JSON: {fault}") from None
    if not isinstance(data, dict) or not isinstance(data.get("envelopes", []), list):
        raise BadEnvelope("an envelope is an object with width, height, folds and window")
    found = [parse_envelope(raw) for raw in data.get("envelopes", [data])]
    return {envelope.code: envelope for envelope in found}


def _check(made: Envelope) -> None:
    if made.width < PAPER_WIDTH:
        raise BadEnvelope(f"width {made.width:g} mm: an A4 sheet is {PAPER_WIDTH:g} mm wide and is not folded sideways")
    if list(made.folds) != sorted(set(made.folds)) or any(not 0 < fold < PAPER_HEIGHT for fold in made.folds):
        raise BadEnvelope("folds must rise from above 0 to below 297 mm")
    if max(made.panels) > made.height:
        raise BadEnvelope(f"folds: a part of {max(made.panels):g} mm does not go into {made.height:g} mm")
    if made.window is not None:
        _check_window(made, made.window)


def _check_window(made: Envelope, window: Window) -> None:
    if min(window.left, window.bottom) < 0 or min(window.width, window.height) <= 0:
        raise BadEnvelope("window: all measures must be positive")
    if window.left + window.width > made.width or window.bottom + window.height > made.height:
        raise BadEnvelope("window: it reaches over the edge of the envelope")
    seen = made.certainly_seen()
    if seen is None or seen.width < LEAST_WIDTH or seen.height < LEAST_HEIGHT:
        raise BadEnvelope(
            f"window: too small for an address; at least {LEAST_WIDTH:g} × {LEAST_HEIGHT:g} mm must be seen always"
        )


# ---- the address ----------------------------------------------------------------------------------------------

LINE = 1.35  # height of a line in letters


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of an address and the size they fit in."""

    lines: tuple[str, ...]
    size: float  # points


def fit_address(lines: Sequence[str], area: Rect, *, extra: int = 1) -> Block | None:
    """The largest type in which these lines, broken where needed, fit the area. None: too long for this window.

    `extra` lines are kept free below (the reply code).
    """
    for size in (11.0, 10.0, 9.0):
        broken = [part for line in lines for part in break_line(line, area.width / (size * POINT))]
        if (len(broken) + extra) * size * POINT * LINE <= area.height:
            return Block(tuple(broken), size)
    return None


def break_line(text: str, most: float) -> list[str]:
    """Parts no wider than `most` letters (a Chinese character counts 1, a Latin one 0.6). Words stay whole if they can."""
    lines, line, width = [], "", 0.0
    for word in _words(text):
        size = sum(map(letter_width, word))
        if line and width + size > most:
            lines.append(line.rstrip())
            line, width = "", 0.0
            word = word.lstrip()
            size = sum(map(letter_width, word))
        while size > most:  # one word wider than the window
            cut = max(int(most / 0.6) if word.isascii() else int(most), 1)
            while sum(map(letter_width, word[:cut])) > most and cut > 1:
                cut -= 1
            lines.append(word[:cut])
            word = word[cut:]
            size = sum(map(letter_width, word))
        line, width = line + word, width + size
    return [*lines, line.rstrip()] if line.strip() else lines


def letter_width(letter: str) -> float:
    """In units of the type size, on the safe side."""
    if unicodedata.combining(letter):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.65 if letter.isupper() else 0.6


def _words(text: str) -> list[str]:
    """Latin words with the space before them; every other character alone."""
    words: list[str] = []
    for letter in text:
        joins = words and letter_width(letter) < 1 and letter != " " and letter_width(words[-1][-1]) < 1
        if joins:
            words[-1] += letter
        else:
            words.append(letter)
    return words

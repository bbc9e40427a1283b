"""One message as text: segments, and lazy getters by path.

A path is written as people say it: `PID-3[2].1` is the first component of the second repetition of the third
field; `OBX[4]-5` is the fifth field of the fourth OBX; `PID-5.1.2` goes down to a subcomponent. Counting
starts at one. What is absent is `""`, never an error.

A field has three states: absent or empty (no change), `""` written out (delete what you know), or a value.
`get` reads text; `value` tells the three apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

DELETE_MARK = '""'
"""Two quotes alone in a field: the sender deletes the value."""

_DEFAULT_ENCODING = "^~\\&"
_SEGMENT_END = re.compile(r"[\r\n]+")
_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<n>\d+)\])?-(?P<field>\d+)(?:\[(?P<repetition>\d+)\])?"
    r"(?:\.(?P<component>\d+))?(?:\.(?P<subcomponent>\d+))?"
)
_ENVELOPE = frozenset({"FHS", "BHS", "BTS", "FTS"})


class State(Enum):
    """What a field says when it holds no value."""

    ABSENT = "absent"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2. A missing encoding character falls back to the one everybody uses."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @classmethod
    def of(cls, header: str) -> Delimiters:
        """Read from the text of an MSH line that has at least `MSH` and MSH-1."""
        field = header[3]
        given = header[4:].split(field, 1)[0]
        component, repetition, escape, subcomponent = (
            given[i] if i < len(given) else _DEFAULT_ENCODING[i] for i in range(4)
        )
        return cls(field, component, repetition, escape, subcomponent)


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; numbers count from one, 0 means "not said"."""

    segment: str
    n: int
    field: int
    repetition: int
    component: int
    subcomponent: int


@lru_cache(maxsize=2048)
def parse_path(path: str) -> Path:
    """Paths are written by us, in code: a wrong one is a bug and raises."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"not a path into a message: {path!r}")
    number = {key: int(value) if value else 0 for key, value in match.groupdict().items() if key != "segment"}
    return Path(
        match["segment"], number["n"] or 1, number["field"], number["repetition"] or 1,
        number["component"], number["subcomponent"],
    )  # fmt: skip


class Field:
    """One repetition of one field, split only when a part of it is asked for."""

    __slots__ = ("_delimiters", "raw")

    def __init__(self, raw: str, delimiters: Delimiters) -> None:
        self.raw = raw
        self._delimiters = delimiters

    def __bool__(self) -> bool:
        return self.raw not in ("", DELETE_MARK)

    def get(self, component: int = 0, subcomponent: int = 0) -> str:
        """The text of a part, escapes undone; `""` when it is absent or deleted."""
        return _text(self.raw, self._delimiters, component, subcomponent) if self.raw else ""

    def value(self, component: int = 0, subcomponent: int = 0) -> str | State:
        """The text of a part, or which kind of nothing it is."""
        text = _part(self.raw, self._delimiters, component, subcomponent)
        if not text:
            return State.ABSENT
        return State.DELETE if text == DELETE_MARK else unescape(text, self._delimiters)

    def first(self, component: int) -> str:
        """The first subcomponent: the code or name itself in `EVERYMAN&&&&Aniston` and `ROOM1&2.16.840&ISO`."""
        return self.get(component, 1)


class Segment:
    """One line of a message. Field 1 of MSH (and of the batch headers) is the separator itself."""

    __slots__ = ("_delimiters", "_fields", "name", "raw")

    def __init__(self, raw: str, delimiters: Delimiters) -> None:
        self.raw = raw
        self.name = raw[:3]
        self._delimiters = delimiters
        self._fields: list[str] | None = None

    def raw_field(self, field: int) -> str:
        """The field as it was sent, repetitions and escapes untouched."""
        fields = self._fields or self._split()
        return fields[field] if 0 <= field < len(fields) else ""

    def raw_fields(self) -> list[str]:
        """Every field as it was sent; number 0 is the segment's name."""
        return list(self._split())

    def all(self, field: int) -> tuple[Field, ...]:
        """Every repetition of a field; nothing when it is absent."""
        raw = self.raw_field(field)
        if not raw:
            return ()
        if self.name in ("MSH", "FHS", "BHS") and field <= 2:
            return (Field(raw, self._delimiters),)
        return tuple(Field(part, self._delimiters) for part in raw.split(self._delimiters.repetition))

    def field(self, field: int, repetition: int = 1) -> Field:
        """One repetition; an empty one when it is absent."""
        raw = self.raw_field(field)
        if not raw or (repetition == 1 and self._delimiters.repetition not in raw):
            return Field(raw, self._delimiters)
        repetitions = self.all(field)
        if 1 <= repetition <= len(repetitions):
            return repetitions[repetition - 1]
        return Field("", self._delimiters)

    def get(self, field: int, component: int = 0, subcomponent: int = 0, repetition: int = 1) -> str:
        """Text of a part of one repetition, `""` when absent or deleted."""
        raw = self.raw_field(field)
        if not raw:
            return ""  # most of what is asked for was never sent
        if repetition == 1 and self._delimiters.repetition not in raw:
            return _text(raw, self._delimiters, component, subcomponent)
        return self.field(field, repetition).get(component, subcomponent)

    def value(self, field: int, component: int = 0, subcomponent: int = 0, repetition: int = 1) -> str | State:
        """As `get`, telling absent from deleted."""
        return self.field(field, repetition).value(component, subcomponent)

    @property
    def marks(self) -> Delimiters:
        """The separators of its message."""
        return self._delimiters

    @property
    def component_mark(self) -> str:
        """The separator between components."""
        return self._delimiters.component

    def is_deleted(self, field: int) -> bool:
        """The sender wrote `""` in this field: forget the value."""
        return self.raw_field(field) == DELETE_MARK

    def _split(self) -> list[str]:
        if self._fields is None:
            fields = self.raw.split(self._delimiters.field)
            if self.name in ("MSH", "FHS", "BHS"):
                fields.insert(1, self._delimiters.field)
            self._fields = fields
        return self._fields


class Message:
    """A decoded message. `has_header` is false when nobody can say where it came from or what it is."""

    __slots__ = ("_by_name", "delimiters", "has_header", "segments", "text")

    def __init__(self, text: str) -> None:
        self.text = text = _without_nul(text)
        lines = [line for line in _SEGMENT_END.split(text.lstrip("\ufeff")) if line.strip("\x0b\x1c \t")]
        header = next((i for i, line in enumerate(lines) if is_header(line)), None)
        self.has_header = header is not None
        self.delimiters = Delimiters() if header is None else Delimiters.of(lines[header].lstrip("\x0b "))
        kept = lines[header or 0 :]
        if header is not None:
            kept[0] = kept[0].lstrip("\x0b ")
        self.segments = tuple(
            Segment(line.rstrip("\x1c"), self.delimiters) for line in kept if line[:3] not in _ENVELOPE
        )
        self._by_name: dict[str, list[Segment]] = {}
        for segment in self.segments:
            self._by_name.setdefault(segment.name, []).append(segment)

    def all(self, name: str) -> list[Segment]:
        """Every segment of that name, in order."""
        return self._by_name.get(name, [])

    def first(self, name: str) -> Segment:
        """The first segment of that name, or an empty one that answers `""` to everything."""
        found = self._by_name.get(name)
        return found[0] if found else Segment(name, self.delimiters)

    def has(self, name: str) -> bool:
        return name in self._by_name

    def get(self, path: str) -> str:
        """`PID-3[2].1` → text, escapes undone; `""` when absent or deleted."""
        where = parse_path(path)
        return self._field(where).get(where.component, where.subcomponent)

    def value(self, path: str) -> str | State:
        """As `get`, telling absent from deleted."""
        where = parse_path(path)
        return self._field(where).value(where.component, where.subcomponent)

    def groups(self, start: str, *, members: frozenset[str] | None = None) -> Iterator[list[Segment]]:
        """Runs of segments that each begin with a `start` segment (an OBR with its OBX and NTE, a PID with its MRG)."""
        group: list[Segment] = []
        for segment in self.segments:
            if segment.name == start:
                if group:
                    yield group
                group = [segment]
            elif group and (members is None or segment.name in members):
                group.append(segment)
        if group:
            yield group

    def _field(self, where: Path) -> Field:
        segments = self._by_name.get(where.segment, [])
        if where.n > len(segments):
            return Field("", self.delimiters)
        return segments[where.n - 1].field(where.field, where.repetition)


def is_header(line: str) -> bool:
    """`MSH` and a separator that can be one: not a letter, digit or blank."""
    line = line.lstrip("\x0b ")
    return len(line) > 3 and line.startswith("MSH") and not line[3].isalnum() and not line[3].isspace()


_ESCAPE_WORDS = {".br": "\n", ".sp": "\n", "H": "", "N": ""}
_MAX_ESCAPE = 64


def unescape(text: str, delimiters: Delimiters) -> str:
    """Undo `\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\Xhh\\ \\.br\\`; an escape we do not know stays visible."""
    mark = delimiters.escape
    if mark not in text:
        return text
    words = {
        "F": delimiters.field, "S": delimiters.component, "T": delimiters.subcomponent,
        "R": delimiters.repetition, "E": delimiters.escape,
    }  # fmt: skip
    out: list[str] = []
    at = 0
    while True:
        start = text.find(mark, at)
        end = text.find(mark, start + 1) if start >= 0 else -1
        if end < 0:
            return "".join((*out, text[at:]))
        out.append(text[at:start])
        word = text[start + 1 : end]
        meaning = words.get(word, _ESCAPE_WORDS.get(word, _hex(word)))
        if meaning is None:
            out.append(text[start:end])  # the closing mark may open the next escape
            at = end
        else:
            out.append(meaning)
            at = end + 1


def _hex(word: str) -> str | None:
    if not word.startswith("X") or len(word) < 3 or len(word) > _MAX_ESCAPE:
        return None
    try:
        raw = bytes.fromhex(word[1:])
    except ValueError:
        return None
    try:
        return _without_nul(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return _without_nul(raw.decode("gb18030", errors="replace"))


def _without_nul(text: str) -> str:
    """No database keeps NUL in a text, and one such field must not stop the messages of everybody else."""
    return text.replace("\x00", "\ufffd")


def _text(raw: str, delimiters: Delimiters, component: int, subcomponent: int) -> str:
    text = _part(raw, delimiters, component, subcomponent)
    if not text or text == DELETE_MARK:
        return ""
    return unescape(text, delimiters) if delimiters.escape in text else text


def _part(text: str, delimiters: Delimiters, component: int, subcomponent: int) -> str:
    if component:
        text = _nth(text, delimiters.component, component)
    return _nth(text, delimiters.subcomponent, subcomponent) if subcomponent else text


def _nth(text: str, separator: str, n: int) -> str:
    if separator not in text:
        return text if n == 1 else ""
    parts = text.split(separator, n)
    return parts[n - 1] if n <= len(parts) else ""

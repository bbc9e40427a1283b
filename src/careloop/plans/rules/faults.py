"""What is wrong in a plan, as words that a page can translate: the place, an English sentence, and its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def gettext_noop(text: str) -> str:
    """Marks an English sentence for translation; whoever shows it translates it. Rules stay free of languages."""
    return text


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake: where (`steps[2].schedule`), what is wrong and how to mend it."""

    path: str
    text: str  # the English sentence with %(places)s
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def step(self) -> int | None:
        """The position of the step it is about, if it is about one."""
        number = self.path.removeprefix("steps[").partition("]")[0] if self.path.startswith("steps[") else ""
        return int(number) if number.isdigit() else None

    @property
    def key(self) -> str:
        """The last part of the path: the field to mend."""
        return self.path.rsplit(".", 1)[-1]

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" if self.path else self.sentence

    @property
    def sentence(self) -> str:
        """In English, for a command line and for tests."""
        return self.text % self.values


class FaultError(ValueError):
    """Content that cannot be understood; `fault` says where and why."""

    def __init__(self, path: str, text: str, /, **values: object) -> None:
        self.fault = Fault(path, text, values)
        super().__init__(str(self.fault))

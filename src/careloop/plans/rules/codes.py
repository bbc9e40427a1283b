"""Diagnosis and operation codes as hospitals really send them, and prefixes and ranges to compare them with."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from careloop.plans.rules.faults import FaultError, gettext_noop

_MARKS = re.compile(r"[\s†*+.\-/]")  # dagger, asterisk and plus tell the role of a code, not another disease
_SHORT_CHAPTER = re.compile(r"^\d\.")  # ICD-9-CM-3 chapters have two digits; some systems drop the leading zero


@lru_cache(maxsize=50_000)
def normalise_code(code: str) -> str:
    """`i21.0x01`, `I21.001†`, `Ｉ２１．０` → upper-case letters and digits only, so that prefixes compare."""
    plain = unicodedata.normalize("NFKC", code).strip().upper()
    if _SHORT_CHAPTER.match(plain):
        plain = "0" + plain
    return _MARKS.sub("", plain)


@dataclass(frozen=True, slots=True)
class CodePattern:
    """A prefix (`I21`, `36.0`) or a range of prefixes with both ends included (`I20-I25`)."""

    low: str
    high: str
    text: str

    def matches(self, code: str) -> bool:
        plain = normalise_code(code)
        return bool(plain) and self.low <= plain[: len(self.low)] and plain[: len(self.high)] <= self.high

    @property
    def specificity(self) -> int:
        """More characters pin down more: `I21.0` beats `I21`, which beats `I20-I25`."""
        common = len(self.low) if self.low == self.high else 0
        return 2 * common if common else 2 * max(len(self.low) - 1, 0)


class CodeError(FaultError):
    """A prefix or range of codes cannot be understood."""


def parse_code_pattern(text: str) -> CodePattern:
    """Read a prefix or range. Refused: an empty one, and a range whose ends are the wrong way round."""
    low, dash, high = text.replace("–", "-").partition("-")
    first, last = normalise_code(low), normalise_code(high) if dash else normalise_code(low)
    if not first or not last:
        raise CodeError(
            "", gettext_noop("`%(given)s` is not a code or range of codes, such as I21 or I20-I25"), given=text
        )
    if last < first[: len(last)]:
        raise CodeError("", gettext_noop("`%(given)s`: the range ends before it starts"), given=text)
    return CodePattern(first, last, text.strip())

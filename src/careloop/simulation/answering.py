"""What an invented patient says to a question. Pure: the same generator state gives the same answer."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_NUMBERS: dict[str, Any] = json.loads((Path(__file__).parent / "content" / "answers.json").read_text())


MARKS = ("5", "4", "3", "2", "1")
"""Very satisfied … very dissatisfied, as the surveys offer them."""


def choose(link_id: str, codes: Sequence[str], *, worse: bool, random: random.Random) -> str:
    """One of the offered codes. Forms list the harmless option first; somebody who worsens picks a later one.
    Marks are spread, whoever gives them: somebody who is well may have been treated badly.
    """
    if codes == [str(n) for n in range(11)]:
        return str(int(number(link_id, worse=worse, random=random)))
    if tuple(codes) == MARKS:
        return str(random.choices(codes, weights=_NUMBERS["marks"])[0])
    if link_id in {"answerer", "mode"} or len(codes) == 1:
        return codes[0]
    if worse and random.random() < 0.55:
        return random.choice(list(codes[1:]))
    return codes[0] if random.random() < 0.9 else codes[min(1, len(codes) - 1)]


def number(link_id: str, *, worse: bool, random: random.Random, decimals: int = 0) -> float:
    """A plausible number for this question."""
    table = _NUMBERS["worse"] if worse and link_id in _NUMBERS["worse"] else _NUMBERS["well"]
    low, high = table.get(link_id, _NUMBERS["else"])
    value = random.uniform(low, high)
    return round(value, decimals) if decimals else round(value)

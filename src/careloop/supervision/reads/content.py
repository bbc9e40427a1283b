"""The policy of sampling and the limits of the indicators, as shipped or as the hospital replaced them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

CONTENT = Path(__file__).resolve().parents[1] / "content"


@cache
def sampling() -> dict[str, Any]:
    """content/sampling.json."""
    return dict(json.loads((CONTENT / "sampling.json").read_text(encoding="utf-8")))


@cache
def integrity() -> dict[str, Any]:
    """content/integrity.json."""
    return dict(json.loads((CONTENT / "integrity.json").read_text(encoding="utf-8")))


@cache
def measured() -> dict[str, Any]:
    """content/integrity-study.json: what the indicators cost honest people and find of inventors, as it was measured."""
    return dict(json.loads((CONTENT / "integrity-study.json").read_text(encoding="utf-8")))

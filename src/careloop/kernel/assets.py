"""Addresses of built front-end files; the manifest maps a plain name to one with a content hash."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

DIST = Path(__file__).parent / "static" / "dist"


def asset(name: str) -> str:
    """`/static/dist/<hashed name>`; the plain name when nothing was built."""
    return f"/static/dist/{_manifest().get(name, name)}"


@cache
def _manifest() -> dict[str, str]:
    manifest = DIST / "manifest.json"
    return json.loads(manifest.read_text()) if manifest.exists() else {}

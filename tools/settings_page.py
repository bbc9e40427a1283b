"""Writes docs/operate/settings.md from config/env.py, so that page and program cannot differ."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from careloop.config.env import Env  # noqa: E402  (after the path to the sources)


def page() -> str:
    """The whole page."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable; `src/careloop/config/env.py` reads them, and this page is made from it",
        "by `python tools/settings_page.py`. An unknown `CARELOOP_*` name stops the start with an error.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Env.__dataclass_fields__.items():
        default = str(field.default)
        lines.append(
            f"| `CARELOOP_{name.upper()}` | {f'`{default}`' if default else 'empty'} | {field.metadata['doc']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "operate" / "settings.md").write_text(page())

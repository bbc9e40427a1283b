"""What the first visitors of a process would wait for, made before the door opens.

Eight first visitors at once compiled the same templates eight times over, each in its own thread: a second of waiting,
and memory that the threads' heaps never gave back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from django.conf import settings
from django.template import engines
from django.urls import get_resolver
from django.utils import translation

PAGES: Final = {"web": ("kernel", "workbench", "alerts", "tasks"), "portal": ("kernel", "portal")}
"""The rooms whose pages most people open first, by surface."""


def warm_up(surface: str) -> int:
    """Reads the addresses and compiles the templates of these rooms in the default language. How many templates."""
    engine = engines["jinja2"]
    with translation.override(settings.LANGUAGE_CODE):
        _ = get_resolver().reverse_dict  # made when it is first asked for
        names = [name for room in PAGES[surface] for name in templates_of(room)]
        for name in names:
            engine.get_template(name)
    return len(names)


def templates_of(room: str) -> list[str]:
    """The names by which the templates of a room are asked for."""
    folder: Path = settings.BASE_DIR / room / "templates"
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*.html"))

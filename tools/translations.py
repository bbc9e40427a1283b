"""Screen texts: English in the source, Chinese in each room's own catalogue. No gettext programs are needed.

`extract` collects new texts into the catalogues, `check` fails on a missing, fuzzy or stale Chinese text, `compile` writes
the .mo files that the running system reads.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parent.parent / "src" / "careloop"
LANGUAGE = "zh_Hans"
METHODS = [
    ("**/tests/**", "ignore"),
    ("**/migrations/**", "ignore"),
    ("**.py", "python"),
    ("templates/**.html", "jinja2"),
]
OPTIONS = {"templates/**.html": {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.do"}}
KEYWORDS = {
    "_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None,
    "ngettext": (1, 2), "ngettext_lazy": (1, 2), "pgettext": ((1, "c"), 2), "pgettext_lazy": ((1, "c"), 2),
}  # fmt: skip


def main() -> int:
    """Runs the named step over every room."""
    step = {"extract": extract, "check": check, "compile": compile_all}[sys.argv[1]]
    return step()


def rooms() -> Iterator[Path]:
    """Folders of src/careloop that may have a catalogue."""
    yield from sorted(path for path in SOURCE.iterdir() if (path / "__init__.py").exists())


def catalogue(room: Path) -> Path:
    return room / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"


def template(room: Path) -> Catalog:
    """What the room's source says now."""
    found = Catalog(locale=LANGUAGE)
    for _file, _line, message, _comments, context in extract_from_dir(
        room, method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS
    ):
        found.add(message, None, context=context)
    return found


def load(room: Path) -> Catalog:
    path = catalogue(room)
    if not path.exists():
        return Catalog(locale=LANGUAGE)
    with path.open("rb") as file:
        return read_po(file, locale=LANGUAGE)


def extract() -> int:
    """Adds new texts (empty), drops those no source uses any more."""
    for room in rooms():
        known, now = load(room), template(room)
        known.update(now, no_fuzzy_matching=True)
        known.obsolete.clear()
        if not len(known):
            continue
        catalogue(room).parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        write_po(content, known, width=120, omit_header=False, sort_output=True, no_location=True)
        catalogue(room).write_bytes(content.getvalue())
    return 0


def check() -> int:
    """Every text has Chinese, none is fuzzy, none is left over."""
    faults = [fault for room in rooms() for fault in faults_of(room)] + contradictions()
    print("\n".join(faults) or "translations are complete", file=sys.stderr if faults else sys.stdout)
    return 1 if faults else 0


def faults_of(room: Path) -> Iterator[str]:
    known, now = load(room), template(room)
    for message in now:
        if not message.id:
            continue
        mine = known.get(message.id, message.context)
        if mine is None or not any(mine.string if isinstance(mine.string, tuple) else [mine.string]):
            yield f"{room.name}: no Chinese for {message.id!r}"
        elif mine.fuzzy:
            yield f"{room.name}: fuzzy {message.id!r}"
    for message in known:
        if message.id and now.get(message.id, message.context) is None:
            yield f"{room.name}: stale {message.id!r}"


def contradictions() -> list[str]:
    """All rooms share one catalogue at run time, so one English text must have one Chinese one."""
    said: dict[tuple[str, str | None], tuple[str, str]] = {}
    faults = []
    for room in rooms():
        for message in load(room):
            if not message.id or not message.string:
                continue
            key = (str(message.id), message.context)
            first = said.setdefault(key, (room.name, str(message.string)))
            if first[1] != str(message.string):
                faults.append(
                    f"{room.name}: {message.id!r} is {message.string!r}, but in {first[0]} it is {first[1]!r}"
                )
    return faults


def compile_all() -> int:
    """Writes django.mo beside each django.po that is newer."""
    for room in rooms():
        source = catalogue(room)
        target = source.with_suffix(".mo")
        if source.exists() and (not target.exists() or target.stat().st_mtime < source.stat().st_mtime):
            with target.open("wb") as file:
                write_mo(file, load(room))
    return 0


if __name__ == "__main__":
    sys.exit(main())

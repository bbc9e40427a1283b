"""PDF by typst: our sources, the fonts of two packages (and of the site), and data.

No user text ever becomes source, and nothing is fetched: the compiler knows no system font, no package and no file
outside `content/paper`. What no font can draw is printed as 〓 with its number, never as an empty box.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import pylopdf_fonts_jp
import pylopdf_fonts_zh_cn
import segno
import typst
from django.conf import settings

from careloop.letters.rules import glyphs

PAPER: Final = Path(__file__).resolve().parent.parent / "content" / "paper"
PACKAGES: Final = tuple(
    str(Path(path).parent) for path in (pylopdf_fonts_zh_cn.sans_path(), pylopdf_fonts_jp.sans_path())
)
OURS: Final = frozenset({"Noto Sans SC", "Noto Serif SC", "Noto Sans JP", "Noto Serif JP"})
_thread = threading.local()


def pdf(source: str, data: Mapping[str, Any]) -> bytes:
    """The PDF of one source (`sheet`, `plan`, `letter`) with its data. Tagged, fonts embedded as subsets."""
    return cast(bytes, _compile(source, data, "pdf"))


def pictures(source: str, data: Mapping[str, Any], *, ppi: float = 80) -> list[bytes]:
    """The pages as PNG, for previews and for looking at them."""
    made = _compile(source, data, "png", ppi=ppi)
    return made if isinstance(made, list) else [made]


def lacking(text: str) -> str:
    """The characters of a text that no font of this site can draw."""
    return glyphs.missing(text, known_characters())


def qr(text: str) -> str:
    """A QR picture as SVG, with error correction M (15 %) and a quiet zone of two modules inside its frame."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=2, xmldecl=False, svgns=True)
    return out.getvalue().decode()


@cache
def known_characters() -> frozenset[int]:
    """Every code point that one of the fonts draws. Read once a process: a quarter of a second."""
    paths = {info.path for info in _fonts().fonts() if info.path}
    return frozenset().union(*(glyphs.characters(Path(path).read_bytes()) for path in sorted(paths)))


def _compile(source: str, data: Mapping[str, Any], kind: Any, ppi: float | None = None) -> bytes | list[bytes]:
    text = json.dumps(glyphs.printable({**data, "more_fonts": _more_families()}), ensure_ascii=False)
    inputs = {"data": glyphs.with_geta(text, known_characters())}
    made = _compiler().compile(input=str(PAPER / f"{source}.typ"), format=kind, ppi=ppi, sys_inputs=inputs)
    if made is None:
        raise RuntimeError("typst gave nothing back")
    return made


def _compiler() -> typst.Compiler:
    """One a thread: it keeps the fonts and what it has parsed, and is not meant to be shared."""
    made: typst.Compiler | None = getattr(_thread, "compiler", None)
    if made is None:
        made = typst.Compiler(root=str(PAPER), font_paths=_fonts(), ignore_system_fonts=True)
        _thread.compiler = made
    return made


@cache
def _fonts() -> typst.Fonts:
    site = [settings.ENV.letter_fonts] if settings.ENV.letter_fonts else []
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[*PACKAGES, *site])


@cache
def _more_families() -> list[str]:
    return sorted(set(_fonts().families()) - OURS)

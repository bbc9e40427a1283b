"""What the browser gets must run in Chromium 86 (360, QQ) and stay small."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "src" / "careloop" / "kernel" / "static" / "dist"
SOURCES = ROOT / "frontend" / "src"

# Newer than Chromium 86, with the version that has it.
TOO_NEW_CSS = {
    ":has(": 105,
    "color-mix(": 111,
    "oklch(": 111,
    "light-dark(": 123,
    "@layer": 99,
    "@container": 105,
    "text-wrap:": 114,
}
TOO_NEW_CSS_WORDS = {r"[;{\s]inset\s*:": 87, r"\d(d|s|l)v[hw]\b": 108, r"[;{\s]aspect-ratio\s*:": 88, r"[;{]\s*&": 112}
TOO_NEW_JS = {r"\.at\(-1\)": 92, r"structuredClone\(": 98, r"Object\.hasOwn\(": 93, r"\.replaceAll\(": 85, r"\?\?=": 85}
BUDGET_GZIP = {
    "app.css": 18_000,
    "patient.css": 5_000,
    "patient.js": 5_000,
    "patient-kinds.js": 2_000,
    "staff.js": 55_000,
    "charts.js": 240_000,
    "sprite.svg": 14_000,
}


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    manifest = DIST / "manifest.json"
    assert manifest.exists(), "build the browser files first: python tools/build_frontend.py"
    return {name: (DIST / file).read_bytes() for name, file in json.loads(manifest.read_text()).items()}


def nested_rules(css: str) -> list[str]:
    """Selectors of rules inside rules; @media and its like may hold rules."""
    found, stack = [], []
    for piece in re.findall(r"[^{}]*[{}]", re.sub(r"/\*.*?\*/", "", css, flags=re.S)):
        if piece.endswith("{"):
            selector = piece[:-1].split(";")[-1].strip()
            if stack and not stack[-1].startswith("@"):
                found.append(selector)
            stack.append(selector)
        else:
            stack.pop()
    return found


@pytest.mark.parametrize("name", ["app.css", "patient.css"])
def test_style_sheets_use_nothing_newer_than_chromium_86(built, name):
    css = built[name].decode()
    assert [word for word in TOO_NEW_CSS if word in css] == []
    assert [pattern for pattern in TOO_NEW_CSS_WORDS if re.search(pattern, css)] == []
    assert nested_rules(css) == []


def test_the_check_itself_sees_nesting_and_new_words():
    assert nested_rules(".a{color:red;.b{color:blue}}") == [".b"]
    assert nested_rules("@media print{.a{color:red}}") == []
    assert re.search(next(iter(TOO_NEW_CSS_WORDS)), ".a{inset:0}")


@pytest.mark.parametrize("name", ["staff.js", "patient.js", "live-worker.js"])
def test_scripts_use_nothing_newer_than_chromium_86_and_no_eval(built, name):
    script = built[name].decode()
    too_new = [pattern for pattern, version in TOO_NEW_JS.items() if version > 86 and re.search(pattern, script)]
    assert too_new == []


def test_our_own_scripts_never_evaluate_text():
    """Fragments of our server may be set as HTML (it escaped them); text is never run as a program."""
    for file in SOURCES.rglob("*.js"):
        assert not re.search(r"\beval\(|new Function|document\.write|setTimeout\(\s*[\"'`]", file.read_text()), file


@pytest.mark.parametrize("name", sorted(BUDGET_GZIP))
def test_each_file_keeps_its_budget(built, name):
    assert len(gzip.compress(built[name], 9)) <= BUDGET_GZIP[name]


def test_file_names_carry_the_hash_of_their_content(built):
    import hashlib

    for name, file in json.loads((DIST / "manifest.json").read_text()).items():
        assert hashlib.sha256(built[name]).hexdigest()[:12] in file


def test_every_icon_a_template_names_is_in_the_sprite(built):
    sprite = built["sprite.svg"].decode()
    known = set(re.findall(r'<symbol id="([a-z0-9-]+)"', sprite))
    used = set()
    for template in (ROOT / "src").rglob("templates/**/*.html"):
        if "portal" in template.parts:  # patient pages draw their few icons inline
            continue
        text = template.read_text()
        used |= set(re.findall(r"""\bicon\(\s*["']([a-z0-9-]+)["']""", text))
        used |= set(re.findall(r"""\bicon_name=["']([a-z0-9-]+)["']""", text))
    assert used - known == set()


def test_longer_english_words_keep_to_the_call_screen_and_the_record_at_1366_pixels(built: dict[str, bytes]) -> None:
    css = built["app.css"].decode()
    assert re.search(r"\.res \.op\{[^}]*white-space:nowrap", css), "a result broken over lines leaves its button"
    assert re.search(r"html\[lang=en\] \.callscreen \.foot\{[^}]*flex-wrap:wrap", css)
    assert re.search(r"html\[lang=en\] \.p3-head \.tabs\{[^}]*flex-wrap:wrap", css), "Follow up now is off the page"

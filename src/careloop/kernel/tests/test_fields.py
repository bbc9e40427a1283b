"""Texts with names in them: found by place, filled in once, never a language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.kernel.fields import BadField, Hole, Placeholder, clean, fill, pieces

KNOWN = {p.name: p for p in (Placeholder("name", 8, "甲", "A"), Placeholder("link", 5, "x", "x", secret=True))}
ALLOWED = frozenset(KNOWN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (("", ""),)),
        ("a", (("a", ""),)),
        ("{name}", (("", "name"), ("", ""))),
        ("a{name}b{link}c", (("a", "name"), ("b", "link"), ("c", ""))),
        ("{name}{name}", (("", "name"), ("", "name"), ("", ""))),
        ("﹛name﹜｛name｝", (("﹛name﹜｛name｝", ""),)),  # other braces are letters like any other
    ],
)
def test_pieces(text: str, expected: tuple[tuple[str, str], ...]):
    assert pieces(text, ALLOWED) == expected


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("{", "bad-brace", 0), ("a}", "bad-brace", 1), ("ab{nam", "bad-brace", 2), ("{name", "bad-brace", 0),
        ("{Name}", "bad-brace", 0), ("{name.x}", "bad-brace", 0), ("{name[0]}", "bad-brace", 0),
        ("{name!r}", "bad-brace", 0), ("{name:>9}", "bad-brace", 0), ("{{name}}", "bad-brace", 0), ("{}", "bad-brace", 0),
        ("{ name }", "bad-brace", 0), ("{0}", "bad-brace", 0), ("{other}", "unknown-field", 0),
        ("好{name}{other}", "unknown-field", 7), ("{__class__}", "bad-brace", 0), ("{name}\n}", "bad-brace", 7),
        ("{" + "a" * 32 + "}", "bad-brace", 0), ("{" + "a" * 31 + "}", "unknown-field", 0),
    ],
)  # fmt: skip
def test_what_is_no_allowed_name_is_refused_with_its_place(text: str, code: str, offset: int):
    with pytest.raises(BadField) as fault:
        pieces(text, ALLOWED)
    assert (fault.value.code, fault.value.offset) == (code, offset)


@given(st.text(st.sampled_from("{}ablnamek好 \n"), max_size=30))
def test_any_text_is_refused_or_comes_back_whole(text: str):
    found = told(text)
    if isinstance(found, BadField):
        assert 0 <= found.offset < len(text)
        return
    assert "".join(literal + (f"{{{name}}}" if name else "") for literal, name in found) == text
    assert {name for _literal, name in found if name} <= ALLOWED


def told(text: str) -> tuple[tuple[str, str], ...] | BadField:
    try:
        return pieces(text, ALLOWED)
    except BadField as fault:
        return fault


@given(st.text(max_size=40))
def test_a_value_brings_nothing_of_its_own(value: str):
    filled = fill("<{name}>", {"name": value}, KNOWN, ALLOWED)
    assert filled == f"<{clean(value, longest=8)}>"
    assert len(filled) <= 10
    assert "\n" not in filled


@pytest.mark.parametrize("value", ["{link}", "{name}", "{{", "%(x)s", "$x", "#let", "\\u007b"])
def test_a_value_that_looks_like_a_name_stays_as_it_is(value: str):
    assert fill("{name}", {"name": value, "link": "SECRET"}, KNOWN, ALLOWED) == value[:8]


def test_what_we_made_ourselves_is_never_cut():
    assert fill("{link}", {"link": "https://long"}, KNOWN, ALLOWED) == "https://long"


def test_nothing_leaves_with_a_hole():
    with pytest.raises(Hole) as hole:
        fill("{name}{link}", {"name": ""}, KNOWN, ALLOWED)
    assert hole.value.name == "link"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb\tc", "abc"), ("\u202eabc", "abc"), ("a\u200bb", "ab"), ("\ud800x", "x"), ("\ufeffx", "x"), ("好" * 9, "好" * 8),
        ("😀" * 3, "😀" * 3), ("שלום", "שלום"), ("", ""), ("\x00", ""), ("a\u00adb", "ab"), ("e\u0301", "e\u0301"),
    ],
)  # fmt: skip
def test_clean(value: str, expected: str):
    assert clean(value, longest=8) == expected

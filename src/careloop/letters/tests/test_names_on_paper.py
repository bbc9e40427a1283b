"""Names and addresses as people have them: what is an address, what fits the window, and nothing typed becomes markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.letters import actions
from careloop.letters.models import Letter
from careloop.letters.reads import pdf, site
from careloop.letters.reads.letters import letter_data
from careloop.letters.rules.envelope import POINT, break_line, fit_address, letter_width
from careloop.letters.rules.recipients import day_words, has_address, recipient_lines
from careloop.letters.tests.factories import ADDRESS, a_letter, at_home, change, shipped, text_of
from careloop.letters.tests.test_jobs import neighbours
from tests.cast import NOW, Cast


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("", False), (" ", False), ("\u3000\u3000", False), ("北京", False), ("不详", False), ("地址不详不详", True),
        ("无", False), ("未知", False), ("暂无", False), ("拒绝提供", False), ("unknown", False), ("N/A", False),
        ("-------", False), ("........", False), ("//////", False), ("123456", False), ("12345678901", False),
        ("一二三四五", False), ("一二三四五六", True), ("Flat 5", False), ("Flat 51", True), (ADDRESS, True),
        ("  " + ADDRESS + "\n", True), ("不 详 ", False), ("UNKNOWN", False),
    ],
)  # fmt: skip
def test_what_can_be_an_address(address: str, usable: bool):
    assert has_address(address) is usable


@pytest.mark.parametrize(
    ("name", "sex", "language", "last"),
    [
        ("周国强", "male", "zh", "周国强 先生 收"), ("赵敏", "female", "zh", "赵敏 女士 收"), ("李", "unknown", "zh", "李 收"),
        (" 周 ", "other", "zh", "周 收"), ("周\n强", "male", "zh", "周强 先生 收"), ("\u202e周", "", "zh", "周 收"),
    ],
)  # fmt: skip
def test_the_last_line_of_a_chinese_address(name: str, sex: str, language: str, last: str):
    assert recipient_lines(name=name, sex=sex, address=ADDRESS, language=language)[-1] == last


def test_an_english_address_begins_with_the_name():
    assert recipient_lines(name="Ann Lee", sex="female", address="1  High\nSt", language="en") == [
        "Ann Lee",
        "1 High St",
    ]


@pytest.mark.parametrize(
    ("day", "zh", "en"),
    [("2028-02-29", "2028年2月29日", "29 February 2028"), ("2026-12-31", "2026年12月31日", "31 December 2026")],
)
def test_days_in_words(day: str, zh: str, en: str):
    from datetime import date

    assert (day_words(date.fromisoformat(day), "zh"), day_words(date.fromisoformat(day), "en")) == (zh, en)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=80), st.floats(3, 40))
def test_a_broken_line_loses_nothing_and_is_never_too_wide(text: str, most: float):
    lines = break_line(text, most)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert len(line) == 1 or sum(map(letter_width, line)) <= most + 1e-9


@pytest.mark.parametrize("code", sorted(site.envelopes()))
@pytest.mark.parametrize("length", [6, 20, 40, 60, 100, 300])
def test_what_is_said_to_fit_a_window_does_fit(code: str, length: int):
    area = site.envelopes()[code].address_area()
    block = fit_address(["浙" * length, "周国强 先生 收"], area)
    if block is None:
        assert length > 40  # an everyday address fits every window
        return
    assert 9.0 <= block.size <= 11.0
    assert (len(block.lines) + 1) * block.size * POINT * 1.35 <= area.height + 1e-6
    assert all(sum(map(letter_width, line)) * block.size * POINT <= area.width + 1e-6 for line in block.lines)


EVIL = [
    '#panic("x")', "$ x^2 $", "a\\u{41}b", "*bold*", "_it_", "@ref", "<label>", "[box]", "`raw`", "= Head", "- item", "//no",
    "/* no */", '"quote"', "{salutation}", "{{", "%(name)s", "&amp;", "~", "\\#", "#import", "O'Brien", "=SUM(1)",
]  # fmt: skip


def test_nothing_in_a_name_becomes_markup_code_or_a_field(cast: Cast):
    template = shipped("plan-cover")
    people = neighbours(cast, len(EVIL))
    for patient, evil in zip(people, EVIL, strict=True):
        change(patient, name=f"赵{evil}"[:60])
        actions.make_letter(
            key=str(patient.pk), patient_id=patient.pk, template_id=template.pk, at=NOW, by=cast.as_wang
        )
    letters = list(Letter.objects.unscoped("test").select_related("template", "link").order_by("pk"))
    text = text_of(pdf.pdf("letter", letter_data(letters)))
    missing = [evil for evil in EVIL if "".join(evil.split()) not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "printable"),
    [
        ("䶮", True), ("𠮷野", True), ("㛃", True), ("欧阳\u3400", True), ("José Ñandú", True), ("Łukasz", False),
        ("\U0003fffd", False), ("周\U000e0001", False), ("\ue000", False),
    ],
)  # fmt: skip
def test_rare_characters_are_printed_or_refused_but_never_lost(cast: Cast, name: str, printable: bool):
    at_home(cast, name=name)
    if not printable:
        with pytest.raises(actions.CharacterMissing):
            a_letter(cast)
        return
    letter = a_letter(cast)
    assert "".join(name.split()) in "".join("".join(letter.recipient["lines"]).split())
    assert "".join(name.split()) in text_of(pdf.pdf("letter", letter_data([letter])))

"""Codes, envelopes, words, addresses and pictures: tables of cases and properties, no database."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.letters.rules import chart, codes, envelope, glyphs, recipients, wording

CONTENT = Path(__file__).resolve().parents[1] / "content"
ENVELOPES = envelope.parse_envelopes((CONTENT / "envelopes.json").read_text(encoding="utf-8"))
BANNED = {"disease": ("癌", "肿瘤"), "department": ("精神科",)}

# ---- reply codes --------------------------------------------------------------------------------------------------


@given(st.uuids(), st.integers(0, 5))
def test_a_code_reads_back_whatever_a_person_makes_of_it(pk: UUID, attempt: int):
    code = codes.reply_code(pk, "secret", attempt=attempt)
    written = codes.shown(code)
    assert len(code) == codes.LENGTH
    assert set(code) <= set(codes.ALPHABET)
    for typed in (code, written, written.lower(), written.replace("0", "O").replace("1", "l"), " " + "  ".join(code)):
        assert codes.read_code(typed) == code


@given(st.uuids(), st.integers(0, 9), st.sampled_from(codes.ALPHABET))
def test_one_wrong_character_is_always_noticed(pk: UUID, place: int, other: str):
    code = codes.reply_code(pk, "secret")
    if code[place] == other:
        return
    with pytest.raises(codes.BadCode, match="check"):
        codes.read_code(code[:place] + other + code[place + 1 :])


@given(st.uuids(), st.integers(0, 8))
def test_swapped_neighbours_are_noticed_but_for_the_one_pair_the_method_cannot_see(pk: UUID, place: int):
    code = codes.reply_code(pk, "secret")
    one, two = code[place], code[place + 1]
    if one == two or {one, two} == {"0", "Z"}:
        return
    with pytest.raises(codes.BadCode):
        codes.read_code(code[:place] + two + one + code[place + 2 :])


def test_codes_depend_on_the_secret_and_hardly_ever_meet():
    many = {codes.reply_code(UUID(int=n), "secret") for n in range(5000)}
    assert len(many) == 5000
    assert codes.reply_code(UUID(int=1), "secret") != codes.reply_code(UUID(int=1), "other")


@given(st.text(max_size=60))
def test_no_text_at_all_makes_the_reader_stumble(text: str):
    told = ""
    try:
        found = codes.read_scan(text)
    except codes.BadCode as bad:
        told = bad.code
    assert told in {"empty", "length", "letter", "check"} if told else found.kind in {"code", "token"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://sf.example.cn/q/abcdefghijklmnopqrstuvwxyz_", "token"),
        ("HTTP://X/q/" + "a" * 27 + "?x=1", "token"),
        ("/q/" + "a" * 27, "token"),
    ],
)
def test_a_scanned_picture_gives_its_token(text: str, kind: str):
    assert codes.read_scan(text).kind == kind


# ---- envelopes ----------------------------------------------------------------------------------------------------


def raw(**changed: object) -> dict[str, object]:
    plain = {
        "code": "x", "title": {"zh": "信封"}, "width": 220, "height": 110, "folds": [105, 210],
        "window": {"left": 20, "bottom": 15, "width": 90, "height": 45},
    }  # fmt: skip
    return {**plain, **changed}


def test_the_dl_window_as_measured_by_hand():
    """220 × 110 mm, a sheet of 210 × 105 mm: it slides 10 mm sideways and 5 mm up and down."""
    dl = ENVELOPES["dl-window"]
    assert dl.play == (10, 5)
    assert dl.certainly_seen() == envelope.Rect(20, 50, 80, 40)
    assert dl.possibly_seen() == envelope.Rect(10, 45, 100, 50)
    assert dl.panels == (105, 105, 87)


@pytest.mark.parametrize("code", sorted(ENVELOPES))
def test_every_shipped_envelope_takes_a_folded_sheet(code: str):
    made = ENVELOPES[code]
    assert sum(made.panels) == pytest.approx(297)
    assert max(made.panels) <= made.height
    area, seen = made.address_area(), made.possibly_seen()
    assert area.width >= 56
    if seen is not None:
        assert seen.bottom < made.text_starts()
        assert seen.bottom <= made.panels[0]


measures = st.floats(0.5, 400, allow_nan=False)


@given(
    width=st.floats(210, 330), height=st.floats(105, 240), left=st.floats(0, 60), bottom=st.floats(0, 60),
    window_width=st.floats(10, 200), window_height=st.floats(10, 120),
    dx=st.floats(0, 1), dy=st.floats(0, 1), x=st.floats(0, 1), y=st.floats(0, 1),
)  # fmt: skip
def test_what_is_certainly_seen_is_seen_wherever_the_sheet_slides(
    width: float, height: float, left: float, bottom: float, window_width: float, window_height: float,
    dx: float, dy: float, x: float, y: float,
):  # fmt: skip
    window = {"left": left, "bottom": bottom, "width": window_width, "height": window_height}
    try:
        made = envelope.parse_envelope(raw(width=width, height=height, window=window))
    except envelope.BadEnvelope:
        return
    sure, maybe = made.certainly_seen(), made.possibly_seen()
    assert sure is not None
    assert maybe is not None
    slid_x, slid_y = dx * made.play[0], dy * made.play[1]
    on_sheet = (sure.left + x * sure.width, sure.top + y * sure.height)
    in_envelope = (on_sheet[0] + slid_x, on_sheet[1] + slid_y)
    top = made.height - bottom - window_height
    assert left - 1e-6 <= in_envelope[0] <= left + window_width + 1e-6
    assert top - 1e-6 <= in_envelope[1] <= top + window_height + 1e-6
    shown = (left + x * window_width - slid_x, top + y * window_height - slid_y)
    assert maybe.left - 1e-6 <= shown[0] <= maybe.right + 1e-6
    assert maybe.top - 1e-6 <= shown[1] <= maybe.bottom + 1e-6


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"width": 200}, "width"),
        ({"folds": [120, 210]}, "folds"),
        ({"folds": [210, 105]}, "folds"),
        ({"folds": [0, 105]}, "folds"),
        ({"folds": [105, 400]}, "folds"),
        ({"window": {"left": 200, "bottom": 15, "width": 90, "height": 45}}, "edge"),
        ({"window": {"left": -1, "bottom": 15, "width": 90, "height": 45}}, "positive"),
        ({"window": {"left": 20, "bottom": 15, "width": 60, "height": 20}}, "small"),
        ({"window": {"left": 20}}, "missing"),
        ({"width": "wide"}, "number"),
        ({"title": "x"}, "missing"),
    ],
)
def test_measures_that_cannot_be_right_are_refused_with_their_reason(changed: dict[str, object], word: str):
    with pytest.raises(envelope.BadEnvelope, match=word):
        envelope.parse_envelope(raw(**changed))


@pytest.mark.parametrize("text", ["", "no json", "[]", "7", '{"envelopes": [{}]}', '{"envelopes": 3}'])
def test_a_file_edited_by_hand_is_refused_in_words(text: str):
    with pytest.raises(envelope.BadEnvelope):
        envelope.parse_envelopes(text)


def test_one_envelope_alone_in_a_file_is_enough():
    assert list(envelope.parse_envelopes(json.dumps(raw()))) == ["x"]


# ---- addresses ----------------------------------------------------------------------------------------------------

addresses = st.text(
    st.sampled_from("浙江省云溪市西山区人民路号幢单元室0123456789ABCabc -,."), min_size=1, max_size=300
).filter(lambda text: text.strip())


@given(addresses, st.floats(5, 40))
def test_broken_lines_fit_and_lose_nothing(text: str, most: float):
    lines = envelope.break_line(text, most)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert sum(map(envelope.letter_width, line)) <= max(most, 1.0) + 1e-9


@given(addresses)
def test_an_address_either_fits_the_window_or_is_refused(text: str):
    area = ENVELOPES["dl-window"].address_area()
    block = envelope.fit_address([text, "周国强 收"], area)
    if block is None:
        return
    high = (len(block.lines) + 1) * block.size * envelope.POINT * envelope.LINE
    wide = max(sum(map(envelope.letter_width, line)) for line in block.lines) * block.size * envelope.POINT
    assert high <= area.height + 1e-6
    assert wide <= area.width + 1e-6


def test_usual_addresses_keep_the_large_type_and_the_longest_are_refused():
    area = ENVELOPES["dl-window"].address_area()
    usual = envelope.fit_address(["浙江省云溪市西山区人民路 128 号 3 幢 2 单元 501 室", "周国强 先生 收"], area)
    assert usual is not None
    assert usual.size == 11.0
    assert envelope.fit_address(["长" * 300], area) is None


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("浙江省云溪市人民路 1 号", True), ("12 Renmin Road", True), ("", False), ("   ", False), ("不详", False),
        ("未 知", False), ("无", False), ("暂无", False), ("-", False), ("////", False), ("N/A", False), ("310000123", False),
        ("云溪", False), ("unknown", False),
    ],
)  # fmt: skip
def test_what_can_be_an_address(address: str, usable: bool):
    assert recipients.has_address(address) is usable


def test_the_lines_in_the_window():
    lines = recipients.recipient_lines
    assert lines(name="周国强", sex="male", address="人民路\n1 号", language="zh") == ["人民路 1 号", "周国强 先生 收"]
    assert lines(name="李敏", sex="unknown", address="a", language="zh") == ["a", "李敏 收"]
    assert lines(name="Ann Lee", sex="female", address="1 Main St", language="en") == ["Ann Lee", "1 Main St"]
    assert lines(name="周\u202e强", sex="male", address="路\u0007", language="zh") == ["路", "周强 先生 收"]


@pytest.mark.parametrize(
    ("day", "zh", "en"),
    [(date(2026, 11, 3), "2026年11月3日", "3 November 2026"), (date(2028, 2, 29), "2028年2月29日", "29 February 2028")],
)
def test_days_in_words(day: date, zh: str, en: str):
    assert recipients.day_words(day, "zh") == zh
    assert recipients.day_words(day, "en") == en


# ---- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        ("", "empty", 1, 1),
        ("您好\n\n{diagnosis}", "unknown-field", 3, 1),
        ("a {", "bad-brace", 1, 3),
        ("ok {salutation}\nx } y", "bad-brace", 2, 3),
        ("{salutation!r}", "bad-brace", 1, 1),
        ("{salutation.__class__}", "bad-brace", 1, 1),
        ("{{salutation}}", "bad-brace", 1, 1),
        ("{link}", "unknown-field", 1, 1),
        ("看\u200b这里", "hidden-character", 1, 2),
        ("字" * 1501, "too-long", 1, 1501),
        ("号码\n110101199003071234", "identity-number", 2, 1),
    ],
)
def test_faults_say_what_and_where(body: str, code: str, line: int, column: int):
    with pytest.raises(wording.LetterFault) as fault:
        wording.check_letter(subject="随访", body=body, banned=BANNED)
    assert (fault.value.code, fault.value.place.line, fault.value.place.column) == (code, line, column)


@pytest.mark.parametrize("subject", ["肿瘤随访", "您的 癌 症", "精神科来信"])
def test_the_subject_tells_no_illness(subject: str):
    with pytest.raises(wording.LetterFault, match="telling-subject"):
        wording.check_letter(subject=subject, body="您好", banned=BANNED)


def test_the_body_of_a_closed_letter_may_name_a_department():
    wording.check_letter(subject="随访", body="请到{department}复诊。", banned=BANNED)


@given(st.text(max_size=200))
def test_any_text_is_either_rendered_or_refused_with_a_place_inside_it(text: str):
    place = None
    try:
        wording.pieces(text)
    except wording.LetterFault as fault:
        place = fault.place
    lines = text.split("\n")
    if place is None:
        assert wording.render(text, wording.sample_values("zh")) is not None
    else:
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1])


@given(st.text(min_size=1, max_size=60).filter(lambda value: value.strip()))
def test_a_value_never_becomes_a_field(value: str):
    filled = wording.render("{salutation}/{phone}", {"salutation": "{phone}" + value, "phone": "120"})
    assert filled.startswith("{phone}")
    assert filled.endswith("/120")


def test_a_hole_is_no_letter():
    with pytest.raises(wording.MissingField, match="phone"):
        wording.render("{salutation} {phone}", {"salutation": "周先生", "phone": ""})


def test_paragraphs_are_parted_by_empty_lines():
    assert wording.paragraphs("a\nb\n\n\n c \n") == [["a", "b"], [" c"]]


def test_the_list_of_fields_offers_no_diagnosis_and_no_number_of_the_patient():
    assert not set(wording.FIELDS) & {"diagnosis", "plan", "identity", "link", "address", "name", "record_number"}


@pytest.mark.parametrize(
    "template", json.loads((CONTENT / "templates.json").read_text())["templates"], ids=lambda t: t["code"]
)
def test_the_shipped_letters_hold_to_the_rules_in_both_languages(template: dict[str, object]):
    assert set(template["texts"]) == {"zh", "en"}
    for words in template["texts"].values():
        wording.check_letter(subject=words["subject"], body=words["body"], banned=BANNED)
    assert wording.fields_of(template["texts"]["zh"]["body"]) == wording.fields_of(template["texts"]["en"]["body"])


# ---- pictures -----------------------------------------------------------------------------------------------------

FIRST = date(2026, 1, 1)
points = st.lists(st.tuples(st.integers(0, 400), st.floats(-1e4, 1e4, allow_nan=False)), max_size=30)


@given(points, points, st.lists(st.floats(0, 300), max_size=2))
def test_a_trend_stays_inside_its_picture(
    one: list[tuple[int, float]], two: list[tuple[int, float]], limits: list[float]
):
    series = [
        chart.Series("收缩压", tuple((FIRST + timedelta(days=n), value) for n, value in one)),
        chart.Series("<&>", tuple((FIRST + timedelta(days=n), value) for n, value in two)),
    ]
    svg = chart.trend_svg(series, first=FIRST, last=FIRST + timedelta(days=365), limits=limits)
    inside = max(sum(n <= 365 for n, _v in one), sum(n <= 365 for n, _v in two))
    assert (svg is None) == (inside < 2)
    if svg is None:
        return
    for element in ElementTree.fromstring(svg).iter():
        for name in ("cx", "x1", "x2"):
            assert -1 <= float(element.get(name, 0)) <= chart.WIDTH
        for name in ("cy", "y1", "y2"):
            assert -1 <= float(element.get(name, 0)) <= chart.HEIGHT


def test_lines_are_told_apart_without_colour():
    series = [chart.Series(str(n), ((FIRST, n), (FIRST + timedelta(days=9), n + 1.0))) for n in range(3)]
    svg = chart.trend_svg(series, first=FIRST, last=FIRST + timedelta(days=10))
    assert svg is not None
    root = ElementTree.fromstring(svg)
    dashes = [line.get("stroke-dasharray", "") for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(set(dashes)) == 3
    assert {line.get("stroke") for line in root.iter("{http://www.w3.org/2000/svg}polyline")} == {"#000"}


@pytest.mark.parametrize(
    ("target", "limits"),
    [
        ("<130/80 mmHg", (130.0, 80.0)), ("<1.4 mmol/L", (1.4,)), ("≤ 7.0", (7.0,)), ("as before", ()), ("", ()),
        ("60–100", ()), (">90", ()),
    ],
)  # fmt: skip
def test_a_target_in_words_becomes_lines_only_when_it_is_an_upper_limit(target: str, limits: tuple[float, ...]):
    assert chart.limits_of(target) == limits


# ---- glyphs -------------------------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.frozensets(st.integers(0x20, 0x2FF), max_size=80))
def test_what_cannot_be_drawn_is_named_and_nothing_else_changes(text: str, known: frozenset[int]):
    lacking = glyphs.missing(text, known)
    shown = glyphs.with_geta(text, known)
    for character in text:
        drawn = ord(character) in known or character in "\n\t\r\u200d\ufe0e\ufe0f"
        assert (character in lacking) is not drawn
    if not lacking:
        assert shown == text
    for character in lacking:
        if character not in "〓(U+0123456789ABCDEF)":
            assert character not in shown


def test_values_that_no_pen_could_tell_apart_are_one_line_in_the_middle() -> None:
    series = [chart.Series("LDL", ((FIRST, 0.0), (FIRST + timedelta(days=9), 3e-211)))]
    assert "nan" not in chart.trend_svg(series, first=FIRST, last=FIRST + timedelta(days=365), limits=[])

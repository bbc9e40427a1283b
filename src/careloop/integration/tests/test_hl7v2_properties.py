"""What holds for any message: properties over invented bytes, spoiled real messages, every charset and every cut of the line."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from careloop.integration.hl7v2.answer import Code, acknowledge, escape, header_of, read_answer
from careloop.integration.hl7v2.charsets import decode, encode
from careloop.integration.hl7v2.facts import Facts, Ignored, Site, Unusable
from careloop.integration.hl7v2.framing import FrameReader, fingerprint, split_file, wrap
from careloop.integration.hl7v2.intake import take_in
from careloop.integration.hl7v2.mapping import MERGE_EVENTS, VISIT_EVENTS, order_keys, read_message
from careloop.integration.hl7v2.message import Delimiters, Field, Message, State, unescape
from careloop.integration.hl7v2.values import read_date, read_time
from careloop.integration.tests.factories import adt, oru

SITE = Site()
# Characters whose second GB18030 byte is a separator (interop.md 1.2), rare ones, and everyday ones.
NAMES = [
    "王韡",
    "瑋昞珅玘琝玕晐東區奮",
    "欧阳娜娜",
    "买买提·艾力江",
    "𠮷野家",
    "䶮㛃𬱖𫖯",
    "Zhang San",
    "张 三",
    "O'Neil",
    "\u202e王",
]
DELIMITERS = Delimiters()
ADT = adt("A03", name="王韡", dx="I21.0", card="110101195903080018")
REPORT = oru("9001", "V9001", "L1", [("K", "4.1", "mmol/L", "N"), ("NA", "阴性", "", "")])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00\x0b\x1c"), max_size=40)


def answer_to(message: Message, text: str = "", charset: str = "utf-8") -> bytes:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return acknowledge(message, code=Code.ACCEPT, text=text, at=at, control_id="9", charset=charset)


def outcome_of(raw: bytes):
    """The whole pure way: bytes to words to facts, and the answer."""
    intake = take_in(raw, site=SITE)
    answer = answer_to(intake.message, charset=intake.charset)
    assert answer.startswith(b"MSH") or not decode(raw).text.isascii()
    return read_message(intake.message, site=SITE)


# ---- nothing crashes


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw):
    assert isinstance(outcome_of(raw), Facts | Ignored | Unusable)


@settings(max_examples=200)
@given(st.data())
def test_a_real_message_with_some_bytes_changed_is_read_or_refused(data):
    raw = bytearray(data.draw(st.sampled_from([ADT, REPORT])).encode(data.draw(st.sampled_from(["utf-8", "gb18030"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["change", "cut", "repeat", "insert"])):
            case "change":
                raw[at] = data.draw(st.integers(0, 255))
            case "cut":
                del raw[at : at + data.draw(st.integers(1, 20))]
            case "repeat":
                raw[at:at] = raw[at : at + 30]
            case "insert":
                raw[at:at] = data.draw(
                    st.sampled_from([b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b'""', b"\x0b", b"\x1c"])
                )
        assume(raw)
    assert isinstance(outcome_of(bytes(raw)), Facts | Ignored | Unusable)


@settings(max_examples=60)
@given(st.permutations(ADT.rstrip("\r").split("\r")[1:]), st.integers(0, 3))
def test_segments_in_any_order_say_the_same(rest, extra):
    """Senders differ in order, and put their own Z segments between."""
    head = ADT.split("\r")[0]
    lines = [head, *rest]
    for n in range(extra):
        lines.insert(1 + n, f"ZX{n}|our own|^^&~\\|{n}")
    told, plain = (read_message(Message("\r".join(each)), site=SITE) for each in (lines, ADT.split("\r")))
    assert isinstance(told, Facts)
    assert isinstance(plain, Facts)
    assert (told.person, told.visit, told.diagnoses) == (plain.person, plain.visit, plain.diagnoses)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\r", "\r\r", "\r\n\r\n"])
def test_line_ends_say_nothing(end):
    assert read_message(Message(ADT.replace("\r", end)), site=SITE) == read_message(Message(ADT), site=SITE)


@pytest.mark.parametrize("segment", ["PID", "PV1", "EVN", "DG1"])
@pytest.mark.parametrize("trigger", sorted(VISIT_EVENTS))
def test_a_visit_message_without_a_segment_is_read_or_says_what_is_missing(trigger, segment):
    lines = [line for line in adt(trigger, dx="I10").split("\r") if not line.startswith(segment)]
    outcome = read_message(Message("\r".join(lines)), site=SITE)
    assert isinstance(outcome, Facts if segment in {"EVN", "DG1"} else Facts | Unusable)
    if isinstance(outcome, Unusable):
        assert outcome.code


@pytest.mark.parametrize("segment", ["PID", "PV1", "EVN", "DG1", "MSH"])
def test_a_segment_sent_twice_changes_nothing_about_who_it_is(segment):
    lines = ADT.rstrip("\r").split("\r")
    doubled = [each for line in lines for each in ([line, line] if line.startswith(segment) else [line])]
    told = read_message(Message("\r".join(doubled)), site=SITE)
    assert isinstance(told, Facts)
    assert told.person == read_message(Message(ADT), site=SITE).person


@pytest.mark.parametrize(
    "event", ["ADT^A99", "ZZZ^Z01", "ADT^", "^A01", "ADT^A01^X^Y^Z", "adt^a03", "ADT^A03~ADT^A01", "ACK"]
)
def test_unknown_events_are_ignored_with_their_name_and_never_refused_for_it(event):
    outcome = read_message(Message(ADT.replace("ADT^A03", event, 1)), site=SITE)
    assert isinstance(outcome, Facts | Ignored | Unusable)


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.5", "2.7.1", "2.9", "3", "", "二点四"])
def test_no_version_is_refused(version):
    told = read_message(Message(ADT.replace("|P|2.4", f"|P|{version}", 1)), site=SITE)
    assert isinstance(told, Facts)
    assert told.person == read_message(Message(ADT), site=SITE).person


@pytest.mark.parametrize("marks", ["^~\\&", "^~\\&#", "^~\\", "^", "", "*!%$"])
def test_two_to_five_encoding_characters(marks):
    """301 of the public messages have five; old feeds have fewer."""
    body = ADT.replace("MSH|^~\\&|", f"MSH|{marks}|", 1)
    if marks == "*!%$":
        head, rest = body[:8], body[8:]
        body = head + rest.translate(str.maketrans("^~\\&", "*!%$"))
    told = read_message(Message(body), site=SITE)
    assert isinstance(told, Facts)
    assert told.person.name == "王韡"


# ---- characters


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
@pytest.mark.parametrize("declared", ["", "UNICODE UTF-8", "GB 18030-2000", "8859/1", "nonsense"])
def test_a_name_survives_whatever_the_header_declares(name, charset, declared):
    raw = adt("A01", name=name).replace("|P|2.4", f"|P|2.4||||||{declared}", 1).encode(charset)
    told = read_message(take_in(raw, site=SITE).message, site=SITE)
    assert isinstance(told, Facts)
    assert told.person.name == name.strip()
    assert told.person.address == "云溪市和平路 1 号"


@given(TEXT)
def test_what_utf8_wrote_is_read_as_utf8(text):
    found = decode(text.encode())
    assert (found.text, found.charset, found.guessed) == (text, "utf-8", False)


@given(st.text(st.characters(codec="gb18030", min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=30))
def test_what_gb18030_wrote_is_read_back_unless_it_is_utf8_by_chance(text):
    raw = text.encode("gb18030")
    try:
        raw.decode()
    except UnicodeDecodeError:
        assert decode(raw).text == text
    else:
        assert decode(raw).charset == "utf-8"


@given(st.binary(max_size=100))
def test_no_byte_is_ever_lost(raw):
    found = decode(raw)
    assert not found.guessed or found.text.encode("latin-1") == raw


@given(TEXT, st.sampled_from(["utf-8", "gb18030", "latin-1", "ascii", "big5"]))
def test_an_answer_can_be_written_in_any_charset(text, charset):
    assert isinstance(encode(text, charset), bytes)


def test_a_byte_order_mark_is_no_part_of_the_header():
    for raw in (b"\xef\xbb\xbf" + ADT.encode(), "\ufeff".encode("utf-16-le") + ADT.encode("utf-16-le")):
        assert take_in(raw, site=SITE).header.event == "ADT^A03"


# ---- escapes


@given(TEXT)
def test_what_is_escaped_comes_back(text):
    assert unescape(escape(text, DELIMITERS), DELIMITERS) == text


@given(TEXT)
def test_an_escaped_text_is_one_field(text):
    message = Message(f"MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.4\rZZZ|{escape(text, DELIMITERS)}|after")
    assert message.first("ZZZ").field(1).get(1) == (text if text != '""' else "")
    assert message.get("MSH-3") == "A"


@given(st.text(alphabet="\\FSTREXH.br0a1", max_size=40))
def test_any_mess_of_escapes_ends(text):
    assert isinstance(unescape(text, DELIMITERS), str)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("a\\F\\b", "a|b"), ("\\S\\\\T\\\\R\\\\E\\", "^&~\\"), ("a\\.br\\b", "a\nb"), ("\\X41\\", "A"), ("\\XE5BCA0\\", "张"),
        ("\\XD5C5\\", "张"), ("\\H\\bold\\N\\", "bold"), ("\\Zunknown\\", "\\Zunknown\\"), ("C:\\temp", "C:\\temp"), ("\\", "\\"),
        ("\\\\", "\\\\"), ("\\X4\\", "\\X4\\"), ("\\XGG\\", "\\XGG\\"),
    ],
)  # fmt: skip
def test_escapes_one_by_one(sent, read):
    assert unescape(sent, DELIMITERS) == read


@pytest.mark.parametrize(
    ("raw", "state"), [("", State.ABSENT), ('""', State.DELETE), ("x", "x"), ('"x"', '"x"'), ('""""', '""""')]
)
def test_absent_deleted_and_told_are_three_things(raw, state):
    assert Field(raw, DELIMITERS).value() == state


# ---- the line


FRAMES = [ADT.encode(), REPORT.encode("gb18030"), b"MSH|^~\\&|X\r", b"anything"]


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(FRAMES), min_size=1, max_size=4), st.lists(st.integers(1, 400), max_size=40), st.booleans()
)
def test_a_stream_gives_the_same_messages_however_it_is_cut(bodies, cuts, junk):
    """TCP cuts where it likes: inside a character, between 0x1C and CR, one byte at a time."""
    stream = (b"\r\n" if junk else b"").join(wrap(body) for body in bodies)
    reader, found, at = FrameReader(), [], 0
    for size in cuts:
        found += reader.feed(stream[at : at + size])
        at += size
    found += reader.feed(stream[at:])
    found += reader.flush()
    assert [frame.body for frame in found] == bodies


@settings(max_examples=60)
@given(st.integers(100, 5_000), st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_a_message_over_the_limit_takes_no_memory_and_the_next_one_is_whole(size, cuts):
    reader = FrameReader(limit=1_000)
    stream = wrap(b"MSH|" + b"x" * size) + wrap(b"MSH|next")
    found, at = [], 0
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[at : at + cut])
        at += cut
        assert len(reader._buffer) <= 1_000 + 700 + len(stream) * (cut == len(stream))
    assert [frame.oversize for frame in found] == [size + 4 > 1_000, False]
    assert found[-1].body == b"MSH|next"
    assert all(len(frame.body) <= 1_000 for frame in found)


@given(st.binary(max_size=200))
def test_noise_on_the_line_is_no_message(noise):
    reader = FrameReader()
    found = reader.feed(noise.replace(b"\x0b", b"")) + reader.flush()
    assert found == []
    assert not reader.has_part


@given(st.lists(st.sampled_from(FRAMES[:3]), min_size=1, max_size=5), st.sampled_from([b"", b"\r\n", b"\x1c\r\x0b"]))
def test_a_file_is_cut_without_losing_a_byte(bodies, between):
    content = between.join(bodies)
    pieces = split_file(content)
    assert b"".join(pieces) == content
    assert len(pieces) == len(bodies)


@pytest.mark.parametrize(
    "around", [(b"", b""), (b"\x0b", b"\x1c\r"), (b"\r\n", b"\r\n"), (b"FHS|^~\\&\rBHS|^~\\&\r", b"BTS|1\rFTS|1\r")]
)
def test_the_same_message_has_one_fingerprint_by_socket_and_by_file(around):
    assert fingerprint(around[0] + ADT.encode() + around[1]) == fingerprint(ADT.encode())


def test_another_content_has_another_fingerprint():
    assert len({fingerprint(adt("A01", control="1", name=name).encode()) for name in NAMES}) == len(NAMES)


# ---- answers


@given(TEXT, TEXT)
def test_the_control_id_comes_back_as_it_was_sent(control, words):
    assume('""' not in (control, words))
    sent = escape(control, DELIMITERS)
    message = Message(f"MSH|^~\\&|HIS|YX|CL|CL|1||ADT^A01|{sent}|P|2.4\r")
    answer = answer_to(message, words)
    code, told, text = read_answer(answer)
    assert (code, told) == ("AA", control)
    assert text == words


def test_an_acknowledgement_is_never_acknowledged():
    assert not isinstance(read_message(Message(ADT.replace("ADT^A03", "ACK^A03", 1)), site=SITE), Facts)


# ---- values


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_a_time_written_in_full_is_read_to_the_second(at):
    at = at.replace(microsecond=0)
    assert read_time(at.strftime("%Y%m%d%H%M%S"), zone=SITE.zone) == at.replace(tzinfo=SITE.zone)
    assert read_time(at.strftime("%Y%m%d%H%M%S") + "+0000", zone=SITE.zone) == at.replace(tzinfo=UTC)


@given(st.text("0123456789٣３²", min_size=13, max_size=15) | st.text("01239", min_size=14, max_size=14))
def test_fourteen_digits_are_read_like_the_same_with_a_fraction(text):
    """The usual way to write a time has a way of its own; the fraction takes the one for all others."""
    assert read_time(text, zone=SITE.zone) == (read_time(text + ".0", zone=SITE.zone) if len(text) == 14 else None)


@given(st.text(max_size=30))
def test_any_text_as_a_time_or_a_date(text):
    assert read_time(text, zone=SITE.zone) is None or isinstance(read_time(text, zone=SITE.zone), datetime)
    assert read_date(text) is None or isinstance(read_date(text), date)


# ---- order


def test_messages_of_one_patient_share_a_key_and_a_merge_names_all():
    one, report = (order_keys(Message(each), site=SITE) for each in (ADT, REPORT))
    assert one[0] == report[0]
    merge = order_keys(Message(adt("A40", merges=[("9001", "9002"), ("9003", "9004")])), site=SITE)
    assert set(merge) == {"YX|9001", "YX|9002", "YX|9003", "YX|9004"}
    assert one[0] in merge


@pytest.mark.parametrize("trigger", sorted(MERGE_EVENTS))
def test_every_merge_says_who_survives(trigger):
    told = read_message(Message(adt(trigger, merges=[("9001", "9002"), ("9003", "9004")])), site=SITE)
    assert isinstance(told, Facts)
    assert [(m.survivor.identifiers[0].value, m.gone[0].value) for m in told.merges] == [
        ("9001", "9002"),
        ("9003", "9004"),
    ]


@pytest.mark.parametrize("trigger", ["A41", "A45", "A47", "A42", "A44", "A50"])
def test_moves_of_visits_and_numbers_never_merge_two_people(trigger):
    told = read_message(Message(adt(trigger, merges=[("9001", "9002")])), site=SITE)
    assert not (isinstance(told, Facts) and told.merges)


@given(st.binary(min_size=1, max_size=2_000))
def test_an_embedded_file_comes_out_as_it_went_in(content):
    data = base64.b64encode(b"%PDF" + content).decode()
    body = REPORT + f"OBX|9|ED|PDF^Report||^application^pdf^Base64^{data}||||||F\r"
    told = read_message(Message(body), site=SITE)
    assert isinstance(told, Facts)
    assert [document.content for document in told.documents] == [b"%PDF" + content]


def test_header_of_nothing():
    empty = header_of(Message(""))
    assert (empty.event, empty.control_id, empty.sender) == ("", "", "")


@pytest.mark.parametrize(
    "text", ["00010101", "00010101000000", "18491231", "22010101", "99991231235959", "0001-01-01", "10000101"]
)
def test_a_time_of_another_age_is_a_senders_unknown(text):
    """In China's zone the year 1 begins in the year 1 before Christ: PostgreSQL keeps it and Python cannot read it."""
    assert read_time(text, zone=SITE.zone) is None
    assert read_date(text) is None


@pytest.mark.parametrize("raw", [ADT.replace("王韡", "王\x00韡"), ADT.replace("王韡", "王\\X00\\韡")])
def test_a_nul_is_shown_as_a_mark_and_reaches_nobody(raw):
    told = read_message(take_in(raw.encode(), site=SITE).message, site=SITE)
    assert isinstance(told, Facts)
    assert told.person.name == "王\ufffd韡"

"""Bytes → text → segments → paths. Content never raises, nothing is lost, and 王韡 stays in one piece."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.integration.hl7v2.charsets import decode, encode
from careloop.integration.hl7v2.message import Delimiters, Message, State, parse_path, unescape

HEADER = "MSH|^~\\&|HIS|YX|CL|CL|20261105093000||ADT^A03^ADT_A03|M1|P|2.5"


def message(*segments: str, header: str = HEADER, end: str = "\r") -> Message:
    return Message(end.join((header, *segments)))


class TestCharsets:
    @pytest.mark.parametrize(
        ("raw", "text", "charset", "guessed"),
        [
            ("张伟".encode(), "张伟", "utf-8", False),
            ("张伟".encode("gb18030"), "张伟", "gb18030", False),
            ("王韡|男".encode("gb18030"), "王韡|男", "gb18030", False),
            ("䶮㛃𬱖".encode("gb18030"), "䶮㛃𬱖", "gb18030", False),  # plain gbk has none of the three
            (b"\xef\xbb\xbf" + "张".encode(), "张", "utf-8", False),
            (b"\x84\x31\x95\x33" + "张".encode("gb18030"), "张", "gb18030", False),
            (b"\xff\xfe" + "张三".encode("utf-16-le"), "张三", "utf-16-le", False),
            (b"plain", "plain", "utf-8", False),
            (b"caf\xe9 \xff", "caf\u00e9 \u00ff", "latin-1", True),
            (b"", "", "utf-8", False),
        ],
    )
    def test_decode(self, raw: bytes, text: str, charset: str, guessed: bool) -> None:
        found = decode(raw)
        assert (found.text, found.charset, found.guessed) == (text, charset, guessed)

    def test_utf8_is_tried_before_the_site_default(self) -> None:
        """UTF-8 bytes are legal GB18030; the wrong order turns 张伟王芳 into nonsense without an error."""
        raw = "张伟王芳".encode()
        assert raw.decode("gb18030") != "张伟王芳"
        assert decode(raw).text == "张伟王芳"

    def test_another_site_default(self) -> None:
        assert decode("東區".encode("big5"), site_default="big5").text == "東區"

    @given(st.binary(max_size=300))
    def test_any_bytes_decode_and_none_is_lost(self, raw: bytes) -> None:
        found = decode(raw)
        if found.guessed:
            assert encode(found.text, found.charset) == raw

    @given(st.text(max_size=100))
    def test_utf8_text_comes_back(self, text: str) -> None:
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            return
        assert decode(raw).text == (text.removeprefix("\ufeff") if raw.startswith(b"\xef\xbb\xbf") else text)


class TestPaths:
    def test_every_depth(self) -> None:
        m = message(
            "PID|1||10^^^HIS&2.16&ISO^MR~11010119900307001X^^^^NNCHN||欧阳^娜娜", "OBX|1", "OBX|2|NM|K^Kalium||5.6"
        )
        assert m.get("PID-3") == "10^^^HIS&2.16&ISO^MR"
        assert m.get("PID-3.1") == "10"
        assert m.get("PID-3.4.2") == "2.16"
        assert m.get("PID-3[2].1") == "11010119900307001X"
        assert m.get("PID-3[2].5") == "NNCHN"
        assert m.get("PID-5.2") == "娜娜"
        assert m.get("OBX[2]-5") == "5.6"
        assert m.get("MSH-1") == "|"
        assert m.get("MSH-2") == "^~\\&"
        assert m.get("MSH-9.2") == "A03"

    def test_absent_is_empty_never_an_error(self) -> None:
        m = message("PID|1")
        for path in ("PID-99", "PID-3[7].4.2", "ZZZ-1", "OBX[3]-5.1", "PID-1.2", "PID-1.1.5"):
            assert m.get(path) == ""
            assert m.value(path) is State.ABSENT

    def test_three_states(self) -> None:
        m = message('PID|1||10||王韡||""|||||""^x')
        assert m.value("PID-5") == "王韡"
        assert m.value("PID-6") is State.ABSENT
        assert m.value("PID-7") is State.DELETE
        assert m.get("PID-7") == ""
        assert m.value("PID-12.1") is State.DELETE
        assert m.value("PID-12.2") == "x"
        assert m.first("PID").is_deleted(7)

    def test_a_wrong_path_is_a_bug_of_ours(self) -> None:
        with pytest.raises(ValueError, match="not a path"):
            parse_path("PID3")

    def test_the_name_that_holds_a_separator_byte(self) -> None:
        raw = f"{HEADER}\rPID|1||10||王韡^瑋昞|x|19600229|M".encode("gb18030")
        assert b"\xed|" in raw  # 韡 is ED 7C: splitting bytes would cut the name and shift every later field
        m = Message(decode(raw).text)
        assert m.get("PID-5.1") == "王韡"
        assert m.get("PID-5.2") == "瑋昞"
        assert m.get("PID-7") == "19600229"
        assert m.get("PID-8") == "M"


class TestShapes:
    @pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n", "\n\n"])
    def test_line_ends(self, end: str) -> None:
        m = message("EVN|A03", "PID|1||10", "", "PV1|1|I", end=end)
        assert [segment.name for segment in m.segments] == ["MSH", "EVN", "PID", "PV1"]

    def test_own_delimiters(self) -> None:
        m = Message("MSH$*!?%$HIS$YX\rPID$1$$10***A%1~2|&\\*MR!11")
        assert m.delimiters == Delimiters("$", "*", "!", "?", "%")
        assert m.get("PID-3.4.1") == "A"
        assert m.get("PID-3.4.2") == "1~2|&\\"
        assert m.get("PID-3[2].1") == "11"

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("MSH|", Delimiters()),
            ("MSH|^", Delimiters()),
            ("MSH|^~\\&#|HIS", Delimiters()),  # a fifth character (2.7) is no error
            ("MSH|@|HIS", Delimiters(component="@")),
        ],
    )
    def test_missing_encoding_characters_fall_back(self, header: str, expected: Delimiters) -> None:
        assert Message(header).delimiters == expected

    @pytest.mark.parametrize("text", ["", "\r\n", "PID|1||10", "MSH", "MSHA|x", "GET / HTTP/1.1\r\nHost: x"])
    def test_no_header(self, text: str) -> None:
        assert not Message(text).has_header

    def test_envelope_and_noise_before_the_header(self) -> None:
        m = Message("FHS|^~\\&|X\rBHS|^~\\&|X\r\x0b" + HEADER + "\rPID|1||10\rBTS|1\rFTS|1\r\x1c\r")
        assert m.has_header
        assert [segment.name for segment in m.segments] == ["MSH", "PID"]

    def test_unknown_segments_are_kept(self) -> None:
        m = message("ZPI|1|个性化", "not a segment at all", "Z")
        assert m.get("ZPI-2") == "个性化"
        assert [segment.raw for segment in m.segments[2:]] == ["not a segment at all", "Z"]

    def test_groups(self) -> None:
        m = message("OBR|1", "OBX|1", "NTE|1", "OBR|2", "OBX|2", "SPM|1")
        groups = list(m.groups("OBR", members=frozenset({"OBX", "NTE"})))
        assert [[segment.name for segment in group] for group in groups] == [["OBR", "OBX", "NTE"], ["OBR", "OBX"]]


class TestEscapes:
    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            (r"A\F\B\S\C\T\D\R\E\E\F", "A|B^C&D~E\\F"),
            (r"one\.br\two", "one\ntwo"),
            (r"\H\bold\N\ ", "bold "),
            (r"\X41\\X0A\ ", "A\n "),
            (r"\XE5BCA0\ ", "张 "),
            (r"\XD5C5\ ", "张 "),
            (r"\Xzz\ stays", r"\Xzz\ stays"),
            (r"C:\temp\new", r"C:\temp\new"),
            (r"\Q\F\ ", "\\Q| "),
            ("trailing \\", "trailing \\"),
            (r"a\\b", r"a\\b"),
        ],
    )
    def test_unescape(self, sent: str, read: str) -> None:
        assert unescape(sent, Delimiters()) == read

    @given(st.text(alphabet="ABCXFSTRE.br\\|^~&", max_size=60))
    def test_any_escape_soup(self, text: str) -> None:
        assert isinstance(unescape(text, Delimiters()), str)


class TestFuzz:
    @given(st.binary(max_size=400))
    def test_any_bytes_make_a_message(self, raw: bytes) -> None:
        m = Message(decode(raw).text)
        for path in ("MSH-9.2", "PID-3[2].1", "PID-5", "OBX[2]-5.1.1"):
            assert isinstance(m.get(path), str)

    @given(st.text(alphabet='MSHPIDOBX|^~\\&"\r\n韡A1', max_size=200))
    def test_a_message_of_separators(self, text: str) -> None:
        m = Message("MSH|^~\\&|" + text)
        assert m.has_header
        for segment in m.segments:
            for n in range(8):
                for field in segment.all(n):
                    assert isinstance(field.value(1, 1), str | State)

    @given(st.text(alphabet='|^~\\&"TA1.\r', max_size=60), st.sampled_from(["MSH", "PID"]))
    def test_a_part_is_the_part_of_its_field(self, text: str, name: str) -> None:
        """The short way to a field that does not repeat says what the long one says."""
        m = Message("MSH|^~\\&|" + text + f"\r{name}|" + text)
        for segment in m.segments:
            for n, component, subcomponent, repetition in product(range(5), range(4), range(3), (1, 2)):
                told = segment.field(n, repetition)
                part = segment.get(n, component, subcomponent, repetition)
                assert part == told.get(component, subcomponent)
                value = told.value(component, subcomponent)
                assert part == ("" if isinstance(value, State) else value)

    @given(
        st.lists(
            st.text(alphabet=st.characters(blacklist_characters='|^~\\&\r\n\x0b\x1c\x00"', codec="gb18030"), max_size=8)
        )
    )
    def test_fields_come_back_through_gb18030(self, values: list[str]) -> None:
        raw = "\r".join((HEADER, "|".join(("ZZZ", *values)))).encode("gb18030")
        m = Message(raw.decode("gb18030"))
        assert [m.first("ZZZ").get(n) for n in range(1, len(values) + 1)] == values


def test_pairs_of_neighbours_keep_their_order() -> None:
    m = message(*(f"NTE|{n}||line {n}" for n in range(50)))
    numbers = [int(segment.get(1)) for segment in m.all("NTE")]
    assert all(a < b for a, b in pairwise(numbers))

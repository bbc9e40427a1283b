"""Frames out of a stream cut anywhere, and messages out of a file, without losing a byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.integration.hl7v2.framing import (
    END,
    START,
    Frame,
    FrameReader,
    fingerprint,
    split_file,
    wrap,
)

ONE = b"MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.4\rPID|1||10\r"
TWO = "MSH|^~\\&|A|B|||1||ADT^A03|2|P|2.4\rPID|1||10||王韡\r".encode("gb18030")


def bodies(frames: list[Frame]) -> list[bytes]:
    return [frame.body for frame in frames]


class TestStream:
    @pytest.mark.parametrize(
        ("stream", "expected"),
        [
            (wrap(ONE), [ONE]),
            (wrap(ONE) + wrap(TWO), [ONE, TWO]),
            (START + ONE + END + START + TWO + END, [ONE, TWO]),  # no CR after FS
            (wrap(ONE) + b"\r\n" + wrap(TWO) + b"\r\n\r\n", [ONE, TWO]),  # blank lines between
            (b"\n" + wrap(ONE), [ONE]),  # a stray LF before VT
            (b"HELO\r\n" + wrap(ONE), [ONE]),
            (START + ONE + wrap(TWO), [ONE, TWO]),  # the first never ended
            (b"garbage without a frame", []),
            (wrap(b"") + wrap(ONE), [ONE]),  # an empty keep-alive
            (START + START + ONE + END, [ONE]),
        ],
    )
    def test_traps(self, stream: bytes, expected: list[bytes]) -> None:
        assert bodies(FrameReader().feed(stream)) == expected

    @given(st.lists(st.sampled_from([ONE, TWO, b"MSH|x"]), max_size=5), st.data())
    def test_cut_anywhere(self, messages: list[bytes], data: st.DataObject) -> None:
        stream = b"".join(wrap(m) for m in messages)
        reader, found, at = FrameReader(), [], 0
        while at < len(stream):
            size = data.draw(st.integers(1, 40))
            found += reader.feed(stream[at : at + size])
            at += size
        assert bodies(found) == messages
        assert not reader.has_part

    def test_quiet_line_gives_what_began(self) -> None:
        reader = FrameReader()
        assert reader.feed(START + ONE) == []
        assert reader.has_part
        assert bodies(reader.flush()) == [ONE]
        assert not reader.has_part
        assert reader.flush() == []

    def test_quiet_line_with_rubbish_gives_nothing(self) -> None:
        reader = FrameReader()
        reader.feed(START + b"\x00\x00\x00")
        assert reader.flush() == []

    def test_a_vertical_tab_inside_a_text_is_no_new_message(self) -> None:
        body = ONE + b"NTE|1||line one\x0bline two\r"
        assert bodies(FrameReader().feed(wrap(body))) == [body]

    def test_over_the_limit(self) -> None:
        reader = FrameReader(limit=1_000)
        frames = reader.feed(wrap(ONE + b"x" * 5_000) + wrap(TWO))
        assert [frame.oversize for frame in frames] == [True, False]
        assert len(frames[0].body) <= 1_000
        assert frames[1].body == TWO

    def test_over_the_limit_in_small_pieces_keeps_memory_bounded(self) -> None:
        reader = FrameReader(limit=1_000)
        found = reader.feed(START + ONE)
        for _ in range(500):
            found += reader.feed(b"y" * 97)
            assert len(reader._buffer) <= 1_200
        found += reader.feed(END + b"\r" + wrap(TWO))
        assert [frame.oversize for frame in found] == [True, False]
        assert found[1].body == TWO

    def test_a_large_message_is_read_in_linear_time(self) -> None:
        reader = FrameReader()
        found = reader.feed(START + ONE)
        chunk = b"z" * 65_536
        for _ in range(80):  # 5 MB
            found += reader.feed(chunk)
        found += reader.feed(END)
        assert len(found[0].body) == len(ONE) + 80 * 65_536

    @given(st.binary(max_size=400))
    def test_any_bytes(self, data: bytes) -> None:
        reader = FrameReader(limit=64)
        for frame in (*reader.feed(data), *reader.flush()):
            assert len(frame.body) <= 64


class TestFile:
    def test_one(self) -> None:
        assert split_file(ONE) == [ONE]

    @pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\x1c\r\x0b"])
    def test_several(self, between: bytes) -> None:
        parts = split_file(ONE + between + TWO)
        assert len(parts) == 2
        assert b"".join(parts) == ONE + between + TWO

    def test_batch(self) -> None:
        head, tail = b"FHS|^~\\&|X\rBHS|^~\\&|X\r", b"BTS|2\rFTS|1\r"
        parts = split_file(head + ONE + TWO + tail)
        assert b"".join(parts) == head + ONE + TWO + tail
        assert [fingerprint(part) for part in parts] == [fingerprint(ONE), fingerprint(TWO)]

    def test_nothing_in_it(self) -> None:
        assert split_file(b"") == []
        assert split_file(b" \r\n") == []

    def test_no_header_is_one_piece(self) -> None:
        assert split_file(b"PID|1||10\r") == [b"PID|1||10\r"]

    def test_the_letters_msh_in_a_text_start_nothing(self) -> None:
        body = ONE + b"NTE|1||see MSH|9 please\r"
        assert split_file(body) == [body]

    @given(st.lists(st.sampled_from([ONE, TWO, b"\r\n", b"FHS|^~\\&\r", b"\xef\xbb\xbf", b"junk\r"]), max_size=8))
    def test_no_byte_is_lost(self, pieces: list[bytes]) -> None:
        content = b"".join(pieces)
        assert b"".join(split_file(content)) == (content if content.strip() else b"")

    @given(st.binary(max_size=300))
    def test_no_byte_of_anything_is_lost(self, content: bytes) -> None:
        assert b"".join(split_file(content)) == (content if content.strip() else b"")


class TestFingerprint:
    def test_the_way_it_came_does_not_matter(self) -> None:
        assert len({fingerprint(raw) for raw in (ONE, ONE + b"\n", wrap(ONE), b"\xef\xbb\xbf" + ONE)}) <= 2
        assert fingerprint(ONE) == fingerprint(wrap(ONE)) == fingerprint(ONE + b"\r\n")

    def test_other_content_is_another(self) -> None:
        assert fingerprint(ONE) != fingerprint(ONE.replace(b"10", b"11"))

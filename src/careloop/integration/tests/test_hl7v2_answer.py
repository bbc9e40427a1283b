"""Acknowledgements of anything, in the request's own separators and charset."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.integration.hl7v2.answer import Code, acknowledge, header_of, read_answer
from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.message import Message

AT = datetime(2026, 11, 5, 1, 30, tzinfo=UTC)


def answer(raw: bytes, code: Code = Code.ACCEPT, text: str = "") -> bytes:
    found = decode(raw)
    return acknowledge(Message(found.text), code=code, text=text, at=AT, control_id="C1", charset=found.charset)


def test_addresses_are_turned_round() -> None:
    raw = b"MSH|^~\\&|HIS|YX|CL|FU|20261105||ADT^A03^ADT_A03|M77|P|2.5\rPID|1\r"
    assert answer(raw) == (b"MSH|^~\\&|CL|FU|HIS|YX|20261105013000+0000||ACK^A03|C1|P|2.5\rMSA|AA|M77\r")


@pytest.mark.parametrize(
    "raw",
    [
        b"MSH|^~\\&",
        b"MSH|",
        b"MSH|^~\\&|||||||ADT",
        b"MSH|^~\\&|HIS|||||||M1",  # no MSH-9
        b"no header at all",
        b"",
        b"\xff\xfe\x00",
    ],
)
def test_a_poor_message_still_gets_an_answer(raw: bytes) -> None:
    code, _, _ = read_answer(answer(raw, Code.REJECT, "no message type"))
    assert code == "AR"


def test_the_answer_speaks_the_charset_of_the_request() -> None:
    raw = "MSH|^~\\&|医院|云溪|CL|CL|1||ADT^A01|消息1|P|2.4||||||GB18030\rPID|1||1||王韡\r".encode("gb18030")
    sent = answer(raw)
    assert "MSA|AA|消息1".encode("gb18030") in sent
    assert sent.decode("gb18030").startswith("MSH|^~\\&|CL|CL|医院|云溪|")


def test_own_separators_and_escaped_words() -> None:
    sent = answer(b"MSH$*!?%$HIS$YX$CL$CL$1$$ADT*A01$M1$P$2.4", Code.ERROR, "a $ and a * in words")
    assert sent.endswith(b"MSA$AE$M1$a ?F? and a ?S? in words\r")
    assert read_answer(b"MSH|^~\\&\rMSA|AE|M1|a \\F\\ b\r") == ("AE", "M1", "a | b")


def test_header_of_odd_types() -> None:
    assert header_of(Message("MSH|^~\\&|A|B|||1||ADT^^ADT_A01|1")).event == "ADT^A01"
    assert header_of(Message("MSH|^~\\&|A|B|||1||ADT|1\rEVN|A08|1")).event == "ADT^A08"
    assert header_of(Message("MSH|^~\\&|A|B|||1||adt^a03|1")).event == "ADT^A03"
    assert header_of(Message("MSH|^~\\&|A&1|B^2.16^ISO|||1||ACK|1")).sender == "A&1/B"


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    assert answer(raw).startswith(b"MSH") or not decode(raw).text.isascii()
    assert answer(b"MSH|^~\\&|" + raw).endswith(b"\r")

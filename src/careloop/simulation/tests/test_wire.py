"""What invented patients answer, and the hospital system's end of the line."""

import random
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.simulation import answering, wire

# --- answers


@given(
    st.integers(),
    st.booleans(),
    st.lists(st.text("abc", min_size=1), min_size=1, max_size=6, unique=True),
    st.text(max_size=8),
)
def test_an_answer_is_always_one_that_was_offered(seed, worse, codes, link_id):
    assert answering.choose(link_id, codes, worse=worse, random=random.Random(seed)) in codes


@given(st.integers(), st.booleans(), st.sampled_from(["pain", "nrs", "x", "bp-sys"]))
def test_a_scale_of_ten_is_answered_on_the_scale(seed, worse, link_id):
    codes = [str(n) for n in range(11)]
    for chance in (random.Random(seed), random.Random(seed)):
        first = answering.number(link_id, worse=worse, random=chance)
        if 0 <= first <= 10:
            assert answering.choose(link_id, codes, worse=worse, random=random.Random(seed)) in codes


@given(st.integers(), st.integers(0, 3), st.booleans())
def test_a_number_has_its_decimals_and_is_the_same_again(seed, decimals, worse):
    for link_id in [*answering._NUMBERS["well"], *answering._NUMBERS["worse"], "unknown"]:
        found = answering.number(link_id, worse=worse, random=random.Random(seed), decimals=decimals)
        assert found == round(found, decimals)
        assert found == answering.number(link_id, worse=worse, random=random.Random(seed), decimals=decimals)


def test_ranges_are_ranges():
    for name in ("well", "worse"):
        for link_id, (low, high) in answering._NUMBERS[name].items():
            assert low <= high, link_id


# --- the line


class Gateway:
    """Answers each connection by a script: bytes to send, or None to hang up."""

    def __init__(self, *script):
        self.script, self.received = list(script), []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.script:
            line, _ = self.server.accept()
            with line:
                while self.script:
                    got = b""
                    while wire.END not in got:
                        more = line.recv(4096)
                        if not more:
                            break
                        got += more
                    if not got:
                        break
                    self.received.append(got)
                    answer = self.script.pop(0)
                    if answer is None:
                        break
                    for piece in answer:
                        line.sendall(piece)
        self.server.close()


def ack(code):
    return wire.START + b"MSH|^~\\&|A\rMSA|" + code + b"|1\r" + wire.END


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(wire.time, "sleep", lambda _seconds: None)


@pytest.mark.parametrize(
    ("answer", "code", "accepted"),
    [
        ([ack(b"AA")], "AA", 1), ([ack(b"AE")], "AE", 0), ([ack(b"AR")], "AR", 0),
        ([bytes([one]) for one in ack(b"AA")], "AA", 1),  # byte by byte, the end mark in two pieces
        ([wire.START + b"MSH|^~\\&\r" + wire.END], "", 0),
    ],
    ids=["AA", "AE", "AR", "byte-by-byte", "no-MSA"],
)  # fmt: skip
def test_what_the_gateway_said(quick, answer, code, accepted):
    gateway = Gateway(answer)
    line = wire.Line("127.0.0.1", gateway.port, seconds=5)
    assert line.send(b"MSH|1") == code
    assert (line.sent, line.accepted) == (1, accepted)
    assert gateway.received == [wire.START + b"MSH|1" + wire.END]
    line.close()
    line.close()  # again is harmless


def test_a_broken_line_is_opened_again_and_the_message_sent_again(quick):
    gateway = Gateway([ack(b"AA")], None, [ack(b"AA")])
    line = wire.Line("127.0.0.1", gateway.port, seconds=5)
    assert [line.send(b"one"), line.send(b"two")] == ["AA", "AA"]
    assert [one[1:-2] for one in gateway.received] == [b"one", b"two", b"two"]
    assert (line.sent, line.accepted) == (2, 2)
    line.close()


def test_after_three_tries_it_is_said(quick):
    gateway = Gateway(None, None, None)
    line = wire.Line("127.0.0.1", gateway.port, seconds=5)
    with pytest.raises(wire.NotAcknowledged, match="three tries"):
        line.send(b"one")
    assert (line.sent, len(gateway.received)) == (0, 3)
    line.close()


def test_nobody_listens(quick):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(wire.NotAcknowledged):
        wire.Line("127.0.0.1", port, seconds=1).send(b"one")

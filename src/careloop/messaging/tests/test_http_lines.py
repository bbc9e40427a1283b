"""The sender's HTTP: answers in every shape and cut, and against a server that does what servers do when they fail."""

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.messaging.channels import http_lines
from careloop.messaging.channels.http_lines import Answer, LineLost, Lines, Unreachable, read_answer
from careloop.messaging.channels.sms_http import SmsHttp

PLAIN = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ref":"g"}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=1\r\n{"re\r\n7\r\nf":"g"}\r\n0\r\n\r\n'
TRAILERS = CHUNKED[:-2] + b"X-Sum: 1\r\nX-More: 2\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
BODY = b'{"ref":"g"}'

WHOLE = [
    (PLAIN, Answer(202, BODY, True)),
    (CHUNKED, Answer(200, BODY, True)),
    (TRAILERS, Answer(200, BODY, True)),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + PLAIN, Answer(202, BODY, True)),
    (b"HTTP/1.1 204 \r\n\r\n", Answer(204, b"", True)),
    (b"HTTP/1.1 304\r\nContent-Length: 90\r\n\r\n", Answer(304, b"", True)),
    (b"HTTP/1.1 503 Busy\r\ncontent-length:0\r\n\r\n", Answer(503, b"", True)),
    (PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n"), Answer(202, BODY, False)),
    (PLAIN.replace(b"1.1", b"1.0"), Answer(202, BODY, False)),
    (PLAIN.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"), Answer(202, BODY, True)),
    # both lengths: the chunks count, and the connection is not used again
    (CHUNKED.replace(b"\r\n\r\n4", b"\r\nContent-Length: 3\r\n\r\n4"), Answer(200, BODY, False)),
]


@pytest.mark.parametrize(("wire", "answer"), WHOLE, ids=range(len(WHOLE)))
def test_an_answer_is_read_when_it_is_whole_and_not_a_byte_before(wire, answer):
    room = bytearray(wire) + b"left from the answer before\r\n\r\n"
    for cut in range(len(wire)):
        assert read_answer(room, cut, ended=False) is None
    assert read_answer(room, len(wire), ended=False) == answer
    assert read_answer(room, len(wire) + 4, ended=False) == answer._replace(keeps=False)


def test_an_answer_without_a_length_ends_with_its_connection():
    wire = bytearray(b"HTTP/1.1 200 OK\r\n\r\n" + BODY)
    assert read_answer(wire, len(wire), ended=False) is None
    assert read_answer(wire, len(wire), ended=True) == Answer(200, BODY, False)


@pytest.mark.parametrize("wire", [PLAIN, CHUNKED], ids=["length", "chunks"])
def test_half_an_answer_stays_half_when_the_connection_ends(wire):
    assert all(read_answer(bytearray(wire), cut, ended=True) is None for cut in range(len(wire)))


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-x\r\n\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
    ],
    ids=range(15),
)
def test_what_is_not_one_plain_answer_is_a_lost_line(wire):
    with pytest.raises(LineLost):
        read_answer(bytearray(wire), len(wire), ended=False)


@given(st.binary(max_size=80), st.sampled_from([b"", PLAIN[:40], CHUNKED[:60], TRAILERS[:-3]]), st.booleans())
def test_no_bytes_end_in_anything_but_an_answer_a_wait_or_a_lost_line(noise, before, ended):
    wire = bytearray(before + noise)
    with contextlib.suppress(LineLost):
        answer = read_answer(wire, len(wire), ended=ended)
        assert answer is None or 200 <= answer.status <= 999


# ---- against a server that follows a script --------------------------------------------------------------------------


class Server:
    """Answers its n-th request with the n-th of `script`: bytes in pieces; "close", "reset" and "silence" as they say."""

    def __init__(self, script):
        self.script, self.requests, self.connections = list(script), [], 0
        self.answering = False

    async def serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                self.answering = False
        writer.close()
        self.answering = False

    async def _one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.answering = True
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        self.requests.append(head + await reader.readexactly(int(length or 0)))
        for piece in self.script.pop(0) if self.script else [PLAIN]:
            if piece == "close":
                return False
            if piece == "reset":
                at_once = struct.pack("ii", 1, 0)  # no goodbye: the other side sees a reset
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                writer.transport.abort()
                return False
            if piece == "silence":
                await asyncio.sleep(5)
            else:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        return True


@contextlib.asynccontextmanager
async def scripted(*script, seconds=5.0, headers=None, user="", tls=None, scheme="http", connect=3.0):
    server = Server(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    lines = Lines(f"{scheme}://{user}127.0.0.1:{port}/api/", headers or {}, seconds=seconds, connect_seconds=connect)
    try:
        yield lines, server
    finally:
        lines.close()
        listening.close()


def run(test):
    return asyncio.run(asyncio.wait_for(test, 20))


async def all_seen(server):
    """What the server did right after its answer has reached the client: both live in this loop."""
    while server.answering:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


def exchange(*script, times=1, **options):
    """What came of so many messages, one after the other: answers or the class of the error; and the server."""

    async def case():
        async with scripted(*script, **options) as (lines, server):
            head, got = lines.posting("/messages"), []
            for n in range(times):
                try:
                    got.append(await lines.post(head, b"%d" % n))
                except (LineLost, Unreachable, TimeoutError) as error:
                    got.append(type(error))
                    continue
                await all_seen(server)
            return got, server

    return run(case())


YES = Answer(202, BODY, True)
BYTE_BY_BYTE = [CHUNKED[n : n + 1] for n in range(len(CHUNKED))]
BIG = b"HTTP/1.1 500 E\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50000


@pytest.mark.parametrize(
    ("script", "first", "connections"),
    [
        ([PLAIN], YES, 1),
        (BYTE_BY_BYTE, Answer(200, BODY, True), 1),
        ([BIG], Answer(500, b"x" * 50000, True), 1),
        ([b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"], Answer(302, b"", True), 1),
        ([PLAIN + PLAIN], Answer(202, BODY, False), 2),
        ([PLAIN, "close"], YES, 2),
        ([b"HTTP/1.1 200 OK\r\n\r\n", BODY, "close"], Answer(200, BODY, False), 2),
        ([b"HTTP/1.1 200 OK\r\n\r\n", BODY, "reset"], LineLost, 2),
        ([PLAIN[:-3], "close"], LineLost, 2),
        ([PLAIN[:20], "reset"], LineLost, 2),
        (["close"], LineLost, 2),
        ([b"garbage\r\n\r\n"], LineLost, 2),
    ],
    ids=range(12),
)
def test_after_whatever_happened_the_next_message_gets_its_own_answer(script, first, connections):
    got, server = exchange(script, times=2)
    assert got == [first, YES]
    assert server.connections == connections
    assert [request[-1:] for request in server.requests] == [b"0", b"1"], "each sent once"


@pytest.mark.parametrize("script", [["silence"], [PLAIN[:-1], "silence"]], ids=["nothing", "half"])
def test_silence_ends_at_the_limit_and_the_late_answer_meets_nobody(script):
    got, server = exchange(script, times=2, seconds=0.8)
    assert got == [TimeoutError, YES]
    assert server.connections == 2


def test_the_limit_is_each_messages_own_on_a_connection_used_before():
    got, _server = exchange([PLAIN], [PLAIN], ["silence"], times=3, seconds=0.8)
    assert got == [YES, YES, TimeoutError]


def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(http_lines, "LARGEST_ANSWER", 10_000)
    assert exchange([BIG])[0] == [LineLost]


def test_an_old_connection_is_not_trusted(monkeypatch):
    monkeypatch.setattr(http_lines, "KEPT_SECONDS", -1.0)
    got, server = exchange(times=3)
    assert got == [YES] * 3
    assert server.connections == 3


def test_many_at_once_have_a_connection_each_and_keep_them():
    async def case():
        async with scripted() as (lines, server):
            head = lines.posting("/messages")
            for _ in range(3):
                await asyncio.gather(*(lines.post(head, b"x") for _ in range(8)))
            return server

    server = run(case())
    assert server.connections == 8
    assert len(server.requests) == 24


def test_a_sender_that_stops_leaves_no_answer_for_the_next():
    async def case():
        async with scripted(["silence"]) as (lines, server):
            head = lines.posting("/messages")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lines.post(head, b"0"), 0.2)
            return await lines.post(head, b"1"), server.connections

    assert run(case()) == (YES, 2)


def test_what_goes_over_the_wire():
    got, server = exchange(headers={"Authorization": "Bearer tökén"}, user="ab:c%40@")
    assert got == [YES]
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    assert first == "POST /api/messages HTTP/1.1"
    assert fields[0].startswith("Host: 127.0.0.1:")
    assert fields[1:] == ["Accept-Encoding: identity", "Authorization: Bearer tökén", "Content-Length: 1"]
    assert body == b"0"
    _got, server = exchange(user="ab:c%40@")
    assert b"\r\nAuthorization: Basic YWI6Y0A=\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("sms.example:8080", ""),
        ("ftp://sms.example", ""),
        ("http://", ""),
        ("http://sms.example:x", ""),
        ("http://sms.example/a\x7fb", ""),
        ("http://sms.example", "a\r\nX: b"),
    ],
    ids=range(6),
)
def test_an_address_or_token_that_cannot_be_is_told_at_the_start(url, token):
    with pytest.raises(ValueError, match="gateway|[Pp]ort"):
        SmsHttp(url, token)


def test_names_of_all_kinds_become_a_host():
    def host(url):
        return Lines(url, {}, seconds=1, connect_seconds=1).posting("/m").split(b"\r\n")[1]

    assert host("https://sms.example") == b"Host: sms.example"
    assert host("http://[::1]:8080") == b"Host: [::1]:8080"
    assert host("http://短信.example/x") == b"Host: xn--vuq298g.example"


# ---- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *made,
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def serving(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_certificate_that_nobody_vouches_for_gets_no_message(certificate):
    got, server = exchange(times=1, scheme="https", tls=serving(certificate))
    assert got == [Unreachable]
    assert server.requests == []


def test_a_certificate_that_holds_gets_many_messages_over_one_connection(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    got, server = exchange(
        [BIG], BYTE_BY_BYTE, [PLAIN[:-1], "close"], times=4, scheme="https", tls=serving(certificate)
    )
    assert got == [Answer(500, b"x" * 50000, True), Answer(200, BODY, True), LineLost, YES]
    assert server.connections == 2


def test_a_plain_server_behind_an_https_address_gets_no_message():
    got, server = exchange(scheme="https", connect=0.5)
    assert got == [Unreachable]
    assert server.requests == []

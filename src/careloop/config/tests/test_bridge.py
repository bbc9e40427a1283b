"""The door in front of Django: bodies, uploads, streamed downloads, clients that leave."""

import ast
import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from careloop.config.bridge import WsgiBridge
from careloop.config.tests import wsgi_sample


def scope(path="/", *, method="GET", headers=(), query=b""):
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": query,
        "headers": list(headers),
        "client": ("192.0.2.7", 5000),
        "server": ("127.0.0.1", 8000),
    }


def run(bridge, the_scope, *, body=(b"",), gone_after=None, taken=None):
    """Drive one exchange; gives the messages sent. `gone_after` sent messages the client leaves."""

    async def exchange():
        parts, sent, gone = list(body), [], asyncio.Event()

        async def receive():
            if parts:
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if gone_after is not None and len(sent) >= gone_after:
                gone.set()
                await asyncio.sleep(0)

        await asyncio.wait_for(bridge(the_scope, receive, send), 10)
        return sent

    return asyncio.run(exchange())


def whole(messages):
    return b"".join(message.get("body", b"") for message in messages)


@pytest.fixture
def bridge():
    made = WsgiBridge(wsgi_sample.sample, threads=2, max_body=3 * 1024 * 1024)
    yield made
    made.shut_down()


def test_the_environment(bridge):
    headers = [
        (b"host", b"h.example"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"accept", b"x"),
        (b"accept", b"y"),
        (b"content-type", b"text/plain"),
        (b"x_forwarded_for", b"evil"),
    ]
    sent = run(bridge, scope("/随访/x", method="POST", headers=headers, query=b"a=%20"), body=[b"abc"])
    seen = ast.literal_eval(whole(sent).decode())
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/随访/x"
    assert seen["QUERY_STRING"] == "a=%20"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_ACCEPT"] == "x,y"
    assert seen["CONTENT_LENGTH"] == "3"
    assert seen["CONTENT_TYPE"] == "text/plain"
    assert seen["REMOTE_ADDR"] == "192.0.2.7"
    assert "HTTP_X_FORWARDED_FOR" not in seen
    assert [value for name, value in sent[0]["headers"] if name == b"set-cookie"] == [b"a=1", b"b=2"]


@pytest.mark.parametrize("size", [0, 1, 70_000, 2 * 1024 * 1024])
def test_a_body_arrives_whole_however_it_is_cut(bridge, size):
    data = os.urandom(size)
    parts = [data[i : i + 40_000] for i in range(0, size, 40_000)] or [b""]
    sent = run(bridge, scope("/hash", method="POST"), body=parts)
    digest, length = whole(sent).decode().split(" ")
    assert digest == hashlib.sha256(data).hexdigest()
    assert length == (str(size) if size else "")


def test_a_body_that_is_too_long_is_refused_while_it_comes(bridge):
    sent = run(bridge, scope("/hash", method="POST"), body=[b"x" * 1024 * 1024] * 5)
    assert sent[0]["status"] == 413


def test_a_body_that_says_it_is_too_long_is_refused_at_once(bridge):
    sent = run(bridge, scope("/hash", method="POST", headers=[(b"content-length", b"99999999")]))
    assert sent[0]["status"] == 413


def test_a_client_that_leaves_while_uploading_reaches_no_view(bridge):
    async def exchange():
        messages = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        await bridge(scope("/hash", method="POST"), receive, send)
        return sent

    assert asyncio.run(exchange()) == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_that_is_only_asked_for_waits_for_nothing_more(bridge, method):
    async def exchange():
        sent = []

        async def receive():
            raise AssertionError("nothing is sent along")

        async def send(message):
            sent.append(message)

        await bridge(scope("/hash", method=method), receive, send)
        return sent

    assert asyncio.run(exchange())[0]["status"] == 200


@pytest.mark.parametrize("says", [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")])
def test_a_get_that_says_it_has_a_body_is_read(bridge, says):
    sent = run(bridge, scope("/hash", headers=[says]), body=[b"abc"])
    assert whole(sent).decode().split(" ") == [hashlib.sha256(b"abc").hexdigest(), "3"]


def test_a_download_is_streamed_in_order_and_closed_once_in_its_thread(bridge):
    wsgi_sample.closed.clear()
    sent = run(bridge, scope("/download"))
    assert whole(sent) == b"".join(bytes([i % 256]) * 65536 for i in range(200))
    assert len(sent) > 100
    assert sent[-1]["more_body"] is False
    assert len(wsgi_sample.closed) == 1
    assert wsgi_sample.closed[0].startswith("page")


def test_when_the_client_leaves_an_endless_download_ends_and_is_closed(bridge):
    wsgi_sample.closed.clear()
    run(bridge, scope("/endless"), gone_after=4)
    assert len(wsgi_sample.closed) == 1
    made = wsgi_sample.produced[0]
    time.sleep(0.05)
    assert wsgi_sample.produced[0] == made


def test_head_and_empty_answers_have_no_body(bridge):
    assert whole(run(bridge, scope("/download", method="HEAD"))) == b""
    sent = run(bridge, scope("/empty"))
    assert sent[0]["status"] == 204
    assert whole(sent) == b""


def test_a_bug_is_not_swallowed(bridge):
    with pytest.raises(LookupError):
        run(bridge, scope("/crash"))


# --- the same through a real server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    port = free_port()
    source = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--no-ws", "careloop.config.tests.wsgi_sample:application"],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: get(f"http://127.0.0.1:{port}/state"))
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(probe, seconds=60.0):
    end = time.monotonic() + seconds
    while True:
        try:
            found = probe()
            if found:
                return found
        except OSError:
            pass
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


def get(url, data=None):
    with urllib.request.urlopen(url, data=data, timeout=20) as answer:
        return answer.read()


def test_real_server_upload_and_download(server):
    data = os.urandom(5 * 1024 * 1024)
    assert get(f"http://{server}/hash", data).decode().split(" ")[0] == hashlib.sha256(data).hexdigest()
    assert len(get(f"http://{server}/download")) == 200 * 65536


def test_real_server_chunked_upload(server):
    host, port = server.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(b"POST /hash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for part in (b"hello ", b"world"):
            line.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        line.sendall(b"0\r\n\r\n")
        answer = b""
        while chunk := line.recv(4096):
            answer += chunk
    assert hashlib.sha256(b"hello world").hexdigest().encode() + b" 11" in answer


def test_real_server_client_abort_frees_the_thread(server):
    host, port = server.split(":")
    before = int(get(f"http://{server}/state").split()[0])
    for _ in range(6):  # more than there are threads
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            line.recv(1000)
    state = wait_for(lambda: (s := get(f"http://{server}/state").split()) and int(s[0]) >= before + 6 and s)
    assert state[2] == b"True"

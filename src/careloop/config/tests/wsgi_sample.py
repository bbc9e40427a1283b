"""A small WSGI application for the bridge's tests; `application` is it behind the bridge."""

import hashlib
import threading
import time

from careloop.config.bridge import WsgiBridge

closed: list[str] = []  # threads in which close() ran
produced = [0]


class Parts:
    """A body made while it is sent; remembers where it was closed."""

    def __init__(self, parts):
        self._parts = parts

    def __iter__(self):
        return iter(self._parts)

    def close(self):
        closed.append(threading.current_thread().name)


def _endless():
    while True:
        produced[0] += 1
        time.sleep(0.005)
        yield b"x" * 16384


def sample(environ, start_response):
    path = environ["PATH_INFO"]
    plain = [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    if path == "/hash":
        digest = hashlib.sha256()
        while chunk := environ["wsgi.input"].read(65536):
            digest.update(chunk)
        start_response("200 OK", plain)
        return [f"{digest.hexdigest()} {environ['CONTENT_LENGTH']}".encode()]
    if path == "/download":
        start_response("200 OK", [*plain, ("Content-Length", str(200 * 65536))])
        return Parts(bytes([i % 256]) * 65536 for i in range(200))
    if path == "/endless":
        start_response("200 OK", plain)
        return Parts(_endless())
    if path == "/state":
        start_response("200 OK", plain)
        return [f"{len(closed)} {produced[0]} {all(name.startswith('page') for name in closed)}".encode()]
    if path == "/crash":
        raise LookupError("a bug")
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", plain)
    seen = {key: environ[key] for key in sorted(environ) if isinstance(environ[key], str)}
    return Parts([repr(seen).encode()])


application = WsgiBridge(sample, threads=4, max_body=8 * 1024 * 1024)

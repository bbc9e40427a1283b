"""Where a message begins and ends: in an MLLP stream, and in a file.

Framing works on bytes. That is safe: in UTF-8, GB18030 and Big5 the bytes 0x0B, 0x1C, CR and LF never occur
inside a character. (Separators such as `|` do, which is why nothing here looks for them.)
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

START = b"\x0b"
END = b"\x1c"
_NEXT_MESSAGE = b"\x0bMSH"

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
KEPT_OF_OVERSIZE = 64 * 1024
"""Of a message over the limit we keep its beginning, so that somebody can see who sent what."""

_MESSAGE_START = re.compile(rb"(?:\A|(?<=[\r\n\x0b\x1c]))(?:\xef\xbb\xbf)?[ \x0b]*MSH(?=[^0-9A-Za-z\s])")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message from the stream. `oversize` frames hold only the beginning."""

    body: bytes
    oversize: bool = False


class FrameReader:
    """Feed it bytes as they arrive; it hands back whole messages.

    Anything before 0x0B is skipped (CR LF between frames, stray bytes). A frame ends at 0x1C, whether or not
    CR follows; at the next 0x0B that starts a message; or when the caller says the line has gone quiet (`flush`).
    """

    def __init__(self, *, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._kept = min(limit, KEPT_OF_OVERSIZE)
        self._buffer = bytearray()
        self._inside = False
        self._oversize = False
        self._searched = 0

    @property
    def has_part(self) -> bool:
        """A message has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by these bytes."""
        self._buffer += data
        frames: list[Frame] = []
        while True:
            if not self._inside and not self._find_start():
                return frames
            frame = self._find_end()
            if frame is None:
                self._guard_limit()
                return frames
            if frame.body.strip():  # empty frames are somebody's keep-alive
                frames.append(frame)

    def flush(self) -> list[Frame]:
        """The line is quiet or closed: what began is taken as it is, if it looks like a message."""
        if not self._inside:
            return []
        body = bytes(self._buffer)
        frame = self._close(len(self._buffer), len(self._buffer))
        return [frame] if frame.oversize or b"MSH" in body[:256] else []

    def _find_start(self) -> bool:
        start = self._buffer.find(START)
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self._inside, self._searched = True, 0
        return True

    def _find_end(self) -> Frame | None:
        end = self._buffer.find(END, self._searched)
        another = self._buffer.find(_NEXT_MESSAGE, self._searched)
        if another >= 0 and (end < 0 or another < end):
            return self._close(another, another)
        if end >= 0:
            return self._close(end, end + 1)
        self._searched = max(0, len(self._buffer) - len(_NEXT_MESSAGE) + 1)
        return None

    def _close(self, end: int, next_start: int) -> Frame:
        oversize = self._oversize or end > self._limit
        body = bytes(self._buffer[: min(end, self._kept) if oversize else end])
        del self._buffer[:next_start]
        self._inside = self._oversize = False
        self._searched = 0
        return Frame(body, oversize)

    def _guard_limit(self) -> None:
        """Past the limit nothing more is kept: memory stays bounded however much is sent."""
        if len(self._buffer) <= self._limit and not self._oversize:
            return
        self._oversize = True
        tail = self._buffer[-len(_NEXT_MESSAGE) + 1 :]
        del self._buffer[self._kept :]
        self._buffer += tail  # the end mark of the next message may already have begun
        self._searched = max(0, len(self._buffer) - len(tail))


def wrap(body: bytes) -> bytes:
    """A frame for the wire."""
    return START + body + END + b"\r"


def split_file(content: bytes) -> list[bytes]:
    """The messages of a file: several, in batch envelopes, in MLLP frames, with any line ends, or one without a header.

    No byte is lost: the pieces joined are the file. What stands before the first message (FHS, BHS, a byte
    order mark) stays with it, what stands after the last (BTS, FTS) with that.
    """
    if not content.strip():
        return []
    starts = [match.start() for match in _MESSAGE_START.finditer(content)]
    if len(starts) < 2:
        return [content]
    edges = [0, *starts[1:], len(content)]
    return [content[a:b] for a, b in zip(edges, edges[1:], strict=False)]


def fingerprint(raw: bytes) -> bytes:
    """SHA-256 of the message itself: the same message by socket or in a batch file is the same message."""
    match = _MESSAGE_START.search(raw)
    body = raw[match.start() :] if match else raw
    cut = re.search(rb"[\r\n](?:BTS|FTS)[^\r\n]*(?:[\r\n]|\Z)", body)
    return hashlib.sha256((body[: cut.start()] if cut else body).strip(b"\r\n\x0b\x1c ")).digest()

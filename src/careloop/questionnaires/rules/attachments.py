"""What a file really is. Names and declared types are not believed; what stands in front of and behind a picture is cut off.

Pictures lose what a telephone writes into them besides the picture (place, time, device); the orientation stays.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MOST_BYTES = 8 * 1024 * 1024
MOST_PIXELS = 50_000_000
"""A wide picture may be small in bytes and still fill the memory of whoever looks at it."""

MOST_VOICE_BYTES = 4 * 1024 * 1024
MOST_VOICE_MINUTES = 2  # what the page records before it stops by itself; two minutes of speech are under a megabyte
MOST_WORDS = 2000  # characters typed in place of a recording
ACCEPTED = "image/jpeg,image/png,image/webp,application/pdf"
_ACTIVE = re.compile(rb"/(JavaScript|JS|Launch|EmbeddedFile|OpenAction|AA|RichMedia|XFA|SubmitForm|ImportData)\b")


class BadFile(ValueError):
    """The file is not taken; `code` says why: empty, too-big, unknown-type, no-voice, damaged, too-many-pixels, active-content."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class CleanFile:
    """What is stored."""

    content_type: str
    data: bytes


def clean_file(data: bytes) -> CleanFile:
    """The picture or document without anything hidden in it. Raises BadFile."""
    if not data:
        raise BadFile("empty")
    if len(data) > MOST_BYTES:
        raise BadFile("too-big")
    for begins, content_type, clean in _KINDS:
        if data.startswith(begins) and (content_type != "image/webp" or data[8:12] == b"WEBP"):
            return CleanFile(content_type, _cleaned(clean, data))
    raise BadFile("unknown-type")


def clean_voice(data: bytes) -> CleanFile:
    """A recording as a telephone makes it (WebM, MP4 or Ogg with sound and no picture), or plain words. Raises BadFile."""
    if not data:
        raise BadFile("empty")
    if len(data) > MOST_VOICE_BYTES:
        raise BadFile("voice-too-big")
    for fits, content_type, clean in _SOUNDS:
        if fits(data):
            return CleanFile(content_type, _cleaned(clean, data))
    return CleanFile("text/plain", _words(data))


def _words(data: bytes) -> bytes:
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise BadFile("no-voice") from None
    if not text or len(text) > MOST_WORDS or any(ord(sign) < 32 and sign not in "\t\n\r" for sign in text):
        raise BadFile("no-voice")
    return text.encode()


def _webm(data: bytes) -> bytes:
    """Sound tracks only. The head names the kind and the tracks; what follows is what was said."""
    head = data[:8192]
    if b"\x42\x82\x84webm" not in head[:64] or b"\x16\x54\xae\x6b" not in head:
        raise BadFile("no-voice")
    if b"A_OPUS" not in head and b"A_VORBIS" not in head:
        raise BadFile("no-voice")
    if b"V_VP" in head or b"V_AV1" in head or b"V_MPEG" in head:
        raise BadFile("no-voice")
    return data


def _ogg(data: bytes) -> bytes:
    if b"OpusHead" not in data[:128] and b"\x01vorbis" not in data[:128]:
        raise BadFile("no-voice")
    return data


def _mp4(data: bytes) -> bytes:
    """Boxes from the first to the last byte; a track of sound, none of pictures."""
    at, names = 0, []
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if size == 1:
            size = struct.unpack(">Q", data[at + 8 : at + 16])[0]
        elif size == 0:
            size = len(data) - at
        if size < 8 or at + size > len(data):
            raise BadFile("damaged")
        names.append(name)
        at += size
    if b"moov" not in names or b"soun" not in data or b"vide" in data[:65536]:
        raise BadFile("no-voice")
    return data


def _cleaned(clean: Callable[[bytes], bytes], data: bytes) -> bytes:
    try:
        return clean(data)
    except (struct.error, IndexError):
        raise BadFile("damaged") from None


def _fits(width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise BadFile("damaged")
    if width * height > MOST_PIXELS:
        raise BadFile("too-many-pixels")


# ---- JPEG ----

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_DROPPED = frozenset({*range(0xE1, 0xF0)} - {0xEE} | {0xFE})  # APP1–APP15 without Adobe's colour mark, and comments


def _jpeg(data: bytes) -> bytes:
    kept, seen = [b"\xff\xd8"], False
    turned = 1
    at = 2
    while True:
        marker, at = _marker(data, at)
        if marker == 0xD9:
            raise BadFile("damaged")  # an end before a picture
        size = struct.unpack(">H", data[at : at + 2])[0]
        segment = data[at : at + size]
        if size < 2 or len(segment) != size:
            raise BadFile("damaged")
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", segment[3:7])
            _fits(width, height)
            seen = True
        if marker == 0xE1:
            turned = _orientation(segment) or turned
        if marker not in _DROPPED:
            kept.append(bytes((0xFF, marker)) + segment)
        at += size
        if marker == 0xDA:
            break
    end = data.rfind(b"\xff\xd9")
    if not seen or end < at:
        raise BadFile("damaged")
    picture = data[at : _first_end(data, at)]
    return kept[0] + (_turn(turned) if turned != 1 else b"") + b"".join(kept[1:]) + picture


def _marker(data: bytes, at: int) -> tuple[int, int]:
    if data[at] != 0xFF:
        raise BadFile("damaged")
    while data[at] == 0xFF:
        at += 1
    return data[at], at + 1


def _first_end(data: bytes, at: int) -> int:
    """Behind the first end-of-image mark after the scans: what was glued behind it is not ours."""
    while True:
        at = data.index(b"\xff", at) if b"\xff" in data[at:] else len(data)
        if at + 1 >= len(data):
            raise BadFile("damaged")
        mark = data[at + 1]
        if mark == 0xD9:
            return at + 2
        if mark == 0x00 or 0xD0 <= mark <= 0xD7 or mark == 0xFF:
            at += 1 if mark == 0xFF else 2
            continue
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]


def _orientation(segment: bytes) -> int | None:
    """The way up of an Exif block, 1 to 8."""
    if segment[2:8] != b"Exif\x00\x00":
        return None
    tiff = segment[8:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None
    start = struct.unpack(order + "I", tiff[4:8])[0]
    if start + 2 > len(tiff):
        return None
    for entry in range(struct.unpack(order + "H", tiff[start : start + 2])[0]):
        place = start + 2 + entry * 12
        if place + 12 > len(tiff):
            return None
        tag, kind = struct.unpack(order + "HH", tiff[place : place + 4])
        if tag == 0x0112 and kind == 3:
            turned = int(struct.unpack(order + "H", tiff[place + 8 : place + 10])[0])
            return turned if 1 <= turned <= 8 else None
    return None


def _turn(turned: int) -> bytes:
    """An Exif block that holds nothing but the way up."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, turned, 0) + b"\x00" * 4
    body = b"Exif\x00\x00" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


# ---- PNG and WebP: chunks ----

_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT"})


def _png(data: bytes) -> bytes:
    kept: list[bytes] = [data[:8]]
    names: list[bytes] = []
    at = 8
    while not names or names[-1] != b"IEND":
        size, name = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at : at + 12 + size]
        if len(chunk) != 12 + size:
            raise BadFile("damaged")
        names.append(name)
        if name in _PNG_KEPT:
            kept.append(chunk)
        at += 12 + size
    if names[0] != b"IHDR" or b"IDAT" not in names:
        raise BadFile("damaged")
    _fits(*struct.unpack(">II", data[16:24]))
    return b"".join(kept)


def _webp(data: bytes) -> bytes:
    kept = [(name, body) for name, body in _riff(data) if name not in {b"EXIF", b"XMP "}]
    _fits(*_webp_size(kept))
    parts = []
    for name, body in kept:
        if name == b"VP8X":  # its flags promise Exif and XMP blocks that are no longer there
            body = bytes((body[0] & ~0x0C,)) + body[1:]
        parts.append(name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2))
    whole = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    end = min(len(data), 8 + struct.unpack("<I", data[4:8])[0])
    at = 12
    while at + 8 <= end:
        name, size = struct.unpack("<4sI", data[at : at + 8])
        if at + 8 + size > end:
            raise BadFile("damaged")
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _webp_size(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    for name, body in chunks:
        if name == b"VP8X":
            return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        if name == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            return width & 0x3FFF, height & 0x3FFF
        if name == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise BadFile("damaged")


# ---- PDF ----


def _pdf(data: bytes) -> bytes:
    """As it is; one that runs programs or carries files is not taken."""
    end = data.rfind(b"%%EOF")
    if end < 0:
        raise BadFile("damaged")
    plain = re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes((int(found[1], 16),)), data)
    if _ACTIVE.search(plain):
        raise BadFile("active-content")
    return data[: end + 5] + b"\n"


_KINDS: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\xff\xd8\xff", "image/jpeg", _jpeg),
    (b"\x89PNG\r\n\x1a\n", "image/png", _png),
    (b"RIFF", "image/webp", _webp),
    (b"%PDF-", "application/pdf", _pdf),
)

_SOUNDS: tuple[tuple[Callable[[bytes], bool], str, Callable[[bytes], bytes]], ...] = (
    (lambda data: data.startswith(b"\x1a\x45\xdf\xa3"), "audio/webm", _webm),
    (lambda data: data.startswith(b"OggS"), "audio/ogg", _ogg),
    (lambda data: data[4:8] == b"ftyp", "audio/mp4", _mp4),
)

"""The smallest files that are what they say they are, and some that are not."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 2, height: int = 2, *, text: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress((b"\x00" + b"\x7f" * 3 * width) * height) if width * height < 10_000 else zlib.compress(b"")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + (chunk(b"tEXt", text) if text else b"")
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def exif(turned: int = 6, *, place: bytes = b"39.9042N") -> bytes:
    """An Exif block with the way up and a place."""
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHIHH", 0x0112, 3, 1, turned, 0) + b"\x00" * 4 + place
    return segment(0xE1, b"Exif\x00\x00" + tiff)


def jpeg(width: int = 4, height: int = 3, *, before: bytes = b"", behind: bytes = b"") -> bytes:
    frame = segment(0xC0, b"\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00")
    scan = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\xff\x00\x34"
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
        + before
        + frame
        + scan
        + b"\xff\xd9"
        + behind
    )


def webp(*, exif_block: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)

    flags = 0x08 if exif_block else 0
    body = chunk(b"VP8X", bytes((flags, 0, 0, 0)) + (9).to_bytes(3, "little") + (4).to_bytes(3, "little"))
    body += chunk(b"VP8 ", b"\x10\x02\x00\x9d\x01\x2a\x0a\x00\x05\x00")
    body += chunk(b"EXIF", exif_block) if exif_block else b""
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def pdf(more: bytes = b"") -> bytes:
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog" + more + b">>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

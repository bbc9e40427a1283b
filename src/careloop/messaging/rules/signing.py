"""Signatures of gateway callbacks and one-time codes. Keyed hashes only; the key comes from the settings."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

REPLAY_WINDOW = timedelta(minutes=5)


def signature(secret: str, *, timestamp: str, nonce: str, body: bytes) -> str:
    """HMAC-SHA256 over timestamp, nonce and body, in hexadecimal."""
    return hmac.new(secret.encode(), f"{timestamp}\n{nonce}\n".encode() + body, hashlib.sha256).hexdigest()


def callback_refusal(secret: str, *, timestamp: str, nonce: str, given: str, body: bytes, at: datetime) -> str | None:
    """Why a callback is not believed: `no-secret`, `bad-signature`, `bad-time`; None when it is genuine and fresh.

    The signature is checked first and in constant time; only a genuine sender learns that its clock is wrong.
    """
    if not secret:
        return "no-secret"
    expected = signature(secret, timestamp=timestamp, nonce=nonce, body=body)
    if not nonce or not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")):
        return "bad-signature"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        return "bad-time"
    if abs(at.timestamp() - int(timestamp)) > REPLAY_WINDOW.total_seconds():
        return "bad-time"
    return None


CODE_LIFETIME = timedelta(minutes=10)


def one_time_code(communication_id: UUID, secret: str) -> str:
    """The six digits of one message, made from its id when it is sent and when it is checked; never stored."""
    digest = hmac.new(secret.encode(), b"one-time-code\n" + communication_id.bytes, hashlib.sha256).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


def code_matches(communication_id: UUID, secret: str, *, typed: str, requested_at: datetime, at: datetime) -> bool:
    """True for the right code within ten minutes. Counting tries and single use are the asker's business."""
    right = hmac.compare_digest(
        one_time_code(communication_id, secret), typed.strip().encode("ascii", "replace").decode()
    )
    return right and requested_at <= at < requested_at + CODE_LIFETIME

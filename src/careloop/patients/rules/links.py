"""Tokens of patient links. The token can be made again from the link's id, so it is stored nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
from uuid import UUID


def link_token(link_id: UUID, secret: str) -> str:
    """The token of a link: 160 bits of HMAC-SHA-256, URL-safe, 27 characters. Needs the server's secret."""
    digest = hmac.new(secret.encode(), b"careloop patient link:" + link_id.bytes, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:20]).decode().rstrip("=")


def token_digest(token: str) -> str:
    """What the database keeps of a token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()

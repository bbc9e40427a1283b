"""SMS by the HTTP gateway contract (docs/integrate/sms-gateway.md): POST /messages, GET /messages/{key}."""

from __future__ import annotations

from urllib.parse import quote

import orjson

from careloop.messaging.channels.contract import GatewayDown
from careloop.messaging.channels.http_lines import LineLost, Lines, Unreachable
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import REASONS, Outcome

_LATER = frozenset({401, 403, 404, 405, 409, 425, 429, 503})
"""The gateway is there and did not take it: too busy, or it does not know us. Mended by waiting or by a person."""


class SmsHttp:
    """One gateway, a few kept connections, many requests at once."""

    code = "sms"

    def __init__(self, url: str, token: str = "", *, seconds: float = 10.0, at_once: int = 32) -> None:
        self.at_once = at_once
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._lines = Lines(url, headers, seconds=seconds, connect_seconds=min(3.0, seconds))
        self._posting = self._lines.posting("/messages")

    async def open(self) -> None:
        """Connections are made when they are needed."""

    async def close(self) -> None:
        """Close the connections."""
        self._lines.close()

    async def send(self, message: Outgoing) -> Outcome:
        """202 and 200 are a yes. A 5xx or silence may be a yes that got lost."""
        body = orjson.dumps({"key": message.key, "to": message.to, "text": message.text})
        try:
            status, answered, _keeps = await self._lines.post(self._posting, body)
        except Unreachable as error:
            raise GatewayDown(str(error)) from None
        except TimeoutError:
            return Outcome.uncertain("no-answer-from-gateway")
        except LineLost:
            return Outcome.uncertain("connection-lost")
        return _read(status, answered)

    async def ask(self, key: str) -> Outcome | None:
        """404 means that the gateway never took it; anything unclear stays unclear."""
        try:
            status, answered, _keeps = await self._lines.get(f"/messages/{quote(key, safe='')}")
        except Unreachable as error:
            raise GatewayDown(str(error)) from None
        except (LineLost, TimeoutError):
            return Outcome.uncertain("no-answer-from-gateway")
        if status == 404:
            return None
        return _known(answered) if status == 200 else Outcome.uncertain("no-answer-from-gateway")


def _read(status: int, body: bytes) -> Outcome:
    if status in (200, 202):
        ref = _field(body, "ref")
        return Outcome.accepted(ref) if ref else Outcome.uncertain("answer-not-understood")
    if status in _LATER:
        return Outcome.postponed(f"http-{status}")
    if 400 <= status < 500 and status != 408:
        code = _field(body, "code")
        return Outcome.rejected(code if code in REASONS else "rejected")
    return Outcome.uncertain(f"http-{status}")


def _known(body: bytes) -> Outcome:
    ref, status = _field(body, "ref"), _field(body, "status")
    if status == "failed":
        code = _field(body, "code")
        return Outcome.rejected(code if code in REASONS else "rejected")
    if status == "delivered":
        return Outcome.delivered(ref)
    return Outcome.accepted(ref) if ref else Outcome.uncertain("answer-not-understood")


def _field(body: bytes, name: str) -> str:
    try:
        value = orjson.loads(body)[name]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return value[:80] if isinstance(value, str) else ""

"""SMS by the HTTP gateway contract (docs/integrate/sms-gateway.md): POST /messages, GET /messages/{key}."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
import orjson

from careloop.messaging.channels.contract import GatewayDown
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import REASONS, Outcome

_LATER = frozenset({401, 403, 404, 405, 409, 425, 429, 503})
"""The gateway is there and did not take it: too busy, or it does not know us. Mended by waiting or by a person."""


class SmsHttp:
    """One gateway, one session, many requests at once."""

    code = "sms"

    def __init__(self, url: str, token: str = "", *, seconds: float = 10.0, at_once: int = 32) -> None:
        self.url = url.rstrip("/")
        self.at_once = at_once
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(3.0, seconds))
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """One session for the life of the sender."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.at_once), timeout=self._timeout, headers=self._headers
        )

    async def close(self) -> None:
        """Close its connections."""
        if self._session:
            await self._session.close()

    async def send(self, message: Outgoing) -> Outcome:
        """202 and 200 are a yes. A 5xx or silence may be a yes that got lost."""
        body = orjson.dumps({"key": message.key, "to": message.to, "text": message.text})
        try:
            async with self._open_session.post(f"{self.url}/messages", data=body, allow_redirects=False) as response:
                return _read(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise GatewayDown(type(error).__name__) from None
        except TimeoutError:
            return Outcome.uncertain("no-answer-from-gateway")
        except aiohttp.ClientError:
            return Outcome.uncertain("connection-lost")

    async def ask(self, key: str) -> Outcome | None:
        """404 means that the gateway never took it; anything unclear stays unclear."""
        try:
            async with self._open_session.get(f"{self.url}/messages/{quote(key, safe='')}") as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise GatewayDown(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError):
            return Outcome.uncertain("no-answer-from-gateway")
        if status == 404:
            return None
        return _known(body) if status == 200 else Outcome.uncertain("no-answer-from-gateway")

    @property
    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("open() first")
        return self._session


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

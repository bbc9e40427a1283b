"""What every way out promises. The same tests run against each adapter (tests/test_channels.py)."""

from __future__ import annotations

from typing import Protocol

from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome


class GatewayDown(Exception):
    """The gateway could not be reached at all, so it surely has nothing. The try does not count."""


class Channel(Protocol):
    """One open way out. It never raises but GatewayDown: everything else is an Outcome."""

    @property
    def code(self) -> str:
        """The channel's code, as in models.Channel."""

    @property
    def at_once(self) -> int:
        """How many messages may be on their way at the same time."""

    async def open(self) -> None:
        """Get ready; called once in the sender's loop."""

    async def close(self) -> None:
        """Let go of connections."""

    async def send(self, message: Outgoing) -> Outcome:
        """Try once, under the message's key."""

    async def ask(self, key: str) -> Outcome | None:
        """What the gateway knows about this key. None: it never took it. Only where it can be asked."""

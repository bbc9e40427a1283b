"""The inbox of the patient pages: the outbox row itself is what the patient reads, so sending is delivering."""

from __future__ import annotations

from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome


class PortalInbox:
    """No network and nothing that can fail."""

    code = "portal"
    at_once = 1

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, message: Outgoing) -> Outcome:
        """It is there."""
        return Outcome.delivered(message.key[:80])

    async def ask(self, key: str) -> Outcome | None:
        """Doing it again is harmless, so there is nothing to ask."""
        return None

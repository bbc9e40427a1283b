"""One SMS to one person of the staff: opened, tried and closed, because there are few."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from careloop.messaging.channels.contract import Channel, GatewayDown
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome


def _sms() -> Channel | None:
    from careloop.messaging.jobs.sender import open_channels  # noqa: PLC0415 - the sender process is not loaded for this

    return open_channels().get("sms")


def try_once(message: Outgoing, open_way: Callable[[], Channel | None] = _sms) -> Outcome:
    """What one try came to. Never raises for the gateway's sake."""
    way = open_way()
    if way is None:
        return Outcome.rejected("channel-unavailable")
    try:
        return asyncio.run(_send(way, message))
    except GatewayDown:
        return Outcome.postponed("gateway-down")


async def _send(way: Channel, message: Outgoing) -> Outcome:
    await way.open()
    try:
        return await way.send(message)
    finally:
        await way.close()

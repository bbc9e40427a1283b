"""The event loop of processes that talk to many sockets at once: `run(coroutine)`, as `asyncio.run` does it."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from asyncio import run
else:
    from uvloop import run

__all__ = ["run"]

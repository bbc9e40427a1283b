"""Before a request uses a kept connection, it must know that the server still holds it.

Django asks `SELECT 1`: a journey to the server for each request. A server that ended a connection has told us so, and the
kernel's keepalive tells it of a host that vanished: either makes the socket readable. An idle healthy one has nothing to
say, so looking is enough; when there is something to read (a notice, a notification), the server is asked after all.
"""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Used by every process of the product."""

    def is_usable(self) -> bool:
        """Whether statements can be sent. Costs no journey while the connection is idle and alive."""
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(super().is_usable()) if poll.poll(0) else True

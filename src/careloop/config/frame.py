"""What stands around every staff page and is counted from the database: the two bells, in one journey.

They come with the page and keep themselves fresh by their own addresses (live news, else every fifteen seconds).
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from careloop.alerts import access
from careloop.alerts import reads as alerts
from careloop.kernel.pages import PageRequest, part
from careloop.kernel.prepared import Asked, ahead
from careloop.kernel.viewer import Viewer
from careloop.messaging.reads import staff


def frame(request: PageRequest) -> dict[str, Markup | None]:
    """The bells as their own views show them, also around a page about one record. A shut door leaves its place empty."""
    inside = request.viewer
    request.viewer = inside.whole
    try:
        with ahead(*asked(request.viewer)):
            return {"alerts": part(request, "alerts:bell"), "own": part(request, "messaging:own-bell")}
    finally:
        request.viewer = inside


def asked(viewer: Viewer) -> tuple[Asked[Any], ...]:
    """Only what the doors will show."""
    rings = alerts.asked_by_bell(viewer.within(access.VIEW)) if viewer.can(access.VIEW) else ()
    return (*rings, *staff.asked_by_bell(viewer))

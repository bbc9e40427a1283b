"""The same doors for the typed API."""

from __future__ import annotations

from typing import Any, cast

from ninja.errors import HttpError

from careloop.kernel.access import Permission
from careloop.kernel.viewer import Viewer


class Door:
    """`@router.get(..., auth=Door(access.VIEW))`: the API's @page. 401 when nobody is signed in, 403 without the right."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Any) -> Viewer:
        viewer: Viewer = request.viewer
        if not viewer.is_staff:
            raise HttpError(401, "unauthenticated")
        if not viewer.can(self.permission):
            raise HttpError(403, "forbidden")
        request.viewer = viewer.within(self.permission)  # only the places where this very permission holds
        return cast(Viewer, request.viewer)

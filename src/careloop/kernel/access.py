"""A permission is declared once, in its room's access.py, and granted by roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing a role may allow. `code` is `room.verb`; `label` is what an administrator reads."""

    code: str
    label: str | Promise = field(compare=False)

    all: ClassVar[dict[str, Permission]] = {}

    def __post_init__(self) -> None:
        Permission.all[self.code] = self

"""How a number gets dialled. A telephone system is another class with the same one method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialling:
    """What the page does with a number: show it, and open `href` if there is one.

    `hears_state`: does the dialler itself know ringing, talking, ended? If not, the nurse's keys say so.
    """

    shown: str
    href: str = ""
    hears_state: bool = False


class Dialler(Protocol):
    """Takes a number as stored (E.164 where it could be read) and says how to dial it."""

    def start(self, number: str) -> Dialling:
        """Begin a call."""


class ManualDialler:
    """The nurse reads the number and dials on a desk telephone."""

    def start(self, number: str) -> Dialling:
        """Nothing but the number in readable groups."""
        return Dialling(shown=grouped(number))


class TelDialler:
    """The operating system's own telephone program, through a tel: address (RFC 3966)."""

    def start(self, number: str) -> Dialling:
        """The number and a tel: address."""
        digits = "".join(sign for sign in number if sign.isdigit() or sign == "+")
        return Dialling(shown=grouped(number), href=f"tel:{digits}" if digits else "")


DIALLERS: dict[str, type[ManualDialler] | type[TelDialler]] = {"manual": ManualDialler, "tel": TelDialler}


def grouped(number: str) -> str:
    """`+8613812346721` → `138 1234 6721`: people dial in groups."""
    local = number.removeprefix("+86")
    if local.isdigit() and len(local) == 11 and local.startswith("1"):
        return f"{local[:3]} {local[3:7]} {local[7:]}"
    return local

"""Where Django keeps the language, the zone and the addresses of a request: the same places, found in one step.

A page asks for its language and its zone two hundred times. `asgiref.local.Local` finds the answer in a dictionary of
context variables inside another context variable, six calls of Python each time; one context variable is enough.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django.urls import base as urls
from django.utils import timezone, translation
from django.utils.translation import trans_real

_EMPTY: Any = object()
_PLACES = ((trans_real, "_active"), (timezone, "_active"), (urls, "_prefixes"), (urls, "_urlconfs"))


class Place:
    """`Local` with the one name that Django gives it, `value`: each thread and each task has its own, or none."""

    __slots__ = ("_held",)

    def __init__(self, name: str) -> None:
        self._held: ContextVar[Any] = ContextVar(name, default=_EMPTY)

    @property
    def value(self) -> Any:
        found = self._held.get()
        if found is _EMPTY:
            raise AttributeError("value")
        return found

    @value.setter
    def value(self, value: Any) -> None:
        self._held.set(value)

    @value.deleter
    def value(self) -> None:
        if self._held.get() is _EMPTY:
            raise AttributeError("value")
        self._held.set(_EMPTY)


def language() -> str | None:
    """`get_language()`, for those who ask it for each word."""
    spoken: Any = trans_real._active  # type: ignore[attr-defined]  # Django's own; `lighten` put it there
    if type(spoken) is Place:
        found = spoken._held.get()
        if found is not _EMPTY and found is not None:
            code: str = found.to_language()
            return code
    return translation.get_language()


def lighten() -> None:
    """Put our places where Django's are, with what they hold. Once, while the process starts."""
    for module, name in _PLACES:
        theirs = getattr(module, name)
        ours = Place(f"{module.__name__}.{name}")
        if hasattr(theirs, "value"):
            ours.value = theirs.value
        setattr(module, name, ours)

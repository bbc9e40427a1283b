"""Facts about looking: reading is an act too, and so is taking a whole copy."""

from dataclasses import dataclass

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSeen(Event):
    """Somebody opened a patient's record or a part of it (`what` is the page's code)."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSeen(Event):
    """Somebody saw a list of patients (`what`), with these ids on it."""

    what: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied(Event):
    """Somebody asked for what is not theirs (`what` is the route)."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCopied(Event):
    """The whole database was written into a file (`digest` is the file's SHA-256)."""

    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseRestored(Event):
    """This database was made from the file with this SHA-256; what stands before this row happened before the copy."""

    digest: str

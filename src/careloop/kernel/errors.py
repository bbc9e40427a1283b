"""The two kinds of failure. Everything else is a bug and should crash."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext


class Refused(Exception):
    """The domain says no, for a reason the user may read. Never retried, never logged as an error.

    A subclass sets `code` and `message` (a lazy translation); a caller may give a more exact message.
    """

    code = "refused"
    message: str | Promise = ""
    status = 409

    def __init__(self, message: str | Promise = "") -> None:
        super().__init__(message or self.message or gettext(self.__doc__ or self.code))

    def __str__(self) -> str:
        return str(self.args[0])


class DeliveryFailed(Exception):
    """The outside world failed. `permanent` says whether trying again can help."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent

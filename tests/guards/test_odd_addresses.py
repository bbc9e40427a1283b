"""Whatever stands behind the question mark of an address, a list is shown or refused in words: nothing crashes."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

NAMES = (
    "after", "author", "before", "channel", "chosen", "cursor", "day", "days", "department", "first", "form", "from", "kind",
    "last", "late", "limit", "measure", "mine", "mode", "month", "open", "owner", "page", "person", "plan", "programme", "q",
    "reason", "scan", "severity", "sort", "state", "tab", "tag", "url", "view", "window", "year",
)  # fmt: skip
VALUES = ("\x00", "9" * 25, "0001-01-01", "9999-12-31")


def plain_addresses() -> list[str]:
    """Every address of the staff site without a part that varies; /live/ is a stream, /login/ leads on."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> list[str]:
        found: list[str] = []
        for each in patterns:
            path = prefix + str(each.pattern)
            if "<" in path:
                continue
            found += walk(each.url_patterns, path) if isinstance(each, URLResolver) else [f"/{path}"]
        return found

    return sorted(set(walk(get_resolver(settings.ROOT_URLCONF).url_patterns, "")))


@pytest.mark.parametrize("who", ["sun", "qian"])
def test_no_list_crashes_on_what_stands_behind_the_question_mark(cast, who):
    client = cast.client(getattr(cast, who))
    client.raise_request_exception = False
    crashed = []
    for address in plain_addresses():
        if address.endswith(("/live/", "/login/")):
            continue
        first = client.get(address)
        if first.status_code != 200:  # needs another right, a POST, or leads elsewhere
            continue
        crashed += [
            (address, value) for value in VALUES if client.get(address, dict.fromkeys(NAMES, value)).status_code >= 500
        ]
    assert crashed == []

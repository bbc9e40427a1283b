"""A patient with a telephone: reads messages at the demo gateway, opens links, fills in forms over HTTP like a browser."""

from __future__ import annotations

import http.client
import json
import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from careloop.simulation.answering import choose, number

LINK = re.compile(r"https?://\S+/q/[A-Za-z0-9_\-]+")
MOST_PAGES = 60


@dataclass
class Field:
    """One input of a form."""

    name: str
    type: str
    value: str = ""
    options: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """The POST form of a page with its inputs, and the links."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.action: str | None = None
        self.fields: dict[str, Field] = {}
        self.links: list[str] = []
        self._inside = False
        self._form_id = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._open(given)
        elif tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif (
            tag in {"input", "textarea"}
            and given.get("name")
            and (self._inside or given.get("form") == self._form_id != "")
        ):
            self._input(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False

    def _open(self, given: dict[str, str]) -> None:
        # The large-text switch and the like are forms of the header; the page's own form is the one in <main> with an id.
        if given.get("method", "").lower() == "post" and given.get("id") and self.action is None:
            self.action, self._form_id, self._inside = given.get("action", ""), given["id"], True

    def _input(self, tag: str, given: dict[str, str]) -> None:
        kind = "textarea" if tag == "textarea" else given.get("type", "text")
        found = self.fields.setdefault(given["name"], Field(given["name"], kind))
        if kind in {"radio", "checkbox"}:
            found.options.append(given.get("value", "on"))
            if "checked" in given:
                found.checked.append(given.get("value", "on"))
        else:
            found.value = given.get("value", "")
            found.type = "number" if given.get("inputmode") == "decimal" else kind


class Browser:
    """Cookies and redirects, nothing else. Counts its requests."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.requests = 0

    def get(self, address: str) -> tuple[int, str, str]:
        return self._follow("GET", address, None)

    def post(self, address: str, data: dict[str, str | list[str]]) -> tuple[int, str, str]:
        return self._follow("POST", address, urlencode(data, doseq=True))

    def _follow(self, method: str, address: str, body: str | None) -> tuple[int, str, str]:
        """(status, final address, text) after at most ten redirects."""
        for _ in range(10):
            status, location, text = self._request(method, address, body)
            if status not in {301, 302, 303, 307}:
                return status, address, text
            address, method, body = urljoin(address, location), "GET", None
        raise RuntimeError("too many redirects")

    def _request(self, method: str, address: str, body: str | None) -> tuple[int, str, str]:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
        headers = {
            "Host": parts.netloc,
            "Accept-Language": "zh-CN",
            "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
        }
        if body is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"{parts.scheme}://{parts.netloc}",
            }
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        self.requests += 1
        text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, answer.headers.get("Location", ""), text


def answer_link(
    link: str, *, last4: str, worse: bool, random: random.Random, stops_after: int | None = None
) -> tuple[str, int]:
    """Open a link and answer what it asks. Returns (how it ended, requests made).

    Ends: done | expired | locked-out | left (gave up after `stops_after` pages) | failed (a fault of ours) | stuck.
    """
    browser = Browser()
    status, address, text = browser.get(link)
    for pages in range(1, MOST_PAGES + 1):
        page = Page(text)
        if status >= 500 or "/done/" in address:
            return "failed" if status >= 500 else "done", browser.requests
        if "factor" in page.fields:
            status, address, text = browser.post(urljoin(address, page.action or ""), _filled(page, {"factor": last4}))
            if "factor" in Page(text).fields:
                return "locked-out", browser.requests
            continue
        if stops_after is not None and pages > stops_after:
            return "left", browser.requests
        if page.action is not None and "/safety/" not in address:
            data = _answered(page, worse=worse, random=random)
            status, address, text = browser.post(urljoin(address, page.action), data)
            continue
        onward = _onward(page, address)
        if onward is None:
            return _end_here(status, address), browser.requests
        status, address, text = browser.get(urljoin(address, onward))
    return "stuck", browser.requests


def _onward(page: Page, address: str) -> str | None:
    """The link that leads on from a page without questions: the last one behind advice, else the first to a form."""
    to_forms = [href for href in page.links if "/t/" in href]
    if "/safety/" not in address:
        return to_forms[0] if to_forms else None
    onward = [href for href in to_forms if "/safety/" not in href and not _is_back(href, address)]
    return onward[-1] if onward else None


def _end_here(status: int, address: str) -> str:
    if "/safety/" not in address:
        return "expired"
    return "done" if status == 200 else "stuck"


def _is_back(href: str, address: str) -> bool:
    return href.split("/")[-2:] == address.split("/")[-2:]


def _filled(page: Page, values: dict[str, str]) -> dict[str, str | list[str]]:
    data: dict[str, str | list[str]] = {
        name: found.value for name, found in page.fields.items() if found.type == "hidden"
    }
    return {**data, **values}


def _answered(page: Page, *, worse: bool, random: random.Random) -> dict[str, str | list[str]]:
    data: dict[str, str | list[str]] = {}
    for name, found in page.fields.items():
        if found.type == "hidden":
            data[name] = found.value
        elif found.type in {"radio", "checkbox"}:
            data[name] = choose(name, found.options, worse=worse, random=random)
        elif found.type == "number":
            decimals = 1 if name in {"temperature", "weight", "fpg", "hba1c"} else 0
            data[name] = f"{number(name, worse=worse, random=random, decimals=decimals):g}"
    return data


def messages_of(gateway: str, since: int = 0) -> list[dict[str, Any]]:
    """Everything the demo gateway delivered, oldest first."""
    _status, _address, text = Browser().get(f"{gateway}/demo/messages")
    found: list[dict[str, Any]] = json.loads(text)["messages"] if text.startswith("{") else json.loads(text)
    return found[since:]

"""The product as its users meet it: its own server processes, settings and middleware, driven from outside."""

from __future__ import annotations

import random
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import aiohttp

from bench import ending
from bench import world as w
from bench.place import Place

PASSWORD = "Bench-2026-only"
READY_SECONDS = 90.0
Client = Callable[[int], Awaitable[bool]]
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
LOADED = re.compile(r'hx-get="([^"]+)" hx-trigger="load')


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the running product listens, and the ids of its processes by name."""

    staff: str
    portal: str
    hl7: int
    pids: dict[str, int]

    @property
    def web(self) -> tuple[int, ...]:
        return (self.pids["web"],)


@contextmanager
def running(here: Place, logs: Path) -> Iterator[Doors]:
    """Staff site, patient portal, HL7 gateway and worker, started by the same commands a hospital uses."""
    from careloop.kernel.supervisor import Process, Supervisor

    logs.mkdir(parents=True, exist_ok=True)
    ports = {name: _free_port() for name in ("web", "portal", "hl7")}
    environment = {
        "CARELOOP_DATABASE_URL": here.app, "CARELOOP_DATABASE_OWNER_URL": here.owner, "CARELOOP_LOG_LEVEL": "ERROR",
        "CARELOOP_WEB_PORT": str(ports["web"]), "CARELOOP_PORTAL_PORT": str(ports["portal"]),
        "CARELOOP_HL7_PORT": str(ports["hl7"]), "CARELOOP_PUBLIC_URL": f"http://127.0.0.1:{ports['portal']}",
        "CARELOOP_IDLE_MINUTES": "600", 
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent / "src"),
    }  # fmt: skip
    wanted = {"web": ("web",), "portal": ("portal",), "hl7": ("hl7", "listen"), "worker": ("worker",)}
    processes = [Process(name, arguments, environment, logs / f"{name}.log") for name, arguments in wanted.items()]
    run = Supervisor(processes)
    try:
        with ending.whole():
            run.start()
        for name, port in ports.items():
            _wait(port, f"{name} does not listen; see {logs}")
        pids = {process.name: process.running.pid for process in processes if process.running}
        doors = Doors(f"http://127.0.0.1:{ports['web']}", f"http://127.0.0.1:{ports['portal']}", ports["hl7"], pids)
        for address in (f"{doors.staff}/login/", f"{doors.portal}/"):
            _answers(address, logs)
        yield doors
    finally:
        run.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, complaint: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > until:
            sys.exit(complaint)
        time.sleep(0.1)


def _answers(address: str, logs: Path) -> None:
    try:
        urllib.request.urlopen(address, timeout=30).close()
    except urllib.error.HTTPError as answer:
        if answer.code >= 500:
            sys.exit(f"{address} answers {answer.code}; see {logs}")


# --- signed-in people


SESSIONS: list[aiohttp.ClientSession] = []
"""Every browser of this run, to be closed at its end."""


async def close_sessions() -> None:
    """Close all browsers."""
    while SESSIONS:
        await SESSIONS.pop().close()


async def sign_in(doors: Doors, username: str, first: str = "/today/list/") -> aiohttp.ClientSession:
    """A browser with one kept connection, signed in by the login page; `first` is where it goes then."""
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=300)
    )
    SESSIONS.append(session)
    async with session.get(f"{doors.staff}/login/") as page:
        token = TOKEN.search(await page.text())
    assert token, "the login page has no form"
    form = {"csrfmiddlewaretoken": token[1], "username": username, "password": PASSWORD, "next": first}
    async with session.post(f"{doors.staff}/login/", data=form, headers={"Origin": doors.staff}) as answer:
        if "/login/" in str(answer.url) or answer.status >= 400:
            raise RuntimeError(f"{username} could not sign in: {answer.status} {answer.url}")
    return session


def nurse(number: int) -> tuple[str, str]:
    """Username and department id of the n-th client's nurse: each in another department."""
    department = number % w.DEPARTMENTS
    return f"b{department}n0", w.departments()[department]


async def due_list(doors: Doors, number: int, *, as_json: bool) -> Client:
    """W2: 'due today and overdue' of the nurse's department, fifty rows with the exact count."""
    username, department = nurse(number)
    session = await sign_in(doors, username)
    address = (
        f"{doors.staff}/tasks/api/due/?department={department}&limit=50" if as_json
        else f"{doors.staff}/today/list/?department={department}"
    )  # fmt: skip

    async def one(_number: int) -> bool:
        async with session.get(address, headers={} if as_json else {"HX-Request": "true"}) as answer:
            body = await answer.read()
            return answer.status == 200 and (b'"tasks":[' in body if as_json else b"data-row" in body)

    return one


async def patient_pages(doors: Doors, number: int, ids: dict[int, list[str]]) -> Client:
    """W4: the patient's page and the parts it loads by itself, of the nurse's own department."""
    username, _ = nurse(number)
    session, mine = await sign_in(doors, username), ids[number % w.DEPARTMENTS]

    async def one(turn: int) -> bool:
        patient = mine[turn % len(mine)]
        address = f"{doors.staff}/patients/{patient}/"
        async with session.get(address) as answer:
            text, good = await answer.text(), answer.status == 200
        for part in LOADED.findall(text):
            async with session.get(
                urljoin(address, part.replace("&amp;", "&")), headers={"HX-Request": "true"}
            ) as answer:
                await answer.read()
                good &= answer.status in {200, 204}
        return good and patient in text

    return one


async def dashboard(doors: Doors, _number: int) -> Client:
    """W5: the hospital's month, forty departments side by side."""
    session = await sign_in(doors, "binspector", "/reports/")

    async def one(_turn: int) -> bool:
        async with session.get(f"{doors.staff}/reports/") as answer:
            return answer.status == 200 and b"B40" in await answer.read()

    return one


# --- W3: a patient answers on the phone


def patient_answers(links: Sequence[tuple[str, str]]) -> Client:
    """The n-th link opened, the second factor given, every question answered, the end reached: one unit."""
    from careloop.simulation.phone import answer_link

    async def one(turn: int) -> bool:
        import asyncio

        address, last4 = links[turn]
        end, _requests = await asyncio.to_thread(
            answer_link, address, last4=last4, worse=False, random=random.Random(turn)
        )
        return end == "done"

    return one


@dataclass(frozen=True, slots=True)
class Opened:
    """A telephone inside its form: where it sends to, and what makes it known there."""

    address: str
    cookies: str
    token: str


def open_forms(links: Sequence[tuple[str, str]]) -> list[Opened]:
    """Each link opened, the second factor given, the copy of the form fetched: what happens before the network is lost."""
    from careloop.simulation.phone import Browser

    found = []
    for address, last4 in links:
        browser = Browser()
        _status, _url, text = browser.get(address)
        _status, url, text = browser.post(address, {"csrfmiddlewaretoken": TOKEN.findall(text)[0], "factor": last4})
        form = urljoin(url, "/".join(urlsplit(url).path.split("/")[:3]) + "/whole/")
        _status, _url, text = browser.get(form)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        found.append(Opened(form, cookies, TOKEN.findall(text)[0]))
    return found


async def in_loop(make: Callable[..., Client], *given: Any) -> Client:
    """A browser is made where its requests will run."""
    return make(*given)


def whole_forms(opened: Sequence[Opened], answers: dict[str, object]) -> Client:
    """The n-th telephone sends everything it kept: validated, judged, scored, task closed, audited in one transaction."""
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    SESSIONS.append(session)

    async def one(turn: int) -> bool:
        mine = opened[turn]
        data = {name: str(value) for name, value in answers.items()}
        body = data | {"csrfmiddlewaretoken": mine.token, "key": str(uuid4()), "finish": "1"}
        headers = {"Cookie": mine.cookies, "Origin": mine.address.split("/t/")[0]}
        async with session.post(mine.address, data=body, headers=headers) as answer:
            return answer.status == 200 and '"done"' in await answer.text()

    return one


def issue_links(doors: Doors, tasks: Sequence[tuple[str, str, str]], *, expires_at: datetime) -> list[tuple[str, str]]:
    """A link for each task, as the messages would carry it, with the last four digits it will be asked for."""
    from django.conf import settings

    from careloop.kernel.viewer import Viewer
    from careloop.patients.actions import issue_link
    from careloop.patients.models import ContactPoint
    from careloop.patients.rules import link_token

    by = Viewer.system("bench")
    found = []
    for task, patient, _department in tasks:
        link = issue_link(patient_id=patient, purpose="questionnaire", task_id=task, expires_at=expires_at, by=by)
        last4 = ContactPoint.objects.unscoped("bench").filter(patient_id=patient).values_list("last4", flat=True)[0]
        token = link_token(link.pk, settings.SECRET_KEY)
        found.append((f"{doors.portal}/q/{token}", last4))
    return found

"""What a patient's telephone does with each page the portal may answer with, and how each way ends."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from careloop.simulation import phone
from careloop.simulation.run import faults_online
from careloop.simulation.staff import days_home, has_died, worsens

LINK = "http://portal/q/abc"
HEADER = '<form method="post" action="/large/"><input name="x"></form>'  # a form of the header: no id
CHECK = '<form method="post" id="check" action=""><input name="factor"><input type="hidden" name="t" value="1"></form>'
BEGIN = '<main><a href="/t/7/">begin</a></main>'
NOTHING = "<main><p>This page is not here</p></main>"


def asking(name: str, *, kind: str = "radio", options: tuple[str, ...] = ("no", "yes")) -> str:
    """A page with one question, as the portal writes it."""
    field = (
        f'<input name="{name}" inputmode="decimal">'
        if kind == "number"
        else "".join(f'<input type="radio" name="{name}" value="{one}">' for one in options)
    )
    return f'<main><form method="post" id="f" action="/t/7/{name}/"><input type="hidden" name="once" value="u1">{field}</form></main>'


class Portal:
    """Answers from a script, one page a request, and remembers what was sent. The last page stays."""

    def __init__(self, *pages: tuple[int, str, str]) -> None:
        self.pages, self.requests, self.sent = list(pages), 0, []

    def get(self, address: str) -> tuple[int, str, str]:
        return self._next(address, None)

    def post(self, address: str, data: dict[str, object]) -> tuple[int, str, str]:
        return self._next(address, data)

    def _next(self, address: str, data: dict[str, object] | None) -> tuple[int, str, str]:
        self.requests += 1
        self.sent.append((address, data))
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch):
    def play(*pages: tuple[int, str, str], **options: object) -> tuple[str, Portal]:
        portal = Portal(*pages)
        monkeypatch.setattr(phone, "Browser", lambda: portal)
        end, requests = phone.answer_link(
            LINK, **{"last4": "6721", "worse": False, "random": random.Random(1)} | options
        )
        assert requests == portal.requests
        return end, portal

    return play


def test_link_digits_questions_done(answered) -> None:
    end, portal = answered(
        (200, LINK, CHECK), (200, "http://portal/", BEGIN), (200, "http://portal/t/7/", asking("breath")),
        (200, "http://portal/t/7/weight/", asking("weight", kind="number")), (200, "http://portal/t/7/done/", "thanks"),
    )  # fmt: skip
    assert end == "done"
    assert portal.sent[1] == (LINK, {"factor": "6721", "t": "1"})
    assert portal.sent[2] == ("http://portal/t/7/", None)
    address, data = portal.sent[3]
    assert (address, data["once"]) == ("http://portal/t/7/breath/", "u1")
    assert data["breath"] in {"no", "yes"}
    assert 20 < float(portal.sent[4][1]["weight"]) < 200


@pytest.mark.parametrize(
    ("pages", "end"),
    [
        ([(200, LINK, CHECK), (200, LINK, CHECK)], "locked-out"),
        ([(404, LINK, NOTHING)], "expired"),
        ([(410, LINK, HEADER + NOTHING)], "expired"),
        ([(500, LINK, NOTHING)], "failed"),
        ([(200, LINK, CHECK), (503, LINK, NOTHING)], "failed"),
        ([(200, LINK, asking("breath")), (502, "http://portal/t/7/breath/", asking("breath"))], "failed"),
        ([(200, "http://portal/t/7/a/", asking("a"))], "stuck"),
    ],
)
def test_every_way_has_its_end(answered, pages, end: str) -> None:
    assert answered(*pages)[0] == end


def test_stuck_means_sixty_pages_and_no_more(answered) -> None:
    _end, portal = answered((200, "http://portal/t/7/a/", asking("a")))
    assert portal.requests == 1 + phone.MOST_PAGES


@pytest.mark.parametrize("after", [1, 2, 3])
def test_whoever_stops_leaves_a_half_filled_form(answered, after: int) -> None:
    end, portal = answered((200, "http://portal/t/7/a/", asking("a")), stops_after=after)
    assert (end, sum(data is not None for _address, data in portal.sent)) == ("left", after)


def test_a_safety_page_is_read_and_the_way_goes_on(answered) -> None:
    safety = '<main><a href="/t/7/chest/">back</a><a href="/t/7/next/">go on</a></main>'
    end, portal = answered(
        (200, "http://portal/t/7/chest/safety/chest/", safety), (200, "http://portal/t/7/next/", asking("next")),
        (200, "http://portal/t/7/done/", ""),
    )  # fmt: skip
    assert end == "done"
    assert portal.sent[1] == ("http://portal/t/7/next/", None)


def test_a_safety_page_at_the_end_is_the_end(answered) -> None:
    assert answered((200, "http://portal/t/7/safety/chest/", "<p>Call 120</p>"))[0] == "done"
    assert answered((403, "http://portal/t/7/safety/chest/", "<p>no</p>"))[0] == "stuck"


def test_only_faults_of_ours_spoil_a_run() -> None:
    assert faults_online({"done": 3, "expired": 2, "locked-out": 1, "left": 4}) == []
    assert faults_online({"done": 3, "failed": 2}) == ["2 patients met a fault of the portal"]


# ---- how long somebody is at home: the discharge is told in the hospital's wall clock, the moment is an instant ----

HOME = datetime(2026, 9, 1, 10, 0)  # Shanghai
TEN = datetime(2026, 9, 1, 2, 0, tzinfo=UTC)  # the same moment


def at_home(**behaviour: int | None) -> SimpleNamespace:
    told = {"worsens_on_day": None, "dies_on_day": None} | behaviour
    return SimpleNamespace(discharged_at=HOME, person=SimpleNamespace(behaviour=SimpleNamespace(**told)))


@pytest.mark.parametrize(
    ("later", "days"),
    [
        (timedelta(0), 0), (timedelta(hours=23, minutes=59), 0), (timedelta(days=1), 1), (timedelta(days=1, hours=7), 1),
        (timedelta(days=7) - timedelta(seconds=1), 6), (timedelta(days=7), 7), (timedelta(hours=-1), -1),
    ],
)  # fmt: skip
def test_days_at_home_are_counted_in_the_hospitals_own_time(later: timedelta, days: int) -> None:
    assert days_home(at_home(), TEN + later) == days


@pytest.mark.parametrize(("day", "died"), [(4, False), (5, True), (60, True)])
def test_who_has_died_stays_dead(day: int, died: bool) -> None:
    assert has_died(at_home(dies_on_day=5), TEN + timedelta(days=day)) is died
    assert not has_died(at_home(), TEN + timedelta(days=day))


@pytest.mark.parametrize(("day", "worse"), [(2, False), (3, True), (10, True), (11, False)])
def test_who_gets_worse_is_worse_for_a_week(day: int, worse: bool) -> None:
    assert worsens(at_home(worsens_on_day=3), TEN + timedelta(days=day)) is worse
    assert not worsens(at_home(), TEN + timedelta(days=day))

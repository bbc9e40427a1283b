"""The numbers of a replay as chart, table and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

MOST_PEAKS = 5
# The plan itself has the brand's blue; orange is kept for what comes too late.
OTHERS, CALLS, LIMIT, LATE = "#B7C9D6", "#0A3D54", "#5F6F7D", "#B8500B"


@dataclass(frozen=True, slots=True)
class Chart:
    """Options of the chart, and the same numbers as a table."""

    options: dict[str, Any]
    headers: list[str]
    rows: list[list[Any]]


@dataclass(slots=True)
class _Week:
    own: int = 0
    others: int = 0
    person: int = 0
    room: int = 0
    fullest: int = 0
    waiting: int = 0


def load(result: Mapping[str, Any]) -> Chart:
    """Contacts per week of this plan and of all others, the calls they cost, and what the nurses can do."""
    weeks = _weeks(result)
    shown = list(weeks.values())
    series = _work(
        [w.own for w in shown], [w.others for w in shown], [w.person for w in shown], [w.room for w in shown]
    )
    headers = [
        _("Week from"),
        *(one["name"] for one in series),
        _("Fullest nurse-day"),
        _("Left at the end of the week"),
    ]
    rows = [[label, w.own, w.others, w.person, w.room, w.fullest, w.waiting] for label, w in weeks.items()]
    return Chart(_axes(list(weeks), series), headers, rows)


def by_day(result: Mapping[str, Any]) -> Chart:
    """Each day by itself: contacts, the calls they cost, and what the nurses can do."""
    days = result["days"]
    own, others, person = ([day[key] for day in days] for key in ("own", "others", "person"))
    return _daily(days, _work(own, others, person, [_room(day, result) for day in days]))


def fullest(result: Mapping[str, Any]) -> Chart:
    """Each day for those who do it: the most calls one nurse has, and the calls nobody had time for."""
    days = result["days"]
    series = [
        {"name": _("Most of one nurse"), "type": "bar", "data": [day["fullest"] for day in days]},
        _line(_("Left in the evening"), [day["waiting"] for day in days], LATE),
    ]
    return _daily(days, series)


def _daily(days: list[Mapping[str, Any]], series: list[dict[str, Any]]) -> Chart:
    labels = [day["day"] for day in days]
    rows = [list(row) for row in zip(labels, *(one["data"] for one in series), strict=True)]
    return Chart(_axes(labels, series), [_("Day"), *(one["name"] for one in series)], rows)


def _work(own: list[int], others: list[int], person: list[int], room: list[int]) -> list[dict[str, Any]]:
    """Four series and no more: two kinds of contacts stacked, the calls among them, and the limit as a dashed line."""
    limit = _line(_("Nurses can do"), room, LIMIT) | {"step": "middle"}
    limit["lineStyle"] = {"type": "dashed"}
    return [
        {"name": _("This plan"), "type": "bar", "stack": "all", "data": own},
        {"name": _("Other plans"), "type": "bar", "stack": "all", "data": others, "color": OTHERS},
        _line(_("Calls for nurses"), person, CALLS),
        limit,
    ]


def _line(name: str, data: list[int], colour: str) -> dict[str, Any]:
    return {"name": name, "type": "line", "symbol": "none", "color": colour, "data": data}


def _axes(labels: list[str], series: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "legend": {"top": 0, "left": 0},
        "xAxis": {"type": "category", "data": labels},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": series,
    }


def peaks(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fullest days, the fullest first."""
    days = sorted(result["days"], key=lambda day: (-day["person"], day["day"]))[:MOST_PEAKS]
    return [day | {"day": date.fromisoformat(day["day"])} for day in days if day["person"]]


def met(result: Mapping[str, Any], titles: Mapping[str, str]) -> list[tuple[str, int]]:
    """Plans whose contacts fall into the same week as this one's, most first."""
    found = result["overlap"]["with_plans"].items()
    return [(titles.get(url, url), count) for url, count in sorted(found, key=lambda item: (-item[1], item[0]))]


def _weeks(result: Mapping[str, Any]) -> dict[str, _Week]:
    """By the Monday of the week, or the first day for a first week that is cut."""
    found: dict[str, _Week] = {}
    for told in result["days"]:
        day = date.fromisoformat(told["day"])
        monday = max(day - timedelta(days=day.weekday()), date.fromisoformat(result["first"]))
        week = found.setdefault(monday.isoformat(), _Week())
        week.own += told["own"]
        week.others += told["others"]
        week.person += told["person"]
        week.room += _room(told, result)
        week.fullest = max(week.fullest, told["fullest"])
        week.waiting = told["waiting"]
    return found


def _room(day: Mapping[str, Any], result: Mapping[str, Any]) -> int:
    """Calls that the people of this day can do; replays kept before the roster counted have one number for every workday."""
    capacity = result["capacity"]["nurses"] * result["capacity"]["per_day"]
    return int(day.get("room", capacity if day["workday"] else 0))

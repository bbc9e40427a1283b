"""The numbers of a replay as chart, table and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

MOST_PEAKS = 5


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
    labels = list(weeks)
    of = list(weeks.values())
    own, others = _("This plan"), _("Other plans")
    person, room = _("Calls for nurses"), _("Nurses can do")
    options = {
        "legend": {"top": 0, "left": 0},
        "xAxis": {"type": "category", "data": labels},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {"name": own, "type": "bar", "stack": "all", "data": [week.own for week in of]},
            {"name": others, "type": "bar", "stack": "all", "data": [week.others for week in of]},
            {"name": person, "type": "line", "data": [week.person for week in of], "symbol": "none"},
            {"name": room, "type": "line", "step": "middle", "symbol": "none", "lineStyle": {"type": "dashed"},
             "data": [week.room for week in of]},
        ],
    }  # fmt: skip
    headers = [_("Week from"), own, others, person, room, _("Fullest nurse-day"), _("Left at the end of the week")]
    rows = [[label, w.own, w.others, w.person, w.room, w.fullest, w.waiting] for label, w in weeks.items()]
    return Chart(options, headers, rows)


def by_day(result: Mapping[str, Any]) -> Chart:
    """Each day by itself: contacts, the calls they cost, what the nurses can do, the fullest nurse, and what is left over."""
    days = result["days"]
    own, others, person, room = _("This plan"), _("Other plans"), _("Calls for nurses"), _("Nurses can do")
    fullest, waiting = _("Most of one nurse"), _("Left in the evening")
    rooms = [_room(day, result) for day in days]
    lines = [
        (person, [d["person"] for d in days]),
        (fullest, [d["fullest"] for d in days]),
        (waiting, [d["waiting"] for d in days]),
    ]
    options = {
        "legend": {"top": 0, "left": 0},
        "xAxis": {"type": "category", "data": [day["day"] for day in days]},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {"name": own, "type": "bar", "stack": "all", "data": [day["own"] for day in days]},
            {"name": others, "type": "bar", "stack": "all", "data": [day["others"] for day in days]},
            *({"name": name, "type": "line", "data": data, "symbol": "none"} for name, data in lines),
            {"name": room, "type": "line", "step": "middle", "symbol": "none", "lineStyle": {"type": "dashed"}, "data": rooms},
        ],
    }  # fmt: skip
    headers = [_("Day"), own, others, person, room, fullest, waiting]
    rows = [
        [day["day"], day["own"], day["others"], day["person"], can, day["fullest"], day["waiting"]]
        for day, can in zip(days, rooms, strict=True)
    ]
    return Chart(options, headers, rows)


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

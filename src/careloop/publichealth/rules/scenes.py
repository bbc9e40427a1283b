"""Plays the public test vectors against a pack and its forms, and says where the pack and the vectors disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from careloop.publichealth.rules.pack import Pack
from careloop.publichealth.rules.visits import Judged, judge_visit, streak_after
from careloop.questionnaires import rules as questionnaires
from careloop.questionnaires.rules import Form


def play(pack: Pack, forms: Mapping[str, Form], scenes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every disagreement, by scene and visit. Empty: the pack does what the vectors say."""
    return tuple(line for scene in scenes for line in _scene(pack, forms, scene))


def _scene(pack: Pack, forms: Mapping[str, Form], scene: Mapping[str, Any]) -> Iterator[str]:
    programme = pack.programme(scene["programme"])
    if programme is None:
        yield f"{scene['name']}: there is no programme {scene['programme']!r}"
        return
    before: dict[str, tuple[Mapping[str, Any], datetime]] = {}
    streak = 0
    for number, visit in enumerate(scene["visits"], start=1):
        where = f"{programme.code}, {scene['name']}, visit {number}"
        form = forms.get(programme.forms.get(visit["form"], ""))
        if form is None:
            yield f"{where}: the form {visit['form']!r} is not there"
            return
        on = date.fromisoformat(visit["on"])
        at = datetime(on.year, on.month, on.day, tzinfo=UTC)
        values, previous_at = before.get(form.url, ({}, None))
        given: dict[str, Any] = {"previous": values, "previous_at": previous_at, "at": at}
        found = questionnaires.classify(form, visit["answers"], **given)
        missing = questionnaires.missing_for_class(form, visit["answers"], **given)
        judged = judge_visit(
            pack, programme, role=visit["form"], classed=asdict(found) if found else None, missing=missing,
            answers=visit["answers"], on=on,
        )  # fmt: skip
        streak = streak_after(streak, judged.in_target)
        before[form.url] = (visit["answers"], at)
        yield from _compared(where, visit["expect"], judged, streak)
        if faults := questionnaires.faults(form, visit["answers"], complete=False):
            yield f"{where}: the answers are refused by the form: {', '.join(fault.link_id for fault in faults)}"


def _compared(where: str, expected: Mapping[str, Any], judged: Judged, streak: int) -> Iterator[str]:
    actual = {
        "class": judged.class_code,
        "clocks": [{"kind": clock.kind, "due": clock.due_on.isoformat()} for clock in judged.clocks],
        "in_target": judged.in_target,
        "referral": judged.referral,
        "urgent": judged.urgent,
        "closes": judged.closes,
        "missing": list(judged.missing),
        "because": judged.reason.zh,
        "derived": {code: float(value) for code, value in judged.derived.items()},
        "streak": streak,
    }
    for name, wanted in expected.items():
        if name not in actual:
            yield f"{where}: the vector expects {name!r}, which nobody knows"
        elif actual[name] != wanted:
            yield f"{where}: {name} should be {wanted!r} and is {actual[name]!r}"

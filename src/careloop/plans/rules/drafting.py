"""Changes of a plan that is being written: raw JSON in, raw JSON out. What is typed may still be wrong; `review` says so.

Keys that the designer does not know stay where they are, so that an imported plan loses nothing by being edited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date
from typing import Any

from careloop.plans.rules.faults import FaultError, gettext_noop

Raw = dict[str, Any]

_FIRST_WORDS = {
    "questionnaire": ("电话随访", "Follow-up call"),
    "education": ("健康宣教", "Education"),
    "reminder": ("提醒", "Reminder"),
    "revisit": ("门诊复查", "Clinic visit"),
}
_FIRST_LADDER = {
    "questionnaire": [{"channel": "wechat", "wait_hours": 24}, {"channel": "sms", "wait_hours": 24}, {"channel": "phone"}],
    "education": [{"channel": "wechat", "wait_hours": 24}, {"channel": "sms", "wait_hours": 24}],
    "reminder": [{"channel": "sms", "wait_hours": 24}],
    "revisit": [{"channel": "sms", "wait_hours": 12}, {"channel": "phone"}],
}  # fmt: skip
DROPPED = object()  # as a value: take the key out


class DraftError(FaultError):
    """The change does not fit the draft: a step that is not there, a direction that leads out of the list."""


def blank_plan(*, url: str, title_zh: str, title_en: str, valid_from: date) -> Raw:
    """A plan with its first call, which is what most plans begin with."""
    name = url.rsplit("/", 1)[-1]
    raw: Raw = {
        "url": url, "version": "1.0", "title": {"zh": title_zh, "en": title_en},
        "description": {"zh": title_zh, "en": title_en}, "category": "single-disease", "group": name,
        "specialty": "general", "enrolment": {}, "steps": [], "ends": {"after": "12m"},
        "sources": [{"title": title_zh, "locator": "", "verified": False}], "valid_from": valid_from.isoformat(),
    }  # fmt: skip
    return add_step(raw, activity="questionnaire")


def next_version(raw: Mapping[str, Any], *, taken: Sequence[str]) -> Raw:
    """The same plan under the next free number: 1.0 → 1.1, 1.9 → 1.10."""
    changed = _copy(raw)
    head, _dot, last = str(raw.get("version", "1.0")).rpartition(".")
    number = int(last) if last.isdigit() else 0
    while (version := f"{head or '1'}.{number + 1}") in taken:
        number += 1
    return changed | {"version": version}


def add_step(raw: Mapping[str, Any], *, activity: str, after: str = "") -> Raw:
    """A new step behind `after` (or at the end), with the settings its kind usually has."""
    if activity not in _FIRST_WORDS:
        raise DraftError("activity", gettext_noop("`%(given)s` is no kind of step"), given=activity)
    changed, steps = _copy(raw), _steps(raw)
    zh, en = _FIRST_WORDS[activity]
    step: Raw = {
        "code": _free_code(steps, activity), "title": {"zh": zh, "en": en},
        "purpose": "tracking" if activity == "questionnaire" else "caring", "activity": activity,
        "schedule": str(_day_after_last(steps)), "window": [0, 2], "ladder": deepcopy(_FIRST_LADDER[activity]),
    }  # fmt: skip
    if activity == "questionnaire":
        step["questionnaire"] = next((str(s["questionnaire"]) for s in steps if s.get("questionnaire")), "")
    at = _position(steps, after) + 1 if after else len(steps)
    changed["steps"] = [*steps[:at], step, *steps[at:]]
    return changed


def copy_step(raw: Mapping[str, Any], code: str) -> Raw:
    """The same step again, right behind it, under a code of its own."""
    changed, steps = _copy(raw), _steps(raw)
    at = _position(steps, code)
    changed["steps"] = [*steps[: at + 1], steps[at] | {"code": _free_code(steps, code)}, *steps[at + 1 :]]
    return changed


def remove_step(raw: Mapping[str, Any], code: str) -> Raw:
    """Without this step. Steps that waited for it keep saying so, until somebody mends them."""
    changed, steps = _copy(raw), _steps(raw)
    del steps[_position(steps, code)]
    changed["steps"] = steps
    return changed


def move_step(raw: Mapping[str, Any], code: str, by: int) -> Raw:
    """One place up (-1) or down (+1) in the list. Refused: out of it."""
    changed, steps = _copy(raw), _steps(raw)
    at = _position(steps, code)
    if by not in (-1, 1) or not 0 <= at + by < len(steps):
        raise DraftError("steps", gettext_noop("the step cannot be moved further"))
    steps[at], steps[at + by] = steps[at + by], steps[at]
    changed["steps"] = steps
    return changed


def set_step(raw: Mapping[str, Any], code: str, values: Mapping[str, Any]) -> Raw:
    """New values of one step; `DROPPED` takes a key out. A new code is carried to the steps that wait for it."""
    changed, steps = _copy(raw), _steps(raw)
    at = _position(steps, code)
    steps[at] = _merged(steps[at], values)
    renamed = steps[at].get("code", code)
    if renamed != code:
        steps = [_merged(s, {"of_step": renamed}) if s.get("of_step") == code else s for s in steps]
    changed["steps"] = steps
    return changed


def set_part(raw: Mapping[str, Any], part: str, values: Mapping[str, Any]) -> Raw:
    """New values of the enrolment rule, the end, or (part "") of the head."""
    changed = _copy(raw)
    if not part:
        return _merged(changed, values)
    old = changed.get(part)
    changed[part] = _merged(old if isinstance(old, dict) else {}, values)
    return changed


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which parts differ, as paths: for the list of changes and for the person who reviews."""
    paths = [key for key in sorted({*before, *after} - {"steps"}) if before.get(key) != after.get(key)]
    old = {str(step.get("code")): step for step in _steps(before)}
    new = {str(step.get("code")): step for step in _steps(after)}
    paths += [f"steps.{code}" for code in [*new, *(c for c in old if c not in new)] if old.get(code) != new.get(code)]
    if not paths and _steps(before) != _steps(after):
        paths.append("steps")
    return paths


def step_of(raw: Mapping[str, Any], code: str) -> Raw | None:
    """The step with this code as it stands in the draft."""
    return next((step for step in _steps(raw) if step.get("code") == code), None)


def _copy(raw: Mapping[str, Any]) -> Raw:
    return deepcopy(dict(raw))


def _steps(raw: Mapping[str, Any]) -> list[Raw]:
    steps = raw.get("steps")
    return [deepcopy(step) for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _position(steps: Sequence[Raw], code: str) -> int:
    for at, step in enumerate(steps):
        if step.get("code") == code:
            return at
    raise DraftError("steps", gettext_noop("there is no step `%(code)s`"), code=code)


def _free_code(steps: Sequence[Raw], wanted: str) -> str:
    taken = {step.get("code") for step in steps}
    stem = wanted.rstrip("0123456789").rstrip("-") or wanted
    return next(code for n in range(1, len(steps) + 2) if (code := f"{stem}-{n}") not in taken)


def _day_after_last(steps: Sequence[Raw]) -> int:
    """A new step begins a week behind the last one that is given in plain days."""
    days = [int(text) for step in steps if (text := str(step.get("schedule", ""))).isdigit() and len(text) < 5]
    return max(days) + 7 if days else 3


def _merged(old: Mapping[str, Any], values: Mapping[str, Any]) -> Raw:
    kept = {key: value for key, value in old.items() if values.get(key) is not DROPPED}
    return kept | {key: value for key, value in values.items() if value is not DROPPED}

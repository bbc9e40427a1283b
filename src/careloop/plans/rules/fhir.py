"""A plan as FHIR R4 PlanDefinition and back, without loss; what the other side says more is listed, never dropped silently.

R4 has no place for intervals like "30, +150, every 150", channel ladders or enrolment rules, so these travel in
extensions under `BASE`; everything that R4 has a place for stands there (https://hl7.org/fhir/R4/plandefinition.html).
The extensions hold the plan's own JSON values, so that a round trip is exact; a foreign PlanDefinition without them is
read as far as it goes: timings in days, weeks, months and years, offsets from another action, questionnaires and titles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from careloop.plans.rules.content import PLAN_KEYS, STEP_KEYS, PlanContentError
from careloop.plans.rules.faults import gettext_noop

BASE = "https://careloop.org/fhir/StructureDefinition/plan-"
TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
ACTIVITY_SYSTEM = "https://careloop.org/fhir/CodeSystem/plan-activity"
NOT_UTF8 = gettext_noop("the file is no text in UTF-8")
_UNITS = {"d": "d", "day": "d", "days": "d", "wk": "w", "week": "w", "weeks": "w", "mo": "m", "month": "m", "months": "m", "a": "y", "year": "y", "years": "y"}  # fmt: skip
# What stands in an element of R4 itself; everything else of a plan or a step goes into an extension of its own name.
_IN_ELEMENTS = {"url", "version", "title", "description", "sources", "steps", "valid_from", "valid_to"}
_STEP_ELEMENTS = {"code", "title", "questionnaire"}


@dataclass(frozen=True, slots=True)
class Imported:
    """A plan read from a file: its raw content, and the paths of everything that was not understood."""

    raw: dict[str, Any]
    unknown: tuple[str, ...]


def to_fhir(raw: Mapping[str, Any], *, status: str) -> dict[str, Any]:
    """The plan as an R4 resource. `raw` must be readable (`parse_plan`); `status` is draft, active or retired."""
    resource: dict[str, Any] = {
        "resourceType": "PlanDefinition",
        "url": raw["url"],
        "version": raw["version"],
        "name": "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", raw["url"].rsplit("/", 1)[-1])),
        "title": raw["title"]["zh"],
        "_title": _translated(raw["title"]["en"]),
        "status": status,
        "description": raw["description"]["zh"],
        "_description": _translated(raw["description"]["en"]),
        "effectivePeriod": {"start": raw["valid_from"]},
        "relatedArtifact": [_source(source) for source in raw["sources"]],
        "action": [_action(step) for step in raw["steps"]],
    }
    if raw.get("valid_to"):
        resource["effectivePeriod"]["end"] = raw["valid_to"]
    resource["extension"] = [_extension(key, raw[key]) for key in raw if key not in _IN_ELEMENTS]
    if "valid_to" in raw and not raw["valid_to"]:
        resource["extension"].append(_extension("valid_to", None))
    return {key: value for key, value in resource.items() if value not in ([], None)}


def read_plan_file(text: str) -> Imported:
    """A plan from an uploaded text: an R4 PlanDefinition, or the plain form of our own plan files.

    Refused with path and reason: no JSON, another resource, a broken extension. Whether the content makes a plan is
    for `review.check` to say; an import may be an unfinished draft.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise PlanContentError(
            "plan", gettext_noop("this is no JSON: line %(line)s, column %(column)s"), line=line, column=column
        ) from None
    if not isinstance(told, dict):
        raise PlanContentError("plan", gettext_noop("must be an object {…}"))
    if "resourceType" not in told:
        return Imported(told, ())
    if told["resourceType"] != "PlanDefinition":
        raise PlanContentError(
            "resourceType",
            gettext_noop("`%(given)s` is not a PlanDefinition"),
            given=str(told["resourceType"])[:60],
        )
    return from_fhir(told)


def from_fhir(resource: Mapping[str, Any]) -> Imported:
    """Read an R4 PlanDefinition. Refused: values of a wrong shape, with their path."""
    reader = _Reader(resource)
    raw = reader.plan()
    return Imported(raw, tuple(reader.left_over()))


class _Reader:
    """Takes what it knows out of the resource and remembers what it touched."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.resource = resource
        self.seen: set[str] = {"resourceType", "status", "name", "id", "meta"}

    def plan(self) -> dict[str, Any]:
        told = self.resource
        raw: dict[str, Any] = {}
        for key in ("url", "version"):
            if key in told:
                raw[key] = self._string(told[key], key)
        for key in ("title", "description"):
            raw[key] = self._words(told, key, "")
        if "title" not in told and raw["title"]["zh"] == "":
            raw.pop("title")
        period = self._map(told.get("effectivePeriod", {}), "effectivePeriod")
        for key, name in (("start", "valid_from"), ("end", "valid_to")):
            if key in period:
                raw[name] = self._string(period[key], f"effectivePeriod.{key}")
        raw["sources"] = [self._artifact(item, n) for n, item in enumerate(self._list(told, "relatedArtifact", ""))]
        raw["steps"] = [self._step(item, n) for n, item in enumerate(self._list(told, "action", ""))]
        raw |= self._extensions(told, "", PLAN_KEYS)
        raw.setdefault("specialty", "general")
        raw.setdefault("group", _slug(str(raw.get("url", "")).rsplit("/", 1)[-1]) or "imported")
        return raw

    def left_over(self) -> Iterator[str]:
        """The paths of all values that nothing above has taken."""
        for path in _leaves(self.resource, ""):
            if not any(path == known or path.startswith((f"{known}.", f"{known}[")) for known in self.seen):
                yield path

    def _step(self, item: object, number: int) -> dict[str, Any]:
        at = f"action[{number}]"
        told = self._map(item, at)
        step: dict[str, Any] = {"code": self._string(told["id"], f"{at}.id") if "id" in told else f"step-{number + 1}"}
        step["title"] = self._words(told, "title", at)
        if "definitionCanonical" in told:
            step["questionnaire"] = self._string(told["definitionCanonical"], f"{at}.definitionCanonical").partition(
                "|"
            )[0]
        step |= self._timing(told, at)
        is_ours = f"{BASE}schedule" in self._extension_urls(told)
        if is_ours:
            self.seen |= {f"{at}.relatedAction", f"{at}.code"}  # said again by the extensions
        step |= self._extensions(told, at, STEP_KEYS)
        if not is_ours:
            step.setdefault("activity", "questionnaire" if step.get("questionnaire") else "reminder")
            step.setdefault("purpose", "tracking" if step.get("questionnaire") else "caring")
        return step

    def _timing(self, told: Mapping[str, Any], at: str) -> dict[str, Any]:
        """`timingDuration`, `timingTiming.repeat` and the offset from another action, as an interval text."""
        if "timingDuration" in told:
            return {"schedule": self._duration(told["timingDuration"], f"{at}.timingDuration")}
        if "timingTiming" in told:
            repeat = self._map(
                self._map(told["timingTiming"], f"{at}.timingTiming").get("repeat", {}), f"{at}.timingTiming.repeat"
            )
            return {"schedule": self._repeat(repeat, f"{at}.timingTiming.repeat")}
        related = told.get("relatedAction")
        if isinstance(related, list) and len(related) == 1 and isinstance(related[0], Mapping):
            where = f"{at}.relatedAction[0]"
            if "offsetDuration" in related[0] and related[0].get("relationship") in (
                "after",
                "after-start",
                "after-end",
            ):
                self.seen |= {f"{where}.relationship"}
                found: dict[str, Any] = {
                    "schedule": self._duration(related[0]["offsetDuration"], f"{where}.offsetDuration")
                }
                other = self._string(related[0].get("actionId", ""), f"{where}.actionId")
                return found if other == "discharge" else found | {"anchor": "previous-completion", "of_step": other}
        return {}

    def _duration(self, value: object, at: str) -> str:
        told = self._map(value, at)
        unit = _UNITS.get(str(told.get("code") or told.get("unit")))
        number = told.get("value")
        if (
            unit is None
            or not isinstance(number, int | float)
            or isinstance(number, bool)
            or number != int(number)
            or number < 0
        ):
            raise PlanContentError(at, gettext_noop("only whole days, weeks, months or years can be planned"))
        self.seen |= {f"{at}.{key}" for key in ("value", "unit", "code", "system")}
        return f"{int(number)}{'' if unit == 'd' else unit}"

    def _repeat(self, told: Mapping[str, Any], at: str) -> str:
        unit, period = _UNITS.get(str(told.get("periodUnit"))), told.get("period")
        if unit is None or type(period) is not int or period < 1:
            raise PlanContentError(at, gettext_noop("only whole days, weeks, months or years can be planned"))
        if told.get("frequency", 1) != 1:
            raise PlanContentError(f"{at}.frequency", gettext_noop("several times in one period cannot be planned"))
        self.seen |= {f"{at}.{key}" for key in ("period", "periodUnit", "frequency", "count")}
        text = f"every {period}{'' if unit == 'd' else unit}"
        return f"{text} x {told['count']}" if type(told.get("count")) is int else text

    def _artifact(self, item: object, number: int) -> dict[str, Any]:
        at = f"relatedArtifact[{number}]"
        told = self._map(item, at)
        found: dict[str, Any] = {"title": self._string(told.get("display", told.get("citation", "")), f"{at}.display")}
        self.seen |= {f"{at}.type"} | ({f"{at}.citation"} if "display" not in told else set())
        for key, name in (("label", "locator"), ("url", "locator")):
            if key in told:
                found.setdefault(name, self._string(told[key], f"{at}.{key}"))
        return found | self._extensions(told, at, frozenset({"verified"}))

    def _words(self, told: Mapping[str, Any], key: str, at: str) -> dict[str, str]:
        """A text and its English; without a translation both are the same."""
        path = f"{at}.{key}" if at else key
        zh = self._string(told.get(key, ""), path)
        english = zh
        beside = told.get(f"_{key}")
        if isinstance(beside, Mapping):
            for n, extension in enumerate(self._list(beside, "extension", f"{path}")):
                if isinstance(extension, Mapping) and extension.get("url") == TRANSLATION:
                    parts = {str(p.get("url")): p for p in extension.get("extension", []) if isinstance(p, Mapping)}
                    if parts.get("lang", {}).get("valueCode") == "en":
                        english = self._string(parts.get("content", {}).get("valueString", zh), f"{path}.translation")
                        self.seen.add(f"{at}._{key}.extension[{n}]" if at else f"_{key}.extension[{n}]")
        return {"zh": zh, "en": english}

    def _extension_urls(self, told: Mapping[str, Any]) -> set[str]:
        found = told.get("extension", [])
        return {str(e.get("url")) for e in found if isinstance(e, Mapping)} if isinstance(found, list) else set()

    def _extensions(self, told: Mapping[str, Any], at: str, known: frozenset[str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for n, item in enumerate(self._list(told, "extension", at)):
            path = f"{at}.extension[{n}]" if at else f"extension[{n}]"
            extension = self._map(item, path)
            url = extension.get("url")
            name = url.removeprefix(BASE).replace("-", "_") if isinstance(url, str) and url.startswith(BASE) else ""
            if name in known and "valueString" in extension:
                try:
                    values[name] = json.loads(self._string(extension["valueString"], f"{path}.valueString"))
                except (ValueError, RecursionError):
                    raise PlanContentError(f"{path}.valueString", gettext_noop("must hold JSON")) from None
                self.seen.add(path)
        return values

    def _string(self, value: object, at: str) -> str:
        if not isinstance(value, str):
            raise PlanContentError(at, gettext_noop("must be a text"))
        self.seen.add(at)
        return value

    def _list(self, told: Mapping[str, Any], key: str, at: str) -> list[object]:
        value = told.get(key, [])
        if not isinstance(value, list):
            raise PlanContentError(f"{at}.{key}" if at else key, gettext_noop("must be a list"))
        return value

    def _map(self, value: object, at: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise PlanContentError(at, gettext_noop("must be an object {…}"))
        return value


def _action(step: Mapping[str, Any]) -> dict[str, Any]:
    action: dict[str, Any] = {
        "id": step["code"],
        "title": step["title"]["zh"],
        "_title": _translated(step["title"]["en"]),
        "code": [{"coding": [{"system": ACTIVITY_SYSTEM, "code": step.get("activity", "questionnaire")}]}],
    }
    if step.get("of_step"):
        action["relatedAction"] = [{"actionId": step["of_step"], "relationship": "after-end"}]
    if step.get("questionnaire"):
        action["definitionCanonical"] = step["questionnaire"]
    carried = {key: step[key] for key in step if key not in _STEP_ELEMENTS}
    if "questionnaire" in step and not step["questionnaire"]:
        carried["questionnaire"] = step["questionnaire"]
    return action | {"extension": [_extension(key, value) for key, value in carried.items()]}


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    artifact: dict[str, Any] = {"type": "documentation", "display": source["title"]}
    if "locator" in source:
        artifact["label"] = source["locator"]
    if "verified" in source:
        artifact["extension"] = [_extension("verified", source["verified"])]
    return artifact


def _translated(english: str) -> dict[str, Any]:
    parts = [{"url": "lang", "valueCode": "en"}, {"url": "content", "valueString": english}]
    return {"extension": [{"url": TRANSLATION, "extension": parts}]}


def _extension(key: str, value: object) -> dict[str, Any]:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return {"url": BASE + key.replace("_", "-"), "valueString": text}


def _leaves(value: object, at: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value:
        for n, inner in enumerate(value):
            yield from _leaves(inner, f"{at}[{n}]")
    else:
        yield at


def _slug(text: str) -> str:
    return "-".join(part for part in re.split(r"[^a-z0-9]+", text.lower()) if part)

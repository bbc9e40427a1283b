"""Plans as FHIR R4 PlanDefinition: round trips are exact, strangers are read as far as it goes, nothing is lost unsaid."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.plans.rules.content import PlanContentError, parse_plan
from careloop.plans.rules.fhir import BASE, from_fhir, read_plan_file, to_fhir
from careloop.plans.rules.review import check
from careloop.plans.tests.factories import PLAN_FILES, raw_plan, raw_step

words = st.text(alphabet="abc 术后随访", min_size=1, max_size=12).filter(str.strip)
texts = st.fixed_dictionaries({"zh": words, "en": words})
schedules = st.sampled_from(["3", "7, 14, 1m", "30, +150, every 150", "every 3m until 24m", "每1周 x 4"])
ladders = st.sampled_from(
    [
        [{"channel": "phone"}],
        [{"channel": "wechat", "wait_hours": 24}, {"channel": "phone"}],
        [
            {"channel": "sms", "wait_hours": 12},
            {"channel": "wechat", "wait_hours": 24},
            {"channel": "phone", "wait_hours": 0},
        ],
    ]
)
steps = st.fixed_dictionaries(
    {"title": texts, "purpose": st.sampled_from(["caring", "tracking"]), "schedule": schedules},
    optional={
        "activity": st.sampled_from(["reminder", "revisit"]), "window": st.tuples(st.integers(0, 9), st.integers(0, 9)).map(list),
        "until": st.sampled_from(["12m", "90"]), "times": st.integers(1, 9), "ladder": ladders, "text": texts,
        "shift": st.sampled_from(["keep", "next-workday"]), "owner": st.sampled_from(["ward-nurse", "same-nurse"]),
        "lapses": st.booleans(), "anchor": st.sampled_from(["discharge", "operation"]),
    },
)  # fmt: skip
rules = st.fixed_dictionaries(
    {},
    optional={
        "diagnoses": st.fixed_dictionaries({"any": st.lists(st.sampled_from(["I21", "I20-I25", "E11.9"]), max_size=2)}),
        "age": st.fixed_dictionaries({"from": st.integers(0, 60)}), "sex": st.sampled_from(["male", "female"]),
        "encounter_classes": st.lists(st.sampled_from(["IMP", "SS"]), max_size=2, unique=True),
    },
)  # fmt: skip


@st.composite
def plans(draw: Any) -> dict[str, Any]:
    told = draw(st.lists(steps, min_size=1, max_size=4))
    for number, step in enumerate(told):
        step["code"] = f"s-{number}"
        if step.get("activity") is None:
            step["questionnaire"] = "https://careloop.org/Questionnaire/x"
    raw = raw_plan("made", *told, title=draw(texts), description=draw(texts), enrolment=draw(rules))
    if draw(st.booleans()):
        raw["valid_to"] = draw(st.sampled_from([None, "2030-01-01"]))
    if draw(st.booleans()):
        raw["targets"] = {"weight": "<70"}
    return raw


@pytest.mark.parametrize("path", PLAN_FILES, ids=lambda path: path.stem)
def test_every_shipped_plan_goes_out_and_comes_back_the_same(path: Any) -> None:
    raw = json.loads(path.read_text())
    back = read_plan_file(json.dumps(to_fhir(raw, status="active"), ensure_ascii=False))
    assert back.raw == raw
    assert back.unknown == ()


@given(plans())
@settings(max_examples=60)
def test_any_plan_goes_out_and_comes_back_the_same(raw: dict[str, Any]) -> None:
    resource = to_fhir(raw, status="draft")
    back = from_fhir(resource)
    assert back.raw == raw
    assert back.unknown == ()
    assert to_fhir(back.raw, status="draft") == resource


def test_what_r4_has_a_place_for_stands_there() -> None:
    raw = raw_plan("heart", raw_step("call", "3"), raw_step("next", "7", anchor="previous-completion", of_step="call"))
    resource = to_fhir(raw | {"valid_to": "2027-12-31"}, status="active")
    assert (resource["resourceType"], resource["status"], resource["version"], resource["name"]) == (
        "PlanDefinition", "active", "1.0", "Heart",
    )  # fmt: skip
    assert resource["effectivePeriod"] == {"start": "2025-01-01", "end": "2027-12-31"}
    assert [action["id"] for action in resource["action"]] == ["call", "next"]
    assert resource["action"][0]["definitionCanonical"] == raw["steps"][0]["questionnaire"]
    assert resource["action"][1]["relatedAction"] == [{"actionId": "call", "relationship": "after-end"}]
    assert resource["relatedArtifact"][0]["display"] == "Example"


def test_our_own_plain_file_is_read_as_it_is() -> None:
    raw = raw_plan()
    assert read_plan_file(json.dumps(raw)).raw == raw


# Somebody else's file --------------------------------------------------------------------------------------------------


def foreign(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "PlanDefinition", "id": "abc", "status": "active", "url": "https://example.org/PlanDefinition/care",
        "version": "3", "title": "Aftercare", "effectivePeriod": {"start": "2026-01-01"},
        "action": [
            {"id": "visit", "title": "Visit", "timingDuration": {"value": 2, "unit": "weeks", "code": "wk"},
             "definitionCanonical": "https://example.org/Questionnaire/q|1.2"},
            {"id": "again", "title": "Again", "timingTiming": {"repeat": {"period": 3, "periodUnit": "mo", "count": 4}}},
            {"title": "Later", "relatedAction": [
                {"actionId": "visit", "relationship": "after-end", "offsetDuration": {"value": 10, "code": "d"}}]},
        ],
    } | more  # fmt: skip


def test_a_strangers_timings_questionnaires_and_titles_are_read() -> None:
    found = from_fhir(foreign())
    first, second, third = found.raw["steps"]
    assert (first["schedule"], first["questionnaire"], first["activity"]) == (
        "2w", "https://example.org/Questionnaire/q", "questionnaire",
    )  # fmt: skip
    assert (second["schedule"], second["activity"]) == ("every 3m x 4", "reminder")
    assert (third["code"], third["schedule"], third["of_step"]) == ("step-3", "10", "visit")
    assert found.raw["title"] == {"zh": "Aftercare", "en": "Aftercare"}
    assert found.unknown == ()


def test_everything_that_has_no_place_is_listed_by_path() -> None:
    told = foreign(copyright="© X", useContext=[{"code": {"code": "focus"}}])
    told["action"][0]["condition"] = [{"kind": "applicability", "expression": {"language": "text/cql"}}]
    told["action"][1]["timingTiming"]["repeat"]["boundsPeriod"] = {"start": "2026-02-01"}
    told["extension"] = [{"url": "https://else.org/x", "valueBoolean": True}]
    assert set(from_fhir(told).unknown) == {
        "copyright", "useContext[0].code.code", "action[0].condition[0].kind",
        "action[0].condition[0].expression.language", "action[1].timingTiming.repeat.boundsPeriod.start",
        "extension[0].url", "extension[0].valueBoolean",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"url": 5}, "url"),
        ({"title": ["x"]}, "title"),
        ({"action": "none"}, "action"),
        ({"action": ["x"]}, "action[0]"),
        ({"action": [{"id": 7}]}, "action[0].id"),
        ({"action": [{"timingDuration": {"value": 1.5, "code": "d"}}]}, "action[0].timingDuration"),
        ({"action": [{"timingDuration": {"value": 3, "code": "h"}}]}, "action[0].timingDuration"),
        ({"action": [{"timingDuration": {"value": -3, "code": "d"}}]}, "action[0].timingDuration"),
        ({"action": [{"timingDuration": {"value": True, "code": "d"}}]}, "action[0].timingDuration"),
        ({"action": [{"timingTiming": {"repeat": {"period": 0, "periodUnit": "d"}}}]}, "action[0].timingTiming.repeat"),
        (
            {"action": [{"timingTiming": {"repeat": {"period": 1, "periodUnit": "d", "frequency": 3}}}]},
            "action[0].timingTiming.repeat.frequency",
        ),
        ({"extension": {}}, "extension"),
        ({"extension": [{"url": BASE + "enrolment", "valueString": "{not json"}]}, "extension[0].valueString"),
        ({"extension": [{"url": BASE + "enrolment", "valueString": 5}]}, "extension[0].valueString"),
        ({"effectivePeriod": "2026"}, "effectivePeriod"),
        ({"relatedArtifact": [3]}, "relatedArtifact[0]"),
    ],
)
def test_hand_edited_resources_are_refused_with_their_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(PlanContentError) as caught:
        from_fhir(foreign(**change))
    assert caught.value.fault.path == path
    assert caught.value.fault.sentence


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "plan"), ("{", "plan"), ("[1, 2]", "plan"), ("5", "plan"), ("null", "plan"), ("[" * 100_000, "plan"),
        ('{"resourceType": "Patient"}', "resourceType"), ('{"resourceType": 5}', "resourceType"),
    ],
)  # fmt: skip
def test_files_that_are_no_plan_are_refused(text: str, path: str) -> None:
    with pytest.raises(PlanContentError) as caught:
        read_plan_file(text)
    assert caught.value.fault.path == path


def test_broken_json_says_the_line() -> None:
    with pytest.raises(PlanContentError) as caught:
        read_plan_file('{\n "url": "x",\n "version" 3}')
    assert caught.value.fault.values["line"] == 3


def test_an_extension_changed_by_hand_is_found_by_the_check() -> None:
    resource = to_fhir(raw_plan(enrolment={"sex": "male"}), status="draft")
    for extension in resource["action"][0]["extension"]:
        if extension["url"] == BASE + "schedule":
            extension["valueString"] = '"every zero days"'
    raw = from_fhir(resource).raw
    assert [fault.path for fault in check(raw)] == ["steps[0].schedule"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "url", "extension", "title", "value"]), inner),
    max_leaves=6,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["action", "extension", "title", "_title", "relatedArtifact", "effectivePeriod"]), json_values
    )
)
def test_no_json_at_all_makes_it_crash(changed: dict[str, Any]) -> None:
    with suppress(PlanContentError):
        check(from_fhir(foreign(**changed)).raw)


def test_a_round_trip_keeps_the_meaning() -> None:
    raw = raw_plan("x", raw_step("a", "30, +150, 每150", until="3y"))
    back = from_fhir(json.loads(json.dumps(to_fhir(raw, status="draft")))).raw
    assert parse_plan(back) == parse_plan(raw)

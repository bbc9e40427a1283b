"""Conditions read aloud, in both languages; and no code of this room without words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import translation

from careloop.cohorts.reads import bulk, topics, wording
from careloop.cohorts.rules import definition as d
from careloop.cohorts.rules.bulk import CLOSE_REASONS, WORKS
from careloop.cohorts.rules.columns import COLUMNS
from careloop.cohorts.rules.exclusion import REASONS
from careloop.cohorts.tests import factories as make
from tests.cast import Cast

CONDITIONS: list[dict[str, Any]] = [
    {"kind": "diagnosis", "codes": ["I21", "I20-I25"], "main_only": True},
    {"kind": "operation", "codes": ["36.06"]},
    {"kind": "stay", "departments": ["nowhere"], "discharged_from": "2026-01-01", "discharged_to": "2026-02-01", "days": 30,
     "classes": ["IMP"]},
    {"kind": "age", "low": 60, "high": 80},
    {"kind": "age", "low": 60},
    {"kind": "age", "high": 18},
    {"kind": "sex", "sexes": ["female", "unknown"]},
    {"kind": "risk", "levels": ["high"]},
    {"kind": "result", "concept": "ldl-c", "comparison": ">=", "value": "1.8", "days": 1},
    {"kind": "result", "concept": "own-code", "comparison": "<", "value": "3", "latest": "0"},
    {"kind": "answer", "questionnaire": make.FORM, "link_id": "pain", "code": "severe"},
    {"kind": "answer", "questionnaire": "https://example.org/gone", "link_id": "x", "number": "3", "comparison": ">"},
    {"kind": "tag", "tags": ["study", "letter"]},
    {"kind": "plan", "states": ["active", "revoked"]},
    {"kind": "plan", "states": ["active"], "url": make.PLAN},
    {"kind": "plan", "states": ["completed"], "url": "https://example.org/PlanDefinition/gone"},
]  # fmt: skip


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c["kind"])
@pytest.mark.parametrize("mode", d.MODES)
def test_every_condition_is_a_sentence(cast: Cast, condition: dict[str, Any], mode: str, language: str):
    make.form()
    make.plan_definition()
    with translation.override(language):
        (said,) = wording.sentences(d.parse(make.everyone_here(condition, mode=mode)))
    assert said.strip()
    assert "%(" not in said
    assert bool(re.search("[\u4e00-\u9fff]", said)) == (language == "zh-hans") or condition.get("url") == make.PLAN


def test_a_sentence_says_the_values_and_the_names(cast: Cast):
    stay = {"kind": "stay", "departments": [str(cast.cardiology.pk)], "days": "30"}
    pain = {"kind": "answer", "questionnaire": make.FORM, "link_id": "pain", "code": "severe"}
    make.form()
    raw = {
        "groups": [
            {"mode": "all", "conditions": [{"kind": "diagnosis", "codes": ["I21"]}, stay]},
            {"mode": "any", "conditions": [{"kind": "age", "low": 60}, pain]},
            {"mode": "none", "conditions": [{"kind": "tag", "tags": ["study"]}]},
        ]
    }
    with translation.override("en"):
        told = wording.sentences(d.parse(raw))
        whole = wording.summary(d.parse(raw))
    assert told[0] == "diagnosis I21 and discharged from Cardiology in the last 30 days"
    assert told[1] == "at least one of: aged 60 or older or last answer to “Pain” = Severe"
    assert told[2] == "none of: tag study"
    assert all(sentence in whole for sentence in told)


def test_nothing_asked_is_said_too(cast: Cast):
    with translation.override("en"):
        assert wording.summary(d.parse({"groups": []})) == "Every patient"


def test_no_code_is_without_words():
    assert set(wording.KIND_WORDS) == set(d.KINDS)
    assert set(REASONS) | set(bulk.REASONS) <= set(wording.EXCLUSION_WORDS)
    assert set(wording.STATE_WORDS) == set(topics.STATES)
    assert set(wording.CLOSE_WORDS) == set(CLOSE_REASONS)
    assert set(wording.VERB_WORDS) == set(WORKS)
    assert set(wording.COLUMN_WORDS) == {column.code for column in COLUMNS}
    assert set(wording.SIGNS) == set(d.COMPARISONS)


@pytest.mark.parametrize("code", ["missing", "unknown", "empty", "reversed", "unreadable", "too-many", "one-only", "code-equals-only"])  # fmt: skip
def test_every_fault_says_how_to_mend_it(code: str):
    assert wording.fault_words(code) != code


def test_a_code_that_is_unknown_is_shown_as_it_is():
    assert wording.exclusion_words("excluded-something") == "excluded-something"
    assert wording.exclusion_words("excluded-died") == wording.exclusion_words("died") != "died"
    assert wording.fault_words("new") == "new"


def test_a_block_inside_stands_in_brackets_and_one_deeper_is_refused():
    from careloop.cohorts.reads import wording
    from careloop.cohorts.rules import definition as d

    age, sex = {"kind": "age", "low": "60"}, {"kind": "sex", "sexes": ["male"]}
    inner = {"mode": "any", "conditions": [age, sex, {"mode": "none", "conditions": [sex]}]}
    definition = d.parse({"groups": [{"mode": "all", "conditions": [sex, inner, {"mode": "any", "conditions": []}]}]})
    with translation.override("en"):
        [said] = wording.sentences(definition)
    assert said == "sex Male and (at least one of: aged 60 or older or sex Male or (none of: sex Male))"
    deep = {"mode": "all", "conditions": [{"mode": "all", "conditions": [{"mode": "all", "conditions": [inner]}]}]}
    with pytest.raises(d.BadDefinition) as bad:
        d.parse({"groups": [deep]})
    assert [(fault.place, fault.code) for fault in bad.value.faults] == [
        ("groups.0.conditions.0.conditions.0.conditions.0", "too-deep")
    ]
    with translation.override("en"):
        assert wording.fault_words("too-deep") != "too-deep"


def test_too_many_conditions_are_counted_through_all_blocks():
    from careloop.cohorts.rules import definition as d

    sex = {"kind": "sex", "sexes": ["male"]}
    block = {"mode": "any", "conditions": [sex] * 16}
    with pytest.raises(d.BadDefinition) as bad:
        d.parse({"groups": [{"mode": "all", "conditions": [block, block]}]})
    assert ("groups", "too-many") in [(fault.place, fault.code) for fault in bad.value.faults]

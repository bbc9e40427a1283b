"""Every shipped form parses, keeps its promises, and judges its published vectors as they say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from careloop.questionnaires import rules
from careloop.questionnaires.rules.conditions import items_of, scores_of

CONTENT = Path(__file__).parents[1] / "content"
FORMS = sorted(CONTENT.glob("*.json"))
AT = datetime(2026, 11, 20, tzinfo=UTC)


def load(path):
    return rules.parse(json.loads(path.read_text()))


def vectors():
    for path in FORMS:
        for number, vector in enumerate(json.loads((CONTENT / "vectors" / path.name).read_text())["vectors"]):
            yield pytest.param(path, vector, id=f"{path.stem}-{number}")


def test_the_forms_asked_for_are_there():
    assert {path.stem for path in FORMS} >= {
        "general-discharge",
        "pci-follow-up",
        "heart-failure",
        "stroke",
        "joint-replacement",
        "oncology-post-op",
        "hypertension-national",
        "inpatient-satisfaction",
        "outpatient-satisfaction",
        "diabetes-national",
        "severe-mental-disorder-national",
        "tuberculosis-first-visit-national",
        "tuberculosis-follow-up-national",
        "tuberculosis-closing-national",
        "elderly-self-care-national",
        "referral-check-national",
        "phq-9",
        "gad-7",
        "barthel",
        "nrs-pain",
        "mmrc",
        "karnofsky",
        "clinical-manifestations",
    }


@pytest.mark.parametrize(("path", "vector"), list(vectors()))
def test_vector(path, vector):
    form = load(path)
    given = {
        "previous": vector.get("previous"),
        "previous_at": AT - timedelta(days=vector.get("previous_days_ago", 1)),
        "at": AT,
    }
    assert [f.rule_code for f in rules.judge(form, vector["answers"], **given)] == vector["findings"]
    for code, value in vector.get("scores", {}).items():
        found = next(s.value for s in rules.score(form, vector["answers"]) if s.code == code)
        assert (None if found is None else float(found)) == value
    if "classification" in vector:
        found = rules.classify(form, vector["answers"], **given)
        assert (found.code if found else None) == vector["classification"]
        for name in {"next_days", "referral", "urgent"} & set(vector):
            assert getattr(found, name) == vector[name]
        if found is None:
            assert rules.missing_for_class(form, vector["answers"], **given) == tuple(vector["missing"])
    assert rules.faults(form, vector["answers"], complete=False) == ()


def test_the_general_condition_has_more_than_ten_steps_ready():
    """J06: from normal over active with slight symptoms to in need of admission; nobody is asked whether they are dead."""
    general = load(CONTENT / "karnofsky.json").item("general")
    assert [option.code for option in general.options] == [*map(str, range(100, 0, -10)), "unclear"]
    assert [option.weight for option in general.options] == [*range(100, 0, -10), None]


def test_both_surveys_ask_what_satisfaction_is_made_of():
    """By single choices, the whole and each part; what somebody did not use, or who met no nurse, can be said."""
    parts = {"doctors", "nurses", "service", "price", "environment", "food", "traffic", "parking"}
    asked = {}
    for setting in ("inpatient", "outpatient"):
        form = load(CONTENT / f"{setting}-satisfaction.json")
        asked[setting] = {item.link_id: item for item in form.walk() if item.options}
        assert asked[setting].keys() >= parts | {"overall"}
        assert not any(item.repeats for item in asked[setting].values())
        assert all(f"{setting}-satisfaction" in text for text in (form.url, form.name))
    assert asked["outpatient"].keys() - asked["inpatient"].keys() == {"waiting"}
    unused = {one: {i for i, item in items.items() if item.options[-1].code == "na"} for one, items in asked.items()}
    assert unused["outpatient"] - unused["inpatient"] == {"nurses"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_form_keeps_the_rules_of_the_house(path):
    content = json.loads(path.read_text())
    form = rules.parse(content)
    names = {item.link_id for item in form.walk()}
    assert content["source"]
    assert isinstance(content["verified"], bool)
    assert form.unsupported == ()
    assert rules.proofread(form, shipped=True) == ()
    for item in form.questions:
        assert item.staff.zh, item.link_id
        assert item.staff.en, item.link_id
        assert len(item.patient.zh) <= 30, item.link_id
        assert all(option.staff.en for option in item.options)
        assert item.initial is None, "nothing is chosen in advance"
    for item in form.walk():
        assert bool(item.script.zh) == bool(item.script.en), item.link_id
    for rule in form.rules:
        assert rule["severity"] in {"critical", "high", "watch"}
        assert rule["sentence"]["zh"]
        assert rule["sentence"]["en"]
        assert rule["source"]
        assert items_of(rule["when"]) <= names
        assert scores_of(rule["when"]) <= {s["code"] for s in form.scores}
        if rule["severity"] == "critical":
            assert rule["safety"]["zh"]["signs"]
            assert rule["safety"]["en"]["signs"]
    for total in form.scores:
        assert not rules.overlapping_bands(total)


def test_every_rule_of_every_form_is_shown_by_a_vector_or_is_close_to_one():
    """Each form has vectors in which something fires and vectors in which nothing does."""
    for path in FORMS:
        told = [set(v["findings"]) for v in json.loads((CONTENT / "vectors" / path.name).read_text())["vectors"]]
        assert len(told) >= 6, path.stem
        assert set() in told, path.stem
        assert any(told), path.stem


def test_pci_form_is_nine_screens_when_there_is_pain_and_seven_when_not():
    form = load(CONTENT / "pci-follow-up.json")
    asked = {i.link_id for i in rules.enabled_items(form, {"chest-pain": "yes"})}
    assert sum(any(i.link_id in asked for i in screen) for screen in form.screens) == 9
    asked = {i.link_id for i in rules.enabled_items(form, {"chest-pain": "no"})}
    assert sum(any(i.link_id in asked for i in screen) for screen in form.screens) == 7


def test_both_mood_scales_say_the_two_weeks_on_the_patients_page():
    for name in ("phq-9", "gad-7"):
        for item in load(CONTENT / f"{name}.json").questions:
            if item.link_id.startswith("q"):
                assert item.patient.zh.startswith("过去两周")
                assert item.patient.en.startswith("In the last two weeks")


def unverified(value):
    """Everything in a content file that says of itself that it is not verified."""
    if isinstance(value, dict):
        yield from [value] if value.get("verified") is False else []
        value = list(value.values())
    for one in value if isinstance(value, list) else []:
        yield from unverified(one)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_what_is_not_verified_says_why_in_both_languages(path):
    content = json.loads(path.read_text())
    for one in unverified(content):
        told = one.get("why") or {}
        assert told.get("zh"), one.get("code")
        assert told.get("en"), one.get("code")
    if content["verified"]:
        assert "why" not in content

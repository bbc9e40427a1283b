"""The plans we ship: readable, cited, and with the dates their words promise."""

import json
from datetime import date
from pathlib import Path

import pytest

from careloop.plans.rules.content import Category, parse_plan
from careloop.plans.rules.intervals import Offset
from careloop.plans.rules.schedule import Anchors, Progress, last_day, plan_occurrences
from careloop.plans.tests.factories import DISCHARGED, PLAN_FILES, calendar, shipped

ANCHORS = Anchors(discharge=DISCHARGED, enrolment=DISCHARGED, operation=date(2026, 11, 12))
FORMS = {
    "general-discharge",
    "pci-follow-up",
    "heart-failure",
    "stroke",
    "joint-replacement",
    "oncology-post-op",
    "hypertension-national",
    "diabetes-national",
    "phq-9",
    "gad-7",
    "inpatient-satisfaction",
    "outpatient-satisfaction",
    "barthel",
    "nrs-pain",
}


def due_dates(name: str, step: str, until: date = date(2028, 12, 31)) -> list[str]:
    plan = shipped(name)
    progress = Progress(last_day=last_day(plan, ANCHORS), not_before=ANCHORS.enrolment)
    found = plan_occurrences(plan, ANCHORS, progress, calendar(), until=until)
    return [o.planned.isoformat() for o in found if o.step == step]


@pytest.mark.parametrize("path", PLAN_FILES, ids=lambda path: path.stem)
def test_every_file_is_readable_and_plans_something(path: Path) -> None:
    raw = json.loads(path.read_text())
    plan = parse_plan(raw)
    assert plan.url == f"https://careloop.org/PlanDefinition/{path.stem}"
    assert isinstance(raw["in_force"], bool)
    assert plan_occurrences(plan, ANCHORS, Progress(), calendar(), until=date(2037, 1, 1))
    assert last_day(plan, ANCHORS) is not None, "a plan must end some day"
    assert {step.questionnaire.rsplit("/", 1)[1] for step in plan.steps if step.questionnaire} <= FORMS


def test_there_are_enough_and_both_cycle_tables() -> None:
    names = {path.stem for path in PLAN_FILES}
    assert len(names) >= 10
    assert {"hypertension-national", "hypertension-monthly", "diabetes-national", "diabetes-monthly"} <= names


def test_of_each_group_one_plan_for_a_diagnosis_is_in_force() -> None:
    raws = [json.loads(path.read_text()) for path in PLAN_FILES]
    in_force = [parse_plan(raw) for raw in raws if raw["in_force"]]
    rules = [(plan.group, plan.enrolment) for plan in in_force]
    assert len(rules) == len({repr(rule) for rule in rules})
    assert sum(plan.category is Category.ROUTINE for plan in in_force) == 1


def test_pci_has_the_dates_of_the_protocol() -> None:
    plan = shipped("pci-12-months")
    assert [due_dates("pci-12-months", step.code)[0] for step in plan.steps] == [
        "2026-11-16",
        "2026-11-20",
        "2026-12-13",
        "2027-02-13",
        "2027-05-13",
        "2027-11-13",
    ]


def test_heart_failure_is_called_four_weeks_in_a_row() -> None:
    assert due_dates("heart-failure", "weekly") == ["2026-11-20", "2026-11-27", "2026-12-04", "2026-12-11"]


def test_the_non_linear_plan_is_30_150_and_every_150() -> None:
    plan = shipped("long-term-outcome")
    gaps = [plan.steps[0].schedule.gap(n, anchor=DISCHARGED) for n in range(4)]
    assert gaps == [Offset(days=30), Offset(days=150), Offset(days=150), Offset(days=150)]


def test_oncology_is_quarterly_then_half_yearly_then_yearly() -> None:
    dates = due_dates("oncology-five-years", "series", until=date(2036, 12, 31))
    assert len(dates) == 8 + 6 + 5
    assert (dates[7], dates[8], dates[13], dates[14]) == ("2028-11-13", "2029-05-13", "2031-11-13", "2032-11-13")


def test_the_cycle_tables_differ_as_their_sources_do() -> None:
    year = date(2027, 11, 13)
    assert len(due_dates("hypertension-monthly", "monthly", until=year)) >= 11
    assert len(due_dates("diabetes-monthly", "monthly", until=year)) >= 11
    assert len(due_dates("hypertension-national", "quarterly", until=date(2027, 12, 1))) == 4
    assert due_dates("chd-half-yearly", "half-yearly", until=year)[0] == "2027-05-13"
    assert due_dates("stroke-quarterly", "quarterly", until=date(2027, 3, 1)) == ["2027-02-13"]


def test_the_first_contact_of_every_covering_plan_lies_within_two_weeks() -> None:
    for path in PLAN_FILES:
        plan = parse_plan(json.loads(path.read_text()))
        if plan.covers_first_contact or plan.category is Category.ROUTINE:
            first = plan_occurrences(plan, ANCHORS, Progress(), calendar(), until=date(2027, 1, 1))[0]
            assert (first.closes - DISCHARGED).days <= 14, plan.url


def test_unverified_sources_are_marked() -> None:
    assert not shipped("pci-12-months").is_verified
    assert shipped("hypertension-national").is_verified

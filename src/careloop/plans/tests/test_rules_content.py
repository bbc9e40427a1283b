from datetime import date
from typing import Any

import pytest

from careloop.plans.rules.content import (
    Activity,
    Anchor,
    Channel,
    EndCause,
    PlanContentError,
    Purpose,
    content_hash,
    parse_plan,
)
from careloop.plans.tests.factories import FORM, a_plan, raw_plan, raw_step


def test_a_full_step_is_read() -> None:
    plan = a_plan(
        "full",
        raw_step(
            "series",
            "30, +150, every 150",
            anchor="previous-completion",
            first_from="operation",
            window=[3, 5],
            until="5y",
            times=7,
            shift="next-workday",
            ladder=[
                {"channel": "wechat", "wait_hours": 24},
                {"channel": "sms", "wait_hours": 12},
                {"channel": "phone"},
            ],
            owner="same-nurse",
            lapses=True,
        ),
        ends={"after": "5y", "after_completed": 7, "causes": ["transfer"]},
        valid_to="2027-12-31",
        targets={"blood-pressure": "<140/90"},
    )
    (step,) = plan.steps
    assert (step.anchor, step.first_from) == (Anchor.PREVIOUS_COMPLETION, Anchor.OPERATION)
    assert (step.opens_before, step.closes_after, step.times, step.lapses) == (3, 5, 7, True)
    assert [rung.channel for rung in step.ladder] == [Channel.WECHAT, Channel.SMS, Channel.PHONE]
    assert (step.activity, step.purpose, step.questionnaire) == (Activity.QUESTIONNAIRE, Purpose.TRACKING, FORM)
    assert plan.ends.causes == {EndCause.DEATH, EndCause.REFUSAL, EndCause.TRANSFER}
    assert plan.valid_to == date(2027, 12, 31)
    assert step.repeats
    assert plan.step("series") is step
    assert plan.step("other") is None


def test_every_plan_ends_with_death_and_refusal() -> None:
    assert a_plan().ends.causes >= {EndCause.DEATH, EndCause.REFUSAL}


def _with(path: str, value: Any) -> dict[str, Any]:
    raw = raw_plan("wrong", raw_step("one"), raw_step("two", "5"))
    *parents, last = path.split(".")
    place: Any = raw
    for name in parents:
        place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
    place[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("steps", [], "at least one step"),
        ("steps", "3", "plan.steps: must be a list"),
        ("steps.1.code", "one", r"steps\[1\].code: `one` is used twice"),
        ("steps.0.code", "Day 3", r"steps\[0\].code"),
        ("steps.0.schedule", "soon", r"steps\[0\].schedule: `soon` is not an interval"),
        ("steps.0.schedule", 3, "must be a text"),
        ("steps.0.window", [1], "days before, days after"),
        ("steps.0.window", [1, -1], "days before, days after"),
        ("steps.0.window", [True, 1], "days before, days after"),
        ("steps.0.purpose", "fun", "caring, tracking"),
        ("steps.0.questionnaire", None, "must name its questionnaire"),
        ("steps.0.activity", "education", "must name its material"),
        ("steps.0.title", {"zh": "只有中文"}, "both languages"),
        ("steps.0.until", "every 3", "one distance"),
        ("steps.0.times", 0, "whole number from 1"),
        ("steps.0.anchor", "birth", "discharge"),
        ("steps.0.of_step", "two", "needs the anchor previous-completion"),
        ("steps.0.first_from", "previous-completion", "cannot count from a completion"),
        ("steps.0.ladder", [], "list of"),
        ("steps.0.ladder", [{"channel": "pigeon"}], "wechat, sms, phone"),
        ("steps.0.ladder", [{"channel": "sms"}], "needs time to be answered"),
        ("steps.0.ladder", [{"channel": "phone"}, {"channel": "sms", "wait_hours": 1}], "nothing can follow a call"),
        ("steps.0.ladder", [{"channel": "sms", "wait_hours": 1}, {"channel": "sms", "wait_hours": 1}], "twice"),
        ("steps.0.colour", "red", "unknown: colour"),
        ("enrolment.diagnoses", {"any": ["I25-I20"]}, "ends before it starts"),
        ("enrolment.diagnoses", {"any": [""]}, "list of texts"),
        ("enrolment.diagnoses", {"some": ["I20"]}, "unknown: some"),
        ("enrolment.age", {"from": 70, "to": 60}, "above"),
        ("enrolment.sex", "f", "male, female"),
        ("enrolment.either_code", True, "needs wanted diagnoses and wanted procedures"),
        ("ends.causes", ["rain"], "death"),
        ("ends.on", "tomorrow", "not a date"),
        ("sources", [], "where it comes from"),
        ("sources", [{"title": ""}], r"sources\[0\].title"),
        ("covers_first_contact", "yes", "true or false"),
        ("url", "pci", "plan.url"),
        ("version", "one", "plan.version"),
        ("valid_from", None, "valid_from"),
        ("category", "special", "routine, specialty, single-disease"),
        ("hobby", 1, "unknown: hobby"),
    ],
)
def test_a_wrong_plan_says_where_and_why(path: str, value: Any, says: str) -> None:
    with pytest.raises(PlanContentError, match=says):
        parse_plan(_with(path, value))


def test_steps_that_wait_for_each_other_are_refused() -> None:
    steps = [
        raw_step("a", "3", anchor="previous-completion", of_step="b"),
        raw_step("b", "3", anchor="previous-completion", of_step="a"),
    ]
    with pytest.raises(PlanContentError, match="wait for each other"):
        a_plan("loop", *steps)


def test_a_step_that_waits_for_an_unknown_one_is_refused() -> None:
    with pytest.raises(PlanContentError, match="no step `nothing`"):
        a_plan("lost", raw_step("a", "3", anchor="previous-completion", of_step="nothing"))


def test_the_hash_sees_content_and_not_order() -> None:
    raw = raw_plan()
    assert content_hash(raw) == content_hash(dict(reversed(raw.items())))
    assert content_hash(raw) != content_hash(raw | {"version": "1.1"})

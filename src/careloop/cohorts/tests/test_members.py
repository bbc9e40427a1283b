"""The compiled statement finds exactly whom a plain loop over everybody finds, on random worlds and definitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from careloop.accounts.models import Organization
from careloop.cohorts.reads import members
from careloop.cohorts.rules import definition as d
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.patients.models import AccessGrant, Patient
from tests.cast import NOW, SYSTEM, Cast

CODES = ("I21.0", "I21.1", "I25.1", "I50", "E11.9", "S72.0")
OPERATIONS = ("36.06", "36.07", "81.51")
TAGS = ("study", "vip", "letter")


@dataclass
class Told:
    """What the world was told about one patient."""

    row: Patient
    diagnoses: list[tuple[str, int]] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    stays: list[tuple[str, str, int]] = field(default_factory=list)
    results: list[tuple[str, str | None, int]] = field(default_factory=list)
    answers: list[tuple[str, str, str | None, int]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)


def world(dice: Random, places: list[Organization], n: int) -> list[Told]:
    definition = make.plan_definition()
    found = []
    for __ in range(n):
        born = date(1930, 1, 1) + timedelta(days=dice.randrange(32_000)) if dice.random() < 0.9 else None
        row = make.person(
            dice.sample(places, dice.randint(1, 2)), sex=dice.choice(d.SEXES), birth_date=born, risk=dice.choice(d.RISKS),
            sensitivity=dice.choices(("normal", "restricted"), (6, 1))[0],
        )  # fmt: skip
        told = Told(row)
        for code in dice.sample(CODES, dice.randint(0, 3)):
            rank, active = dice.choice((1, 1, 2)), dice.random() < 0.9
            make.diagnosis(row, code, rank=rank, active=active)
            told.diagnoses += [(code, rank)] if active else []
        for code in dice.sample(OPERATIONS, dice.choice((0, 0, 1, 2))):
            make.operation(row, code)
            told.operations.append(code)
        for __ in range(dice.randint(0, 2)):
            place, ago, kind = dice.choice(places), dice.randrange(400), dice.choice(("IMP", "AMB"))
            encounter = make.stay(row, place, days_ago=ago, class_code=kind)
            told.stays.append((str(place.pk), kind, ago))
            if dice.random() < 0.4 and not told.plans:
                state = dice.choice(d.PLAN_STATES)
                make.care_plan(row, encounter, status=state, definition=definition)
                told.plans.append(state)
        for concept in dice.sample(("systolic", "ldl-c"), dice.randint(0, 2)):
            for ago in dice.sample(range(200), dice.randint(1, 3)):
                value = None if dice.random() < 0.1 else str(dice.randrange(1, 10))
                wrong = dice.random() < 0.15
                make.result(row, concept, value, days_ago=ago, status="entered-in-error" if wrong else "final")
                told.results += [] if wrong else [(concept, value, ago)]
        for ago in dice.sample(range(200), dice.choice((0, 1, 2))):
            code = dice.choice(("none", "severe", ""))
            number = str(dice.randrange(1, 10)) if not code else None
            make.answer(row, "pain", code=code, number=number, days_ago=ago)
            told.answers.append(("pain", code, number, ago))
        for word in dice.sample(TAGS, dice.choice((0, 0, 1, 2))):
            make.tag(row, word)
            told.tags.append(word)
        found.append(told)
    return found


COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}  # fmt: skip


def fits(told: Told, condition: d.Condition) -> bool:  # noqa: C901  (as plain as it can be: one branch a kind)
    if isinstance(condition, d.Diagnosis):
        return any(
            any(r.holds(code) for r in condition.codes) and (rank == 1 or not condition.main_only)
            for code, rank in told.diagnoses
        )
    if isinstance(condition, d.Operation):
        return any(r.holds(code) for r in condition.codes for code in told.operations)
    if isinstance(condition, d.Stay):
        return any(stay_fits(one, condition) for one in told.stays)
    if isinstance(condition, d.Age):
        born, today = told.row.birth_date, timezone.localtime(NOW).date()
        if born is None:
            return False
        years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        return (condition.low or 0) <= years <= (condition.high if condition.high is not None else 999)
    if isinstance(condition, d.Sex):
        return told.row.sex in condition.sexes
    if isinstance(condition, d.Risk):
        return told.row.risk in condition.levels
    if isinstance(condition, d.Result):
        rows = sorted((ago, value) for concept, value, ago in told.results if concept == condition.concept)
        rows = rows[:1] if condition.latest else rows
        return any(
            value is not None and COMPARE[condition.comparison](Decimal(value), condition.value)
            and (condition.days is None or ago <= condition.days)
            for ago, value in rows
        )  # fmt: skip
    if isinstance(condition, d.Answer):
        rows = sorted((ago, code, number) for link, code, number, ago in told.answers if link == condition.link_id)[:1]
        return any(
            (code == condition.code if condition.code else number is not None and condition.number is not None and COMPARE[condition.comparison](Decimal(number), condition.number))
            and (condition.days is None or ago <= condition.days)
            for ago, code, number in rows
        )  # fmt: skip
    if isinstance(condition, d.Tag):
        return bool(set(told.tags) & set(condition.tags))
    return bool(set(told.plans) & set(condition.states))


def stay_fits(told: tuple[str, str, int], wanted: d.Stay) -> bool:
    place, kind, ago = told
    day = timezone.localtime(make.at(ago)).date()
    return (
        (not wanted.departments or place in wanted.departments)
        and (not wanted.classes or kind in wanted.classes)
        and (wanted.discharged_from is None or day >= wanted.discharged_from)
        and (wanted.discharged_to is None or day <= wanted.discharged_to)
        and (wanted.days is None or ago <= wanted.days)
    )


HOW: dict[str, Callable[[list[bool]], bool]] = {"all": all, "any": any, "none": lambda found: not any(found)}


def holds(told: Told, definition: d.Definition) -> bool:
    return all(group_holds(told, group) for group in definition.groups if d.leaves(group))


def group_holds(told: Told, group: d.Group) -> bool:
    """An empty group inside says nothing, whatever its mode is."""
    return HOW[group.mode](
        [
            group_holds(told, part) if isinstance(part, d.Group) else fits(told, part)
            for part in group.conditions
            if d.leaves(part)
        ]
    )


def a_condition(dice: Random, places: list[Organization]) -> dict[str, Any]:
    days = dice.choice(("", "", "60", "120"))
    return dice.choice(
        [
            {"kind": "diagnosis", "codes": dice.choice((["I21"], ["I20-I25"], ["I21.0", "E11"])), "main_only": dice.random() < 0.3},
            {"kind": "operation", "codes": dice.choice((["36"], ["36.06"], ["81.5"]))},
            {"kind": "stay", "departments": [str(dice.choice(places).pk)], "days": days},
            {"kind": "stay", "discharged_from": "2026-03-01", "discharged_to": dice.choice(("", "2026-09-30"))},
            {"kind": "stay", "classes": ["AMB"], "days": dice.choice(("", "200"))},
            {"kind": "age", "low": dice.choice(("", "40", "60")), "high": dice.choice(("70", "80"))},
            {"kind": "sex", "sexes": dice.sample(d.SEXES, 2)},
            {"kind": "risk", "levels": dice.sample(d.RISKS, 2)},
            {"kind": "result", "concept": dice.choice(("ldl-c", "systolic")), "comparison": dice.choice(d.COMPARISONS),
             "value": str(dice.randrange(1, 10)), "latest": dice.choice(("0", "1")), "days": days},
            {"kind": "answer", "questionnaire": make.FORM, "link_id": "pain", "code": dice.choice(("none", "severe")), "days": days},
            {"kind": "answer", "questionnaire": make.FORM, "link_id": "pain", "number": str(dice.randrange(1, 10)),
             "comparison": dice.choice(d.COMPARISONS)},
            {"kind": "tag", "tags": dice.sample(TAGS, 2)},
            {"kind": "plan", "states": dice.sample(d.PLAN_STATES, 2), "url": dice.choice(("", make.PLAN))},
        ]
    )  # fmt: skip


def a_definition(dice: Random, places: list[Organization]) -> d.Definition:
    return d.parse({"groups": [a_group(dice, places, 1) for __ in range(dice.randint(1, 3))]})


def a_group(dice: Random, places: list[Organization], depth: int) -> dict[str, Any]:
    """Up to three levels of groups; every fifth condition is a group of its own, sometimes an empty one."""
    conditions = [
        a_group(dice, places, depth + 1) if depth < d.DEEPEST and dice.random() < 0.2 else a_condition(dice, places)
        for __ in range(dice.randint(0, 4 if depth == 1 else 2))
    ]
    return {"mode": dice.choice(d.MODES), "conditions": conditions}


@pytest.mark.parametrize("seed", range(10))
def test_the_statement_finds_whom_a_loop_finds(cast: Cast, seed: int):
    dice = Random(seed)
    places = [cast.cardiology, cast.orthopaedics, cast.centre]
    with seeding():
        Patient.objects.unscoped("test").update(active=False)  # the cast's own patients are not in this world
    people = world(dice, places, 40)
    for __ in range(40):
        definition = a_definition(dice, places)
        wanted = {told.row.pk for told in people if holds(told, definition)}
        found = members.members(definition, viewer=SYSTEM, at=NOW)
        assert set(members.first(found, 1000)) == wanted, definition
        assert members.count(found) == len(wanted)


@pytest.mark.parametrize("who", ["wang", "li", "sun", "zhao", "qian"])
def test_what_a_viewer_finds_is_what_the_viewer_may_see(cast: Cast, who: str):
    dice = Random(who)
    places = [cast.cardiology, cast.orthopaedics, cast.centre]
    people = world(dice, places, 40)
    with seeding():
        AccessGrant.objects.create(
            patient=people[0].row, practitioner=getattr(cast, who), kind="temporary", reason="test",
            valid_from=timezone.now() - timedelta(hours=1), valid_to=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
        AccessGrant.objects.create(
            patient=people[1].row, practitioner=getattr(cast, who), kind="temporary", reason="over",
            valid_from=timezone.now() - timedelta(hours=2), valid_to=timezone.now() - timedelta(hours=1),
        )  # fmt: skip
    viewer = cast.viewer(getattr(cast, who))
    allowed = set(Patient.objects.visible_to(viewer).filter(active=True).values_list("pk", flat=True))
    everyone = d.parse({"groups": []})
    assert set(members.first(members.members(everyone, viewer=viewer, at=NOW), 1000)) == allowed
    for __ in range(12):
        definition = a_definition(dice, places)
        wanted = {told.row.pk for told in people if holds(told, definition)} & allowed
        found = set(members.first(members.members(definition, viewer=viewer, at=NOW), 1000))
        assert {pk for pk in found if pk in {told.row.pk for told in people}} == wanted


def test_own_only_sees_own_only(cast: Cast):
    from dataclasses import replace

    viewer = replace(cast.as_zhao, own_only=True)
    make.person(cast.cardiology)
    found = members.members(d.parse({"groups": []}), viewer=viewer, at=NOW)
    assert members.first(found, 10) == [cast.zhang.pk]


def test_a_stranger_finds_nobody(cast: Cast):
    from careloop.kernel.viewer import NOBODY, Viewer

    everyone = d.parse({"groups": []})
    assert members.count(members.members(everyone, viewer=NOBODY, at=NOW)) == 0
    one = Viewer.patient(cast.zhang.pk)
    assert members.first(members.members(everyone, viewer=one, at=NOW), 10) == [cast.zhang.pk]


def test_a_department_that_is_none_finds_nobody_instead_of_crashing(cast: Cast):
    definition = d.parse(make.everyone_here({"kind": "stay", "departments": ["no uuid"]}))
    assert members.count(members.members(definition, viewer=SYSTEM, at=NOW)) == 0


def test_merged_patients_are_not_counted(cast: Cast):
    gone = make.person(cast.cardiology)
    before = members.count(members.members(d.parse({"groups": []}), viewer=cast.as_wang, at=NOW))
    with seeding():
        Patient.objects.unscoped("test").filter(pk=gone.pk).update(active=False, merged_into=cast.zhang)
    assert members.count(members.members(d.parse({"groups": []}), viewer=cast.as_wang, at=NOW)) == before - 1


def test_a_question_that_takes_too_long_is_refused_and_the_connection_lives_on(cast: Cast):
    slow = members.members(d.parse({"groups": []}), viewer=SYSTEM, at=NOW).extra(where=["pg_sleep(0.2) IS NOT NULL"])
    with mock.patch.object(members, "PATIENCE", timedelta(milliseconds=50)), pytest.raises(members.TooLong):
        members.count(slow)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_one_definition_is_one_statement(cast: Cast, django_assert_num_queries):
    definition = a_definition(Random(3), [cast.cardiology])
    found = members.members(definition, viewer=cast.as_wang, at=NOW)
    with django_assert_num_queries(2 + 2 + 1):  # savepoint and its end, settings made and put back, one question
        members.count(found)

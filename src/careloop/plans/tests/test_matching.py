"""The live number beside a rule: one SQL statement that must agree with the rules, discharge by discharge."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.accounts.models import Organization
from careloop.kernel.actions import seeding
from careloop.kernel.models import uuid7
from careloop.patients.models import Condition, Encounter, Patient, Procedure
from careloop.patients.rules.codes import icd_key, procedure_key
from careloop.plans.reads import facts
from careloop.plans.reads.matching import matched_between, matched_ids, matched_last_year
from careloop.plans.rules.content import parse_enrolment
from careloop.plans.rules.enrolment import exclusion, match
from careloop.plans.tests.factories import a_plan
from tests.cast import Cast

AT = datetime(2026, 6, 15, 2, 0, tzinfo=timezone.get_fixed_timezone(0))
CODES = ("I21.0", "I20.001", "I25.1", "i10.x00x002", "E11.9+", "S72.0", "")
OPERATIONS = ("36.06", "3.1", "81.5100x001", "")


@pytest.fixture
def hospital(cast: Cast) -> Cast:
    """Forty discharges of the year before AT with all kinds of codes, departments, ages and ends."""
    with seeding():
        ward = Organization.objects.create(
            code="CCU", name="CCU", kind="ward", parent=cast.cardiology, path=f"{cast.cardiology.path}CCU/"
        )
        for n, (code, operation) in enumerate(product(CODES, OPERATIONS)):
            _stay(cast, ward, n, code, operation)
        _stay(cast, ward, 98, "I21.0", "36.06", days=400)  # longer ago than a year
        _stay(cast, ward, 99, "I21.0", "36.06", status="in-progress")
    return cast


def _stay(
    cast: Cast, ward: Organization, n: int, code: str, operation: str, days: int = 0, status: str = "finished"
) -> None:
    patient = Patient.objects.create(
        name=f"P{n}", sex=("male", "female", "unknown")[n % 3], deceased=n % 13 == 12, do_not_contact=n % 17 == 16,
        birth_date=None if n % 11 == 10 else date(1940 + n * 2, 6, 15),
    )  # fmt: skip
    stay = Encounter.objects.create(
        patient=patient, system="HIS", visit_number=f"T{n}-{uuid7().hex[:8]}", status=status,
        class_code=("IMP", "SS", "AMB")[n % 3], department=(cast.cardiology, cast.orthopaedics, ward, None)[n % 4],
        disposition=("home", "community", "died", "against-advice", "")[n % 5],
        discharged_at=AT - timedelta(days=days or 1 + n, hours=n), admitted_at=AT - timedelta(days=days or 1 + n, hours=60),
        discharge_cycle=1,
    )  # fmt: skip
    if code:
        Condition.objects.create(
            patient=patient,
            encounter=stay,
            code=code,
            code_key=icd_key(code)[:20],
            text=code,
            rank=1 + n % 2,
            active=n % 7 != 6,
        )
    if operation:
        Procedure.objects.create(
            patient=patient, encounter=stay, code=operation, code_key=procedure_key(operation)[:20], active=True
        )


def by_rules(raw: dict[str, Any]) -> set[Any]:
    """The same, slowly: every discharge through the rules."""
    plan = a_plan("x", enrolment=raw, valid_from="2020-01-01")
    rows = Encounter.objects.unscoped("test").filter(
        status="finished", discharged_at__gte=AT - timedelta(days=365), discharged_at__lt=AT
    )
    found = set()
    for stay in facts.stays(rows.values_list("pk", flat=True)):
        day = facts.local_day(stay.encounter.discharged_at)
        known = stay.facts(today=day)
        if exclusion(known, today=day, latest_days=365) is None and match(plan, known).fits:
            found.add(stay.encounter.pk)
    return found


def by_statement(raw: dict[str, Any]) -> set[Any]:
    return matched_ids(parse_enrolment(raw), since=AT - timedelta(days=365), until=AT)


RULES: list[dict[str, Any]] = [
    {},
    {"diagnoses": {"any": ["I21"]}},
    {"diagnoses": {"any": ["I20-I25"]}},
    {"diagnoses": {"any": ["I20.0-I21.0", "E11"]}},
    {"diagnoses": {"any": ["I10"], "main_only": True}},
    {"diagnoses": {"none": ["I2"]}},
    {"diagnoses": {"any": ["I"], "none": ["I25", "I10-I15"]}},
    {"procedures": {"any": ["36.0"]}},
    {"procedures": {"any": ["03.1"]}},
    {"procedures": {"any": ["81.51-81.55"], "none": ["36"]}},
    {"diagnoses": {"any": ["I21"]}, "procedures": {"any": ["81.5"]}},
    {"diagnoses": {"any": ["I21"]}, "procedures": {"any": ["81.5"]}, "either_code": True},
    {"departments": {"any": ["CARD"]}},
    {"departments": {"any": ["CCU"]}},
    {"departments": {"none": ["CARD"]}},
    {"departments": {"any": ["H"], "none": ["CCU"]}},
    {"dispositions": {"any": ["home"]}},
    {"dispositions": {"none": ["home", "community"]}},
    {"encounter_classes": ["IMP", "SS"]},
    {"sex": "female"},
    {"age": {"from": 18}},
    {"age": {"to": 40}},
    {"age": {"from": 30, "to": 60}},
    {"diagnoses": {"any": ["I"]}, "sex": "male", "age": {"from": 40}, "encounter_classes": ["IMP"], "departments": {"any": ["CARD"]}},
]  # fmt: skip


@pytest.mark.parametrize("raw", RULES, ids=str)
def test_the_statement_takes_exactly_the_discharges_that_the_rules_take(hospital: Cast, raw: dict[str, Any]) -> None:
    assert by_statement(raw) == by_rules(raw)
    found = matched_between(parse_enrolment(raw), since=AT - timedelta(days=365), until=AT)
    assert found.taken == len(by_rules(raw))
    assert found.of == len(by_rules({}))


def test_the_rules_above_are_not_all_empty(hospital: Cast) -> None:
    assert sum(bool(by_statement(raw)) for raw in RULES) > len(RULES) - 4


pattern = st.sampled_from(["I", "I2", "I21", "I21.0", "I20-I25", "I20.0-I21.0", "E11", "I10-E11", "S", "Z"])
operation = st.sampled_from(["36", "36.0", "03", "81.51-81.55", "3"])
many = st.lists(pattern, max_size=2)
rules = st.fixed_dictionaries(
    {},
    optional={
        "diagnoses": st.fixed_dictionaries({}, optional={"any": many, "none": many, "main_only": st.booleans()}),
        "procedures": st.fixed_dictionaries({}, optional={"any": st.lists(operation, max_size=2), "none": st.lists(operation, max_size=1)}),
        "departments": st.fixed_dictionaries({}, optional={"any": st.lists(st.sampled_from(["CARD", "ORTH", "H", "NONE"]), max_size=2)}),
        "encounter_classes": st.lists(st.sampled_from(["IMP", "SS", "AMB"]), max_size=2),
        "sex": st.sampled_from(["male", "female"]),
        "age": st.fixed_dictionaries({}, optional={"from": st.integers(0, 60), "to": st.integers(60, 120)}),
    },
)  # fmt: skip


@given(rules)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_rule_is_counted_as_it_is_judged(hospital: Cast, raw: dict[str, Any]) -> None:
    try:
        parse_enrolment(raw)
    except ValueError:
        return  # a range the wrong way round
    assert by_statement(raw) == by_rules(raw)


def test_two_statements_whatever_the_rule(hospital: Cast) -> None:
    rule = parse_enrolment(RULES[-1])
    with CaptureQueriesContext(
        connection,
    ) as asked:
        matched_last_year(rule, at=AT)
    # departments, all discharges, those that fit; a savepoint and its end, settings made and taken back
    assert len(asked) == 3 + 4


def test_an_unreadable_department_code_is_no_injection(hospital: Cast) -> None:
    raw = {"departments": {"any": ["CARD'; DROP TABLE plans_careplan; --"]}, "dispositions": {"any": ["%s"]}}
    assert by_statement(raw) == set()

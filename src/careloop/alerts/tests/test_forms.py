"""What the page of duties and absences takes, without a database: bad periods, stand-ins, and the names the actions know."""

from __future__ import annotations

import inspect

import pytest

from careloop.alerts import actions
from careloop.alerts.forms import AbsenceForm, BoardFilter, DutyForm, PeriodForm

SOMEBODY, OTHER, WARD = (f"018f0000-0000-7000-8000-00000000000{n}" for n in "abc")
DUTY = {"organization": WARD, "kind": "department-duty", "practitioner": SOMEBODY, "valid_from": "2026-02-28T08:00"}
ABSENCE = {"practitioner": SOMEBODY, "stand_in": OTHER, "valid_from": "2026-02-28T08:00"}


@pytest.mark.parametrize(("form", "given"), [(DutyForm, DUTY), (AbsenceForm, ABSENCE)])
@pytest.mark.parametrize(
    ("changed", "is_good"),
    [
        ({}, True),
        ({"valid_to": "2026-02-28T08:01"}, True),
        ({"valid_to": "2026-02-28T08:00"}, False),  # no time at all
        ({"valid_to": "2026-02-27T23:59"}, False),
        ({"valid_from": "2026-02-30T08:00"}, False),  # no such day
        ({"valid_from": "2028-02-29T08:00"}, True),
        ({"valid_from": ""}, False),
        ({"practitioner": ""}, False),
        ({"practitioner": "1"}, False),
        ({"practitioner": "王秀兰"}, False),
    ],
)
def test_periods_and_people(form: type[PeriodForm], given: dict[str, str], changed: dict[str, str], is_good: bool):
    assert form(given | changed).is_valid() is is_good


@pytest.mark.parametrize(
    ("stand_in", "is_good"), [(OTHER, True), ("", True), (SOMEBODY, False), (SOMEBODY.upper(), False), ("x", False)]
)
def test_nobody_stands_in_for_themselves(stand_in: str, is_good: bool):
    assert AbsenceForm(ABSENCE | {"stand_in": stand_in}).is_valid() is is_good


@pytest.mark.parametrize(
    ("changed", "is_good"),
    [
        ({"kind": "king"}, False),
        ({"kind": ""}, False),
        ({"organization": ""}, False),
        ({"phone": "8" * 30}, True),
        ({"phone": "8" * 31}, False),
    ],
)
def test_duties(changed: dict[str, str], is_good: bool):
    assert DutyForm(DUTY | changed).is_valid() is is_good


@pytest.mark.parametrize(
    ("form", "given", "action"), [(DutyForm, DUTY, actions.set_duty), (AbsenceForm, ABSENCE, actions.set_absence)]
)
def test_an_entry_has_just_what_the_action_takes(form: type[PeriodForm], given: dict[str, str], action: object):
    read = form(given)
    assert read.is_valid()
    assert {*read.entry(), "at", "by"} == set(inspect.signature(action).parameters)


@pytest.mark.parametrize(
    ("given", "severity", "state", "mine"),
    [
        ({}, "", "open", False),
        ({"severity": "critical", "state": "closed", "mine": "1"}, "critical", "closed", True),
        ({"severity": "CRITICAL", "state": "all"}, "", "open", False),
        ({"severity": "' OR 1=1", "state": "\x00"}, "", "open", False),
        ({"severity": "w" * 5000}, "", "open", False),
    ],
)
def test_an_odd_address_shows_everything_that_is_open(given: dict[str, str], severity: str, state: str, mine: bool):
    form = BoardFilter(given)
    form.is_valid()
    told = {"severity": "", "state": "open", "mine": False} | form.cleaned_data
    assert (told["severity"], told["state"], told["mine"]) == (severity, state, mine)
    assert {"severity", "state", "mine"} <= set(form.cleaned_data), "the board reads all three"

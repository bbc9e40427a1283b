"""Whoever takes a version back is told which paper shows its dates."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.reads.adoptions import printed_after
from careloop.letters.tests.factories import a_letter, at_home, shipped
from careloop.plans import actions as plans
from careloop.plans.models import VersionAdoption
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.models import Task
from tests.cast import NOW, SYSTEM, Cast


@pytest.fixture
def adoption(cast: Cast) -> VersionAdoption:
    """Zhang's plan went over from a call on day 3 to one on day 5 and another on day 30."""
    now = timezone.now()
    at_home(cast)
    stay = Scene(cast).discharge(cast.zhang, at=now)
    old = plans.publish_plan(raw=raw_plan("v", raw_step("a", "3")), enrols=False, at=now, by=SYSTEM)
    raw = raw_plan("v", raw_step("a", "5"), raw_step("c", "30"), version="2.0")
    new = plans.publish_plan(raw=raw, enrols=False, at=now, by=SYSTEM)
    plan = plans.start_care_plan(encounter=stay, definition=old, at=now, by=SYSTEM)
    return plans.adopt_version(care_plan=plan, definition=new, at=now - timedelta(seconds=1), by=SYSTEM)


def address(adoption: VersionAdoption) -> str:
    return reverse("letters:of-adoption", args=[adoption.pk])


def shown(client: Client, adoption: VersionAdoption) -> list[str]:
    response = client.get(address(adoption))
    return re.findall(r'data-paper="([^"]+)"', response.content.decode()) if response.status_code == 200 else []


def made_task(adoption: VersionAdoption) -> Task:
    return next(task for task in tasks_of(adoption.care_plan, status="requested") if task.step_code == "c")


def test_nothing_was_printed(cast: Cast, adoption: VersionAdoption) -> None:
    assert cast.client(cast.wang).get(address(adoption)).status_code == 204


def test_letters_about_its_contacts_and_plans_printed_since_are_named(cast: Cast, adoption: VersionAdoption) -> None:
    template = shipped()
    held = a_letter(cast, template=template, task=made_task(adoption), at=NOW - timedelta(days=40))
    actions.withdraw_letter(letter_id=held.pk, at=timezone.now(), by=cast.as_wang)
    a_letter(cast, template=template, at=NOW - timedelta(days=20))  # about something else
    about = a_letter(cast, template=template, task=made_task(adoption))
    for document in ("plan", "record", "letter"):
        actions.note_printed(patient_id=cast.zhang.pk, document=document, by=cast.as_wang)
    actions.note_printed(patient_id=cast.ma.pk, document="plan", by=SYSTEM)  # somebody else's
    assert sorted(shown(cast.client(cast.wang), adoption)) == sorted([str(about.pk), "plan"])
    assert [one.is_here for one in printed_after(adoption, viewer=cast.as_wang) if one.letter_id] == [True]


def test_what_was_printed_after_the_undo_shows_the_right_dates(cast: Cast, adoption: VersionAdoption) -> None:
    plans.undo_adoption(adoption=adoption, at=timezone.now(), by=SYSTEM)
    with seeding():
        earlier = timezone.now() - timedelta(hours=1)
        VersionAdoption.objects.unscoped("test").update(undone_at=earlier, adopted_at=earlier - timedelta(hours=1))
    actions.note_printed(patient_id=cast.zhang.pk, document="plan", by=SYSTEM)
    assert shown(cast.client(cast.wang), adoption) == []


def test_another_department_is_told_nothing(cast: Cast, adoption: VersionAdoption) -> None:
    actions.note_printed(patient_id=cast.zhang.pk, document="plan", by=SYSTEM)
    assert cast.client(cast.li).get(address(adoption)).status_code == 404

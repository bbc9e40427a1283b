"""Somebody rings back: the number leads to the patient and to the contact that was tried in vain (C04)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from careloop.accounts.actions import set_language
from careloop.kernel.actions import seeding
from careloop.patients.models import ContactPoint
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from careloop.workbench.reads.call_backs import LATELY, call_backs
from careloop.workbench.tests.discharging import daughter
from tests.cast import Cast

pytestmark = pytest.mark.django_db

NOW = datetime.fromisoformat("2026-11-20T10:00+08:00")
LAST = NOW - timedelta(hours=1)


def tried(cast: Cast, **given: Any) -> Task:
    return make_task(cast, **{"last_attempt_at": LAST, "last_outcome": "no-answer", "attempts": 1, **given})


def offered(cast: Cast, person: Any, query: str) -> list[str]:
    page = cast.client(person).get("/search/", {"q": query}).content.decode()
    return re.findall(r'data-call-back="([^"]+)"', page)


@pytest.mark.parametrize(
    ("given", "is_offered"),
    [
        ({}, True),
        ({"last_attempt_at": NOW - LATELY}, True),
        ({"last_attempt_at": NOW - LATELY - timedelta(seconds=1)}, False),
        ({"last_attempt_at": None, "last_outcome": "", "attempts": 0}, False),
        ({"kind": "revisit"}, True),
        ({"kind": "re-check"}, False),
        ({"snoozed_until": NOW + timedelta(hours=3)}, True),
        ({"status": "completed", "ended_at": LAST, "outcome": "reached-patient"}, False),
        ({"status": "cancelled", "ended_at": LAST, "closed_reason": "refused"}, False),
    ],
)
def test_an_open_contact_that_was_tried_lately_is_meant(cast: Cast, given: dict[str, Any], is_offered: bool):
    task = tried(cast, **given)
    found = call_backs([cast.zhang.pk], viewer=cast.as_wang, at=NOW)
    assert [one.task_id for one in found.values()] == ([task.pk] if is_offered else [])
    assert call_backs([cast.zhang.pk], viewer=cast.as_li, at=NOW) == {}


def test_of_several_the_one_tried_last_is_meant_and_each_patient_has_their_own(cast: Cast):
    other = make_patient(cast)
    tried(cast, last_attempt_at=LAST - timedelta(days=1))
    last, theirs = tried(cast), tried(cast, patient=other, last_attempt_at=LAST - timedelta(days=2))
    found = call_backs([cast.zhang.pk, other.pk], viewer=cast.as_wang, at=NOW)
    assert {pk: one.task_id for pk, one in found.items()} == {cast.zhang.pk: last.pk, other.pk: theirs.pk}


def test_the_number_on_the_display_leads_to_the_call(cast: Cast):
    """Also when the daughter calls from her own telephone."""
    with seeding():
        ContactPoint.objects.create(
            patient=cast.zhang,
            related_person=daughter(cast.zhang),
            value="+8613912346722",
            last4="6722",
            is_mobile=True,
        )
    task = tried(cast, last_attempt_at=timezone.now())
    for query in ("13912346722", "6722"):
        assert offered(cast, cast.wang, query) == [str(task.pk)]
    assert cast.client(cast.wang).get(f"/call/{task.pk}/").status_code == 200
    assert offered(cast, cast.li, "13912346722") == []
    assert offered(cast, cast.qian, "13912346722") == []  # finds the patient, works on no call


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "回电：继续随访"), ("en", "Calls back")])
def test_it_says_when_and_how_it_was_tried(cast: Cast, language: str, words: str):
    tried(cast, last_attempt_at=timezone.now(), last_outcome="busy")
    set_language(practitioner=cast.wang, language=language, by=cast.as_wang)
    page = cast.client(cast.wang).get("/search/", {"q": "Zhang"}).content.decode()
    assert words in page
    assert {"zh-hans": "占线", "en": "Busy"}[language] in page

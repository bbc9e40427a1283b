"""From the lists to work in bulk: ticked rows, or all that match what the list is narrowed to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.accounts.models import RoleAssignment
from careloop.cohorts.models import Selection
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import Cast

NOW = timezone.now()


def due(cast: Cast, patient: Any = None, **given: Any) -> Any:
    return make_task(cast, patient, available_at=NOW - timedelta(days=1), due_at=NOW + timedelta(hours=1), **given)


def test_ticked_tasks_become_a_selection_and_its_preview(cast: Cast):
    first, second = due(cast), due(cast, make_patient(cast))
    client = cast.client(cast.wang)
    address = reverse("workbench:choose-tasks")
    page = client.get(address).content.decode()
    assert str(first.pk) in page
    assert str(second.pk) in page
    answer = client.post(address, {"row": [str(second.pk), "x"], "tab": "todo"})
    selection = Selection.objects.get()
    assert (selection.subject, selection.uuids()) == ("task", [second.pk])
    assert answer["Location"] == reverse("cohorts:bulk", args=[selection.pk])


def test_all_that_match_is_all_that_match_the_chips(cast: Cast):
    pci = [due(cast, make_patient(cast)) for __ in range(3)]
    due(cast, make_patient(cast), plan_title="Other")
    due(cast, cast.ma, department=cast.orthopaedics)
    client = cast.client(cast.wang)
    client.post(reverse("workbench:choose-tasks"), {"all": "1", "tab": "todo", "plan": "PCI"})
    assert set(Selection.objects.get().uuids()) == {task.pk for task in pci}


def test_patients_ticked_and_all_of_the_filter(cast: Cast):
    here = make.person(cast.cardiology)
    make.stay(here, cast.cardiology)
    make.stay(cast.zhang, cast.cardiology)
    make.stay(cast.ma, cast.orthopaedics)
    client = cast.client(cast.wang)
    address = reverse("workbench:choose-patients")
    page = client.get(address).content.decode()
    assert str(here.pk) in page
    assert str(cast.ma.pk) not in page
    client.post(address, {"row": str(here.pk)})
    client.post(address, {"all": "1", "days": "365", "department": str(cast.cardiology.pk)})
    client.post(address, {"all": "1", "q": "zhang"})
    found = [set(one.uuids()) for one in Selection.objects.order_by("pk")]
    assert found == [{here.pk}, {here.pk, cast.zhang.pk}, {cast.zhang.pk}]


@pytest.mark.parametrize("name", ["choose-tasks", "choose-patients"])
def test_choosing_nothing_is_refused_in_words(cast: Cast, name: str):
    assert cast.client(cast.wang).post(reverse(f"workbench:{name}"), {}).status_code == 409


@pytest.mark.parametrize("name", ["choose-tasks", "choose-patients"])
def test_who_may_not_is_told_so(cast: Cast, name: str):
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.wang).update(valid_to=NOW - timedelta(days=1))
    assert cast.client(cast.wang).get(reverse(f"workbench:{name}")).status_code == 403


def test_the_lists_lead_there_with_their_filters(cast: Cast):
    due(cast)
    client = cast.client(cast.wang)
    today = client.get(reverse("workbench:today") + "?tab=todo&risk=high").content.decode()
    assert f"{reverse('workbench:choose-tasks')}?tab=todo&amp;risk=high" in today
    patients = client.get(reverse("workbench:patients") + "?days=30").content.decode()
    assert f"{reverse('workbench:choose-patients')}?days=30" in patients

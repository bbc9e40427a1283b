"""What the patient's journeys share: the portal's settings, and people of whom one has a questionnaire to fill in.

A module with people of its own names a fixture `people` itself; that one counts there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from careloop.kernel.actions import seeding
from careloop.patients.models import Condition
from careloop.portal.tests.conftest import portal
from careloop.portal.tests.forms import make_task
from tests.cast import SYSTEM, make_cast

__all__ = ["people", "portal"]
SHOTS = Path(__file__).resolve().parents[2] / "test-results"


@pytest.fixture
def people(transactional_db, portal):
    SHOTS.mkdir(exist_ok=True)
    people = make_cast()
    with seeding():
        people.hospital.name = "云溪市第一人民医院（示例）"
        people.hospital.save()
        people.zhang.name = "周国强"
        people.zhang.save()
        Condition.objects.visible_to(SYSTEM).update(text="急性前壁心肌梗死")
    portal.ENV = replace(portal.ENV, hospital_phone="0571-8888 0000")
    people.task = make_task(people)
    return people

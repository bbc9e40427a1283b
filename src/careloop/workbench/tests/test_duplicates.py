"""Comparing two records: shown side by side, merged by choice, dismissed, undone; only with both in sight."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from careloop.accounts.models import Practitioner, Role, RoleAssignment
from careloop.kernel.actions import seeding
from careloop.patients import actions
from careloop.patients.models import DuplicateCandidate, Patient, PatientMerge
from careloop.patients.rules import IdentifierData, PersonData
from tests.cast import LONG_AGO, SYSTEM, Cast

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def inspector(cast: Cast) -> Practitioner:
    """Sun inspects the whole hospital."""
    with seeding():
        role = Role.objects.get(code="hospital-inspector")
        RoleAssignment.objects.create(practitioner=cast.sun, role=role, organization=cast.hospital, valid_from=LONG_AGO)
    return cast.sun


def suspect(cast: Cast) -> DuplicateCandidate:
    numbers = tuple(IdentifierData(value=value, authority="HIS") for value in ("2026110347", "2026110999"))
    actions.upsert_patient(person=PersonData(identifiers=numbers), source="s", at=NOW, by=SYSTEM)
    return DuplicateCandidate.objects.unscoped("test").get()


def test_a_pair_is_merged_into_the_chosen_record_and_the_merge_undone(cast: Cast, inspector: Practitioner) -> None:
    pair, client = suspect(cast), cast.client(inspector)
    page = client.get("/patients/duplicates/").content.decode()
    assert re.findall(r'data-pair="([0-9a-f-]+)"', page) == [str(pair.pk)]
    assert "138****0347" in page
    assert client.post(f"/patients/duplicates/{pair.pk}/", {"keep": str(cast.ma.pk)}).status_code == 302
    cast.zhang.refresh_from_db()
    assert cast.zhang.merged_into_id == cast.ma.pk
    merge = PatientMerge.objects.unscoped("test").get()
    page = client.get("/patients/duplicates/").content.decode()
    assert "data-pair" not in page
    assert f'data-merge="{merge.pk}"' in page
    assert client.post(f"/patients/merges/{merge.pk}/undo/", {"reason": "two brothers"}).status_code == 302
    assert Patient.objects.unscoped("test").filter(active=True).count() == 2
    assert client.post(f"/patients/merges/{merge.pk}/undo/", {"reason": "again"}).status_code == 409


def test_two_people_stay_two(cast: Cast, inspector: Practitioner) -> None:
    pair, client = suspect(cast), cast.client(inspector)
    assert client.post(f"/patients/duplicates/{pair.pk}/").status_code == 302
    pair.refresh_from_db()
    assert pair.status == "dismissed"
    assert not PatientMerge.objects.unscoped("test").exists()


def test_a_foreign_record_cannot_be_named_as_the_survivor(cast: Cast, inspector: Practitioner) -> None:
    pair = suspect(cast)
    stranger = actions.upsert_patient(
        person=PersonData(identifiers=(IdentifierData(value="9", authority="HIS"),)), source="s", at=NOW, by=SYSTEM
    )
    assert (
        cast.client(inspector).post(f"/patients/duplicates/{pair.pk}/", {"keep": str(stranger.pk)}).status_code == 404
    )


def test_nurses_have_no_door(cast: Cast) -> None:
    pair = suspect(cast)
    for person in (cast.wang, cast.li):
        assert cast.client(person).get("/patients/duplicates/").status_code == 403
        assert cast.client(person).post(f"/patients/duplicates/{pair.pk}/").status_code == 403

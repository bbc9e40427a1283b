"""Duty lists and absences: who may set them, and that the ladder follows them."""

from datetime import UTC, datetime, timedelta

import pytest

from careloop.alerts import actions, reads, rules
from careloop.alerts.models import Absence, Duty
from careloop.alerts.tests.test_actions import facts, raise_one
from tests.cast import NOW


def set_duty(cast, by, **more):
    values = {
        "organization_id": cast.cardiology.pk, "kind": rules.DUTY, "practitioner_id": cast.wang.pk, "phone": "8012",
        "valid_from": NOW - timedelta(hours=1), "valid_to": NOW + timedelta(hours=8), "at": NOW,
    } | more  # fmt: skip
    return actions.set_duty(**values, by=by)


def candidates(cast, at=NOW):
    found = reads.team(department_id=cast.cardiology.pk, encounter_id=None, at=at).candidates
    return [one.practitioner_id for one in found if one.role == rules.DUTY and one.available]


def test_the_supervisor_sets_who_is_on_duty_and_ends_it(cast):
    supervisor = cast.viewer(cast.qian)
    duty = set_duty(cast, supervisor)
    assert candidates(cast)[0] == cast.wang.pk
    assert cast.wang.pk not in candidates(cast, NOW + timedelta(hours=9))
    actions.end_duty(duty=duty, at=NOW + timedelta(minutes=5), by=supervisor)
    actions.end_duty(duty=duty, at=NOW + timedelta(minutes=6), by=supervisor)
    assert cast.wang.pk not in candidates(cast, NOW + timedelta(minutes=5))
    assert facts("alerts.DutyChanged") == 2


def test_what_has_not_begun_is_taken_back(cast):
    supervisor = cast.viewer(cast.qian)
    duty = set_duty(cast, supervisor, valid_from=NOW + timedelta(days=1), valid_to=None)
    actions.end_duty(duty=duty, at=NOW, by=supervisor)
    assert not Duty.objects.exists()


def test_other_departments_and_people_without_the_right_are_refused(cast):
    with pytest.raises(actions.NotYourDepartment):
        set_duty(cast, cast.viewer(cast.qian), organization_id=cast.orthopaedics.pk)
    with pytest.raises(actions.NotYourDepartment):
        set_duty(cast, cast.as_wang)
    with pytest.raises(actions.NotYourDepartment):
        actions.set_absence(
            practitioner_id=cast.li.pk,
            stand_in_id=None,
            valid_from=NOW,
            valid_to=None,
            at=NOW,
            by=cast.viewer(cast.qian),
        )


def test_an_absence_sends_new_alerts_to_the_stand_in_until_it_ends(cast):
    supervisor = cast.viewer(cast.qian)
    absence = actions.set_absence(
        practitioner_id=cast.zhao.pk, stand_in_id=cast.qian.pk, valid_from=NOW - timedelta(hours=1), valid_to=None,
        at=NOW, by=supervisor,
    )  # fmt: skip
    assert raise_one(cast).owner_id == cast.qian.pk
    actions.end_absence(absence=absence, at=NOW + timedelta(minutes=1), by=supervisor)
    assert raise_one(cast, at=NOW + timedelta(minutes=2)).owner_id == cast.zhao.pk


def test_ones_own_absence_needs_no_right(cast):
    actions.set_absence(
        practitioner_id=cast.wang.pk, stand_in_id=None, valid_from=NOW, valid_to=None, at=NOW, by=cast.as_wang
    )
    assert Absence.objects.count() == 1


def test_the_page_lists_adds_and_ends(cast):
    client = cast.client(cast.qian)
    sent = {
        "organization": cast.cardiology.pk, "kind": rules.DUTY, "practitioner": cast.zhao.pk, "phone": "8012",
        "valid_from": "2026-01-01T08:00",
    }  # fmt: skip
    assert client.post("/alerts/duties/add/", sent).status_code == 302
    duty = Duty.objects.get()
    assert duty.valid_from == datetime(2026, 1, 1, 0, 0, tzinfo=UTC)  # 08:00 in the hospital
    assert f'data-duty="{duty.pk}"' in client.get("/alerts/duties/").content.decode()
    absent = {"practitioner": cast.zhao.pk, "stand_in": cast.qian.pk, "valid_from": "2026-01-01T08:00"}
    assert client.post("/alerts/absences/add/", absent).status_code == 302
    absence = Absence.objects.get()
    assert client.post(f"/alerts/absences/{absence.pk}/end/").status_code == 302
    assert client.post(f"/alerts/duties/{duty.pk}/end/").status_code == 302
    page = client.get("/alerts/duties/").content.decode()
    assert "data-duty=" not in page
    assert "data-absence=" not in page


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/alerts/duties/add/", {"kind": "x"}),
        ("/alerts/absences/add/", {"valid_from": "2026-01-02T08:00", "valid_to": "2026-01-01T08:00"}),
    ],
)
def test_wrong_entries_come_back_with_words(cast, path, sent):
    response = cast.client(cast.qian).post(path, sent)
    assert response.status_code == 422
    assert "inline-alert" in response.content.decode()


def test_the_page_is_for_those_who_oversee(cast):
    assert cast.client(cast.wang).get("/alerts/duties/").status_code == 403
    assert cast.client(cast.zhao).post("/alerts/duties/add/", {}).status_code == 403

"""Drawing from real records: who may, what is left out, what is kept, and that anybody can draw the same again."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import BlindSeal, Patient
from careloop.supervision import actions
from careloop.supervision.models import Sample, SampledRecord
from careloop.supervision.reads.content import sampling
from careloop.supervision.reads.samples import draw_again, population
from careloop.supervision.tests.factories import MONTH, draw, publish, record_of, rows, wanted
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import LONG_AGO, NOW, Cast, _person
from tests.guards.test_matrix import give


def test_a_supervisor_draws_from_the_own_department(cast: Cast) -> None:
    mine = [record_of(cast) for _ in range(4)]
    record_of(cast, cast.li, department=cast.orthopaedics)
    sample = draw(cast)
    assert (sample.level, sample.population_size, sample.size) == (2, 4, 4)
    assert {row.response_id for row in rows(sample)} == {one.pk for one in mine}
    assert {row.checker_id for row in rows(sample)} == {cast.qian.pk}
    assert {row.author_id for row in rows(sample)} == {cast.wang.pk}
    assert AuditEvent.objects.get(name="supervision.SampleDrawn").payload["size"] == 4


def test_the_inspector_draws_from_the_whole_hospital(cast: Cast) -> None:
    record_of(cast)
    record_of(cast, cast.li, department=cast.orthopaedics)
    give(cast.sun, "hospital-inspector")
    with seeding():
        cast.sun.assignments.update(organization=cast.hospital)
    sample = draw(cast, cast.sun, wanted=wanted(cast, department_id=None, strata=("department",)))
    assert (sample.level, sample.size, sample.department_id) == (3, 2, None)
    assert {row.stratum for row in rows(sample)} == {"Cardiology", "Orthopaedics"}


def test_a_sample_can_be_drawn_again(cast: Cast) -> None:
    for _ in range(8):
        record_of(cast)
    sample = draw(cast, percent=None, size=3)
    assert draw_again(sample, rows(sample)).holds
    sample.population[0][2] = 9.0
    assert not draw_again(sample, rows(sample)).same_list
    sample.population[0][2] = 1.0
    assert not draw_again(sample, rows(sample)[:2]).same_records


def test_the_same_seed_draws_the_same_records_another_one_others(cast: Cast) -> None:
    for _ in range(12):
        record_of(cast)
    found = population(wanted(cast), viewer=cast.viewer(cast.qian))
    from careloop.supervision import rules

    draws = [
        tuple(one.candidate.id for one in rules.draw(found.candidates, size=4, seed=seed))
        for seed in ("a", "a", "b", "c")
    ]
    assert draws[0] == draws[1]
    assert len(set(draws)) > 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"percent": None, "size": 4}, "size-impossible"),
        ({"percent": None, "size": 0}, "size-impossible"),
        ({"percent": 0.0}, "size-impossible"),
        ({"percent": 101.0}, "size-impossible"),
        ({"percent": float("nan")}, "size-impossible"),
        ({"percent": 50.0, "size": 1}, "size-impossible"),
        ({"percent": None, "size": None}, "size-impossible"),
        ({"blind_percent": 101.0}, "size-impossible"),
        ({"blind_percent": -1.0}, "size-impossible"),
    ],
)
def test_impossible_sizes_are_refused_with_words(cast: Cast, given: dict[str, object], code: str) -> None:
    for _ in range(3):
        record_of(cast)
    with pytest.raises(actions.SizeImpossible) as refused:
        draw(cast, **given)
    assert refused.value.code == code
    assert str(refused.value)
    assert not Sample.objects.unscoped("test").exists()


def test_a_foreign_department_is_refused(cast: Cast) -> None:
    record_of(cast, cast.li, department=cast.orthopaedics)
    for department in (cast.orthopaedics.pk, None):
        with pytest.raises(actions.NotYourDepartment):
            draw(cast, wanted=wanted(cast, department_id=department))


def test_without_the_permission_nothing_is_drawn(cast: Cast) -> None:
    record_of(cast)
    with pytest.raises(actions.NotYourDepartment):
        draw(cast, cast.wang)


def test_nobody_draws_own_records(cast: Cast) -> None:
    """A supervisor who also calls patients: her own records are left out, and asked for alone they are refused."""
    give(cast.qian, "follow-up-nurse")
    record_of(cast, cast.qian)
    other = record_of(cast)
    sample = draw(cast)
    assert [row.response_id for row in rows(sample)] == [other.pk]
    assert sample.left_out == {"own": 1}
    with pytest.raises(actions.OwnRecords):
        draw(cast, wanted=wanted(cast, author_id=cast.qian.pk))


def test_when_there_are_only_own_records_that_is_said(cast: Cast) -> None:
    give(cast.qian, "follow-up-nurse")
    record_of(cast, cast.qian)
    with pytest.raises(actions.OwnRecords):
        draw(cast)


def test_nobody_lets_a_friend_check_the_friends_own_records(cast: Cast) -> None:
    give(cast.wang, "department-supervisor")
    record_of(cast)
    with pytest.raises(actions.OwnRecords):
        draw(cast, checker_id=cast.wang.pk)


def test_the_checker_must_be_one(cast: Cast) -> None:
    record_of(cast)
    for stranger in (cast.zhao.pk, cast.li.pk, cast.he.pk, cast.zhang.pk):
        with pytest.raises(actions.CannotCheck):
            draw(cast, checker_id=stranger)


def test_the_database_refuses_a_checker_of_own_records(cast: Cast) -> None:
    record_of(cast)
    row = rows(draw(cast))[0]
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        SampledRecord.objects.unscoped("test").filter(pk=row.pk).update(checker_id=row.author_id)


def test_nothing_in_the_period_is_said(cast: Cast) -> None:
    record_of(cast, at=NOW - timedelta(days=60))
    with pytest.raises(actions.NothingToDraw):
        draw(cast)


def test_both_ends_of_the_period_count(cast: Cast) -> None:
    """Days of the hospital, not of UTC: 16:30 UTC on the day before is half past midnight in the hospital."""
    publish()
    first = record_of(cast, at=MONTH.begin)
    last = record_of(cast, at=MONTH.end - timedelta(seconds=1))
    record_of(cast, at=MONTH.begin - timedelta(seconds=1))
    record_of(cast, at=MONTH.end)
    found = population(wanted(cast), viewer=cast.viewer(cast.qian)).found
    assert set(found) == {str(first.pk), str(last.pk)}


def test_who_died_does_not_want_calls_or_has_an_open_alert_is_left_out_and_counted(cast: Cast) -> None:
    kept = record_of(cast)
    dead, silent, alarmed = (record_of(cast) for _ in range(3))
    with seeding():
        Patient.objects.unscoped("test").filter(pk=dead.patient_id).update(deceased=True)
        Patient.objects.unscoped("test").filter(pk=silent.patient_id).update(do_not_contact=True)
    make_task(cast, alarmed.patient, kind="alert")
    found = population(wanted(cast), viewer=cast.viewer(cast.qian))
    assert set(found.found) == {str(kept.pk)}
    assert found.left_out == {"no-contact": 2, "open-alert": 1}


def test_restricted_records_are_not_on_the_list_of_who_may_not_see_them(cast: Cast) -> None:
    record_of(cast)
    hidden = record_of(cast)
    with seeding():
        Patient.objects.unscoped("test").filter(pk=hidden.patient_id).update(sensitivity="restricted")
    assert str(hidden.pk) not in population(wanted(cast), viewer=cast.viewer(cast.qian)).found


def test_what_is_being_checked_is_not_drawn_again(cast: Cast) -> None:
    first = record_of(cast)
    draw(cast, blind_percent=0.0)
    second = record_of(cast)
    found = population(wanted(cast), viewer=cast.viewer(cast.qian))
    assert set(found.found) == {str(second.pk)}
    assert found.left_out == {"checked-already": 1}
    assert str(first.pk) not in found.found


def test_the_patients_own_answers_are_no_record_of_level_1(cast: Cast) -> None:
    from careloop.kernel.viewer import Viewer
    from careloop.questionnaires import actions as questionnaires
    from careloop.supervision.tests.factories import GOOD, fill, form
    from careloop.tasks import actions as tasks

    patient, at = make_patient(cast), NOW - timedelta(days=1)
    task, own = make_task(cast, patient), Viewer.patient(patient.pk)
    answers = questionnaires.start_response(
        questionnaire=form(), patient_id=patient.pk, task_id=task.pk, mode="portal", at=at, by=own
    )
    fill(answers, GOOD, at=at, by=own)
    questionnaires.complete_response(response=answers, at=at, by=own)
    tasks.complete_task(task=task, outcome="answered-online", at=at, by=own)
    with pytest.raises(actions.NothingToDraw):
        draw(cast)


def test_risk_is_weighed_with_its_reason(cast: Cast) -> None:
    plain = record_of(cast, at=NOW - timedelta(hours=5))
    no_call = record_of(cast, seconds=None, at=NOW - timedelta(hours=4))
    short = record_of(cast, seconds=0, at=NOW - timedelta(hours=3))
    fast = record_of(cast, at=NOW - timedelta(hours=3) + timedelta(seconds=5))
    found = {one.id: one for one in population(wanted(cast), viewer=cast.viewer(cast.qian)).candidates}
    weights = sampling()["weights"]
    assert (found[str(plain.pk)].weight, found[str(plain.pk)].reasons) == (1.0, ())
    assert (found[str(no_call.pk)].weight, found[str(no_call.pk)].reasons) == (weights["no-attempt"], ("no-attempt",))
    assert found[str(short.pk)].reasons == ("zero-seconds",)
    assert found[str(fast.pk)].reasons == ("tempo",)


def test_a_copy_of_the_last_time_and_a_perfect_streak_weigh_more(cast: Cast) -> None:
    patient = make_patient(cast)
    record_of(cast, patient=patient, at=NOW - timedelta(days=20))
    again = record_of(cast, patient=patient, at=NOW - timedelta(days=2))
    for n in range(sampling()["perfect_streak"]):
        record_of(cast, at=NOW - timedelta(days=10, hours=n))
    found = {one.id: one for one in population(wanted(cast), viewer=cast.viewer(cast.qian)).candidates}
    assert set(found[str(again.pk)].reasons) == {"copied", "perfect-streak"}


def test_strata_are_named_and_each_gives_its_share(cast: Cast) -> None:
    with seeding():
        bai = _person("bai", "Bai", cast.cardiology, "follow-up-nurse")
    for _ in range(6):
        record_of(cast)
    for _ in range(2):
        record_of(cast, bai)
    sample = draw(cast, wanted=wanted(cast, strata=("author", "mode")), percent=None, size=4)
    told = [row.stratum for row in rows(sample)]
    assert sorted(set(told)) == ["Bai / phone", "Wang / phone"]
    assert told.count("Bai / phone") == 1


def test_narrowing_by_author_form_and_mode(cast: Cast) -> None:
    with seeding():
        bai = _person("bai", "Bai", cast.cardiology, "follow-up-nurse")
    record_of(cast)
    visit = record_of(cast, bai, mode="visit")
    for narrowed in ({"author_id": bai.pk}, {"mode": "visit"}):
        assert set(population(wanted(cast, **narrowed), viewer=cast.viewer(cast.qian)).found) == {str(visit.pk)}
    assert not population(wanted(cast, url="https://elsewhere"), viewer=cast.viewer(cast.qian)).found


def test_the_blind_part_is_sealed_and_the_rest_is_not(cast: Cast) -> None:
    for _ in range(4):
        record_of(cast)
    sample = draw(cast, blind_percent=50.0)
    blind = {row.patient_id for row in rows(sample) if row.is_blind}
    assert len(blind) == 2
    visible = Patient.objects.visible_to(cast.viewer(cast.qian)).values_list("pk", flat=True)
    assert not blind & set(visible)
    assert {row.patient_id for row in rows(sample)} - blind <= set(visible)


def test_the_same_form_sent_twice_draws_once(cast: Cast) -> None:
    record_of(cast)
    assert draw(cast, key="same").pk == draw(cast, key="same").pk
    assert Sample.objects.unscoped("test").count() == 1
    assert BlindSeal.objects.unscoped("test").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_twice_at_the_same_moment_draws_once(transactional_db: None) -> None:
    from tests.cast import make_cast

    cast = make_cast()
    for _ in range(3):
        record_of(cast)
    made, errors = [], []
    gate = threading.Barrier(3)

    def send() -> None:
        try:
            gate.wait(10)
            made.append(draw(cast, key="double").pk)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert errors == []
    assert len(set(made)) == 1
    assert SampledRecord.objects.unscoped("test").count() == 3


def test_another_supervisor_of_the_hospital_level_sees_level_2_but_a_supervisor_not_level_3(cast: Cast) -> None:
    record_of(cast)
    with seeding():
        inspector = _person("ding", "Ding", cast.hospital, "hospital-inspector")
    third = draw(cast, inspector, wanted=wanted(cast))
    assert third.level == 3
    assert not Sample.objects.visible_to(cast.viewer(cast.qian)).filter(pk=third.pk).exists()
    assert Sample.objects.visible_to(cast.viewer(inspector)).filter(pk=third.pk).exists()
    with seeding():
        other = _person("lin", "Lin", cast.orthopaedics, "department-supervisor")
    assert not Sample.objects.visible_to(cast.viewer(other)).exists()


def test_a_check_is_handed_over_with_its_seal(cast: Cast) -> None:
    record_of(cast)
    with seeding():
        second = _person("shen", "Shen", cast.cardiology, "department-supervisor")
    row = rows(draw(cast))[0]
    actions.hand_over_check(row=row, to_id=second.pk, at=NOW, by=cast.viewer(cast.qian))
    sees = [
        Patient.objects.visible_to(cast.viewer(person)).filter(pk=row.patient_id).exists()
        for person in (cast.qian, second)
    ]
    assert sees == [True, False]
    row.refresh_from_db()
    assert row.checker_id == second.pk
    with pytest.raises(actions.OwnRecords):
        actions.hand_over_check(row=row, to_id=cast.wang.pk, at=NOW, by=cast.viewer(cast.qian))
    with pytest.raises(actions.CannotCheck):
        actions.hand_over_check(row=row, to_id=cast.zhao.pk, at=NOW, by=cast.viewer(cast.qian))
    actions.hand_over_check(row=row, to_id=cast.qian.pk, at=NOW, by=cast.viewer(second))
    assert not Patient.objects.visible_to(cast.viewer(cast.qian)).filter(pk=row.patient_id).exists()


def test_old_roles_have_no_say(cast: Cast) -> None:
    """Somebody whose role ended yesterday cannot be made the checker."""
    record_of(cast)
    with seeding():
        former = _person("fu", "Fu", cast.cardiology, "department-supervisor")
        former.assignments.update(valid_from=LONG_AGO, valid_to=NOW - timedelta(days=1))
    with pytest.raises(actions.CannotCheck):
        draw(cast, checker_id=former.pk)

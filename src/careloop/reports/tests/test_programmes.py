"""Public health and opinions in the roll-up: equal to the facts, to the recount and to the live lists, whatever happens."""

import random
import threading
from datetime import date, timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.patients.models import Condition, Encounter, Patient
from careloop.publichealth import actions as publichealth
from careloop.publichealth.models import EpisodeOfCare, Opinion, ProgrammeClock, ProgrammeVisit
from careloop.publichealth.reads import indicators, packs
from careloop.publichealth.reads.opinions import agreement
from careloop.publichealth.rules import Period
from careloop.publichealth.tests.factories import (
    CLOSING,
    ONCOLOGY,
    TB,
    TB_CLOSING,
    TB_FIRST,
    answered,
    give,
    publish_all,
    visited,
)
from careloop.questionnaires import actions as questionnaires
from careloop.reports import actions, jobs, reads, rules
from careloop.reports.models import ProgrammeFact, ProgrammeRollup, ProgrammeRule, ProgrammeYear, RollupCheck
from careloop.tasks.tests.factories import make_patient
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db
NOW_REAL = timezone.now()
TODAY = timezone.localdate(NOW_REAL)
KEY = "programme, year, department_id, since, until"


@pytest.fixture
def world(cast):
    publish_all()
    actions.align_programmes(at=NOW_REAL, by=SYSTEM)
    return cast


def ago(days):
    return NOW_REAL - timedelta(days=days)


def summed(table):
    names = ", ".join(f"sum({name})::int" for name in rules.PROGRAMME)
    any_of = " OR ".join(f"sum({name}) <> 0" for name in rules.PROGRAMME)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {KEY}, {names} FROM {table} GROUP BY {KEY} HAVING {any_of}")
        return {row[:5]: row[5:] for row in cursor.fetchall()}


def live(day, viewer=SYSTEM):
    """{programme: {indicator: (numerator, denominator)}}, from the lists themselves."""
    period = Period(date(day.year, 1, 1), day)
    found = {}
    for programme in packs.pack_on(day).pack().programmes:
        figures = indicators.sheet(programme, indicators.facts(viewer, programme, period)).whole
        found[programme.code] = {
            one.code: (f.numerator, f.denominator) for one, f in zip(programme.indicators, figures, strict=True)
        }
    return found


def stored(day, viewer=SYSTEM):
    counted = reads.programmes(viewer=viewer, day=day)
    return {
        programme.code: {
            one.code: tuple(counted.get(programme.code, {}).get(name, 0) for name in (one.numerator, one.denominator))
            for one in programme.indicators
        }
        for programme in packs.pack_on(day).pack().programmes
    }


def assert_equal(day=TODAY):
    assert summed("reports_programmerollup") == summed("reports_programmefact") == summed("reports_programmesource")
    assert stored(day) == live(day)


def change(model, pk, **values):
    with seeding():
        rows = model.objects.unscoped("test") if hasattr(model.objects.all(), "unscoped") else model.objects
        return rows.filter(pk=pk).update(**values)


def episode(**given):
    return EpisodeOfCare.objects.unscoped("test").get(**given)


def diagnosed(patient, code="I10", **more):
    with seeding():
        return Condition.objects.create(patient=patient, code=code, code_key=code, **more)


# --- every kind of change --------------------------------------------------------------------------------------


def test_nothing_at_all_is_equal_too(world):
    assert_equal()
    assert reads.programmes(viewer=SYSTEM, day=TODAY) == {}


def test_a_visit_counts_at_once_in_the_transaction_that_made_it(world):
    visited(world, values={"sbp": 128}, at=ago(3))
    assert stored(TODAY)["hypertension"]["control"] == (1, 1)
    assert_equal()
    visited(world, values={"sbp": 152}, at=ago(1))
    assert stored(TODAY)["hypertension"]["control"] == (0, 1)
    assert_equal()


def test_a_diagnosis_without_a_record_is_known_until_it_has_one(world):
    patient = make_patient(world)
    condition = diagnosed(patient, encounter=world.stay)
    assert stored(TODAY)["hypertension"]["management"] == (0, 1)
    assert_equal()
    visited(world, at=ago(2), patient=patient)
    assert stored(TODAY)["hypertension"]["management"] == (1, 1)
    assert_equal()
    change(EpisodeOfCare, episode(patient=patient).pk, end_reason="merged", status="finished", ended_at=NOW_REAL)
    assert stored(TODAY)["hypertension"]["management"] == (0, 1)
    assert_equal()
    change(Condition, condition.pk, active=False)
    assert stored(TODAY)["hypertension"]["management"] == (0, 0)
    assert_equal()


def test_patients_known_and_unknown_are_counted_by_the_same_statement(world):
    """Whoever has no fact yet is written straight away; one known patient among them and all are compared."""
    known, new, other = (make_patient(world) for _ in range(3))
    for batch, count in (
        ([(known, "I10"), (other, "J18")], 1),
        ([(known, "I11"), (new, "I10"), (other, "E11")], 2),
        ([(new, "J18"), (known, "J18")], 2),
    ):
        with seeding():
            Condition.objects.bulk_create([Condition(patient=who, code=code, code_key=code) for who, code in batch])
        assert stored(TODAY)["hypertension"]["management"] == (0, count)
        assert_equal()


@pytest.mark.parametrize(
    ("code", "prefixes", "matches"),
    [
        ("I10.x", ["I10", "I11"], True), ("I10", ["I10.x"], False), ("", ["I10"], False), ("I10", [""], True),
        ("I10", [], False), (None, ["I10"], False), ("I10", None, False), ("I1%", ["I1_"], False), ("I10", [None, "I1"], True),
        ("J18", [None, "I1"], False),
    ],
)  # fmt: skip
def test_a_code_begins_like_one_of_the_programme_or_it_does_not(db, code, prefixes, matches):
    with connection.cursor() as cursor:
        cursor.execute("SELECT reports_matches(%s::text, %s::text[])", [code, prefixes])
        assert cursor.fetchone() == (matches,)


@pytest.mark.parametrize(
    ("code", "counted"), [("I10", 1), ("I13.9", 1), ("I16", 0), ("", 0), ("J18", 0), ("i10", 0), ("I1", 0)]
)
def test_only_diagnoses_of_the_programme_count(world, code, counted):
    diagnosed(make_patient(world), code)
    assert stored(TODAY)["hypertension"]["management"] == (0, counted)
    assert_equal()


def test_death_merge_and_their_mistakes_move_the_known(world):
    patient = make_patient(world)
    diagnosed(patient)
    for values, known in (
        ({"deceased": True}, 0),
        ({"deceased": False}, 1),
        ({"active": False}, 0),
        ({"active": True}, 1),
    ):
        change(Patient, patient.pk, **values)
        assert stored(TODAY)["hypertension"]["management"] == (0, known)
        assert_equal()


def test_two_diagnoses_are_one_patient_where_diagnosed_last(world):
    patient = world.zhang
    diagnosed(patient, "I10")
    diagnosed(patient, "I11", encounter=world.stay)
    assert stored(TODAY)["hypertension"]["management"] == (0, 1)
    assert {row.department_id for row in ProgrammeFact.objects.filter(kind="diagnosed")} == {world.stay.department_id}
    change(Encounter, world.stay.pk, department_id=world.orthopaedics.pk)
    assert {row.department_id for row in ProgrammeFact.objects.filter(kind="diagnosed")} == {world.orthopaedics.pk}
    assert_equal()


def test_a_patient_who_moves_to_another_department_takes_the_clocks_along(world):
    visited(world, values={"sbp": 152}, at=ago(20))
    before = reads.programmes(viewer=SYSTEM, day=TODAY, departments=[world.orthopaedics.pk])
    assert before == {}
    change(EpisodeOfCare, episode().pk, department_id=world.orthopaedics.pk)
    moved = reads.programmes(viewer=SYSTEM, day=TODAY, departments=[world.orthopaedics.pk])
    assert (moved["hypertension"]["managed"], moved["hypertension"]["clocks_due"]) == (1, 1)
    assert reads.programmes(viewer=SYSTEM, day=TODAY, departments=[world.cardiology.pk]) == {
        "hypertension": rules.programme_measures(dict.fromkeys(rules.PROGRAMME, 0))
    }
    assert_equal()


@pytest.mark.parametrize(
    ("values", "figures"),
    [
        ({"status": "done", "ended_at": ago(10), "end_reason": "visited"}, (1, 1)),
        ({"status": "done", "ended_at": ago(1), "end_reason": "visited"}, (0, 1)),
        ({"status": "stopped", "ended_at": ago(10), "end_reason": "death"}, (0, 0)),
        ({"status": "stopped", "ended_at": ago(10), "end_reason": "refused"}, (0, 1)),
    ],
)
def test_clocks_count_when_due_and_are_kept_by_their_day(world, values, figures):
    visited(world, values={"sbp": 152}, at=ago(20))
    clock = ProgrammeClock.objects.unscoped("test").get(kind="recheck")
    change(ProgrammeClock, clock.pk, **values)
    assert stored(TODAY)["hypertension"]["clocks"] == figures
    assert_equal()


def test_a_clock_counts_from_the_day_on_which_it_is_due_and_not_before(world):
    visited(world, values={"sbp": 152}, at=ago(1))
    due = ProgrammeClock.objects.unscoped("test").get(kind="recheck").due_on
    assert stored(due - timedelta(days=1))["hypertension"]["clocks"] == (0, 0)
    assert stored(due)["hypertension"]["clocks"] == (0, 1)


def test_tuberculosis_from_the_notice_to_the_closing(world):
    visited(world, TB_FIRST, TB, at=ago(2))
    made = episode(programme="tuberculosis")
    change(EpisodeOfCare, made.pk, noticed_at=ago(4))
    assert_equal()
    assert stored(TODAY)["tuberculosis"]["first-visit"] == (1, 1)
    change(EpisodeOfCare, made.pk, noticed_at=ago(6))
    assert stored(TODAY)["tuberculosis"]["first-visit"] == (0, 1)
    visited(world, TB_CLOSING, CLOSING, at=ago(1))
    assert stored(TODAY)["tuberculosis"]["regular"] == (1, 1)
    assert_equal()


def test_a_corrected_or_withdrawn_visit_gives_the_word_back(world):
    visited(world, values={"sbp": 128}, at=ago(9))
    last = visited(world, values={"sbp": 152}, at=ago(3))
    assert stored(TODAY)["hypertension"]["control"] == (0, 1)
    change(ProgrammeVisit, last.pk, status="error")
    assert stored(TODAY)["hypertension"]["control"] == (1, 1)
    assert_equal()


def test_an_end_that_says_never_a_patient_takes_everything_away(world):
    visited(world, values={"sbp": 152}, at=ago(20))
    change(EpisodeOfCare, episode().pk, status="finished", ended_at=NOW_REAL, end_reason="wrong-diagnosis")
    assert stored(TODAY)["hypertension"]["management"] == (0, 0)
    assert_equal()


# --- days ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "visits", "ended"),
    [("2025-01-01", 0, None), ("2026-01-01", 1, None), ("2026-02-28", 3, None), ("2026-05-31", 4, None), ("2026-02-28", 1, "2026-06-30"), ("2026-10-01", 0, None)],
)  # fmt: skip
def test_managed_as_required_is_equal_on_every_day_around_a_quarter(world, started, visits, ended):
    first = date.fromisoformat(started)
    with seeding():
        made = EpisodeOfCare.objects.create(
            patient=world.zhang, programme="hypertension", department=world.cardiology, started_on=first,
            started_how="registered", **({"status": "finished", "end_reason": "moved", "ended_at": f"{ended}T08:00:00Z"} if ended else {}),
        )  # fmt: skip
        for number in range(visits):
            on = max(first, date(2026, 1, 1)) + timedelta(days=number)
            response = answered(
                world, "https://careloop.org/Questionnaire/hypertension-national", {"sbp": 128}, at=NOW_REAL
            )
            ProgrammeVisit.objects.create(
                patient=world.zhang, episode=made, response=response, role="follow-up", visited_on=on,
                visited_at=f"{on}T02:00:00Z", is_face_to_face=True, canonical="x", pack_version="x", in_target=True,
            )  # fmt: skip
    begin = max(first, date(2026, 1, 1))
    days = {begin + timedelta(days=91 * quarter + by - 1) for quarter in range(5) for by in (-1, 0, 1)}
    for day in sorted({*days, date(2026, 12, 31), date(2026, 6, 30), date(2026, 7, 1)}):
        if day.year == 2026 and day >= begin:
            assert stored(day)["hypertension"]["standard"] == live(day)["hypertension"]["standard"], day


def test_the_turn_of_the_year_needs_no_job(world):
    visited(world, values={"sbp": 128}, at=ago(3))
    assert {TODAY.year, TODAY.year + 1} <= set(ProgrammeYear.objects.values_list("year", flat=True))
    january = date(TODAY.year + 1, 1, 1)
    assert stored(january)["hypertension"] == live(january)["hypertension"]
    assert stored(january)["hypertension"]["control"] == (0, 1)


def test_days_are_days_of_the_hospital(world):
    """23:59 in Shanghai is the same day, 00:01 the next one, whatever the server says."""
    visited(world, values={"sbp": 152}, at=ago(20))
    clock = ProgrammeClock.objects.unscoped("test").get(kind="recheck")
    for instant, kept in ((f"{clock.due_on}T15:59:00Z", 1), (f"{clock.due_on}T16:01:00Z", 0)):
        change(ProgrammeClock, clock.pk, status="done", ended_at=instant, end_reason="visited")
        assert stored(TODAY)["hypertension"]["clocks"] == (kept, 1)
        assert_equal()


# --- opinions --------------------------------------------------------------------------------------------------


def test_opinions_are_counted_as_the_table_of_agreement_says(world):
    publish_all("oncology-post-op")
    publichealth.load_shipped_tables(at=NOW, by=SYSTEM)
    for days, values, choice in ((9, {"condition": "normal", "pain": 2}, "normal"), (6, {"condition": "normal", "pain": 2}, "worse"), (3, {"pain": 2}, None)):  # fmt: skip
        response = answered(world, ONCOLOGY, values, at=ago(days))
        found = publichealth.suggest_opinion(response_id=response.pk, at=ago(days), by=SYSTEM)
        if choice:
            publichealth.choose_opinion(opinion=found, code=choice, note="", at=ago(days), by=world.as_zhao)
    counted = reads.programmes(viewer=SYSTEM, day=TODAY)["opinion"]
    [told] = agreement(SYSTEM)
    assert (counted["suggested"], counted["decided"], counted["agreed"], counted["underivable"]) == (2, 2, 1, 1)
    assert (told.suggested, told.decided, told.agreed, told.underivable) == (2, 2, 1, 1)
    response = Opinion.objects.unscoped("test").get(chosen="worse").response
    questionnaires.amend_response(response=response, answers={"pain": 3}, at=NOW_REAL, by=world.as_wang)
    assert reads.programmes(viewer=SYSTEM, day=TODAY)["opinion"]["decided"] == 1
    assert_equal()


# --- many at once, at random, at the same moment ---------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_whatever_happened_the_roll_up_is_the_recount(world, seed):
    dice = random.Random(seed)
    patients = [world.zhang, *(make_patient(world) for _ in range(4))]
    for _ in range(14):
        what = dice.randrange(6)
        patient = dice.choice(patients)
        mine = list(EpisodeOfCare.objects.unscoped("test").filter(patient=patient))
        if what == 0:
            visited(
                world,
                values={"sbp": dice.choice([128, 139, 140, 141, 185])},
                at=ago(dice.randrange(1, 60)),
                patient=patient,
            )
        elif what == 1:
            diagnosed(patient, dice.choice(["I10", "E11", "J18"]))
        elif what == 2 and mine:
            change(EpisodeOfCare, mine[0].pk, department_id=dice.choice([world.cardiology.pk, world.orthopaedics.pk]))
        elif what == 3 and mine:
            change(EpisodeOfCare, mine[0].pk, started_on=TODAY - timedelta(days=dice.randrange(400)))
        elif what == 4:
            change(Patient, patient.pk, deceased=dice.random() < 0.3)
        elif mine:
            ids = ProgrammeVisit.objects.unscoped("test").filter(episode=mine[0]).values_list("pk", flat=True)
            for pk in list(ids)[:1]:
                change(ProgrammeVisit, pk, status=dice.choice(["current", "error"]))
        assert summed("reports_programmerollup") == summed("reports_programmesource")
    assert_equal()


def test_one_statement_with_many_rows_is_counted_by_one_trigger_call(world):
    people = [make_patient(world) for _ in range(60)]
    with seeding():
        Condition.objects.bulk_create([Condition(patient=one, code="I10", code_key="I10") for one in people])
        EpisodeOfCare.objects.bulk_create(
            [
                EpisodeOfCare(
                    patient=one,
                    programme="diabetes",
                    department=world.cardiology,
                    started_on=TODAY,
                    started_how="registered",
                )
                for one in people
            ]
        )
    assert stored(TODAY)["hypertension"]["management"] == (0, 60)
    assert stored(TODAY)["diabetes"]["management"] == (60, 60)
    assert ProgrammeRollup.objects.count() < 20
    assert_equal()


@pytest.mark.django_db(transaction=True)
def test_visits_saved_at_one_moment_are_all_counted():
    cast = make_cast()
    publish_all()
    actions.align_programmes(at=NOW_REAL, by=SYSTEM)
    visited(cast, values={"sbp": 128}, at=ago(40))
    made = episode()
    responses = [answered(cast, "https://careloop.org/Questionnaire/hypertension-national", {"sbp": 128}, at=ago(9)) for _ in range(4)]  # fmt: skip

    def save(response):
        try:
            with seeding():
                ProgrammeVisit.objects.create(
                    patient=cast.zhang, episode=made, response=response, role="follow-up", visited_on=TODAY,
                    visited_at=NOW_REAL, is_face_to_face=True, canonical="x", pack_version="x", in_target=True,
                )  # fmt: skip
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(one,)) for one in responses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ProgrammeVisit.objects.unscoped("test").count() == 5
    assert_equal()


# --- night, rules, folding -------------------------------------------------------------------------------------


def test_the_night_puts_right_what_was_changed_behind_the_triggers(world):
    visited(world, values={"sbp": 128}, at=ago(3))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reports_programmerollup SET managed = managed + 5 WHERE managed > 0")
        cursor.execute("ALTER TABLE reports_programmefact DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM reports_programmefact WHERE kind = 'episode'")
        cursor.execute("ALTER TABLE reports_programmefact ENABLE TRIGGER USER")
    check = actions.check_rollup(at=NOW_REAL, by=SYSTEM)
    assert check.differing > 0
    assert_equal()
    assert actions.check_rollup(at=NOW_REAL, by=SYSTEM).differing == 0
    assert RollupCheck.objects.count() == 2


def test_folding_keeps_every_sum_and_leaves_one_row_for_a_key(world):
    for days in (9, 6, 3):
        visited(world, values={"sbp": 128 + days}, at=ago(days))
    before = summed("reports_programmerollup")
    assert actions.fold_rollup(by=SYSTEM) > 0
    assert summed("reports_programmerollup") == before
    keys = ProgrammeRollup.objects.values_list("programme", "year", "department_id", "since", "until")
    assert len(keys) == len(set(keys))
    assert actions.fold_rollup(by=SYSTEM) == 0


def test_another_pack_is_counted_by_its_own_rules_and_the_same_one_changes_nothing(world):
    visited(world, values={"sbp": 128}, at=ago(3))
    diagnosed(make_patient(world), "I16")
    assert actions.align_programmes(at=NOW_REAL, by=SYSTEM) is False
    with seeding():
        ProgrammeRule.objects.filter(programme="hypertension").update(diagnoses=["I16"])
    actions.check_rollup(at=NOW_REAL, by=SYSTEM)
    assert reads.programmes(viewer=SYSTEM, day=TODAY)["hypertension"]["undocumented"] == 1
    assert actions.align_programmes(at=NOW_REAL, by=SYSTEM) is True
    assert_equal()


def test_the_nightly_job_and_the_reaction_are_harmless_twice(world):
    stamp = int(NOW_REAL.timestamp())
    for _ in range(2):
        jobs.check_rollup.func(timestamp=stamp)
        jobs.align_programmes.func(event={})
    assert_equal()


def test_without_a_pack_nothing_is_counted_and_nothing_breaks(cast):
    actions.align_programmes(at=NOW_REAL, by=SYSTEM)
    assert ProgrammeRule.objects.count() == 0
    client = cast.client(cast.he)
    assert client.get(reverse("reports:programmes")).status_code == 204


# --- the fragment ----------------------------------------------------------------------------------------------


def test_the_dashboards_carry_the_figures_of_a_department_and_of_all(world):
    visited(world, at=ago(3))
    publish_all("oncology-post-op")
    publichealth.load_shipped_tables(at=NOW, by=SYSTEM)
    response = answered(world, ONCOLOGY, {"condition": "normal", "pain": 2}, at=ago(2))
    found = publichealth.suggest_opinion(response_id=response.pk, at=ago(2), by=SYSTEM)
    publichealth.choose_opinion(opinion=found, code="normal", note="", at=NOW_REAL, by=world.as_zhao)
    client = world.client(world.he)
    for place, there in ((None, True), (world.cardiology.pk, True), (world.orthopaedics.pk, False), ("nowhere", False)):
        query = {"department": str(place)} if place else {}
        text = client.get(reverse("reports:programmes"), query).content.decode()
        assert ('data-programme="hypertension"' in text) is there, place
        assert ('data-decided="1" data-agreed="1"' in text) is there, place
    assert reverse("reports:programmes") in client.get(reverse("reports:hospital")).content.decode()
    assert world.client(world.system_admin).get(reverse("reports:programmes")).status_code == 403


def test_each_number_says_what_it_is_and_leads_to_its_list(world):
    visited(world, at=ago(3))
    client = world.client(give(world.qian, "hospital-inspector"))
    text = client.get(reverse("reports:programmes"), {"department": str(world.cardiology.pk)}).content.decode()
    address = reverse("publichealth:indicator-list", args=["hypertension", "control", "numerator"])
    assert f"{address}?year={TODAY.year}&amp;department={world.cardiology.pk}" in text
    assert 'title="' in text
    assert "÷" in text
    listed = client.get(address, {"year": TODAY.year, "department": str(world.cardiology.pk)})
    assert listed.status_code == 200
    assert "data-patient" in listed.content.decode() or str(world.zhang.pk) in listed.content.decode()


def test_a_supervisor_counts_the_own_department_only(world):
    visited(world, at=ago(3))
    counted = reads.programmes(viewer=world.viewer(world.qian), day=TODAY)
    assert counted["hypertension"]["managed"] == 1
    change(EpisodeOfCare, episode().pk, department_id=world.orthopaedics.pk)
    assert reads.programmes(viewer=world.viewer(world.qian), day=TODAY).get("hypertension", {}).get("managed", 0) == 0
    everything = reads.programmes(viewer=world.viewer(world.qian), day=TODAY, departments=[world.orthopaedics.pk])
    assert everything == {}


def test_the_read_is_one_statement_whatever_the_number_of_patients(world, django_assert_num_queries):
    for _ in range(3):
        visited(world, at=ago(3), patient=make_patient(world))
    with django_assert_num_queries(1):
        reads.programmes(viewer=SYSTEM, day=TODAY)


@pytest.mark.parametrize(
    ("numerator", "denominator", "percent"), [(0, 0, None), (0, 3, 0.0), (1, 3, 33.3), (3, 3, 100.0)]
)
def test_nobody_to_count_is_no_zero_percent(numerator, denominator, percent):
    assert rules.percent(numerator, denominator) == percent


def test_the_view_counts_what_the_python_measures_are_called():
    assert set(rules.PROGRAMME) >= {"managed", "standard", "in_target", "clocks_due", "clocks_kept", "undocumented"}
    assert rules.programme_measures({"managed": 2, "undocumented": 3})["known"] == 5
    names = {field.name for field in ProgrammeRollup._meta.get_fields()}
    assert set(rules.PROGRAMME) <= names

"""A draft played on past discharges: what it counts, how far it got, and who may stop it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter, Patient
from careloop.plans import actions
from careloop.plans.jobs import replay_draft
from careloop.plans.models import CarePlan, LadderRun, PlanDraft, PlanReplay
from careloop.plans.reads import charts, facts, replaying
from careloop.plans.rules import drafting, fhir
from careloop.plans.rules.replay import Capacity
from careloop.plans.tests.factories import Scene, a_plan, raw_plan, raw_step
from tests.cast import SYSTEM, Cast

NOON = timezone.now().replace(hour=4, minute=0, second=0, microsecond=0)
TODAY = facts.local_day(NOON)
RULE = {"diagnoses": {"any": ["I21"]}, "encounter_classes": ["IMP"]}


def days_ago(days: int) -> datetime:
    return NOON - timedelta(days=days)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def the_plan(name: str = "tried", *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"enrolment": RULE, "ends": {"after": "6m"}, "group": name} | more
    return raw_plan(name, *(steps or (raw_step("a", "3"), raw_step("b", "10"))), **told)


def drafted(by: Viewer, raw: dict[str, Any]) -> PlanDraft:
    return actions.import_draft(imported=fhir.Imported(raw, ()), at=timezone.now(), by=by)


def run(draft: PlanDraft, by: Viewer, months: int = 2, nurses: int = 1, per_day: int = 50) -> dict[str, Any]:
    replay = actions.request_replay(
        draft=draft, months=months, nurses=nurses, per_day=per_day, at=timezone.now(), by=by
    )
    replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    assert replay.state == "done"
    return json.loads(json.dumps(replay.result))  # as the page gets it


def left(scene: Scene, days: int, diagnosis: str = "I21.0", patient: Patient | None = None) -> Encounter:
    return scene.discharge(patient=patient or scene.new_patient(), diagnosis=diagnosis, at=days_ago(days))


# The span --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "months", "first"),
    [
        (date(2026, 11, 22), 1, date(2026, 10, 22)), (date(2026, 11, 22), 12, date(2025, 11, 22)),
        (date(2026, 3, 31), 1, date(2026, 3, 1)), (date(2026, 1, 1), 1, date(2025, 11, 29)),
    ],
)  # fmt: skip
def test_the_span_ends_yesterday(today: date, months: int, first: date) -> None:
    found = replaying.span(a_plan("x", ends={"after": "30"}), months=months, today=today)
    assert found.last == today - timedelta(days=1)
    assert found.first == first
    assert found.lead == 30


def test_a_plan_without_a_date_looks_back_a_year_at_most() -> None:
    assert replaying.span(a_plan(), months=3, today=TODAY).lead == replaying.MOST_LEAD
    assert replaying.span(a_plan("x", ends={"after": "5y"}), months=3, today=TODAY).lead == replaying.MOST_LEAD


# The numbers -----------------------------------------------------------------------------------------------------------


def test_contacts_come_from_the_discharges_that_fit(scene: Scene) -> None:
    for days in (40, 30, 20):
        left(scene, days)
    left(scene, 25, diagnosis="S72.0")
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert (found["discharges"], found["taken"], found["contacts"], found["patients"]) == (4, 3, 6, 3)
    assert found["outcomes"] == {"enrolled": 3, "no-plan": 1}
    assert sum(day["own"] for day in found["days"]) == 6
    due = {(TODAY - timedelta(days=days - step)).isoformat() for days in (40, 30, 20) for step in (3, 10)}
    assert {day["day"] for day in found["days"] if day["own"]} == due
    assert found["departments"] == [{"name": "Cardiology", "discharges": 3}]


def test_a_plan_that_is_valid_from_today_is_tried_on_the_past_all_the_same(scene: Scene) -> None:
    left(scene, 20)
    raw = the_plan(valid_from=TODAY.isoformat(), valid_to=TODAY.isoformat())
    assert run(drafted(scene.cast.as_zhao, raw), scene.cast.as_zhao)["contacts"] == 2


def test_nothing_is_written_but_the_replay(scene: Scene) -> None:
    left(scene, 20)
    run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert not CarePlan.objects.unscoped("test").exists()
    assert not LadderRun.objects.unscoped("test").exists()


def test_patients_discharged_before_the_span_count_as_far_as_the_plan_reaches(scene: Scene) -> None:
    left(scene, 70)
    late = the_plan("tried", raw_step("a", "3"), raw_step("b", "60"))
    found = run(drafted(scene.cast.as_zhao, late), scene.cast.as_zhao, months=1)
    assert (found["discharges"], found["contacts"]) == (0, 1)


@pytest.mark.parametrize("disposition", ["died", "against-advice", "other-hospital"])
def test_whom_nobody_contacts_is_not_counted(scene: Scene, disposition: str) -> None:
    scene.discharge(patient=scene.new_patient(), diagnosis="I21.0", at=days_ago(20), disposition=disposition)
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert (found["taken"], found["contacts"]) == (0, 0)


def test_a_death_ends_the_contacts_on_its_day_but_not_before(scene: Scene) -> None:
    patient = scene.new_patient()
    left(scene, 30, patient=patient)
    scene.change(patient, deceased=True, deceased_at=days_ago(25))
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert (found["taken"], found["contacts"]) == (1, 1)


def test_a_later_stay_takes_over_from_the_one_before(scene: Scene) -> None:
    patient = scene.new_patient()
    left(scene, 40, patient=patient)
    left(scene, 35, patient=patient)
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert found["contacts"] == 3  # day 3 of the first, both of the second


def test_the_draft_takes_the_place_of_its_older_version(scene: Scene) -> None:
    actions.publish_plan(raw=the_plan() | {"version": "0.9"}, enrols=True, at=timezone.now(), by=SYSTEM)
    left(scene, 20)
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert (found["contacts"], found["others"]) == (2, 0)


def test_other_plans_are_counted_and_overlap_is_told(scene: Scene) -> None:
    other = the_plan("other", raw_step("x", "3"), enrolment={"encounter_classes": ["IMP"]})
    actions.publish_plan(raw=other, enrols=True, at=timezone.now(), by=SYSTEM)
    left(scene, 30)
    left(scene, 30, diagnosis="S72.0")
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert (found["contacts"], found["others"]) == (2, 2)
    assert (found["overlap"]["same_day_contacts"], found["overlap"]["same_day_patients"]) == (1, 1)
    assert found["overlap"]["with_plans"] == {"https://careloop.org/PlanDefinition/other": 1}


def test_plans_that_take_nobody_by_rule_do_not_count(scene: Scene) -> None:
    other = the_plan("other", raw_step("x", "3"), enrolment={"encounter_classes": ["IMP"]})
    actions.publish_plan(raw=other, enrols=False, at=timezone.now(), by=SYSTEM)
    left(scene, 30)
    assert run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)["others"] == 0


def test_too_few_people_make_it_overdue(scene: Scene) -> None:
    for _n in range(12):
        left(scene, 20)
    draft = drafted(scene.cast.as_zhao, the_plan("tried", raw_step("a", "3", window=[0, 0])))
    busy = run(draft, scene.cast.as_zhao, nurses=1, per_day=2)
    calm = run(draft, scene.cast.as_zhao, nurses=6, per_day=2)
    assert busy["risk"]["person"] == calm["risk"]["person"] == 12
    assert busy["risk"]["late"] > calm["risk"]["late"]
    assert busy["risk"]["late_without"] == 0
    assert max(day["fullest"] for day in busy["days"]) == 2


def test_other_peoples_steps_are_listed_by_owner(scene: Scene) -> None:
    left(scene, 20)
    raw = the_plan("tried", raw_step("a", "3", owner="ward-nurse"), raw_step("b", "5"))
    found = run(drafted(scene.cast.as_zhao, raw), scene.cast.as_zhao)
    assert found["by_owner"] == {"ward-nurse": 1, "follow-up-centre": 1}
    assert found["risk"]["person"] == 1


def test_it_agrees_with_what_enrolment_really_does(scene: Scene) -> None:
    """Played on the past it counts exactly the tasks that real enrolment would have planned."""
    at = days_ago(30)
    stays = [left(scene, 30, diagnosis=code) for code in ("I21.0", "I21.9", "S72.0", "I25.1")]
    played = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    actions.publish_plan(raw=the_plan(), enrols=True, at=at, by=SYSTEM)
    actions.enrol_discharges(encounter_ids=[stay.pk for stay in stays], at=at, by=SYSTEM)
    assert played["taken"] == CarePlan.objects.unscoped("test").count() == 2


def test_how_many_ladders_needed_no_call_comes_from_the_past(scene: Scene) -> None:
    left(scene, 20)
    plan = _running(scene)
    with seeding():
        for n in range(40):
            LadderRun.objects.create(
                patient=plan.patient, care_plan=plan, task_id=f"00000000-0000-7000-8000-{n:012x}", starts_at=NOON,
                ended_how="task-over" if n < 10 else "phone",
            )  # fmt: skip
    assert replaying.answered_share(since=days_ago(365)) == 0.25
    assert replaying.answered_share(since=NOON + timedelta(days=2)) == 0.0  # too few: the worst case


def test_the_usual_capacity_counts_nurses_who_work_now(scene: Scene) -> None:
    assert replaying.usual_capacity() == Capacity(3, replaying.USUAL_PER_DAY, 0.0)  # Wang, Li, Sun


# A new version ---------------------------------------------------------------------------------------------------------


def _running(scene: Scene) -> CarePlan:
    actions.publish_plan(raw=the_plan(), enrols=True, at=timezone.now(), by=SYSTEM)
    stay = left(scene, 1)
    actions.enrol_discharges(encounter_ids=[stay.pk], at=NOON, by=SYSTEM)
    return CarePlan.objects.unscoped("test").select_related("patient").get()


def test_the_difference_for_running_plans_is_told_by_department(scene: Scene) -> None:
    _running(scene)
    draft = actions.start_version(
        definition=actions.publish_plan(raw=the_plan(), enrols=True, at=timezone.now(), by=SYSTEM),
        at=timezone.now(), by=scene.cast.as_zhao,
    )  # fmt: skip
    actions.change_draft(
        draft=draft, revision=1, at=timezone.now(), by=scene.cast.as_zhao,
        change=lambda raw: drafting.set_step(drafting.add_step(raw, activity="reminder"), "b", {"schedule": "12"}),
    )  # fmt: skip
    found = run(draft, scene.cast.as_zhao)
    (group,) = found["adoption"]["groups"]
    assert (group["name"], group["plans"], group["touched"]) == ("Cardiology", 1, 1)
    assert (group["added"], group["removed"], group["moved"], group["kept"]) == (1, 0, 1, 1)


# Running it ------------------------------------------------------------------------------------------------------------


def test_progress_goes_on_in_portions(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in range(20, 27):
        left(scene, days)
    monkeypatch.setattr(replaying, "PORTION", 3)
    seen: list[int] = []
    real = actions.note_replay

    def note(**told: Any) -> bool:
        seen.append(told["looked_at"])
        return real(**told)

    monkeypatch.setattr(actions, "note_replay", note)
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    assert seen == [3, 6, 7]
    assert found["taken"] == 7
    replay = PlanReplay.objects.get()
    assert (replay.total, replay.looked_at, replay.share) == (7, 7, 100)


def test_a_worker_that_died_begins_again(scene: Scene) -> None:
    left(scene, 20)
    draft = drafted(scene.cast.as_zhao, the_plan())
    replay = actions.request_replay(draft=draft, months=1, nurses=1, per_day=1, at=NOON, by=scene.cast.as_zhao)
    player = actions.start_replay(replay_id=replay.pk, at=NOON, by=SYSTEM)
    replaying.play(player, after=None)
    actions.note_replay(replay_id=replay.pk, run=1, looked_at=1, at=NOON, by=SYSTEM)
    replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    assert (replay.state, replay.result["taken"]) == ("done", 1)


def test_one_replay_at_a_time_for_each_draft(scene: Scene) -> None:
    draft = drafted(scene.cast.as_zhao, the_plan())
    ask = {"draft": draft, "months": 1, "nurses": 1, "per_day": 1, "at": NOON, "by": scene.cast.as_zhao}
    first = actions.request_replay(**ask)
    with pytest.raises(actions.ReplayRunsAlready):
        actions.request_replay(**ask)
    actions.stop_replay(replay=first, at=NOON, by=scene.cast.as_zhao)
    assert actions.request_replay(**ask).pk != first.pk


def test_a_stopped_replay_keeps_no_numbers(scene: Scene) -> None:
    draft = drafted(scene.cast.as_zhao, the_plan())
    replay = actions.request_replay(draft=draft, months=1, nurses=1, per_day=1, at=NOON, by=scene.cast.as_zhao)
    player = actions.start_replay(replay_id=replay.pk, at=NOON, by=SYSTEM)
    actions.stop_replay(replay=replay, at=NOON, by=scene.cast.as_zhao)
    assert not actions.note_replay(replay_id=replay.pk, run=1, looked_at=1, at=NOON, by=SYSTEM)
    with pytest.raises(actions.ReplayOver):
        actions.finish_replay(replay_id=replay.pk, player=player, at=NOON, by=SYSTEM)
    with pytest.raises(actions.ReplayOver):
        actions.stop_replay(replay=replay, at=NOON, by=scene.cast.as_zhao)
    replay_draft.func(event={"replay_id": str(replay.pk)})  # a job that comes late ends quietly
    replay.refresh_from_db()
    assert (replay.state, replay.result) == ("stopped", {})


@pytest.mark.parametrize("odd", [{"months": 0}, {"months": 13}, {"nurses": 0}, {"per_day": 0}, {"nurses": 501}])
def test_odd_numbers_are_refused(scene: Scene, odd: dict[str, int]) -> None:
    draft = drafted(scene.cast.as_zhao, the_plan())
    with pytest.raises(actions.BadReplay):
        actions.request_replay(
            **{"draft": draft, "months": 1, "nurses": 1, "per_day": 1, "at": NOON, "by": scene.cast.as_zhao} | odd
        )


def test_a_faulty_draft_is_not_replayed(scene: Scene) -> None:
    draft = drafted(scene.cast.as_zhao, the_plan(ends={}, steps=[raw_step("a", "every 3")]))
    with pytest.raises(actions.DraftFaulty):
        actions.request_replay(draft=draft, months=1, nurses=1, per_day=1, at=NOON, by=scene.cast.as_zhao)


# Shown -----------------------------------------------------------------------------------------------------------------


def test_the_chart_and_its_table_hold_the_same_numbers(scene: Scene) -> None:
    for days in (40, 30, 20):
        left(scene, days)
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    chart = charts.load(found)
    own = next(series["data"] for series in chart.options["series"] if series["type"] == "bar")
    assert own == [row[1] for row in chart.rows]
    assert sum(own) == found["contacts"]
    assert sum(row[3] for row in chart.rows) == sum(day["person"] for day in found["days"])
    assert len(chart.headers) == len(chart.rows[0])
    assert [day["person"] for day in charts.peaks(found)] == sorted(
        (d["person"] for d in charts.peaks(found)), reverse=True
    )


@pytest.mark.parametrize("is_old", [False, True])
def test_every_day_stands_in_the_chart_with_its_fullest_nurse_and_its_room(scene: Scene, is_old: bool) -> None:
    for days in (40, 30, 20):
        left(scene, days)
    found = run(drafted(scene.cast.as_zhao, the_plan()), scene.cast.as_zhao)
    if is_old:  # kept before each day had its own room
        found["days"] = [{key: value for key, value in day.items() if key != "room"} for day in found["days"]]
    work, nurses = charts.by_day(found), charts.fullest(found)
    for chart in (work, nurses):
        assert [row[0] for row in chart.rows] == [day["day"] for day in found["days"]] == chart.options["xAxis"]["data"]
        columns = [list(column) for column in zip(*chart.rows, strict=True)]
        assert [series["name"] for series in chart.options["series"]] == chart.headers[1:]
        assert [series["data"] for series in chart.options["series"]] == columns[1:]
    assert sum(row[1] for row in work.rows) == found["contacts"]
    assert max(row[1] for row in nurses.rows) == max(day["fullest"] for day in found["days"]) > 0
    assert [row[2] for row in nurses.rows] == [day["waiting"] for day in found["days"]]
    by_week = charts.load(found)
    assert sum(row[4] for row in work.rows) == sum(row[4] for row in by_week.rows) > 0

"""A replay whose process dies is begun again or says that it failed; it never stays "running"."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.plans import actions, jobs
from careloop.plans.actions.replaying import MOST_RUNS, QUIET, WAITS
from careloop.plans.models import PlanReplay
from careloop.plans.reads import replaying
from careloop.plans.reads.wording import replay_failure_words
from careloop.plans.tests.factories import Scene
from careloop.plans.tests.test_replaying import drafted, left, the_plan
from tests.cast import SYSTEM, Cast, make_cast

SECOND = timedelta(seconds=1)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def asked(scene: Scene, **more: Any) -> PlanReplay:
    left(scene, 20)
    draft = drafted(scene.cast.as_zhao, the_plan())
    told = {"months": 1, "nurses": 1, "per_day": 9} | more
    return actions.request_replay(draft=draft, **told, at=timezone.now(), by=scene.cast.as_zhao)


def begin(replay: PlanReplay, at: datetime) -> replaying.Player:
    return actions.start_replay(replay_id=replay.pk, at=at, by=SYSTEM)


def revive(at: datetime) -> list[Any]:
    return actions.revive_replays(at=at, by=SYSTEM)


def test_a_lively_one_is_left_alone(scene: Scene) -> None:
    replay, now = asked(scene), timezone.now()
    player = begin(replay, now)
    assert revive(now + QUIET) == []
    actions.note_replay(replay_id=replay.pk, run=player.run, looked_at=1, at=now + QUIET, by=SYSTEM)
    assert revive(now + 2 * QUIET) == []


def test_a_quiet_one_is_begun_again_once(scene: Scene) -> None:
    replay, now = asked(scene), timezone.now()
    begin(replay, now)
    later = now + QUIET + SECOND
    assert revive(later) == [replay.pk]
    assert revive(later + SECOND) == []  # asked for; waits for a sign of life
    assert revive(later + QUIET + SECOND) == [replay.pk]  # the second worker never came


def test_the_job_that_comes_again_finishes_it(scene: Scene) -> None:
    replay = asked(scene)
    begin(replay, timezone.now() - 2 * QUIET)
    jobs.revive_replays.func(timestamp=int(timezone.now().timestamp()) + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = 'careloop.plans.jobs.replay_draft'")
        told = [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in cursor.fetchall()]
    assert {"event": {"replay_id": str(replay.pk)}} in told
    jobs.replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    assert (replay.state, replay.runs, replay.result["taken"]) == ("done", 2, 1)


def test_after_three_deaths_it_has_failed_and_says_so(scene: Scene) -> None:
    replay, now = asked(scene), timezone.now()
    for n in range(MOST_RUNS):
        begin(replay, now + n * 2 * QUIET)
    assert revive(now + 2 * MOST_RUNS * QUIET) == []
    replay.refresh_from_db()
    assert (replay.state, replay.failure) == ("failed", "died")
    with pytest.raises(actions.ReplayOver):
        begin(replay, now)
    assert actions.request_replay(  # the draft is free for another
        draft=replay.draft, months=1, nurses=1, per_day=1, at=now, by=scene.cast.as_zhao
    ).pk


def test_one_that_nobody_took_up_fails_after_a_day(scene: Scene) -> None:
    replay = asked(scene)
    created = replay.created_at
    assert revive(created + WAITS - SECOND) == []
    assert revive(created + WAITS + SECOND) == []
    replay.refresh_from_db()
    assert (replay.state, replay.failure, replay.runs) == ("failed", "never-begun", 0)


def test_an_older_run_that_was_only_slow_may_not_write(scene: Scene) -> None:
    replay, now = asked(scene), timezone.now()
    slow, quick = begin(replay, now), begin(replay, now + QUIET)
    assert (slow.run, quick.run) == (1, 2)
    assert not actions.note_replay(replay_id=replay.pk, run=slow.run, looked_at=9, at=now, by=SYSTEM)
    with pytest.raises(actions.ReplayOver):
        actions.finish_replay(replay_id=replay.pk, player=slow, at=now, by=SYSTEM)
    assert not actions.fail_replay(replay_id=replay.pk, run=slow.run, failure="broken", at=now, by=SYSTEM)
    assert actions.note_replay(replay_id=replay.pk, run=quick.run, looked_at=1, at=now, by=SYSTEM)
    actions.finish_replay(replay_id=replay.pk, player=quick, at=now, by=SYSTEM)
    replay.refresh_from_db()
    assert replay.state == "done"


def test_a_fault_of_the_program_ends_it_with_a_word(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = asked(scene)

    def broken(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(replaying, "play", broken)
    with pytest.raises(ZeroDivisionError):
        jobs.replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    assert (replay.state, replay.failure) == ("failed", "broken")


def test_stopped_is_not_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = asked(scene)
    real = replaying.play

    def stopped_meanwhile(player: Any, *, after: Any) -> Any:
        actions.stop_replay(replay=replay, at=timezone.now(), by=SYSTEM)
        return real(player, after=after)

    monkeypatch.setattr(replaying, "play", stopped_meanwhile)
    jobs.replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    assert (replay.state, replay.failure) == ("stopped", "")


@pytest.mark.parametrize("code", ["died", "broken", "never-begun"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_says_why(scene: Scene, code: str, language: str) -> None:
    replay = asked(scene)
    with seeding():
        PlanReplay.objects.filter(pk=replay.pk).update(state="failed", failure=code, finished_at=timezone.now())
    scene.speaks(scene.cast.zhao, language)
    zhao: Client = scene.cast.client(scene.cast.zhao)
    page = zhao.get(reverse("plans:replay", args=[replay.draft_id])).content.decode()
    assert f'data-code="replay-{code}"' in page or f"replay-{code}" in page
    assert "data-replay-start disabled" not in page
    progress = zhao.get(reverse("plans:replay-progress", args=[replay.pk]))
    assert progress["HX-Refresh"] == "true"
    assert replay_failure_words(code) != code


# --- the roster -------------------------------------------------------------------------------------------------------


def test_an_empty_roster_is_refused(scene: Scene) -> None:
    from careloop.accounts.models import RoleAssignment

    with seeding():
        RoleAssignment.objects.filter(role__code="follow-up-nurse").delete()
    with pytest.raises(actions.NobodyOnRoster) as refusal:
        asked(scene, by_roster=True)
    assert isinstance(refusal.value, Refused)
    assert not PlanReplay.objects.exists()


def test_the_roster_takes_the_place_of_the_two_numbers(scene: Scene) -> None:
    replay = asked(scene, by_roster=True, nurses=500, per_day=300)
    jobs.replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    capacity = replay.result["capacity"]
    assert capacity["by_roster"]
    assert 0 < capacity["most_people"] < 500
    busiest = max(day["room"] for day in replay.result["days"])
    assert 0 < busiest < 500 * 300
    assert all(day["room"] == 0 for day in replay.result["days"] if not day["workday"])
    zhao: Client = scene.cast.client(scene.cast.zhao)
    assert 'data-capacity="roster"' in zhao.get(reverse("plans:replay", args=[replay.draft_id])).content.decode()


def test_the_form_asks_for_the_roster(scene: Scene) -> None:
    left(scene, 20)
    draft = drafted(scene.cast.as_zhao, the_plan())
    zhao: Client = scene.cast.client(scene.cast.zhao)
    told = {"months": "1", "nurses": "3", "per_day": "60", "by_roster": "1"}
    assert zhao.post(reverse("plans:replay", args=[draft.pk]), told).status_code == 302
    assert PlanReplay.objects.get().by_roster


# --- readmission ------------------------------------------------------------------------------------------------------


def played(scene: Scene, *steps: dict[str, Any]) -> dict[str, Any]:
    draft = drafted(scene.cast.as_zhao, the_plan("tried", *steps))
    replay = actions.request_replay(
        draft=draft, months=2, nurses=1, per_day=9, at=timezone.now(), by=scene.cast.as_zhao
    )
    jobs.replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    return replay.result


def readmitted(scene: Scene, first: int, last: int | None, **changed: str) -> None:
    """Home forty days ago, then in again from `first` to `last` days ago (None: still inside) for something else."""
    from careloop.plans.tests.test_replaying import days_ago

    patient = scene.new_patient()
    left(scene, 40, patient=patient)
    stay = scene.admit(patient, at=days_ago(first), **changed)
    if last is not None:
        scene.diagnose(stay, "S72.0")
        scene.change(stay, status="finished", discharged_at=days_ago(last), disposition="home", discharge_cycle=1)


def test_nobody_calls_somebody_who_is_in_hospital(scene: Scene) -> None:
    readmitted(scene, 38, 20)
    assert played(scene)["contacts"] == 0  # days 3 and 10 fall into the second stay


def test_a_contact_before_the_admission_was_made(scene: Scene) -> None:
    readmitted(scene, 35, 20)
    assert played(scene)["contacts"] == 1


def test_somebody_still_inside_is_not_called_either(scene: Scene) -> None:
    readmitted(scene, 35, None)
    assert played(scene)["contacts"] == 1


def test_a_visit_to_the_clinic_pauses_nothing(scene: Scene) -> None:
    readmitted(scene, 38, None, class_code="AMB")
    assert played(scene)["contacts"] == 2


def test_a_wide_window_outlasts_a_short_stay(scene: Scene) -> None:
    from careloop.plans.tests.factories import raw_step

    readmitted(scene, 38, 34)
    found = played(scene, raw_step("a", "3", window=[0, 30]), raw_step("b", "10"))
    assert found["contacts"] == 2


# --- a process that is killed -----------------------------------------------------------------------------------------

KILLED = """
import os, sys, time
os.environ["CARELOOP_DATABASE_URL"] = sys.argv[1]
import django
django.setup()
from careloop.plans import jobs
from careloop.plans.reads import replaying
replaying.PORTION = 1
real = replaying.play
def slow(player, *, after):
    if after is not None:
        print("in the middle", flush=True)
        time.sleep(60)
    return real(player, after=after)
replaying.play = slow
jobs.replay_draft.func(event={"replay_id": sys.argv[2]})
"""


@pytest.mark.kill
@pytest.mark.django_db(transaction=True)
def test_a_killed_process_leaves_a_replay_that_goes_on() -> None:
    scene = Scene(make_cast())
    left(scene, 25)
    replay = asked(scene)
    info = connection.get_connection_params()
    url = f"postgresql://{info['user']}:{info.get('password', '')}@/{info['dbname']}?host={info.get('host', '')}&port={info.get('port', '') or 5432}"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, str(replay.pk)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in the middle"
    process.send_signal(signal.SIGKILL)
    process.wait()
    replay.refresh_from_db()
    assert (replay.state, replay.runs, replay.looked_at, replay.total) == ("running", 1, 1, 2)
    assert revive(timezone.now()) == []  # it may only be slow
    assert revive(timezone.now() + QUIET + SECOND) == [replay.pk]
    jobs.replay_draft.func(event={"replay_id": str(replay.pk)})
    replay.refresh_from_db()
    assert (replay.state, replay.runs, replay.looked_at, replay.result["taken"]) == ("done", 2, 2, 2)

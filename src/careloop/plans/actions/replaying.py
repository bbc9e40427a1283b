"""Playing a draft on past discharges: asked for, run in the background, stopped, kept as numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.plans.actions.drafting import DraftFaulty, _person
from careloop.plans.events import ReplayMoved, ReplayRequested
from careloop.plans.models import PlanDefinition, PlanDraft, PlanReplay
from careloop.plans.reads import facts, replaying
from careloop.plans.reads.replaying import Player
from careloop.plans.rules.content import content_hash, parse_plan
from careloop.plans.rules.replay import Capacity
from careloop.plans.rules.review import check

MOST_MONTHS, MOST_NURSES, MOST_PER_DAY = 12, 500, 300
QUIET = timedelta(minutes=5)  # without a sign of life for so long, whoever played it is gone
WAITS = timedelta(days=1)  # nobody began it
MOST_RUNS = 3  # a replay that takes its process with it three times is not begun a fourth time
DIED, BROKEN, NEVER_BEGUN = "died", "broken", "never-begun"


class ReplayRunsAlready(Refused):
    """One at a time for each draft."""

    code = "replay-runs-already"
    message = _("This draft is being replayed already. Wait for it, or stop it first.")


class ReplayOver(Refused):
    """Nothing left to run or to stop."""

    code = "replay-over"
    message = _("This replay is over.")


class BadReplay(Refused):
    """A span or a capacity that means nothing."""

    code = "bad-replay"
    message = _("Months must be 1 to 12, nurses 1 to 500, contacts a day 1 to 300.")
    status = 422


class NobodyOnRoster(Refused):
    """The roster of that time is empty."""

    code = "nobody-on-roster"
    message = _("No follow-up nurse and no team was on the roster in that time. Type the number of nurses instead.")
    status = 422


@action
def request_replay(
    *, draft: PlanDraft, months: int, nurses: int, per_day: int, at: datetime, by: Viewer, by_roster: bool = False
) -> PlanReplay:
    """Ask for a replay. `by_roster`: the people of each day as the roster has them, instead of the two numbers.

    Refused: faulty content, odd numbers, one that runs already, a roster without anybody.
    """
    if not (1 <= months <= MOST_MONTHS and 1 <= nurses <= MOST_NURSES and 1 <= per_day <= MOST_PER_DAY):
        raise BadReplay
    current = PlanDraft.objects.get(pk=draft.pk)
    faults = check(current.content)
    if faults:
        raise DraftFaulty(faults)
    if by_roster:
        span = replaying.span(parse_plan(current.content), months=months, today=facts.local_day(at))
        if not replaying.roster_capacity(span, answered=0.0).nurses:
            raise NobodyOnRoster
    replay = PlanReplay(
        draft=current, by_roster=by_roster, content_hash=content_hash(current.content), months=months, nurses=nurses, per_day=per_day,
        requested_by_id=_person(by),
    )  # fmt: skip
    try:
        with transaction.atomic():
            replay.save()
    except IntegrityError:
        raise ReplayRunsAlready from None
    record(ReplayRequested(replay_id=replay.pk, draft_id=current.pk, months=months), by=by)
    return replay


@action
def start_replay(*, replay_id: UUID, at: datetime, by: Viewer) -> Player:
    """Begin, or begin again after a worker died: the numbers are only kept at the end. Refused: over.

    Each beginning is a run of its own; from then on an older run, should its process still live, may not write.
    """
    replay = _running(replay_id)
    plan = parse_plan(replay.draft.content)
    others = facts.contents(PlanDefinition.objects.enrolling().exclude(url=plan.url).order_by("url"))
    span = replaying.span(plan, months=replay.months, today=facts.local_day(at))
    PlanReplay.objects.filter(pk=replay.pk).update(
        state=PlanReplay.State.RUNNING, started_at=at, heartbeat_at=at, runs=replay.runs + 1, looked_at=0,
        total=replaying.discharges(span), updated_at=at, content_hash=content_hash(replay.draft.content),
    )  # fmt: skip
    record(ReplayMoved(replay_id=replay.pk, state=PlanReplay.State.RUNNING), by=by)
    return Player(plan, others, span, run=replay.runs + 1)


@action
def note_replay(*, replay_id: UUID, run: int, looked_at: int, at: datetime, by: Viewer) -> bool:
    """Tell how far it got, which is also the sign of life. False: it was stopped, or a later run has taken over."""
    changed = PlanReplay.objects.filter(pk=replay_id, state=PlanReplay.State.RUNNING, runs=run).update(
        looked_at=looked_at, heartbeat_at=at, updated_at=at
    )
    if changed:
        record(ReplayMoved(replay_id=replay_id, state=PlanReplay.State.RUNNING), by=by)
    return bool(changed)


@action
def finish_replay(*, replay_id: UUID, player: Player, at: datetime, by: Viewer) -> None:
    """Keep the numbers. Refused: stopped meanwhile, or a later run has taken over."""
    replay = _running(replay_id)
    if replay.runs != player.run:
        raise ReplayOver
    answered = replaying.answered_share(since=at - replaying.YEAR)
    capacity = Capacity(replay.nurses, replay.per_day, answered)
    if replay.by_roster:
        capacity = replaying.roster_capacity(player.span, answered=answered)
    player.pause_those_inside()
    result: dict[str, Any] = player.result(capacity)
    result["adoption"] = replaying.adoption_numbers(player.plan, at=at)
    _end(replay, PlanReplay.State.DONE, at=at, by=by, result=result)


@action
def fail_replay(*, replay_id: UUID, run: int, failure: str, at: datetime, by: Viewer) -> bool:
    """It cannot be played, and the page says why (`failure` is a code). False: over, or a later run has taken over."""
    replay = PlanReplay.objects.select_for_update(of=("self",), no_key=True).filter(
        pk=replay_id, finished_at__isnull=True, runs=run
    )
    found = replay.first()
    if found is None:
        return False
    _end(found, PlanReplay.State.FAILED, at=at, by=by, failure=failure)
    return True


@action
def revive_replays(*, at: datetime, by: Viewer) -> list[UUID]:
    """Replays without a sign of life: gives back those to begin again; whose process died too often has failed.

    One that waits for its first beginning is left alone for a day.
    """
    quiet = Q(heartbeat_at__lt=at - QUIET) | Q(heartbeat_at__isnull=True, created_at__lt=at - WAITS)
    rows = PlanReplay.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    again = []
    for replay in rows.filter(quiet, finished_at__isnull=True).order_by("pk"):
        if replay.runs >= MOST_RUNS or not replay.runs:
            _end(replay, PlanReplay.State.FAILED, at=at, by=by, failure=DIED if replay.runs else NEVER_BEGUN)
            continue
        PlanReplay.objects.filter(pk=replay.pk).update(heartbeat_at=at, updated_at=at)  # asked once, then waited for
        record(ReplayMoved(replay_id=replay.pk, state=replay.state), by=by)
        again.append(replay.pk)
    return again


@action
def stop_replay(*, replay: PlanReplay, at: datetime, by: Viewer) -> None:
    """No more of it. Refused: over already."""
    _end(_running(replay.pk), PlanReplay.State.STOPPED, at=at, by=by)


def _end(replay: PlanReplay, state: PlanReplay.State, *, at: datetime, by: Viewer, **values: Any) -> None:
    PlanReplay.objects.filter(pk=replay.pk).update(state=state, finished_at=at, updated_at=at, **values)
    record(ReplayMoved(replay_id=replay.pk, state=state), by=by)


def _running(replay_id: UUID) -> PlanReplay:
    """Locked. A replay that is over, or that nobody knows, is refused."""
    rows = PlanReplay.objects.select_for_update(of=("self",), no_key=True).select_related("draft")
    replay = rows.filter(pk=replay_id, finished_at__isnull=True).first()
    if replay is None:
        raise ReplayOver
    return replay

"""Playing a draft on past discharges: asked for, run in the background, stopped, kept as numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
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


@action
def request_replay(*, draft: PlanDraft, months: int, nurses: int, per_day: int, at: datetime, by: Viewer) -> PlanReplay:
    """Ask for a replay. Refused: faulty content, odd numbers, one that runs already."""
    if not (1 <= months <= MOST_MONTHS and 1 <= nurses <= MOST_NURSES and 1 <= per_day <= MOST_PER_DAY):
        raise BadReplay
    current = PlanDraft.objects.get(pk=draft.pk)
    faults = check(current.content)
    if faults:
        raise DraftFaulty(faults)
    replay = PlanReplay(
        draft=current, content_hash=content_hash(current.content), months=months, nurses=nurses, per_day=per_day,
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
    """Begin, or begin again after a worker died: the numbers are only kept at the end. Refused: over."""
    replay = _running(replay_id)
    plan = parse_plan(replay.draft.content)
    others = facts.contents(PlanDefinition.objects.enrolling().exclude(url=plan.url).order_by("url"))
    span = replaying.span(plan, months=replay.months, today=facts.local_day(at))
    PlanReplay.objects.filter(pk=replay.pk).update(
        state=PlanReplay.State.RUNNING, started_at=at, looked_at=0, total=replaying.discharges(span), updated_at=at,
        content_hash=content_hash(replay.draft.content),
    )  # fmt: skip
    record(ReplayMoved(replay_id=replay.pk, state=PlanReplay.State.RUNNING), by=by)
    return Player(plan, others, span)


@action
def note_replay(*, replay_id: UUID, looked_at: int, at: datetime, by: Viewer) -> bool:
    """Tell how far it got. False: it was stopped meanwhile."""
    changed = PlanReplay.objects.filter(pk=replay_id, state=PlanReplay.State.RUNNING).update(
        looked_at=looked_at, updated_at=at
    )
    if changed:
        record(ReplayMoved(replay_id=replay_id, state=PlanReplay.State.RUNNING), by=by)
    return bool(changed)


@action
def finish_replay(*, replay_id: UUID, player: Player, at: datetime, by: Viewer) -> None:
    """Keep the numbers. Refused: stopped meanwhile."""
    replay = _running(replay_id)
    capacity = Capacity(replay.nurses, replay.per_day, replaying.answered_share(since=at - replaying.YEAR))
    result: dict[str, Any] = player.result(capacity)
    result["adoption"] = replaying.adoption_numbers(player.plan, at=at)
    _end(replay, PlanReplay.State.DONE, at=at, by=by, result=result)


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

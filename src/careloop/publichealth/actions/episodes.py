"""Patients come under management and leave it: by a form, by hand, by death, by moving away, by a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.publichealth import rules
from careloop.publichealth.actions import clocks as clock_work
from careloop.publichealth.actions.clocks import HELD, _end, _hold, _running, _start
from careloop.publichealth.events import EpisodesRealigned, ManagementEnded, ManagementResumed, ManagementStarted
from careloop.publichealth.models import EpisodeOfCare, ProgrammeClock, ProgrammeVisit
from careloop.publichealth.reads import packs
from careloop.questionnaires.rules import Words

# Why somebody is no longer under management, as a person may say it.
ENDINGS: Final = ("moved", "transferred", "refused", "lost", "wrong-diagnosis")
Status = EpisodeOfCare.Status


class UnknownProgramme(Refused):
    """The pack in force has no such programme."""

    code = "unknown-programme"
    message = _("This programme is not in the rules that hold today.")


class AlreadyManaged(Refused):
    """Once at a time."""

    code = "already-managed"
    message = _("This patient is under management in this programme already.")


class BadRegistration(Refused):
    """A registration that cannot be true."""

    code = "bad-registration"
    message = _("This registration is not possible.")
    status = 422


class EpisodeClosed(Refused):
    """It is over already."""

    code = "episode-closed"
    message = _("This patient is no longer under management in this programme.")


class UnknownEnding(Refused):
    """Nobody leaves without a reason from the list."""

    code = "unknown-ending"
    message = _("Choose why the management ends.")


@action
def register_patient(
    *,
    patient: Patient,
    programme: str,
    department_id: UUID,
    started_on: date,
    noticed_at: datetime | None,
    at: datetime,
    by: Viewer,
) -> EpisodeOfCare:
    """Take a patient into a programme by hand; where a notice starts it, the clock of the first visit runs from there.

    Refused: unknown programme, twice, the dead, a day in the future, too young, a missing or future notice.
    """
    row = packs.pack_on(started_on) or packs.pack_on(timezone.localdate(at))
    rule = row.pack().programme(programme) if row else None
    if row is None or rule is None:
        raise UnknownProgramme
    mine = Patient.objects.visible_to(by).filter(pk=patient.pk).first()
    if mine is None:
        raise BadRegistration
    held = _hold(mine.pk)
    _refuse_impossible(held, rule, started_on, noticed_at, at)
    if EpisodeOfCare.objects.unscoped(HELD).active().filter(patient=held, programme=programme).exists():
        raise AlreadyManaged
    episode = _new_episode(
        held.pk, programme, department_id, by.practitioner_id, started_on, noticed_at, how="registered", by=by
    )
    _start_first_visit(episode, rule, row.version, at=at, by=by)
    return episode


def _refuse_impossible(
    patient: Patient, rule: rules.Programme, started_on: date, noticed_at: datetime | None, at: datetime
) -> None:
    if patient.deceased:
        raise BadRegistration(_("This patient has died."))
    if not patient.active:
        raise BadRegistration(_("This record was merged into another. Register the other one."))
    if started_on > timezone.localdate(at):
        raise BadRegistration(_("The first day cannot lie in the future."))
    if rule.starts_with_notice and (noticed_at is None or noticed_at > at):
        raise BadRegistration(_("Enter when the notice came; it cannot lie in the future."))
    if not rule.diagnoses and rule.age_from is not None and not _is_old_enough(patient, rule.age_from, started_on):
        raise BadRegistration(
            _("This programme is for people from an age on; the patient is younger or the age is unknown.")
        )


def _is_old_enough(patient: Patient, years: int, on: date) -> bool:
    born = patient.birth_date
    return born is not None and (on.year - born.year - ((on.month, on.day) < (born.month, born.day))) >= years


def _new_episode(
    patient_id: UUID,
    programme: str,
    department_id: UUID,
    doctor_id: UUID | None,
    started_on: date,
    noticed_at: datetime | None,
    *,
    how: str,
    by: Viewer,
) -> EpisodeOfCare:
    episode = EpisodeOfCare.objects.unscoped(HELD).create(
        patient_id=patient_id, programme=programme, department_id=department_id, doctor_id=doctor_id,
        started_on=started_on, noticed_at=noticed_at, started_how=how,
    )  # fmt: skip
    record(ManagementStarted(episode_id=episode.pk, programme=programme, how=how, patient_id=patient_id), by=by)
    return episode


def _start_first_visit(
    episode: EpisodeOfCare, rule: rules.Programme, version: str, *, at: datetime, by: Viewer
) -> None:
    """Where a notice starts the programme, the first visit has hours, not days."""
    kind = rule.clocks.get("first-visit")
    if kind is None or rule.first_visit_hours is None or episode.noticed_at is None:
        return
    due_at = episode.noticed_at + timedelta(hours=rule.first_visit_hours)
    told = timezone.localtime(episode.noticed_at).strftime("%Y-%m-%d %H:%M")
    why = Words(
        f"{told} 接到通知单，{rule.first_visit_hours} 小时内入户（规则包 {version}）",
        f"notice of {told}, visit within {rule.first_visit_hours} hours (rule pack {version})",
    )
    due = rules.ClockDue(
        "first-visit", timezone.localdate(due_at), kind.window_days, rule.forms[kind.form], kind.title, why
    )
    _start(episode, [due], visit=None, pack_version=version, at=at, by=by, due_at=due_at)
    _write_next(episode)


def _write_next(episode: EpisodeOfCare) -> None:
    """The next day something is due stands on the episode, so that a list is one indexed query."""
    days = [clock.due_on for clock in _running(episode)]
    episode.next_due_on = min(days, default=None)
    episode.save(update_fields=["next_due_on", "updated_at"])


def _recount(episode: EpisodeOfCare) -> ProgrammeVisit | None:
    """The streak of every visit in the order of time, and the newest one's result on the episode."""
    visits = list(
        ProgrammeVisit.objects.unscoped(HELD)
        .filter(episode=episode, status=ProgrammeVisit.Status.CURRENT)
        .order_by("visited_at", "pk")
    )
    streak = 0
    for visit in visits:
        streak = rules.streak_after(streak, visit.in_target)
        if visit.streak != streak:
            visit.streak = streak
            visit.save(update_fields=["streak", "updated_at"])
    newest = visits[-1] if visits else None
    _summarise(episode, newest, streak)
    return newest


def _summarise(episode: EpisodeOfCare, newest: ProgrammeVisit | None, streak: int) -> None:
    control = EpisodeOfCare.Control
    episode.last_visit_on = newest.visited_on if newest else None
    episode.last_class = newest.class_code if newest else ""
    episode.last_title = newest.class_title if newest else {}
    episode.is_urgent = newest.is_urgent if newest else False
    episode.streak = streak
    if newest is None:
        episode.control = control.NONE
    elif newest.in_target is None:
        episode.control = control.NONE if newest.class_code else control.UNKNOWN
    else:
        episode.control = control.IN if newest.in_target else control.OUT
    episode.save()


@action
def end_episode(*, episode: EpisodeOfCare, reason: str, at: datetime, by: Viewer) -> None:
    """Management ends for a reason from the list; its clocks stop and their open tasks close."""
    if reason not in ENDINGS:
        raise UnknownEnding
    mine = EpisodeOfCare.objects.visible_to(by).filter(pk=episode.pk).first()
    if mine is None:
        raise EpisodeClosed
    _hold(mine.patient_id)
    mine.refresh_from_db()
    if mine.status != Status.ACTIVE:
        raise EpisodeClosed
    _finish(mine, reason=reason, at=at, by=by)


def _finish(episode: EpisodeOfCare, *, reason: str, at: datetime, by: Viewer) -> None:
    system = Viewer.system("publichealth.finish")  # closing a colleague's task needs no right to it
    _end(_running(episode), status=ProgrammeClock.Status.STOPPED, reason=reason, at=at, by=system)
    episode.status, episode.ended_at, episode.end_reason, episode.next_due_on = Status.FINISHED, at, reason, None
    episode.save(update_fields=["status", "ended_at", "end_reason", "next_due_on", "updated_at"])
    record(ManagementEnded(episode_id=episode.pk, reason=reason, patient_id=episode.patient_id), by=by)


@action
def stop_for_death(*, patient_id: UUID, reason: str = "death", at: datetime, by: Viewer) -> int:
    """The patient died (or moved away): every programme ends, every clock stops. Again: nothing."""
    _hold(patient_id)
    rows = list(EpisodeOfCare.objects.visible_to(by).active().filter(patient_id=patient_id).order_by("pk"))
    for episode in rows:
        _finish(episode, reason=reason, at=at, by=by)
    return len(rows)


@action
def resume_after_mistake(*, patient_id: UUID, at: datetime, by: Viewer) -> int:
    """The death was a mistake: what it ended goes on, with the clocks it stopped."""
    _hold(patient_id)
    ended = EpisodeOfCare.objects.visible_to(by).filter(
        patient_id=patient_id, status=Status.FINISHED, end_reason="death"
    )
    count = 0
    for episode in ended.order_by("pk"):
        if (
            EpisodeOfCare.objects.visible_to(by)
            .active()
            .filter(patient_id=patient_id, programme=episode.programme)
            .exists()
        ):
            continue
        _resume(episode, at=at, by=by)
        count += 1
    return count


def _resume(episode: EpisodeOfCare, *, at: datetime, by: Viewer) -> None:
    stopped_at, reason = episode.ended_at, episode.end_reason
    episode.status, episode.ended_at, episode.end_reason = Status.ACTIVE, None, ""
    episode.save(update_fields=["status", "ended_at", "end_reason", "updated_at"])
    stopped = ProgrammeClock.objects.unscoped(HELD).filter(
        episode=episode, status=ProgrammeClock.Status.STOPPED, end_reason=reason, ended_at=stopped_at
    )
    for clock in stopped.select_related("visit").order_by("pk"):
        again = rules.ClockDue(clock.kind, clock.due_on, 0, clock.form_url, Words(**clock.title), Words(**clock.reason))
        clock_work._start(
            episode, [again], visit=clock.visit, pack_version=clock.pack_version, at=at, by=by, due_at=clock.due_at
        )
    _write_next(episode)
    record(ManagementResumed(episode_id=episode.pk, patient_id=episode.patient_id), by=by)


@action
def realign_after_merge(*, patient_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """Two records became one, or two again: visits and clocks stand in their own patient's programme. How many moved."""
    moved = 0
    for patient_id in sorted(patient_ids):
        _hold(patient_id)
    for model in (ProgrammeVisit, ProgrammeClock):
        for patient_id in patient_ids:
            astray = model.objects.unscoped(HELD).filter(patient_id=patient_id).exclude(episode__patient_id=patient_id)
            for row in astray.select_related("episode").order_by("pk"):
                row.episode = _counterpart(row.episode, patient_id)
                row.save(update_fields=["episode", "updated_at"])
                moved += 1
    _end_tombstones(patient_ids, at=at, by=by)
    for episode in EpisodeOfCare.objects.unscoped(HELD).active().filter(patient_id__in=patient_ids).order_by("pk"):
        _recount(episode)
        _write_next(episode)
    record(EpisodesRealigned(patient_ids=tuple(patient_ids), patient_id=None), by=by)
    return moved


def _counterpart(episode: EpisodeOfCare, patient_id: UUID) -> EpisodeOfCare:
    """The same programme of the patient the row belongs to now; made when there is none."""
    mine = EpisodeOfCare.objects.unscoped(HELD).filter(patient_id=patient_id, programme=episode.programme)
    found = mine.order_by("status", "-started_on", "pk").first()
    if found is not None:
        return found
    return EpisodeOfCare.objects.unscoped(HELD).create(
        patient_id=patient_id, programme=episode.programme, department_id=episode.department_id,
        doctor_id=episode.doctor_id, started_on=episode.started_on, noticed_at=episode.noticed_at,
        started_how=episode.started_how,
    )  # fmt: skip


def _end_tombstones(patient_ids: Sequence[UUID], *, at: datetime, by: Viewer) -> None:
    rows = EpisodeOfCare.objects.unscoped(HELD).filter(patient_id__in=patient_ids).select_related("patient")
    for episode in rows.order_by("pk"):
        if not episode.patient.active and episode.status == Status.ACTIVE:
            _finish(episode, reason="merged", at=at, by=by)
        elif episode.patient.active and episode.end_reason == "merged":
            twin = (
                EpisodeOfCare.objects.unscoped(HELD)
                .active()
                .filter(patient_id=episode.patient_id, programme=episode.programme)
            )
            if not twin.exists():
                _resume(episode, at=at, by=by)

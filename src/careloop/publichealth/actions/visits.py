"""A completed national form becomes a visit of its programme: judged, counted, and followed by its clocks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import CareRelationship, Encounter
from careloop.publichealth import rules
from careloop.publichealth.actions.clocks import HELD, _end, _hold, _running, _start
from careloop.publichealth.actions.episodes import _finish, _new_episode, _recount, _resume, _write_next
from careloop.publichealth.events import VisitJudged, VisitWithdrawn
from careloop.publichealth.models import EpisodeOfCare, ProgrammeClock, ProgrammeVisit, RulePack
from careloop.publichealth.reads import packs
from careloop.questionnaires import rules as questionnaires
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.reads import form_of, previous_values
from careloop.tasks.models import Task


class NoDepartment(Refused):
    """Nobody knows a department of this patient, so nobody could be asked to go on."""

    code = "no-department"
    message = _("No department is known for this patient.")


CURRENT = ProgrammeVisit.Status.CURRENT
DONE = ProgrammeClock.Status.DONE


@action
def take_up_response(*, response_id: UUID, at: datetime, by: Viewer) -> ProgrammeVisit | None:
    """Judge completed answers to a national form. Other forms, drafts and the same answers again: nothing.

    Who was not under management is now: the form itself is the first record of it.
    """
    found = _completed(response_id, by)
    if found is None or found.authored_at is None:
        return None
    old = (
        ProgrammeVisit.objects.visible_to(by).filter(response_id=found.replaces_id).first()
        if found.replaces_id
        else None
    )
    visited_at = old.visited_at if old else found.authored_at
    row = packs.pack_on(timezone.localdate(visited_at))
    if row is None:
        return None
    programme = row.pack().programme_of(found.questionnaire.url)
    if programme is None and not packs.is_referral_check(row.pack(), found.questionnaire.url):
        return None
    patient = _hold(found.patient_id)
    found = _completed(response_id, by)  # as it stands now: it may have been corrected while we waited
    if found is None:
        return None
    if programme is None:
        _settle_referral_check(found, at=at, by=by)
        return None
    if ProgrammeVisit.objects.visible_to(by).filter(response=found).exists():
        return None
    if old is not None:
        _withdraw(old, ProgrammeVisit.Status.REPLACED, at=at, by=by)
    episode = old.episode if old else _episode_for(found, programme, visited_at, by=by)
    visit, judged = _write_visit(found, episode, programme, row, visited_at, by=by)
    _settle(episode, visit, judged, at=at, by=by, keep=found.task_id)
    if patient.deceased and episode.status == EpisodeOfCare.Status.ACTIVE:
        _finish(episode, reason="death", at=at, by=by)
    visit.refresh_from_db()
    return visit


def _completed(response_id: UUID, by: Viewer) -> QuestionnaireResponse | None:
    mine = QuestionnaireResponse.objects.visible_to(by).filter(pk=response_id, status="completed")
    return mine.select_related("questionnaire").defer("questionnaire__content").first()


def _episode_for(
    response: QuestionnaireResponse, programme: rules.Programme, visited_at: datetime, *, by: Viewer
) -> EpisodeOfCare:
    mine = EpisodeOfCare.objects.unscoped(HELD).filter(patient_id=response.patient_id, programme=programme.code)
    running = mine.active().first()
    if running is not None:
        return running
    department, doctor = _where(response)
    return _new_episode(
        response.patient_id, programme.code, department, doctor, timezone.localdate(visited_at), None,
        how="first-form", by=by,
    )  # fmt: skip


def _where(response: QuestionnaireResponse) -> tuple[UUID, UUID | None]:
    """The department that asked: of the task, else of the last stay, else the one that cares, else the author's."""
    task = Task.objects.unscoped(HELD).filter(pk=response.task_id).first() if response.task_id else None
    stays = Encounter.objects.unscoped(HELD).filter(patient_id=response.patient_id, department__isnull=False)
    stay = stays.order_by("-admitted_at", "-pk").first()
    if task is not None:
        return task.department_id, stay.attending_id if stay else None
    if stay is not None and stay.department_id is not None:
        return stay.department_id, stay.attending_id
    cares = CareRelationship.objects.unscoped(HELD).filter(patient_id=response.patient_id).order_by("-since", "-pk")
    relation = cares.first()
    if relation is not None:
        return relation.department_id, relation.practitioner_id
    place = response.author.organization_id if response.author else None
    if place is None:
        raise NoDepartment
    return place, None


def _write_visit(
    response: QuestionnaireResponse,
    episode: EpisodeOfCare,
    programme: rules.Programme,
    row: RulePack,
    visited_at: datetime,
    *,
    by: Viewer,
) -> tuple[ProgrammeVisit, rules.Judged]:
    judged = _judged(response, programme, row.pack(), visited_at)
    visit = ProgrammeVisit.objects.unscoped(HELD).create(
        patient_id=response.patient_id, episode=episode, response=response,
        role=programme.role_of(response.questionnaire.url) or "follow-up", visited_at=visited_at,
        visited_on=timezone.localdate(visited_at), canonical=response.canonical, pack_version=row.version,
        is_face_to_face=response.values.get("mode") in programme.face_to_face, class_code=judged.class_code or "",
        class_title={"zh": judged.title.zh, "en": judged.title.en}, reason={"zh": judged.reason.zh, "en": judged.reason.en},
        missing=list(judged.missing), in_target=judged.in_target, is_urgent=judged.urgent,
        advises_referral=judged.referral, derived={code: float(value) for code, value in judged.derived.items()},
    )  # fmt: skip
    record(
        VisitJudged(
            visit_id=visit.pk, episode_id=episode.pk, class_code=visit.class_code, urgent=judged.urgent,
            referral=judged.referral, patient_id=visit.patient_id,
        ),
        by=by,
    )  # fmt: skip
    return visit, judged


def _judged(
    response: QuestionnaireResponse, programme: rules.Programme, pack: rules.Pack, visited_at: datetime
) -> rules.Judged:
    form = form_of(response.questionnaire)
    previous, previous_at = previous_values(response.patient_id, url=form.url, before=visited_at)
    return rules.judge_visit(
        pack, programme, role=programme.role_of(form.url) or "follow-up", classed=response.classification,
        missing=questionnaires.missing_for_class(
            form, response.values, previous=previous, previous_at=previous_at, at=visited_at
        ),
        answers=response.values, on=timezone.localdate(visited_at),
    )  # fmt: skip


def _settle(
    episode: EpisodeOfCare,
    visit: ProgrammeVisit,
    judged: rules.Judged,
    *,
    at: datetime,
    by: Viewer,
    keep: UUID | None,
) -> None:
    """What waited for this visit is done; the newest visit alone says what comes next.

    A clock waits for a visit after the one that started it: an older visit, written down or corrected later, is not it.
    """
    form_url = visit.canonical.partition("|")[0]
    started = ProgrammeVisit.objects.unscoped(HELD).filter(episode=episode, visited_at__gte=visit.visited_at)
    later = set(started.exclude(pk=visit.pk).values_list("pk", flat=True))
    waited = [clock for clock in _running(episode) if clock.form_url == form_url and clock.visit_id not in later]
    _end(waited, status=DONE, reason="visited", at=at, ended_at=visit.visited_at, by=by, keep=keep)
    newest = _recount(episode)
    if judged.closes:
        if episode.status == EpisodeOfCare.Status.ACTIVE:
            _finish(episode, reason="course-closed", at=at, by=by)
        return
    if newest is not None and episode.status == EpisodeOfCare.Status.ACTIVE:
        _follow(episode, newest, judged if newest.pk == visit.pk else None, at=at, by=by)


def _follow(
    episode: EpisodeOfCare, newest: ProgrammeVisit, judged: rules.Judged | None, *, at: datetime, by: Viewer
) -> None:
    """Start the clocks of the newest visit, if they do not run."""
    if judged is None:
        row = packs.pack_by_version(newest.pack_version)
        programme = row.pack().programme(episode.programme) if row else None
        if row is None or programme is None:
            return
        response = (
            QuestionnaireResponse.objects.unscoped(HELD).select_related("questionnaire").get(pk=newest.response_id)
        )
        judged = _judged(response, programme, row.pack(), newest.visited_at)
    _start(episode, judged.clocks, visit=newest, pack_version=newest.pack_version, at=at, by=by)
    _write_next(episode)


def _settle_referral_check(response: QuestionnaireResponse, *, at: datetime, by: Viewer) -> None:
    """A referral check answers the referral clocks of this patient, whichever programme asked."""
    clocks = ProgrammeClock.objects.unscoped(HELD).filter(
        patient_id=response.patient_id, kind="referral-check", status=ProgrammeClock.Status.RUNNING
    )
    waiting = list(clocks.select_related("episode").order_by("pk"))
    _end(
        waiting, status=DONE, reason="visited", at=at, ended_at=response.authored_at, by=by, keep=response.task_id,
    )  # fmt: skip
    for clock in waiting:
        _write_next(clock.episode)


@action
def withdraw_visit(*, response_id: UUID, at: datetime, by: Viewer) -> bool:
    """These answers were entered in error: the visit counts no more, and the one before says again what comes next.

    What the visit had ended goes on: the course it closed, and in place of the clocks it kept new ones.
    """
    mine = ProgrammeVisit.objects.visible_to(by).filter(response_id=response_id)
    patient_id = mine.values_list("patient_id", flat=True).first()
    if patient_id is None:
        return False
    _hold(patient_id)
    visit = mine.select_related("episode").get()
    if visit.status == ProgrammeVisit.Status.ERROR:
        return False
    counted = visit.status == CURRENT
    _withdraw(visit, ProgrammeVisit.Status.ERROR, at=at, by=by)
    if counted:
        _take_back(visit, at=at, by=by)
    newest = _recount(visit.episode)
    if visit.episode.status == EpisodeOfCare.Status.ACTIVE:
        if newest is not None:
            _follow(visit.episode, newest, None, at=at, by=by)
        _write_next(visit.episode)
    return True


def _take_back(visit: ProgrammeVisit, *, at: datetime, by: Viewer) -> None:
    """What a visit that never was had done: clocks it answered were not kept, a course it closed runs on."""
    ProgrammeClock.objects.unscoped(HELD).filter(
        episode=visit.episode, form_url=visit.canonical.partition("|")[0], status=DONE, end_reason="visited",
        ended_at=visit.visited_at,
    ).update(status=ProgrammeClock.Status.STOPPED, end_reason="visit-error", updated_at=at)  # fmt: skip
    episode = visit.episode
    same = EpisodeOfCare.objects.unscoped(HELD).filter(patient_id=visit.patient_id, programme=episode.programme)
    if visit.role == "closing" and episode.end_reason == "course-closed" and not same.active().exists():
        _resume(episode, at=at, by=by)


def _withdraw(visit: ProgrammeVisit, status: str, *, at: datetime, by: Viewer) -> None:
    mine = [clock for clock in _running(visit.episode) if clock.visit_id == visit.pk]
    _end(mine, status=ProgrammeClock.Status.STOPPED, reason=f"visit-{status}", at=at, by=by)
    visit.status = status
    visit.save(update_fields=["status", "updated_at"])
    record(
        VisitWithdrawn(visit_id=visit.pk, episode_id=visit.episode_id, status=status, patient_id=visit.patient_id),
        by=by,
    )

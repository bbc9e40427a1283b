"""Clocks: started by a visit or a notice, made into work in time, and stopped by the visit, by death or by the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.utils import timezone

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.publichealth import rules
from careloop.publichealth.events import ClocksEnded, ClocksStarted, FirstVisitMissed
from careloop.publichealth.models import TASK_KEY, EpisodeOfCare, ProgrammeClock, ProgrammeVisit
from careloop.publichealth.reads import packs
from careloop.tasks.actions import close_tasks, request_tasks
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.rules import TaskRequest, outcome_of

END_OF_DAY = time(17, 30)
Status = ProgrammeClock.Status
HELD = "the patient is held by the running action"
LONGEST_WINDOW = 60  # days
NOBODY = UUID(int=0)
# Ends of a task after which nobody may go on: the programme ends with them.
LEAVING = {"died": "death", "moved": "moved", "transferred": "transferred"}


def _end_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, END_OF_DAY))


def _hold(patient_id: UUID) -> Patient:
    """One patient's programmes are written by one action at a time."""
    return (
        Patient.objects.unscoped("a programme is written for one patient at a time")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=patient_id)
    )


def _running(episode: EpisodeOfCare) -> list[ProgrammeClock]:
    return list(ProgrammeClock.objects.unscoped(HELD).filter(episode=episode, status=Status.RUNNING).order_by("pk"))


def _start(
    episode: EpisodeOfCare,
    clocks: Iterable[rules.ClockDue],
    *,
    visit: ProgrammeVisit | None,
    pack_version: str,
    at: datetime,
    by: Viewer,
    due_at: datetime | None = None,
) -> list[ProgrammeClock]:
    """Inside an action that holds the patient. A kind that runs already is not started twice."""
    runs = {clock.kind for clock in _running(episode)}
    made = [
        _clock(episode, due, visit=visit, pack_version=pack_version, at=at, due_at=due_at)
        for due in clocks
        if due.kind not in runs
    ]
    ProgrammeClock.objects.unscoped(HELD).bulk_create(made)
    if made:
        record(ClocksStarted(clock_ids=tuple(clock.pk for clock in made), patient_id=episode.patient_id), by=by)
    _ask_for_work([c for c in made if c.kind != "routine"], at=at, by=by)
    _open(made, at=at, by=by)
    return made


def _clock(
    episode: EpisodeOfCare,
    due: rules.ClockDue,
    *,
    visit: ProgrammeVisit | None,
    pack_version: str,
    at: datetime,
    due_at: datetime | None,
) -> ProgrammeClock:
    basis = visit.pk if visit else episode.pk
    again = ProgrammeClock.objects.unscoped(HELD).filter(key__startswith=f"{basis}:{due.kind}").count()
    return ProgrammeClock(
        patient_id=episode.patient_id, episode=episode, visit=visit, kind=due.kind, form_url=due.form_url,
        key=f"{basis}:{due.kind}" + (f":{again + 1}" if again else ""), due_on=due.due_on,
        due_at=due_at or _end_of(due.due_on), title={"zh": due.title.zh, "en": due.title.en},
        reason={"zh": due.reason.zh, "en": due.reason.en}, pack_version=pack_version, started_at=at,
    )  # fmt: skip


def _open(clocks: Sequence[ProgrammeClock], *, at: datetime, by: Viewer) -> int:
    """Ask for the tasks of clocks whose window is open and whom no plan's own follow-up with this form covers."""
    today = timezone.localdate(at)
    ready = [clock for clock in clocks if clock.due_on - timedelta(days=_window(clock)) <= today]
    return _ask_for_work([clock for clock in ready if not _is_covered(clock)], at=at, by=by)


def _window(clock: ProgrammeClock) -> int:
    pack = packs.pack_by_version(clock.pack_version)
    programme = pack.pack().programme(clock.episode.programme) if pack else None
    rule = programme.clocks.get(clock.kind) if programme else None
    return rule.window_days if rule else 7


def _is_covered(clock: ProgrammeClock) -> bool:
    """A follow-up plan has an open contact with the same form by then: nobody is asked twice."""
    others = Task.objects.unscoped(HELD).open().filter(patient_id=clock.patient_id, questionnaire_url=clock.form_url)
    soon = others.filter(due_at__lte=clock.due_at + timedelta(days=14)).exclude(key__startswith=TASK_KEY)
    return clock.kind == "routine" and soon.exists()


def _ask_for_work(clocks: Sequence[ProgrammeClock], *, at: datetime, by: Viewer) -> int:
    return request_tasks(requests=[_request(clock, at) for clock in clocks], by=by)


def _request(clock: ProgrammeClock, at: datetime) -> TaskRequest:
    episode = clock.episode
    opens = timezone.make_aware(datetime.combine(clock.due_on - timedelta(days=_window(clock)), time(0, 0)))
    pack = packs.pack_by_version(clock.pack_version)
    programme = pack.pack().programme(episode.programme) if pack else None
    title = clock.title["zh"]
    because = clock.reason.get("zh", "")
    title_en, because_en = clock.title.get("en", ""), clock.reason.get("en", "")
    return TaskRequest(
        key=clock.task_key, patient_id=clock.patient_id, department_id=episode.department_id,
        available_at=min(max(opens, clock.started_at), clock.due_at), due_at=clock.due_at, owner_role="follow-up-nurse",
        focus_id=clock.pk, step_code=clock.kind, questionnaire_url=clock.form_url,
        plan_title=programme.title.zh if programme else episode.programme,
        step_title=f"{title}：{because}" if because else title,
        plan_title_en=programme.title.en if programme else "",
        step_title_en=f"{title_en}: {because_en}" if title_en and because_en else title_en,
    )  # fmt: skip


def _end(
    clocks: Sequence[ProgrammeClock],
    *,
    status: str,
    reason: str,
    at: datetime,
    by: Viewer,
    ended_at: datetime | None = None,
    keep: UUID | None = None,
) -> None:
    """Inside an action that holds the patient: these clocks are over, and so is work that nobody need do any more.

    `ended_at` is when what they waited for happened, if that was not now: a clock is kept on the day of the visit, not
    of the job that heard of it. `keep` is the task at which the form was answered: it ends with its own call or page, a moment later.
    """
    if not clocks:
        return
    ids = [clock.pk for clock in clocks]
    ProgrammeClock.objects.unscoped(HELD).filter(pk__in=ids, status=Status.RUNNING).update(
        status=status, ended_at=ended_at or at, end_reason=reason, updated_at=at
    )
    tasks = Task.objects.unscoped(HELD).open().filter(key__in=[clock.task_key for clock in clocks])
    if status == Status.DONE:  # somebody may be on the phone with another of them: that call ends as it ends
        tasks = tasks.filter(claimed_by__isnull=True).exclude(pk=keep or NOBODY)
    closing = list(tasks.values_list("pk", flat=True))
    close_tasks(task_ids=closing, reason=f"programme-{reason}"[:40], at=at, by=by)
    patient_id = clocks[0].patient_id
    record(ClocksEnded(clock_ids=tuple(ids), status=status, reason=reason, patient_id=patient_id), by=by)


@action
def open_due_clocks(*, at: datetime, by: Viewer) -> int:
    """Just in time: clocks whose window opens become tasks, once; clocks of people who died are stopped. How many."""
    last = timezone.localdate(at) + timedelta(days=LONGEST_WINDOW)
    due = ProgrammeClock.objects.visible_to(by).filter(status=Status.RUNNING, due_on__lte=last)
    rows = list(due.select_related("episode", "patient").order_by("due_on", "pk"))
    for clock in [row for row in rows if row.patient.deceased or not row.patient.active]:
        _end([clock], status=Status.STOPPED, reason="death" if clock.patient.deceased else "merged", at=at, by=by)
    living = [row for row in rows if not row.patient.deceased and row.patient.active]
    known = set(Task.objects.visible_to(by).filter(key__in=[c.task_key for c in living]).values_list("key", flat=True))
    return _open([clock for clock in living if clock.task_key not in known], at=at, by=by)


@action
def settle_clock_of_task(*, task_id: UUID, outcome: str, at: datetime, by: Viewer) -> str:
    """A task of a clock ended: reached → done; moved or transferred → the programme ends; else the clock stops.

    Gives back why the programme must end, or nothing. A clock that is over already stays as it is.
    """
    task = Task.objects.visible_to(by).filter(pk=task_id, key__startswith=TASK_KEY).first()
    if task is None:
        return ""
    _hold(task.patient_id)
    clock = ProgrammeClock.objects.visible_to(by).filter(pk=task.focus_id or NOBODY, status=Status.RUNNING).first()
    if clock is None:
        return ""
    known = outcome_of(outcome)
    reached = known is not None and known.reached and known.effect == "complete"
    status = Status.DONE if reached else Status.STOPPED
    _end([clock], status=status, reason=f"task-{outcome}"[:40], at=at, ended_at=task.ended_at, by=by)
    return LEAVING.get(outcome, "")


@action
def report_missed_first_visit(*, task_id: UUID, at: datetime, by: Viewer) -> bool:
    """Two misses within the hours of the first visit (tuberculosis: 72): a task to report upward, once."""
    task = Task.objects.visible_to(by).filter(pk=task_id, step_code="first-visit").first()
    clock = (
        ProgrammeClock.objects.visible_to(by).select_related("episode").filter(pk=task.focus_id or NOBODY).first()
        if task
        else None
    )
    if task is None or clock is None or clock.status != Status.RUNNING:
        return False
    pack = packs.pack_by_version(clock.pack_version)
    programme = pack.pack().programme(clock.episode.programme) if pack else None
    tries = ContactAttempt.objects.visible_to(by).filter(task=task, undone_at__isnull=True)
    misses = sum(1 for code in tries.values_list("outcome", flat=True) if not _was_reached(code))
    if programme is None or programme.misses_until_report is None or misses < programme.misses_until_report:
        return False
    asked = TaskRequest(
        key=f"publichealth-report:{clock.pk}", patient_id=clock.patient_id, department_id=clock.episode.department_id,
        available_at=at, due_at=max(clock.due_at, at), kind="reminder", owner_role="department-head", focus_id=clock.pk,
        step_code="report-upward", plan_title=programme.title.zh, step_title="72 小时内两次未见到患者：向上级报告",
        plan_title_en=programme.title.en, step_title_en="Not met twice within 72 hours: report upward",
    )  # fmt: skip
    made = request_tasks(requests=[asked], by=by)
    if made:
        record(FirstVisitMissed(clock_id=clock.pk, patient_id=clock.patient_id), by=by)
    return bool(made)


def _was_reached(code: str) -> bool:
    known = outcome_of(code)
    return known is not None and known.reached

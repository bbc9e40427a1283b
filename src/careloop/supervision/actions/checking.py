"""A drawn record is checked: asked again blind, or read. The first answers stay hidden until the second ones stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import lift_seal, reveal_contact_point
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.supervision import access, events, rules
from careloop.supervision.actions.sampling import AlreadySubmitted, OwnRecords, draw_sample
from careloop.supervision.models import AnswerPair, Sample, SampledRecord
from careloop.supervision.reads import checks, content
from careloop.supervision.reads.samples import drawn_before, population, wanted_again
from careloop.tasks import actions as tasks
from careloop.tasks import rules as task_rules
from careloop.tasks.models import Task

Status = SampledRecord.Status
Verdict = SampledRecord.Verdict
ENOUGH_TRIES = 3


class NotYourCheck(Refused):
    code = "not-your-check"
    message = _("Somebody else checks this record.")


class AlreadyLooked(Refused):
    code = "already-looked"
    message = _(
        "You have opened this patient's record since it was written, so asking again would not be blind."
        " Hand the check over to somebody else, or give up blindness and read the record."
    )


class NotBlind(Refused):
    code = "not-blind"
    message = _("This record is read, not asked again.")


class DifferencesUnexplained(Refused):
    code = "differences-unexplained"
    message = _("Say for each difference where it comes from.")
    status = 422


class ReasonForUnblinding(Refused):
    code = "reason-for-unblinding"
    message = _("Write why you need to see the record now; at least five characters.")
    status = 422


class VerdictNeeded(Refused):
    code = "verdict-needed"
    message = _("Choose what the check found, and write a note when it differs.")
    status = 422


class TryAgainFirst(Refused):
    code = "try-again-first"
    message = _("Try at least three times, or until the patient cannot be reached for good, before giving up.")


class NothingToWiden(Refused):
    code = "nothing-to-widen"
    message = _("This sample was accepted, is still being checked, or everything has been drawn already.")


def _at_the_telephone(by: Viewer) -> Viewer:
    """The checker, asking this one patient again: the record is sealed to this person, so these writes need their own door.

    Every action here has made sure before that the check is this person's.
    """
    return replace(by, everything=True)


def _mine(row: SampledRecord, by: Viewer, *, status: str) -> SampledRecord:
    """The record as it stands now, held until the end of the action."""
    locked = SampledRecord.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=row.pk).first()
    if locked is None or locked.checker_id != by.practitioner_id or not by.can(access.CHECK):
        raise NotYourCheck
    if locked.author_id == by.practitioner_id:
        raise OwnRecords
    if locked.status != status:
        raise AlreadySubmitted
    return locked


@action
def begin_re_check(*, row: SampledRecord, at: datetime, by: Viewer) -> SampledRecord:
    """Take the call in hand: a task and an empty form in the version that was asked first. Again: the same ones.

    Refused to everybody but the checker, and to a checker who has looked into the record since it was written.
    """
    locked = _mine(row, by, status=Status.WAITING)
    if not locked.is_blind:
        raise NotBlind
    if locked.second_id is not None:
        return locked
    if checks.has_looked(locked, practitioner_id=by.practitioner_id):
        raise AlreadyLooked
    questionnaire = checks.questionnaire_of(locked)
    task = _request_call(locked, questionnaire, at, by)
    locked.task = task
    locked.second = questionnaires.start_response(
        questionnaire=questionnaire, patient_id=locked.patient_id, task_id=task.pk, mode="phone", at=at,
        by=_at_the_telephone(by),
    )  # fmt: skip
    locked.save(update_fields=["task", "second", "updated_at"])
    record(events.ReCheckBegun(record_id=locked.pk, task_id=task.pk, patient_id=locked.patient_id), by=by)
    return locked


def _request_call(row: SampledRecord, questionnaire: Questionnaire, at: datetime, by: Viewer) -> Task:
    key = f"supervision:re-check:{row.pk}"
    within = timedelta(days=content.sampling()["re_check_within_days"])
    asked = tasks.TaskRequest(
        key=key, patient_id=row.patient_id, department_id=row.department_id, kind=Task.Kind.RE_CHECK, available_at=at,
        due_at=at + within, owner_id=by.practitioner_id, focus_id=row.pk, questionnaire_url=questionnaire.url,
        step_title=questionnaire.title[:120],
    )  # fmt: skip
    tasks.request_tasks(requests=[asked], by=_at_the_telephone(by))
    return Task.objects.unscoped("the call of this check").get(key=key)


@action
def show_number(*, row: SampledRecord, contact_point_id: UUID, by: Viewer) -> str:
    """The whole number of the patient to be asked again. Refused when it is somebody else's check or number."""
    locked = _mine(row, by, status=Status.WAITING)
    point = next((one for one in checks.numbers(locked) if one.pk == contact_point_id), None)
    if point is None:
        raise NotYourCheck
    return reveal_contact_point(contact_point=point, by=_at_the_telephone(by))


@action
def save_second_answer(
    *, row: SampledRecord, link_id: str, value: Any, at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """Keep one answer at once. Refused before the call was begun and after it was submitted."""
    locked = _mine(row, by, status=Status.WAITING)
    second = _second(locked)
    return questionnaires.save_answer(
        response=second, link_id=link_id, value=value, source="phone", at=at, by=_at_the_telephone(by)
    )


def _second(row: SampledRecord) -> QuestionnaireResponse:
    second = checks.second_answers(row)
    if second is None:
        raise AlreadySubmitted
    return second


@action
def submit_re_check(
    *, row: SampledRecord, contact_point_id: UUID | None, started_at: datetime, at: datetime, by: Viewer
) -> SampledRecord:
    """The second answers stand: the call is done, both are compared question by question, and the record opens.

    Refused: answers missing (they are named), submitted already, somebody else's check.
    """
    locked = _mine(row, by, status=Status.WAITING)
    if not locked.is_blind:
        raise NotBlind
    second = questionnaires.complete_response(response=_second(locked), at=at, by=_at_the_telephone(by))
    tasks.record_attempt(
        task=_task(locked), contact_point_id=contact_point_id, outcome="reached-patient", started_at=started_at, at=at,
        by=_at_the_telephone(by),
    )  # fmt: skip
    lift_seal(why=locked.seal, because="submitted", at=at, by=by)
    locked.status, locked.submitted_at = Status.COMPARING, at
    pairs = _compare(locked, second, at)
    record(
        events.ReCheckSubmitted(
            record_id=locked.pk, patient_id=locked.patient_id, pairs=len(pairs),
            agreeing=sum(pair.agrees is True for pair in pairs),
        ),
        by=by,
    )  # fmt: skip
    if not any(pair.agrees is False for pair in pairs):
        _settle(locked, Verdict.AGREES, at)
    locked.save()
    _decide(locked.sample_id, at, by)
    return locked


def _task(row: SampledRecord) -> Task:
    if row.task_id is None:
        raise AlreadySubmitted
    return Task.objects.unscoped("the call of this check").get(pk=row.task_id)


def _compare(row: SampledRecord, second: QuestionnaireResponse, at: datetime) -> list[AnswerPair]:
    first = checks.first_answers(row)
    questions = {question.link_id: question for question in checks.questions_of(first.questionnaire)}
    found = rules.compare(list(questions.values()), first.values, second.values)
    return AnswerPair.objects.unscoped("creating").bulk_create(
        AnswerPair(
            record=row, patient_id=row.patient_id, department_id=row.department_id, author_id=row.author_id,
            questionnaire_url=first.questionnaire.url, link_id=one.link_id, scale=one.scale,
            categories=list(questions[one.link_id].categories), first=one.first[:500], second=one.second[:500],
            agrees=one.agrees, counts_for_kappa=one.counts_for_kappa, answered_at=at,
        )
        for one in found
    )  # fmt: skip


@action
def explain_differences(
    *, row: SampledRecord, reasons: Mapping[str, str], note: str, at: datetime, by: Viewer
) -> SampledRecord:
    """For each difference, where it comes from; the worst of them is the verdict. Refused while one is unexplained."""
    locked = _mine(row, by, status=Status.COMPARING)
    severities = content.sampling()["differences"]
    differing = list(AnswerPair.objects.unscoped("of this check").filter(record=locked, agrees=False).order_by("pk"))
    if any(reasons.get(pair.link_id) not in severities for pair in differing):
        raise DifferencesUnexplained
    for pair in differing:
        pair.reason = reasons[pair.link_id]
        pair.save(update_fields=["reason", "updated_at"])
    worst = {severities[pair.reason] for pair in differing}
    verdict = Verdict.SERIOUS if "serious" in worst else Verdict.DIFFERS if "minor" in worst else Verdict.AGREES
    locked.note = note.strip()[:500]
    _settle(locked, verdict, at)
    locked.save()
    record(events.DifferencesExplained(record_id=locked.pk, patient_id=locked.patient_id, verdict=verdict), by=by)
    _decide(locked.sample_id, at, by)
    return locked


@action
def settle_read_record(*, row: SampledRecord, verdict: str, note: str, at: datetime, by: Viewer) -> SampledRecord:
    """The verdict on a record that was read, not asked again. Refused for a record that is still blind."""
    locked = _mine(row, by, status=Status.WAITING)
    checks.first_answers(locked)  # refuses while it is blind
    if verdict not in Verdict.values or (verdict != Verdict.AGREES and not note.strip()):
        raise VerdictNeeded
    locked.note = note.strip()[:500]
    _settle(locked, verdict, at)
    locked.save()
    record(events.RecordReviewed(response_id=locked.response_id, patient_id=locked.patient_id, verdict=verdict), by=by)
    _decide(locked.sample_id, at, by)
    return locked


@action
def give_up_blindness(*, row: SampledRecord, reason: str, at: datetime, by: Viewer) -> SampledRecord:
    """The checker must see the record now, whatever it costs the check: it is read then, and no figure calls it blind."""
    locked = _mine(row, by, status=Status.WAITING)
    if not locked.is_blind:
        raise NotBlind
    if len(reason.strip()) < 5:
        raise ReasonForUnblinding
    _drop_call(locked, "blindness-given-up", at, by)
    lift_seal(why=locked.seal, because="given-up", at=at, by=by)
    locked.is_blind, locked.unblinded_at, locked.unblinded_because = False, at, reason.strip()[:200]
    locked.save()
    record(events.BlindnessGivenUp(record_id=locked.pk, patient_id=locked.patient_id, reason="stated"), by=by)
    return locked


def _drop_call(row: SampledRecord, reason: str, at: datetime, by: Viewer) -> None:
    """A call that was begun is ended without answers that would count."""
    if row.task_id is not None:
        tasks.close_tasks(task_ids=[row.task_id], reason=reason, at=at, by=_at_the_telephone(by))
    second = checks.second_answers(row)
    if second is not None:
        questionnaires.mark_entered_in_error(response=second, by=_at_the_telephone(by))


@action
def record_not_reached(
    *, row: SampledRecord, outcome: str, contact_point_id: UUID | None, started_at: datetime, at: datetime, by: Viewer
) -> SampledRecord:
    """A try that brought no answers. When it ends all tries (refused, died, moved) the record counts as not checked."""
    locked = _mine(row, by, status=Status.WAITING)
    known = task_rules.outcome_of(outcome)
    if known is None or known.effect in ("complete", "promise"):
        raise tasks.UnknownOutcome
    _second(locked)
    tasks.record_attempt(
        task=_task(locked), contact_point_id=contact_point_id, outcome=outcome, started_at=started_at, at=at,
        by=_at_the_telephone(by),
    )  # fmt: skip
    if known.effect in ("close", "end-contact"):
        _not_reached(locked, outcome, at, by)
    return locked


@action
def stop_trying(*, row: SampledRecord, at: datetime, by: Viewer) -> SampledRecord:
    """Tried often enough: the record counts as not checked. Refused before three tries."""
    locked = _mine(row, by, status=Status.WAITING)
    _second(locked)
    if _task(locked).attempts < ENOUGH_TRIES:
        raise TryAgainFirst
    _not_reached(locked, "unreachable", at, by)
    return locked


def _not_reached(row: SampledRecord, outcome: str, at: datetime, by: Viewer) -> None:
    _drop_call(row, outcome, at, by)
    lift_seal(why=row.seal, because="not-reached", at=at, by=by)
    row.status, row.settled_at = Status.NOT_REACHED, at
    row.save()
    record(events.PatientNotReachedAgain(record_id=row.pk, patient_id=row.patient_id, outcome=outcome), by=by)
    _decide(row.sample_id, at, by)


def _settle(row: SampledRecord, verdict: str, at: datetime) -> None:
    row.status, row.verdict, row.settled_at = Status.SETTLED, verdict, at


def _decide(sample_id: UUID, at: datetime, by: Viewer) -> None:
    """When the last record is settled the sample is judged; one that is not accepted draws its wider successor."""
    sample = Sample.objects.unscoped("the sample of this check").select_for_update(no_key=True).get(pk=sample_id)
    rows = list(SampledRecord.objects.unscoped("the records of this sample").filter(sample=sample).order_by("order"))
    if sample.status != Sample.Status.OPEN or any(row.status in (Status.WAITING, Status.COMPARING) for row in rows):
        return
    decision = _judge(sample, rows)
    sample.status = Sample.Status.ACCEPTED if decision.accepted else Sample.Status.WIDENED
    sample.decided_at = at
    sample.decision = {
        "checked": decision.checked, "serious": decision.serious, "allowed": decision.allowed,
        "reasons": list(decision.reasons), "next_size": decision.next_size,
        "producer_risk": round(decision.producer_risk, 4), "consumer_risk": round(decision.consumer_risk, 4),
        "policy_version": content.sampling()["version"],
    }  # fmt: skip
    sample.save(update_fields=["status", "decided_at", "decision", "updated_at"])
    record(events.SampleDecided(sample_id=sample.pk, accepted=decision.accepted, reasons=decision.reasons), by=by)


def _judge(sample: Sample, rows: Sequence[SampledRecord]) -> rules.Decision:
    pairs = list(AnswerPair.objects.unscoped("the pairs of this sample").filter(record__in=rows).order_by("pk"))
    agreement = rules.agreement_of(checks.pairs_for_kappa(pairs))
    outcomes = ["not-reached" if row.status == Status.NOT_REACHED else row.verdict for row in rows]
    return rules.decide(
        plan=rules.AcceptancePlan.from_data(content.sampling()), drawn=sample.size, outcomes=outcomes,
        kappa_high=agreement.pooled.high, blind_records=len({pair.record_id for pair in pairs}),
        population=sample.population_size,
    )  # fmt: skip


@action
def widen_sample(*, sample: Sample, at: datetime, by: Viewer) -> Sample:
    """Draw the wider sample that a sample which was not accepted calls for. Again: the same one. Refused otherwise."""
    judged = Sample.objects.visible_to(by).get(pk=sample.pk)
    existing = Sample.objects.visible_to(by).filter(widens=judged).first()
    if existing is not None:
        return existing
    if judged.status != Sample.Status.WIDENED or not judged.decision.get("next_size"):
        raise NothingToWiden
    wanted = wanted_again(judged)
    left = len(population(wanted, viewer=by, without=drawn_before(judged)).candidates)
    return draw_sample(
        key=f"widen:{judged.pk}", wanted=wanted, size=max(1, min(left, judged.decision["next_size"])), percent=None,
        blind_percent=float(judged.asked["blind_percent"]), seed=f"{judged.seed[:60]}+1"[:64], at=at, by=by,
        widens=judged,
    )  # fmt: skip

"""Asking again: nothing of the first answers before the second ones stand, each check once, and what follows from it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.audit.record import seen
from careloop.kernel.actions import seeding
from careloop.patients.models import BlindSeal, Patient
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires import reads as questionnaire_reads
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import actions, jobs
from careloop.supervision.models import AnswerPair, Sample, SampledRecord
from careloop.supervision.reads import checks
from careloop.supervision.reads.records import month_of
from careloop.supervision.tests.factories import (
    GOOD,
    ask_again,
    content,
    draw,
    number,
    publish,
    record_of,
    rows,
    wanted,
)
from careloop.tasks.actions import UnknownOutcome
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.tests.factories import make_patient
from tests.cast import NOW, SYSTEM, Cast, _person

S = SampledRecord.Status


@pytest.fixture
def row(cast: Cast) -> SampledRecord:
    """One record of Wang, to be asked again blind by Qian."""
    record_of(cast, answers={**GOOD, "pain": "yes", "where": "chest", "level": 7})
    return rows(draw(cast))[0]


def begin(cast: Cast, row: SampledRecord) -> SampledRecord:
    return actions.begin_re_check(row=row, at=NOW, by=cast.viewer(cast.qian))


def submit(cast: Cast, row: SampledRecord) -> SampledRecord:
    return actions.submit_re_check(
        row=row, contact_point_id=number(row.patient), started_at=NOW, at=NOW, by=cast.viewer(cast.qian)
    )


# ---- blindness ------------------------------------------------------------------------------------------------------


def test_the_first_answers_are_refused_to_everybody_while_the_check_is_blind(cast: Cast, row: SampledRecord) -> None:
    with pytest.raises(checks.StillBlind):
        checks.first_answers(row)
    begin(cast, row)
    row.refresh_from_db()
    with pytest.raises(checks.StillBlind):
        checks.first_answers(row)
    with pytest.raises(checks.StillBlind):
        checks.comparison(row, [])


def test_the_form_is_empty_and_knows_nothing_of_the_first_answers(cast: Cast, row: SampledRecord) -> None:
    begun = begin(cast, row)
    view = checks.form_view(begun, at=NOW, viewer=cast.viewer(cast.qian))
    assert view.answered == 0
    assert all(question.value is None for screen in view.screens for question in screen.questions)
    assert view.findings == ()


def test_rules_that_compare_with_the_time_before_say_nothing_in_a_blind_form(cast: Cast) -> None:
    """'7 more than last time' would tell what the last time was."""
    told = content("1.0.1")
    told["rules"].append(
        {
            "code": "still-high", "severity": "watch", "owner_role": "attending-doctor", "respond_within_minutes": 60,
            "when": {"all": [{"item": "sbp", "op": ">=", "value": 20}, {"previous": "sbp", "op": ">=", "value": 100}]},
            "sentence": {"zh": "仍高", "en": "Still high"},
        }
    )  # fmt: skip
    questionnaires.publish_questionnaire(content=told, at=NOW, by=SYSTEM)
    record_of(cast)
    row = rows(draw(cast))[0]
    actions.begin_re_check(row=row, at=NOW, by=cast.viewer(cast.qian))
    actions.save_second_answer(row=row, link_id="sbp", value=190, at=NOW, by=cast.viewer(cast.qian))
    row.refresh_from_db()
    view = checks.form_view(row, at=NOW, viewer=cast.viewer(cast.qian))
    assert "still-high" not in {found.rule_code for found in view.findings}
    second = checks.second_answers(row)
    assert second is not None
    told_otherwise = {found.rule_code for found in questionnaire_reads.judge_values(second, second.values, at=NOW)}
    assert "still-high" in told_otherwise  # an ordinary call of the same patient would have said it


def test_the_version_is_the_one_that_was_asked_first(cast: Cast) -> None:
    first = publish("1.0.0")
    record_of(cast)
    row = rows(draw(cast))[0]
    publish("2.0.0")
    begun = begin(cast, row)
    second = checks.second_answers(begun)
    assert second is not None
    assert second.questionnaire_id == first.pk
    assert checks.questionnaire_of(begun) == first


def test_the_record_is_closed_until_it_is_submitted_and_open_then(cast: Cast, row: SampledRecord) -> None:
    def visible() -> bool:
        return QuestionnaireResponse.objects.visible_to(cast.viewer(cast.qian)).filter(pk=row.response_id).exists()

    assert not visible()
    begin(cast, row)
    assert not visible()
    for link_id, value in GOOD.items():
        actions.save_second_answer(row=row, link_id=link_id, value=value, at=NOW, by=cast.viewer(cast.qian))
    assert not visible()
    submit(cast, row)
    assert visible()
    assert Patient.objects.visible_to(cast.viewer(cast.qian)).filter(pk=row.patient_id).exists()
    assert BlindSeal.objects.unscoped("test").get().lifted_because == "submitted"


def test_who_has_looked_since_cannot_ask_blind(cast: Cast, row: SampledRecord) -> None:
    seen(patient_id=row.patient_id, what="patient", by=cast.viewer(cast.qian))
    with pytest.raises(actions.AlreadyLooked):
        begin(cast, row)
    assert not Task.objects.unscoped("test").filter(kind="re-check").exists()


def test_who_looked_before_the_record_was_written_may(cast: Cast) -> None:
    patient = make_patient(cast)
    seen(patient_id=patient.pk, what="patient", by=cast.viewer(cast.qian))
    written = AuditEvent.objects.latest("pk").at + timedelta(seconds=1)
    record_of(cast, patient=patient, at=written)
    row = rows(draw(cast, wanted=wanted(cast, period=month_of(timezone.localdate(written)))))[0]
    assert begin(cast, row).second_id is not None


def test_looking_at_the_check_itself_is_not_looking_at_the_record(cast: Cast, row: SampledRecord) -> None:
    seen(patient_id=row.patient_id, what="supervision.check", by=cast.viewer(cast.qian))
    assert begin(cast, row).second_id is not None


# ---- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["wang", "zhao", "li", "sun", "he"])
def test_only_the_checker_checks(cast: Cast, row: SampledRecord, who: str) -> None:
    by = cast.viewer(getattr(cast, who))
    begin(cast, row)
    calls = {
        "begin": lambda: actions.begin_re_check(row=row, at=NOW, by=by),
        "answer": lambda: actions.save_second_answer(row=row, link_id="pain", value="no", at=NOW, by=by),
        "submit": lambda: actions.submit_re_check(row=row, contact_point_id=None, started_at=NOW, at=NOW, by=by),
        "unblind": lambda: actions.give_up_blindness(row=row, reason="just because", at=NOW, by=by),
        "not reached": lambda: actions.record_not_reached(
            row=row, outcome="no-answer", contact_point_id=None, started_at=NOW, at=NOW, by=by
        ),
        "stop": lambda: actions.stop_trying(row=row, at=NOW, by=by),
        "read": lambda: actions.settle_read_record(row=row, verdict="agrees", note="", at=NOW, by=by),
    }
    for call in calls.values():
        with pytest.raises(actions.NotYourCheck):
            call()


def test_a_checker_whose_role_has_ended_is_no_checker(cast: Cast, row: SampledRecord) -> None:
    with seeding():
        cast.qian.assignments.update(valid_to=NOW - timedelta(days=300))
    with pytest.raises(actions.NotYourCheck):
        begin(cast, row)


# ---- the call -------------------------------------------------------------------------------------------------------


def test_asking_again_is_a_real_call_with_its_task_and_try(cast: Cast, row: SampledRecord) -> None:
    done = ask_again(cast, row)
    task = Task.objects.unscoped("test").get(kind="re-check")
    assert (task.status, task.outcome, task.owner_id, task.focus_id) == (
        "completed",
        "reached-patient",
        cast.qian.pk,
        row.pk,
    )
    attempt = ContactAttempt.objects.unscoped("test").get(task=task)
    assert attempt.by_practitioner_id == cast.qian.pk
    assert (attempt.ended_at - attempt.started_at).total_seconds() == 120
    second = checks.second_answers(done)
    assert second is not None
    assert (second.status, second.author_id, second.mode) == ("completed", cast.qian.pk, "phone")


def test_beginning_twice_is_beginning_once(cast: Cast, row: SampledRecord) -> None:
    assert begin(cast, row).second_id == begin(cast, row).second_id
    assert Task.objects.unscoped("test").filter(kind="re-check").count() == 1


def test_missing_answers_are_named_and_nothing_is_opened(cast: Cast, row: SampledRecord) -> None:
    begin(cast, row)
    actions.save_second_answer(row=row, link_id="pain", value="no", at=NOW, by=cast.viewer(cast.qian))
    with pytest.raises(questionnaires.ResponseIncomplete) as refused:
        submit(cast, row)
    assert {fault.link_id for fault in refused.value.faults} == {"drugs"}
    row.refresh_from_db()
    assert row.status == S.WAITING
    assert not AnswerPair.objects.unscoped("test").exists()
    assert BlindSeal.objects.unscoped("test").get().lifted_at is None


def test_submitting_twice_is_refused_and_changes_nothing(cast: Cast, row: SampledRecord) -> None:
    ask_again(cast, row)
    before = AnswerPair.objects.unscoped("test").count()
    with pytest.raises(actions.AlreadySubmitted):
        submit(cast, row)
    with pytest.raises(actions.AlreadySubmitted):
        actions.save_second_answer(row=row, link_id="pain", value="yes", at=NOW, by=cast.viewer(cast.qian))
    assert AnswerPair.objects.unscoped("test").count() == before


def test_submitting_before_beginning_is_refused(cast: Cast, row: SampledRecord) -> None:
    with pytest.raises(actions.AlreadySubmitted):
        submit(cast, row)
    with pytest.raises(actions.AlreadySubmitted):
        actions.save_second_answer(row=row, link_id="pain", value="no", at=NOW, by=cast.viewer(cast.qian))


@pytest.mark.django_db(transaction=True)
def test_submitting_twice_at_the_same_moment_counts_once(transactional_db: None) -> None:
    from tests.cast import make_cast

    cast = make_cast()
    record_of(cast)
    row = rows(draw(cast))[0]
    begin(cast, row)
    for link_id, value in GOOD.items():
        actions.save_second_answer(row=row, link_id=link_id, value=value, at=NOW, by=cast.viewer(cast.qian))
    said: list[str] = []
    gate = threading.Barrier(4)

    def send() -> None:
        try:
            gate.wait(10)
            submit(cast, row)
            said.append("done")
        except actions.AlreadySubmitted:
            said.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert sorted(said) == ["done", "refused", "refused", "refused"]
    assert AnswerPair.objects.unscoped("test").filter(record=row).count() == 5
    assert ContactAttempt.objects.unscoped("test").filter(task__kind="re-check").count() == 1


# ---- comparing ------------------------------------------------------------------------------------------------------


def test_the_same_answers_agree_and_settle_the_record(cast: Cast) -> None:
    record_of(cast)
    row = ask_again(cast, rows(draw(cast))[0], sbp=135)  # within the tolerance of 15
    assert (row.status, row.verdict) == (S.SETTLED, "agrees")
    assert {pair.link_id: pair.agrees for pair in AnswerPair.objects.unscoped("test")} == dict.fromkeys(GOOD, True)


def test_differences_wait_for_an_explanation(cast: Cast, row: SampledRecord) -> None:
    done = ask_again(cast, row)
    assert (done.status, done.verdict) == (S.COMPARING, "")
    differing = {pair.link_id for pair in AnswerPair.objects.unscoped("test").filter(agrees=False)}
    assert differing == {"pain", "level"}
    asked_once = AnswerPair.objects.unscoped("test").get(link_id="where")
    assert (asked_once.first, asked_once.second, asked_once.agrees) == ("chest", "", None)


@pytest.mark.parametrize(
    ("reasons", "verdict"),
    [
        ({"pain": "changed-since", "level": "changed-since"}, "agrees"),
        ({"pain": "changed-since", "level": "understood-differently"}, "differs"),
        ({"pain": "not-asked", "level": "changed-since"}, "serious"),
        ({"pain": "recorded-wrong", "level": "unclear"}, "serious"),
    ],
)
def test_the_worst_explanation_is_the_verdict(
    cast: Cast, row: SampledRecord, reasons: dict[str, str], verdict: str
) -> None:
    ask_again(cast, row)
    done = actions.explain_differences(row=row, reasons=reasons, note="asked twice", at=NOW, by=cast.viewer(cast.qian))
    assert (done.status, done.verdict, done.note) == (S.SETTLED, verdict, "asked twice")
    kept = AnswerPair.objects.unscoped("test").filter(agrees=False)
    assert {pair.link_id: pair.reason for pair in kept} == reasons


@pytest.mark.parametrize("reasons", [{}, {"pain": "changed-since"}, {"pain": "changed-since", "level": "whatever"}])
def test_an_unexplained_difference_is_refused(cast: Cast, row: SampledRecord, reasons: dict[str, str]) -> None:
    ask_again(cast, row)
    with pytest.raises(actions.DifferencesUnexplained):
        actions.explain_differences(row=row, reasons=reasons, note="", at=NOW, by=cast.viewer(cast.qian))
    row.refresh_from_db()
    assert row.status == S.COMPARING


def test_an_ordered_question_is_ordered_and_numbers_have_their_tolerance(cast: Cast, row: SampledRecord) -> None:
    scales = {question.link_id: question for question in checks.questions_of(checks.questionnaire_of(row))}
    assert {name: one.scale for name, one in scales.items()} == {
        "pain": "nominal", "where": "nominal", "drugs": "ordinal", "level": "ordinal", "sbp": "number", "dbp": "number",
        "words": "words",
    }  # fmt: skip
    assert scales["drugs"].categories == ("always", "sometimes", "never")
    assert (scales["sbp"].tolerance, scales["dbp"].tolerance) == (15, 10)


# ---- reading instead, giving up blindness, not reached ---------------------------------------------------------------


def test_a_record_that_is_read_gets_its_verdict_without_a_call(cast: Cast) -> None:
    record_of(cast)
    row = rows(draw(cast, blind_percent=0.0))[0]
    by = cast.viewer(cast.qian)
    with pytest.raises(actions.VerdictNeeded):
        actions.settle_read_record(row=row, verdict="serious", note=" ", at=NOW, by=by)
    with pytest.raises(actions.VerdictNeeded):
        actions.settle_read_record(row=row, verdict="perfect", note="x", at=NOW, by=by)
    done = actions.settle_read_record(row=row, verdict="differs", note="no medicine named", at=NOW, by=by)
    assert (done.status, done.verdict) == (S.SETTLED, "differs")
    with pytest.raises(actions.AlreadySubmitted):
        actions.settle_read_record(row=row, verdict="agrees", note="", at=NOW, by=by)
    with pytest.raises(actions.AlreadySubmitted):
        actions.begin_re_check(row=row, at=NOW, by=by)


def test_a_blind_record_cannot_be_read_instead(cast: Cast, row: SampledRecord) -> None:
    with pytest.raises(checks.StillBlind):
        actions.settle_read_record(row=row, verdict="agrees", note="", at=NOW, by=cast.viewer(cast.qian))


def test_a_record_to_read_is_not_called(cast: Cast) -> None:
    record_of(cast)
    row = rows(draw(cast, blind_percent=0.0))[0]
    with pytest.raises(actions.NotBlind):
        begin(cast, row)


def test_giving_up_blindness_opens_the_record_and_counts_as_read(cast: Cast, row: SampledRecord) -> None:
    begin(cast, row)
    actions.save_second_answer(row=row, link_id="pain", value="yes", at=NOW, by=cast.viewer(cast.qian))
    with pytest.raises(actions.ReasonForUnblinding):
        actions.give_up_blindness(row=row, reason=" x ", at=NOW, by=cast.viewer(cast.qian))
    done = actions.give_up_blindness(row=row, reason="a new alert came in", at=NOW, by=cast.viewer(cast.qian))
    assert (done.is_blind, done.status, done.unblinded_at) == (False, S.WAITING, NOW)
    assert checks.first_answers(done).pk == row.response_id
    second = checks.second_answers(done)
    assert second is not None
    assert second.status == "entered-in-error"
    assert Task.objects.unscoped("test").get(kind="re-check").status == "cancelled"
    settled = actions.settle_read_record(row=row, verdict="agrees", note="", at=NOW, by=cast.viewer(cast.qian))
    assert settled.status == S.SETTLED
    assert not AnswerPair.objects.unscoped("test").exists()
    with pytest.raises(actions.AlreadySubmitted):
        actions.give_up_blindness(row=row, reason="once again", at=NOW, by=cast.viewer(cast.qian))


@pytest.mark.parametrize("outcome", ["reached-patient", "call-later", "answered-online", "nonsense"])
def test_outcomes_that_are_no_failed_try_are_refused(cast: Cast, row: SampledRecord, outcome: str) -> None:
    begin(cast, row)
    with pytest.raises(UnknownOutcome):
        actions.record_not_reached(
            row=row, outcome=outcome, contact_point_id=None, started_at=NOW, at=NOW, by=cast.viewer(cast.qian)
        )


def test_three_tries_and_then_the_record_counts_as_not_checked(cast: Cast, row: SampledRecord) -> None:
    begin(cast, row)
    by = cast.viewer(cast.qian)
    for n in range(3):
        with pytest.raises(actions.TryAgainFirst):
            actions.stop_trying(row=row, at=NOW, by=by)
        actions.record_not_reached(
            row=row, outcome="no-answer", contact_point_id=number(row.patient), started_at=NOW,
            at=NOW + timedelta(hours=n), by=by,
        )  # fmt: skip
    done = actions.stop_trying(row=row, at=NOW, by=by)
    assert (done.status, done.verdict) == (S.NOT_REACHED, "")
    assert BlindSeal.objects.unscoped("test").get().lifted_because == "not-reached"
    assert Sample.objects.unscoped("test").get().decision["reasons"] == ["too-few-reached"]


def test_a_refusal_ends_the_check_at_once(cast: Cast, row: SampledRecord) -> None:
    begin(cast, row)
    done = actions.record_not_reached(
        row=row, outcome="refused", contact_point_id=None, started_at=NOW, at=NOW, by=cast.viewer(cast.qian)
    )
    assert done.status == S.NOT_REACHED


# ---- the sample is judged -------------------------------------------------------------------------------------------


def test_a_sample_without_serious_differences_is_accepted_when_its_last_record_is_settled(cast: Cast) -> None:
    for _ in range(3):
        record_of(cast)
    sample = draw(cast)
    for number_, row in enumerate(rows(sample)):
        sample.refresh_from_db()
        assert sample.status == "open", number_
        ask_again(cast, row)
    sample.refresh_from_db()
    assert (sample.status, sample.decision["checked"], sample.decision["serious"]) == ("accepted", 3, 0)


def test_a_serious_difference_widens_the_sample_by_itself(cast: Cast) -> None:
    for _ in range(9):
        record_of(cast)
    sample = draw(cast, percent=None, size=2)
    one, two = rows(sample)
    ask_again(cast, one)
    ask_again(cast, two, pain="yes", where="chest")
    actions.explain_differences(
        row=two, reasons={"pain": "not-asked"}, note="nobody had called", at=NOW, by=cast.viewer(cast.qian)
    )
    sample.refresh_from_db()
    assert (sample.status, sample.decision["reasons"], sample.decision["next_size"]) == (
        "widened",
        ["too-many-serious"],
        4,
    )
    event = AuditEvent.objects.get(name="supervision.SampleDecided").payload
    jobs.widen_after_decision.func(event=event)
    jobs.widen_after_decision.func(event=event)  # a job may run twice
    wider = Sample.objects.unscoped("test").get(widens=sample)
    assert (wider.size, wider.drawn_by_id, wider.population_size) == (4, cast.qian.pk, 7)
    assert not {row.response_id for row in rows(wider)} & {one.response_id, two.response_id}
    assert {row.is_blind for row in rows(wider)} == {True}


def test_an_accepted_or_open_sample_is_not_widened(cast: Cast) -> None:
    record_of(cast)
    sample = draw(cast)
    with pytest.raises(actions.NothingToWiden):
        actions.widen_sample(sample=sample, at=NOW, by=cast.viewer(cast.qian))
    ask_again(cast, rows(sample)[0])
    with pytest.raises(actions.NothingToWiden):
        actions.widen_sample(sample=sample, at=NOW, by=cast.viewer(cast.qian))
    jobs.widen_after_decision.func(event=AuditEvent.objects.get(name="supervision.SampleDecided").payload)
    assert Sample.objects.unscoped("test").count() == 1


def test_when_everything_was_drawn_there_is_nothing_to_widen(cast: Cast) -> None:
    record_of(cast)
    row = rows(draw(cast, blind_percent=0.0))[0]
    actions.settle_read_record(row=row, verdict="serious", note="invented", at=NOW, by=cast.viewer(cast.qian))
    sample = Sample.objects.unscoped("test").get()
    assert (sample.status, sample.decision["next_size"]) == ("widened", 0)
    with pytest.raises(actions.NothingToWiden):
        actions.widen_sample(sample=sample, at=NOW, by=cast.viewer(cast.qian))


def test_a_second_checker_of_the_department_sees_the_comparison_only_afterwards(cast: Cast, row: SampledRecord) -> None:
    with seeding():
        shen: Practitioner = _person("shen", "Shen", cast.cardiology, "department-supervisor")
    theirs = SampledRecord.objects.visible_to(cast.viewer(shen)).get(pk=row.pk)
    with pytest.raises(checks.StillBlind):
        checks.first_answers(theirs)
    ask_again(cast, row)
    theirs.refresh_from_db()
    pairs = list(AnswerPair.objects.unscoped("test").filter(record=row))
    told = {line.link_id: (line.first, line.second) for line in checks.comparison(theirs, pairs)}
    assert told["pain"] == ("pain yes", "pain no")

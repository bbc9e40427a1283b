"""Findings end only after somebody else has looked; reviews among colleagues; the monthly roll-up and its page."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import actions, jobs
from careloop.supervision.actions.findings import UnknownFinding
from careloop.supervision.actions.reviewing import NotFinished
from careloop.supervision.models import Finding, FindingStep, IntegrityIndicator, RecordReview
from careloop.supervision.reads import figures
from careloop.supervision.rules.integrity import CODES
from careloop.supervision.tests.factories import record_of
from careloop.tasks.actions import close_tasks
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient
from tests.cast import NOW, SYSTEM, Cast, _person

LONG = "called again on Monday at 14:02"


def raised(cast: Cast, response: QuestionnaireResponse | None = None, **given: object) -> Finding:
    response = response or record_of(cast)
    values = {
        "key": "f1",
        "code": "no-call",
        "severity": "serious",
        "note": "n",
        "at": NOW,
        "by": cast.viewer(cast.qian),
        **given,
    }
    return actions.raise_finding(response=response, department_id=cast.cardiology.pk, **values)


@pytest.mark.parametrize(("severity", "days"), [("minor", 14), ("serious", 7)])
def test_a_finding_is_a_work_order_with_owner_and_deadline(cast: Cast, severity: str, days: int) -> None:
    finding = raised(cast, severity=severity)
    task = Task.objects.unscoped("test").get(pk=finding.task_id)
    assert (task.kind, task.owner_id, task.focus_id, task.status) == (
        "work-order",
        cast.wang.pk,
        finding.pk,
        "requested",
    )
    assert task.due_at == finding.due_at == NOW + timedelta(days=days)


def test_the_same_finding_is_raised_once(cast: Cast) -> None:
    response = record_of(cast)
    assert raised(cast, response).pk == raised(cast, response).pk
    assert Task.objects.unscoped("test").filter(kind="work-order").count() == 1


def test_nobody_raises_a_finding_about_the_own_record(cast: Cast) -> None:
    with pytest.raises(actions.OwnFinding):
        raised(cast, by=cast.as_wang)


@pytest.mark.parametrize("given", [{"code": "bad-mood"}, {"severity": "deadly"}])
def test_an_unknown_kind_is_refused(cast: Cast, given: dict[str, str]) -> None:
    with pytest.raises(UnknownFinding):
        raised(cast, **given)
    assert not Finding.objects.unscoped("test").exists()


def test_only_the_person_responsible_answers_and_only_with_evidence(cast: Cast) -> None:
    finding = raised(cast)
    for by in (cast.viewer(cast.qian), cast.as_zhao, cast.as_li):
        with pytest.raises(actions.FindingNotThere):
            actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=by)
    with pytest.raises(actions.EvidenceNeeded):
        actions.answer_finding(finding=finding, evidence="done", at=NOW, by=cast.as_wang)
    answered = actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=cast.as_wang)
    assert answered.status == "answered"
    assert Task.objects.unscoped("test").get(pk=finding.task_id).closed_reason == "rectified"
    with pytest.raises(actions.FindingNotThere):
        actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=cast.as_wang)


def test_nothing_is_closed_before_an_answer_by_its_owner_or_without_words(cast: Cast) -> None:
    finding, qian = raised(cast), cast.viewer(cast.qian)
    with pytest.raises(actions.FindingNotThere):
        actions.close_finding(finding=finding, seen=LONG, at=NOW, by=qian)
    actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=cast.as_wang)
    with pytest.raises(actions.OwnFinding):
        actions.close_finding(finding=finding, seen=LONG, at=NOW, by=cast.as_wang)
    with pytest.raises(actions.EvidenceNeeded):
        actions.close_finding(finding=finding, seen="ok", at=NOW, by=qian)
    closed = actions.close_finding(finding=finding, seen=LONG, at=NOW, by=qian)
    assert (closed.status, closed.closed_by_id, closed.closed_at) == ("closed", cast.qian.pk, NOW)


def test_a_returned_finding_gets_a_new_work_order_and_deadline(cast: Cast) -> None:
    finding = raised(cast)
    actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=cast.as_wang)
    later = NOW + timedelta(days=3)
    back = actions.return_finding(finding=finding, why="no such call in the log", at=later, by=cast.viewer(cast.qian))
    assert (back.status, back.rounds, back.due_at) == ("open", 2, later + timedelta(days=7))
    assert Task.objects.unscoped("test").get(pk=back.task_id).status == "requested"
    kinds = FindingStep.objects.unscoped("test").order_by("created_at", "pk").values_list("kind", flat=True)
    assert list(kinds) == ["raised", "answered", "returned"]


def test_a_work_order_that_ends_otherwise_does_not_close_the_finding(cast: Cast) -> None:
    finding = raised(cast)
    close_tasks(task_ids=[finding.task_id], reason="died", at=NOW, by=SYSTEM)
    finding.refresh_from_db()
    assert finding.status == "open"
    assert actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=cast.as_wang).status == "answered"


def test_the_database_refuses_to_let_somebody_close_their_own(cast: Cast) -> None:
    finding = raised(cast)
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        Finding.objects.unscoped("test").filter(pk=finding.pk).update(
            status="closed", closed_at=NOW, closed_by_id=finding.responsible_id
        )


def test_strangers_do_not_see_a_finding(cast: Cast) -> None:
    finding = raised(cast)
    sees = {
        name: Finding.objects.visible_to(cast.viewer(getattr(cast, name))).filter(pk=finding.pk).exists()
        for name in ("wang", "qian", "zhao", "li", "he")
    }
    assert sees == {"wang": True, "qian": True, "zhao": False, "li": False, "he": False}


# ---- colleagues -------------------------------------------------------------------------------------------------------


def review(cast: Cast, response: QuestionnaireResponse, **given: object) -> RecordReview:
    values = {"verdict": "fine", "note": "", "at": NOW, "by": cast.as_zhao, **given}
    return actions.review_record(response=response, department_id=cast.cardiology.pk, **values)


def test_a_colleague_reviews_once(cast: Cast) -> None:
    response = record_of(cast)
    assert review(cast, response).pk == review(cast, response, verdict="finding", note="second thoughts").pk
    assert RecordReview.objects.unscoped("test").get().verdict == "fine"
    assert not Finding.objects.unscoped("test").exists()


def test_what_a_colleague_objects_to_is_put_right_and_closed_by_that_colleague(cast: Cast) -> None:
    review(cast, record_of(cast), verdict="finding", note="no dose written")
    finding = Finding.objects.unscoped("test").get()
    assert (finding.responsible_id, finding.raised_by_id, finding.severity) == (cast.wang.pk, cast.zhao.pk, "minor")
    actions.answer_finding(finding=finding, evidence=LONG, at=NOW, by=cast.as_wang)
    assert actions.close_finding(finding=finding, seen=LONG, at=NOW, by=cast.as_zhao).status == "closed"


def test_nobody_reviews_the_own_record(cast: Cast) -> None:
    with pytest.raises(actions.OwnRecord):
        review(cast, record_of(cast), by=cast.as_wang)


def test_a_stranger_does_not_review(cast: Cast) -> None:
    with pytest.raises(NotFinished):
        review(cast, record_of(cast), by=cast.as_li)
    assert not RecordReview.objects.unscoped("test").exists()


# ---- the month ----------------------------------------------------------------------------------------------------------

MONTH = date(2026, 11, 1)


def without_calls(cast: Cast, count: int = 22) -> None:
    patients = [make_patient(cast) for _ in range(4)]
    for n in range(count):
        record_of(cast, patient=patients[n % 4], at=NOW - timedelta(hours=3 * n), seconds=None)


def test_the_month_is_counted_and_counting_again_changes_nothing(cast: Cast) -> None:
    without_calls(cast)
    record_of(cast, cast.li, department=cast.orthopaedics)
    assert actions.roll_up_integrity(month=MONTH, at=NOW, by=SYSTEM) == 2
    rows = IntegrityIndicator.objects.unscoped("test")
    before = list(rows.order_by("pk").values_list("pk", "code", "cases", "fires"))
    actions.roll_up_integrity(month=date(2026, 11, 30), at=NOW + timedelta(days=1), by=SYSTEM)
    assert list(rows.order_by("pk").values_list("pk", "code", "cases", "fires")) == before
    mine = rows.get(practitioner=cast.wang, code="no-attempt")
    assert (mine.records, mine.cases, mine.out_of, mine.fires) == (22, 22, 22, True)
    assert len(mine.evidence) == 22
    assert {row.code for row in rows.filter(practitioner=cast.li)} == set(CODES)
    assert AuditEvent.objects.filter(name="supervision.IntegrityRolledUp").count() == 2


def test_the_night_counts_this_month_and_the_last(cast: Cast) -> None:
    record_of(cast, at=NOW - timedelta(days=25))
    record_of(cast)
    jobs.roll_up_integrity.func(timestamp=int(NOW.timestamp()))
    assert set(IntegrityIndicator.objects.unscoped("test").values_list("month", flat=True)) == {
        date(2026, 10, 1),
        MONTH,
    }


def test_who_sees_whose_indicators(cast: Cast) -> None:
    record_of(cast)
    record_of(cast, cast.li, department=cast.orthopaedics)
    actions.roll_up_integrity(month=MONTH, at=NOW, by=SYSTEM)
    with seeding():
        inspector = _person("ding", "Ding", cast.hospital, "hospital-inspector")
    seen = {
        person.name: set(
            IntegrityIndicator.objects.visible_to(cast.viewer(person)).values_list("practitioner__name", flat=True)
        )
        for person in (cast.wang, cast.li, cast.zhao, cast.qian, inspector)
    }
    assert seen == {"Wang": {"Wang"}, "Li": {"Li"}, "Zhao": set(), "Qian": {"Wang"}, "Ding": {"Wang", "Li"}}


def test_the_pages_say_reason_to_look_with_evidence_and_false_alarm_rate(cast: Cast) -> None:
    without_calls(cast)
    actions.roll_up_integrity(month=MONTH, at=NOW, by=SYSTEM)
    supervisor, nurse = cast.client(cast.qian), cast.client(cast.wang)
    page = supervisor.get(reverse("supervision:integrity") + "?month=2026-11").content.decode()
    assert 'data-firing="4"' in page  # no calls, always 128/76, every answer as the last time, and these together
    assert 'data-code="reason-to-look"' in page
    person = reverse("supervision:person", args=[cast.wang.pk]) + "?month=2026-11"
    theirs = supervisor.get(person).content.decode()
    own = nurse.get(reverse("supervision:mine") + "?month=2026-11").content.decode()
    for told in (theirs, own):
        assert 'data-indicator="no-attempt" data-fires="yes"' in told
        assert told.count("/questionnaires/responses/") == 22 + 18 + 22 + 22  # the last: together
    assert nurse.get(person).status_code == 403
    assert cast.client(cast.qian).get(reverse("supervision:person", args=[cast.li.pk])).status_code == 404
    assert "data-person-month" not in nurse.get(reverse("supervision:mine") + "?month=2020-01").content.decode()
    assert nurse.get(reverse("supervision:mine") + "?month=nonsense").status_code == 200


def test_the_list_of_a_month_is_one_query_however_many_people(cast: Cast) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            figures.people_of_month(viewer=cast.viewer(cast.qian), month=MONTH)
        return len(queries)

    record_of(cast)
    actions.roll_up_integrity(month=MONTH, at=NOW, by=SYSTEM)
    few = asked()
    with seeding():
        for n in range(4):
            _person(f"n{n}", f"N{n}", cast.cardiology, "follow-up-nurse")
    from careloop.accounts.models import Practitioner

    for n in range(4):
        record_of(cast, Practitioner.objects.get(username=f"n{n}"))
    actions.roll_up_integrity(month=MONTH, at=NOW, by=SYSTEM)
    assert asked() == few


@pytest.mark.parametrize("code", CODES)
def test_every_indicator_has_a_label_and_a_sentence(code: str) -> None:
    row = IntegrityIndicator(code=code, cases=3, out_of=9, chance=0.1, facts={"honest_share": 0.3, "noughts": 5, "round": 1, "with_findings": 2, "peers_share": 0.25})  # fmt: skip
    assert figures.label(code)
    told = figures.sentence(row)
    assert "%(" not in told
    assert "9" in told
    assert "%%" not in told
    row.chance = None
    assert "9" in figures.sentence(row)

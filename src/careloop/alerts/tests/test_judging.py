"""From answers to alerts: a form with two rules, answered by a patient, judged by the job."""

from datetime import timedelta

import pytest
from django.utils import timezone

from careloop.alerts import actions, jobs, reads
from careloop.alerts.models import Alert
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires import reads as questionnaires_reads
from careloop.tasks.models import Task
from tests.cast import NOW
from tests.queue import queued

SYSTEM = Viewer.system("tests")
URL = "https://careloop.example/forms/chest"


def option(code, text):
    return {"valueCoding": {"code": code, "display": text}}


FORM = {
    "definition": {
        "resourceType": "Questionnaire", "url": URL, "version": "1", "title": "胸痛随访", "status": "active",
        "item": [
            {"linkId": "chest", "type": "choice", "text": "胸闷什么时候出现", "required": True,
             "answerOption": [option("none", "没有"), option("rest", "静息时")]},
            {"linkId": "pain", "type": "integer", "text": "程度 0–10"},
        ],
    },
    "rules": [
        {"code": "pain-at-rest", "severity": "critical", "when": {"item": "chest", "op": "=", "value": "rest"},
         "sentence": {"zh": "静息时胸闷", "en": "Chest tightness at rest"}, "owner_role": "attending-doctor",
         "respond_within_minutes": 30},
        {"code": "pain-strong", "severity": "watch", "when": {"item": "pain", "op": ">=", "value": 4},
         "sentence": {"zh": "胸闷较重", "en": "Strong"}, "owner_role": "follow-up-nurse", "respond_within_minutes": 600},
    ],
}  # fmt: skip


def answered(cast, *, task=None, **values):
    questionnaires.publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    response = questionnaires.start_response(
        questionnaire=questionnaires_reads.current(URL), patient_id=cast.zhang.pk, task_id=task and task.pk,
        mode="portal", at=NOW, by=SYSTEM,
    )  # fmt: skip
    for link_id, value in values.items():
        questionnaires.save_answer(response=response, link_id=link_id, value=value, source="portal", at=NOW, by=SYSTEM)
    return questionnaires.complete_response(response=response, at=NOW, by=SYSTEM)


def judge(response):
    jobs.judge_response.func(event={"response_id": str(response.pk), "patient_id": str(response.patient_id)})


def alerts():
    return list(Alert.objects.unscoped("test").order_by("-rank"))


@pytest.fixture
def follow_up(cast):
    with seeding():
        return Task.objects.create(
            patient=cast.zhang, department=cast.cardiology, key="f1", kind="follow-up", owner=cast.wang,
            encounter_id=cast.stay.pk, available_at=NOW - timedelta(days=1), due_at=NOW,
        )  # fmt: skip


def test_bad_answers_become_alerts_with_owner_and_evidence(cast, follow_up):
    response = answered(cast, task=follow_up, chest="rest", pain=7)
    judge(response)
    critical, watch = alerts()
    assert (critical.severity, critical.owner_id, critical.source_task_id) == ("critical", cast.zhao.pk, follow_up.pk)
    assert (watch.owner_id, watch.found_role, watch.copied_to_id) == (cast.wang.pk, "follow-up-nurse", cast.zhao.pk)
    assert (critical.encounter_id, critical.department_id) == (cast.stay.pk, cast.cardiology.pk)
    assert [(item["link_id"], item["answer"]) for item in critical.evidence] == [("chest", "静息时")]
    assert critical.sentence("en") == "Chest tightness at rest"


def test_judging_twice_raises_once(cast, follow_up):
    response = answered(cast, task=follow_up, chest="rest")
    judge(response)
    judge(response)
    assert len(alerts()) == 1


def test_good_answers_raise_nothing(cast):
    judge(answered(cast, chest="none", pain=1))
    assert alerts() == []


def test_completing_answers_queues_the_judgement(cast, follow_up):
    response = answered(cast, task=follow_up, chest="rest")
    asked = [event["response_id"] for event in queued("careloop.alerts.jobs.judge_response")]
    assert asked.count(str(response.pk)) == 1


def test_answers_without_a_follow_up_belong_to_the_latest_stay(cast):
    response = answered(cast, chest="rest")
    source = reads.source_of(response)
    assert (source.encounter_id, source.department_id) == (cast.stay.pk, cast.cardiology.pk)


def test_a_critical_answer_can_be_reported_before_the_form_is_finished(cast, follow_up):
    questionnaires.publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    draft = questionnaires.start_response(
        questionnaire=questionnaires_reads.current(URL), patient_id=cast.zhang.pk, task_id=follow_up.pk, mode="phone",
        at=NOW, by=cast.as_wang,
    )  # fmt: skip
    draft = questionnaires.save_answer(
        response=draft, link_id="chest", value="rest", source="phone", at=NOW, by=cast.as_wang
    )
    findings = questionnaires_reads.judge_values(draft, draft.values, at=NOW)
    raised = actions.raise_alerts(response_id=draft.pk, findings=findings, at=NOW, by=cast.as_wang)
    assert len(raised) == 1
    judge(questionnaires.complete_response(response=draft, at=timezone.now(), by=cast.as_wang))
    assert len(alerts()) == 1


def test_answers_out_of_sight_cannot_be_reported(cast, follow_up):
    response = answered(cast, task=follow_up, chest="rest")
    with pytest.raises(actions.NoSuchAnswers):
        actions.raise_alerts(response_id=response.pk, findings=reads.findings_of(response.pk), at=NOW, by=cast.as_li)

"""Pages and the autosave: what they show, who may not, and that reading a record is itself recorded."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from careloop.audit.models import AuditEvent
from careloop.questionnaires import actions, reads
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import wording
from careloop.questionnaires.tests.forms import CALL, URL
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
ORG = "https://careloop.org/Questionnaire/"


@pytest.fixture
def draft(cast):
    questionnaire = actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM)
    return actions.start_response(
        questionnaire=questionnaire, patient_id=cast.zhang.pk, task_id=None, mode="phone", at=NOW, by=cast.as_wang
    )


@pytest.fixture
def done(cast, draft):
    for name, value in {"pain": "yes", "where": "chest", "sbp": 190, "words": "<b>痛</b>"}.items():
        actions.save_answer(response=draft, link_id=name, value=value, source="portal", at=NOW, by=cast.as_wang)
    return actions.complete_response(response=draft, at=NOW, by=cast.as_wang)


@pytest.fixture
def shipped(db):
    actions.load_shipped_content(at=NOW, by=SYSTEM)


def page(client, name, *arguments, **query):
    answer = client.get(reverse(f"questionnaires:{name}", args=arguments), query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def post(client, response, link_id, *values):
    url = reverse("questionnaires:save_answer", args=[response.pk, link_id])
    return client.post(url, {"value": list(values)})


# ---- the library ----


def test_the_library_lists_every_form_and_says_what_is_not_checked(cast, shipped):
    shown = page(cast.client(cast.wang), "list")
    for questionnaire in Questionnaire.objects.all():
        assert reverse("questionnaires:version", args=[questionnaire.pk]) in shown


@pytest.mark.parametrize("mode", ["staff", "patient", "paper", "nonsense"])
def test_every_shipped_form_renders_in_every_mode(cast, shipped, mode):
    client = cast.client(cast.wang)
    for questionnaire in Questionnaire.objects.all():
        shown = page(client, "version", questionnaire.pk, mode=mode)
        assert questionnaire.content_hash[:16] in shown
        for rule in questionnaire.content["rules"]:
            assert f'data-rule="{rule["code"]}"' in shown


def test_conditions_read_as_sentences_in_both_languages(shipped):
    from django.utils.translation import override

    for questionnaire in Questionnaire.objects.all():
        form = reads.form_of(questionnaire)
        for language in ("zh-hans", "en"):
            with override(language):
                lines = [line.condition for line in wording.rule_lines(form)] + [
                    line.condition for line in wording.class_lines(form)
                ]
            assert all(lines)
    heart = reads.form_of(reads.current(f"{ORG}heart-failure"))
    with override("en"):
        texts = {line.code: line.condition for line in wording.rule_lines(heart)}
    assert texts["hf-weight"] == "Weight today changed by ≥ 2 kg since the last answer, at most 3 days ago"
    assert texts["hf-pulse"] == "Heart rate > 100 次/分 or Heart rate < 50 次/分"


def test_administrators_and_managers_read_no_answers(cast, done):
    for person in (cast.system_admin, cast.security_admin, cast.audit_admin, cast.he):
        client = cast.client(person)
        for name, argument in (("response", done.pk), ("print", done.pk), ("patient_responses", cast.zhang.pk)):
            assert client.get(reverse(f"questionnaires:{name}", args=[argument])).status_code == 403


# ---- answers ----


def test_answers_are_shown_as_given_and_the_reading_is_recorded(cast, done):
    before = AuditEvent.objects.count()
    shown = page(cast.client(cast.wang), "response", done.pk)
    assert "&lt;b&gt;痛&lt;/b&gt;" in shown
    assert 'data-link-id="where"' in shown
    assert f"{URL}|1" in shown
    assert AuditEvent.objects.count() > before


def test_a_corrected_response_points_both_ways(cast, done):
    new = actions.amend_response(response=done, answers={"sbp": 120}, at=NOW + timedelta(hours=1), by=cast.as_wang)
    client = cast.client(cast.wang)
    assert reverse("questionnaires:response", args=[new.pk]) in page(client, "response", done.pk)
    assert reverse("questionnaires:response", args=[done.pk]) in page(client, "response", new.pk)


def test_paper_and_the_patients_list(cast, done):
    client = cast.client(cast.wang)
    assert cast.zhang.name in page(client, "print", done.pk)
    assert f'data-response="{done.pk}"' in page(client, "patient_responses", cast.zhang.pk)


@pytest.mark.parametrize("name", ["response", "print"])
def test_li_gets_404(cast, done, name):
    assert cast.client(cast.li).get(reverse(f"questionnaires:{name}", args=[done.pk])).status_code == 404


def test_li_gets_404_on_the_list_and_the_autosave(cast, draft):
    client = cast.client(cast.li)
    assert client.get(reverse("questionnaires:patient_responses", args=[cast.zhang.pk])).status_code == 404
    assert post(client, draft, "pain", "no").status_code == 404


def test_national_class_with_its_clock_is_on_the_page(cast, shipped):
    response = actions.start_response(
        questionnaire=reads.current(f"{ORG}hypertension-national"), patient_id=cast.zhang.pk, task_id=None, mode="visit", at=NOW, by=cast.as_wang,
    )  # fmt: skip
    for name, value in {"mode": "clinic", "symptoms": ["none"], "sbp": 185, "dbp": 90, "adherence": "regular", "adr": "no", "complication": "no"}.items():  # fmt: skip
        actions.save_answer(response=response, link_id=name, value=value, source="visit", at=NOW, by=cast.as_wang)
    done = actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    assert {name: done.classification[name] for name in ("code", "next_days", "referral", "urgent")} == {
        "code": "2", "next_days": 14, "referral": True, "urgent": True,
    }  # fmt: skip
    assert "185/90" in done.classification["reason"]["zh"]
    assert 'data-class="2"' in page(cast.client(cast.wang), "response", done.pk)


# ---- autosave ----


def test_one_answer_is_kept_and_the_block_comes_back_with_its_alert(cast, draft):
    client = cast.client(cast.wang)
    post(client, draft, "pain", "yes")
    answer = post(client, draft, "where", "chest")
    told = json.loads(answer.headers["HX-Trigger"])["answers"]
    assert 'data-alert="chest" data-severity="critical"' in answer.content.decode()
    assert (told["alerts"], told["critical"], told["answered"]) == (["chest"], True, 2)
    assert "where" in told["asked"]
    draft.refresh_from_db()
    assert draft.values == {"pain": "yes", "where": "chest"}


def test_an_answer_that_hides_a_question_says_so(cast, draft):
    client = cast.client(cast.wang)
    told = json.loads(post(client, draft, "pain", "no").headers["HX-Trigger"])["answers"]
    assert "where" not in told["asked"]


def test_an_impossible_number_is_kept_with_its_fault(cast, draft):
    answer = post(cast.client(cast.wang), draft, "sbp", "500")
    assert answer.status_code == 200
    assert 'data-fault="sbp"' in answer.content.decode()
    draft.refresh_from_db()
    assert draft.values == {"sbp": 500}


def test_several_choices_travel_together(cast, draft):
    post(cast.client(cast.wang), draft, "signs", "fever", "bleeding")
    draft.refresh_from_db()
    assert draft.values == {"signs": ["fever", "bleeding"]}


@pytest.mark.parametrize("typed", ["\x00", "1e999999999", "'; drop table x; --", "{{ 7*7 }}", "9" * 3000])
def test_nonsense_neither_breaks_nor_runs(cast, draft, typed):
    client = cast.client(cast.wang)
    for link_id in ("sbp", "words", "pain", "signs"):
        assert post(client, draft, link_id, typed).status_code == 200


def test_refusals(cast, done):
    client = cast.client(cast.wang)
    assert post(client, done, "pain", "no").status_code == 409
    assert client.get(reverse("questionnaires:save_answer", args=[done.pk, "pain"])).status_code == 405


def test_a_question_that_is_not_there_is_refused(cast, draft):
    assert post(cast.client(cast.wang), draft, "stranger", "x").status_code == 409
    assert not QuestionnaireResponse.objects.unscoped("test").get(pk=draft.pk).answers

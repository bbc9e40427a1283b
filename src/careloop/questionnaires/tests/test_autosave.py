"""Pages and autosave through the real form: who gets in, what comes back."""

import json
from pathlib import Path

import pytest
from django.urls import reverse

from careloop.audit.models import AuditEvent
from careloop.questionnaires import actions
from tests.cast import SYSTEM

PCI = json.loads((Path(__file__).parents[1] / "content" / "pci-follow-up.json").read_text())
GOOD = {
    "answerer": "patient",
    "chest-pain": "no",
    "sbp": "124",
    "dbp": "76",
    "heart-rate": "70",
    "antiplatelet": "regular",
    "puncture-site": "no",
    "bleeding": "no",
}


@pytest.fixture
def pci(cast):
    return actions.publish_questionnaire(content=PCI, at=cast.now, by=SYSTEM)


def begin(cast, questionnaire, task_id=None):
    return actions.start_response(
        questionnaire=questionnaire,
        patient_id=cast.zhang.pk,
        task_id=task_id,
        mode="phone",
        at=cast.now,
        by=cast.as_wang,
    )


def fill(cast, response, answers, at=None):
    for link, value in answers.items():
        response = actions.save_answer(
            response=response, link_id=link, value=value, source="phone", at=at or cast.now, by=cast.as_wang
        )
    return response


def complete(cast, response, at=None):
    return actions.complete_response(response=response, at=at or cast.now, by=cast.as_wang)


@pytest.fixture
def draft(cast, pci):
    return begin(cast, pci)


@pytest.fixture
def done(cast, pci):
    return complete(
        cast,
        fill(
            cast, begin(cast, pci), {**GOOD, "chest-pain": "yes", "chest-pain-when": "daily", "chest-pain-level": "5"}
        ),
    )


def save(client, response, link, value):
    return client.post(reverse("questionnaires:save_answer", args=[response.pk, link]), {"value": value})


def test_library_lists_versions_with_their_source(cast, pci):
    page = cast.client(cast.wang).get(reverse("questionnaires:list"))
    assert page.status_code == 200
    assert b"pci-follow-up" in page.content


@pytest.mark.parametrize("mode", ["staff", "patient", "paper"])
def test_one_definition_in_every_rendering(cast, pci, mode):
    page = cast.client(cast.wang).get(reverse("questionnaires:version", args=[pci.pk]), {"mode": mode})
    assert page.status_code == 200
    assert page.content.count(b"data-rule=") == len(pci.content["rules"])


def test_autosave_answers_with_the_block_and_what_is_asked_now(cast, draft):
    answer = save(cast.client(cast.wang), draft, "chest-pain", "yes")
    assert answer.status_code == 200
    assert b'id="s-chest-pain"' in answer.content
    told = json.loads(answer.headers["HX-Trigger"])["answers"]
    assert "chest-pain-when" in told["asked"]
    assert told["answered"] == 1
    answer = save(cast.client(cast.wang), draft, "chest-pain", "no")
    assert "chest-pain-when" not in json.loads(answer.headers["HX-Trigger"])["answers"]["asked"]


def test_alarming_answer_shows_owner_and_deadline_at_once(cast, draft):
    client = cast.client(cast.wang)
    save(client, draft, "chest-pain", "yes")
    answer = save(client, draft, "chest-pain-when", "daily")
    assert b'data-alert="pci-angina"' in answer.content
    assert b'data-report="pci-angina"' in answer.content
    assert json.loads(answer.headers["HX-Trigger"])["answers"]["critical"] is True


def test_saving_is_refused_to_others(cast, draft):
    assert save(cast.client(cast.li), draft, "sbp", "120").status_code == 404
    assert save(cast.client(cast.he), draft, "sbp", "120").status_code == 403


def test_saving_into_a_completed_response_is_a_refusal_with_words(cast, done):
    assert save(cast.client(cast.wang), done, "sbp", "120").status_code == 409


@pytest.mark.parametrize("name", ["questionnaires:response", "questionnaires:print"])
def test_answers_are_shown_as_given_and_the_look_is_audited(cast, done, name):
    page = cast.client(cast.wang).get(reverse(name, args=[done.pk]))
    assert page.status_code == 200
    assert b'data-link-id="chest-pain-when"' in page.content
    assert AuditEvent.objects.filter(name="audit.RecordSeen", patient_id=cast.zhang.pk).exists()
    assert cast.client(cast.li).get(reverse(name, args=[done.pk])).status_code == 404


def test_fragment_of_the_patients_page(cast, done):
    url = reverse("questionnaires:patient_responses", args=[cast.zhang.pk])
    assert str(done.pk).encode() in cast.client(cast.wang).get(url).content
    assert cast.client(cast.li).get(url).status_code == 404


def test_screen_of_a_version_needs_few_queries(cast, done, django_assert_max_num_queries):
    client = cast.client(cast.wang)
    client.get(reverse("questionnaires:response", args=[done.pk]))
    with django_assert_max_num_queries(12):
        client.get(reverse("questionnaires:response", args=[done.pk]))

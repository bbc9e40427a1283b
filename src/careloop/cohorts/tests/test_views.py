"""Pages: four ways in, the builder, the group, the topic, bulk, lists; who comes in and who does not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import jobs as batches_jobs
from careloop.batches.models import Batch
from careloop.cohorts.models import Cohort, ListExport, Selection, Topic
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import Cast

MEN = {"g0.mode": "all", "g0.c0.kind": "sex", "g0.c0.sexes": "male"}


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


def total(answer: HttpResponse) -> str:
    found = re.search(r'data-total="(\d*)"', text(answer))
    assert found
    return found[1]


def go(client: Client, name: str, *args: object, **query: str) -> HttpResponse:
    return client.get(reverse(f"cohorts:{name}", args=args) + (f"?{urlencode(query)}" if query else ""))


def send(client: Client, name: str, *args: object, data: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
    return client.post(reverse(f"cohorts:{name}", args=args), data or {}, headers=headers)


# --- four ways in


@pytest.mark.parametrize("way", ["due", "name", "diagnosis", "topic", "nonsense", ""])
def test_every_way_opens(cast: Cast, way: str):
    answer = go(cast.client(cast.wang), "ways", way=way)
    assert answer.status_code == 200
    assert text(answer).count('aria-current="page"') >= 1


def test_the_due_way_counts_what_is_due_and_shows_the_first(cast: Cast):
    now = timezone.now()
    make_task(cast, available_at=now - timedelta(days=1), due_at=now)
    page = text(go(cast.client(cast.wang), "ways", way="due"))
    assert re.search(r'data-count="todo"[^<]*>[^<]*<b class="num">1</b>', page)
    assert str(cast.zhang.pk) in page


def test_the_name_way_shows_my_patients_and_finds_by_name(cast: Cast):
    make.stay(cast.zhang, cast.cardiology)
    make.stay(cast.ma, cast.orthopaedics)
    client = cast.client(cast.wang)
    mine = text(go(client, "ways", way="name"))
    assert str(cast.zhang.pk) in mine
    assert str(cast.ma.pk) not in mine
    assert str(cast.zhang.pk) in text(go(client, "ways", way="name", q="zhang"))
    assert 'data-state="empty-filtered"' in text(go(client, "ways", way="name", q="ma"))
    assert AuditEvent.objects.filter(name="audit.ListSeen", payload__what="cohorts.by-name").count() == 3


def test_the_diagnosis_way_leads_to_the_patients(cast: Cast):
    client = cast.client(cast.wang)
    answer = send(client, "by-diagnosis", data={"codes": "I20-I25", "days": "0"})
    page = client.get(answer["Location"])
    assert total(page) == "1"
    assert str(cast.zhang.pk) in text(page)
    narrower = send(client, "by-diagnosis", data={"codes": "I21", "operations": "36.06", "days": "30"})
    assert total(client.get(narrower["Location"])) == "0"


@pytest.mark.parametrize("codes", ["", "I25-I20", "'", "💊", "a" * 400])
def test_codes_that_cannot_be_read_come_back_with_words(cast: Cast, codes: str):
    answer = send(cast.client(cast.wang), "by-diagnosis", data={"codes": codes})
    assert answer.status_code == 422
    assert 'role="alert"' in text(answer)
    assert not Cohort.objects.exists()


def test_the_topic_way_lists_topics_groups_and_searches(cast: Cast):
    client = cast.client(cast.wang)
    kept = make.cohort(cast.wang, kind="living", title="Men of ours")
    foreign = make.cohort(cast.li, kind="living", title="Not shared")
    shared = make.cohort(cast.li, kind="living", title="For all", shared=True)
    page = text(go(client, "ways", way="topic"))
    assert str(kept.pk) in page
    assert str(shared.pk) in page
    assert str(foreign.pk) not in page


# --- the builder


def test_an_empty_builder_counts_everybody_one_may_see(cast: Cast):
    assert total(go(cast.client(cast.wang), "new")) == "1"
    assert total(go(cast.client(cast.sun), "new")) == "2"


@pytest.mark.parametrize(
    "kind", ["diagnosis", "operation", "stay", "age", "sex", "result", "answer", "plan", "tag", "risk"]
)
def test_each_kind_of_condition_can_be_added_and_taken_away(cast: Cast, kind: str):
    make.form()
    make.plan_definition()
    client = cast.client(cast.wang)
    added = text(send(client, "build", data={"do": f"add:0:{kind}"}))
    assert f'data-condition="{kind}"' in added
    assert "data-faults" in added  # nothing is filled in yet, and that is said without a crash
    gone = text(send(client, "build", data={"g0.c0.kind": kind, "do": "remove:0:0"}))
    assert "data-condition" not in gone


def test_blocks_can_be_added_and_taken_away(cast: Cast):
    client = cast.client(cast.wang)
    two = text(send(client, "build", data={**MEN, "do": "group:0:none"}))
    assert re.findall(r'data-mode="(\w+)"', two) == ["all", "none"]
    one = text(send(client, "build", data={**MEN, "g1.mode": "none", "do": "drop:0:"}))
    assert re.findall(r'data-mode="(\w+)"', one) == ["none"]


def test_the_number_follows_the_values(cast: Cast):
    client = cast.client(cast.wang)
    make.person(cast.cardiology, sex="female")
    assert total(send(client, "count", data={})) == "2"
    assert total(send(client, "count", data=MEN)) == "1"
    nobody = {**MEN, "g1.mode": "none", "g1.c0.kind": "sex", "g1.c0.sexes": "male"}
    assert total(send(client, "count", data=nobody)) == "0"


def test_a_question_is_sent_as_one_field_and_asked_as_two(cast: Cast):
    make.answer(cast.zhang, "pain", code="severe")
    make.answer(cast.zhang, "weight", number="82.5")
    client = cast.client(cast.wang)
    asked = {
        "g0.c0.kind": "answer",
        "g0.c0.question": f"{make.FORM}#pain",
        "g0.c0.value": "severe",
        "g0.c0.comparison": "=",
    }
    assert total(send(client, "count", data=asked)) == "1"
    assert total(send(client, "count", data={**asked, "g0.c0.value": "none"})) == "0"
    number = {
        **asked,
        "g0.c0.question": f"{make.FORM}#weight",
        "g0.c0.value": "80",
        "g0.c0.comparison": ">",
        "g0.c0.as_number": "1",
    }
    assert total(send(client, "count", data=number)) == "1"


@pytest.mark.parametrize(
    "sent",
    [
        {"g0.mode": "maybe"}, {"g99.c99.kind": "x"}, {"g0.c0.kind": ""}, {"do": "remove:9:9"}, {"do": "add:0:astrology"},
        {"do": "add:x:sex"}, {"do": "drop:0:0"}, {"g0.c0.codes": "I21"}, {"g0.c0.kind": "age", "g0.c0.low": "-1"},
        {"g0.c0.kind": "stay", "g0.c0.departments": "'; DROP TABLE patients_patient; --"},
        {"g0.c0.kind": "result", "g0.c0.concept": "x" * 999, "g0.c0.value": "1" * 500, "g0.c0.comparison": ">="},
        {"g0.c0.kind": "tag", "g0.c0.tags": "\x00\x01"}, {"gA.cB.kind": "sex"},
    ],
)  # fmt: skip
def test_whatever_is_sent_to_the_builder_it_answers(cast: Cast, sent: dict[str, str]):
    client = cast.client(cast.wang)
    assert send(client, "build", data=sent).status_code == 200
    assert send(client, "count", data=sent).status_code == 200
    assert send(client, "ask", data=sent).status_code in {302, 422}


def test_asking_gives_the_search_an_address_without_anybodys_data(cast: Cast):
    client = cast.client(cast.wang)
    answer = send(client, "ask", data=MEN)
    cohort = Cohort.objects.get()
    assert answer["Location"] == reverse("cohorts:cohort", args=[cohort.pk])
    assert AuditEvent.objects.filter(name="cohorts.CohortAsked").count() == 1
    assert "data-condition" in text(go(client, "change", cohort.pk))


def test_a_fault_comes_back_at_its_place(cast: Cast):
    answer = send(cast.client(cast.wang), "ask", data={"g0.c0.kind": "age", "g0.c0.low": "90", "g0.c0.high": "20"})
    assert answer.status_code == 422
    assert 'data-fault="groups.0.conditions.0.high"' in text(answer)


# --- the group


def test_a_group_shows_its_members_in_scope_and_pages(cast: Cast):
    from unittest import mock

    from careloop.cohorts.views import builder

    for __ in range(5):
        make.person(cast.cardiology)
    make.person(cast.orthopaedics)
    cohort = make.cohort(cast.wang)
    client = cast.client(cast.wang)
    with mock.patch.object(builder, "PAGE", 4):
        page = text(go(client, "cohort", cohort.pk))
        seen = set(re.findall(r'data-patient="([0-9a-f-]+)"', page))
        following = re.search(r'after=([0-9a-f-]+)"', page)
        assert following
        rest = set(
            re.findall(r'data-patient="([0-9a-f-]+)"', text(go(client, "cohort", cohort.pk, after=following[1])))
        )
    assert (len(seen), len(rest), seen & rest) == (4, 2, set())
    assert str(cast.ma.pk) not in seen | rest


def test_a_broken_page_key_shows_the_first_page(cast: Cast):
    cohort = make.cohort(cast.wang)
    assert total(go(cast.client(cast.wang), "cohort", cohort.pk, after="no")) == "1"


def test_a_shared_group_shows_everybody_their_own(cast: Cast):
    cohort = make.cohort(cast.wang, kind="living", title="Men", shared=True)
    page = text(go(cast.client(cast.li), "cohort", cohort.pk))
    assert str(cast.ma.pk) in page
    assert str(cast.zhang.pk) not in page


@pytest.mark.parametrize("name", ["cohort", "change", "left-out", "start-topic"])
def test_somebody_elses_search_is_not_there(cast: Cast, name: str):
    assert go(cast.client(cast.li), name, make.cohort(cast.wang).pk).status_code == 404


def test_who_is_left_out_is_counted_and_listed(cast: Cast):
    dead = make.person(cast.cardiology, deceased=True)
    cohort, client = make.cohort(cast.wang), cast.client(cast.wang)
    page = text(go(client, "left-out", cohort.pk))
    assert 'data-reason="died"' in page
    assert 'data-included="0"' in page  # Zhang is in hospital
    assert str(dead.pk) not in page
    listed = text(go(client, "left-out", cohort.pk, reason="died"))
    assert str(dead.pk) in listed


def test_keeping_from_the_page(cast: Cast):
    cohort, client = make.cohort(cast.wang), cast.client(cast.wang)
    assert send(client, "keep", cohort.pk, data={"title": "Men", "frozen": "1", "shared": "1"}).status_code == 302
    cohort.refresh_from_db()
    assert (cohort.kind, cohort.title, cohort.shared, cohort.members.count()) == ("frozen", "Men", True, 1)
    assert send(client, "keep", cohort.pk, data={"title": " "}).status_code == 409
    assert send(client, "archive", cohort.pk).status_code == 302
    assert "Men" not in text(go(client, "ways", way="topic"))


# --- topics


def topic_data(**given: str) -> dict[str, str]:
    day = (timezone.localtime() + timedelta(days=9)).date().isoformat()
    return {
        "title": "Study",
        "what": "contact",
        "questionnaire": make.FORM,
        "deadline": day,
        "key": str(uuid4()),
        **given,
    }


@pytest.fixture
def ready(cast: Cast) -> Cohort:
    make.form()
    for __ in range(3):
        make.stay(make.person(cast.cardiology), cast.cardiology)
    return make.cohort(cast.wang)


def test_from_a_group_to_a_running_topic(cast: Cast, ready: Cohort):
    client = cast.client(cast.wang)
    page = text(go(client, "start-topic", ready.pk))
    assert 'data-included="3"' in page
    assert 'data-reason="in-hospital"' in page
    answer = send(client, "start-topic", ready.pk, data=topic_data())
    topic = Topic.objects.get()
    assert answer["Location"] == reverse("cohorts:topic", args=[topic.pk])
    running = text(client.get(answer["Location"]))
    assert 'data-enrolling="yes"' in running
    assert batches_jobs.work_through(topic.batch_id, seconds=60)
    over = text(go(client, "topic-progress", topic.pk))
    assert 'data-enrolling="no"' in over
    assert 'data-count="open=3"' in over
    assert 'data-count="excluded=1"' in over
    assert Task.objects.unscoped("test").filter(focus_id=topic.pk).count() == 3
    assert "Study" in text(client.get(reverse("workbench:today")))


@pytest.mark.parametrize(
    "given",
    [{"title": ""}, {"questionnaire": ""}, {"what": "plan"}, {"deadline": "soon"}, {"deadline": ""}, {"what": "?"},
     {"staff": str(uuid4())}, {"key": "x"}],
)  # fmt: skip
def test_an_incomplete_topic_comes_back(cast: Cast, ready: Cohort, given: dict[str, str]):
    answer = send(cast.client(cast.wang), "start-topic", ready.pk, data=topic_data(**given))
    assert answer.status_code == 422
    assert not Topic.objects.exists()


def test_a_refused_topic_says_why(cast: Cast, ready: Cohort):
    answer = send(cast.client(cast.wang), "start-topic", ready.pk, data=topic_data(deadline="2020-01-01"))
    assert answer.status_code == 409


def test_a_group_of_nobody_and_of_everybody_cannot_be_started_from_the_page(cast: Cast):
    client = cast.client(cast.wang)
    nobody = make.cohort(cast.wang, {"kind": "tag", "tags": ["nowhere"]})
    page = text(go(client, "start-topic", nobody.pk))
    assert 'data-code="cohort-empty"' in page
    assert re.search(r'id="start"[^>]* disabled', page)
    everybody = make.cohort(cast.wang)
    with seeding():
        Cohort.objects.filter(pk=everybody.pk).update(definition={"groups": []})
    assert 'data-code="cohort-unlimited"' in text(go(client, "start-topic", everybody.pk))
    assert send(client, "start-topic", everybody.pk, data=topic_data()).status_code in {409, 422}


def test_a_topic_is_there_for_its_people_only(cast: Cast, ready: Cohort):
    client = cast.client(cast.wang)
    send(client, "start-topic", ready.pk, data=topic_data(staff=str(cast.zhao.pk)))
    topic = Topic.objects.get()
    assert go(cast.client(cast.zhao), "topic", topic.pk).status_code == 200
    assert go(cast.client(cast.sun), "topic", topic.pk).status_code == 200
    assert go(cast.client(cast.li), "topic", topic.pk).status_code == 404
    assert send(cast.client(cast.zhao), "close-topic", topic.pk).status_code == 404
    assert send(client, "close-topic", topic.pk).status_code == 302
    assert send(client, "close-topic", topic.pk).status_code == 409


def test_a_topic_page_costs_the_same_with_many_patients(cast: Cast, ready: Cohort, django_assert_max_num_queries):
    client = cast.client(cast.wang)
    for __ in range(30):
        make.stay(make.person(cast.cardiology), cast.cardiology)
    send(client, "start-topic", ready.pk, data=topic_data())
    topic = Topic.objects.get()
    batches_jobs.work_through(topic.batch_id, seconds=60)
    go(client, "topic", topic.pk)
    with django_assert_max_num_queries(22):
        page = text(go(client, "topic", topic.pk, state="open"))
    assert page.count("data-patient=") == 33


@pytest.mark.parametrize(
    "query", [{"state": "nonsense"}, {"offset": "-1"}, {"offset": "9999999999"}, {"state": "done"}]
)
def test_a_strange_address_of_a_topic_still_opens(cast: Cast, ready: Cohort, query: dict[str, str]):
    client = cast.client(cast.wang)
    send(client, "start-topic", ready.pk, data=topic_data())
    assert go(client, "topic", Topic.objects.get().pk, **query).status_code == 200


# --- bulk


def test_ticked_members_and_all_members_become_a_selection(cast: Cast):
    make.person(cast.cardiology)
    cohort, client = make.cohort(cast.wang), cast.client(cast.wang)
    send(client, "choose", cohort.pk, data={"row": [str(cast.zhang.pk), "no uuid"]})
    send(client, "choose", cohort.pk, data={"all": "1"})
    assert [len(s.ids) for s in Selection.objects.order_by("pk")] == [1, 2]
    assert send(client, "choose", cohort.pk, data={}).status_code == 409


def test_preview_then_start_then_progress(cast: Cast):
    client = cast.client(cast.wang)
    cohort = make.cohort(cast.wang)
    address = send(client, "choose", cohort.pk, data={"all": "1"})["Location"]
    selection = Selection.objects.get()
    assert client.get(address).status_code == 200
    preview = text(go(client, "bulk-work", selection.pk, "tag", tag="study"))
    assert 'data-included="1"' in preview
    fragment = client.get(
        reverse("cohorts:bulk-work", args=[selection.pk, "tag"]) + "?tag=study", headers={"HX-Request": "true"}
    )
    assert text(fragment).lstrip().startswith('<div id="bulk"')
    answer = send(client, "bulk-start", selection.pk, "tag", data={"tag": "study"})
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("batches:detail", args=[batch.pk])
    assert batches_jobs.work_through(batch.pk, seconds=60)
    assert total(send(client, "count", data={"g0.c0.kind": "tag", "g0.c0.tags": "study"})) == "1"


def test_bulk_pages_of_all_kinds_open_and_strange_ones_do_not(cast: Cast):
    task = make_task(cast)
    client = cast.client(cast.wang)
    from careloop.cohorts.actions import select_rows

    selection = select_rows(subject="task", ids=[task.pk], came_from="today", by=cast.as_wang)
    for verb in ("assign", "close", "send", "enrol", "tag"):
        assert go(client, "bulk-work", selection.pk, verb).status_code == 200
    assert go(client, "bulk-work", selection.pk, "explode").status_code == 404
    assert send(client, "bulk-start", selection.pk, "explode").status_code == 404
    assert send(client, "bulk-start", selection.pk, "close", data={"reason": ""}).status_code == 409
    assert go(cast.client(cast.zhao), "bulk", selection.pk).status_code == 404


def test_a_ward_doctor_is_not_offered_what_is_not_allowed(cast: Cast):
    from careloop.cohorts.actions import select_rows

    selection = select_rows(subject="task", ids=[make_task(cast).pk], came_from="today", by=cast.as_zhao)
    client = cast.client(cast.zhao)
    page = text(go(client, "bulk", selection.pk))
    assert "/assign/" not in page
    assert "/close/" in page
    assert go(client, "bulk-work", selection.pk, "assign").status_code == 403


# --- lists


def test_a_list_from_the_page_to_the_file(cast: Cast):
    client = cast.client(cast.qian)
    cohort = make.cohort(cast.qian)
    page = text(go(client, "export", cohort.pk))
    assert not re.search(r'value="name"[^>]*disabled', page)
    answer = send(
        client, "export", cohort.pk, data={"columns": ["case", "name"], "purpose": "audit", "key": str(uuid4())}
    )
    export = ListExport.objects.get()
    assert batches_jobs.work_through(export.batch_id, seconds=60)
    assert "data-file" in text(client.get(answer["Location"]))
    file = client.get(reverse("batches:file", args=[export.batch_id]))
    assert b"".join(file.streaming_content)[:2] == b"PK"
    listed = text(go(client, "exports"))
    assert f'data-export="{export.pk}"' in listed


def test_names_are_not_offered_without_the_permission_and_not_given_either(cast: Cast):
    client, cohort = cast.client(cast.zhao), make.cohort(cast.zhao)
    assert re.search(r'value="name"[^>]*disabled', text(go(client, "export", cohort.pk)))
    sent = {"columns": ["name"], "purpose": "audit", "key": str(uuid4())}
    assert send(client, "export", cohort.pk, data=sent).status_code == 409
    assert send(client, "export", cohort.pk, data={**sent, "columns": ["age"], "purpose": ""}).status_code == 422
    assert send(client, "export", cohort.pk, data={**sent, "columns": ["?"]}).status_code == 422
    assert not ListExport.objects.exists()


@pytest.mark.parametrize("who", ["he", "system_admin", "security_admin"])
def test_who_sees_numbers_or_machines_has_no_door(cast: Cast, who: str):
    assert go(cast.client(getattr(cast, who)), "ways").status_code == 403


def test_a_nurse_has_no_door_to_lists(cast: Cast):
    client = cast.client(cast.wang)
    assert go(client, "exports").status_code == 403
    assert go(client, "export", make.cohort(cast.wang).pk).status_code == 403


# ── Blocks inside blocks, and taking steps back ───────────────────────────────────────────────────────────────────────

NESTED = {
    "g0.mode": "all", "g0.c0.kind": "sex", "g0.c0.sexes": "male",
    "g0.c1.mode": "any", "g0.c1.c0.kind": "tag", "g0.c1.c0.tags": "vip",
    "g0.c1.c1.mode": "none", "g0.c1.c1.c0.kind": "risk", "g0.c1.c1.c0.levels": "high",
}  # fmt: skip


def sent(**more: str):
    from django.http import QueryDict

    query = QueryDict(mutable=True)
    query.update(NESTED | more)
    return query


def test_blocks_inside_blocks_are_read_three_deep():
    from careloop.cohorts.forms import builder_state
    from careloop.cohorts.rules.definition import Group, parse

    state = builder_state(sent())
    outer = parse(state).groups[0]
    inner = outer.conditions[1]
    assert isinstance(inner, Group)
    assert (outer.mode, inner.mode, inner.conditions[1].mode) == ("all", "any", "none")
    assert parse(parse(state).as_json()) == parse(state)


@pytest.mark.parametrize(
    ("button", "change"),
    [
        ("add:0.1:age", lambda g: g[0]["conditions"][1]["conditions"].append({"kind": "age"})),
        ("block:0.1:all", lambda g: g[0]["conditions"][1]["conditions"].append({"mode": "all", "conditions": []})),
        ("add:0.1.1:sex", lambda g: g[0]["conditions"][1]["conditions"][1]["conditions"].append({"kind": "sex"})),
        ("remove:0.1:1", lambda g: g[0]["conditions"][1]["conditions"].pop(1)),
        ("remove:0:1", lambda g: g[0]["conditions"].pop(1)),
        ("group::none", lambda g: g.append({"mode": "none", "conditions": []})),
        ("group::strange", lambda g: g.append({"mode": "any", "conditions": []})),
        # What makes no sense changes nothing.
        ("block:0.1.1:any", lambda g: None), ("add:0.0:age", lambda g: None), ("add:9:age", lambda g: None),
        ("add:0:strange", lambda g: None), ("remove:0.1:7", lambda g: None), ("remove:0.1:-1", lambda g: None),
        ("drop:0", lambda g: None), ("drop:0.1", lambda g: None), ("add:²:age", lambda g: None),
        ("strange", lambda g: None), ("undo", lambda g: None), (":::", lambda g: None),
    ],
)  # fmt: skip
def test_each_button_does_one_thing_and_undo_takes_it_back(button: str, change: Any):
    import copy
    import json

    from careloop.cohorts.forms import builder_state, builder_step

    before = builder_state(sent())
    wanted = copy.deepcopy(before)
    change(wanted["groups"])
    after, steps = builder_step(sent(do=button))
    assert after == wanted
    assert steps == ([before] if after != before else [])
    if steps:
        back, rest = builder_step(sent(do="undo", undo=json.dumps(steps)))
        assert (back, rest) == (before, [])


@pytest.mark.parametrize(
    "undo",
    ["", "x", "{}", "[1]", '[{"groups": 1}]', '[{"groups": [{"kind": "age"}]}]', '[{"groups": []}]', "[" * 3000, "null",
     '[{"groups": [{"mode": "all"}]}]'],
)  # fmt: skip
def test_steps_changed_by_hand_are_left_out(undo: str):
    from careloop.cohorts.forms import builder_state, builder_step

    assert builder_step(sent(do="undo", undo=undo)) == (builder_state(sent()), [])


def test_steps_brought_back_hold_only_what_a_builder_can_hold():
    import json

    from careloop.cohorts.forms import builder_step

    deep: dict[str, Any] = {"mode": "all", "conditions": []}
    for __ in range(6):
        deep = {"mode": "all", "conditions": [deep]}
    told = [
        {
            "groups": [
                {
                    "mode": "x",
                    "conditions": [{"kind": "sex", "sexes": ["male", 3], "n": {"a": 1}}, {"kind": "no"}, 7, deep],
                }
            ]
        }
    ]
    state, __ = builder_step(sent(do="undo", undo=json.dumps(told)))
    assert state["groups"][0]["mode"] == "all"
    assert state["groups"][0]["conditions"][0] == {"kind": "sex", "sexes": ["male", "3"]}
    assert len(json.dumps(state)) < 300, "what is too deep is cut off"


def test_only_so_many_steps_are_kept():
    import json

    from careloop.cohorts.forms import MOST_STEPS, builder_state, builder_step

    many = json.dumps([builder_state(sent())] * 50)
    __, steps = builder_step(sent(do="add:0:age", undo=many))
    assert len(steps) == MOST_STEPS


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_builder_shows_blocks_inside_blocks_and_the_way_back(cast: Cast, language: str):
    with seeding():
        cast.wang.language = language
        cast.wang.save()
    client = cast.client(cast.wang)
    page = client.post(reverse("cohorts:build"), NESTED | {"do": "add:0.1.1:age"})
    html = page.content.decode()
    assert page.status_code == 200
    for place in ("0", "0.1", "0.1.1"):
        assert f'data-group="{place}"' in html
    assert 'data-inside="0.1"' in html
    assert 'data-inside="0.1.1"' not in html, "three deep is enough"
    assert 'name="g0.c1.c1.c1.low"' in html
    assert html.count("autofocus") == 1, "the cursor stands at what is new"
    assert 'id="undo"' in html
    assert client.post(reverse("cohorts:build"), NESTED).content.decode().count('id="undo"') == 0


def test_a_nested_search_is_counted_kept_and_changed_again(cast: Cast):
    make.tag(cast.zhang, "vip")
    client = cast.client(cast.wang)
    answer = client.post(reverse("cohorts:ask"), NESTED)
    assert answer.status_code == 302
    cohort = Cohort.objects.get()
    html = client.get(reverse("cohorts:change", args=[cohort.pk])).content.decode()
    assert 'name="g0.c1.c1.c0.levels"' in html
    assert client.get(answer["Location"]).status_code == 200


# ── Tags of one patient ───────────────────────────────────────────────────────────────────────────────────────────────


def test_tags_are_put_on_and_taken_away_on_the_patient(cast: Cast):
    client, here = cast.client(cast.wang), reverse("cohorts:tags", args=[cast.zhang.pk])
    assert "data-tag" not in text(client.get(here))
    for word in ("  a  b ", "a b", "<b>重点</b>"):
        assert client.post(here, {"add": word}).status_code == 200
    html = text(client.get(here))
    assert html.count("data-tag") == 2
    assert 'data-tag="a b"' in html
    assert "<b>重点" not in html
    assert 'data-tag="a b"' not in text(client.post(here, {"remove": "a b"}))
    assert client.post(here, {"remove": "a b"}).status_code == 200, "taken away twice is harmless"
    names = list(AuditEvent.objects.filter(patient_id=cast.zhang.pk).order_by("pk").values_list("name", flat=True))
    assert [n for n in names if "agged" in n] == ["cohorts.PatientTagged"] * 2 + ["cohorts.PatientUntagged"]


@pytest.mark.parametrize("word", ["", "   ", "\t\n"])
def test_an_empty_tag_is_refused(cast: Cast, word: str):
    answer = cast.client(cast.wang).post(reverse("cohorts:tags", args=[cast.zhang.pk]), {"add": word})
    assert answer.status_code == 409
    assert "data-tag" not in text(cast.client(cast.wang).get(reverse("cohorts:tags", args=[cast.zhang.pk])))


def test_a_long_tag_is_cut_and_still_one_tag(cast: Cast):
    client, here = cast.client(cast.wang), reverse("cohorts:tags", args=[cast.zhang.pk])
    client.post(here, {"add": "长" * 90})
    client.post(here, {"add": "长" * 90})
    assert text(client.get(here)).count("data-tag=") == 1


def test_whoever_begins_to_write_a_tag_is_offered_the_words_on_the_patients_they_see(cast: Cast):
    cast.client(cast.wang).post(reverse("cohorts:tags", args=[cast.zhang.pk]), {"add": 'a "b" & c'})
    words = reverse("cohorts:tag-words")
    assert text(cast.client(cast.wang).get(words)).strip() == '<option value="a &#34;b&#34; &amp; c"></option>'
    assert text(cast.client(cast.li).get(words)).strip() == ""
    assert words in text(cast.client(cast.wang).get(reverse("cohorts:tags", args=[cast.zhang.pk])))


def test_somebody_elses_patient_has_no_tags_for_me(cast: Cast):
    client = cast.client(cast.li)
    for method in (client.get, client.post):
        assert method(reverse("cohorts:tags", args=[cast.zhang.pk]), {"add": "x"}).status_code == 404


# ── What a topic would leave out, before it is started ────────────────────────────────────────────────────────────────


def test_who_is_left_out_follows_the_plan_and_form_chosen(cast: Cast):
    plan = make.plan_definition()
    with_plan, without_stay = make.person(cast.cardiology, sex="other"), make.person(cast.cardiology, sex="other")
    make.care_plan(with_plan, make.stay(with_plan, cast.cardiology), definition=plan)
    free = make.person(cast.cardiology, sex="other")
    make.stay(free, cast.cardiology)
    cohort = make.cohort(cast.wang, {"kind": "sex", "sexes": ["other"]}, shared=True)
    client, here = cast.client(cast.wang), reverse("cohorts:topic-offer", args=[cohort.pk])

    def told(**sent: str) -> tuple[str, set[str]]:
        html = text(client.post(here, sent))
        found = re.search(r'data-included="(\d+)"', html)
        assert found
        return found[1], set(re.findall(r'data-reason="([a-z-]+)"', html))

    assert client.post(here).status_code == 200
    everybody = told(what="contact", questionnaire=make.FORM)
    by_plan = told(what="plan", plan=make.PLAN, questionnaire=make.FORM)
    assert int(everybody[0]) - int(by_plan[0]) == 2, (everybody, by_plan, without_stay)
    assert by_plan[1] - everybody[1] == {"already-in-plan", "no-stay"}
    assert Topic.objects.count() == 0, "nothing is started by looking"


def test_the_offer_of_another_persons_search_is_not_there(cast: Cast):
    cohort = make.cohort(cast.li)
    assert cast.client(cast.wang).post(reverse("cohorts:topic-offer", args=[cohort.pk])).status_code == 404

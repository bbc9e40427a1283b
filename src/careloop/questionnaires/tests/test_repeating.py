"""Groups that repeat: instances are asked, judged, counted, kept as facts and taken away each for itself."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import actions, reads, rules
from careloop.questionnaires.models import AnswerFact
from careloop.questionnaires.rules.repeating import together
from careloop.questionnaires.tests.forms import choice, content, item, number, rule, when
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM


def group(link_id, *items, **more):
    return {"linkId": link_id, "type": "group", "text": "药品", "repeats": True, "item": list(items), **more}


CONTENT = content(
    choice("any", "no", "yes", required=True),
    group(
        "med",
        choice("drug", "warfarin", "aspirin", required=True),
        number("dose", 0, 100),
        item("why", "string", enableWhen=[when("drug", "=", "warfarin")], required=True),
        enableWhen=[when("any", "=", "yes")],
    ),
    item("end"),
    rules=[rule("bleeding", {"all": [{"item": "drug", "op": "=", "value": "warfarin"}, {"item": "dose", "op": ">", "value": 10}]}, "critical")],
    scores=[{"code": "doses", "title": {"zh": "总量", "en": "Total"}, "items": ["dose"], "missing": "null", "bands": []}],
    checks=[{"code": "none", "when": {"item": "dose", "op": "=", "value": 99}, "items": ["dose"], "message": {"zh": "剂量不对", "en": "Wrong dose"}}],
)  # fmt: skip
FORM = rules.parse(CONTENT)


def grown(answers=(), **asked_for):
    return rules.expand(FORM, rules.counted(FORM, answers, asked_for))


def test_instances_are_numbered_and_ask_about_themselves():
    form = grown(med=3)
    assert [i.link_id for i in form.questions] == [
        "any", "drug", "dose", "why", "drug~2", "dose~2", "why~2", "drug~3", "dose~3", "why~3", "end",
    ]  # fmt: skip
    asked = {one.link_id for one in rules.enabled_items(form, {"any": "yes", "drug": "aspirin", "drug~2": "warfarin"})}
    assert {"why~2", "drug~3"} <= asked
    assert not {"why", "why~3"} & asked
    assert {one.link_id for one in rules.enabled_items(form, {"any": "no"})} == {"any", "end"}


def test_as_many_as_were_asked_for_or_hold_an_answer_and_at_most_twenty():
    assert rules.counted(FORM, [], None) == {"med": 1}
    assert rules.counted(FORM, ["dose~4"], {"med": 2}) == {"med": 4}
    assert rules.counted(FORM, ["dose~99"], {"med": 50}) == {"med": 20}
    assert rules.counted(FORM, ["end~3", "strange~2"], None) == {"med": 1}  # only looks numbered


def test_a_condition_holds_inside_one_instance_not_across_two():
    form = grown(med=2)
    across = {"any": "yes", "drug": "warfarin", "dose": 5, "drug~2": "aspirin", "dose~2": 50}
    assert rules.judge(form, across) == ()
    inside = {**across, "drug~2": "warfarin"}
    assert rules.judge(form, inside)[0].evidence == ("drug~2", "dose~2")
    assert rules.judge(form, {**across, "dose": 50})[0].evidence == ("drug", "dose")


def test_a_total_counts_every_instance():
    form = grown(med=2)
    answers = {"any": "yes", "drug": "aspirin", "drug~2": "aspirin", "dose": 5}
    assert rules.score(form, answers)[0].value == 5
    assert rules.score(form, {**answers, "dose~2": 7})[0].value == 12
    assert together(form, {"dose": 5, "dose~2": 7, "end": "x"}) == {"dose": [5, 7], "end": "x"}


def test_faults_name_the_instance():
    form = grown(med=2)
    found = rules.faults(form, {"any": "yes", "drug": "aspirin", "drug~2": "warfarin", "dose~2": 99}, complete=True)
    assert {(fault.link_id, fault.code) for fault in found} == {("why~2", "required"), ("dose~2", "check")}


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.dictionaries(st.tuples(st.sampled_from(["drug", "dose"]), st.integers(1, 6)), st.integers(0, 9)),
)
def test_taking_one_away_keeps_the_others_in_order(count, number, given_answers):
    number = min(number, count)
    answers = {rules.numbered(name, n): v for (name, n), v in given_answers.items() if n <= count} | {"end": 1}
    left = rules.moved_up(FORM, answers, "med", number)

    def columns(values, without=0):
        return [
            [values.get(rules.numbered(name, n)) for name in ("drug", "dose")]
            for n in range(1, count + 1)
            if n != without
        ]

    assert columns(left)[: count - 1] == columns(answers, without=number)
    assert left["end"] == 1
    assert columns(left)[count - 1] == [None, None]


def test_a_link_id_that_looks_numbered_stays_what_it_is():
    form = rules.parse(content(group("g", item("a")), item("a~2"), item("b~3")))
    assert rules.parted(form, "a~2") == ("a~2", 1)
    assert rules.parted(form, "b~3") == ("b~3", 1)
    assert rules.parted(form, "a~3") == ("a", 3)
    assert rules.parted(form, "a~1") == ("a~1", 1)


def test_a_repeating_group_inside_another_is_listed():
    form = rules.parse(content(group("outer", group("inner", item("a")))))
    assert any(line.startswith("inner:") for line in form.unsupported)
    assert [i.link_id for i in rules.expand(form, {"outer": 2}).questions] == ["a", "a~2"]


# ---- answers ----


@pytest.fixture
def response(cast):
    questionnaire = actions.publish_questionnaire(content=CONTENT, at=NOW, by=SYSTEM)
    return actions.start_response(
        questionnaire=questionnaire, patient_id=cast.zhang.pk, task_id=None, mode="phone", at=NOW, by=cast.as_wang
    )


def save(cast, response, **answers):
    for name, value in answers.items():
        response = actions.save_answer(
            response=response, link_id=name.replace("__", "~"), value=value, source="phone", at=NOW, by=cast.as_wang
        )
    return response


@pytest.mark.django_db
def test_two_medicines_are_answered_and_kept_as_facts_each(cast, response):
    save(cast, response, any="yes", drug="aspirin", dose=5)
    with pytest.raises(actions.UnknownQuestion):
        save(cast, response, drug__2="warfarin")
    actions.add_instance(response=response, group="med", at=NOW, by=cast.as_wang)
    save(cast, response, drug__2="warfarin", dose__2=20, why__2="房颤")
    done = actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    facts = AnswerFact.objects.unscoped("test").filter(link_id__in=["drug", "dose"]).order_by("link_id", "instance")
    assert [(f.link_id, f.instance, f.code or float(f.number)) for f in facts] == [
        ("dose", 1, 5.0), ("dose", 2, 20.0), ("drug", 1, "aspirin"), ("drug", 2, "warfarin"),
    ]  # fmt: skip
    assert [f["rule_code"] for f in done.findings] == ["bleeding"]
    assert done.scores["doses"]["value"] == 25


@pytest.mark.django_db
def test_taking_one_away_and_its_limits(cast, response):
    save(cast, response, any="yes", drug="aspirin")
    for _n in range(19):
        response = actions.add_instance(response=response, group="med", at=NOW, by=cast.as_wang)
    with pytest.raises(actions.TooManyInstances):
        actions.add_instance(response=response, group="med", at=NOW, by=cast.as_wang)
    save(cast, response, drug__20="warfarin")
    response = actions.remove_instance(response=response, group="med", number=1, at=NOW, by=cast.as_wang)
    assert response.values == {"any": "yes", "drug~19": "warfarin"}
    for wrong in (0, 20, -1):
        with pytest.raises(actions.UnknownQuestion):
            actions.remove_instance(response=response, group="med", number=wrong, at=NOW, by=cast.as_wang)
    for name in ("drug", "nothing"):
        with pytest.raises(actions.UnknownQuestion):
            actions.add_instance(response=response, group=name, at=NOW, by=cast.as_wang)


@pytest.mark.django_db
def test_amending_reaches_every_instance(cast, response):
    save(cast, response, any="yes", drug="aspirin")
    actions.add_instance(response=response, group="med", at=NOW, by=cast.as_wang)
    save(cast, response, drug__2="aspirin")
    done = actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    new = actions.amend_response(response=done, answers={"drug~2": "warfarin", "why~2": "x"}, at=NOW, by=cast.as_wang)
    assert new.values["drug~2"] == "warfarin"
    assert new.instances == done.instances


@pytest.mark.django_db
def test_read_only_pages_show_every_instance(cast, response):
    save(cast, response, any="yes", drug="aspirin")
    actions.add_instance(response=response, group="med", at=NOW, by=cast.as_wang)
    save(cast, response, drug__2="warfarin", why__2="房颤")
    actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    shown = cast.client(cast.wang).get(reverse("questionnaires:response", args=[response.pk])).content.decode()
    assert 'data-link-id="drug"' in shown
    assert 'data-link-id="drug~2"' in shown


# ---- the call screen ----


@pytest.fixture
def call(cast):
    actions.publish_questionnaire(content=CONTENT, at=NOW, by=SYSTEM)
    now = timezone.now()
    return make_task(cast, questionnaire_url=CONTENT["url"], available_at=now - timedelta(days=1), due_at=now)


@pytest.mark.django_db
def test_the_call_form_grows_and_shrinks(cast, call):
    client, address = cast.client(cast.wang), reverse("workbench:form_part", args=[call.pk])
    grown_form = client.post(address, {"op": "add-instance", "link_id": "med"}).content.decode()
    assert 'data-links="drug~2"' in grown_form
    assert '"drug~2"' in grown_form  # the browser knows what it depends on
    answer = client.post(reverse("workbench:answer", args=[call.pk]), {"link_id": "drug~2", "value": "aspirin"})
    assert answer.status_code == 200
    shrunk = client.post(address, {"op": "remove-instance", "link_id": "med", "number": "1"}).content.decode()
    assert 'data-links="drug~2"' not in shrunk
    assert client.post(address, {"op": "remove-instance", "link_id": "med", "number": "x"}).status_code == 409


@pytest.mark.django_db
def test_form_view_says_where_an_instance_begins_and_ends(cast, response):
    save(cast, response, any="yes")
    response = actions.add_instance(response=response, group="med", at=NOW, by=cast.as_wang)
    view = reads.form_view(response.questionnaire, response=response, at=NOW)
    opens = [screen.questions[0].link_id for screen in view.screens if screen.opens]
    assert opens == ["drug", "drug~2"]
    assert [screen.questions[0].link_id for screen in view.screens if screen.may_add] == ["why~2"]
    assert all(screen.may_remove for screen in view.screens if screen.opens)

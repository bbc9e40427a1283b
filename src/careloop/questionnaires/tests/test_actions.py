"""Publishing, answering, completing, amending: states, recorded facts, refusals, and the database's own refusals."""

import copy
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import translation

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Observation
from careloop.questionnaires import actions, reads, rules
from careloop.questionnaires.actions import publishing
from careloop.questionnaires.models import AnswerFact, Questionnaire, QuestionnaireResponse
from careloop.questionnaires.tests.forms import CALL, URL, choice, content, item, number
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
TASK = "0190a0c0-0000-7000-8000-000000000001"


def publish(version="1", **more):
    changed = copy.deepcopy({**CALL, **more, "version": version})
    changed["definition"]["version"] = version
    return actions.publish_questionnaire(content=changed, at=NOW, by=SYSTEM)


def start(cast, questionnaire=None, *, task_id=TASK, by=None, at=NOW):
    return actions.start_response(
        questionnaire=questionnaire or publish(), patient_id=cast.zhang.pk, task_id=task_id, mode="phone", at=at, by=by or cast.as_wang,
    )  # fmt: skip


def save(response, by, at=NOW, source="phone", **values):
    for link_id, value in values.items():
        response = actions.save_answer(response=response, link_id=link_id, value=value, source=source, at=at, by=by)
    return response


def complete(response, by, **more):
    return actions.complete_response(response=response, at=NOW, by=by, **more)


def recorded(code):
    return AuditEvent.objects.filter(action__endswith=code).count()


# ---- versions ----


def test_a_new_version_takes_over_and_the_old_one_is_retired():
    first, second = publish("1"), publish("2")
    first.refresh_from_db()
    assert (first.status, second.status) == ("retired", "active")
    assert reads.current(URL) == second


def test_publishing_again_changes_nothing_but_other_content_needs_another_version():
    first = publish("1")
    assert publish("1") == first
    assert Questionnaire.objects.count() == 1
    with pytest.raises(actions.VersionTaken):
        publish("1", source="somebody else")


def test_a_form_whose_rule_could_never_fire_is_refused_with_the_place():
    broken = content(number("n"), rules=[{**CALL["rules"][1], "when": {"item": "m", "op": ">", "value": 1}}])
    for language, words in (("en", "Rule pressure: question"), ("zh-hans", "规则 pressure")):
        with translation.override(language), pytest.raises(actions.BadDefinition) as refused:
            actions.publish_questionnaire(content=broken, at=NOW, by=SYSTEM)
        assert words in str(refused.value)
    assert not Questionnaire.objects.exists()


def test_retiring_twice_is_retiring_once():
    questionnaire = publish()
    actions.retire_questionnaire(questionnaire=questionnaire, by=SYSTEM)
    actions.retire_questionnaire(questionnaire=questionnaire, by=SYSTEM)
    assert not Questionnaire.objects.filter(status="active").exists()


def test_shipped_content_loads_once_and_leaves_a_hospitals_own_version_in_force():
    url = "https://careloop.org/Questionnaire/gad-7"
    own = content(item("mine"), url=url, version="9")
    actions.publish_questionnaire(content=own, at=NOW, by=SYSTEM)
    count = actions.load_shipped_content(at=NOW, by=SYSTEM)
    assert count == len(list(publishing.CONTENT.glob("*.json"))) - 1
    assert actions.load_shipped_content(at=NOW, by=SYSTEM) == 0
    assert reads.current(url).version == "9"


@pytest.mark.parametrize(
    "change",
    [
        "content = '{}'",
        "version = '9'",
        "url = 'x'",
        "content_hash = 'x'",
        "title = 'x'",
        "name = 'x'",
        "status = 'draft'",
    ],
)
def test_the_database_refuses_to_change_a_published_version(change):
    publish()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE questionnaires_questionnaire SET {change}")


def test_the_database_refuses_to_delete_a_published_version():
    publish()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM questionnaires_questionnaire")


# ---- answering ----


def test_starting_again_goes_on_with_the_same_answers_even_after_a_new_version(cast):
    first = start(cast)
    save(first, cast.as_wang, pain="no")
    second = start(cast, publish("2"))
    assert second.pk == first.pk
    assert (second.canonical, second.values) == (f"{URL}|1", {"pain": "no"})


def test_initial_values_are_filled_in_but_never_a_choice(cast):
    form = content(
        number("n", initial=[{"valueInteger": 7}]), choice("c", "x", initial=[{"valueCoding": {"code": "x"}}])
    )
    response = start(cast, actions.publish_questionnaire(content=form, at=NOW, by=SYSTEM))
    assert response.answers == {"n": {"value": 7, "source": "form", "at": NOW.isoformat(), "by": cast.as_wang.actor}}


def test_an_answer_is_kept_with_source_time_and_person_and_can_be_taken_back(cast):
    response = save(start(cast), cast.as_wang, sbp=" １５２ ")
    assert response.answers["sbp"] == {"value": 152, "source": "phone", "at": NOW.isoformat(), "by": cast.as_wang.actor}
    assert save(response, cast.as_wang, sbp="").answers == {}


def test_saving_the_same_answer_again_records_nothing(cast):
    response = save(start(cast), cast.as_wang, sbp=152)
    before = AuditEvent.objects.count()
    again = save(response, cast.as_wang, at=NOW + timedelta(minutes=1), sbp="152")
    assert again.answers["sbp"]["at"] == NOW.isoformat()
    assert AuditEvent.objects.count() == before


def test_the_audit_trail_never_holds_the_value(cast):
    save(start(cast), cast.as_wang, words="我很难受")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_auditevent e WHERE e::text LIKE '%%难受%%'")
        assert cursor.fetchone()[0] == 0


def test_none_of_these_gives_way_to_the_sign_chosen_after_it(cast):
    response = save(start(cast), cast.as_wang, signs=["none"])
    response = save(response, cast.as_wang, signs=["none", "fever"])
    assert response.values["signs"] == ["fever"]


@pytest.mark.parametrize(
    ("link_id", "value", "refusal"),
    [
        ("stranger", "x", actions.UnknownQuestion), ("bp", "x", actions.UnknownQuestion),
        ("words", "x" * 4001, actions.AnswerTooLong), ("signs", [str(n) for n in range(101)], actions.AnswerTooLong),
    ],
)  # fmt: skip
def test_what_is_no_answer_to_this_form_is_refused(cast, link_id, value, refusal):
    response = start(cast)
    with pytest.raises(refusal):
        save(response, cast.as_wang, **{link_id: value})


def test_a_read_only_question_takes_no_answer(cast):
    form = content(item("fixed", readOnly=True))
    response = start(cast, actions.publish_questionnaire(content=form, at=NOW, by=SYSTEM))
    with pytest.raises(actions.UnknownQuestion):
        save(response, cast.as_wang, fixed="x")


def test_somebody_elses_patient_cannot_be_answered_for(cast):
    response = start(cast)
    with pytest.raises(QuestionnaireResponse.DoesNotExist):
        save(response, cast.as_li, pain="no")


def test_prefilling_never_writes_over_an_answer(cast):
    response = save(start(cast), cast.as_wang, sbp=120)
    count = actions.prefill(
        response=response, values={"sbp": 150, "dbp": 90, "stranger": 1}, source="previous", at=NOW, by=SYSTEM
    )
    response.refresh_from_db()
    assert (count, response.values, response.answers["dbp"]["source"]) == (1, {"sbp": 120, "dbp": 90}, "previous")


# ---- completing ----


def test_completing_judges_scores_sets_hidden_answers_aside_and_writes_facts(cast):
    response = save(start(cast), cast.as_wang, pain="yes", where="chest", sbp=190, dbp="not-measured", signs=["fever", "bleeding"], words="好")  # fmt: skip
    save(response, cast.as_wang, pain="no")
    done = complete(response, cast.as_wang)
    assert (done.status, done.authored_at, done.author_id) == ("completed", NOW, cast.wang.pk)
    assert list(done.dropped) == ["where"]
    assert [finding["rule_code"] for finding in done.findings] == ["pressure"]
    assert done.scores["n"] == {"value": 190, "band": "", "missing": []}
    facts = AnswerFact.objects.unscoped("test").order_by("link_id", "code")
    assert [(fact.link_id, fact.code, fact.number, fact.text) for fact in facts] == [
        ("dbp", "not-measured", None, ""), ("pain", "no", None, ""), ("sbp", "", 190, ""),
        ("signs", "bleeding", None, ""), ("signs", "fever", None, ""), ("words", "", None, "好"),
    ]  # fmt: skip
    assert Observation.objects.unscoped("test").filter(code="8480-6").count() == 1


def test_completing_twice_is_completing_once(cast):
    response = save(start(cast), cast.as_wang, pain="no")
    complete(response, cast.as_wang)
    facts, audit = AnswerFact.objects.unscoped("test").count(), AuditEvent.objects.count()
    complete(response, cast.as_wang)
    assert (AnswerFact.objects.unscoped("test").count(), AuditEvent.objects.count()) == (facts, audit)


def test_what_is_missing_or_impossible_is_named_and_nothing_is_written(cast):
    response = save(start(cast), cast.as_wang, pain="yes", sbp=80, dbp=95, words="x" * 30)
    with pytest.raises(actions.ResponseIncomplete) as refused:
        complete(response, cast.as_wang)
    assert [(fault.link_id, fault.code) for fault in refused.value.faults] == [
        ("where", "required"), ("words", "too-long"), ("dbp", "check"),
    ]  # fmt: skip
    response.refresh_from_db()
    assert (response.status, AnswerFact.objects.unscoped("test").count()) == ("in-progress", 0)


def test_a_call_broken_off_may_be_completed_in_part_but_not_with_the_impossible(cast):
    response = save(start(cast), cast.as_wang, pain="yes")
    assert complete(response, cast.as_wang, partial=True).status == "completed"
    other = save(start(cast, reads.current(URL), task_id=None), cast.as_wang, sbp=500)
    with pytest.raises(actions.ResponseIncomplete):
        complete(other, cast.as_wang, partial=True)


def test_after_completing_no_answer_is_taken(cast):
    response = save(start(cast), cast.as_wang, pain="no")
    complete(response, cast.as_wang)
    with pytest.raises(actions.ResponseClosed):
        save(response, cast.as_wang, pain="yes")


def test_judgement_compares_with_the_last_answers_to_any_version_of_the_form(cast):
    first = save(start(cast), cast.as_wang, pain="no", sbp=130)
    complete(first, cast.as_wang)
    later = NOW + timedelta(days=3)
    second = save(start(cast, publish("2"), task_id=None, at=later), cast.as_wang, pain="no", sbp=155)
    done = actions.complete_response(response=second, at=later, by=cast.as_wang)
    assert [finding["rule_code"] for finding in done.findings] == ["rise"]


# ---- amending, taking out ----


def test_an_amendment_supersedes_and_keeps_the_old_as_it_was(cast):
    old = complete(save(start(cast), cast.as_wang, pain="no", sbp=190), cast.as_wang)
    new = actions.amend_response(response=old, answers={"sbp": 130}, at=NOW + timedelta(hours=1), by=cast.as_wang)
    old.refresh_from_db()
    assert (old.status, old.values["sbp"], [f["rule_code"] for f in old.findings]) == ("amended", 190, ["pressure"])
    assert (new.status, new.values["sbp"], new.findings, new.replaces_id) == ("completed", 130, [], old.pk)
    assert new.answers["pain"] == old.answers["pain"]
    assert [fact.number for fact in AnswerFact.objects.unscoped("test").filter(link_id="sbp")] == [130]
    with pytest.raises(actions.ResponseClosed):
        actions.amend_response(response=old, answers={"sbp": 120}, at=NOW, by=cast.as_wang)


def test_a_correction_stands_on_the_day_of_the_answers_and_is_compared_with_what_came_before(cast):
    days = [NOW + timedelta(days=number) for number in range(3)]
    form, done = publish(), []
    for day, sbp in zip(days, (130, 160, 165), strict=True):
        response = save(start(cast, form, task_id=None, at=day), cast.as_wang, pain="no", sbp=sbp)
        done.append(actions.complete_response(response=response, at=day, by=cast.as_wang))
    assert [[found["rule_code"] for found in one.findings] for one in done] == [[], ["rise"], []]
    much_later = NOW + timedelta(days=30)
    new = actions.amend_response(response=done[1], answers={"sbp": 152}, at=much_later, by=cast.as_wang)
    assert [found["rule_code"] for found in new.findings] == ["rise"], "compared with 130, not with the visit after it"
    assert (new.authored_at, new.answers["sbp"]["at"]) == (days[1], much_later.isoformat())
    values, at = reads.previous_values(cast.zhang.pk, url=URL, before=much_later)
    assert (values["sbp"], at) == (165, days[2]), "the correction is not the newest visit"


def measured():
    rows = Observation.objects.unscoped("test").filter(code="8480-6").order_by("created_at", "pk")
    return [(row.value_text, row.status, row.effective_at) for row in rows]


def test_a_wrong_value_leaves_the_results_with_its_correction_and_with_its_answers(cast):
    old = complete(save(start(cast), cast.as_wang, pain="no", sbp=190), cast.as_wang)
    assert measured() == [("190", "final", NOW)]
    new = actions.amend_response(response=old, answers={"sbp": 130}, at=NOW + timedelta(hours=1), by=cast.as_wang)
    assert measured() == [("190", "entered-in-error", NOW), ("130", "final", NOW)]
    for _again in range(2):
        actions.mark_entered_in_error(response=new, by=cast.as_wang)
    assert [status for _value, status, _at in measured()] == ["entered-in-error", "entered-in-error"]


def test_a_draft_taken_out_has_no_results_to_withdraw(cast):
    draft = save(start(cast), cast.as_wang, sbp=190)
    assert actions.mark_entered_in_error(response=draft, by=cast.as_wang).status == "entered-in-error"
    assert measured() == []


def test_what_was_entered_in_error_counts_nowhere_and_stays_readable(cast):
    done = complete(save(start(cast), cast.as_wang, pain="no"), cast.as_wang)
    for _again in range(2):
        actions.mark_entered_in_error(response=done, by=cast.as_wang)
    done.refresh_from_db()
    assert (done.status, done.values) == ("entered-in-error", {"pain": "no"})
    assert not AnswerFact.objects.unscoped("test").exists()
    assert reads.previous_values(cast.zhang.pk, url=URL, before=NOW + timedelta(days=1)) == ({}, None)


@pytest.mark.parametrize(
    "change", ["answers = '{}'", "canonical = 'x|1'", "findings = '[1]'", "scores = '{\"x\": 1}'", "status = 'in-progress'", "dropped = '{\"x\": 1}'"],
)  # fmt: skip
def test_the_database_refuses_to_change_completed_answers(cast, change):
    complete(save(start(cast), cast.as_wang, pain="no"), cast.as_wang)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE questionnaires_questionnaireresponse SET {change}")


def test_the_database_refuses_to_delete_completed_answers_and_to_change_the_version_of_a_draft(cast):
    response = start(cast)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE questionnaires_questionnaireresponse SET canonical = 'x|1'")
    complete(save(response, cast.as_wang, pain="no"), cast.as_wang)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM questionnaires_answerfact")
        cursor.execute("DELETE FROM questionnaires_questionnaireresponse")


def test_two_completed_responses_for_one_task_are_refused_by_the_database(cast):
    done = complete(save(start(cast), cast.as_wang, pain="no"), cast.as_wang)
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        QuestionnaireResponse.objects.unscoped("test").create(
            patient=cast.zhang,
            questionnaire=done.questionnaire,
            canonical=done.canonical,
            task_id=TASK,
            mode="phone",
            started_at=NOW,
        )


def test_an_old_answer_is_shown_as_it_was_answered_after_a_new_version_took_over(cast):
    done = complete(save(start(cast), cast.as_wang, pain="no", sbp=130), cast.as_wang)
    changed = copy.deepcopy(CALL)
    changed["version"] = changed["definition"]["version"] = "2"
    changed["definition"]["item"][0]["text"] = "another question altogether"
    changed["definition"]["item"][0]["answerOption"][0]["valueCoding"]["display"] = "another answer"
    actions.publish_questionnaire(content=changed, at=NOW, by=SYSTEM)
    done = QuestionnaireResponse.objects.visible_to(cast.as_wang).select_related("questionnaire").get(pk=done.pk)
    view = reads.form_view(done.questionnaire, response=done, at=NOW, findings=[])
    assert (view.version, view.question("pain").text, view.question("pain").display) == ("1", "pain", "NO")
    assert rules.content_hash(done.questionnaire.content) == done.questionnaire.content_hash


def test_a_patient_may_answer_for_themself_only(cast):
    mine = Viewer.patient(cast.zhang.pk)
    response = start(cast, by=mine)
    assert save(response, mine, source="portal", pain="no").answers["pain"]["by"] == mine.actor
    with pytest.raises(QuestionnaireResponse.DoesNotExist):
        save(response, Viewer.patient(cast.ma.pk), pain="yes")


def test_a_bad_date_is_refused_by_name():
    with pytest.raises(actions.BadDefinition, match="valid_to"):
        actions.publish_questionnaire(content=content(item("a"), valid_to="next year"), at=NOW, by=SYSTEM)


def test_the_opening_names_the_hospital_and_the_caller(cast):
    questionnaire = publish(opening={"zh": "我是{hospital}的{nurse}", "en": "This is{nurse} of {hospital}"})
    view = reads.form_view(questionnaire, response=None, at=NOW, nurse="王")
    assert view.opening == f"我是{cast.hospital.name}的王"

"""The honest answer: not measured, not known, did not want to say. It never blocks and never counts as a number."""

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import actions, reads, rules
from careloop.questionnaires.models import AnswerFact
from careloop.questionnaires.reads import asking
from careloop.questionnaires.tests.forms import CALL, choice, content, form, item, number
from careloop.questionnaires.tests.test_actions import save, start
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
CHOICE = form(choice("c", "a", "b")).items[0]
MANY = form(choice("c", "a", "b", repeats=True)).items[0]
NUMBER = form(number("n", 0, 9)).items[0]


@pytest.mark.parametrize(
    ("question", "before", "typed", "settled"),
    [
        (NUMBER, None, "not-measured", ("not-measured", "not-performed")),
        (NUMBER, 5, ["not-measured:asked-declined", ""], ("not-measured", "asked-declined")),
        (NUMBER, "not-measured", ["not-measured", "7"], (["7"], "")),
        (NUMBER, 7, ["7", "not-measured"], ("not-measured", "not-performed")),
        (CHOICE, None, "not-measured", ("not-measured", "asked-unknown")),
        (CHOICE, "not-measured", ["a", "not-measured:asked-unknown"], (["a"], "")),
        (MANY, ["a"], ["a", "not-measured"], ("not-measured", "asked-unknown")),
        (CHOICE, None, "not-measured:invented", ("not-measured", "asked-unknown")),
        (CHOICE, None, "a", ("a", "")),
        (CHOICE, "not-measured", [], ([], "")),
    ],
)
def test_the_mark_and_an_answer_take_each_others_place(question, before, typed, settled):
    assert rules.settle_absent(question, before, typed) == settled


def test_an_option_of_that_name_is_an_option():
    odd = form(choice("c", "not-measured", "b")).items[0]
    assert rules.settle_absent(odd, None, "not-measured") == ("not-measured", "")


@given(
    st.sampled_from(
        [
            "integer",
            "decimal",
            "quantity",
            "boolean",
            "date",
            "dateTime",
            "time",
            "string",
            "text",
            "url",
            "choice",
            "open-choice",
            "attachment",
            "reference",
        ]
    ),
    st.sampled_from(rules.ABSENT_REASONS),
)
def test_it_is_an_answer_to_every_kind_of_question_and_never_a_fault(kind, reason):
    question = choice("q", "a", required=True) if kind == "choice" else item("q", kind, required=True)
    parsed = form(question)
    value, kept = rules.settle_absent(parsed.items[0], None, f"not-measured:{reason}")
    assert kept == reason
    assert rules.faults(parsed, {"q": value}, complete=True) == ()
    assert reads.display_value(parsed.items[0], value, kept)


def test_a_whole_form_of_no_answers_completes_and_fires_nothing(cast):
    response = start(cast)
    for link in ("pain", "sbp", "dbp", "signs", "words"):
        response = save(response, cast.as_wang, **{link: "not-measured"})
    done = actions.complete_response(response=response, at=NOW, by=cast.as_wang)
    assert (done.findings, done.scores["n"]["value"]) == ([], None)
    facts = AnswerFact.objects.unscoped("test").filter(response=done)
    assert {(f.link_id, f.code, f.absent_reason, f.number) for f in facts} == {
        ("pain", "not-measured", "asked-unknown", None), ("sbp", "not-measured", "not-performed", None),
        ("dbp", "not-measured", "not-performed", None), ("signs", "not-measured", "asked-unknown", None),
        ("words", "not-measured", "asked-unknown", None),
    }  # fmt: skip


def test_the_reason_can_change_and_goes_with_an_answer(cast):
    response = save(start(cast), cast.as_wang, sbp="not-measured")
    assert response.answers["sbp"]["reason"] == "not-performed"
    response = save(response, cast.as_wang, sbp="not-measured:asked-declined")
    assert response.answers["sbp"]["reason"] == "asked-declined"
    response = save(response, cast.as_wang, sbp=120)
    assert "reason" not in response.answers["sbp"]


def test_every_reason_has_words_in_both_languages():
    assert set(reads.absent_words()) == set(rules.ABSENT_REASONS)
    with override("en"):
        english = reads.absent_words()
    with override("zh-hans"):
        chinese = reads.absent_words()
    assert all(english[code] != chinese[code] for code in rules.ABSENT_REASONS)


def test_one_key_on_every_question_of_the_staff_form(cast):
    questionnaire = actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM)
    from django.template.loader import render_to_string

    view = reads.form_view(questionnaire, response=start(cast), at=NOW)
    for screen in view.screens:
        html = render_to_string("questionnaires/_screen.html", {"screen": screen, "response": view.response})
        assert html.count("data-not-measured") == len(screen.questions)
        assert html.count("data-absent-reason") == len(screen.questions)


def test_on_a_telephone_only_where_the_form_offers_it():
    parsed = form(number("a", 0, 300, unmeasured=True), number("b", 0, 300))
    fields = [asking.field_of(parsed, one, given="not-measured") for one in parsed.items]
    assert [one.may_skip for one in fields] == [True, False]
    assert [(one.value, one.skipped) for one in fields] == [("", True), ("", True)]


def test_content_with_repeated_absent_marks_stays_one(cast):
    questionnaire = actions.publish_questionnaire(
        content=content(choice("m", "a", "b", repeats=True), url="https://x.example/m"), at=NOW, by=SYSTEM
    )
    response = actions.start_response(
        questionnaire=questionnaire, patient_id=cast.zhang.pk, task_id=None, mode="phone", at=NOW, by=cast.as_wang
    )
    response = save(response, cast.as_wang, m=["a", "b"])
    response = save(response, cast.as_wang, m=["a", "b", "not-measured"])
    assert response.values["m"] == "not-measured"
    response = save(response, cast.as_wang, m=["b", "not-measured"])
    assert response.values["m"] == ["b"]

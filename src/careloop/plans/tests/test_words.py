"""Codes never reach the screen: each end and each reason has words."""

import pytest
from django.utils import translation

from careloop.plans.reads import wording
from careloop.plans.reads.facts import REOPENING

ENDS = sorted(
    {*REOPENING, "message-sent", "message-failed", "window-passed", "readmitted", "version-adopted", "plan-over", "visited",
     "lost-to-follow-up", "death", "refusal", "steps-done"}
)  # fmt: skip


@pytest.mark.parametrize("code", ENDS)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_an_end_is_said_in_words(code, language):
    with translation.override(language):
        assert str(wording.end_words(code)) != code


@pytest.mark.parametrize(
    ("span", "said"), [("18-", "≥ 18"), ("0-17", "≤ 17"), ("60-79", "60–79"), ("0-", "≥ 0"), ("65-65", "65–65")]
)
def test_an_age_span_is_written_as_people_write_it(span, said):
    assert wording.span_words(span) == said


def test_the_reason_of_an_enrolment_shows_the_span():
    text = wording.reason_words("age-fits", {"age": "75", "wanted": "18-"}, {})
    assert "≥ 18" in text
    assert "18-" not in text


def test_free_words_of_a_person_stay_as_they_are():
    assert wording.end_words("搬去女儿家") == "搬去女儿家"

"""What papers and lists call a follow-up: in the language of the page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from careloop.accounts.models import Practitioner
from careloop.kernel.actions import seeding
from careloop.letters.reads import due, record
from careloop.letters.tests.factories import a_letter, a_task, at_home
from tests.cast import NOW, Cast

BOTH = {
    "plan_title": "冠心病随访",
    "step_title": "第 7 天电话",
    "plan_title_en": "Heart plan",
    "step_title_en": "Call on day 7",
}
LANGUAGES = [("en", "Call on day 7", "第 7 天电话"), ("zh-hans", "第 7 天电话", "Call on day 7")]


@pytest.fixture
def home(cast: Cast) -> Cast:
    at_home(cast)
    return cast


def speaks(cast: Cast, language: str) -> None:
    with seeding():
        Practitioner.objects.filter(pk=cast.wang.pk).update(language=language)


@pytest.mark.parametrize(("language", "there", "gone"), LANGUAGES)
def test_the_due_list(home: Cast, language: str, there: str, gone: str) -> None:
    task = a_task(home, **BOTH)
    with translation.override(language):
        (row,) = due.rows_of([task], at=NOW)
    assert row.step == there
    assert row.plan in ("Heart plan", "冠心病随访")
    assert (row.plan == "Heart plan") == (language == "en")


@pytest.mark.parametrize(("language", "there", "gone"), LANGUAGES)
def test_the_next_contact_on_a_record_sheet(home: Cast, language: str, there: str, gone: str) -> None:
    subject = record.of_task(a_task(home, step_title="现在"), viewer=home.as_wang)
    a_task(home, due_at=NOW + timedelta(days=9), **BOTH)
    with translation.override(language):
        words = record.next_contact(subject, viewer=home.as_wang)
    assert there in words
    assert gone not in words


@pytest.mark.parametrize(("language", "there", "gone"), LANGUAGES)
def test_the_papers_of_a_patient_and_a_letter(home: Cast, language: str, there: str, gone: str) -> None:
    speaks(home, language)
    task = a_task(home, **BOTH)
    letter = a_letter(home, task=task, at=timezone.now())
    client = home.client(home.wang)
    for address in (reverse("letters:patient", args=[home.zhang.pk]), reverse("letters:letter", args=[letter.pk])):
        html = client.get(address).content.decode()
        assert there in html
        assert gone not in html

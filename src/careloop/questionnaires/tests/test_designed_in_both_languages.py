"""A form is written in two languages: each field shows and keeps one of them, whichever language the designer reads."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from django.urls import reverse

from careloop.accounts.models import Practitioner
from careloop.kernel.actions import seeding
from careloop.questionnaires import actions, rules
from careloop.questionnaires.models import QuestionnaireDraft
from careloop.questionnaires.tests.forms import CALL
from tests.cast import NOW, SYSTEM, Cast

pytestmark = pytest.mark.django_db
WRITES = {"set", "set-form", "set-option", "set-rule", "set-bands"}


class Fields(HTMLParser):
    """What each field of the panel writes, and what stands in it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}
        self._area = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        vals = told.get("hx-vals") or "{}"
        if tag not in ("input", "textarea") or json.loads(vals).get("op") not in WRITES:
            return
        key = json.dumps(json.loads(vals), sort_keys=True)
        if tag == "input":
            self.found[key] = told.get("value") or ""
        else:
            self._area, self.found[key] = key, ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.found[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""


@pytest.fixture
def draft(cast: Cast) -> QuestionnaireDraft:
    published = actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM, department_id=cast.cardiology.pk)
    return actions.start_version(questionnaire=published, at=NOW, by=cast.as_zhao)


def change(cast: Cast, draft: QuestionnaireDraft, op: str, **params: str) -> None:
    draft.refresh_from_db()
    actions.change_draft(draft=draft, revision=draft.revision, op=op, params=params, at=NOW, by=cast.as_zhao)
    draft.refresh_from_db()


def shown(cast: Cast, draft: QuestionnaireDraft, language: str, **query: str) -> dict[str, str]:
    with seeding():
        Practitioner.objects.filter(pk=cast.zhao.pk).update(language=language)
    page = cast.client(cast.zhao).get(reverse("questionnaires:designer", args=[draft.pk]), query)
    assert page.status_code == 200
    return Fields(page.content.decode()).found


def links(content: dict[str, Any]) -> list[str]:
    found: list[str] = []

    def walk(items: list[dict[str, Any]]) -> None:
        for item in items:
            found.append(item["linkId"])
            walk(item.get("item", []))

    walk(content["definition"]["item"])
    return found


def test_what_can_be_written_stands_there_the_same_in_either_language(cast: Cast, draft: QuestionnaireDraft) -> None:
    """Else the English page would show the English words in a field that writes the Chinese ones."""
    change(cast, draft, "set-option", link="pain", place="0", field="text-en", value="No pain at all")
    change(cast, draft, "set-form", field="title-en", value="Call after the stay")
    change(cast, draft, "set-form", field="opening-en", value="Good morning")
    change(cast, draft, "set", link="pain", field="text-en", value="Are you in pain?")
    counted = 0
    looks = [(link, "question") for link in ["", *links(draft.content)]] + [("pain", "alerts"), ("pain", "coding")]
    for link, tab in looks:
        chinese, english = (shown(cast, draft, one, selected=link, tab=tab) for one in ("zh-hans", "en"))
        assert chinese == english, (link, tab)
        counted += len(chinese)
    assert counted > 20


def test_the_words_of_an_option_are_written_in_both_languages_from_the_page(
    cast: Cast, draft: QuestionnaireDraft
) -> None:
    change(cast, draft, "set-option", link="pain", place="0", field="text-en", value="No")
    for language in ("zh-hans", "en"):
        fields = {
            tuple(sorted(json.loads(k).items())): v for k, v in shown(cast, draft, language, selected="pain").items()
        }
        for field in ("text", "text-en"):
            key = tuple(sorted({"op": "set-option", "link": "pain", "place": 0, "field": field}.items()))
            assert key in fields, (language, field)
    client = cast.client(cast.zhao)  # reads English now
    for field, words in (("text", "一点也不疼"), ("text-en", "Not at all")):
        draft.refresh_from_db()
        sent = {"op": "set-option", "link": "pain", "place": "0", "field": field, "value": words}
        answer = client.post(
            reverse("questionnaires:change", args=[draft.pk]), {**sent, "revision": str(draft.revision)}
        )
        assert answer.status_code == 200
    draft.refresh_from_db()
    option = rules.parse(draft.content).item("pain").options[0]
    assert (option.staff.zh, option.staff.en) == ("一点也不疼", "Not at all")


def test_the_opening_words_have_an_english_side_of_their_own(cast: Cast, draft: QuestionnaireDraft) -> None:
    change(cast, draft, "set-form", field="opening", value="您好，我是随访中心的护士。")
    change(cast, draft, "set-form", field="opening-en", value="Good morning, this is the follow-up centre.")
    form = rules.parse(draft.content)
    assert (form.opening.zh, form.opening.en) == (
        "您好，我是随访中心的护士。",
        "Good morning, this is the follow-up centre.",
    )
    change(cast, draft, "set-form", field="opening-en", value="")
    assert rules.parse(draft.content).opening.zh == "您好，我是随访中心的护士。"

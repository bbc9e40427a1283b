"""Satisfaction question by question: every answer counts once, where it belongs; words only for whom they are meant."""

import json
import random
import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from careloop import questionnaires
from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.questionnaires import actions as forms
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.reports import reads, rules
from careloop.reports.tests.test_rollup import SYSTEM, make_task, scored, total
from careloop.reports.tests.test_views import html
from tests.cast import NOW

CONTENT = Path(questionnaires.__file__).parent / "content"
ZONE = ZoneInfo("Asia/Shanghai")
MONTH = "?month=2026-09"
IN_MONTH = datetime(2026, 9, 10, 9, 0, tzinfo=ZONE)
URL = "https://careloop.org/Questionnaire/{}-satisfaction"


class Surveys:
    """Answers the shipped surveys: surveys("inpatient", overall="5", parking="na")."""

    def __init__(self, cast):
        self.cast, self.published = cast, {}

    def form(self, setting, version):
        """As shipped, or as another version that does not ask about parking."""
        if (setting, version) not in self.published:
            content = json.loads((CONTENT / f"{setting}-satisfaction.json").read_text())
            if version:
                content["version"] = content["definition"]["version"] = version
                content["definition"]["item"] = [i for i in content["definition"]["item"] if i["linkId"] != "parking"]
            published = forms.publish_questionnaire(content=content, at=NOW, by=SYSTEM, shipped=True)
            self.published[setting, version] = published
        return self.published[setting, version]

    def __call__(self, setting="inpatient", department=None, version=None, **values):
        form = self.form(setting, version)
        more = {name: values.pop(name) for name in ("status", "authored_at", "patient") if name in values}
        level = int(values["overall"]) if "overall" in values else None
        task = make_task(self.cast, department=department or self.cast.cardiology, due_at=IN_MONTH)
        row = {
            "patient": self.cast.zhang, "questionnaire": form, "canonical": f"{form.url}|{form.version}", "mode": "portal",
            "status": "completed", "scores": scored(level), "task_id": task.pk, "started_at": IN_MONTH,
            "authored_at": IN_MONTH, "answers": {name: {"value": value} for name, value in values.items()},
        } | more  # fmt: skip
        with seeding():
            return QuestionnaireResponse.objects.create(**row)


@pytest.fixture
def survey(cast):
    return Surveys(cast)


def page(cast, person, query=MONTH, language="zh-hans"):
    with seeding():
        Practitioner.objects.filter(pk=person.pk).update(language=language)
    return html(cast.client(person).get(f"{reverse('reports:satisfaction')}{query}"))


def lines(text, kind="question"):
    return {
        code: (int(n), int(good))
        for code, n, good in re.findall(rf'data-{kind}="([^"]*)" data-n="(\d+)" data-good="(\d+)"', text)
    }


# --- the rule


WHOLE = rules.Choice(
    code="overall", points={str(n): Decimal(n) for n in (1, 2, 3, 4, 5)}, good=[(Decimal(4), Decimal(5))], is_whole=True
)


@pytest.mark.parametrize(
    ("told", "n", "good", "percent"),
    [
        ([], 0, 0, None),
        ([{}], 0, 0, None),
        ([{"5": 1}], 1, 1, 100.0),
        ([{"3": 1, "4": 1}, {"1": 1}], 3, 1, 33.3),
        ([{"na": 7, "5": 1}], 1, 1, 100.0),
        ([{"somebody wrote this": 2}], 0, 0, None),
    ],
)
def test_what_has_no_points_counts_nowhere(told, n, good, percent):
    share = rules.share_of(WHOLE, told)
    assert (share.n, share.good, share.percent) == (n, good, percent)
    assert share.answers.keys() == WHOLE.points.keys()


# --- the page


def test_each_question_has_its_share_and_the_lowest_comes_first(cast, survey):
    survey(overall="5", doctors="4", food="1", parking="na")
    survey(overall="2", doctors="5", food="3", comment="等太久")
    survey("outpatient", overall="4", waiting="1")
    text = page(cast, cast.he)
    inpatient, outpatient = re.split(r"(?=<section[^>]*data-survey=)", text)[1:3]
    assert f'data-survey="{URL.format("inpatient")}" data-answered="2"' in inpatient
    found = lines(inpatient)
    assert {code: found[code] for code in ("overall", "doctors", "food", "parking")} == {
        "overall": (2, 1), "doctors": (2, 2), "food": (2, 0), "parking": (0, 0),
    }  # fmt: skip
    assert list(found)[:3] == ["food", "overall", "doctors"]  # those that nobody answered stand last
    assert lines(outpatient)["waiting"] == (1, 0)
    english = page(cast, cast.he, language="en")
    assert lines(english) == lines(text)
    wanted = {"Outpatient satisfaction survey", "Waiting time", "Very dissatisfied"}
    assert {words for words in wanted if words not in english} == set()


def test_the_whole_is_the_indicator(cast, survey):
    """The same answers, counted two ways: from the answers themselves and by the roll-up's triggers."""
    dice = random.Random(4)
    for _ in range(25):
        values = {"overall": str(dice.randint(1, 5))} if dice.random() < 0.8 else {"food": "3"}
        survey(
            dice.choice(["inpatient", "outpatient"]), dice.choice([cast.cardiology, cast.orthopaedics]),
            status=dice.choice(["completed", "completed", "in-progress", "entered-in-error"]), **values,
        )  # fmt: skip
    found = reads.surveys(viewer=SYSTEM, begin=IN_MONTH - timedelta(days=9), end=IN_MONTH + timedelta(days=9))
    wholes = [one.share(question) for one in found for question in one.questions if question.is_whole]
    assert (sum(one.n for one in wholes), sum(one.good for one in wholes)) == (
        total()["surveyed"],
        total()["satisfied"],
    )
    assert sum(one.answered for one in found) == total()["surveyed"] > 0


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        (datetime(2026, 9, 1, 0, 0, tzinfo=ZONE), True),
        (datetime(2026, 8, 31, 23, 59, 59, tzinfo=ZONE), False),
        (datetime(2026, 9, 30, 23, 59, 59, tzinfo=ZONE), True),
        (datetime(2026, 10, 1, 0, 0, tzinfo=ZONE), False),
    ],
)
def test_a_month_is_the_hospitals_month(cast, survey, when, counts):
    survey(overall="5", authored_at=when)
    assert ('data-question="overall"' in page(cast, cast.he)) is counts


def test_departments_stand_in_the_order_of_the_question_asked_for(cast, survey):
    for department, overall, food in ((cast.cardiology, "5", "1"), (cast.orthopaedics, "2", "5")):
        survey(department=department, overall=overall, food=food)
    by_whole, by_food = (
        list(lines(page(cast, cast.he, MONTH + more), "place").values()) for more in ("", "&question=food")
    )
    assert by_whole == by_food == [(1, 0), (1, 1)]
    first = [
        re.findall(r'data-place="([^"]*)"', page(cast, cast.he, MONTH + more))[0] for more in ("", "&question=food")
    ]
    assert first[0] != first[1]
    unknown = page(cast, cast.he, f"{MONTH}&question=nothing")
    assert re.findall(r'data-place="([^"]*)"', unknown)[0] == first[0]
    narrowed = page(cast, cast.he, f"{MONTH}&department={cast.orthopaedics.pk}")
    assert lines(narrowed)["overall"] == (1, 0)


def test_another_department_is_neither_counted_nor_read(cast, survey):
    survey(overall="5", comment="护士很好")
    survey(department=cast.orthopaedics, overall="1", comment="骨科太吵", patient=cast.ma)
    text = page(cast, cast.qian)
    assert lines(text)["overall"] == (1, 1)
    assert "护士很好" in text
    assert "骨科太吵" not in text
    answer = cast.client(cast.qian).get(f"{reverse('reports:satisfaction')}{MONTH}&department={cast.orthopaedics.pk}")
    assert answer.status_code == 404


def test_words_are_for_those_who_may_see_what_is_behind_numbers_and_looking_is_noted(cast, survey):
    row = survey(overall="2", comment="<b>等太久</b>")
    seen = AuditEvent.objects.filter(name="audit.ListSeen", payload__what="reports:satisfaction")
    assert "等太久" not in page(cast, cast.he)
    assert not seen.exists()
    text = page(cast, cast.qian)
    assert "&lt;b&gt;等太久&lt;/b&gt;" in text
    assert cast.zhang.name not in text
    assert reverse("questionnaires:response", args=[row.pk]) in text
    assert seen.get().payload["ids"] == [str(cast.zhang.pk)]
    assert cast.client(cast.wang).get(reverse("reports:satisfaction")).status_code == 403


def test_versions_of_a_form_are_one_survey_with_every_question(cast, survey):
    survey(overall="5", parking="1")
    survey(version="2.0", overall="4")
    text = page(cast, cast.he)
    assert text.count("data-survey=") == 1
    found = lines(text)
    assert (found["overall"], found["parking"]) == ((2, 2), (1, 0))


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("query", ["", "?month=1999-01", "?month=2026-13&question=%00", "?question=" + "x" * 300])
def test_a_page_without_answers_says_so(cast, language, query):
    text = page(cast, cast.he, query, language)
    assert "data-survey" not in text
    assert 'data-state="empty-filtered"' in text
    assert ("No survey was answered in this month" in text) is (language == "en")


def test_the_page_needs_no_more_statements_for_more_answers(cast, survey, django_assert_max_num_queries):
    client, address = cast.client(cast.qian), f"{reverse('reports:satisfaction')}{MONTH}"
    for n in range(6):
        survey(overall=str(n % 5 + 1), comment=f"第 {n} 句")
    with django_assert_max_num_queries(16):
        html(client.get(address))

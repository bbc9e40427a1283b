"""What people type, twice, late, in other words, and for somebody else's patients: told in words, never in silence."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.batches.models import Batch
from careloop.cohorts import actions
from careloop.cohorts.forms import QuickForm
from careloop.cohorts.models import Cohort, CohortMember, PatientTag, Selection, Topic
from careloop.cohorts.reads import members
from careloop.cohorts.rules import definition as d
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.patients.models import Patient
from careloop.plans.models import PlanDefinition
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM, Cast
from tests.refusals import refusals_of, words_in_both

AT = timezone.now()

# ---- rules ----------------------------------------------------------------------------------------------------------

words = st.text(st.characters(categories=("L", "N", "P", "Z", "S", "C")), max_size=12)
whole = st.integers(0, 150) | st.sampled_from(["", "0", "1", "12", "-1", "٣", "3.0", "99999999999", None])
conditions = st.one_of(
    st.fixed_dictionaries({"kind": st.just("age")}, optional={"low": whole, "high": whole}),
    st.fixed_dictionaries({"kind": st.just("stay")}, optional={
        "departments": st.lists(words, max_size=3) | words, "days": whole, "classes": st.lists(st.sampled_from(["IMP", "AMB", "x"])),
        "discharged_from": st.sampled_from(["", "2028-02-29", "2026-02-29", "2026-13-01", "20260101"]),
    }),
    st.fixed_dictionaries({"kind": st.just("tag")}, optional={"tags": st.lists(words, max_size=4) | words}),
    st.fixed_dictionaries({"kind": st.just("diagnosis")}, optional={"codes": st.lists(words, max_size=3) | words}),
    st.fixed_dictionaries({"kind": st.just("result")}, optional={
        "concept": words, "value": st.floats() | words | st.integers(), "comparison": st.sampled_from([*d.COMPARISONS, "~"]),
        "days": whole,
    }),
)  # fmt: skip


@given(st.lists(conditions, max_size=4), st.sampled_from(d.MODES))
def test_what_is_accepted_says_the_same_when_it_is_read_back(told: list[dict[str, Any]], mode: str) -> None:
    """Anything a page may send is refused with its place, or stored so that reading it gives the same conditions."""
    try:
        read = d.parse({"groups": [{"mode": mode, "conditions": told}]})
    except d.BadDefinition as bad:
        faults = bad.faults
    else:
        faults = ()
        assert d.parse(read.as_json()) == read
        for one in read.conditions:
            days = getattr(one, "days", None)
            assert days is None or 1 <= days <= d.LONGEST  # nought would have meant "whenever"
    assert all(fault.place.startswith("groups") and fault.code.replace("-", "").isalpha() for fault in faults)


@given(st.dates(), st.integers(0, 130), st.integers(0, 130))
def test_younger_and_older_share_everybody_out_exactly_once(today: Any, years: int, other: int) -> None:
    """Whoever is not "at least so old" is "at most one year less": no patient falls between two groups or into both."""
    if years == 0:
        return
    _first, last = d.born_between(d.Age(years, None), today)
    first, _last = d.born_between(d.Age(None, years - 1), today)
    assert last is not None
    assert first is not None
    assert (first.toordinal() - last.toordinal() == 1) or first == last == type(today).min
    assert (d.years_before(today, years) <= d.years_before(today, other)) or years <= other


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-", "empty"), ("I21-", "empty"), ("-I21", "empty"), (".", "empty"), ("I25-I20", "reversed"), ("Z99-A00", "reversed"),
        ("—", "empty"), ("%", "empty"), ("_", "empty"),
    ],
)  # fmt: skip
def test_codes_that_name_nothing_are_refused(text: str, code: str) -> None:
    with pytest.raises(d.BadDefinition) as bad:
        d.parse({"groups": [{"conditions": [{"kind": "diagnosis", "codes": [text]}]}]})
    assert [(fault.place, fault.code) for fault in bad.value.faults] == [("groups.0.conditions.0.codes", code)]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 40])
def test_groups_in_groups_as_deep_as_can_be_understood(depth: int) -> None:
    inner: dict[str, Any] = {"mode": "none", "conditions": [{"kind": "sex", "sexes": ["male"]}]}
    for _n in range(depth - 1):
        inner = {"mode": "any", "conditions": [inner]}
    if depth <= d.DEEPEST:
        assert d.parse({"groups": [inner]}).conditions == (d.Sex(("male",)),)
        return
    with pytest.raises(d.BadDefinition) as bad:
        d.parse({"groups": [inner]})
    assert [fault.code for fault in bad.value.faults] == ["too-deep"]


# ---- members --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_two_halves_of_a_group_are_the_whole_on_a_leap_day(cast: Cast) -> None:
    """On 29 February: who was born on 1 March eighteen years ago is a minor, once, and nobody is in neither list."""
    on_the_day = NOW.replace(year=2028, month=2, day=29)
    born = ["2010-02-27", "2010-02-28", "2010-03-01", "2010-03-02", "2012-02-29", "1928-02-29", "2028-02-29"]
    people = {day: make.person(cast.cardiology, birth_date=day) for day in born}
    nobody = make.person(cast.cardiology, birth_date=None)

    def found(**age: int) -> set[Any]:
        wanted = make.cohort(cast.wang, {"kind": "age", **age})
        asked = members.members_of(wanted, viewer=cast.as_wang, at=on_the_day)
        return set(members.first(asked, 100)) & {*(one.pk for one in people.values()), nobody.pk}

    adults, minors = found(low=18), found(high=17)
    assert not adults & minors
    assert adults | minors == {one.pk for one in people.values()}
    assert {day for day, one in people.items() if one.pk in adults} == {"2010-02-27", "2010-02-28", "1928-02-29"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "word", ["𠮷", "葛\U000e0100", "👨‍👩‍👧", "x" * 40, "café", "糖尿病 2型", "'; DROP TABLE --", "%", "_", "\\"]
)
def test_a_word_is_found_again_as_it_was_written_and_nothing_else_is(cast: Cast, word: str) -> None:
    mine, other = make.person(cast.cardiology), make.person(cast.cardiology)
    assert actions.tag_patient(patient_id=mine.pk, tag=f"  {word}\n", by=cast.as_wang)
    actions.tag_patient(patient_id=other.pk, tag="something else", by=cast.as_wang)
    kept = PatientTag.objects.unscoped("test").get(patient=mine).tag
    assert kept == " ".join(word.split())
    wanted = make.cohort(cast.wang, {"kind": "tag", "tags": [kept]})
    ids = members.first(members.members_of(wanted, viewer=cast.as_wang, at=NOW), 10)
    if all(letter.isprintable() for letter in kept):
        assert ids == [mine.pk]
    else:  # a joiner is taken out of a definition: then nobody is found, rather than somebody else
        assert other.pk not in ids
    assert actions.untag_patient(patient_id=mine.pk, tag=kept, by=cast.as_wang)
    assert not actions.untag_patient(patient_id=mine.pk, tag=kept, by=cast.as_wang)


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["", " ", "\n\t", "\u3000"])
def test_an_empty_word_is_refused(cast: Cast, word: str) -> None:
    with pytest.raises(actions.TagNeedsWord) as no:
        actions.tag_patient(patient_id=cast.zhang.pk, tag=word, by=cast.as_wang)
    assert no.value.code == "tag-needs-word"
    assert not PatientTag.objects.unscoped("test").exists()


@pytest.mark.django_db
def test_tagging_strangers_is_not_possible_and_leaves_nothing(cast: Cast) -> None:
    with pytest.raises(Patient.DoesNotExist):
        actions.tag_patient(patient_id=cast.zhang.pk, tag="x", by=cast.as_li)
    actions.tag_patient(patient_id=cast.zhang.pk, tag="x", by=cast.as_wang)
    assert not actions.untag_patient(patient_id=cast.zhang.pk, tag="x", by=cast.as_li)
    assert PatientTag.objects.unscoped("test").count() == 1
    assert AuditEvent.objects.filter(name="cohorts.PatientUntagged").count() == 0


# ---- keeping --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_search_lives_freezes_and_goes_as_a_model_says(cast: Cast) -> None:
    """Keep, keep again, freeze, archive in any order: a frozen group never changes its members or becomes living again."""
    people = [make.person(cast.cardiology) for _n in range(3)]
    luck = random.Random(11)
    for _walk in range(4):
        found = make.cohort(cast.wang)
        state, frozen_members = "asked", None
        for _step in range(6):
            act = luck.choice(["living", "frozen", "archive", "arrive"])
            if act == "arrive":
                people.append(make.person(cast.cardiology))
                continue
            if act == "archive":
                actions.archive_cohort(cohort_id=found.pk, at=NOW, by=cast.as_wang)
            else:
                actions.keep_cohort(
                    cohort_id=found.pk, title="Group", frozen=act == "frozen", shared=False, at=NOW, by=cast.as_wang
                )
                if state != "frozen":
                    state = act
                    frozen_members = len(people) + 1 if act == "frozen" else None  # and Zhang himself
            found.refresh_from_db()
            kept = CohortMember.objects.unscoped("test").filter(cohort=found).count()
            assert (found.kind, kept) == (
                {"asked": found.kind, "living": "living", "frozen": "frozen"}[state],
                frozen_members or 0,
            )
            assert (found.frozen_at is not None) is (state == "frozen")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"title": ""}, "cohort-needs-title"), ({"title": " \u3000\n"}, "cohort-needs-title"),
        ({"groups": []}, "cohort-unlimited"), ({"groups": [{"mode": "all", "conditions": []}]}, "cohort-unlimited"),
        ({"groups": make.everyone_here({"kind": "age", "low": 130})["groups"], "frozen": True}, "cohort-empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_says_why_and_stays_a_question(cast: Cast, given: dict[str, Any], code: str) -> None:
    found = make.cohort(cast.wang)
    if "groups" in given:
        with seeding():
            Cohort.objects.filter(pk=found.pk).update(definition={"groups": given["groups"]})
    before = Cohort.objects.get(pk=found.pk).kind
    with pytest.raises(Refused) as no:
        actions.keep_cohort(
            cohort_id=found.pk, title=given.get("title", "T"), frozen=given.get("frozen", False), shared=False, at=NOW,
            by=cast.as_wang,
        )  # fmt: skip
    assert no.value.code == code
    after = Cohort.objects.get(pk=found.pk)
    assert (after.kind, after.title) == (before, "")


# ---- bulk -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_two_plans_whose_addresses_begin_alike_are_two_pieces_of_work(cast: Cast) -> None:
    """The second one was silently the first one's: nobody was enrolled, and the page looked as if they had been."""
    patient = make.person(cast.cardiology)
    make.stay(patient, cast.cardiology)
    stem = "https://hospital.example.org/" + "a-very-long-folder-name/" * 6
    batches = []
    for ending in ("one", "two"):
        url = f"{stem}{ending}"
        first = make.plan_definition()
        with seeding():
            definition = PlanDefinition.objects.get(pk=first.pk)
            definition.pk, definition.url = uuid4(), url
            definition.save(force_insert=True)
        selection = Selection.objects.first() or actions.select_rows(
            subject="patient", ids=[patient.pk], came_from="today", by=cast.as_zhao
        )
        batches.append(
            actions.start_bulk(
                selection_id=selection.pk, verb="enrol", values={"plan": url}, title="t", at=AT, by=cast.as_zhao
            )
        )
    assert len({one.pk for one in batches}) == 2
    again = actions.start_bulk(
        selection_id=selection.pk, verb="enrol", values={"plan": f"{stem}two"}, title="t", at=AT, by=cast.as_zhao
    )
    assert again.pk == batches[1].pk  # the same work again is the same
    assert [one.parameters["plan"] for one in batches] == [f"{stem}one", f"{stem}two"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("subject", "verb", "values", "code"),
    [
        ("task", "fly", {}, "bulk-unknown"), ("patient", "close", {"reason": "not-needed"}, "bulk-unknown"),
        ("patient", "assign", {}, "bulk-unknown"), ("task", "close", {}, "bulk-close-reason"),
        ("task", "close", {"reason": "done"}, "bulk-close-reason"), ("task", "send", {"template": ""}, "bulk-unknown"),
        ("task", "send", {"template": "no-uuid"}, "bulk-unknown"), ("task", "enrol", {"plan": "none"}, "bulk-unknown"),
        ("task", "tag", {"tag": ""}, "bulk-unknown"),
    ],
)  # fmt: skip
def test_work_that_does_not_fit_is_refused_and_starts_nothing(
    cast: Cast, subject: str, verb: str, values: dict[str, str], code: str
) -> None:
    row = make_task(cast) if subject == "task" else cast.zhang
    chosen = actions.select_rows(subject=subject, ids=[row.pk], came_from="today", by=cast.as_sun)
    with pytest.raises(Refused) as no:
        actions.start_bulk(selection_id=chosen.pk, verb=verb, values=values, title="t", at=AT, by=cast.as_sun)
    assert no.value.code == code
    assert not Batch.objects.exists()


@pytest.mark.django_db
def test_nobody_works_with_somebody_elses_rows(cast: Cast) -> None:
    chosen = actions.select_rows(subject="task", ids=[make_task(cast).pk], came_from="today", by=cast.as_sun)
    with pytest.raises(Selection.DoesNotExist):
        actions.start_bulk(
            selection_id=chosen.pk, verb="close", values={"reason": "not-needed"}, title="t", at=AT, by=cast.as_wang
        )
    for by in (SYSTEM, cast.as_wang):
        with pytest.raises(actions.SelectionEmpty):
            actions.select_rows(subject="task", ids=[] if by is not SYSTEM else [uuid4()], came_from="today", by=by)


# ---- doors ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_somebody_elses_group_and_rows_are_behind_no_address(cast: Cast) -> None:
    found = make.cohort(cast.wang)
    chosen = actions.select_rows(subject="task", ids=[make_task(cast).pk], came_from="today", by=cast.as_wang)
    client = cast.client(cast.li)
    gets = [
        *(("cohort", [found.pk]), ("left-out", [found.pk]), ("change", [found.pk]), ("start-topic", [found.pk])),
        ("bulk", [chosen.pk]), ("bulk-work", [chosen.pk, "close"]), ("tags", [cast.zhang.pk]),
        ("topic", [uuid4()]), ("topic-progress", [uuid4()]),
    ]  # fmt: skip
    posts = [
        ("keep", [found.pk]), ("archive", [found.pk]), ("choose", [found.pk]), ("start-topic", [found.pk]),
        ("bulk-start", [chosen.pk, "close"]), ("tags", [cast.zhang.pk]), ("close-topic", [uuid4()]),
    ]  # fmt: skip
    for method, doors in (("get", gets), ("post", posts)):
        for name, arguments in doors:
            answer = getattr(client, method)(reverse(f"cohorts:{name}", args=arguments), {"title": "t", "tag": "x"})
            assert answer.status_code in (404, 405), (method, name, answer.status_code)
    found.refresh_from_db()
    assert (found.title, found.archived_at) == ("", None)
    assert not Batch.objects.exists()
    assert not Topic.objects.exists()
    assert not PatientTag.objects.unscoped("test").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_of_the_room_in_both_languages(cast: Cast, language: str) -> None:
    with seeding():
        Practitioner.objects.filter(pk=cast.zhao.pk).update(language=language)
    found = make.cohort(cast.zhao, {"kind": "age", "low": 20}, {"kind": "stay", "departments": ["CARD"], "days": 30})
    chosen = actions.select_rows(subject="patient", ids=[cast.zhang.pk], came_from="today", by=cast.as_zhao)
    client = cast.client(cast.zhao)
    pages = [
        ("ways", []), ("new", []), ("cohort", [found.pk]), ("change", [found.pk]),
        ("start-topic", [found.pk]), ("bulk", [chosen.pk]), ("bulk-work", [chosen.pk, "tag"]), ("exports", []),
    ]  # fmt: skip
    for name, arguments in pages:
        answer = client.get(reverse(f"cohorts:{name}", args=arguments), follow=True)
        assert answer.status_code == 200, name
        page = answer.content.decode()
        heading = page[page.index("<h1") : page.index("</h1>")]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in heading) is (language == "zh-hans"), (name, heading)


REFUSALS = refusals_of(actions)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.code)
def test_every_refusal_speaks_both_languages(refusal: type[Refused]) -> None:
    assert words_in_both(refusal)


def test_the_days_of_the_way_by_diagnosis_are_never_nought() -> None:
    """ "Any discharge" is no condition at all, not one of nought days."""
    told = QuickForm({"codes": "I21", "days": "0"}).raw()
    assert told is not None
    assert [one.kind for one in d.parse(told).conditions] == ["diagnosis"]
    told = QuickForm({"codes": "I21", "days": "30"}).raw()
    assert told is not None
    assert [getattr(one, "days", None) for one in d.parse(told).conditions] == [None, 30]


def test_dates_long_ago_and_far_ahead_are_days_too() -> None:
    for years in (0, 1, 130):
        for day in ("0001-01-01", "9999-12-31", "2000-02-29", "1900-03-01"):
            when = timezone.datetime.fromisoformat(day).date()
            assert d.years_before(when, years) <= when
    assert AT - timedelta(days=d.LONGEST) < AT

"""A check that goes from hand to hand stays blind; reading a colleague's record needs a verdict; widening never gets stuck."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.urls import reverse

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.patients.models import BlindSeal, Patient
from careloop.questionnaires import actions as questionnaires
from careloop.supervision import actions
from careloop.supervision.models import Finding, RecordReview, Sample, SampledRecord
from careloop.supervision.reads import content
from careloop.supervision.tests.factories import ask_again, draw, record_of, rows, wanted
from tests.cast import NOW, Cast, _person
from tests.refusals import refusals_of, words_in_both

pytestmark = pytest.mark.django_db


def supervisors(cast: Cast, count: int) -> list[Practitioner]:
    with seeding():
        return [_person(f"sup{n}", f"Sup{n}", cast.cardiology, "department-supervisor") for n in range(count)]


def sees(cast: Cast, person: Practitioner, row: SampledRecord) -> bool:
    return Patient.objects.visible_to(cast.viewer(person)).filter(pk=row.patient_id).exists()


def running(row: SampledRecord) -> list[Any]:
    seals = BlindSeal.objects.unscoped("test").filter(patient_id=row.patient_id, lifted_at=None)
    return list(seals.values_list("practitioner_id", flat=True))


# ---- from hand to hand ----------------------------------------------------------------------------------------------


def test_whoever_checks_is_blind_however_often_a_check_changes_hands(cast: Cast) -> None:
    """The same person may get it back, and lose it, and get it back again: exactly the checker is shut out each time."""
    record_of(cast)
    people = [cast.qian, *supervisors(cast, 2)]
    row, luck = rows(draw(cast))[0], random.Random(5)
    seen = []
    for _turn in range(9):
        to = luck.choice(people)
        actions.hand_over_check(row=row, to_id=to.pk, at=NOW, by=cast.viewer(cast.qian))
        row.refresh_from_db()
        assert row.checker_id == to.pk
        assert [person.pk for person in people if not sees(cast, person, row)] == [to.pk]
        assert running(row) == [to.pk]
        seen.append(to.pk)
    assert any(seen.count(person.pk) > 2 for person in people)


@pytest.mark.parametrize("end", ["submitted", "given-up", "not-reached"])
def test_after_the_end_nobody_is_shut_out_any_more(cast: Cast, end: str) -> None:
    record_of(cast)
    (other,) = supervisors(cast, 1)
    row = rows(draw(cast))[0]
    for to in (other, cast.qian, other, cast.qian):
        actions.hand_over_check(row=row, to_id=to.pk, at=NOW, by=cast.viewer(cast.qian))
    row.refresh_from_db()
    viewer = cast.viewer(cast.qian)
    if end == "submitted":
        ask_again(cast, row)
    elif end == "given-up":
        actions.give_up_blindness(row=row, reason="urgent question of the patient", at=NOW, by=viewer)
    else:
        actions.begin_re_check(row=row, at=NOW, by=viewer)
        actions.record_not_reached(row=row, outcome="refused", contact_point_id=None, started_at=NOW, at=NOW, by=viewer)
    assert running(row) == []
    assert sees(cast, cast.qian, row)
    assert sees(cast, other, row)


def test_handing_over_to_whoever_has_it_already_changes_nothing(cast: Cast) -> None:
    record_of(cast)
    row = rows(draw(cast))[0]
    before = AuditEvent.objects.count()
    actions.hand_over_check(row=row, to_id=cast.qian.pk, at=NOW, by=cast.viewer(cast.qian))
    assert AuditEvent.objects.count() == before
    assert running(row) == [cast.qian.pk]


def test_a_record_that_is_only_read_seals_nobody_when_handed_over(cast: Cast) -> None:
    record_of(cast)
    (other,) = supervisors(cast, 1)
    row = rows(draw(cast, blind_percent=0.0))[0]
    actions.hand_over_check(row=row, to_id=other.pk, at=NOW, by=cast.viewer(cast.qian))
    assert running(row) == []
    assert sees(cast, other, row)


def test_a_check_that_was_begun_stays_where_it_is(cast: Cast) -> None:
    record_of(cast)
    (other,) = supervisors(cast, 1)
    row = rows(draw(cast))[0]
    actions.begin_re_check(row=row, at=NOW, by=cast.viewer(cast.qian))
    with pytest.raises(actions.AlreadySubmitted):
        actions.hand_over_check(row=row, to_id=other.pk, at=NOW, by=cast.viewer(cast.qian))
    assert running(row) == [cast.qian.pk]


# ---- reading a colleague's record -----------------------------------------------------------------------------------


def review(cast: Cast, response: Any, **given: Any) -> RecordReview:
    values = {
        "response": response, "department_id": cast.cardiology.pk, "verdict": "fine", "note": "", "at": NOW,
        "by": cast.as_zhao, **given,
    }  # fmt: skip
    return actions.review_record(**values)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"verdict": ""}, "verdict-needed"),
        ({"verdict": "", "note": "the pressure cannot be"}, "verdict-needed"),
        ({"verdict": "FINE"}, "verdict-needed"),
        ({"verdict": "serious", "note": "x"}, "verdict-needed"),
        ({"verdict": "finding"}, "note-needed"),
        ({"verdict": "finding", "note": " \n\t "}, "note-needed"),
        ({"verdict": "finding", "note": "x", "code": "no-such"}, "unknown-finding"),
        ({"verdict": "finding", "note": "x", "severity": "deadly"}, "unknown-finding"),
    ],
)
def test_a_review_that_says_nothing_is_refused_and_leaves_nothing(cast: Cast, given: dict[str, str], code: str) -> None:
    response = record_of(cast)
    before = AuditEvent.objects.count()
    with pytest.raises(Refused) as no:
        review(cast, response, **given)
    assert no.value.code == code
    assert not RecordReview.objects.unscoped("test").exists()
    assert not Finding.objects.unscoped("test").exists()
    assert AuditEvent.objects.count() == before


def test_nobody_reads_through_their_own_record_nor_an_unfinished_one(cast: Cast) -> None:
    response = record_of(cast)
    with pytest.raises(Refused) as own:
        review(cast, response, by=cast.as_wang)
    assert own.value.code == "own-record"
    with pytest.raises(Refused) as foreign:
        review(cast, response, by=cast.as_li)
    assert foreign.value.code == "not-finished"  # another department is not even told that it exists
    begun = questionnaires.start_response(
        questionnaire=response.questionnaire, patient_id=response.patient_id, task_id=None, mode="phone", at=NOW,
        by=cast.as_wang,
    )  # fmt: skip
    with pytest.raises(Refused) as early:
        review(cast, begun)
    assert early.value.code == "not-finished"


def test_the_same_review_twice_is_one_and_the_first_word_stands(cast: Cast) -> None:
    response = record_of(cast)
    first = review(cast, response)
    again = review(cast, response, verdict="finding", note="changed my mind")
    assert again.pk == first.pk
    assert again.verdict == "fine"
    assert not Finding.objects.unscoped("test").exists()


def test_a_finding_of_a_review_is_raised_once_and_asks_the_author(cast: Cast) -> None:
    response = record_of(cast)
    for _again in range(2):
        review(cast, response, verdict="finding", note=" 血压\u3000写反了 ", severity="serious")
    found = Finding.objects.unscoped("test").get()
    assert (found.responsible_id, found.raised_by_id, found.note) == (cast.wang.pk, cast.zhao.pk, "血压\u3000写反了")
    assert found.task is not None
    assert found.task.owner_id == cast.wang.pk


@pytest.mark.parametrize(("sent", "status"), [({}, 422), ({"verdict": "finding"}, 422), ({"verdict": "fine"}, 302)])
def test_the_page_says_what_is_missing(cast: Cast, sent: dict[str, str], status: int) -> None:
    response = record_of(cast)
    answer = cast.client(cast.zhao).post(reverse("supervision:review", args=[response.pk]), sent)
    assert answer.status_code == status
    assert RecordReview.objects.unscoped("test").exists() is (status == 302)


# ---- a list that is too long, and a sample that widens ---------------------------------------------------------------


def test_a_list_longer_than_the_content_allows_is_refused_with_words(cast: Cast, monkeypatch: Any) -> None:
    for _n in range(3):
        record_of(cast)
    policy = content.sampling()
    monkeypatch.setattr(content, "sampling", lambda: {**policy, "largest_population": 2})
    with pytest.raises(actions.PopulationTooLarge) as no:
        draw(cast)
    assert no.value.code == "population-too-large"
    assert not Sample.objects.unscoped("test").exists()
    monkeypatch.setattr(content, "sampling", lambda: {**policy, "largest_population": 3})
    assert draw(cast).size == 3  # exactly so many are still one list


def widened(cast: Cast, sample: Sample, next_size: int) -> Sample:
    """The sample as judged not good enough."""
    with seeding():
        Sample.objects.unscoped("test").filter(pk=sample.pk).update(
            status="widened", decided_at=NOW, decision={**sample.decision, "next_size": next_size}
        )
    sample.refresh_from_db()
    return actions.widen_sample(sample=sample, at=NOW, by=cast.viewer(cast.qian))


def test_a_sample_widens_again_and_again_until_nothing_is_left_and_never_draws_a_record_twice(cast: Cast) -> None:
    """Records that went away in the meantime (entered in error) must not leave the widening stuck."""
    for _n in range(9):
        record_of(cast)
    first = draw(cast, size=2, percent=None)
    second = widened(cast, first, 3)
    drawn = {row.response_id for sample in (first, second) for row in rows(sample)}
    assert len(drawn) == 5
    left = [row for row in second.population if str(row[0]) not in {str(pk) for pk in drawn}]
    gone = left[0][0]
    with seeding():
        type(rows(first)[0].response).objects.unscoped("test").filter(pk=gone).update(status="entered-in-error")
    third = widened(cast, second, 4)  # four were left when the second was judged; three are there
    drawn |= {row.response_id for row in rows(third)}
    assert third.size == 3
    assert len(drawn) == 8
    with pytest.raises(Refused) as no:
        widened(cast, third, 1)
    assert no.value.code in ("nothing-to-draw", "nothing-to-widen")


# ---- words, doors ---------------------------------------------------------------------------------------------------

REFUSALS = refusals_of(actions)


@pytest.mark.parametrize("refusal", [one for one in REFUSALS if one.message], ids=lambda one: one.code)
def test_every_refusal_speaks_both_languages(refusal: type[Refused]) -> None:
    assert words_in_both(refusal)


def test_another_department_finds_nothing_behind_any_address_of_a_check(cast: Cast) -> None:
    response = record_of(cast)
    row = rows(draw(cast))[0]
    review(cast, record_of(cast), verdict="finding", note="look again")
    found = Finding.objects.unscoped("test").get()
    with seeding():
        stranger = _person("lin", "Lin", cast.orthopaedics, "head-nurse")
    client = cast.client(stranger)
    sample = row.sample_id
    gets = [
        ("sample", sample), ("check", row.pk), ("differences", row.pk), ("finding", found.pk), ("record", response.pk)
    ]  # fmt: skip
    posts = [
        *((name, row.pk) for name in ("begin", "submit", "not-reached", "stop", "verdict", "unblind", "hand-over")),
        ("raise-finding", row.pk), ("widen", sample), ("review", response.pk),
        *((name, found.pk) for name in ("answer-finding", "return-finding", "close-finding")),
    ]  # fmt: skip
    before = AuditEvent.objects.filter(outcome="done").count()
    for method, doors in (("get", gets), ("post", posts)):
        for name, pk in doors:
            answer = getattr(client, method)(reverse(f"supervision:{name}", args=[pk]), {"verdict": "fine"})
            assert answer.status_code in (404, 405), (name, answer.status_code)
    row.refresh_from_db()
    assert row.status == "waiting"
    assert AuditEvent.objects.filter(outcome="done", name__startswith="supervision.").count() <= before
    for listing in ("home", "findings", "records", "agreement", "integrity"):
        shown = client.get(reverse(f"supervision:{listing}")).content.decode()
        assert str(row.pk) not in shown, listing
        assert str(found.pk) not in shown, listing
        assert str(response.pk) not in shown, listing


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_of_the_room_in_both_languages(cast: Cast, language: str) -> None:
    response = record_of(cast)
    row = rows(draw(cast, wanted=wanted(cast)))[0]
    review(cast, record_of(cast), verdict="finding", note="look again")
    found = Finding.objects.unscoped("test").get()
    with seeding():
        Practitioner.objects.filter(pk__in=[cast.qian.pk, cast.zhao.pk]).update(language=language)
    pages = [
        *((cast.qian, name, []) for name in ("home", "findings", "records", "agreement", "integrity", "mine", "new-sample")),
        (cast.qian, "sample", [row.sample_id]), (cast.qian, "check", [row.pk]), (cast.qian, "finding", [found.pk]),
        (cast.zhao, "record", [response.pk]),
    ]  # fmt: skip
    for person, name, arguments in pages:
        answer = cast.client(person).get(reverse(f"supervision:{name}", args=arguments))
        assert answer.status_code == 200, name
        page = answer.content.decode()
        main = page[page.index("<main") :]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in main) is (language == "zh-hans"), name

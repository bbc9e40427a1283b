"""The newest result and answer are always what asking every result and answer again would give, whoever writes how."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connection, connections, transaction

from careloop.cohorts.actions import recount_newest
from careloop.cohorts.models import NewestAnswer, NewestResult
from careloop.cohorts.reads import members, newest
from careloop.cohorts.rules import definition as d
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.kernel.models import uuid7
from careloop.patients.actions import merge_patients, unmerge_patients
from careloop.patients.models import Observation, Patient
from careloop.questionnaires.models import AnswerFact
from tests.cast import NOW, SYSTEM, Cast

CONCEPTS = ("systolic", "ldl-c", "")
STATES = ("final", "preliminary", "corrected", "entered-in-error")
WHY = "test"


def kept(patient: Patient) -> dict[str, Decimal | None]:
    """What stands in the table: by concept, without those that have no result any more."""
    rows = NewestResult.objects.unscoped(WHY).filter(patient=patient, effective_at__gt=members.LONG_AGO)
    return dict(rows.values_list("concept", "value_number"))


def asked(patient: Patient) -> dict[str, Decimal | None]:
    """The same, from the results themselves, by a plain loop."""
    found: dict[str, tuple[Any, Any, Decimal | None]] = {}
    for row in Observation.objects.unscoped(WHY).filter(patient=patient):
        if row.concept and row.status != "entered-in-error":
            found[row.concept] = max(found.get(row.concept, (members.LONG_AGO, row.pk, None)), (row.effective_at, row.pk, row.value_number), key=lambda one: one[:2])  # fmt: skip
    return {concept: value for concept, (__, __, value) in found.items()}


def answers_kept(patient: Patient) -> dict[str, list[tuple[str, Decimal | None]]]:
    rows = NewestAnswer.objects.unscoped(WHY).filter(patient=patient, answered_at__gt=members.LONG_AGO)
    found: dict[str, list[tuple[str, Decimal | None]]] = {}
    for link, code, number in rows.values_list("link_id", "code", "number"):
        found.setdefault(link, []).append((code, number))
    return {link: sorted(told, key=str) for link, told in found.items()}


def answers_asked(patient: Patient) -> dict[str, list[tuple[str, Decimal | None]]]:
    rows = list(AnswerFact.objects.unscoped(WHY).filter(patient=patient))
    found = {}
    for link in {row.link_id for row in rows}:
        last = max(row.answered_at for row in rows if row.link_id == link)
        told = [(row.code, row.number) for row in rows if row.link_id == link and row.answered_at == last]
        found[link] = sorted(told, key=str)
    return found


def observation(patient: Patient, dice: Random) -> Observation:
    return Observation(
        patient=patient, key=f"n{uuid7()}", code="c", concept=dice.choice(CONCEPTS), status=dice.choice(STATES),
        value_number=dice.choice((None, Decimal(dice.randrange(1, 9)))),
        effective_at=NOW - timedelta(days=dice.randrange(6)),  # six days: many stand at the same moment
    )  # fmt: skip


def fact(patient: Patient, dice: Random, response: Any) -> AnswerFact:
    number = dice.choice((None, Decimal(dice.randrange(1, 9))))
    return AnswerFact(
        patient=patient, response=response, questionnaire_url=make.FORM, link_id=dice.choice(("pain", "weight")),
        code="" if number is not None else dice.choice(("none", "severe")), number=number,
        answered_at=NOW - timedelta(days=dice.randrange(4)), instance=dice.randrange(3),
    )  # fmt: skip


def some(dice: Random, model: Any, patients: list[Patient]) -> Any:
    pks = list(model.objects.unscoped(WHY).filter(patient__in=patients).values_list("pk", flat=True))
    return model.objects.unscoped(WHY).filter(pk__in=dice.sample(pks, min(len(pks), dice.randint(1, 5))))


RESULT_CHANGES: list[Callable[[Random, Any, list[Patient]], Any]] = [
    lambda dice, rows, who: rows.update(status=dice.choice(STATES)),
    lambda dice, rows, who: rows.update(value_number=dice.choice((None, 3, 7))),
    lambda dice, rows, who: rows.update(effective_at=NOW - timedelta(days=dice.randrange(9))),
    lambda dice, rows, who: rows.update(concept=dice.choice(CONCEPTS)),
    lambda dice, rows, who: rows.update(patient=dice.choice(who)),
    lambda dice, rows, who: rows.update(note="nothing that counts"),
    lambda dice, rows, who: rows.delete(),
]
ANSWER_CHANGES: list[Callable[[Random, Any, list[Patient]], Any]] = [
    lambda dice, rows, who: rows.update(code=dice.choice(("none", "mild"))),
    lambda dice, rows, who: rows.update(number=dice.choice((None, 2, 5))),
    lambda dice, rows, who: rows.update(answered_at=NOW - timedelta(days=dice.randrange(9))),
    lambda dice, rows, who: rows.update(link_id=dice.choice(("pain", "weight", "new"))),
    lambda dice, rows, who: rows.update(patient=dice.choice(who)),
    lambda dice, rows, who: rows.update(unit="kg"),
    lambda dice, rows, who: rows.delete(),
]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_written_the_newest_result_is_the_newest(cast: Cast, seed: int):
    dice, who = Random(seed), [make.person(cast.cardiology) for __ in range(3)]
    for __ in range(25):
        with seeding():
            if dice.random() < 0.5:
                Observation.objects.bulk_create(
                    [observation(dice.choice(who), dice) for __ in range(dice.randint(1, 6))]
                )
            else:
                dice.choice(RESULT_CHANGES)(dice, some(dice, Observation, who), who)
        for patient in who:
            assert kept(patient) == asked(patient)
    assert newest.differences() == 0


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_written_the_newest_answer_is_the_newest(cast: Cast, seed: int):
    dice, who = Random(seed), [make.person(cast.cardiology) for __ in range(3)]
    make.answer(who[0], "pain", code="none")
    response = AnswerFact.objects.unscoped(WHY).filter(patient=who[0]).get().response
    for __ in range(25):
        with seeding():
            if dice.random() < 0.5:
                AnswerFact.objects.bulk_create(
                    [fact(dice.choice(who), dice, response) for __ in range(dice.randint(1, 6))]
                )
            else:
                dice.choice(ANSWER_CHANGES)(dice, some(dice, AnswerFact, who), who)
        for patient in who:
            assert answers_kept(patient) == answers_asked(patient)
    assert newest.differences() == 0


def test_a_transaction_taken_back_takes_the_newest_back(cast: Cast):
    make.result(cast.zhang, "ldl-c", "2", days_ago=5)
    with pytest.raises(RuntimeError), transaction.atomic():
        make.result(cast.zhang, "ldl-c", "9", days_ago=1)
        assert kept(cast.zhang) == {"ldl-c": Decimal(9)}
        raise RuntimeError
    assert kept(cast.zhang) == {"ldl-c": Decimal(2)}


def test_the_newest_counts_even_without_a_number(cast: Cast):
    make.result(cast.zhang, "ldl-c", "5", days_ago=9)
    make.result(cast.zhang, "ldl-c", None, days_ago=1)
    high = d.parse(make.everyone_here({"kind": "result", "concept": "ldl-c", "comparison": ">=", "value": "1"}))
    assert members.count(members.members(high, viewer=SYSTEM, at=NOW)) == 0
    assert kept(cast.zhang) == {"ldl-c": None}


def test_an_older_result_that_comes_late_changes_nothing(cast: Cast):
    make.result(cast.zhang, "ldl-c", "3", days_ago=1)
    make.result(cast.zhang, "ldl-c", "8", days_ago=300)
    assert kept(cast.zhang) == {"ldl-c": Decimal(3)}


def test_an_error_entered_brings_the_one_before_back_and_the_last_one_leaves_nobody(cast: Cast):
    make.result(cast.zhang, "ldl-c", "2", days_ago=9)
    make.result(cast.zhang, "ldl-c", "9", days_ago=1)
    high = d.parse(make.everyone_here({"kind": "result", "concept": "ldl-c", "comparison": ">=", "value": "1"}))
    rows = Observation.objects.unscoped(WHY).filter(patient=cast.zhang, concept="ldl-c")
    with seeding():
        rows.filter(value_number=9).update(status="entered-in-error")
    assert kept(cast.zhang) == {"ldl-c": Decimal(2)}
    with seeding():
        rows.update(status="entered-in-error")
    assert kept(cast.zhang) == {}
    assert members.count(members.members(high, viewer=SYSTEM, at=NOW)) == 0
    with seeding():
        rows.update(status="final")
    assert kept(cast.zhang) == {"ldl-c": Decimal(9)}


def test_a_merge_gives_the_survivor_the_newest_of_both_and_undoing_gives_it_back(cast: Cast):
    goer = make.person(cast.cardiology)
    make.result(cast.zhang, "ldl-c", "2", days_ago=9)
    make.result(goer, "ldl-c", "7", days_ago=1)
    make.result(goer, "systolic", "150", days_ago=1)
    make.answer(cast.zhang, "pain", code="none", days_ago=1)
    make.answer(goer, "pain", code="severe", days_ago=4)
    merge = merge_patients(survivor=cast.zhang, gone=goer, source="test", at=NOW, by=SYSTEM)
    assert kept(cast.zhang) == {"ldl-c": Decimal(7), "systolic": Decimal(150)}
    assert kept(goer) == {}
    assert answers_kept(cast.zhang) == {"pain": [("none", None)]}
    assert answers_kept(goer) == {}
    unmerge_patients(merge=merge, reason="two people", at=NOW, by=SYSTEM)
    assert (kept(cast.zhang), kept(goer)) == ({"ldl-c": Decimal(2)}, {"ldl-c": Decimal(7), "systolic": Decimal(150)})
    assert answers_kept(goer) == {"pain": [("severe", None)]}
    assert newest.differences() == 0


def test_of_several_ticks_every_one_counts_and_an_old_response_none(cast: Cast):
    make.answer(cast.zhang, "pain", code="old", days_ago=9)
    response = AnswerFact.objects.unscoped(WHY).get(patient=cast.zhang).response
    with seeding():
        AnswerFact.objects.bulk_create(
            AnswerFact(
                patient=cast.zhang, response=response, questionnaire_url=make.FORM, link_id="pain", code=code, answered_at=NOW
            )
            for code in ("a", "b", "c")
        )  # fmt: skip
    assert answers_kept(cast.zhang) == {"pain": [("a", None), ("b", None), ("c", None)]}
    for code, many in (("a", 1), ("c", 1), ("old", 0)):
        told = {"kind": "answer", "questionnaire": make.FORM, "link_id": "pain", "code": code}
        assert members.count(members.members(d.parse(make.everyone_here(told)), viewer=SYSTEM, at=NOW)) == many
    with seeding():
        AnswerFact.objects.unscoped(WHY).filter(patient=cast.zhang, answered_at=NOW).delete()
    assert answers_kept(cast.zhang) == {"pain": [("old", None)]}


def test_ticks_of_a_newer_answer_take_the_place_of_more_ticks_of_an_older_one(cast: Cast):
    make.answer(cast.zhang, "pain", code="seed", days_ago=30)
    response = AnswerFact.objects.unscoped(WHY).get(patient=cast.zhang).response

    def ticks(days_ago: int, *codes: str) -> list[AnswerFact]:
        at = NOW - timedelta(days=days_ago)
        return [
            AnswerFact(
                patient=cast.zhang, response=response, questionnaire_url=make.FORM, link_id="pain", code=code, answered_at=at
            )
            for code in codes
        ]  # fmt: skip

    written = [
        (ticks(9, "a", "b", "c"), ["a", "b", "c"]),
        (ticks(5, "d"), ["d"]),  # fewer than before: nothing of the older answer stays
        (ticks(7, "x", "y"), ["d"]),  # comes late: changes nothing
        (ticks(5, "e"), ["d", "e"]),  # of the same moment: both count
        (ticks(4, "f", "g") + ticks(3, "h", "i"), ["h", "i"]),  # two answers in one statement
    ]
    for facts, told in written:
        with seeding():
            AnswerFact.objects.bulk_create(facts)
        assert answers_kept(cast.zhang) == {"pain": [(code, None) for code in told]}
    assert newest.differences() == 0


def test_answers_of_many_patients_in_one_statement_are_kept_too(cast: Cast):
    who = [make.person(cast.cardiology) for __ in range(52)]  # more than are locked one by one
    make.answer(who[0], "pain", code="none", days_ago=9)
    response = AnswerFact.objects.unscoped(WHY).filter(patient=who[0]).get().response
    dice = Random(5)
    for __ in range(2):
        with seeding():
            AnswerFact.objects.bulk_create([fact(each, dice, response) for each in who for __ in range(3)])
    assert newest.differences() == 0
    assert [answers_kept(each) for each in who] == [answers_asked(each) for each in who]


def test_recounting_mends_what_was_spoiled_and_says_how_many(cast: Cast):
    make.result(cast.zhang, "ldl-c", "2")
    make.result(cast.ma, "ldl-c", "4")
    make.answer(cast.zhang, "pain", code="none")
    assert recount_newest(by=SYSTEM) == 0
    with connection.cursor() as cursor:  # as a hand in the database would
        cursor.execute("UPDATE cohorts_newestresult SET value_number = 99 WHERE patient_id = %s", [cast.zhang.pk])
        cursor.execute("DELETE FROM cohorts_newestresult WHERE patient_id = %s", [cast.ma.pk])
        cursor.execute("UPDATE cohorts_newestanswer SET code = 'x' WHERE patient_id = %s", [cast.zhang.pk])
    assert newest.differences() == 3
    assert recount_newest(by=SYSTEM) == 3
    assert newest.differences() == 0
    assert kept(cast.zhang) == {"ldl-c": Decimal(2)}
    assert answers_kept(cast.zhang) == {"pain": [("none", None)]}


def test_the_rows_are_visible_with_their_patient_only(cast: Cast):
    make.result(cast.zhang, "ldl-c", "2")
    make.answer(cast.zhang, "pain", code="none")
    for viewer, many in ((cast.as_wang, 1), (cast.as_li, 0)):
        assert NewestResult.objects.visible_to(viewer).filter(patient=cast.zhang).count() == many
        assert NewestAnswer.objects.visible_to(viewer).filter(patient=cast.zhang).count() == many


# ── Two writers at the same moment ────────────────────────────────────────────────────────────────────────────────────


def together(*works: Callable[[], None]) -> None:
    """Each in a connection of its own, all past their first statement before any of them commits."""
    faults: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            gate.wait(10)
            with seeding(), transaction.atomic():
                work()
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not faults, faults


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_two_who_write_results_at_once_leave_the_newest(turn: int):
    from tests.cast import make_cast

    cast = make_cast()
    dice = Random(turn)

    def more(seed: int) -> Callable[[], None]:
        def work() -> None:
            mine = Random(seed)
            for __ in range(4):
                Observation.objects.bulk_create([observation(cast.zhang, mine) for __ in range(3)])

        return work

    def spoil() -> None:
        rows = Observation.objects.unscoped(WHY).filter(patient=cast.zhang).order_by("-effective_at", "-pk")[:2]
        Observation.objects.unscoped(WHY).filter(pk__in=[row.pk for row in rows]).update(status="entered-in-error")

    with seeding():
        Observation.objects.bulk_create([observation(cast.zhang, dice) for __ in range(6)])
    together(more(turn), more(turn + 100), spoil, spoil)
    assert kept(cast.zhang) == asked(cast.zhang)


@pytest.mark.django_db(transaction=True)
def test_two_who_answer_the_same_question_at_once_leave_the_newest():
    from tests.cast import make_cast

    cast = make_cast()
    make.answer(cast.zhang, "pain", code="first", days_ago=50)
    response = AnswerFact.objects.unscoped(WHY).get(patient=cast.zhang).response

    def more(seed: int) -> Callable[[], None]:
        def work() -> None:
            mine = Random(seed)
            for __ in range(4):
                AnswerFact.objects.bulk_create(
                    sorted((fact(cast.zhang, mine, response) for __ in range(2)), key=lambda one: one.link_id)
                )

        return work

    together(more(1), more(2), more(3))
    assert answers_kept(cast.zhang) == answers_asked(cast.zhang)

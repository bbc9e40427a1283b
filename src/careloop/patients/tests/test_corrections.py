"""What staff put right on a record holds against the old word of the hospital system, and gives way to a new one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.patients import actions
from careloop.patients.models import Patient
from careloop.patients.rules import DELETE, IdentifierData, PersonData
from careloop.patients.rules.corrections import CORRECTABLE, after_message, corrected, tidy
from careloop.patients.tests.test_upsert import AT, BY
from tests.cast import Cast

OLD, NEW, OURS = "西山路 1 号", "云溪路 9 号", "人民路 128 号"


@pytest.mark.parametrize(
    ("told", "now", "replaced", "after"),
    [
        (None, OLD, None, (OLD, None)),
        (NEW, OLD, None, (NEW, None)),
        (DELETE, OLD, None, ("", None)),
        (None, OURS, OLD, (OURS, OLD)),
        (OLD, OURS, OLD, (OURS, OLD)),
        (NEW, OURS, OLD, (NEW, None)),
        (OURS, OURS, OLD, (OURS, None)),  # the sender has learned it too
        (DELETE, OURS, OLD, ("", None)),
        (DELETE, OURS, "", (OURS, "")),  # nothing was known there before either
        (OLD, "", OLD, ("", OLD)),  # taken away by hand
    ],
)
def test_only_news_ends_a_correction(told, now, replaced, after):
    assert after_message(told, now=now, replaced=replaced) == after


def test_a_sender_is_compared_as_its_word_is_stored():
    assert after_message("x" * 400, now=OURS, replaced="x" * 300, longest=300) == (OURS, "x" * 300)


WORDS = st.sampled_from(["", "a", "b", "c"])


@given(first=WORDS, ours=st.lists(WORDS, max_size=4), told=st.lists(WORDS, max_size=4))
def test_whatever_is_written_the_last_news_counts(first, ours, told):
    now, before = {"address": first}, {}
    for word in ours:
        before = corrected(now, {"address": word}, before)
        now = {"address": word}
    assert before == ({} if now["address"] == first else {"address": first})
    value, replaced = now["address"], before.get("address")
    last = first  # what the sender said last
    for word in told:
        expected = value if word == last and replaced is not None else word
        value, replaced = after_message(word, now=value, replaced=replaced)
        assert value == expected
        last = word
        assert replaced is None or replaced == last


@pytest.mark.parametrize("typed", ["  人民路\u3000128 号\n 3 幢 ", "人民路 128 号 3 幢"])
def test_an_address_is_one_line(typed):
    assert tidy(typed) == "人民路 128 号 3 幢"


# ---- on the record ----


def tell(hours: int = 0, **said: Any) -> Patient:
    person = PersonData(identifiers=(IdentifierData(value="100", authority="HIS"),), name="周敏", **said)
    return actions.upsert_patient(person=person, source="his", at=AT + timedelta(hours=hours), by=BY)


def words(patient: Patient) -> tuple[Any, ...]:
    patient.refresh_from_db()
    return patient.address, patient.address_code, patient.employer, patient.corrected


@pytest.mark.django_db
def test_the_life_of_a_correction():
    patient = tell(address=OLD, address_code="330106", employer="一中")
    assert actions.correct_particulars(patient=patient, given={"address": f" {OURS} "}, by=BY) == (
        "address", "address_code",
    )  # fmt: skip
    held = {"address": OLD, "address_code": "330106"}
    assert words(patient) == (OURS, "", "一中", held)
    tell(1, address=OLD, address_code="330106", employer="一中")
    tell(2)
    assert words(patient) == (OURS, "", "一中", held)
    tell(3, address=NEW, address_code="330106")
    assert words(patient) == (NEW, "330106", "一中", None)


@pytest.mark.django_db
def test_taking_a_correction_back_leaves_nothing():
    patient = tell(address=OLD, address_code="330106")
    for word in (OURS, NEW, OLD):
        actions.correct_particulars(patient=patient, given={"address": word}, by=BY)
    assert words(patient) == (OLD, "330106", "", None)
    tell(1, address=NEW, address_code="330108")
    assert words(patient)[:2] == (NEW, "330108")


@pytest.mark.django_db
def test_again_and_nothing_sent_change_and_record_nothing():
    patient = tell(address=OLD)
    actions.correct_particulars(patient=patient, given={"address": OURS}, by=BY)
    before = AuditEvent.objects.count()
    for given_words in ({"address": OURS}, {}, {"name": "赵", "sex": "male", "risk": "high"}):
        assert actions.correct_particulars(patient=patient, given=given_words, by=BY) == ()
    patient.refresh_from_db()
    assert (AuditEvent.objects.count(), patient.name, patient.sex) == (before, "周敏", "unknown")


@pytest.mark.django_db
def test_the_trail_names_columns_and_no_words():
    patient = tell()
    given_words = {column: "云溪" for column in CORRECTABLE}
    assert actions.correct_particulars(patient=patient, given=given_words, by=BY) == CORRECTABLE
    row = AuditEvent.objects.filter(name="patients.PatientUpdated").latest("at", "id")
    assert "云溪" not in str(row.__dict__)
    assert "address" in str(row.__dict__)


@pytest.mark.django_db
def test_words_longer_than_their_column_are_cut_and_strangers_change_nothing(cast: Cast):
    actions.correct_particulars(patient=cast.zhang, given={"address": "路" * 400}, by=cast.as_wang)
    cast.zhang.refresh_from_db()
    assert len(cast.zhang.address) == 300
    with pytest.raises(Patient.DoesNotExist):
        actions.correct_particulars(patient=cast.zhang, given={"address": ""}, by=cast.as_li)

"""A row of a list as facts, and what is said of a row that is wrong."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.integration.hl7v2.facts import Place, Site, StaffRef
from careloop.integration.sheets.columns import columns
from careloop.integration.sheets.rows import Problem, cells_of, examine, facts_of, order_key, read_row, same_row, stored

SITE, TODAY = Site(), date(2026, 11, 20)
TOLD = {"number": "7001", "name": "沈若溪", "admitted": "2026-11-10", "discharged": "2026/11/18 10:30"}


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=SITE.zone)


def facts(**told: str):
    return read_row({**TOLD, **told}, facility="YX", site=SITE)


class TestErrors:
    def test_a_good_row_has_none(self) -> None:
        reading = examine(TOLD, site=SITE, on=TODAY)
        assert (reading.errors, reading.doubts) == ((), ())

    @pytest.mark.parametrize(
        ("told", "problem"),
        [
            ({"number": None}, Problem("number", "missing")), ({"name": None}, Problem("name", "missing")),
            ({"number": "4.4010619590E+17"}, Problem("number", "rounded")), ({"id_card": "4.4E+17"}, Problem("id_card", "rounded")),
            ({"number": "7" * 81}, Problem("number", "too-long")), ({"visit": "V" * 81}, Problem("visit", "too-long")),
            ({"discharged": "下周"}, Problem("discharged", "no-date")), ({"discharged": "45981"}, Problem("discharged", "no-date")),
            ({"admitted": "2026-13-01"}, Problem("admitted", "no-date")), ({"birth": "1958"}, Problem("birth", "no-date")),
            ({"discharged": "2026-11-21"}, Problem("discharged", "in-future")), ({"birth": "2027-01-01"}, Problem("birth", "in-future")),
            ({"discharged": "2026-11-09"}, Problem("discharged", "before-admission")),
        ],
    )  # fmt: skip
    def test_what_keeps_a_row_out(self, told: dict[str, str | None], problem: Problem) -> None:
        row = {code: value for code, value in {**TOLD, **told}.items() if value is not None}
        assert examine(row, site=SITE, on=TODAY).errors == (problem,)

    @pytest.mark.parametrize(
        ("told", "problem"),
        [
            ({"sex": "壮"}, Problem("sex", "unknown-sex")), ({"id_card": "110101195803020011"}, Problem("id_card", "suspect-identity")),
            ({"phone": "12345"}, Problem("phone", "suspect-phone")), ({"relative_phone": "x"}, Problem("relative_phone", "suspect-phone")),
            ({"disposition": "不知道"}, Problem("disposition", "unknown-disposition")),
        ],
    )  # fmt: skip
    def test_what_goes_in_and_deserves_a_look(self, told: dict[str, str], problem: Problem) -> None:
        reading = examine({**TOLD, **told}, site=SITE, on=TODAY)
        assert reading.errors == ()
        assert reading.doubts == (problem,)

    @pytest.mark.parametrize("phone", ["无", "不详", "-"])
    def test_nobody_is_blamed_for_having_no_telephone(self, phone: str) -> None:
        assert examine({**TOLD, "phone": phone}, site=SITE, on=TODAY).doubts == ()

    @given(st.dictionaries(st.sampled_from([each.code for each in columns()]), st.text(min_size=1, max_size=12)))
    def test_whatever_has_no_error_can_be_read(self, told: dict[str, str]) -> None:
        reading = examine(told, site=SITE, on=TODAY)
        assert all(
            problem.column in {each.code for each in columns()} for problem in (*reading.errors, *reading.doubts)
        )
        if not reading.errors:
            assert read_row(told, facility="YX", site=SITE).person is not None


class TestFacts:
    def test_a_discharge(self) -> None:
        read = facts(
            department="心内科", ward="心内一病区", bed="12", sequence="2", admission="Z88", disposition="医嘱离院"
        )
        assert read.visit is not None
        assert read.visit_is_told
        assert (read.visit.event, read.visit.encounter_class) == ("discharged", "IMP")
        assert (read.visit.admitted_at, read.visit.discharged_at) == (at(2026, 11, 10), at(2026, 11, 18, 10, 30))
        assert (read.visit.number, read.visit.authority) == ("7001@20261110", "YX")
        assert (read.visit.bed, read.visit.visit_sequence, read.visit.admission_number) == ("12", 2, "Z88")
        assert read.visit.disposition == "home"
        assert read.place == Place(unit="心内一病区", service="心内科", text="心内科 心内一病区")
        assert read.source == "sheet:YX"

    def test_its_own_number_wins(self) -> None:
        visit = facts(visit="V77", visit_authority="HIS").visit
        assert visit is not None
        assert (visit.number, visit.authority) == ("V77", "HIS")

    def test_an_admission_an_outpatient_and_a_person(self) -> None:
        admitted = read_row({"number": "1", "name": "甲", "admitted": "2026-11-10"}, facility="YX", site=SITE)
        visited = read_row({"number": "1", "name": "甲", "visited": "20261110"}, facility="YX", site=SITE)
        alone = read_row({"number": "1", "name": "甲"}, facility="YX", site=SITE)
        assert admitted.visit is not None
        assert visited.visit is not None
        assert (admitted.visit.event, admitted.visit.encounter_class) == ("admitted", "IMP")
        assert (visited.visit.event, visited.visit.encounter_class) == ("registered", "AMB")
        assert (alone.visit, alone.visit_is_told, alone.diagnoses) == (None, False, None)

    @pytest.mark.parametrize(
        ("kind", "code"), [("门诊", "AMB"), ("住院患者", "IMP"), ("日间手术", "DAY"), ("急诊", "EMER"), ("?", "IMP")]
    )
    def test_kinds_of_visits(self, kind: str, code: str) -> None:
        visit = facts(kind=kind).visit
        assert visit is not None
        assert visit.encounter_class == code

    def test_who_died_is_nobody_to_call(self) -> None:
        person = facts(disposition="死亡").person
        assert person is not None
        assert (person.is_deceased, person.deceased_at) == (True, at(2026, 11, 18, 10, 30))
        assert facts().person.is_deceased is None

    def test_diagnoses_by_code_and_word(self) -> None:
        read = facts(diagnosis_code="I50.9；I10", diagnosis="心力衰竭；高血压").diagnoses
        assert [(one.code, one.text, one.system, one.kind, one.rank) for one in read] == [
            ("I50.9", "心力衰竭", "ICD-10", "discharge", 1), ("I10", "高血压", "ICD-10", "discharge", 2),
        ]  # fmt: skip

    def test_words_that_do_not_pair_with_the_codes_stay_whole(self) -> None:
        read = facts(diagnosis_code="I50.9;I10;E11.9", diagnosis="心衰；高血压").diagnoses
        assert [(one.code, one.text) for one in read] == [("I50.9", "心衰；高血压"), ("I10", ""), ("E11.9", "")]

    def test_silence_is_no_empty_set(self) -> None:
        read = facts()
        assert read.diagnoses is None
        assert read.person.phones is None
        assert read.person.related is None
        assert read.person.address is None

    def test_a_relative_with_or_without_a_number(self) -> None:
        (one,) = facts(relative="沈远", relation="儿子", relative_phone="13800000008").person.related
        assert (one.name, one.relation, one.phones[0].value) == ("沈远", "儿子", "13800000008")
        (two,) = facts(relative="沈远").person.related
        assert two.phones == ()

    def test_a_doctor_by_number_only(self) -> None:
        assert facts(doctor="赵明").attending is None
        assert facts(doctor="赵明", doctor_number="D77").attending == StaffRef("D77", "赵明")


class TestKept:
    def test_what_is_kept_says_the_same(self) -> None:
        raw = stored(TOLD, cells={"病案号": "7001", "备注": "x"}, facility="YX", line=4)
        assert facts_of(raw, site=SITE) == facts()
        assert cells_of(raw) == (4, {"病案号": "7001", "备注": "x"})

    def test_the_same_row_is_one_wherever_it_stands(self) -> None:
        assert same_row(TOLD, facility="YX") == same_row(dict(reversed(TOLD.items())), facility="YX")
        assert same_row(TOLD, facility="YX") != same_row(TOLD, facility="ZZ")
        assert same_row(TOLD, facility="YX") != same_row({**TOLD, "name": "沈"}, facility="YX")

    def test_order_is_kept_with_messages_about_the_same_patient(self) -> None:
        assert order_key(TOLD, facility="YX") == "YX|7001"

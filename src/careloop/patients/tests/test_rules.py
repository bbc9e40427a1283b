"""The pure rules: identity numbers, phones, names, codes, values, search, masking, links."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import lazy_pinyin

from careloop.patients.rules import DELETE, IdentifierData, changed, link_token, token_digest
from careloop.patients.rules.codes import icd_key, procedure_key, relation_code, sex_code
from careloop.patients.rules.contacts import Evidence, after_result, dial_order
from careloop.patients.rules.identifiers import is_key, read_identifier
from careloop.patients.rules.identity import WEIGHTS, check_digit, identity_conflicts, read_identity_number
from careloop.patients.rules.masking import mask_identity_number, mask_phone
from careloop.patients.rules.names import clean_name, initials, syllables
from careloop.patients.rules.phones import is_fake, plain_number, read_phones
from careloop.patients.rules.search import Term, read_query
from careloop.patients.rules.values import concept_of, interpretation, read_value, ucum_unit

ON = date(2026, 11, 20)
births = st.dates(date(1900, 1, 1), ON)
regions = st.integers(110000, 999999).map(str)


def number(region: str, birth: date, order: int) -> str:
    first = f"{region}{birth:%Y%m%d}{order:03d}"
    return first + check_digit(first)


@given(regions, births, st.integers(0, 999))
def test_every_region_and_birth_day_is_valid(region: str, birth: date, order: int) -> None:
    read = read_identity_number(number(region, birth, order), on=ON)
    assert (read.is_valid, read.birth_date, read.sex) == (True, birth, "male" if order % 2 else "female")


@given(regions, births, st.integers(0, 999), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(region: str, birth: date, order: int, place: int, by: int) -> None:
    """The weights are prime to 11, so no single error passes; the calendar may object first."""
    good = number(region, birth, order)
    wrong = good[:place] + str((int(good[place]) + by) % 10) + good[place + 1 :]
    assert read_identity_number(wrong, on=ON).problem == "check-digit"
    assert all(weight % 11 for weight in WEIGHTS)


@given(st.text(max_size=30))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    read_identity_number(text, on=ON)
    read_phones(text)
    read_value(text)
    read_query(text)
    icd_key(text)
    clean_name(text)
    relation_code(text)


@pytest.mark.parametrize(
    ("text", "problem", "holder"),
    [
        ("11010519491231002X", "", "resident"),
        ("１１０１０５１９４９１２３１００２ｘ", "", "resident"),
        (" 110105 19491231 002x ", "", "resident"),
        ("440524188001010014", "", "resident"),
        ("110199195903080019", "check-digit", "resident"),
        (number("810000", date(1990, 1, 1), 1), "", "hong-kong"),
        (number("820000", date(1990, 1, 1), 1), "", "macau"),
        (number("830000", date(1990, 1, 1), 1), "", "taiwan"),
        (number("911124", date(1984, 1, 1), 1), "", "foreigner"),
        ("11010119900230001" + check_digit("11010119900230001"), "birth-date", "resident"),
        ("11010120270101001" + check_digit("11010120270101001"), "future-birth", "resident"),
        ("123", "format", "unknown"),
        ("", "format", "unknown"),
        ("E12345678", "format", "unknown"),
    ],
)
def test_identity_numbers(text: str, problem: str, holder: str) -> None:
    read = read_identity_number(text, on=ON)
    assert (read.problem, read.holder) == (problem, holder)


@given(regions, st.dates(date(1900, 1, 1), date(1999, 12, 31)), st.integers(0, 999))
def test_fifteen_digits_become_the_eighteen_of_the_same_person(region: str, birth: date, order: int) -> None:
    old = f"{region}{birth:%y%m%d}{order:03d}"
    assert read_identity_number(old, on=ON) == read_identity_number(number(region, birth, order), on=ON)


def test_conflicts_are_shown_only_for_a_valid_number() -> None:
    good = read_identity_number("11010519491231002X", on=ON)
    assert identity_conflicts(good, birth_date=date(1949, 12, 31), sex="female") == ()
    assert identity_conflicts(good, birth_date=date(1950, 1, 1), sex="male") == ("birth-date", "sex")
    assert identity_conflicts(good, birth_date=None, sex="unknown") == ()
    bad = read_identity_number("110105194912310021", on=ON)
    assert identity_conflicts(bad, birth_date=date(1950, 1, 1), sex="male") == ()


def test_identifiers_are_filed_by_what_they_say() -> None:
    good = read_identifier(IdentifierData(value="11010519491231002x", type="NNCHN", authority="HIS"), on=ON)
    assert (good.system, good.type, good.value, good.last4) == ("CN", "NI", "11010519491231002X", "002X")
    bad = read_identifier(IdentifierData(value="110105194912310021", type="NNCHN", authority="HIS"), on=ON)
    assert (bad.system, bad.problem) == ("HIS", "check-digit")
    assert not is_key(good)
    assert is_key(read_identifier(IdentifierData(value="1", authority="HIS"), on=ON))
    assert not is_key(read_identifier(IdentifierData(value="1", type="VN", authority="HIS"), on=ON))


PHONES = [
    ("13812346721", [("+8613812346721", "mobile", "", "")]),
    ("+86 138 1234 6721", [("+8613812346721", "mobile", "", "")]),
    ("１３８１２３４６７２１", [("+8613812346721", "mobile", "", "")]),
    ("0086-138-1234-6721", [("+8613812346721", "mobile", "", "")]),
    ("013812346721", [("+8613812346721", "mobile", "", "")]),
    ("13812346721/13912346722", [("+8613812346721", "mobile", "", ""), ("+8613912346722", "mobile", "", "")]),
    ("13812346721、13912346722", [("+8613812346721", "mobile", "", ""), ("+8613912346722", "mobile", "", "")]),
    ("13812346721 13912346722", [("+8613812346721", "mobile", "", ""), ("+8613912346722", "mobile", "", "")]),
    ("1381234672113912346722", [("+8613812346721", "mobile", "", ""), ("+8613912346722", "mobile", "", "")]),
    ("13812346721(女儿)", [("+8613812346721", "mobile", "女儿", "daughter")]),
    (
        "13812346721（儿子）；13912346722",
        [("+8613812346721", "mobile", "儿子", "son"), ("+8613912346722", "mobile", "", "")],
    ),
    ("女儿:13812346721", [("+8613812346721", "mobile", "女儿", "daughter")]),
    ("0571-88886666", [("+8657188886666", "landline", "", "")]),
    ("(0571)88886666", [("+8657188886666", "landline", "", "")]),
    ("010-66668888", [("+861066668888", "landline", "", "")]),
    ("0571-88886666转801", [("+8657188886666", "landline", "", "")]),
    ("4008123123", [("+864008123123", "service", "", "")]),
    ("+852 9123 4567", [("+85291234567", "foreign", "", "")]),
    ("14012346721", [("+8614012346721", "mobile", "", "")]),
    ("88886666/13812346721", [("+8613812346721", "mobile", "", ""), ("", "landline", "", "")]),
    ("无", []),
    ("", []),
    ("-", []),
]


@pytest.mark.parametrize(("text", "expected"), PHONES)
def test_phone_fields(text: str, expected: list[tuple[str, str, str, str]]) -> None:
    read = read_phones(text)
    assert [(p.number, p.kind, p.owner_note, p.relation) for p in read] == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("00000000000", "fake"), ("11111111111", "fake"), ("12345678901", "fake"), ("13800138000", "fake"),
        ("13888888888", "fake"), ("1381234672", "not-a-number"), ("12345", "too-short"), ("88886666", "needs-area-code"),
        ("138123467211", "not-a-number"), ("0571-8888", "too-short"),
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_kept_and_marked(text: str, problem: str) -> None:
    (phone,) = read_phones(text)
    assert (phone.problem, phone.is_usable, phone.raw) == (problem, False, text)


def test_a_local_number_gets_the_hospitals_area_code_and_the_extension_is_kept() -> None:
    (phone,) = read_phones("88886666转801", area_code="0571")
    assert (phone.number, phone.extension, phone.is_usable) == ("+8657188886666", "801", True)
    assert plain_number(phone.number) == "057188886666"
    assert plain_number("+8613812346721") == "13812346721"
    assert plain_number("+85291234567") == "+85291234567"


@given(st.integers(13000000000, 19999999999).map(str))
def test_a_mobile_is_found_however_it_is_written(digits: str) -> None:
    if is_fake(digits):
        return
    for written in (
        digits,
        f"+86{digits}",
        f"{digits[:3]} {digits[3:7]} {digits[7:]}",
        f"手机{digits}",
        f"{digits}(妻)",
    ):
        assert read_phones(written)[0].number == f"+86{digits}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("周国强", "zhou guo qiang"), ("单立文", "shan li wen"), ("曾志伟", "zeng zhi wei"), ("仇和", "qiu he"),
        ("区志航", "ou zhi hang"), ("解晓东", "xie xiao dong"), ("查良镛", "zha liang yong"), ("朴智星", "piao zhi xing"),
        ("尉迟恭", "yu chi gong"), ("单于明月", "chan yu ming yue"), ("欧阳修", "ou yang xiu"), ("盖叫天", "ge jiao tian"),
        ("吕蒙", "lv meng"), ("John Smith", "john smith"), ("万俟雪", "mo qi xue"), ("翟志刚", "zhai zhi gang"),
        ("长孙无忌", "zhang sun wu ji"), ("单于", "shan yu"),
    ],
)  # fmt: skip
def test_names_are_read_as_people_read_them(name: str, expected: str) -> None:
    parts = syllables(name, lambda rest: lazy_pinyin(rest))
    assert " ".join(parts) == expected
    assert initials(parts) == "".join(word[0] for word in expected.split())


def test_names_are_cleaned_but_never_split() -> None:
    assert clean_name(" 周 国 强 ") == "周国强"
    assert clean_name("买买提•艾山") == clean_name("买买提・艾山") == clean_name("买买提·艾山") == "买买提·艾山"
    assert clean_name("John  Smith") == "John Smith"


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("I10.x00x002", "I10.X00X002"), ("i10.X00", "I10.X00"), ("A01.000x005+J17.0*", "A01.000X005"), ("I2101", "I21.01"),
        ("Ｉ２１．０ ", "I21.0"), ("I10", "I10"), ("", ""), ("J17.0*", "J17.0"),
    ],
)  # fmt: skip
def test_icd_keys(code: str, key: str) -> None:
    assert icd_key(code) == key
    assert icd_key(key) == key


def test_procedure_keys() -> None:
    assert [procedure_key(code) for code in ("36.0600x004", "3606", "36.06")] == ["36.0600X004", "36.06", "36.06"]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        # HL7 table 0001 as HL7 maps it to FHIR
        ("M", "male"), ("F", "female"), ("O", "other"), ("A", "other"), ("N", "other"), ("U", "unknown"),
        # GB/T 2261.1: 未知的性别 and 未说明的性别 are both "nobody knows", never a third sex
        ("1", "male"), ("2", "female"), ("0", "unknown"), ("9", "unknown"), ("未知的性别", "unknown"), ("未说明的性别", "unknown"),
        ("未说明", "unknown"), ("男", "male"), ("女性", "female"), ("其他", "other"), (" f ", "female"), ("Ｆ", "female"),
        ("１", "male"), ("X", "unknown"), ("", "unknown"),
    ],
)  # fmt: skip
def test_sexes_as_senders_write_them(told: str, code: str) -> None:
    assert sex_code(told) == code


def test_senders_words() -> None:
    assert [relation_code(w) for w in ("女儿", "SPO", "51", "52", "1", "12", "97", "老伴", "?")] == [
        "daughter", "spouse", "father", "mother", "spouse", "spouse", "other", "spouse", "other",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number", "comparator"),
    [
        ("5.6", "5.6", ""), ("<5.0", "5.0", "<"), ("≥ 60", "60", ">="), ("＜0.01", "0.01", "<"), ("-2", "-2", ""),
        ("1,200", "1200", ""), ("<^5.0", "5.0", "<"), ("1.10", "1.10", ""), ("阴性", None, ""), ("1:160", None, ""),
        ("2-3", None, ""), ("", None, ""), ("20261120102300001", None, ""),
    ],
)  # fmt: skip
def test_values(text: str, number: str | None, comparator: str) -> None:
    read = read_value(text)
    assert (read.number, read.comparator, read.text) == (Decimal(number) if number else None, comparator, text)


@given(st.decimals(min_value=-99999, max_value=99999, places=4))
def test_a_decimal_is_never_changed(value: Decimal) -> None:
    assert read_value(str(value)).number == value


def test_units_flags_and_concepts() -> None:
    assert [ucum_unit(u) for u in ("mmHg", "10^9/L", "×10^9/L", "μmol/L", "℃", "次/分", "没有")] == [
        "mm[Hg]", "10*9/L", "10*9/L", "umol/L", "Cel", "/min", "",
    ]  # fmt: skip
    assert [interpretation(f) for f in ("↑", "LL", "偏低", "正常", "", "?")] == ["H", "LL", "L", "N", "", ""]
    assert concept_of(system="http://loinc.org", code="8480-6", text="x") == "systolic"
    assert concept_of(system="local", code="77", text="低密度脂蛋白胆固醇") == "ldl-c"
    assert concept_of(system="local", code="77", text="总胆固醇") == ""


@pytest.mark.parametrize(
    ("concept", "loinc", "names"),
    [
        ("temperature", "8310-5", ["体温", "Body temperature"]),
        ("spo2", "59408-5", ["血氧饱和度", "SpO2"]),
        ("heart-rate", "8867-4", ["心率", "脉搏"]),
        ("respiratory-rate", "9279-1", ["呼吸", "呼吸频率", "RR", "Respiratory rate"]),
        ("weight", "29463-7", ["体重"]),
        (
            "albumin-creatinine", "9318-7",
            ["尿白蛋白/肌酐比", "尿白蛋白/肌酐比值", "尿微量白蛋白/肌酐", "尿微量白蛋白/尿肌酐比值", "白蛋白肌酐比", "UACR", "ACR"],
        ),
    ],
)  # fmt: skip
def test_what_a_ward_or_a_patient_measures_is_known_by_code_and_by_name(concept, loinc, names) -> None:
    assert concept_of(system="LN", code=loinc, text="x") == concept
    assert {concept_of(system="local", code="77", text=name) for name in names} == {concept}


@pytest.mark.parametrize("name", ["肌酐", "尿肌酐", "白蛋白", "尿微量白蛋白", "呼吸道合胞病毒"])
def test_a_name_that_only_sounds_like_it_is_not_the_ratio(name) -> None:
    assert concept_of(system="local", code="77", text=name) not in {"albumin-creatinine", "respiratory-rate"}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("周国强", [("name", "周国强")]), ("ZGQ", [("initials", "zgq")]), ("6721", [("last4", "6721")]),
        ("002x", [("last4", "002X")]), ("zgq 6721", [("initials", "zgq"), ("last4", "6721")]),
        ("2026110347", [("number", "2026110347")]), ("138 1234 6721", [("phone", "13812346721")]),
        ("11010519491231002x", [("identity", "11010519491231002X")]), ("０５７１88886666", [("phone", "057188886666")]),
        ("A-1029", [("number", "A-1029")]), ("%", []), ("", []), ("吕 % _", [("name", "吕")]), ("lü", [("initials", "lv")]),
    ],
)  # fmt: skip
def test_queries(text: str, terms: list[tuple[str, str]]) -> None:
    assert read_query(text) == tuple(Term(kind, value) for kind, value in terms)


@given(st.from_regex(r"\+861[3-9][0-9]{9}", fullmatch=True))
def test_a_masked_phone_never_shows_its_middle(phone: str) -> None:
    masked = mask_phone(phone)
    assert masked[3:7] == "****"
    assert masked == f"{phone[3:6]}****{phone[-4:]}"


def test_masking() -> None:
    assert mask_identity_number("11010519491231002X") == "110***********002X"
    assert mask_identity_number("123") == "**3" or mask_identity_number("123").endswith("23")
    assert (mask_phone(""), mask_identity_number("")) == ("", "")


@given(st.uuids(), st.uuids(), st.text(min_size=1))
def test_link_tokens(one: UUID, other: UUID, secret: str) -> None:
    token = link_token(one, secret)
    assert len(token) == 27  # 160 bits
    assert token == link_token(one, secret)
    assert (token == link_token(other, secret)) == (one == other)
    assert token not in token_digest(token)
    assert len(token_digest(token)) == 64


def test_what_a_try_tells() -> None:
    silent = Evidence()
    for __ in range(3):
        silent = after_result(silent, "no-answer")
    assert (silent.trust, silent.failures) == ("doubtful", 3)
    assert after_result(silent, "reached-patient") == Evidence(trust="verified")
    assert after_result(Evidence(trust="verified"), "empty-number").trust == "invalid"
    assert after_result(Evidence(trust="invalid"), "busy").trust == "invalid"
    assert after_result(silent, "something new") == silent


def test_dial_order() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)

    def key(trust: str, **more: object) -> tuple[object, ...]:
        told = {
            "is_mobile": True,
            "is_patient": True,
            "knows_condition": None,
            "last_success": None,
            "failures": 0,
            "rank": 1,
        }
        return dial_order(trust=trust, at=at, **(told | more))

    wanted = [
        key("verified", last_success=at),
        key("unverified"),
        key("verified", last_success=at - timedelta(days=400), is_mobile=False),
        key("unverified", is_patient=False),
        key("unverified", is_patient=False, knows_condition=False),
        key("doubtful"),
        key("invalid"),
    ]
    assert wanted == sorted(wanted)


def test_three_states_of_a_field() -> None:
    assert [changed(told, now="old", empty="") for told in (None, DELETE, "new")] == ["old", "", "new"]

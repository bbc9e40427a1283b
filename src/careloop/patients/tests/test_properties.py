"""What must hold for any text, number, name or story: reading never raises, masking never tells, order never matters."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.patients.rules.codes import sex_code
from careloop.patients.rules.contacts import DEAD, DOUBT_AFTER, REACHED, SILENT, Evidence, after_result, dial_order
from careloop.patients.rules.data import DELETE, changed
from careloop.patients.rules.identity import check_digit, clean_identity_number, read_identity_number
from careloop.patients.rules.links import link_token, token_digest
from careloop.patients.rules.masking import mask_identity_number, mask_phone
from careloop.patients.rules.merging import FILLED, RISKS, merged_columns
from careloop.patients.rules.names import SURNAMES, clean_name, initials, syllables
from careloop.patients.rules.phones import is_fake, plain_number, read_phones
from careloop.patients.rules.search import read_query
from careloop.patients.rules.visits import next_status

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
chinese = st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=6)
mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True).filter(lambda digits: not is_fake(digits))
results = st.sampled_from(sorted(REACHED | DEAD | SILENT) + ["nonsense", ""])


# --- names ---------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=60))
def test_cleaning_a_name_twice_is_cleaning_it_once(text: str) -> None:
    once = clean_name(text)
    assert clean_name(once) == once
    assert once == once.strip()
    assert "  " not in once


@given(st.lists(chinese, min_size=2, max_size=4))
def test_spaces_between_chinese_signs_are_no_part_of_a_name(parts: list[str]) -> None:
    assert clean_name(" ".join(parts)) == clean_name("".join(parts))


@pytest.mark.parametrize("surname", [name for name in SURNAMES if len(name) == 1])
def test_every_surname_of_the_table_is_read_as_the_table_says(surname: str) -> None:
    read = syllables(f"{surname}立", lambda rest: ["li"] if rest == "立" else ["?"])
    if f"{surname}立" not in SURNAMES:
        assert read == (*SURNAMES[surname].split(), "li")


@pytest.mark.parametrize("surname", [name for name in SURNAMES if len(name) == 2])
def test_double_surnames_are_read_whole_when_a_given_name_follows(surname: str) -> None:
    assert syllables(f"{surname}立", lambda rest: ["li"] if rest == "立" else ["?"])[:2] == tuple(
        SURNAMES[surname].split()
    )


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), max_size=5))
def test_initials_are_one_letter_for_each_syllable(parts: list[str]) -> None:
    assert initials(tuple(parts)) == "".join(part[0] for part in parts)


# --- phones --------------------------------------------------------------------------------------------------------------


@given(mobiles, st.sampled_from(["{}", "+86{}", "0086{}", "86{}", "0{}", " {} ", "({})", "手机:{}"]))
def test_a_mobile_is_the_same_number_however_it_is_written(digits: str, form: str) -> None:
    (found,) = read_phones(form.format(digits))
    assert (found.number, found.kind, found.takes_sms) == (f"+86{digits}", "mobile", True)
    assert plain_number(found.number) == digits


@given(st.lists(mobiles, min_size=2, max_size=4, unique=True), st.sampled_from(["/", ",", "，", ";", "、", " "]))
def test_several_numbers_in_one_field_are_several_numbers(numbers: list[str], between: str) -> None:
    assert [one.number for one in read_phones(between.join(numbers))] == [f"+86{digits}" for digits in numbers]


@settings(max_examples=300)
@given(st.text(max_size=60))
def test_any_field_is_read_and_a_usable_number_is_dialled_as_it_is_kept(text: str) -> None:
    for found in read_phones(text, area_code="0571"):
        assert found.is_usable == (bool(found.number) and not found.problem) or not found.is_usable
        if found.number and not found.problem:
            (again,) = read_phones(plain_number(found.number) if found.number.startswith("+86") else found.number)
            assert again.number == found.number


@pytest.mark.parametrize("digits", ["11111111111", "13000000000", "00000000", "13888888888", "12345678901"])
def test_numbers_nobody_has(digits: str) -> None:
    assert all(not found.is_usable for found in read_phones(digits))


# --- masking -------------------------------------------------------------------------------------------------------------


@given(mobiles)
def test_a_masked_mobile_keeps_seven_digits_and_hides_four(digits: str) -> None:
    masked = mask_phone(f"+86{digits}")
    assert (masked[:3], masked[-4:], masked[3:7], len(masked)) == (digits[:3], digits[-4:], "****", 11)


@given(st.text(alphabet="0123456789+- ", max_size=24))
def test_no_masked_number_shows_more_than_seven_digits(text: str) -> None:
    assert sum(sign.isdigit() for sign in mask_phone(text)) <= 7


@given(st.text(alphabet="0123456789X", min_size=10, max_size=18))
def test_a_masked_identity_number_hides_the_birth_day(number: str) -> None:
    masked = mask_identity_number(number)
    assert (len(masked), masked[:3], masked[-4:]) == (len(number), number[:3], number[-4:])
    assert set(masked[3:-4]) <= {"*"}


# --- identity numbers ------------------------------------------------------------------------------------------------------

births = st.dates(date(1900, 1, 1), date(2026, 11, 20))


@given(births, st.integers(0, 999), st.sampled_from(["110101", "330106", "820000", "830000", "659001"]))
def test_every_number_made_by_the_standard_is_read_back(birth: date, order: int, region: str) -> None:
    first = f"{region}{birth:%Y%m%d}{order:03d}"
    found = read_identity_number(first + check_digit(first), on=date(2026, 11, 20))
    assert (found.problem, found.birth_date, found.sex) == ("", birth, "male" if order % 2 else "female")


@given(births, st.integers(0, 999), st.integers(0, 16))
def test_two_neighbours_exchanged_are_found(birth: date, order: int, place: int) -> None:
    first = f"330106{birth:%Y%m%d}{order:03d}"
    number = first + check_digit(first)
    if number[place] == number[place + 1]:
        return
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert read_identity_number(swapped, on=date(2026, 11, 20)).problem


@given(st.text(max_size=40))
def test_any_text_is_an_identity_number_or_has_a_named_problem(text: str) -> None:
    found = read_identity_number(text, on=date(2026, 11, 20))
    assert found.is_valid == (found.birth_date is not None and not found.problem)
    assert clean_identity_number(found.number) == found.number


@pytest.mark.parametrize("text", ["K\u00b8", "A\u00b4", "o\u00a8x"])
def test_an_accent_that_meets_its_letter_is_cleaned_at_once(text: str) -> None:
    assert clean_identity_number(clean_identity_number(text)) == clean_identity_number(text)


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        ("20000229", ""),
        ("19000229", "birth-date"),
        ("20260229", "birth-date"),
        ("20261121", "future-birth"),
        ("20261120", ""),
        ("18491231", "birth-date"),
        ("19991301", "birth-date"),
    ],
)
def test_the_calendar_decides(day: str, problem: str) -> None:
    first = f"330106{day}001"
    assert read_identity_number(first + check_digit(first), on=date(2026, 11, 20)).problem == problem


# --- search ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=400)
@given(st.text(max_size=80))
def test_any_query_is_at_most_four_terms_with_something_in_them(text: str) -> None:
    terms = read_query(text)
    assert len(terms) <= 4
    assert all(term.value and "\x00" not in term.value for term in terms)


@pytest.mark.parametrize("text", ["'", "''", "·'·", "%'"])
def test_marks_alone_ask_for_nobody(text: str) -> None:
    assert read_query(text) == ()


@given(st.text(max_size=30))
def test_spaces_around_a_query_mean_nothing(text: str) -> None:
    assert read_query(f"  {text}\t") == read_query(text)


@given(mobiles, st.sampled_from(["{}", "+86{}", "{} ", "\u3000{}"]))
def test_a_whole_number_is_searched_as_a_phone(digits: str, form: str) -> None:
    (term,) = read_query(form.format(digits))
    assert (term.kind, term.value) == ("phone", digits)


@given(st.from_regex(r"[0-9]{4}", fullmatch=True))
def test_four_digits_are_the_last_four(digits: str) -> None:
    assert [(one.kind, one.value) for one in read_query(digits)] == [("last4", digits)]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("zgq", ["initials"]), ("ZGQ", ["initials"]), ("lü", ["initials"]), ("周", ["name"]), ("zgq 6721", ["initials", "last4"]),
        ("周 1234", ["name", "last4"]), ("123X", ["last4"]), ("ZY001", ["number"]), ("13812346721", ["phone"]),
        ("057188886666", ["phone"]), ("2026110347", ["number"]), ("% _ *", []), ("——", ["name"]), ("a b c d e", ["initials"] * 4),
        ("138 1234 6721", ["phone"]), ("1 2 3 4 5 6 7", ["number"]), ("０３４７", ["last4"]), ("", []), (" ", []),
    ],
)  # fmt: skip
def test_what_a_word_is_taken_for(text: str, kinds: list[str]) -> None:
    assert [term.kind for term in read_query(text)] == kinds


# --- the life of a visit -----------------------------------------------------------------------------------------------------

STATUSES = ("", "planned", "in-progress", "finished", "cancelled")
EVENTS = (
    "admitted", "planned", "registered", "transferred", "class-changed", "updated", "discharged", "discharge-cancelled",
    "admission-cancelled",
)  # fmt: skip


@pytest.mark.parametrize(("status", "event", "has_end"), list(itertools.product(STATUSES, EVENTS, (False, True))))
def test_every_step_ends_in_a_known_status_and_again_changes_nothing(status: str, event: str, has_end: bool) -> None:
    after = next_status(status, event, is_old=False, has_end=has_end, cycle=1)
    assert after in STATUSES[1:]
    assert next_status(after, event, is_old=False, has_end=has_end, cycle=1) == after
    if status:
        assert next_status(status, event, is_old=True, has_end=has_end, cycle=1) == status


# --- evidence on a number ----------------------------------------------------------------------------------------------------


@given(st.lists(results, max_size=12))
def test_evidence_follows_from_the_results(story: list[str]) -> None:
    evidence = Evidence()
    for result in story:
        evidence = after_result(evidence, result)
    told = [result for result in story if result in REACHED | DEAD | SILENT]
    if told and told[-1] in REACHED:
        assert evidence == Evidence(trust="verified", failures=0)
    if told and told[-1] in DEAD:
        assert evidence.trust == "invalid"
    silent = list(itertools.takewhile(lambda result: result in SILENT, reversed(told)))
    if len(silent) >= DOUBT_AFTER:
        assert evidence.trust in ("doubtful", "invalid")
    assert evidence.failures >= len(silent)


@given(st.lists(st.sampled_from(sorted(SILENT)), max_size=8))
def test_silence_never_revives_and_never_kills(story: list[str]) -> None:
    for start in ("invalid", "verified", "unverified"):
        evidence = Evidence(trust=start)
        for result in story:
            evidence = after_result(evidence, result)
        assert (evidence.trust == "invalid") == (start == "invalid")


@given(st.booleans(), st.booleans(), st.integers(0, 9), st.integers(0, 9))
def test_a_dead_number_is_dialled_last_and_a_proven_one_first(
    mobile: bool, own: bool, failures: int, rank: int
) -> None:
    def key(trust: str) -> tuple[float, ...]:
        return dial_order(
            trust=trust, is_mobile=mobile, is_patient=own, knows_condition=None, last_success=AT, failures=failures,
            rank=rank, at=AT,
        )  # fmt: skip

    assert key("verified") < key("unverified") < key("doubtful") < key("invalid")


def test_a_proof_older_than_a_year_counts_as_none() -> None:
    def key(days: int) -> tuple[float, ...]:
        return dial_order(
            trust="verified", is_mobile=True, is_patient=True, knows_condition=None,
            last_success=AT - timedelta(days=days), failures=0, rank=0, at=AT,
        )  # fmt: skip

    assert (key(365)[0], key(366)[0]) == (0, 1)


# --- merging -----------------------------------------------------------------------------------------------------------------


def record(**given: object) -> dict[str, object]:
    plain = dict.fromkeys(FILLED, "") | {
        "name_pinyin": "", "name_initials": "", "sex": "unknown", "deceased": False, "deceased_at": None,
        "do_not_contact": False, "sensitivity": "normal", "risk": "none", "risk_reason": "", "risk_at": None,
    }  # fmt: skip
    return plain | given


records = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["", "周敏"]), "sex": st.sampled_from(["unknown", "male", "female"]),
        "deceased": st.booleans(), "do_not_contact": st.booleans(),
        "sensitivity": st.sampled_from(["normal", "restricted"]), "risk": st.sampled_from(RISKS),
    }
).map(lambda given: record(**given))  # fmt: skip


@given(records, records)
def test_no_protection_is_lost_and_nothing_known_is_overwritten(
    keeper: dict[str, object], goer: dict[str, object]
) -> None:
    after = keeper | merged_columns(keeper, goer)
    assert after["deceased"] == (keeper["deceased"] or goer["deceased"])
    assert after["do_not_contact"] == (keeper["do_not_contact"] or goer["do_not_contact"])
    assert (after["sensitivity"] == "restricted") == ("restricted" in (keeper["sensitivity"], goer["sensitivity"]))
    assert RISKS.index(str(after["risk"])) == max(RISKS.index(str(keeper["risk"])), RISKS.index(str(goer["risk"])))
    for column in (*FILLED, "sex"):
        if keeper[column] not in ("", "unknown"):
            assert after[column] == keeper[column]
    assert merged_columns(after, goer) == {}


# --- links, codes, fields ------------------------------------------------------------------------------------------------------


@given(st.uuids(), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_a_token_belongs_to_one_link_and_one_secret(link: UUID, secret: str, other: str) -> None:
    token = link_token(link, secret)
    assert (len(token), token) == (27, link_token(link, secret))
    assert (link_token(link, other) == token) == (other == secret)
    assert link_token(uuid4(), secret) != token
    assert token not in token_digest(token)
    assert len(token_digest(token)) == 64


@given(st.text(max_size=12))
def test_any_word_for_a_sex_is_one_of_ours(text: str) -> None:
    assert sex_code(text) in ("male", "female", "other", "unknown")


@given(st.text(), st.text())
def test_three_states_of_a_field(now: str, told: str) -> None:
    assert changed(None, now=now, empty="") == now
    assert changed(DELETE, now=now, empty="") == ""
    assert changed(told, now=now, empty="") == told

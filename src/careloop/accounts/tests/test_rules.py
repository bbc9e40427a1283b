"""Passwords, throttle, ages of a session, the tree's paths: tables and properties, no database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.rules import (
    COMMON,
    MOST_PER_ACCOUNT,
    MOST_PER_ADDRESS,
    PROFILES,
    is_throttled,
    password_expired,
    password_faults,
    path_below,
    session_end,
)

DENGBAO, ASVS = PROFILES["dengbao"], PROFILES["asvs"]
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
IDLE, ABSOLUTE = timedelta(minutes=15), timedelta(hours=12)
ANY_CODE = st.text(min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("password", "faults"),
    [
        ("Rain-over-42", ()),
        ("Rain-ovr1", ("too-short",)),
        ("Rain-over4", ()),
        ("rainoverhills", ("too-few-classes",)),
        ("rainoverhills42", ("too-few-classes",)),
        ("RAINover42", ()),
        ("雨过天晴雨过天晴雨过", ("too-few-classes",)),
        ("雨过天晴-Ab1-雨过", ()),
        ("", ("too-short", "too-few-classes")),
        ("Hospital2026", ("common",)),
        ("My-WANG-pass-42", ("contains-name",)),
        ("王伟-Abcdef-42", ("contains-name",)),
        ("Zz9-Zz9-Zz9-Zz9-Zz9-Zz9", ()),
    ],
)
def test_what_is_wrong_with_a_password(password, faults):
    assert password_faults(password, profile=DENGBAO, username="wang", names=["王伟"]) == faults


@pytest.mark.parametrize(
    ("name", "is_found"), [("wan", True), ("wa", False), ("王", False), ("王伟", True), ("", False), ("欧阳", True)]
)
def test_only_a_name_that_gives_somebody_away_counts(name, is_found):
    faults = password_faults(f"Xy-{name}-4242-Pq", profile=DENGBAO, username="", names=[name])
    assert ("contains-name" in faults) is is_found


@pytest.mark.parametrize("word", sorted(COMMON))
def test_common_words_are_refused_in_any_case(word):
    for written in (word, word.upper(), word.title()):
        assert "common" in password_faults(written, profile=ASVS, username="x")


def test_the_two_profiles_ask_for_what_their_standards_say():
    assert (DENGBAO.shortest, DENGBAO.classes, DENGBAO.max_age_days, DENGBAO.remembered) == (10, 3, 90, 5)
    assert (ASVS.shortest, ASVS.classes, ASVS.max_age_days) == (15, 1, None)
    assert password_faults("fifteen letters", profile=ASVS, username="wang") == ()
    assert password_faults("14 letters now", profile=ASVS, username="wang") == ("too-short",)


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_text_is_judged_and_a_longer_one_is_never_shorter(password, username):
    faults = password_faults(password, profile=DENGBAO, username=username)
    assert set(faults) <= {"too-short", "too-few-classes", "common", "contains-name"}
    assert "too-short" not in password_faults(password + "x" * 10, profile=DENGBAO, username=username)


@pytest.mark.parametrize(
    ("age", "expired"),
    [(timedelta(days=90), False), (timedelta(days=90, microseconds=1), True), (timedelta(days=-1), False)],
)
def test_a_password_grows_old_after_ninety_days(age, expired):
    assert password_expired(AT - age, profile=DENGBAO, at=AT) is expired
    assert password_expired(AT - age, profile=ASVS, at=AT) is False


def test_a_password_without_a_date_never_grows_old():
    assert password_expired(None, profile=DENGBAO, at=AT) is False


@pytest.mark.parametrize(
    ("account", "address", "shut"),
    [
        (0, 0, False), (MOST_PER_ACCOUNT - 1, MOST_PER_ADDRESS - 1, False), (MOST_PER_ACCOUNT, 0, True),
        (0, MOST_PER_ADDRESS, True), (99, 99, True),
    ],
)  # fmt: skip
def test_the_throttle_counts_account_and_address(account, address, shut):
    assert is_throttled(account_failures=account, address_failures=address) is shut


@pytest.mark.parametrize(
    ("started", "seen", "why"),
    [
        (timedelta(0), timedelta(0), ""),
        (timedelta(hours=11, minutes=59), timedelta(minutes=14, seconds=59), ""),
        (timedelta(hours=1), timedelta(minutes=15), "idle"),
        (timedelta(hours=12), timedelta(0), "absolute"),
        (timedelta(hours=13), timedelta(hours=1), "absolute"),
        (timedelta(minutes=-5), timedelta(minutes=-5), ""),  # another server's clock is a little ahead
    ],
)
def test_when_a_session_is_over(started, seen, why):
    end = session_end(started_at=AT - started, last_seen_at=AT - seen, at=AT, idle=IDLE, absolute=ABSOLUTE)
    assert end == why


@given(st.lists(ANY_CODE, min_size=1, max_size=5), st.lists(ANY_CODE, min_size=1, max_size=5))
def test_only_what_stands_below_in_the_tree_begins_with_its_path(one, other):
    """Whatever signs a sender's code has: `/`, `%`, `_`. The scope of a department is a prefix of this path."""

    def path(codes):
        made = ""
        for code in codes:
            made = path_below(made, code)
        return made

    assert path(other).startswith(path(one)) is (other[: len(one)] == one)


def test_ordinary_codes_are_left_as_they_are():
    assert path_below("", "H") == "/H/"
    assert path_below("/H/", "CARD-1_a") == "/H/CARD-1_a/"
    assert path_below("/H/", "A/B") == "/H/A%2FB/"

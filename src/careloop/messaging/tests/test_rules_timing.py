from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.messaging.rules import timing
from careloop.messaging.rules.timing import BEIJING, Caps, CodeLimits, QuietHours

NIGHT = QuietHours.parse("21:00-08:00")
NIGHT_AND_NOON = QuietHours.parse("21:00-08:00, 12:00-14:00")


def beijing(text):
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-11-20T20:59:59", "2026-11-20T20:59:59"),
        ("2026-11-20T21:00:00", "2026-11-21T08:00:00"),
        ("2026-11-20T23:59:59", "2026-11-21T08:00:00"),
        ("2026-11-21T00:00:00", "2026-11-21T08:00:00"),
        ("2026-11-21T03:00:00", "2026-11-21T08:00:00"),
        ("2026-11-21T07:59:59", "2026-11-21T08:00:00"),
        ("2026-11-21T08:00:00", "2026-11-21T08:00:00"),
        ("2026-11-21T12:30:00", "2026-11-21T14:00:00"),
        ("2026-12-31T22:00:00", "2027-01-01T08:00:00"),
        ("2028-02-28T22:00:00", "2028-02-29T08:00:00"),
    ],
)
def test_next_allowed(at, allowed):
    assert timing.next_allowed(beijing(at), NIGHT_AND_NOON) == beijing(allowed)


def test_the_servers_zone_does_not_matter():
    assert timing.next_allowed(datetime(2026, 11, 20, 13, 30, tzinfo=UTC), NIGHT) == beijing("2026-11-21T08:00:00")


def test_touching_ranges_are_passed_in_one_go():
    quiet = QuietHours.parse("20:00-22:00,22:00-06:00,06:00-07:30")
    assert timing.next_allowed(beijing("2026-11-20T20:30:00"), quiet) == beijing("2026-11-21T07:30:00")


def test_never_quiet():
    at = beijing("2026-11-20T03:00:00")
    assert timing.next_allowed(at, QuietHours.parse("")) == at


def test_quiet_all_day_is_refused():
    with pytest.raises(ValueError, match="whole day"):
        timing.next_allowed(beijing("2026-11-20T03:00:00"), QuietHours.parse("00:00-12:00,12:00-00:00"))


CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))


@given(INSTANTS, CLOCKS, CLOCKS)
def test_the_allowed_instant_is_outside_and_never_more_than_a_day_away(at, start, end):
    quiet = QuietHours(((start, end),))
    allowed = timing.next_allowed(at, quiet)
    assert at <= allowed < at + timedelta(days=1)
    assert timing.next_allowed(allowed, quiet) == allowed
    if allowed > at:
        assert allowed.astimezone(BEIJING).time() == end


CAPS = Caps(per_day=2, per_week=4)


@pytest.mark.parametrize(
    ("sent", "until"),
    [
        ([], None),
        (["2026-11-20T09:00:00"], None),
        (["2026-11-20T09:00:00", "2026-11-20T10:00:00"], "2026-11-21T00:00:00"),
        (["2026-11-19T23:00:00", "2026-11-19T23:30:00"], None),
        (
            ["2026-11-15T09:00:00", "2026-11-16T09:00:00", "2026-11-17T09:00:00", "2026-11-18T09:00:00"],
            "2026-11-22T09:00:00",
        ),
        (["2026-11-10T09:00:00", "2026-11-16T09:00:00", "2026-11-17T09:00:00", "2026-11-18T09:00:00"], None),
    ],
)
def test_caps(sent, until):
    at = beijing("2026-11-20T15:00:00")
    assert timing.cap_holds_until([beijing(s) for s in sent], CAPS, at=at) == (until and beijing(until))


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=9)), max_size=12))
def test_after_the_hold_one_more_fits(ago):
    at = beijing("2026-11-20T15:00:00")
    sent = [at - delta for delta in ago]
    until = timing.cap_holds_until(sent, CAPS, at=at)
    if until is not None:
        assert until > at
        later = timing.cap_holds_until(sent, CAPS, at=until)
        assert later is None or later > until


def test_backoff_grows_and_ends():
    at = beijing("2026-11-20T15:00:00")
    waits = [timing.retry_at(n, at=at, spread=0) for n in range(1, timing.MAX_ATTEMPTS)]
    assert waits == sorted(waits)
    assert all(waits)
    assert timing.retry_at(timing.MAX_ATTEMPTS, at=at, spread=0) is None


@given(st.integers(1, 5), st.floats(0, 1))
def test_spread_adds_at_most_half(attempts, spread):
    at = beijing("2026-11-20T15:00:00")
    plain = timing.retry_at(attempts, at=at, spread=0) - at
    assert plain <= timing.retry_at(attempts, at=at, spread=spread) - at <= plain * 1.5


@pytest.mark.parametrize(
    ("seconds_ago", "everyone", "refusal"),
    [
        ([], 0, None),
        ([59], 0, "too-soon"),
        ([60], 0, None),
        ([100, 200, 300, 400], 0, None),
        ([100, 200, 300, 400, 500], 0, "too-many-today"),
        ([100, 200, 300, 400, 86_401], 0, None),
        ([], 500, "budget-spent"),
        ([], 499, None),
    ],
)
def test_one_time_code_limits(seconds_ago, everyone, refusal):
    at = beijing("2026-11-20T15:00:00")
    sent = [at - timedelta(seconds=s) for s in seconds_ago]
    assert timing.code_refusal(sent, everyone, CodeLimits(), at=at) == refusal

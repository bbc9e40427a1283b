from datetime import date, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from careloop.plans.rules.intervals import IntervalError, Offset, parse_intervals

DAYS = st.dates(date(2000, 1, 1), date(2080, 12, 31))


def dates(text: str, anchor: date, count: int = 5) -> list[str]:
    table = parse_intervals(text)
    offsets = [table.offset(number, anchor=anchor) for number in range(count)]
    return [offset.after(anchor).isoformat() for offset in offsets if offset]


@pytest.mark.parametrize(
    ("text", "anchor", "expected"),
    [
        ("3", date(2026, 11, 13), ["2026-11-16"]),
        ("0", date(2026, 11, 13), ["2026-11-13"]),
        ("1m", date(2026, 1, 31), ["2026-02-28"]),
        ("1m", date(2028, 1, 31), ["2028-02-29"]),
        ("every 1m x 3", date(2026, 1, 31), ["2026-02-28", "2026-03-31", "2026-04-30"]),  # no drift to the 28th
        ("1y", date(2028, 2, 29), ["2029-02-28"]),
        ("7, 14, 21", date(2026, 12, 25), ["2027-01-01", "2027-01-08", "2027-01-15"]),
        ("2w", date(2026, 2, 20), ["2026-03-06"]),
        ("every 6m until 12m", date(2026, 8, 31), ["2027-02-28", "2027-08-31"]),
        (
            "every 3m until 6m, every 6m until 18m",
            date(2026, 1, 1),
            ["2026-04-01", "2026-07-01", "2027-01-01", "2027-07-01"],
        ),
        (
            "30，+150，以后每150",
            date(2026, 1, 1),
            ["2026-01-31", "2026-06-30", "2026-11-27", "2027-04-26", "2027-09-23"],
        ),
        ("每3个月直到6个月", date(2026, 1, 1), ["2026-04-01", "2026-07-01"]),
    ],
)
def test_the_table_gives_these_dates(text: str, anchor: date, expected: list[str]) -> None:
    assert dates(text, anchor) == expected


def test_the_non_linear_table_counts_days_since_the_one_before() -> None:
    table = parse_intervals("30, +150, then every 150")  # J23, 0-based
    gaps = [table.gap(number, anchor=date(2026, 1, 1)) for number in range(6)]
    assert gaps == [Offset(days=30)] + [Offset(days=150)] * 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing"),
        ("soon", "not an interval"),
        ("7, 5", "after the one before"),
        ("3, 3", "after the one before"),
        ("+0", "more than nothing"),
        ("every 0", "more than nothing"),
        ("every 3, 10", "nothing can follow"),
        ("5 x 3", "only `every"),
        ("every 3 x 0", "plans nothing"),
        ("every 3m until 1m", "plans nothing"),
        ("999999", "more than 100 years"),
        ("-3", "not an interval"),
    ],
)
def test_nonsense_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(IntervalError, match=says):
        parse_intervals(text)


@settings(deadline=None)
@given(anchor=DAYS, first=st.integers(0, 400), gap=st.integers(1, 400), number=st.integers(0, 30))
@example(anchor=date(2028, 2, 28), first=1, gap=1, number=1)  # over a leap day
@example(anchor=date(2026, 3, 28), first=1, gap=1, number=2)  # over a change to summer time in Europe
def test_days_are_exact_whatever_the_calendar_does(anchor: date, first: int, gap: int, number: int) -> None:
    offset = parse_intervals(f"{first}, +{gap}, every {gap}").offset(number, anchor=anchor)
    assert offset is not None
    assert offset.after(anchor) == anchor + timedelta(days=first + gap * number)


@settings(deadline=None)
@given(anchor=DAYS, months=st.integers(1, 60))
def test_months_keep_the_day_or_take_the_last_of_the_month(anchor: date, months: int) -> None:
    reached = Offset(months=months).after(anchor)
    assert (reached.year - anchor.year) * 12 + reached.month - anchor.month == months
    assert reached.day == anchor.day or (reached.day < anchor.day and (reached + timedelta(days=1)).day == 1)


@settings(deadline=None)
@given(anchor=DAYS, every=st.integers(1, 200), until=st.integers(1, 2000))
def test_until_ends_the_table(anchor: date, every: int, until: int) -> None:
    assume(every <= until and until // every < 300)
    table = parse_intervals(f"every {every} until {until}")
    count = until // every
    assert table.offset(count - 1, anchor=anchor) == Offset(days=every * count)
    assert table.offset(count, anchor=anchor) is None


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        table = parse_intervals(text)
    except IntervalError:
        return
    assert table.offset(0, anchor=date(2026, 1, 1)) is not None

"""Years, shares of a year, reckoned values and files: for any input, and at their edges."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.publichealth import rules
from careloop.publichealth.reads.exporting import Column, Export, as_json, as_xlsx
from careloop.publichealth.reads.indicators import Fact, Figure, part
from careloop.publichealth.rules.visits import derived_values, streak_after
from careloop.publichealth.tests.factories import pack

PACK = pack()
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2099, 12, 31))

# ---- years ----


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1999",
        "-5",
        "²⁰²⁶",
        "２０２６",
        "10000",
        "99999999999999",
        "2026 ",
        "20260101",
        "٢٠٢٦",
        "1e4",
        "2026.0",
        "\x00",
    ],
)
def test_any_word_for_a_year_gives_a_year(text: str) -> None:
    found = rules.year_of(text, today=date(2026, 5, 1))
    assert (found.first.month, found.first.day) == (1, 1)
    assert found.last <= date(2026, 5, 1)


@given(st.text(max_size=12) | st.integers().map(str), DAYS)
def test_no_word_for_a_year_breaks_a_page(text: str, today: date) -> None:
    found = rules.year_of(text, today=today)
    assert found.last <= today
    assert found.first.year == found.last.year or found.first > today  # a year to come has no day yet


@pytest.mark.parametrize(
    ("year", "today", "first", "last"),
    [
        ("2024", date(2026, 5, 1), date(2024, 1, 1), date(2024, 12, 31)),
        ("2026", date(2026, 1, 1), date(2026, 1, 1), date(2026, 1, 1)),
        ("", date(2024, 2, 29), date(2024, 1, 1), date(2024, 2, 29)),
        ("2000", date(2026, 5, 1), date(2000, 1, 1), date(2000, 12, 31)),
    ],
)
def test_the_first_and_the_last_day_count(year: str, today: date, first: date, last: date) -> None:
    assert rules.year_of(year, today=today) == rules.Period(first, last)


# ---- visits asked for ----


@given(st.sampled_from([0, 1, 2, 3, 4, 6, 12]), DAYS, st.none() | DAYS, st.integers(2000, 2099))
def test_never_more_than_the_year_asks_for_and_more_time_never_asks_for_less(
    per_year: int, started: date, ended: date | None, year: int
) -> None:
    period = rules.Period(date(year, 1, 1), date(year, 12, 31))
    asked = rules.required_visits(per_year, started_on=started, ended_on=ended, period=period)
    assert 0 <= asked <= per_year
    earlier = rules.required_visits(per_year, started_on=started - timedelta(days=30), ended_on=ended, period=period)
    open_end = rules.required_visits(per_year, started_on=started, ended_on=None, period=period)
    assert earlier >= asked
    assert open_end >= asked


@pytest.mark.parametrize("per_year", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_a_whole_year_asks_for_all_leap_year_or_not(per_year: int, year: int) -> None:
    period = rules.Period(date(year, 1, 1), date(year, 12, 31))
    assert rules.required_visits(per_year, started_on=date(2020, 1, 1), ended_on=None, period=period) == per_year


@pytest.mark.parametrize(
    ("days", "asked"), [(90, 0), (91, 1), (181, 1), (182, 2), (272, 2), (273, 3), (363, 3), (364, 4)]
)
def test_a_quarter_is_full_on_its_last_day(days: int, asked: int) -> None:
    period = rules.Period(date(2026, 1, 1), date(2026, 12, 31))
    ended = date(2026, 1, 1) + timedelta(days=days - 1)
    assert rules.required_visits(4, started_on=date(2025, 1, 1), ended_on=ended, period=period) == asked


# ---- reckoned values ----

WITH_VALUES = [programme for programme in PACK.programmes if programme.derived]
ANYTHING = st.none() | st.text(max_size=6) | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.booleans() | st.lists(st.text(max_size=3), max_size=2)  # fmt: skip


def test_there_are_programmes_that_reckon() -> None:
    assert {one.formula for programme in WITH_VALUES for one in programme.derived} == {"bmi", "percent"}


@given(st.data())
def test_whatever_was_answered_nothing_is_guessed_and_nothing_breaks(data: st.DataObject) -> None:
    for programme in WITH_VALUES:
        names = sorted({name for one in programme.derived for name in one.items})
        answers: dict[str, Any] = {name: data.draw(ANYTHING) for name in names}
        found = derived_values(programme, answers)
        assert set(found) <= {one.code for one in programme.derived}
        for one in programme.derived:
            if any(answers[name] is None for name in one.items):
                assert one.code not in found


@pytest.mark.parametrize(
    ("weight", "height", "bmi"),
    [
        (60, 170, "20.8"),
        (Decimal("72.25"), 170, "25.0"),
        (60, 0, None),
        (60, None, None),
        (None, 170, None),
        (60, -170, None),
    ],
)
def test_the_body_mass_index_has_one_decimal(weight: Any, height: Any, bmi: str | None) -> None:
    programme, one = next((p, d) for p in WITH_VALUES for d in p.derived if d.formula == "bmi")
    found = derived_values(programme, dict(zip(one.items, (weight, height), strict=True)))
    assert found.get(one.code) == (Decimal(bmi) if bmi else None)


@given(st.lists(st.sampled_from([True, False, None]), max_size=12))
def test_a_row_of_misses_is_what_stands_after_the_last_hit(results: list[bool | None]) -> None:
    count = 0
    for one in results:
        count = streak_after(count, one)
    known = [one for one in results if one is not None]
    behind = known[len(known) - known[::-1].index(True) :] if True in known else known
    assert count == len(behind)


# ---- figures and the lists behind them ----

MEASURES = sorted({m for p in PACK.programmes for one in p.indicators for m in (one.numerator, one.denominator)})


@given(st.lists(st.frozensets(st.sampled_from(MEASURES)), max_size=30))
def test_whoever_is_counted_and_whoever_is_missing_are_together_the_whole(flags: list[frozenset[str]]) -> None:
    rows = [Fact(UUID(int=n), None, one) for n, one in enumerate(flags)]
    for programme in PACK.programmes:
        for indicator in programme.indicators:
            whole = part(indicator, rows, "denominator")
            above, missing = part(indicator, rows, "numerator"), part(indicator, rows, "missing")
            assert sorted(f.patient_id for f in [*above, *missing]) == sorted(f.patient_id for f in whole)
            percent = Figure(len(above), len(whole)).percent
            assert percent is None if not whole else 0 <= percent <= 100


# ---- files ----

NASTY = [
    "=1+1",
    "+86 138",
    "-3",
    "@sum",
    '=HYPERLINK("http://x")',
    "007",
    "1e400",
    "阿·布都",
    "a\nb",
    "",
    "  ",
    "𠮷",
    "x" * 300,
]


def file_of(values: list[str]) -> Export:
    columns = tuple(Column(f"q{n}", f"题{n}", "DE04.10.174.00" if n == 0 else "", n == 0) for n in range(len(values)))
    return Export("hypertension", columns, (tuple(values), tuple(reversed(values))))


def test_every_cell_of_a_sheet_is_a_text() -> None:
    book = zipfile.ZipFile(io.BytesIO(as_xlsx(file_of(NASTY))))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    texts = book.read("xl/sharedStrings.xml").decode()
    for one in ("=1+1", "007", "1e400", "𠮷"):
        assert f">{one}</t>" in texts


def test_the_json_leaves_out_what_is_empty_and_keeps_the_rest_exactly() -> None:
    told = json.loads(as_json(file_of(NASTY)))
    assert len(told["columns"]) == len(NASTY)
    assert [one["value"] for one in told["records"][0]] == [one for one in NASTY if one]
    assert told["records"][0][0] == {"name": "q0", "title": "题0", "element": "DE04.10.174.00", "value": "=1+1"}
    assert json.loads(as_json(Export("hypertension", (), ()))) == {
        "programme": "hypertension",
        "columns": [],
        "records": [],
    }

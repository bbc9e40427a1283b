"""Which letter says something true about a follow-up's date."""

from datetime import date, timedelta

import pytest

from careloop.letters.rules.wanted import fits_date

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("code", "days", "fits"),
    [
        ("coming-due", -1, False), ("coming-due", 0, True), ("coming-due", 1, True),
        ("overdue", -1, True), ("overdue", 0, False), ("overdue", 1, False),
        ("not-reached", -1, True), ("not-reached", 1, True), ("plan-cover", -1, True), ("", 0, True), ("own", -9, True),
    ],
)  # fmt: skip
def test_a_letter_never_announces_a_date_gone_by_nor_laments_one_to_come(code: str, days: int, fits: bool) -> None:
    assert fits_date(code, TODAY + timedelta(days=days), today=TODAY) is fits

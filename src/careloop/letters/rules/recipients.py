"""Whose letter it is: the lines in the window, and what can be no address."""

from __future__ import annotations

import re
from datetime import date

from careloop.kernel.fields import clean

SHORTEST = 6  # "北京" or "不详" is no address a postman can use
_UNKNOWN = re.compile(r"(不详|不祥|未知|暂无|拒绝提供|无|unknown|none|n/?a|-+|/+|\.+)", re.I)
_TITLES = {"male": " 先生", "female": " 女士"}


def has_address(address: str) -> bool:
    """Whether something stands there that can be an address: not empty, not "不详", not only digits."""
    plain = re.sub(r"\s+", "", address)
    return len(plain) >= SHORTEST and not _UNKNOWN.fullmatch(plain) and not plain.isdigit()


def recipient_lines(*, name: str, sex: str, address: str, language: str) -> list[str]:
    """Chinese: the address, then the name with 收. English: the name first. One line each, nothing invisible."""
    who, where = clean(name.strip(), longest=60), clean(re.sub(r"\s+", " ", address.strip()), longest=300)
    if language == "en":
        return [who, where]
    return [where, f"{who}{_TITLES.get(sex, '')} 收"]


def day_words(day: date, language: str) -> str:
    """2026年11月20日 / 20 November 2026: for letters, where nobody should have to count months."""
    if language != "en":
        return f"{day.year}年{day.month}月{day.day}日"
    months = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
    return f"{day.day} {months[day.month - 1]} {day.year}"

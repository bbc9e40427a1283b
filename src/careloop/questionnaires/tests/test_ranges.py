"""Parts of a file as browsers ask for them (RFC 9110, section 14.1.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires.rules.ranges import BadRange, part_of


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-499", range(0, 500)),
        ("bytes=500-999", range(500, 1000)),
        ("bytes=0-", range(0, 1000)),
        ("bytes=999-5000", range(999, 1000)),
        ("bytes=-1", range(999, 1000)),
        ("bytes=-5000", range(0, 1000)),
        (" bytes=3-3 ", range(3, 4)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=9-3", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_what_a_header_asks_for(header, part):
    assert part_of(header, size=1000) == part


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1000), ("bytes=5000-6000", 1000), ("bytes=0-", 0), ("bytes=-0", 10)]
)
def test_behind_the_end_is_refused(header, size):
    with pytest.raises(BadRange):
        part_of(header, size=size)


@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(0, 3000))
def test_a_part_lies_in_the_file_and_is_never_empty(header, size):
    try:
        part = part_of(header, size=size)
    except BadRange:
        return
    assert part is None or (0 <= part.start < part.stop <= size)

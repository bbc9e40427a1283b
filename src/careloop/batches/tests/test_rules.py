"""Counts that always add up, and files in parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.batches.rules import Progress, end_state, parts

COUNT = st.integers(min_value=0, max_value=50_000)


@given(done=COUNT, skipped=COUNT, failed=COUNT, waiting=COUNT)
def test_the_counts_add_up_and_the_bar_is_never_longer_than_the_whole(done, skipped, failed, waiting):
    progress = Progress(total=done + skipped + failed + waiting, done=done, skipped=skipped, failed=failed)
    assert progress.settled + progress.waiting == progress.total
    assert progress.waiting == waiting
    assert sum(share for share, _kind in progress.shares()) <= 100.2  # each of three rounded to a tenth


@pytest.mark.parametrize(
    ("total", "failed", "state"), [(3, 3, "failed"), (3, 2, "done"), (0, 0, "done"), (1, 1, "failed")]
)
def test_only_work_of_which_nothing_came_has_failed(total, failed, state):
    assert end_state(Progress(total=total, done=total - failed, skipped=0, failed=failed)) == state


@given(st.binary(max_size=300), st.integers(min_value=1, max_value=64))
def test_parts_put_together_are_the_file(data, size):
    pieces = parts(data, size)
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= size for piece in pieces)

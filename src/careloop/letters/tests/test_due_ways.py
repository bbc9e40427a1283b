"""A visit that is planned stands out on the list of due dates: nobody calls where somebody should go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.letters.reads.due import cells, default_query, due_rows
from careloop.tasks.tests.factories import make_task
from tests.cast import Cast


@pytest.mark.parametrize(("channel", "stands_out"), [("phone", False), ("visit", True), ("clinic", True)])
def test_a_planned_visit_stands_out(cast: Cast, channel: str, stands_out: bool) -> None:
    at = timezone.now()
    make_task(cast, channel=channel, available_at=at - timedelta(hours=1), due_at=at + timedelta(hours=1))
    (row,) = due_rows(default_query(at=at), viewer=cast.as_wang, at=at)
    assert bool(row.way) is stands_out
    assert cells(row)[9] == (row.way or row.kind)
    page = cast.client(cast.wang).get(reverse("letters:due")).content.decode()
    assert ("data-way" in page) is stands_out

"""What a first visit weighs, as a browser gets it compressed: the page and every style sheet and script it names (ux.md §8)."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from careloop.kernel.assets import DIST
from careloop.portal.tests.conftest import portal as portal
from careloop.portal.tests.conftest import visitor
from careloop.portal.tests.forms import make_task as make_portal_task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import Cast
from tests.guards.test_matrix import World
from tests.guards.test_matrix import world as world
from tests.guards.test_statements import all_round

KB = 1024
LOADED = re.compile(r'(?:<script[^>]*\bsrc|<link[^>]*\brel="stylesheet"[^>]*\bhref)="(?P<file>/static/dist/[^"]+)"')
LOADED_TOO = re.compile(r'<link[^>]*\bhref="(?P<file>/static/dist/[^"]+)"[^>]*\brel="stylesheet"')
ELEMENT = re.compile(r"<[a-zA-Z]")
ROWS = 120  # more than one fetch of the list shows


def zipped(content: bytes) -> int:
    return len(gzip.compress(content, 6))


def weight(client: Client, path: str) -> dict[str, int]:
    """Bytes of the page itself (`""`) and of each file it loads before it can be used."""
    page = client.get(path)
    assert page.status_code == 200, (path, page.status_code)
    text = page.content.decode()
    files = {match["file"] for pattern in (LOADED, LOADED_TOO) for match in pattern.finditer(text)}
    assert files, f"{path} names no style sheet or script"
    sizes = {name: zipped((DIST / name.removeprefix("/static/dist/")).read_bytes()) for name in files}
    return {"": zipped(page.content)} | sizes


def test_the_question_page_of_a_patient_is_light(portal, cast: Cast) -> None:
    task = make_portal_task(cast)
    came = visitor(cast.zhang, purpose="questionnaire", task_id=task.pk)
    came.enter()
    for key in ("breath", "sbp", "signs", "words"):
        sizes = weight(came.client, f"/t/{task.pk}/q/{key}/")
        assert sum(sizes.values()) <= 25 * KB, (key, sizes)


@pytest.mark.parametrize("path", ["", "plan/", "medicines/", "messages/"])
def test_the_home_pages_of_a_patient_are_light(portal, cast: Cast, path: str) -> None:
    came = visitor(cast.zhang)
    came.enter()
    sizes = weight(came.client, f"/{path}")
    assert sum(sizes.values()) <= 40 * KB, sizes


def test_the_list_of_the_day_and_the_call_screen_keep_their_budgets(world: World) -> None:
    """With a full list: rows are part of the first visit. The list has at most 2,500 elements and no chart library."""
    client = all_round(world.cast)
    now = timezone.now()
    for number in range(ROWS):
        make_task(
            world.cast, make_patient(world.cast, f"欧阳国强{number}"), available_at=now - timedelta(days=1),
            due_at=now + timedelta(minutes=number),
        )  # fmt: skip
    today, call = weight(client, "/today/"), weight(client, f"/call/{world.ids['task_id']}/")
    assert sum(today.values()) <= 120 * KB, today
    assert sum(call.values()) <= 140 * KB, call
    assert not [name for name in (*today, *call) if "charts" in name]
    assert len(ELEMENT.findall(client.get("/today/").content.decode())) <= 2_500


def test_the_dashboard_keeps_its_budget(world: World) -> None:
    sizes = weight(all_round(world.cast), "/reports/department/")
    assert sum(sizes.values()) <= 400 * KB, sizes

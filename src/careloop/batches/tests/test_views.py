"""Pages of background work: one's own only, polled while it runs, the file with a record."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.urls import reverse

from careloop.accounts.models import RoleAssignment
from careloop.audit.models import AuditEvent
from careloop.batches import jobs
from careloop.batches.models import Batch
from careloop.batches.tests.factories import kinds, start
from careloop.kernel.actions import seeding
from tests.cast import NOW, Cast


@pytest.fixture(autouse=True)
def _kinds() -> Iterator[None]:
    with kinds():
        yield


def address(name: str, batch: Batch) -> str:
    return reverse(f"batches:{name}", args=[batch.pk])


def test_the_page_asks_again_only_while_work_goes_on(cast: Cast):
    batch = start(cast.as_wang, 3, then={1: "refuse"})
    client = cast.client(cast.wang)
    running = client.get(address("detail", batch)).content.decode()
    assert 'data-state="queued"' in running
    assert f'hx-get="{address("progress", batch)}"' in running
    jobs.work_through(batch.pk, seconds=60)
    over = client.get(address("progress", batch)).content.decode()
    assert 'data-state="done"' in over
    assert "hx-trigger" not in over
    assert 'data-reason="tests-unwilling"' in over
    assert "data-undo" in over


def test_the_fragment_equals_that_part_of_the_page(cast: Cast):
    batch = start(cast.as_wang, 3)
    client = cast.client(cast.wang)
    fragment = client.get(address("progress", batch)).content.decode().strip()
    page = client.get(address("detail", batch)).content.decode()
    token = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')
    assert token.sub("", fragment) in token.sub("", page)


def test_mine_lists_mine_only(cast: Cast):
    mine, other = start(cast.as_wang, 1), start(cast.as_li, 1, key="li")
    page = cast.client(cast.wang).get(reverse("batches:mine")).content.decode()
    assert address("detail", mine) in page
    assert address("detail", other) not in page


def test_an_empty_list_says_so(cast: Cast):
    assert 'data-state="empty-first"' in cast.client(cast.wang).get(reverse("batches:mine")).content.decode()


@pytest.mark.parametrize("name", ["detail", "progress", "file", "stop", "undo"])
def test_others_find_nothing(cast: Cast, name: str):
    batch = start(cast.as_wang, 1, kind="tests.file")
    jobs.work_through(batch.pk, seconds=60)
    client = cast.client(cast.li)
    answer = client.post(address(name, batch)) if name in {"stop", "undo"} else client.get(address(name, batch))
    assert answer.status_code == 404


def test_who_sees_numbers_only_has_no_door(cast: Cast):
    assert cast.client(cast.he).get(reverse("batches:mine")).status_code == 403


def test_the_file_comes_as_a_download_and_is_recorded(cast: Cast):
    batch = start(cast.as_wang, 1, kind="tests.file")
    jobs.work_through(batch.pk, seconds=60)
    answer = cast.client(cast.wang).get(address("file", batch))
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == b"ab" * 700_000
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == 'attachment; filename="result.txt"'
    fact = AuditEvent.objects.get(name="batches.BatchFileTaken")
    assert (fact.actor, fact.payload["batch_id"]) == (f"staff:{cast.wang.pk}", str(batch.pk))


def test_the_file_is_kept_from_who_lost_the_right(cast: Cast):
    batch = start(cast.as_wang, 1, kind="tests.file")
    jobs.work_through(batch.pk, seconds=60)
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.wang).update(valid_to=NOW)
    assert cast.client(cast.wang).get(address("file", batch)).status_code == 403
    assert not AuditEvent.objects.filter(name="batches.BatchFileTaken").exists()


def test_no_file_is_a_refusal_in_words(cast: Cast):
    batch = start(cast.as_wang, 1)
    jobs.work_through(batch.pk, seconds=60)
    assert cast.client(cast.wang).get(address("file", batch)).status_code == 409


def test_stop_answers_with_the_changed_fragment(cast: Cast):
    batch = start(cast.as_wang, 3)
    client = cast.client(cast.wang)
    answer = client.post(address("stop", batch), headers={"HX-Request": "true"})
    assert 'data-state="stopped"' in answer.content.decode()
    assert client.post(address("stop", batch), headers={"HX-Request": "true"}).status_code == 409


def test_stop_without_a_script_goes_back_to_the_page(cast: Cast):
    batch = start(cast.as_wang, 3)
    assert cast.client(cast.wang).post(address("stop", batch))["Location"] == address("detail", batch)


@pytest.mark.parametrize("scripted", [True, False])
def test_undo_leads_to_the_batch_that_takes_it_back(cast: Cast, scripted: bool):
    batch = start(cast.as_wang, 3)
    jobs.work_through(batch.pk, seconds=60)
    client = cast.client(cast.wang)
    answer = client.post(address("undo", batch), headers={"HX-Request": "true"} if scripted else {})
    undoing = Batch.objects.get(undo_of=batch)
    assert answer["HX-Redirect" if scripted else "Location"] == address("detail", undoing)
    assert "data-undone" in client.get(address("detail", batch)).content.decode()


def test_a_page_costs_the_same_with_many_rows(cast: Cast, django_assert_max_num_queries):
    batch = start(cast.as_wang, 60, then=dict.fromkeys(range(30), "refuse"))
    jobs.work_through(batch.pk, seconds=60)
    client = cast.client(cast.wang)
    client.get(address("detail", batch))
    with django_assert_max_num_queries(14):
        client.get(address("detail", batch))


def test_a_get_changes_nothing(cast: Cast):
    batch = start(cast.as_wang, 1)
    client = cast.client(cast.wang)
    assert client.get(address("stop", batch)).status_code == 405
    assert client.get(address("undo", batch)).status_code == 405

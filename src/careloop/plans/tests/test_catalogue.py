"""The plan versions that the process keeps: never older than the table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.plans.models import PlanDefinition
from careloop.plans.reads.catalogue import STAMP, catalogue

pytestmark = pytest.mark.django_db


def now() -> Any:
    return catalogue(STAMP.fetch()[0][0])


def make(url: str, version: str, title: str, status: str = "active") -> PlanDefinition:
    with seeding():
        return PlanDefinition.objects.create(
            url=url, version=version, status=status, title=title, title_en=f"{title} (en)", category="routine", group="g",
            content={}, content_hash=f"{url}{version}", published_at=timezone.now(),
        )  # fmt: skip


def change(version: PlanDefinition, **values: Any) -> None:
    with seeding():
        PlanDefinition.objects.filter(pk=version.pk).update(**values)


def test_a_version_published_taken_back_or_switched_is_seen_by_the_next_page(django_assert_num_queries: Any) -> None:
    first = make("https://x/a", "1", "甲")
    assert now().in_use["https://x/a"] == first
    kept = now()
    with django_assert_num_queries(1):  # the stamp alone
        assert now() is kept
    change(first, enrols=True)  # a bulk write, which leaves updated_at alone
    assert now().by_id[first.pk].enrols
    change(first, status="retired", enrols=False)
    second = make("https://x/a", "2", "乙")
    assert now().in_use["https://x/a"] == second
    assert (now().titles_in("zh-hans")["https://x/a"], now().titles_in("en")["https://x/a"]) == ("乙", "乙 (en)")
    assert [one.pk for one in now().definitions if one.url == "https://x/a"] == [first.pk, second.pk]  # newest last
    change(second, status="retired")
    assert "https://x/a" not in now().in_use


def test_the_contents_are_left_in_the_database() -> None:
    one = make("https://x/b", "1", "丙")
    assert "content" in now().by_id[one.pk].get_deferred_fields()


def test_the_stamp_follows_everything_that_may_change_of_a_version() -> None:
    first, second = make("https://x/c", "1", "丁"), make("https://x/d", "1", "戊", status="retired")

    def stamp() -> str:
        return str(STAMP.fetch()[0][0])

    stamps = [stamp()]
    assert stamp() == stamps[0]
    later = first.updated_at + timedelta(microseconds=1)
    for version, values in (
        (first, {"enrols": True}), (first, {"updated_at": later}), (first, {"enrols": False, "status": "retired"}),
        (second, {"status": "active"}), (second, {"enrols": True}),  # the two have changed places
    ):  # fmt: skip
        change(version, **values)
        stamps.append(stamp())
    third = make("https://x/c", "2", "己", status="draft")
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)
    with seeding():
        PlanDefinition.objects.filter(pk=third.pk).delete()
    assert stamp() == stamps[-2]

"""The plan versions that the process keeps: never older than the table."""

from __future__ import annotations

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

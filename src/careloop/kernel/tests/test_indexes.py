"""Operations on indexes: run twice, forwards and backwards, they leave what they say."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations import RunSQL

from careloop.kernel.indexes import drop_all, make_all, replace_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _table():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE for_indexes (a integer, b integer)")
        yield
        cursor.execute("DROP TABLE for_indexes")


def there() -> dict[str, str]:
    """Name → what stands behind ON, of all indexes of the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'for_indexes'")
        return {name: text.split(" btree ")[1] for name, text in cursor.fetchall()}


def run(operations: list[RunSQL], *, backwards: bool = False) -> None:
    with connection.schema_editor(atomic=False) as editor:
        for one in reversed(operations) if backwards else operations:
            (one.database_backwards if backwards else one.database_forwards)("kernel", editor, None, None)


def test_made_and_dropped_both_ways_and_twice() -> None:
    named = {"of_a": "for_indexes (a)", "of_b": "for_indexes (b) WHERE a > 1"}
    for _again in range(2):
        run(make_all(named))
        assert there() == {"of_a": "(a)", "of_b": "(b) WHERE (a > 1)"}
    for _again in range(2):
        run(make_all(named), backwards=True)
        assert there() == {}
    run(drop_all(named), backwards=True)
    run(drop_all({"of_a": named["of_a"]}))
    assert there() == {"of_b": "(b) WHERE (a > 1)"}


def test_replaced_and_back_under_one_name() -> None:
    run(make_all({"one": "for_indexes (a)"}))
    changed = replace_all({"one": ("for_indexes (a, b)", "for_indexes (a)")})
    run(changed)
    assert there() == {"one": "(a, b)"}
    run(changed, backwards=True)
    assert there() == {"one": "(a)"}


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_replacing_that_was_cut_off_goes_on(done: int) -> None:
    run(make_all({"one": "for_indexes (a)"}))
    changed = replace_all({"one": ("for_indexes (a, b)", "for_indexes (a)")})
    run(changed[:done])
    assert "(a, b)" in there().values()  # at no moment without the new one
    run(changed)
    assert there() == {"one": "(a, b)"}

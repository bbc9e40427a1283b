"""What invented patients answer."""

from __future__ import annotations

from collections import Counter
from random import Random

from careloop.simulation.answering import MARKS, choose


def test_marks_are_spread_and_most_are_good() -> None:
    random = Random(7)
    given = Counter(choose("overall", MARKS, worse=False, random=random) for _ in range(2_000))
    assert set(given) == set(MARKS)
    assert [mark for mark, _ in given.most_common()] == list(MARKS)


def test_the_same_dice_give_the_same_answers() -> None:
    first, second = Random(3), Random(3)
    for codes in (MARKS, ("no", "some", "much"), tuple(str(n) for n in range(11))):
        assert choose("x", codes, worse=True, random=first) == choose("x", codes, worse=True, random=second)

"""What every refusal owes: its words in both languages."""

from __future__ import annotations

from types import ModuleType

from django.utils.translation import override

from careloop.kernel.errors import Refused


def refusals_of(room: ModuleType) -> list[type[Refused]]:
    """The refusals among the actions of a room."""
    found = [one for one in vars(room).values() if isinstance(one, type) and issubclass(one, Refused)]
    return [one for one in found if one is not Refused]


def words_in_both(refusal: type[Refused]) -> str:
    """Its English words, after a look that the Chinese ones are Chinese and these are not."""
    with override("zh-hans"):
        chinese = str(refusal.message)
    with override("en"):
        english = str(refusal.message)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in english)
    return english

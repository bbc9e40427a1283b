"""Groups that repeat: one medicine, another medicine. Instance n of item `drug` has the linkId `drug~n`; the first stays `drug`.

A form is expanded to the instances a response has; everything else (what is asked, checks, screens) works on that form.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from careloop.questionnaires.rules.definition import Form, Item, Words

MOST_INSTANCES = 20
MOST_READINGS = 400  # combinations of instances one condition is tried on
_NUMBERED = re.compile(r"(.+)~(\d{1,2})")


def numbered(link_id: str, instance: int) -> str:
    """The linkId of this item in that instance."""
    return link_id if instance == 1 else f"{link_id}~{instance}"


def parted(form: Form, link_id: str) -> tuple[str, int]:
    """(linkId in the first instance, number of the instance). A linkId that only looks numbered stays whole."""
    found = _NUMBERED.fullmatch(link_id)
    if found is None or (link_id in form.index and form.index[link_id].instance == 1):
        return link_id, 1
    base = form.index.get(found[1])
    number = int(found[2])
    return (found[1], number) if base is not None and base.group and 2 <= number <= MOST_INSTANCES else (link_id, 1)


def groups(form: Form) -> tuple[Item, ...]:
    """The repeating groups of a form, first instances."""
    return tuple(item for item in form.walk() if item.type == "group" and item.repeats and item.instance == 1)


def counted(form: Form, answers: Iterable[str], asked_for: Mapping[str, int] | None = None) -> dict[str, int]:
    """How many instances each repeating group has: as many as were asked for, and no fewer than hold an answer."""
    counts = {item.link_id: max(1, int((asked_for or {}).get(item.link_id, 1))) for item in groups(form)}
    for name in answers:
        base, number = parted(form, name)
        item = form.index.get(base)
        if item is not None and item.group in counts:
            counts[item.group] = max(counts[item.group], number)
    return {name: min(count, MOST_INSTANCES) for name, count in counts.items()}


def expand(form: Form, counts: Mapping[str, int]) -> Form:
    """The form with every repeating group as often as `counts` says."""
    if not counts or all(count == 1 for count in counts.values()):
        return replace(form, counts=dict(counts)) if counts else form
    items = tuple(copy for item in form.items for copy in _copies(item, counts))
    whole = replace(form, items=items, counts=dict(counts))
    return replace(whole, index={item.link_id: item for item in whole.walk()})


def _copies(item: Item, counts: Mapping[str, int]) -> Iterator[Item]:
    if item.type != "group":
        yield item
        return
    inside = tuple(copy for child in item.items for copy in _copies(child, counts))
    item = replace(item, items=inside)
    yield item
    if item.repeats and item.group == item.link_id:
        own = {one.link_id for one in _all(item)}
        for number in range(2, counts.get(item.link_id, 1) + 1):
            yield _renumbered(item, number, own, item.parent)


def _all(item: Item) -> Iterator[Item]:
    yield item
    for child in item.items:
        yield from _all(child)


def _renumbered(item: Item, number: int, own: set[str], parent: str) -> Item:
    """A copy for instance `number`. Conditions inside the group look at the same instance."""
    link_id = numbered(item.link_id, number)
    when = tuple(
        replace(line, question=numbered(line.question, number)) if line.question in own else line for line in item.when
    )
    items = tuple(_renumbered(child, number, own, link_id) for child in item.items)
    return replace(item, link_id=link_id, when=when, items=items, parent=parent, instance=number, base=item.link_id)


def readings(
    form: Form, answers: Mapping[str, Any], names: Iterable[str]
) -> Iterator[tuple[dict[str, int], Mapping[str, Any]]]:
    """The answers as a condition about `names` may see them: once for each combination of the instances it is about.

    "Dose above 10 of the drug warfarin" must hold inside one instance, not the dose here and the drug there.
    """
    about = sorted(
        {form.index[name].group for name in names if name in form.index and form.index[name].group}
        & {name for name, count in form.counts.items() if count > 1}
    )
    if not about:
        yield {}, answers
        return
    combinations = itertools.product(*(range(1, form.counts[name] + 1) for name in about))
    for numbers in itertools.islice(combinations, MOST_READINGS):
        instances = dict(zip(about, numbers, strict=True))
        yield instances, _seen(form, answers, instances)


def _seen(form: Form, answers: Mapping[str, Any], instances: Mapping[str, int]) -> dict[str, Any]:
    seen = dict(answers)
    for item in form.walk():
        number = instances.get(item.group, 1)
        if number > 1 and item.instance == 1:
            seen.pop(item.link_id, None)
            if (value := answers.get(numbered(item.link_id, number))) is not None:
                seen[item.link_id] = value
    return seen


def renamed(link_id: str, instances: Mapping[str, int], form: Form) -> str:
    """The linkId of this item in the instance that was looked at."""
    item = form.index.get(link_id)
    return numbered(link_id, instances.get(item.group, 1)) if item is not None else link_id


def together(form: Form, answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answers of all instances under the linkId of the first: a total counts every instance."""
    if not any(count > 1 for count in form.counts.values()):
        return answers
    found: dict[str, Any] = {}
    for name, value in answers.items():
        item = form.index.get(name)
        base = item.base if item is not None else name
        if base in found:
            before = found[base] if isinstance(found[base], list) else [found[base]]
            found[base] = [*before, *(value if isinstance(value, list) else [value])]
        else:
            found[base] = value
    return found


def moved_up(form: Form, answers: Mapping[str, Any], group: str, number: int) -> dict[str, Any]:
    """The answers without instance `number` of a group; the later instances move up by one."""
    kept: dict[str, Any] = {}
    for name, value in answers.items():
        base, instance = parted(form, name)
        item = form.index.get(base)
        if item is None or item.group != group or instance < number:
            kept[name] = value
        elif instance > number:
            kept[numbered(base, instance - 1)] = value
    return kept


def titled(words: Words, number: int) -> Words:
    """ "Medicine 2": the title of a group with the number of its instance."""
    return Words(f"{words.zh} {number}".strip(), f"{words.en} {number}".strip() if words.en else "")

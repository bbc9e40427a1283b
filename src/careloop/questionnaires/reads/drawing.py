"""The way through a form as a drawing: a box for each question that leads somewhere, an arrow to what it decides."""

from __future__ import annotations

from dataclasses import dataclass

from careloop.questionnaires.rules import Form, Item

WIDTH, HEIGHT, ACROSS, DOWN = 190, 44, 250, 60
SHOWN = 13  # characters of a question in its box; the whole of it is its label


@dataclass(frozen=True, slots=True)
class Node:
    """One box. `level` counts how many answers stand before it."""

    link: str
    number: int
    title: str
    x: int
    y: int
    severity: str

    @property
    def short(self) -> str:
        return self.title if len(self.title) <= SHOWN else self.title[: SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class Arrow:
    """From the question that is asked to the one that waits for it, with what it waits for."""

    path: str
    words: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it, and how large it is."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    width: int
    height: int


def waits_of(form: Form, item: Item) -> list[tuple[str, str, str]]:
    """(question, operator, answer) of everything this question waits for, through its sections too."""
    found = []
    here: Item | None = item
    while here is not None:
        found += [(line.question, line.operator, str(line.answer)) for line in here.when]
        here = form.item(here.parent) if here.parent else None
    return found


def levels(form: Form) -> dict[str, int]:
    """How many answers stand before each question: 0 for one that is always asked."""
    waits = {item.link_id: {line[0] for line in waits_of(form, item)} for item in form.questions}
    found: dict[str, int] = {}

    def level(link: str) -> int:
        if link not in found:
            found[link] = 0  # a form without circles: this only stops a question that waits for its own section
            found[link] = max(
                (level(one) + 1 for one in waits.get(link, ()) if one in waits and one != link), default=0
            )
        return found[link]

    for item in form.questions:
        level(item.link_id)
    return found


def drawing(
    form: Form, *, titles: dict[str, str], severities: dict[str, str], words: dict[tuple[str, str, str], str]
) -> Drawing:
    """The boxes in columns by level, in the order of the form, and the arrows between them."""
    place, row = levels(form), dict.fromkeys(range(len(form.questions) + 1), 0)
    nodes: dict[str, Node] = {}
    for number, item in enumerate(form.questions, start=1):
        column = place[item.link_id]
        above = [nodes[line[0]].y - 10 for line in waits_of(form, item) if line[0] in nodes]
        y = max([row[column], *above[:1]])
        row[column] = y + DOWN
        nodes[item.link_id] = Node(
            item.link_id, number, titles[item.link_id], 10 + column * ACROSS, y + 10, severities.get(item.link_id, "")
        )
        for other in range(column):  # a column on the left goes on below, so that no arrow runs through a box
            row[other] = max(row[other], y)
    arrows = tuple(
        _arrow(nodes[line[0]], nodes[item.link_id], words.get(line, ""))
        for item in form.questions
        for line in dict.fromkeys(waits_of(form, item))
        if line[0] in nodes and line[0] != item.link_id
    )
    high = max((node.y for node in nodes.values()), default=0) + HEIGHT + 10
    wide = max((node.x for node in nodes.values()), default=0) + WIDTH + 10
    return Drawing(tuple(nodes.values()), arrows, wide, high)


def _arrow(source: Node, target: Node, words: str) -> Arrow:
    x1, y1, x2, y2 = source.x + WIDTH, source.y + HEIGHT // 2, target.x, target.y + HEIGHT // 2
    middle = max(x1, x2) - 30 if x2 > x1 else x1 + 20
    return Arrow(f"M{x1} {y1} H{middle} V{y2} H{x2 - 4}", words[:12], middle - 4, y2 - 6)

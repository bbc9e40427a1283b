"""Figures that a test measures are told at the end of the run, also when it passes: pytest shows no output of passed tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

MARK = "figure: "


def figure(text: str) -> None:
    """Tell one measured figure with its goal, on one line."""
    print(MARK + " ".join(text.split()))


def told(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """What the tests of these reports told, in their order."""
    for report in reports:
        for line in report.capstdout.splitlines():
            if line.startswith(MARK):
                yield line.removeprefix(MARK)

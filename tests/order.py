"""In which order the files of the suite begin when several workers share them.

A worker takes a file whole. Whoever takes a long one last leaves the other core waiting, so the long ones begin first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

# Few tests, many seconds: their number does not tell how long they take.
LONG = (
    "tests/test_bench_run.py",
    "tests/journeys/test_simulation.py",
    "src/careloop/messaging/tests/test_kill.py",
    "src/careloop/audit/tests/test_recording.py",
    "src/careloop/tasks/tests/test_channels.py",
    "tests/journeys/test_designer.py",
)


def file_of(test: str) -> str:
    """The file of a test by its node id."""
    return test.partition("::")[0]


def by_length(tests: Iterable[str]) -> dict[str, int]:
    """Each file's place (from 0): the long ones, then those of most tests; equals as they came."""
    many = Counter(map(file_of, tests))
    place = {name: n for n, name in enumerate(LONG)}
    ranked = sorted(many, key=lambda name: (place.get(name, len(LONG)), -many[name]))
    return {name: n for n, name in enumerate(ranked)}

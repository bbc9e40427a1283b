"""The cast and the browser are known to every test; property tests are patient with slow machines.

The suite tries the same examples every time: a red run is the change's doing. `make explore` tries new ones, many more.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.figures import told

pytest_plugins = ["tests.cast", "tests.browser"]

settings.register_profile("careloop", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False, max_examples=2000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "careloop"))


@pytest.fixture(autouse=True)
def _leaves_no_jobs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that really commits leaves its queue behind: Django empties only the tables it manages."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if (marker and marker.kwargs.get("transaction")) or "transactional_db" in request.fixturenames:
        from django.db import connection  # noqa: PLC0415  (a test without a database needs no Django)

        with request.getfixturevalue("django_db_blocker").unblock(), connection.cursor() as cursor:
            cursor.execute(
                "TRUNCATE procrastinate_jobs, procrastinate_periodic_defers, cohorts_newestresult, cohorts_newestanswer CASCADE"
            )


LONG = (  # few tests, many seconds: begun first, or one core waits for them at the end
    "tests/test_bench_run.py",
    "tests/journeys/test_simulation.py",
    "src/careloop/messaging/tests/test_kill.py",
    "src/careloop/audit/tests/test_recording.py",
    "src/careloop/tasks/tests/test_channels.py",
    "tests/journeys/test_designer.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers: long files first, then those of most tests. Within a file nothing moves."""
    if not hasattr(config, "workerinput"):
        return
    files = [item.nodeid.partition("::")[0] for item in items]
    many = Counter(files)
    rank = {name: (LONG.index(name) if name in LONG else len(LONG), -many[name]) for name in files}
    first = {name: place for place, name in reversed(list(enumerate(files)))}
    items.sort(key=lambda item: (*rank[name := item.nodeid.partition("::")[0]], first[name]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds, clicks and bytes that tests measured, with their goals."""
    ended = [report for how in ("passed", "failed") for report in terminalreporter.stats.get(how, [])]
    if figures := list(told(ended)):
        terminalreporter.section("measured")
        for line in figures:
            terminalreporter.write_line(line)

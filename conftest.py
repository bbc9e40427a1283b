"""The cast and the browser are known to every test; property tests are patient with slow machines.

The suite tries the same examples every time: a red run is the change's doing. `make explore` tries new ones, many more.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.figures import told
from tests.order import by_length, file_of

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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers long files begin first. Within a file nothing moves."""
    if hasattr(config, "workerinput"):
        place = by_length(item.nodeid for item in items)
        items.sort(key=lambda item: place[file_of(item.nodeid)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds, clicks and bytes that tests measured, with their goals."""
    ended = [report for how in ("passed", "failed") for report in terminalreporter.stats.get(how, [])]
    if figures := list(told(ended)):
        terminalreporter.section("measured")
        for line in figures:
            terminalreporter.write_line(line)

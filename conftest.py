"""The cast is known to every test."""

pytest_plugins = ["tests.cast", "tests.browser"]

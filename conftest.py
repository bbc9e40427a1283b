"""The cast and the browser are known to every test; property tests are patient with slow machines."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cast", "tests.browser"]

settings.register_profile("careloop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("careloop")

"""The cast is known to every test; property tests are patient with slow machines."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.cast"]

settings.register_profile("careloop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("careloop")

from django.apps import AppConfig

from careloop.kernel import places


class KernelConfig(AppConfig):
    name = "careloop.kernel"

    def ready(self) -> None:
        """What every request stands on."""
        places.lighten()

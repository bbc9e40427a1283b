"""Loaded by pytest before Django wakes up (`-p tests.boot`): the test database's server, and settings that are the same on every machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careloop.kernel.postgres import Cluster

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

os.environ.setdefault("CARELOOP_DATA_DIR", str(ROOT / ".data" / "test"))
os.environ.setdefault("CARELOOP_MODE", "test")
os.environ.setdefault("CARELOOP_SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests-only-for-tests")
os.environ.setdefault("CARELOOP_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "careloop.config.settings")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright keeps a loop in the test's thread


def _start_database() -> bool:
    """The server is left running for the next tests. True when it did not run before."""
    if os.environ.get("CARELOOP_DATABASE_URL"):
        return False
    from careloop.kernel import postgres

    cluster = _cluster()
    begun = postgres.start(cluster)
    postgres.ensure_database(cluster)
    os.environ["CARELOOP_DATABASE_URL"] = cluster.url(postgres.OWNER)
    return begun


def _cluster() -> Cluster:
    from careloop.config import env
    from careloop.kernel import postgres

    return postgres.cluster(env.load().data_dir, fsync=False)


def stop() -> None:
    """For whoever does not leave it running."""
    from careloop.kernel import postgres

    postgres.stop(_cluster())


started = _start_database()

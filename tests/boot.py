"""Loaded by pytest before Django wakes up (`-p tests.boot`): the test database's server, and settings that are the same on every machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

os.environ.setdefault("CARELOOP_DATA_DIR", str(ROOT / ".data" / "test"))
os.environ.setdefault("CARELOOP_MODE", "test")
os.environ.setdefault("CARELOOP_SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests-only-for-tests")
os.environ.setdefault("CARELOOP_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "careloop.config.settings")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright keeps a loop in the test's thread


def _start_database() -> None:
    from careloop.config import env
    from careloop.kernel import postgres

    if os.environ.get("CARELOOP_DATABASE_URL"):
        return
    cluster = postgres.cluster(env.load().data_dir, fsync=False)
    postgres.start(cluster)
    postgres.ensure_database(cluster)
    os.environ["CARELOOP_DATABASE_URL"] = cluster.url(postgres.OWNER)


_start_database()

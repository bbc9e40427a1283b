"""Where a measurement happens: a database of its own on an embedded server, and the environment Django needs there."""

from __future__ import annotations

import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("CARELOOP_MODE", "demo")
os.environ.setdefault("CARELOOP_DATA_DIR", str(ROOT / ".data" / "bench"))
os.environ.setdefault("CARELOOP_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
os.environ.setdefault("CARELOOP_SECRET_KEY", secrets.token_urlsafe(60))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "careloop.config.settings")

from bench import ending
from careloop.config import env
from careloop.kernel import postgres


@dataclass(frozen=True, slots=True)
class Place:
    """Addresses of the database: the application's role, the owner of the tables, and the server's superuser, who may
    switch triggers and key checks off while rows are copied in.
    """

    name: str
    app: str
    owner: str
    superuser: str


@contextmanager
def place(name: str, *, keep: bool, durable: bool = True, fresh: bool = False) -> Iterator[Place]:
    """A database of this name. Durability is part of every unit that writes; a measurement that only reads may fill its
    rows without waiting for the disk. Dropped at the end unless kept; a kept one is found again by its name. `fresh`
    drops what a killed run left.
    """
    import psycopg

    cluster, mine = postgres.cluster(env.load().data_dir, fsync=durable), False
    here = Place(
        name, cluster.url(postgres.APP, name), cluster.url(postgres.OWNER, name), cluster.url(postgres.SUPERUSER, name)
    )
    try:
        with ending.whole():
            mine = postgres.start(cluster)
            postgres.ensure_database(cluster)
        if fresh:
            _drop(cluster, name)
        with psycopg.connect(cluster.url(postgres.OWNER), autocommit=True) as server:
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                server.execute(f'CREATE DATABASE "{name}"')
        os.environ["CARELOOP_DATABASE_URL"], os.environ["CARELOOP_DATABASE_OWNER_URL"] = here.app, here.owner
        yield here
    finally:
        try:
            if not keep:
                _drop(cluster, name)
        finally:
            if mine:
                postgres.stop(cluster)


def _drop(cluster: postgres.Cluster, name: str) -> None:
    """By the superuser: the owner may not end who else is in there, autovacuum (a process of no role) among them."""
    import psycopg

    with psycopg.connect(cluster.url(postgres.SUPERUSER), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def tables() -> None:
    """The product's own tables and shipped content, brought by its own command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-m", "careloop", "migrate"], check=True, cwd=ROOT, env=environment)


def machine() -> str:
    """What a figure was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    return (
        f"{os.cpu_count()} cores {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def postmaster(here: Place) -> int:
    """The process id of the database server, parent of all its backends."""
    import psycopg

    with psycopg.connect(here.superuser) as database:
        (folder,) = database.execute("SHOW data_directory").fetchone() or ("",)
    return int((Path(str(folder)) / "postmaster.pid").read_text().splitlines()[0])

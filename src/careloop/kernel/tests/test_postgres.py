"""The embedded server: a real one, started, crashed, recovered and removed."""

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from careloop.kernel import postgres


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = postgres.cluster(tmp_path_factory.mktemp("state"))
    assert postgres.start(made) is True
    postgres.ensure_database(made)
    yield made
    postgres.destroy(made)
    assert not made.data.exists()


def select(cluster, sql, role=postgres.OWNER):
    with psycopg.connect(cluster.url(role), autocommit=True) as connection:
        return connection.execute(sql).fetchone()[0]


def postmaster(cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().split()[0])


def test_second_start_leaves_the_running_server_alone(cluster):
    pid = postmaster(cluster)
    assert postgres.start(cluster) is False
    assert postmaster(cluster) == pid


def test_ensure_database_twice_changes_nothing(cluster):
    postgres.ensure_database(cluster)
    assert select(cluster, "SELECT current_database()") == "careloop"


def test_it_has_no_tcp_port_and_a_private_directory(cluster):
    assert select(cluster, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(cluster.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(cluster.sockets.stat().st_mode) == 0o700


def test_it_does_not_run_as_root(cluster):
    assert Path(f"/proc/{postmaster(cluster)}").stat().st_uid != 0 or os.geteuid() != 0


def test_roles_are_not_superusers_and_the_application_creates_nothing(cluster):
    for role in (postgres.OWNER, postgres.APP):
        assert select(cluster, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", role) is False
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        select(cluster, "CREATE DATABASE another", postgres.APP)


def test_text_sorts_by_code_point_whatever_the_host_says(cluster):
    assert select(cluster, "SELECT datlocale FROM pg_database WHERE datname = 'careloop'") == "C.UTF-8"


def test_survives_kill_9_and_a_stolen_pid(cluster):
    with psycopg.connect(cluster.url(postgres.OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    os.kill(postmaster(cluster), signal.SIGKILL)
    pid_file = cluster.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    lines[0] = str(os.getpid())  # the number now belongs to a stranger: this test
    pid_file.write_text("\n".join(lines))
    assert postgres.start(cluster) is True
    assert select(cluster, "SELECT n FROM kept") == 42


def test_stop_is_orderly_and_start_goes_on(cluster):
    postgres.stop(cluster)
    assert not cluster.is_running
    postgres.stop(cluster)  # nothing to do
    assert postgres.start(cluster) is True


def test_a_start_during_a_stop_waits_for_its_end(cluster):
    before = postmaster(cluster)
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(cluster.url(postgres.OWNER)):  # an orderly stop waits for whoever is still there
            os.kill(before, signal.SIGTERM)
            while not cluster.is_stopping:
                time.sleep(0.01)
            starting = pool.submit(postgres.start, cluster)
            with pytest.raises(TimeoutError):
                starting.result(timeout=1)
        assert starting.result() is True
    assert postmaster(cluster) != before
    assert select(cluster, "SELECT 1") == 1


def test_half_made_data_directory_is_made_anew(tmp_path):
    broken = postgres.cluster(tmp_path, fsync=False)
    broken.data.mkdir(parents=True)
    (broken.data / "rubbish").write_text("an initdb was killed here")
    try:
        assert postgres.start(broken) is True
    finally:
        postgres.destroy(broken)


START = """
import sys
from pathlib import Path
from careloop.kernel import postgres
made = postgres.cluster(Path(sys.argv[1]), fsync=False)
started = postgres.start(made)
postgres.ensure_database(made)
print(started, flush=True)
"""


def test_four_processes_that_start_on_an_empty_machine_make_one_server(tmp_path):
    """Web, worker, sender and gateway of a small site, started together."""
    environment = {**os.environ, "PYTHONPATH": str(Path(postgres.__file__).resolve().parents[2])}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        for _ in range(4)
    ]
    told = [process.communicate(timeout=120) for process in running]
    made = postgres.cluster(tmp_path, fsync=False)
    try:
        assert [process.returncode for process in running] == [0] * 4, [error for _, error in told]
        assert sorted(out.strip() for out, _ in told) == ["False", "False", "False", "True"]
        assert select(made, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'careloop_%'") == 2
    finally:
        postgres.destroy(made)


@pytest.mark.parametrize("content", ["", "not a number\n", "999999999\n", "1\n/x"])
def test_a_pid_file_that_names_no_server_is_forgotten_or_harmless(tmp_path, content):
    """Process 1 is somebody else; a number nobody has, or no number, is left to PostgreSQL's own check."""
    file = tmp_path / "postmaster.pid"
    file.write_text(content)
    postgres._forget_stale_pid(file)
    assert file.exists() is not content.startswith("1\n")
    postgres._forget_stale_pid(tmp_path / "absent")


def test_a_program_that_fails_says_what_it_said(tmp_path):
    broken = postgres.cluster(tmp_path, fsync=False)
    with pytest.raises(postgres.DatabaseUnavailable, match="pg_ctl failed"):
        broken.run("pg_ctl", "status", "-D", str(tmp_path / "nowhere"))
    assert not broken.is_running
    assert not postgres.wait_until_ready(broken, 0.2)


def test_each_state_folder_has_its_own_cluster_and_a_short_socket_path(tmp_path):
    one, other = postgres.cluster(tmp_path / ("long" * 40)), postgres.cluster(tmp_path / "b")
    assert one.data != other.data
    assert len(str(one.sockets / ".s.PGSQL.5432")) < 107
    assert one == postgres.cluster(tmp_path / ("long" * 40))

"""W6: due reminders from the outbox to a loopback gateway, durable, one sender process.

    python -m bench.outbox [--messages 50000] [--latency 0.05] [--kill] [--limit] [--at-once 32]

Starts a database server, a gateway and a sender of its own in a temporary folder; fsync is on. Prints messages per
second from the first claim to the last row written back, and checks that each key arrived exactly once. With --limit the
same rows are then sent once more by hand-written SQL (bench/limit.py), with the tables' triggers on for both.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psycopg

from bench import ending, limit
from bench.measuring import cpu_seconds
from careloop.kernel import postgres

ROOT = Path(__file__).resolve().parent.parent
SEED = """
import django; django.setup()
import sys
from django.utils import timezone
from django.db import connection, transaction
from careloop.accounts.models import Organization
from careloop.kernel.actions import seeding
from careloop.kernel.models import uuid7
from careloop.messaging.models import Communication, MessageTemplate
from careloop.patients.models import ContactPoint, Patient
count = int(sys.argv[1])
at = timezone.now()
template = MessageTemplate.objects.get(code="caring-message", channel="sms", state="approved")
params = {"hospital": "Bench", "salutation": "周先生", "phone": "0571-88880000", "minutes": "3"}
with seeding(), transaction.atomic():
    for start in range(0, count, 5000):
        numbers = range(start, min(start + 5000, count))
        patients = Patient.objects.bulk_create([Patient(name="周", sex="male") for n in numbers])
        contacts = ContactPoint.objects.bulk_create(
            [ContactPoint(patient=p, value=f"+86138{n:08d}", is_mobile=True) for n, p in zip(numbers, patients)])
        Communication.objects.bulk_create([
            Communication(patient=p, key=f"b{n}", channel="sms", template=template, template_code=template.code,
                category="care", params=params, contact_point=c, address=c.value, state="queued", requested_at=at,
                not_before=at) for n, p, c in zip(numbers, patients, contacts)])
with connection.cursor() as cursor:
    cursor.execute("analyze")
"""


def main() -> int:
    """Run once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before the gateway answers")
    parser.add_argument("--limit", action="store_true", help="then the same by hand-written SQL")
    parser.add_argument("--kill", action="store_true", help="kill -9 the sender once, halfway")
    parser.add_argument("--at-once", type=int, default=32, help="requests under way at the same time")
    given = parser.parse_args()
    ending.in_order()
    with tempfile.TemporaryDirectory(prefix="careloop-bench-") as folder:
        print(json.dumps(run(Path(folder), given)))
    return 0


def run(folder: Path, given: argparse.Namespace) -> dict[str, object]:
    """One measured run."""
    cluster = postgres.cluster(folder, fsync=True)
    port = free_port()
    environment = {
        **os.environ,
        "CARELOOP_DATA_DIR": str(folder),
        "CARELOOP_DATABASE_URL": cluster.url(),
        "CARELOOP_DATABASE_OWNER_URL": cluster.url(postgres.OWNER),
        "CARELOOP_SMS_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "CARELOOP_SMS_QUIET_HOURS": "",
        "CARELOOP_OUTBOX_LEASE_SECONDS": "20",
        "CARELOOP_SMS_AT_ONCE": str(given.at_once),
        "DJANGO_SETTINGS_MODULE": "careloop.config.settings",
        "PYTHONPATH": str(ROOT / "src"),
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with ending.whole():
            processes.append(subprocess.Popen([sys.executable, *arguments], env=environment))
        return processes[-1]

    try:
        with ending.whole():
            postgres.start(cluster)
            postgres.ensure_database(cluster)
        assert start("-m", "careloop", "migrate").wait() == 0
        assert start("-c", SEED, str(given.messages)).wait() == 0
        start(
            "-m",
            "careloop",
            "demo-gateway",
            "--port",
            str(port),
            "--callback",
            "",
            "--state",
            "none",
            "--latency",
            str(given.latency),
        )
        while not is_up(port):
            time.sleep(0.1)
        sender = start("-m", "careloop", "sender")
        killed = False
        busy_before = None
        with psycopg.connect(cluster.url(postgres.OWNER), autocommit=True) as database:
            while open_rows(database):
                time.sleep(0.05)
                if busy_before is None and reached(port):
                    busy_before = reached(port), cpu_seconds(sender.pid)
                if given.kill and not killed and reached(port) > given.messages / 2:
                    sender.send_signal(signal.SIGKILL)
                    killed = True
                    sender = start("-m", "careloop", "sender")
            first, last = database.execute(
                "select min(claimed_at), max(sent_at) from messaging_communication"
            ).fetchone()
        busy = cpu_seconds(sender.pid)
        sender.send_signal(signal.SIGTERM)
        sender.wait()
        counts = stats(port)
        floor = by_hand(cluster.url(postgres.SUPERUSER), port, given) if given.limit else 0.0
    finally:
        for process in processes:
            ending.put_away(process, patience=10)
        postgres.destroy(cluster)
    seconds = (last - first).total_seconds()
    return {
        "limit_per_second": round(given.messages / floor) if floor else 0,
        "messages": given.messages, "latency": given.latency, "killed": killed, "seconds": round(seconds, 2),
        "per_second": round(given.messages / seconds), "reached": counts["messages"], "doubled": counts["doubled"],
        "sender_cpu_ms_each": None if killed else round((busy - busy_before[1]) / (given.messages - busy_before[0]) * 1000, 3),
    }  # fmt: skip


def by_hand(superuser: str, port: int, given: argparse.Namespace) -> float:
    """Seconds of the limit for the same rows, due again; putting them back is nobody's work and counts for nothing."""
    with psycopg.connect(superuser) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(
            "UPDATE messaging_communication SET state = 'queued', claimed_at = NULL, sent_at = NULL, gateway_ref = '',"
            " token = NULL, lease_until = NULL"
        )
        database.commit()
        database.autocommit = True
        database.execute("VACUUM ANALYZE messaging_communication")
        database.execute("CHECKPOINT")
    return limit.reminders(superuser, f"http://127.0.0.1:{port}", at_once=given.at_once)


def open_rows(database: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = database.execute(
        "select exists (select from messaging_communication where state in ('queued', 'sending'))"
    ).fetchone()
    return bool(row and row[0])


def reached(port: int) -> int:
    return stats(port)["messages"]


def stats(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/demo/stats", timeout=5) as response:
        found: dict[str, int] = json.loads(response.read())
        return found


def is_up(port: int) -> bool:
    try:
        return bool(stats(port))
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())

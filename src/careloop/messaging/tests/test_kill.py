"""kill -9 of real sender processes against the real demo gateway, the database killed and restarted in between (F43).

Nothing lost, nothing sent twice: every key is on its phone exactly once, and the outbox says so. A database server of
its own, because the server of the other tests must live.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from json import dumps, loads
from pathlib import Path

import psycopg
import pytest

from careloop.kernel import postgres

pytestmark = pytest.mark.kill
MESSAGES = 420
ROUNDS = 4  # each second one kills both senders: six deaths
PORTION = MESSAGES // (ROUNDS + 1)
SECONDS = 240  # a quiet machine needs 20; the limit only stops a test that hangs
LEASE_SECONDS = 3
ROOT = Path(__file__).parents[4]
QUEUE = """
import sys, django
django.setup()
from django.utils import timezone
from careloop.messaging import actions
from careloop.messaging.rules.requests import MessageRequest
from careloop.messaging.tests.factories import more_patients
from careloop.accounts.models import Organization
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
prefix, count = sys.argv[1], int(sys.argv[2])
with seeding():
    where, _ = Organization.objects.get_or_create(code="H", defaults=dict(name="H", kind="hospital", path="/H/"))
requests = [
    MessageRequest(key=f"{prefix}{n}", patient_id=p.pk, channel="sms", template_code="caring-message")
    for n, p in enumerate(more_patients(count, where))
]
actions.queue_messages(requests=requests, at=timezone.now(), by=Viewer.system("tests.kill"))
"""
HOLD_BACK = "update messaging_communication set not_before = now() + interval '1 day' where key like %s"
RELEASE = """
update messaging_communication set not_before = now() where state = 'queued' and not_before > now() and key = any(%s)
"""


class Site:
    """One hospital in its own folder: database server, processes, logs."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = postgres.cluster(folder / "data", fsync=True)
        self.variables = {
            "CARELOOP_DATA_DIR": str(folder / "data"),
            "CARELOOP_DATABASE_URL": self.cluster.url(),
            "CARELOOP_DATABASE_OWNER_URL": self.cluster.url(postgres.OWNER),
            "CARELOOP_SMS_QUIET_HOURS": "",
            "CARELOOP_OUTBOX_LEASE_SECONDS": str(LEASE_SECONDS),
            "DJANGO_SETTINGS_MODULE": "careloop.config.settings",
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        }
        self.processes = []

    def open(self):
        postgres.start(self.cluster)
        postgres.ensure_database(self.cluster)
        assert self.start("migrate").wait(SECONDS) == 0, self.log()

    def start(self, *arguments, script="", **variables):
        what = ["-c", script] if script else ["-m", "careloop"]
        with (self.folder / "log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *what, *arguments],
                env={**os.environ, **self.variables, **variables}, stdout=output, stderr=output,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def ask(self, sql, *values):
        """One row, or None while the database is away."""
        try:
            with psycopg.connect(self.cluster.url(postgres.OWNER), autocommit=True) as connection:
                cursor = connection.execute(sql, values)
                return cursor.fetchone() if cursor.description else ()
        except psycopg.OperationalError:
            return None

    def crash_database(self):
        """As if the power went: no goodbye to anybody, recovery at the start."""
        postgres.kill(self.cluster)
        time.sleep(1)
        postgres.start(self.cluster)

    def log(self):
        return (self.folder / "log").read_text()[-4000:]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        postgres.stop(self.cluster)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("kill"))
    try:
        site.open()
        yield site
    finally:
        site.close()


class Gateway:
    """The demo gateway as a process of its own, without callbacks: only the sender's own knowledge counts."""

    def __init__(self, hospital, *arguments):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        hospital.start("demo-gateway", "--port", str(port), "--callback", "", "--state", "none", *arguments)
        until(lambda: answers(self.url + "/demo/stats"), 20)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            return loads(response.read())

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as response:
            return loads(response.read())


@pytest.mark.parametrize("repeat", ["key", "ask"])
def test_kill_9_loses_nothing_and_doubles_nothing(hospital, repeat):
    gateway = Gateway(hospital, "--repeat", repeat, "--latency", "0.05")
    queueing = hospital.start(repeat, str(MESSAGES), script=QUEUE, CARELOOP_SMS_GATEWAY_URL=gateway.url)
    assert queueing.wait(60) == 0, hospital.log()
    faults = [{"do": "close-after-accept", "times": 6, "skip": 30}, {"do": "500", "times": 6, "skip": 60}]
    gateway.post("/demo/faults", {"faults": faults})
    deaths = send_while_killing(hospital, gateway, repeat)
    phones = gateway.get("/demo/messages")["messages"]
    assert deaths == 6
    assert {phone["key"] for phone in phones} == {f"{repeat}{n}" for n in range(MESSAGES)}, "nothing lost"
    assert [phone["key"] for phone in phones if phone["copies"] != 1] == [], "nothing sent twice"
    sent = "select count(*) from messaging_communication where key like %s and state in ('sent', 'delivered')"
    assert hospital.ask(sent, f"{repeat}%") == (MESSAGES,)


def send_while_killing(hospital, gateway, repeat):
    """Two senders at work; in the middle of each portion one of them or both die; the database crashes once.

    A portion is released by the death in the one before, so a quick machine cannot be done before the last death.
    """
    variables = {
        "CARELOOP_SMS_GATEWAY_URL": gateway.url, "CARELOOP_SMS_GATEWAY_REPEAT": repeat, "CARELOOP_SMS_AT_ONCE": "4",
    }  # fmt: skip
    hospital.ask(HOLD_BACK, f"{repeat}%")
    senders = [hospital.start("sender", **variables) for _ in range(2)]
    rounds, deaths, end = 0, 0, time.monotonic() + SECONDS
    while is_anything_open(hospital, repeat):
        assert time.monotonic() < end, hospital.log()
        # The test does not wait for the backoff; whether a message goes is still the sender's decision.
        hospital.ask(RELEASE, [f"{repeat}{n}" for n in range(PORTION * (rounds + 1))])
        time.sleep(0.1)
        if rounds < ROUNDS and gateway.get("/demo/stats")["reached"] >= PORTION * rounds + 20:
            for victim in senders[: 1 + rounds % 2]:
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                deaths += 1
                senders.remove(victim)
                senders.append(hospital.start("sender", **variables))
            rounds += 1
            if rounds == 3:
                hospital.crash_database()
    for sender in senders:
        sender.send_signal(signal.SIGTERM)
    assert {sender.wait(20) for sender in senders} <= {0, -signal.SIGTERM}, hospital.log()
    return deaths


def is_anything_open(hospital, prefix):
    count = "select count(*) from messaging_communication where key like %s and state in ('queued', 'sending')"
    return hospital.ask(count, f"{prefix}%") != (0,)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def until(ready, seconds):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)

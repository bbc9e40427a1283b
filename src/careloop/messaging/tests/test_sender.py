"""The sender and the sweeper as a whole, and races (cases F33, F34, F44, F48).

The sender runs in this process with the gateway in the same loop; the database commits for real.
"""

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.messaging import actions
from careloop.messaging.channels.portal_inbox import PortalInbox
from careloop.messaging.channels.sms_http import SmsHttp
from careloop.messaging.jobs.sender import Pace, Sender
from careloop.messaging.jobs.sweeper import Sweeper, run_sweeper
from careloop.messaging.models import Communication
from careloop.messaging.rules.requests import MessageRequest
from careloop.messaging.rules.states import Outcome
from careloop.simulation.gateway.server import Options, started
from tests.cast import SYSTEM, make_cast

from .factories import change, claim, fresh, more_patients, queue, record, site

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(transactional_db):
    with site(sms_quiet_hours="", messages_per_day=50, messages_per_week=50):
        actions.load_templates(at=timezone.now(), by=SYSTEM)
        yield make_cast()


def state_counts():
    found = {}
    for state in Communication.objects.unscoped("t").values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


@asynccontextmanager
async def gateway(**options):
    runner, running, base = await started(Options(port=0, **options))
    try:
        yield running, base
    finally:
        await runner.cleanup()


async def send_until(sender, done, seconds=20.0):
    stop = threading.Event()
    running = asyncio.create_task(sender.run(stop))
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(_asked, done):
        assert time.monotonic() < end, await asyncio.to_thread(state_counts)
        await asyncio.sleep(0.05)
    stop.set()
    await running


def _asked(done):
    try:
        return done()
    finally:
        connection.close()


def nothing_open():
    hurry()
    return not Communication.objects.unscoped("t").filter(state__in=["queued", "sending"]).exists()


def hurry():
    """Nobody waits for a backoff in a test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update messaging_communication set not_before = now() where state = 'queued' and not_before > now()"
        )


def queue_crowd(cast, count):
    requests = [
        MessageRequest(key=f"k{n}", patient_id=p.pk, channel="sms", template_code="caring-message")
        for n, p in enumerate(more_patients(count, cast.cardiology))
    ]
    actions.queue_messages(requests=requests, at=timezone.now(), by=SYSTEM)


def run_case(repeat, faults, count=12, *, seconds=20.0, lease=20):
    """Send `count` messages through a gateway with this fault script; the states and what the phones saw."""

    async def case():
        async with gateway(knows_key=repeat == "key", can_be_asked=repeat != "none") as (running, base):
            from careloop.simulation.gateway.phones import Fault

            running.phones.faults[:] = [Fault(**fault) for fault in faults]
            sms = SmsHttp(base, seconds=0.4, at_once=4)
            sender = Sender({"sms": sms, "portal": PortalInbox()}, lease_seconds=lease)
            await send_until(sender, nothing_open, seconds)
            return running.phones.stats()

    return asyncio.run(case())


F44 = [
    # what the gateway does                          repeat   → states of 12 messages            messages the phones saw
    ([{"do": "500", "times": 3}], "key", {"sent": 12}, 12),
    ([{"do": "503", "times": 3}], "none", {"sent": 12}, 12),
    ([{"do": "500-after-accept", "times": 3}], "key", {"sent": 12}, 12),
    ([{"do": "500-after-accept", "times": 3}], "ask", {"sent": 12}, 12),
    ([{"do": "500-after-accept", "times": 3}], "none", {"sent": 9, "unknown": 3}, 12),
    ([{"do": "500", "times": 3}], "none", {"sent": 9, "unknown": 3}, 9),
    ([{"do": "timeout-after-accept", "times": 2}], "key", {"sent": 12}, 12),
    ([{"do": "timeout-after-accept", "times": 2}], "ask", {"sent": 12}, 12),
    ([{"do": "close-after-accept", "times": 2}], "none", {"sent": 10, "unknown": 2}, 12),
    ([{"do": "garbage", "times": 2}], "key", {"sent": 12}, 12),
    ([{"do": "reject", "times": 2}], "key", {"sent": 10, "failed": 2}, 10),
]


@pytest.mark.parametrize(("faults", "repeat", "states", "reached"), F44)
def test_f44_every_fault_ends_right(cast, faults, repeat, states, reached):
    with site(sms_quiet_hours="", sms_gateway_repeat=repeat):
        queue_crowd(cast, 12)
        seen = run_case(repeat, faults)
    ended = {"sent" if s == "delivered" else s: 0 for s in state_counts()}
    for state, count in state_counts().items():
        ended["sent" if state == "delivered" else state] += count
    assert ended == states
    assert seen["reached"] == reached
    assert seen["doubled"] == 0


def test_f48_a_gateway_that_is_away_costs_no_try_and_comes_back(cast):
    queue_crowd(cast, 30)

    async def case():
        sms = SmsHttp("http://127.0.0.1:9", seconds=0.5, at_once=4)
        sender = Sender({"sms": sms}, lease_seconds=20)
        stop = threading.Event()
        running = asyncio.create_task(sender.run(stop))
        await asyncio.sleep(1.0)
        assert not sender.breakers["sms"].allows(time.monotonic())
        stop.set()
        await running

    asyncio.run(case())
    assert state_counts() == {"queued": 30}
    assert set(Communication.objects.unscoped("t").values_list("attempts", "maybe_sent")) == {(0, False)}
    assert run_case("key", [], seconds=30)["reached"] == 30


def test_two_senders_share_the_work(cast):
    queue_crowd(cast, 60)

    async def case():
        async with gateway(latency=0.01) as (running, base):
            senders = [
                Sender({"sms": SmsHttp(base, seconds=2, at_once=2)}, lease_seconds=20, batch=8) for _ in range(2)
            ]
            await asyncio.gather(*(send_until(sender, nothing_open) for sender in senders))
            return running.phones.stats(), [sender.sent for sender in senders]

    seen, each = asyncio.run(case())
    assert seen["reached"] == 60
    assert seen["doubled"] == 0
    assert sum(each) == 60
    assert min(each) > 0


def test_the_inbox_of_the_patient_pages_goes_without_a_gateway(cast):
    queue(cast.zhang, channel="portal", at=timezone.now())

    async def case():
        await send_until(Sender({"portal": PortalInbox()}, lease_seconds=20), nothing_open)

    asyncio.run(case())
    assert state_counts() == {"delivered": 1}


def test_the_pace_is_kept():
    async def case():
        pace, started_at = Pace(100), time.monotonic()
        await asyncio.gather(*(pace.wait() for _ in range(20)))
        return time.monotonic() - started_at

    assert asyncio.run(case()) >= 0.18


# ---- races -------------------------------------------------------------------------------------------------------


def together(count, work):
    """Run `work(n)` in threads that start at the same moment; their results, errors included."""
    barrier, results = threading.Barrier(count), [None] * count

    def one(n):
        try:
            barrier.wait()
            results[n] = work(n)
        except Exception as error:
            results[n] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.race
def test_the_same_key_from_many_at_once_is_one_message(cast):
    at = timezone.now()
    made = together(12, lambda _n: queue(cast.zhang, at=at).pk)
    assert len(set(made)) == 1
    assert Communication.objects.unscoped("t").count() == 1
    assert AuditEvent.objects.filter(name="messaging.CommunicationQueued").count() == 1


@pytest.mark.race
def test_no_message_is_claimed_twice(cast):
    queue_crowd(cast, 60)
    at = timezone.now()
    claims = together(6, lambda _n: claim(at, limit=15))
    ids = [message.id for one in claims for message in one.messages]
    assert len(ids) == len(set(ids)) == 60


@pytest.mark.race
def test_a_patients_cap_holds_against_many_senders(cast):
    with site(sms_quiet_hours="", messages_per_day=2):
        at = timezone.now()
        for n in range(8):
            queue(cast.zhang, f"k{n}", at=at)
        claims = together(4, lambda _n: claim(at, limit=2))
    assert sum(len(one.messages) for one in claims) == 2


@pytest.mark.race
def test_one_time_codes_at_the_same_moment_are_limited(cast):
    at = timezone.now()
    made = together(8, lambda n: queue(cast.zhang, f"c{n}", template_code="one-time-code", at=at))
    assert sum(isinstance(one, actions.CodeRefused) for one in made) == 7


@pytest.mark.race
def test_a_receipt_and_the_senders_own_result_at_once(cast):
    from careloop.messaging.rules.requests import ReceiptData

    for n in range(6):
        at = timezone.now()
        made = queue(cast.zhang, f"k{n}", at=at)
        taken = claim(at)
        told = ReceiptData(receipt_id=f"r{n}", key=f"k{n}", status="delivered", occurred_at=at)
        work = [
            lambda told=told, at=at: actions.store_receipts(gateway="sms", receipts=[told], at=at, by=SYSTEM),
            lambda taken=taken, at=at: record(taken, Outcome.accepted("g"), at),
        ]
        results = together(2, lambda index, work=work: work[index]())
        assert not [one for one in results if isinstance(one, Exception)]
        assert fresh(made).state == "delivered"


@pytest.mark.race
def test_the_same_receipt_and_reply_from_many_at_once_count_once(cast):
    from careloop.messaging.models import DeliveryReceipt, InboundMessage
    from careloop.messaging.rules.requests import ReceiptData, ReplyData

    at = timezone.now()
    queue(cast.zhang, at=at)
    record(claim(at), Outcome.accepted("g"), at)
    told = ReceiptData(receipt_id="r", key="k1", status="delivered", occurred_at=at)
    said = ReplyData(message_id="m", address="+8613800110347", text="1", occurred_at=at)

    def work(n):
        if n % 2:
            return actions.store_receipts(gateway="sms", receipts=[told], at=at, by=SYSTEM)
        return actions.store_replies(gateway="sms", replies=[said], at=at, by=SYSTEM)

    assert sum(together(8, work)) == 2
    assert DeliveryReceipt.objects.unscoped("t").count() == InboundMessage.objects.unscoped("t").count() == 1
    assert AuditEvent.objects.filter(name="messaging.ReplyReceived").count() == 1


@pytest.mark.race
def test_a_failed_message_is_sent_again_by_one_person_only(cast):
    at = timezone.now()
    made = queue(cast.zhang, at=at)
    record(claim(at), Outcome.rejected("rejected"), at)
    viewer = cast.as_wang
    results = together(6, lambda _n: actions.resend(communication=fresh(made), at=at, by=viewer))
    assert sum(isinstance(one, actions.NotForYou) for one in results) == 5
    assert Communication.objects.unscoped("t").filter(key=f"resend:{made.pk}").count() == 1


@pytest.mark.race
def test_f34_death_a_moment_before_the_claim(cast):
    """Whoever comes first wins, and the row says which: never sent after a committed death."""
    for n in range(5):
        at = timezone.now()
        change(cast.zhang, deceased=False)
        made = queue(cast.zhang, f"k{n}", at=at)
        work = [lambda: change(cast.zhang, deceased=True), lambda at=at: claim(at)]
        together(2, lambda index, work=work: work[index]())
        state = fresh(made).state
        assert state in ("sending", "suppressed")
        if state == "sending":
            continue
        assert fresh(made).reason == "patient-dead"


# ---- the sweeper ---------------------------------------------------------------------------------------------------


def stalled_job():
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into procrastinate_workers (last_heartbeat) values (now() - interval '5 minutes') returning id"
        )
        worker = cursor.fetchone()[0]
        cursor.execute(
            """insert into procrastinate_jobs (queue_name, task_name, status, worker_id, attempts)
               values ('default', 'x', 'doing', %s, 1) returning id""",
            [worker],
        )
        return cursor.fetchone()[0]


def job_status(job_id):
    with connection.cursor() as cursor:
        cursor.execute("select status from procrastinate_jobs where id = %s", [job_id])
        return cursor.fetchone()[0]


def test_jobs_of_dead_workers_are_rescued(cast):
    job_id = stalled_job()
    Sweeper().sweep()
    assert job_status(job_id) == "todo"
    assert AuditEvent.objects.filter(name="messaging.JobsRescued").count() == 1
    Sweeper().sweep()
    assert AuditEvent.objects.filter(name="messaging.JobsRescued").count() == 1


def test_the_alarm_about_late_messages_is_raised_once(cast):
    queue(cast.zhang, at=timezone.now() - timedelta(minutes=6))
    sweeper = Sweeper()
    sweeper.sweep()
    sweeper.sweep()
    alarm = AuditEvent.objects.get(name="messaging.OutboxStalled")
    assert alarm.payload["oldest_due_seconds"] >= 360
    assert alarm.payload["waiting"] == 1


def test_one_sweeper_acts_and_the_next_takes_over(cast):
    job_id = stalled_job()
    stop, other = threading.Event(), threading.Thread(target=lambda: None)
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(7301003)")
    other = threading.Thread(target=run_sweeper, args=(stop,), kwargs={"every": 0.05})
    other.start()
    time.sleep(0.3)
    assert job_status(job_id) == "doing"
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_unlock(7301003)")
    end = time.monotonic() + 10
    while job_status(job_id) == "doing" and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    other.join()
    assert job_status(job_id) == "todo"

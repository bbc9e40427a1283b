"""The real server with the real database: sign in, open a stream, an alert is raised, the event comes."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from django.db import connection

from careloop.alerts import actions
from careloop.alerts.tests.test_actions import CHEST_PAIN, SYSTEM, origin_of
from careloop.kernel.actions import seeding
from tests.cast import make_cast, signed_in
from tests.real_server import real_site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(transactional_db):
    return make_cast()


@pytest.fixture
def server(cast):
    with real_site() as url:
        yield url


def cookie(person):
    return {"careloop_staff": signed_in(person).cookies["careloop_staff"].value}


def raise_alert(cast):
    (alert,) = actions.raise_findings(origin=origin_of(cast), findings=[CHEST_PAIN], at=datetime.now(UTC), by=SYSTEM)
    return alert


async def next_event(stream, seconds):
    """The next event's data; heartbeats and comments are passed over."""

    async def read():
        async for line in stream.content:
            if line.startswith(b"data:"):
                return json.loads(line[5:])
        return None

    return await asyncio.wait_for(read(), seconds)


async def open_stream(session, server, cookies, **headers):
    stream = await session.get(f"{server}/live/", cookies=cookies, headers=headers)
    if stream.status == 200:
        await stream.content.readline()  # retry: the stream stands
    return stream


def connections_of_server():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def run(story):
    return asyncio.run(asyncio.wait_for(story, 60))


def plain(function, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def test_an_alert_reaches_its_owner_and_nobody_else_within_two_seconds(cast, server):
    zhao, li = cookie(cast.zhao), cookie(cast.li)

    async def story():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            mine, other = await open_stream(session, server, zhao), await open_stream(session, server, li)
            started = time.monotonic()
            alert = raise_alert(cast)
            event = await next_event(mine, 2)
            assert event == {"type": "alert", "id": str(alert.pk), "kind": "raised", "severity": "critical"}
            assert time.monotonic() - started < 2
            with pytest.raises(TimeoutError):
                await next_event(other, 0.5)

    run(story())


def test_without_a_session_or_the_right_there_is_no_stream(cast, server):
    manager = cookie(cast.he)

    async def story():
        async with aiohttp.ClientSession() as session:
            for cookies in ({}, {"careloop_staff": "x" * 32}, manager):
                assert (await open_stream(session, server, cookies)).status == 401
            assert (await session.get(f"{server}/login/")).status == 200

    run(story())


def test_an_ended_session_gets_no_stream_and_a_stream_keeps_no_session_alive(cast, server):
    from careloop.accounts.models import StaffSession

    mine = cookie(cast.zhao)
    seen = datetime.now(UTC) - timedelta(minutes=5)
    with seeding():
        StaffSession.objects.filter(practitioner=cast.zhao).update(last_seen_at=seen)

    async def story(status):
        async with aiohttp.ClientSession() as session:
            assert (await open_stream(session, server, mine)).status == status

    run(story(200))
    assert StaffSession.objects.get(practitioner=cast.zhao).last_seen_at == seen
    with seeding():
        StaffSession.objects.filter(practitioner=cast.zhao).update(ended_at=datetime.now(UTC))
    run(story(401))


def test_which_sessions_are_over_is_one_query(cast, django_assert_num_queries):
    from careloop.accounts.models import StaffSession
    from careloop.config.asgi import ended

    zhao, li = (f"careloop_staff={cookie(person)['careloop_staff']}" for person in (cast.zhao, cast.li))
    with seeding():
        StaffSession.objects.filter(practitioner=cast.li).update(ended_at=datetime.now(UTC))
    with django_assert_num_queries(1):
        assert ended(frozenset({zhao, li, "nothing=1"})) == {li, "nothing=1"}
    assert ended(frozenset()) == frozenset()


def test_a_hundred_streams_hold_no_database_connections(cast, server):
    zhao = cookie(cast.zhao)

    async def story():
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
            before = connections_of_server()
            streams = await asyncio.gather(*[open_stream(session, server, zhao) for _ in range(100)])
            assert {stream.status for stream in streams} == {200}
            during = connections_of_server()
            raise_alert(cast)
            events = await asyncio.gather(*[next_event(stream, 5) for stream in streams])
            assert {event["kind"] for event in events} == {"raised"}
            return before, during

    before, during = run(story())
    assert during - before <= 8  # the server's look-up threads at most, not one a stream; LISTEN was there before


def test_who_comes_back_gets_what_was_missed(cast, server):
    zhao = cookie(cast.zhao)

    async def story():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            stream = await open_stream(session, server, zhao)
            raise_alert(cast)
            line = b""
            while not line.startswith(b"id:"):
                line = await asyncio.wait_for(stream.content.readline(), 2)
            stream.close()
            missed = raise_alert(cast)
            await asyncio.sleep(0.3)
            again = await open_stream(session, server, zhao, **{"Last-Event-ID": line[3:].decode().strip()})
            assert (await next_event(again, 2))["id"] == str(missed.pk)
            unknown = await open_stream(session, server, zhao, **{"Last-Event-ID": "forgotten"})
            assert (await next_event(unknown, 2))["type"] == "poll"

    run(story())


def test_a_lost_listen_connection_is_replaced_and_what_was_missed_is_read(cast, server):
    zhao = cookie(cast.zhao)

    async def story():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            stream = await open_stream(session, server, zhao)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
                assert cursor.fetchone()[0] == 1
            alert = raise_alert(cast)  # nobody listens at this moment
            assert (await next_event(stream, 5))["id"] == str(alert.pk)

    run(story())

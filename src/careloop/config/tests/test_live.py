"""Live events without a database: who is told what, what happens to slow, late and lost listeners."""

import asyncio
import json
from uuid import uuid4

import pytest

from careloop.config import live
from careloop.config.live import Audience, Hub, Listener, LiveApp, LiveEvent

CARDIOLOGY, ORTHOPAEDICS = uuid4(), uuid4()
WANG, LI = uuid4(), uuid4()
IN_CARDIOLOGY = Audience(practitioner_id=WANG, departments=frozenset({CARDIOLOGY}))
IN_ORTHOPAEDICS = Audience(practitioner_id=LI, departments=frozenset({ORTHOPAEDICS}))
HOSPITAL = Audience(practitioner_id=None, departments=frozenset(), hospital_wide=True)


def payload(*, departments=(CARDIOLOGY,), people=(), event_id=None, **data):
    return json.dumps(
        {
            "id": str(event_id or uuid4()),
            "topic": "alert",
            "departments": [str(item) for item in departments],
            "people": [str(item) for item in people],
            "data": data,
        }
    )


@pytest.mark.parametrize(
    ("audience", "departments", "people", "told"),
    [
        (IN_CARDIOLOGY, [CARDIOLOGY], [], True),
        (IN_ORTHOPAEDICS, [CARDIOLOGY], [], False),
        (IN_ORTHOPAEDICS, [CARDIOLOGY], [LI], True),
        (HOSPITAL, [CARDIOLOGY], [], True),
        (Audience(None, frozenset()), [CARDIOLOGY], [LI], False),
        (IN_CARDIOLOGY, [], [], False),
    ],
)
def test_who_is_told(audience, departments, people, told):
    assert LiveEvent.parse(payload(departments=departments, people=people)).is_for(audience) is told


def test_a_frame_is_one_event_with_its_id():
    event = LiveEvent.parse(payload(event_id="e1", alert="x", kind="raised"))
    assert event.frame() == b'id: e1\ndata: {"type":"alert","alert":"x","kind":"raised"}\n\n'


@pytest.mark.parametrize("junk", ["", "x", "[]", "{}", '{"id":1,"topic":"a","departments":["no"]}'])
def test_junk_is_recognised(junk):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        LiveEvent.parse(junk)


def drain(listener):
    frames = []
    while not listener.queue.empty():
        frames.append(listener.queue.get_nowait())
    return frames


def test_the_same_event_is_told_once():
    hub, listener = Hub(), Listener(IN_CARDIOLOGY)
    hub.join(listener)
    event = LiveEvent.parse(payload())
    hub.tell(event)
    hub.tell(event)
    assert drain(listener) == [event.frame()]


def test_a_slow_listener_is_told_to_read_again():
    hub, listener = Hub(), Listener(IN_CARDIOLOGY)
    hub.join(listener)
    for _ in range(live.BACKLOG + 5):
        hub.tell(LiveEvent.parse(payload()))
    assert drain(listener)[0] == live.RESYNC


def test_the_end_is_never_lost_in_a_full_queue():
    listener = Listener(IN_CARDIOLOGY)
    for _ in range(live.BACKLOG):
        listener.offer(b"x")
    listener.offer(live.END)
    assert drain(listener) == [live.END]
    for frame in (live.END, *[b"x"] * live.BACKLOG):
        listener.offer(frame)
    assert live.END in drain(listener)


def test_who_comes_back_gets_what_it_missed_and_nothing_else():
    hub = Hub()
    events = [LiveEvent.parse(payload(departments=[d])) for d in (CARDIOLOGY, CARDIOLOGY, ORTHOPAEDICS, CARDIOLOGY)]
    for event in events:
        hub.tell(event)
    back = Listener(IN_CARDIOLOGY)
    hub.join(back, last_event_id=events[0].id)
    assert drain(back) == [events[1].frame(), events[3].frame()]


def test_who_comes_back_too_late_is_told_to_read_again():
    hub, back = Hub(), Listener(IN_CARDIOLOGY)
    hub.join(back, last_event_id="long-ago")
    assert drain(back) == [live.RESYNC]


def test_only_so_much_is_remembered():
    hub = Hub()
    for _ in range(live.REMEMBERED + 10):
        hub.tell(LiveEvent.parse(payload()))
    assert len(hub._said) == live.REMEMBERED


# --- whole streams


class Client:
    """One browser, as the ASGI server would show it."""

    def __init__(self, app, *, cookie="sid=wang", last="", method="GET"):
        self.sent, self.gone = [], asyncio.Event()
        headers = [(b"cookie", cookie.encode())] + ([(b"last-event-id", last.encode())] if last else [])
        scope = {"type": "http", "method": method, "path": "/live/", "headers": headers}
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        self.sent.append(message)

    def text(self):
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    async def leave(self):
        self.gone.set()
        await asyncio.wait_for(self.task, 2)


async def until(check):
    for _ in range(200):
        if check():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


class Database:
    """Stands for LISTEN: can speak, break and remember what it said."""

    def __init__(self):
        self.queue, self.said, self.connections = asyncio.Queue(), [], 0

    async def notifications(self):
        self.connections += 1
        yield ""
        while True:
            found = await self.queue.get()
            if found is None:
                raise ConnectionError
            yield found

    async def missed(self, seconds):
        assert seconds >= live.OVERLAP
        return list(self.said)

    def say(self, text):
        self.said.append(text)
        self.queue.put_nowait(text)


async def authenticate(cookie):
    await asyncio.sleep(0)
    return {"sid=wang": IN_CARDIOLOGY, "sid=li": IN_ORTHOPAEDICS}.get(cookie)


def make(database, **options):
    return LiveApp(authenticate=authenticate, notifications=database.notifications, missed=database.missed, **options)


def test_without_a_session_there_is_no_stream():
    async def story():
        app = make(Database())
        for client, status in ((Client(app, cookie="sid=nobody"), 401), (Client(app, method="POST"), 405)):
            await client.task
            assert client.sent[0]["status"] == status
        assert len(app.hub) == 0

    asyncio.run(story())


def test_an_event_reaches_the_right_streams_and_leaving_frees_them():
    async def story():
        database = Database()
        app = make(database)
        wang, li = Client(app), Client(app, cookie="sid=li")
        await until(lambda: len(app.hub) == 2 and database.connections == 1)
        database.say(payload(alert="a1"))
        await until(lambda: "a1" in wang.text())
        assert "a1" not in li.text()
        headers = dict(wang.sent[0]["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        await wang.leave()
        await li.leave()
        assert len(app.hub) == 0
        await app.stop()

    asyncio.run(story())


def test_what_was_said_while_the_connection_was_lost_is_read_again():
    async def story():
        database = Database()
        app = make(database)
        wang = Client(app)
        await until(lambda: database.connections == 1)
        database.queue.put_nowait(None)  # the connection breaks
        database.said.append(payload(alert="in-the-dark"))
        await until(lambda: database.connections == 2)
        await until(lambda: "in-the-dark" in wang.text())
        await wang.leave()
        await app.stop()

    asyncio.run(story())


def test_junk_does_not_end_the_stream():
    async def story():
        database = Database()
        app = make(database)
        wang = Client(app)
        await until(lambda: database.connections == 1)
        database.queue.put_nowait("not ours")
        database.say(payload(alert="after"))
        await until(lambda: "after" in wang.text())
        await wang.leave()
        await app.stop()

    asyncio.run(story())


def test_heartbeats_and_the_end_of_a_lifetime():
    async def story():
        app = make(Database(), heartbeat=0.02, lifetime=0.1)
        wang = Client(app)
        await asyncio.wait_for(wang.task, 2)
        assert ": here" in wang.text()
        assert wang.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        assert len(app.hub) == 0
        await app.stop()

    asyncio.run(story())


def test_a_session_that_ended_loses_its_streams_at_the_next_beat():
    async def story():
        over = set()

        async def ended(cookies):
            return frozenset(cookies & over)

        database = Database()
        app = make(database, heartbeat=0.02, ended=ended)
        wang, li = Client(app), Client(app, cookie="sid=li")
        await until(lambda: len(app.hub) == 2)
        over.add("sid=wang")
        await asyncio.wait_for(wang.task, 2)
        assert len(app.hub) == 1
        await li.leave()
        await app.stop()

    asyncio.run(story())


def test_a_failing_session_check_ends_no_stream():
    async def story():
        async def ended(cookies):
            raise OSError

        app = make(Database(), heartbeat=0.02, ended=ended)
        wang = Client(app)
        await asyncio.sleep(0.1)
        assert len(app.hub) == 1
        assert wang.text().count(": here") >= 2
        await wang.leave()
        await app.stop()

    asyncio.run(story())


def test_stopping_the_server_ends_the_streams():
    async def story():
        app = make(Database())
        wang = Client(app)
        await until(lambda: len(app.hub) == 1)
        await app.stop()
        await asyncio.wait_for(wang.task, 2)

    asyncio.run(story())

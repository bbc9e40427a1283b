"""The MLLP server over real TCP, with a store that only remembers. (`test_gateway.py` does it with the database.)"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from careloop.integration.hl7v2.framing import END, START, FrameReader, wrap
from careloop.integration.hl7v2.server import Arrived, Gateway, Limits, read_peers

ONE = b"MSH|^~\\&|A|B|||1||ADT^A01|%d|P|2.4\rPID|1||10\r"


class Memory:
    """A store that answers with the number of each message."""

    def __init__(self) -> None:
        self.kept: list[Arrived] = []
        self.batches: list[int] = []
        self.fail_next = 0
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, arrived: Sequence[Arrived]) -> list[bytes]:
        self.hold.wait(5)
        if self.fail_next:
            self.fail_next -= 1
            raise RuntimeError("the database is away")
        self.kept += arrived
        self.batches.append(len(arrived))
        return [b"ACK %d" % len(each.frame.body) for each in arrived]


@contextlib.asynccontextmanager
async def listening(store: Memory, **settings: object) -> AsyncIterator[int]:
    gateway = Gateway(store, Limits(**settings))
    port = await gateway.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await gateway.stop()


class Sender:
    """A hospital system with one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._frames = reader, writer, FrameReader()
        self._answers: list[bytes] = []

    @classmethod
    async def connect(cls, port: int) -> Sender:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, timeout: float = 5.0) -> bytes:
        async with asyncio.timeout(timeout):
            while not self._answers:
                data = await self._reader.read(65_536)
                if not data:
                    raise ConnectionError
                self._answers += [frame.body for frame in self._frames.feed(data)]
        return self._answers.pop(0)

    def finish(self) -> None:
        self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@pytest.mark.asyncio
async def test_several_messages_on_one_connection() -> None:
    store = Memory()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        for n in range(5):
            await sender.send(wrap(ONE % n))
            assert (await sender.answer()).startswith(b"ACK")
        await sender.close()
    assert [each.frame.body for each in store.kept] == [ONE % n for n in range(5)]
    assert {each.peer for each in store.kept} == {"127.0.0.1"}


@pytest.mark.asyncio
async def test_fragments_of_one_byte() -> None:
    store = Memory()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        for byte in wrap(ONE % 1):
            await sender.send(bytes([byte]))
        await sender.answer()
        await sender.close()
    assert store.kept[0].frame.body == ONE % 1


@pytest.mark.asyncio
async def test_pipelined_messages_share_commits_and_keep_order() -> None:
    store = Memory()
    store.hold.clear()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        sizes = [10 ** (n % 4) for n in range(200)]
        for n, size in enumerate(sizes):
            await sender.send(wrap(ONE % n + b"x" * size))
        store.hold.set()
        answers = [await sender.answer() for _ in sizes]
        await sender.close()
    assert answers == [b"ACK %d" % len(ONE % n + b"x" * size) for n, size in enumerate(sizes)]
    assert len(store.batches) < len(sizes)


@pytest.mark.asyncio
@pytest.mark.parametrize("between", [b"\r\n", b"\n", b"\r\n\r\n", b"junk\r"])
async def test_line_ends_between_frames(between: bytes) -> None:
    store = Memory()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        await sender.send(wrap(ONE % 1) + between + wrap(ONE % 2))
        await sender.answer()
        await sender.answer()
        await sender.close()
    assert len(store.kept) == 2


@pytest.mark.asyncio
async def test_end_mark_without_carriage_return_is_answered_at_once() -> None:
    store = Memory()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        await sender.send(START + ONE % 1 + END)
        await sender.answer(timeout=1)
        await sender.close()
    assert store.kept[0].frame.body == ONE % 1


@pytest.mark.asyncio
async def test_no_end_mark_at_all() -> None:
    store = Memory()
    async with listening(store, quiet_seconds=0.1) as port:
        sender = await Sender.connect(port)
        await sender.send(START + ONE % 1)
        await sender.answer(timeout=2)
        await sender.close()
    assert store.kept[0].frame.body == ONE % 1


@pytest.mark.asyncio
async def test_sender_that_stops_sending_still_gets_its_answers() -> None:
    store = Memory()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        await sender.send(wrap(ONE % 1) + START + ONE % 2)
        sender.finish()
        await sender.answer()
        await sender.answer()
        with pytest.raises(ConnectionError):
            await sender.answer()
        await sender.close()
    assert len(store.kept) == 2


@pytest.mark.asyncio
async def test_five_megabytes() -> None:
    store = Memory()
    body = ONE % 1 + b"OBX|1|ED|PDF||" + b"QUJD" * 1_300_000
    async with listening(store) as port:
        sender = await Sender.connect(port)
        started = time.monotonic()
        await sender.send(wrap(body))
        await sender.answer(timeout=20)
        assert time.monotonic() - started < 10
        await sender.close()
    assert store.kept[0].frame.body == body
    assert not store.kept[0].frame.oversize


@pytest.mark.asyncio
async def test_too_large_is_marked_and_the_next_one_is_fine() -> None:
    store = Memory()
    async with listening(store, message_bytes=2_000) as port:
        sender = await Sender.connect(port)
        await sender.send(wrap(ONE % 1 + b"x" * 50_000) + wrap(ONE % 2))
        await sender.answer()
        await sender.answer()
        await sender.close()
    assert [each.frame.oversize for each in store.kept] == [True, False]
    assert len(store.kept[0].frame.body) <= 2_000


@pytest.mark.asyncio
async def test_silence_closes_the_line() -> None:
    async with listening(Memory(), idle_seconds=0.2, quiet_seconds=0.1) as port:
        sender = await Sender.connect(port)
        with pytest.raises(ConnectionError):
            await sender.answer(timeout=3)
        await sender.close()


@pytest.mark.asyncio
async def test_no_answer_when_nothing_was_stored() -> None:
    """The sender must not believe in a message we do not have; it connects and sends again."""
    store = Memory()
    store.fail_next = 1
    async with listening(store) as port:
        sender = await Sender.connect(port)
        await sender.send(wrap(ONE % 1))
        with pytest.raises(ConnectionError):
            await sender.answer()
        again = await Sender.connect(port)
        await again.send(wrap(ONE % 1))
        await again.answer()
        await again.close()
    assert len(store.kept) == 1


@pytest.mark.asyncio
async def test_sender_gone_before_the_answer_is_no_trouble() -> None:
    store = Memory()
    store.hold.clear()
    async with listening(store) as port:
        sender = await Sender.connect(port)
        await sender.send(wrap(ONE % 1))
        await asyncio.sleep(0.05)
        await sender.close()
        await asyncio.sleep(0.05)
        store.hold.set()
        other = await Sender.connect(port)
        await other.send(wrap(ONE % 2))
        await other.answer()
        await other.close()
    assert len(store.kept) == 2


@pytest.mark.asyncio
async def test_stopping_answers_what_was_taken() -> None:
    store = Memory()
    store.hold.clear()
    gateway = Gateway(store)
    port = await gateway.start("127.0.0.1", 0)
    sender = await Sender.connect(port)
    await sender.send(wrap(ONE % 1))
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(gateway.stop())
    await asyncio.sleep(0.05)
    store.hold.set()
    assert (await sender.answer()).startswith(b"ACK")
    await stopping
    await sender.close()


@pytest.mark.asyncio
async def test_only_listed_peers() -> None:
    store = Memory()
    async with listening(store, peers=read_peers("10.0.0.0/8")) as port:
        sender = await Sender.connect(port)
        with pytest.raises(ConnectionError):
            await sender.send(wrap(ONE % 1))
            await sender.answer(timeout=2)
        await sender.close()
    assert store.kept == []
    async with listening(store, peers=read_peers("10.0.0.0/8, 127.0.0.1")) as port:
        sender = await Sender.connect(port)
        await sender.send(wrap(ONE % 1))
        await sender.answer()
        await sender.close()


def test_peer_lists() -> None:
    limits = Limits(peers=read_peers("192.168.1.5, 10.2.0.0/16,fe80::/10"))
    assert limits.allows("192.168.1.5")
    assert limits.allows("::ffff:10.2.3.4")
    assert limits.allows("fe80::1")
    assert not limits.allows("192.168.1.6")
    assert not limits.allows("not an address")
    assert Limits().allows("anything")
    with pytest.raises(ValueError):
        read_peers("10.0.0.0/99")

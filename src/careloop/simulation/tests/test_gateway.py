"""The demo SMS gateway over real HTTP."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from careloop.messaging.rules.signing import signature
from careloop.simulation.gateway import pages
from careloop.simulation.gateway.phones import Fault, Phones
from careloop.simulation.gateway.server import Options, started

SECRET = "callback-secret"
ZHANG = "+8613800000001"


class Hospital:
    """The other side: hears callbacks, refuses the first `deaf` of them."""

    def __init__(self, deaf=0):
        self.events, self.bad, self.deaf = [], 0, deaf

    async def hear(self, request):
        body = await request.read()
        headers = request.headers
        expected = signature(
            SECRET, timestamp=headers["X-Gateway-Timestamp"], nonce=headers["X-Gateway-Nonce"], body=body
        )
        if headers["X-Gateway-Signature"] != expected:
            self.bad += 1
            return web.Response(status=403)
        if self.deaf:
            self.deaf -= 1
            return web.Response(status=500)
        self.events += json.loads(body)["events"]
        return web.json_response({})

    async def wait_for(self, count):
        async with asyncio.timeout(5):
            while len(self.events) < count:
                await asyncio.sleep(0.02)
        return self.events


@asynccontextmanager
async def running(hospital=None, **options):
    hospital = hospital or Hospital()
    app = web.Application()
    app.router.add_post("/hooks/sms/", hospital.hear)
    listener = web.AppRunner(app)
    await listener.setup()
    site = web.TCPSite(listener, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hooks/sms/"
    defaults = {"port": 0, "callback_url": url, "callback_secret": SECRET, "receipt_delay": 0.01}
    runner, gateway, base = await started(Options(**(defaults | options)))
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(base, timeout=timeout) as client:
            yield client, gateway, hospital
    finally:
        await runner.cleanup()
        await listener.cleanup()


async def send(client, key="k1", to=ZHANG, text="您好"):
    async with client.post("/messages", json={"key": key, "to": to, "text": text}) as response:
        return response.status, await response.json()


async def stats(client):
    return await (await client.get("/demo/stats")).json()


def run(test):
    asyncio.run(asyncio.wait_for(test(), 20))


def test_the_same_key_twice_reaches_the_phone_once():
    async def test():
        async with running() as (client, _, hospital):
            first, second = await send(client), await send(client)
            assert (first[0], second[0]) == (202, 200)
            assert first[1]["ref"] == second[1]["ref"]
            assert (await stats(client))["reached"] == 1
            events = await hospital.wait_for(1)
            assert [(e["type"], e["key"], e["status"]) for e in events] == [("receipt", "k1", "delivered")]
            answer = await (await client.get("/messages/k1")).json()
            assert answer["status"] == "delivered"
            assert (await client.get("/messages/other")).status == 404

    run(test)


def test_without_keys_a_repeat_is_a_second_message_but_the_gateway_can_be_asked():
    async def test():
        async with running(knows_key=False) as (client, _, _h):
            await send(client)
            assert (await client.get("/messages/k1")).status == 200
            await send(client)
            assert (await stats(client))["doubled"] == 1

    run(test)


def test_a_blind_gateway_cannot_be_asked():
    async def test():
        async with running(knows_key=False, can_be_asked=False) as (client, _, _h):
            await send(client)
            assert (await client.get("/messages/k1")).status == 405

    run(test)


@pytest.mark.parametrize(
    ("fault", "status", "reached"),
    [
        ("500", 500, 0),
        ("503", 503, 0),
        ("429", 429, 0),
        ("reject", 422, 0),
        ("500-after-accept", 500, 1),
        ("duplicate", 202, 2),
    ],
)
def test_faults_with_an_answer(fault, status, reached):
    async def test():
        async with running() as (client, _, _h):
            await client.post("/demo/faults", json={"faults": [{"do": fault}]})
            async with client.post("/messages", json={"key": "k1", "to": ZHANG, "text": "x"}) as response:
                assert response.status == status
            assert (await stats(client))["reached"] == reached
            assert (await send(client))[0] in (200, 202)  # the fault is used up

    run(test)


@pytest.mark.parametrize("fault", ["timeout-after-accept", "close-after-accept"])
def test_the_phone_has_it_and_the_sender_never_hears(fault):
    async def test():
        async with running() as (client, _, hospital):
            await client.post("/demo/faults", json={"faults": [{"do": fault, "seconds": 0.1}]})
            with pytest.raises(aiohttp.ClientError):
                await send(client)
            assert (await stats(client))["reached"] == 1
            assert (await hospital.wait_for(1))[0]["status"] == "delivered"

    run(test)


def test_receipt_before_the_response_twice_and_contradicting():
    async def test():
        async with running() as (client, _, hospital):
            faults = [
                {"do": "receipt-first"},
                {"do": "duplicate-receipt"},
                {"do": "contradicting-receipts"},
                {"do": "no-receipt"},
            ]
            await client.post("/demo/faults", json={"faults": faults})
            await send(client, "a")
            assert [e["key"] for e in hospital.events] == ["a"]
            for key in "bcd":
                await send(client, key)
            events = await hospital.wait_for(5)
            assert [e["status"] for e in events if e["key"] == "b"] == ["delivered"] * 2
            assert len({e["id"] for e in events if e["key"] == "b"}) == 1
            assert {e["status"] for e in events if e["key"] == "c"} == {"delivered", "failed"}
            assert not [e for e in events if e["key"] == "d"]

    run(test)


def test_bad_numbers():
    async def test():
        async with running() as (client, _, hospital):
            numbers = {"+8613800000002": "bad", "+8613800000003": "empty", "+8613800000004": "off"}
            await client.post("/demo/numbers", json={"numbers": numbers})
            assert (await send(client, "m", to="12"))[1] == {"code": "bad-number"}
            assert (await send(client, "a", to="+8613800000002"))[0] == 422
            assert (await send(client, "b", to="+8613800000003"))[0] == 202
            assert (await send(client, "c", to="+8613800000004"))[0] == 202
            codes = {e["key"]: (e["status"], e["code"]) for e in await hospital.wait_for(2)}
            assert codes == {"b": ("failed", "empty-number"), "c": ("failed", "expired-at-carrier")}

    run(test)


def test_callbacks_are_repeated_until_heard():
    async def test():
        async with running(Hospital(deaf=2)) as (client, _, hospital):
            await send(client)
            events = await hospital.wait_for(1)
            assert len(events) == 1
            assert hospital.bad == 0

    run(test)


def test_replies_from_the_page_and_the_script():
    async def test():
        async with running() as (client, _, hospital):
            await send(client)
            await client.post("/reply", data={"number": ZHANG, "text": "1"}, allow_redirects=False)
            await client.post("/reply", data={"number": "+8613999999999", "text": "spam"}, allow_redirects=False)
            await client.post("/demo/replies", json={"number": ZHANG, "text": "T"})
            events = await hospital.wait_for(3)
            assert [e["text"] for e in events if e["type"] == "reply"] == ["1", "T"]

    run(test)


def test_the_token_is_asked_for():
    async def test():
        async with running(token="t0ken") as (client, _, _h):
            assert (await client.post("/messages", json={})).status == 401
            assert (await client.get("/messages/k1")).status == 401
            headers = {"Authorization": "Bearer t0ken"}
            ok = await client.post("/messages", json={"key": "k", "to": ZHANG, "text": "x"}, headers=headers)
            assert ok.status == 202

    run(test)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"key": 1, "to": "x", "text": "y"}', b"\xff\xfe"])
def test_bad_requests_get_400(body):
    async def test():
        async with running() as (client, _, _h):
            headers = {"Content-Type": "application/json"}
            assert (await client.post("/messages", data=body, headers=headers)).status == 400

    run(test)


def test_messages_outlive_a_restart(tmp_path):
    async def test():
        file = tmp_path / "gateway.sqlite"
        async with running(state_file=file) as (client, _, hospital):
            await send(client)
            await hospital.wait_for(1)
        async with running(state_file=file) as (client, gateway, _h):
            assert (await send(client))[0] == 200
            assert gateway.phones.by_key["k1"].status == "delivered"
            await client.delete("/demo/messages")
        async with running(state_file=file) as (_, gateway, _h):
            assert gateway.phones.messages == []

    run(test)


def test_the_inbox_escapes_everything_and_makes_links():
    phones = Phones()
    text = '<img src=x onerror=alert(1)> https://sf.example.cn/s/abc"onmouseover="x 完'
    phones.accept(key='k"<', to=ZHANG, text=text, at=0)
    html = pages.inbox(phones, ZHANG)
    assert "<img" not in html
    assert 'onmouseover="' not in html
    assert '<a href="https://sf.example.cn/s/abc" target="_blank" rel="noopener noreferrer">' in html
    assert pages.inbox(phones, '"><script>').count("<script") == 1


def test_an_empty_inbox_says_so():
    assert 'class="none"' in pages.inbox(Phones(), "")


def test_fault_script_skips_and_matches():
    phones = Phones(faults=[Fault("500", skip=1, key="a"), Fault("429", to="x")])
    assert phones.next_fault("a1", "y") is None
    assert phones.next_fault("b1", "y") is None
    assert phones.next_fault("b1", "x").do == "429"
    assert phones.next_fault("a2", "y").do == "500"
    assert phones.next_fault("a3", "x") is None
    with pytest.raises(ValueError, match="no such fault"):
        Fault("explode")

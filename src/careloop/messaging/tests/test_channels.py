"""One contract, every way out: against a fake and against the real demo gateway; SMTP against a real local server."""

import asyncio
import contextlib
from email import message_from_bytes
from email.policy import default
from uuid import uuid4

import pytest

from careloop.messaging.channels.contract import GatewayDown
from careloop.messaging.channels.email_smtp import EmailSmtp
from careloop.messaging.channels.portal_inbox import PortalInbox
from careloop.messaging.channels.sms_http import SmsHttp
from careloop.messaging.jobs.breaker import Breaker
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome
from careloop.simulation.gateway.phones import Phones
from careloop.simulation.gateway.server import Options, started

ZHANG = "+8613800000001"


def message(key="k1", to=ZHANG, text="您好，{link}", *, maybe_sent=False):
    return Outgoing(uuid4(), key, "sms", to, "问候", text, 1, 1, maybe_sent)


class FakeGateway:
    """What tests of other rooms may use instead of a gateway: no network, the same behaviour."""

    code, at_once = "sms", 4

    def __init__(self):
        self.phones = Phones()

    async def open(self):
        """Nothing to open."""

    async def close(self):
        """Nothing to close."""

    async def send(self, message):
        """The demo gateway's own memory, without HTTP."""
        refused = self.phones.refused_at_once(message.to)
        if refused:
            return Outcome.rejected(refused)
        accepted, _new = self.phones.accept(key=message.key, to=message.to, text=message.text, at=0)
        return Outcome.accepted(accepted.ref)

    async def ask(self, key):
        """What it knows."""
        known = self.phones.by_key.get(key)
        return Outcome.accepted(known.ref) if known else None


@contextlib.asynccontextmanager
async def fake(**_options):
    yield FakeGateway()


@contextlib.asynccontextmanager
async def real(*, seconds=2.0, token="", **options):
    runner, gateway, base = await started(Options(port=0, token="t0ken" if token else "", **options))
    channel = SmsHttp(base, token, seconds=seconds)
    await channel.open()
    channel.phones = gateway.phones
    try:
        yield channel
    finally:
        await channel.close()
        await runner.cleanup()


def run(test):
    asyncio.run(asyncio.wait_for(test(), 20))


@pytest.mark.parametrize("way", [fake, real])
def test_the_contract(way):
    async def test():
        async with way() as channel:
            first = await channel.send(message())
            again = await channel.send(message())
            assert first.kind == again.kind == "accepted"
            assert first.ref == again.ref
            assert channel.phones.stats()["reached"] == 1
            assert channel.phones.messages[0].text == "您好，{link}"
            assert (await channel.ask("k1")).kind in ("accepted", "delivered")
            assert await channel.ask("never/seen?") is None
            assert (await channel.send(message("k2", to="12"))) == Outcome.rejected("bad-number")

    run(test)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("500", Outcome.uncertain("http-500")),
        ("500-after-accept", Outcome.uncertain("http-500")),
        ("503", Outcome.postponed("http-503")),
        ("429", Outcome.postponed("http-429")),
        ("reject", Outcome.rejected("rejected")),
        ("garbage", Outcome.uncertain("answer-not-understood")),
        ("timeout-after-accept", Outcome.uncertain("no-answer-from-gateway")),
        ("close-after-accept", Outcome.uncertain("connection-lost")),
    ],
)
def test_what_each_fault_means(fault, outcome):
    async def test():
        from careloop.simulation.gateway.phones import Fault

        async with real(seconds=0.5) as channel:
            channel.phones.faults.append(Fault(fault, seconds=1))
            assert await channel.send(message()) == outcome
            assert (await channel.send(message())).kind == "accepted"
            assert channel.phones.stats()["doubled"] == 0

    run(test)


def test_the_token_goes_along_and_a_wrong_one_is_no_loss():
    async def test():
        async with real(token="t0ken") as channel:
            assert (await channel.send(message())).kind == "accepted"
        async with real(token="wrong") as channel:
            assert await channel.send(message()) == Outcome.postponed("http-401")
            assert (await channel.ask("k1")).kind == "uncertain"

    run(test)


def test_a_gateway_that_is_not_there_has_nothing():
    async def test():
        channel = SmsHttp("http://127.0.0.1:9", seconds=1)
        await channel.open()
        for what in (channel.send(message()), channel.ask("k1")):
            with pytest.raises(GatewayDown):
                await what
        await channel.close()

    run(test)


def test_the_failed_and_delivered_are_known_when_asked():
    async def test():
        async with real(receipt_delay=0) as channel:
            channel.phones.numbers[ZHANG] = "empty"
            await channel.send(message())
            await asyncio.sleep(0.05)
            assert await channel.ask("k1") == Outcome.rejected("empty-number")
            await channel.send(message("k2", to="+8613800000002"))
            await asyncio.sleep(0.05)
            assert (await channel.ask("k2")).kind == "delivered"

    run(test)


def test_the_inbox_of_the_patient_pages_delivers_at_once():
    async def test():
        channel = PortalInbox()
        await channel.open()
        assert (await channel.send(message())).kind == "delivered"
        assert await channel.ask("k1") is None
        await channel.close()

    run(test)


# ---- SMTP ----------------------------------------------------------------------------------------------------


class MailServer:
    """A real SMTP server, as small as the protocol allows. `replies` changes its answer to a command."""

    def __init__(self, **replies):
        self.replies, self.mails, self.commands = replies, [], []

    async def serve(self, reader, writer):
        async def say(text):
            writer.write(text.encode() + b"\r\n")
            await writer.drain()

        await say(self.replies.get("hello", "220 mail"))
        while line := await reader.readline():
            word = line.split(b" ")[0].strip().decode().upper()
            self.commands.append(line.decode().strip())
            if word in self.replies:
                answer = self.replies[word]
                if answer == "close":
                    writer.close()
                    return
                await say(answer)
            elif word == "DATA":
                await say("354 go on")
                body = await reader.readuntil(b"\r\n.\r\n")
                if self.replies.get("after") == "close":
                    writer.close()
                    return
                self.mails.append(body[:-3])
                await say(self.replies.get("after", "250 kept"))
            else:
                await say("250 ok")
        writer.close()


@contextlib.asynccontextmanager
async def mail_server(**replies):
    server = MailServer(**replies)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    channel = EmailSmtp(f"smtp://127.0.0.1:{port}", "sf@hospital.example", seconds=2)
    await channel.open()
    try:
        yield channel, server
    finally:
        await channel.close()
        listening.close()


def mail(text="周先生：\n.\n请看 https://sf.example.cn/q/abc"):
    return message(to="zhang@example.cn", text=text)


def test_a_mail_arrives_as_written():
    async def test():
        async with mail_server() as (channel, server):
            sent = mail()
            assert await channel.send(sent) == Outcome.accepted("k1")
            received = message_from_bytes(server.mails[0], policy=default)
            assert received["To"] == "zhang@example.cn"
            assert received["Subject"] == "问候"
            assert str(sent.id) in received["Message-ID"]
            assert received["Auto-Submitted"] == "auto-generated"
            assert "https://sf.example.cn/q/abc" in received.get_content()

    run(test)


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ({"RCPT": "550 no such user"}, Outcome.rejected("bad-number")),
        ({"RCPT": "451 later"}, Outcome.postponed("smtp-451")),
        ({"MAIL": "552 no"}, Outcome.rejected("rejected")),
        ({"MAIL": "close"}, Outcome.postponed("connection-lost")),
        ({"after": "554 refused"}, Outcome.rejected("rejected")),
        ({"after": "451 later"}, Outcome.postponed("smtp-451")),
        ({"after": "close"}, Outcome.uncertain("connection-lost")),
    ],
)
def test_what_a_mail_server_may_say(replies, outcome):
    async def test():
        async with mail_server(**replies) as (channel, _server):
            assert await channel.send(mail()) == outcome

    run(test)


def test_no_mail_server_is_no_loss():
    async def test():
        with pytest.raises(GatewayDown):
            await EmailSmtp("smtp://127.0.0.1:9", "a@b", seconds=1).send(mail())
        async with mail_server(hello="554 go away") as (channel, _server):
            with pytest.raises(GatewayDown):
                await channel.send(mail())
            assert (await channel.ask("k1")).kind == "uncertain"

    run(test)


def test_header_injection_is_impossible():
    async def test():
        async with mail_server() as (channel, server):
            evil = Outgoing(uuid4(), "k", "email", "a@b.cn", "x\r\nBcc: evil@x", "text", 0, 1, False)
            with contextlib.suppress(ValueError):
                await channel.send(evil)
            assert all(b"Bcc" not in kept for kept in server.mails)

    run(test)


# ---- the breaker ----------------------------------------------------------------------------------------------


def test_the_breaker_opens_waits_longer_and_closes():
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0.0)
    assert breaker.allows(0.0)
    breaker.failed(0.0)
    assert not breaker.allows(4.9)
    assert breaker.allows(5.0)
    assert breaker.is_trying
    breaker.failed(5.0)
    assert not breaker.allows(14.9)
    breaker.failed(6.0)  # old news
    assert breaker.allows(15.0)
    breaker.worked()
    assert not breaker.is_trying
    breaker.failed(16.0)
    assert breaker.allows(16.0)

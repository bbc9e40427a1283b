"""`careloop hl7 listen`: store what arrives, answer, process."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
import threading
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from careloop.integration import reads
from careloop.integration.actions import Incoming, receive_messages
from careloop.integration.hl7v2.answer import Code, acknowledge
from careloop.integration.hl7v2.framing import split_file
from careloop.integration.hl7v2.intake import Intake, bare, take_in
from careloop.integration.hl7v2.server import Arrived, Gateway, Limits, read_peers
from careloop.integration.jobs.process import TURN_SECONDS, Listener, Processor, announce
from careloop.integration.models import InboxMessage
from careloop.kernel.memory import settle
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer

log = logging.getLogger(__name__)

_BY = Viewer.system("integration.gateway")


def store(arrived: Sequence[Arrived]) -> list[bytes]:
    """Commit a batch of frames, one transaction, and make the answers. Raises when the database cannot take it."""
    at = timezone.now()
    frames = [_intakes(each) for each in arrived]
    try:
        _keep(arrived, frames, at)
    except (OperationalError, InterfaceError):
        raise  # the database is away: nobody is answered
    except Exception:
        # One message the table will not take must not hold up the others, nor come back for ever.
        log.exception("a batch could not be stored; storing its messages one by one")
        frames = [_keep_alone(each, intakes, at) for each, intakes in zip(arrived, frames, strict=True)]
    return [_answer(intakes, at) for intakes in frames]


def _keep(arrived: Sequence[Arrived], frames: Sequence[list[Intake]], at: datetime) -> None:
    incoming = [
        Incoming(intake, InboxMessage.Channel.MLLP, each.peer)
        for each, intakes in zip(arrived, frames, strict=True)
        for intake in intakes
    ]
    receive_messages(incoming=incoming, at=at, by=_BY)


def _keep_alone(arrived: Arrived, intakes: list[Intake], at: datetime) -> list[Intake]:
    try:
        _keep([arrived], [intakes], at)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("a message could be kept only as bytes")
        intakes = [bare(arrived.frame.body)]
        _keep([arrived], [intakes], at)
    return intakes


def _intakes(arrived: Arrived) -> list[Intake]:
    """A frame holds one message; some senders put a batch into one, and get one answer for it."""
    facilities = frozenset(part.strip() for part in settings.ENV.hl7_facilities.split(",") if part.strip())
    frame = arrived.frame
    pieces = [frame.body] if frame.oversize else split_file(frame.body)
    try:
        return [
            take_in(
                piece,
                site=reads.site(),
                charset=settings.ENV.hl7_charset,
                facilities=facilities,
                oversize=frame.oversize,
            )
            for piece in pieces
        ]
    except Exception:
        log.exception("a message could not be looked at; it is kept as bytes")
        return [bare(frame.body)]


def _answer(intakes: list[Intake], at: datetime) -> bytes:
    worst = next((intake for intake in intakes if intake.refusal), intakes[0])
    refusal = worst.refusal
    return acknowledge(
        worst.message,
        code=refusal.code if refusal else Code.ACCEPT,
        text=refusal.words if refusal else "",
        at=at.astimezone(reads.site().zone),
        control_id=uuid7().hex[:20],
        charset=worst.charset or "utf-8",
    )


def limits() -> Limits:
    """The site's settings. A wrong peer list stops the start."""
    return Limits(idle_seconds=settings.ENV.hl7_idle_seconds, peers=read_peers(settings.ENV.hl7_peers))


def tls() -> ssl.SSLContext | None:
    """TLS when a certificate is set; with a client CA, senders must show a certificate too."""
    if not settings.ENV.hl7_tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.ENV.hl7_tls_certificate, settings.ENV.hl7_tls_key or None)
    if settings.ENV.hl7_tls_client_ca:
        context.load_verify_locations(settings.ENV.hl7_tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def work(look: float) -> None:
    """Only apply what others have stored, until told to stop; woken by them, and looking every `look` seconds. Any number of
    these share the inbox.
    """
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    processor = Processor(look)
    processor.start()
    Listener(processor.wake).start()
    settle()
    print("HL7 processing works through the inbox", flush=True)
    stopping.wait()
    processor.stop()


async def serve(host: str, port: int, *, process: bool = True) -> None:
    """Listen until told to stop (SIGTERM, SIGINT); then answer what was taken and end the batch in hand."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    processor = Processor() if process else None

    def store_and_wake(arrived: Sequence[Arrived]) -> list[bytes]:
        close_old_connections()  # a connection the server has dropped is replaced
        answers = store(arrived)
        if processor is not None:
            processor.wake()
        else:
            announce()
        return answers

    gateway = Gateway(store_and_wake, limits())
    bound = await gateway.start(host, port, tls=tls())
    if processor is not None:
        processor.start()
    settle()
    sys.setswitchinterval(TURN_SECONDS)
    print(f"HL7 gateway listens on {host}:{bound}", flush=True)
    await stopping.wait()
    await gateway.stop()
    if processor is not None:
        await loop.run_in_executor(None, processor.stop)

"""E-mail by SMTP. A mail server knows no keys and cannot be asked, so an unclear ending stays unclear."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit

from careloop.messaging.channels.contract import GatewayDown
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome


class EmailSmtp:
    """One connection per message: reminders are few, and an idle connection is what servers drop."""

    code = "email"

    def __init__(self, url: str, sender: str, *, seconds: float = 15.0, at_once: int = 4) -> None:
        self.url = urlsplit(url)
        self.sender = sender
        self.seconds = seconds
        self.at_once = at_once

    async def open(self) -> None:
        """Nothing to keep open."""

    async def close(self) -> None:
        """Nothing was kept open."""

    async def send(self, message: Outgoing) -> Outcome:
        """In a thread: the standard library's client blocks."""
        return await asyncio.to_thread(self._send, message)

    async def ask(self, key: str) -> Outcome | None:
        """A mail server cannot be asked."""
        return Outcome.uncertain("no-answer-from-gateway")

    def _send(self, message: Outgoing) -> Outcome:
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise GatewayDown(type(error).__name__) from None
        try:
            return self._hand_over(server, message)
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        host, port = self.url.hostname or "localhost", self.url.port
        if self.url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port or 465, timeout=self.seconds, context=_tls())
        else:
            server = smtplib.SMTP(host, port or 25, timeout=self.seconds)
        if "starttls" in parse_qs(self.url.query):
            server.starttls(context=_tls())
        if self.url.username:
            server.login(unquote(self.url.username), unquote(self.url.password or ""))
        return server

    def _hand_over(self, server: smtplib.SMTP, message: Outgoing) -> Outcome:
        """Until DATA nothing can have been taken; after it, only the server's last word counts."""
        try:
            server.ehlo_or_helo_if_needed()
            for code, _text in (server.mail(self.sender), server.rcpt(message.to)):
                if code >= 500:
                    return Outcome.rejected("bad-number" if code in (550, 551, 553) else "rejected")
                if code >= 400:
                    return Outcome.postponed(f"smtp-{code}")
        except (OSError, smtplib.SMTPException):
            return Outcome.postponed("connection-lost")
        try:
            code, _text = server.data(_written(message, self.sender).as_bytes())
        except smtplib.SMTPDataError as error:
            code = error.smtp_code
        except (OSError, smtplib.SMTPException):
            return Outcome.uncertain("connection-lost")
        if code < 300:
            return Outcome.accepted(message.key[:80])
        return Outcome.postponed(f"smtp-{code}") if code < 500 else Outcome.rejected("rejected")


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _written(message: Outgoing, sender: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, message.to, message.subject or " "
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2] or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail

"""The hospital system's end of the MLLP socket: sends a message, waits for its acknowledgement, counts."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

START, END = b"\x0b", b"\x1c\r"


class NotAcknowledged(RuntimeError):
    """The gateway closed the line or refused; the message says which."""


@dataclass
class Line:
    """One connection that is opened again when it breaks, as interface engines do."""

    host: str
    port: int
    seconds: float = 30.0
    sent: int = 0
    accepted: int = 0
    _socket: socket.socket | None = field(default=None, repr=False)

    def send(self, message: bytes) -> str:
        """Send one message and return its acknowledgement code (AA, AE, AR). Sent again after a broken line."""
        for attempt in range(3):
            try:
                answer = self._exchange(message)
            except OSError:
                self.close()
                time.sleep(0.2 * (attempt + 1))
                continue
            self.sent += 1
            code = _code(answer)
            self.accepted += code == "AA"
            return code
        raise NotAcknowledged(f"no answer from {self.host}:{self.port} after three tries")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, message: bytes) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), timeout=self.seconds)
        self._socket.sendall(START + message + END)
        received = b""
        while END not in received:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionResetError("closed by the gateway")
            received += chunk
        return received


def _code(answer: bytes) -> str:
    for line in answer.replace(START, b"").split(b"\r"):
        if line.startswith(b"MSA|"):
            return line.split(b"|")[1].decode()
    return ""

"""However a run is told to end (Ctrl-C, kill, `timeout`, a terminal that closes), it ends through every `finally`: what it
started is stopped, what it made is put away. Only `kill -9` leaves something behind.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PATIENCE_SECONDS = 120.0


class _Told:
    """What we were told, and whether it has to wait until something is whole."""

    number: int = 0
    waits: bool = False


def in_order() -> None:
    """From now on these signals end the program as an error does; a second one does not break off the putting away."""
    for number in SIGNALS:
        signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    if _Told.number:
        return
    _Told.number = number
    if not _Told.waits:
        sys.exit(128 + number)


@contextmanager
def whole() -> Iterator[None]:
    """What is begun in here is finished before the program ends: a server that starts is known to whoever stops it."""
    before, _Told.waits = _Told.number, True
    try:
        yield
    finally:
        _Told.waits = False
    if _Told.number != before:
        sys.exit(128 + _Told.number)


def answer_of(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> str:
    """What another measurement prints. When we end before it does, it is asked to end and has the time to put away what it made."""
    with whole():
        child = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        told, complaints = child.communicate()
    except BaseException:
        put_away(child)
        raise
    if child.returncode:
        sys.stderr.write(complaints)
        raise subprocess.CalledProcessError(child.returncode, command, told)
    return told


def put_away(child: subprocess.Popen[bytes] | subprocess.Popen[str], *, patience: float = _PATIENCE_SECONDS) -> None:
    """Ask it to end; insist after a while."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()

"""Runs a set of processes in one terminal: starts them, restarts what dies, stops them all on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 10.0


@dataclass
class Process:
    """One `careloop …` subcommand and its running instance."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    running: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "careloop", *self.arguments]
        output = self.log.open("ab") if self.log else None
        # A session of its own: Ctrl-C in the terminal reaches only the supervisor, which then stops all in order.
        self.running = subprocess.Popen(
            command, env={**os.environ, **self.environment}, stdout=output, stderr=output, start_new_session=True
        )
        if output:
            output.close()
        self.starts += 1

    @property
    def is_alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def stop(self) -> None:
        """Ask, wait, then insist."""
        if self.running is None or self.running.poll() is not None:
            return
        self.running.terminate()
        try:
            self.running.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()


class Supervisor:
    """Keeps processes running until it is told to stop."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self.processes = list(processes)
        self._stopping = False

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def watch(self) -> None:
        """Blocks until SIGINT or SIGTERM. A process that dies is started again, a little later each time."""
        signal.signal(signal.SIGINT, self._stop_asked)
        signal.signal(signal.SIGTERM, self._stop_asked)
        while not self._stopping:
            for process in self.processes:
                if not process.is_alive and not self._stopping:
                    print(f"  {process.name} stopped and is started again (log: {process.log})", flush=True)
                    time.sleep(min(process.starts, 10))
                    process.start()
            time.sleep(0.5)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()

    def _stop_asked(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

"""Whose processor time the benchmark counts."""

import subprocess
import sys

from bench.measuring import Watched, cpu_seconds, family

# A process whose threads last a moment each, as a server has that starts one for each request; and one child that lives.
BUSY = """
import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
ended = False
def wait():
    global ended
    sys.stdin.readline()
    ended = True
threading.Thread(target=wait, daemon=True).start()
while not ended:
    several = [threading.Thread(target=lambda: None) for _ in range(8)]
    for one in several: one.start()
    for one in several: one.join()
child.communicate(b"")
"""


def test_a_process_is_counted_however_its_threads_come_and_go():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        try:
            child = int(busy.stdout.readline())
            seen = [family(busy.pid) for _ in range(2_000)]
            watched, before = Watched((busy.pid,), busy.pid), 0.0
            for _ in range(200):
                now = watched.app_seconds()
                assert now >= before  # time that was counted is never taken back
                before = now
        finally:
            busy.stdin.close()
    assert all(found[0] == busy.pid for found in seen)
    assert any(child in found for found in seen)


def test_a_process_that_is_gone_has_no_time_and_no_family():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert (family(gone.pid), cpu_seconds(gone.pid)) == ([], 0.0)

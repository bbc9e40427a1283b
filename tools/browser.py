"""Finds Chromium for the browser journeys, or installs it where that is allowed, or says the one command that does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk")  # Chinese text must have glyphs, or screenshots show boxes


def main() -> int:
    """0 when a browser is there at the end."""
    if found():
        return 0
    if not shutil.which("apt-get"):
        return give_up("install Chromium and a Chinese font with your system's package manager")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    print("Installing Chromium for the browser journeys …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *PACKAGES]):
        if subprocess.run([*prefix, *command], env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            break
    return 0 if found() else give_up(f"sudo apt-get install {' '.join(PACKAGES)}")


def found() -> bool:
    return any(shutil.which(name) for name in NAMES)


def give_up(command: str) -> int:
    print(f"The browser journeys need Chromium. Please run:  {command}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

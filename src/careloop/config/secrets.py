"""The secret key: given in production, otherwise made once and kept in the data directory."""

from __future__ import annotations

import os
import secrets as _secrets
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from careloop.config.env import Env

SHORTEST = 50


def secret_key(env: Env) -> str:
    """The key that signs sessions and links. Production refuses a missing or short one."""
    if env.secret_key and (env.mode != "production" or len(env.secret_key) >= SHORTEST):
        return env.secret_key
    if env.mode == "production":
        raise ImproperlyConfigured(f"CARELOOP_SECRET_KEY must be set to at least {SHORTEST} random characters.")
    kept = env.data_dir / "secret-key"
    try:
        return kept.read_text()
    except FileNotFoundError:
        return _made(kept)


def _made(kept: Path) -> str:
    """Web, worker and gateway may all be started at once on an empty machine. The key gets its name only when it is whole,
    and the first one stays: nobody reads half a key, and nobody else ever may.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix="secret-key-")  # readable for its owner only
    with os.fdopen(handle, "w") as file:
        file.write(_secrets.token_urlsafe(64))
    try:
        os.link(name, kept)
    except FileExistsError:  # another process was a moment faster
        pass
    finally:
        Path(name).unlink()
    return kept.read_text()

"""The secret key: given in production, otherwise made once and kept in the data directory."""

from __future__ import annotations

import secrets as _secrets

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
        env.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with kept.open("x") as file:
            kept.chmod(0o600)
            file.write(_secrets.token_urlsafe(64))
    except FileExistsError:  # another process was a moment faster
        pass
    return kept.read_text()

"""`careloop demo-gateway`: starts the demo SMS gateway with this site's settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from careloop.simulation.gateway.server import Options, serve


def main(arguments: Sequence[str]) -> int:
    """careloop demo-gateway --port 8002 [--callback URL] [--repeat key|ask|none] [--state FILE] [--latency SECONDS]"""
    serve(options(arguments))
    return 0


def options(arguments: Sequence[str]) -> Options:
    """What the words on the command line mean. Receipts go to the patient portal, the only public door."""
    env = settings.ENV
    parser = argparse.ArgumentParser(prog="careloop demo-gateway", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8002)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--callback", default=f"http://127.0.0.1:{env.portal_port}/hooks/sms/")
    parser.add_argument("--repeat", choices=["key", "ask", "none"], default=env.sms_gateway_repeat)
    parser.add_argument("--state", type=Path, default=env.data_dir / "demo-gateway.sqlite")
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args(list(arguments))
    return Options(
        host=given.host,
        port=given.port,
        token=env.sms_gateway_token,
        callback_url=given.callback,
        callback_secret=env.sms_gateway_secret,
        knows_key=given.repeat == "key",
        can_be_asked=given.repeat != "none",
        latency=given.latency,
        state_file=given.state if str(given.state) != "none" else None,
    )

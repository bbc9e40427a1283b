"""`careloop hl7 …`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from django.conf import settings

from careloop.integration.jobs.gateway import serve, work
from careloop.integration.jobs.ingest import HELPERS, Report, ingest
from careloop.integration.jobs.process import LOOK_SECONDS
from careloop.kernel.memory import settle


def hl7(arguments: list[str]) -> int:
    """careloop hl7 listen [--host H] [--port P] [--no-process] | process [--look S] | ingest PATH… [--json] [--no-process]"""
    options = _parser().parse_args(arguments)
    if options.what == "listen":
        asyncio.run(serve(options.host, options.port, process=not options.no_process))
        return 0
    if options.what == "process":
        work(options.look)
        return 0
    missing = [str(path) for path in options.paths if not path.exists()]
    if missing:
        print(f"careloop hl7 ingest: no such file or folder: {', '.join(missing)}", file=sys.stderr)
        return 2
    settle()
    report = ingest(options.paths, process=not options.no_process, helpers=HELPERS)
    print(json.dumps(report.as_json(), ensure_ascii=False) if options.json else _in_words(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="careloop hl7", description="The HL7 v2 gateway.")
    commands = parser.add_subparsers(dest="what", required=True)
    listen = commands.add_parser("listen", help="receive messages over MLLP, answer and apply them")
    listen.add_argument("--host", default=settings.ENV.hl7_host)
    listen.add_argument("--port", type=int, default=settings.ENV.hl7_port)
    applying = commands.add_parser("process", help="only apply stored messages; several of these may run side by side")
    applying.add_argument(
        "--look",
        type=float,
        default=LOOK_SECONDS,
        metavar="SECONDS",
        help="look by itself this often, besides being told",
    )
    files = commands.add_parser("ingest", help="read messages from files and folders")
    files.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    files.add_argument("--json", action="store_true", help="print the counts as JSON")
    for each in (listen, files):
        each.add_argument("--no-process", action="store_true", help="only store; another process applies them")
    return parser


def _in_words(report: Report) -> str:
    lines = [f"received {report.received}: stored {report.stored}, had already {report.duplicates}"]
    lines += [f"applied {report.applied}", f"not needed {sum(report.ignored.values())}"]
    lines += [f"  {event:<10} {count}" for event, count in report.ignored.items()]
    lines += [f"waiting {report.waiting}", f"dead {sum(report.dead.values())}"]
    lines += [f"  {reason:<24} {count}" for reason, count in report.dead.items()]
    return "\n".join(lines)

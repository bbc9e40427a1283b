"""`careloop rulepack`: check a rule pack against its forms and the public test vectors, or publish a version of one's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.utils import timezone

from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.publichealth import rules
from careloop.publichealth.actions import publish_pack
from careloop.publichealth.reads import packs

USAGE = "careloop rulepack check [FILE] [--vectors FILE] | publish FILE"


def main(arguments: Sequence[str]) -> int:
    """0: everything agrees; 1: something does not, each line says what; 2: not asked for properly, or no such file."""
    try:
        return _run(arguments)
    except (OSError, ValueError) as fault:  # no file, not ours to read, no JSON
        print(f"careloop rulepack: {fault}", file=sys.stderr)
        return 2


def _run(arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["check"]:
            return check(packs.shipped_pack(), packs.shipped_scenes())
        case ["check", file]:
            return check(_read(file), packs.shipped_scenes())
        case ["check", file, "--vectors", vectors]:
            return check(_read(file), _scenes(_read(vectors)))
        case ["publish", file]:
            return publish(_read(file))
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def check(content: Mapping[str, Any], scenes: Sequence[Mapping[str, Any]]) -> int:
    """Read the pack, compare it with its forms, look for gaps in their classes, play every vector."""
    try:
        pack = rules.parse_pack(content)
    except rules.BadPack as fault:
        print(fault)
        return 1
    forms = packs.shipped_forms()
    lines = [*rules.proofread_pack(pack, forms)]
    lines += rules.play(pack, forms, scenes) if not lines else ()
    lines += [line for url in packs.urls_of(pack) if url in forms for line in _holes(url, forms)]
    for line in lines:
        print(line)
    visits = sum(len(scene["visits"]) for scene in scenes)
    print(
        f"rule pack {pack.version}: {len(pack.programmes)} programmes, {len(packs.urls_of(pack))} forms, "
        f"{len(scenes)} scenes with {visits} visits, {_unverified(pack)} sources not verified, {len(lines)} problems"
    )
    return 1 if lines else 0


def _holes(url: str, forms: Mapping[str, Any]) -> list[str]:
    """Answers that are complete and still get no class. Overlaps are meant: in these forms the first row counts."""
    outcomes = (forms[url].classification or {}).get("outcomes", ())
    found = rules.examine(forms[url], outcomes) if outcomes else ()
    return [f"{url}: {hole.kind} {hole.rows or ''} {dict(hole.example)}" for hole in found if hole.kind != "overlap"]


def _unverified(pack: rules.Pack) -> int:
    sources = [source for programme in pack.programmes for source in programme.sources]
    sources += [rule.source for programme in pack.programmes for rule in programme.clocks.values()]
    sources += [one.source for programme in pack.programmes for one in programme.indicators]
    return sum(not source.verified for source in sources)


def publish(content: Mapping[str, Any]) -> int:
    """Publish a hospital's own version after the same checks."""
    try:
        made = publish_pack(
            content=content, scenes=content.get("scenes", ()), at=timezone.now(),
            by=Viewer.system("config.rulepack"),
        )  # fmt: skip
    except Refused as refusal:
        print(refusal)
        return 1
    print(f"rule pack {made.version} holds from {made.valid_from:%Y-%m-%d}")
    return 0


def _read(file: str) -> dict[str, Any]:
    read = json.loads(Path(file).read_text(encoding="utf-8"))
    if not isinstance(read, dict):
        raise ValueError(f"{file} holds no JSON object")
    return read


def _scenes(read: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if not isinstance(read.get("scenes"), list):
        raise ValueError('the vectors must have a list "scenes"')
    return list(read["scenes"])

"""The peer's table beside the product's last outcome of the same size, with what corresponds and what does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import pace
from bench.measuring import Sample

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".data" / "bench" / "peer"
OUTCOMES = ROOT / ".data" / "bench" / "outcomes"
Outcome = Mapping[str, Any]

WORK: Mapping[str, tuple[str, str, str]] = {
    "W2": (
        "W2 JSON", "due list: fifty rows with patient, exact count",
        "appointments of a specialty in place of tasks of a department, two calls (rows, count). It reads as its administrator:"
        " no scope by place, no record of who read, telephone not masked",
    ),
    "W4": (
        "W4", "one patient's record",
        "person, diagnoses, encounters and follow-ups as data, four calls; ours is the finished page (HTML) with its fragments,"
        " messages, answers, alerts, plan and the record of the reading",
    ),
    "W1a": (
        "W1a", "a discharge with diagnosis and eight follow-ups",
        "five calls, each a transaction of its own: a stop in the middle leaves half a discharge, and saying it again makes a"
        " second patient. Ours is one HL7 message that may come twice: parsed, the patient found again, the plan chosen and"
        " explained, its eight follow-ups written, after the acknowledgement",
    ),
}  # fmt: skip
"""Line → (the product's line, what it is, what of it corresponds and what does not)."""


def row(name: str, eight: Sample, alone: Sample) -> dict[str, Any]:
    """One line of the peer."""
    return {
        "name": name, "what": WORK[name][1], **eight.row(), "alone_p50_ms": round(alone.percentile(0.5), 2),
        "alone_p95_ms": round(alone.percentile(0.95), 2), "wrong": eight.wrong + alone.wrong,
    }  # fmt: skip


def file(size: int) -> Path:
    """Where the newest run of this size lies."""
    return KEPT / f"{size}.json"


def keep(outcome: Outcome) -> None:
    """One file for each size: the newest run."""
    KEPT.mkdir(parents=True, exist_ok=True)
    file(int(outcome["tasks"])).write_text(json.dumps(outcome, indent=1, ensure_ascii=False))


def kept() -> list[Outcome]:
    """The kept runs, small to large."""
    return sorted((json.loads(path.read_text()) for path in KEPT.glob("*.json")), key=lambda each: int(each["tasks"]))


def product(size: int) -> Outcome | None:
    """The product's own last full run of this size; None when there is none."""
    path = OUTCOMES / f"{size}.json"
    return json.loads(path.read_text()) if path.exists() else None


HEAD = (
    "| workload | /s | p50 | p95 ms | alone p50/p95 | CPU ms app + db | CareLoop /s | alone p50/p95 | CPU ms app + db"
    " | CareLoop ÷ GNU Health | wrong |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(theirs: Mapping[str, Any], ours: Mapping[str, Any] | None) -> str:
    """One line of the table; a dash for what the product has not measured."""
    mine = (
        f"{ours['per_second']:,} | {_alone(ours)} | {_cpu(ours)} | {_times(ours['per_second'], theirs['per_second'])}"
        if ours else "– | – | – | –"
    )  # fmt: skip
    return (
        f"| {theirs['name']}, {theirs['what']} | {theirs['per_second']:,} | {theirs['p50_ms']} | {theirs['p95_ms']}"
        f" | {_alone(theirs)} | {_cpu(theirs)} | {mine} | {theirs['wrong']} |"
    )


def _alone(found: Mapping[str, Any]) -> str:
    return f"{found['alone_p50_ms']}/{found['alone_p95_ms']}" if found["alone_p50_ms"] else "–"


def _cpu(found: Mapping[str, Any]) -> str:
    return f"{found['app_cpu_ms']} + {found['database_cpu_ms']}"


def _times(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.1f} ×" if theirs else "–"


def table(outcome: Outcome, ours: Outcome | None) -> str:
    """The whole comparison as Markdown."""
    of = {each["name"]: each for each in ours["rows"]} if ours else {}
    lines = [
        f"\n{outcome['tasks']:,} follow-ups · {outcome['when']} · {outcome['machine']} · `{outcome['command']}`"
        f" · {outcome['seconds']} s in all\n",
        *pace.lines(outcome), HEAD, *(line(each, of.get(WORK[each["name"]][0])) for each in outcome["rows"]), "",
        f"Memory of its server {outcome['memory_mb']} MB{_memory(ours)}; disk for a discharge with its follow-ups"
        f" {outcome['sizes']['per_discharge']:,.0f} B{_disk(ours)}.", "",
        *(f"- **{each['name']}**: {WORK[each['name']][2]}." for each in outcome["rows"]),
    ]  # fmt: skip
    if not ours:
        lines.append("\nThere is no full run of the product at this size yet: `make bench` makes one.")
    return "\n".join(lines)


def _memory(ours: Outcome | None) -> str:
    found = (ours or {}).get("sizes", {}).get("memory", {})
    return f" (CareLoop: {', '.join(f'{name} {mb} MB' for name, mb in found.items())})" if found else ""


def _disk(ours: Outcome | None) -> str:
    if not ours:
        return ""
    return f" (CareLoop, with answers, messages and audit: {ours['sizes']['per_discharge']:,.0f} B)"

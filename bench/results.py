"""RESULTS.md: the last full runs of every size, and the same figures side by side as the data grows.

    python -m bench.results

A full run keeps its outcome beside the database; this puts the kept ones into the generated part of the file. What is
written below that part (the profile of each gap) stays as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import beside, report

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "bench" / "RESULTS.md"
KEPT = ROOT / ".data" / "bench" / "outcomes"
BEGIN, END = "<!-- figures: written by python -m bench.results -->", "<!-- end of figures -->"
Outcome = Mapping[str, Any]


def keep(outcome: Outcome) -> None:
    """One file for each size: the newest full run."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{outcome['tasks']}.json").write_text(json.dumps(outcome, indent=1, ensure_ascii=False))


def kept() -> list[Outcome]:
    """The kept runs, small to large."""
    return sorted((json.loads(path.read_text()) for path in KEPT.glob("*.json")), key=lambda each: int(each["tasks"]))


def growth(outcomes: Sequence[Outcome]) -> str:
    """Units a second at eight clients, and the median alone, by size."""
    head = " | ".join(f"{outcome['tasks']:,}" for outcome in outcomes)
    lines = [f"| units/s (p50 ms at one client) | {head} |", "|---" * (len(outcomes) + 1) + "|"]
    for name in dict.fromkeys(row["name"] for outcome in outcomes for row in outcome["rows"]):
        lines.append(f"| {name} | " + " | ".join(_cell(outcome, name) for outcome in outcomes) + " |")
    sizes = " | ".join(f"{outcome['sizes']['per_discharge']:,.0f} B" for outcome in outcomes)
    return "\n".join([*lines, f"| disk for a discharge with its follow-ups | {sizes} |"])


def _cell(outcome: Outcome, name: str) -> str:
    row = next((row for row in outcome["rows"] if row["name"] == name), None)
    return f"{row['per_second']:,} ({report.shown(row['alone_p50_ms'])})" if row else "–"


def figures(outcomes: Sequence[Outcome]) -> str:
    """The generated part."""
    runs = "\n".join(
        f"\n## {each['tasks']:,} follow-ups: `{each['command']}`\n{report.table(each)}" for each in outcomes
    )
    return f"{BEGIN}\n\n## Growth\n\n{growth(outcomes)}\n{runs}\n{peers(outcomes)}\n{END}"


def peers(outcomes: Sequence[Outcome]) -> str:
    """GNU Health at each size it was measured at, beside our run of that size; nothing when it never was."""
    ours = {int(each["tasks"]): each for each in outcomes}
    tables = "\n".join(beside.table(each, ours.get(int(each["tasks"]))) for each in beside.kept())
    return f"\n## Beside GNU Health\n{tables}\n" if tables else ""


def placed(text: str, new: str) -> str:
    """The file with its generated part renewed; a file without one gets it at its end."""
    if BEGIN not in text:
        return f"{text.rstrip()}\n\n{new}\n"
    before, __, rest = text.partition(BEGIN)
    return before + new + rest.partition(END)[2]


def main() -> int:
    outcomes = kept()
    if not outcomes:
        print("No full run is kept yet: `make bench` makes one.", file=sys.stderr)
        return 1
    FILE.write_text(placed(FILE.read_text() if FILE.exists() else "# Results\n", figures(outcomes)))
    print(f"{FILE.relative_to(ROOT)}: {', '.join(format(each['tasks'], ',') for each in outcomes)} follow-ups")
    return 0


if __name__ == "__main__":
    sys.exit(main())

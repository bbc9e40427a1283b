"""The table: product beside limit, and what a unit costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench import pace
from bench.measuring import Sample

TARGETS: dict[str, tuple[str, float]] = {
    "W2 JSON": ("≥ 700/s, p50 ≤ 3 ms", 700 / 8075),
    "W2 HTML": ("≥ 300/s, p95 ≤ 40 ms", 300 / 8075),
    "W4": ("≥ 450/s, p50 ≤ 5 ms", 450 / 2642),
    "W5": ("≤ 3 ms, exact", 0.13 / 3),
    "W3": ("≥ 700/s, p95 ≤ 20 ms", 700 / 4315),
    "W1a": ("≥ 700/s, p95 ≤ 20 ms", 700 / 2961),
    "W1b": ("≥ 4,000/s", 4000 / 11548),
    "W6": ("≥ 5,000/s", 5000 / 6359),
    "W6 50 ms": ("≥ 5,000/s", 5000 / 6359),
}
"""What each workload is held to: in words, and as the share of the hand-written limit on the machine the targets were set
on. A slower machine halves both sides, so the share is what can be compared.
"""


def row(name: str, what: str, product: Sample, floor: Sample, alone: Sample) -> dict[str, Any]:
    """One workload: eight clients for both sides, one client for the product's own answer time."""
    target, share = TARGETS.get(name, ("", 0.0))
    return {
        "name": name, "what": what, "target": target, "target_ratio": round(share, 3), **product.row(),
        "alone_p50_ms": round(alone.percentile(0.5), 2), "alone_p95_ms": round(alone.percentile(0.95), 2),
        "limit_per_second": round(floor.per_second, 1), "limit_p50_ms": round(floor.percentile(0.5), 2),
        "limit_database_cpu_ms": floor.row()["database_cpu_ms"],
        "ratio": round(product.per_second / floor.per_second, 3) if floor.per_second else 0.0,
        "wrong": product.wrong + floor.wrong,
    }  # fmt: skip


def outbox_row(name: str, what: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """One line of W6 from what `bench/outbox.py` printed. After a kill the pause until its lease ends is counted too."""
    empty = row(name, what, Sample(), Sample(), Sample())
    return empty | {
        "units": found["messages"], "per_second": float(found["per_second"]),
        "app_cpu_ms": found["sender_cpu_ms_each"] or 0.0, "limit_per_second": float(found["limit_per_second"]),
        "ratio": round(found["per_second"] / found["limit_per_second"], 3) if found["limit_per_second"] else 0.0,
        "wrong": int(found["doubled"]) + abs(int(found["messages"]) - int(found["reached"])),
    }  # fmt: skip


HEAD = (
    "| workload | /s | p50 | p95 | p99 ms | alone p50/p95 | CPU ms app + db | limit /s | product ÷ limit | wanted ÷ limit | target | wrong |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def shown(value: float) -> str:
    """What was not measured is a dash, never a nought."""
    return f"{value:,}" if value else "–"


def wanted(r: Mapping[str, Any]) -> str:
    """The share of the limit the target asks for; ✓ where this run reaches it."""
    share = r.get("target_ratio") or 0.0
    return shown(share) + (" ✓" if share and r["ratio"] >= share else "")


def line(r: Mapping[str, Any]) -> str:
    """One line of the table."""
    return (
        f"| {r['name']}: {r['what']} | {r['per_second']:,} | {shown(r['p50_ms'])} | {shown(r['p95_ms'])} | {shown(r['p99_ms'])}"
        f" | {shown(r['alone_p50_ms'])}/{shown(r['alone_p95_ms'])} | {shown(r['app_cpu_ms'])} + {shown(r['database_cpu_ms'])}"
        f" | {shown(r['limit_per_second'])} | {shown(r['ratio'])} | {wanted(r)} | {r['target']} | {r['wrong']} |"
    )


def table(outcome: Mapping[str, Any]) -> str:
    """The whole report as Markdown."""
    lines = [
        f"\n{outcome['tasks']:,} follow-ups · {outcome['when']} · {outcome['machine']} · {outcome['seconds']} s in all\n",
        *pace.lines(outcome), HEAD, *(line(r) for r in outcome["rows"]),
    ]  # fmt: skip
    sizes = outcome["sizes"]
    lines.append(
        f"\nDisk: {sizes['bytes'] / 1e6:,.0f} MB in all, {sizes['per_task']:,.0f} B a follow-up, {sizes['per_discharge']:,.0f} B a discharge"
    )
    if "bare_discharge" in sizes:
        lines.append(
            f"Disk of a discharge with patient, plan, 8 tasks and audit, without answers, messages and calls: {sizes['bare_discharge']:,.0f} B (target 5,000)"
        )
    lines += [f"  {name:<40} {size / 1e6:>9,.1f} MB" for name, size in sizes["tables"].items()]
    lines.append("Memory: " + ", ".join(f"{name} {mb} MB" for name, mb in sizes.get("memory", {}).items()))
    if outcome.get("live"):
        lines.append(live_line(outcome["live"]))
    return "\n".join(lines)


def live_line(found: Mapping[str, Any]) -> str:
    """What the open streams cost and how late news is."""
    return (
        f"Live: {found['clients']:,} streams on one process, {found['loaded_mb'] - found['idle_mb']} MB more"
        f" ({found['idle_mb']} → {found['loaded_mb']}), news after p50 {found['p50_ms']} ms, p95 {found['p95_ms']} ms,"
        f" {found['delivered']:,} of {found['expected']:,} delivered"
    )

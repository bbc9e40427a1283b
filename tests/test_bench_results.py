"""The figures of the benchmark find their place in RESULTS.md, and what people wrote there stays."""

import json

import pytest

from bench import pace, report, results
from bench.measuring import Sample


def outcome(tasks: int, per_second: float, names: tuple[str, ...] = ("W2 JSON", "W6")) -> dict:
    sample = Sample(units=10, seconds=10 / per_second, times=[2.0] * 10, app_cpu=0.05, database_cpu=0.01)
    floor = Sample(units=10, seconds=10 / (per_second * 4), times=[0.5] * 10)
    return {
        "when": "2026-11-22 10:00 UTC", "machine": "2 cores", "tasks": tasks, "command": f"python -m bench --size {tasks}",
        "seconds": 99, "rows": [report.row(name, "what", sample, floor, sample) for name in names],
        "sizes": {"bytes": 5e8, "per_task": 500, "per_discharge": 4000, "tables": {"tasks_task": 7e7}, "memory": {"web": 150}},
        "live": {"clients": 1000, "delivered": 9990, "expected": 10000, "idle_mb": 100, "loaded_mb": 136, "p50_ms": 20, "p95_ms": 47},
    }  # fmt: skip


def test_ratio_and_cost_of_a_unit() -> None:
    (row, __) = outcome(100, 50)["rows"]
    assert (row["ratio"], row["app_cpu_ms"], row["alone_p50_ms"]) == (0.25, 5.0, 2.0)


def test_growth_has_a_column_for_each_size_and_a_dash_for_what_was_not_measured() -> None:
    lines = results.growth([outcome(100_000, 80), outcome(1_000_000, 60, ("W2 JSON",))]).splitlines()
    assert "100,000 | 1,000,000" in lines[0]
    assert next(line for line in lines if line.startswith("| W2 JSON")) == "| W2 JSON | 80.0 (2.0) | 60.0 (2.0) |"
    assert next(line for line in lines if line.startswith("| W6")).endswith("| – |")


PACE = [
    {"python_ms": 40.5, "disk_ms": 0.6, "worked": 1000, "stolen": 50},
    {"python_ms": 205.0, "disk_ms": 0.5, "worked": 1100, "stolen": 60},
    {"python_ms": 81.0, "disk_ms": 1.25, "worked": 1300, "stolen": 150},
]


def test_a_run_says_how_fast_its_machine_was() -> None:
    told = report.table(outcome(100_000, 80) | {"pace": PACE})
    assert "3 looks during the run: a million steps of Python 40.5–205 ms (median 81)," in told
    assert "a page written for good 0.5–1.25 ms (median 0.6); 25% of the time" in told
    assert "Pace" not in report.table(outcome(100_000, 80))  # of an older run nothing is invented


def test_the_pace_is_measured_here_and_leaves_nothing(tmp_path) -> None:
    found = pace.taken(tmp_path / "new")
    assert min(found["python_ms"], found["disk_ms"], found["worked"]) > 0
    assert found["stolen"] >= 0
    assert list((tmp_path / "new").iterdir()) == []


def test_what_people_wrote_stays() -> None:
    first = results.placed("# Results\n\nRead this first.\n", results.figures([outcome(100_000, 80)]))
    written = f"{first}\n## Gaps\n\nThe profile says why.\n"
    again = results.placed(written, results.figures([outcome(100_000, 81)]))
    assert again.startswith("# Results\n\nRead this first.\n")
    assert again.endswith("## Gaps\n\nThe profile says why.\n")
    assert (again.count(results.BEGIN), again.count(results.END)) == (1, 1)
    assert "80.0" not in again
    assert "81.0" in again
    assert results.placed(again, results.figures([outcome(100_000, 81)])) == again


def test_the_newest_run_of_a_size_is_kept(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "KEPT", tmp_path / "outcomes")
    for each in (outcome(1_000_000, 60), outcome(100_000, 80), outcome(100_000, 90)):
        results.keep(json.loads(json.dumps(each)))
    assert [(each["tasks"], each["rows"][0]["per_second"]) for each in results.kept()] == [
        (100_000, 90.0),
        (1_000_000, 60.0),
    ]


def test_nothing_kept_is_said(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(results, "KEPT", tmp_path)
    assert results.main() == 1
    assert "make bench" in capsys.readouterr().err


def test_the_live_line_tells_what_was_lost() -> None:
    text = report.table(outcome(100_000, 80))
    assert "9,990 of 10,000 delivered" in text
    assert "36 MB more" in text


def test_a_run_that_reaches_its_share_of_the_limit_says_so() -> None:
    reached, missed = (
        outcome(100, per_second)["rows"][0] | {"ratio": ratio} for per_second, ratio in ((50, 0.09), (50, 0.08))
    )
    assert report.wanted(reached) == "0.087 ✓"
    assert report.wanted(missed) == "0.087"
    assert report.wanted(outcome(100, 50, ("W3 pages",))["rows"][0]) == "–"  # nothing is asked of it


def test_a_run_kept_before_shares_were_written_is_still_printed() -> None:
    (row, __) = outcome(100, 50)["rows"]
    del row["target_ratio"]
    assert "| – | ≥ 700/s" in report.line(row)

"""Results as text and picture: ratios within a round, targets, and README's tables, which hold nothing typed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import cpu_us, ratio
from benchmarks.latency_report import write_latency_report
from benchmarks.plan import Cell, Plan, everyday_cells, release_cells
from benchmarks.readme import ReadmeError, read_note, read_trials, renewed
from benchmarks.results_picture import draw
from benchmarks.results_report import write_report
from benchmarks.rounds import Trial
from benchmarks.targets import FIGURES, judge, most_of
from reznet_ws.demo.topologies import TOPOLOGIES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "results.json"
CELL = ("one room", "chat", 100)
PLAN = Plan(cells=(Cell("one room", 100, (), phases=("opening", "steady")),), rounds=2)
MACHINE: dict[str, Any] = {
    "processor": "a processor",
    "cores": 2,
    "is_pinned": False,
    "versions": "Python",
    "traffic": "Seed 1",
    "note": "of a busy machine",
}


def _made_up(number: int, name: str, cpu_s: float, wire_bytes: int = 100_000) -> Trial:
    phase = {
        "emissions": 10,
        "deliveries": 1000,
        "wire_bytes": wire_bytes,
        "seconds": 1.0,
        "server_cpu_s": cpu_s,
        "load_share": 0.9,
        "p50_ms": 1.0,
        "p95_ms": 2.0,
        "p99_ms": 3.0,
    }
    return Trial(number, name, *CELL, 0.1, 30_000.0, {"steady": phase})


# Round by round CPU is a tenth, though the rounds differ by more.
TRIALS = [
    _made_up(0, "uvicorn", 0.1),
    _made_up(0, "reznet recommended", 0.01),
    _made_up(1, "uvicorn", 0.4, 200_000),
    _made_up(1, "reznet recommended", 0.04),
]


def test_ratios_are_of_one_round_and_targets_say_by_how_much_they_are_missed() -> None:
    measured = ratio(TRIALS, cpu_us("steady"), CELL)
    assert measured is not None
    assert (measured.low, measured.high) == pytest.approx((0.1, 0.1))
    assert {one.figure: one.said for one in judge(TRIALS)} == {
        "bytes": "missed by 25 %",
        "CPU": "reached",
        "memory": "missed by 100 %",
        "p50": "reached",
        "p95": "reached",
    }


def test_the_report_shows_medians_with_their_spread_and_the_targets() -> None:
    report = write_report(TRIALS, PLAN, MACHINE)
    assert "25.0 (10.0–40.0)" in report
    assert "0.75 (0.6)!" in report
    assert "**of a busy machine**" in report


def test_the_latency_report_shows_each_server_against_stock() -> None:
    report = write_latency_report(TRIALS, PLAN, MACHINE)
    assert "| reznet recommended | the default" in report
    assert "| 0.75 |" in report


def test_the_picture_has_a_mark_for_each_server() -> None:
    assert {trace.name for trace in draw(TRIALS).data} == {"python-socketio on uvicorn", "with reznet_ws"}


def test_what_is_promised_everywhere_is_that_nothing_costs_more() -> None:
    for figure in FIGURES:
        assert most_of(("rooms of 2", "small", 60), figure) == (1.1 if figure in ("p50", "p95") else 1)


def test_the_everyday_and_the_release_set_hold_every_topology() -> None:
    for cells in (everyday_cells(), release_cells()):
        assert {cell.topology for cell in cells} == set(TOPOLOGIES)
        assert len({(cell.topology, cell.traffic, cell.clients) for cell in cells}) == len(cells)


def test_readmes_tables_are_those_of_the_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert renewed(read_trials(RESULTS), read_note(RESULTS), text) == text


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ReadmeError, match="topologies"):
        renewed(TRIALS, "One round.", "nothing")

"""A load test's runs as text.

In: runs. Out: a table of medians with spread, and the requirements with a verdict each.
Never: measures.
"""

from __future__ import annotations

from collections.abc import Sequence

from reznet_ws.draw.tables import align
from reznet_ws.lab.comparison import BASELINE, LoadPlan, LoadRun, compare, spread, worst

_COLUMNS = {
    "bytes a delivery": lambda run: run.bytes_per_delivery,
    "fewer than off, %": lambda run: run.measured.reduction_percent,
    "p50, ms": lambda run: run.measured.p50_ms,
    "p95, ms": lambda run: run.measured.p95_ms,
    "p99, ms": lambda run: run.measured.p99_ms,
}


def load_report(runs: Sequence[LoadRun], load: LoadPlan) -> str:
    """The whole report as text: medians (least to most), ratios to stock, and the requirements of the last preset."""
    presets = list(dict.fromkeys(run.preset for run in runs))
    rounds = len(runs) // len(presets)
    lines = [
        f"{load.users} users, {load.rate_per_s:g} messages a second to each, mix {load.mix}, seed {load.seed}, "
        f"{rounds} x {load.duration_s:g} s, interleaved; median (least–most)",
        "bytes counted at the server's sockets; latency from when a message was due to the client's handler",
        "",
    ]
    rows = [["preset", *_COLUMNS]]
    rows += [[preset, *(f"{spread(runs, figure, preset):.1f}" for figure in _COLUMNS.values())] for preset in presets]
    lines.append(align(rows, right=False))
    if BASELINE in presets:
        lines += ["", f"as ratios to {BASELINE} in the same round", ""]
        compared = {name: _COLUMNS[name] for name in ("bytes a delivery", "p50, ms", "p95, ms")}
        rows = [["preset", *compared]]
        for preset in presets:
            if preset != BASELINE:
                ratios = [compare(runs, figure, preset) for figure in compared.values()]
                rows.append([preset, *(f"{ratio:.2f} {ratio.verdict}" for ratio in ratios)])
        lines.append(align(rows, right=False))
    for preset in presets:
        lines += ["", f"requirements, worst run of {preset}", ""]
        rows = [["requirement", "target", "measured", ""]]
        for item in worst(runs, preset):
            measured = "–" if item.measured is None else f"{item.measured:.1f} {item.unit}".rstrip()
            rows.append([item.name, item.target, measured, "pass" if item.passed else "FAIL"])
        lines.append(align(rows, right=False))
    return "\n".join(lines)


def is_met(runs: Sequence[LoadRun], preset: str) -> bool:
    """Whether every run of a preset met every requirement."""
    return all(item.passed for item in worst(runs, preset))

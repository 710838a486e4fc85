"""What batching and coalescing do to delays, as text.

In: trials. Out: Markdown, medians with the least and the most, and ratios to stock within one round.
Never: measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.contestants import BASELINE, CONTESTANTS
from benchmarks.figures import Figure, cells_of, cpu_us, of_phase, ratio, spread, wire_bytes
from benchmarks.plan import Plan
from benchmarks.results_report import cell_title, markdown_table, show
from benchmarks.rounds import Trial

_COLUMNS: Sequence[tuple[str, Figure]] = (
    ("p50, ms", of_phase("steady", "p50_ms")),
    ("p95, ms", of_phase("steady", "p95_ms")),
    ("bytes", wire_bytes("steady")),
    ("CPU, µs", cpu_us("steady")),
)


def write_latency_report(trials: Sequence[Trial], plan: Plan, machine: dict[str, Any]) -> str:
    """A table for each topology and number of clients. Bytes and CPU are per message to one client."""
    lines = [
        "# Batching and coalescing: delays",
        "",
        f"{machine['processor']}, {machine['cores']} cores; {machine['versions']}.",
        f"{plan.rounds} rounds of {plan.seconds:g} s, interleaved, {plan.per_client_s:g} messages a second to each.",
        "Median (least–most); ×: to stock, within one round.",
        "From when a message was due to be emitted to when it was read at the client's socket, windows full.",
    ]
    for cell in cells_of(trials):
        names = list(dict.fromkeys(trial.name for trial in trials if trial.cell == cell))
        titles = [title for title, _ in _COLUMNS]
        rows = [["server", "what it is", *(part for title in titles for part in (title, "×"))]]
        for name in names:
            row = [name, CONTESTANTS[name].about]
            for _, figure in _COLUMNS:
                value = spread(trials, figure, cell, name)
                times = ratio(trials, figure, cell, name, BASELINE)
                row += ["–" if value is None else show(value, ".1f"), "–" if times is None else f"{times.median:.2f}"]
            rows.append(row)
        lines += ["", f"## {cell_title(cell)}", "", *markdown_table(rows)]
    failed = [trial for trial in trials if trial.error]
    if failed:
        lines += ["", "## Trials that count for nothing", ""]
        lines += [f"- round {one.round + 1}, {cell_title(one.cell)}, {one.name}: {one.error}" for one in failed]
    return "\n".join(lines) + "\n"

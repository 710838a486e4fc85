"""Trials as text: ratios by topology against the targets, then every figure of every server.

In: trials. Out: Markdown, medians with the least and the most.
Never: measures, or fails where a target is missed: it says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.contestants import BASELINE, CANDIDATE, CONTESTANTS
from benchmarks.driver import AHEAD_DELIVERIES, INSPECT_EVERY, PER_TURN
from benchmarks.figures import (
    CellKey,
    Figure,
    cells_of,
    cpu_us,
    deliveries_per_s,
    memory_kb,
    of_phase,
    ratio,
    spread,
    wire_bytes,
)
from benchmarks.plan import FILLING_MESSAGES, LAP_MESSAGES, OPENING_MESSAGES, Plan
from benchmarks.rounds import Trial
from benchmarks.targets import FIGURES, judge, most_of
from reznet_ws.demo.topologies import TOPOLOGIES
from reznet_ws.replay.spread import Spread

_TABLES: Sequence[tuple[str, Figure, str]] = (
    (f"Wire bytes per delivery, the first {OPENING_MESSAGES} messages of a connection", wire_bytes("opening"), ".1f"),
    ("Wire bytes per delivery", wire_bytes("steady"), ".1f"),
    ("Wire bytes per delivery, clients replaced all the time", wire_bytes("churn"), ".1f"),
    ("CPU per delivery, µs", cpu_us("steady"), ".1f"),
    ("CPU per delivery, µs, clients replaced all the time (their joining included)", cpu_us("churn"), ".1f"),
    ("KB per connection", memory_kb, ".1f"),
    ("p50, ms", of_phase("steady", "p50_ms"), ".1f"),
    ("p95, ms", of_phase("steady", "p95_ms"), ".1f"),
    ("Full load: CPU per delivery, µs", cpu_us("full"), ".1f"),
    ("Full load: deliveries a second", deliveries_per_s("full"), ",.0f"),
    ("Share of a core that the clients took", of_phase("steady", "load_share"), ".0%"),
)


def write_report(trials: Sequence[Trial], plan: Plan, machine: dict[str, Any]) -> str:
    """The whole report."""
    names = list(dict.fromkeys(trial.name for trial in trials))
    lines = [*_opening(plan, machine), *_legend(trials, names)]
    lines += ["", f"## {CANDIDATE} to {BASELINE}, by topology", ""]
    lines += ["Ratios within one round; in brackets what is to be reached, ! where it is not.", ""]
    lines += markdown_table(ratio_rows(trials))
    judged = judge(trials)
    missed = sorted((one for one in judged if one.ratio.median > one.most), key=lambda one: -one.ratio.median)
    lines += ["", f"### Missed: {len(missed)} of {len(judged)}, the most of stock's first", ""]
    for one in missed:
        lines.append(f"- {cell_title(one.cell)}, {one.figure}: {one.ratio:.2f}, to be ≤ {one.most:g}: {one.said}")
    for title, figure, form in _TABLES:
        rows = _figure_rows(trials, names, figure, form)
        if len(rows) > 1:
            lines += ["", f"## {title}", "", *markdown_table(rows)]
    failed = [trial for trial in trials if trial.error]
    if failed:
        lines += ["", "## Trials that count for nothing", ""]
        lines += [f"- round {one.round + 1}, {cell_title(one.cell)}, {one.name}: {one.error}" for one in failed]
    return "\n".join(lines) + "\n"


def ratio_rows(trials: Sequence[Trial]) -> list[list[str]]:
    """A row for each cell, a column for each figure."""
    rows = [["topology", "traffic", "clients", *FIGURES]]
    for cell in cells_of(trials):
        topology, traffic, clients = cell
        row = [topology, traffic, str(clients)]
        for name, figure in FIGURES.items():
            measured = ratio(trials, figure, cell)
            most = most_of(cell, name)
            row.append("–" if measured is None else f"{measured.median:.2f} ({most:g}){'!' * (measured.median > most)}")
        rows.append(row)
    return rows


def cell_title(cell: CellKey) -> str:
    """In words."""
    topology, traffic, clients = cell
    return f"{topology}, {traffic}, {clients} clients"


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table that reads well as plain text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in ruled]


def _opening(plan: Plan, machine: dict[str, Any]) -> list[str]:
    pinning = (
        f"server on core {machine['server_core']}, clients on core {machine['load_core']}"
        if machine["is_pinned"]
        else "not pinned: the system cannot, or has one core"
    )
    return [
        "# Socket.IO servers side by side",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {pinning}; {machine['versions']}.",
        f"{machine['traffic']}. {plan.rounds} rounds, interleaved: median (least–most).",
        *([f"**{machine['note']}**"] if machine.get("note") else []),
        "",
        "- Bytes: at the clients' sockets, frame headers included; every server sends the same messages to the same",
        f"  clients. First each client gets {OPENING_MESSAGES} messages, then {FILLING_MESSAGES} to fill the windows;",
        "  the other figures are of what follows.",
        "- CPU: user and system time of the server's process per delivery. Latency: from when a message was due to be",
        "  emitted to when it was read at the client's socket. Memory: of the server's process, per connection.",
        f"- Rate: {plan.per_client_s:g} messages a second to each client, or fewer where all together would get more",
        f"  than {plan.most_deliveries_per_s:g} a second, for {plan.seconds:g} s.",
        f"- Replaced: {100 * plan.churn_share:g} % of the clients a second, where {plan.per_client_s:g} messages",
        "  to each are a second.",
        f"- Full load: {PER_TURN} messages emitted in one turn of the server's loop, at most {AHEAD_DELIVERIES:,}",
        f"  deliveries ahead of the slowest client, round and round the same {LAP_MESSAGES} to each. There frames are",
        f"  counted on each connection, and inflated and compared on every {INSPECT_EVERY}th; else on all.",
        "- In a trial that counts each client got each message that was for it once, in order and unaltered.",
    ]


def _legend(trials: Sequence[Trial], names: Sequence[str]) -> list[str]:
    servers = [CONTESTANTS[name] for name in names if name in CONTESTANTS]
    topologies = dict.fromkeys(trial.topology for trial in trials)
    return [
        "",
        *markdown_table([["server", "what it is"], *([one.name, f"{one.family}: {one.about}"] for one in servers)]),
        "",
        *markdown_table([["topology", "what it is"], *([name, TOPOLOGIES[name].about] for name in topologies)]),
    ]


def _figure_rows(trials: Sequence[Trial], names: Sequence[str], figure: Figure, form: str) -> list[list[str]]:
    shown: dict[CellKey, dict[str, Spread]] = {}
    for cell in cells_of(trials):
        values = {name: value for name in names if (value := spread(trials, figure, cell, name)) is not None}
        if values:
            shown[cell] = values
    columns = [name for name in names if any(name in values for values in shown.values())]
    rows = [["topology", "traffic", "clients", *columns]]
    for (topology, traffic, clients), values in shown.items():
        cells = [show(values[name], form) if name in values else "–" for name in columns]
        rows.append([topology, traffic, str(clients), *cells])
    return rows


def show(value: Spread, form: str) -> str:
    """With its spread, where that shows."""
    low, high = f"{value.low:{form}}", f"{value.high:{form}}"
    return low if low == high else f"{value:{form}}"

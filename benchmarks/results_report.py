"""Runs as text: a table for each number of clients and each condition, and the issue's targets.

In: runs. Out: Markdown, medians with the least and the most.
Never: measures, or fails where a target is missed: it says by how much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.contestants import BASELINE, CANDIDATE, CONTESTANTS, FLOOR
from benchmarks.driver import AHEAD_DELIVERIES, AHEAD_MESSAGES, INSPECT_EVERY, PER_TURN, WARM_UP_MESSAGES
from benchmarks.emissions import LAP_MESSAGES, PER_BATCH
from benchmarks.rounds import Plan, Run
from reznet_ws.replay.spread import Spread

Figure = Callable[[Run], float | None]

TITLES = {
    "joined": "all joined first",
    "batches": f"all joined first, {PER_BATCH} messages in each event (a delivery is one event)",
    "churn": "clients replaced all the time",
    "full": "full load",
}
# Above it, the load may have been the limit.
_BUSY_LOAD = 0.85


def bytes_per_delivery(phase: str) -> Figure:
    """At the client's socket."""
    return lambda run: _per_delivery(run, phase, "wire_bytes")


def cpu_us_per_delivery(phase: str) -> Figure:
    """Of the server's process."""

    def figure(run: Run) -> float | None:
        seconds = _per_delivery(run, phase, "server_cpu_s")
        return None if seconds is None else seconds * 1e6

    return figure


def memory_kb(run: Run) -> float | None:
    """For each connection, joined and warmed up."""
    memory = run.memory_bytes_per_connection
    return None if memory is None else memory / 1000


def of_phase(phase: str, name: str) -> Figure:
    """One of a phase's own figures."""
    return lambda run: run.phases.get(phase, {}).get(name)


def deliveries_per_s(phase: str) -> Figure:
    """As they arrived."""
    return lambda run: _rate(run.phases.get(phase))


def server_share(phase: str) -> Figure:
    """What the server's process used of one core."""

    def figure(run: Run) -> float | None:
        figures = run.phases.get(phase)
        return figures["server_cpu_s"] / figures["seconds"] if figures else None

    return figure


def spread(runs: Sequence[Run], figure: Figure, name: str, clients: int) -> Spread | None:
    """A server's figure over the rounds; None where no run has it."""
    values = [value for run in _of(runs, name, clients) if (value := figure(run)) is not None]
    return Spread.of(values) if values else None


def write_report(runs: Sequence[Run], plan: Plan, machine: dict[str, Any]) -> str:
    """The whole report."""
    names = list(dict.fromkeys(run.name for run in runs))
    lines = [*_opening(plan, machine), *_legend(names)]
    for clients in plan.clients:
        for phase in plan.phases_for(clients):
            lines += ["", f"### {clients} clients, {TITLES[phase]}{_events(runs, clients, phase)}", ""]
            lines += _phase_table(runs, names, phase, clients, clients == max(plan.clients))
    failed = [run for run in runs if run.error]
    if failed:
        lines += ["", "### Runs that count for nothing", ""]
        lines += [f"- round {run.round + 1}, {run.clients} clients, {run.name}: {run.error}" for run in failed]
    verdicts = judge(runs, plan)
    if verdicts:
        lines += ["", f"### Targets: {CANDIDATE}, ratios within one round", ""]
        rows = [["figure", "to", "clients", "target", "measured", ""]]
        rows += [
            [one.figure, one.to, one.clients, f"≤ {one.most:.3g}", f"{one.ratio:.3f}", one.said] for one in verdicts
        ]
        lines += table(rows)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ratio and what it may be at most."""

    figure: str
    to: str
    clients: str
    most: float
    ratio: Spread

    @property
    def said(self) -> str:
        """Whether the median reaches the target, and by how much it does not."""
        return say(self.ratio.median, self.most)


def say(ratio: float, most: float) -> str:
    """What a ratio is to its target."""
    return "reached" if ratio <= most else f"missed by {100 * (ratio / most - 1):.0f} %"


def judge(runs: Sequence[Run], plan: Plan) -> list[Verdict]:
    """The issue's targets, as far as the runs show them."""
    least, most = min(plan.clients), max(plan.clients)
    compared: list[tuple[str, Figure, str, float, Sequence[int]]] = [
        ("wire bytes, all joined first", bytes_per_delivery("joined"), BASELINE, 0.75, plan.clients),
        ("wire bytes, batches of five", bytes_per_delivery("batches"), BASELINE, 0.65, (plan.batch_clients,)),
        ("wire bytes, clients replaced", bytes_per_delivery("churn"), BASELINE, 0.85, plan.clients),
        ("CPU", cpu_us_per_delivery("joined"), BASELINE, 1 / 8, plan.clients),
        ("CPU", cpu_us_per_delivery("joined"), FLOOR, 1.5, plan.clients),
        ("CPU, full load", cpu_us_per_delivery("full"), BASELINE, 1 / 20, plan.clients),
        ("memory per connection", memory_kb, BASELINE, 0.55, (most,)),
        ("p95", of_phase("joined", "p95_ms"), BASELINE, 1.0, plan.clients),
    ]
    verdicts = []
    for figure_name, figure, to, target, sizes in compared:
        for clients in sizes:
            ratio = _ratio(runs, figure, (CANDIDATE, clients), (to, clients))
            if ratio is not None:
                verdicts.append(Verdict(figure_name, to, str(clients), target, ratio))
    if most > least:
        ratio = _ratio(runs, cpu_us_per_delivery("joined"), (CANDIDATE, most), (CANDIDATE, least))
        if ratio is not None:
            verdicts.append(Verdict("CPU", f"itself at {least}", str(most), 1.3, ratio))
    return verdicts


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table that reads well as plain text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in ruled]


def _opening(plan: Plan, machine: dict[str, Any]) -> list[str]:
    pinning = (
        f"server on core {machine['server_core']}, load on core {machine['load_core']}"
        if machine["is_pinned"]
        else "not pinned: the system cannot, or has one core"
    )
    return [
        "# Socket.IO servers side by side",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {pinning}; {machine['versions']}.",
        f"{machine['traffic']}. {plan.rounds} rounds of {plan.seconds:g} s a phase, interleaved: median (least–most).",
        "",
        f"- Bytes: at the client's socket, frame headers included, after {WARM_UP_MESSAGES} messages that warm up. The",
        "  same messages for all servers, but at full load, where all go round the same "
        f"{LAP_MESSAGES} as often as they can.",
        "- CPU: user and system time of the server's process per delivery. Latency: from when a message was due to be",
        "  emitted to when it was read at the client's socket.",
        f"- Rate: {plan.rate_per_s:g} messages a second, or fewer where all clients together would get more than "
        f"{plan.most_deliveries_per_s:g}",
        f"  a second; replaced: {100 * plan.churn_share:g} % of the clients every second.",
        f"- Full load: {PER_TURN} messages emitted in one turn of the server's loop, at most {AHEAD_MESSAGES} messages",
        f"  or {AHEAD_DELIVERIES:,} deliveries ahead of the slowest client. There frames are counted on each",
        f"  connection, and inflated and compared on every {INSPECT_EVERY}th; else on all.",
        "- Server, load: what each process used of its core; where neither is near 100 %, something else ran there.",
        f"  Above {100 * _BUSY_LOAD:.0f} % (!) the load may be the limit.",
        "- In a run that counts each client got each message once, in order and unaltered.",
    ]


def _legend(names: Sequence[str]) -> list[str]:
    known = [CONTESTANTS[name] for name in names if name in CONTESTANTS]
    return ["", *table([["server", "what it is"], *([one.name, f"{one.family}: {one.about}"] for one in known)])]


def _phase_table(runs: Sequence[Run], names: Sequence[str], phase: str, clients: int, with_memory: bool) -> list[str]:
    columns: list[tuple[str, Figure, str]] = [
        ("bytes", bytes_per_delivery(phase), ".1f"),
        ("CPU, µs", cpu_us_per_delivery(phase), ".1f"),
    ]
    if phase == "full":
        columns.append(("deliveries/s", deliveries_per_s(phase), ",.0f"))
    else:
        columns += [(f"{name[:3]}, ms", of_phase(phase, name), ".1f") for name in ("p50_ms", "p95_ms", "p99_ms")]
    if phase == "joined" and with_memory:
        columns.append(("KB/connection", memory_kb, ".1f"))
    columns += [("server", server_share(phase), ".0%"), ("load", of_phase(phase, "load_share"), ".0%")]
    rows = [["server", *(title for title, _, _ in columns)]]
    for name in names:
        row = [name]
        for title, figure, form in columns:
            value = spread(runs, figure, name, clients)
            mark = " !" if title == "load" and value is not None and value.high > _BUSY_LOAD else ""
            row.append("–" if value is None else f"{_show(value, form)}{mark}")
        rows.append(row)
    return table(rows)


def _events(runs: Sequence[Run], clients: int, phase: str) -> str:
    """How many there were, where all servers had the same."""
    counts = {run.phases[phase]["messages"] for run in runs if run.clients == clients and phase in run.phases}
    return f": {counts.pop()} events" if len(counts) == 1 else ""


def _show(value: Spread, form: str) -> str:
    """With its spread, where that shows."""
    low, high = f"{value.low:{form}}", f"{value.high:{form}}"
    return low if low == high else f"{value:{form}}"


def _ratio(runs: Sequence[Run], figure: Figure, one: tuple[str, int], other: tuple[str, int]) -> Spread | None:
    """Within each round that has both."""
    values = {run.round: value for run in _of(runs, *one) if (value := figure(run)) is not None}
    bases = {run.round: value for run in _of(runs, *other) if (value := figure(run))}
    ratios = [values[number] / bases[number] for number in values if number in bases]
    return Spread.of(ratios) if ratios else None


def _of(runs: Sequence[Run], name: str, clients: int) -> list[Run]:
    return [run for run in runs if run.name == name and run.clients == clients]


def _per_delivery(run: Run, phase: str, name: str) -> float | None:
    figures = run.phases.get(phase)
    return figures[name] / figures["deliveries"] if figures and figures["deliveries"] else None


def _rate(figures: dict[str, Any] | None) -> float | None:
    return figures["deliveries"] / figures["seconds"] if figures else None

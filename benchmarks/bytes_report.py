"""The computed bytes as text.

In: conversations of several traffics, topologies. Out: tables, geometric means, verdicts.
Never: opens a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.emissions import RecordedEvent
from benchmarks.results_report import markdown_table
from benchmarks.targets import PROMISE, most_of, say
from reznet_ws.demo.topologies import Topology
from reznet_ws.replay.script import write_script
from reznet_ws.replay.window_bytes import PROMISED_MESSAGES, ROUNDING_BYTES, ComputedBytes, compute, geometric_mean
from reznet_ws.settings import Settings

# Over all traffics and topologies.
MEAN_TARGET = 0.75
_PROMISE_SLACK = 1.01

Conversations = Sequence[Sequence[RecordedEvent]]


def write_bytes_report(
    traffics: Mapping[str, Callable[[int], Conversations]],
    topologies: Sequence[Topology],
    *,
    messages: int,
    per_client_s: float,
    churn_share: float,
    seed: int,
    settings: Settings,
    told: Callable[[str], None] = lambda said: None,
) -> str:
    """`traffics`: name -> so many conversations at most. `messages`: to each client. Raises: ValueError where a
    traffic has none."""
    lines = [
        "## Wire bytes and compressions, computed",
        "",
        f"{messages} messages to each client, {per_client_s:g} a second; under churn {100 * churn_share:g} % of the",
        "clients are replaced every second.",
        "",
        "- Bytes: at the socket, frame headers included, from each client's first message on, as ratios to uvicorn's",
        "  default (a window of 12 bits for each connection). 15 bits: the same with larger windows.",
        f"- Any {PROMISED_MESSAGES}: the most that any client was sent over {PROMISED_MESSAGES} messages in a row that",
        "  follow its first, as a ratio to a window of 12 bits of its own for the same messages; of anything above it,",
        f"  {ROUNDING_BYTES} bytes are rounding.",
        "- Compressions: per message, of so many receivers.",
        "- us: of CPU per delivery, ours (stock's); geometric means over the traffics, with the machine's noise.",
        "- KB: per connection, of text and of kept compressors; the largest over the traffics. A compressor of stock's",
        "  takes 33 KB.",
    ]
    computed: dict[tuple[bool, str], dict[str, ComputedBytes]] = {}
    for has_churn in (False, True) if churn_share else (False,):
        for topology in topologies:
            for name, conversations in traffics.items():
                told(f"{topology.name}{', churn' if has_churn else ''}: {name}")
                clients = topology.clients
                script = write_script(
                    topology, clients, conversations(topology.streams(clients)), messages * clients, seed
                )
                result = compute(script, churn_share if has_churn else 0, per_client_s, settings)
                computed.setdefault((has_churn, topology.name), {})[name] = result
        cells = {name: cell for (churned, name), cell in computed.items() if churned is has_churn}
        title = "clients replaced" if has_churn else "all joined first"
        lines += ["", f"### Computed: {title}", "", *_costs(cells), "", *_ratios(cells, list(traffics))]
        lines += ["", *_verdicts(cells, topologies, next(iter(traffics)), has_churn)]
    everything = [result.ours / result.stock for cell in computed.values() for result in cell.values()]
    worst = max(result.worst for cell in computed.values() for result in cell.values())
    mean = geometric_mean(everything)
    lines += [
        "",
        "### Computed: all of it",
        "",
        f"- geometric mean: {mean:.3f}, target ≤ {MEAN_TARGET:g}: {say(mean, MEAN_TARGET)}",
        f"- highest: {max(everything):.3f}, target ≤ {PROMISE:g}: {say(max(everything), PROMISE)}",
        f"- any {PROMISED_MESSAGES}, highest: {worst:.3f}, target ≤ {_PROMISE_SLACK:g}: {say(worst, _PROMISE_SLACK)}",
    ]
    return "\n".join(lines) + "\n"


def _costs(cells: Mapping[str, Mapping[str, ComputedBytes]]) -> list[str]:
    titles = ["topology", "bytes", "15 bits", f"any {PROMISED_MESSAGES}", "compressions", "us", "KB text", "KB kept"]
    rows = [titles]
    for topology, cell in cells.items():
        results = list(cell.values())
        compressions = sum(one.compressions for one in results) / len(results)
        ours_us, stock_us = (
            geometric_mean([max(us, 1e-3) for us in several])
            for several in ([one.ours_us for one in results], [one.stock_us for one in results])
        )
        rows.append(
            [
                topology,
                f"{geometric_mean([one.ours / one.stock for one in results]):.3f}",
                f"{geometric_mean([one.wide / one.stock for one in results]):.3f}",
                f"{max(one.worst for one in results):.3f}",
                f"{compressions:.1f} of {results[0].receivers:.1f}",
                f"{ours_us:.1f} ({stock_us:.1f})",
                f"{max(one.text_kb for one in results):.1f}",
                f"{max(one.kept_kb for one in results):.1f}",
            ]
        )
    return markdown_table(rows)


def _ratios(cells: Mapping[str, Mapping[str, ComputedBytes]], traffics: Sequence[str]) -> list[str]:
    rows = [["topology", *traffics]]
    rows += [
        [topology, *(f"{cell[name].ours / cell[name].stock:.3f}" for name in traffics)]
        for topology, cell in cells.items()
    ]
    stock = [
        "uvicorn, B a delivery (first row's)",
        *(f"{next(iter(cells.values()))[name].stock:.1f}" for name in traffics),
    ]
    return markdown_table([*rows, stock])


def _verdicts(
    cells: Mapping[str, Mapping[str, ComputedBytes]], topologies: Sequence[Topology], traffic: str, has_churn: bool
) -> list[str]:
    lines = []
    for topology in topologies:
        result = cells[topology.name][traffic]
        most = most_of((topology.name, "chat", topology.clients), "bytes, churn" if has_churn else "bytes")
        ratio = result.ours / result.stock
        lines.append(f"- {topology.name}, {traffic}: {ratio:.3f}, target ≤ {most:g}: {say(ratio, most)}")
    return lines

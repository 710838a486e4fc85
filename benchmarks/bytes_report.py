"""The computed bytes as text.

In: sources of traffic. Out: a table, a geometric mean, verdicts.
Never: opens a socket.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.emissions import PER_BATCH, RecordedEvent, TrafficError, in_batches
from benchmarks.results_report import markdown_table
from benchmarks.targets import say
from benchmarks.window_bytes import (
    PRIMED_BITS,
    STOCK_FIGURES,
    WIDE_FIGURES,
    Audience,
    Priming,
    WireBytes,
    compute,
    geometric_mean,
)

# Of the same batches, or of single messages: the target can be read in both ways.
BATCHED_TARGET = 0.65
# What is divided by what, and what it may be at most.
_RATIOS: Mapping[str, tuple[Callable[[WireBytes], float], Mapping[bool, float | None]]] = {
    "own 15 bits": (lambda one: one.own / one.stock, {False: None, True: None}),
    "shared": (lambda one: one.shared / one.stock, {False: 0.75, True: BATCHED_TARGET}),
    "own 15 bits, churn": (lambda one: one.own_churn / one.stock_churn, {False: None, True: None}),
    "shared, churn": (lambda one: one.shared_churn / one.stock_churn, {False: 0.85, True: None}),
}


def write_bytes_report(
    sources: Mapping[str, Sequence[RecordedEvent]],
    audience: Audience,
    *,
    use_clock: bool = False,
    told: Callable[[str], None] = lambda said: None,
) -> str:
    """Single messages, then batches of five. Raises: TrafficError where a source has too few for a batch."""
    when = "when the capture says" if use_clock else f"{audience.rate_per_s:g} messages a second"
    lines = [
        "## Wire bytes per delivery, computed",
        "",
        f"{audience.clients} clients, {when}; churn: {100 * audience.share:g} % of them replaced every second.",
        "",
        "- Bytes: at the socket, frame headers included.",
        f"- uvicorn: its default, {STOCK_FIGURES.bits} bits and memory level {STOCK_FIGURES.mem_level} for each "
        "connection. Own: the same with",
        f"  {WIDE_FIGURES.bits} bits, level {WIDE_FIGURES.mem_level}. Shared: this project's, and UTF-8 as it is.",
        "- Ratios: to uvicorn under the same condition.",
        "- In step: deliveries compressed by the window that most share. Lost to epochs, lost outside: bytes per",
        "  delivery over one window that all share and that never ends.",
        "- Primer: the frame that would put a newcomer in step at once, a noop packet with all that the window reaches",
        "  back to. Own window: what a newcomer loses, at the most, that never leaves and gets a new window to itself.",
        "  Both: median (least–most) over moments of joining.",
        "- Each newcomer: what it costs under churn, in the shared window over one that never ends; and if primed.",
        "  By bits: all that the room is sent under churn, with primers and a window of so many bits.",
    ]
    for name, emissions in sources.items():
        if len(emissions) < PER_BATCH:
            raise TrafficError(f"{name}: {len(emissions)} messages make no batch of {PER_BATCH}")
    singles: dict[str, WireBytes] = {}
    for batched in (False, True):
        per_second = audience.rate_per_s / PER_BATCH if batched else audience.rate_per_s
        listening = Audience(audience.clients, per_second, audience.share)
        title = f"{PER_BATCH} messages in each event" if batched else "single messages"
        computed: dict[str, WireBytes] = {}
        for name, emissions in sources.items():
            told(f"{name}, {title}")
            computed[name] = compute(in_batches(emissions) if batched else emissions, listening, use_clock=use_clock)
        lines += ["", f"### Computed: {title}", "", *_table(computed, batched)]
        if singles:
            mean = geometric_mean([one.shared / PER_BATCH / singles[name].stock for name, one in computed.items()])
            lines.append(f"- shared, to uvicorn with single messages: {_judged(mean, BATCHED_TARGET)}")
        lines += ["", f"### Computed: {title}, newcomers primed", "", *_priming_table(computed)]
        singles = computed
    return "\n".join(lines) + "\n"


def _table(computed: Mapping[str, WireBytes], batched: bool) -> list[str]:
    titles = ["events", "plain, B", "uvicorn, B", "the same, churn, B", *_RATIOS]
    epochs = ["epochs per 1,000", "in step", "lost to epochs, B", "lost outside, B"]
    rows = [["traffic", *titles, *epochs]]
    for name, one in computed.items():
        cells = [f"{one.messages}", f"{one.plain:.0f}", f"{one.stock:.1f}", f"{one.stock_churn:.1f}"]
        cells += [f"{ratio(one):.3f}" for ratio, _ in _RATIOS.values()]
        late = one.epochs
        cells += [f"{late.per_1000:.1f}", f"{late.in_step:.1%}", f"{late.begun_bytes:.1f}", f"{late.outside_bytes:.1f}"]
        rows.append([name, *cells])
    means = {title: geometric_mean([ratio(one) for one in computed.values()]) for title, (ratio, _) in _RATIOS.items()}
    rows.append(["geometric mean", "", "", "", "", *(f"{mean:.3f}" for mean in means.values()), "", "", "", ""])
    lines = [*markdown_table(rows), ""]
    for title, (_, targets) in _RATIOS.items():
        target = targets[batched]
        if target is not None:
            lines.append(f"- {title}: {_judged(means[title], target)}")
    return lines


def _priming_table(computed: Mapping[str, WireBytes]) -> list[str]:
    titles = ["primer, B", "own window, B", "primer is less", "each newcomer, B", "each, primed, B", "shared, churn"]
    rows = [["traffic", *titles, *(f"primed, {bits} bits" for bits in PRIMED_BITS)]]
    ratios = {
        name: [size / one.stock_churn for size in (one.shared_churn, *one.priming.churn.values())]
        for name, one in computed.items()
    }
    for name, one in computed.items():
        rows.append([name, *_priming_cells(one.priming), *(f"{ratio:.3f}" for ratio in ratios[name])])
    means = [geometric_mean(column) for column in zip(*ratios.values(), strict=True)]
    rows.append(["geometric mean", "", "", "", "", "", *(f"{mean:.3f}" for mean in means)])
    return markdown_table(rows)


def _priming_cells(priming: Priming) -> list[str]:
    primers = [join.primer_bytes for join in priming.joins]
    lost = [join.most_lost_bytes for join in priming.joins]
    less = sum(join.primer_bytes < join.most_lost_bytes for join in priming.joins)
    churn = [priming.lost_bytes, priming.primer_bytes]
    return [
        _spread(primers),
        _spread(lost),
        f"at {less} of {len(priming.joins)}",
        *("" if figure is None else f"{figure:.0f}" for figure in churn),
    ]


def _spread(sizes: Sequence[int]) -> str:
    return f"{statistics.median(sizes):.0f} ({min(sizes)}–{max(sizes)})" if sizes else ""


def _judged(ratio: float, target: float) -> str:
    return f"{ratio:.3f}, target ≤ {target:g}: {say(ratio, target)}"

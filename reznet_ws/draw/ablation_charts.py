"""The pictures of an ablation: every subset of the layers, each layer's share, and why they do not add up.

In: the outcomes of `ablate`. Out: an image where Chrome or Chromium is, always a table as text.
Never: measures.
A layer has the colour that it has everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reznet_ws.draw.course_charts import draw_groups, draw_lines, draw_stacks
from reznet_ws.draw.look import LAYER_COLOURS, WIRE_COLOUR, dress, dress_axes
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import align
from reznet_ws.replay.ablation import Subset
from reznet_ws.replay.shares import (
    Outcomes,
    alone,
    best,
    best_of_both,
    fair_shares,
    layers_of,
    left_out,
    name,
    savings_percent,
)

_FAINT = "rgba(128, 136, 144, 0.20)"
_NONE: Subset = frozenset()


def draw_ablation(outcomes: Outcomes, *, seed: int, mix: str = "chat") -> Picture:
    """All subsets, the fewest bytes first; below each, dots for the layers that are on."""
    layers = layers_of(outcomes)
    left = {subset: 100 - percent for subset, percent in savings_percent(outcomes).items()}
    order = sorted(outcomes, key=lambda subset: (outcomes[subset].wire_bytes, len(subset), sorted(subset)))
    numbers = list(range(1, len(order) + 1))
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.03)
    figure.add_trace(
        go.Scatter(
            x=numbers,
            y=[left[subset] for subset in order],
            mode="markers+text",
            marker={"size": 9, "color": WIRE_COLOUR},
            text=[f"{left[subset]:.0f}" for subset in order],
            textposition="top center",
            textfont={"size": 11},
            cliponaxis=False,
        ),
        row=1,
        col=1,
    )
    for layer in layers:
        for is_on, colour in ((False, _FAINT), (True, LAYER_COLOURS[layer])):
            at = [number for number, subset in zip(numbers, order, strict=True) if (layer in subset) is is_on]
            dots = go.Scatter(x=at, y=[layer] * len(at), mode="markers", marker={"size": 12, "color": colour})
            figure.add_trace(dots, row=2, col=1)
    first = order[0]
    title = f"Fewest bytes: {name(first)} leaves {left[first]:.1f} % of no layer; all {len(layers)} leave "
    title += f"{left[frozenset(layers)]:.1f} %"
    style(figure, 430, title, _counted(outcomes, seed, mix), y_title="bytes left, %")
    figure.update_xaxes(showgrid=False, showticklabels=False, range=[0.2, len(order) + 0.8])
    figure.update_yaxes(rangemode="tozero", range=[0, 1.14 * max(left.values())], row=1, col=1)
    figure.update_yaxes(showgrid=False, tickfont={"size": 13}, categoryarray=list(reversed(layers)), row=2, col=1)
    rows = [["layers that are on", "bytes", "left, %", "frames"], []]
    rows += [
        [name(subset), f"{outcomes[subset].wire_bytes:,}", f"{left[subset]:.1f}", f"{outcomes[subset].frames:,}"]
        for subset in order
    ]
    return Picture(figure, align(rows))


def draw_shares(outcomes: Outcomes, *, seed: int, mix: str = "chat") -> Picture:
    """For each layer: what it saves alone, its fair share, and what is lost without it."""
    measures = {"alone": alone(outcomes), "fair share": fair_shares(outcomes), "lost when left out": left_out(outcomes)}
    shares = measures["fair share"]
    largest = max(shares, key=lambda layer: shares[layer])
    return draw_groups(
        f"{largest} has {shares[largest]:.0f} of the {sum(shares.values()):.0f} % saved; alone it saves "
        f"{measures['alone'][largest]:.0f} %",
        _counted(outcomes, seed, mix),
        {layer: {measure: values[layer] for measure, values in measures.items()} for layer in layers_of(outcomes)},
        unit="saved, in % of no layer",
        colours={"alone": "threshold", "fair share": "wire", "lost when left out": "off"},
        digits=1,
    )


def draw_sum(outcomes: Outcomes, *, seed: int, mix: str = "chat") -> Picture:
    """What the layers save one by one, added up, against what they save together."""
    rows = {"each alone, added up": alone(outcomes), "together, in fair shares": fair_shares(outcomes)}
    added, together = (sum(values.values()) for values in rows.values())
    return draw_stacks(
        f"Added up, the layers would save {added:.0f} %; together they save {together:.0f} %",
        _counted(outcomes, seed, mix),
        rows,
        unit="saved, in % of no layer",
        digits=1,
        limit=(100, "everything"),
    )


def draw_savings(title: str, counted: str, sizes: Mapping[str, Sequence[int]], steps: Sequence[str]) -> Picture:
    """A bar for each message: what is left of it, and which step takes how much away.

    Shape: message -> bytes without a layer, then after each step. Raises: ValueError for another number of sizes.
    """
    if any(len(row) != len(steps) + 1 for row in sizes.values()):
        raise ValueError(f"a message has one size and then one for each of {', '.join(steps)}")
    rows = {}
    for message, row in sizes.items():
        taken = {step: before - after for step, (before, after) in zip(steps, itertools.pairwise(row), strict=True)}
        # What is left first, then the last step, which took from what the others left.
        rows[f"{message}, {row[0]:,} bytes"] = {"on the wire": row[-1], **dict(reversed(taken.items()))}
    colours = {"on the wire": "wire", "window": "#F0E442"}
    return draw_stacks(title, counted, rows, unit="bytes", colours=colours, as_shares=True)


def draw_time(outcomes: Outcomes, us: Mapping[Subset, float], *, messages: int, runs: int) -> Picture:
    """Every subset by its bytes and its CPU time; those that no other beats in both are joined."""
    left = {subset: 100 - percent for subset, percent in savings_percent(outcomes).items()}
    front = best_of_both(outcomes, us)
    fewest, quickest = best(outcomes), front[0]
    return draw_lines(
        f"Least CPU: {name(quickest)}, {us[quickest]:.0f} µs; fewest bytes: {name(fewest)}, {us[fewest]:.0f} µs",
        f"{messages:,} messages to one client, median of {runs} runs, CPU of this process; bytes at the socket",
        {
            "every subset": [(us[subset], left[subset]) for subset in sorted(outcomes, key=lambda it: us[it])],
            "best of both": [(us[subset], left[subset]) for subset in front],
        },
        x_unit="µs of CPU for a message",
        y_unit="bytes left, % of no layer",
        colours={"every subset": "off", "best of both": "wire"},
        digits=1,
        scattered=("every subset",),
        points={name(subset): (us[subset], left[subset]) for subset in front},
    )


def style(figure: Any, height: int, title: str, subtitle: str, *, x_title: str = "", y_title: str = "") -> None:
    """The look of the course's charts: the finding as the title; units, n, seed and where it was counted below it."""
    dress(
        figure,
        height_px=height + 24,
        margin_px={"l": 96, "r": 24, "t": 66, "b": 46},
        title=title,
        counted=subtitle,
        showlegend=False,
    )
    dress_axes(figure)
    if x_title:
        figure.update_xaxes(title={"text": x_title, "standoff": 6})
    if y_title:
        figure.update_yaxes(title={"text": y_title, "standoff": 8}, row=1, col=1)


def _counted(outcomes: Outcomes, seed: int, mix: str) -> str:
    messages = outcomes[_NONE].messages
    return f"{messages:,} messages of the mix “{mix}”, seed {seed}, to one client; bytes at the server's socket"

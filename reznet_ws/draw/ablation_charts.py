"""The pictures of an ablation: every subset of the layers, each layer's share, and why they do not add up.

In: the outcomes of `ablate`. Out: an image where Chrome or Chromium is, always a table as text.
Never: measures. A layer has the colour that it has everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reznet_ws.draw.look import INK_COLOUR, LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR, dress, dress_axes
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import align
from reznet_ws.replay.ablation import LAYERS, Outcome, Subset, shapley

_FAINT = "rgba(128, 136, 144, 0.20)"
_NONE: Subset = frozenset()
# A narrower piece has no room for its figure.
_LEAST_LABELLED_PERCENT = 14.0

# Fewer bytes by less than this are none.
_WORTH_IT = 0.995

Outcomes = Mapping[Subset, Outcome]


def savings_percent(outcomes: Outcomes) -> dict[Subset, float]:
    """What each subset saves, in percent of the bytes without any layer."""
    off = outcomes[_NONE].wire_bytes
    return {subset: 100 * (off - outcome.wire_bytes) / off for subset, outcome in outcomes.items()}


def alone(outcomes: Outcomes) -> dict[str, float]:
    """What each layer saves with all others off, in percent of no layer."""
    saved = savings_percent(outcomes)
    return {layer: saved[frozenset({layer})] for layer in _layers(outcomes)}


def left_out(outcomes: Outcomes) -> dict[str, float]:
    """What is lost when only this one is switched off, in percent of no layer."""
    saved = savings_percent(outcomes)
    layers = _layers(outcomes)
    everything = frozenset(layers)
    return {layer: saved[everything] - saved[everything - {layer}] for layer in layers}


def fair_shares(outcomes: Outcomes) -> dict[str, float]:
    """Each layer's Shapley value, in percent of no layer; they add up to what all save together."""
    off = outcomes[_NONE].wire_bytes
    saved_bytes = {subset: off - outcome.wire_bytes for subset, outcome in outcomes.items()}
    shares = shapley(saved_bytes)
    return {layer: 100 * shares[layer] / off for layer in _layers(outcomes)}


def best(outcomes: Outcomes) -> Subset:
    """The subset with the fewest bytes; of several, the one with the fewest layers."""
    return min(outcomes, key=lambda subset: (outcomes[subset].wire_bytes, len(subset), sorted(subset)))


def name(subset: Subset) -> str:
    """A subset in words."""
    return " + ".join(layer for layer in LAYERS if layer in subset) or "none"


def draw_ablation(outcomes: Outcomes, *, seed: int, mix: str = "chat") -> Picture:
    """All subsets, the fewest bytes first; below each, dots for the layers that are on."""
    layers = _layers(outcomes)
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
    layers = _layers(outcomes)
    figure = go.Figure()
    rows = [(layer, measure) for layer in layers for measure in measures]
    for measure, opacity in zip(measures, (0.35, 1.0, 0.35), strict=True):
        values = measures[measure]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[list(layers), [measure] * len(layers)],
                x=[values[layer] for layer in layers],
                marker={
                    "color": [LAYER_COLOURS[layer] for layer in layers],
                    "opacity": opacity,
                    "pattern": {"shape": "/" if measure == "lost when left out" else ""},
                    "line": {"width": 0},
                },
                text=[signed(values[layer]) for layer in layers],
                textposition="outside",
                textfont={"size": 12},
                cliponaxis=False,
            )
        )
    shares = measures["fair share"]
    largest = max(shares, key=lambda layer: shares[layer])
    title = f"{largest} has {shares[largest]:.0f} of the {sum(shares.values()):.0f} % saved; alone it saves "
    title += f"{measures['alone'][largest]:.0f} %"
    style(figure, 96 + 24 * len(rows), title, _counted(outcomes, seed, mix))
    figure.update_layout(bargap=0.18, margin={"l": 190})
    low = min(0, *(value for values in measures.values() for value in values.values()))
    high = max(value for values in measures.values() for value in values.values())
    figure.update_xaxes(
        ticksuffix=" %", range=[low - 8 if low < -0.05 else low, high + 9], title="saved, in % of no layer"
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    lines = [["saved, in % of no layer", *measures], []]
    lines += [[layer, *(signed(values[layer]) for values in measures.values())] for layer in layers]
    lines += [["sum", *(signed(sum(values.values())) for values in measures.values())]]
    return Picture(figure, align(lines))


def draw_sum(outcomes: Outcomes, *, seed: int, mix: str = "chat") -> Picture:
    """What the layers save one by one, added up, against what they save together."""
    layers = _layers(outcomes)
    together = savings_percent(outcomes)[frozenset(layers)]
    rows = {"each alone, added up": alone(outcomes), "together, in fair shares": fair_shares(outcomes)}
    sums = {what: sum(values.values()) for what, values in rows.items()}
    figure = go.Figure()
    for layer in layers:
        values = [values[layer] for values in rows.values()]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=list(rows),
                x=values,
                marker={"color": LAYER_COLOURS[layer], "line": {"width": 0}},
                text=[f"{layer} {signed(value)}" if value >= _LEAST_LABELLED_PERCENT else "" for value in values],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"size": 12, "color": INK_COLOUR},
            )
        )
    for what, value in sums.items():
        positive = sum(max(0.0, share) for share in rows[what].values())
        figure.add_annotation(
            x=positive, y=what, text=f"<b>{value:.1f} %</b>", showarrow=False, xanchor="left", xshift=6
        )
    whole = {"x": 100, "line": {"color": OFF_COLOUR, "width": 1.5, "dash": "dash"}}
    figure.add_vline(**whole, annotation_text="everything", annotation_position="bottom left")
    added = sums["each alone, added up"]
    title = f"Added up, the layers would save {added:.0f} %; together they save {together:.0f} %"
    style(figure, 230, title, _counted(outcomes, seed, mix))
    figure.update_layout(barmode="relative", bargap=0.35, margin={"l": 180})
    figure.update_xaxes(ticksuffix=" %", range=[min(-3, -1 - max(0, -added)), max(112, added + 12)])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    lines = [["saved, in % of no layer", *layers, "sum"], []]
    lines += [
        [what, *(signed(value) for value in values.values()), signed(sums[what])] for what, values in rows.items()
    ]
    return Picture(figure, align(lines))


def draw_time(outcomes: Outcomes, us: Mapping[Subset, float], *, messages: int, runs: int) -> Picture:
    """Every subset by its bytes and its CPU time; those that no other beats in both are joined."""
    left = {subset: 100 - percent for subset, percent in savings_percent(outcomes).items()}
    front = best_of_both(outcomes, us)
    figure = go.Figure()
    for subsets, mode, size, colour in (
        (list(outcomes), "markers", 8, OFF_COLOUR),
        (front, "lines+markers", 11, WIRE_COLOUR),
    ):
        figure.add_trace(
            go.Scatter(
                x=[us[subset] for subset in subsets],
                y=[left[subset] for subset in subsets],
                mode=mode,
                marker={"size": size, "color": colour},
                line={"color": colour, "width": 1.5, "dash": "dot"},
            )
        )
    for number, subset in enumerate(front):
        # By turns above and below, since neighbours may be close.
        above = number % 2 == 0
        figure.add_annotation(
            x=us[subset],
            y=left[subset],
            text=name(subset),
            showarrow=False,
            xanchor="left",
            yanchor="bottom" if above else "top",
            xshift=6,
            yshift=4 if above else -4,
        )
    fewest, quickest = best(outcomes), front[0]
    title = f"Least CPU: {name(quickest)}, {us[quickest]:.0f} µs; fewest bytes: {name(fewest)}, {us[fewest]:.0f} µs"
    counted = f"{messages:,} messages to one client, median of {runs} runs, CPU of this process; bytes at the socket"
    style(figure, 360, title, counted, x_title="µs of CPU for a message")
    figure.update_xaxes(rangemode="tozero", range=[0, 1.25 * max(us.values())])
    figure.update_yaxes(rangemode="tozero", title={"text": "bytes left, % of no layer", "standoff": 8})
    order = sorted(outcomes, key=lambda subset: us[subset])
    rows = [["layers that are on", "µs", "left, %"], []]
    rows += [[name(subset), f"{us[subset]:.0f}", f"{left[subset]:.1f}"] for subset in order]
    return Picture(figure, align(rows))


def best_of_both(outcomes: Outcomes, us: Mapping[Subset, float]) -> list[Subset]:
    """The subsets that no other beats in both bytes and time, the quickest first."""
    front: list[Subset] = []
    for subset in sorted(outcomes, key=lambda subset: (us[subset], outcomes[subset].wire_bytes)):
        if not front or outcomes[subset].wire_bytes < _WORTH_IT * outcomes[front[-1]].wire_bytes:
            front.append(subset)
    return front


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


def signed(percent: float) -> str:
    """One place, a real minus, and no minus before a nought."""
    return f"{percent + 0:.1f}".replace("-0.0", "0.0").replace("-", "−")


def _layers(outcomes: Outcomes) -> list[str]:
    on = frozenset().union(*outcomes)
    return [layer for layer in LAYERS if layer in on]


def _counted(outcomes: Outcomes, seed: int, mix: str) -> str:
    messages = outcomes[_NONE].messages
    return f"{messages:,} messages of the mix “{mix}”, seed {seed}, to one client; bytes at the server's socket"

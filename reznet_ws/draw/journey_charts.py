"""The two pictures of a message's journey, as images that a saved notebook and GitHub show.

In: sizes in bytes. Out: an image where Chrome or Chromium is, the interactive figure where not; always a table as text.
Never: measures. Backgrounds are transparent, so that both themes of JupyterLab show through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from reznet_ws.draw.look import GRID_COLOUR, INK_COLOUR, LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR, dress
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import align

_FAINT = "rgba(128, 136, 144, 0.10)"
# What each step takes away; the window is deflate's memory of earlier messages.
_STEP_COLOURS = {**LAYER_COLOURS, "window": "#F0E442"}
# A narrower piece has no room for its figure.
_LEAST_LABELLED_PERCENT = 4.0


def draw_savings(sizes: Mapping[str, Sequence[int]], steps: Sequence[str]) -> Picture:
    """A bar per message: what it takes without any layer, and which step takes how much of that away.

    Shape: message -> bytes without a layer, then after each step. Raises: ValueError for another number of sizes.
    """
    if any(len(row) != len(steps) + 1 for row in sizes.values()):
        raise ValueError(f"a message has one size and then one for each of {', '.join(steps)}")
    names = [f"<b>{name}</b><br>{row[0]:,} bytes" for name, row in sizes.items()]
    figure = go.Figure()
    left = [row[-1] for row in sizes.values()]
    figure.add_trace(_piece("on the wire", names, left, sizes, WIRE_COLOUR, "#FFFFFF"))
    for at in reversed(range(len(steps))):
        took = [row[at] - row[at + 1] for row in sizes.values()]
        figure.add_trace(_piece(steps[at], names, took, sizes, _STEP_COLOURS[steps[at]], INK_COLOUR))
    _style(figure, height_px=96 + 58 * len(sizes))
    figure.update_layout(barmode="stack", bargap=0.34)
    figure.update_xaxes(range=[0, 100.4], ticksuffix=" %", dtick=20)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 13}, ticklabelstandoff=8)
    rows = [["bytes at the socket", "off", *(f"+ {step}" for step in steps)]]
    rows += [[name, *(f"{size:,}" for size in row)] for name, row in sizes.items()]
    return Picture(figure, align(rows))


def draw_stream(fresh: Sequence[int], kept: Sequence[int]) -> Picture:
    """Messages in the order in which they were sent, each deflated by itself and with the window of those before."""
    numbers = list(range(1, len(fresh) + 1))
    figure = go.Figure()
    # An outline, so that the figures stand on the page's own background.
    outline = {"color": _FAINT, "line": {"color": OFF_COLOUR, "width": 1}}
    figure.add_trace(go.Bar(name="each from a fresh window", x=numbers, y=fresh, width=0.74, marker=outline))
    inside = go.Bar(
        name="with the window of those before",
        x=numbers,
        y=kept,
        width=0.74,
        marker={"color": WIRE_COLOUR, "line": {"width": 0}},
        text=[f"<b>{size}</b>" for size in kept],
        textposition="outside",
        textfont={"size": 11},
        cliponaxis=False,
    )
    figure.add_trace(inside)
    _style(figure, height_px=300)
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(showgrid=False, tickvals=numbers, title={"text": "message", "standoff": 6})
    figure.update_yaxes(title={"text": "bytes at the socket", "standoff": 8}, rangemode="tozero")
    rows = [["message", "fresh", "window"]]
    rows += [[str(number), str(fresh[number - 1]), str(kept[number - 1])] for number in numbers]
    return Picture(figure, align(rows))


def _piece(
    step: str, names: Sequence[str], took: Sequence[int], sizes: Mapping[str, Sequence[int]], colour: str, ink: str
) -> Any:
    shares = [100 * size / row[0] for size, row in zip(took, sizes.values(), strict=True)]
    return go.Bar(
        name=step,
        orientation="h",
        y=names,
        x=shares,
        text=[f"{s:,}" if p >= _LEAST_LABELLED_PERCENT else "" for s, p in zip(took, shares, strict=True)],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        textfont={"size": 12, "color": ink},
        marker={"color": colour, "line": {"width": 0}},
    )


def _style(figure: Any, height_px: int) -> None:
    dress(
        figure,
        height_px=height_px,
        margin_px={"l": 56, "r": 20, "t": 44, "b": 40},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(gridcolor=GRID_COLOUR, zeroline=False)
    figure.update_yaxes(gridcolor=GRID_COLOUR, zeroline=False)

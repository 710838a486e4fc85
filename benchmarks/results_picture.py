"""The picture: bytes against CPU, one mark for each server, and how CPU grows with the clients.

In: runs. Out: a figure, and its PNG where a Chromium draws it.
Never: shows a figure that no run has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks.contestants import CONTESTANTS
from benchmarks.results_report import Figure, bytes_per_delivery, cpu_us_per_delivery, spread
from benchmarks.rounds import Plan, Run

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = {"python-socketio": "#D55E00", "node": "#009E73", "reznet_ws": "#0072B2", "floor": "#8A929A"}
_TICKS = [step * decade for decade in (1, 10, 100, 1000, 10_000) for step in (1, 2, 5)]
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "cross", "x", "hexagon")
_WIDTH_PX, _HEIGHT_PX, _SCALE = 1200, 560, 1.5


def draw(runs: Sequence[Run], plan: Plan) -> Any:
    """The figure: on the left at the middle number of clients, all joined first."""
    middle = plan.batch_clients
    figure = make_subplots(
        cols=2,
        column_widths=[0.55, 0.45],
        subplot_titles=(f"{middle} clients, all joined first", "as the clients grow"),
    )
    seen: dict[str, int] = {}
    for name in dict.fromkeys(run.name for run in runs):
        family = CONTESTANTS[name].family
        symbol = _SYMBOLS[seen.setdefault(family, 0) % len(_SYMBOLS)]
        seen[family] += 1
        style = {"name": name, "legendgroup": name, "marker": {"color": _COLOURS[family], "symbol": symbol, "size": 11}}
        wire = _points(runs, bytes_per_delivery("joined"), name, (middle,))
        cpu = _points(runs, cpu_us_per_delivery("joined"), name, (middle,))
        if wire["values"] and cpu["values"]:
            figure.add_scatter(
                x=wire["values"], y=cpu["values"], error_y=cpu["error"], mode="markers", **style, row=1, col=1
            )
        grown = _points(runs, cpu_us_per_delivery("joined"), name, plan.clients)
        if grown["values"]:
            figure.add_scatter(
                x=grown["clients"],
                y=grown["values"],
                error_y=grown["error"],
                mode="lines+markers",
                **style,
                line={"color": _COLOURS[family], "width": 1},
                showlegend=False,
                row=1,
                col=2,
            )
    figure.update_xaxes(type="log", tickvals=_TICKS, title="wire bytes per delivery", row=1, col=1)
    figure.update_xaxes(type="log", tickvals=plan.clients, title="clients", row=1, col=2)
    figure.update_yaxes(type="log", tickvals=_TICKS)
    figure.update_yaxes(title="CPU per delivery, µs (median, least to most)", row=1, col=1)
    figure.update_layout(template="plotly_white", width=_WIDTH_PX, height=_HEIGHT_PX, margin={"t": 50})
    return figure


def save_picture(figure: go.Figure, path: Path) -> str | None:
    """Write the PNG; why not, where it cannot be drawn."""
    try:
        figure.write_image(path, scale=_SCALE)
    except Exception as error:  # kaleido's and Chromium's own, of many kinds
        return str(error).strip().partition("\n")[0]
    return None


def _points(runs: Sequence[Run], figure: Figure, name: str, sizes: Sequence[int]) -> dict[str, Any]:
    found = {clients: value for clients in sizes if (value := spread(runs, figure, name, clients)) is not None}
    return {
        "clients": list(found),
        "values": [value.median for value in found.values()],
        "error": {
            "type": "data",
            "symmetric": False,
            "array": [value.high - value.median for value in found.values()],
            "arrayminus": [value.median - value.low for value in found.values()],
            "thickness": 1,
        },
    }

"""The picture: bytes, CPU and memory by topology, every server against stock.

In: trials. Out: a figure, and its PNG where a Chromium draws it.
Never: shows a figure that no trial has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks.contestants import BASELINE, CANDIDATE
from benchmarks.figures import CellKey, Figure, cells_of, cpu_us, memory_kb, ratio, wire_bytes
from benchmarks.rounds import Trial
from reznet_ws.demo.topologies import TOPOLOGIES

_PANELS: Sequence[tuple[str, Figure]] = (
    ("wire bytes", wire_bytes("steady")),
    ("CPU per delivery", cpu_us("steady")),
    ("memory per connection", memory_kb),
)
# Okabe and Ito's palette, which colour-blind readers can tell apart.
_LOOKS = {
    BASELINE: ("python-socketio on uvicorn", "#D55E00", "line-ns-open"),
    "uvicorn 15": ("the same, 15 bits each", "#E69F00", "diamond"),
    "node": ("Node's ws", "#009E73", "square"),
    CANDIDATE: ("with reznet_ws", "#0072B2", "circle"),
}
_WIDTH_PX, _ROW_PX, _AROUND_PX, _SCALE = 1200, 34, 150, 1.5


def draw(trials: Sequence[Trial]) -> Any:
    """The figure: a row for each topology and traffic, a mark for each server, stock at 1."""
    cells = [cell for cell in cells_of(trials) if TOPOLOGIES[cell[0]].clients == cell[2]] or cells_of(trials)
    names = [_title(cell) for cell in cells]
    figure = make_subplots(
        cols=len(_PANELS), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=[title for title, _ in _PANELS]
    )
    for column, (_, value) in enumerate(_PANELS, start=1):
        for server, (label, colour, symbol) in _LOOKS.items():
            measured = {name: ratio(trials, value, cell, server) for name, cell in zip(names, cells, strict=True)}
            found = {name: one for name, one in measured.items() if one is not None}
            if not found:
                continue
            figure.add_scatter(
                x=[one.median for one in found.values()],
                y=list(found),
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [one.high - one.median for one in found.values()],
                    "arrayminus": [one.median - one.low for one in found.values()],
                    "thickness": 1,
                },
                mode="markers",
                name=label,
                legendgroup=label,
                showlegend=column == 1,
                marker={"color": colour, "symbol": symbol, "size": 13 if server == CANDIDATE else 10},
                row=1,
                col=column,
            )
        figure.add_vline(x=1, line={"color": _LOOKS[BASELINE][1], "width": 1}, row=1, col=column)
    figure.update_xaxes(rangemode="tozero", title="stock = 1")
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1])
    figure.update_layout(
        template="plotly_white",
        width=_WIDTH_PX,
        height=_ROW_PX * len(names) + _AROUND_PX,
        margin={"t": 60, "l": 20},
        legend={"orientation": "h", "y": -0.16},
    )
    return figure


def save_picture(figure: go.Figure, path: Path) -> str | None:
    """Write the PNG; why not, where it cannot be drawn."""
    try:
        figure.write_image(path, scale=_SCALE)
    except Exception as error:  # kaleido's and Chromium's own, of many kinds
        return str(error).strip().partition("\n")[0]
    return None


def _title(cell: CellKey) -> str:
    topology, traffic, _ = cell
    return topology if traffic == "chat" else f"{topology}, {traffic}"

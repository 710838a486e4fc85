"""The dashboard's figure before anything was measured: six charts, their axes, and every trace that will ever be in it.

In: nothing. Out: a plotly figure, and its titles that tell figures.
Never: holds a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reznet_ws.demo.workload import EVENTS
from reznet_ws.draw.look import FONT, GRID_COLOUR, LAYER_COLOURS, OFF_COLOUR, TEXT_COLOUR, WIRE_COLOUR
from reznet_ws.lab.measurement import P50_LIMIT_MS, P95_LIMIT_MS
from reznet_ws.replay.ablation import LAYERS

SPAN_S = 48
HEIGHT_PX = 760
# Where the titles stand whose text tells figures.
CPU_CHART, WINDOWS_CHART = 2, 3
_OFF_FILL = "rgba(138, 146, 154, 0.16)"
_WIRE_FILL = "rgba(47, 134, 200, 0.45)"
_WINDOWS_COLOUR = LAYER_COLOURS["batch"]
_LATENCY_TICKS_MS = [step * decade for decade in (0.1, 1, 10, 100, 1000, 10_000) for step in (1, 2, 5)]


def empty_figure() -> Any:
    """The six charts with their axes and all their traces, which hold nothing yet."""
    figure = make_subplots(
        rows=3,
        cols=2,
        column_widths=[0.5, 0.5],
        row_heights=[0.33, 0.25, 0.42],
        horizontal_spacing=0.15,
        vertical_spacing=0.1,
        subplot_titles=(
            f"Wire, kB/s: {_ink('■ on the wire', WIRE_COLOUR)} against {_ink('■ off', OFF_COLOUR)}",
            f"Latency, ms, log scale: {_ink('━ p50', WIRE_COLOUR)}  {_ink('┅ p95', WIRE_COLOUR)}",
            cpu_title(None),
            windows_title({}),
            f"Bytes per event: {_ink('■ on the wire', WIRE_COLOUR)} in % of {_ink('■ off', OFF_COLOUR)}",
            "Saving of each layer, in % of off",
        ),
    )
    _add_lines(figure)
    _add_bars(figure)
    _style(figure)
    return figure


def cpu_title(mean_us: float | None) -> str:
    """The title of the CPU's chart, with the mean since the last reset."""
    figure = "–" if mean_us is None else f"{mean_us:,.0f}"
    return f"CPU per delivery, µs: {_ink('━ recent', WIRE_COLOUR)}, <b>{figure}</b> on average"


def windows_title(counts: Mapping[str, int]) -> str:
    """The title of the windows' chart, with how many there are now."""
    windows, in_step = counts.get("windows", 0), counts.get("in_step", 0)
    return (
        f"Windows: {_ink(f'┅ {windows} in use', _WINDOWS_COLOUR)}; in step: {_ink(f'━ {in_step}', WIRE_COLOUR)} "
        f"of {_ink(str(counts.get('connections', 0)), OFF_COLOUR)}"
    )


def _add_lines(figure: Any) -> None:
    hover = "%{y:,.1f} %{meta}<extra>%{fullData.name}</extra>"
    solid: dict[str, Any] = {"line": {"color": WIRE_COLOUR, "width": 2.5}}
    lines: Sequence[tuple[str, int, int, str, dict[str, Any]]] = (
        ("off", 1, 1, "kB/s", {"line": {"color": OFF_COLOUR, "width": 1.5}, **_filled(_OFF_FILL)}),
        ("wire", 1, 1, "kB/s", {"line": {"color": WIRE_COLOUR, "width": 2}, **_filled(_WIRE_FILL)}),
        ("p50", 1, 2, "ms", solid),
        ("p95", 1, 2, "ms", {"line": {"color": WIRE_COLOUR, "width": 2, "dash": "dot"}}),
        ("cpu", 2, 1, "µs", solid),
        ("connections", 2, 2, "clients", {"line": {"color": OFF_COLOUR, "width": 1.5}}),
        ("in step", 2, 2, "clients", solid),
        ("windows", 2, 2, "windows", {"line": {"color": _WINDOWS_COLOUR, "width": 2, "dash": "dot"}}),
    )
    for name, row, column, unit, style in lines:
        line = go.Scatter(name=name, mode="lines", meta=unit, hovertemplate=hover, **style)
        figure.add_trace(line, row=row, col=column)
    # Traces, not shapes: an axis makes room for traces only, and the distance to the limit is what one wants to see.
    for limit_ms, name, at_end in ((P50_LIMIT_MS, "p50 limit", True), (P95_LIMIT_MS, "p95 limit", False)):
        text = f"  {name} {limit_ms} ms  "
        limit = go.Scatter(
            name=name,
            x=[-SPAN_S, 0],
            y=[limit_ms, limit_ms],
            mode="lines+text",
            # At different ends, so that they do not meet when the axis reaches far.
            text=["", text] if at_end else [text, ""],
            textposition="top left" if at_end else "top right",
            textfont={"size": 11, "color": TEXT_COLOUR},
            line={"color": TEXT_COLOUR, "width": 1, "dash": "dash"},
            hoverinfo="skip",
            cliponaxis=False,
        )
        figure.add_trace(limit, row=1, col=2)


def _filled(colour: str) -> dict[str, str]:
    return {"fill": "tozeroy", "fillcolor": colour}


def _add_bars(figure: Any) -> None:
    for name, colour, opacity in (("event off", OFF_COLOUR, 0.35), ("event wire", WIRE_COLOUR, 1)):
        bar = go.Bar(
            name=name,
            y=EVENTS,
            orientation="h",
            width=0.72,
            marker={"color": colour, "opacity": opacity, "line": {"width": 0}},
            hoverinfo="skip",
        )
        figure.add_trace(bar, row=3, col=1)
    figures = go.Scatter(
        name="event figures",
        y=EVENTS,
        mode="text",
        textposition="middle right",
        textfont={"size": 11, "color": TEXT_COLOUR},
        hoverinfo="skip",
    )
    figure.add_trace(figures, row=3, col=1)
    savings = go.Bar(
        name="layer savings",
        y=LAYERS,
        orientation="h",
        width=0.62,
        marker={"color": [LAYER_COLOURS[layer] for layer in LAYERS], "line": {"width": 0}},
        textposition="outside",
        textfont={"size": 12, "color": TEXT_COLOUR},
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.add_trace(savings, row=3, col=2)


def _style(figure: Any) -> None:
    figure.update_layout(
        autosize=True,
        height=HEIGHT_PX,
        margin={"l": 52, "r": 14, "t": 34, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": TEXT_COLOUR},
        showlegend=False,
        barmode="overlay",
        hovermode="x unified",
        hoverlabel={"bgcolor": "rgba(40, 44, 48, 0.92)", "font": {"color": "#F4F4F4"}},
    )
    figure.update_annotations(font={"size": 13, "color": TEXT_COLOUR})
    figure.update_xaxes(gridcolor=GRID_COLOUR, zerolinecolor=OFF_COLOUR, fixedrange=True, tickfont={"size": 11})
    figure.update_yaxes(gridcolor=GRID_COLOUR, zerolinecolor=OFF_COLOUR, fixedrange=True, tickfont={"size": 11})
    seconds: dict[str, Any] = {"range": [-SPAN_S, 0], "tickvals": [-45, -30, -15, 0], "zeroline": False}
    for row in (1, 2):
        figure.update_xaxes(ticktext=["45 s", "30 s", "15 s", "now"], **seconds, row=row)
        figure.update_yaxes(exponentformat="none", separatethousands=True, row=row)
    for row, column in ((1, 1), (2, 1), (2, 2)):
        figure.update_yaxes(rangemode="tozero", row=row, col=column)
    figure.update_yaxes(nticks=5, row=2)
    # Logarithmic, so that one slow moment does not flatten the limits to a line.
    figure.update_yaxes(type="log", tickvals=_LATENCY_TICKS_MS, row=1, col=2)
    # An axis that first sees no bars would take its categories for numbers.
    for column, categories in ((1, EVENTS), (2, LAYERS)):
        figure.update_yaxes(
            type="category",
            categoryarray=categories,
            range=[len(categories) - 0.5, -0.5],
            showgrid=False,
            zeroline=False,
            tickfont={"size": 12},
            ticklabelstandoff=6,
            row=3,
            col=column,
        )
    figure.update_xaxes(range=[0, 178], tickvals=[0, 50, 100], ticktext=["0 %", "50 %", "100 %"], row=3, col=1)
    figure.update_xaxes(range=[0, 112], ticksuffix=" %", row=3, col=2)


def _ink(text: str, colour: str) -> str:
    return f'<span style="color:{colour}"><b>{text}</b></span>'

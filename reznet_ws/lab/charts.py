"""The dashboard's six charts, in one figure.

In: measurements, each with the time when it was taken. Out: a plotly figure that is updated in place.
Never: keeps more than `MAX_POINTS`, adds a trace after the first, reads a clock.

One `FigureWidget` for all: each ships 5 MB to the page.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reznet_ws.lab.ablation import LAYERS
from reznet_ws.lab.look import FONT, GRID_COLOUR, LAYER_COLOURS, OFF_COLOUR, TEXT_COLOUR, WIRE_COLOUR
from reznet_ws.lab.measurement import Measurement
from reznet_ws.workload import EVENTS

_OFF_FILL = "rgba(138, 146, 154, 0.16)"
_WIRE_FILL = "rgba(47, 134, 200, 0.45)"

_WINDOWS_COLOUR = LAYER_COLOURS["batch"]

# Among the charts' titles, whose text tells figures.
_CPU_CHART, _WINDOWS_CHART = 2, 3

MAX_POINTS = 120
SPAN_S = 48
HEIGHT_PX = 760
# A rate over less would show single plans of 20 KB to each of 100 users.
_RATE_SPAN_S = 2.0
_LEAST_RATE_SPAN_S = 0.8
_LATENCY_TICKS_MS = [step * decade for decade in (0.1, 1, 10, 100, 1000, 10_000) for step in (1, 2, 5)]
# Where a row's figures stand, beside bars that end at 100 %.
_FIGURES_AT_PERCENT = 104

_LINES = ("off", "wire", "p50", "p95", "cpu", "connections", "in step", "windows")


class _Point(NamedTuple):
    """One moment; None breaks a line."""

    now_s: float
    off_kb_per_s: float | None = None
    wire_kb_per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cpu_us: float | None = None
    connections: int | None = None
    in_step: int | None = None
    windows: int | None = None


# x, y and text of one trace.
_Drawn = tuple[Sequence[Any], Sequence[Any], Sequence[str] | None]


class Charts:
    """Wire bytes a second, latency, CPU per delivery, windows, bytes per event, the saving of each layer."""

    def __init__(self, figure: Any = None) -> None:
        """`figure` is one that an earlier dashboard leaves behind; its page need not load plotly again."""
        self._points: deque[_Point] = deque(maxlen=MAX_POINTS)
        self._rates = _Rates()
        self.figure = figure if figure is not None else go.FigureWidget(_empty_figure())
        self._indexes = {trace.name: index for index, trace in enumerate(self.figure.data)}
        self._draw(0.0, None)

    @property
    def point_count(self) -> int:
        """How many points each line has."""
        return len(self._points)

    def add(self, now_s: float, measurement: Measurement) -> None:
        """Draw one more measurement, and the bars anew."""
        recent = self._rates.add(measurement)
        windows = measurement.stats["windows"]
        point = _Point(
            now_s,
            recent and recent.off_kb_per_s,
            recent and recent.wire_kb_per_s,
            measurement.recent_p50_ms,
            measurement.recent_p95_ms,
            recent and recent.cpu_us,
            windows["connections"],
            windows["in_step"],
            windows["windows"],
        )
        self._points.append(point)
        self._draw(now_s, measurement)

    def prepare_view(self) -> None:
        """Give the page the whole figure as it is now, before it is shown; later only what changes is sent."""
        self.figure._repr_mimebundle_()

    def interrupt(self, now_s: float) -> None:
        """Break the lines: the lab starts anew."""
        self._points.append(_Point(now_s))

    def _draw(self, now_s: float, measurement: Measurement | None) -> None:
        seconds_ago = [point.now_s - now_s for point in self._points]
        drawn: dict[str, _Drawn] = {
            name: (seconds_ago, [point[column] for point in self._points], None)
            for column, name in enumerate(_LINES, start=1)
        }
        drawn |= _event_bars(measurement.stats["events"] if measurement is not None else {})
        percents = _savings_percents(measurement)
        drawn["layer savings"] = (percents, LAYERS, [_saving_text(percent) for percent in percents])
        low = min(percents)
        # One message, with all three of every trace: what `batch_update` leaves out of one, plotly 7.1 removes there.
        xs, ys, texts = (list(column) for column in zip(*drawn.values(), strict=True))
        self.figure.plotly_update(
            restyle_data={"x": xs, "y": ys, "text": texts},
            relayout_data={
                "xaxis6.range": [low - 30, max(100, *percents) + 12] if low < -0.05 else [0, 112],
                f"annotations[{_CPU_CHART}].text": _cpu_title(measurement),
                f"annotations[{_WINDOWS_CHART}].text": _windows_title(measurement),
                "yaxis2.range": _latency_range(
                    [ms for point in self._points for ms in (point.p50_ms, point.p95_ms) if ms]
                ),
            },
            trace_indexes=[self._indexes[name] for name in drawn],
        )


class _Recent(NamedTuple):
    """What the last `_RATE_SPAN_S` gave."""

    wire_kb_per_s: float
    off_kb_per_s: float
    cpu_us: float | None


class _Rates:
    """Rates over the last `_RATE_SPAN_S`, across resets."""

    def __init__(self) -> None:
        # Seconds, bytes on the wire, bytes without a layer, CPU seconds, deliveries.
        self._steps: deque[tuple[float, ...]] = deque(maxlen=MAX_POINTS)
        self._before: tuple[float, ...] = (0.0,) * 5

    def add(self, measurement: Measurement) -> _Recent | None:
        """None while too little time has passed to tell."""
        counted = (measurement.wire_bytes, measurement.off_bytes, measurement.server_cpu_s, measurement.deliveries)
        now = (measurement.seconds, *counted)
        # Counted from nothing again, if there was a reset in between.
        is_later = now[0] >= self._before[0] and now[2] >= self._before[2]
        before = self._before if is_later else (0.0,) * len(now)
        self._before = now
        self._steps.append(tuple(after - earlier for after, earlier in zip(now, before, strict=True)))
        while len(self._steps) > 1 and sum(step[0] for step in self._steps) - self._steps[0][0] >= _RATE_SPAN_S:
            self._steps.popleft()
        seconds, wire, off, cpu_s, deliveries = (sum(column) for column in zip(*self._steps, strict=True))
        if seconds < _LEAST_RATE_SPAN_S:
            return None
        return _Recent(wire / seconds / 1000, off / seconds / 1000, 1e6 * cpu_s / deliveries if deliveries else None)


def _event_bars(rows: Mapping[str, Any]) -> dict[str, _Drawn]:
    per_event = [_per_delivery(rows.get(event)) for event in EVENTS]
    shares = [100 * wire / off if off else 0 for off, wire in per_event]
    figures = [f"{off:,.0f} → <b>{wire:,.0f}</b> B" if off else "–" for off, wire in per_event]
    return {
        "event off": ([100 if off else 0 for off, _ in per_event], EVENTS, None),
        "event wire": (shares, EVENTS, None),
        "event figures": ([max(_FIGURES_AT_PERCENT, share + 4) for share in shares], EVENTS, figures),
    }


def _savings_percents(measurement: Measurement | None) -> list[float]:
    if measurement is None or not measurement.off_bytes:
        return [0.0] * len(LAYERS)
    savings = measurement.savings_bytes
    return [100 * savings[layer] / measurement.off_bytes for layer in LAYERS]


def _cpu_title(measurement: Measurement | None) -> str:
    mean_us = measurement.cpu_us_per_delivery if measurement is not None else None
    figure = "–" if mean_us is None else f"{mean_us:,.0f}"
    return f"CPU per delivery, µs: {_ink('━ recent', WIRE_COLOUR)}, <b>{figure}</b> on average"


def _windows_title(measurement: Measurement | None) -> str:
    counts = measurement.stats["windows"] if measurement is not None else {}
    windows, in_step = counts.get("windows", 0), counts.get("in_step", 0)
    return (
        f"Windows: {_ink(f'┅ {windows} in use', _WINDOWS_COLOUR)}; in step: {_ink(f'━ {in_step}', WIRE_COLOUR)} "
        f"of {_ink(str(counts.get('connections', 0)), OFF_COLOUR)}"
    )


def _latency_range(latencies_ms: Sequence[float]) -> list[float]:
    """From a little below what was measured to a little above it, the limits in between; decades, as plotly wants."""
    low_ms, high_ms = min([10, *latencies_ms]), max([150, *latencies_ms])
    return [math.log10(low_ms * 0.8), math.log10(high_ms * 1.25)]


def _per_delivery(row: Any) -> tuple[float, float]:
    if not row or not row["deliveries"]:
        return 0.0, 0.0
    return row["off_wire_bytes"] / row["deliveries"], row["wire_bytes"] / row["deliveries"]


def _saving_text(percent: float) -> str:
    return f"<b>{percent:.1f} %</b>".replace("-", "−") if abs(percent) >= 0.05 else "0"


def _empty_figure() -> Any:
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
            _cpu_title(None),
            _windows_title(None),
            f"Bytes per event: {_ink('■ on the wire', WIRE_COLOUR)} in % of {_ink('■ off', OFF_COLOUR)}",
            "Saving of each layer, in % of off",
        ),
    )
    _add_lines(figure)
    _add_bars(figure)
    _style(figure)
    return figure


def _add_lines(figure: Any) -> None:
    hover = "%{y:,.1f} %{meta}<extra>%{fullData.name}</extra>"
    solid: dict[str, Any] = {"line": {"color": WIRE_COLOUR, "width": 2.5}}
    lines: Sequence[tuple[str, int, int, str, dict[str, Any]]] = (
        ("off", 1, 1, "kB/s", {"line": {"color": OFF_COLOUR, "width": 1.5}, **_filled(_OFF_FILL)}),
        (
            "wire",
            1,
            1,
            "kB/s",
            {"line": {"color": WIRE_COLOUR, "width": 2}, "fill": "tozeroy", "fillcolor": _WIRE_FILL},
        ),
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
    for limit_ms, name, end in ((50, "p50 limit", 1), (100, "p95 limit", 0)):
        text = f"  {name} {limit_ms} ms  "
        limit = go.Scatter(
            name=name,
            x=[-SPAN_S, 0],
            y=[limit_ms, limit_ms],
            mode="lines+text",
            # At different ends, so that they do not meet when the axis reaches far.
            text=["", text] if end else [text, ""],
            textposition="top left" if end else "top right",
            textfont={"size": 11, "color": TEXT_COLOUR},
            line={"color": TEXT_COLOUR, "width": 1, "dash": "dash"},
            hoverinfo="skip",
            cliponaxis=False,
        )
        figure.add_trace(limit, row=1, col=2)


def _filled(colour: str) -> dict[str, str]:
    return {"fill": "tozeroy", "fillcolor": colour}


def _add_bars(figure: Any) -> None:
    sideways: dict[str, Any] = {"orientation": "h", "y": EVENTS}
    for name, colour, width in (("event off", OFF_COLOUR, 0.72), ("event wire", WIRE_COLOUR, 0.72)):
        opacity = 0.35 if name == "event off" else 1
        bar = go.Bar(
            name=name,
            width=width,
            marker={"color": colour, "opacity": opacity, "line": {"width": 0}},
            hoverinfo="skip",
            **sideways,
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

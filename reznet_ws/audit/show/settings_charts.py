"""The settings that were tried: every choice, what each layer takes off, one figure after the other.

In: findings. Out: pictures whose titles say what was found; each is a table as text, too.
Never: measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.replayed import ReplayRow, Sweep
from reznet_ws.audit.examine.trial import ROUNDS
from reznet_ws.audit.show.chart_parts import KB, escape, say_kilo, say_signed, style_chart
from reznet_ws.audit.show.wording import counted_sample, printable, share_percent
from reznet_ws.draw.look import LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import align

_CPU = "µs of CPU a message, one window for all who are sent it"
# What a point of a sweep costs, by the field that is swept.
_WITH_MEMORY = ("deflate_window_bits", "deflate_mem_level")
_BATCHING = ("batch_window_ms", "batch_max_messages")


def draw_front(findings: Findings) -> Picture:
    """Everything that was tried, by bytes and CPU; the best of both are joined and numbered."""
    findings = printable(findings)
    rows = _tried(findings)
    figure = go.Figure()
    figure.add_trace(_dots(rows, mode="markers", marker={"size": 7, "color": OFF_COLOUR, "opacity": 0.55}))
    front = sorted(findings.front, key=lambda row: row.shared_cpu_us)
    numbers = [str(number) for number in range(1, len(front) + 1)]
    marker = {"size": 20, "color": WIRE_COLOUR}
    line = {"color": WIRE_COLOUR, "width": 1.5, "dash": "dot"}
    joined = _dots(front, mode="lines+markers+text", marker=marker, line=line, text=numbers)
    joined.textfont = {"size": 12, "color": "#FFFFFF"}
    figure.add_trace(joined)
    fewest = min(front, key=lambda row: row.wire_bytes)
    title = f"{len(rows)} choices, {len(front)} that no other beats; fewest bytes: {escape(fewest.label)}"
    counted_at = f"{counted_sample(findings)}; CPU times are this machine's, medians of {ROUNDS} rounds"
    style_chart(figure, 380, title, counted_at, x_title=_CPU, y_title="kB on the wire")
    most_us = max(row.shared_cpu_us for row in rows)
    figure.update_xaxes(rangemode="tozero", range=[0, 1.08 * most_us] if most_us else None)
    figure.update_yaxes(rangemode="tozero")
    lines = [["no other beats", "kB", "µs of CPU", "format"], []]
    lines += [
        [f"{number} {row.label}", f"{row.wire_bytes / KB:,.1f}", f"{row.shared_cpu_us:.0f}", str(row.format)]
        for number, row in zip(numbers, front, strict=True)
    ]
    return Picture(figure, align(lines))


def draw_shares(findings: Findings) -> Picture:
    """From no layer down to all of them, each step a layer's fair share."""
    findings = printable(findings)
    off = next(row.wire_bytes for row in findings.subsets if not row.layers)
    shares = sorted(findings.shares, key=lambda share: -share.saved_bytes)
    left, bases, heights = float(off), [0.0], [off / KB]
    for share in shares:
        left -= share.saved_bytes
        bases.append(min(left, left + share.saved_bytes) / KB)
        heights.append(abs(share.saved_bytes) / KB)
    names = ["no layer", *(share.layer for share in shares), "all layers"]
    colours = [OFF_COLOUR, *(LAYER_COLOURS[share.layer] for share in shares), WIRE_COLOUR]
    said = [say_kilo(off / KB), *(say_signed(-share.saved_bytes / KB) for share in shares), say_kilo(left / KB)]
    bar = go.Bar(
        x=names,
        y=[*heights, left / KB],
        base=[*bases, 0.0],
        text=[f"<b>{text}</b>" for text in said],
        textposition="outside",
        textfont={"size": 12},
        textangle=0,
        constraintext="none",
        cliponaxis=False,
        width=0.66,
        marker={"color": colours, "line": {"width": 0}},
        hoverinfo="skip",
    )
    figure = go.Figure(bar)
    saved = off - left
    first = shares[0]
    title = f"{first.layer} has {share_percent(first.saved_bytes, saved):.0f} % of what all layers save together"
    where = f"fair shares (Shapley) over all {len(findings.subsets)} subsets; {counted_sample(findings)}"
    style_chart(figure, 340, title, where, y_title="kB on the wire")
    figure.update_yaxes(range=[0, 1.12 * off / KB])
    figure.update_xaxes(type="category", showgrid=False)
    lines = [["layer", "kB"], [], *([name, text] for name, text in zip(names, said, strict=True))]
    return Picture(figure, align(lines))


def draw_sweep(findings: Findings, sweep: Sweep) -> Picture:
    """One figure of the settings at several values: bytes, or frames where it is about batching; at each its price."""
    findings, sweep = printable(findings), printable(sweep)
    figure = go.Figure(_sweep_line(sweep))
    is_batching = sweep.field in _BATCHING
    unit = "frames" if is_batching else "kB on the wire"
    style_chart(figure, 250, _sweep_title(sweep), counted_sample(findings), x_title=sweep_axis(sweep), y_title=unit)
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 1.22 * max(figure.data[0].y)])
    lines = [[sweep_axis(sweep), unit, sweep_price(sweep)], []]
    lines += [
        [value, f"{size:,.0f}" if is_batching else f"{size:,.1f}", price]
        for value, size, price in zip(figure.data[0].x, figure.data[0].y, figure.data[0].text, strict=True)
    ]
    return Picture(figure, align(lines))


def draw_sweeps(findings: Findings) -> Picture:
    """All sweeps side by side, for a page that cannot arrange them itself."""
    findings = printable(findings)
    pictures = [draw_sweep(findings, sweep) for sweep in findings.sweeps]
    if not pictures:
        return Picture(go.Figure(), "no sweeps")
    columns = 2
    rows = -(-len(pictures) // columns)
    titles = [f"{sweep_axis(sweep)} (points: {sweep_price(sweep)})" for sweep in findings.sweeps]
    figure = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.42 / rows)
    for number, picture in enumerate(pictures):
        place(figure, picture.figure, number // columns + 1, number % columns + 1)
    title = f"{len(pictures)} figures of the settings, all else as in the best"
    style_chart(figure, 70 + 150 * rows, title, counted_sample(findings))
    figure.update_layout(margin={"t": 110})
    figure.update_annotations(font={"size": 12})
    figure.update_xaxes(title=None)
    figure.update_yaxes(nticks=4)
    return Picture(figure, "\n\n".join(map(repr, pictures)))


def sweep_axis(sweep: Sweep) -> str:
    """What is swept, with its unit; "window" is said of both deflate and batches."""
    name = sweep.label
    if sweep.field.startswith("batch"):
        name = f"batch {name}" if sweep.field == "batch_window_ms" else name
    elif sweep.field == "deflate_window_bits":
        name = f"deflate {name}"
    return f"{name}, {sweep.unit}" if sweep.unit else name


def sweep_price(sweep: Sweep) -> str:
    """What stands at each point, with its unit."""
    if sweep.field in _BATCHING:
        return "ms that 95 % wait at most"
    return "kB of memory a connection" if sweep.field in _WITH_MEMORY else "µs of CPU a message"


def place(figure: Any, single: Any, row: int, column: int) -> None:
    """Put what a single figure shows into one place of a larger one."""
    for trace in single.data:
        figure.add_trace(trace, row=row, col=column)
    kept = ("autorange", "range", "rangemode", "type", "visible", "showgrid", "title")
    for axis, update in ((single.layout.xaxis, figure.update_xaxes), (single.layout.yaxis, figure.update_yaxes)):
        update({name: value for name, value in axis.to_plotly_json().items() if name in kept}, row=row, col=column)
    for annotation in single.layout.annotations:
        figure.add_annotation(annotation, row=row, col=column)


def _tried(findings: Findings) -> list[ReplayRow]:
    rows = {row.label: row for row in findings.subsets}
    for sweep in findings.sweeps:
        rows |= {row.label: row for row in sweep.rows if row.label not in rows}
    return list(rows.values())


def _dots(rows: Sequence[ReplayRow], **options: Any) -> Any:
    return go.Scatter(
        x=[row.shared_cpu_us for row in rows],
        y=[row.wire_bytes / KB for row in rows],
        customdata=[escape(row.label) for row in rows],
        hovertemplate="%{customdata}<br>%{y:,.1f} kB, %{x:.0f} µs<extra></extra>",
        showlegend=False,
        **options,
    )


def _sweep_line(sweep: Sweep) -> Any:
    is_batching = sweep.field in _BATCHING
    if is_batching:
        prices = ["" if row.delay_p95_ms is None else f"{row.delay_p95_ms:.0f}" for row in sweep.rows]
    elif sweep.field in _WITH_MEMORY:
        prices = [f"{row.memory_bytes / 1000:,.0f}" for row in sweep.rows]
    else:
        prices = [f"{row.shared_cpu_us:.0f}" for row in sweep.rows]
    colour = LAYER_COLOURS[sweep.field.partition("_")[0]]
    return go.Scatter(
        x=[_value(sweep, value) for value in sweep.values],
        y=[row.frames if is_batching else row.wire_bytes / KB for row in sweep.rows],
        mode="lines+markers+text",
        text=prices,
        textposition="top center",
        textfont={"size": 11},
        cliponaxis=False,
        line={"color": colour, "width": 2.5},
        marker={"size": 8, "color": colour},
        hoverinfo="skip",
        showlegend=False,
    )


def _sweep_title(sweep: Sweep) -> str:
    if sweep.field in _BATCHING:
        least = min(sweep.rows, key=lambda row: row.frames)
        at = sweep.values[sweep.rows.index(least)]
        return f"{sweep_axis(sweep)}: fewest frames at {_value(sweep, at)}"
    least = min(sweep.rows, key=lambda row: row.wire_bytes)
    value = _value(sweep, sweep.values[sweep.rows.index(least)])
    return f"{sweep_axis(sweep)}: fewest bytes {'with it' if value == 'on' else 'at ' + value}"


def _value(sweep: Sweep, value: float) -> str:
    if sweep.field == "deflate_takeover":
        return "on" if value else "off"
    return f"{value:,g}"

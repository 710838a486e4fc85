"""The pictures of an audit: what it would save, at which price, by which layer, and where the bytes are.

In: findings. Out: pictures whose titles say what was found; each is a table as text, too.
Never: measures; shows a name that plotly would take for markup or for a number.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reznet_ws.audit.examine.findings import EventCost, Findings, ReplayRow, Sweep
from reznet_ws.audit.examine.trial import ROUNDS
from reznet_ws.audit.show.wording import counted_sample, counted_whole, printable, say_bytes, say_change, share_percent
from reznet_ws.draw.ablation_charts import style
from reznet_ws.draw.course_charts import COLOURS, counted, draw_bars, draw_groups
from reznet_ws.draw.look import LAYER_COLOURS, OFF_COLOUR, WIDTH_PX, WIRE_COLOUR
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import align

STOCK_COLOUR = COLOURS["stock"]
_FLOOR_COLOUR = "#B9BFC5"
_SHOWN_EVENTS = 8
_MAX_NAME_CHARACTERS = 44
_COUNTED_COLUMNS, _LINE_PX = 145, 17
_KB, _KIB = 1000, 1024
_CPU = "µs of CPU a message, one window for all"
# What a point of a sweep costs, by the field that is swept.
_WITH_MEMORY = ("deflate_window_bits", "deflate_mem_level")
_BATCHING = ("batch_window_ms", "batch_max_messages")


def draw_all(findings: Findings) -> dict[str, Picture]:
    """Every picture that these findings have something for, by what it is about."""
    findings = printable(findings)
    pictures: dict[str, Picture] = {}
    if findings.verdict is not None and findings.floor is not None:
        pictures["compare"] = draw_comparison(findings)
        pictures["front"] = draw_front(findings)
        pictures["shares"] = draw_shares(findings)
        pictures |= {f"sweep {sweep.field}": draw_sweep(findings, sweep) for sweep in findings.sweeps}
        if any(cost.direction == "received" for cost in findings.events):
            pictures["events"] = draw_events(findings)
        pictures["repeats"] = draw_repeats(findings)
        if findings.field_map is not None and findings.field_map.entries:
            pictures["field map"] = draw_field_map(findings)
    if findings.sent:
        pictures["sent"] = draw_sent(findings)
    return pictures


def draw_comparison(findings: Findings) -> Picture:
    """No layer, stock, the recommended settings, and the floor."""
    findings = printable(findings)
    verdict, floor = findings.verdict, findings.floor
    assert verdict is not None
    assert floor is not None
    whole = {row.label: row.wire_bytes / _KB for row in findings.whole}
    values = {label: whole[label] for label in ("off", "stock", "seed", "recommended")}
    colours = {
        "seed": "mixed",
        "recommended": "#8FB9DC",
        "best": "wire",
        "best, shared": "wire",
        "stock clients": "wire",
        "stock clients, shared": "wire",
    }
    values["best"] = whole["best"]
    if verdict.saving.best_bytes != verdict.best.row.wire_bytes:
        values["best, shared"] = verdict.saving.best_bytes / _KB
    if verdict.stock_clients.source != verdict.best.source:
        values["stock clients"] = whole["stock clients"]
        if verdict.stock_clients.wire_bytes != verdict.stock_clients.row.wire_bytes:
            values["stock clients, shared"] = verdict.stock_clients.wire_bytes / _KB
    floors = {"floor: xz": floor.xz_bytes, "floor: zstd": floor.zstd_bytes}
    values |= {name: size / _KB for name, size in floors.items() if size is not None}
    colours |= dict.fromkeys(floors, _FLOOR_COLOUR)
    title = (
        f"The best sends {say_change(verdict.saving.best_bytes, verdict.saving.stock_bytes)} than stock; xz of it all"
    )
    title += f" would be {share_percent(floor.xz_bytes, verdict.saving.best_bytes):.0f} % of that"
    picture = draw_bars(title, counted_whole(findings), values, unit="kB on the wire", colours=colours, digits=1)
    picture.figure.update_yaxes(type="category")
    return picture


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
    title = f"{len(rows)} choices, {len(front)} that no other beats; fewest bytes: {_short(fewest.label, 48)}"
    counted_at = f"{counted_sample(findings)}; CPU times are this machine's, medians of {ROUNDS} rounds"
    _style(figure, 380, title, counted_at, x_title=_CPU, y_title="kB on the wire")
    most_us = max(row.shared_cpu_us for row in rows)
    figure.update_xaxes(rangemode="tozero", range=[0, 1.08 * most_us] if most_us else None)
    figure.update_yaxes(rangemode="tozero")
    lines = [["no other beats", "kB", "µs of CPU", "format"], []]
    lines += [
        [f"{number} {row.label}", f"{row.wire_bytes / _KB:,.1f}", f"{row.shared_cpu_us:.0f}", str(row.format)]
        for number, row in zip(numbers, front, strict=True)
    ]
    return Picture(figure, align(lines))


def draw_shares(findings: Findings) -> Picture:
    """From no layer down to all of them, each step a layer's fair share."""
    findings = printable(findings)
    off = next(row.wire_bytes for row in findings.subsets if not row.layers)
    shares = sorted(findings.shares, key=lambda share: -share.saved_bytes)
    left, bases, heights = float(off), [0.0], [off / _KB]
    for share in shares:
        left -= share.saved_bytes
        bases.append(min(left, left + share.saved_bytes) / _KB)
        heights.append(abs(share.saved_bytes) / _KB)
    names = ["no layer", *(share.layer for share in shares), "all layers"]
    colours = [OFF_COLOUR, *(LAYER_COLOURS[share.layer] for share in shares), WIRE_COLOUR]
    said = [_say(off / _KB), *(_signed(-share.saved_bytes / _KB) for share in shares), _say(left / _KB)]
    bar = go.Bar(
        x=names,
        y=[*heights, left / _KB],
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
    _style(figure, 340, title, where, y_title="kB on the wire")
    figure.update_yaxes(range=[0, 1.12 * off / _KB])
    figure.update_xaxes(type="category", showgrid=False)
    lines = [["layer", "kB"], [], *([name, text] for name, text in zip(names, said, strict=True))]
    return Picture(figure, align(lines))


def draw_sweep(findings: Findings, sweep: Sweep) -> Picture:
    """One figure of the settings at several values: bytes, or frames where it is about batching; at each its price."""
    findings, sweep = printable(findings), printable(sweep)
    figure = go.Figure(_sweep_line(sweep))
    is_batching = sweep.field in _BATCHING
    unit = "frames" if is_batching else "kB on the wire"
    _style(figure, 250, _sweep_title(sweep), counted_sample(findings), x_title=sweep_axis(sweep), y_title=unit)
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
        _place(figure, picture.figure, number // columns + 1, number % columns + 1)
    title = f"{len(pictures)} figures of the settings, all else as in the best"
    _style(figure, 70 + 150 * rows, title, counted_sample(findings))
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
    return "KB of memory each" if sweep.field in _WITH_MEMORY else "µs of CPU a message"


def draw_events(findings: Findings) -> Picture:
    """The events that take the most, without any layer, on a stock server and as recommended."""
    findings = printable(findings)
    costs = [cost for cost in findings.events if cost.direction == "received"][:_SHOWN_EVENTS]
    ways = {
        "no layer": ([cost.off_bytes for cost in costs], _FLOOR_COLOUR),
        "stock": ([cost.stock_bytes for cost in costs], STOCK_COLOUR),
        "best": ([cost.best_bytes for cost in costs], WIRE_COLOUR),
    }
    figure = go.Figure()
    for number, (name, (sizes, colour)) in enumerate(ways.items()):
        bar = go.Bar(
            name=name,
            orientation="h",
            y=[at + 0.22 * (number - 0.6) for at in range(len(costs))],
            x=[size / _KB for size in sizes],
            width=0.2,
            text=[f"{size / _KB:,.1f}" for size in sizes],
            textposition="outside",
            textfont={"size": 11},
            cliponaxis=False,
            marker={"color": colour, "line": {"width": 0}},
            hoverinfo="skip",
        )
        figure.add_trace(bar)
    # Above the bars, since beside them long names would leave no room on a narrow page.
    for at, cost in enumerate(costs):
        text = f"<b>{_label(cost.event)}</b>  {cost.messages:,} ×"
        figure.add_annotation(x=0, y=at - 0.38, text=text, xanchor="left", showarrow=False, font={"size": 12})
    _style(figure, 60 + 72 * len(costs), _events_title(costs), counted_whole(findings), x_title="kB on the wire")
    figure.update_layout(barmode="overlay", showlegend=True, margin={"l": 20, "t": 92})
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"})
    figure.update_yaxes(visible=False, range=[len(costs) - 0.4, -0.65])
    figure.update_xaxes(range=[0, 1.14 * max(cost.off_bytes for cost in costs) / _KB])
    rows = [["event", "messages", *ways], []]
    rows += [
        [cost.event, *(f"{figure:,}" for figure in (cost.messages, cost.off_bytes, cost.stock_bytes, cost.best_bytes))]
        for cost in costs
    ]
    return Picture(figure, align(rows))


def draw_repeats(findings: Findings) -> Picture:
    """How much of the payloads is names of keys, and how much was there before."""
    found = printable(findings).repeats
    parts = {
        "keys' names": found.key_bytes,
        "values, again": found.repeated_value_bytes,
        "payloads, again": found.repeated_payload_bytes,
    }
    values = {name: 100 * size / max(1, found.json_bytes) for name, size in parts.items()}
    keys, again, _ = values.values()
    title = f"{again:.0f} % of the payloads' bytes are values that came before, {keys:.0f} % are names of keys"
    where = "payloads before compression; parts overlap"
    colours = dict.fromkeys(values, "abbreviate")
    line = counted(found.messages, "messages from the server", where=where, seed=None)
    picture = draw_bars(title, line, values, unit="% of the bytes", colours=colours, digits=1)
    picture.figure.update_yaxes(type="category")
    return picture


def draw_field_map(findings: Findings) -> Picture:
    """What abbreviations save, without compression and behind it."""
    found = printable(findings).field_map
    assert found is not None
    groups = {
        "no compression": (found.plain_bytes, found.plain_builtin_bytes, found.plain_proposed_bytes),
        "behind a 15-bit window": (found.deflated_bytes, found.deflated_builtin_bytes, found.deflated_proposed_bytes),
    }
    names = ("full keys", "built-in map", "a map for these keys")
    shown = {group: dict(zip(names, (size / _KB for size in sizes), strict=True)) for group, sizes in groups.items()}
    colours = {"full keys": "off", "built-in map": "#F7D58B", "a map for these keys": "abbreviate"}
    saved = [say_change(sizes[2], sizes[0]) for sizes in groups.values()]
    title = f"A map for these keys: {saved[0]} without compression, {saved[1]} behind deflate"
    where = counted_sample(findings)
    return draw_groups(title, where, shown, unit="kB on the wire", colours=colours, digits=1)


def draw_sent(findings: Findings) -> Picture:
    """What clients send, as it is and with permessage-deflate at the client."""
    findings = printable(findings)
    labels = ("as it is", "deflate, 12 bits", "deflate, 15 bits", "deflate, each alone")
    values = {label: row.wire_bytes / _KB for label, row in zip(labels, findings.sent, strict=True)}
    least = min(row.wire_bytes for row in findings.sent)
    title = (
        f"Clients send {say_bytes(findings.sent[0].wire_bytes)}; if they offer permessage-deflate, {say_bytes(least)}"
    )
    line = counted(
        findings.sent[0].messages,
        "messages from clients",
        where="the captured frames through zlib, with masks and headers",
        seed=None,
    )
    colours = {"as it is": "off"} | dict.fromkeys(labels[1:], "deflate")
    picture = draw_bars(title, line, values, unit="kB on the wire", colours=colours, digits=1)
    picture.figure.update_yaxes(type="category")
    return picture


def draw_overview(findings: Findings, headline: str) -> Any:
    """The four main pictures in one figure, for a file."""
    findings = printable(findings)
    singles = {
        "What is sent, kB": draw_comparison(findings),
        "Every choice: kB against µs of CPU on this machine": draw_front(findings),
        "What each layer takes off, kB": draw_shares(findings),
        "Events: no layer (grey), stock (light), best (blue), kB": draw_events(findings),
    }
    titles = [f"<b>{title}</b>" for title in singles]
    figure = make_subplots(2, 2, horizontal_spacing=0.13, vertical_spacing=0.13, subplot_titles=titles)
    for number, picture in enumerate(singles.values()):
        _place(figure, picture.figure, number // 2 + 1, number % 2 + 1)
    title = "<br>".join(textwrap.wrap(_escape(headline), _COUNTED_COLUMNS))
    _style(figure, 1016, title, counted_whole(findings))
    figure.update_layout(
        width=2 * WIDTH_PX - 400, paper_bgcolor="white", plot_bgcolor="white", barmode="overlay", font_color="#3A424A"
    )
    figure.update_layout(margin={"l": 110, "t": 120, "r": 40})
    return figure


def _place(figure: Any, single: Any, row: int, column: int) -> None:
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
        y=[row.wire_bytes / _KB for row in rows],
        customdata=[_escape(row.label) for row in rows],
        hovertemplate="%{customdata}<br>%{y:,.1f} kB, %{x:.0f} µs<extra></extra>",
        showlegend=False,
        **options,
    )


def _sweep_line(sweep: Sweep) -> Any:
    is_batching = sweep.field in _BATCHING
    if is_batching:
        prices = ["" if row.delay_p95_ms is None else f"{row.delay_p95_ms:.0f}" for row in sweep.rows]
    elif sweep.field in _WITH_MEMORY:
        prices = [f"{row.memory_bytes / _KIB:,.0f}" for row in sweep.rows]
    else:
        prices = [f"{row.shared_cpu_us:.0f}" for row in sweep.rows]
    colour = LAYER_COLOURS[sweep.field.partition("_")[0]]
    return go.Scatter(
        x=[_value(sweep, value) for value in sweep.values],
        y=[row.frames if is_batching else row.wire_bytes / _KB for row in sweep.rows],
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


def _events_title(costs: Sequence[EventCost]) -> str:
    first, all_bytes = costs[0], sum(cost.off_bytes for cost in costs)
    return f"{_short(_label(first.event), 40)} takes {share_percent(first.off_bytes, all_bytes):.0f} % of these bytes"


def _label(name: str) -> str:
    return _escape(_short(name, _MAX_NAME_CHARACTERS))


def _short(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _escape(text: str) -> str:
    """Plotly takes tags and entities in its texts for markup."""
    return html.escape(text, quote=False)


def _say(value: float) -> str:
    """So many digits as stand above a bar of a narrow page."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _signed(value: float) -> str:
    sign = "" if abs(value) < 0.05 else "−" if value < 0 else "+"
    return f"{sign}{_say(abs(value))}"


def _style(figure: Any, height_px: int, title: str, counted: str, *, x_title: str = "", y_title: str = "") -> None:
    """The look of the course's charts, with as many lines under the title as that takes."""
    lines = textwrap.wrap(counted, _COUNTED_COLUMNS)
    more_px = _LINE_PX * (len(lines) - 1)
    style(figure, height_px + more_px, title, "<br>".join(lines), x_title=x_title)
    figure.update_layout(margin_t=figure.layout.margin.t + more_px)
    if y_title:
        figure.update_yaxes(title={"text": y_title, "standoff": 8})

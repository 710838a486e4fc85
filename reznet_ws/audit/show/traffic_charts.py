"""The traffic itself: events, what repeats, keys, and what clients send.

In: findings. Out: pictures whose titles say what was found; each is a table as text, too.
Never: shows a name that plotly would take for markup or for a number.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.replayed import EventCost
from reznet_ws.audit.show.chart_parts import KB, show_name, style_chart
from reznet_ws.audit.show.wording import (
    counted_sample,
    counted_whole,
    printable,
    say_binary,
    say_bytes,
    say_change,
    share_percent,
)
from reznet_ws.draw.course_charts import COLOURS, counted, draw_bars, draw_groups
from reznet_ws.draw.look import WIRE_COLOUR
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import align

STOCK_COLOUR = COLOURS["stock"]
FLOOR_COLOUR = "#B9BFC5"
_SHOWN_EVENTS = 8


def draw_events(findings: Findings) -> Picture:
    """The events that take the most, without any layer, on a stock server and as recommended."""
    findings = printable(findings)
    costs = [cost for cost in findings.events if cost.direction == "received"][:_SHOWN_EVENTS]
    ways = {
        "no layer": ([cost.off_bytes for cost in costs], FLOOR_COLOUR),
        "stock": ([cost.stock_bytes for cost in costs], STOCK_COLOUR),
        "best": ([cost.best_bytes for cost in costs], WIRE_COLOUR),
    }
    figure = go.Figure()
    for number, (name, (sizes, colour)) in enumerate(ways.items()):
        bar = go.Bar(
            name=name,
            orientation="h",
            y=[at + 0.22 * (number - 0.6) for at in range(len(costs))],
            x=[size / KB for size in sizes],
            width=0.2,
            text=[f"{size / KB:,.1f}" for size in sizes],
            textposition="outside",
            textfont={"size": 11},
            cliponaxis=False,
            marker={"color": colour, "line": {"width": 0}},
            hoverinfo="skip",
        )
        figure.add_trace(bar)
    # Above the bars, since beside them long names would leave no room on a narrow page.
    for at, cost in enumerate(costs):
        text = f"<b>{show_name(cost.event)}</b>  {cost.messages:,} ×"
        figure.add_annotation(x=0, y=at - 0.38, text=text, xanchor="left", showarrow=False, font={"size": 12})
    style_chart(figure, 60 + 72 * len(costs), _events_title(costs), counted_whole(findings), x_title="kB on the wire")
    figure.update_layout(barmode="overlay", showlegend=True, margin={"l": 20, "t": 92})
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"})
    figure.update_yaxes(visible=False, range=[len(costs) - 0.4, -0.65])
    figure.update_xaxes(range=[0, 1.14 * max(cost.off_bytes for cost in costs) / KB])
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
    if found.binary_bytes:
        title += f". {say_binary(findings)}"
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
    shown = {group: dict(zip(names, (size / KB for size in sizes), strict=True)) for group, sizes in groups.items()}
    colours = {"full keys": "off", "built-in map": "#F7D58B", "a map for these keys": "abbreviate"}
    saved = [say_change(sizes[2], sizes[0]) for sizes in groups.values()]
    title = f"A map for these keys: {saved[0]} without compression, {saved[1]} behind deflate"
    where = counted_sample(findings)
    return draw_groups(title, where, shown, unit="kB on the wire", colours=colours, digits=1)


def draw_sent(findings: Findings) -> Picture:
    """What clients send, as it is and with permessage-deflate at the client."""
    findings = printable(findings)
    labels = ("as it is", "deflate, 12 bits", "deflate, 15 bits", "deflate, each alone")
    values = {label: row.wire_bytes / KB for label, row in zip(labels, findings.sent, strict=True)}
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


def _events_title(costs: Sequence[EventCost]) -> str:
    first, all_bytes = costs[0], sum(cost.off_bytes for cost in costs)
    return f"{show_name(first.event)} takes {share_percent(first.off_bytes, all_bytes):.0f} % of these bytes"

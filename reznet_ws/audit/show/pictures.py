"""The pictures of an audit: which there are, what it would save, and the main ones in one.

In: findings. Out: pictures by what they are about.
Never: measures.
"""

from __future__ import annotations

import textwrap
from typing import Any

from plotly.subplots import make_subplots

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.replayed import Advice
from reznet_ws.audit.show.chart_parts import COUNTED_COLUMNS, KB, escape, style_chart
from reznet_ws.audit.show.format_text import format_label
from reznet_ws.audit.show.settings_charts import draw_front, draw_shares, draw_sweep, place
from reznet_ws.audit.show.traffic_charts import FLOOR_COLOUR, draw_events, draw_field_map, draw_repeats, draw_sent
from reznet_ws.audit.show.wording import counted_whole, find_row, printable, say_change, share_percent
from reznet_ws.draw.course_charts import draw_bars
from reznet_ws.draw.look import WIDTH_PX
from reznet_ws.draw.picture import Picture
from reznet_ws.settings import Settings

_COLOURS = {
    "today": "#C7A17A",
    "off": "off",
    "stock": "stock",
    "seed": "mixed",
    "recommended": "#8FB9DC",
    "best": "wire",
    "stock clients": "wire",
    "rows (format 3)": "abbreviate",
    "rows with far references (format 3)": "abbreviate",
    "MessagePack (format m)": "abbreviate",
}


def draw_all(findings: Findings) -> dict[str, Picture]:
    """Every picture that these findings have something for, by what it is about."""
    findings = printable(findings)
    pictures: dict[str, Picture] = {}
    if findings.whole and findings.floor is not None:
        pictures["compare"] = draw_comparison(findings)
        if findings.verdict is not None:
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
    """What is sent today, no layer, the presets, the recommended settings, and the floor."""
    findings = printable(findings)
    floor, verdict, today = findings.floor, findings.verdict, findings.today
    assert floor is not None
    whole = {row.label: row.wire_bytes for row in findings.whole}
    values = {"today": today.wire_bytes} if today is not None else {}
    values |= {label: size for label, size in whole.items() if label in Settings.presets()}
    if verdict is not None:
        values |= _chosen(verdict, whole["best"], whole["stock clients"])
    values |= {format_label(row): row.deflated_bytes for row in findings.formats if row.format != "1"}
    floors = {"floor: xz": floor.xz_bytes, "floor: zstd": floor.zstd_bytes}
    values |= {name: size for name, size in floors.items() if size is not None}
    colours = {name: _COLOURS.get(name.partition(",")[0], FLOOR_COLOUR) for name in values}
    shown = {name: size / KB for name, size in values.items()}
    title = _comparison_title(findings)
    picture = draw_bars(title, counted_whole(findings), shown, unit="kB on the wire", colours=colours, digits=1)
    picture.figure.update_yaxes(type="category")
    return picture


def _chosen(verdict: Advice, best_bytes: int, stock_clients_bytes: int) -> dict[str, int]:
    """What was chosen, with a window for each connection and, where it was simulated, one for all."""
    values = {"best": best_bytes}
    if verdict.saving.best_bytes != verdict.best.row.wire_bytes:
        values["best, shared"] = verdict.saving.best_bytes
    if verdict.stock_clients.source != verdict.best.source:
        values["stock clients"] = stock_clients_bytes
        if verdict.stock_clients.wire_bytes != verdict.stock_clients.row.wire_bytes:
            values["stock clients, shared"] = verdict.stock_clients.wire_bytes
    return values


def _comparison_title(findings: Findings) -> str:
    verdict, floor = findings.verdict, findings.floor
    assert floor is not None
    if verdict is None:
        off, stock = (find_row(findings, label).wire_bytes for label in ("off", "stock"))
        title, last_bytes = f"uvicorn's default sends {say_change(stock, off)} than no compression", stock
    elif verdict.gains:
        saving = verdict.saving
        title = f"The best sends {say_change(saving.best_bytes, saving.stock_bytes)} than stock"
        last_bytes = saving.best_bytes
    else:
        title, last_bytes = "Nothing to gain in bytes beside stock", verdict.saving.stock_bytes
    return f"{title}; xz of it all would be {share_percent(floor.xz_bytes, last_bytes):.0f} % of that"


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
        place(figure, picture.figure, number // 2 + 1, number % 2 + 1)
    title = "<br>".join(textwrap.wrap(escape(headline), COUNTED_COLUMNS))
    style_chart(figure, 1016, title, counted_whole(findings))
    figure.update_layout(
        width=2 * WIDTH_PX - 400, paper_bgcolor="white", plot_bgcolor="white", barmode="overlay", font_color="#3A424A"
    )
    figure.update_layout(margin={"l": 110, "t": 120, "r": 40})
    return figure

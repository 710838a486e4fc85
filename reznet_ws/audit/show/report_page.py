"""An audit as one page that opens offline.

In: findings. Out: HTML with everything in it, plotly.js too.
Never: writes a name unescaped, or lets the page load or run anything else: its policy names what may run.

Names come from a file that anybody may have made. Jinja escapes what it writes, plotly's texts are escaped by
`charts.py`, and the page's Content-Security-Policy allows this page's own two scripts and nothing from a network.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

import jinja2
import markupsafe
from plotly.offline import get_plotlyjs

from reznet_ws.audit.examine.findings import ConnectionCount, Findings, KindCount
from reznet_ws.audit.show.format_text import format_label, format_notes, say_format
from reznet_ws.audit.show.pictures import draw_all
from reznet_ws.audit.show.settings_charts import sweep_axis, sweep_price
from reznet_ws.audit.show.verdict_text import (
    headline,
    say_cost,
    say_per_day,
    say_stock_clients,
    say_today,
    verdict_lines,
)
from reznet_ws.audit.show.wording import (
    counted_sample,
    counted_whole,
    file_name,
    find_row,
    printable,
    say_binary,
    say_bytes,
    say_change,
    say_count,
    say_kb,
    say_parts,
    say_topology,
    say_us,
    say_whether_few,
)
from reznet_ws.draw.picture import Picture

_SHOWN_CONNECTIONS = 50
_SHOWN_SENT_EVENTS = 20
_INK = "#3A424A"
# Above a chart; the page has titles of its own, which can be of several lines.
_LEGEND_PX, _NO_LEGEND_PX = 34, 14
_ROOM = 1.12


def make_page(findings: Findings) -> str:
    """The whole page. Raises: nothing for names of any kind; lone surrogates are replaced."""
    findings = printable(findings)
    pictures = draw_all(findings)
    charts = {name: _Chart.of(picture) for name, picture in pictures.items()}
    numbers = {name: number for number, name in enumerate(charts)}
    context: dict[str, Any] = {field: getattr(findings, field) for field in findings.__dataclass_fields__}
    verdict = findings.verdict
    if verdict is not None:
        context |= {
            "per_day_text": say_per_day(verdict.saving) if verdict.gains else "",
            "cost_text": say_cost(findings),
            "stock_clients_text": say_stock_clients(verdict),
        }
    if findings.whole:
        context["stock"] = find_row(findings, "stock")
    if findings.field_map is not None:
        keys = findings.field_map
        sizes = (keys.deflated_builtin_bytes, keys.deflated_proposed_bytes)
        context["field_map_texts"] = [say_change(size, keys.deflated_bytes) for size in sizes]
    options = findings.alternatives
    context |= {
        "lines": verdict_lines(findings),
        "format_text": say_format(findings),
        "format_label": format_label,
        "format_notes": format_notes(findings),
        "headline": headline(findings),
        "today_text": say_today(findings) if findings.whole else "",
        "parts_text": say_parts(findings),
        "topology_text": say_topology(findings),
        "binary_text": say_binary(findings),
        "few_text": say_whether_few(findings),
        "counted_whole": counted_whole(findings),
        "charts": charts,
        "chart_numbers": numbers,
        "figures": {f"chart-{numbers[name]}": chart.figure for name, chart in charts.items()},
        "front": sorted(findings.front, key=lambda row: row.shared_cpu_us),
        "sweeps": [
            {
                "name": f"sweep {sweep.field}",
                "y": "frames" if sweep.field.startswith("batch") else "kB on the wire",
                "price": sweep_price(sweep),
                "axis": sweep_axis(sweep),
            }
            for sweep in findings.sweeps
            if f"sweep {sweep.field}" in charts
        ],
        "sweeps_counted": counted_sample(findings),
        "by_server": [(server, list(of)) for server, of in groupby(options, key=lambda option: option.server)],
        "most_alternative": max([1, *(option.wire_bytes for option in options)]),
        "sent_events": [cost for cost in findings.events if cost.direction == "sent"][:_SHOWN_SENT_EVENTS],
        "connections": [_connection(one) for one in findings.connections[:_SHOWN_CONNECTIONS]],
        "more_connections": max(0, len(findings.connections) - _SHOWN_CONNECTIONS),
        "version": importlib.metadata.version("reznet-ws"),
        "nonce": secrets.token_urlsafe(16),
        "plotly_js": markupsafe.Markup(get_plotlyjs()),
    }
    return _template().render(context)


@dataclass(frozen=True, slots=True)
class _Chart:
    """A picture for the page: its title apart from it, and no width of its own."""

    title: str
    counted: str
    figure: dict[str, Any]
    height_px: int

    @classmethod
    def of(cls, picture: Picture) -> _Chart:
        figure = json.loads(picture.figure.to_json())
        layout = figure["layout"]
        layout.pop("template", None)
        title, counted = _texts(layout.pop("title")["text"])
        has_legend = len(figure["data"]) > 1 and layout.get("showlegend", True)
        top_px = _LEGEND_PX if has_legend else _NO_LEGEND_PX
        height_px = round(layout.pop("height") - layout["margin"]["t"] + top_px)
        layout.pop("width", None)
        layout["margin"] |= {"t": top_px, "r": 14, "l": min(layout["margin"]["l"], 56)}
        layout["font"] |= {"color": _INK, "size": 14}
        layout |= {"autosize": True, "dragmode": False, "height": height_px}
        for name, axis in layout.items():
            if name.startswith(("xaxis", "yaxis")):
                axis |= {"fixedrange": True, "automargin": True}
        if figure["data"][0].get("orientation") == "h":
            layout["xaxis"]["range"][1] *= _ROOM  # for figures behind the bars of a narrow page
        return cls(title, counted, figure, height_px)


def _texts(title: str) -> tuple[str, str]:
    """A picture's title and the line below it, as text."""
    first, _, rest = title.partition("<br><span")
    lines = (first, rest.partition(">")[2])
    plain = [markupsafe.Markup(line.replace("<br>", " ")).striptags() for line in lines]
    return plain[0], plain[1]


@dataclass(frozen=True, slots=True)
class _ConnectionRow:
    """A connection's row: messages and payload bytes each way."""

    connection: int
    url: str
    file: str
    engineio: int | None
    duration_ms: float | None
    received: tuple[int, int]
    sent: tuple[int, int]


def _connection(count: ConnectionCount) -> _ConnectionRow:
    return _ConnectionRow(
        count.connection,
        count.url,
        file_name(count.file),
        count.engineio,
        count.duration_ms,
        _sum(kind for kind in count.kinds if kind.direction == "received"),
        _sum(kind for kind in count.kinds if kind.direction == "sent"),
    )


def _sum(kinds: Iterable[KindCount]) -> tuple[int, int]:
    messages = payload_bytes = 0
    for kind in kinds:
        messages, payload_bytes = messages + kind.messages, payload_bytes + kind.payload_bytes
    return messages, payload_bytes


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"bytes": say_bytes, "count": say_count, "us": say_us, "kb": say_kb, "file": file_name}
    return environment.from_string(
        resources.files(__package__).joinpath("report_page.html").read_text(encoding="utf-8")
    )

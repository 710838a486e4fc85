"""The two pictures of a message's journey, as images that a saved notebook and GitHub show.

In: sizes in bytes. Out: an image where Chrome or Chromium is, the interactive figure where not; always a table as text.
Never: measures. Backgrounds are transparent, so that both themes of JupyterLab show through.
"""

from __future__ import annotations

import base64
import logging
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from reznet_ws.lab.charts import LAYER_COLOURS, OFF_COLOUR, TEXT_COLOUR, WIRE_COLOUR

WIDTH_PX = 920
_SCALE = 1.5
_FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
_GRID = "rgba(128, 136, 144, 0.22)"
_FAINT = "rgba(128, 136, 144, 0.10)"
# What each step takes away; the window is deflate's memory of earlier messages.
_STEP_COLOURS = {**LAYER_COLOURS, "window": "#F0E442"}
_INK = "#16202A"  # on the palette's light colours
# A narrower piece has no room for its figure.
_LEAST_LABELLED_PERCENT = 4.0


_PNG_MARK = b"\x89PNG\r\n\x1a\n"


class Picture:
    """A figure that shows as an image."""

    def __init__(self, figure: Any, table: str) -> None:
        self.figure, self.table = figure, table

    def __repr__(self) -> str:
        return self.table

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        # A browser that says goodbye too early is logged as an error; a notebook would show it and differ for it.
        logging.getLogger("choreographer").setLevel(logging.CRITICAL)
        try:
            png = self.figure.to_image(format="png", width=WIDTH_PX, height=self.figure.layout.height, scale=_SCALE)
        except RuntimeError:  # no Chrome on this machine
            shown = self.figure._repr_mimebundle_()
            return {**shown, "text/plain": self.table}
        data = {"image/png": base64.b64encode(repack(png)).decode(), "text/plain": self.table}
        return data, {"image/png": {"width": WIDTH_PX}}


def repack(png: bytes) -> bytes:
    """The same picture with its pixels deflated as well as zlib can; Chromium does it as fast as it can.

    Source: PNG specification 1.2, section 3 (chunks).
    """
    chunks, pixels, at = [], b"", len(_PNG_MARK)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12
        if kind == b"IDAT":
            pixels += data
        else:
            chunks.append((kind, data))
    chunks.insert(-1, (b"IDAT", zlib.compress(zlib.decompress(pixels), 9)))
    return _PNG_MARK + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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
        figure.add_trace(_piece(steps[at], names, took, sizes, _STEP_COLOURS[steps[at]], _INK))
    _style(figure, height=96 + 58 * len(sizes))
    figure.update_layout(barmode="stack", bargap=0.34)
    figure.update_xaxes(range=[0, 100.4], ticksuffix=" %", dtick=20)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 13}, ticklabelstandoff=8)
    rows = [["bytes at the socket", "off", *(f"+ {step}" for step in steps)]]
    rows += [[name, *(f"{size:,}" for size in row)] for name, row in sizes.items()]
    return Picture(figure, _table(rows))


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
    _style(figure, height=300)
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(showgrid=False, tickvals=numbers, title={"text": "message", "standoff": 6})
    figure.update_yaxes(title={"text": "bytes at the socket", "standoff": 8}, rangemode="tozero")
    rows = [["message", "fresh", "window"]]
    rows += [[str(number), str(fresh[number - 1]), str(kept[number - 1])] for number in numbers]
    return Picture(figure, _table(rows))


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


def _style(figure: Any, height: int) -> None:
    figure.update_layout(
        width=WIDTH_PX,
        height=height,
        margin={"l": 56, "r": 20, "t": 44, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": _FONT, "color": TEXT_COLOUR, "size": 13},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(gridcolor=_GRID, zeroline=False)
    figure.update_yaxes(gridcolor=_GRID, zeroline=False)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        cells = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return "\n".join(lines)

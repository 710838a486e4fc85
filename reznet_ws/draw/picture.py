"""Figures as PNG, for where no kernel runs: a saved notebook, GitHub, nbconvert, a report.

In: a figure; for the dashboard's the requirements, too. Out: PNG bytes, or nothing where no Chromium draws them.
Never: fails for want of a browser.
"""

from __future__ import annotations

import base64
import logging
import struct
import threading
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from reznet_ws.draw.look import WIDTH_PX
from reznet_ws.lab.measurement import Requirement

TIMEOUT_S = 30
_BOARD_PX, _SCALE = 44, 1.5
# Beside the first chart's axis, in shares of the charts' width.
_LEFT = -0.13
_MARKS = {True: "✓", False: "✗", None: "…"}
_PNG_MARK = b"\x89PNG\r\n\x1a\n"

_log = logging.getLogger(__name__)


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


def draw_picture(figure: Any, requirements: Sequence[Requirement]) -> bytes | None:
    """The charts, with the scoreboard in one line above them."""
    return render(_with_scoreboard(figure, requirements))


def render(figure: Any) -> bytes | None:
    """Any figure as PNG; None where no browser draws it in time."""
    made: list[bytes] = []
    # A browser that hangs must not hang the notebook.
    thread = threading.Thread(target=_draw, args=(figure, made), daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    return made[0] if made else None


def _draw(figure: Any, made: list[bytes]) -> None:
    try:
        made.append(figure.to_image("png", scale=_SCALE))
    except Exception as error:
        _log.info("no picture: %s", error)


def _with_scoreboard(figure: Any, requirements: Sequence[Requirement]) -> Any:
    copy = go.Figure(figure)
    copy.update_layout(width=WIDTH_PX, height=figure.layout.height + _BOARD_PX)
    copy.layout.margin.t += _BOARD_PX
    for index, requirement in enumerate(requirements):
        copy.add_annotation(
            text=_entry(requirement),
            xref="paper",
            yref="paper",
            x=_LEFT + index * (1 - _LEFT) / len(requirements),
            xanchor="left",
            align="left",
            y=1,
            yshift=_BOARD_PX + 24,
            showarrow=False,
            font={"size": 11},
        )
    return copy


def _entry(requirement: Requirement) -> str:
    value = "–" if requirement.measured is None else f"{requirement.measured:,.1f}".removesuffix(".0")
    text = escape(f"{value} {requirement.unit}".rstrip())
    return f"{escape(requirement.name)}<br>{_MARKS[requirement.passed]} <b>{text}</b> ({escape(requirement.target)})"


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

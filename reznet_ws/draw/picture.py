"""Figures: alive in a page, and as PNG where no kernel runs: a saved notebook, GitHub, nbconvert, a report.

In: a figure. Out: the figure, or PNG bytes, or nothing where no Chromium draws them.
Never: fails for want of a browser.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import shutil
import struct
import threading
import zlib
from typing import Any

from reznet_ws.draw.live import is_live
from reznet_ws.draw.look import WIDTH_PX

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_S = 30
_SCALE = 1.5
_PNG_MARK = b"\x89PNG\r\n\x1a\n"

_log = logging.getLogger(__name__)


def find_browser() -> str | None:
    """The Chromium or Chrome that draws the charts, too."""
    named = [os.environ.get("BROWSER_PATH", ""), os.environ.get("REZNET_CHROMIUM", "")]
    found = [shutil.which(name) for name in (*named, *_BROWSERS) if name]
    return next((path for path in found if path), None)


_PLOTLY = "application/vnd.plotly.v1+json"
_TAG = re.compile(r"<[^>]+>")


class Picture:
    """A figure that answers the pointer in a page, and is an image elsewhere; its title is the image's alt text."""

    def __init__(self, figure: Any, table: str) -> None:
        self.figure, self.table = figure, table

    def __repr__(self) -> str:
        return self.table

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        if is_live():
            return self._alive()
        # A browser that says goodbye too early is logged as an error; a notebook would show it and differ for it.
        logging.getLogger("choreographer").setLevel(logging.CRITICAL)
        try:
            png = self.figure.to_image(format="png", width=WIDTH_PX, height=self.figure.layout.height, scale=_SCALE)
        except RuntimeError:  # no Chrome on this machine
            return self._alive()
        data = {"image/png": base64.b64encode(repack(png)).decode(), "text/plain": self.table}
        return data, {"image/png": {"alt": self.finding, "width": WIDTH_PX}}

    def alive(self) -> Any:
        """The figure as a page shows it."""
        return self.figure

    def _alive(self) -> dict[str, Any]:
        figure = json.loads(self.alive().to_json())
        return {_PLOTLY: {**figure, "config": {"displayModeBar": False}}, "text/plain": self.table}

    @property
    def finding(self) -> str:
        """What the title says, as plain text."""
        said = (self.figure.layout.title.text or "").partition("<br><span")[0]
        return _TAG.sub("", said.replace("<br>", " "))


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

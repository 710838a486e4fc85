"""The widget that draws the dashboard's figures in the page, and a picture of it for where no kernel runs.

In: the state that `series` makes. Out: a widget; PNG bytes, or nothing where no Chromium draws them.
Never: draws by itself: page and picture come from the same `view.js`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from reznet_ws.draw.still import draw_still
from reznet_ws.lab.dashboard.series import SPEC

_FOLDER = Path(__file__).parent
STILL_PX = 1080


class View(anywidget.AnyWidget):
    """Cards, bars and lines."""

    _esm = _FOLDER / "view.js"
    _css = _FOLDER / "view.css"
    spec = traitlets.Dict(SPEC).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)


def draw_view(state: dict[str, Any]) -> bytes | None:
    """The view as PNG."""
    files = _FOLDER / "view.js", _FOLDER / "view.css"
    return draw_still(*files, [SPEC, state], box="reznet-dashboard", width_px=STILL_PX)

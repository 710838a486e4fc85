"""The widget that draws the dashboard's figures in the page, and a picture of it for where no kernel runs.

In: the state that `series` makes. Out: a widget; PNG bytes, or nothing where no Chromium draws them.
Never: draws by itself: page and picture come from the same `view.js`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from choreographer import Browser

from reznet_ws.draw.picture import find_browser, repack
from reznet_ws.lab.dashboard.series import SPEC

_FOLDER = Path(__file__).parent
STILL_PX = 1080
_TIMEOUT_S = 30

_log = logging.getLogger(__name__)


class View(anywidget.AnyWidget):
    """Cards, bars and lines."""

    _esm = _FOLDER / "view.js"
    _css = _FOLDER / "view.css"
    spec = traitlets.Dict(SPEC).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)


def draw_still(state: dict[str, Any]) -> bytes | None:
    """The view as PNG."""
    made: list[bytes] = []

    def run() -> None:
        try:
            made.append(asyncio.run(asyncio.wait_for(_screenshot(_page(state)), _TIMEOUT_S)))
        except Exception as error:
            _log.info("no picture: %s", error)

    # A notebook's own loop runs already.
    thread = threading.Thread(target=run, name="reznet-picture", daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S)
    return repack(made[0]) if made else None


def _page(state: dict[str, Any]) -> str:
    module = base64.b64encode((_FOLDER / "view.js").read_bytes()).decode()
    arguments = ", ".join(json.dumps(value).replace("<", "\\u003c") for value in (SPEC, state))
    return (
        f'<meta charset="utf-8"><style>body {{ margin: 8px; background: #fff; font-family: system-ui, sans-serif; }}'
        f"{(_FOLDER / 'view.css').read_text(encoding='utf-8')}</style>"
        f'<div class="reznet-dashboard"><div id="view"></div></div>'
        f'<script type="module">import {{ drawAll }} from "data:text/javascript;base64,{module}";'
        f'drawAll(document.getElementById("view"), {arguments});</script>'
    )


async def _screenshot(page: str) -> bytes:
    async with Browser(path=find_browser(), headless=True, enable_sandbox=False) as browser:
        tab = await browser.create_tab()
        await tab.send_command("Page.enable")
        metrics = {"width": STILL_PX, "height": 900, "deviceScaleFactor": 1.5, "mobile": False}
        await tab.send_command("Emulation.setDeviceMetricsOverride", metrics)
        loaded = tab.subscribe_once("Page.loadEventFired")
        url = f"data:text/html;base64,{base64.b64encode(page.encode()).decode()}"
        await tab.send_command("Page.navigate", {"url": url})
        await loaded
        height = "document.getElementById('view').getBoundingClientRect().bottom + 8"
        found = await tab.send_command("Runtime.evaluate", {"expression": height})
        clip = {"x": 0, "y": 0, "width": STILL_PX, "height": found["result"]["result"]["value"], "scale": 1}
        options = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        shot = await tab.send_command("Page.captureScreenshot", options)
        return base64.b64decode(shot["result"]["data"])

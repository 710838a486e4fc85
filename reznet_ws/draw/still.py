"""A picture of a widget, drawn by the widget's own script, for where no kernel runs.

In: a script that exports `drawAll(element, ...)`, its style sheet, and what to draw as plain JSON. Out: PNG bytes, or
nothing where no Chromium draws them.
Never: fails for want of a browser, or lets one hang the notebook.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reznet_ws.draw.picture import find_browser, repack

_TIMEOUT_S = 30
_SCALE = 1.5

_log = logging.getLogger(__name__)


def draw_still(script: Path, style: Path, arguments: Sequence[Any], *, box: str, width_px: int) -> bytes | None:
    """The widget as PNG. `box` is the class of what stands around it."""
    made: list[bytes] = []
    page = _page(script, style, arguments, box)

    def run() -> None:
        try:
            made.append(asyncio.run(asyncio.wait_for(_screenshot(page, width_px), _TIMEOUT_S)))
        except Exception as error:
            _log.info("no picture: %s", error)

    # A notebook's own loop runs already.
    thread = threading.Thread(target=run, name="reznet-picture", daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S)
    return repack(made[0]) if made else None


def _page(script: Path, style: Path, arguments: Sequence[Any], box: str) -> str:
    module = base64.b64encode(script.read_bytes()).decode()
    given = ", ".join(json.dumps(value).replace("<", "\\u003c") for value in arguments)
    return (
        f'<meta charset="utf-8"><style>body {{ margin: 8px; background: #fff; font-family: system-ui, sans-serif; }}'
        f"{style.read_text(encoding='utf-8')}</style>"
        f'<div class="{box}"><div id="view"></div></div>'
        f'<script type="module">import {{ drawAll }} from "data:text/javascript;base64,{module}";'
        f'drawAll(document.getElementById("view"), {given});</script>'
    )


async def _screenshot(page: str, width_px: int) -> bytes:
    from choreographer import Browser

    async with Browser(path=find_browser(), headless=True, enable_sandbox=False) as browser:
        tab = await browser.create_tab()
        await tab.send_command("Page.enable")
        metrics = {"width": width_px, "height": 900, "deviceScaleFactor": _SCALE, "mobile": False}
        await tab.send_command("Emulation.setDeviceMetricsOverride", metrics)
        loaded = tab.subscribe_once("Page.loadEventFired")
        url = f"data:text/html;base64,{base64.b64encode(page.encode()).decode()}"
        await tab.send_command("Page.navigate", {"url": url})
        await loaded
        height = "document.getElementById('view').getBoundingClientRect().bottom + 8"
        found = await tab.send_command("Runtime.evaluate", {"expression": height})
        clip = {"x": 0, "y": 0, "width": width_px, "height": found["result"]["result"]["value"], "scale": 1}
        options = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        shot = await tab.send_command("Page.captureScreenshot", options)
        return base64.b64decode(shot["result"]["data"])

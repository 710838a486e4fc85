"""Notebooks of the site, run on it by a headless Chromium, compared with what was saved in the repo.

In: the built site, the notebooks that it offers, as saved. Out: what differs, printed; whether nothing does.
Never: lets the page ask another server for anything: a request that leaves the site is a failure.
"""

from __future__ import annotations

import configparser
import functools
import http.server
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from reznet_ws.pytest_plugin import SANITIZER

_START_MS, _RUN_MS = 120_000, 900_000
# What was measured, which nbval does not compare either.
_MEASURED = {"nbval-ignore-output", "nbval-skip"}
_RUN = """async path => {
    const app = window.jupyterapp;
    const panel = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
    await panel.context.ready;
    await panel.sessionContext.ready;
    await app.commands.execute("notebook:clear-all-cell-outputs");
    await app.commands.execute("notebook:run-all-cells");
    return Array.from(panel.content.model.cells).filter(cell => cell.type === "code")
        .map(cell => ({ count: cell.executionCount, outputs: cell.outputs.toJSON() }));
}"""


def check(html: Path, notebooks: Path, names: Sequence[str]) -> bool:
    """Whether each notebook gives there what it gave when it was saved; says what differs."""
    with _serving(html) as base, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("REZNET_CHROMIUM"), args=["--no-sandbox", "--disable-gpu"]
        )
        pages = [path.relative_to(html).as_posix() for path in sorted(html.glob("*.html"))]
        asked = _asked(chromium.new_page(), base, [*pages, *(f"notebooks/{name}.html" for name in names)])
        print(f"pages: {f'ask for {asked}' if asked else 'ask no other server for anything'}", flush=True)
        are_same = not asked
        for name in names:
            began_s = time.monotonic()
            page = chromium.new_page()
            page.set_default_timeout(_RUN_MS)
            strays: list[str] = []
            page.on("request", lambda request, strays=strays: strays.extend(_strays(request.url, base)))
            wrong = [
                *_compare(notebooks / f"{name}.ipynb", _outputs(page, base, name)),
                *(f"asked for {url}" for url in strays[:3]),
            ]
            print(f"{name}: {'as saved' if not wrong else 'DIFFERS'}, {time.monotonic() - began_s:.0f} s", flush=True)
            print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
            are_same = are_same and not wrong
            page.close()
        chromium.close()
    return are_same


def _asked(page: Page, base: str, paths: Sequence[str]) -> list[str]:
    """What pages ask other servers for."""
    strays: list[str] = []
    page.on("request", lambda request: strays.extend(_strays(request.url, base)))
    for path in paths:
        page.goto(f"{base}/{path}")
    page.close()
    return sorted(set(strays))


def _outputs(page: Page, base: str, name: str) -> list[dict[str, Any]]:
    path = f"notebooks/{name}.ipynb"
    page.goto(f"{base}/lite/lab/index.html?path={path}")
    page.wait_for_function("window.jupyterapp && window.jupyterapp.started", timeout=_START_MS)
    found: list[dict[str, Any]] = page.evaluate(_RUN, path)
    return found


def _compare(notebook: Path, found: Sequence[dict[str, Any]]) -> Iterator[str]:
    saved = json.loads(notebook.read_text(encoding="utf-8"))
    cells = [cell for cell in saved["cells"] if cell["cell_type"] == "code"]
    if len(cells) != len(found):
        yield f"  {len(found)} cells of {len(cells)}"
    for number, (cell, here) in enumerate(zip(cells, found, strict=False), start=1):
        errors = [output for output in here["outputs"] if output["output_type"] == "error"]
        if errors or here["count"] is None:
            yield (
                f"  cell {number}: {errors[0]['ename']}: {errors[0]['evalue']}"
                if errors
                else f"  cell {number} not run"
            )
            return
        if not _MEASURED & set(cell["metadata"].get("tags", ())):
            before, after = _text(cell["outputs"]), _text(here["outputs"])
            if before != after:
                yield f"  cell {number}: saved {before!r:.400}\n  here {after!r:.400}"


def _text(outputs: Sequence[dict[str, Any]]) -> str:
    """What a person reads of outputs, without what was measured."""
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    text = "".join("".join(part) for part in parts)
    for pattern, replacement in _sanitizers():
        text = re.sub(pattern, replacement, text)
    return text


@functools.cache
def _sanitizers() -> list[tuple[str, str]]:
    config = configparser.RawConfigParser()
    config.read(SANITIZER)
    return [(config[name]["regex"], config[name]["replace"]) for name in config.sections()]


def _strays(url: str, base: str) -> list[str]:
    return [] if url.startswith((base, "blob:", "data:")) else [url]


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 (as the class it extends has it)
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

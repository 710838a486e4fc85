"""A browser without a window, and the wire to its DevTools.

In: commands. Out: what DevTools say.
Never: leaves a browser or its profile behind. Source: Chrome DevTools Protocol, version 1.3.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

TIMEOUT_S = 20
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def find_browser() -> str | None:
    """The Chromium or Chrome that draws the charts, too."""
    named = [os.environ.get("BROWSER_PATH", ""), os.environ.get("REZNET_CHROMIUM", "")]
    found = [shutil.which(name) for name in (*named, *_BROWSERS) if name]
    return next((path for path in found if path), None)


class DevTools:
    """One page's DevTools: commands and their answers, one after the other, and the events in between."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._count = 0
        self._events: deque[dict[str, Any]] = deque()

    def ask(self, method: str, **params: Any) -> None:
        """Give a command and wait until it is done."""
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while (said := self._receive()).get("id") != self._count:
            self._events.append(said)

    def wait(self, method: str) -> dict[str, Any]:
        """What the next event of a kind says; those before it are dropped. Raises: TimeoutError."""
        while True:
            said = self._events.popleft() if self._events else self._receive()
            if said.get("method") == method:
                return dict(said["params"])

    def _receive(self) -> dict[str, Any]:
        return dict(json.loads(self._connection.recv(TIMEOUT_S)))


@contextlib.contextmanager
def open_page(browser: str) -> Iterator[DevTools]:
    """A browser with one empty page, and the wire to that page's DevTools; both end with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [browser, *_BROWSER_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _wait_for_port(Path(folder) / "DevToolsActivePort")
            with connect_websocket(_page_address(port), max_size=None, compression=None, proxy=None) as connection:
                devtools = DevTools(connection)
                yield devtools
                with contextlib.suppress(ConnectionClosed, TimeoutError):
                    devtools.ask("Browser.close")
            process.wait(TIMEOUT_S)
        finally:
            process.kill()
            process.wait(TIMEOUT_S)


def _wait_for_port(path: Path) -> int:
    end_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end_s:
        if path.exists() and (lines := path.read_text(encoding="utf-8").split()):
            return int(lines[0])
        time.sleep(0.02)
    raise TimeoutError("the browser opened no port")


def _page_address(port: int) -> str:
    """The DevTools of a page of our own: the browser's first may still be on its way to where it was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("PUT", "/json/new?about:blank")
        return str(json.load(connection.getresponse())["webSocketDebuggerUrl"])

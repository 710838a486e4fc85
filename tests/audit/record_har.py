"""Records the sample capture: the agent chat on a stock server, two tabs of Chromium with the stock socket.io-client.

In: nothing but the repo. Out: a HAR file as Playwright writes it, but with times in seconds, as Chrome's DevTools do.
Never: writes headers, cookies, addresses of this machine, or the port that happened to be free.

    python tests/audit/record_har.py [notebooks/captures/agent-chat.har]

The conversation is seeded; identifiers of sessions and moments are those of the recording.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.demo.chat import Application
from reznet_ws.settings import Settings

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "notebooks" / "captures" / "agent-chat.har"
CLIENT = ROOT / "reznet_ws" / "client" / "js" / "node_modules" / "socket.io-client" / "dist" / "socket.io.esm.min.js"
SECONDS = 32
RATE_PER_S = 10
URL = "http://localhost:8000"
PAGE = Path(__file__).parent / "chat_page.html"
# What a HAR entry must have, and what is read of it.
KEPT = ("startedDateTime", "time", "request", "response", "cache", "timings", "_resourceType", "_webSocketMessages")


def main() -> None:
    """Record into the file named, or over the sample in the repo."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    record(path, seconds=SECONDS, tabs=2)
    print(f"{path}: {path.stat().st_size} bytes")


def record(path: Path, *, seconds: float, tabs: int) -> None:
    """Let the chat run before some tabs, and write what their network carried."""
    application = Application(Settings.stock())
    # From the server itself: a page that Playwright answers for is refused WebSockets to this machine.
    application.static_files |= {"/page.html": str(PAGE), "/socket.io.esm.min.js": str(CLIENT)}
    server = ServerThread(application, stopping=application.chat.close)
    server.call(lambda: application.chat.simulation.start(seed=1, rate_per_s=RATE_PER_S))
    try:
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw.har"
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=_find_chromium(playwright.chromium.executable_path), chromium_sandbox=False
                )
                context = browser.new_context(record_har_path=raw, record_har_content="embed")
                _talk(context, server.url, seconds, tabs)
                context.close()  # writes the file
                browser.close()
            path.write_text(_sample(json.loads(raw.read_bytes()), server.url), encoding="utf-8")
    finally:
        server.stop()


def _talk(context: BrowserContext, url: str, seconds: float, tabs: int) -> None:
    pages = [context.new_page() for _ in range(tabs)]
    for page in pages:
        page.goto(f"{url}/page.html")
    pages[-1].wait_for_timeout(seconds * 1000)


def _sample(har: dict[str, Any], url: str) -> str:
    """The HAR with one line for each message; entries of Engine.IO only."""
    log = har["log"]
    entries = [_entry(entry) for entry in log["entries"] if "EIO=" in entry["request"]["url"]]
    log["entries"] = entries
    log["pages"] = []
    text = json.dumps(har, ensure_ascii=False, separators=(",", ":"))
    for item in ('{"startedDateTime":', '{"type":"send","time":', '{"type":"receive","time":'):
        text = text.replace(item, "\n" + item)
    host = url.partition("//")[2]
    return text.replace(host, URL.partition("//")[2]) + "\n"


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {name: entry[name] for name in KEPT if name in entry}
    for message in kept.get("_webSocketMessages", []):
        message["time"] = round(message["time"] / 1000, 6)
    for side in ("request", "response"):
        kept[side] = kept[side] | {"headers": [], "cookies": [], "headersSize": -1}
    kept["response"] = {name: value for name, value in kept["response"].items() if not name.startswith("_")}
    return kept


def _find_chromium(playwrights: str) -> str:
    for name in (os.environ.get("REZNET_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", playwrights):
        if name and (path := shutil.which(name)):
            return path
    raise SystemExit("found no Chromium; set REZNET_CHROMIUM to one")


if __name__ == "__main__":
    main()

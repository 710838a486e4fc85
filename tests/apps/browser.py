"""A browser at one application, and everything that it received from its Socket.IO server.

In: a page to open, and the tap that it goes through. Out: the messages of each Engine.IO session as Chromium handed
them to the page, and what the page complained of. Never: sends anything of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Response, WebSocket, expect

from apps.packets import Message, read_open, split_payload
from apps.tap import Tap

STEP_MS = 30_000
# What Chromium itself says of a network that is gone, and of addresses elsewhere.
EXPECTED = ("net::ERR_", "Failed to load resource", "WebSocket connection to", "Failed to fetch")


@dataclass
class Part:
    """What one long-polling response or one WebSocket brought for a session; the first names the session itself."""

    sid: str | None
    is_polled: bool
    messages: list[Message] = field(default_factory=list)


@dataclass
class Received:
    """What came to one page, and what it complained of."""

    polled_bytes: int = 0
    complaints: list[str] = field(default_factory=list)
    _parts: list[Part] = field(default_factory=list)
    _reading: list[asyncio.Task[None]] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("websocket", self._watch_websocket)
        page.on("response", self._watch_response)
        page.on("pageerror", lambda error: self.complaints.append(f"page: {error}"))
        page.on("console", self._watch_console)

    async def finish(self) -> None:
        """Until all bodies are read."""
        await asyncio.gather(*self._reading)

    @property
    def sessions(self) -> list[list[Message]]:
        """The messages of each Engine.IO session, in the order of their beginning: a WebSocket follows long-polling."""
        found: dict[str | None, list[Part]] = {}
        for part in self._parts:
            opened = next(filter(None, map(read_open, part.messages)), {})
            found.setdefault(part.sid or opened.get("sid"), []).append(part)
        return [
            [message for part in sorted(parts, key=lambda part: not part.is_polled) for message in part.messages]
            for parts in found.values()
        ]

    @property
    def framed(self) -> list[list[Message]]:
        """The messages of each WebSocket."""
        return [part.messages for part in self._parts if not part.is_polled]

    def _watch_websocket(self, socket: WebSocket) -> None:
        asked = _query(socket.url)
        if "EIO" in asked:
            part = Part(asked.get("sid"), is_polled=False)
            self._parts.append(part)
            socket.on("framereceived", lambda payload: part.messages.append(payload))

    def _watch_response(self, response: Response) -> None:
        asked = _query(response.url)
        if asked.get("transport") == "polling" and response.request.method == "GET" and response.ok:
            part = Part(asked.get("sid"), is_polled=True)
            self._parts.append(part)
            self._reading.append(asyncio.create_task(self._read_poll(response, part)))

    async def _read_poll(self, response: Response, part: Part) -> None:
        part.messages += split_payload(await response.text())
        sizes = await response.request.sizes()
        self.polled_bytes += sizes["responseHeadersSize"] + sizes["responseBodySize"]

    def _watch_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(text in message.text for text in EXPECTED):
            self.complaints.append(f"console: {message.text}")


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@dataclass
class Visit:
    """A page, its wire, and what a person does with a network."""

    page: Page
    tap: Tap
    received: Received

    async def go_offline(self) -> None:
        await self.page.context.set_offline(True)
        self.tap.cut()

    async def come_back(self) -> None:
        self.tap.mend()
        await self.page.context.set_offline(False)


@contextlib.asynccontextmanager
async def visiting(browser: Browser, tap: Tap) -> AsyncIterator[Visit]:
    """A fresh profile that reaches nothing but the application."""
    context = await browser.new_context(base_url=tap.url)
    context.set_default_timeout(STEP_MS)
    expect.set_options(timeout=STEP_MS)
    await context.route(lambda url: not url.startswith(tap.url), lambda route: route.abort())
    page = await context.new_page()
    visit = Visit(page, tap, Received())
    visit.received.watch(page)
    try:
        yield visit
        await visit.received.finish()
    finally:
        await context.close()

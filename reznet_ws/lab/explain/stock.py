"""What a stock server sends: over WebSocket, over long-polling, and as a browser shows it.

In: a lab that serves python-socketio as it comes, events. Out: bytes, counted at a socket.
Never: changes what it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import socketio
from engineio.packet import Packet
from engineio.payload import Payload

from reznet_ws.draw.picture import find_browser
from reznet_ws.lab.clients.listener import TIMEOUT_S, Listener
from reznet_ws.lab.lab import Lab
from reznet_ws.replay.link import engineio_packets
from reznet_ws.replay.trace import Event
from reznet_ws.settings import Settings

_GREETINGS = 2  # Engine.IO's, then Socket.IO's
# What a page runs to join as any Socket.IO client does.
_SCRIPT = """
const ws = new WebSocket("{url}");
ws.onmessage = event => {{ if (event.data[0] === "0") ws.send("40"); }};
"""


def send_all(lab: Lab, events: Sequence[Event], *, deflate: bool = True) -> list[bytes]:
    """Emit events to one client that listens on a plain socket; the frames it got, an event each."""
    with Listener(lab.url, deflate=deflate) as listener:
        lab.emit(events)
        return listener.read(len(events))


@dataclass(frozen=True, slots=True)
class Poll:
    """One response of long-polling. Units: bytes of its body, as it came."""

    encoding: str
    body_bytes: int


def poll_once(lab: Lab, events: Sequence[Event]) -> Poll:
    """Join by long-polling as a browser does that has no WebSocket, emit, and fetch what there is."""
    address = urlsplit(lab.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
    path = "/socket.io/?EIO=4&transport=polling"
    with contextlib.closing(connection):
        path += f"&sid={json.loads(_ask(connection, 'GET', path)[1][1:])['sid']}"
        _ask(connection, "POST", path, b"40")
        _ask(connection, "GET", path)
        lab.emit(events)
        encoding, body = _ask(connection, "GET", path, headers={"Accept-Encoding": "gzip"})
        return Poll(encoding, len(body))


def polled_bytes(events: Iterable[Event], settings: Settings, *, http_gzip: bool = False) -> int:
    """The body of one response of long-polling, where bytes travel as base64. Source: engine.io-protocol 4."""
    parts = [part for event in events for part in engineio_packets([event], settings)]
    body = Payload([Packet(encoded_packet=part) for part in parts]).encode().encode()
    return len(gzip.compress(body, mtime=0)) if http_gzip else len(body)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[str, bytes]:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.headers.get("Content-Encoding", "none"), response.read()


def offer_of(lab: Lab, **options: Any) -> str:
    """What python-socketio's own client offers; `options` are those of its constructor."""
    offers: list[str] = []
    lab.site.sio.on("connect", lambda _, environ: offers.append(environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "")))
    client = socketio.AsyncClient(handle_sigint=False, **options)

    async def visit() -> None:
        await client.connect(lab.url, transports=["websocket"])
        await client.disconnect()

    lab.run(visit())
    return offers[-1] or "nothing"


@dataclass(frozen=True, slots=True)
class Look:
    """What DevTools shows of a connection. Units: bytes, for each message that it lists as received."""

    offer: str
    message_bytes: list[int]


def look_with_devtools(lab: Lab, events: Sequence[Event]) -> Look | None:
    """Open a page in Chromium that connects, emit, and ask DevTools; None where there is no Chromium."""
    path = find_browser()
    return None if path is None else lab.run(_look(path, lab, events))


# Source: Chrome DevTools Protocol, version 1.3.
async def _look(path: str, lab: Lab, events: Sequence[Event]) -> Look:
    headers: list[dict[str, str]] = []
    sizes: asyncio.Queue[int] = asyncio.Queue()

    async def note_request(said: Any) -> None:
        headers.append(said["params"]["request"]["headers"])

    async def note_frame(said: Any) -> None:
        sizes.put_nowait(len(said["params"]["response"]["payloadData"].encode()))

    from choreographer import Browser

    async with Browser(path=path, headless=True, enable_sandbox=False) as browser:
        page = await browser.create_tab()
        page.subscribe("Network.webSocketWillSendHandshakeRequest", note_request)
        page.subscribe("Network.webSocketFrameReceived", note_frame)
        for method in ("Network.enable", "Page.enable"):
            await page.send_command(method)
        loaded = page.subscribe_once("Page.loadEventFired")
        await page.send_command("Page.navigate", {"url": lab.url})  # whatever it answers: a page of the same origin
        await loaded
        url = f"{lab.url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
        await page.send_command("Runtime.evaluate", {"expression": _SCRIPT.format(url=url)})
        for _ in range(_GREETINGS):
            await sizes.get()
        for event, data in events:
            await lab.site.sio.emit(event, data)
        return Look(headers[0].get("Sec-WebSocket-Extensions", ""), [await sizes.get() for _ in events])

"""What the course's notebooks measure with: seeded traces and variants of them, what a stock server sends, and what a
browser says of that.

In: a seed, settings, options of python-socketio. Out: bytes, counted at a socket or computed by the server's own code.
Never: repairs what it measures.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import http.client
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import socketio
from engineio.packet import Packet
from engineio.payload import Payload

from reznet_ws.demo.workload import TraceEvent
from reznet_ws.lab.clients.devtools import TIMEOUT_S, find_browser, open_page
from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.explain.journey import Event, engineio_packets
from reznet_ws.lab.explain.stock import StockServer
from reznet_ws.lab.explain.stock import stop as stop
from reznet_ws.message.fields import FIELD_MAP, TIMESTAMPS, abbreviate, ms_from_iso
from reznet_ws.message.payload import FORMAT
from reznet_ws.replay.ablation import record as record  # `as`: notebooks say `course.record` and `course.stop`
from reznet_ws.replay.ablation import replay
from reznet_ws.settings import Settings

_MARK = "_w"
_GREETINGS = 2  # Engine.IO's, then Socket.IO's
# What a page runs to join as any Socket.IO client does.
_SCRIPT = """
const ws = new WebSocket("{url}");
ws.onmessage = event => {{ if (event.data[0] === "0") ws.send("40"); }};
"""

# The seed document's table "Field Abbreviation Reference": what it says that each key saves, in per cent.
SEED_KEY_PERCENTS = {
    "message_id": 73,
    "channel_id": 73,
    "author_type": 83,
    "author_name": 83,
    "author_id": 75,
    "content": 88,
    "created_at": 82,
    "updated_at": 82,
    "metadata": 89,
    "agent_name": 83,
    "agent_id": 67,
    "status": 83,
    "workflow_id": 73,
    "description": 92,
    "orchestrator": 67,
    "plan": 75,
    "total_tasks": 83,
    "tasks": 83,
    "order": 83,
    "depends_on": 75,
    "model": 67,
    "provider": 67,
    "in_reply_to": 75,
    "tokens": 63,
    "chunk": 60,
    "is_final": 71,
    "streaming": 70,
}


# Traces


def events_of(trace: Iterable[TraceEvent]) -> list[Event]:
    """Names and data, without the times."""
    return [(message.event, message.data) for message in trace]


def change(trace: Iterable[TraceEvent], how: Callable[[Any], Any]) -> list[TraceEvent]:
    """The same trace with the data of each message changed."""
    return [dataclasses.replace(message, data=how(message.data)) for message in trace]


def saving_percent(trace: Sequence[TraceEvent], settings: Settings, base: Settings | None = None) -> float:
    """What settings save of the bytes at the socket, in % of what the base (by default no layer) sends."""
    return percent(replay(trace, base or Settings.off()).wire_bytes, replay(trace, settings).wire_bytes)


def percent(before: float, after: float) -> float:
    """What is saved of what was there before, in %."""
    return 100 * (1 - after / before)


# Variants of a payload: one part of layer 1 at a time, each without the mark `_v`


def shorten_keys(value: Any) -> Any:
    """Short keys at every depth, timestamps as they were."""
    return _rename(value, lambda key: FIELD_MAP.get(key, key))


def shorten_timestamps(value: Any) -> Any:
    """Timestamps in ms at every depth, under their full keys."""
    if isinstance(value, list):
        return [shorten_timestamps(item) for item in value]
    if not isinstance(value, dict):
        return value
    shortened = {}
    for key, item in value.items():
        ms = ms_from_iso(item) if key in TIMESTAMPS and isinstance(item, str) else None
        shortened[key] = shorten_timestamps(item) if ms is None else ms
    return shortened


def shorten_always(value: Any) -> Any:
    """Layer 1 as the seed document has it: always with its mark, whether that pays or not.

    The mark is called `_w`, as long as `_v`: a payload that brings a `_v` of its own would be escaped on its way.
    """
    return {**abbreviate(value), _MARK: FORMAT}


def camel_case(value: Any) -> Any:
    """The same data as another team would spell it: `messageId` for `message_id`."""
    return _rename(value, _to_camel)


def _to_camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part.capitalize() for part in others)


def _rename(value: Any, name: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_rename(item, name) for item in value]
    if isinstance(value, dict):
        return {name(key): _rename(item, name) for key, item in value.items()}
    return value


# What a stock server sends


def send_all(server: StockServer, events: Sequence[Event], *, deflate: bool = True) -> list[bytes]:
    """Emit events to one client that listens on a plain socket; the frames it got, an event each."""
    with Listener(server.url, deflate=deflate) as listener:
        server.emit(events)
        return listener.read(len(events))


@dataclass(frozen=True, slots=True)
class Poll:
    """One response of long-polling. Units: bytes of its body, as it came."""

    encoding: str
    body_bytes: int


def poll_once(server: StockServer, events: Sequence[Event]) -> Poll:
    """Join by long-polling as a browser does that has no WebSocket, emit, and fetch what there is."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
    path = "/socket.io/?EIO=4&transport=polling"
    with contextlib.closing(connection):
        path += f"&sid={json.loads(_ask(connection, 'GET', path)[1][1:])['sid']}"
        _ask(connection, "POST", path, b"40")
        _ask(connection, "GET", path)
        server.emit(events)
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


def offer_of(server: StockServer, **options: Any) -> str:
    """What python-socketio's own client offers; `options` are those of its constructor."""
    client = socketio.AsyncClient(handle_sigint=False, **options)

    async def visit() -> None:
        await client.connect(server.url, transports=["websocket"])
        await client.disconnect()

    server.run(visit())
    return server.offers[-1] or "nothing"


# What a browser says


@dataclass(frozen=True, slots=True)
class Look:
    """What DevTools shows of a connection. Units: bytes, for each message that it lists as received."""

    offer: str
    message_bytes: list[int]


def look_with_devtools(server: StockServer, events: Sequence[Event]) -> Look | None:
    """Open a page in Chromium that connects, emit, and ask DevTools; None where there is no Chromium."""
    browser = find_browser()
    if browser is None:
        return None
    url = f"{server.url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    with open_page(browser) as devtools:
        for method in ("Network.enable", "Page.enable"):
            devtools.ask(method)
        devtools.ask("Page.navigate", url=server.url)  # whatever it answers: a page of the same origin
        devtools.wait("Page.loadEventFired")
        devtools.ask("Runtime.evaluate", expression=_SCRIPT.format(url=url))
        offer = devtools.wait("Network.webSocketWillSendHandshakeRequest")["request"]["headers"]
        sizes: list[int] = []
        while len(sizes) < _GREETINGS + len(events):
            if len(sizes) == _GREETINGS:
                server.emit(events)
            frame = devtools.wait("Network.webSocketFrameReceived")
            sizes.append(len(frame["response"]["payloadData"].encode()))
        return Look(offer.get("Sec-WebSocket-Extensions", ""), sizes[_GREETINGS:])

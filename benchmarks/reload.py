"""A page that is loaded again: what its snapshots take at the socket, the first time and the second.

In: snapshots. Out: bytes that a real server sent for them to a real client, and what the client said that it holds.
Never: computes: the server's ledger counts at the socket.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import socketio

from benchmarks.emissions import RecordedEvent
from benchmarks.results_report import markdown_table
from reznet_ws import AsyncServer
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.client import Snapshots, attach_snapshots

# A page of history holds so many messages, and a visitor is shown so many pages.
PAGE_MESSAGES, PAGES = 50, 4
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Visits:
    """Bytes on the wire for the snapshots of one visitor: the first visit, and the second, when nothing has changed.

    `said_bytes`: what the second visit's CONNECT is longer by.
    """

    snapshots: int
    first_bytes: int
    second_bytes: int
    said_bytes: int


def pages_of(emissions: Sequence[RecordedEvent]) -> dict[str, Any]:
    """Key -> data: the last pages of a history."""
    messages = [{"event": one.event, "data": one.data} for one in emissions[-PAGE_MESSAGES * PAGES :]]
    return {
        f"page {start // PAGE_MESSAGES}": messages[start : start + PAGE_MESSAGES]
        for start in range(0, len(messages), PAGE_MESSAGES)
    }


async def visit_twice(snapshots: Mapping[str, Any], *, deflate: bool) -> Visits:
    """One client that comes, is sent all, leaves and comes again."""
    sio = AsyncServer(async_mode="asgi")
    manager = sio.reznet

    async def greet(sid: str, environ: Any, auth: Any) -> None:
        for key, data in snapshots.items():
            await manager.send_snapshot("snapshot", key, data, room=sid)
        await sio.emit("shown", to=sid)

    sio.on("connect", greet)
    server = await asyncio.to_thread(ServerThread, socketio.ASGIApp(sio))
    store, held = Snapshots(), 0
    sent: list[int] = []
    try:
        for _ in range(2):
            held = len(store)
            await _visit(server.url, store, snapshots, deflate=deflate)
            sent.append(await _booked(server, manager, len(snapshots) * (len(sent) + 1)))
    finally:
        await asyncio.to_thread(server.stop)
    said = len(json.dumps({"reznet_held": ["x" * 16] * held}, separators=(",", ":")))
    return Visits(len(snapshots), sent[0], sent[1] - sent[0], said)


async def _visit(url: str, store: Snapshots, expected: Mapping[str, Any], *, deflate: bool) -> None:
    async with aiohttp.ClientSession() as http:
        options = {"compress": 15 if deflate else 0}
        client = socketio.AsyncClient(
            handle_sigint=False, reconnection=False, http_session=http, websocket_extra_options=options
        )
        attach_snapshots(client, store)
        heard: list[Any] = []
        shown = asyncio.Event()
        client.on("snapshot", heard.append)
        client.on("shown", shown.set)
        await client.connect(url, transports=["websocket"])
        await asyncio.wait_for(shown.wait(), _TIMEOUT_S)
        await client.disconnect()
    if heard != list(expected.values()):
        raise AssertionError("what came is not what was sent")


async def _booked(server: ServerThread, manager: Any, deliveries: int) -> int:
    """The bytes of so many deliveries; what a cork has written is booked a moment later."""
    async with asyncio.timeout(_TIMEOUT_S):
        while True:
            stats = await asyncio.to_thread(server.call, manager.get_stats)
            totals: dict[str, int] = stats["events"].get("snapshot", {"deliveries": 0})
            if totals["deliveries"] >= deliveries:
                return totals["wire_bytes"]
            await asyncio.sleep(0.002)


def write_reload_report(sources: Mapping[str, Sequence[RecordedEvent]]) -> str:
    """A table as Markdown."""
    rows = []
    for name, emissions in sources.items():
        for deflate in (False, True):
            one = asyncio.run(visit_twice(pages_of(emissions), deflate=deflate))
            share = f"{one.second_bytes / one.first_bytes:.4f}"
            way = "deflate" if deflate else "bare"
            sizes = [f"{size:,}" for size in (one.first_bytes, one.second_bytes, one.said_bytes)]
            rows.append([name, way, str(one.snapshots), *sizes, share])
    head = ["source", "connection", "snapshots", "first visit", "second visit", "said by the client", "second / first"]
    lines = [
        "## Snapshots over a reload, at the socket",
        "",
        f"Pages of {PAGE_MESSAGES} messages, {PAGES} at most, to one client that keeps them, leaves and comes again.",
        "",
        *markdown_table([head, *rows]),
    ]
    return "\n".join(lines) + "\n"

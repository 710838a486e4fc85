"""One reader stalls while others are served: does the server's memory stay flat?

In: minutes, a rate, how many listen. Out: lines of text, a sample every few seconds.
Never: decides; it prints what memory was, and what became of the reader.

The server is a process of its own; so are its clients, here: one that never reads again after it has joined, and some
that read everything.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import socketio
import uvicorn

from benchmarks.processor import resident_bytes
from benchmarks.raw_client import RawClient
from benchmarks.results_report import markdown_table
from reznet_ws import Settings, attach
from reznet_ws.adapters.serving import listen

_READ_BYTES = 65_536
_FILLER_BYTES = 500
_SAMPLES = 20


def stall(minutes: float, rate_per_s: float, clients: int, settings: Settings, told: Callable[[str], None]) -> str:
    """Run it; the report."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, rate_per_s, settings), daemon=True
    )
    server.start()
    try:
        return asyncio.run(_watch(ours, server.pid or 0, minutes, clients, told))
    finally:
        server.kill()
        server.join()


async def _watch(pipe: Connection, pid: int, minutes: float, clients: int, told: Callable[[str], None]) -> str:
    port = await asyncio.to_thread(pipe.recv)
    _, *readers = joined = [await _join(port) for _ in range(clients + 1)]
    reading = [asyncio.create_task(_read(reader, client)) for reader, client, _ in readers]
    told(f"{len(joined)} clients joined")
    rows = [["minutes", "messages", "server's memory, MB", "queued, MB", "skipped", "closed"]]
    began = time.monotonic()
    for sample in range(_SAMPLES + 1):
        await asyncio.sleep(max(0.0, began + sample * minutes * 60 / _SAMPLES - time.monotonic()))
        pipe.send("figures")
        figures = await asyncio.to_thread(pipe.recv)
        slow = figures["slow_readers"]
        row = [
            f"{(time.monotonic() - began) / 60:.1f}",
            str(figures["total_messages"]),
            f"{resident_bytes(pid) / 1e6:.1f}",
            f"{slow['queued_bytes'] / 1e6:.1f}",
            str(slow["skipped_messages"]),
            str(slow["closed_connections"]),
        ]
        rows.append(row)
        told("  ".join(row))
    received = [client.event_bytes for _, client, _ in readers]
    for _, _, writer in joined:
        writer.close()
    await asyncio.gather(*reading)
    return "\n".join(
        [
            "## A stalled reader",
            "",
            f"{clients} clients read everything, one nothing after it has joined.",
            "",
            *markdown_table(rows),
            "",
            f"The others received {min(received)} to {max(received)} bytes each.",
            "",
        ]
    )


async def _join(port: int) -> tuple[asyncio.StreamReader, RawClient, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = RawClient()
    writer.write(client.ask("127.0.0.1", port))
    while not client.is_joined:
        client.receive(await reader.read(_READ_BYTES))
        writer.write(bytes(client.answer))
        client.answer.clear()
    return reader, client, writer


async def _read(reader: asyncio.StreamReader, client: RawClient) -> None:
    while data := await reader.read(_READ_BYTES):
        client.receive(data)


def _serve(pipe: Connection, rate_per_s: float, settings: Settings) -> None:
    sio = socketio.AsyncServer(async_mode="asgi", ping_interval=3600)  # the bound ends it, not a missing pong
    manager = attach(sio, settings)
    bound = listen("127.0.0.1", 0)
    chance = random.Random(1)

    async def serve() -> None:
        server = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(sio), log_level="error", ws_ping_interval=None))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        pipe.send(bound.getsockname()[1])
        asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
        due = time.monotonic()
        number = 0
        while not serving.done():
            due, number = due + 1 / rate_per_s, number + 1
            await sio.emit("news", {"number": number, "filler": chance.randbytes(_FILLER_BYTES).hex()})
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def answer() -> None:
        pipe.recv()
        pipe.send(manager.get_stats())

    asyncio.run(serve())

"""A server in a process of its own that is told to stop in the middle of what it sends.

In: settings as JSON, how many events come before the signal, uvicorn's HTTP protocol. Out: its port, on stdout.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import socketio
import uvicorn

from reznet_ws import Settings, attach
from reznet_ws.adapters.serving import listen

LARGE = 8_000_000


def build(settings: Settings, events: int) -> Any:
    sio = socketio.AsyncServer(async_mode="asgi")
    attach(sio, settings)
    running: set[asyncio.Task[None]] = set()

    async def flow() -> None:
        for number in range(events):
            # One in three may wait for others; one in three leaves before them, to all the same.
            name = ("status", "message", "late")[number % 3]
            await sio.emit(name, {"n": number, "said": f"{name} {number}"})
        os.kill(os.getpid(), signal.SIGTERM)

    @sio.event
    async def slow(sid: str) -> None:
        await sio.emit("large", {"filler": "x" * LARGE}, to=sid)

    @sio.event
    async def say(sid: str, data: Any) -> str:
        return "heard"

    @sio.event
    async def go(sid: str) -> None:
        running.add(asyncio.create_task(flow()))

    return socketio.ASGIApp(sio)


def main() -> None:
    options = json.loads(sys.argv[1])
    names = frozenset(options.pop("batch_events", ()))
    app = build(Settings(batch=True, batch_events=names, **options), int(sys.argv[2]))
    bound = listen("127.0.0.1", 0)
    print(bound.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", http=sys.argv[3])).run(sockets=[bound])


if __name__ == "__main__":
    main()

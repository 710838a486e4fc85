"""An application as it is deployed: a command imports it in each of its workers, and Redis is between them.

In: the address of Redis, in the environment. Out: an ASGI application.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

import socketio

from reznet_ws import Settings, attach

# A window that is still open when everybody has been told to stop.
SETTINGS = Settings(batch=True, batch_events=frozenset(("status", "late")), batch_window_ms=1000)

sio = socketio.AsyncServer(
    async_mode="asgi", client_manager=socketio.AsyncRedisManager(os.environ["REDIS_URL"], channel="deployed")
)
manager = attach(sio, SETTINGS)


@sio.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    await sio.enter_room(sid, "watchers" if "watch" in environ["QUERY_STRING"] else "members")


@sio.event
async def whoami(sid: str) -> dict[str, Any]:
    scope = sio.get_environ(sid)["asgi.scope"]
    return {"pid": os.getpid(), "address": scope["client"][0], "scheme": scope["scheme"]}


@sio.event
async def figures(sid: str) -> dict[str, Any]:
    return asdict(manager.report().windows)


@sio.event
async def go(sid: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        # One in three may wait for others, and the last one does.
        name = ("status", "message", "late")[(number - first) % 3]
        await sio.emit(name, {"n": number, "said": f"{name} {number}"}, room="members")
    await sio.emit("all", first, room="watchers")


app = socketio.ASGIApp(sio)

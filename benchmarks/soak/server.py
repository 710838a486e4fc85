"""The server of a soak, in a process of its own: it emits to rooms that change, and says whom each emission was for.

In: a pipe, figures. Out: on the pipe its port, then every fifth of a second what was emitted to whom and who is over.
Never: asks the library who is in a room: the application's own books are the measure.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import socketio
import uvicorn

from reznet_ws import Recovery, Settings, attach
from reznet_ws.adapters.serving import listen

ROOMS = 20
# How many of them a client is in.
_MEMBERSHIPS = 2
_TELL_EVERY_S = 0.2
# A break is shorter; kept for little longer, so that memory is flat soon.
_KEPT_S, _KEPT_BYTES = 20, 4_194_304
_LOBBY = "lobby"
_WORDS = ("an", "agent", "streams", "its", "answer", "word", "by", "word", "to", "all", "who", "listen")


@dataclass(frozen=True)
class Told:
    """What happened since the last."""

    emitted: list[tuple[int, list[str]]]
    over: list[str]
    errors: int
    stats: dict[str, Any]


class _Errors(logging.Handler):
    """Counts what is logged as an error, and shows it."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        sys.stderr.write(f"server: {self.format(record)}\n")


class Theatre:
    """The application: who is here, and in which rooms, by its own books."""

    def __init__(self, seed: int) -> None:
        self.sio = socketio.AsyncServer(async_mode="asgi", ping_interval=10, ping_timeout=10)
        settings = Settings(batch=True, batch_events=frozenset({"status"}), never_compress=frozenset({"secret"}))
        self.manager = attach(self.sio, settings, recovery=Recovery(seconds=_KEPT_S, max_bytes=_KEPT_BYTES))
        self._chance = random.Random(seed)
        # Session -> its rooms; those that broke off may come back and are in them all the same.
        self._rooms: dict[str, set[str]] = {}
        self._away: dict[str, float] = {}
        self._emitted: list[tuple[int, list[str]]] = []
        self._over: list[str] = []
        self._number = 0
        self.sio.on("connect", self._connect)
        self.sio.on("disconnect", self._disconnect)
        self.sio.on("say", self._say)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        if self.manager.is_recovered(sid):
            self._away.pop(sid, None)
            return
        rooms = {_LOBBY, *(self._room() for _ in range(_MEMBERSHIPS))}
        self._rooms[sid] = rooms
        for room in rooms:
            await self.sio.enter_room(sid, room)

    async def _disconnect(self, sid: str, reason: str) -> None:
        if reason == self.sio.reason.CLIENT_DISCONNECT:
            self._end(sid)
        else:
            self._away[sid] = time.monotonic()

    async def _say(self, sid: str, data: Any) -> Any:
        return data

    def _end(self, sid: str) -> None:
        self._away.pop(sid, None)
        if self._rooms.pop(sid, None) is not None:
            self._over.append(sid)

    def _room(self) -> str:
        return f"room {self._chance.randrange(ROOMS)}"

    async def step(self) -> None:
        """One emission, and now and then a change of rooms."""
        here = [sid for sid in self._rooms if sid not in self._away]
        if not here:
            return
        for sid in [sid for sid, since in self._away.items() if time.monotonic() - since > _KEPT_S]:
            self._end(sid)
        if self._chance.random() < 0.2:
            await self._change(self._chance.choice(here))
        kind = self._chance.random()
        to = _LOBBY if kind < 0.03 else self._room() if kind < 0.7 else self._chance.choice(here)
        number, self._number = self._number, self._number + 1
        due = [to] if to in self._rooms else [sid for sid, rooms in self._rooms.items() if to in rooms]
        self._emitted.append((number, due))
        event, data = self._message(number)
        await self.sio.emit(event, data, to=to)

    async def _change(self, sid: str) -> None:
        left = self._chance.choice(sorted(self._rooms[sid] - {_LOBBY}) or [""])
        entered = self._room()
        if left:
            self._rooms[sid].discard(left)
            await self.sio.leave_room(sid, left)
        self._rooms[sid].add(entered)
        await self.sio.enter_room(sid, entered)

    def _message(self, number: int) -> tuple[str, dict[str, Any]]:
        event = self._chance.choice(["status", "status", "message", "message", "secret", "picture"])
        words = " ".join(self._chance.choices(_WORDS, k=self._chance.choice([3, 10, 300])))
        data: dict[str, Any] = {"n": number, "content": words, "created_at": "2025-10-25T12:00:00.000Z"}
        if event == "picture":
            data["bytes"] = self._chance.randbytes(40)
        return event, data

    def tell(self, errors: int) -> Told:
        """What happened since the last time."""
        stats = self.manager.get_stats()
        shown = {"slow": stats["slow_readers"], "limits": stats["limits"], "connections": stats["active_connections"]}
        told = Told(self._emitted, self._over, errors, shown)
        self._emitted, self._over = [], []
        return told


def serve(pipe: Connection, rate_per_s: float, seed: int) -> None:
    """Emit until told to stop; then go on serving until killed."""
    errors = _Errors(logging.ERROR)
    logging.getLogger().addHandler(errors)
    theatre = Theatre(seed)
    bound = listen("127.0.0.1", 0)
    config = uvicorn.Config(socketio.ASGIApp(theatre.sio), log_config=None, access_log=False)
    is_emitting = True

    def hear() -> None:
        nonlocal is_emitting
        pipe.recv()
        is_emitting = False

    async def emit() -> None:
        due_s = time.monotonic()
        while is_emitting:
            await theatre.step()
            due_s = max(due_s + 1 / rate_per_s, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def run() -> None:
        serving = asyncio.create_task(uvicorn.Server(config).serve(sockets=[bound]))
        emitting = asyncio.create_task(emit())
        pipe.send(bound.getsockname()[1])
        asyncio.get_running_loop().add_reader(pipe.fileno(), hear)
        while not serving.done():
            pipe.send(theatre.tell(errors.count))
            await asyncio.sleep(_TELL_EVERY_S)
            if emitting.done():
                emitting.result()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())

"""A real server and stock clients that keep every byte, for what a window does between many of them.

In: events, and who is sent them. Out: the frames that each client's socket received, and what the server counted.
Never: knows what the server decides; it only says to whom.

The clients offer permessage-deflate as browsers do. Session ids count up, and greetings go uncompressed, so that the
bytes are the same every time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import socketio

from reznet_ws.adapters.manager import attach
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.explain.journey import Event
from reznet_ws.lab.running import Running
from reznet_ws.replay.frames import dissect
from reznet_ws.settings import Settings

Result = TypeVar("Result")

CLOSE = 8
_TIMEOUT_S = 30
# On loopback the kernel takes some 6 MB before a writer has to wait.
_FILLER_BYTES = 200_000
_MOST_FILLERS = 500

_running = Running()
stop_hall = _running.stop


class _CountingWrites:
    """A transport that counts the writes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Hall:
    """One server with the shared window, and clients by their places; making another stops the one before."""

    def __init__(self, clients: int, settings: Settings | None = None) -> None:
        stop_hall()
        self._sio = socketio.AsyncServer(async_mode="asgi", ping_interval=1000)
        numbers = itertools.count()
        self._sio.eio.generate_id = lambda: f"{next(numbers):020}"
        self._manager = attach(self._sio, settings)
        self.clients: list[Listener] = []
        self._sids: list[str] = []
        self._due: list[int] = []
        self._sio.on("connect", self._welcome)
        self._server = ServerThread(socketio.ASGIApp(self._sio), stopping=self._stopping)
        _running.begin(self)
        try:
            self.join(clients)
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        """Whether the server lives."""
        return self._server.is_running

    @property
    def stats(self) -> dict[str, Any]:
        """What the server counted."""
        return self._server.call(self._manager.get_stats)

    def set(self, **changes: Any) -> None:
        """Change settings while it runs."""
        self._server.call(lambda: setattr(self._manager, "settings", self._manager.settings.replace(**changes)))

    def join(self, clients: int = 1) -> None:
        """Let some come, one after the other."""
        for _ in range(clients):
            self.clients.append(Listener(self._server.url))
            self._due.append(0)

    def send(self, events: Iterable[Event], to: Sequence[int] | None = None) -> None:
        """Emit events one right after the other to some clients, by default to all."""
        events = list(events)
        for place in range(len(self.clients)) if to is None else to:
            self._due[place] += len(events)
        self._run(self._emit(events, to))

    def read(self) -> list[list[bytes]]:
        """The frames that each client was sent since it was last read. Raises: TimeoutError."""
        frames = [client.read(due) for client, due in zip(self.clients, self._due, strict=True)]
        self._due = [0] * len(self.clients)
        return frames

    def play(self, script: Iterable[tuple[Event, Sequence[int] | None]]) -> list[list[bytes]]:
        """Emit each event to those named beside it; the frames that each client got."""
        for event, to in script:
            self.send([event], to)
        return self.read()

    def frames_per_write(self, events: Sequence[Event], rate_per_s: float) -> float:
        """How many frames leave together when events are emitted at a rate, or one in each turn if that is infinite."""
        counters = self._server.call(self._count_writes)
        for place in range(len(self.clients)):
            self._due[place] += len(events)
        self._run(self._emit(events, None, 1 / rate_per_s))
        frames = sum(map(len, self.read()))
        self._server.call(self._stop_counting)
        return frames / sum(counter.writes for counter in counters)

    def drown(self, place: int, fillers: int = _MOST_FILLERS) -> Drowned:
        """Send numbered messages that deflate cannot shrink much; one client reads none of them before the end.

        It ends after so many, or as soon as that client's connection has been closed for it.
        """
        slow = self.clients[place]
        others = [client for client in self.clients if client is not slow]
        have = [len(client.messages) for client in self.clients]
        sent = 0
        while sent < fillers and not self.stats["slow_readers"]["closed_connections"]:
            filler = random.Random(sent).randbytes(_FILLER_BYTES // 2).hex()
            self._run(self._emit([("filler", {"number": sent, "filler": filler})], None))
            for client in others:
                client.read(1)
            sent += 1
        while self.stats["slow_readers"]["queued_bytes"]:  # what waits for it may not push out the last one
            slow.read(1)
        self._run(self._emit([("last", {})], None))
        for client in others:
            client.read(1)
        code = None
        while code is None and not (slow.messages and slow.messages[-1].startswith(b'42["last"')):
            parts = dissect(slow.read(1)[0])
            code = int.from_bytes(parts.payload[:2]) if parts.opcode == CLOSE else None
        got = [_numbers(client.messages[start:]) for client, start in zip(self.clients, have, strict=True)]
        return Drowned(sent, got, code)

    def stop(self) -> None:
        """Hang up and stop the server; doing it twice does nothing."""
        if _running.end(self):
            for client in self.clients:
                client.close()
            self._server.stop()

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self._server.submit(coroutine).result(_TIMEOUT_S)

    async def _welcome(self, sid: str, _environ: Any) -> None:
        self._sids.append(sid)

    async def _emit(self, events: Iterable[Event], to: Sequence[int] | None, pause_s: float | None = None) -> None:
        room = None if to is None else [self._sids[place] for place in to]
        for event, data in events:
            await self._sio.emit(event, data, room=room)
            if pause_s is not None:
                await asyncio.sleep(pause_s)

    def _count_writes(self) -> list[_CountingWrites]:
        lines = [line for known in self._manager.road.connections.values() if (line := known.line) is not None]
        counters = [_CountingWrites(line.inner) for line in lines]
        for line, counter in zip(lines, counters, strict=True):
            line.inner = counter
        return counters

    def _stop_counting(self) -> None:
        for connection in self._manager.road.connections.values():
            if connection.line is not None:
                connection.line.inner = connection.line.inner.inner

    async def _stopping(self) -> None:
        self._manager.close()
        for eio_socket in list(self._sio.eio.sockets.values()):
            await eio_socket.close(wait=False)
        await self._sio.shutdown()


@dataclass(frozen=True, slots=True)
class Drowned:
    """What became of a slow reader and of those beside it: the numbers of the messages that each got, of so many sent.

    `close_code` is what its connection was closed with, None where it stayed.
    """

    sent: int
    got: list[list[int]]
    close_code: int | None


def _numbers(messages: Iterable[bytes]) -> list[int]:
    return [json.loads(text[2:])[1]["number"] for text in messages if text.startswith(b'42["filler"')]

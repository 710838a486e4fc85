"""Plays the script: emits what the driver tells it to, at its rate or as quickly as the driver keeps up.

In: lines of JSON on a control connection: `play`, `seen`, `stop`. Out: the same way, `began_ns` and `played`.
Never: counts; and keeps nothing but the number that has been seen.

`play` has the place and the number of the emissions, whether they come again and again until `stop`, and either a rate,
or how many to emit in one turn of the loop and how many may be emitted that some client has not seen yet. Times are
CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from reznet_ws.replay.script import Sending

Emit = Callable[[Sending], Awaitable[None]]


def announce(port: int, control_port: int) -> None:
    """Tell whoever started this process where to reach it.

    What reading the script took and freed goes back to the system first: connections would be given it, and seem to
    take less memory than they do.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc's own
        ctypes.CDLL(None).malloc_trim(0)
    sys.stdout.write(json.dumps({"port": port, "control_port": control_port}) + "\n")
    sys.stdout.flush()


class Conductor:
    """Plays the script's emissions through `emit`."""

    def __init__(self, sendings: Sequence[Sending], emit: Emit) -> None:
        self._sendings, self._emit = sendings, emit
        self._seen, self._stopped = 0, False
        self._news = asyncio.Event()
        self._emitted = 0
        self._playing: asyncio.Task[None] | None = None

    async def listen(self) -> int:
        """Listen for the load on a free port, and give its number."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = server  # it would be collected otherwise
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            command = json.loads(line)
            if "play" in command:
                self._stopped = False
                self._playing = asyncio.create_task(self._play(command["play"], writer))
            self._seen = command.get("seen", self._seen)
            self._stopped = command.get("stop", self._stopped)
            self._news.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _play(self, order: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        began_ns = time.monotonic_ns()
        self._tell(writer, {"began_ns": began_ns})
        if order["rate_per_s"]:
            await self._play_at_rate(order, began_ns)
        else:
            await self._play_at_full_load(order)
        self._tell(writer, {"played": self._emitted})

    async def _play_at_rate(self, order: dict[str, Any], began_ns: int) -> None:
        for number in range(order["count"]):
            due_s = number / order["rate_per_s"] - (time.monotonic_ns() - began_ns) / 1e9
            await asyncio.sleep(max(0, due_s))
            await self._emit(self._sendings[order["first"] + number])
            self._emitted += 1

    async def _play_at_full_load(self, order: dict[str, Any]) -> None:
        number, count = 0, order["count"]
        while not self._stopped and (number < count or order["is_endless"]):
            while self._emitted + order["per_turn"] > self._seen + order["most_ahead"] and not self._stopped:
                self._news.clear()
                await self._news.wait()
            for _ in range(order["per_turn"]):
                await self._emit(self._sendings[order["first"] + number % count])
                self._emitted += 1
                number += 1
            await asyncio.sleep(0)

    @staticmethod
    def _tell(writer: asyncio.StreamWriter, news: dict[str, Any]) -> None:
        writer.write(json.dumps(news).encode() + b"\n")

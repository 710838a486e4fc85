"""Simulated clients, in a process of their own: `python -m reznet_ws.lab.clients.simulated URL`.

In: one JSON object a line on standard input, `{"users": n}` with how many clients there should be. Out: one JSON object
a line on standard output, several times a second: who is connected, what went wrong, when each message arrived.
Never: outlives its parent: when standard input closes, it ends.

They are real Socket.IO clients over WebSocket that offer permessage-deflate, as browsers do (python-socketio's own
default does not: aiohttp's `compress=0`). When a message arrived is taken in its handler, after decoding.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import json
import sys
import time
from array import array
from dataclasses import dataclass
from typing import Any

import socketio

from reznet_ws.client import decoder

REPORT_INTERVAL_S = 0.2
# More at once and a handshake waits long enough for others to look like a slow server.
CONNECTING_AT_ONCE = 20
CONNECT_TIMEOUT_S = 20
PING_INTERVAL_S = 10


@dataclass
class Counts:
    """What all clients saw since their process started."""

    connected: int = 0
    drops: int = 0
    reconnects: int = 0
    refused: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    overtaken: int = 0


class Order:
    """Whether one connection gets each numbered message once and in order."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._last: int | None = None
        self._missing: set[int] = set()

    def begin(self) -> None:
        """A new connection: the next message may have any number."""
        self._last = None
        self._missing.clear()

    def see(self, seq: int) -> None:
        """Count what is wrong with the next number: a gap is lost, until what is missing turns up overtaken."""
        counts = self._counts
        if self._last is None or seq == self._last + 1:
            self._last = seq
        elif seq > self._last:
            gap = range(self._last + 1, seq)
            counts.lost += len(gap)
            self._missing.update(gap)
            self._last = seq
        elif seq in self._missing:
            self._missing.discard(seq)
            counts.lost -= 1
            counts.overtaken += 1
        else:
            counts.doubled += 1


class SimulatedClients:
    """As many clients as asked for; the first `stock_share` of every hundred speak format 1."""

    def __init__(self, url: str, *, stock_share: float, deflate: bool, token: str | None) -> None:
        self._url, self._stock_share, self._deflate, self._token = url, stock_share, deflate, token
        self._clients: list[socketio.AsyncClient] = []
        self._gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self.counts = Counts()
        self._seqs = array("I")
        self._times_s = array("d")

    async def resize(self, users: int) -> None:
        """Connect or disconnect until there are as many as asked for."""
        leaving, self._clients = self._clients[users:], self._clients[:users]
        await asyncio.gather(*(self._leave(client) for client in leaving))
        joining = [self._make(number) for number in range(len(self._clients), users)]
        self._clients += joining
        await asyncio.gather(*(self._join(client) for client in joining))

    def report(self) -> dict[str, Any]:
        """The counts, and the arrivals since the last report: numbers (uint32) and times (float64), as base64."""
        seqs, self._seqs = self._seqs, array("I")
        times_s, self._times_s = self._times_s, array("d")
        arrivals = {"seqs": seqs.tobytes(), "times_s": times_s.tobytes()}
        return dataclasses.asdict(self.counts) | {
            name: base64.b64encode(data).decode() for name, data in arrivals.items()
        }

    def _make(self, number: int) -> socketio.AsyncClient:
        client = socketio.AsyncClient(
            handle_sigint=False,
            reconnection_delay=0.5,
            websocket_extra_options={"compress": 15} if self._deflate else {},
        )
        client.is_stock = int((number + 1) * self._stock_share) > int(number * self._stock_share)
        if not client.is_stock:
            decoder.attach(client)
        order = Order(self.counts)
        client.is_leaving = client.was_connected = False

        async def connect() -> None:
            order.begin()
            self.counts.connected += 1
            self.counts.reconnects += client.was_connected
            client.was_connected = True

        async def disconnect(_reason: str) -> None:
            self.counts.connected -= 1
            self.counts.drops += not client.is_leaving

        async def arrive(_event: str, *args: Any) -> None:
            seq = args[0].get("seq") if args and isinstance(args[0], dict) else None
            if seq is not None:
                self._times_s.append(time.monotonic())
                self._seqs.append(seq)
                self.counts.received += 1
                order.see(seq)

        client.on("connect", connect)
        client.on("disconnect", disconnect)
        client.on("*", arrive)
        return client

    async def _join(self, client: socketio.AsyncClient) -> None:
        query = "" if client.is_stock else "?reznet=2"
        async with self._gate:
            try:
                await client.connect(
                    self._url + query,
                    transports=["websocket"],
                    auth={"token": self._token} if self._token else None,
                    wait_timeout=CONNECT_TIMEOUT_S,
                )
            except socketio.exceptions.ConnectionError:
                self.counts.refused += 1

    async def _leave(self, client: socketio.AsyncClient) -> None:
        client.is_leaving = True
        # An attachment without the header before it would be a ValueError in python-socketio: what is in a task by now
        # gets its turn, and what comes later is not looked at.
        client.eio.on("message", _ignore)
        await asyncio.sleep(0)
        await client.disconnect()


async def _ignore(_message: str | bytes) -> None:
    """Takes no notice of a message."""


async def run(clients: SimulatedClients) -> None:
    """Follow the parent's wishes until it closes the pipe."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    reporting = asyncio.create_task(_report(clients))
    resizing: asyncio.Task[None] | None = None
    while line := await reader.readline():
        if resizing is not None:
            await resizing
        resizing = asyncio.create_task(clients.resize(int(json.loads(line)["users"])))
    if resizing is not None:
        resizing.cancel()
    reporting.cancel()
    await clients.resize(0)


async def _report(clients: SimulatedClients) -> None:
    while True:
        sys.stdout.write(json.dumps(clients.report()) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(REPORT_INTERVAL_S)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        prog="reznet_ws.lab.clients.simulated", description="Simulated clients for the lab."
    )
    parser.add_argument("url")
    parser.add_argument("--stock-share", type=float, default=0.0)
    parser.add_argument("--no-deflate", action="store_true")
    parser.add_argument("--token")
    args = parser.parse_args()
    clients = SimulatedClients(args.url, stock_share=args.stock_share, deflate=not args.no_deflate, token=args.token)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(run(clients))


if __name__ == "__main__":
    main()

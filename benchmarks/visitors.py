"""Clients that come back after a break, as socket.io-client does, many in one loop.

In: an address. Out: the numbers that each got, in their order, and when.
Never: gives up before it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time

from benchmarks.raw_client import RawClient

_READ_BYTES = 65_536
_NUMBER = re.compile(rb'"order":(\d+)')
_OFFSET = re.compile(rb',("[^"]*")\]$')


class Visitor:
    """One client: what it keeps from one connection to the next."""

    def __init__(self, number: int, port: int, chance: random.Random, delay_s: float) -> None:
        self._number, self._port, self._chance, self._delay_s = number, port, chance, delay_s
        self.pid: str | None = None
        self.offset: str | None = None
        self.orders: list[int] = []
        # When it was let in for the last time, and when it got its last event.
        self.joined_s = self.newest_s = 0.0
        self.joins = self.recovered = 0
        self.waited_s = 0.0
        self.is_in = asyncio.Event()

    async def visit(self) -> None:
        """Connect, read, and again after each break."""
        while True:
            with contextlib.suppress(OSError):
                await self._connect()
            self.is_in.clear()
            # socket.io-client 4.8: reconnectionDelay, more or less by up to half (randomizationFactor).
            self.waited_s = self._delay_s * self._chance.uniform(0.5, 1.5)
            await asyncio.sleep(self.waited_s)

    async def _connect(self) -> None:
        client = RawClient()
        if self.pid is not None:
            client.auth = json.dumps({"pid": self.pid, "offset": self.offset}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(client.ask("127.0.0.1", self._port, f"&client={self._number}"))
            while data := await reader.read(_READ_BYTES):
                now_s = time.monotonic()
                texts = client.receive(data)
                if client.answer:
                    writer.write(bytes(client.answer))
                    client.answer.clear()
                if client.is_joined and not self.is_in.is_set():
                    self._joined(client.joined_with, now_s)
                for event in texts:
                    self._take(event, now_s)
        finally:
            writer.close()

    def _joined(self, packet: bytes, now_s: float) -> None:
        pid = json.loads(packet[2:]).get("pid")
        self.joins += 1
        self.recovered += pid is not None and pid == self.pid
        self.pid, self.joined_s = pid, now_s
        self.is_in.set()

    def _take(self, event: bytes, now_s: float) -> None:
        self.newest_s = now_s
        found = _NUMBER.search(event)
        if found is not None:
            self.orders.append(int(found[1]))
        offset = _OFFSET.search(event)
        if offset is not None and self.pid is not None:
            self.offset = json.loads(offset[1])

"""A transport without a socket, and lines that end there."""

from __future__ import annotations

import asyncio
import time

from reznet_ws.ledger import Ledger
from reznet_ws.outgoing.line import Line


class Socket:
    """Keeps what is written; `takes_s` is how long each write keeps the loop busy, `pauses_at` after how many bytes it
    takes no more."""

    def __init__(self, takes_s: float = 0.0, pauses_at: int | None = None) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False
        self.pauses_at = pauses_at
        self.line: Line | None = None
        self._takes_s = takes_s

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "written after it was closed"
        time.sleep(self._takes_s)
        self.writes.append(data)
        if self.pauses_at is not None and self.line is not None:
            self.pauses_at -= len(data)
            if self.pauses_at <= 0:
                self.line.pause()

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 7

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)


def new_line(
    takes_s: float = 0.0, ledger: Ledger | None = None, *, pauses_at: int | None = None
) -> tuple[Line, Socket]:
    socket = Socket(takes_s, pauses_at)
    socket.line = Line(socket, ledger or Ledger())
    return socket.line, socket


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)

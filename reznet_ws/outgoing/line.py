"""Where bytes are counted and handed to the socket, what is due to one connection in one write.

In: whole frames for many connections. Out: the same bytes, in order, in fewer writes while the server is busy.
Never: holds anything back longer than it is told to, or past a write that comes by another way.

A write costs 5 us whatever its size, most of it in the kernel, and all else about one delivery less than 1 us.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from reznet_ws.deflate.extension import AdjustableDeflate
from reznet_ws.deflate.window import Inflater
from reznet_ws.ledger import Ledger
from reznet_ws.outgoing.pacing import Pacer

logger = logging.getLogger("reznet_ws")

# What one connection is due at most before it is written without waiting: asyncio's transports ask for a pause there.
_MOST_BYTES = 65_536


class CountingTransport:
    """A transport that counts what is written to it, and adds it to a ledger while one is set."""

    __slots__ = ("inner", "ledger", "sent_bytes")

    def __init__(self, transport: asyncio.Transport) -> None:
        # Perhaps something that stands in front of it.
        self.inner: Any = transport
        self.sent_bytes = 0
        self.ledger: Ledger | None = None

    def write(self, data: bytes) -> None:
        """Count, then write."""
        self.sent_bytes += len(data)
        if self.ledger is not None:
            self.ledger.sent_bytes += len(data)
        self.inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Waiting:
    """What waits on one line: frames in their order, one object for all lines that are due the same.

    Linked backwards, so that all lines move on to the next frame with one object, and what they are due is joined once.
    """

    __slots__ = ("_before", "_data", "_joined")

    def __init__(self, before: Waiting | None, data: bytes) -> None:
        self._before, self._data = before, data
        self._joined: bytes | None = data if before is None else None

    def joined(self) -> bytes:
        """All frames in one piece."""
        if self._joined is None:
            parts, at = [], self
            while at._joined is None:
                parts.append(at._data)
                assert at._before is not None
                at = at._before
            parts.append(at._joined)
            self._joined = b"".join(reversed(parts))
            self._before = None
        return self._joined


class Line(CountingTransport):
    """The way to one WebSocket client: what waits for it, and what its inflater holds.

    Slotted, and all that a delivery touches: at 1,000 connections the time goes into fetching objects from memory.
    """

    __slots__ = ("_deflate", "inflater", "waiting")

    def __init__(self, transport: asyncio.Transport, ledger: Ledger) -> None:
        super().__init__(transport)
        self.ledger = ledger
        self.waiting: Waiting | None = None
        self._deflate: AdjustableDeflate | None = None
        # What the client's inflater holds: nothing, ever, without permessage-deflate.
        self.inflater = Inflater(0)

    @property
    def deflate(self) -> AdjustableDeflate | None:
        """What was negotiated; None without permessage-deflate."""
        return self._deflate

    @deflate.setter
    def deflate(self, deflate: AdjustableDeflate) -> None:
        self._deflate, self.inflater = deflate, deflate.inflater

    def write(self, data: bytes) -> None:
        """Write, behind what waits."""
        if self.waiting is not None:
            data = self.waiting.joined() + data
            self.waiting = None
        super().write(data)

    def close(self) -> None:
        """Close when everything has been written."""
        if self.waiting is not None:
            self.write(b"")
        self.inner.close()

    def rest(self, rest_ms: float) -> None:
        """Write what waits at once, and what comes next no sooner than after so many ms."""
        if self.waiting is not None:
            self.write(b"")
        if not isinstance(self.inner, _Resting):
            self.inner = _Resting(self, rest_ms)

    def drop(self) -> None:
        """The connection is gone, and its place at a window free."""
        self.waiting = None
        self.inflater.window = None


class _Resting:
    """Stands in for the transport of a line that rests, so that no other line has to be asked."""

    def __init__(self, line: Line, rest_ms: float) -> None:
        self._line, self._inner = line, line.inner
        self._parts: list[bytes] | None = []
        self._timer = asyncio.get_running_loop().call_later(rest_ms / 1000, self._wake)

    def write(self, data: bytes) -> None:
        if self._parts is None:  # over, and still in use by whoever stands in front of it
            self._inner.write(data)
        else:
            self._parts.append(data)

    def close(self) -> None:
        self._wake()
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _wake(self) -> None:
        self._timer.cancel()
        if self._line.inner is self:
            self._line.inner = self._inner
        parts, self._parts = self._parts, None
        if parts and not self._inner.is_closing():
            self._inner.write(b"".join(parts))


class Cork:
    """Lets frames wait: to the end of the loop's turn, and while the server is busy for a few ms."""

    def __init__(self, ledger: Ledger, most_ms: Callable[[], float]) -> None:
        self._ledger = ledger
        self._most_ms = most_ms
        self._pacer = Pacer()
        self._handle: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._corked: list[Line] = []
        self._bytes = 0

    def put(self, lines: Iterable[Line], data: bytes) -> None:
        """Let the same bytes wait on each line."""
        corked = self._corked
        last: Waiting | None = None
        after = alone = Waiting(None, data)
        for line in lines:
            waiting = line.waiting
            if waiting is None:
                corked.append(line)
                line.waiting = alone
            else:
                if waiting is not last:
                    last, after = waiting, Waiting(waiting, data)
                line.waiting = after
        self._bytes += len(data)
        if self._bytes > _MOST_BYTES:
            self.flush()
        elif self._handle is None or self._loop.is_closed():  # a loop that ended took its timers along
            loop = self._loop = asyncio.get_running_loop()
            wait_ms = self._pacer.wait_ms(loop.time() * 1000, self._most_ms())
            self._handle = loop.call_later(wait_ms / 1000, self._due) if wait_ms else loop.call_soon(self._due)

    def flush(self) -> None:
        """Write everything that waits."""
        corked, self._corked, self._bytes = self._corked, [], 0
        last: Waiting | None = None
        joined = b""
        size = sent_bytes = 0
        for line in corked:
            waiting = line.waiting
            if waiting is None:  # something else was written, and took it along
                continue
            if waiting is not last:
                last, joined = waiting, waiting.joined()
                size = len(joined)
            line.waiting = None
            # As `write`, without its calls: a fifth of what all else about a delivery takes.
            line.sent_bytes += size
            sent_bytes += size
            try:
                line.inner.write(joined)
            except Exception:  # one transport's fault is not the others'
                logger.exception("A connection cannot be written")
                line.inner.abort()
        self._ledger.sent_bytes += sent_bytes

    def close(self) -> None:
        """Write everything that waits and end the timer."""
        self.flush()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._handle = None
        loop = asyncio.get_running_loop()
        began_ms = loop.time() * 1000
        self.flush()
        # uvloop writes at the end of the loop's turn.
        loop.call_soon(lambda: self._pacer.wrote(began_ms, loop.time() * 1000))

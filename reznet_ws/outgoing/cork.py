"""What is due to one connection leaves in one write while the server is busy.

In: whole frames for many lines. Out: the same bytes, in order, in fewer writes.
Never: holds anything back longer than it is told to, or past a write that comes by another way.

A write costs 5 us whatever its size, most of it in the kernel, and all else about one delivery less than 1 us.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from reznet_ws.ledger import Ledger
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.pacing import Pacer

logger = logging.getLogger("reznet_ws")

# What one connection is due at most before it is written without waiting: asyncio's transports ask for a pause there.
_MOST_BYTES = 65_536


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


class Cork:
    """Lets frames wait: to the end of the loop's turn, and while the server is busy for a few ms."""

    def __init__(self, ledger: Ledger, most_ms: float) -> None:
        self._ledger = ledger
        # How long what is there may wait, at most.
        self.most_ms = most_ms
        self._pacer = Pacer()
        self._handle: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._corked: list[Line] = []
        # Frames that wait: on which lines, and who books so many copies of each.
        self._due: list[tuple[Sequence[Line], bytes, Callable[..., None] | None]] = []
        self._bytes = 0

    def put(self, lines: Sequence[Line], data: bytes, booked: Callable[..., None] | None = None) -> None:
        """Let the same bytes wait on each line; `booked(copies=...)` is called when they leave."""
        corked = self._corked
        self._due.append((lines, data, booked))
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
        elif self._handle is None or self._loop is not asyncio.get_running_loop():  # one that ended took it along
            loop = self._loop = asyncio.get_running_loop()
            wait_ms = self._pacer.wait_ms(loop.time() * 1000, self.most_ms)
            self._handle = loop.call_later(wait_ms / 1000, self._turn) if wait_ms else loop.call_soon(self._turn)

    def flush(self) -> None:
        """Write everything that waits."""
        corked, self._corked, self._bytes = self._corked, [], 0
        due, self._due = self._due, []
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
            # As `Line.write`, without its calls: a fifth of what all else about a delivery takes.
            line.sent_bytes += size
            sent_bytes += size
            try:
                line.inner.write(joined)
            except Exception:  # one transport's fault is not the others'
                logger.exception("A connection cannot be written")
                line.inner.abort()
        self._ledger.sent_bytes += sent_bytes
        for lines, _, booked in due:
            if booked is not None:
                booked(copies=len(lines))

    def forget(self, line: Line) -> None:
        """A line is lost: nothing that waits on it leaves, or is booked."""
        if line.waiting is not None:
            size = len(line.waiting.joined())
            for at in reversed(range(len(self._due))):  # the last that were put on it
                lines, data, booked = self._due[at]
                if size and line in lines:
                    self._due[at] = [other for other in lines if other is not line], data, booked
                    size -= len(data)
            line.waiting = None

    def close(self) -> None:
        """Write everything that waits and end the timer."""
        self.flush()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _turn(self) -> None:
        self._handle = None
        loop = asyncio.get_running_loop()
        began_ms = loop.time() * 1000
        self.flush()
        # uvloop writes at the end of the loop's turn.
        loop.call_soon(lambda: self._pacer.wrote(began_ms, loop.time() * 1000))

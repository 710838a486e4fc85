"""The way to one WebSocket client: where bytes are counted and handed to the socket.

In: whole frames, and whatever the protocol writes by itself. Out: the same bytes, in order.
Never: compresses. Never: asks who a frame is for.

While its socket is paused, frames queue here, and leave when it resumes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reznet_ws.deflate.inflater import Inflater
from reznet_ws.ledger import Ledger
from reznet_ws.outgoing.queued import QueuedFrame

if TYPE_CHECKING:
    from reznet_ws.outgoing.cork import Waiting


class CountingTransport:
    """A transport that counts what is written to it, and adds it to a ledger while one is set."""

    __slots__ = ("inner", "ledger", "sent_bytes")

    def __init__(self, transport: Any, ledger: Ledger | None = None) -> None:
        # Perhaps something that stands in front of it.
        self.inner: Any = transport
        self.sent_bytes = 0
        self.ledger = ledger

    def write(self, data: bytes) -> None:
        """Count, then write."""
        self.sent_bytes += len(data)
        if self.ledger is not None:
            self.ledger.sent_bytes += len(data)
        self.inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Line(CountingTransport):
    """The way to one client once it has a WebSocket that was taken over.

    Slotted, and all that a delivery touches: at 1,000 connections the time goes into fetching objects from memory.
    """

    __slots__ = (
        "_drained",
        "_is_closing",
        "_is_paused",
        "_progress",
        "inflater",
        "is_stalled",
        "on_backlog",
        "postponed_bytes",
        "queued",
        "queued_bytes",
        "waiting",
    )

    def __init__(self, transport: Any, ledger: Ledger) -> None:
        super().__init__(transport, ledger)
        # What was put there by a cork, and leaves at the end of the loop's turn or a few ms later.
        self.waiting: Waiting | None = None
        # What the client's inflater holds; None without permessage-deflate.
        self.inflater: Inflater | None = None
        # Frames that the paused socket has yet to take.
        self.queued: deque[QueuedFrame] | None = None
        self.queued_bytes = 0
        # What is held back for it elsewhere, since it may yet become pointless.
        self.postponed_bytes = 0
        # Told when the line begins to be backed up, and when it no longer is.
        self.on_backlog: Callable[[Line, bool], object] | None = None
        self._is_paused = self._is_closing = False
        self._drained: asyncio.Event | None = None
        self._progress: asyncio.Event | None = None
        # Whether somebody has waited for this client in vain; until it reads again nobody else does.
        self.is_stalled = False

    @property
    def is_backed_up(self) -> bool:
        """Whether frames must queue."""
        return self._is_paused or self.queued is not None

    @property
    def backlog_bytes(self) -> int:
        """All that is for it and has yet to be written."""
        return self.queued_bytes + self.postponed_bytes

    def write(self, data: bytes) -> None:
        """Write, behind what waits and what is queued; for what the protocol itself has to say."""
        if self.queued is not None:
            self.queue(QueuedFrame(data))
        else:
            self._write_now(data)

    def queue(self, frame: QueuedFrame) -> None:
        """Keep a frame until the socket takes more."""
        if self.queued is None:
            self.queued = deque()
        frame.take()
        self.queued.append(frame)
        self.queued_bytes += len(frame.wire)

    def pause(self) -> None:
        """The socket has more than it can take at once."""
        self._is_paused = True
        if self.on_backlog is not None:
            self.on_backlog(self, True)

    def resume(self) -> None:
        """The socket takes bytes again: write what is queued, as far as it goes."""
        self._is_paused = self.is_stalled = False
        self._tell_progress()
        while self.queued and not self._is_paused:
            frame = self.queued.popleft()
            frame.leave()
            self.queued_bytes -= len(frame.wire)
            if frame.booked is not None:
                frame.booked()
            self._write_now(frame.wire)
        if self._is_paused:
            return
        self.queued = None
        if self._is_closing:
            self.inner.close()
        self._tell_drained()

    async def drained(self) -> None:
        """Wait until nothing is queued."""
        while self.is_backed_up:
            if self._drained is None:
                self._drained = asyncio.Event()
            await self._drained.wait()

    async def progress(self) -> None:
        """Wait until the client has read something, or is gone."""
        if self._progress is None:
            self._progress = asyncio.Event()
        await self._progress.wait()

    def close(self) -> None:
        """Close when everything has been written."""
        if self.waiting is not None:
            self._write_now(b"")
        if self.queued is None:
            self.inner.close()
        self._is_closing = True

    def give_up(self, goodbye: bytes) -> None:
        """Forget what is queued, and say goodbye behind what the socket already has."""
        self._forget_queued()
        self._write_now(goodbye)

    def drop(self) -> None:
        """The connection is gone, and all that was for it."""
        self.waiting = None
        self._forget_queued()
        self._is_paused = False
        self._tell_progress()
        self._tell_drained()
        self.on_backlog = None

    def _forget_queued(self) -> None:
        for frame in self.queued or ():
            frame.leave()
        self.queued, self.queued_bytes = None, 0

    def _write_now(self, data: bytes) -> None:
        if self.waiting is not None:
            data = self.waiting.joined() + data
            self.waiting = None
        super().write(data)

    def _tell_progress(self) -> None:
        if self._progress is not None:
            self._progress.set()
            self._progress = None

    def _tell_drained(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None
        if self.on_backlog is not None:
            self.on_backlog(self, False)

    def rest(self, rest_ms: float) -> None:
        """Write what waits at once, and what comes next no sooner than after so many ms."""
        if self.waiting is not None:
            self._write_now(b"")
        if not isinstance(self.inner, _Resting):
            self.inner = _Resting(self, rest_ms)


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

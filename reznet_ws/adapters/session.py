"""One Engine.IO session, with messages that go straight to their line.

In: packets that python-socketio sends, and who is behind the session's WebSocket. Out: messages on the line, everything
else in engineio's own queue, in the order in which it was sent.
Never: replaces an attribute: `Session` is a subclass, also for sessions that exist already.

Engine.IO's queue keeps long-polling, pings and the goodbye. Private names are listed in `adapters/compat.py`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import sys
from typing import TYPE_CHECKING, Any

from engineio import packet as eio_packet
from engineio.async_socket import AsyncSocket

from reznet_ws.adapters.asgi import Takeover
from reznet_ws.adapters.inbound import TRY_AGAIN_LATER
from reznet_ws.deflate.frame import Frame
from reznet_ws.message.latest import Key
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.queued import Held

if TYPE_CHECKING:
    from reznet_ws.adapters.engineio import Engine

# How the request that runs reaches its client: set before engineio handles it, read when a session begins.
current_takeover: contextvars.ContextVar[Takeover | None] = contextvars.ContextVar("takeover", default=None)
# The parts of a long-polling response while it is being put together.
polled_parts: contextvars.ContextVar[list[tuple[QueuedPacket, int]] | None] = contextvars.ContextVar(
    "polled_parts", default=None
)
# Whether what runs answers an event that is never compressed.
is_secret: contextvars.ContextVar[bool] = contextvars.ContextVar("is_secret", default=False)

# What a client that polls has to come back in, before its session is closed.
_FETCH_S = 1.0
# So many that nobody needs any more stay in a queue; to take them out goes through all of it.
_MOST_POINTLESS = 64
# What a packet takes in a queue beside its data.
_PACKET_BYTES = 1000


class QueuedPacket(eio_packet.Packet):  # type: ignore[misc]
    """A part of a dispatch in the queues of those who have no line.

    engineio's own packets cache one encoding whatever `b64` was, so a binary one that long-polling and WebSocket
    clients share breaks one or the other (`packet.py`, `encode_cache`); this keeps both apart.
    """

    def __init__(self, dispatch: Dispatch, index: int) -> None:
        super().__init__(eio_packet.MESSAGE, dispatch.parts[index])
        self.dispatch, self.index = dispatch, index
        self._base64: str | None = None

    @property
    def frame(self) -> Frame:
        """What it is as a WebSocket frame."""
        return self.dispatch.frames[self.index]

    def encode(self, b64: bool = False) -> str | bytes:
        """What goes into a WebSocket frame, or with `b64` into a long-polling response."""
        if not b64 or isinstance(self.data, str):
            encoded: str | bytes = f"{eio_packet.MESSAGE}{self.data}" if isinstance(self.data, str) else self.data
        else:
            if self._base64 is None:
                self._base64 = "b" + base64.b64encode(self.data).decode()
            encoded = self._base64
        parts = polled_parts.get()
        if b64 and parts is not None:
            parts.append((self, len(encoded) if encoded.isascii() else len(encoded.encode())))  # type: ignore[union-attr]
        return encoded


class Session(AsyncSocket):  # type: ignore[misc]
    """One Engine.IO session."""

    server: Engine
    connection: Connection
    takeover: Takeover | None
    # Of messages that engineio's writer has taken from the queue and is about to send.
    under_way: list[QueuedPacket]
    queued_bytes: int
    # What is in the queue, which others may hold too.
    held: set[Held]
    # The newest packets of their kind that are queued, and those whose place they took.
    latest: dict[Key, Dispatch]
    pointless: set[object]
    # Told when a client has fetched what was queued, while somebody waits for that.
    fetched: asyncio.Event | None = None

    def adopt(self, connection: Connection) -> None:
        """Begin to serve a session that engineio has made."""
        self.connection = connection
        self.takeover = None
        self.under_way = []  # nearly always; an empty deque takes 760 bytes
        self.held = set()
        self.queued_bytes = 0
        self.latest, self.pointless = {}, set()

    @property
    def upgraded(self) -> bool:
        """Whether the session has its WebSocket; once it has, what is queued moves to the line."""
        return bool(self.__dict__["upgraded"])

    @upgraded.setter
    def upgraded(self, upgraded: bool) -> None:
        self.__dict__["upgraded"] = upgraded
        # Of several that probe, the one that is upgraded does this in its own task.
        takeover = current_takeover.get()
        if upgraded and takeover is not None and not self.closing and not self.closed:
            self.takeover = takeover
            self.connection.is_counted = takeover.is_counted
            if takeover.line is not None:
                self._open_line(takeover, takeover.line)

    def _open_line(self, takeover: Takeover, line: Line) -> None:
        takeover.on_end(lambda: self.server.broadcast.close_line(self.connection))
        takeover.on_stop(self.leave)
        takeover.on_frame(self.find_under_way)
        if self.server.has_own_queue or takeover.is_watched:
            return
        self.server.broadcast.open_line(self.connection, line)
        kept = []
        while not self.queue.empty():
            packet = self.queue.get_nowait()
            self.queue.task_done()
            if packet is None or packet.packet_type != eio_packet.MESSAGE:
                kept.append(packet)
            elif packet not in self.pointless:
                self._write(packet)
        self._release()
        for packet in kept:
            self.queue.put_nowait(packet)

    def end_poll(self) -> None:
        """Answer a poll that waits, so that its client asks again, of another server."""
        if self.queue.empty() and not self.closed:
            self.queue.put_nowait(eio_packet.Packet(eio_packet.NOOP))

    def leave(self) -> None:
        """End engineio's writer behind all that is queued; it then closes the connection."""
        self.queue.put_nowait(None)

    async def send(self, pkt: Any) -> None:
        """Send a packet: a message by the line, where there is one, anything else by the queue."""
        if pkt.packet_type != eio_packet.MESSAGE or self.connection.line is None:
            if isinstance(pkt.data, (str, bytes)):
                size = len(pkt.data) + _PACKET_BYTES
                if not self._has_room(size, 2):
                    self.close_slow()
                    return
                self._hold(Held(self.server.broadcast.budget, size), size)
                self.server.broadcast.shed()
                if is_secret.get() and not isinstance(pkt, QueuedPacket):
                    pkt = QueuedPacket(Dispatch([pkt.data], (), is_secret=True), 0)
            await super().send(pkt)
            return
        if await self.check_ping_timeout() and self.connection.line is not None:
            self._write(pkt)

    def log_sent(self, data: str | bytes) -> None:
        """What engineio itself logs of a message that it sends."""
        shown = data if isinstance(data, str) else "<binary>"
        self.server.logger.info("%s: Sending packet MESSAGE data %s", self.sid, shown)

    def end(self) -> None:
        """The session is over; called before engineio queues its goodbye."""
        self._release()
        if self.takeover is not None:
            self.takeover.end_session()
        if not self.upgraded:
            # Ends the poll of a client that is gone, for which a server that stops would wait 45 s.
            asyncio.get_running_loop().call_soon(self.queue.put_nowait, None)

    def enqueue(self, dispatch: Dispatch) -> bool:
        """Put a packet into the queue, by engineio's own way where the application has replaced it."""
        if self.closed:
            return True
        size = _size(dispatch)
        if dispatch.queued is None or dispatch.held is None:
            dispatch.queued = [QueuedPacket(dispatch, index) for index in range(len(dispatch.parts))]
            # Characters beyond ASCII take up to four bytes; the frames, which it keeps too, about as many more.
            dispatch.held = Held(self.server.broadcast.budget, size + sum(map(sys.getsizeof, dispatch.parts)))
        older = None if dispatch.latest is None else self.latest.get(dispatch.latest)
        if older is not None:
            self.queued_bytes -= _size(older)
        if not self._has_room(size, 1):
            self.queued_bytes += 0 if older is None else _size(older)
            return False
        self._hold(dispatch.held, size)
        if dispatch.latest is not None:
            self._conflate(dispatch.latest, dispatch, older)
        for packet in dispatch.queued:
            if self.server.has_own_queue:
                self.server.start_background_task(super().send, packet)
            else:
                self.queue.put_nowait(packet)
        return True

    def _has_room(self, size: int, times: int) -> bool:
        broadcast = self.server.broadcast
        most_bytes = times * broadcast.budget.most_for_one(broadcast.settings)
        return not self.queued_bytes or self.queued_bytes + size <= most_bytes

    def _hold(self, held: Held, size: int) -> None:
        held.take()
        self.held.add(held)
        self.queued_bytes += size

    def _release(self) -> None:
        for held in self.held:
            held.leave()
        self.held.clear()
        self.latest.clear()
        self.pointless.clear()
        self.queued_bytes = 0

    def _conflate(self, key: Key, newest: Dispatch, older: Dispatch | None) -> None:
        """The newest packet with its key is queued; the older one will not be fetched."""
        self.latest[key] = newest
        if older is None or older.held is None:
            return
        self.server.broadcast.conflated.messages += 1
        older.held.leave()
        self.held.discard(older.held)
        self.pointless.update(older.queued or ())
        if len(self.pointless) > _MOST_POINTLESS and 2 * len(self.pointless) > self.queue.qsize():
            packets = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
            for packet in packets:
                if packet not in self.pointless:
                    self.queue.put_nowait(packet)
            for _ in packets:  # at last, since somebody may wait for the queue to be done with
                self.queue.task_done()
            self.pointless.clear()

    async def poll(self) -> list[Any]:
        """Take what is queued."""
        packets: list[Any] = await super().poll()
        if self.pointless:
            packets = [packet for packet in packets if packet not in self.pointless]
        self._release()
        if self.fetched is not None:
            self.fetched.set()
        if self.upgraded:
            self.under_way.extend(packet for packet in packets if isinstance(packet, QueuedPacket))
        return packets

    async def let_fetch(self) -> None:
        """Give a client that polls the time to fetch what is queued, before the session is closed."""
        if not self.upgraded and not self.queue.empty() and not self.closed:
            self.fetched = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.fetched.wait(), _FETCH_S)

    def find_under_way(self, data: str | bytes) -> QueuedPacket | None:
        """The packet that engineio's writer is sending, if that is what this is."""
        while self.under_way:
            packet = self.under_way.pop(0)
            if packet.encode() == data:
                return packet
        return None

    def close_slow(self) -> None:
        """Close the connection, since its client reads too slowly: at once, its writer waits for a full socket."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self._release()
        if self.takeover is not None:
            self.takeover.fail(TRY_AGAIN_LATER, "reads too slowly")
        self.server.start_background_task(self.close, wait=False, abort=True, reason=self.server.reason.TRANSPORT_ERROR)

    def _write(self, packet: Any) -> None:
        broadcast = self.server.broadcast
        if isinstance(packet, QueuedPacket):
            broadcast.post_part(self.connection, packet.dispatch, packet.index)
        else:
            data = packet.data if isinstance(packet.data, (str, bytes)) else packet.encode()[1:]
            broadcast.send(self.connection, [data], is_secret=is_secret.get())


def _size(dispatch: Dispatch) -> int:
    return sum(map(len, dispatch.parts)) + _PACKET_BYTES

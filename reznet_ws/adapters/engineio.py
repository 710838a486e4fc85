"""python-engineio's server and sessions, with messages that go straight to their line.

In: requests as ASGI hands them over, and packets that python-socketio sends. Out: messages on the line of their client,
everything else in engineio's own queue, in the order in which it was sent.
Never: replaces an attribute: `Engine` and `Session` are subclasses, also for servers and sessions that exist already.

Engine.IO's queue keeps long-polling, pings and the goodbye. Private names are listed in `adapters/compat.py`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import engineio
from engineio import packet as eio_packet
from engineio.async_socket import AsyncSocket

from reznet_ws.adapters.asgi import Takeover, find_takeover
from reznet_ws.adapters.inbound import INVALID_DATA, TRY_AGAIN_LATER, is_engineio_packet
from reznet_ws.deflate.frame import Frame
from reznet_ws.ledger import apportion
from reznet_ws.message.formats import grant
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Connection, Receivers
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.line import Line

# How the request that runs reaches its client: set before engineio handles it, read when a session begins.
_takeover: contextvars.ContextVar[Takeover | None] = contextvars.ContextVar("takeover", default=None)
# The parts of a long-polling response while it is being put together.
_polled: contextvars.ContextVar[list[tuple[QueuedPacket, int]] | None] = contextvars.ContextVar("polled", default=None)
# Whether what runs answers an event that is never compressed.
is_secret: contextvars.ContextVar[bool] = contextvars.ContextVar("is_secret", default=False)

# What a packet takes in a queue beside its data.
_PACKET_BYTES = 1000

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


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
        parts = _polled.get()
        if b64 and parts is not None:
            parts.append((self, len(encoded) if encoded.isascii() else len(encoded.encode())))  # type: ignore[union-attr]
        return encoded


class Session(AsyncSocket):  # type: ignore[misc]
    """One Engine.IO session."""

    server: Engine
    connection: Connection
    takeover: Takeover | None
    # Of messages that engineio's writer has taken from the queue and is about to send.
    under_way: deque[QueuedPacket]
    queued_bytes: int

    def adopt(self, connection: Connection) -> None:
        """Begin to serve a session that engineio has made."""
        self.connection = connection
        self.takeover = None
        self.under_way = deque()
        self.queued_bytes = 0

    @property
    def upgraded(self) -> bool:
        """Whether the session has its WebSocket; once it has, what is queued moves to the line."""
        return bool(self.__dict__["upgraded"])

    @upgraded.setter
    def upgraded(self, upgraded: bool) -> None:
        self.__dict__["upgraded"] = upgraded
        # Of several that probe, the one that is upgraded does this in its own task.
        takeover = _takeover.get()
        if upgraded and takeover is not None and not self.closing and not self.closed:
            self.takeover = takeover
            self.connection.is_counted = takeover.is_counted
            if takeover.line is not None:
                self._open_line(takeover, takeover.line)

    def _open_line(self, takeover: Takeover, line: Line) -> None:
        takeover.on_end(lambda: self.server.broadcast.close_line(self.connection))
        takeover.on_frame(self.find_under_way)
        if self.server.has_own_queue or takeover.is_watched:
            return
        self.server.broadcast.open_line(self.connection, line)
        kept = []
        while not self.queue.empty():
            packet = self.queue.get_nowait()
            self.queue.task_done()
            if packet is not None and packet.packet_type == eio_packet.MESSAGE:
                self._write(packet)
            else:
                kept.append(packet)
        self.queued_bytes = 0
        for packet in kept:
            self.queue.put_nowait(packet)

    async def send(self, pkt: Any) -> None:
        """Send a packet: a message by the line, where there is one, anything else by the queue."""
        if pkt.packet_type != eio_packet.MESSAGE or self.connection.line is None:
            if isinstance(pkt.data, (str, bytes)):
                if not self._has_room(len(pkt.data), 2):
                    self.close_slow()
                    return
                if is_secret.get() and not isinstance(pkt, QueuedPacket):
                    pkt = QueuedPacket(Dispatch([pkt.data], self.server.broadcast.ledger, (), is_secret=True), 0)
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
        if self.takeover is not None:
            self.takeover.end_session()
        if not self.upgraded:
            # Ends the poll of a client that is gone, for which a server that stops would wait 45 s.
            asyncio.get_running_loop().call_soon(self.queue.put_nowait, None)

    def enqueue(self, dispatch: Dispatch) -> bool:
        """Put a packet into the queue, by engineio's own way where the application has replaced it."""
        if self.closed:
            return True
        if dispatch.queued is None:
            dispatch.queued = [QueuedPacket(dispatch, index) for index in range(len(dispatch.parts))]
        if not self._has_room(sum(map(len, dispatch.parts)), 1):
            return False
        for packet in dispatch.queued:
            if self.server.has_own_queue:
                self.server.start_background_task(super().send, packet)
            else:
                self.queue.put_nowait(packet)
        return True

    def _has_room(self, size: int, times: int) -> bool:
        size += _PACKET_BYTES
        if self.queued_bytes and self.queued_bytes + size > times * self.server.broadcast.settings.max_queued_bytes:
            return False
        self.queued_bytes += size
        return True

    async def poll(self) -> list[Any]:
        """Take what is queued."""
        packets: list[Any] = await super().poll()
        self.queued_bytes = 0
        if self.upgraded:
            self.under_way.extend(packet for packet in packets if isinstance(packet, QueuedPacket))
        return packets

    def find_under_way(self, data: str | bytes) -> QueuedPacket | None:
        """The packet that engineio's writer is sending, if that is what this is."""
        while self.under_way:
            packet = self.under_way.popleft()
            if packet.encode() == data:
                return packet
        return None

    def close_slow(self) -> None:
        """Close the connection, since its client reads too slowly: at once, its writer waits for a full socket."""
        while not self.queue.empty():
            self.queue.get_nowait()
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


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server."""

    broadcast: Broadcast
    # Whether the application makes its sessions' queues, which each message then takes.
    has_own_queue: bool
    # Why formats that we write ourselves cannot be had, if so.
    refusal: str | None

    def adopt(
        self, broadcast: Broadcast, environs: Mapping[str, Any], *, has_own_queue: bool, refusal: str | None
    ) -> None:
        """Begin to serve a server that exists, with its sessions."""
        self.broadcast, self.has_own_queue, self.refusal = broadcast, has_own_queue, refusal
        broadcast.on_post = self._tell
        for sid in list(self.sockets):
            self._adopt_session(sid, environs.get(sid, {}))

    def _tell(self, receivers: Receivers, dispatch: Dispatch) -> None:
        """What watches engineio's way is told of what takes ours: its log, and python-socketio's Admin UI."""
        if self.logger.isEnabledFor(logging.INFO):
            for connection in receivers.connections:
                for part in dispatch.parts:
                    connection.session.log_sent(part)
        admin = getattr(getattr(self.handlers["connect"], "__self__", None), "event_buffer", None)
        if admin is not None and receivers.lines:
            for frame in dispatch.frames:
                admin.push("packetsOut", len(receivers.lines))
                admin.push("bytesOut", len(receivers.lines) * len(frame.data))

    @property
    def http_compression(self) -> bool:
        """Whether engineio may compress the response that is being made: not if it holds a secret."""
        parts = _polled.get() or ()
        return bool(self.__dict__["http_compression"]) and not any(packet.dispatch.is_secret for packet, _ in parts)

    @http_compression.setter
    def http_compression(self, http_compression: bool) -> None:
        self.__dict__["http_compression"] = http_compression

    def _adopt_session(self, sid: str, environ: dict[str, Any]) -> None:
        session = self.sockets.get(sid)
        if session is None or isinstance(session, Session) or session.closed:
            return
        session.__class__ = Session
        asked = grant(environ.get("QUERY_STRING", ""), self.refusal, rows=self.broadcast.settings.rows)
        connection = Connection(sid, session, asked)
        session.adopt(connection)
        takeover = _takeover.get()
        if takeover is not None:
            connection.is_counted, takeover.sid = takeover.is_counted, sid
        self.broadcast.connections[sid] = connection
        self.broadcast.connections.changed()

    async def _trigger_event(self, event: str, *args: Any, **options: Any) -> Any:
        if event == "connect":
            self._adopt_session(*args)
        return await super()._trigger_event(event, *args, **options)

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Handle a request of a client; a WebSocket connection is taken over before its handshake is answered."""
        takeover = find_takeover(scope, receive, send, self.broadcast, self.max_http_buffer_size)
        token = _takeover.set(takeover)
        try:
            if scope["type"] == "websocket":
                return await self._handle_websocket(scope, takeover.receive, takeover.send)
            return await self._handle_http(scope, takeover)
        finally:
            _takeover.reset(token)

    async def _handle_websocket(self, scope: Scope, receive: Receive, send: Send) -> Any:
        async def receive_checked() -> dict[str, Any]:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            data = message.get("bytes")
            if is_engineio_packet(message["text"] if data is None else data):
                return message
            await send({"type": "websocket.close", "code": INVALID_DATA, "reason": "not an Engine.IO packet"})
            return {"type": "websocket.disconnect", "code": INVALID_DATA}

        return await super().handle_request(scope, receive_checked, send)

    async def _handle_http(self, scope: Scope, takeover: Takeover) -> Any:
        parts: list[tuple[QueuedPacket, int]] = []
        token = _polled.set(parts)
        try:
            return await super().handle_request(scope, takeover.receive, takeover.send)
        finally:
            _polled.reset(token)
            takeover.end()
            if takeover.counter is not None:
                _book_polled(parts, takeover.counter.sent_bytes)
                connection = self.broadcast.connections.get(takeover.sid or _session_id(scope))
                if connection is not None:
                    connection.polled_bytes += takeover.counter.sent_bytes

    async def disconnect(self, sid: str | None = None) -> None:
        """Close connections, without waiting for a long-polling client to fetch what it lets nobody fetch."""

        async def close(closing: str) -> None:
            if closing in self.sockets:
                await self.sockets[closing].close(wait=False)
                self.sockets.pop(closing, None)

        await asyncio.gather(*map(close, list(self.sockets) if sid is None else [sid]))

    async def close_session(self, sid: str, code: int, reason: str) -> None:
        """Close one connection, since what its client sent is not well-formed."""
        session = self.sockets[sid]
        takeover = session.takeover
        if takeover is not None:
            with contextlib.suppress(Exception):  # it may be gone already
                await takeover.send({"type": "websocket.close", "code": code, "reason": reason})
        await session.close(wait=False, abort=takeover is not None, reason=self.reason.TRANSPORT_ERROR)


def _session_id(scope: Scope) -> str:
    return parse_qs(str(scope.get("query_string", b""), "latin-1")).get("sid", [""])[0]


def _book_polled(parts: list[tuple[QueuedPacket, int]], response_bytes: int) -> None:
    """Share what a long-polling response took, headers and all, among the packets in it."""
    if response_bytes and parts:
        took = apportion(response_bytes, [size for _, size in parts])
        for (packet, size), wire_bytes in zip(parts, took, strict=True):
            packet.dispatch.tally.record_polled(size, wire_bytes, first=packet.index == 0)

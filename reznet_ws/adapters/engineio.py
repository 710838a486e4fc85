"""python-engineio's server: requests come in here, and sessions begin.

In: requests as ASGI hands them over. Out: sessions of ours, each with its connection; figures of long-polling.
Never: replaces an attribute: `Engine` is a subclass, also for servers that exist already.

Private names are listed in `adapters/compat.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import engineio

from reznet_ws.adapters.asgi import Takeover, find_takeover
from reznet_ws.adapters.inbound import INVALID_DATA, POLICY_VIOLATION, is_engineio_packet
from reznet_ws.adapters.limits import Limits
from reznet_ws.adapters.session import QueuedPacket, Session, current_takeover, polled_parts
from reznet_ws.adapters.slow_headers import HeaderPatrol
from reznet_ws.ledger import apportion
from reznet_ws.message.formats import grant
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Connection, Recipients
from reznet_ws.outgoing.dispatch import Dispatch

# The id of the next session, where a client comes back to one.
chosen_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("chosen_id", default=None)

# When a client that was refused may come again.
_RETRY_S = 5

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server."""

    broadcast: Broadcast
    # Whether the application makes its sessions' queues, which each message then takes.
    has_own_queue: bool
    # Why formats that we write ourselves cannot be had, if so.
    refusal: str | None
    limits: Limits
    headers: HeaderPatrol

    def adopt(
        self, broadcast: Broadcast, environs: Mapping[str, Any], *, has_own_queue: bool, refusal: str | None
    ) -> None:
        """Begin to serve a server that exists, with its sessions."""
        self.broadcast, self.has_own_queue, self.refusal = broadcast, has_own_queue, refusal
        broadcast.on_post = self._tell
        self.limits = Limits(lambda: broadcast.settings, self._close_unjoined)
        self.headers = HeaderPatrol(lambda: broadcast.settings, self.limits.counts)
        for sid in list(self.sockets):
            self._adopt_session(sid, environs.get(sid, {}))

    def _tell(self, receivers: Recipients, dispatch: Dispatch) -> None:
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
        parts = polled_parts.get() or ()
        return bool(self.__dict__["http_compression"]) and not any(packet.dispatch.is_secret for packet, _ in parts)

    @http_compression.setter
    def http_compression(self, http_compression: bool) -> None:
        self.__dict__["http_compression"] = http_compression

    def _adopt_session(self, sid: str, environ: dict[str, Any]) -> None:
        session = self.sockets.get(sid)
        if session is None or isinstance(session, Session) or session.closed:
            return
        session.__class__ = Session
        asked = grant(environ.get("QUERY_STRING", ""), self.refusal, self.broadcast.settings)
        connection = Connection(sid, session, asked)
        seed = self.broadcast.rows.seed
        connection.has_seed = seed is not None and asked is not None and asked.seed == seed.name
        session.adopt(connection)
        takeover = current_takeover.get()
        if takeover is not None:
            connection.is_counted, takeover.sid = takeover.is_counted, sid
        self.broadcast.connections[sid] = connection
        self.broadcast.connections.changed()

    def generate_id(self) -> str:
        """The id of a session."""
        return chosen_id.get() or str(super().generate_id())

    async def _handle_connect(self, environ: dict[str, Any], *args: Any, **options: Any) -> Any:
        refusal = self.limits.refusal(_address(environ), self._count_open)
        if refusal is not None:
            headers = [("Content-Type", "application/json"), ("Retry-After", str(_RETRY_S))]
            return {"status": "503 SERVICE UNAVAILABLE", "headers": headers, "response": json.dumps(refusal).encode()}
        return await super()._handle_connect(environ, *args, **options)

    def _count_open(self) -> int:
        """Sessions; engineio keeps those that are over for a while, so they are looked through only where it counts."""
        count = len(self.sockets)
        if count >= self.broadcast.settings.max_connections:
            count = sum(not socket.closed for socket in self.sockets.values())
        return count

    def _close_unjoined(self, sid: str) -> None:
        self.start_background_task(self.close_session, sid, POLICY_VIOLATION, "joined no namespace")

    async def _trigger_event(self, event: str, *args: Any, **options: Any) -> Any:
        if event == "connect":
            self._adopt_session(*args)
            self.limits.came(args[0], _address(args[1]))
        elif event == "disconnect":
            self.limits.went(args[0])
        return await super()._trigger_event(event, *args, **options)

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Handle a request of a client; a WebSocket connection is taken over before its handshake is answered."""
        takeover = find_takeover(scope, receive, send, self.broadcast, self.max_http_buffer_size)
        if takeover.siblings is not None:
            self.headers.watch(takeover.siblings)
        token = current_takeover.set(takeover)
        try:
            if scope["type"] == "websocket":
                return await self._handle_websocket(scope, takeover.receive, takeover.send)
            return await self._handle_http(scope, takeover)
        finally:
            current_takeover.reset(token)

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
        token = polled_parts.set(parts)
        try:
            return await super().handle_request(scope, takeover.receive, takeover.send)
        finally:
            polled_parts.reset(token)
            takeover.end()
            if takeover.counter is not None:
                self._book_polled(parts, takeover.counter.sent_bytes)
                connection = self.broadcast.connections.get(takeover.sid or _session_id(scope))
                if connection is not None:
                    connection.polled_bytes += takeover.counter.sent_bytes

    def _book_polled(self, parts: list[tuple[QueuedPacket, int]], response_bytes: int) -> None:
        """Share what a long-polling response took, headers and all, among the packets in it."""
        if response_bytes and parts:
            took = apportion(response_bytes, [size for _, size in parts])
            for (packet, size), wire_bytes in zip(parts, took, strict=True):
                is_first, shares = packet.index == 0, packet.dispatch.shares
                self.broadcast.ledger.record(shares, size, wire_bytes, first=is_first, is_polled=True)

    async def disconnect(self, sid: str | None = None) -> None:
        """Close connections; engineio's own would wait for a client to fetch what it then lets nobody fetch."""

        async def close(closing: str) -> None:
            session = self.sockets.get(closing)
            if isinstance(session, Session):
                self.broadcast.finish([session.connection])
                await session.let_fetch()
            if closing in self.sockets:
                await self.sockets[closing].close(wait=False)
                self.sockets.pop(closing, None)

        await asyncio.gather(*map(close, list(self.sockets) if sid is None else [sid]))

    async def close_session(self, sid: str, code: int, reason: str) -> None:
        """Close one connection, since what its client sent is not well-formed."""
        session = self.sockets.get(sid)
        if session is None:
            return
        takeover = session.takeover
        if takeover is not None:
            with contextlib.suppress(Exception):  # it may be gone already
                await takeover.send({"type": "websocket.close", "code": code, "reason": reason})
        await session.close(wait=False, abort=takeover is not None, reason=self.reason.TRANSPORT_ERROR)


def _address(environ: Mapping[str, Any]) -> str:
    client = environ.get("asgi.scope", {}).get("client")
    return str(client[0]) if client else ""


def _session_id(scope: Scope) -> str:
    return parse_qs(str(scope.get("query_string", b""), "latin-1")).get("sid", [""])[0]

"""One line at set-up: everything an application emits goes through the layers.

In: the application's own `socketio.AsyncServer` and `Settings`. Out: the same server, saving bytes and counting them.
Never: changes what a client that asked for nothing gets, or another server in the same process.

Leans on python-socketio 5.18 (`async_manager.py`: every emit of this process ends in `AsyncManager.emit`, also below a
PubSubManager; `async_server.py`: acks and (dis)connects leave by `_send_packet`) and python-engineio 4.15
(`async_server.py`: every request enters by `handle_request`, events by `handlers`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Hashable, Iterator
from typing import Any, cast
from urllib.parse import parse_qs

import socketio
from engineio import packet as eio_packet
from socketio import packet as sio_packet
from uvicorn.protocols.utils import ClientDisconnected

from reznet_ws.adapters.inbound import (
    INVALID_DATA,
    MAX_ATTACHMENTS,
    POLICY_VIOLATION,
    TRY_AGAIN_LATER,
    MalformedPacket,
    check_ack,
    check_event,
    count_attachments,
    is_engineio_packet,
)
from reznet_ws.adapters.uvicorn import SCOPE_KEY, WebSocketProtocol, find_connection, find_counter
from reznet_ws.ledger import Ledger, Tally, apportion
from reznet_ws.message.formats import GRANT_EVENT, Grant, grant
from reznet_ws.message.payload import FORMAT
from reznet_ws.outgoing.broadcast import Audience, ClearPacket, Delivery, polled_parts
from reznet_ws.outgoing.line import CountingTransport
from reznet_ws.outgoing.outbox import Outbox
from reznet_ws.settings import Settings
from reznet_ws.stats import Stats

# What `broadcast` was told, past a PubSubManager that would not pass it on.
_optimize_and_batch: contextvars.ContextVar[tuple[bool, bool | None]] = contextvars.ContextVar(
    "optimize_and_batch", default=(True, None)
)

# Whether what runs handles an event that is never compressed.
_is_secret: contextvars.ContextVar[bool] = contextvars.ContextVar("is_secret", default=False)

_UPGRADE = str(eio_packet.UPGRADE)

# Rooms whose members are remembered; an application may have one for each of its users.
_MOST_AUDIENCES = 256

# A client that does not listen while it makes sense of its CONNECT (as in socket.io-protocol's test suite) would miss
# what came in the same segment; python-socketio by itself sends two.
_CONNECT_REST_MS = 2

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ConnectionManager:
    """The layers around one Socket.IO server.

    Raises: TypeError for anything but an `AsyncServer` with the default parser, ValueError for one that has a manager
    already.
    """

    def __init__(self, sio: socketio.AsyncServer, settings: Settings | None = None) -> None:
        _check_server(sio)
        self.sio = sio
        self._delivery = Delivery(sio.eio, sio.packet_class, settings or Settings(), self._close_slow)
        self._asked: dict[str, Grant] = {}
        self._granted: dict[str, set[str]] = {}
        self._connections: dict[str, WebSocketProtocol] = {}
        self._uncounted: set[str] = set()
        # (namespace, room) -> how many are in it, and who.
        self._audiences: dict[tuple[str, Hashable], tuple[int, Audience]] = {}
        self._attachments_due: dict[str, int] = {}
        self._stats = Stats(self._delivery.ledger)
        self._hook()

    # What an application calls

    @property
    def settings(self) -> Settings:
        """The settings in force. Assign a new record from the server's event loop to switch layers while it runs."""
        return self._delivery.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._delivery.settings = settings

    @property
    def ledger(self) -> Ledger:
        """The bytes by event name."""
        return self._delivery.ledger

    @property
    def active_connections(self) -> int:
        """Open connections; engineio keeps those that are over until it next looks after its clients."""
        return sum(not socket.closed for socket in self.sio.eio.sockets.values())

    async def broadcast(
        self,
        event: str,
        data: Any,
        optimize: bool = True,
        batch: bool | None = None,
        room: str | None = None,
        *,
        skip_sid: str | list[str] | None = None,
        namespace: str = "/",
    ) -> None:
        """Send an event to a room, or to everybody.

        `optimize=False` sends it as it is also to clients of format 2; `batch` says whether it may wait for others,
        None leaves that to the settings. Other servers behind a PubSubManager go by their own settings.
        Raises: PayloadError, and then nothing was sent.
        """
        with _options(optimize, batch):
            await self.sio.manager.emit(event, data, namespace, room=room, skip_sid=skip_sid)

    async def send_to_user(self, user: str, event: str, data: Any, optimize: bool = True, namespace: str = "/") -> None:
        """Send an event to every connection of a user, named with `identify`, or to one `sid`, at once."""
        rooms = self.sio.manager.rooms.get(namespace, {})
        room = user if user in rooms.get(None, {}) else _user_room(user)
        with _options(optimize, False):
            await self.sio.manager.emit(event, data, namespace, room=room)

    async def identify(self, sid: str, user: str, namespace: str = "/") -> None:
        """Say which user a connection belongs to, so that `send_to_user` reaches it."""
        await self.sio.enter_room(sid, _user_room(user), namespace=namespace)

    def get_stats(self) -> dict[str, Any]:
        """What `GET /api/websocket/stats` answers."""
        return self._stats.report(
            active_connections=self.active_connections,
            uncounted_connections=len(self._uncounted),
            slow_readers={
                **dataclasses.asdict(self._delivery.slow_readers),
                "queued_bytes": sum(socket.queue.queued_bytes for socket in self.sio.eio.sockets.values()),
            },
            windows=self._count_windows(),
        )

    def _count_windows(self) -> dict[str, int]:
        inflaters = [line.inflater for connection in self._connections.values() if (line := connection.line).deflate]
        members = Counter(inflater.window for inflater in inflaters if inflater.window is not None)
        return {
            "connections": len(inflaters),
            "windows": sum(window.deflater is not None for window in members),
            "in_step": max((count for window, count in members.items() if window.deflater is not None), default=0),
        }

    def reset_stats(self) -> None:
        """Start all counts again from nothing."""
        self._stats.reset()

    def close(self) -> None:
        """Send what is held back and end the timer; to be called before the server shuts down."""
        self._delivery.close()

    # Where python-socketio and python-engineio are hooked

    def _hook(self) -> None:
        sio, eio = self.sio, self.sio.eio
        # Below whatever the manager is (a Redis manager too), above AsyncManager.
        plain = type(sio.manager)
        bases = (_OptimizedManager,) if plain is socketio.AsyncManager else (plain, _OptimizedManager)
        watched = {name: self._watch(getattr(plain, name)) for name in ("basic_enter_room", "basic_leave_room")}
        optimized = type(f"Optimized{plain.__name__}", bases, {"reznet": self, **watched})
        for name, kept in list(vars(sio.manager).items()):
            for hooked in ("emit", *watched):
                if kept == getattr(plain, hooked).__get__(sio.manager):  # by the Admin UI, where it came first
                    setattr(sio.manager, name, getattr(optimized, hooked).__get__(sio.manager))
        sio.manager.__class__ = optimized
        self._send_packet = sio._send_packet
        sio._send_packet = self._send_packet_in_order
        self._handle_event, self._handle_ack = sio._handle_event, sio._handle_ack
        sio._handle_event, sio._handle_ack = self._handle_checked_event, self._handle_checked_ack
        eio.create_queue = lambda: Outbox(lambda: self.settings.max_queued_bytes, self._close_slow)
        self._handle_request = eio.handle_request
        eio.handle_request = self._handle_counted_request
        self._on_message = eio.handlers["message"]
        eio.disconnect = self._disconnect
        eio.on("message", self._received)
        # The Admin UI puts handlers of its own in front of the server's and then calls these by their names.
        own = {"connect": sio._handle_eio_connect, "disconnect": sio._handle_eio_disconnect}
        self._on_connect, self._on_disconnect = own.values()
        sio._handle_eio_connect, sio._handle_eio_disconnect = self._connected, self._disconnected
        for event, ours in (("connect", self._connected), ("disconnect", self._disconnected)):
            if eio.handlers[event] == own[event]:
                eio.on(event, ours)

    def _watch(self, change: Callable[..., None]) -> Callable[..., None]:
        """Whoever enters or leaves a room does it by one of two methods (python-socketio 5.18, `base_manager.py`)."""

        @functools.wraps(change)
        def changed(manager: Any, *args: Any, **options: Any) -> None:
            self._audiences.clear()
            change(manager, *args, **options)

        return changed

    async def _connected(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        asked = grant(environ.get("QUERY_STRING", ""))
        if asked is not None:
            self._asked[eio_sid] = asked
        self._remember(eio_sid, environ.get("asgi.scope", {}))
        return await self._on_connect(eio_sid, environ)

    async def _disconnected(self, eio_sid: str, reason: str) -> None:
        self._delivery.flush([eio_sid])  # it may be the server who closes, and what it has sent before must leave
        self._delivery.discard(eio_sid)
        socket = self.sio.eio.sockets.get(eio_sid)
        if socket is not None and not socket.upgraded:
            # Ends the poll of a client that is gone, for which a server that stops would wait 45 s; behind the goodbye
            # that engineio queues next.
            asyncio.get_running_loop().call_soon(socket.queue.put_nowait, None)
        self._attachments_due.pop(eio_sid, None)
        self._asked.pop(eio_sid, None)
        if self._granted.pop(eio_sid, None) is not None:
            self._audiences.clear()
        connection = self._connections.pop(eio_sid, None)
        if connection is not None:
            connection.end()
        self._uncounted.discard(eio_sid)
        await self._on_disconnect(eio_sid, reason)

    async def _received(self, eio_sid: str, data: str | bytes) -> None:
        socket = self.sio.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:  # what comes with a goodbye would join again, and for good
            return
        due = self._attachments_due.pop(eio_sid, 0)
        if bool(due) != isinstance(data, bytes):
            return await self._close(eio_sid, INVALID_DATA, f"{due} attachments were due")
        if due > 1:
            self._attachments_due[eio_sid] = due - 1
        waiting = self.sio._binary_packet
        if due and eio_sid not in waiting:  # the client has left the namespace, or been sent away, in between
            return
        try:
            await self._on_message(eio_sid, data)
        except MalformedPacket as error:
            return await self._close(eio_sid, INVALID_DATA, str(error))
        except Exception:
            # Only now, so that a good packet is decoded once.
            announced = None if due else count_attachments(self.sio.packet_class, cast(str, data))
            if announced is not None:  # good, but for a namespace that the client is not in
                await self._expect(eio_sid, announced)
            elif not due or waiting.pop(eio_sid, None) is not None:
                return await self._close(eio_sid, INVALID_DATA, "not a Socket.IO packet")
            raise
        if not due and eio_sid in waiting:
            await self._expect(eio_sid, waiting[eio_sid].attachment_count or MAX_ATTACHMENTS + 1)

    async def _handle_checked_event(self, eio_sid: str, namespace: str | None, ack_id: int | None, data: Any) -> None:
        check_event(data)
        token = _is_secret.set(data[0] in self.settings.never_compress)
        try:
            await self._handle_event(eio_sid, namespace, ack_id, data)
        finally:
            _is_secret.reset(token)

    async def _handle_checked_ack(self, eio_sid: str, namespace: str | None, ack_id: int | None, data: Any) -> None:
        check_ack(ack_id, data)
        await self._handle_ack(eio_sid, namespace, ack_id, data)

    async def _expect(self, eio_sid: str, attachments: int) -> None:
        if attachments > MAX_ATTACHMENTS:
            self.sio._binary_packet.pop(eio_sid, None)
            await self._close(eio_sid, POLICY_VIOLATION, f"a binary packet has 1 to {MAX_ATTACHMENTS} attachments")
        elif attachments:
            self._attachments_due[eio_sid] = attachments

    async def _send_packet_in_order(self, eio_sid: str, packet: Any) -> None:
        self._delivery.flush([eio_sid])
        if _is_secret.get() and packet.packet_type in (sio_packet.ACK, sio_packet.BINARY_ACK):
            encoded = packet.encode()
            for part in encoded if isinstance(encoded, list) else [encoded]:
                await self.sio.eio.send_packet(eio_sid, ClearPacket(eio_packet.MESSAGE, part))
            return
        await self._send_packet(eio_sid, packet)
        if packet.packet_type != sio_packet.CONNECT:
            return
        connection = self._connections.get(eio_sid)
        if connection is not None:
            connection.line.rest(_CONNECT_REST_MS)
        asked = self._asked.get(eio_sid)
        if asked is not None:
            namespace = packet.namespace or "/"
            said = self._delivery.prepare(GRANT_EVENT, [asked.announcement()], namespace, short=False, optimize=False)
            self._delivery.send(said, Audience([eio_sid], []), None)
            # From here on, and not before: the client decodes what comes after the announcement.
            if asked.format == FORMAT:
                self._granted.setdefault(eio_sid, set()).add(namespace)
                self._audiences.clear()

    async def _handle_counted_request(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "websocket":
            return await self._handle_websocket(scope, receive, send)
        counter = find_counter(scope)
        if counter is None:
            return await self._handle_request(scope, receive, send)
        parts: list[tuple[Tally, int, bool]] = []
        polled_parts.set(parts)
        before, counter.ledger = counter.sent_bytes, self.ledger
        try:
            return await self._handle_request(scope, receive, send)
        finally:
            counter.ledger = None
            _book_polled(parts, counter.sent_bytes - before)

    async def _handle_websocket(self, scope: Scope, receive: Receive, send: Any) -> Any:
        connection = find_connection(scope, send)
        if connection is not None:
            connection.take_over(self._delivery.writer, self.sio.eio.max_http_buffer_size)
            if getattr(send, "__self__", None) == connection:  # and bound, perhaps, before it became one of ours
                send = connection.send
        sid = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("sid")

        async def receive_checked() -> dict[str, Any]:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            data = message.get("bytes")
            if sid and message.get("text") == _UPGRADE:  # not before: of several that probe, one is upgraded
                self._remember(sid[0], scope)
            if is_engineio_packet(message["text"] if data is None else data):
                return message
            await send({"type": "websocket.close", "code": INVALID_DATA, "reason": "not an Engine.IO packet"})
            return {"type": "websocket.disconnect", "code": INVALID_DATA}

        return await self._handle_request(scope, receive_checked, send)

    def _remember(self, eio_sid: str, scope: Scope) -> None:
        socket = self.sio.eio.sockets.get(eio_sid)
        # engineio refuses a second WebSocket for one session, and one for a session that is over, which nobody would
        # forget again.
        if socket is None or socket.upgraded or socket.closing or socket.closed:
            return
        owner = scope.get("extensions", {}).get(SCOPE_KEY)
        if isinstance(owner, WebSocketProtocol):
            self._connections[eio_sid] = owner
            self._delivery.connect(eio_sid, owner, socket)
        if isinstance(owner, (WebSocketProtocol, CountingTransport)):
            self._uncounted.discard(eio_sid)
        else:
            self._uncounted.add(eio_sid)

    async def _disconnect(self, eio_sid: str | None = None) -> None:
        """In place of engineio's own, which waits for a long-polling client to fetch what it lets nobody fetch."""
        sockets = self.sio.eio.sockets

        async def close(closing: str) -> None:
            if closing in sockets:
                await sockets[closing].close(wait=False)
                sockets.pop(closing, None)

        await asyncio.gather(*map(close, list(sockets) if eio_sid is None else [eio_sid]))

    def _close_slow(self, outbox: Outbox) -> None:
        """Close the connection of a queue that is full, at once: its writer waits for a socket that may never drain."""
        eio_sid, socket = next(item for item in self.sio.eio.sockets.items() if item[1].queue is outbox)
        outbox.clear()
        self._delivery.slow_readers.closed_connections += 1
        connection = self._connections.get(eio_sid)
        if connection is not None:
            connection.fail(TRY_AGAIN_LATER, "reads too slowly")
        self.sio.start_background_task(socket.close, wait=False, abort=True, reason=self.sio.eio.reason.TRANSPORT_ERROR)

    async def _close(self, eio_sid: str, code: int, reason: str) -> None:
        socket, connection = self.sio.eio.sockets[eio_sid], self._connections.get(eio_sid)
        if connection is not None:
            with contextlib.suppress(ClientDisconnected):
                await connection.send({"type": "websocket.close", "code": code, "reason": reason})
        await socket.close(wait=False, abort=connection is not None, reason=self.sio.eio.reason.TRANSPORT_ERROR)

    # The way out

    def _emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Hashable,
        skip_sid: Any,
        callback: Callable[..., Any] | None,
    ) -> None:
        optimize, batch = _optimize_and_batch.get()
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        audience = self._audience(namespace, room, skip_sid)
        outgoing = self._delivery.prepare(event, args, namespace, short=bool(audience.short_to), optimize=optimize)
        self._stats.add(outgoing.plain.payloads, (outgoing.short or outgoing.plain).payloads)
        if callback is None:
            return self._delivery.send(outgoing, audience, batch)
        for eio_sid in (*audience.plain_to, *audience.short_to):
            sid = self.sio.manager.sid_from_eio_sid(eio_sid, namespace)
            ack_id = self.sio.manager._generate_ack_id(sid, callback)
            self._delivery.send_asking(outgoing, eio_sid, ack_id, short=eio_sid in audience.short_to)

    def _audience(self, namespace: str, room: Hashable, skip_sid: Any) -> Audience:
        manager = self.sio.manager
        skip = set(skip_sid) if isinstance(skip_sid, (list, tuple, set)) else {skip_sid} if skip_sid else set()
        # A client whose connect handler has not let it in yet is in the room of everybody already; only what is
        # addressed to it, or to a room it was put in, may reach it.
        if room is None:
            skip.update(manager.pending_connect.get(namespace, ()))
        if skip or not (room is None or isinstance(room, str)):
            return self._find_audience(namespace, room, skip)
        members = len(manager.rooms.get(namespace, {}).get(room, ()))
        # Any change of who is where empties `_audiences`, see `_watch`; the count is for applications that change
        # python-socketio's `rooms` by themselves.
        known = self._audiences.get((namespace, room))
        if known is not None and known[0] == members:
            return known[1]
        audience = self._find_audience(namespace, room, skip)
        if len(self._audiences) >= _MOST_AUDIENCES:
            self._audiences.clear()
        self._audiences[namespace, room] = members, audience
        return audience

    def _find_audience(self, namespace: str, room: Hashable, skip: Container[str]) -> Audience:
        granted = self._granted
        plain_to: list[str] = []
        short_to: list[str] = []
        for sid, eio_sid in self.sio.manager.get_participants(namespace, room):
            if sid not in skip:
                (short_to if namespace in granted.get(eio_sid, ()) else plain_to).append(eio_sid)
        return Audience(plain_to, short_to)


class _OptimizedManager(socketio.AsyncManager):  # type: ignore[misc]
    """Takes the place of `AsyncManager` under whatever manager an application uses."""

    reznet: ConnectionManager

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Hashable = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Hashable = None,
        **kwargs: Any,
    ) -> None:
        self.reznet._emit(event, data, namespace, to or room, skip_sid, callback)


@contextlib.contextmanager
def _options(optimize: bool, batch: bool | None) -> Iterator[None]:
    token = _optimize_and_batch.set((optimize, batch))
    try:
        yield
    finally:
        _optimize_and_batch.reset(token)


def _user_room(user: str) -> str:
    return f"user:{user}"


def _check_server(sio: Any) -> None:
    if not isinstance(sio, socketio.AsyncServer):
        raise TypeError(f"{type(sio).__name__} is not a socketio.AsyncServer")
    if sio.async_mode != "asgi":
        raise TypeError(f"async_mode {sio.async_mode!r}: only 'asgi' is supported")
    if not issubclass(sio.packet_class, sio_packet.Packet) or not sio.packet_class.uses_binary_events:
        raise TypeError(f"serializer {sio.packet_class.__name__}: only the default parser is supported")
    if isinstance(sio.manager, _OptimizedManager):
        raise ValueError("this server has a ConnectionManager already")


def _book_polled(parts: list[tuple[Tally, int, bool]], response_bytes: int) -> None:
    """Share what a long-polling response took, headers and all, among the packets in it."""
    if response_bytes:
        took = apportion(response_bytes, [size for _, size, _ in parts]) if parts else []
        for (tally, size, first), wire_bytes in zip(parts, took, strict=True):
            tally.record_polled(size, wire_bytes, first=first)


def attach(sio: socketio.AsyncServer, settings: Settings | None = None) -> ConnectionManager:
    """Give an application's own server all layers; its `sio.emit` stays as it is.

    Raises: TypeError, ValueError, as `ConnectionManager` does.
    """
    return ConnectionManager(sio, settings)

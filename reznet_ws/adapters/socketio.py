"""python-socketio's server and its manager, by whom everything an application emits takes our road.

In: what an application emits, and what its clients send. Out: events on the road, packets checked.
Never: replaces an attribute: these are subclasses, also for servers that exist already (`adapters/adopting.py`).

Private names are listed in `adapters/compat.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

import socketio
from socketio import packet as sio_packet

from reznet_ws.adapters.engineio import Engine
from reznet_ws.adapters.inbound import (
    INVALID_DATA,
    POLICY_VIOLATION,
    ForbiddenPacket,
    announced_attachments,
    check_ack,
    check_event,
)
from reznet_ws.adapters.session import QueuedPacket, is_secret
from reznet_ws.adapters.telling import told
from reznet_ws.message.formats import GRANT_EVENT, PACKED_FORMAT, ROWS_FORMAT
from reznet_ws.message.payload import FORMAT
from reznet_ws.message.snapshots import HELD_KEY, Holding
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.snapshot_road import emit_snapshot

# A client that does not listen while it makes sense of its CONNECT (as in socket.io-protocol's test suite) would miss
# what came in the same segment; python-socketio by itself sends two.
_CONNECT_REST_MS = 2
# A lone receiver with so much queued holds up who emits to it, as long as it reads: a loop that sends a file would
# otherwise fill the memory faster than any socket drains.
_BACK_PRESSURE_BYTES = 1_048_576
_BACK_PRESSURE_S = 0.02


class OptimizedServer(socketio.AsyncServer):  # type: ignore[misc]
    """What `attach` makes of a server; what it sends takes our road."""

    reznet: Any
    eio: Engine

    # Who comes and goes

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        road, connection = self.reznet.road, self.reznet.road.connections.get(eio_sid)
        if connection is not None:
            road.finish([connection])  # it may be the server who closes, and what it has sent before must leave
            session = self.eio.sockets.get(eio_sid)
            if session is not None:
                session.end()
            road.forget(connection)
        self._binary_packet.pop(eio_sid, None)  # python-socketio before 5.16.4 keeps it
        await super()._handle_eio_disconnect(eio_sid, reason)

    def _note_held(self, eio_sid: str, held: Any) -> None:
        road, connection = self.reznet.road, self.reznet.road.connections.get(eio_sid)
        if connection is not None and road.settings.snapshots:
            holding = Holding(held)
            if connection.holding is None:
                connection.holding = holding
            else:
                connection.holding.declare(holding)

    # What clients send

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        connection = self.reznet.road.connections.get(eio_sid)
        session = self.eio.sockets.get(eio_sid)
        if connection is None or session is None or session.closed:
            return  # what comes with a goodbye would join again, and for good
        due, connection.attachments_due = connection.attachments_due, 0
        if due and isinstance(data, str):
            return await self.eio.close_session(eio_sid, INVALID_DATA, f"{due} attachments were due")
        if due > 1:
            connection.attachments_due = due - 1
        waiting = self._binary_packet
        if due and eio_sid not in waiting:  # the client has left the namespace, or been sent away, in between
            return
        try:
            await super()._handle_eio_message(eio_sid, data)
        except ForbiddenPacket as error:
            await self.eio.close_session(eio_sid, error.code, str(error))
            return
        except Exception:  # which engineio logs, and goes on
            if due:
                waiting.pop(eio_sid, None)  # or it would take whatever comes for another attachment
            else:  # good, perhaps, but for a namespace that the client is not in: its attachments come all the same
                await self._expect(connection, announced_attachments(self.packet_class, data))
            raise
        if not due and eio_sid in waiting:
            most = self.reznet.road.settings.max_attachments
            await self._expect(connection, waiting[eio_sid].attachment_count or most + 1)

    async def _expect(self, connection: Connection, attachments: int) -> None:
        most = self.reznet.road.settings.max_attachments
        if attachments > most:
            self._binary_packet.pop(connection.sid, None)
            reason = f"at most {most} attachments (max_attachments)"
            await self.eio.close_session(connection.sid, POLICY_VIOLATION, reason)
        elif attachments:
            connection.attachments_due = attachments

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        self.eio.limits.joins(eio_sid)
        if isinstance(data, dict) and HELD_KEY in data:
            data = dict(data)
            self._note_held(eio_sid, data.pop(HELD_KEY))
        await super()._handle_connect(eio_sid, namespace, data)
        if all(self.manager.sid_from_eio_sid(eio_sid, space) is None for space in self.manager.get_namespaces()):
            self.eio.limits.await_join(eio_sid)

    async def _handle_event(self, eio_sid: str, namespace: str | None, ack_id: int | None, data: Any) -> None:
        check_event(data)
        if self.reznet.road.settings.max_events_per_s:
            self.eio.limits.sends(eio_sid)
        token = is_secret.set(data[0] in self.reznet.road.settings.never_compress)
        try:
            await super()._handle_event(eio_sid, namespace, ack_id, data)
        finally:
            is_secret.reset(token)

    async def _handle_ack(self, eio_sid: str, namespace: str | None, ack_id: int | None, data: Any) -> None:
        check_ack(ack_id, data)
        await super()._handle_ack(eio_sid, namespace, ack_id, data)

    # What the server sends beside events

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        connection = self.reznet.road.connections.get(eio_sid)
        if connection is None:
            await super()._send_packet(eio_sid, pkt)
            return
        self.reznet.road.flush([connection])
        is_ack = pkt.packet_type in (sio_packet.ACK, sio_packet.BINARY_ACK)
        is_clear = is_ack and is_secret.get()
        if pkt.packet_type == sio_packet.CONNECT:
            is_clear = self.reznet.road.settings.deflate_shared and self.reznet.road.connections.are_several
        token = is_secret.set(is_clear)
        try:
            await super()._send_packet(eio_sid, pkt)
        finally:
            is_secret.reset(token)
        if pkt.packet_type == sio_packet.CONNECT:
            self._connected(connection, pkt.namespace or "/")

    def _connected(self, connection: Connection, namespace: str) -> None:
        if connection.line is not None:
            connection.line.rest(_CONNECT_REST_MS)
        asked = connection.asked
        if asked is not None:
            road: Broadcast = self.reznet.road
            audience = road.connections.audience([connection.sid], namespace)
            said = [asked.announcement()]
            road.emit(GRANT_EVENT, said, namespace, audience, optimize=False, is_counted=False)
            # From here on, and not before: the client decodes what comes after the announcement.
            if asked.format == FORMAT:
                connection.granted |= {namespace}
            elif asked.format == ROWS_FORMAT:
                connection.granted_rows |= {namespace}
            elif asked.format == PACKED_FORMAT:
                connection.granted_packed |= {namespace}
            road.connections.changed()

    def _engineio_server_class(self) -> Any:
        return Engine


class OptimizedManager(socketio.AsyncManager):  # type: ignore[misc]
    """Takes the place of `AsyncManager` under whatever manager an application uses."""

    server: Any

    def initialize(self) -> None:
        """The first client has come, and the event loop runs."""
        super().initialize()
        self.server.reznet.started()

    async def emit(
        self,
        event: Any,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event to a client, a room, or everybody; gives the event loop a turn, as python-socketio does."""
        road: Broadcast = self.server.reznet.road
        members, key = self._members(namespace, to or room, skip_sid)
        if not members:
            return
        args = as_arguments(data)
        how = told.get()
        if self.server.reznet.is_watched:
            await self._emit_watched(event, args, namespace, members, callback)
        elif callback is not None:
            self._emit_asking(event, args, namespace, members, callback, how.optimize)
        elif how.snapshot_key is not None and args:
            emit_snapshot(road, event, args[0], namespace, members, how.snapshot_key)
        else:
            audience = road.connections.audience(members, namespace, key)
            keys, latest = road.latest_keys, None
            if keys.rules or how.latest is not None:
                latest = keys.key(event, args, (namespace, to or room, skip_sid), how.latest)
            road.emit(event, args, namespace, audience, optimize=how.optimize, batch=how.batch, latest=latest)
        await asyncio.sleep(0)
        if len(members) == 1:
            await self._feel_back_pressure(members[0])

    def _members(self, namespace: str, room: Any, skip_sid: Any) -> tuple[list[str], Hashable]:
        """The Engine.IO sessions that are meant, and a key where they may be remembered."""
        skip = set(skip_sid) if isinstance(skip_sid, (list, tuple, set)) else {skip_sid} if skip_sid else set()
        # A client whose connect handler has not let it in yet is in the room of everybody already; only what is
        # addressed to it, or to a room it was put in, may reach it.
        if room is None:
            skip.update(getattr(self, "pending_connect", {}).get(namespace, ()))  # python-socketio 5.18 brings it
        own = type(self).get_participants is not socketio.AsyncManager.get_participants
        if not skip and not own and (room is None or isinstance(room, str)):
            members = self.rooms.get(namespace, {}).get(room)
            return [] if members is None else [*members.inverse.keys()], (namespace, room)
        return [eio_sid for sid, eio_sid in self.get_participants(namespace, room) if sid not in skip], None

    def _emit_asking(
        self, event: Any, args: list[Any], namespace: str, members: list[str], callback: Any, optimize: bool
    ) -> None:
        road = self.server.reznet.road
        connections = [known for eio_sid in members if (known := road.connections.get(eio_sid)) is not None]
        for number, connection in enumerate(connections):
            ack_id = self._generate_ack_id(self.sid_from_eio_sid(connection.sid, namespace), callback)
            road.emit_asking(
                event, args, namespace, connection, ack_id, optimize=optimize, is_counted=not number
            )  # a message counts once

    async def _emit_watched(
        self, event: Any, args: list[Any], namespace: str, members: list[str], callback: Any
    ) -> None:
        """By the application's own `_send_eio_packet` or `send_packet`, a task for each receiver, as stock does."""
        if callback is not None:
            for eio_sid in members:
                ack_id = self._generate_ack_id(self.sid_from_eio_sid(eio_sid, namespace), callback)
                kind = self.server.packet_class
                packet = kind(sio_packet.EVENT, namespace=namespace, data=[event, *args], id=ack_id)
                await self.server._send_packet(eio_sid, packet)
            return
        dispatch: Dispatch = self.server.reznet.road.prepare(event, args, namespace)
        packets = [QueuedPacket(dispatch, index) for index in range(len(dispatch.parts))]
        send = self.server._send_eio_packet
        await asyncio.wait([asyncio.create_task(send(sid, packet)) for sid in members for packet in packets])

    async def _feel_back_pressure(self, eio_sid: str) -> None:
        connection = self.server.reznet.road.connections.get(eio_sid)
        line = None if connection is None else connection.line
        if line is None or line.queued_bytes < _BACK_PRESSURE_BYTES or line.is_stalled:
            return
        try:
            await asyncio.wait_for(line.progress(), _BACK_PRESSURE_S)
        except TimeoutError:
            line.is_stalled = True  # until it reads again; one wait for each stall


def as_arguments(data: Any) -> list[Any]:
    """The arguments that python-socketio takes what is emitted for."""
    return list(data) if isinstance(data, tuple) else [] if data is None else [data]


def as_rooms(room: Any) -> tuple[Hashable, ...]:
    """The rooms that python-socketio takes an argument for; None stands for everybody."""
    return tuple(room) if hasattr(room, "__len__") and not isinstance(room, str) else (room,)


def as_skipped(skip_sid: Any) -> frozenset[str]:
    """The clients that an event is not for."""
    if isinstance(skip_sid, (list, tuple, set)):
        return frozenset(skip_sid)
    return frozenset({skip_sid}) if skip_sid else frozenset()

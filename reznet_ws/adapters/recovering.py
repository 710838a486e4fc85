"""Connection state recovery on python-socketio's classes: the same server, for which a connection's end is no end.

In: clients that come, break off and come back with `{pid, offset}`. Out: the same Socket.IO session, its rooms and the
application's session for it, and what was missed: once, in order, before anything new.
Never: part of a server that was attached without `recovery=`.

Source: socket.io-client 4.8.4, `build/esm/socket.js`, `_pid` and `_lastOffset`. As with Node's server, an event that
asks for an acknowledgement is not kept: who waited for the answer may be gone.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

from socketio import packet as sio_packet

from reznet_ws.adapters.engineio import chosen_id
from reznet_ws.adapters.joining import Joining
from reznet_ws.adapters.keeping import Keeper
from reznet_ws.adapters.socketio import OptimizedManager, OptimizedServer, as_arguments
from reznet_ws.adapters.telling import told
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.recovery.visits import take_credentials

# Who is let in by what runs.
_joining: contextvars.ContextVar[Joining | None] = contextvars.ContextVar("joining", default=None)


class RecoveringServer(OptimizedServer):
    """What `attach` makes of a server whose clients may come back."""

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        keeper: Keeper = self.reznet.recovery
        data, pid, offset = take_credentials(data)
        joining = await keeper.begin(eio_sid, namespace or "/", pid, offset)
        token = _joining.set(joining)
        try:
            await super()._handle_connect(eio_sid, namespace, data)
            if self.always_connect and self.manager.is_connected(joining.sid, joining.namespace):
                keeper.settle(joining)
        finally:
            _joining.reset(token)
            keeper.end(joining)

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        joining = _joining.get() if pkt.packet_type == sio_packet.CONNECT else None
        if joining is None or joining.eio_sid != eio_sid or joining.visit is None:
            await super()._send_packet(eio_sid, pkt)
            return
        await self.reznet.recovery.tell(joining.visit)
        pkt.data = {**pkt.data, "pid": joining.visit.pid}
        await super()._send_packet(eio_sid, pkt)
        if not self.always_connect:
            self.reznet.recovery.settle(joining)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: str | None = None) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        self.reznet.recovery.ended(namespace or "/", sid)  # unless its connection broke, which was told before
        await super()._handle_disconnect(eio_sid, namespace, reason)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        keeper: Keeper = self.reznet.recovery
        await asyncio.sleep(0)  # a goodbye that came with the end is handled in a task of its own, which begins first
        left = keeper.leave(eio_sid)
        try:
            await super()._handle_eio_disconnect(eio_sid, reason)
        finally:
            await keeper.has_left(left)

    async def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """Keep the application's session for a client."""
        await super().save_session(sid, session, namespace=namespace)
        keeper: Keeper = self.reznet.recovery
        await keeper.persist(keeper.visits.get(namespace or "/", sid))


class RecoveringManager(OptimizedManager):
    """Keeps what it sends, and who is in which room from when."""

    @property
    def _keeper(self) -> Keeper:
        keeper: Keeper = self.server.reznet.recovery
        return keeper

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
        """Send an event, and keep it for those of its receivers who are away."""
        keeper, room = self._keeper, to or room
        if callback is not None:
            if not keeper.is_behind:
                await super().emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback)
            return
        road: Broadcast = self.server.reznet.road
        args = as_arguments(data)
        members, key = ([], None) if keeper.is_behind else self._members(namespace, room, skip_sid)
        how = told.get()
        is_kept = keeper.keeps(event)
        if is_kept:
            members, key = keeper.without_held(namespace, members, key)
            offset: str | None = keeper.next_offset()
        elif not members:
            return
        else:
            offset = keeper.offset_behind(event, args)
        audience = road.connections.audience(members, namespace, key)
        # What is kept gives way to nothing newer: its offset says that all before it has come.
        latest = None if is_kept else road.latest_keys.key(event, args, (namespace, room, skip_sid), how.latest)
        options: dict[str, Any] = {"optimize": how.optimize, "batch": how.batch, "latest": latest}
        outgoing = road.emit(event, args, namespace, audience, offset=offset, **options)
        if is_kept:
            keeper.keep(outgoing, room, skip_sid, how.user)
        await asyncio.sleep(0)
        if len(members) == 1:
            await self._feel_back_pressure(members[0])

    async def pre_connect(self, eio_sid: str, namespace: str) -> Any:
        """Let a client in, by the id that it had where it comes back."""
        return await self._let_in(super().pre_connect, eio_sid, namespace)

    async def connect(self, sid: str, namespace: str) -> Any:
        """A client is in; before python-socketio 5.18 this is where it gets its id, and `sid` its Engine.IO session."""
        if hasattr(super(), "pre_connect"):
            return await super().connect(sid, namespace)
        return await self._let_in(super().connect, sid, namespace)

    async def _let_in(self, connect: Callable[..., Awaitable[Any]], eio_sid: str, namespace: str) -> Any:
        joining = _joining.get()
        if joining is None or (joining.eio_sid, joining.namespace) != (eio_sid, namespace):
            return await connect(eio_sid, namespace)
        token = chosen_id.set(None if joining.visit is None else joining.visit.sid)
        try:
            sid = await connect(eio_sid, namespace)
        finally:
            chosen_id.reset(token)
        if sid is not None:
            for room in self._keeper.let_in(joining, sid):
                self.basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        return sid

    async def enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> Any:
        """Put a client in a room."""
        result = await super().enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._keeper.entered(namespace, sid, room)
        await self._keeper.persist(self._keeper.visits.get(namespace, sid))
        return result

    async def leave_room(self, sid: str, namespace: str, room: Any) -> Any:
        """Take a client out of a room, also one that is away."""
        self._keeper.left(namespace, sid, room)
        result = await super().leave_room(sid, namespace, room)
        await self._keeper.persist(self._keeper.visits.get(namespace, sid))
        return result

    async def close_room(self, room: Any, namespace: str) -> Any:
        """Take everybody out of a room, also those who are away."""
        members = self._keeper.closed(namespace, room)
        result = await super().close_room(room, namespace)
        for visit in members:
            await self._keeper.persist(visit)
        return result

    async def can_disconnect(self, sid: str, namespace: str) -> Any:
        """Whether a client can be sent away; one that is away already cannot come back after that."""
        self._keeper.forget_away(namespace, sid)
        return await super().can_disconnect(sid, namespace)

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> Any:
        """A client's session is over, unless it merely broke off."""
        self._keeper.ended(namespace, sid)
        return await super().disconnect(sid, namespace, **kwargs)

"""A process that only writes: what it emits gets all layers at the servers that send it.

In: a write-only manager of any engine, and events. Out: messages in which is said how they are sent.
Never: part of a server.
"""

from __future__ import annotations

from typing import Any

import socketio
from socketio.async_pubsub_manager import AsyncPubSubManager

from reznet_ws.adapters.pubsub import SpreadingManager
from reznet_ws.adapters.streams import StreamManager
from reznet_ws.adapters.telling import Told, telling, user_room
from reznet_ws.outgoing.encoder import check_arguments


class Emitter:
    """Says for a process without clients what `ConnectionManager` says for a server.

    `recovery`: whether the servers keep events in a Redis stream, as `attach(sio, recovery=...)` does behind an
    `AsyncRedisManager`. Raises: TypeError for what is no such manager.
    """

    def __init__(self, manager: AsyncPubSubManager, *, recovery: bool = False) -> None:
        if not isinstance(manager, AsyncPubSubManager):
            raise TypeError(f"{type(manager).__name__} reaches no other process")
        if recovery and not isinstance(manager, socketio.AsyncRedisManager):
            raise TypeError(f"{type(manager).__name__} has no Redis stream")
        plain = type(manager)
        above = StreamManager if recovery else SpreadingManager
        if not isinstance(manager, SpreadingManager):
            manager.__class__ = type(f"Optimized{plain.__name__}", (above, plain), {})
        self.manager = manager

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
        latest: str | tuple[str, ...] | None = None,
    ) -> None:
        """Send an event to a room, or to everybody; as `ConnectionManager.broadcast`."""
        check_arguments(event, list(data) if isinstance(data, tuple) else [data])
        with telling(Told(optimize, batch, latest=latest)):
            await self.manager.emit(event, data, namespace, room=room, skip_sid=skip_sid)

    async def send_to_user(self, user: str, event: str, data: Any, optimize: bool = True, namespace: str = "/") -> None:
        """Send an event to every connection of a user, or to one `sid`; as `ConnectionManager.send_to_user`."""
        check_arguments(event, list(data) if isinstance(data, tuple) else [data])
        with telling(Told(optimize, False, user)):
            await self.manager.emit(event, data, namespace, room=user_room(user))

    async def close(self) -> None:
        """Leave the server behind the manager."""
        for client in {self.manager.__dict__.get(name) for name in ("redis", "_commands")} - {None}:
            await client.aclose()

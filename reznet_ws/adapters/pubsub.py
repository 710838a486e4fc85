"""Several processes on python-socketio's own engines: what `emit` was told travels with the message.

In: an `AsyncPubSubManager` of any engine. Out: the same manager, whose messages say what `broadcast` was told, and
whose hosts heed it.
Never: another channel, or a message that a stock server cannot read: what it does not know it ignores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from socketio.async_pubsub_manager import AsyncPubSubManager

from reznet_ws.adapters.keeping import Keeper
from reznet_ws.adapters.telling import KEY, Told, read_told, told


class SpreadingManager(AsyncPubSubManager):  # type: ignore[misc]
    """Goes above a manager that reaches other processes."""

    # Whether an event for a client of this process has to be told to the others.
    tells_all = False

    async def emit(
        self,
        event: Any,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event; one that is for a client of this process stays here, since no other has it."""
        room, namespace = to or room, namespace or "/"
        is_ours = not self.tells_all and isinstance(room, str) and room in self.rooms.get(namespace, {}).get(None, {})
        if is_ours:
            kwargs = {**kwargs, "ignore_queue": True}
        await super().emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, **kwargs)

    async def _publish(self, data: dict[str, Any]) -> Any:
        return await super()._publish(self._with_told(data))

    def _with_told(self, data: dict[str, Any]) -> dict[str, Any]:
        extra = told.get().as_message() if data.get("method") == "emit" else None
        return {**data, KEY: extra} if extra else data

    async def _handle_emit(self, message: dict[str, Any]) -> None:
        if message.get("host_id") == self.host_id and KEY not in message:
            await super()._handle_emit(self._to_user(message, told.get()))  # what is told here still holds
            return
        heard = read_told(message.get(KEY))
        token = told.set(heard)
        try:
            await super()._handle_emit(self._to_user(message, heard))
        finally:
            told.reset(token)

    def _to_user(self, message: dict[str, Any], heard: Told) -> dict[str, Any]:
        """To a user, or to a client, which only the host that has it can tell apart."""
        namespace = message.get("namespace") or "/"
        if heard.user is not None and heard.user in self.rooms.get(namespace, {}).get(None, {}):
            return {**message, "room": heard.user}
        return message

    @property
    def _recovery(self) -> Keeper | None:
        reznet = getattr(self.server, "reznet", None)
        return None if reznet is None else reznet.recovery

    # Of clients that are away, of whom no host says that they are its own

    async def leave_room(self, sid: str, namespace: str, room: Any) -> Any:
        """Take a client out of a room."""
        if self._recovery is not None:
            self._recovery.left(namespace, sid, room)
        return await super().leave_room(sid, namespace, room)

    async def _handle_leave_room(self, message: dict[str, Any]) -> None:
        if self._recovery is not None:
            self._recovery.left(message.get("namespace") or "/", str(message.get("sid")), message.get("room"))
        await super()._handle_leave_room(message)

    async def _handle_disconnect(self, message: dict[str, Any]) -> None:
        if self._recovery is not None:
            self._recovery.forget_away(message.get("namespace") or "/", str(message.get("sid")))
        await super()._handle_disconnect(message)

    async def can_disconnect(self, sid: str, namespace: str) -> Any:
        """Whether a client can be sent away."""
        if self._recovery is not None:
            self._recovery.forget_away(namespace, sid)
        return await super().can_disconnect(sid, namespace)

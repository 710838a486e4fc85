"""A small agent-chat application: the traffic's source, and an example of what attaching takes.

In: `Settings`, a seed, a rate. Out: an ASGI application with Socket.IO at `/socket.io/` and FastAPI beside it.
Never: holds a conversation in memory.
The same seed emits the same bytes.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from typing import Any

import socketio
from fastapi import FastAPI

from reznet_ws.adapters.fastapi import is_token, stats_router
from reznet_ws.adapters.manager import ConnectionManager, attach
from reznet_ws.demo.seating import EVERYBODY
from reznet_ws.demo.simulation import Simulation
from reznet_ws.demo.workload import Mix, generate
from reznet_ws.settings import Settings

Handler = Callable[..., Awaitable[Any]]

# A user's own text; above it the answer is an `error` event.
MAX_CONTENT_CHARACTERS = 20_000
_MAX_FIELD_CHARACTERS = 200


class AgentChat:
    """The application's events around one manager."""

    def __init__(self, manager: ConnectionManager, token: str | None = None) -> None:
        self.manager = manager
        self.simulation = Simulation(manager)
        self._token = token
        self._counter = itertools.count(1)
        self._replies: set[asyncio.Task[None]] = set()
        self._closed = False
        manager.sio.on("connect", self._connect)
        manager.sio.on("disconnect", self._disconnect)
        for event, handler in {
            "message_send": self._message_send,
            "agent_invoke": self._agent_invoke,
            "user_typing": self._user_typing,
            "ping": self._ping,
            "get_stats": self._get_stats,
        }.items():
            manager.sio.on(event, self._answering(event, handler))

    async def close(self) -> None:
        """End the simulation, send what is held back, give it 50 ms to leave, and close the connections; only once."""
        if self._closed:
            return
        self._closed = True
        self.simulation.stop()
        for reply in self._replies:
            reply.cancel()
        self.manager.close()
        await asyncio.sleep(0.05)
        eio = self.manager.sio.eio
        for socket in list(eio.sockets.values()):
            await socket.close(wait=False, reason=eio.reason.SERVER_DISCONNECT)
        await self.manager.sio.shutdown()

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        if self._token is not None and not (isinstance(auth, dict) and is_token(auth.get("token"), self._token)):
            raise socketio.exceptions.ConnectionRefusedError("a token is needed")
        await self.manager.identify(sid, sid)
        await self.simulation.seating.sit(sid)

    async def _disconnect(self, sid: str, _reason: str = "") -> None:
        self.simulation.seating.leave(sid)

    async def _message_send(self, sid: str, data: Any = None) -> dict[str, Any]:
        message = {
            "message_id": self._new_id("msg"),
            "channel_id": _text(data, "channel_id", default="general"),
            "author_type": "user",
            "author_id": sid,
            "author_name": f"user-{sid[:6]}",
            "content": _text(data, "content", MAX_CONTENT_CHARACTERS),
            "created_at": _now_iso(),
        }
        await self.manager.broadcast("message_new", message, room=EVERYBODY)
        return {"message_id": message["message_id"]}

    async def _agent_invoke(self, sid: str, data: Any = None) -> dict[str, Any]:
        prompt = _text(data, "content", MAX_CONTENT_CHARACTERS)
        task = asyncio.get_running_loop().create_task(self._answer(seed=len(prompt)))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)
        return {"status": "invoked"}

    async def _answer(self, seed: int) -> None:
        """One agent thinks, streams and concludes: the first scene of a workload that knows nothing else."""
        before_s = 0.0
        for message in generate(seed, 50, Mix(streamed=1)):
            await asyncio.sleep(max(0.0, message.offset_ms / 1000 - before_s))
            before_s = message.offset_ms / 1000
            data = {key: value for key, value in message.data.items() if key != "seq"}
            await self.manager.broadcast(message.event, data, room=EVERYBODY)
            if message.event == "message_new" and data["author_type"] == "agent":
                return

    async def _user_typing(self, sid: str, data: Any = None) -> None:
        channel_id = _text(data, "channel_id", default="general")
        typing = {"channel_id": channel_id, "author_id": sid, "author_name": f"user-{sid[:6]}", "is_typing": True}
        await self.manager.broadcast("user_typing", typing, room=EVERYBODY, skip_sid=sid)

    async def _ping(self, sid: str, data: Any = None) -> None:
        await self.manager.send_to_user(sid, "pong", {"server_time": _now_iso()})

    async def _get_stats(self, sid: str, data: Any = None) -> None:
        await self.manager.send_to_user(sid, "stats_response", self.manager.get_stats())

    def _answering(self, event: str, handler: Handler) -> Handler:
        """The handler, with bad input answered by an `error` event and an acknowledgement that says the same."""

        async def answer(sid: str, *args: Any) -> Any:
            try:
                return await handler(sid, args[0] if args else None)
            except _RequestRefused as refused:
                reason = {"event": event, "error": str(refused)}
                await self.manager.send_to_user(sid, "error", reason)
                return reason

        return answer

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._counter)}"


class _RequestRefused(Exception):
    """What a client sent is not what the event takes."""


def _text(data: Any, name: str, most: int = _MAX_FIELD_CHARACTERS, default: str | None = None) -> str:
    if not isinstance(data, dict):
        raise _RequestRefused(f"the data is of type {type(data).__name__}; it must be an object")
    value = data.get(name, default)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise _RequestRefused(f"{name} must be a text of 1 to {most} characters")
    return value


def _now_iso() -> str:
    now_ms = time.time_ns() // 1_000_000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ms // 1000)) + f".{now_ms % 1000:03}Z"


class Application(socketio.ASGIApp):  # type: ignore[misc]
    """Socket.IO and FastAPI as one ASGI application, with the agents talking while it runs."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        token: str | None = None,
        origins: Sequence[str] = (),
        simulate: bool = True,
        seed: int = 1,
        rate_per_s: float = 20,
        mix: str = "chat",
    ) -> None:
        if simulate:
            generate(seed, rate_per_s, mix)  # raises for wrong figures now rather than at start-up
        # None lets python-socketio accept the server's own origin only.
        sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=list(origins) or None)
        self.manager = attach(sio, settings)
        self.chat = AgentChat(self.manager, token)

        async def on_startup() -> None:
            if simulate:
                self.chat.simulation.start(seed=seed, rate_per_s=rate_per_s, mix=mix)

        super().__init__(
            sio,
            FastAPI(title="reznet_ws agent chat", version=metadata.version("reznet-ws")),
            on_startup=on_startup,
            on_shutdown=self.chat.close,
        )
        self.other_asgi_app.include_router(stats_router(self.manager, token))

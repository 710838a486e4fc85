"""A small server with a few clients, for checks that show what is wrong.

In: events and wishes of clients. Out: what was negotiated, told and counted.
Never: outlives `stop`; waits longer than `TIMEOUT_S` for anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import socketio

from reznet_ws.adapters.manager import attach
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.settings import Settings

TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Connected:
    """A client, and whether permessage-deflate was negotiated for it."""

    client: socketio.AsyncClient
    is_deflated: bool
    told: dict[str, Any] | None


class OtherParser(socketio.packet.Packet):  # type: ignore[misc]
    """A parser that is not Socket.IO's default, as `serializer="msgpack"` is one."""

    uses_binary_events = False


class Bench:
    """One server with the recommended settings; every client is in its room of everybody."""

    def __init__(self) -> None:
        sio = socketio.AsyncServer(async_mode="asgi")
        self._manager = attach(sio, Settings.recommended())
        sio.on("connect", lambda *_: None)
        sio.on("hello", lambda *_: "hello")
        self._server = ServerThread(socketio.ASGIApp(sio), stopping=self._close)
        self._clients: list[socketio.AsyncClient] = []

    @property
    def is_running(self) -> bool:
        """Whether the server runs."""
        return self._server.is_running

    def connect(self, *, deflate: bool = True, format: int | None = None) -> Connected:  # noqa: A002
        """A client over WebSocket that offers permessage-deflate or not, and asks for a format or not."""
        return self._server.submit(self._connect(deflate, format)).result(TIMEOUT_S)

    def ask(self, format: int | None) -> dict[str, Any] | None:  # noqa: A002
        """What a client that asks for a format is told; None for one that asks for nothing."""
        return self.connect(format=format).told

    def emit(self, event: str, data: Any) -> None:
        """Emit to everybody, as an application does. Raises: PayloadError."""
        self._server.submit(self._manager.sio.emit(event, data)).result(TIMEOUT_S)

    def stats_after(self, data: Any, clients: Iterable[Connected]) -> dict[str, Any]:
        """The figures after one `message_new` that some of the clients, all of them stock, have received."""
        waiting = self._server.call(lambda: [_arrival(item.client, "message_new") for item in clients])
        self._server.submit(self._leave_all_but([item.client for item in clients])).result(TIMEOUT_S)
        self._server.call(self._manager.reset_stats)
        self.emit("message_new", data)
        for arrived in waiting:
            if not arrived.wait(TIMEOUT_S):
                raise TimeoutError("the message has not arrived")
        return self._server.call(self._manager.get_stats)

    def stop(self) -> None:
        """Disconnect the clients and end the server."""
        self._server.stop()

    async def _connect(self, deflate: bool, asked: int | None) -> Connected:
        client = socketio.AsyncClient(
            handle_sigint=False,
            reconnection=False,
            websocket_extra_options={"compress": 15} if deflate else {},
        )
        told: dict[str, Any] = {}
        client.on(GRANT_EVENT, told.update)
        self._clients.append(client)
        query = "" if asked is None else f"?reznet={asked}"
        await client.connect(self._server.url + query, transports=["websocket"])
        # An answer to a request comes behind whatever was told before.
        await client.call("hello", timeout=TIMEOUT_S)
        return Connected(client, bool(client.eio.ws.compress), told or None)

    async def _leave_all_but(self, staying: list[socketio.AsyncClient]) -> None:
        for client in self._clients:
            if client not in staying:
                await client.disconnect()
        self._clients = list(staying)

    async def _close(self) -> None:
        await self._leave_all_but([])
        self._manager.close()
        await self._manager.sio.shutdown()


def _arrival(client: socketio.AsyncClient, event: str) -> threading.Event:
    arrived = threading.Event()

    async def arrive(_data: Any) -> None:
        arrived.set()

    client.on(event, arrive)
    return arrived

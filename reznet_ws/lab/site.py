"""What a lab serves: an ASGI application with a Socket.IO server, and how to end it.

In: settings. Out: an application that waits to be served.
Never: listens, or starts traffic.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import socketio

from reznet_ws.adapters.manager import ConnectionManager, attach
from reznet_ws.demo.chat import Application
from reznet_ws.demo.simulation import Simulation
from reznet_ws.settings import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """An application; `given_manager` is None where nothing is attached, `simulation` where no agents talk."""

    sio: socketio.AsyncServer
    app: Any
    close: Callable[[], Awaitable[None]]
    given_manager: ConnectionManager | None = None
    simulation: Simulation | None = None

    @property
    def manager(self) -> ConnectionManager:
        """What `attach` gave. Raises: RuntimeError for a stock server."""
        if self.given_manager is None:
            raise RuntimeError("a stock server has neither settings nor figures")
        return self.given_manager


def chat_site(settings: Settings) -> Site:
    """The demo's agent chat, with the agents silent."""
    app = Application(settings, simulate=False)
    return Site(app.manager.sio, app, app.chat.close, app.manager, app.chat.simulation)


def bare_site(settings: Settings | None, **options: Any) -> Site:
    """A server with no application: it answers "hello". Without settings it is a stock server.

    Its session ids count up, so that a connection carries the same bytes each time. `options` are python-socketio's.
    """
    # Clients on plain sockets answer no pings.
    sio = socketio.AsyncServer(async_mode="asgi", **{"ping_interval": 1000, **options})
    numbers = itertools.count()
    sio.eio.generate_id = lambda: f"{next(numbers):020}"
    manager = None if settings is None else attach(sio, settings)
    sio.on("hello", lambda *_: "hello")

    async def close() -> None:
        if manager is not None:
            manager.close()
        for socket in list(sio.eio.sockets.values()):
            await socket.close(wait=False)
        await sio.shutdown()

    return Site(sio, socketio.ASGIApp(sio), close, manager)

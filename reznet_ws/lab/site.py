"""What a lab serves: an ASGI application with a Socket.IO server, and how to end it.

In: settings. Out: an application that waits to be served.
Never: listens, or starts traffic.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import socketio

from reznet_ws.adapters.manager import ConnectionManager, attach
from reznet_ws.adapters.mounted import find_server
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
    lifespan: Literal["auto", "off"] = "off"

    @property
    def manager(self) -> ConnectionManager:
        """What `attach` gave. Raises: RuntimeError for a stock server."""
        if self.given_manager is None:
            raise RuntimeError("a stock server has neither settings nor figures")
        return self.given_manager


def chat_site(settings: Settings) -> Site:
    """The demo's agent chat, with the agents silent."""
    from reznet_ws.demo.chat import Application  # FastAPI is for who serves it

    app = Application(settings, simulate=False)
    return Site(app.manager.sio, app, app.chat.close, app.manager, app.chat.simulation)


def own_site(app: Any, sio: Any, settings: Settings | None) -> Site:
    """Anybody's application; one that has our layers keeps its settings where none are given.

    `app` may be a name as uvicorn takes it ("module:app"). Raises: ValueError where no Socket.IO server is found, what
    `attach` raises for a server that cannot have our layers, and what the import of a name raises.
    """
    if isinstance(app, str):
        app = import_named(app)
    if isinstance(sio, str):
        sio = import_named(sio)
    server = find_server(app) if sio is None else sio
    manager = attach(server, settings)

    async def close() -> None:
        manager.close()
        for socket in list(server.eio.sockets.values()):
            await socket.close(wait=False)

    return Site(server, app or socketio.ASGIApp(server), close, manager, lifespan="auto")


def import_named(name: str) -> Any:
    """What "module:attribute" names. Raises: ValueError for what is no such name, ImportError, AttributeError."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"{name!r} does not name an application; write it as uvicorn takes it, module:app")
    thing: Any = importlib.import_module(module)
    for part in attribute.split("."):
        thing = getattr(thing, part)
    return thing


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

"""python-socketio on uvicorn, as it comes or with this project attached in one of its ways.

In: arguments. Out: a server in which every client joins one room that all is emitted to.
Never: sets anything else: both get uvicorn's defaults, but for its log.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import socketio
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from benchmarks.contestants import WAYS, way_settings
from benchmarks.servers.conductor import Conductor, announce, read_lists
from reznet_ws.adapters.manager import attach
from reznet_ws.adapters.serving import listen

ROOM = "chat"


class WideWindowProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own with websockets' default figures: 15 bits, zlib's memory level."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn.available_extensions = [ServerPerMessageDeflateFactory()]


# What uvicorn is told for each way of permessage-deflate.
_DEFLATE: dict[str, dict[str, Any]] = {
    "off": {"ws_per_message_deflate": False},
    "12": {},
    "15": {"ws": WideWindowProtocol},
}


def make_server() -> socketio.AsyncServer:
    """A Socket.IO server whose clients all join the room."""
    sio = socketio.AsyncServer(async_mode="asgi")

    async def join(sid: str, environ: dict[str, Any]) -> None:
        await sio.enter_room(sid, ROOM)

    sio.on("connect", join)
    return sio


def make_emit(sio: socketio.AsyncServer) -> Callable[[tuple[str, Any]], Awaitable[None]]:
    """What sends one event to the room."""

    async def emit(message: tuple[str, Any]) -> None:
        event, data = message
        await sio.emit(event, data, room=ROOM)

    return emit


class _AnnouncingServer(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, conductor: Conductor, port: int) -> None:
        super().__init__(config)
        self._conductor, self._port = conductor, port

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        announce(self._port, await self._conductor.listen())


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--deflate", choices=_DEFLATE)
    how.add_argument("--way", choices=WAYS)
    parser.add_argument("messages")
    args = parser.parse_args()
    sio = make_server()
    if args.way:
        attach(sio, way_settings(args.way))
    options = _DEFLATE[args.deflate or "12"]
    config = uvicorn.Config(socketio.ASGIApp(sio), log_level="error", **options)
    bound = listen("127.0.0.1", 0)

    async def serve() -> None:
        conductor = Conductor(read_lists(args.messages), make_emit(sio))
        await _AnnouncingServer(config, conductor, bound.getsockname()[1]).serve(sockets=[bound])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()

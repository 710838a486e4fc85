"""python-socketio on uvicorn, as it comes or with this project attached in one of its ways.

In: arguments, a script. Out: a server whose clients join their slots' rooms, and that emits what the script has.
Never: sets anything else: both get uvicorn's defaults, but for its log.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any
from urllib.parse import parse_qs

import socketio
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from benchmarks.contestants import WAYS
from benchmarks.servers.conductor import Conductor, announce
from reznet_ws.adapters.manager import attach
from reznet_ws.adapters.serving import listen
from reznet_ws.replay.script import Script, Sending, read_script


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


class Seating:
    """The Socket.IO server and who is in which slot."""

    def __init__(self, script: Script) -> None:
        self.sio = socketio.AsyncServer(async_mode="asgi")
        self.sio.on("connect", self._join)
        self._script = script
        self._sids = [""] * script.clients

    async def emit(self, sending: Sending) -> None:
        """Emit as an application does."""
        event, data = self._script.messages[sending.message]
        to = self._sids[sending.to] if isinstance(sending.to, int) else sending.to
        await self.sio.emit(event, data, to=to, skip_sid=None if sending.skip is None else self._sids[sending.skip])

    async def _join(self, sid: str, environ: dict[str, Any]) -> None:
        slot = int(parse_qs(environ["QUERY_STRING"])["slot"][0])
        self._sids[slot] = sid
        for room in self._script.rooms[slot]:
            await self.sio.enter_room(sid, room)


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
    parser.add_argument("script")
    args = parser.parse_args()
    script = read_script(args.script)
    seating = Seating(script)
    if args.way:
        attach(seating.sio, WAYS[args.way].settings())
    options = _DEFLATE[args.deflate or "12"]
    config = uvicorn.Config(socketio.ASGIApp(seating.sio), log_level="error", **options)
    bound = listen("127.0.0.1", 0)

    async def serve() -> None:
        conductor = Conductor(script.sendings, seating.emit)
        await _AnnouncingServer(config, conductor, bound.getsockname()[1]).serve(sockets=[bound])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()

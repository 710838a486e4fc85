"""What no server can beat in this loop: one prebuilt frame written to each raw socket.

In: arguments. Out: a server that answers a client's handshake and first message, and writes frames.
Never: compresses, queues, looks at what comes in, or builds a frame while it emits.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
from typing import Any, cast

from websockets.frames import Opcode

from benchmarks.servers.conductor import Conductor, announce
from reznet_ws.deflate.frame import build_frame
from reznet_ws.replay.script import Sending, read_script

# Source: RFC 6455 section 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_REQUEST_BYTES = 8192
_OPEN = build_frame(
    Opcode.TEXT,
    b'0{"sid":"floor","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
)
_JOINED = build_frame(Opcode.TEXT, b'40{"sid":"floor"}')


class FloorProtocol(asyncio.Protocol):
    """One connection: the handshake, the first message, nothing more."""

    def __init__(self, transports: list[asyncio.Transport | None]) -> None:
        self._transports = transports
        self._request = b""
        self._is_open = self._is_joined = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer the request, then whatever comes next."""
        if self._is_open and not self._is_joined:
            self._is_joined = True
            self._transport.write(_JOINED)
            self._transports[_slot(self._request)] = self._transport
        elif not self._is_open:
            self._request += data
            if b"\r\n\r\n" in self._request:
                self._is_open = True
                self._transport.write(_handshake(self._request) + _OPEN)
            elif len(self._request) > _MAX_REQUEST_BYTES:
                self._transport.abort()


def _slot(request: bytes) -> int:
    """Source: RawClient.ask."""
    _, _, rest = request.partition(b"slot=")
    return int(re.split(rb"[ &]", rest, maxsplit=1)[0])


def _handshake(request: bytes) -> bytes:
    key = next(
        line.partition(b":")[2].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


def _frame(message: tuple[str, Any]) -> bytes:
    return build_frame(Opcode.TEXT, b"42" + json.dumps(message, separators=(",", ":")).encode())


async def serve(path: str) -> None:
    """Serve until told to stop."""
    script = read_script(path)
    transports: list[asyncio.Transport | None] = [None] * script.clients
    frames = list(map(_frame, script.messages))
    reached = dict(zip(script.sendings, script.receivers(), strict=True))

    async def emit(sending: Sending) -> None:
        frame = frames[sending.message]
        for slot in reached[sending]:
            transport = transports[slot]
            assert transport is not None
            transport.write(frame)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FloorProtocol(transports), "127.0.0.1", 0, backlog=2048)
    conductor = Conductor(script.sendings, emit)
    announce(int(server.sockets[0].getsockname()[1]), await conductor.listen())
    await server.serve_forever()


def main() -> None:
    """Run in the loop that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), required=True)
    parser.add_argument("script")
    args = parser.parse_args()
    factory = None
    if args.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(args.script))


if __name__ == "__main__":
    main()

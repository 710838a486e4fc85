"""One WebTransport session, shown to an ASGI application as a WebSocket connection.

In: the packets of the session's stream, and what the application sends. Out: ASGI's messages, and bytes on the stream.
Never: names aioquic; the connection below does.

The first packet on the stream is `0`, which a WebSocket client does not send and the application does not see.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from reznet_ws.message.packet_stream import Decoder, PacketStreamError, encode

logger = logging.getLogger("reznet_ws")

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[Any]]

# WebSocket's codes for the same (RFC 6455, 7.4.1), which the capsule that closes a session carries.
NORMAL, PROTOCOL_ERROR, TOO_MUCH, INTERNAL_ERROR, RESTART, TRY_AGAIN_LATER = 1000, 1002, 1009, 1011, 1012, 1013
NEVER_OPENED = "opened no stream in time"

# What may wait for the client to acknowledge it; more holds up who sends.
HIGH_WATER_BYTES = 65_536
# How long a client may acknowledge nothing while something waits, and how long a goodbye waits for what is before it.
STALLED_S = 20.0
_GOODBYE_S = 1.0
# What the application may leave unread, beside one packet; engineio reads at once.
_MOST_UNREAD_BYTES = 1_000_000
_PACKET_BYTES = 100


class Wire(Protocol):
    """What carries a session."""

    def respond(self, status: int, *, end: bool) -> None:
        """Answer the client's request for a session."""

    def write(self, data: bytes) -> None:
        """Send on the session's stream."""

    def waiting_bytes(self) -> int:
        """What is written and not yet acknowledged."""

    def close_session(self, code: int, reason: str) -> None:
        """Say goodbye, and end the connection."""


class Session:
    """One session; `scope` is what ASGI tells of a WebSocket connection."""

    def __init__(self, wire: Wire, scope: dict[str, Any], max_packet_bytes: int) -> None:
        self.scope = scope
        self._wire = wire
        self._decoder = Decoder(max_packet_bytes)
        self._most_unread_bytes = _MOST_UNREAD_BYTES + max_packet_bytes
        self._unread: deque[str | bytes] = deque()
        self._unread_bytes = 0
        self._is_asked = self._is_accepted = self._is_open = self._is_over = False
        # Set whenever any of these changes, or the client acknowledges something.
        self._news = asyncio.Event()

    # From the client

    def feed(self, data: bytes) -> None:
        """Bytes arrived on the stream."""
        if self._is_over:
            return
        try:
            packets = self._decoder.feed(data)
        except PacketStreamError as error:
            self.fail(PROTOCOL_ERROR, str(error))
            return
        if packets and not self._is_open:
            if packets.pop(0) != "0":  # with a session in it, a client would upgrade; none is asked to
                self.fail(PROTOCOL_ERROR, "the first packet does not open a new session")
                return
            self._is_open = True
        self._unread += packets
        self._unread_bytes += sum(len(packet) + _PACKET_BYTES for packet in packets)
        if self._unread_bytes > self._most_unread_bytes:
            self.fail(TOO_MUCH, "sends faster than it is read")
        self._news.set()

    def acknowledged(self) -> None:
        """The client may have acknowledged something."""
        self._news.set()

    def end(self) -> None:
        """Nothing can be sent any more."""
        self._is_over = True
        self._unread.clear()
        self._news.set()

    def fail(self, code: int, reason: str) -> None:
        """Close the session at once."""
        if self._is_over:
            return
        self.end()
        if self._is_accepted:
            self._wire.close_session(code, reason)
        else:
            self._wire.respond(503 if code == RESTART else 400, end=True)

    def expire(self) -> None:
        """The time to open the stream is over."""
        if not self._is_open:
            self.fail(PROTOCOL_ERROR, NEVER_OPENED)

    # To and from the application

    async def receive(self) -> Message:
        """What ASGI calls receive."""
        if not self._is_asked:
            self._is_asked = True
            return {"type": "websocket.connect"}
        while not self._unread and not self._is_over:
            await self._wait()
        if not self._unread:
            return {"type": "websocket.disconnect", "code": NORMAL}
        packet = self._unread.popleft()
        self._unread_bytes -= len(packet) + _PACKET_BYTES
        kind = "text" if isinstance(packet, str) else "bytes"
        return {"type": "websocket.receive", "text": None, "bytes": None, kind: packet}

    async def send(self, message: Message) -> None:
        """What ASGI calls send. Raises: OSError, when the session is over."""
        if message["type"] == "websocket.accept":
            self._raise_if_over()
            self._is_accepted = True
            self._wire.respond(200, end=False)
        elif message["type"] == "websocket.send":
            data = message.get("bytes")
            await self._write(encode(message["text"] if data is None else data))
        elif message["type"] == "websocket.close" and not self._is_over:
            await self._close(message.get("code", NORMAL), message.get("reason") or "")

    async def _write(self, data: bytes) -> None:
        while not self._is_open:
            self._raise_if_over()
            await self._wait()
        self._raise_if_over()
        self._wire.write(data)
        waiting_bytes = self._wire.waiting_bytes()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + STALLED_S
        while waiting_bytes > HIGH_WATER_BYTES:
            try:
                async with asyncio.timeout_at(until_s):
                    await self._wait()
            except TimeoutError:
                self.fail(TRY_AGAIN_LATER, "reads too slowly")
            self._raise_if_over()
            before_bytes, waiting_bytes = waiting_bytes, self._wire.waiting_bytes()
            if waiting_bytes < before_bytes:
                until_s = loop.time() + STALLED_S

    async def _close(self, code: int, reason: str) -> None:
        if not self._is_accepted:
            self.end()
            self._wire.respond(403, end=True)
            return
        try:
            async with asyncio.timeout(_GOODBYE_S):
                while self._is_open and not self._is_over and self._wire.waiting_bytes():
                    await self._wait()
        except TimeoutError:
            pass
        self.fail(code, reason)

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _raise_if_over(self) -> None:
        if self._is_over:
            raise OSError("the session is over")


async def serve_session(app: App, session: Session) -> None:
    """Serve a session by an application, until either of them ends.

    A function, so that this task's coroutine has no `self`, which would be looked at as a server to take over.
    """
    try:
        await app(session.scope, session.receive, session.send)
    except Exception:
        logger.exception("An application failed while it served a WebTransport session")
        session.fail(INTERNAL_ERROR, "the application failed")
    finally:
        session.fail(NORMAL, "")

"""uvicorn's WebSocket protocol with every byte counted, and messages on a line of their own.

In: what uvicorn reads, ASGI messages, and whole frames from the road. Out: bytes at the transport.
Never: knows of Socket.IO.

A connection becomes one of ours before its handshake is answered: the object that uvicorn has made for it gets our
class. Private names are listed in `adapters/compat.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import State

from reznet_ws.adapters.compat import size_name
from reznet_ws.adapters.tls import counting_tls
from reznet_ws.adapters.websockets import SharedDeflate, SharedDeflateFactory
from reznet_ws.deflate.frame import TEXT, Frame
from reznet_ws.ledger import payload_bytes
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.line import CountingTransport, Line

# Engine.IO's packet type for what Socket.IO sends (engine.io-protocol 4, "message").
_MESSAGE = b"4"
_EXTENSIONS_HEADER = "Sec-WebSocket-Extensions"
_SERVICE_RESTART = 1012
# How long a server that stops waits for a client to answer its goodbye: one that is closed before would lose what it
# has been sent and not yet read, where it is sending itself (RFC 2525 section 2.17).
_LAST_WORD_S = 1.0
# uvicorn's modules whose protocols ours takes the place of.
DISPLACED = ("uvicorn.protocols.websockets.wsproto_impl", "uvicorn.protocols.websockets.websockets_impl")


class Held(Protocol):
    """Who holds a connection for engineio, and lets it go when it is lost."""

    def release(self) -> None:
        """The connection is lost, and nothing is left to take over."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A connection that was taken over."""

    transport: Any
    # Told when nothing can be written any more, for whatever reason.
    on_end: Callable[[], object] | None = None
    # Told when the server stops: nothing more is read, and what is queued for the client is followed by a goodbye.
    on_stop: Callable[[], object] | None = None
    # Says which packet it is that engineio's writer sends.
    find_packet: Callable[[str | bytes], Any] | None = None
    # uvicorn has these from 0.52 on.
    disconnected = False
    close_timeout = 10.0
    close_timer: asyncio.TimerHandle | None = None
    takeover: Held | None = None
    _broadcast: Broadcast
    _end_timer: asyncio.TimerHandle | None = None
    _stop_timer: asyncio.TimerHandle | None = None
    _is_stopping = False

    def take_over(self, broadcast: Broadcast, max_message_bytes: int) -> Line:
        """Negotiate permessage-deflate anew, by the settings in force, and give the line that frames are put on.

        To be called before the handshake is answered; larger messages close the connection with 1009.
        """
        self._broadcast = broadcast
        counter = self.transport
        transport = counter.inner if isinstance(counter, CountingTransport) else counter
        line = Line(counting_tls(transport, broadcast.ledger), broadcast.ledger)
        self.transport = line
        bound = self.config.ws_max_size
        name = size_name()
        assert name is not None, "probed before"
        setattr(self.conn, name, max_message_bytes if bound is None else min(max_message_bytes, bound))
        deflates = self.config.ws_per_message_deflate
        factories = [SharedDeflateFactory(broadcast.settings, self._compress)] if deflates else []
        self.conn.available_extensions = factories
        answer, self.conn.extensions = self.conn.process_extensions(self.request.headers)
        if self.conn.extensions:
            line.inflater = cast(SharedDeflate, self.conn.extensions[0]).inflater
        headers = self.response.headers
        if _EXTENSIONS_HEADER in headers:
            del headers[_EXTENSIONS_HEADER]
        if answer is not None:
            headers[_EXTENSIONS_HEADER] = answer
        return line

    def _compress(self, opcode: int, data: bytes) -> tuple[bytes, bool]:
        """Compress what engineio's writer sends, as the road would."""
        line: Line = self.transport
        packet = None
        if self.find_packet is not None:
            packet = self.find_packet(data.decode() if opcode == TEXT else data)
        road = self._broadcast
        may_share = road.settings.deflate_shared and road.connections.are_several
        if may_share and packet is None and opcode == TEXT and not data.startswith(_MESSAGE):
            return data, False  # a handshake or a ping: nothing to gain, and nobody else is sent the same
        frame = Frame(opcode, data) if packet is None else packet.frame
        wire = road.histories.frame_for_one(frame, line, road.settings)
        if packet is not None:
            road.ledger.record(packet.dispatch.shares, len(data), len(wire), first=packet.index == 0)
        return wire[len(wire) - payload_bytes(len(wire)) :], bool(wire[0] & 0x40)

    def fail(self, code: int, reason: str) -> None:
        """Say goodbye behind what the socket has yet to take, and cut the connection if that takes too long."""
        self._end()
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.give_up(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def end_session(self) -> None:
        """The session is over: cut the connection where the client does not take soon what it is still due.

        A client that stops reading and stays would keep its socket, its queue and its task for ever.
        """
        if not self.disconnected and self._end_timer is None:
            self._end_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer, unless the client takes no answers: it could fill the memory with them."""
        if self.transport.is_backed_up:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def handle_cont(self, event: WebSocketFrame) -> None:
        """Take another fragment; one that holds nothing is forgotten, since there may be any number of them."""
        if event.data or event.fin:
            super().handle_cont(event)

    def pause_writing(self) -> None:
        """The transport has more than it can take at once: let frames queue up."""
        self.writable.clear()  # which uvicorn does itself from 0.52 on
        if isinstance(self.transport, Line):
            self.transport.pause()

    def resume_writing(self) -> None:
        """Take frames again."""
        self.writable.set()
        if isinstance(self.transport, Line):
            self.transport.resume()

    # What ends a connection

    def handle_close(self, event: WebSocketFrame) -> None:
        """The client says goodbye."""
        self._end()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """The client broke the protocol."""
        self._end()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        """The client is gone."""
        self._end()
        super().keepalive_timeout()

    def shutdown(self) -> None:
        """The server stops: the client is told so once it has all that it is due, or its time is over.

        uvicorn waits until all connections are gone; only then does the application learn of the end.
        """
        if self.on_stop is None or self.close_sent:  # nobody has joined, or it ends already
            self._end()
            try:
                super().shutdown()
            except InvalidState:  # uvicorn before 0.52.1 says goodbye again
                self.transport.close()
            return
        self._broadcast.flush()
        deadline_s, drain_s = stop_times(self._broadcast, self.config)
        if drain_s:
            self._stop_timer = self.loop.call_later(random.random() * drain_s, self._stop, deadline_s)
        else:
            self._stop(deadline_s)

    def _stop(self, deadline_s: float) -> None:
        self._is_stopping = True
        self.close_timeout = min(_LAST_WORD_S, deadline_s)
        self._stop_timer = self.loop.call_later(deadline_s, self._cut)
        if self.on_stop is not None:
            self.on_stop()

    def _cut(self) -> None:
        """The time is over."""
        if self.close_sent:
            self.transport.abort()
        else:
            self.fail(_SERVICE_RESTART, "")

    async def send(self, message: Any) -> None:
        """Send an ASGI message; a goodbye goes behind all that is queued."""
        if message["type"] == "websocket.close" and self.handshake_complete and isinstance(self.transport, Line):
            await self.transport.drained()
            if self._is_stopping:
                message = {**message, "code": _SERVICE_RESTART}
                self._broadcast.flush()
                while self.transport.is_backed_up:
                    await self.transport.drained()
                    self._broadcast.flush()
            self._end()
        await super().send(message)
        if message["type"] == "websocket.accept" and self.handshake_complete:
            self.request.headers.clear()  # which websockets' parser holds on to
            del self.request, self.response

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the histories that others share."""
        self._end()
        super().connection_lost(exc)
        self.disconnected = True
        self.writable.set()
        for timer in (self._end_timer, self._stop_timer):
            if timer is not None:
                timer.cancel()
        if isinstance(self.transport, Line):
            self._broadcast.lose_line(self.transport)
        # engineio keeps the session until its ping is due, and that would keep all of this; the rest goes in circles.
        if self.takeover is not None:
            self.takeover.release()
        self.on_end = self.on_stop = self.find_packet = self.takeover = None
        self.conn.extensions = []

    def _end(self) -> None:
        if self.on_end is not None:
            self.on_end()


def stop_times(road: Broadcast, config: Any) -> tuple[float, float]:
    """What a slow reader may take, and over what the goodbyes are spread, in s; uvicorn may end the process before."""
    deadline_s, drain_s = road.settings.stop_deadline_s, road.settings.stop_drain_s
    most_s = config.timeout_graceful_shutdown
    return (deadline_s, drain_s) if most_s is None else (min(deadline_s, most_s / 2), min(drain_s, most_s / 2))

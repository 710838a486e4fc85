"""uvicorn's protocols with every byte counted where it is handed to the transport.

In: what uvicorn reads, and ASGI messages; text and bytes that carry a `Tally`. Out: the same bytes as uvicorn's own
classes write, counted; permessage-deflate by the settings of whoever takes a connection over.
Never: knows of Socket.IO.

Leans on uvicorn 0.54 (`protocols/websockets/websockets_sansio_impl.py`: `handle_connect` makes `self.request`,
`self.response` and `self.scope` and starts the application in a task of its own, the handshake is answered only at
`websocket.accept`, `send` writes at once; `protocols/http/httptools_impl.py`: an upgraded connection keeps the
transport object; `on_message_begin` makes the scope) and websockets 17.4 (`ServerProtocol.process_extensions`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from reznet_ws.deflate.extension import AdjustableDeflateFactory
from reznet_ws.outgoing.line import CountingTransport, Line
from reznet_ws.outgoing.writer import Writer

SCOPE_KEY = "reznet_ws"
_EXTENSIONS_HEADER = "Sec-WebSocket-Extensions"


class HttpProtocol(HttpToolsProtocol):
    """For uvicorn's `http=`: lets the responses of long-polling be counted."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count from the first byte on."""
        super().connection_made(cast(asyncio.Transport, CountingTransport(transport)))

    def on_message_begin(self) -> None:
        """Hand the counter to the application with each request."""
        super().on_message_begin()
        cast(dict[str, Any], self.scope)["extensions"] = {SCOPE_KEY: self.transport}


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """For uvicorn's `ws=`: permessage-deflate under control, every byte counted."""

    transport: Any
    # Told after each message that the application sent through ASGI has been written.
    on_sent: Callable[[], None] | None = None
    # Told when messages can no longer be written at once, for whatever reason.
    on_hindered: Callable[[], object] | None = None
    _is_paused = False
    _writer: Writer | None = None
    _end_timer: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """Hand this connection to the application in the scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):  # a request that is no handshake was answered already
            cast(dict[str, Any], self.scope["extensions"])[SCOPE_KEY] = self

    def take_over(self, writer: Writer, max_message_bytes: int) -> None:
        """Negotiate permessage-deflate anew, by the settings in force, and let a writer write what the server sends.

        To be called before the handshake is answered; larger messages close the connection with 1009.
        """
        if not isinstance(self.transport, Line):
            counter = self.transport  # of an HTTP connection that was upgraded, under `http=HttpProtocol`
            self.transport = Line(counter.inner if isinstance(counter, CountingTransport) else counter, writer.ledger)
        self._writer = writer
        self.conn.max_message_size = min(max_message_bytes, self.config.ws_max_size)
        self.conn.available_extensions = [AdjustableDeflateFactory(writer.holder)]
        answer, self.conn.extensions = self.conn.process_extensions(self.request.headers)
        if self.conn.extensions:
            self.transport.deflate = self.conn.extensions[0]
        headers = self.response.headers
        if _EXTENSIONS_HEADER in headers:
            del headers[_EXTENSIONS_HEADER]
        if answer is not None:
            headers[_EXTENSIONS_HEADER] = answer

    @property
    def line(self) -> Line:
        """Where messages are written, once this connection was taken over."""
        return cast(Line, self.transport)

    @property
    def can_write(self) -> bool:
        """Whether a message would go straight to the socket."""
        # OPEN from when the handshake is answered until a goodbye is sent or received.
        return not self._is_paused and self.conn.state is State.OPEN and not self.disconnected

    async def send(self, message: Any) -> None:
        """Write one message; one that many connections send is framed and counted with its tally."""
        writer = self._writer
        if message["type"] != "websocket.send" or writer is None or not self.handshake_complete or self.close_sent:
            self._hinder()
            return await super().send(message)
        await self.writable.wait()
        if not self.can_write:
            raise ClientDisconnected
        data = message.get("bytes")
        writer.write_late(message["text"] if data is None else data, self.line)
        if self.on_sent is not None:
            self.on_sent()

    def write(self, data: str | bytes) -> None:
        """Write one message past engineio; `can_write` must hold."""
        assert self._writer is not None
        self._writer.write(data, [self.line])

    def fail(self, code: int, reason: str) -> None:
        """Say goodbye behind what the socket has yet to take, and cut the connection if that takes too long."""
        self._hinder()
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def end(self) -> None:
        """The session is over: cut the connection where the client does not take soon what it is still due.

        A client that stops reading and stays would keep its socket, its queue and its task for ever.
        """
        if not self.disconnected and self._end_timer is None:
            self._end_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer, unless the client takes no answers: it could fill the memory with them."""
        if self._is_paused:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Take another fragment; one that holds nothing is forgotten, since there may be any number of them."""
        if event.data or event.fin:
            super().handle_cont(event)

    # What ends or interrupts the writing of messages

    def pause_writing(self) -> None:
        """The transport has more than it can take at once: let messages queue up."""
        super().pause_writing()
        self._is_paused = True
        self._hinder()

    def resume_writing(self) -> None:
        """Take messages again."""
        self._is_paused = False
        super().resume_writing()

    def handle_close(self, event: Frame) -> None:
        """The client says goodbye."""
        self._hinder()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """The client broke the protocol."""
        self._hinder()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        """The client is gone."""
        self._hinder()
        super().keepalive_timeout()

    def shutdown(self) -> None:
        """The server stops."""
        self._hinder()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the window that others share."""
        self._hinder()
        super().connection_lost(exc)
        if self._end_timer is not None:
            self._end_timer.cancel()
        if isinstance(self.transport, Line):
            self.transport.drop()

    def _hinder(self) -> None:
        if self.on_hindered is not None:
            self.on_hindered()


def find_connection(scope: MutableMapping[str, Any], send: Any) -> WebSocketProtocol | None:
    """The connection behind an ASGI websocket, or None where another server or a wrapper stands in between.

    Under `ws=WebSocketProtocol` the scope holds it. Under uvicorn's own class it is the one whose method `send` is; its
    handshake is not answered yet, so it can still become one of ours.
    """
    extensions = scope.setdefault("extensions", {})
    owner = extensions.get(SCOPE_KEY) or getattr(send, "__self__", None)
    if type(owner) is WebSocketsSansIOProtocol:
        owner.__class__ = WebSocketProtocol
        extensions[SCOPE_KEY] = owner
    return owner if isinstance(owner, WebSocketProtocol) else None


def find_counter(scope: MutableMapping[str, Any]) -> CountingTransport | None:
    """The counter behind an ASGI HTTP request; None without `http=HttpProtocol`."""
    counter = scope.get("extensions", {}).get(SCOPE_KEY)
    return counter if isinstance(counter, CountingTransport) else None

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
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from reznet_ws.deflate import AdjustableDeflate, AdjustableDeflateFactory, HasSettings
from reznet_ws.ledger import Ledger, Tally, payload_bytes
from reznet_ws.window import SharedFrame, build_frame

SCOPE_KEY = "reznet_ws"
_EXTENSIONS_HEADER = "Sec-WebSocket-Extensions"


class TalliedText(str):
    """Text of a packet that many connections send: framed once in each way, with the tally of its copies."""

    frame: SharedFrame
    tally: Tally
    first = True

    def __new__(cls, text: str, tally: Tally) -> TalliedText:
        """Text that begins a packet."""
        self = super().__new__(cls, text)
        self.frame = SharedFrame(Opcode.TEXT, text.encode())
        self.tally = tally
        return self


class TalliedBytes(bytes):
    """An attachment, with the tally of its packet."""

    frame: SharedFrame
    tally: Tally
    first = False

    def __new__(cls, data: bytes, tally: Tally) -> TalliedBytes:
        """Bytes that follow the text of their packet."""
        self = super().__new__(cls, data)
        self.frame = SharedFrame(Opcode.BINARY, data)
        self.tally = tally
        return self


Tallied = TalliedText | TalliedBytes


class CountingTransport:
    """A transport that counts what is written to it, and adds it to a ledger while one is set."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.sent_bytes = 0
        self.ledger: Ledger | None = None

    def write(self, data: bytes) -> None:
        """Count, then write."""
        self.sent_bytes += len(data)
        if self.ledger is not None:
            self.ledger.sent_bytes += len(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


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
    # What was negotiated; None without permessage-deflate.
    deflate: AdjustableDeflate | None = None
    _is_taken_over = False

    def handle_connect(self, event: Request) -> None:
        """Hand this connection to the application in the scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):  # a request that is no handshake was answered already
            cast(dict[str, Any], self.scope["extensions"])[SCOPE_KEY] = self

    def take_over(self, holder: HasSettings, ledger: Ledger, max_message_bytes: int) -> None:
        """Negotiate permessage-deflate anew, by the holder's settings, and count into a ledger.

        To be called before the handshake is answered; larger messages close the connection with 1009.
        """
        if not isinstance(self.transport, CountingTransport):
            self.transport = CountingTransport(self.transport)
        self._is_taken_over = True
        self.transport.ledger = ledger
        self.conn.max_message_size = max_message_bytes
        self.conn.available_extensions = [AdjustableDeflateFactory(holder)]
        answer, self.conn.extensions = self.conn.process_extensions(self.request.headers)
        self.deflate = cast(AdjustableDeflate, self.conn.extensions[0]) if self.conn.extensions else None
        headers = self.response.headers
        if _EXTENSIONS_HEADER in headers:
            del headers[_EXTENSIONS_HEADER]
        if answer is not None:
            headers[_EXTENSIONS_HEADER] = answer

    @property
    def can_write(self) -> bool:
        """Whether a message would go straight to the socket."""
        return self._is_open and self.writable.is_set() and not self.disconnected and self.conn.state is State.OPEN

    async def send(self, message: Any) -> None:
        """Write one message; one that many connections send is framed and counted with its tally."""
        if message["type"] != "websocket.send" or not self._is_open or not self._is_taken_over:
            return await super().send(message)
        await self.writable.wait()
        if self.disconnected or not self._is_open:
            raise ClientDisconnected
        data = message.get("bytes")
        data = message["text"] if data is None else data
        if self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.write(data)
        if self.on_sent is not None:
            self.on_sent()

    def write(self, data: str | bytes) -> None:
        """Write one message at once; `can_write` must hold."""
        if isinstance(data, (TalliedText, TalliedBytes)):
            wire = self._framed(data.frame)
            data.tally.record(len(data.frame.data), payload_bytes(len(wire)), len(wire), first=data.first)
        else:
            frame = (
                SharedFrame(Opcode.TEXT, data.encode()) if isinstance(data, str) else SharedFrame(Opcode.BINARY, data)
            )
            share(frame, [self])
            wire = self._framed(frame)
        self.transport.write(wire)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the window that others share."""
        super().connection_lost(exc)
        if self.deflate is not None:
            self.deflate.inflater.window = None

    @property
    def _is_open(self) -> bool:
        return self.handshake_complete and not self.close_sent and self.initial_response is None

    def _framed(self, frame: SharedFrame) -> bytes:
        deflate = self.deflate
        if deflate is None or frame.must_stay_clear:
            return frame.clear
        if deflate.shared_figures() is not None:
            return frame.take(deflate.inflater)
        alone = deflate.encode(Frame(frame.opcode, frame.data))
        return build_frame(frame.opcode, bytes(alone.data), compressed=alone.rsv1)


def share(frame: SharedFrame, connections: Iterable[WebSocketProtocol]) -> None:
    """Compress a message for all of some connections that can share a window, before each of them writes it."""
    if frame.must_stay_clear:
        return
    inflaters, figures = [], None
    for connection in connections:
        deflate = connection.deflate
        if deflate is not None and (shared := deflate.shared_figures()) is not None:
            figures = shared
            inflaters.append(deflate.inflater)
    if figures is not None:
        frame.plan(inflaters, figures)


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

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
from collections.abc import MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

from reznet_ws.deflate import AdjustableDeflateFactory, HasSettings
from reznet_ws.ledger import Ledger, Tally, payload_bytes

SCOPE_KEY = "reznet_ws"
_EXTENSIONS_HEADER = "Sec-WebSocket-Extensions"


class TalliedText(str):
    """Text of a packet that many connections send: encoded once, with the tally of its copies."""

    utf8: bytes
    tally: Tally
    first = True

    def __new__(cls, text: str, tally: Tally) -> TalliedText:
        """Text that begins a packet."""
        self = super().__new__(cls, text)
        self.utf8 = text.encode()
        self.tally = tally
        return self


class TalliedBytes(bytes):
    """An attachment, with the tally of its packet."""

    tally: Tally
    first = False

    def __new__(cls, data: bytes, tally: Tally) -> TalliedBytes:
        """Bytes that follow the text of their packet."""
        self = super().__new__(cls, data)
        self.tally = tally
        return self


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
        self.transport.ledger = ledger
        self.conn.max_message_size = max_message_bytes
        self.conn.available_extensions = [AdjustableDeflateFactory(holder)]
        answer, self.conn.extensions = self.conn.process_extensions(self.request.headers)
        headers = self.response.headers
        if _EXTENSIONS_HEADER in headers:
            del headers[_EXTENSIONS_HEADER]
        if answer is not None:
            headers[_EXTENSIONS_HEADER] = answer

    @property
    def deflates(self) -> bool:
        """Whether permessage-deflate was negotiated."""
        return bool(self.conn.extensions)

    async def send(self, message: Any) -> None:
        """Write one message; text that many connections send is encoded and counted with its tally."""
        if message["type"] != "websocket.send" or not self._is_open:
            return await super().send(message)
        await self.writable.wait()
        if self.disconnected or not self._is_open:
            raise ClientDisconnected
        data = message.get("bytes")
        try:
            self._write(message["text"] if data is None else data)
        except InvalidState:
            raise ClientDisconnected from None

    @property
    def _is_open(self) -> bool:
        return self.handshake_complete and not self.close_sent and self.initial_response is None

    def _write(self, data: str | bytes) -> None:
        if isinstance(data, str):
            encoded = data.utf8 if isinstance(data, TalliedText) else data.encode()
            self.conn.send_text(encoded)
        else:
            encoded = data
            self.conn.send_binary(encoded)
        wire = b"".join(self.conn.data_to_send())
        self.transport.write(wire)
        if isinstance(data, (TalliedText, TalliedBytes)):
            data.tally.record(len(encoded), payload_bytes(len(wire)), len(wire), first=data.first)


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

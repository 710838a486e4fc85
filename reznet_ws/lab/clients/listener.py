"""A client on a plain socket that keeps every byte.

In: a server's address. Out: frames as they came, and the messages in them.
Never: answers a ping, so it is for seconds and not for minutes.
Every message is inflated by the `websockets` library.
"""

from __future__ import annotations

import contextlib
import json
import socket
from types import TracebackType
from typing import Self

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.replay.frames import split_frames

TIMEOUT_S = 20
_READ_BYTES = 65_536
_END_OF_HEAD = b"\r\n\r\n"


class Listener:
    """One WebSocket in the default namespace, past its greetings; offers what browsers offer, or nothing.

    `query` is what it asks for, as `reznet=2`. `messages` holds what its frames said: texts, and bytes. `answer` is the
    head of the handshake's answer, `granted` what it grants. Raises: TimeoutError, ConnectionError.
    """

    def __init__(self, url: str, *, query: str = "", deflate: bool = True) -> None:
        path = f"/socket.io/?EIO=4&transport=websocket&{query}".removesuffix("&")
        address = parse_uri(f"{url.replace('http', 'ws', 1)}{path}")
        extensions = [ClientPerMessageDeflateFactory()] if deflate else None  # [] would send an empty header
        self._protocol = ClientProtocol(address, extensions=extensions, max_size=None)
        self.socket = socket.create_connection((address.host, address.port), TIMEOUT_S)
        self._raw = b""
        self.granted = ""
        self.messages: list[str | bytes] = []
        try:
            self._shake_hands()
            self._join(asks=bool(query))
        except BaseException:
            self.close()
            raise

    def read(self, count: int) -> list[bytes]:
        """The next frames, as they came. Raises: TimeoutError."""
        while len(frames := split_frames(self._raw)) < count:
            self._receive()
        self._raw = self._raw[sum(map(len, frames[:count])) :]
        return frames[:count]

    def close(self) -> None:
        """Say goodbye, unless that is over, and hang up; doing it twice does nothing."""
        if self.socket.fileno() >= 0:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                with contextlib.suppress(OSError):  # who has gone hears no goodbye
                    self._flush()
            self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _shake_hands(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while _END_OF_HEAD not in self._raw:
            self._receive()
        self.answer, _, self._raw = self._raw.partition(_END_OF_HEAD)

    def _join(self, *, asks: bool) -> None:
        """Engine.IO's greeting, then Socket.IO's, then the answer to who asked; behind it nothing is on its way."""
        self.read(1)
        self._protocol.send_text(b"40")
        self._flush()
        self.read(1)
        # What follows may have come in the same segment.
        greeting = next(text for text in map(str, self.messages) if text.startswith("40"))
        self.sid = str(json.loads(greeting[2:])["sid"])
        if asks and not any(GRANT_EVENT in str(message) for message in self.messages):
            self.read(1)
            assert GRANT_EVENT in str(self.messages[-1])
        self.messages.clear()

    def _receive(self) -> None:
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the server hung up")
        self._raw += data
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                said = bytes(event.data)
                self.messages.append(said.decode() if event.opcode is Opcode.TEXT else said)
            elif isinstance(event, Response):
                if self._protocol.handshake_exc is not None:
                    raise ConnectionError("the handshake failed") from self._protocol.handshake_exc
                self.granted = event.headers.get("Sec-WebSocket-Extensions", "")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.socket.sendall(data)

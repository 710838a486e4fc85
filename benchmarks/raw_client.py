"""One client's side of a Socket.IO connection over WebSocket, as light as can be.

In: bytes from the socket. Out: the text of each event, and bytes to answer with.
Never: touches a socket, reads a clock, or decodes JSON.

Offers permessage-deflate in Chromium's words. What it sends is masked with zeros: masks are there for proxies in
between (RFC 6455 section 10.3), and here are none.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import chain

from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.message.formats import GRANT_EVENT, QUERY_KEY, ROWS_FORMAT

_END_OF_HEADERS = b"\r\n\r\n"
_MAX_RESPONSE_BYTES = 16_384
_MAX_FRAME_BYTES = 16 * 1024 * 1024
_MAX_TEXT_BYTES = 32 * 1024 * 1024
_TAIL = b"\x00\x00\xff\xff"
_FIN, _RSV1, _OPCODE = 0x80, 0x40, 0x0F
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
# Engine.IO's ping is one character, in three bytes when compressed; an event takes four even where it is nothing but a
# reference to the one before.
_LONGEST_PING_BYTES = 3
_ROWS_QUERY = f"{QUERY_KEY}={ROWS_FORMAT}"
# What this project's server answers to a client that asks for a format.
_GRANT = f'42["{GRANT_EVENT}",'.encode()


class ProtocolError(ValueError):
    """A server said what no Socket.IO server says."""


class RawClient:
    """From the handshake to the last event. Counts are bytes at the socket, frame headers included."""

    __slots__ = (
        "_inflater",
        "_rest",
        "_rows",
        "_skip_bytes",
        "answer",
        "auth",
        "control_bytes",
        "event_bytes",
        "handshake_bytes",
        "is_closed",
        "is_joined",
        "is_open",
        "join_bytes",
        "joined_with",
    )

    def __init__(self) -> None:
        self._rest = b""
        self._skip_bytes = 0
        self._inflater: zlib._Decompress | None = None
        # Where it asks for format 3.
        self._rows: RowsDecoder | None = None
        self.answer = bytearray()
        # What goes with its CONNECT, at most 123 bytes, and what answered it.
        self.auth = self.joined_with = b""
        self.is_open = self.is_joined = self.is_closed = False
        self.handshake_bytes = self.join_bytes = self.event_bytes = self.control_bytes = 0

    def ask(self, host: str, port: int, query: str = "") -> bytes:
        """The request that opens the connection; `query` is added to the address."""
        if _ROWS_QUERY in query:
            self._rows = RowsDecoder()
        return (
            f"GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        ).encode()

    def receive(self, data: bytes) -> list[bytes]:
        """The events in what came. Raises: ProtocolError, zlib.error."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        start = 0
        if not self.is_open:
            start = self._open(data)
            if not start:
                return []
        return list(chain.from_iterable(self._texts(data, start)))

    def skim(self, data: bytes) -> int:
        """How many events began in what came, by their frames' headers alone; `receive` can follow no more."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        position, size, events = self._skip_bytes, len(data), 0
        while position + 2 <= size:
            length = data[position + 1]
            if length < 126:
                events += length > _LONGEST_PING_BYTES
                position += 2 + length
            else:
                body = position + (4 if length == 126 else 10)
                if body > size:
                    break
                events += 1
                position = body + int.from_bytes(data[position + 2 : body])
        self._skip_bytes = max(0, position - size)
        self._rest = data[position:]
        return events

    def _open(self, data: bytes) -> int:
        end = data.find(_END_OF_HEADERS)
        if end < 0:
            if len(data) > _MAX_RESPONSE_BYTES:
                raise ProtocolError(f"no end of headers in {len(data)} bytes")
            self._rest = data
            return 0
        lines = data[:end].split(b"\r\n")
        if b" 101 " not in lines[0] + b" ":
            raise ProtocolError(f"the handshake was answered with {lines[0][:80]!r}")
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-extensions":
                self._negotiate(value.strip().lower())
        self.is_open = True
        self.handshake_bytes = end + len(_END_OF_HEADERS)
        return self.handshake_bytes

    def _negotiate(self, granted: bytes) -> None:
        name, *_ = (part.strip() for part in granted.split(b";"))
        if name != b"permessage-deflate" or b"," in granted:
            raise ProtocolError(f"the server granted {granted[:80]!r}")
        # 15 bits inflate any smaller window, and what was compressed from fresh state.
        self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    def _texts(self, data: bytes, position: int) -> Iterator[Sequence[bytes]]:
        size = len(data)
        while position + 2 <= size:
            first, length = data[position], data[position + 1]
            body = position + 2
            if length >= 126:
                body = position + (4 if length == 126 else 10)
                if body > size:
                    break
                length = int.from_bytes(data[position + 2 : body])
                if length > _MAX_FRAME_BYTES:
                    raise ProtocolError(f"a frame of {length} bytes")
            end = body + length
            if end > size:
                break
            yield self._packet(first, data[body:end], end - position)
            position = end
        if position < size:
            self._rest = data[position:]

    def _packet(self, first: int, payload: bytes, frame_bytes: int) -> Sequence[bytes]:
        opcode = first & _OPCODE
        if not first & _FIN or opcode not in (_TEXT, _CLOSE, _PING, _PONG):
            raise ProtocolError(f"a frame that begins with {first:#x}")
        if opcode != _TEXT:
            self.control_bytes += frame_bytes
            self.is_closed = self.is_closed or opcode == _CLOSE
            if opcode == _PING:
                self._send(_PONG, payload)
            return ()
        text = self._inflate(payload) if first & _RSV1 else payload
        if text.startswith(_GRANT):
            self.join_bytes += frame_bytes
        elif text.startswith(b"42"):
            self.event_bytes += frame_bytes
            return (text,)
        elif text == b"2":
            self.control_bytes += frame_bytes
            self._send(_TEXT, b"3")
        elif text.startswith(b"0{"):
            self.join_bytes += frame_bytes
            self._send(_TEXT, b"40" + self.auth)
        elif text.startswith(b"40"):
            self.join_bytes += frame_bytes
            self.is_joined, self.joined_with = True, text
        elif text == b"6":
            self.control_bytes += frame_bytes
        elif self._rows is not None and text.startswith(b"4"):
            self.event_bytes += frame_bytes
            return [f"4{packet}".encode() for packet in self._rows.decode(text[1:].decode())]
        else:
            raise ProtocolError(f"a packet that begins with {text[:40]!r}")
        return ()

    def _inflate(self, payload: bytes) -> bytes:
        if self._inflater is None:
            raise ProtocolError("a compressed frame, and no compression was granted")
        text = self._inflater.decompress(payload + _TAIL, _MAX_TEXT_BYTES)
        if self._inflater.unconsumed_tail:
            raise ProtocolError(f"a message of more than {_MAX_TEXT_BYTES} bytes")
        return text

    def _send(self, opcode: int, payload: bytes) -> None:
        self.answer += bytes((_FIN | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload

"""A WebSocket out of the bytes of a TCP connection: its handshake, its messages, and what they took on the wire.

In: bytes of both sides, in order. Out: messages as an application sees them, after inflation.
Never: inflates more than a message may have; goes on behind a frame that breaks the protocol.

`websockets` reads the frames and undoes permessage-deflate, as it does for a connection of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from websockets.exceptions import InvalidHeader, PayloadTooBig, ProtocolError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.headers import parse_extension
from websockets.protocol import OPEN, SERVER, Protocol, Side

from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES

_MAX_HEAD_BYTES = 2**16
_REQUEST = re.compile(rb"GET (\S{1,8000}) HTTP/1\.1\r\n")
_HEADER = re.compile(rb"\r\n([A-Za-z0-9-]{1,64}):[ \t]*([^\r\n]*)")
_DEFAULT_BITS = 15


class NotWebSocket(Exception):
    """The connection is something else."""


class BrokenFrames(Exception):
    """The frames cannot be read from here on."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What both sides agreed on; `extensions` as the response has them, "" where there are none."""

    url: str
    extensions: str


class Head:
    """The beginning of one side's bytes, up to the end of an HTTP head."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The head and what is behind it, once it is there. Raises: NotWebSocket."""
        self._bytes += data
        end = self._bytes.find(b"\r\n\r\n")
        if end < 0:
            if len(self._bytes) > _MAX_HEAD_BYTES:
                raise NotWebSocket
            return None
        return bytes(self._bytes[:end]), bytes(self._bytes[end + 4 :])


def read_request(head: bytes) -> str:
    """The URL that a client asks a WebSocket of. Raises: NotWebSocket."""
    request, headers = _REQUEST.match(head), _headers(head)
    if request is None or headers.get("upgrade", "").lower() != "websocket":
        raise NotWebSocket
    return f"ws://{headers.get('host', '')}{request[1].decode('latin-1')}"


def read_response(head: bytes) -> str:
    """The extensions that a server grants. Raises: NotWebSocket."""
    if not head.startswith(b"HTTP/1.1 101"):
        raise NotWebSocket
    return _headers(head).get("sec-websocket-extensions", "")


class FrameReader:
    """One side's frames. `wire_bytes`: what its data frames took, headers and masks included; `frames`: how many."""

    def __init__(self, *, is_server: bool, extensions: str) -> None:
        # It takes the other side's part, who reads what this one sends.
        self._protocol = Protocol(Side.CLIENT if is_server else SERVER, state=OPEN, max_size=MAX_FRAME_BYTES)
        self._protocol.extensions = _deflates(extensions, is_server=is_server)
        self._mask_bytes = 0 if is_server else 4
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._all_bytes = self._control_bytes = 0
        self.frames = 0

    @property
    def wire_bytes(self) -> int:
        """Of whole frames."""
        return self._all_bytes - self._control_bytes - len(self._protocol.reader.buffer)

    def add(self, data: bytes) -> Iterator[str | bytes]:
        """The messages that are whole now. Raises: BrokenFrames."""
        self._all_bytes += len(data)
        self._protocol.receive_data(data)
        self._protocol.data_to_send()  # what it would answer
        for frame in self._protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode not in DATA_OPCODES:
                self._control_bytes += 2 + self._mask_bytes + len(frame.data)
                continue
            self.frames += 1
            if frame.opcode is not Opcode.CONT:
                self._opcode = frame.opcode
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message, self._parts = b"".join(self._parts), []
                yield message if self._opcode is Opcode.BINARY else message.decode("utf-8", "surrogateescape")
        error = self._protocol.parser_exc
        if isinstance(error, (ProtocolError, PayloadTooBig, UnicodeDecodeError)):
            raise BrokenFrames(str(error)) from error


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _HEADER.findall(head):
        key = name.decode("latin-1").lower()
        found[key] = f"{found[key]}, {value.decode('latin-1')}" if key in found else value.decode("latin-1").strip()
    return found


def _deflates(header: str, *, is_server: bool) -> list[Extension]:
    """What undoes one side's compression by what was granted. Raises: BrokenFrames for another extension."""
    if not header:
        return []
    try:
        extensions = parse_extension(header)
    except InvalidHeader as error:
        raise BrokenFrames(f"its extensions cannot be read: {error}") from error
    deflates: list[Extension] = []
    for name, parameters in extensions:
        if name != "permessage-deflate":
            raise BrokenFrames(f"its extension {name[:40]!r} is not known")
        said = dict(parameters)
        side = "server" if is_server else "client"
        bits = said.get(f"{side}_max_window_bits") or str(_DEFAULT_BITS)
        if bits not in map(str, range(8, 16)):
            raise BrokenFrames("its window has no such size")
        deflates.append(PerMessageDeflate(f"{side}_no_context_takeover" in said, False, int(bits), _DEFAULT_BITS))
    return deflates

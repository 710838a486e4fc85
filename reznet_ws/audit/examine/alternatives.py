"""What other servers' own settings make of a capture, for those who cannot change server or clients.

In: the captured frames. Out: wire bytes and memory for each setting, with the text to paste.
Never: changes a frame; only compresses it as that server would.

The sizes are zlib's. Node brings Chromium's variant of it, which differs by a few bytes in a thousand.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from reznet_ws.audit.examine.replayed import Alternative
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Spool
from reznet_ws.ledger import header_bytes
from reznet_ws.replay.memory import deflater_bytes

_TAIL_BYTES = 4
# A client masks what it sends with four bytes of its own. Source: RFC 6455 section 5.3.
MASK_BYTES = 4
_NEAR_FEWEST = 1.02


@dataclass(frozen=True, slots=True)
class Deflate:
    """How somebody compresses. `threshold_bytes` is None with context takeover."""

    level: int = -1
    bits: int = 15
    mem_level: int = 8
    threshold_bytes: int | None = None

    def compressor(self) -> zlib._Compress:
        """One that has seen nothing."""
        return zlib.compressobj(self.level, zlib.DEFLATED, -self.bits, self.mem_level)

    @property
    def memory_bytes(self) -> int:
        """What it takes for each connection; `ws` keeps its compressor without takeover too."""
        return deflater_bytes(self.bits, self.mem_level)


@dataclass(frozen=True, slots=True)
class _Option:
    server: str
    setting: str
    note: str
    deflate: Deflate | None
    source: str
    is_default: bool = False


_UVICORN = "uvicorn 0.54, protocols/websockets/websockets_sansio_impl.py"
_AIOHTTP = "aiohttp 3.14, _websocket/writer.py and _websocket/helpers.py"
_TORNADO = "Tornado 6.6, websocket.py; python-engineio 4.15, async_drivers/tornado.py"
_WS = "ws 8.23, lib/permessage-deflate.js and lib/sender.js; engine.io 6.6, build/server.js"

OPTIONS = (
    _Option("uvicorn", "uvicorn main:app", "on or off is all it offers", Deflate(-1, 12, 5), _UVICORN, True),
    _Option("uvicorn", "uvicorn main:app --ws-per-message-deflate false", "", None, _UVICORN),
    _Option(
        "aiohttp",
        "WebSocketResponse(compress=True)",
        "what python-socketio has there; zlib's fastest level",
        Deflate(1),
        _AIOHTTP,
        True,
    ),
    _Option("aiohttp", "WebSocketResponse(compress=False)", "", None, _AIOHTTP),
    _Option(
        "Tornado",
        "def get_compression_options(self): return {}",
        "what python-socketio has there",
        Deflate(6),
        _TORNADO,
        True,
    ),
    _Option(
        "Tornado",
        'def get_compression_options(self): return {"compression_level": 1, "mem_level": 6}',
        "the window cannot be set",
        Deflate(1, 15, 6),
        _TORNADO,
    ),
    _Option(
        "Tornado",
        'def get_compression_options(self): return {"compression_level": 9, "mem_level": 9}',
        "the window cannot be set",
        Deflate(9, 15, 9),
        _TORNADO,
    ),
    _Option("Tornado", "def get_compression_options(self): return None", "", None, _TORNADO),
    _Option("Node's ws", "perMessageDeflate: false", "Socket.IO's default too", None, _WS, True),
    _Option(
        "Node's ws", "perMessageDeflate: true", "the threshold does not count with context takeover", Deflate(), _WS
    ),
    _Option(
        "Node's ws",
        "perMessageDeflate: { serverMaxWindowBits: 13, zlibDeflateOptions: { memLevel: 6 } }",
        "a smaller window",
        Deflate(-1, 13, 6),
        _WS,
    ),
    _Option(
        "Node's ws",
        "perMessageDeflate: { serverMaxWindowBits: 12, zlibDeflateOptions: { memLevel: 5 } }",
        "a smaller window",
        Deflate(-1, 12, 5),
        _WS,
    ),
    _Option(
        "Node's ws",
        "perMessageDeflate: { serverNoContextTakeover: true, threshold: 1024 }",
        "each message by itself, and only from 1 KB on",
        Deflate(threshold_bytes=1024),
        _WS,
    ),
)


class Stream:
    """One connection's frames through one compressor, counted with their headers."""

    def __init__(self, deflate: Deflate | None, *, masked: bool = False) -> None:
        self._deflate = deflate
        self._kept = None if deflate is None or deflate.threshold_bytes is not None else deflate.compressor()
        self._mask_bytes = MASK_BYTES if masked else 0

    def carry(self, data: bytes) -> int:
        """What one frame takes at the socket."""
        size = len(data)
        deflate = self._deflate
        if deflate is not None and size >= (deflate.threshold_bytes or 0):
            compressor = self._kept or deflate.compressor()
            size = len(compressor.compress(data)) + len(compressor.flush(zlib.Z_SYNC_FLUSH)) - _TAIL_BYTES
        return size + header_bytes(size) + self._mask_bytes


def compare(spool: Spool, progress: Callable[[int], None] = lambda _: None) -> tuple[Alternative, ...]:
    """Every option on everything that the server sent; `progress` is told how many more messages are done."""
    deflates = {option.deflate for option in OPTIONS}
    wire_bytes = dict.fromkeys(deflates, 0)
    for connection in spool.connections(Direction.RECEIVED):
        streams = {deflate: Stream(deflate) for deflate in deflates}
        for kept in spool.read(Direction.RECEIVED, connection):
            for _, data in kept.frames:
                for deflate, stream in streams.items():
                    wire_bytes[deflate] += stream.carry(data)
            progress(1)
    found: list[Alternative] = []
    for _, of_server in groupby(OPTIONS, key=lambda option: option.server):
        rows = [
            Alternative(
                server=option.server,
                setting=option.setting,
                note=option.note,
                wire_bytes=wire_bytes[option.deflate],
                memory_bytes=0 if option.deflate is None else option.deflate.memory_bytes,
                source=option.source,
                is_default=option.is_default,
                is_best=False,
            )
            for option in of_server
        ]
        fewest = min(row.wire_bytes for row in rows)
        near = [row for row in rows if row.wire_bytes <= fewest * _NEAR_FEWEST]
        best = min(near, key=lambda row: (row.memory_bytes, row.wire_bytes))
        found += [dataclasses.replace(row, is_best=row is best) for row in rows]
    return tuple(found)

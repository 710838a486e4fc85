"""What format 3 would send: rows instead of whole messages, behind a window of its own for each connection.

In: the captured messages. Out: wire bytes. Never: needs a client; it asks for `?reznet=3` and our parser.
"""

from __future__ import annotations

from reznet_ws.audit.examine.alternatives import Deflate, Stream
from reznet_ws.audit.examine.departures import depart, encode
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Spool
from reznet_ws.message import rows
from reznet_ws.settings import Settings

_PLAIN = Settings.off().replace(utf8=True)
# The largest window, with the memory level that our settings begin with.
_WINDOW = Deflate(-1, 15, Settings().deflate_mem_level)
_MESSAGE = b"4"


def rows_bytes(spool: Spool) -> int:
    """All connections' wire bytes; what is no event of one frame travels as it is."""
    wire_bytes = 0
    for connection in spool.connections(Direction.RECEIVED):
        state, stream = rows.begin(), Stream(_WINDOW)
        for departure in depart(encode(spool.read(Direction.RECEIVED, connection), _PLAIN), _PLAIN):
            frames = [data for _, data in departure.frames]
            if len(frames) == 1 and departure.messages[0].message is not None:
                encoded = rows.encode(state, frames[0][len(_MESSAGE) :].decode())
                state = state if encoded.state is None else encoded.state
                frames = [_MESSAGE + rows.join([encoded.text]).encode()]
            wire_bytes += sum(map(stream.carry, frames))
    return wire_bytes

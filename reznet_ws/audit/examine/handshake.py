"""What the captured server negotiated, which is what it sends today.

In: the `Sec-WebSocket-Extensions` of its handshakes, the captured frames. Out: their bytes as that server sent them.
Never: guesses where the capture has no handshake. What a handshake does not say is taken as servers have it: zlib's
default level, and memory level 8, or 5 for 12 bits (uvicorn).

Source: RFC 7692 section 7.1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from reznet_ws.audit.examine.alternatives import Deflate, Stream
from reznet_ws.audit.examine.replayed import Today
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Spool

_WINDOW_BITS = re.compile(r"server_max_window_bits\s*=\s*\"?([0-9]{1,2})")


def granted(extensions: str) -> Deflate | None:
    """How the server compresses by what it granted; None where it granted nothing."""
    for offer in extensions.lower().split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name != "permessage-deflate":
            continue
        found = _WINDOW_BITS.search(offer)
        bits = int(found[1]) if found and 8 <= int(found[1]) <= 15 else 15
        takeover = "server_no_context_takeover" not in parameters
        # zlib has no raw deflate of 8 bits, and uses 9 in its place.
        return Deflate(-1, max(9, bits), 5 if bits == 12 else 8, None if takeover else 0)
    return None


def say_grant(deflate: Deflate | None) -> str:
    """In words."""
    if deflate is None:
        return "no permessage-deflate"
    if deflate.threshold_bytes is not None:
        return f"permessage-deflate, {deflate.bits} bits, each message by itself"
    return f"permessage-deflate, {deflate.bits} bits"


def find_today(spool: Spool, extensions: Mapping[int, str | None], measured_bytes: int | None) -> Today | None:
    """What is sent today; None where no connection's handshake is there."""
    connections = spool.connections(Direction.RECEIVED)
    known = {
        connection: granted(said) for connection in connections if (said := extensions.get(connection)) is not None
    }
    if not known:
        return None
    usual, _ = Counter(known.values()).most_common(1)[0]
    wire_bytes = 0
    for connection in connections:
        stream = Stream(known.get(connection, usual))
        for kept in spool.read(Direction.RECEIVED, connection):
            wire_bytes += sum(stream.carry(data) for _, data in kept.frames)
    return Today(say_grant(usual), len(known), len(connections), usual is not None, wire_bytes, measured_bytes)

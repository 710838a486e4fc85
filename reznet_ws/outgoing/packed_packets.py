"""Format m's part of the road: who is sent an event as MessagePack, and who as it came.

In: an event, and the connections of format m it is for. Out: packets, each with its connections.
Never: sends. A client that polls is sent text: what is binary would travel there as base64, a third longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reznet_ws.ledger import Saved
from reznet_ws.message.message_pack import encode
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Outgoing


def packed_packets(
    outgoing: Outgoing, connections: Sequence[Connection]
) -> Iterator[tuple[Dispatch, Sequence[Connection]]]:
    """One packet for all with a WebSocket, the other for those without."""
    plain = outgoing.plain
    on_websocket = [one for one in connections if one.line is not None or one.session.upgraded]
    packed = encode(plain.parts) if on_websocket else None
    if packed is None:
        yield plain, connections
        return
    (share,) = plain.shares
    text_bytes = sum(len(frame.data) for frame in plain.frames)
    saved = (share.saved or Saved())._replace(packed=text_bytes - len(packed))
    dispatch = Dispatch([packed], [share._replace(saved=saved)], is_secret=plain.is_secret)
    dispatch.latest = outgoing.latest
    yield dispatch, on_websocket
    if len(on_websocket) < len(connections):
        yield plain, [one for one in connections if one.line is None and not one.session.upgraded]

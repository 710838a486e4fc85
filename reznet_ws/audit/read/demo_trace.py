"""The demo's own traffic as a capture, so that it has the same report as any other.

In: how many messages. Out: what each of some clients in one room would be sent, in order of time.
Never: opens a socket.
"""

from __future__ import annotations

from collections.abc import Iterator

from reznet_ws.audit.read.capture import Direction, Item, Kind, Opened, Record
from reznet_ws.message.json_text import dumps
from reznet_ws.replay.trace import record

CLIENTS = 10
_NAME = "the demo"


def demo_items(count: int) -> Iterator[Item]:
    """So many messages of the seeded chat, each to every client."""
    for connection in range(1, CLIENTS + 1):
        yield Opened(connection, "", _NAME, 4)
    for message in record(count):
        text = f"42{dumps([message.event, message.data], utf8=True)}"
        for connection in range(1, CLIENTS + 1):
            yield Record(
                connection=connection,
                direction=Direction.RECEIVED,
                kind=Kind.EVENT,
                parts=(text,),
                time_ms=message.offset_ms,
                event=message.event,
                args=(message.data,),
            )

"""A connection's queue that is skipped while nothing waits in it.

In: Engine.IO packets for one client. Out: the same, in the same order: straight to the socket where that can take them,
else by way of engineio's own queue and writer.
Never: reorders; grows without bound. A packet goes straight only when nothing is in the queue or on its way from there
to the socket.

Leans on python-engineio 4.15 (`async_socket.py`: every packet is put into `AsyncSocket.queue`; once upgraded, only its
writer takes from there, and hands each packet to the ASGI `send`) and on asyncio.Queue, whose `get` and `put` end in
`get_nowait` and `put_nowait`. Pings stay in the queue: the writer gives up a connection on which nothing comes by.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from engineio import packet as eio_packet
from engineio.async_socket import AsyncSocket

from reznet_ws.adapters.uvicorn import WebSocketProtocol

# What a packet takes in memory: its objects, and its text as engineio's, as Engine.IO's and as bytes. `python -m
# benchmarks stall` finds 5.0 KB for messages of 1.05 KB.
_PACKET_BYTES = 1800
_FORMS = 3


class Outbox(asyncio.Queue[Any]):
    """The queue of one Engine.IO socket."""

    _connection: WebSocketProtocol | None = None
    _socket: AsyncSocket
    _hinder: Callable[[], object]
    _queue: deque[Any]  # asyncio.Queue's own
    _under_way = 0
    _is_closed = False

    def __init__(self, limit: Callable[[], int], on_full: Callable[[Outbox], object]) -> None:
        """`limit` in bytes; `on_full` is told when something that must not be missed found no room."""
        super().__init__()
        # About what the packets in it take in memory.
        self.queued_bytes = 0
        self._limit, self._on_full = limit, on_full

    def connect(self, connection: WebSocketProtocol, socket: AsyncSocket, hinder: Callable[[], object]) -> None:
        """The WebSocket that packets leave by once the socket is upgraded; `hinder` is told when they no longer can."""
        self._connection, self._socket, self._hinder = connection, socket, hinder
        connection.on_sent, connection.on_hindered = self._sent, hinder

    @property
    def direct(self) -> WebSocketProtocol | None:
        """The connection, where a packet may go straight to it."""
        connection = self._connection
        if connection is None or self._under_way or not self.empty() or not self._socket.upgraded:
            return None
        return connection if connection.can_write else None

    def has_room(self, packets: Iterable[eio_packet.Packet]) -> bool:
        """Whether packets that can be missed fit; an empty queue takes anything."""
        return not self.queued_bytes or self.queued_bytes + sum(map(_packet_bytes, packets)) <= self._limit()

    def get_nowait(self) -> Any:
        """Take a packet, which is then on its way to the socket."""
        packet = super().get_nowait()
        if packet is not None:
            self.queued_bytes -= _packet_bytes(packet)
            if self._connection is not None and self._socket.upgraded:
                self._under_way += 1
        return packet

    def put_nowait(self, item: Any) -> None:
        """Send a packet straight, or queue it."""
        if self._is_closed and item is not None:
            return
        if isinstance(item, eio_packet.Packet):
            if item.packet_type == eio_packet.MESSAGE:
                connection = self.direct
                if connection is not None:
                    return connection.write(item.encode())
            size = _packet_bytes(item)
            if self.queued_bytes and self.queued_bytes + size > 2 * self._limit():
                self._on_full(self)
                return
            self.queued_bytes += size
        if self._connection is not None:
            self._hinder()
        super().put_nowait(item)

    def clear(self) -> None:
        """Forget what is queued, and whatever comes."""
        self._is_closed = True
        self.queued_bytes = 0
        self._queue.clear()

    def _sent(self) -> None:
        self._under_way = max(0, self._under_way - 1)


def _packet_bytes(packet: eio_packet.Packet) -> int:
    data = packet.data
    return _PACKET_BYTES + _FORMS * (len(data) if isinstance(data, (str, bytes)) else 0)

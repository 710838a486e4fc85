"""Connection state recovery at a Python client: one line, and a break costs it no event.

In: a `socketio.AsyncClient` whose server keeps events for those who are away. Out: the same client; its handlers get
what the server emitted, without the offsets that stock clients are given behind it.
Never: does anything where the server keeps nothing.

As socket.io-client 4.8.4 does it (`build/esm/socket.js`: `_pid`, `_lastOffset`, `receiveBuffer`). Leans on
python-socketio 5.18 (`async_client.py`: `_send_packet`, `_handle_connect`, `_handle_event`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import socketio
from socketio import packet as sio_packet

from reznet_ws.client.decoder import is_attached

# What may come before the server's CONNECT.
_MAX_EARLY = 1000


def attach_recovery(client: socketio.AsyncClient) -> Any:
    """Come back to the same session after a break, and get what was missed; `client.recovered[namespace]` says so.

    To be called before `attach` for format 2, if that is wanted too. Raises: ValueError where it comes after it,
    TypeError for a client with threads, in which packets have no order.
    """
    if not isinstance(client, socketio.AsyncClient):
        raise TypeError(f"{type(client).__name__} is not a socketio.AsyncClient")
    if is_attached(client):
        raise ValueError("attach_recovery comes before attach")
    kept = _Kept()
    client.recovered = kept.recovered
    send, handle_connect, handle_event = client._send_packet, client._handle_connect, client._handle_event

    async def send_packet(packet: Any) -> None:
        kept.introduce(packet)
        await send(packet)

    async def connect(namespace: str | None, data: Any) -> None:
        for ack_id, event in kept.connected(namespace or "/", data):
            client.start_background_task(handle_event, namespace, ack_id, event)
        await handle_connect(namespace, data)

    async def event(namespace: str | None, ack_id: int | None, data: list[Any]) -> None:
        for taken in kept.take(namespace or "/", ack_id, data):
            await handle_event(namespace, ack_id, taken)

    client._send_packet, client._handle_connect, client._handle_event = send_packet, connect, event
    return client


class _Kept:
    """What a client keeps from one connection to the next, by namespace."""

    def __init__(self) -> None:
        self.recovered: dict[str, bool] = {}
        self._pids: dict[str, str | None] = {}
        self._offsets: dict[str, str] = {}
        # What came before a namespace's CONNECT; None once that is here.
        self._early: dict[str, list[tuple[int | None, list[Any]]] | None] = {}

    def introduce(self, packet: Any) -> None:
        """A client that asks to be let in says who it was."""
        if packet.packet_type != sio_packet.CONNECT:
            return
        namespace = packet.namespace or "/"
        self._early[namespace] = []
        pid, offset = self._pids.get(namespace), self._offsets.get(namespace)
        if pid is not None and isinstance(packet.data or {}, dict):
            known = {"pid": pid} if offset is None else {"pid": pid, "offset": offset}
            packet.data = {**known, **(packet.data or {})}

    def connected(self, namespace: str, data: Any) -> list[tuple[int | None, list[Any]]]:
        """The client was let in; gives what came before."""
        pid = data.get("pid") if isinstance(data, dict) else None
        self.recovered[namespace] = pid is not None and pid == self._pids.get(namespace)
        self._pids[namespace] = pid
        early, self._early[namespace] = self._early.get(namespace) or [], None
        return [(ack_id, event) for ack_id, data in early for event in self.take(namespace, ack_id, data)]

    def take(self, namespace: str, ack_id: int | None, data: list[Any]) -> Iterator[list[Any]]:
        """An event without its offset, or nothing while it is not known whether it has one."""
        early = self._early.get(namespace)
        if early is not None and len(early) < _MAX_EARLY:
            early.append((ack_id, data))
            return
        # Whatever would end in a text ends in an offset.
        if self._pids.get(namespace) is not None and ack_id is None and len(data) > 1 and isinstance(data[-1], str):
            self._offsets[namespace] = data[-1]
            data = data[:-1]
        yield data

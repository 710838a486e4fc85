"""Snapshots at a Python client: kept when the server says so, named at the next connection, handed out when unchanged.

In: a `socketio.AsyncClient` or `socketio.Client`, and a store. Out: the same client; its handlers get each snapshot as
any event.
Never: keeps what the server did not mark, or forgets what it has told the server it holds while that connection lasts.

Leans on python-socketio 5.18 (`async_client.py` and `client.py`: `_send_packet` and `_handle_event`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any, NamedTuple

import socketio
from socketio import packet as sio_packet

from reznet_ws.message.snapshots import HELD_KEY, KEEP_EVENT, MAX_KEPT_CHARS, MAX_SNAPSHOTS, SAME_EVENT


class _Snapshot(NamedTuple):
    """`text`: the data as JSON, so that nobody's handler changes what is kept."""

    namespace: str
    event: str
    key: str
    text: str


class Snapshots:
    """What is kept, the least lately used first; one for all connections to a server.

    Units: `max_count` snapshots and `max_chars` characters of JSON are kept between connections, at most.
    """

    def __init__(self, *, max_count: int = 128, max_chars: int = MAX_KEPT_CHARS) -> None:
        self._max_count, self._max_chars = min(max_count, MAX_SNAPSHOTS), max_chars
        self._kept: OrderedDict[str, _Snapshot] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget all; connections that are open go on with what they began with."""
        self._kept.clear()

    def _begin(self, namespace: str) -> dict[str, _Snapshot]:
        """Those of one namespace that a connection begins with, by version."""
        chars = 0
        for count, (version, snapshot) in enumerate(reversed(list(self._kept.items())), 1):
            chars += len(snapshot.text)
            if count > self._max_count or chars > self._max_chars:
                del self._kept[version]
        return {version: one for version, one in self._kept.items() if one.namespace == namespace}

    def _keep(self, version: str, snapshot: _Snapshot) -> None:
        """In place of an older version of it."""
        for old, one in list(self._kept.items()):
            if one[:3] == snapshot[:3]:
                del self._kept[old]
        self._kept[version] = snapshot

    def _use(self, version: str) -> None:
        if version in self._kept:
            self._kept.move_to_end(version)


def attach_snapshots(client: socketio.AsyncClient | socketio.Client, snapshots: Snapshots) -> Any:
    """Keep snapshots, and say at each connection which ones are held; works with every format's decoder."""
    inbox = _Inbox(snapshots)
    send_packet, handle_event = client._send_packet, client._handle_event

    def send(pkt: Any) -> Any:
        # An `auth` that is no object has no room for it: then this connection holds nothing.
        if pkt.packet_type == sio_packet.CONNECT and isinstance(pkt.data or {}, dict):
            pkt.data = {**(pkt.data or {}), HELD_KEY: inbox.begin(pkt.namespace or "/")}
        return send_packet(pkt)

    client._send_packet = send
    client._handle_event = lambda namespace, ack_id, data: handle_event(
        namespace, ack_id, data if ack_id is not None else inbox.open(namespace or "/", data)
    )
    return client


class _Inbox:
    """What one client holds, as the server knows it."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._held: dict[str, dict[str, _Snapshot]] = {}
        self._kept_chars = 0

    def begin(self, namespace: str) -> list[str]:
        """A new connection: the versions that it says it holds."""
        self._kept_chars = 0
        self._held[namespace] = self._snapshots._begin(namespace)
        return list(self._held[namespace])

    def open(self, namespace: str, data: list[Any]) -> list[Any]:
        """The event as it was emitted: its name and arguments."""
        held = self._held.get(namespace, {})
        if data[0] == SAME_EVENT and len(data) == 2 and isinstance(data[1], str) and data[1] in held:
            snapshot = held[data[1]]
            self._snapshots._use(data[1])
            return [snapshot.event, json.loads(snapshot.text)]
        if data[0] == KEEP_EVENT and len(data) == 5 and all(isinstance(text, str) for text in data[1:4]):
            _, version, key, event, value = data
            text = json.dumps(value)
            # A server counts in its own text, which may be shorter.
            self._kept_chars += len(text)
            if self._kept_chars <= 6 * MAX_KEPT_CHARS and len(held) < 2 * MAX_SNAPSHOTS:
                snapshot = _Snapshot(namespace, event, key, text)
                held[version] = snapshot
                self._snapshots._keep(version, snapshot)
            return [event, value]
        return data

"""All that the server knows of one client, in one object.

In: what the adapters learn of a client: its session, its WebSocket, what it asked for. Out: that, to the road.
Never: sends. When a client leaves, this object is dropped, and nothing else has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reznet_ws.message.formats import Grant
from reznet_ws.message.rows_sharing import RowsGroup
from reznet_ws.message.snapshots import Holding
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.line import Line


class ClientSession(Protocol):
    """The Engine.IO session of a client, as the road needs it."""

    queued_bytes: int

    @property
    def upgraded(self) -> bool:
        """Whether it has a WebSocket."""

    def enqueue(self, dispatch: Dispatch) -> bool:
        """Put a packet into the session's own queue; False where it found no room."""

    def close_slow(self) -> None:
        """Close the connection, since its client reads too slowly."""

    def log_sent(self, data: str | bytes) -> None:
        """Log a packet that was sent, where the application wants that."""


class Connection:
    """One client: its session, its line, the formats it was granted, and what it still has to send."""

    __slots__ = (
        "asked",
        "attachments_due",
        "granted",
        "granted_packed",
        "granted_rows",
        "has_seed",
        "holding",
        "is_counted",
        "is_over",
        "line",
        "polled_bytes",
        "rows",
        "session",
        "sid",
    )

    def __init__(self, sid: str, session: ClientSession, asked: Grant | None = None) -> None:
        self.sid = sid
        self.session = session
        # None until the client has a WebSocket that was taken over.
        self.line: Line | None = None
        self.asked = asked
        # The namespaces in which it gets format 2.
        self.granted: frozenset[str] = frozenset()
        # Those in which it gets format 3, and the receivers who hold the same rows, if any.
        self.granted_rows: frozenset[str] = frozenset()
        self.rows: RowsGroup | None = None
        # Whether it knows the shapes of the application's events beforehand.
        self.has_seed = False
        # Those in which it gets format m.
        self.granted_packed: frozenset[str] = frozenset()
        # The snapshots that it holds, if it keeps any.
        self.holding: Holding | None = None
        # Of a binary packet that it has announced.
        self.attachments_due = 0
        # Whether its bytes are counted at the transport.
        self.is_counted = False
        # What responses to its long-polling took, before it had a line.
        self.polled_bytes = 0
        # Whether it said goodbye, or was told so.
        self.is_over = False

    @property
    def sent_bytes(self) -> int:
        """What was sent to it at its sockets, as far as they are counted."""
        return self.polled_bytes + (0 if self.line is None else self.line.sent_bytes)

    @property
    def queued_bytes(self) -> int:
        """What is queued for it, whoever else is due the same."""
        return self.session.queued_bytes + (0 if self.line is None else self.line.backlog_bytes)


class Recipients:
    """Who gets a packet, by the way it takes."""

    __slots__ = ("connections", "lines", "queued")

    def __init__(self, connections: Sequence[Connection]) -> None:
        self.connections = connections
        self.lines: list[Line] = []
        # Who has no line, and can still be sent something.
        self.queued: list[Connection] = []
        for connection in connections:
            if connection.line is not None:
                self.lines.append(connection.line)
            elif not connection.is_over:
                self.queued.append(connection)

    def at(self, lines: Sequence[Line]) -> Recipients:
        """The same with some of the lines only."""
        if len(lines) == len(self.lines):
            return self
        kept = set(lines)
        return Recipients([one for one in self.connections if one.line is None or one.line in kept])


class Audience:
    """Whom one event is for, by format; None where that is nobody."""

    __slots__ = ("members", "packed", "plain", "rows", "short")

    def __init__(self, members: list[str], connections: Connections, namespace: str) -> None:
        self.members = members
        known = [connection for sid in members if (connection := connections.get(sid)) is not None]
        short = [connection for connection in known if namespace in connection.granted]
        rows = [connection for connection in known if namespace in connection.granted_rows]
        packed = [connection for connection in known if namespace in connection.granted_packed]
        if short or rows or packed:
            asking = {*short, *rows, *packed}
            known = [connection for connection in known if connection not in asking]
        self.plain = Recipients(known) if known else None
        self.short = Recipients(short) if short else None
        self.rows = Recipients(rows) if rows else None
        # By way, which only the event tells.
        self.packed = packed or None


class Connections(dict[str, Connection]):
    """Engine.IO session id -> connection; remembers who is meant by a room from one message to the next."""

    # Rooms that are remembered; an application may have one for each of its users.
    _MOST_ROOMS = 256

    def __init__(self) -> None:
        super().__init__()
        self._rooms: dict[object, Audience] = {}

    @property
    def are_several(self) -> bool:
        """Whether there is anybody to share a history with.

        Then what holds a session id stays out of the windows: nobody else is sent it, and compressed it would keep
        those who join together from sharing for their first 4 KB.
        """
        return len(self) > 1

    def changed(self) -> None:
        """Forget what is remembered of rooms: a connection came, went, or is to be reached in another way."""
        self._rooms.clear()

    def audience(self, members: list[str], namespace: str, key: object = None) -> Audience:
        """The connections behind session ids; with a `key` they are remembered, as long as the ids are the same."""
        if key is None or len(members) < 2:
            return Audience(members, self, namespace)
        known = self._rooms.get(key)
        if known is not None and known.members == members:
            return known
        if len(self._rooms) >= self._MOST_ROOMS:
            self._rooms.clear()
        audience = self._rooms[key] = Audience(members, self, namespace)
        return audience

"""Lines whose sockets are full at this moment.

In: lines that are paused and resume, and frames for them. Out: who has room for a packet, and who has none.
Never: closes a connection, or decides what becomes of who has no room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from reznet_ws.outgoing.connection import Connection, Connections
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.queued import QueueBudget, QueuedFrame


class Backlog(dict[Line, Connection]):
    """Line -> whose it is; empty nearly always, and then nobody is asked for anything."""

    def __init__(self, budget: QueueBudget) -> None:
        super().__init__()
        self._budget = budget

    def note(self, connection: Connection, line: Line, backed_up: bool) -> None:
        """A line begins to be backed up, or no longer is."""
        if backed_up and connection.line is line:
            self[line] = connection
        else:
            self.pop(line, None)

    def divide(self, lines: Sequence[Line], size_bytes: int, most_bytes: int) -> tuple[list[Line], list[Connection]]:
        """The lines that have room for a packet, and the connections that have none; an empty queue takes anything."""
        room, full = [], []
        for line in lines:
            connection = self.get(line)
            if connection is None or not line.queued_bytes or line.queued_bytes + size_bytes <= most_bytes:
                room.append(line)
            else:
                full.append(connection)
        return room, full

    def queue(self, wire: bytes, lines: Sequence[Line], booked: Callable[..., None] | None) -> Sequence[Line]:
        """Queue a frame where the socket is paused; gives the other lines."""
        ready = []
        frame = QueuedFrame(wire, booked, self._budget)
        for line in lines:
            if line in self:
                line.queue(frame)
            else:
                ready.append(line)
        return ready

    def excess(self, connections: Connections, most_bytes: int) -> Iterator[Connection]:
        """Whom to close, who holds most first, as long as more than that is held."""
        holders = sorted(
            (connection for connection in connections.values() if connection.queued_bytes),
            key=lambda connection: connection.queued_bytes,
        )
        while holders and self._budget.held_bytes > most_bytes:
            yield holders.pop()

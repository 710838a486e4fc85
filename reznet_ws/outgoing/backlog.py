"""Lines whose sockets are full at this moment, and what is postponed for them.

In: lines that are paused and resume, and packets for them. Out: who has room for a packet, and who has none; what was
postponed, in order, once there is room.
Never: closes a connection, decides what becomes of who has no room, or encodes anything.

A frame that is queued on a line has entered its client's history, and can be dropped no more. So from the first message
on of which only the newest counts, all that is for a line is postponed as it is, until the socket takes bytes again;
what is for clients of formats 2 and 3 takes its way from there, since a row refers to what was sent before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from sys import getsizeof
from typing import Protocol

from reznet_ws.message.latest import Conflated, Key, LatestQueue
from reznet_ws.outgoing.connection import Audience, Connection, Connections, Recipients
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Outgoing
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.queued import Held, QueueBudget, QueuedFrame
from reznet_ws.settings import Settings

# What a packet takes here beside its data.
_PACKET_BYTES = 1000


class Postponed(Held):
    """A packet that waits for any number of lines: a whole one, or an event that has yet to take its way in format 2 or
    3, with what was said of whether it may be batched."""

    __slots__ = ("batch", "data_bytes", "packet")

    def __init__(self, packet: Dispatch | Outgoing, budget: QueueBudget, batch: bool | None = None) -> None:
        dispatch = packet if isinstance(packet, Dispatch) else packet.plain
        self.data_bytes = sum(len(frame.data) for frame in dispatch.frames)
        super().__init__(budget, self.data_bytes + sum(map(getsizeof, dispatch.parts)) + _PACKET_BYTES)
        self.packet, self.batch = packet, batch


class PostponedQueue:
    """What is held back for one line; its size stands at the line."""

    __slots__ = ("_line", "_queue")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._queue: LatestQueue[Postponed] = LatestQueue()

    def put(self, postponed: Postponed, most_bytes: int, latest: Key | None) -> bool:
        """Hold a packet back; False where there is no room for it, and then the older one stays."""
        line, queue = self._line, self._queue
        older = None if latest is None else queue.get(latest)
        size_bytes = line.postponed_bytes + postponed.size_bytes - (0 if older is None else older.size_bytes)
        is_first = not line.queued_bytes and len(queue) == (older is not None)
        if not is_first and line.queued_bytes + size_bytes > most_bytes:
            return False
        line.postponed_bytes = size_bytes
        postponed.take()
        queue.put(postponed, latest)
        if older is not None:
            older.leave()
        return True

    def take_first(self) -> Postponed:
        """The oldest packet."""
        first = self._queue.take_first()
        first.leave()
        self._line.postponed_bytes -= first.size_bytes
        return first

    def __len__(self) -> int:
        return len(self._queue)


class Road(Protocol):
    """The road that a packet was taken from, and goes back to."""

    connections: Connections
    conflated: Conflated
    budget: QueueBudget

    @property
    def settings(self) -> Settings:
        """Those in force."""

    def flush(self, connections: Iterable[Connection]) -> None:
        """Send what waits in batches."""

    def post(self, receivers: Recipients, dispatch: Dispatch) -> None:
        """Send a packet."""

    def repeat(self, outgoing: Outgoing, audience: Audience, *, batch: bool | None) -> None:
        """Send an event, or let it wait for others."""

    def miss(self, connection: Connection, dispatch: Dispatch) -> None:
        """There is no room for a packet."""

    def shed(self) -> None:
        """Look whether all queues together hold too much."""


class Backlog(dict[Line, Connection]):
    """Line -> whose it is; empty nearly always, and then nobody is asked for anything."""

    def __init__(self, road: Road) -> None:
        super().__init__()
        self._road = road
        self._postponed: dict[Line, PostponedQueue] = {}
        self._may_postpone = True

    def note(self, connection: Connection, line: Line, backed_up: bool) -> None:
        """A line begins to be backed up, or no longer is."""
        if backed_up and connection.line is line:
            self[line] = connection
        else:
            self.pop(line, None)
            self.release(connection)

    def forget(self, line: Line) -> None:
        """Nothing can be sent there any more."""
        self.pop(line, None)
        postponed = self._postponed.pop(line, None)
        while postponed:
            postponed.take_first()

    def pass_by(self, receivers: Recipients, dispatch: Dispatch) -> Recipients:
        """Those to whom a packet goes now; for the others it is postponed, or they miss it."""
        if dispatch.latest is not None:
            self._flush(receivers.lines)
        room, full = self._divide(receivers.lines, Postponed(dispatch, self._road.budget), dispatch.latest)
        receivers = receivers.at(room)
        for connection in full:
            self._road.miss(connection, dispatch)
        return receivers

    def postpone(self, receivers: Recipients, outgoing: Outgoing, batch: bool | None) -> Recipients:
        """Those for whom an event takes its way in format 2 or 3 now; for others it is postponed, or they miss it."""
        latest, lines = outgoing.latest, receivers.lines
        if not self._may_postpone or (latest is None and not self._postponed):
            return receivers
        if latest is not None:
            self._flush(lines)
        slow = self._postponed if latest is None else self
        others = receivers.at([line for line in lines if line not in slow])
        packet = Postponed(outgoing, self._road.budget, batch)
        for connection in self._divide([line for line in lines if line in slow], packet, latest)[1]:
            is_short = outgoing.namespace in connection.granted
            self._road.miss(connection, outgoing.short if is_short else outgoing.plain)
        self._road.shed()
        return others

    def queue(self, wire: bytes, lines: Sequence[Line], booked: Callable[..., None] | None) -> Sequence[Line]:
        """Queue a frame where the socket is paused; gives the other lines."""
        ready = []
        frame = QueuedFrame(wire, booked, self._road.budget)
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
        while holders and self._road.budget.held_bytes > most_bytes:
            yield holders.pop()

    def release(self, connection: Connection, *, is_last: bool = False) -> None:
        """Send what was held back for a connection: as far as its socket takes it, or all of it."""
        road, line = self._road, connection.line
        postponed = None if line is None else self._postponed.pop(line, None)
        if line is None or postponed is None:
            return
        self._may_postpone = False  # what comes of it goes now
        while postponed and (is_last or line not in self):
            first = postponed.take_first()
            if isinstance(first.packet, Dispatch):
                road.flush([connection])
                road.post(Recipients([connection]), first.packet)
            else:
                audience = road.connections.audience([connection.sid], first.packet.namespace)
                road.repeat(first.packet, audience, batch=first.batch)
        if postponed or is_last:
            road.flush([connection])  # it comes before what is still postponed
        self._may_postpone = True
        if postponed and connection.line is line:
            self._postponed[line] = postponed

    def _flush(self, lines: Iterable[Line]) -> None:
        """What waits in batches for those for whom something is held back from now on goes before it."""
        if begins := [self[line] for line in lines if line in self and line not in self._postponed]:
            self._road.flush(begins)

    def _divide(
        self, lines: Sequence[Line], packet: Postponed, latest: Key | None
    ) -> tuple[list[Line], list[Connection]]:
        """The lines that are written or queued on, and the connections that have no room, for which an empty queue has
        it always; for the others the packet is held back."""
        most_bytes = self._road.budget.most_for_one(self._road.settings)
        room, full = [], []
        for line in lines:
            connection = self.get(line)
            if connection is None:
                room.append(line)
                continue
            postponed = self._postponed.get(line)
            if postponed is None and latest is not None and self._may_postpone:
                postponed = self._postponed[line] = PostponedQueue(line)
            if postponed is not None:
                before = len(postponed)
                if not postponed.put(packet, most_bytes, latest):
                    full.append(connection)
                elif len(postponed) == before:
                    self._road.conflated.messages += 1
            elif not line.queued_bytes or line.queued_bytes + packet.data_bytes <= most_bytes:
                room.append(line)
            else:
                full.append(connection)
        return room, full

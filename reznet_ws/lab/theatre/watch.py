"""Looks at each frame as the server makes it, for some of its clients.

In: a running server's histories and connections. Out: frames as they left, byte for byte, with who they were for.
Never: changes a frame, keeps more than `MOST_WAITING`, or costs a server anything that nobody watches.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from reznet_ws.deflate.alone import L, Ways
from reznet_ws.deflate.frame import Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.line import Line
from reznet_ws.settings import Settings

# Some seconds of a busy server; who falls behind further begins anew.
MOST_WAITING = 2000


@dataclass(eq=False, slots=True)
class Seat:
    """One client that is watched. `kind`: its format's name; `held`: what its inflater held at first."""

    sid: str
    line: Line
    kind: str
    held: Sequence[bytes]
    # Of the history that it shares at this moment; None where each has a compressor of its own.
    history: int | None = None


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A frame, when it was made, the message in it, and whom it was for: those watched, of so many receivers."""

    number: int
    at_s: float
    message: Frame
    wire: bytes
    seats: Sequence[Seat]
    receivers: int


class _WatchedHistories(Histories):
    """The same, with somebody who looks on."""

    watch: Watch

    def frames(self, frame: Frame, lines: Sequence[L], settings: Settings) -> Ways[L]:
        watch = self.watch
        if watch.is_looking:  # it asks itself about some of the lines
            return super().frames(frame, lines, settings)
        watch.is_looking = True
        try:
            ways = super().frames(frame, lines, settings)
        finally:
            watch.is_looking = False
        watch.see(frame, ways)
        return ways


@dataclass
class Watch:
    """What is seen at one server; all but `take` in its event loop."""

    road: Broadcast
    is_looking: bool = False
    # Whether frames were missed, so that nobody knows any longer what the clients hold.
    is_behind: bool = False
    seats: list[Seat] = field(default_factory=list)
    _waiting: deque[SeenFrame] = field(default_factory=deque)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self, count: int) -> None:
        """Look from now on, at so many clients."""
        histories = self.road.histories
        if isinstance(histories, _WatchedHistories):
            histories.watch.end()
        histories.__class__ = _WatchedHistories
        histories.watch = self  # type: ignore[attr-defined]
        # Rows refer to rows before them: who begins anew can be read from here on, by who looks on as well.
        for connection in self.road.connections.values():
            if connection.granted_rows:
                self.road.rows.forget(connection)
        self.fill_seats(count)

    def end(self) -> None:
        """Look no longer."""
        histories = self.road.histories
        if isinstance(histories, _WatchedHistories) and histories.watch is self:
            del histories.watch
            histories.__class__ = Histories  # type: ignore[assignment]

    def fill_seats(self, count: int) -> None:
        """Who has gone makes room for another; neighbours first, who share a room, then others from all over."""
        if self.is_behind:
            self.seats, self.is_behind = [], False
        there = [connection for connection in self.road.connections.values() if connection.line is not None]
        lines = {connection.line for connection in there}
        self.seats = [seat for seat in self.seats if seat.line in lines]
        taken = {seat.line for seat in self.seats}
        free = [connection for connection in there if connection.line not in taken]
        wanted = min(count - len(self.seats), len(free))
        if wanted > 0:
            near = -(-wanted // 2)
            step = (len(free) - near) / max(1, wanted - near)
            places = [*range(near), *(near + int(step * place) for place in range(wanted - near))]
            self.seats += [self._seat(free[place]) for place in places]
        for seat in self.seats:
            history = None if seat.line.inflater is None else seat.line.inflater.history
            seat.history = None if history is None else id(history)

    def _seat(self, connection: Connection) -> Seat:
        line = connection.line
        assert line is not None
        history = None if line.inflater is None else line.inflater.history
        kind = "rows" if connection.granted_rows else "abbreviated" if connection.granted else "plain"
        kind = "packed" if connection.granted_packed else kind
        return Seat(connection.sid, line, kind, () if history is None else tuple(history.messages))

    def see(self, frame: Frame, ways: Sequence[tuple[bytes, Sequence[object]]]) -> None:
        """Note the frames that somebody who is watched gets."""
        seats = {seat.line: seat for seat in self.seats}
        for wire, lines in ways:
            watched = [seats[line] for line in lines if line in seats]
            if watched:
                if len(self._waiting) >= MOST_WAITING:
                    self._waiting.clear()
                    self.is_behind = True
                seen = SeenFrame(next(self._numbers), time.monotonic(), frame, wire, watched, len(lines))
                self._waiting.append(seen)

    def take(self) -> list[SeenFrame]:
        """What was seen since the last call; from any thread."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

"""One client's stay in a namespace, which may outlast its connection: who it is, and which rooms it was in from when.

In: that it entered and left rooms, between which events. Out: which events were meant for it.
Never: keeps events, or reads a clock.

Rooms have a past, since what a client misses may be older than its being in a room, or newer than its leaving it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from reznet_ws.recovery.ring import Entry

# A client that goes in and out of rooms: the past beyond this is forgotten, the oldest first.
_MAX_PAST = 256


@dataclass(slots=True)
class Visit:
    """A client in a namespace, known to it by `pid`, its secret."""

    pid: str
    sid: str
    namespace: str
    # The number of the last event that it need not be sent, and the offset that it brought from a visit that was over.
    began: int
    stale: str | None = None
    # Room -> the number after which it was in it; None stands for everybody.
    rooms: dict[Hashable, int] = field(default_factory=dict)
    # Room, from after which number to which it was in it.
    past: list[tuple[Hashable, int, int]] = field(default_factory=list)
    # The application's own session, while the client is away.
    session: Any = None
    # None while it is connected; then the Engine.IO session that it is on, once it was let in.
    away_s: float | None = None
    eio_sid: str | None = None
    is_recovered: bool = False
    # Whether its client was told of the pid.
    is_told: bool = False

    def enter(self, room: Hashable, number: int) -> None:
        """It is in a room from after an event on; one that it is in already it stays in."""
        self.rooms.setdefault(room, number)

    def leave(self, room: Hashable, number: int) -> None:
        """It is in a room no longer, from after an event on."""
        since = self.rooms.pop(room, None)
        if since is not None and since < number:
            self.past.append((room, since, number))
            del self.past[:-_MAX_PAST]

    def restart(self, number: int) -> None:
        """The numbers begin anew."""
        self.began, self.past = number, []
        self.rooms = dict.fromkeys(self.rooms, number)

    def forget_before(self, number: int) -> None:
        """Nobody will ask for an event up to a number any more."""
        if self.past:
            self.past = [stay for stay in self.past if stay[2] > number]

    def is_due(self, entry: Entry[Any]) -> bool:
        """Whether an event was meant for this client."""
        return (
            entry.namespace == self.namespace
            and self.sid not in entry.skipped
            and (
                entry.user == self.sid
                or self._is_in(entry.rooms, entry.number)
                or self._was_in(entry.rooms, entry.number)
            )
        )

    def _is_in(self, rooms: Iterable[Hashable], number: int) -> bool:
        return any(self.rooms.get(room, number) < number for room in rooms)

    def _was_in(self, rooms: tuple[Hashable, ...], number: int) -> bool:
        return any(since < number <= until and room in rooms for room, since, until in self.past)

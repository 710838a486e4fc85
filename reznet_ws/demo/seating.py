"""Where each user of the demo sits in a topology, and whom the next message is for.

In: session ids that come and go, a topology. Out: rooms entered at the server, addresses as `emit` takes them.
Never: emits, or addresses a message to nobody.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import socketio

from reznet_ws.demo.topologies import ONE_ROOM, Address, Topology

# All are in it, whatever the topology.
EVERYBODY = "chat"
# Slots that are numbered apart; further ones sit where these do.
_MOST_SLOTS = 4096


class Place(NamedTuple):
    """Whom a message is for. `conversation`: from 0, one for each room or client, and the last for everybody;
    `skip_sid`: who is left out."""

    conversation: int
    room: str
    skip_sid: str | None


class Seating:
    """Users by their slots; who comes takes the lowest that is free."""

    def __init__(self, sio: socketio.AsyncServer, topology: Topology = ONE_ROOM) -> None:
        self._sio = sio
        self.topology = topology
        self._sids: list[str | None] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._seats = self._arrange()
        self._addresses: Iterator[Address] | None = None
        self._times = 0

    @property
    def is_one_conversation(self) -> bool:
        """Whether all hear the same conversation, perhaps without their own part in it."""
        return self._is_one_room and not self.topology.to_all_share

    @property
    def conversations(self) -> int:
        """How many there are at this moment, and at least one."""
        return max(1, self.topology.streams(min(len(self._slots), _MOST_SLOTS)))

    @property
    def _is_one_room(self) -> bool:
        return self.topology.room_size is None and not self.topology.topics

    async def sit(self, sid: str) -> None:
        """A user came."""
        slot = heapq.heappop(self._free) if self._free else len(self._sids)
        self._sids[slot : slot + 1] = [sid]
        for room in (EVERYBODY, *self._rooms(slot)):
            await self._sio.enter_room(sid, room)
        self._slots[sid] = slot
        self._addresses = None

    def leave(self, sid: str) -> None:
        """A user is gone, and out of all rooms."""
        slot = self._slots.pop(sid, None)
        if slot is not None:
            self._sids[slot] = None
            heapq.heappush(self._free, slot)
            self._addresses = None

    async def change(self, topology: Topology) -> None:
        """Everybody sits elsewhere from now on."""
        if topology == self.topology:
            return
        before, self.topology = self._seats, topology
        self._seats = self._arrange()
        self._addresses = None
        for sid, slot in list(self._slots.items()):
            for room in before[slot % _MOST_SLOTS]:
                await self._sio.leave_room(sid, room)
            for room in self._rooms(slot):
                await self._sio.enter_room(sid, room)

    def next_place(self, seed: int) -> Place | None:
        """Whom the next message is for; None where nobody is there."""
        if not self._slots:
            return None
        users = min(len(self._sids), _MOST_SLOTS)
        if self._addresses is None:
            self._times += 1
            self._addresses = self.topology.addresses(users, seed + self._times)
        rooms = self._sio.manager.rooms.get("/", {})
        # Some slots and rooms are empty; what is left of a round and the next one reach all.
        for stream, to, skip in itertools.islice(self._addresses, 4 * self.topology.streams(users)):
            room = self._sids[to] if isinstance(to, int) else EVERYBODY if to is None or self._is_one_room else to
            if room is not None and room in rooms:
                skip_sid = None if skip is None else self._sids[skip]
                return Place(stream, room, skip_sid)
        return None

    def _arrange(self) -> list[list[str]]:
        return [[]] * _MOST_SLOTS if self._is_one_room else self.topology.rooms(_MOST_SLOTS)

    def _rooms(self, slot: int) -> list[str]:
        return self._seats[slot % _MOST_SLOTS]

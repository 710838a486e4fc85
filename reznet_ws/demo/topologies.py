"""Who is sent what: one room, many rooms, private streams, overlapping topics.

In: how many clients, a seed. Out: the rooms that each client is in, and an endless sequence of addresses.
Never: makes a message, or draws from anything but the seed.

A client is known by its slot, a number from 0; who is replaced hands its slot on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Of all emissions, where some are to everybody, in the topologies below.
TO_ALL_SHARE = 0.1


class Address(NamedTuple):
    """Whom one emission is for, and whose conversation it belongs to.

    `to`: None for everybody, a room's name, or a client's slot. `skip`: the slot that is left out.
    """

    stream: int
    to: str | int | None
    skip: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """`clients`: how many it is measured with. Rooms have `room_size` members, all clients where it is None, and one
    client is addressed by its id; with `topics` each client is in `topics_each` of so many rooms instead.
    `to_all_share`: of all emissions, up to 0.5, are to everybody.
    """

    name: str
    about: str = ""
    clients: int = 100
    room_size: int | None = None
    topics: int = 0
    topics_each: int = 0
    to_all_share: float = 0.0
    skips_sender: bool = False

    def rooms(self, clients: int) -> list[list[str]]:
        """The rooms of each slot."""
        if self.topics:
            draw = random.Random(clients)
            topics = [f"r{topic}" for topic in range(self.topics)]
            return [draw.sample(topics, self.topics_each) for _ in range(clients)]
        if self.room_size == 1:
            return [[] for _ in range(clients)]
        return [[f"r{slot // (self.room_size or clients)}"] for slot in range(clients)]

    def streams(self, clients: int) -> int:
        """How many conversations there are; the last is that with everybody, where there is one."""
        return self._groups(clients) + (self.to_all_share > 0)

    def addresses(self, clients: int, seed: int) -> Iterator[Address]:
        """Without an end: each room or client once in every round, in another order each time; everybody at random."""
        draw = random.Random(seed)
        groups = self._groups(clients)
        in_rooms = members(self.rooms(clients))
        while True:
            for group in draw.sample(range(groups), groups):
                if self.room_size == 1:
                    yield Address(group, group)
                else:
                    room = f"r{group}"
                    yield Address(group, room, draw.choice(in_rooms[room]) if self.skips_sender else None)
                # At 0.1, one for nine of the others.
                if self.to_all_share and draw.random() < self.to_all_share / (1 - self.to_all_share):
                    yield Address(groups, None)

    def _groups(self, clients: int) -> int:
        return self.topics or -(-clients // (self.room_size or max(1, clients)))


def members(rooms: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """The rooms of each slot -> the slots in each room."""
    found: dict[str, list[int]] = {}
    for slot, names in enumerate(rooms):
        for name in names:
            found.setdefault(name, []).append(slot)
    return found


ONE_ROOM = Topology(name="one room", about="everybody is sent everything", clients=100)

TOPOLOGIES: Mapping[str, Topology] = {
    one.name: one
    for one in (
        ONE_ROOM,
        Topology(name="private", about="each client is sent a stream of its own (`to=sid`)", clients=60, room_size=1),
        Topology(
            name="private + all",
            about="a stream for each client, and one emission in ten to everybody",
            clients=60,
            room_size=1,
            to_all_share=TO_ALL_SHARE,
        ),
        Topology(name="rooms of 2", about="pairs", clients=60, room_size=2),
        Topology(
            name="rooms of 2 + all",
            about="pairs, and one emission in ten to everybody",
            clients=60,
            room_size=2,
            to_all_share=TO_ALL_SHARE,
        ),
        Topology(name="rooms of 5", about="groups of five", clients=100, room_size=5),
        Topology(
            name="rooms of 5 + all",
            about="groups of five, and one emission in ten to everybody",
            clients=100,
            room_size=5,
            to_all_share=TO_ALL_SHARE,
        ),
        Topology(name="rooms of 20", about="groups of twenty", clients=100, room_size=20),
        Topology(
            name="rooms of 20 + all",
            about="groups of twenty, and one emission in ten to everybody",
            clients=100,
            room_size=20,
            to_all_share=TO_ALL_SHARE,
        ),
        Topology(
            name="but the sender",
            about="groups of twenty; each emission leaves out one of them at random (`skip_sid`)",
            clients=100,
            room_size=20,
            skips_sender=True,
        ),
        Topology(name="topics", about="each client is in 8 of 20 rooms", clients=60, topics=20, topics_each=8),
    )
}

"""Who of the demo's users sits where, and whom its messages reach, at a real server's manager."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import socketio

from reznet_ws.demo.seating import EVERYBODY, Place, Seating
from reznet_ws.demo.topologies import ONE_ROOM, TOPOLOGIES, Topology

USERS = 12


def seated(
    topology: Topology, then: Callable[[Seating, socketio.AsyncServer, list[str]], Awaitable[Any]], users: int = USERS
) -> Any:
    """What comes of a server with so many clients in its rooms."""

    async def run() -> Any:
        sio = socketio.AsyncServer(async_mode="asgi")
        seating = Seating(sio, topology)
        sids = [await sio.manager.connect(f"e{number}", "/") for number in range(users)]
        for sid in sids:
            await seating.sit(sid)
        return await then(seating, sio, sids)

    return asyncio.run(run())


def reached(sio: socketio.AsyncServer, place: Place | None) -> frozenset[str]:
    """Who a message for this place is sent to."""
    assert place is not None
    members = {sid for sid, _ in sio.manager.get_participants("/", place.room)}
    return frozenset(members - {place.skip_sid})


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=lambda one: one.name)
def test_everybody_is_reached_about_as_often(topology: Topology) -> None:
    async def count(seating: Seating, sio: socketio.AsyncServer, sids: list[str]) -> Counter[str]:
        return Counter(sid for _ in range(1500) for sid in reached(sio, seating.next_place(1)))

    counts = seated(topology, count)
    assert len(counts) == USERS
    assert min(counts.values()) > 0.4 * max(counts.values())


@pytest.mark.parametrize(("name", "sizes"), [("private", {1}), ("rooms of 5", {5, 2}), ("but the sender", {11})])
def test_a_message_reaches_as_many_as_the_topology_says(name: str, sizes: set[int]) -> None:
    async def look(seating: Seating, sio: socketio.AsyncServer, sids: list[str]) -> set[int]:
        return {len(reached(sio, seating.next_place(1))) for _ in range(100)}

    assert seated(TOPOLOGIES[name], look) == sizes


def test_who_is_in_a_room_hears_one_conversation() -> None:
    async def look(seating: Seating, sio: socketio.AsyncServer, sids: list[str]) -> dict[int, set[frozenset[str]]]:
        heard: dict[int, set[frozenset[str]]] = {}
        for _ in range(300):
            place = seating.next_place(1)
            assert place is not None
            heard.setdefault(place.conversation, set()).add(reached(sio, place))
        return heard

    heard = seated(TOPOLOGIES["rooms of 5 + all"], look)
    assert sorted(heard) == [0, 1, 2, 3]
    assert all(len(audiences) == 1 for audiences in heard.values())
    assert heard[3] == {frozenset().union(*itertools.chain(*(heard[room] for room in range(3))))}


def test_when_the_topology_changes_everybody_sits_elsewhere() -> None:
    async def move(seating: Seating, sio: socketio.AsyncServer, sids: list[str]) -> list[set[str]]:
        rooms = [set(sio.rooms(sids[-1]))]
        for name in ("private", "rooms of 2", "one room"):
            await seating.change(TOPOLOGIES[name])
            rooms.append(set(sio.rooms(sids[-1])) - {sids[-1]})
        return rooms[1:]

    assert seated(TOPOLOGIES["rooms of 5"], move) == [{EVERYBODY}, {EVERYBODY, "r5"}, {EVERYBODY}]


def test_who_comes_takes_the_place_of_who_went() -> None:
    async def replace(seating: Seating, sio: socketio.AsyncServer, sids: list[str]) -> tuple[set[str], set[str]]:
        before = set(sio.rooms(sids[3])) - {sids[3]}
        await sio.manager.disconnect(sids[3], "/")
        seating.leave(sids[3])
        places = [seating.next_place(1) for _ in range(50)]
        assert all(sids[3] not in reached(sio, place) for place in places)
        newcomer = await sio.manager.connect("e99", "/")
        await seating.sit(newcomer)
        return before, set(sio.rooms(newcomer)) - {newcomer}

    before, after = seated(TOPOLOGIES["rooms of 2"], replace)
    assert before == after == {EVERYBODY, "r1"}


def test_where_nobody_is_nobody_is_addressed() -> None:
    async def look(seating: Seating, sio: socketio.AsyncServer, sids: list[str]) -> list[Place | None]:
        places = [seating.next_place(1)]
        sid = await sio.manager.connect("e1", "/")
        await seating.sit(sid)
        seating.leave(sid)
        return [*places, seating.next_place(1)]

    assert seated(ONE_ROOM, look, users=0) == [None, None]

"""One window for a capture's connections: the bytes of real sockets, and the order of each connection."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import hypothesis
import pytest
import socketio
from hypothesis import strategies as st

from reznet_ws import attach
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.audit.examine import shared
from reznet_ws.audit.examine.departures import replay
from reznet_ws.audit.examine.shared import broadcasts_of, share_window
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

TIMEOUT_S = 30.0
_SETTINGS = Settings(abbreviate=False, batch=False, deflate_adjustable=True)
_MEMBERS = 6


def spool_of(messages: Mapping[int, Sequence[Kept]]) -> Spool:
    spool = Spool()
    for connection, kepts in messages.items():
        for kept in kepts:
            spool.add(Direction.RECEIVED, connection, kept)
    return spool


def kept(name: str, data: Any, time_ms: float) -> Kept:
    return Kept(time_ms, name, (f"4{name}{data!r}",), (data,))


# Against real sockets


def _script() -> list[tuple[str, Any, list[int]]]:
    """What is emitted, and to whom: mostly everybody, sometimes a few or one; everybody gets the last."""
    script = []
    for at, message in enumerate(record(150, mix="unicode")):
        if at % 7 == 3:
            to = [at % _MEMBERS]
        elif at % 11 == 5:
            to = [0, 1, 2]
        else:
            to = list(range(_MEMBERS))
        script.append((message.event, message.data, to))
    script.append(("the_end", {"n": 1}, list(range(_MEMBERS))))
    return script


async def test_it_takes_the_very_bytes_that_real_sockets_take() -> None:
    script = _script()
    sio = socketio.AsyncServer(async_mode="asgi", ping_interval=1000)
    # The greetings hold random ids: uncompressed, they never enter a window.
    manager = attach(sio, _SETTINGS.replace(deflate=False))
    sids: list[str] = []
    sio.on("connect", lambda sid, _environ: sids.append(sid))

    async def emit() -> None:
        manager.settings = _SETTINGS
        manager.reset_stats()
        for event, data, to in script:
            for room in ["all"] if len(to) == _MEMBERS else ["few"] if len(to) > 1 else [sids[to[0]]]:
                await sio.emit(event, data, room=room)

    server = await asyncio.to_thread(ServerThread, socketio.ASGIApp(sio), stopping=sio.shutdown)
    clients: list[socketio.AsyncClient] = []
    done = [asyncio.Event() for _ in range(_MEMBERS)]
    try:
        async with asyncio.timeout(TIMEOUT_S):
            for number in range(_MEMBERS):
                client = socketio.AsyncClient(
                    handle_sigint=False, reconnection=False, websocket_extra_options={"compress": 15}
                )
                client.on("the_end", lambda _data, number=number: done[number].set())
                await client.connect(server.url, transports=["websocket"])
                clients.append(client)

            async def enter() -> None:
                for number, sid in enumerate(sids):
                    await sio.enter_room(sid, "all")
                    if number < 3:
                        await sio.enter_room(sid, "few")

            await asyncio.wrap_future(server.submit(enter()))
            await asyncio.wrap_future(server.submit(emit()))
            await asyncio.gather(*(event.wait() for event in done))
        sent_bytes = server.call(lambda: sum(row.wire_bytes for row in manager.ledger.rows().values()))
    finally:
        await asyncio.gather(*(client.disconnect() for client in clients))
        await asyncio.to_thread(server.stop)
    captured: dict[int, list[Kept]] = {number: [] for number in range(_MEMBERS)}
    for at, (event, data, to) in enumerate(script):
        for number in to:
            captured[number].append(kept(event, data, float(at)))
    with spool_of(captured) as spool:
        own_bytes = replay(spool, {"own": _SETTINGS})["own"].wire_bytes
        found = share_window(spool, _SETTINGS, own_bytes)
    assert found is not None
    assert found.shared_bytes == sent_bytes
    assert found.broadcasts == len(script)
    assert found.deliveries == sum(len(to) for _, _, to in script)
    assert found.shared_bytes != found.own_bytes


# The order


@st.composite
def rooms(draw: st.DrawFn) -> list[tuple[int, frozenset[int]]]:
    """Emissions: what, and to whom."""
    receivers = st.frozensets(st.integers(0, 4), min_size=1)
    return draw(st.lists(st.tuples(st.integers(0, 6), receivers), max_size=30))


@hypothesis.given(rooms(), st.lists(st.integers(0, 400), min_size=5, max_size=5))
def test_each_connection_gets_its_messages_once_and_in_order(
    emissions: list[tuple[int, frozenset[int]]], late_ms: list[int]
) -> None:
    captured: dict[int, list[Kept]] = defaultdict(list)
    for at, (what, receivers) in enumerate(emissions):
        for receiver in sorted(receivers):
            captured[receiver].append(kept("x", what, 100.0 * at + late_ms[receiver]))
    got: dict[int, list[Kept]] = defaultdict(list)
    gone: Counter[int] = Counter()
    with spool_of(captured) as spool:
        for receivers, message, left in broadcasts_of(spool):
            assert len(set(receivers)) == len(receivers)
            for receiver in receivers:
                assert not gone[receiver]
                got[receiver].append(message)
            gone.update(left)
    assert {key: [message.parts for message in value] for key, value in got.items()} == {
        key: [message.parts for message in value] for key, value in captured.items()
    }
    assert gone == dict.fromkeys(captured, 1)


def test_copies_that_come_a_little_late_are_one_broadcast() -> None:
    captured = {number: [kept("x", at, 100.0 * at + 30 * number) for at in range(10)] for number in range(4)}
    with spool_of(captured) as spool:
        assert [len(receivers) for receivers, _, _ in broadcasts_of(spool)] == [4] * 10


def test_what_a_receiver_alone_got_before_its_copy_leaves_before_it() -> None:
    captured = {0: [kept("x", "all", 0.0)], 1: [kept("x", "private", 5.0), kept("x", "all", 6.0)]}
    with spool_of(captured) as spool:
        order = [(receivers, message.args) for receivers, message, _ in broadcasts_of(spool)]
    assert order == [([1], ("private",)), ([0, 1], ("all",))]


def test_what_came_in_another_order_is_not_taken_for_one_broadcast() -> None:
    first, second = kept("x", "a", 0.0), kept("x", "b", 1.0)
    with spool_of({0: [first, second], 1: [second, first]}) as spool:
        got = [(receivers, message.args) for receivers, message, _ in broadcasts_of(spool)]
    assert sorted(receiver for receivers, _ in got for receiver in receivers) == [0, 0, 1, 1]


def test_pings_at_one_time_are_each_connections_own() -> None:
    ping, event = Kept(0.0, "(ping)", ("2",)), Kept(1.0, "(plain)", ("news",))
    with spool_of({number: [ping, event] for number in range(3)}) as spool:
        assert sorted(receivers for receivers, _, _ in broadcasts_of(spool)) == [[0], [0, 1, 2], [1], [2]]


def test_the_same_text_much_later_is_another_broadcast() -> None:
    with spool_of({0: [kept("x", 1, 0.0)], 1: [kept("x", 1, 1500.0)]}) as spool:
        assert [receivers for receivers, _, _ in broadcasts_of(spool)] == [[0], [1]]


def test_a_room_that_is_sent_the_same_takes_what_windows_of_its_members_would() -> None:
    captured = {number: [kept("x", {"at": at, "text": "words"}, 10.0 * at) for at in range(50)] for number in range(4)}
    with spool_of(captured) as spool:
        own_bytes = replay(spool, {"own": _SETTINGS})["own"].wire_bytes
        found = share_window(spool, _SETTINGS, own_bytes)
    assert found is not None
    assert found.shared_bytes == own_bytes


def test_batches_are_shared_too() -> None:
    settings = Settings(batch=True, abbreviate=False, batch_events=frozenset({"x"}))
    captured = {number: [kept("x", {"at": at}, 5.0 * at) for at in range(40)] for number in range(3)}
    with spool_of(captured) as spool:
        own = replay(spool, {"own": settings})["own"]
        found = share_window(spool, settings, own.wire_bytes)
    assert found is not None
    assert found.deliveries == 120
    assert own.frames < 60
    assert abs(found.shared_bytes - own.wire_bytes) <= 0.05 * own.wire_bytes


def test_long_messages_are_not_all_held_while_copies_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_LOOK_AHEAD_BYTES", 400_000)
    captured = {
        number: [kept("x", f"{number} {at} {'y' * 100_000}", 10.0 * at) for at in range(30)] for number in (0, 1)
    }
    with spool_of(captured) as spool:
        captured.clear()
        tracemalloc.start()
        try:
            assert sum(1 for _ in broadcasts_of(spool)) == 60
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak_bytes < 3_000_000, "each message is there twice, as captured and decoded"


def test_too_many_connections_are_not_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MAX_CONNECTIONS", 2)
    with spool_of({number: [kept("x", 1, 0.0)] for number in range(3)}) as spool:
        assert share_window(spool, _SETTINGS, 0) is None

"""Connection state recovery: the real socket.io-client and python-socketio's, which break off and come back.

A break is the server's doing, in one go with what is then emitted, so that all of it is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from conformance.harness import (
    NEW_POLLING,
    NEW_WS,
    OLD_POLLING,
    OLD_UPGRADED,
    OLD_WS,
    OLD_WS_PLAIN,
    ROWS_WS,
    Client,
    Event,
    Kind,
    Site,
    new_sio,
    open_site,
    until,
)
from conformance.javascript import NEW_KINDS, ROOM, ROWS_KINDS, STOCK_KINDS, Node, joined, open_web_site
from socketio import packet

from reznet_ws import Recovery, attach
from reznet_ws.client import attach as attach_decoder
from reznet_ws.client import attach_recovery
from reznet_ws.settings import Settings

BATCHING = Settings(batch=True, batch_window_ms=100)
KINDS = (OLD_WS, OLD_POLLING, OLD_UPGRADED, NEW_WS, NEW_POLLING, ROWS_WS)
MESSAGE = {"message_id": "m-1", "content": "hello", "created_at": "2025-10-25T12:00:00.000Z"}


class Returning(Client):
    """A client that connects again, and keeps what recovery gives it to keep."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind, decode=False)
        self.joins = 0
        self.sio.reconnection, self.sio.reconnection_delay, self.sio.randomization_factor = True, 0.02, 0
        attach_recovery(self.sio)
        if kind.is_new:
            attach_decoder(self.sio)
        self.sio.on("connect", self._joined)
        # A namespace with a handler of its own is not looked for in "*".
        self.sio.on("*", lambda name, *args: self._note(name, "/", *args))

    def _joined(self) -> None:
        self.joins += 1

    async def back(self, joins: int = 2, *, recovered: bool = True) -> None:
        """Wait until it has been let in so many times."""
        await until(lambda: self.joins >= joins, f"{self.kind.name} to be let in for the {joins}. time")
        assert self.sio.recovered["/"] is recovered

    async def close(self) -> None:
        self.sio.reconnection = False
        if not self.sio.connected:
            await self.sio.shutdown()  # of its attempts to connect again
        await super().close()


@contextlib.asynccontextmanager
async def returning(site: Site, *kinds: Kind, auth: Any = None) -> AsyncIterator[list[Returning]]:
    clients = [Returning(kind) for kind in kinds]
    try:
        await asyncio.gather(*(client.connect(site.url, auth=auth) for client in clients))
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


@contextlib.asynccontextmanager
async def open_recovering(
    recovery: Recovery | None = None, settings: Settings | None = None, **options: Any
) -> AsyncIterator[Site]:
    sio = new_sio(**options)
    attach(sio, settings, recovery=recovery or Recovery())
    async with open_site(sio=sio) as site:
        yield site


async def cut(site: Site, sids: Sequence[str]) -> None:
    """Break connections off as a network does, which a server learns late."""
    for sid in sids:
        session = site.sio.eio.sockets[site.eio_sid(sid)]
        if session.connection.line is not None:
            session.connection.line.inner.abort()
        else:
            await session.close(wait=False, abort=True, reason=site.sio.reason.TRANSPORT_CLOSE)


def put_in_rooms(site: Site) -> list[tuple[str, bool, set[str]]]:
    """Everybody new goes into ROOM and is greeted; who comes back is there. What the connect handler saw."""
    seen = []

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        recovered = site.manager.is_recovered(sid)
        seen.append((sid, recovered, {str(room) for room in site.sio.rooms(sid)} - {sid}))
        if not recovered:
            await site.sio.emit("welcome", "you", to=sid)
            await site.sio.enter_room(sid, ROOM)

    site.sio.on("connect", connect)
    return seen


# Clients in JavaScript


@pytest.mark.asyncio(loop_scope="module")
async def test_stock_clients_in_node_come_back_and_miss_nothing_whatever_their_format(node: Node) -> None:
    kinds = [*STOCK_KINDS, *NEW_KINDS, *ROWS_KINDS]
    async with open_web_site(BATCHING, recovery=Recovery()) as site, joined(site, [node], kinds) as clients:
        sids = [client.sid for client in clients]
        await site.run(site.sio.emit("before", MESSAGE, room=ROOM))
        for client in clients:
            await client.got("before")

        async def break_off() -> None:
            await cut(site, sids)
            for number in range(3):
                await site.sio.emit(
                    "agent_status", {**MESSAGE, "order": number}, room=ROOM
                )  # which may wait in a batch
            await site.sio.emit("picture", (b"\x00\x01", "text"), room=ROOM)
            await site.sio.emit("nothing")
            for client in clients:
                await site.sio.emit("private", client.kind.name, to=client.sid)

        await site.run(break_off())
        for client in clients:
            await client.got(kind="recovered")
        await site.run(site.sio.emit("the_end", "end", room=ROOM))
        for client, sid in zip(clients, sids, strict=True):
            await client.got("the_end")
            assert client.sid == sid
            events = client.events
            offsets = [event.args[-1] for event in events]
            assert offsets == sorted(set(offsets)), str(client)
            assert [Event(event.name, event.args[:-1]) for event in events] == [
                Event("before", (MESSAGE,)),
                *(Event("agent_status", ({**MESSAGE, "order": number},)) for number in range(3)),
                Event("picture", (b"\x00\x01", "text")),
                Event("nothing", ()),
                Event("private", (client.kind.name,)),
                Event("the_end", ("end",)),
            ], str(client)
        figures = site.manager.report().recovery
        assert figures is not None
        assert (figures.recovered, figures.missed, figures.away_connections) == (len(clients), 0, 0)


# Clients in Python


async def test_python_clients_come_back_to_their_session_and_rooms_and_get_what_they_missed() -> None:
    async with open_recovering(settings=BATCHING) as site:
        seen = put_in_rooms(site)
        async with returning(site, *KINDS) as clients:
            sids = [client.sid for client in clients]
            for sid in sids:
                await site.sio.save_session(sid, {"user": sid})
            await cut(site, sids)
            for number in range(5):
                await site.sio.emit("agent_status", {**MESSAGE, "order": number}, room=ROOM)
            await site.sio.emit("text", "", room=ROOM)
            for client in clients:
                await client.back()
            await site.sio.emit("the_end")
            for client, sid in zip(clients, sids, strict=True):
                await client.got("the_end")
                assert client.sid == sid
                assert client.events == [
                    Event("welcome", ("you",)),
                    *(Event("agent_status", ({**MESSAGE, "order": number},)) for number in range(5)),
                    Event("text", ("",)),
                    Event("the_end", ()),
                ], client.kind.name
                assert await site.sio.get_session(sid) == {"user": sid}
            assert sorted(seen[len(sids) :]) == sorted((sid, True, {ROOM}) for sid in sids)


async def test_a_client_that_breaks_off_again_and_again_gets_everything_once_and_in_order() -> None:
    async with open_recovering() as site:
        put_in_rooms(site)
        async with returning(site, OLD_WS, NEW_WS, ROWS_WS, OLD_POLLING) as clients:
            for number in range(40):
                await site.sio.emit("count", {"number": number}, room=ROOM)
                if number % 8 == 3:
                    await cut(site, [client.sid for client in clients if client.joins == number // 8 + 1])
                if number % 8 == 7:
                    for client in clients:
                        await client.back(number // 8 + 2)
            for client in clients:
                await client.got("count", 40)
                numbers = [event.args[0]["number"] for event in client.events if event.name == "count"]
                assert numbers == list(range(40)), client.kind.name


async def test_the_connect_handler_decides_anew_and_rooms_that_were_left_meanwhile_stay_left() -> None:
    async with open_recovering() as site:
        tokens = []

        async def connect(sid: str, environ: dict[str, Any], auth: Any) -> bool:
            tokens.append(auth)
            if not site.manager.is_recovered(sid):
                for room in ("kept", "left", "closed", "forbidden"):
                    await site.sio.enter_room(sid, room)
            elif len(tokens) == 2:
                await site.sio.leave_room(sid, "forbidden")
            return len(tokens) < 3

        site.sio.on("connect", connect)
        async with returning(site, OLD_WS, auth={"token": "t"}) as (client,):
            sid = client.sid
            await cut(site, [sid])
            await site.sio.emit("missed", "kept", room="kept")
            await site.sio.emit("missed", "left", room="left")
            await site.sio.emit("missed", "closed", room="closed")
            await site.sio.emit("missed", "forbidden", room="forbidden")
            await until(lambda: site.sio.eio.sockets == {}, "the server to notice")
            await site.sio.leave_room(sid, "left")
            await site.sio.close_room("closed")
            for room in ("left", "closed"):
                await site.sio.emit("missed", f"{room} too late", room=room)
            await client.back()
            assert set(site.sio.rooms(sid)) == {sid, "kept"}
            await site.sio.emit("the_end")
            await client.got("the_end")
            # What was said in a room before it was taken out is its own; but not where it may no longer be.
            assert [event.args for event in client.events[:-1]] == [("kept",), ("left",), ("closed",)]
            await cut(site, [sid])
            await until(lambda: len(tokens) == 3, "the third attempt")
            await until(lambda: not site.sio.manager.rooms, "the end of it")
            assert tokens == [{"token": "t"}] * 3  # what belongs to recovery is not the application's
            assert len(site.manager.recovery.visits) == 0


async def test_what_is_emitted_while_the_handler_runs_comes_after_what_was_missed() -> None:
    async with open_recovering() as site:
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            await site.sio.enter_room(sid, ROOM)
            if site.manager.is_recovered(sid):
                inside.set()
                await go_on.wait()

        site.sio.on("connect", connect)
        async with returning(site, OLD_WS) as (client,):
            await cut(site, [client.sid])
            await site.sio.emit("count", 1, room=ROOM)
            await inside.wait()
            await site.sio.emit("count", 2, room=ROOM)
            await site.sio.emit("count", 3)
            await site.sio.emit("count", 4, to=client.sid)
            go_on.set()
            await client.back()
            await site.sio.emit("count", 5, room=ROOM)
            await client.got("count", 5)
            assert [event.args[0] for event in client.events] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("reason", ["bytes", "seconds", "another server's pid", "an offset of nobody's"])
async def test_a_miss_is_an_ordinary_new_session(reason: str) -> None:
    async with open_recovering(Recovery(max_bytes=65_536, seconds=1 if reason == "seconds" else 120)) as site:
        seen = put_in_rooms(site)
        async with returning(site, OLD_WS) as (client,):
            await client.got("welcome")
            sid, keeper = client.sid, site.manager.recovery
            if reason == "another server's pid":
                for visit in list(keeper.visits._by_pid.values()):
                    keeper.visits.forget(visit)
            if reason == "an offset of nobody's":
                keeper.number -= 1
            await cut(site, [sid])
            if reason == "bytes":
                for _ in range(3):
                    await site.sio.emit("large", "x" * 30_000, room=ROOM)
            if reason == "seconds":
                keeper.policy = keeper.visits.policy = Recovery(seconds=1)
                await until(lambda: keeper.visits.away, "the server to notice")
                next(iter(keeper.visits._away.values())).away_s -= 1.1
            await client.back(recovered=False)
            await client.got("welcome", 2)
            assert client.sid != sid
            assert [recovered for _, recovered, _ in seen] == [False, False]
            assert keeper.figures.missed == 1


async def test_who_says_goodbye_or_is_sent_away_does_not_come_back() -> None:
    async with open_recovering() as site:
        async with returning(site, OLD_WS, OLD_WS, OLD_WS) as (leaving, dismissed, away):
            assert len(site.manager.recovery.visits) == 3
            keeper = site.manager.recovery
            dismissed.sio.reconnection = False
            await leaving.sio._send_packet(packet.Packet(packet.DISCONNECT))  # its own `disconnect` says nothing
            await site.sio.disconnect(dismissed.sid)
            await until(lambda: len(keeper.visits) == 1, "both to be gone")
            away.sio.reconnection_delay = 60
            await cut(site, [sid := away.sid])
            await until(lambda: keeper.visits.away == 1, "the server to notice")
            await site.sio.disconnect(sid)
            assert len(keeper.visits) == 0


async def test_a_client_that_is_faster_than_the_server_notices_takes_its_session_over() -> None:
    async with open_recovering() as site:
        gone = []
        site.sio.on("disconnect", lambda sid, reason: gone.append(sid))
        put_in_rooms(site)
        async with returning(site, OLD_WS) as (client,):
            sid = client.sid
            line = site.sio.eio.sockets[site.eio_sid(sid)].connection.line
            line.inner.pause_reading()  # so that nobody here learns of the end
            client.sio.eio.ws._response.connection.transport.abort()
            await client.back()
            await site.sio.emit("count", 1, room=ROOM)
            await client.got("count")
            assert (client.sid, gone) == (sid, [sid])


@pytest.mark.parametrize("always_connect", [False, True])
async def test_only_events_that_were_asked_for_are_kept_and_no_text_is_taken_for_an_offset(
    always_connect: bool,
) -> None:
    async with open_recovering(Recovery(events=frozenset({"kept"})), always_connect=always_connect) as site:
        put_in_rooms(site)
        async with returning(site, OLD_WS) as (client,):
            await client.got("welcome")
            await site.sio.emit("kept", 1, room=ROOM)
            for data in ("text", None, (1, "~~~"), {"a": 1}):
                await site.sio.emit("other", data, room=ROOM)
            await client.got("other", 4)
            await cut(site, [client.sid])
            await site.sio.emit("other", "lost", room=ROOM)
            await site.sio.emit("kept", 2, room=ROOM)
            await client.back()
            await client.got("kept", 2)
            args = [event.args for event in client.events[1:]]
            assert args == [(1,), ("text",), (), (1, "~~~"), ({"a": 1},), (2,)]
            assert site.manager.report().recovery.kept_events == 2


async def test_an_event_that_asks_for_an_answer_is_answered_and_is_not_kept() -> None:
    async with open_recovering() as site:
        async with returning(site, OLD_WS) as (client,):
            client.answers["question"] = "answer"
            assert await site.sio.call("question", "text", to=client.sid, timeout=5) == "answer"
            assert client.events == [Event("question", ("text",))]
            assert site.manager.report().recovery.kept_events == 0


async def test_an_offset_costs_three_to_four_bytes_and_without_recovery_the_bytes_are_those_of_before() -> None:
    async def count(kind: Kind, recovery: Recovery | None) -> int:
        sio = new_sio()
        attach(sio, recovery=recovery)
        async with open_site(sio=sio) as site, returning(site, kind) as (client,):
            for number in range(200):
                await sio.emit("count", {**MESSAGE, "order": number})
            await client.got("count", 200)
            return int(site.manager.report().wire.event_bytes)

    assert 2.5 < (await count(OLD_WS, Recovery()) - await count(OLD_WS, None)) / 200 < 4.5
    # Without deflate, whose window begins with a session id, of which some cost a byte more than others.
    assert await count(OLD_WS_PLAIN, Recovery(events=frozenset())) == await count(OLD_WS_PLAIN, None)


async def test_recovery_is_asked_for_where_the_server_is_attached_first() -> None:
    sio = new_sio()
    manager = attach(sio)
    assert manager.recovery is None
    assert not manager.is_recovered("sid")
    with pytest.raises(ValueError, match="attached first"):
        attach(sio, recovery=Recovery())

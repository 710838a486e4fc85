"""The real socket.io-client, in Node and in a page in Chromium, with and without our decoder, beside Python's."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
import socketio
from conformance.harness import END, KINDS, TIMEOUT_S, Client, Event, ThreadSite, connected, end_polls, new_sio
from conformance.raw import CHROMIUM
from playwright.async_api import Browser, ConsoleMessage, async_playwright
from playwright.async_api import Page as BrowserPage

from reznet_ws import attach
from reznet_ws.deflate import AdjustableDeflate
from reznet_ws.settings import Settings
from reznet_ws.wire import WebSocketProtocol

# One loop for the file, so that Node and Chromium start once.
pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
JS = ROOT / "reznet_ws/js"
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


EVERY_LAYER = Settings(gzip=True, deflate_adjustable=True)


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
    query: dict[str, int] = field(default_factory=dict)
    decode: bool = False
    dates: bool = False


TRANSPORTS = {"websocket": ("websocket",), "polling": ("polling",), "upgrade": ("polling", "websocket")}
STOCK_KINDS = [Kind(f"stock-{name}", transports) for name, transports in TRANSPORTS.items()]
NEW_KINDS = [Kind(f"new-{name}", transports, {"reznet": 2}, decode=True) for name, transports in TRANSPORTS.items()]
DATES = Kind("dates-websocket", query={"reznet": 2}, decode=True, dates=True)
# Has the decoder, and talks to a server that was not asked, as to one that knows nothing of us.
NOT_ASKING = Kind("not-asking-websocket", decode=True)
ALL_KINDS = [*STOCK_KINDS, *NEW_KINDS, DATES, NOT_ASKING]


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
        pytest.fail(f"found no {STOCK_CLIENT}; run npm ci in reznet_ws/js, or ./run test", pytrace=False)
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node_path() -> str:
    return find_node()


@pytest_asyncio.fixture(loop_scope="module")
async def node(node_path: str) -> AsyncIterator[Node]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        node_path, str(CLIENTS / "node_client.mjs"), stdin=pipe, stdout=pipe, stderr=pipe, limit=MAX_LINE_BYTES
    )
    node = Node(process)
    yield node
    await node.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(node_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS, chromium_sandbox=False)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = Page(browser)
    yield page
    await page.close()


# The server


STATIC = {
    "/page.html": str(CLIENTS / "page.html"),
    "/driver.js": {"filename": str(CLIENTS / "driver.mjs"), "content_type": "text/javascript"},
    "/reznet.js": str(JS / "reznet.js"),
    "/socket.io.esm.min.js": str(STOCK_CLIENT),
}


REFUSAL = {"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]}


@contextlib.asynccontextmanager
async def open_web_site(settings: Settings | None = None, port: int = 0) -> AsyncIterator[ThreadSite]:
    """A server in a thread, with the page beside it; it puts everybody in one room."""
    # Without engineio's gzip of long-polling responses, so that only permessage-deflate can make frames smaller.
    sio = new_sio(http_compression=False)
    site = ThreadSite("", sio, attach(sio, settings))
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


def layers_seen(site: ThreadSite) -> dict[str, bool]:
    """Which layers left a trace: a layer that did nothing would prove nothing."""
    stats = site.manager.get_stats()
    new, picture, many = (stats["events"][name] for name in ("message_new", "picture", "message_stream"))
    return {
        "abbreviate": new["abbreviated_bytes"] < new["plain_bytes"],
        "deflate": picture["deflated_bytes"] < picture["frame_bytes"],
        "gzip": stats["compressed_messages"] > 0,
        "batch": many["frames"] < many["deliveries"],
    }


def connection_of(site: ThreadSite, client: JsClient) -> WebSocketProtocol:
    connection: WebSocketProtocol = site.manager._connections[site.eio_sid(client.sid)]
    return connection


# The tests


@pytest.mark.parametrize("preset", ["every layer", "off", "seed", "recommended"])
async def test_everybody_in_one_room_gets_every_event_once_in_order_and_as_it_was_emitted(
    node: Node, page: Page, preset: str
) -> None:
    settings = {"every layer": EVERY_LAYER, **Settings.presets()}[preset]
    async with (
        open_web_site(settings) as site,
        joined(site, [node, page], ALL_KINDS) as js_clients,
        connected(site.url, *KINDS) as python_clients,
    ):
        await site.count_members(ROOM, len(js_clients) + len(python_clients))
        expected = await emit_script(site)
        # `sio.emit`, which an application calls that knows nothing of us, and the ways around two layers.
        await site.run(site.sio.emit("message_new", PLAN, room=ROOM))
        expected.append(Event("message_new", (PLAN,)))
        expected += await emit_script(site, batch=True)
        expected += await emit_script(site, optimize=False, batch=False)
        clients: list[JsClient | Client] = [*js_clients, *python_clients]
        await end_of(site, clients)
        expected.append(END)
        for js_client in js_clients:
            assert js_client.events == js_client.expects(expected), js_client
        for client in python_clients:
            assert client.events == expected, client.kind.name
        for js_client in js_clients:
            assert js_client.grants == ([{"format": 2, "formats": [1, 2]}] if js_client.kind.query else []), js_client
        seen = layers_seen(site)
        assert seen == {layer: getattr(settings, layer) for layer in seen}


async def test_acknowledgements_go_both_ways_and_overtake_nothing(node: Node, page: Page) -> None:
    async with open_web_site(EVERY_LAYER) as site, joined(site, [node, page], ALL_KINDS) as clients:
        for client in clients:
            expected: list[Event] = []
            for args in QUESTIONS:
                for event, data in before_answer(args):
                    await site.run(site.sio.emit(event, data, to=client.sid))
                    expected.append(Event(event, (data,)))
                answer = await site.run(site.sio.call("question", args, to=client.sid, timeout=TIMEOUT_S))
                # python-socketio gives one argument as itself and several as a tuple.
                assert as_args(answer) == args, client
                expected.append(Event("question", args))
            for count, args in enumerate(QUESTIONS, 1):
                await client.ask(*args)
                expected += [Event(event, (data,)) for event, data in before_answer(args)]
                assert await client.got("ask", count, "answer") == args, client
                expected.append(Event("answer ask", args))
            assert client.events == client.expects(expected), client


LAYERS = ("abbreviate", "deflate", "gzip", "batch")
SUBSETS = [set(subset) for size in range(5) for subset in itertools.combinations(LAYERS, size)]


async def test_layers_may_be_switched_at_any_moment_while_clients_are_connected(node: Node, page: Page) -> None:
    async with open_web_site(EVERY_LAYER) as site, joined(site, [node, page], ALL_KINDS) as clients:
        part = [
            *SCRIPT[:3],
            *SCRIPT[24:30],
            ("message_stream", {"chunk": "waits"}),
            ("message_stream", {"chunk": "too"}),
        ]

        async def emit_and_switch() -> None:
            for subset in SUBSETS[::-1] + SUBSETS:
                site.manager.settings = EVERY_LAYER.replace(**{layer: layer in subset for layer in LAYERS})
                for event, data in part:
                    await site.sio.emit(event, data, room=ROOM)
                if len(subset) % 2:  # switched before it has left, and after
                    await asyncio.sleep(0)

        await site.run(emit_and_switch())
        await end_of(site, clients)
        expected = [Event(event, as_args(data)) for event, data in part] * 32 + [END]
        for client in clients:
            assert client.events == client.expects(expected), client


OFFERS = {
    "Node": CHROMIUM,
    "Chromium": CHROMIUM,
}


async def test_node_and_chromium_offer_permessage_deflate_and_get_compressed_frames(node: Node, page: Page) -> None:
    kinds = [kind for kind in ALL_KINDS if kind.transports[-1] == "websocket"]
    async with open_web_site() as site, joined(site, [node, page], kinds) as clients:
        for client in clients:
            connection = connection_of(site, client)
            assert connection.request.headers["Sec-WebSocket-Extensions"] == OFFERS[client.host.name]
            assert connection.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate"), client
            (extension,) = connection.conn.extensions
            assert isinstance(extension, AdjustableDeflate)
            assert extension.local_max_window_bits == 15
            before = connection.transport.sent_bytes
            await site.run(site.sio.emit("squeeze", "zażółć " * 4000, to=client.sid))
            assert await client.got("squeeze") == ("zażółć " * 4000,)
            assert connection.transport.sent_bytes - before < 500, client


async def test_without_the_layer_nothing_is_negotiated_and_everything_arrives(node: Node, page: Page) -> None:
    kinds = [kind for kind in ALL_KINDS if kind.transports[-1] == "websocket"]
    async with (
        open_web_site(EVERY_LAYER.replace(deflate=False, deflate_adjustable=False)) as site,
        joined(site, [node, page], kinds) as clients,
    ):
        for client in clients:
            assert connection_of(site, client).conn.extensions == [], client
        expected = await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            assert client.events == client.expects([*expected, END]), client


@pytest.mark.parametrize("bits", [9, 12])
async def test_a_smaller_window_is_one_that_both_can_inflate(node: Node, page: Page, bits: int) -> None:
    settings = EVERY_LAYER.replace(deflate_window_bits=bits, deflate_adjustable=False, gzip=False)
    async with open_web_site(settings) as site, joined(site, [node, page], [STOCK_KINDS[0], NEW_KINDS[0]]) as clients:
        expected = await emit_script(site) + await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            (extension,) = connection_of(site, client).conn.extensions
            assert isinstance(extension, AdjustableDeflate)
            assert extension.local_max_window_bits == bits, client
            assert client.events == [*expected, END], client


async def test_events_that_come_during_the_upgrade_come_once_and_in_order(node: Node, page: Page) -> None:
    upgrades = [STOCK_KINDS[2], NEW_KINDS[2]]
    async with open_web_site(EVERY_LAYER) as site:
        await page.load(site.url)
        clients = [JsClient(host, kind) for host in (node, page) for kind in upgrades]
        sio, handle_request = site.sio, site.sio.handle_request
        sent: Counter[str] = Counter()
        heard: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

        async def handle_upgrade_late(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                (eio_sid,) = parse_qs(scope["query_string"].decode())["sid"]
                await heard[eio_sid].wait()
            await handle_request(scope, receive, send)

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            sio.start_background_task(talk, sid, sio.eio.sockets[site.eio_sid(sid)])

        async def talk(sid: str, socket: Any) -> None:
            rounds_left = 20
            while rounds_left and sio.manager.is_connected(sid, "/"):
                rounds_left -= socket.upgraded
                await sio.emit("burst", {"order": sent[sid], "content": bytes([sent[sid] % 256])}, to=sid)
                await sio.emit("agent_status", {"order": sent[sid]}, to=sid)
                sent[sid] += 1
                await asyncio.sleep(0.001)
            await sio.emit("the_end", to=sid)

        sio.handle_request = handle_upgrade_late
        sio.on("connect", connect)
        for client in clients:
            await client.open(site.url)
        for client in clients:
            await client.got("polling", kind="connect")
            await client.got("burst", 5)
            site.thread.call(heard[site.eio_sid(client.all("connect")[0][2][0])].set)
        for client in clients:
            await client.got("the_end")
            await ready(client)
            expected = [
                event
                for n in range(sent[client.sid])
                for event in (
                    Event("burst", ({"order": n, "content": bytes([n % 256])},)),
                    Event("agent_status", ({"order": n},)),
                )
            ]
            assert client.events == [*expected, END], client
            when = [kind for kind, event, _ in client.log if kind == "ready" or event == "burst"]
            assert 5 <= when.index("ready") < len(when) - 1, "the upgrade was not in the middle of it"
            await client.close()


async def test_clients_come_back_when_the_server_restarts_and_are_granted_their_format_again(
    node: Node, page: Page
) -> None:
    async with contextlib.AsyncExitStack() as second_life:
        async with open_web_site(EVERY_LAYER) as site:
            clients = await second_life.enter_async_context(joined(site, [node, page], ALL_KINDS))
            first = await emit_script(site)
            for client in clients:
                await client.got("agent_status", 3)
        for client in clients:
            await client.got(kind="disconnect")
        site = await second_life.enter_async_context(open_web_site(EVERY_LAYER, site.thread.port))
        for client in clients:
            await ready(client, 2)
        again = await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            assert client.events == client.expects([*first, *again, END]), client
            assert len(client.grants) == (2 if client.kind.query else 0)
        assert all(layers_seen(site).values())


async def test_a_client_that_asks_for_an_unknown_format_is_told_so_and_gets_plain_events(
    node: Node, page: Page
) -> None:
    asks_9 = [
        Kind(f"nine-{name}-{decode}", transports, {"reznet": 9}, decode=decode)
        for name, transports in TRANSPORTS.items()
        for decode in (True, False)
    ]
    async with open_web_site(EVERY_LAYER) as site, joined(site, [node, page], [*asks_9, NEW_KINDS[0]]) as clients:
        expected = await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*expected, END], client
            if client.kind in asks_9:
                reason = "format '9' is not known; you get format 1"
                assert client.grants == [{"format": 1, "formats": [1, 2], "reason": reason}], client


@pytest.mark.parametrize("find", [find_node, lambda: find_chromium("")], ids=["node", "chromium"])
async def test_without_its_tools_a_test_fails_and_says_what_to_do(
    find: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("REZNET_CHROMIUM", raising=False)
    with pytest.raises(pytest.fail.Exception, match=r"found no (node|Chromium).*\./run test"):
        find()

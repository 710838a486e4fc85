"""Whatever happens in whatever order: every client gets exactly its messages, once, in order, and nothing of others'.

The leak law, for the machine without sockets: each client's inflater begins full of bytes that no message has. What is
compressed against anything that this client was not sent comes out as those bytes, and so not as what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import random
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
from conformance.harness import KINDS, Event, Kind, ThreadSite
from conformance.harness import Client as PythonClient
from conformance.javascript import ALL_KINDS, PLAN, JsClient, Node, Page, before_answer, open_web_site, ready
from conformance.javascript import Kind as JsKind
from conformance.raw import BINARY, PING, TEXT
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reznet_ws.deflate.extension import AdjustableDeflateFactory
from reznet_ws.outgoing.writer import TalliedBytes, TalliedText, Writer
from websockets.exceptions import NegotiationError

from reznet_ws.ledger import Ledger, Share, Tally
from reznet_ws.outgoing.line import Line
from reznet_ws.settings import Settings

# No message has this byte; a window of 32 KB is as far as any reference reaches.
SENTINEL = b"\xff" * 32_768
# Little at a time, so that a reference is resolved in the window and not in what is being put out.
INFLATED_AT_ONCE = 16
RSV1 = 0x40

# Sent again and again, so that there is much to refer to, within a message and across them.
WORDS = {"plan": 5, "task": 30, "agent": 60, "status": 60, "é😀": 60, "workflow": 120, "message": 300, "token": 300}
PARAGRAPHS = [" ".join(f"{word}{number * 7919 % 1013}" for number in range(count)) for word, count in WORDS.items()]
# What a client offers: None for no permessage-deflate at all.
OFFERS: list[list[tuple[str, str | None]] | None] = [
    *[[("client_max_window_bits", None)]] * 6,
    [],
    [("server_max_window_bits", "9")],
    [("server_max_window_bits", "12")],
    [("server_no_context_takeover", None)],
    None,
]
SWITCHES = ("deflate", "deflate_adjustable", "deflate_shared", "deflate_takeover")
CHANGES: list[dict[str, Any]] = [
    *({"deflate_window_bits": bits} for bits in (9, 12, 15, 9, 15)),
    *({"deflate_mem_level": level} for level in (1, 9)),
    *({name: value} for name in SWITCHES for value in (False, True)),
    {"deflate_threshold_bytes": 0},
]


class Socket:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data


@dataclass(eq=False)
class Client:
    """A connection, and what its client makes of what it gets: as strict as the window that it was promised."""

    line: Line
    socket: Socket
    expected: list[tuple[int, bytes, bool]] = field(default_factory=list)
    queue: list[str | bytes] = field(default_factory=list)
    is_stalled: bool = False
    inflater: Any = None
    received: list[tuple[int, bytes, bool]] = field(default_factory=list)

    def read(self) -> None:
        """Take whole frames; (opcode, payload, whether it was compressed)."""
        data = self.socket.written
        while data:
            size, header = data[1], 2
            if size == 126:
                size, header = int.from_bytes(data[2:4]), 4
            elif size == 127:
                size, header = int.from_bytes(data[2:10]), 10
            assert len(data) >= header + size, "half a frame was written"
            payload, is_compressed = bytes(data[header : header + size]), bool(data[0] & RSV1)
            opcode = data[0] & 0x0F
            del data[: header + size]
            self.received.append((opcode, self.inflate(payload) if is_compressed else payload, is_compressed))

    def inflate(self, payload: bytes) -> bytes:
        deflate = self.line.deflate
        assert deflate is not None, "compressed for a client that cannot inflate"
        if self.inflater is None or deflate.local_no_context_takeover:
            bits = deflate.local_max_window_bits
            self.inflater = zlib.decompressobj(wbits=-bits, zdict=SENTINEL[: 1 << bits])
        inflated, rest = bytearray(), payload + b"\x00\x00\xff\xff"
        while rest:
            piece = self.inflater.decompress(rest, INFLATED_AT_ONCE)
            inflated += piece
            rest = self.inflater.unconsumed_tail
        while piece := self.inflater.decompress(b"", INFLATED_AT_ONCE):
            inflated += piece
        return bytes(inflated)


class Holder:
    """Holds the settings in force."""

    settings = Settings(deflate_adjustable=True)


class Deliveries(RuleBasedStateMachine):
    """One server's way out, from the message to the bytes on each connection, under every kind of disturbance."""

    def __init__(self) -> None:
        super().__init__()
        self.holder, self.ledger = Holder(), Ledger()
        self.writer = Writer(self.holder, self.ledger)
        self.loop = asyncio.new_event_loop()
        self.clients: list[Client] = []
        self.gone: list[Client] = []
        self.rooms: dict[str, list[Client]] = {"a": [], "b": []}
        self.count = 0

    def teardown(self) -> None:
        for client in self.clients:
            self.resume(client)
        self.run(self.writer.close)
        self.loop.close()
        for client in (*self.clients, *self.gone):
            self.check(client)

    def run(self, act: Callable[[], object]) -> None:
        """In the loop, as everything that is written is; then let the loop have a turn."""

        async def acting() -> None:
            act()
            await asyncio.sleep(0)

        self.loop.run_until_complete(acting())

    def check(self, client: Client) -> None:
        client.read()
        got = [(opcode, payload) for opcode, payload, _ in client.received]
        assert got == [(opcode, payload) for opcode, payload, _ in client.expected]
        for (_, _, is_compressed), (_, _, must_stay_clear) in zip(client.received, client.expected, strict=True):
            assert not (must_stay_clear and is_compressed), "a secret was compressed"

    # Who is there

    def join(self, offer: list[tuple[str, str | None]] | None) -> Client:
        socket = Socket()
        client = Client(Line(socket, self.ledger), socket)  # type: ignore[arg-type]
        if offer is not None:
            with contextlib.suppress(NegotiationError):  # the layer is off for good
                client.line.deflate = AdjustableDeflateFactory(self.holder).process_request_params(offer, [])[1]
        self.clients.append(client)
        return client

    @initialize(offers=st.lists(st.sampled_from(OFFERS), min_size=8, max_size=14), split=st.integers(2, 6))
    def open(self, offers: list[list[tuple[str, str | None]] | None], split: int) -> None:
        """Each room has about half of them: enough for windows to part and not to be given up."""
        for number, offer in enumerate(offers):
            self.rooms["ab"[number % split < split // 2]].append(self.join(offer))

    @rule(offer=st.sampled_from(OFFERS), rooms=st.sets(st.sampled_from("ab")))
    def comes(self, offer: list[tuple[str, str | None]] | None, rooms: set[str]) -> None:
        if len(self.clients) < 16:
            client = self.join(offer)
            for room in rooms:
                self.rooms[room].append(client)

    def leave(self, client: Client) -> None:
        self.run(self.writer.close)
        client.line.drop()
        self.clients.remove(client)
        for members in self.rooms.values():
            if client in members:
                members.remove(client)
        del client.expected[len(client.expected) - len(client.queue) :]  # what it never got
        client.queue.clear()
        self.gone.append(client)

    @precondition(lambda self: len(self.clients) > 3)
    @rule(index=st.integers(0, 15))
    def goes(self, index: int) -> None:
        self.leave(self.clients[index % len(self.clients)])

    @rule(index=st.integers(0, 15), offer=st.sampled_from(OFFERS))
    def comes_back(self, index: int, offer: list[tuple[str, str | None]] | None) -> None:
        """The same user, with a new connection: what its inflater held is gone."""
        client = self.clients[index % len(self.clients)]
        rooms = [members for members in self.rooms.values() if client in members]
        self.leave(client)
        again = self.join(offer)
        for members in rooms:
            members.append(again)

    @rule(index=st.integers(0, 15), room=st.sampled_from("ab"))
    def changes_rooms(self, index: int, room: str) -> None:
        client, members = self.clients[index % len(self.clients)], self.rooms[room]
        members.remove(client) if client in members else members.append(client)

    # Who can be written to

    @rule(index=st.integers(0, 15))
    def stalls(self, index: int) -> None:
        self.clients[index % len(self.clients)].is_stalled = True

    @rule(index=st.integers(0, 15), count=st.integers(1, 5))
    def takes_some(self, index: int, count: int) -> None:
        """The writer sends some of what waits; the rest still waits, and what comes goes behind it."""
        client = self.clients[index % len(self.clients)]
        for _ in range(min(count, len(client.queue))):
            self.take(client)

    @rule(index=st.integers(0, 15))
    def resumes(self, index: int) -> None:
        self.resume(self.clients[index % len(self.clients)])

    def resume(self, client: Client) -> None:
        client.is_stalled = False
        while client.queue:
            self.take(client)

    def take(self, client: Client) -> None:
        """What waits longest for it, as it goes out by engineio's writer."""
        data = client.queue.pop(0)
        if isinstance(data, (TalliedText, TalliedBytes)):
            self.run(lambda: self.writer.write_late(data, client.line))
        else:
            self.run(lambda: self.writer.write(data, [client.line]))

    # What is sent

    def send(self, parts: Sequence[str | bytes], receivers: Sequence[Client], *, secret: bool = False) -> None:
        ready = [client for client in receivers if not client.is_stalled and not client.queue]
        for part in parts:
            self.run(lambda part=part: self.writer.write(part, [client.line for client in ready]))
            opcode, payload = (TEXT, part.encode()) if isinstance(part, str) else (BINARY, bytes(part))
            for client in receivers:
                client.expected.append((opcode, payload, secret))
                if client not in ready:
                    client.queue.append(part)

    def packet(self, text: str, *attachments: bytes, secret: bool = False) -> list[TalliedText | TalliedBytes]:
        tally = Tally(self.ledger, [Share("message_new", 1, 1, 1, 1, (1,), 1)])
        parts = [TalliedText(text, tally), *(TalliedBytes(data, tally) for data in attachments)]
        for part in parts:
            part.frame.must_stay_clear = secret
        return parts

    def text(self, paragraphs: list[int]) -> str:
        self.count += 1
        return f'42["message_new",{self.count},"' + " ".join(PARAGRAPHS[number] for number in paragraphs) + '"]'

    texts = st.lists(st.integers(0, len(PARAGRAPHS) - 1), max_size=4)

    @rule(paragraphs=texts)
    def emits_to_all(self, paragraphs: list[int]) -> None:
        self.send(self.packet(self.text(paragraphs)), self.clients)

    @rule(paragraphs=texts, times=st.integers(2, 12))
    def emits_much_to_all(self, paragraphs: list[int], times: int) -> None:
        """Enough for windows to begin, part and meet again."""
        for _ in range(times):
            self.send(self.packet(self.text(paragraphs)), self.clients)

    @rule(paragraphs=texts, room=st.sampled_from("ab"), times=st.integers(1, 8))
    def emits_to_a_room(self, paragraphs: list[int], room: str, times: int) -> None:
        for _ in range(times):
            self.send(self.packet(self.text(paragraphs)), self.rooms[room])

    @rule(paragraphs=texts, skipped=st.sets(st.integers(0, 15), max_size=4))
    def emits_to_all_but_some(self, paragraphs: list[int], skipped: set[int]) -> None:
        receivers = [client for index, client in enumerate(self.clients) if index not in skipped]
        self.send(self.packet(self.text(paragraphs)), receivers)

    @rule(paragraphs=texts, index=st.integers(0, 15), times=st.integers(1, 8))
    def emits_to_one(self, paragraphs: list[int], index: int, times: int) -> None:
        for _ in range(times):
            self.send(self.packet(self.text(paragraphs)), [self.clients[index % len(self.clients)]])

    @rule(paragraphs=texts, index=st.integers(0, 15))
    def acknowledges(self, paragraphs: list[int], index: int) -> None:
        """What python-socketio sends by itself is text that carries no tally."""
        self.send([self.text(paragraphs)], [self.clients[index % len(self.clients)]])

    @rule(paragraphs=texts)
    def pings_behind_a_message(self, paragraphs: list[int]) -> None:
        """In the same turn of the loop: what waits on the line goes first."""
        ready = [client for client in self.clients if not client.is_stalled and not client.queue]
        text = self.text(paragraphs)

        def write() -> None:
            self.writer.write(text, [client.line for client in ready])
            for client in ready:
                client.line.write(bytes((0x80 | PING, 0)))

        self.run(write)
        for client in ready:
            client.expected += [(TEXT, text.encode(), False), (PING, b"", True)]

    @rule(paragraphs=texts, sizes=st.lists(st.sampled_from([0, 1, 200, 70_000]), min_size=1, max_size=2))
    def emits_bytes(self, paragraphs: list[int], sizes: list[int]) -> None:
        pages = [(PARAGRAPHS[size % 7].encode() * (size // 500 + 1))[:size] for size in sizes]
        self.send(self.packet(self.text(paragraphs), *pages), self.clients)

    @rule(paragraphs=texts, room=st.sampled_from(["a", None]))
    def emits_a_secret(self, paragraphs: list[int], room: str | None) -> None:
        receivers = self.clients if room is None else self.rooms[room]
        self.send(self.packet(self.text(paragraphs), b"sesame" * 9, secret=True), receivers, secret=True)

    # What is switched

    @rule(changes=st.sampled_from(CHANGES))
    def switches(self, changes: dict[str, Any]) -> None:
        self.holder.settings = self.holder.settings.replace(**changes)

    @rule(texts=st.lists(texts, min_size=1, max_size=2))
    def shares_no_longer_for_a_while(self, texts: list[list[int]]) -> None:
        before = self.holder.settings
        for is_shared in (False, True, False):
            self.holder.settings = before.replace(deflate_shared=is_shared)
            for paragraphs in texts:
                self.emits_to_all(paragraphs)
        self.holder.settings = before

    @rule()
    def switches_back(self) -> None:
        self.holder.settings = Holder.settings

    @invariant()
    def windows_know_their_members(self) -> None:
        windows = Counter(window for client in self.clients if (window := client.line.inflater.window) is not None)
        for window, members in windows.items():
            assert window.members == members

    @rule()
    def all_that_came_is_right_so_far(self) -> None:
        for client in self.clients:
            client.read()
            got = [(opcode, payload) for opcode, payload, _ in client.received]
            assert got == [(opcode, payload) for opcode, payload, _ in client.expected[: len(got)]]


Deliveries.TestCase.settings = hypothesis.settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)


class TestDeliveries(Deliveries.TestCase):  # type: ignore[name-defined,misc]
    """Run by pytest."""


# The same with real sockets and real clients

ANSWERED = ({"content": "żółw?", "created_at": "2025-10-25T12:00:00.000Z", "c": 1, "_v": 2}, [1, None, "vier"])
STEPS = 150
# Linux lets a socket hold what net.ipv4.tcp_rmem and tcp_wmem say, both ends together: 38 MB where that was seen.
MOST_TO_FILL_A_SOCKET = 48


class Script:
    """A seeded script on a real server: clients of every kind that come, go and change rooms, and what each is due."""

    def __init__(self, site: ThreadSite, hosts: Sequence[Node | Page], seed: int) -> None:
        self.site, self.hosts, self.chooser = site, hosts, random.Random(seed)
        self.clients: list[PythonClient | JsClient] = []
        self.expected: dict[int, list[Event]] = {}
        self.rooms: dict[str, list[PythonClient | JsClient]] = {"a": [], "b": []}
        self.numbers = itertools.count()

    async def join(self, host: Node | Page | None, kind: Kind | JsKind) -> None:
        client: PythonClient | JsClient
        if host is None:
            client = PythonClient(kind)
            await client.connect(self.site.url)
            if kind.query:
                await client.got("connection_established")
        else:
            # One that has left may have a last word under its name.
            client = JsClient(host, dataclasses.replace(kind, name=f"{kind.name} {next(self.numbers)}"))
            await client.open(self.site.url)
            await ready(client)
        self.clients.append(client)
        self.expected[id(client)] = []
        for room, members in self.rooms.items():
            if self.chooser.random() < 0.5:
                await self.site.run(self.site.sio.enter_room(client.sid, room))
                members.append(client)

    async def leave(self, client: PythonClient | JsClient) -> None:
        """With all that is due to it."""
        await self.emit("goodbye", next(self.numbers), [client], to=client.sid)
        await client.got("goodbye")
        self.check(client)
        self.clients.remove(client)
        for members in self.rooms.values():
            if client in members:
                members.remove(client)
        await client.close()

    def check(self, client: PythonClient | JsClient) -> None:
        expected = self.expected[id(client)]
        assert client.events == (client.expects(expected) if isinstance(client, JsClient) else expected), str(
            client.kind
        )

    async def emit(self, event: str, data: Any, receivers: Sequence[PythonClient | JsClient], **how: Any) -> None:
        await self.site.run(self.site.sio.emit(event, data, **how))
        self.expect(receivers, event, data)

    def expect(self, receivers: Sequence[PythonClient | JsClient], event: str, data: Any) -> None:
        args = data if isinstance(data, tuple) else () if data is None else (data,)
        for client in receivers:
            self.expected[id(client)].append(Event(event, args))

    def message(self) -> tuple[str, Any]:
        number = next(self.numbers)
        content = " ".join(self.chooser.choice(PARAGRAPHS) for _ in range(self.chooser.randrange(3)))
        match self.chooser.random():
            case x if x < 0.4:
                return "message_new", {
                    "message_id": number,
                    "content": content,
                    "created_at": "2025-10-25T12:00:00.000Z",
                }
            case x if x < 0.7:
                return "agent_status", {"status": number}
            case x if x < 0.8:
                return "picture", {"order": number, "picture": self.chooser.randbytes(self.chooser.randrange(4000))}
            case x if x < 0.9:
                return "secret", {"token": number, "content": "sesame" * 20}
            case x if x < 0.95:
                return "workflow_plan", {**PLAN, "order": number}
        return "several", (number, content, None)

    async def step(self) -> None:
        event, data = self.message()
        client = self.chooser.choice(self.clients)
        match self.chooser.random():
            case x if x < 0.3:
                await self.emit(event, data, self.clients)
            case x if x < 0.5:
                room = self.chooser.choice(list(self.rooms))
                await self.emit(event, data, self.rooms[room], room=room)
            case x if x < 0.6:
                await self.emit(event, data, [client], to=client.sid)
            case x if x < 0.7:
                rest = [other for other in self.clients if other is not client]
                await self.emit(event, data, rest, skip_sid=client.sid)
            case x if x < 0.75:
                await self.ask(client)
            case x if x < 0.8 and isinstance(client, PythonClient):
                client.answers["question"] = ANSWERED
                answer = await self.site.run(self.site.sio.call("question", data, to=client.sid, timeout=5))
                assert answer == ANSWERED
                self.expect([client], "question", data)
            case x if x < 0.86:
                room = self.chooser.choice(list(self.rooms))
                members, is_member = self.rooms[room], client in self.rooms[room]
                change = self.site.sio.leave_room if is_member else self.site.sio.enter_room
                await self.site.run(change(client.sid, room))
                members.remove(client) if is_member else members.append(client)
            case x if x < 0.91:
                await self.leave(client)
                await self.join(client.host if isinstance(client, JsClient) else None, client.kind)
            case x if x < 0.93:
                await self.pause()
            case _:
                await self.site.apply(
                    self.site.manager.settings.replace(**self.chooser.choice(CHANGES_WHILE_CONNECTED))
                )

    async def ask(self, client: PythonClient | JsClient) -> None:
        if isinstance(client, JsClient):
            asked = len(client.all("answer", "ask"))
            await client.ask(*ANSWERED)
            await client.got("ask", asked + 1, "answer")
        else:
            assert await client.sio.call("ask", ANSWERED, timeout=5) == ANSWERED
        for event, data in before_answer(ANSWERED):
            self.expect([client], event, data)
        if isinstance(client, JsClient):
            self.expect([client], "answer ask", ANSWERED)

    async def pause(self) -> None:
        """A client that does not read for a while, until its socket is full and messages queue at the server."""
        python = [client for client in self.clients if isinstance(client, PythonClient)]
        client = self.chooser.choice([client for client in python if client.kind.ends_on_websocket])
        transport = client.sio.eio.ws._conn.transport
        waiting = self.site.sio.eio.sockets[self.site.eio_sid(client.sid)].queue
        transport.pause_reading()
        for _ in range(MOST_TO_FILL_A_SOCKET):
            if not waiting.empty():
                break
            await self.emit("picture", {"picture": self.chooser.randbytes(900_000)}, [client], to=client.sid)
        assert not waiting.empty(), "its socket takes more than this"
        for _ in range(10):
            await self.emit(*self.message(), self.clients)
        transport.resume_reading()


CHANGES_WHILE_CONNECTED: list[dict[str, Any]] = [
    *({name: value} for name in ("deflate", "deflate_shared", "deflate_takeover") for value in (False, True, True)),
    *({name: value} for name in ("abbreviate", "batch", "gzip", "utf8") for value in (False, True)),
    *({"deflate_window_bits": bits} for bits in (9, 12, 15)),
    *({"coalesce_ms": most_ms} for most_ms in (0, 5, 50)),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("seed", range(3))
async def test_real_clients_of_every_kind_in_one_room_get_exactly_theirs(node: Node, page: Page, seed: int) -> None:
    settings = Settings(deflate_adjustable=True, never_compress=frozenset({"secret"}))
    async with open_web_site(settings) as site:
        await page.load(site.url)
        script = Script(site, [node, page], seed)
        try:
            for host, kinds in ((None, KINDS), (node, ALL_KINDS), (page, ALL_KINDS)):
                for kind in kinds:
                    await script.join(host, kind)
            for _ in range(STEPS):
                await script.step()
            await script.emit("the_end", None, script.clients)
            for client in script.clients:
                await client.got("the_end")
                script.check(client)
        finally:
            for client in script.clients:
                await client.close()

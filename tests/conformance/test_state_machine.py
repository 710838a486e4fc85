"""With real sockets and real clients of every kind: each gets exactly its messages, once, in order.

Without sockets, and with laws about bytes and windows: tests/outgoing/test_broadcast.py.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from conformance.harness import KINDS, Event, Kind, ThreadSite
from conformance.harness import Client as PythonClient
from conformance.javascript import ALL_KINDS, PLAN, JsClient, Node, Page, before_answer, open_web_site, ready
from conformance.javascript import Kind as JsKind
from outgoing.receiving import PARAGRAPHS

from reznet_ws.settings import Settings

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
        line = self.site.manager.road.connections[self.site.eio_sid(client.sid)].line
        assert line is not None
        transport.pause_reading()
        for _ in range(MOST_TO_FILL_A_SOCKET):
            if line.queued_bytes:
                break
            await self.emit("picture", {"picture": self.chooser.randbytes(900_000)}, [client], to=client.sid)
        assert line.queued_bytes, "its socket takes more than this"
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

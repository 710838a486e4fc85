"""One window for many, over real sockets: each client's own inflater gives back what that client was sent.

An inflater holds only what its client was sent, so a frame compressed against anything else does not come out right.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack
from typing import Any

import pytest
import socketio
from conformance.harness import END, KINDS, Event, Site, connected, end_of, new_sio, open_site, until
from conformance.raw import BINARY, CHROMIUM, Frame, RawClient, raw

from reznet_ws.settings import Settings

OFFERS = [
    *[CHROMIUM] * 12,
    "permessage-deflate",
    "permessage-deflate; server_max_window_bits=10",
    "permessage-deflate; server_no_context_takeover",
    None,
]


def words(number: int) -> dict[str, Any]:
    """A message that shares words with others, and has some of its own."""
    chooser = random.Random(number)
    common = " ".join(chooser.choice(("work", "play", "Jack", "dull", "boy")) for _ in range(chooser.randrange(120)))
    return {"content": f"{common} é{number} {chooser.random()}", "seq": number}


def body(frame: Frame) -> Any:
    assert frame.text.startswith("42"), frame
    return json.loads(frame.text[2:])


async def test_everybody_gets_the_very_same_frames_from_the_beginning_of_a_window_on() -> None:
    async with open_site() as site, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(site.url)) for _ in range(6)]
        for client in clients:
            await client.connect(extensions=CHROMIUM)
        for number in range(40):
            await site.sio.emit("message_new", words(number))
        received = []
        for client in clients:
            client.received.clear()
            for number in range(40):
                assert body(await client.frame()) == ["message_new", words(number)]
            received.append(bytes(client.received))
        # The first came alone, and its greeting is in its window.
        assert len(set(received[1:])) == 1
        assert len(received[0]) < 0.6 * sum(len(json.dumps(words(number))) for number in range(40))


async def test_behind_a_middleware_that_looks_at_each_message_too() -> None:
    sio = new_sio()
    inner = socketio.ASGIApp(sio)

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def look(message: dict[str, Any]) -> None:
            await send(message)

        await inner(scope, receive, look)

    async with open_site(sio=sio, app=middleware) as site, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(site.url)) for _ in range(6)]
        for client in clients:
            await client.connect(extensions=CHROMIUM)
        for number in range(40):
            await sio.emit("message_new", words(number))
        received = []
        for client in clients:
            client.received.clear()
            for number in range(40):
                assert body(await client.frame()) == ["message_new", words(number)]
            received.append(bytes(client.received))
        assert len(set(received[1:])) == 1
        figures = site.manager.road.histories.figures()
        assert figures.histories <= 2
        assert figures.compressions <= 2 * 40 + 2


class Crowd:
    """Raw clients that come and go, and what each is to get."""

    def __init__(self, site: Site, stack: AsyncExitStack, chooser: random.Random) -> None:
        self.site, self.stack, self.chooser = site, stack, chooser
        self.clients: list[RawClient] = []
        self.expected: dict[int, list[Any]] = {}
        self.rooms: dict[str, list[RawClient]] = {"a": [], "b": []}
        self.asked = 0

    async def join(self) -> None:
        client = await self.stack.enter_async_context(raw(self.site.url))
        await client.connect(extensions=self.chooser.choice(OFFERS))
        self.clients.append(client)
        self.expected[id(client)] = []
        for room, members in self.rooms.items():
            if self.chooser.random() < 0.5:
                await self.site.sio.enter_room(client.sid, room)
                members.append(client)

    async def leave(self) -> None:
        client = self.clients.pop(self.chooser.randrange(len(self.clients)))
        for members in self.rooms.values():
            if client in members:
                members.remove(client)
        await self.check(client)
        client.close()
        await until(lambda: len(self.site.sio.eio.sockets) == len(self.clients), "the end of its connection")

    async def emit(self, number: int) -> None:
        message = words(number)
        match self.chooser.random():
            case x if x < 0.4:
                to, receivers = None, self.clients
            case x if x < 0.75:
                to = self.chooser.choice(list(self.rooms))
                receivers = self.rooms[to]
            case _:
                client = self.chooser.choice(self.clients)
                to, receivers = client.sid, [client]
        await self.site.sio.emit("message_new", message, to=to)
        for receiver in receivers:
            self.expected[id(receiver)].append(["message_new", message])

    async def ask(self) -> None:
        """An acknowledgement, which only its client gets, in between."""
        client = self.chooser.choice(self.clients)
        self.asked += 1
        self.expected[id(client)].append(words(self.asked))
        await client.send_text(f"42{self.asked}" + json.dumps(["ask", words(self.asked)]))
        await self.check(client)

    async def check(self, client: RawClient) -> None:
        """Everything due has come, in order."""
        for expected in self.expected[id(client)]:
            frame = await client.frame()
            got = json.loads(frame.text[frame.text.index("[") :])
            assert got == (expected if isinstance(expected, list) else [expected])
        self.expected[id(client)].clear()


@pytest.mark.parametrize("seed", range(6))
async def test_whoever_comes_and_goes_and_whatever_only_some_are_sent(seed: int) -> None:
    chooser = random.Random(seed)
    sio = new_sio()
    sio.on("ask", lambda sid, data: data)
    settings = Settings(never_compress=frozenset({"secret"}), deflate_adjustable=seed % 2 == 0)
    async with open_site(settings, sio=sio) as site, AsyncExitStack() as stack:
        crowd = Crowd(site, stack, chooser)
        for _ in range(16):
            await crowd.join()
        for number in range(250):
            match chooser.random():
                case x if x < 0.04:
                    await crowd.join()
                case x if x < 0.07 and len(crowd.clients) > 3:
                    await crowd.leave()
                case x if x < 0.15:
                    await crowd.ask()
                case x if x < 0.16:
                    changes = {
                        "deflate_window_bits": chooser.choice((9, 12, 15)),
                        "deflate_shared": chooser.random() < 0.8,
                        "deflate_takeover": chooser.random() < 0.8,
                        "deflate": chooser.random() < 0.8,
                    }
                    await site.apply(settings.replace(**changes))
                case _:
                    await crowd.emit(number)
        for client in list(crowd.clients):
            await crowd.check(client)


async def test_events_that_are_never_compressed_stay_clear_and_disturb_nothing() -> None:
    settings = Settings(never_compress=frozenset({"token"}))
    async with open_site(settings) as site, raw(site.url) as client, raw(site.url) as other:
        for each in (client, other):
            await each.connect(extensions=CHROMIUM)
        for number in range(20):
            await site.sio.emit("message_new", words(number))
            await site.sio.emit("token", {"content": "sesame" * 50, "bytes": b"sesame" * 50}, to=client.sid)
            await site.sio.emit("token", {"content": "open" * 50})
        rsv1 = set()
        for number in range(20):
            frame = await client.frame()
            assert body(frame) == ["message_new", words(number)]
            rsv1.add(frame.rsv1)
            for _ in range(3):
                frame = await client.frame()
                assert not frame.rsv1
                assert b"sesame" in frame.payload or b"openopen" in frame.payload
        assert True in rsv1


async def test_a_client_that_stops_reading_holds_up_nobody_and_misses_nothing() -> None:
    """For it, messages go by the queue; when it reads again, in the order in which they were emitted."""
    large = {"content": "x" * 100_000, "bytes": b"\x00\xff" * 100}
    count = 150
    async with open_site(Settings(deflate=False)) as site, raw(site.url) as slow, connected(site.url, *KINDS) as quick:
        await slow.connect()
        for number in range(count):
            await site.sio.emit("large", {**large, "seq": number})
            await site.sio.emit("small", number)
            await asyncio.sleep(0)
        await end_of(site, quick)
        expected = [
            event
            for number in range(count)
            for event in (Event("large", ({**large, "seq": number},)), Event("small", (number,)))
        ]
        for client in quick:
            assert client.events == [*expected, END], client.kind.name
        for number in range(count):
            text, attachment, small = await slow.frame(), await slow.frame(), await slow.frame()
            assert f'"seq":{number}}}' in text.text
            assert (attachment.opcode, attachment.payload) == (BINARY, large["bytes"])
            assert small.text == f'42["small",{number}]'
        assert (await slow.frame()).text == '42["the_end"]'


async def test_nothing_overtakes_what_waited_for_a_slow_reader() -> None:
    """While it is up to 8 MB behind and reads on, messages go straight and by the queue in turn."""
    text, count = "x" * 20_000, 2000
    async with open_site(Settings(deflate=False)) as site, raw(site.url) as slow:
        await slow.connect()
        may_be_ahead = asyncio.Semaphore(400)

        async def emit_all() -> None:
            for number in range(count):
                await may_be_ahead.acquire()
                await site.sio.emit("n", [number, text])

        emitting = asyncio.create_task(emit_all())
        for number in range(count):
            assert (await slow.frame()).text == f'42["n",[{number},"{text}"]]'
            may_be_ahead.release()
        await emitting

"""A client that reads more slowly than it is sent: bounded, counted, and of no concern to the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conformance.harness import OLD_POLLING, OLD_WS, Site, connected, open_site, until
from conformance.raw import CHROMIUM, CLOSE, TEXT, Frame, RawClient, raw

from reznet_ws.settings import Settings

# A message that fills the kernel's buffers soon (6 MB on loopback) and the queue, once these are full, with the second.
SIZE = 400_000
SETTINGS = Settings(max_queued_bytes=1_000_000)
# More than both sides' kernel buffers and the server's can hold of what does not compress.
ENOUGH = 60


async def stall(site: Site, first: int = 0, count: int = ENOUGH) -> None:
    for number in range(first, first + count):
        await site.sio.emit("n", {"number": number, "filler": _filler(number)})
        await asyncio.sleep(0.001)  # lets the sockets take what they can


def _filler(number: int) -> str:
    return random.Random(number).randbytes(SIZE // 2).hex()  # deflate halves it


def slow_readers(site: Site) -> dict[str, int]:
    return site.manager.get_stats()["slow_readers"]


async def numbers(client: RawClient) -> tuple[list[int], Frame]:
    """The numbers of the messages up to the close frame or the one that says it is the last; and that frame."""
    found: list[int] = []
    while True:
        frame = await client.frame()
        if frame.opcode == CLOSE or frame.text.startswith('42["last"'):
            return found, frame
        if frame.text.startswith('42["n"'):
            found.append(json.loads(frame.text[2:])[1]["number"])


@pytest.mark.parametrize("extensions", [None, CHROMIUM])
async def test_who_does_not_read_is_closed_with_a_clear_code_and_the_others_miss_nothing(extensions: Any) -> None:
    settings = SETTINGS.replace(deflate=extensions is not None)
    async with open_site(settings) as site, raw(site.url) as stalled:
        left: list[str] = []
        site.sio.on("disconnect", lambda sid, reason: left.append(sid))
        await stalled.connect(extensions=extensions)
        async with connected(site.url, OLD_WS, OLD_WS) as clients:
            count = 0
            while not slow_readers(site)["closed_connections"]:
                assert count < 1000
                await stall(site, count, 20)
                count += 20
            await until(lambda: left == [stalled.sid], "the disconnect handler")
            assert slow_readers(site) == {
                "closed_connections": 1,
                "skipped_messages": 0,
                "shed_connections": 0,
                "queued_bytes": 0,
                "held_bytes": 0,
            }
            await site.sio.emit("last")
            for client in clients:
                await client.got("last")
                received = [event.args[0]["number"] for event in client.events if event.name == "n"]
                assert received == list(range(count))
            got, closed = await numbers(stalled)
            assert got == list(range(len(got)))  # what it could still be given, in order
            assert (closed.close_code, closed.payload[2:]) == (1013, b"reads too slowly")


async def test_by_setting_it_misses_messages_and_stays() -> None:
    async with open_site(SETTINGS.replace(skip_slow_readers=True, deflate=False)) as site, raw(site.url) as stalled:
        await stalled.connect()
        async with connected(site.url, OLD_WS) as (client,):
            await stall(site)
            skipped = slow_readers(site)["skipped_messages"]
            assert 0 < skipped < ENOUGH
            assert 0 < slow_readers(site)["queued_bytes"] <= 2_000_000 + 5 * SIZE
            reading = asyncio.create_task(numbers(stalled))
            await until(lambda: not slow_readers(site)["queued_bytes"], "an empty queue")
            await stall(site, ENOUGH, 3)
            await site.sio.emit("last")
            got, _ = await reading
            missed = sorted(set(range(ENOUGH + 3)) - set(got))
            assert got == sorted(got)
            assert len(missed) == skipped
            assert got[-3:] == [ENOUGH, ENOUGH + 1, ENOUGH + 2]
            await client.got("last")
            assert slow_readers(site)["closed_connections"] == 0


async def test_a_message_with_attachments_is_missed_whole() -> None:
    async with open_site(SETTINGS.replace(skip_slow_readers=True, deflate=False)) as site, raw(site.url) as stalled:
        await stalled.connect()
        for number in range(ENOUGH):
            await site.sio.emit("b", [number, bytes(SIZE // 2), bytes(SIZE // 2)])
            await asyncio.sleep(0.001)
        assert slow_readers(site)["skipped_messages"] > 0
        reading = asyncio.create_task(_parts(stalled))
        await until(lambda: not slow_readers(site)["queued_bytes"], "an empty queue")
        await site.sio.emit("last")
        parts = await reading
        assert len(parts) % 3 == 0
        assert [isinstance(part, bytes) for part in parts] == [False, True, True] * (len(parts) // 3)


async def _parts(client: RawClient) -> list[str | bytes]:
    parts: list[str | bytes] = []
    while True:
        frame = await client.frame()
        if frame.opcode == 2:
            parts.append(frame.payload)
        elif frame.text.startswith('42["last"'):
            return parts
        elif frame.text != "2":
            parts.append(frame.text)


async def test_answers_that_nobody_fetches_end_the_connection_even_where_messages_may_be_missed() -> None:
    async with open_site(SETTINGS.replace(skip_slow_readers=True, deflate=False)) as site, raw(site.url) as stalled:
        site.sio.on("ask", lambda sid: "x" * SIZE)
        await stalled.connect()
        for number in range(ENOUGH):
            await stalled.send_text(f'42{number}["ask"]')
        await until(lambda: slow_readers(site)["closed_connections"], "the end of the connection")
        _, closed = await numbers(stalled)
        assert closed.close_code == 1013


async def test_a_long_polling_client_that_stops_polling_loses_its_session() -> None:
    async with open_site(SETTINGS) as site, raw(site.url) as http:
        target = await http.connect_polling()
        await stall(site)
        await until(lambda: slow_readers(site)["closed_connections"] == 1, "the end of the session")
        assert slow_readers(site)["queued_bytes"] == 0
        assert (await http.request("GET", target))[0] == 400
        async with connected(site.url, OLD_POLLING) as (client,):
            await site.sio.emit("n", {"number": 1})
            await client.got("n")


async def test_an_empty_queue_takes_a_message_larger_than_its_bound() -> None:
    async with open_site(SETTINGS) as site, connected(site.url, OLD_POLLING, OLD_WS) as clients:
        await site.sio.emit("large", "x" * 1_500_000)
        for client in clients:
            assert len((await client.got("large")).args[0]) == 1_500_000
        assert slow_readers(site)["closed_connections"] == 0


# All of them together


@contextlib.asynccontextmanager
async def stalled_clients(site: Site, count: int) -> AsyncIterator[list[RawClient]]:
    """Clients that read nothing from now on, and whose sockets are full."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(site.url)) for _ in range(count)]
        for client in clients:
            await client.connect()
        lines = [connection.line for connection in site.manager.road.connections.values()]
        while not all(line is not None and line.queued_bytes for line in lines):
            await site.sio.emit("n", {"number": -1, "filler": FILLER})
            await asyncio.sleep(0.001)
        yield clients


FILLER = "x" * SIZE
CLEAR = Settings(deflate=False, max_held_bytes=12_000_000)


async def test_a_message_that_many_wait_for_is_held_once() -> None:
    async with open_site(CLEAR) as site, stalled_clients(site, 5):
        for number in range(20):
            await site.sio.emit("n", {"number": number, "filler": FILLER})
        figures = slow_readers(site)
        assert figures["queued_bytes"] > 5 * 20 * SIZE
        assert 20 * SIZE < figures["held_bytes"] < figures["queued_bytes"] / 4
        assert figures["closed_connections"] == 0


async def test_who_holds_most_is_closed_first_where_all_queues_together_are_full() -> None:
    async with open_site(CLEAR) as site, stalled_clients(site, 3) as (most, some, least):
        sent = {client.sid: 0 for client in (most, some, least)}
        while not slow_readers(site)["closed_connections"]:
            assert sent[most.sid] < 100
            for client in (most, most, most, some, some, least):
                await site.sio.emit("n", {"number": sent[client.sid], "filler": FILLER}, to=client.sid)
                sent[client.sid] += 1
        assert slow_readers(site)["held_bytes"] <= CLEAR.max_held_bytes
        assert (slow_readers(site)["closed_connections"], slow_readers(site)["shed_connections"]) == (1, 1)
        await site.sio.emit("last")
        got, closed = await numbers(most)
        assert closed.close_code == 1013
        for client in (some, least):
            got, last = await numbers(client)
            assert last.opcode == TEXT
            assert [number for number in got if number >= 0] == list(range(sent[client.sid]))
        await until(lambda: not slow_readers(site)["held_bytes"], "nothing held")


async def test_clients_that_do_not_poll_are_bounded_together_too() -> None:
    settings = Settings(max_held_bytes=2_000_000)
    async with open_site(settings) as site, raw(site.url) as one, raw(site.url) as other:
        await one.connect_polling()
        target = await other.connect_polling()
        sids = [sid for sid, _ in site.sio.manager.get_participants("/", None)]
        for number in range(6):
            for sid in sids[:1] if number else sids:
                await site.sio.emit("n", {"number": number, "filler": FILLER}, to=sid)
        await until(lambda: slow_readers(site)["shed_connections"] == 1, "the end of the one that holds most")
        status, _, body = await other.request("GET", target)
        assert (status, FILLER.encode() in body) == (200, True)
        assert slow_readers(site)["held_bytes"] == 0


async def test_where_messages_may_be_missed_they_are_missed_when_all_queues_are_full() -> None:
    settings = CLEAR.replace(skip_slow_readers=True)
    async with open_site(settings) as site, stalled_clients(site, 2):
        for number in range(40):
            for sid, _ in list(site.sio.manager.get_participants("/", None)):
                await site.sio.emit("n", {"number": number, "filler": FILLER}, to=sid)
        figures = slow_readers(site)
        assert figures["held_bytes"] < CLEAR.max_held_bytes + 2 * SIZE
        assert (figures["closed_connections"], figures["skipped_messages"] > 0) == (0, True)

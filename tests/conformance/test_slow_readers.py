"""A client that reads more slowly than it is sent: bounded, counted, and of no concern to the others."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from conformance.harness import OLD_POLLING, OLD_WS, Site, connected, open_site, until
from conformance.raw import CHROMIUM, CLOSE, Frame, RawClient, raw

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
            assert slow_readers(site) == {"closed_connections": 1, "skipped_messages": 0, "queued_bytes": 0}
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

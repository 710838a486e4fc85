"""Clients that mean harm, or stop reading: what they can make a server hold is bounded, and ends with them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import socketio
from conformance.harness import OLD_WS, Site, connected, new_sio, open_site, protocol_of, until
from conformance.raw import CHROMIUM, PING, PONG, RawClient, mask_frame, raw

from reznet_ws import attach
from reznet_ws.adapters.uvicorn import WebSocketProtocol
from reznet_ws.settings import Settings

CONTINUATION = 0x0


def only_connection(site: Site) -> WebSocketProtocol:
    (sid,) = site.manager.road.connections
    return protocol_of(site, sid)


async def all_is_read(client: RawClient) -> None:
    """The server answers a ping once it has read all that came before."""
    await client.write(mask_frame(b"read", PING))
    assert (await client.frame()).opcode == PONG


async def test_who_stops_reading_and_is_given_up_leaves_nothing() -> None:
    sio = new_sio(ping_interval=1, ping_timeout=1)
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect()
        connection = only_connection(site)
        connection.close_timeout = 0.5
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(60):
            await sio.emit("n", random.Random(number).randbytes(200_000).hex())
            await asyncio.sleep(0.001)  # lets the sockets take what they can
        await until(lambda: not sio.eio.sockets, "Engine.IO to give it up")
        await until(lambda: connection.disconnected and not connection.tasks, "the end of its task")


async def test_pings_whose_answers_nobody_reads_fill_no_memory() -> None:
    async with open_site() as site, raw(site.url) as client:
        seen = asyncio.Event()
        site.sio.on("seen", lambda sid: seen.set())
        await client.connect()
        connection = only_connection(site)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(80):
            await client.write(mask_frame(b"x" * 125, PING) * 2000)
        await client.send_text('42["seen"]')
        await asyncio.wait_for(seen.wait(), 10)
        assert connection.transport.get_write_buffer_size() < 1_000_000


async def test_fragments_that_hold_nothing_fill_no_memory_and_their_message_arrives() -> None:
    async with open_site() as site, raw(site.url) as client:
        seen = asyncio.Event()
        site.sio.on("seen", lambda sid: seen.set())
        await client.connect()
        await client.write(mask_frame(b"4", fin=False))
        for _ in range(5):
            await client.write(mask_frame(b"", CONTINUATION, fin=False) * 5000)
        await all_is_read(client)
        held = vars(only_connection(site))
        assert len(held["frames" if "frames" in held else "bytes"]) < 100  # as uvicorn calls it before 0.50
        await client.write(mask_frame(b'2["seen"]', CONTINUATION))
        await asyncio.wait_for(seen.wait(), 10)


async def test_a_websocket_for_a_session_that_is_over_leaves_nothing() -> None:
    async with open_site() as site, raw(site.url) as client:
        target = await client.open_polling()
        await client.request("POST", target, b"1")
        await client.shake_hands(target.rpartition("&")[2])
        assert not site.manager.road.connections


async def test_of_two_that_probe_the_one_that_upgrades_is_sent_the_messages() -> None:
    async with open_site() as site, raw(site.url) as poller, raw(site.url) as first, raw(site.url) as second:
        target = await poller.connect_polling()
        query = target.rpartition("&")[2]
        for probing in (first, second):
            await probing.shake_hands(query)
            await probing.send_text("2probe")
            assert (await probing.frame()).text == "3probe"
        await first.send_text("5")
        (socket,) = site.sio.eio.sockets.values()
        await until(lambda: socket.upgraded and socket.queue.empty(), "the upgrade")
        await site.sio.emit("m", 1)
        while (await first.frame()).text != '42["m",1]':
            pass


async def test_uvicorns_own_limit_is_kept() -> None:
    async with open_site(ws_max_size=10_000) as site, raw(site.url) as client:
        await client.connect()
        await client.send_text('42["a","' + "x" * 50_000 + '"]')
        assert (await client.closing()).close_code == 1009


async def test_all_are_sent_away_at_once() -> None:
    async with open_site() as site, connected(site.url, *[OLD_WS] * 10):
        at_work, most = 0, 0

        async def leave(sid: str, reason: str) -> None:
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.1)
            at_work -= 1

        site.sio.on("disconnect", leave)
        await site.sio.eio.disconnect()
        assert most == 10


@pytest.mark.parametrize("attachment", [None, b"s3cr3t" * 300])
async def test_the_answer_to_an_event_that_is_never_compressed_stays_clear(attachment: Any) -> None:
    settings = Settings(never_compress=frozenset({"login"}))
    async with open_site(settings) as site, raw(site.url) as client:
        site.sio.on("login", lambda sid, data: [{"token": "s3cr3t" * 300, "echo": data}, attachment])
        site.sio.on("other", lambda sid, data: [{"token": "public" * 300, "echo": data}, attachment])
        await client.connect(extensions=CHROMIUM)
        frames = 1 if attachment is None else 2
        for event, is_compressed in (("login", False), ("other", True), ("login", False)):
            await client.send_text(f'42["{event}","x"]'.replace("42", "420"))
            for _ in range(frames):
                frame = await client.frame()
                assert frame.rsv1 == is_compressed, (event, frame)


def test_another_async_mode_is_refused() -> None:
    with pytest.raises(TypeError, match="async_mode 'aiohttp'"):
        attach(socketio.AsyncServer(async_mode="aiohttp"))

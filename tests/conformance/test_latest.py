"""Real clients that do not read for a while: of what only the newest counts they get the newest, of all else all."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from conformance.harness import (
    NEW_WS,
    OLD_POLLING,
    OLD_WS,
    OLD_WS_PLAIN,
    PACKED_WS,
    ROWS_WS,
    Client,
    Kind,
    Site,
    connected,
    end_of,
    open_site,
    until,
)
from conformance.raw import raw

from reznet_ws.settings import Latest, Settings

SETTINGS = Settings(latest=(Latest("price", "symbol"),))
ROUNDS, SYMBOLS = 40, ("ACME", "BOLT")
# What fills the socket's buffers, 6 MB on loopback: random, so that deflate leaves it.
SIZE, MOST_TO_FILL_A_SOCKET = 900_000, 48


async def _stall(site: Site, client: Client) -> Any:
    """The client stops reading, and its socket is filled; gives what makes it read again."""
    ws: Any = client.sio.eio.ws
    transport = ws._conn.transport
    line = site.manager.road.connections[site.eio_sid(client.sid)].line
    assert line is not None
    transport.pause_reading()
    for number in range(MOST_TO_FILL_A_SOCKET):
        if line.queued_bytes:
            return transport
        await site.sio.emit("filler", random.Random(number).randbytes(SIZE), to=client.sid)
    raise AssertionError("its socket takes more than this")


async def _prices(site: Site, **to: Any) -> None:
    for number in range(ROUNDS):
        for symbol in SYMBOLS:
            await site.sio.emit("price", {"symbol": symbol, "price": number}, **to)
        await site.sio.emit("say", {"number": number, "text": "word " * 20}, **to)


def _heard(client: Client, name: str) -> list[Any]:
    return [event.args[0] for event in client.events if event.name == name]


EVERY_PRICE = [{"symbol": symbol, "price": number} for number in range(ROUNDS) for symbol in SYMBOLS]
NEWEST = [{"symbol": symbol, "price": ROUNDS - 1} for symbol in SYMBOLS]
ALL_SAID = list(range(ROUNDS))


@pytest.mark.parametrize("kind", [OLD_WS, OLD_WS_PLAIN, NEW_WS, ROWS_WS, PACKED_WS], ids=lambda kind: kind.name)
async def test_a_slow_reader_gets_the_newest_price_and_all_that_was_said(kind: Kind) -> None:
    async with open_site(SETTINGS) as site, connected(site.url, kind, kind) as (slow, quick):
        transport = await _stall(site, slow)
        await _prices(site)
        assert site.manager.report().conflated_messages == 2 * (ROUNDS - 1)
        assert site.manager.report().slow_readers.queued_bytes > 0
        transport.resume_reading()
        await end_of(site, [slow, quick])
        await _prices(site)  # the histories and rows of both go on
        await end_of(site, [slow, quick])
        await slow.got("the_end", 2)
        assert _heard(quick, "price") == EVERY_PRICE * 2
        assert _heard(slow, "price") == NEWEST + EVERY_PRICE
        for client in (slow, quick):
            assert [said["number"] for said in _heard(client, "say")] == ALL_SAID * 2
        assert slow.events[-4:-1] == quick.events[-4:-1]
        row = site.manager.ledger.rows()["price"]
        assert row.deliveries == 4 * len(EVERY_PRICE) - 2 * (ROUNDS - 1)
        assert site.manager.report().slow_readers.queued_bytes == 0


async def test_said_on_emit_it_holds_for_that_event_alone() -> None:
    async with open_site() as site, connected(site.url, OLD_WS) as (slow,):
        transport = await _stall(site, slow)
        for number in range(5):
            await site.manager.broadcast("seen", {"user": "ann", "at": number}, latest="user")
            await site.manager.broadcast("kept", {"user": "ann", "at": number})
        transport.resume_reading()
        await end_of(site, [slow])
        assert _heard(slow, "seen") == [{"user": "ann", "at": 4}]
        assert [kept["at"] for kept in _heard(slow, "kept")] == list(range(5))


@pytest.mark.parametrize("whole", [False, True], ids=["from the namespace", "for good"])
async def test_a_server_that_sends_a_slow_reader_away_gives_it_all_that_was_held_back(whole: bool) -> None:
    async with open_site(SETTINGS) as site, connected(site.url, OLD_WS) as (slow,):
        transport = await _stall(site, slow)
        await _prices(site)
        away = site.sio.eio.disconnect(site.eio_sid(slow.sid)) if whole else site.sio.disconnect(slow.sid)
        sending_away = asyncio.create_task(away)
        await until(lambda: not site.sio.manager.is_connected(slow.sid, "/"), "the end of the session")
        transport.resume_reading()
        await slow.gone()
        await sending_away
        assert _heard(slow, "price") == NEWEST
        assert [said["number"] for said in _heard(slow, "say")] == ALL_SAID


async def test_who_polls_seldom_fetches_the_newest_only() -> None:
    async with open_site(SETTINGS) as site, raw(site.url) as seldom, connected(site.url, OLD_POLLING) as (often,):
        target = await seldom.connect_polling()
        await _prices(site)
        _, _, body = await seldom.request("GET", target)
        texts = body.decode().split("\x1e")
        prices = [text for text in texts if text.startswith('42["price"')]
        assert prices == [f'42["price",{{"symbol":"{symbol}","price":{ROUNDS - 1}}}]' for symbol in SYMBOLS]
        assert len([text for text in texts if text.startswith('42["say"')]) == ROUNDS
        assert site.manager.report().conflated_messages >= 2 * (ROUNDS - 1)
        await end_of(site, [often])
        assert [said["number"] for said in _heard(often, "say")] == ALL_SAID
        assert _heard(often, "price")[-2:] == NEWEST

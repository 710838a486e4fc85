"""Format 3 between real servers and real clients: what travels, who shares it, and what happens to who misses some."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import socketio
from conformance.harness import (
    OLD_WS,
    ROWS_KINDS,
    ROWS_WS,
    ROWS_WS_PLAIN,
    Client,
    Event,
    connected,
    end_of,
    new_sio,
    open_site,
    until,
)
from conformance.raw import RawClient, raw

from reznet_ws import attach
from reznet_ws.client import attach_rows
from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.message.rows_state import Seed
from reznet_ws.settings import Settings

CLEAR = Settings(deflate=False)
ROOM = "room"


async def _joined(client: RawClient) -> str:
    """Connect, and pass over what the server grants."""
    await client.connect("reznet=3")
    granted = (await client.frame()).text
    assert json.loads(granted[2:])[1]["format"] == 3
    return granted


async def test_what_travels_is_what_changed() -> None:
    async with open_site(CLEAR) as site, raw(site.url) as client:
        await _joined(client)
        for value in (1, 2, 3, 3):
            await site.sio.emit("price", {"symbol": "ACME", "value": value})
        frames = [(await client.frame()).text for _ in range(4)]
        assert frames == ['4"\n!%2["price",{"symbol":"ACME","value":1}]', "4#%%;\t1", "4#&%&", "4#'%"]


async def test_a_batch_is_one_frame_of_lines() -> None:
    settings = CLEAR.replace(batch=True, batch_window_ms=20, batch_events=frozenset({"price"}))
    async with open_site(settings) as site, raw(site.url) as client:
        await _joined(client)
        for value in (1, 5, 9):
            await site.sio.emit("price", value)
        assert (await client.frame()).text == '4"\n!%2["price",1]'
        assert (await client.frame()).text == "4#%%:\t4\n#&%%"


async def test_rows_that_are_off_are_refused_with_the_reason() -> None:
    async with open_site(CLEAR.replace(rows=False)) as site, raw(site.url) as client:
        await client.connect("reznet=3")
        said = json.loads((await client.frame()).text[2:])[1]
        assert said == {"format": 1, "formats": [1, 2, 3, "m"], "reason": "rows are off; you get format 1"}
        await site.sio.emit("price", 1)
        assert (await client.frame()).text == '42["price",1]'


async def test_one_encoding_serves_a_room_and_stock_clients_get_the_event() -> None:
    async with open_site() as site, connected(site.url, *[ROWS_WS] * 3, OLD_WS) as clients:
        for number in range(30):
            await site.sio.emit("price", {"symbol": "ACME", "value": number})
        await end_of(site, clients)
        for client in clients:
            assert client.events[:-1] == [Event("price", ({"symbol": "ACME", "value": n},)) for n in range(30)]
        groups = {connection.rows for connection in site.manager.road.connections.values() if connection.granted_rows}
        (group,) = groups
        assert group is not None
        assert group.members == 3


async def test_the_ledger_books_what_rows_take() -> None:
    async with open_site(CLEAR) as site, connected(site.url, ROWS_WS_PLAIN) as clients:
        for number in range(100):
            await site.sio.emit("price", {"symbol": "ACME" * 20, "value": number})
        await end_of(site, clients)
        row = site.manager.ledger.rows()["price"]
        assert row.deliveries == row.frames == 100
        assert row.frame_bytes < 400 < 100 * 80 < row.encoded_bytes
        assert row.wire_bytes == row.frame_bytes + 2 * 100
        whole = [len(f'42["price",{{"symbol":"{"ACME" * 20}","value":{number}}}]') for number in range(100)]
        assert row.frame_bytes + row.rows_saved_bytes == sum(whole)


async def test_acks_secrets_bytes_and_private_messages_come_in_between() -> None:
    settings = Settings(never_compress=frozenset({"secret"}), batch=True, batch_events=frozenset({"price", "secret"}))
    async with open_site(settings) as site, connected(site.url, *ROWS_KINDS) as clients:
        expected: dict[int, list[Event]] = {id(client): [] for client in clients}

        async def emit(event: str, data: Any, **to: Any) -> None:
            await site.sio.emit(event, data, **to)
            for client in clients:
                if client.sid == to.get("to", client.sid) and client.sid != to.get("skip_sid"):
                    expected[id(client)].append(Event(event, (data,)))

        for client in clients:
            client.answers["question"] = "answer"
        for number in range(60):
            one = clients[number % 4]
            await emit("price", {"symbol": "ACME", "value": number})
            await emit("secret", {"symbol": "ACME", "token": number})
            await emit("price", {"symbol": "ACME", "value": -number}, skip_sid=one.sid)
            await emit("private", {"symbol": "ACME", "value": number}, to=one.sid)
            await emit("picture", {"symbol": "ACME", "value": b"\x00\x01"})
            if number % 10 == 0:
                assert await site.sio.call("question", {"value": number}, to=one.sid) == "answer"
                expected[id(one)].append(Event("question", ({"value": number},)))
        await end_of(site, clients)
        for client in clients:
            assert client.events[:-1] == expected[id(client)], client.kind.name


async def test_rooms_that_change_and_newcomers_begin_from_what_they_were_sent() -> None:
    async with open_site() as site, connected(site.url, *ROWS_KINDS) as clients:
        newcomers: list[Client] = []
        counts = dict.fromkeys(range(4), 0)
        for number in range(80):
            chosen = number % 4
            if number % 3:
                await site.sio.enter_room(clients[chosen].sid, ROOM)
            else:
                await site.sio.leave_room(clients[chosen].sid, ROOM)
            members = {sid for sid, _ in site.sio.manager.get_participants("/", ROOM)}
            for index, client in enumerate(clients):
                counts[index] += client.sid in members
            await site.sio.emit("inside", {"number": number, "text": "x" * number}, room=ROOM)
            await site.sio.emit("outside", {"number": number, "text": "y" * number})
            if number % 20 == 10:
                newcomers.append(await Client(ROWS_WS).connect(site.url))
                await newcomers[-1].got("connection_established")
        await end_of(site, [*clients, *newcomers])
        for index, client in enumerate(clients):
            assert len([event for event in client.events if event.name == "inside"]) == counts[index]
        outside = [Event("outside", ({"number": number, "text": "y" * number},)) for number in range(80)]
        for client in [*clients, *newcomers]:
            heard = [event for event in client.events if event.name == "outside"]
            assert heard == outside[80 - len(heard) :]
        assert [len([e for e in client.events if e.name == "outside"]) for client in newcomers] == [69, 49, 29, 9]
        await asyncio.gather(*(client.close() for client in newcomers))


async def test_a_reader_that_misses_messages_begins_anew_and_the_others_go_on() -> None:
    settings = CLEAR.replace(skip_slow_readers=True, max_queued_bytes=65_536)
    async with open_site(settings) as site, raw(site.url) as slow, connected(site.url, ROWS_WS) as (quick,):
        await _joined(slow)
        texts = [f"{number:03}" + chr(65 + number % 26) * 100_000 for number in range(120)]
        for number, text in enumerate(texts, 1):
            await site.sio.emit("document", {"text": text})
            await quick.got("document", number)
        await until(lambda: site.manager.road.slow_readers.skipped_messages, "a message that was skipped")
        assert [event.args[0]["text"] for event in quick.events] == texts
        decoder, heard = RowsDecoder(), []

        async def read() -> None:
            while not heard or heard[-1] != "last":
                packets = decoder.decode((await slow.frame()).text[1:])
                heard.extend(json.loads(packet[1:])[1]["text"] for packet in packets)

        reading = asyncio.create_task(read())
        connection = site.manager.road.connections[site.eio_sid(slow.sid)]
        await until(lambda: connection.line is not None and not connection.line.is_backed_up, "what was queued")
        await site.sio.emit("document", {"text": "last"})
        await reading
        assert len(heard) < len(texts) + 1
        assert heard == [text for text in [*texts, "last"] if text in set(heard)]


async def test_a_client_that_is_told_what_cannot_be_loses_only_its_own_connection() -> None:
    async with open_site() as site, connected(site.url, ROWS_WS, ROWS_WS) as (victim, other):
        await site.sio.emit("price", {"value": 1})
        await other.got("price")
        road = site.manager.road
        connection = road.connections[site.eio_sid(victim.sid)]
        road.send(connection, ["~never told"], is_secret=False)
        await victim.gone()
        await site.sio.emit("price", {"value": 2})
        assert (await other.got("price", 2)).args == ({"value": 2},)


async def test_a_client_that_knows_the_schemas_shapes_is_sent_no_keys() -> None:
    price = {"type": "object", "properties": {"symbol": {"type": "string"}, "value": {"type": ["null", "number"]}}}
    sio = new_sio()
    manager = attach(sio, CLEAR, schemas={"price": price, "count": {"type": "integer"}})
    seed = Seed(manager.rows_seed["packets"])
    assert manager.rows_seed == {"name": seed.name, "packets": ['2["price",{"symbol":"","value":0}]']}
    async with open_site(sio=sio) as site, raw(site.url) as knows, raw(site.url) as another, raw(site.url) as knows_not:
        await knows.connect(f"reznet=3&seed={seed.name}")
        await another.connect("reznet=3&seed=another")
        await knows_not.connect("reznet=3")
        for client in (knows, another, knows_not):
            await client.frame()
        client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
        attach_rows(client, seed=seed)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        client.on("price", heard.put)
        await client.connect(f"{site.url}?reznet=3&seed={seed.name}", transports=["websocket"])
        emitted = {"symbol": "ACME", "value": 7}
        await sio.emit("price", emitted)
        whole = '2["price",{"symbol":"ACME","value":7}]'
        assert (await knows.frame()).text == f'4"{seed.name}\n#%%P:\tACME\t7'
        assert (await another.frame()).text == (await knows_not.frame()).text == f'4"\n!%{whole}'
        assert await asyncio.wait_for(heard.get(), 10) == emitted
        await client.disconnect()


@pytest.mark.parametrize("settings", [Settings(), Settings(far_references=True)], ids=["rows", "far"])
async def test_settings_may_change_at_any_moment(settings: Settings) -> None:
    async with open_site(settings) as site, connected(site.url, *ROWS_KINDS) as clients:
        document = " ".join(f"word{number}" for number in range(300))
        expected = []
        changes = [
            {"rows": False},
            {"rows": True},
            {"far_references": True},
            {"far_references": False},
            {"rows_shapes": 2},
        ]
        for number in range(60):
            if number % 10 == 9:
                site.manager.settings = site.manager.settings.replace(**changes[number // 10 % len(changes)])
            for data in ({"n": number, "document": document}, {"n": number}, [number, document]):
                await site.sio.emit("news", data)
                expected.append(Event("news", (data,)))
        await end_of(site, clients)
        for client in clients:
            assert client.events[:-1] == expected, client.kind.name

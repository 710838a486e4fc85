"""Bad input: the sender hears of it, everybody else goes on, and nothing is left behind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
import re
import zlib
from collections.abc import AsyncIterator
from importlib import metadata
from typing import Any

import pytest
import socketio
from conformance.harness import (
    END,
    KINDS,
    NEW_POLLING,
    NEW_WS,
    OLD_WS,
    TIMEOUT_S,
    Client,
    Event,
    Site,
    connected,
    end_of,
    new_sio,
    open_site,
    open_thread_site,
    until,
)
from conformance.raw import BINARY, CLOSE, POLLING, TEXT, RawClient, mask_frame, raw
from packaging.version import Version

from reznet_ws import PayloadError
from reznet_ws.demo.chat import Application
from reznet_ws.settings import Settings

# What python-engineio says itself to a second WebSocket of one session: a refusal from 4.15 on, before it an error.
REFUSED = " 403 " if Version(metadata.version("python-engineio")) >= Version("4.15") else " 500 "
LETS_IN_LATE = pytest.mark.skipif(
    not hasattr(socketio.AsyncManager, "pre_connect"),
    reason="python-socketio before 5.18 takes a client for connected while its handler still waits",
)

MAX_BYTES = 1_000_000


# What the application emits


def cycle() -> Any:
    value: dict[str, Any] = {"content": []}
    value["content"].append(value)
    return value


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNSENDABLE = {
    "NaN": ({"content": {"scores": [1, math.nan]}}, "message_new: $.content.scores[1] is nan, which JSON lacks"),
    "infinity": ([-math.inf], "message_new: $[0] is -inf, which JSON lacks"),
    "a set": ({"content": {1}}, "message_new: $.content is of type set, which JSON lacks"),
    "an object": (object(), "message_new: $ is of type object, which JSON lacks"),
    "a key": ({"metadata": {7: "x"}}, "message_new: $.metadata has the key 7, which is not a string"),
    "a cycle": (cycle(), "message_new: $.content[0] contains itself"),
    "too deep": (nested(300), "message_new: $" + "[0]" * 256 + " is nested deeper than 256 levels"),
    "a second argument": (({"content": "fine"}, math.nan), "message_new: $ is nan, which JSON lacks"),
}


@pytest.mark.parametrize(("data", "message"), UNSENDABLE.values(), ids=UNSENDABLE)
async def test_what_json_lacks_is_an_error_that_says_where_and_nothing_is_sent(data: Any, message: str) -> None:
    """By the seed's calls always, by python-socketio's own with `strict_json`."""
    async with open_site(Settings(strict_json=True)) as site, connected(site.url, *KINDS) as clients:
        before = site.wire["sent_bytes"]
        for call in (
            site.sio.emit("message_new", data),
            site.sio.emit("message_new", data, to=clients[0].sid, callback=print),
            site.manager.broadcast("message_new", data),
            site.manager.broadcast("message_new", data, optimize=False, batch=True),
            site.manager.send_to_user(clients[0].sid, "message_new", data),
        ):
            with pytest.raises(PayloadError, match=f"^{re.escape(message)}$") as caught:
                await call
            assert caught.value.event == "message_new"
        assert site.wire["sent_bytes"] == before
        assert site.manager.get_stats()["total_messages"] == 0
        await end_of(site, clients)
        for client in clients:
            assert client.events == [END]


@pytest.mark.parametrize("event", [7, None, b"x", ("a",)])
async def test_an_event_name_is_a_string_where_json_is_strict(event: Any) -> None:
    async with open_site(Settings(strict_json=True)) as site, connected(site.url, OLD_WS, NEW_WS) as clients:
        with pytest.raises(PayloadError, match="has the event name"):
            await site.sio.emit(event, {"content": "x"})
        await end_of(site, clients)


async def test_bad_data_between_batched_messages_loses_none_of_them() -> None:
    async with (
        open_site(Settings(batch=True, batch_window_ms=1000, strict_json=True)) as site,
        connected(site.url, NEW_WS, NEW_POLLING) as clients,
    ):
        for number in range(6):
            await site.sio.emit("agent_status", {"status": number})
            with pytest.raises(PayloadError):
                await site.sio.emit("agent_status", {"status": math.nan})
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*[Event("agent_status", ({"status": number},)) for number in range(6)], END]


async def test_data_that_changes_after_the_emit_was_sent_as_it_was() -> None:
    settings = Settings(batch=True, batch_window_ms=1000, gzip=True, gzip_threshold_bytes=0)
    async with open_site(settings) as site, connected(site.url, *KINDS) as clients:
        data = {"content": ["first"], "bytes": bytearray(b"first")}
        for _ in range(2):
            await site.manager.broadcast("agent_status", data, batch=True)
        data["content"].append("second")  # type: ignore[attr-defined]
        data["bytes"][:] = b"later"  # type: ignore[index]
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*[Event("agent_status", ({"content": ["first"], "bytes": b"first"},))] * 2, END]


# What a client sends over WebSocket


@contextlib.asynccontextmanager
async def attacked(**options: Any) -> AsyncIterator[tuple[Site, RawClient, list[Client]]]:
    """A site with honest clients and one raw one; at the end the honest go on and the raw one has left no trace."""
    async with open_site(**options) as site, connected(site.url, OLD_WS, NEW_WS, NEW_POLLING) as honest:
        await site.sio.emit("before")
        async with raw(site.url) as client:
            yield site, client, honest
            await until(lambda: len(site.sio.eio.sockets) == len(honest), "the attacker's socket to go")
        await end_of(site, honest)
        for other in honest:
            assert other.events == [Event("before", ()), END]
        assert len(site.sio.eio.sockets) == len(honest)
        for namespace, rooms in site.sio.manager.rooms.items():
            for room, members in rooms.items():
                assert set(members.values()) <= set(site.sio.eio.sockets), (namespace, room)
        assert not site.sio._binary_packet
        assert set(site.sio.environ) <= set(site.sio.eio.sockets)
        assert set(site.manager.road.connections) <= set(site.sio.eio.sockets)


OFFER = "permessage-deflate"

MALFORMED_FRAMES = {
    "RSV2": (mask_frame(b'42["x"]', rsv2=True), 1002),
    "RSV1 without the extension": (mask_frame(b'42["x"]', rsv1=True), 1002),
    "no mask": (mask_frame(b'42["x"]', masked=False), 1002),
    "opcode 3": (mask_frame(b'42["x"]', 0x3), 1002),
    "opcode 11": (mask_frame(b'42["x"]', 0xB), 1002),
    "a continuation of nothing": (mask_frame(b'42["x"]', 0x0), 1002),
    "a new message within a message": (mask_frame(b"42[", fin=False) + mask_frame(b'42["x"]'), 1002),
    "a ping in pieces": (mask_frame(b"x", 0x9, fin=False), 1002),
    "a ping of 126 bytes": (mask_frame(b"x" * 126, 0x9), 1002),
    "a close frame of one byte": (mask_frame(b"\x03", 0x8), 1002),
    "a close frame with a forbidden code": (mask_frame(b"\x03\xee", 0x8), 1002),
    "a text that is no UTF-8": (mask_frame(b'42["\xff"]'), 1007),
    "a text with a surrogate": (mask_frame(b'42["\xed\xa0\x80"]'), 1007),
    "a text cut within a character": (mask_frame('42["é'.encode()[:-1]), 1007),
    "too large": (mask_frame(b"42" + b"x" * MAX_BYTES), 1009),
    "too large, it says": (mask_frame(b"", declared=MAX_BYTES + 1), 1009),
    "far too large, it says": (mask_frame(b"", declared=2**62), 1009),
    "too large in pieces": (
        mask_frame(b"42" + b"x" * 600_000, fin=False) + mask_frame(b"x" * 600_000, 0x0),
        1009,
    ),
}


@pytest.mark.parametrize(("frame", "code"), MALFORMED_FRAMES.values(), ids=MALFORMED_FRAMES)
async def test_a_malformed_frame_closes_its_connection(frame: bytes, code: int) -> None:
    async with attacked() as (_site, client, _honest):
        await client.connect()
        await client.write(frame)
        assert (await client.closing()).close_code == code


@pytest.mark.parametrize("cut", [1, 3, 6, 9])
async def test_a_truncated_frame_ends_with_its_connection(cut: int) -> None:
    async with attacked() as (_site, client, _honest):
        await client.connect()
        await client.write(mask_frame(b'42["x"]')[:cut])
        client.close()


async def test_a_connection_that_is_reset_is_forgotten() -> None:
    async with attacked() as (_site, client, _honest):
        await client.connect()
        client.writer.transport.abort()


NOT_ENGINEIO_PACKETS = {
    "empty": "",
    "no Engine.IO type": "x",
    "Engine.IO type 9": "9",
    "the server's OPEN": '0{"sid":"x"}',
    "a NOOP": "6",
    "nested too deep for Engine.IO": "4" + "[" * 100_000 + "]" * 100_000,
    "an event of a name that is the server's to call: connect": '42["connect",{}]',
    "an event of a name that is the server's to call: disconnect": '42["disconnect","ping timeout"]',
    "an event of a name that is the server's to call: connect_error": '42["connect_error"]',
}
NOT_SOCKETIO_PACKETS = {
    "base64 that is none": "b!",
    "no Socket.IO type": "4",
    "Socket.IO type 9": "49",
    "a CONNECT_ERROR": '44{"message":"x"}',
    "no event": "42",
    "an event that is an object": '42{"a":1}',
    "an event that is a text": '42"abc"',
    "an event without a name": "42[]",
    "an event whose name is a list": '42[["x"]]',
    "an event whose name is an object": '42[{"x":1},2]',
    "an event whose name is null": "42[null]",
    "an event whose name is a number": "42[7]",
    "JSON cut short": '42["x",{"a":',
    "JSON with more behind it": '42["x"]]',
    "no JSON": "42hello",
    "an acknowledgement of nothing": "431",
    "an acknowledgement without a number": "43[]",
    "an acknowledgement that is an object": '431{"a":1}',
    "a number of a thousand digits": "42" + "1" * 1000 + '["x"]',
    "an integer of a thousand digits": '42["x",' + "1" * 1000 + "]",
    "nested too deep for the parser": '42["x",' + "[" * 100_000 + "]" * 100_000 + "]",
    "a CONNECT with broken data": "40{",
    "more attachments than the number has room for": '4599999999999-["x"]',
}


@pytest.mark.parametrize("text", NOT_ENGINEIO_PACKETS.values(), ids=NOT_ENGINEIO_PACKETS)
async def test_what_would_do_harm_closes_its_connection(text: str) -> None:
    """engineio would leave the socket behind, or python-socketio run the server's own handlers."""
    async with attacked() as (_site, client, _honest):
        await client.connect()
        await client.send_text(text)
        assert (await client.closing()).close_code == 1007


@pytest.mark.parametrize("text", NOT_SOCKETIO_PACKETS.values(), ids=NOT_SOCKETIO_PACKETS)
async def test_what_is_merely_no_packet_is_dropped_as_stock_does(text: str) -> None:
    sio = new_sio()
    heard: list[Any] = []
    sio.on("*", lambda event, sid, *args: heard.append((event, args)))
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect()
        await client.send_text(text)
        await client.send_text('427["fine",1]')
        assert (await client.frame()).text == "437[]"
        assert heard == [("fine", (1,))]


@pytest.mark.parametrize("text", ["", "x", "4" + "[" * 100_000])
async def test_even_before_it_has_joined(text: str) -> None:
    async with attacked() as (_site, client, _honest):
        await client.shake_hands()
        await client.send_text(text)
        assert (await client.closing()).close_code == 1007


PLACEHOLDER = '{"_placeholder":true,"num":0}'
DROPPED_ATTACHMENTS: dict[str, list[str | bytes]] = {
    "a stray one": [b"bytes"],
    "one too many": [f'451-["x",{PLACEHOLDER}]', b"one", b"two"],
    "a placeholder beyond it": ['451-["x",{"_placeholder":true,"num":7}]', b"one"],
    "a placeholder that is a text": ['451-["x",{"_placeholder":true,"num":"0"}]', b"one"],
    "an event without a name": ["451-[]", b"one"],
    "an event whose name is the attachment": [f"451-[{PLACEHOLDER}]", b"one"],
}
BAD_ATTACHMENTS: dict[str, tuple[list[str | bytes], int]] = {
    "a text in its place": ([f'451-["x",{PLACEHOLDER}]', '42["y"]'], 1007),
    "an event of a name that is the server's to call": ([f'451-["disconnect",{PLACEHOLDER}]', b"one"], 1007),
    "none": (['450-["x"]'], 1008),
    "one more than may be": (['451001-["x"]'], 1008),
    "a billion": (['451000000000-["x"]'], 1008),
    "a billion for a namespace that it is not in": (['451000000000-/other,["x"]'], 1008),
}


@pytest.mark.parametrize("parts", DROPPED_ATTACHMENTS.values(), ids=DROPPED_ATTACHMENTS)
async def test_attachments_that_are_merely_wrong_are_dropped(parts: list[str | bytes]) -> None:
    """python-socketio by itself would take all that comes for another attachment, for ever."""
    sio = new_sio()
    got: list[Any] = []
    sio.on("x", lambda sid, *args: got.append(args))
    sio.on("fine", lambda sid, *args: args)
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect()
        await send_parts(client, parts)
        await client.send_text('427["fine",1]')
        assert (await client.frame()).text == "437[1]"
        assert not site.sio._binary_packet
    assert got in ([], [(b"one",)])  # nothing made up: only what was whole before the fault


@pytest.mark.parametrize(("parts", "code"), BAD_ATTACHMENTS.values(), ids=BAD_ATTACHMENTS)
async def test_attachments_that_would_do_harm_close_their_connection(parts: list[str | bytes], code: int) -> None:
    sio = new_sio()
    got: list[Any] = []
    sio.on("x", lambda sid, *args: got.append(args))
    async with attacked(sio=sio) as (_site, client, _honest):
        await client.connect()
        await send_parts(client, parts)
        assert (await client.closing()).close_code == code
    assert got == []


@pytest.mark.parametrize("event", ["connect", "disconnect"])
async def test_a_client_cannot_run_the_handlers_that_are_the_servers_to_run(event: str) -> None:
    """python-socketio by itself would: as if the client had come a second time, or gone."""
    sio = new_sio()
    ran: list[str] = []
    sio.on("connect", lambda sid, environ, auth=None: ran.append("connect"))
    sio.on("disconnect", lambda sid, reason: ran.append(reason))
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect()
        await client.send_text(f'42["{event}","forged"]')
        assert (await client.closing()).close_code == 1007
        await until(lambda: len(ran) == 2, "the end of its connection")
    assert ran == ["connect", sio.reason.TRANSPORT_ERROR]


async def send_parts(client: RawClient, parts: list[str | bytes]) -> None:
    for part in parts:
        await client.write(mask_frame(part.encode()) if isinstance(part, str) else mask_frame(part, BINARY))


async def test_a_hundred_attachments_are_not_too_many() -> None:
    sio = new_sio()
    sio.on("x", lambda sid, *args: sum(map(len, args)))
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect()
        args = [{"_placeholder": True, "num": number} for number in range(100)]
        await send_parts(client, ["45100-1" + json.dumps(["x", *args]), *[b"12345"] * 100])
        assert (await client.frame()).text == "431[500]"


@pytest.mark.parametrize("parts_before", [0, 1])
async def test_a_binary_event_to_a_namespace_that_was_left_is_dropped_and_the_connection_lives(
    parts_before: int,
) -> None:
    """It is no fault of the client's: the server may have sent it away while the event was on its way."""
    sio = new_sio()
    sio.on("ask", lambda sid, *args: args)
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect()
        await client.send_text("40/chat,")
        sid = json.loads((await client.frame()).text[len("40/chat,") :])["sid"]
        parts: list[str | bytes] = [f'452-/chat,["x",{PLACEHOLDER}]', b"one", b"two"]
        await send_parts(client, parts[:parts_before])
        if parts_before:
            await until(lambda: site.sio._binary_packet, "the packet to be begun")
        await site.sio.disconnect(sid, "/chat")
        await send_parts(client, parts[parts_before:])
        await client.send_text('422["ask",7]')
        texts: list[str] = []
        while not texts or texts[-1] != "432[7]":
            texts.append((await client.frame()).text)
        assert texts == ["41/chat,", "432[7]"]


async def test_what_follows_a_goodbye_does_not_join_again() -> None:
    """python-socketio would keep such a ghost in its rooms for good."""
    async with attacked() as (site, client, honest):
        await client.connect()
        frames = [b"1", b"40", b"40/other,", b'42["x"]']
        await client.write(b"".join(map(mask_frame, frames)) + mask_frame(b"\x03\xe8", CLOSE))
        await client.closing()
        await until(lambda: len(site.sio.eio.sockets) == len(honest), "the end of its connection")
        assert "/other" not in site.sio.manager.rooms


async def test_what_follows_a_fault_in_the_same_breath_is_not_handled() -> None:
    sio = new_sio()
    got: list[Any] = []
    sio.on("x", lambda sid, *args: got.append(args))
    async with attacked(sio=sio) as (_site, client, _honest):
        await client.connect()
        frames = [b'42["x",1]', b"!", b'42["x",2]', b"40/other,", b"42[]", b"!"]
        await client.write(b"".join(map(mask_frame, frames)))
        assert (await client.closing()).close_code == 1007
    assert got == [(1,)]


async def test_a_bomb_is_refused_while_it_inflates() -> None:
    """100 MB in 100 KB: the server inflates no more than a message may have."""
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(deflater.compress(bytes(1_000_000)) for _ in range(100)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 110_000
    async with attacked() as (_site, client, _honest):
        await client.connect(extensions=OFFER)
        await client.write(mask_frame(bomb[:-4], rsv1=True))
        assert (await client.closing()).close_code == 1009


async def test_a_bomb_in_pieces_too() -> None:
    deflater = zlib.compressobj(9, wbits=-15)
    async with attacked() as (_site, client, _honest):
        await client.connect(extensions=OFFER)
        for number in range(3):
            piece = deflater.compress(b"42" + bytes(600_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
            await client.write(mask_frame(piece, TEXT if number == 0 else 0x0, rsv1=number == 0, fin=False))
        assert (await client.closing()).close_code == 1009


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x07", b"hello"])
async def test_what_does_not_inflate_closes_its_connection(data: bytes) -> None:
    async with attacked() as (_site, client, _honest):
        await client.connect(extensions=OFFER)
        await client.write(mask_frame(data, rsv1=True))
        assert (await client.closing()).close_code in (1002, 1007)


async def test_the_limit_is_the_servers_own() -> None:
    sio = new_sio(max_http_buffer_size=1000)
    sio.on("ask", lambda sid, data: len(data))
    async with attacked(sio=sio) as (_site, client, _honest):
        await client.connect()
        for size in (1000, 1001):
            text = '421["ask","{}"]'.format("x" * (size - len('421["ask",""]')))
            assert len(text) == size
            await client.send_text(text)
            if size == 1000:
                assert (await client.frame()).text == "431[987]"
        assert (await client.closing()).close_code == 1009


async def test_a_client_that_answers_no_close_frame_is_forgotten_all_the_same() -> None:
    async with attacked() as (site, client, honest):
        await client.connect()
        await client.send_text("!")
        await until(lambda: len(site.sio.eio.sockets) == len(honest), "the attacker's socket to go")
        assert site.manager.active_connections == len(honest)


async def test_a_second_websocket_for_a_session_that_has_one_is_refused_and_changes_nothing() -> None:
    async with attacked() as (site, client, _honest):
        await client.connect()
        for _ in range(2):
            async with raw(site.url) as second:
                assert REFUSED in await second.shake_hands(f"sid={site.eio_sid(client.sid)}")
            await site.sio.emit("still_there", to=client.sid)
            assert (await client.frame()).text == '42["still_there"]'
        await client.send_text("!")
        assert (await client.closing()).close_code == 1007


async def test_many_bad_clients_at_once_leave_the_good_ones_alone() -> None:
    async with attacked() as (site, _client, honest):

        async def attack(number: int) -> None:
            async with raw(site.url) as client:
                await client.connect("reznet=2" if number % 2 else "", extensions=OFFER)
                texts = list(NOT_ENGINEIO_PACKETS.values())
                await client.send_text(texts[number % len(texts)])
                assert (await client.closing()).close_code == 1007

        await asyncio.gather(*(attack(number) for number in range(60)))
        assert site.manager.active_connections == len(honest)


# What a client sends by long-polling


BAD_BODIES = {
    "a billion attachments": b'451000000000-["x"]',
    "a name that is the server's to call": b'42["disconnect","x"]',
}
DROPPED_BODIES = {
    "no Socket.IO packet": b"42[]",
    "a stray attachment": b"b" + base64.b64encode(b"bytes"),
    "nested too deep": b'42["x",' + b"[" * 100_000,
    "bad among good": b'42["good"]\x1e42[]\x1e42["good"]',
}


@pytest.mark.parametrize("body", DROPPED_BODIES.values(), ids=DROPPED_BODIES)
async def test_a_body_that_is_merely_wrong_is_dropped_as_stock_does(body: bytes) -> None:
    sio = new_sio()
    sio.on("ask", lambda sid: "fine")
    async with open_site(sio=sio) as site, raw(site.url) as client:
        target = await client.connect_polling()
        assert (await client.request("POST", target, body))[0] == 200
        assert (await client.request("POST", target, b'421["ask"]'))[0] == 200
        assert b'431["fine"]' in (await client.request("GET", target))[2]


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_bad_body_ends_its_session(body: bytes) -> None:
    """Even where the client never fetches the news of it."""
    async with attacked() as (site, client, honest):
        target = await client.connect_polling()
        assert (await client.request("POST", target, body))[0] == 200
        await until(lambda: site.manager.active_connections == len(honest), "the end of the session")
        assert (await client.request("GET", target))[0] == 400


NOT_BODIES = {
    "not UTF-8": b"42\xff",
    "no Engine.IO packet": b"x",
    "an empty packet": b'42["x"]\x1e\x1e42["y"]',
    "base64 that is none": b"b!",
}


@pytest.mark.parametrize("body", NOT_BODIES.values(), ids=NOT_BODIES)
async def test_a_body_that_is_none_is_dropped(body: bytes) -> None:
    sio = new_sio()
    got: list[Any] = []
    sio.on("*", lambda event, sid, *args: got.append(event))
    async with open_site(sio=sio) as site, connected(site.url, NEW_WS) as honest, raw(site.url) as client:
        target = await client.connect_polling()
        await client.request("POST", target, body)
        await end_of(site, honest)
        assert got == []


@pytest.mark.parametrize("is_polling", [False, True], ids=["nobody listens", "it listens"])
async def test_a_body_that_is_too_large_ends_its_session(is_polling: bool) -> None:
    """engineio would keep the request of a client that does not listen for ever."""
    async with attacked() as (site, client, _honest):
        target = await client.connect_polling()
        async with raw(site.url) as other:
            poll = asyncio.create_task(other.request("GET", target)) if is_polling else None
            if is_polling:
                await until(lambda: site.sio.eio.sockets[target.split("sid=")[1]].queue._getters, "the poll")
            assert (await client.request("POST", target, b"42" + b"x" * MAX_BYTES))[0] == 400
            if poll is not None:
                assert (await poll)[2] == b"1"


# Who may come in


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_other_origins_are_refused_unless_listed(transport: str) -> None:
    async def status(url: str, origin: str | None, host: str = "test") -> int:
        headers = {"Origin": origin} if origin else {}
        async with raw(url) as client:
            if transport == "websocket":
                return int((await client.shake_hands(headers=headers)).split()[1])
            return (await client.request("GET", POLLING, headers=headers))[0]

    good, refused = (101, 403) if transport == "websocket" else (200, 400)
    for origins, allowed in (([], []), (["https://friend.example"], ["https://friend.example"])):
        app = Application(origins=origins, simulate=False)
        async with open_site(sio=app.manager.sio, app=app, attach=False) as site:
            assert await status(site.url, "https://evil.example") == refused
            assert await status(site.url, "https://friend.example") == (good if allowed else refused)
            assert await status(site.url, "null") == refused
            assert await status(site.url, None) == good
            assert await status(site.url, "http://test") == (refused if allowed else good)


async def test_a_client_without_the_token_gets_nothing() -> None:
    app = Application(Settings(deflate=False), token="sesame", simulate=False)
    async with open_site(sio=app.manager.sio, app=app, attach=False) as site:
        site.given_manager = app.manager
        async with connected(site.url, OLD_WS, NEW_WS, auth={"token": "sesame"}) as inside:
            for auth in (None, "sesame", {}, {"token": "sesam"}, {"token": None}, {"token": ["sesame"]}, {"token": ""}):
                async with raw(site.url) as client:
                    await client.shake_hands("reznet=2")
                    assert (await client.frame()).text.startswith("0{")
                    await client.send_text("40" if auth is None else f"40{json.dumps(auth)}")
                    assert (await client.frame()).text == '44{"message":"a token is needed"}'
                    await site.count_members("chat", len(inside))
                    await client.send_text('42["message_send",{"content":"let me in"}]')
                    await client.send_text('421["get_stats"]')
                    for number in range(3):
                        await app.manager.broadcast("agent_status", {"status": number})
                        await app.manager.broadcast("agent_status", {"status": number}, room="chat")
                    client.writer.write_eof()
                    assert await client.read_rest() in (b"", b"\x88\x02\x03\xe8")
            for insider in inside:
                await insider.got("agent_status", 7 * 6)
                assert {event.name for event in insider.events} == {"agent_status"}


@LETS_IN_LATE
@pytest.mark.parametrize("query", ["", "reznet=2"])
async def test_a_client_whose_connect_handler_still_waits_sees_no_byte_of_traffic(query: str) -> None:
    sio = new_sio()
    waiting: asyncio.Queue[str] = asyncio.Queue()
    decision: asyncio.Queue[bool] = asyncio.Queue()

    async def decide(sid: str, environ: Any, auth: Any) -> bool:
        if auth == {"known": True}:
            return True
        waiting.put_nowait(sid)
        return await decision.get()

    sio.on("connect", decide)

    async with open_site(Settings(deflate=False), sio=sio) as site:
        async with connected(site.url, OLD_WS, NEW_WS, auth={"known": True}) as inside:
            for accepted in (False, True):
                async with raw(site.url) as client:
                    await client.shake_hands(query)
                    await client.frame()
                    await client.send_text("40")
                    await asyncio.wait_for(waiting.get(), TIMEOUT_S)
                    await site.sio.emit("message_new", {"content": "to everybody"})
                    await site.manager.broadcast("agent_status", {"status": "to everybody"})
                    decision.put_nowait(accepted)
                    answer = (await client.frame()).text
                    assert answer.startswith('40{"sid"' if accepted else '44{"message"')
                    await site.sio.emit("after")
                    if accepted:
                        frames = [(await client.frame()).text for _ in range(2 if query else 1)]
                        assert frames[-1] == '42["after"]'
                    else:
                        client.writer.write_eof()
                        assert await client.read_rest() in (b"", b"\x88\x02\x03\xe8")
            await end_of(site, inside)
            for insider in inside:
                assert [event.name for event in insider.events] == [
                    *["message_new", "agent_status", "after"] * 2,
                    "the_end",
                ]


@LETS_IN_LATE
async def test_what_is_meant_for_a_waiting_client_reaches_it() -> None:
    sio = new_sio()

    async def welcome(sid: str, environ: Any) -> None:
        await sio.enter_room(sid, "chosen")
        await sio.emit("message_new", {"content": "to you"}, to=sid)
        await sio.emit("message_new", {"content": "to the chosen"}, room="chosen")
        await sio.emit("message_new", {"content": "to everybody"})

    sio.on("connect", welcome)

    async with open_site(sio=sio) as site, connected(site.url, OLD_WS) as (client,):
        await end_of(site, [client])
        assert [event.args[0]["content"] for event in client.events[:-1]] == ["to you", "to the chosen"]


async def test_a_server_listens_on_this_machine_only() -> None:
    async with open_thread_site() as site:
        assert site.thread.host == "127.0.0.1"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", site.thread.port)

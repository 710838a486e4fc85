"""With the one line a client that asked for nothing is sent what a stock server sends, and the application sees it."""

from __future__ import annotations

import asyncio
import copy
import enum
import json
import logging
import math
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import engineio
import pytest
import socketio
from conformance.harness import (
    NEW_WS,
    OLD_POLLING,
    OLD_UPGRADED,
    OLD_WS,
    Event,
    connected,
    end_of,
    new_sio,
    open_site,
    until,
)
from conformance.raw import BINARY, CHROMIUM, TEXT, raw

from reznet_ws.settings import Settings

Call = tuple[Any, Any]
ESCAPED = Settings(utf8=False)


class Level(enum.IntEnum):
    HIGH = 3


class Colour(enum.StrEnum):
    RED = "red"


class Rows(list[Any]):
    """A list of the application's own kind."""


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return value


ORDINARY: dict[str, Call] = {
    "nothing": ("note", None),
    "a null": ("note", (None,)),
    "no arguments": ("note", ()),
    "text": ("note", "hello"),
    "a number": ("note", 1.5),
    "an object": ("note", {"message_id": 1, "content": "żółw 😀", "created_at": "2025-10-25T12:00:00.000Z"}),
    "several arguments": ("note", (1, "two", [3], {"four": 4}, None)),
    "a list": ("note", [1, [2, (3, 4)]]),
    "bytes": ("note", b"\x00\x01"),
    "no bytes": ("note", b""),
    "bytes inside": ("note", {"a": [b"1", {"b": b"2"}], "c": b"1"}),
    "bytes beside": ("note", (b"1", "two", [b"3"])),
    "a long text": ("note", "x" * 70_000),
    "a name with escapes": ('no"te\n', 1),
    "a name beyond ASCII": ("żółw", "é"),
    "an empty name": ("", 1),
}
HOSTILE: dict[str, Call] = {
    "number keys": ("note", {1: "a", 2: {3: "b"}}),
    "keys of every kind": ("note", {None: 1, True: 2, 1.5: 3, "x": 4, math.nan: 5}),
    "enum keys and values": ("note", {Level.HIGH: Level.HIGH, Colour.RED: Colour.RED}),
    "number keys with bytes": ("note", {1: b"a", None: [b"b"]}),
    "not a number": ("note", {"v": math.nan}),
    "infinity": ("note", [math.inf, -math.inf]),
    "a lone surrogate": ("note", {"\ud83d": "\udc00"}),
    "delete": ("note", "\x7f"),
    "deep": ("note", nested(300)),
    "an own kind of list": ("note", Rows([1, Rows([2])])),
    "a placeholder that is none": ("note", {"_placeholder": True, "num": 0}),
    "what looks like ours": ("note", {"_v": 2, "mid": 1, "gz": 2}),
    "what looks like a batch": ("message_batch", {"batch": True, "messages": []}),
    "a huge number": ("note", 10**80),
    "a number for a name": (7, "x"),
    "null for a name": (None, None),
    "a list for a name": (["note"], 1),
    "bytes for a name": (b"note", b"1"),
    # These raise.
    "a date": ("note", {"at": date(2025, 10, 25)}),
    "a date beside bytes": ("note", [b"1", date(2025, 10, 25)]),
    "an object of no kind": ("note", (1, object())),
    "a set": ("note", {1, 2}),
    "a decimal": ("note", Decimal("1.10")),
    "a tuple for a key": ("note", {(1, 2): 3}),
    "bytes for a key": ("note", {b"1": 2}),
    "too deep": ("note", nested(100_000)),
}


@dataclass
class Seen:
    """What a client was sent, and what the application was raised, call by call."""

    frames: list[tuple[int, bytes]]
    errors: list[type[Exception] | None]
    messages: list[str]


async def send(
    calls: Iterable[Call], settings: Settings | None, *, extensions: str | None = None, **options: Any
) -> Seen:
    """Emit to a raw client of ours, or with no settings of a stock server's, and read all that comes."""
    errors: list[type[Exception] | None] = []
    messages = []
    sio = new_sio(**options)
    async with open_site(settings, sio=sio, attach=settings is not None) as site, raw(site.url) as client:
        await client.shake_hands(extensions=extensions)
        await client.frame()
        connect = sio.packet_class(socketio.packet.CONNECT, namespace="/").encode()
        await (client.send_text("4" + connect) if isinstance(connect, str) else client.send_bytes(connect))
        await client.frame()
        for event, data in calls:
            try:
                await sio.emit(event, data)
                errors.append(None)
                messages.append("")
            except Exception as error:
                errors.append(type(error))
                messages.append("" if isinstance(error, RecursionError) else str(error))  # it says where it was
        await sio.emit("the_end")
        frames = []
        while not frames or b"the_end" not in frames[-1][1]:
            frame = await client.frame()
            frames.append((frame.opcode, frame.payload))
    return Seen(frames, errors, messages)


def decoded(frames: Iterable[tuple[int, bytes]]) -> list[Any]:
    """Each text packet's head, and its data exactly as JSON has it."""
    found: list[Any] = []
    for opcode, payload in frames:
        text = payload.decode() if opcode == TEXT else ""
        start = text.find("[")
        found.append((text[:start], repr(json.loads(text[start:]))) if opcode == TEXT else payload)
    return found


CASES = {**ORDINARY, **HOSTILE}


@pytest.mark.parametrize("extensions", [None, CHROMIUM], ids=["clear", "deflated"])
@pytest.mark.parametrize("settings", [ESCAPED, Settings.stock(), Settings.off()], ids=["escaped", "stock", "off"])
async def test_frames_and_errors_are_stocks(settings: Settings, extensions: str | None) -> None:
    stock, ours = [await send(CASES.values(), way, extensions=extensions) for way in (None, settings)]
    assert dict(zip(CASES, ours.errors, strict=True)) == dict(zip(CASES, stock.errors, strict=True))
    assert ours.messages == stock.messages
    assert ours.frames == stock.frames
    assert sum(error is not None for error in stock.errors) == 8


async def test_with_utf8_the_same_comes_out_of_it() -> None:
    stock, ours = [await send(CASES.values(), way) for way in (None, Settings())]
    assert (ours.errors, ours.messages) == (stock.errors, stock.messages)
    assert decoded(ours.frames) == decoded(stock.frames)
    assert len(b"".join(payload for _, payload in ours.frames)) < len(b"".join(payload for _, payload in stock.frames))


async def test_bytes_where_stock_does_not_look_for_them_arrive_all_the_same() -> None:
    calls = [("note", [(1, b"in a tuple")])]
    stock, ours = [await send(calls, way) for way in (None, Settings())]
    assert stock.errors == [TypeError]
    assert ours.errors == [None]
    assert ours.frames[:2] == [(TEXT, b'451-["note",[[1,{"_placeholder":true,"num":0}]]]'), (BINARY, b"in a tuple")]


async def test_a_bytearray_ends_the_connection_at_stock_and_arrives_with_us() -> None:
    ours = await send([("note", bytearray(b"bytes"))], Settings())
    assert ours.frames[:2] == [(TEXT, b'451-["note",{"_placeholder":true,"num":0}]'), (BINARY, b"bytes")]


async def test_what_refers_to_itself_raises_and_nothing_of_it_is_sent() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for settings in (None, Settings()):
        seen = await send([("note", circle)], settings)
        assert seen.errors != [None]
        assert len(seen.frames) == 1


# Packets and codecs of an application's own


class WithoutBinary(socketio.packet.Packet):  # type: ignore[misc]
    uses_binary_events = False


class Traced(socketio.packet.Packet):  # type: ignore[misc]
    def encode(self) -> Any:
        if self.packet_type == socketio.packet.EVENT:
            self.data = [*self.data, {"trace": "é"}]
        return super().encode()


class Exact:
    """Writes decimals as they are, and much white space."""

    loads = staticmethod(json.loads)

    @classmethod
    def dumps(cls, value: Any, **options: Any) -> str:
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, dict):
            return "{ " + " , ".join(f"{json.dumps(key)} : {cls.dumps(item)}" for key, item in value.items()) + " }"
        if isinstance(value, (list, tuple)):
            return "[ " + " , ".join(map(cls.dumps, value)) + " ]"
        return json.dumps(value, ensure_ascii=False)


class LikeOrjson:
    """Compact UTF-8 with keys of strings alone and nothing that is no number; dates as text."""

    loads = staticmethod(json.loads)

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        LikeOrjson.check(value)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)

    @staticmethod
    def check(value: Any) -> None:
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise TypeError("Dict key must be str")
            LikeOrjson.check(list(value.values()))
        elif isinstance(value, (list, tuple)):
            for item in value:
                LikeOrjson.check(item)


@pytest.fixture
def _keeps_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries keep an application's JSON in class attributes; give them back."""
    for kind in (engineio.packet.Packet, socketio.packet.Packet):
        monkeypatch.setattr(kind, "json", kind.json)


OWN: dict[str, dict[str, Any]] = {
    "msgpack": {"serializer": "msgpack"},
    "without binary events": {"serializer": WithoutBinary},
    "with its own encode": {"serializer": Traced},
    "an exact codec": {"json": Exact},
    "a codec like orjson": {"json": LikeOrjson},
}
# What breaks a connection on both: a codec that writes half a character.
SENDABLE = {name: call for name, call in CASES.items() if name not in ("a lone surrogate", "too deep")}


@pytest.mark.usefixtures("_keeps_codecs")
@pytest.mark.parametrize("options", OWN.values(), ids=OWN.keys())
@pytest.mark.parametrize("settings", [Settings(), ESCAPED], ids=["utf8", "escaped"])
async def test_what_an_applications_own_packets_and_codecs_write_is_sent_as_it_is(
    options: dict[str, Any], settings: Settings
) -> None:
    stock, ours = [await send(SENDABLE.values(), way, **options) for way in (None, settings)]
    assert dict(zip(SENDABLE, ours.errors, strict=True)) == dict(zip(SENDABLE, stock.errors, strict=True))
    assert ours.messages == stock.messages
    assert ours.frames == stock.frames


@pytest.mark.parametrize("serializer", [WithoutBinary, Traced])
async def test_who_asks_for_a_format_is_told_why_an_application_with_its_own_packets_gives_none(
    serializer: Any,
) -> None:
    async with open_site(sio=new_sio(serializer=serializer)) as site, connected(site.url, NEW_WS) as (client,):
        assert client.grants[0]["format"] == 1
        assert client.grants[0]["reason"].startswith(f"the server's own packet class {serializer.__name__} writes")
        await site.sio.emit("note", {"message_id": 1})
        assert (await client.got("note")).args[0] == {"message_id": 1}


async def test_who_asks_for_a_format_is_told_why_an_application_that_sends_by_itself_gives_none() -> None:
    sio = new_sio()
    original = sio._send_eio_packet
    sio._send_eio_packet = lambda *args: original(*args)
    async with open_site(sio=sio) as site, connected(site.url, NEW_WS) as (client,):
        assert client.grants[0]["format"] == 1
        assert client.grants[0]["reason"].startswith("the application sends by a way of its own")
        await sio.emit("note", {"_v": 2, "mid": 1})
        assert (await client.got("note")).args[0] == {"_v": 2, "mid": 1}


# Turns of the loop


@pytest.mark.parametrize(
    "kinds",
    [(OLD_WS,), (OLD_WS, OLD_WS), (OLD_POLLING,), (OLD_WS, OLD_UPGRADED)],
    ids=lambda kinds: " ".join(kind.name for kind in kinds),
)
@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("attach", [False, True], ids=["stock", "ours"])
async def test_each_emit_gives_the_loop_a_turn(kinds: Any, asks: bool, attach: bool) -> None:
    async with open_site(attach=attach) as site, connected(site.url, *kinds) as clients:
        turns, answers = 0, list[int]()

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        for client in clients:
            client.answers["note"] = 1
        counting = asyncio.create_task(count())
        await asyncio.sleep(0)
        for number in range(50):
            await site.sio.emit("note", number, callback=answers.append if asks else None)
            assert turns >= number
        counting.cancel()
        await end_of(site, clients)
        await until(lambda: not asks or len(answers) == 50 * len(clients), "every answer")


async def test_a_producer_that_never_sleeps_hears_its_client_say_stop() -> None:
    async with open_site() as site, connected(site.url, OLD_WS) as (client,):
        stopped = asyncio.Event()
        site.sio.on("stop", lambda sid: stopped.set())

        async def produce() -> None:
            while not stopped.is_set():
                await site.sio.emit("note", "x")

        producing = asyncio.create_task(produce())
        await client.got("note", 3)
        await client.sio.emit("stop")
        await asyncio.wait_for(producing, 10)


async def test_a_burst_to_a_client_that_reads_as_fast_as_it_can_is_not_cut_off() -> None:
    settings = Settings(max_queued_bytes=4_000_000, deflate=False)
    piece, pieces = bytes(250_000), 100
    async with open_site(settings) as site, raw(site.url) as client:
        await client.connect()

        async def read() -> int:
            count = 0
            while (frame := await client.frame()).payload != b'42["done"]':
                assert frame.opcode in (TEXT, BINARY)
                count += frame.opcode == BINARY
                client.received.clear()
            return count

        reading = asyncio.create_task(read())
        for _ in range(pieces):
            await site.sio.emit("piece", piece, to=client.sid)
        await site.sio.emit("done", to=client.sid)
        assert await reading == pieces
        assert site.manager.report().slow_readers.closed_connections == 0


# Where applications look at what is sent


@pytest.mark.parametrize("place", ["_send_eio_packet", "send_packet", "send"])
async def test_a_way_of_sending_that_was_replaced_before_is_taken(place: str) -> None:
    async def run(attach: bool) -> list[Any]:
        sio = new_sio()
        owner = sio if place == "_send_eio_packet" else sio.eio
        original, seen = getattr(owner, place), []

        async def spy(eio_sid: str, packet: Any) -> None:
            data = packet.data if hasattr(packet, "data") else packet
            if b"note" in (data if isinstance(data, bytes) else data.encode()):
                seen.append(data)
            await original(eio_sid, packet)

        setattr(owner, place, spy)
        async with open_site(ESCAPED, sio=sio, attach=attach) as site, connected(site.url, OLD_WS) as (client,):
            client.answers["note"] = "answered"
            for data in (1, "é", b"note", (1, 2)):
                await sio.emit("note", data)
            assert await sio.call("note", "?", to=client.sid, timeout=5) == "answered"
            await end_of(site, [client])
            args = [(1,), ("é",), (b"note",), (1, 2), ("?",)]
            assert client.events[:-1] == [Event("note", each) for each in args]
        return seen

    assert await run(True) == await run(False)


class BoundedEngine(engineio.AsyncServer):  # type: ignore[misc]
    def create_queue(self, *args: Any, **options: Any) -> Any:
        return asyncio.Queue(maxsize=8)


class Bounded(socketio.AsyncServer):  # type: ignore[misc]
    def _engineio_server_class(self) -> Any:
        return BoundedEngine


@pytest.mark.parametrize("kind", [OLD_WS, OLD_POLLING, OLD_UPGRADED], ids=lambda kind: kind.name)
async def test_queues_that_an_application_makes_are_used(kind: Any) -> None:
    async with open_site(sio=Bounded(async_mode="asgi")) as site, connected(site.url, kind) as (client,):
        assert [session.queue.maxsize for session in site.sio.eio.sockets.values()] == [8]
        for number in range(50):
            await site.sio.emit("note", (number, b"x"))
        await end_of(site, [client])
        assert client.events[:-1] == [Event("note", (number, b"x")) for number in range(50)]


class Chosen(socketio.AsyncManager):  # type: ignore[misc]
    """Leaves out who is in the room of the muted."""

    def get_participants(self, namespace: str, room: Any) -> Iterator[Any]:
        muted = self.rooms[namespace].get("muted", {})
        for sid, eio_sid in super().get_participants(namespace, room):
            if sid not in muted:
                yield sid, eio_sid


@pytest.mark.parametrize("attach", [False, True], ids=["stock", "ours"])
async def test_who_takes_part_is_for_the_application_to_say(attach: bool) -> None:
    sio = new_sio(client_manager=Chosen())
    async with open_site(sio=sio, attach=attach) as site, connected(site.url, *[OLD_WS] * 3) as clients:
        await sio.emit("note", 1)
        await sio.enter_room(clients[1].sid, "muted")
        await sio.emit("note", 2)
        await sio.leave_room(clients[1].sid, "muted")
        await end_of(site, clients)
        assert [[event.args for event in client.events[:-1]] for client in clients] == [
            [(1,), (2,)],
            [(1,)],
            [(1,), (2,)],
        ]


@pytest.mark.parametrize("attach", [False, True], ids=["stock", "ours"])
async def test_rooms_that_an_application_edits_by_itself_are_as_it_left_them(attach: bool) -> None:
    async with open_site(attach=attach) as site, connected(site.url, *[OLD_WS] * 3) as clients:
        sio, (one, two, three) = site.sio, clients
        for client in clients:
            await sio.enter_room(client.sid, "room")
        members = sio.manager.rooms["/"]["room"]
        for number, change in enumerate(
            (lambda: None, lambda: members.pop(two.sid), lambda: members.update({two.sid: site.eio_sid(two.sid)}))
        ):
            change()
            for _ in range(2):
                await sio.emit("note", number, room="room")
        members.clear()
        await sio.emit("note", "nobody", room="room")
        await end_of(site, clients)
        assert [event.args[0] for event in two.events[:-1]] == [0, 0, 2, 2]
        for client in (one, three):
            assert [event.args[0] for event in client.events[:-1]] == [0, 0, 1, 1, 2, 2]


async def test_middleware_around_send_sees_and_changes_what_is_sent() -> None:
    async def run(attach: bool) -> tuple[list[Any], list[Event]]:
        sio, seen = new_sio(), []
        inner = socketio.ASGIApp(sio)

        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            async def watch(message: dict[str, Any]) -> None:
                text = message.get("text") or ""
                if message["type"] == "websocket.send" and ("note" in text or message.get("bytes")):
                    seen.append(message.get("bytes") or text)
                    message = {**message, "text": text.replace("to be changed", "changed")} if text else message
                await send(message)

            await inner(scope, receive, watch)

        async with open_site(ESCAPED, sio=sio, app=middleware, attach=attach) as site:
            async with connected(site.url, OLD_WS, OLD_UPGRADED) as clients:
                for data in ("é", {"x": b"bytes"}, "to be changed", "x" * 3000):
                    await sio.emit("note", data, to=clients[0].sid)
                await sio.emit("note", "both")
                await end_of(site, clients)
                return seen, clients[0].events

    stock, ours = await run(False), await run(True)
    assert ours == stock
    assert ours[1][2] == Event("note", ("changed",))


@pytest.mark.parametrize("transport", [OLD_WS, OLD_POLLING], ids=lambda kind: kind.name)
async def test_the_scope_of_a_connection_can_be_copied_pickled_and_written(transport: Any) -> None:
    async def run(attach: bool) -> set[str]:
        async with open_site(attach=attach) as site:
            scopes: list[dict[str, Any]] = []
            site.sio.on("connect", lambda sid, environ: scopes.append(environ["asgi.scope"]))
            async with connected(site.url, transport):
                (scope,) = scopes
                assert copy.deepcopy(scope) == scope
                assert pickle.loads(pickle.dumps(scope)) == scope
                json.dumps(scope, default=lambda raw: raw.decode("latin-1"))
                return set(scope)

    assert await run(True) == await run(False)


async def test_engineios_log_has_what_it_has_without_us() -> None:
    async def run(attach: bool) -> list[str]:
        lines: list[str] = []

        class Keeping(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                lines.append(record.getMessage())

        logger = logging.Logger("engineio of this test", logging.INFO)
        logger.addHandler(Keeping())
        sio = new_sio(engineio_logger=logger)
        sio.on("ask", lambda sid, data: data)
        async with open_site(ESCAPED, sio=sio, attach=attach) as site, connected(site.url, OLD_WS) as (client,):
            client.answers["note"] = 1
            await sio.emit("note", "é")
            await sio.emit("note", {"x": b"bytes"})
            await sio.emit("note", (1, 2), namespace="/nobody")
            assert await sio.call("note", "?", to=client.sid, timeout=5) == 1
            assert await client.sio.call("ask", "?", timeout=5) == "?"
            await end_of(site, [client])
            sids = (site.eio_sid(client.sid), client.sid)
            sent = [line for line in lines if "Sending packet MESSAGE" in line]
            for number, sid in enumerate(sids):
                sent = [line.replace(sid, f"sid {number}") for line in sent]
        return sent

    ours, stock = await run(True), await run(False)
    assert ours == stock
    assert len(stock) == 7


@pytest.mark.parametrize("attach", [False, True], ids=["stock", "ours"])
async def test_an_operator_who_switches_permessage_deflate_off_has_it_off(attach: bool) -> None:
    async with open_site(attach=attach, ws_per_message_deflate=False) as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        assert "sec-websocket-extensions" not in client.head.lower()
        await site.sio.emit("note", "x" * 1000)
        assert not (await client.frame()).rsv1
    if attach:
        await until(lambda: not site.manager.road.connections, "the end of its connection")

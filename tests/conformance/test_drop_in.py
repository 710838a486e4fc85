"""One line in an application of somebody else's: whatever it does with its server, it goes on doing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import socketio
from conformance.harness import (
    END,
    KINDS,
    NEW_POLLING,
    NEW_UPGRADED,
    NEW_WS,
    OLD_POLLING,
    OLD_WS,
    Client,
    Event,
    Site,
    connected,
    end_of,
    end_polls,
    new_sio,
    open_site,
    serving,
    until,
)
from conformance.raw import raw
from fastapi import FastAPI
from socketio.async_pubsub_manager import AsyncPubSubManager

import reznet_ws
from reznet_ws import ConnectionManager, attach
from reznet_ws.lab.clients.proxy import proxying
from reznet_ws.settings import Settings

CHAT = {"content": "hello " * 50, "created_at": "2025-10-25T12:00:00.000Z", "picture": b"\x00\x01"}


async def everybody_gets(site: Site, clients: list[Client], message: Any = CHAT) -> None:
    for _ in range(3):
        await site.sio.emit("message_new", message)
        await site.sio.emit("agent_status", {"status": "busy"})
    await end_of(site, clients)
    for client in clients:
        assert client.events == [
            *[Event("message_new", (message,)), Event("agent_status", ({"status": "busy"},))] * 3,
            END,
        ], client.kind.name


# Under whatever serves it


async def test_under_uvicorns_own_classes_a_websocket_is_taken_over() -> None:
    """The one line and nothing else: layer 2 is under control and the WebSockets are counted."""
    async with open_site() as site, proxying(site.url) as proxy:
        async with connected(proxy.url, OLD_WS, NEW_WS) as clients:
            for client in clients:
                assert client.sio.eio.ws.compress == 15  # uvicorn's own class would grant 12
            await everybody_gets(site, clients)
            await site.apply(Settings.off())
            await until(lambda: proxy.from_server == site.wire["sent_bytes"], "the last byte at the proxy")
            assert site.wire["uncounted_connections"] == 0
        await until(lambda: proxy.connections == 0, "the end of every connection")
        assert proxy.from_server == site.wire["sent_bytes"]


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_long_polling_is_counted_whatever_parses_it(http: str) -> None:
    async with open_site(http=http) as site, proxying(site.url) as proxy:
        async with connected(proxy.url, *KINDS) as clients:
            await everybody_gets(site, clients)
            assert site.wire["uncounted_connections"] == 0


@pytest.mark.filterwarnings("ignore:The `websockets` implementation is deprecated")
@pytest.mark.filterwarnings("ignore:.*legacy is deprecated", "ignore:remove second argument of ws_handler")
@pytest.mark.parametrize("ws", ["wsproto", "websockets-sansio", "websockets", "auto"])
async def test_under_another_websocket_class_a_connection_is_taken_over_too(ws: str) -> None:
    async with open_site(ws=ws) as site, proxying(site.url) as proxy:
        async with connected(proxy.url, *KINDS) as clients:
            await everybody_gets(site, clients)
            assert site.wire["uncounted_connections"] == 0
            for client in clients:
                if client.kind in (OLD_WS, NEW_WS):
                    assert client.sio.eio.ws.compress == 15
        await until(lambda: proxy.connections == 0, "the end of every connection")
        assert proxy.from_server == site.wire["sent_bytes"]


def mounted(sio: socketio.AsyncServer, how: str) -> Any:
    """The ways in which an application puts Socket.IO and FastAPI together."""
    api = FastAPI()

    @api.get("/hello")
    async def hello() -> str:
        return "hello"

    if how == "around FastAPI":
        return socketio.ASGIApp(sio, api)
    api.mount("/" if how == "mounted at /" else "/socket.io", socketio.ASGIApp(sio, socketio_path=None))
    return api


@pytest.mark.parametrize("how", ["around FastAPI", "mounted at /", "mounted at /socket.io"])
async def test_with_fastapi(how: str) -> None:
    sio = new_sio()
    async with open_site(sio=sio, app=mounted(sio, how)) as site:
        async with connected(site.url, *KINDS) as clients:
            await everybody_gets(site, clients)
            assert site.wire["uncounted_connections"] == 0
        async with raw(site.url) as client:
            status, _, body = await client.request("GET", "/hello")
            assert (status, body) == (200, b'"hello"') if how != "mounted at /" else status == 200


# What applications do with their server


class Room(socketio.AsyncNamespace):  # type: ignore[misc]
    """A class-based namespace, sessions and rooms, as python-socketio's documentation shows them."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.log: list[tuple[Any, ...]] = []

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        await self.save_session(sid, {"name": auth["name"]})
        await self.enter_room(sid, "lobby")
        await self.emit("joined", {"author_name": auth["name"]}, room="lobby", skip_sid=sid)

    async def on_say(self, sid: str, data: Any) -> dict[str, Any]:
        async with self.session(sid) as session:
            session["said"] = session.get("said", 0) + 1
            await self.emit("said", {"author_name": session["name"], "content": data}, room="lobby")
            return {"count": session["said"], "rooms": sorted(self.rooms(sid)) == sorted([sid, "lobby"])}

    async def on_leave(self, sid: str) -> None:
        await self.leave_room(sid, "lobby")

    async def on_kick(self, sid: str) -> None:
        await self.disconnect(sid)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.log.append(((await self.get_session(sid))["name"], reason))


@pytest.mark.parametrize("kind", [OLD_WS, NEW_WS, OLD_POLLING, NEW_POLLING, NEW_UPGRADED], ids=lambda kind: kind.name)
async def test_class_based_namespaces_sessions_rooms_and_disconnects(kind: Any) -> None:
    sio = new_sio(namespaces=None)
    room = Room("/room")
    sio.register_namespace(room)
    async with open_site(sio=sio) as site:
        async with connected(site.url, kind, kind, namespaces=["/room"], auth={"name": "Ann"}) as (ann, bob):
            assert await ann.sio.call("say", "hi", namespace="/room", timeout=10) == {"count": 1, "rooms": True}
            assert await ann.sio.call("say", "ho", namespace="/room", timeout=10) == {"count": 2, "rooms": True}
            await bob.got("said", 2)
            for client in (ann, bob):
                assert [event.args[0] for event in client.events if event.name == "said"] == [
                    {"author_name": "Ann", "content": "hi"},
                    {"author_name": "Ann", "content": "ho"},
                ]
            joined = [event for client in (ann, bob) for event in client.events if event.name == "joined"]
            assert joined == [Event("joined", ({"author_name": "Ann"},), "/room")]
            await bob.sio.emit("leave", namespace="/room")
            await site.count_members("lobby", 1, "/room")
            await bob.sio.emit("kick", namespace="/room")
            await until(lambda: room.log == [("Ann", "server disconnect")], "the disconnect handler")
            await until(lambda: not bob.sio.connected, "bob's end")


@pytest.mark.parametrize("accepted", [True, False])
async def test_always_connect_lets_clients_in_before_their_handler_has_said_so(accepted: bool) -> None:
    sio = new_sio(always_connect=True)
    may_go_on = asyncio.Event()

    async def decide(sid: str, environ: Any) -> bool:
        await sio.emit("message_new", CHAT, to=sid)
        await may_go_on.wait()
        return accepted

    sio.on("connect", decide)

    async with open_site(sio=sio) as site, connected(site.url, OLD_WS, NEW_WS) as clients:
        for client in clients:
            assert (await client.got("message_new")).args == (CHAT,)
        may_go_on.set()
        if accepted:
            await end_of(site, clients)
            for client in clients:
                assert client.events == [Event("message_new", (CHAT,)), END]
        else:
            await until(lambda: not any(client.sio.connected for client in clients), "the refusal")


async def test_a_refusal_reaches_the_client_with_its_reason() -> None:
    sio = new_sio()

    async def refuse(sid: str, environ: Any, auth: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError("not you", {"code": 7})

    sio.on("connect", refuse)

    async with open_site(sio=sio) as site:
        for kind in (OLD_WS, NEW_WS):
            client = Client(kind)
            errors: list[Any] = []
            client.sio.on("connect_error", errors.append)
            with pytest.raises(socketio.exceptions.ConnectionError):
                await client.connect(site.url)
            assert errors == [{"message": "not you", "data": {"code": 7}}]
            await client.close()
        await until(lambda: not site.manager.road.connections, "the end of its connection")


async def test_handlers_that_run_in_turn_instead_of_in_tasks() -> None:
    sio = new_sio(async_handlers=False)
    sio.on("ask", lambda sid, data: data)
    sio.on("fail", lambda sid: 1 / 0)
    async with open_site(sio=sio) as site, connected(site.url, *KINDS) as clients:
        for client in clients:
            await client.sio.emit("fail")
            assert await client.sio.call("ask", CHAT, timeout=10) == CHAT  # an error of the handler's closes nothing
        await everybody_gets(site, clients)


@pytest.mark.parametrize("kind", [OLD_WS, NEW_WS], ids=lambda kind: kind.name)
async def test_a_client_that_comes_back_is_a_new_one(kind: Any) -> None:
    async with open_site() as site:
        client = Client(kind)
        for _ in range(3):
            await client.connect(site.url)
            client.everything.clear()
            await site.sio.emit("message_new", CHAT)
            await end_of(site, [client])
            assert client.events == [Event("message_new", (CHAT,)), END]
            await client.sio.disconnect()
            await until(lambda: not site.sio.eio.sockets, "the end of its connection")
        await until(lambda: not site.manager.road.connections, "the end of its connection")
        await client.close()


async def test_emits_from_many_tasks_keep_their_messages_whole() -> None:
    """The frames of a binary packet are never torn apart."""
    async with open_site() as site, connected(site.url, *KINDS) as clients:
        await asyncio.gather(
            *(
                site.sio.emit("message_new", {**CHAT, "content": number, "picture": bytes([number])})
                for number in range(50)
            )
        )
        await end_of(site, clients)
        for client in clients:
            assert [event.args[0]["picture"] for event in client.events[:-1]] == [
                bytes([event.args[0]["content"]]) for event in client.events[:-1]
            ]
            assert sorted(event.args[0]["content"] for event in client.events[:-1]) == list(range(50))


# Behind a message queue


class Bus:
    """What Redis is to AsyncRedisManager, in this process."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[dict[str, Any]]] = []

    def manager(self, **options: Any) -> AsyncPubSubManager:
        bus = self

        class Manager(AsyncPubSubManager):  # type: ignore[misc]
            name = "bus"

            async def _publish(self, data: dict[str, Any]) -> None:
                text = json.dumps(data)
                for queue in bus.queues:
                    queue.put_nowait(json.loads(text))

            async def _listen(self) -> AsyncIterator[dict[str, Any]]:
                queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
                bus.queues.append(queue)
                while True:
                    yield await queue.get()

        return Manager(**options)


async def test_two_servers_behind_one_message_queue_are_one() -> None:
    bus = Bus()
    first_sio, second_sio = (new_sio(client_manager=bus.manager()) for _ in range(2))
    async with (
        open_site(sio=first_sio) as first,
        open_site(Settings.seed(), sio=second_sio) as second,
        connected(first.url, OLD_WS, NEW_WS, NEW_POLLING) as here,
        connected(second.url, OLD_WS, NEW_WS, OLD_POLLING) as there,
    ):
        await until(lambda: len(bus.queues) == 2, "both listeners")
        await everybody_gets(first, [*here, *there])
        for client in (*here, *there):
            client.everything.clear()
        await everybody_gets(second, [*here, *there])
        # One of another server's clients, asked and answered; and rooms across both.
        there[1].answers["question"] = {"status": "heard"}
        assert await first.sio.call("question", {"content": "?"}, to=there[1].sid, timeout=10) == {"status": "heard"}
        await first.sio.enter_room(there[1].sid, "room")
        await until(lambda: "room" in second.sio.rooms(there[1].sid), "the room")
        # From a process that only writes.
        writer = bus.manager(write_only=True)
        await writer.emit("message_new", CHAT, room="room")
        assert (await there[1].got("message_new", 4)).args == (CHAT,)
        await first.manager.broadcast("workflow_plan", {"plan": "x"}, room="room")
        assert (await there[1].got("workflow_plan")).args == ({"plan": "x"},)
        for site in (first, second):
            site.sio.manager.thread.cancel()
            await asyncio.gather(site.sio.manager.thread, return_exceptions=True)


# Beside others


async def test_two_servers_in_one_process_do_not_disturb_each_other() -> None:
    async with (
        open_site(Settings()) as ours,
        open_site(Settings.off()) as other,
        open_site(attach=False, ws="websockets-sansio") as stock,
    ):
        async with (
            connected(ours.url, *KINDS) as our_clients,
            connected(other.url, *KINDS) as other_clients,
            connected(stock.url, OLD_WS, OLD_POLLING) as stock_clients,
        ):
            await everybody_gets(ours, our_clients)
            assert other.manager.get_stats()["events"].keys() == {"connection_established"}
            await everybody_gets(other, other_clients)
            await everybody_gets(stock, stock_clients, {"content": "no bytes: see Way.direct"})
            for client in stock_clients:
                assert client.kind is OLD_POLLING or client.sio.eio.ws.compress == 12
        assert ours.manager.get_stats()["total_messages"] == 7
        assert ours.manager.get_stats()["wire"]["uncounted_connections"] == 0


async def test_the_servers_own_classes_stay_as_they_were() -> None:
    before = [dict(vars(kind)) for kind in (socketio.AsyncServer, socketio.AsyncManager, socketio.packet.Packet)]
    async with open_site() as site, connected(site.url, NEW_WS) as (client,):
        await end_of(site, [client])
    assert before == [
        dict(vars(kind)) for kind in (socketio.AsyncServer, socketio.AsyncManager, socketio.packet.Packet)
    ]
    assert type(new_sio().manager) is socketio.AsyncManager


JSON_MODULE = """
import asyncio, datetime, json, sys
import socketio
sys.path.insert(0, {tests!r})
from conformance.harness import KINDS, OLD_WS, connected, end_of, new_sio, open_site

class DateJson:
    \"\"\"An application's own JSON: it knows dates, and marks what it has written.\"\"\"
    @staticmethod
    def dumps(value, **options):
        return json.dumps(value, default=lambda item: {{"date": item.isoformat()}}, **options)
    @staticmethod
    def loads(text, **options):
        return json.loads(text, **options)

async def main():
    sio = new_sio(json=DateJson)
    sio.on("ask", lambda sid, data: data)
    day = datetime.date(2025, 10, 25)
    async with open_site(sio=sio) as site, connected(site.url, *KINDS) as clients:
        await sio.emit("message_new", {{"content": day, "picture": [b"bytes", day]}})
        await end_of(site, clients)
        for client in clients:
            assert client.events[0].args == (
                {{"content": {{"date": "2025-10-25"}}, "picture": [b"bytes", {{"date": "2025-10-25"}}]}},
            ), client.events
            assert await client.sio.call("ask", {{"x": 1}}, timeout=10) == {{"x": 1}}
    print("done")

asyncio.run(main())
"""


async def test_an_applications_own_json_module_is_used(request: pytest.FixtureRequest) -> None:
    """In a process of its own: python-socketio keeps it in a class attribute."""
    tests = str(request.config.rootpath / "tests")
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", JSON_MODULE.format(tests=tests)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "done\n"
    assert run.stderr == ""


# What cannot be attached to


async def test_a_server_that_is_made_with_all_layers_in_it_is_a_plain_subclass() -> None:
    sio = reznet_ws.AsyncServer(async_mode="asgi", namespaces="*", settings=Settings.seed())
    assert type(sio) is reznet_ws.AsyncServer
    assert sio.reznet.settings == Settings.seed()
    assert attach(sio) is sio.reznet
    async with open_site(sio=sio, attach=False) as site, connected(site.url, *KINDS) as clients:
        site.given_manager = sio.reznet
        await everybody_gets(site, clients)
        assert site.wire["uncounted_connections"] == 0


def test_attaching_twice_changes_nothing() -> None:
    sio = new_sio()
    manager = attach(sio, Settings.seed())
    kinds = type(sio), type(sio.eio), type(sio.manager)
    assert attach(sio) is manager
    assert (type(sio), type(sio.eio), type(sio.manager)) == kinds
    assert manager.settings == Settings.seed()
    assert attach(sio, Settings.off()).settings == Settings.off()
    with pytest.raises(ValueError, match="has a ConnectionManager already"):
        ConnectionManager(sio)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: socketio.Server(async_mode="threading"), "Server is not a socketio.AsyncServer"),
        (lambda: socketio.AsyncClient(), "AsyncClient is not a socketio.AsyncServer"),
        (lambda: FastAPI(), "FastAPI is not a socketio.AsyncServer"),
        (lambda: None, "NoneType is not a socketio.AsyncServer"),
    ],
    ids=["a sync server", "a client", "an application", "nothing"],
)
def test_what_is_no_async_server_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        attach(make())


async def test_a_manager_that_is_closed_ends_its_timer_and_sends_what_waits() -> None:
    sio = new_sio()
    manager = attach(sio, Settings(batch=True, batch_window_ms=1000))
    async with serving(socketio.ASGIApp(sio)) as url:
        async with connected(url, NEW_WS) as (client,):
            for number in range(3):
                await sio.emit("agent_status", {"status": number})
            manager.close()
            await client.got("agent_status", 3)
            manager.close()
        await end_polls(sio)
    await sio.shutdown()

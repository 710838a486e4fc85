"""The same application on a stock server and on ours, with one window for all and without: it cannot tell which.

Here is what no other test in this folder runs on both; behind Redis and with the Admin UI there are files of their own.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
import socketio
from conformance.harness import (
    END,
    OLD_WS,
    Client,
    Event,
    Kind,
    Way,
    connected,
    end_of,
    until,
)
from conformance.raw import raw

CHAT = {"message_id": "m-1", "content": "hello " * 30, "created_at": "2025-10-25T12:00:00.000Z", "c": 1}


async def test_who_is_sent_what(way: Way) -> None:
    """Namespaces, rooms, lists of rooms, `skip_sid`, `to`, `send` and rooms that are closed, all mixed."""
    async with way.open() as site, connected(site.url, *way.kinds, namespaces=["/", "/chat"]) as clients:
        expected: dict[int, list[Event]] = {id(client): [] for client in clients}
        sids = {id(client): {name: client.sio.get_sid(name) for name in ("/", "/chat")} for client in clients}

        async def emit(event: str, data: Any, receivers: list[Client], namespace: str = "/", **how: Any) -> None:
            await site.sio.emit(event, data, namespace=namespace, **how)
            args = data if isinstance(data, tuple) else () if data is None else (data,)
            for client in receivers:
                expected[id(client)].append(Event(event, args, namespace))

        for namespace in ("/", "/chat"):
            for client in clients[::2]:
                await site.sio.enter_room(sids[id(client)][namespace], "even", namespace)
            for client in clients[:3]:
                await site.sio.enter_room(sids[id(client)][namespace], "first three", namespace)
        for number in range(8):
            for namespace in ("/", "/chat"):
                message = {**CHAT, "order": number}
                skipped = sids[id(clients[number % len(clients)])][namespace]
                rest = [client for client in clients if sids[id(client)][namespace] != skipped]
                either = [client for client in clients if client in clients[::2] or client in clients[:3]]
                await emit("message_new", message, clients, namespace)
                await emit("agent_status", {"status": number}, clients[::2], namespace, room="even")
                await emit("message_update", (number, message), clients[:3], namespace, to="first three")
                await emit("user_typing", None, rest, namespace, skip_sid=skipped)
                await emit("both", message, either, namespace, room=["even", "first three"])
                await emit("nobody", message, [], namespace, room="nobody is in this one")
                await emit("private", number, [clients[-1]], namespace, to=sids[id(clients[-1])][namespace])
            await emit("message_new", CHAT, [], "/nobody joined this one")
        await site.sio.send("a message", room="even")
        for client in clients[::2]:
            expected[id(client)].append(Event("message", ("a message",)))
        assert site.sio.rooms(clients[0].sid) == [clients[0].sid, "even", "first three"]
        await site.sio.close_room("even")
        await emit("message_new", CHAT, [], room="even")
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*expected[id(client)], END], client.kind.name


async def test_bytes_go_both_ways(way: Way) -> None:
    async with way.open() as site, connected(site.url, *way.direct) as clients:
        site.sio.on("echo", lambda sid, *args: args)
        sent = {"pages": [b"\x00", b"\x00\xff" * 5000, "text"], "picture": bytes(range(256))}
        await site.sio.emit("picture", sent)
        await site.sio.emit("pages", (b"one", 2, b"three"))
        for client in clients:
            assert await client.sio.call("echo", (sent, b"bytes"), timeout=5) == (sent, b"bytes")
            client.answers["question"] = {"answer": b"\x07"}
            assert await site.sio.call("question", b"?", to=client.sid, timeout=5) == {"answer": b"\x07"}
        await end_of(site, clients)
        for client in clients:
            assert client.events == [
                Event("picture", (sent,)),
                Event("pages", (b"one", 2, b"three")),
                Event("question", (b"?",)),
                END,
            ], client.kind.name


async def test_what_is_emitted_during_the_upgrade_comes_once_and_in_order(way: Way) -> None:
    """From the moment the client is in until some time after it has changed over to its WebSocket."""
    upgrading = [kind for kind in way.kinds if len(kind.transports) == 2]
    async with way.open() as site:
        sent: dict[str, int] = {}

        async def talk(sid: str) -> None:
            eio_socket, rounds_left = site.sio.eio.sockets[site.eio_sid(sid)], 20
            while rounds_left:
                rounds_left -= eio_socket.upgraded
                await site.sio.emit("message_new", {**CHAT, "order": sent[sid]}, to=sid)
                await site.sio.emit("agent_status", {"status": sent[sid]}, to=sid)
                sent[sid] += 1
                await asyncio.sleep(0)
            await site.sio.emit("the_end", to=sid)

        async def connect(sid: str, environ: Any) -> None:
            sent[sid] = 0

        async def begin(sid: str) -> None:
            site.sio.start_background_task(talk, sid)

        async def ask_to_begin(client: Client, namespace: str) -> None:
            await client.sio.emit("begin")

        site.sio.on("connect", connect)
        site.sio.on("begin", begin)
        for kind in upgrading:
            client = Client(kind)
            client.sio.on("connect", functools.partial(ask_to_begin, client), namespace="*")
            await client.connect(site.url)
            await client.got("the_end")
            expected = [
                event
                for number in range(sent[client.sid])
                for event in (
                    Event("message_new", ({**CHAT, "order": number},)),
                    Event("agent_status", ({"status": number},)),
                )
            ]
            assert client.events == [*expected, END], kind.name
            await client.close()


async def test_sessions_keep_what_belongs_to_a_client_in_a_namespace(way: Way) -> None:
    async with way.open() as site, connected(site.url, *way.kinds, namespaces=["/", "/chat"]) as clients:
        for client in clients:
            for namespace in ("/", "/chat"):
                sid = client.sio.get_sid(namespace)
                await site.sio.save_session(sid, {"kind": client.kind.name, "namespace": namespace}, namespace)
                async with site.sio.session(sid, namespace) as session:
                    session["said"] = session.get("said", 0) + 1
        for client in clients:
            for namespace in ("/", "/chat"):
                assert await site.sio.get_session(client.sio.get_sid(namespace), namespace) == {
                    "kind": client.kind.name,
                    "namespace": namespace,
                    "said": 1,
                }
            assert site.sio.transport(client.sid) == client.kind.transports[-1]
            assert site.sio.get_environ(client.sid)["QUERY_STRING"].count("EIO=4") == 1


async def test_background_tasks_emit_and_end(way: Way) -> None:
    async with way.open() as site, connected(site.url, *way.kinds) as clients:

        async def count(up_to: int, name: str) -> str:
            for number in range(up_to):
                await site.sio.emit("message_new", {**CHAT, "name": name, "order": number})
                await site.sio.sleep(0)
            return name

        tasks = [site.sio.start_background_task(count, 20, name) for name in ("one", "two")]
        assert await asyncio.gather(*tasks) == ["one", "two"]
        await end_of(site, clients)
        for client in clients:
            for name in ("one", "two"):
                own = [event.args[0]["order"] for event in client.events[:-1] if event.args[0]["name"] == name]
                assert own == list(range(20)), client.kind.name


async def test_questions_are_answered_or_time_out(way: Way) -> None:
    async with way.open() as site, connected(site.url, *way.kinds) as clients:
        for client in clients:
            forever = asyncio.Event()

            async def wait(namespace: str, forever: asyncio.Event = forever) -> None:
                await forever.wait()

            client.sio.on("never", wait, namespace="*")
            client.answers |= {"one": "1", "several": (1, "2", [3]), "none": None}
            await site.sio.emit("agent_status", {"status": "before"}, to=client.sid)
            await site.sio.emit("agent_status", {"status": "waits, perhaps"}, to=client.sid)
            assert await site.sio.call("one", CHAT, to=client.sid, timeout=5) == "1"
            assert await site.sio.call("several", (CHAT, 2), to=client.sid, timeout=5) == (1, "2", [3])
            assert await site.sio.call("none", to=client.sid, timeout=5) is None
            with pytest.raises(socketio.exceptions.TimeoutError):
                await site.sio.call("never", to=client.sid, timeout=0.05)
            answers: list[Any] = []
            await site.sio.emit("several", to=client.sid, callback=lambda *args, to=answers: to.extend(args))
            await until(lambda answers=answers: answers, "the callback")
            assert answers == [1, "2", [3]]
            forever.set()  # an answer that comes too late is nobody's
            assert await site.sio.call("one", to=client.sid, timeout=5) == "1"
            names = [event.name for event in client.events]
            assert names == ["agent_status", "agent_status", "one", "several", "none", "several", "one"]


async def test_catch_all_handlers_catch_all(way: Way) -> None:
    async with way.open() as site, connected(site.url, *way.kinds, namespaces=["/", "/chat", "/else"]) as clients:
        caught: list[tuple[Any, ...]] = []

        async def any_event(event: str, sid: str, *args: Any) -> str:
            caught.append(("any event", event, *args))
            return "caught"

        async def any_namespace(namespace: str, sid: str, data: Any) -> None:
            caught.append(("any namespace", namespace, data))

        async def anything(event: str, namespace: str, sid: str, *args: Any) -> None:
            caught.append(("anything", event, namespace, *args))

        site.sio.on("*", any_event, namespace="/")
        site.sio.on("named", any_namespace, namespace="*")
        site.sio.on("*", anything, namespace="*")
        site.sio.on("own", lambda sid, data: caught.append(("own", data)))
        for client in clients:
            caught.clear()
            assert await client.sio.call("something", (1, CHAT), timeout=5) == "caught"
            await client.sio.call("own", 2, timeout=5)
            await client.sio.call("named", 3, namespace="/chat", timeout=5)
            await client.sio.call("something", (4, [5]), namespace="/else", timeout=5)
            assert caught == [
                ("any event", "something", 1, CHAT),
                ("own", 2),
                ("any namespace", "/chat", 3),
                ("anything", "something", "/else", 4, [5]),
            ], client.kind.name


async def test_the_end_of_a_connection_has_its_reason(way: Way) -> None:
    async with way.open() as site:
        ends: list[tuple[str, str]] = []
        site.sio.on("disconnect", lambda sid, reason: ends.append((sid, reason)))
        async with connected(site.url, *way.direct) as clients:
            for client in clients:
                sid = client.sid
                await site.sio.emit("message_new", CHAT, to=sid)
                await site.sio.emit("agent_status", {"status": 1}, to=sid)
                await site.sio.emit("agent_status", {"status": 2}, to=sid)
                await site.sio.disconnect(sid)
                await until(lambda client=client: not client.sio.connected, "its end")
                await until(lambda sid=sid: (sid, "server disconnect") in ends, "the server's word")
                sent = [("message_new", CHAT), ("agent_status", {"status": 1}), ("agent_status", {"status": 2})]
                assert client.events == [Event(name, (data,)) for name, data in sent], client.kind.name
        async with connected(site.url, OLD_WS) as (client,):
            sid = client.sid
            client.sio.eio.ws._writer.transport.abort()
            await until(lambda: (sid, "transport close") in ends, "the server's word")


async def test_a_refusal_says_why(way: Way) -> None:
    async with way.open() as site:

        async def connect(sid: str, environ: Any, auth: Any) -> None:
            if auth == {"be": "refused"}:
                raise socketio.exceptions.ConnectionRefusedError("not you", {"code": 7}, 8)

        site.sio.on("connect", connect)
        async with connected(site.url, *way.kinds, auth={"be": "let in"}) as others:
            for kind in way.direct:
                client = Client(kind)
                errors: list[Any] = []
                client.sio.on("connect_error", errors.append)
                with pytest.raises(socketio.exceptions.ConnectionError):
                    await client.connect(site.url, auth={"be": "refused"})
                assert errors == [{"message": "not you", "data": [{"code": 7}, 8]}], kind.name
                await client.close()
            await site.sio.emit("message_new", CHAT)
            await end_of(site, others)
            for other in others:
                assert other.events == [Event("message_new", (CHAT,)), END]


async def test_a_server_that_offers_long_polling_alone(way: Way) -> None:
    polling = [kind for kind in way.kinds if not kind.ends_on_websocket]
    async with way.open(transports=["polling"]) as site, connected(site.url, *polling) as clients:
        await site.sio.emit("message_new", CHAT)
        await end_of(site, clients)
        for client in clients:
            assert client.events == [Event("message_new", (CHAT,)), END]
        refused = Client(OLD_WS)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await refused.connect(site.url)
        await refused.close()


async def test_the_simple_client(way: Way) -> None:
    async with way.open() as site:
        site.sio.on("ask", lambda sid, data: data)
        async with socketio.AsyncSimpleClient(handle_sigint=False) as client:
            await client.connect(site.url, transports=["websocket"])
            await site.sio.emit("message_new", CHAT)
            await site.sio.emit("several", (1, CHAT))
            assert await client.receive(timeout=5) == ["message_new", CHAT]
            assert await client.receive(timeout=5) == ["several", 1, CHAT]
            assert await client.call("ask", CHAT, timeout=5) == CHAT
            with pytest.raises(socketio.exceptions.TimeoutError):
                await client.receive(timeout=0.05)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_pages_of_other_origins_stay_out(way: Way, transport: str) -> None:
    kind = Kind(transport, transports=(transport,))
    async with way.open(cors_allowed_origins=["http://good.example"]) as site:
        bad, good = Client(kind), Client(kind)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await bad.connect(site.url, headers={"Origin": "http://evil.example"})
        assert not site.sio.eio.sockets
        await good.connect(site.url, headers={"Origin": "http://good.example"})
        await site.sio.emit("message_new", CHAT)
        await end_of(site, [good])
        assert good.events == [Event("message_new", (CHAT,)), END]
        await asyncio.gather(bad.close(), good.close())


async def test_what_is_too_large_to_receive_ends_its_connection_alone(way: Way) -> None:
    async with way.open(max_http_buffer_size=10_000) as site, connected(site.url, *way.kinds) as others:
        got: list[int] = []
        site.sio.on("data", lambda sid, data: got.append(len(data)))
        async with connected(site.url, OLD_WS) as (client,):
            await client.sio.emit("data", "x" * 9000)
            await until(lambda: got == [9000], "the small one")
            await client.sio.emit("data", "x" * 10_001)
            await until(lambda: len(site.sio.eio.sockets) == len(others), "the end of its connection")
        async with raw(site.url) as plain:
            await plain.connect()
            opened = plain.received[plain.received.index(b'0{"sid"') :]
            assert b'"maxPayload":10000' in opened
        await site.sio.emit("message_new", {"content": "y" * 20_000})  # says nothing about what is sent
        await end_of(site, others)
        assert got == [9000]
        for other in others:
            assert other.events == [Event("message_new", ({"content": "y" * 20_000},)), END]

"""Old and new clients in one room: each gets every message once, in order, equal to what was emitted."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import threading
from collections.abc import Sequence
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
    TIMEOUT_S,
    Client,
    Event,
    Kind,
    Site,
    connected,
    end_of,
    new_sio,
    open_site,
    until,
)
from conformance.raw import BINARY, CHROMIUM, POLLING, RawClient, mask_frame, raw

from reznet_ws.client import attach as attach_client
from reznet_ws.settings import Settings

NOW = "2025-10-25T12:00:00.000Z"
NAMESPACES = ("/", "/chat", "/чат")

# What a client gets, so what is emitted is JSON already: lists, not tuples.
PAYLOADS: list[Any] = [
    {"message_id": "m1", "content": "hello", "created_at": "2025-10-25T12:00:00.000Z", "metadata": {"model": "x"}},
    {"created_at": "2025-10-25T12:00:00Z", "updated_at": None, "ts": "taken", "~ts": 1, "~": {"~~": "~"}},
    {"_v": 2, "content": "not abbreviated"},
    {"_v": 1},
    {"gz": "aGk="},
    {"_v": 2, "gz": b"\x1f\x8b nothing of ours"},
    {"c": 1, "content": 2, "~c": 3},
    {"picture": b"\x00\x01\xff" * 50, "thumbnails": [b"", b"\x00"], "content": "with bytes"},
    b"bytes alone",
    {"_placeholder": True, "num": "a lookalike"},
    {"content": 'Привет, 世界 😀  \x00 "\\'},
    {"content": "a lone surrogate \ud83d"},
    {"content": "x" * 3000, "tasks": [{"order": n, "depends_on": [n - 1], "status": "open"} for n in range(400)]},
    ["content", {"content": "c"}, [[]]],
    "a text",
    "",
    0,
    -1.5e300,
    12345678901234567890,
    True,
    False,
    {},
    [],
    [None],
]


def some_settings() -> dict[str, Settings]:
    few = Settings(batch=True, batch_max_messages=3, batch_window_ms=5)
    everything = frozenset({f"event_{n}" for n in range(len(PAYLOADS))} | {"several", "nothing", "message_batch"})
    return {
        **Settings.presets(),
        "gzip": few.replace(gzip=True, gzip_threshold_bytes=0),
        "everything may wait": few.replace(batch_events=everything, batch_max_bytes=1_000_000),
        "all of it": few.replace(
            batch_events=everything, batch_max_bytes=1_000_000, gzip=True, gzip_threshold_bytes=200
        ),
    }


def same(got: Sequence[Event], expected: Sequence[Event]) -> bool:
    """Equal, and of the same types: True is no 1, and bytes come back as bytes."""
    return list(got) == list(expected) and repr(got) == repr(expected)


@pytest.mark.parametrize("settings", some_settings().values(), ids=some_settings())
async def test_a_room_of_every_kind_gets_everything_once_in_order(settings: Settings) -> None:
    async with open_site(settings) as site, connected(site.url, *KINDS) as clients:
        for client in clients:
            await site.sio.enter_room(client.sid, "room")
        expected = []
        for number, payload in enumerate(PAYLOADS):
            await site.sio.emit(f"event_{number}", payload, room="room")
            expected.append(Event(f"event_{number}", (payload,)))
        await site.sio.emit("several", ("one", {"content": "two"}, b"three", None), room="room")
        await site.sio.emit("nothing", room="room")
        await site.sio.emit("event_0", ({"content": "the only argument"},), room="room")
        await site.sio.emit("event_1", (None,), room="room")
        await site.sio.emit("event_2", (), room="room")
        expected += [
            Event("several", ("one", {"content": "two"}, b"three", None)),
            Event("nothing", ()),
            Event("event_0", ({"content": "the only argument"},)),
            Event("event_1", (None,)),
            Event("event_2", ()),
        ]
        await end_of(site, clients)
        for client in clients:
            assert same(client.events, [*expected, END]), client.kind.name


@pytest.mark.parametrize("others", [(OLD_WS, OLD_POLLING), (OLD_POLLING, OLD_WS)], ids=["ws first", "polling first"])
async def test_a_binary_event_to_long_polling_and_websocket_breaks_neither(others: tuple[Kind, ...]) -> None:
    """python-engineio's own packet caches one encoding for both (`Packet.encode`, whatever `b64` says)."""
    picture = {"content": "look", "bytes": bytes(range(256))}
    async with open_site(Settings(gzip=True, gzip_threshold_bytes=0)) as site:
        async with connected(site.url, *others, NEW_WS, NEW_POLLING, NEW_UPGRADED) as clients:
            for _ in range(3):
                await site.sio.emit("picture", picture)
            await site.sio.emit("large", {"content": "x" * 5000})  # gzipped for the new ones: binary for them alone
            await end_of(site, clients)
            for client in clients:
                assert client.events == [
                    *[Event("picture", (picture,))] * 3,
                    Event("large", ({"content": "x" * 5000},)),
                    END,
                ]


async def test_namespaces_keep_their_order_among_each_other() -> None:
    settings = Settings(batch=True, batch_events=frozenset({"n"}), batch_max_messages=7, batch_window_ms=5)
    chooser = random.Random(1)
    async with open_site(settings) as site, connected(site.url, *KINDS, namespaces=NAMESPACES) as clients:
        expected = []
        for number in range(60):
            namespace = chooser.choice(NAMESPACES)
            await site.sio.emit("n", {"content": number}, namespace=namespace)
            expected.append(Event("n", ({"content": number},), namespace))
        for namespace in NAMESPACES:
            await site.sio.emit("the_end", namespace=namespace)
        for client in clients:
            await client.got("the_end", len(NAMESPACES))
            assert client.events == expected + [Event("the_end", (), namespace) for namespace in NAMESPACES]


@pytest.mark.parametrize("as_list", [False, True], ids=["one sid", "a list"])
async def test_skip_sid_skips_in_either_format(as_list: bool) -> None:
    async with open_site() as site, connected(site.url, OLD_WS, NEW_WS, OLD_POLLING, NEW_POLLING) as clients:
        for client in clients:
            skipped = [client.sid, clients[0].sid] if as_list else client.sid
            await site.sio.emit("agent_status", {"status": client.kind.name}, skip_sid=skipped)
        await end_of(site, clients)
        for client in clients:
            assert client.events == [
                Event("agent_status", ({"status": other.kind.name},))
                for other in clients
                if other is not client and not (as_list and client is clients[0])
            ] + [END]


async def test_rooms_lists_of_rooms_and_single_receivers() -> None:
    async with open_site() as site, connected(site.url, *KINDS) as clients:
        for number, client in enumerate(clients):
            await site.sio.enter_room(client.sid, "even" if number % 2 == 0 else "odd")
        await site.sio.emit("agent_status", {"status": "even"}, room="even")
        await site.sio.emit("agent_status", {"status": "odd"}, to="odd")
        await site.sio.emit("agent_status", {"status": "both"}, room=["odd", "even"])
        await site.sio.emit("agent_status", {"status": "nobody"}, room="empty")
        await site.sio.emit("agent_status", {"status": "nowhere"}, namespace="/unknown")
        for client in clients:
            await site.sio.emit("agent_status", {"status": client.sid}, to=client.sid)
        await site.sio.leave_room(clients[0].sid, "even")
        await site.sio.close_room("odd")
        await site.sio.emit("agent_status", {"status": "the rest"}, room=["odd", "even"])
        await end_of(site, clients)
        for number, client in enumerate(clients):
            statuses = ["even" if number % 2 == 0 else "odd", "both", client.sid]
            if number % 2 == 0 and number:
                statuses.append("the rest")
            assert [event.args[0]["status"] for event in client.events[:-1]] == statuses, client.kind.name


async def test_what_is_sent_to_one_overtakes_nothing_that_waits() -> None:
    """And what waits is for everybody: an acknowledgement or a message to one member ends nobody else's wait."""
    settings = Settings(batch=True, batch_window_ms=1000)
    async with open_site(settings) as site, connected(site.url, NEW_WS, NEW_POLLING) as clients:
        first, second = clients
        site.sio.on("ask", lambda sid, data: {"echo": data})
        for number in range(3):
            await site.sio.emit("agent_status", {"status": number})
        await site.sio.emit("direct", {"content": "to the first"}, to=first.sid)
        for number in range(3, 6):
            await site.sio.emit("agent_status", {"status": number})
        # The first's own question is answered after what waits for it.
        assert await first.sio.call("ask", {"content": 1}, timeout=10) == {"echo": {"content": 1}}
        assert [event.name for event in first.events] == [
            *["agent_status"] * 3,
            "direct",
            *["agent_status"] * 3,
        ]
        assert [event.args[0]["status"] for event in second.events] == [0]
        await end_of(site, clients)
        statuses = [Event("agent_status", ({"status": number},)) for number in range(6)]
        assert first.events == [*statuses[:3], Event("direct", ({"content": "to the first"},)), *statuses[3:], END]
        assert second.events == [*statuses, END]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_the_server_asks_and_every_kind_answers(kind: Kind) -> None:
    async with open_site() as site, connected(site.url, kind) as (client,):
        for answer in ({"content": "heard", "c": 1}, b"bytes", ("several", {"status": 2}), None):
            client.answers["question"] = answer
            given = await site.sio.call("question", ({"content": "?", "created_at": NOW}, b"!"), to=client.sid)
            assert given == answer
        heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        await site.sio.emit("question", callback=lambda *args: heard.put_nowait(args), to=client.sid)
        assert await asyncio.wait_for(heard.get(), 10) == ()
        await end_of(site, [client])
        assert client.events == [
            *[Event("question", ({"content": "?", "created_at": NOW}, b"!"))] * 4,
            Event("question", ()),
            END,
        ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_every_kind_asks_and_the_server_answers(kind: Kind) -> None:
    async with open_site() as site, connected(site.url, kind) as (client,):
        site.sio.on("ask", lambda sid, *args: args)
        for args in (({"content": 1, "created_at": NOW}, b"bytes", [b""]), ("only one",), ({"_v": 2, "c": "mine"},)):
            answer = await client.sio.call("ask", args, timeout=10)
            assert answer == (args[0] if len(args) == 1 else args)


async def test_a_handler_that_waits_holds_up_none_of_those_after_it() -> None:
    """Handlers begin in the order of emission, as with a stock client, however slowly each of them goes on."""
    settings = Settings(batch=True, batch_max_messages=4, batch_events=frozenset({"step"}))
    async with open_site(settings) as site, connected(site.url, OLD_WS, NEW_WS, NEW_POLLING) as clients:
        begun: dict[str, list[Any]] = {client.kind.name: [] for client in clients}
        finished: dict[str, list[Any]] = {client.kind.name: [] for client in clients}
        for client in clients:

            async def slow(data: Any, name: str = client.kind.name) -> None:
                begun[name].append(data)
                for _ in range(50):
                    await asyncio.sleep(0)
                finished[name].append(data)

            client.sio.on("step", slow)
            client.sio.on("last", slow)
            client.sio.on("the_end", slow)
        for number in range(30):
            await site.sio.emit("step", number)
            if number % 10 == 9:
                await site.sio.emit("last", number + 0.5)
        expected = [number + half for number in range(30) for half in ((0, 0.5) if number % 10 == 9 else (0,))]
        await until(lambda: all(len(seen) == len(expected) for seen in finished.values()), "the end of every handler")
        for name, seen in begun.items():
            assert seen == expected, name


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_the_synchronous_client_gets_everything_in_order(transport: str) -> None:
    """Its packets come in threads; a batch, or an attachment, takes longer to undo than what follows it."""
    async with open_site(Settings(gzip=True, gzip_threshold_bytes=300)) as site:
        client = socketio.Client(handle_sigint=False, reconnection=False)
        attach_client(client)
        got: list[Any] = []
        answers: list[Any] = []
        ended = threading.Event()
        site.sio.on("ask", lambda sid, data: data)
        client.on("*", lambda event, *args: got.append((event, args)))
        client.on("question", lambda data: client.call("ask", data, timeout=10))  # a handler that waits for the server
        client.on("the_end", lambda: ended.set())
        await asyncio.to_thread(client.connect, f"{site.url}?reznet=2", transports=[transport], wait_timeout=TIMEOUT_S)
        sid = client.get_sid()
        expected: list[Any] = []
        for number in range(100):
            await site.sio.emit("agent_status", {"status": number})
            expected.append(("agent_status", ({"status": number},)))
            if number % 10 == 9:
                await site.sio.emit("message_new", {"content": f"{number}" * 500, "bytes": b"x"})
                await site.sio.emit("message_new", {"content": f"{number}" * 500})
                expected.append(("message_new", ({"content": f"{number}" * 500, "bytes": b"x"},)))
                expected.append(("message_new", ({"content": f"{number}" * 500},)))
        answers.append(await site.sio.call("question", {"content": "?"}, to=sid, timeout=10))
        await site.sio.emit("the_end")
        assert await asyncio.to_thread(ended.wait, TIMEOUT_S)
        assert [event for event in got if event[0] != "connection_established"] == expected
        assert answers == [{"content": "?"}]
        await site.sio.eio.disconnect(site.eio_sid(sid))
        await until(lambda: client.eio.state == "disconnected", "the end of the connection")


async def test_the_disconnect_handler_comes_after_what_was_sent_before() -> None:
    async with open_site(Settings(batch=True, batch_window_ms=1000)) as site:
        for kind in (OLD_WS, NEW_WS):
            client = Client(kind)
            seen: list[Any] = []
            client.sio.on("agent_status", lambda data, seen=seen: seen.append(data["status"]))
            client.sio.on("disconnect", lambda reason, seen=seen: seen.append(reason))
            await client.connect(site.url)
            for number in range(5):
                await site.sio.emit("agent_status", {"status": number}, to=client.sid)
            await site.sio.disconnect(client.sid)
            await client.gone()
            assert seen == [0, 1, 2, 3, 4, "server disconnect"], kind.name
            await client.close()


async def test_what_waits_leaves_before_the_server_closes_the_connection() -> None:
    """Also where the application ends the transport beneath Socket.IO."""
    async with open_site(Settings(batch=True, batch_window_ms=1000)) as site:
        for kind in (OLD_WS, NEW_WS, NEW_POLLING):
            client = await Client(kind).connect(site.url)
            if kind.query:
                await client.got("connection_established")
            for number in range(5):
                await site.sio.emit("agent_status", {"status": number})
            await site.sio.eio.disconnect(site.eio_sid(client.sid))
            await client.gone()
            assert [event.args[0]["status"] for event in client.events] == [0, 1, 2, 3, 4], kind.name
            await client.close()


async def test_a_batch_leaves_when_its_window_closes() -> None:
    async with open_site(Settings(batch=True, batch_window_ms=20)) as site, connected(site.url, NEW_WS) as (client,):
        for number in range(4):
            await site.sio.emit("agent_status", {"status": number})
        await client.got("agent_status", 4)  # nothing else ends the wait
        await site.sio.emit("agent_status", {"status": 4})
        await client.got("agent_status", 5)


async def test_switching_every_layer_in_mid_flight_loses_nothing() -> None:
    toggles = ("abbreviate", "utf8", "deflate", "deflate_takeover", "gzip", "batch")
    states = list(itertools.product((False, True), repeat=len(toggles)))
    random.Random(2).shuffle(states)
    base = Settings(
        batch=True,
        deflate_adjustable=True,
        gzip_threshold_bytes=300,
        batch_events=frozenset({"n"}),
        batch_window_ms=3,
        deflate_threshold_bytes=50,
    )
    async with open_site(base) as site, connected(site.url, *KINDS) as clients:
        expected = []
        for number, state in enumerate(states):
            bits = 9 + number % 7
            await site.apply(
                base.replace(
                    **dict(zip(toggles, state, strict=True)), deflate_window_bits=bits, deflate_mem_level=1 + number % 9
                )
            )
            for payload in ({"content": f"{number}"}, {"content": f"é{number}" * (1 + number), "gz": b"\x00"}, number):
                await site.sio.emit("n", payload)
                expected.append(Event("n", (payload,)))
            await asyncio.sleep(0)  # some of it leaves under these settings, some under the next
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*expected, END], client.kind.name


@pytest.mark.parametrize("preset", Settings.presets())
async def test_switching_presets_without_adjustable_figures_loses_nothing(preset: str) -> None:
    """What the handshake did not grant stays as it was granted; the rest follows."""
    presets = Settings.presets()
    async with open_site(presets[preset]) as site, connected(site.url, *KINDS) as clients:
        expected = []
        for number in range(24):
            await site.apply(list(presets.values())[number % len(presets)])
            for event in ("agent_status", "message_new"):
                await site.sio.emit(event, {"content": f"ж{number}" * 700})
                expected.append(Event(event, ({"content": f"ж{number}" * 700},)))
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*expected, END], client.kind.name


# Who is granted what


@pytest.mark.parametrize(
    ("query", "format", "reason"),
    [
        ("reznet=2", 2, None),
        ("reznet=1", 1, None),
        ("reznet=9", 1, "format '9' is not known; you get format 1"),
        ("reznet=two", 1, "format 'two' is not known; you get format 1"),
        ("reznet=02", 1, "format '02' is not known; you get format 1"),
        ("reznet=2&reznet=9", 2, None),
        ("reznet=" + "9" * 500, 1, f"format '{'9' * 32}' is not known; you get format 1"),
    ],
)
async def test_the_server_says_what_it_grants(query: str, format: int, reason: str | None) -> None:  # noqa: A002
    message = {"content": "x", "created_at": NOW}
    async with open_site(Settings(deflate=False)) as site, raw(site.url) as client:
        await client.connect(query)
        said = {"format": format, "formats": [1, 2, 3, "m"]} | ({} if reason is None else {"reason": reason})
        assert json.loads((await client.frame()).text[2:]) == ["connection_established", said]
        await site.sio.emit("message_new", message)
        sent = {"c": "x", "ts": 1761393600000, "_v": 2} if format == 2 else message
        assert json.loads((await client.frame()).text[2:]) == ["message_new", sent]


@pytest.mark.parametrize("query", ["", "reznet=", "other=2", "xreznet=2", "reznet2=2"])
async def test_who_asks_for_nothing_is_told_nothing(query: str) -> None:
    async with open_site(Settings(deflate=False)) as site, raw(site.url) as client:
        await client.connect(query)
        await site.sio.emit("message_new", {"content": "x"})
        assert (await client.frame()).text == '42["message_new",{"content":"x"}]'


async def test_each_namespace_is_granted_by_itself_and_again_when_joined_again() -> None:
    async def gets_format_2() -> None:
        await site.sio.emit("message_new", {"content": "x", "created_at": NOW}, namespace="/chat")
        assert (await client.frame()).text == '42/chat,["message_new",{"c":"x","ts":1761393600000,"_v":2}]'

    async with open_site(Settings(deflate=False)) as site, raw(site.url) as client:
        await client.connect("reznet=2")
        assert (await client.frame()).text.startswith('42["connection_established"')
        await site.sio.emit("message_new", "not joined yet", namespace="/chat")
        for _ in range(2):
            await client.send_text("40/chat,")
            assert (await client.frame()).text.startswith('40/chat,{"sid"')
            assert (await client.frame()).text.startswith('42/chat,["connection_established"')
            await gets_format_2()
            await client.send_text("41/chat,")


def welcoming_sio() -> socketio.AsyncServer:
    sio = new_sio()

    async def welcome(sid: str, environ: Any) -> None:
        await sio.emit("message_new", {"content": "welcome", "created_at": NOW}, to=sid)

    sio.on("connect", welcome)
    return sio


async def test_a_message_from_the_connect_handler_comes_before_the_grant_and_plain() -> None:
    async with open_site(Settings(deflate=False), sio=welcoming_sio()) as site, raw(site.url) as client:
        await client.shake_hands("reznet=2")
        await client.frame()
        await client.send_text("40")
        welcome = json.dumps({"content": "welcome", "created_at": NOW}, separators=(",", ":"))
        assert (await client.frame()).text == f'42["message_new",{welcome}]'
        assert (await client.frame()).text.startswith('40{"sid"')
        assert (await client.frame()).text.startswith('42["connection_established"')


async def test_a_message_from_the_connect_handler_reaches_every_kind() -> None:
    async with open_site(sio=welcoming_sio()) as site, connected(site.url, *KINDS) as clients:
        for client in clients:
            assert (await client.got("message_new")).args == ({"content": "welcome", "created_at": NOW},)


async def test_a_new_client_understands_a_server_that_knows_nothing_of_it() -> None:
    async with open_site(attach=False) as site:
        client = await Client(OLD_WS, decode=True).connect(site.url)
        data = {"_v": 2, "c": "mine", "gz": 1}
        await site.sio.emit("message_new", data)
        await site.sio.emit("message_batch", {"batch": True, "messages": [{"e": "x"}]})
        await end_of(site, [client])
        assert client.everything == [
            Event("message_new", (data,)),
            Event("message_batch", ({"batch": True, "messages": [{"e": "x"}]},)),
            END,
        ]
        await client.close()


# Side by side with a stock server


def numbered_ids(sio: socketio.AsyncServer) -> None:
    """Session ids that are the same in every run, so that two servers' bytes can be compared."""
    count = itertools.count()
    sio.eio.generate_id = lambda: f"session-{next(count):012}"


async def a_session_over_websocket(site: Site, extensions: str | None) -> bytes:
    """All that a client gets which asked for nothing, from the handshake to the close frame."""
    numbered_ids(site.sio)
    site.sio.on("ask", lambda sid, *args: args)
    answers: list[Any] = []
    async with raw(site.url) as client:
        await client.connect(extensions=extensions, auth={"user": "x"})
        for number, payload in enumerate(PAYLOADS):
            await site.sio.emit(f"event_{number}", payload)
        await site.sio.emit("ünï\n", (1, "two", {"three": [b"3", {"f": b"4"}]}, None))
        await site.sio.emit("nothing")
        await site.sio.emit("callback", {"content": 1}, to=client.sid, callback=lambda *args: answers.append(args))
        await site.sio.emit("callback", b"bytes", to=client.sid, callback=lambda *args: answers.append(args))
        await site.sio.send("a message")
        await site.sio.emit("skipped", skip_sid=client.sid)
        await read_up_to(client, "a message")
        await client.send_text('431["heard",{"content":"c"}]')
        await client.send_text("40/чат,")
        await read_up_to(client, "40/чат")
        site.sio.on("ask", lambda sid, *args: args, namespace="/чат")
        await client.send_text('42/чат,7["ask","x",{"content":"é"}]')
        await client.send_text('428["ask"]')
        await client.send_text('42["unheard"]')
        await client.send_text('451-9["ask",{"_placeholder":true,"num":0}]')
        await client.write(mask_frame(b"abc", BINARY))
        await read_up_to(client, "461-9")
        await site.sio.emit("there", {"content": "x"}, namespace="/чат")
        await read_up_to(client, "there")
        await site.sio.emit("last", to=client.sid)
        await site.sio.disconnect(client.sid)
        await read_up_to(client, "41")
        await client.write(b"\x88\x82" + bytes(4) + b"\x03\xe8")
        await client.read_rest()
        assert answers == [("heard", {"content": "c"})]
        return bytes(client.received)


async def read_up_to(client: RawClient, part: str) -> None:
    while True:
        frame = await client.frame()
        if frame.opcode != BINARY and part in frame.text:
            return


def undated(received: bytes) -> bytes:
    return re.sub(rb"Date: [^\r]*\r\n", b"", received)


@pytest.mark.parametrize(
    ("settings", "extensions", "stock_deflates"),
    [
        (Settings.off(), None, False),
        (Settings.off(), CHROMIUM, False),
        (Settings.stock(), None, True),
        (Settings.stock(), CHROMIUM, True),
        (Settings.stock(), "permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        (Settings(utf8=False), None, True),
        (Settings(utf8=False, deflate=False, gzip=True, gzip_threshold_bytes=0), CHROMIUM, False),
        (Settings.seed(), None, True),
    ],
    ids=["off", "off, offered", "stock", "stock, offered", "stock, two offers", "all layers", "gzip too", "seed"],
)
async def test_a_client_that_asked_for_nothing_gets_the_very_bytes_of_a_stock_server(
    settings: Settings, extensions: str | None, stock_deflates: bool
) -> None:
    async with open_site(settings, date_header=False) as site:
        ours = await a_session_over_websocket(site, extensions)
    # The class that "auto" is from uvicorn 0.50 on; before, and below 0.52.1 dated whatever the option says.
    stock = {"ws": "websockets-sansio", "ws_per_message_deflate": stock_deflates, "date_header": False}
    async with open_site(attach=False, **stock) as stock_site:
        theirs = await a_session_over_websocket(stock_site, extensions)
    assert undated(ours) == undated(theirs)


async def test_with_utf8_the_frames_say_the_same_in_fewer_bytes() -> None:
    frames: list[list[Any]] = []
    for attach in (False, True):
        async with open_site(Settings(deflate=False), attach=attach) as site, raw(site.url) as client:
            await client.connect()
            for payload in PAYLOADS:
                await site.sio.emit("é", payload)
            await site.sio.emit("the_end")
            frames.append([])
            while not frames[-1] or "the_end" not in str(frames[-1][-1]):
                frame = await client.frame()
                frames[-1].append(frame.payload if frame.opcode == BINARY else read_event(frame.text))
    assert frames[0] == frames[1]


def read_event(text: str) -> tuple[str, Any]:
    head, _, body = text.partition("[")
    return head, json.loads("[" + body)


async def a_session_over_polling(site: Site) -> list[tuple[int, str, bytes]]:
    """Every response that a client gets which asked for nothing."""
    numbered_ids(site.sio)
    site.sio.on("ask", lambda sid, *args: args)
    responses = []
    async with raw(site.url) as client:

        async def ask(method: str, body: bytes = b"") -> bytes:
            responses.append(await client.request(method, target, body))
            return responses[-1][2]

        target = POLLING
        opened = json.loads((await ask("GET"))[1:])
        target += f"&sid={opened['sid']}"
        await ask("POST", b"40")
        joined = await ask("GET")
        sid = json.loads(joined[2:])["sid"]
        for number, payload in enumerate(PAYLOADS):
            await site.sio.emit(f"event_{number}", payload)
        await ask("GET")
        await site.sio.emit("ünï\n", (1, "two", {"three": [b"3", {"f": b"4"}]}, None), room=sid)
        await ask("GET")
        await ask("POST", '420["ask","é"]\x1e451-1["ask",{"_placeholder":true,"num":0}]\x1ebAAEC'.encode())
        await until(lambda: site.sio.eio.sockets[opened["sid"]].queue.qsize() == 3, "both answers")
        await ask("GET")
        await site.sio.emit("last")
        await site.sio.disconnect(sid)
        await ask("GET")
        await ask("POST", b"1")
        await ask("GET")  # 400: the session is over
    return responses


@pytest.mark.parametrize(
    "settings", [Settings.off(), Settings(utf8=False), Settings.seed()], ids=["off", "all", "seed"]
)
async def test_over_long_polling_too(settings: Settings) -> None:
    async with open_site(settings, date_header=False) as site:
        ours = await a_session_over_polling(site)
    async with open_site(attach=False, date_header=False) as stock_site:
        theirs = await a_session_over_polling(stock_site)
    assert ours == theirs

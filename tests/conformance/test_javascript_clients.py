"""The real socket.io-client, in Node and in a page in Chromium, with and without our decoder, beside Python's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from conformance.harness import END, KINDS, TIMEOUT_S, Client, Event, ThreadSite, connected, protocol_of
from conformance.javascript import (
    ALL_KINDS,
    EVERY_LAYER,
    NEW_KINDS,
    PLAN,
    QUESTIONS,
    ROOM,
    SCRIPT,
    STOCK_KINDS,
    TRANSPORTS,
    JsClient,
    Kind,
    Node,
    Page,
    as_args,
    before_answer,
    emit_script,
    end_of,
    find_chromium,
    find_node,
    joined,
    open_web_site,
    ready,
)
from conformance.raw import CHROMIUM

from reznet_ws.adapters.uvicorn import WebSocketProtocol
from reznet_ws.adapters.websockets import SharedDeflate
from reznet_ws.settings import Settings

# One loop for the file, so that Node and Chromium start once.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def layers_seen(site: ThreadSite) -> dict[str, bool]:
    """Which layers left a trace: a layer that did nothing would prove nothing."""
    stats = site.manager.get_stats()
    new, picture, many = (stats["events"][name] for name in ("message_new", "picture", "message_stream"))
    return {
        "abbreviate": new["abbreviated_bytes"] < new["plain_bytes"],
        "deflate": picture["deflated_bytes"] < picture["frame_bytes"],
        "gzip": stats["compressed_messages"] > 0,
        "batch": many["frames"] < many["deliveries"],
    }


def granted(kind: Kind, settings: Settings) -> list[Any]:
    """What a client is told of its format."""
    if not kind.query:
        return []
    formats = [1, 2, 3, "m"]
    if kind.parser == "rows" and not settings.rows:
        return [{"format": 1, "formats": formats, "reason": "rows are off; you get format 1"}]
    if kind.parser == "messagePack" and not settings.message_pack:
        return [{"format": 1, "formats": formats, "reason": "MessagePack is off; you get format 1"}]
    return [{"format": kind.query["reznet"], "formats": formats}]


def connection_of(site: ThreadSite, client: JsClient) -> WebSocketProtocol:
    connection: WebSocketProtocol = protocol_of(site, site.eio_sid(client.sid))
    return connection


# The tests


@pytest.mark.parametrize("preset", ["every layer", "off", "seed", "recommended"])
async def test_everybody_in_one_room_gets_every_event_once_in_order_and_as_it_was_emitted(
    node: Node, page: Page, preset: str
) -> None:
    settings = {"every layer": EVERY_LAYER, **Settings.presets()}[preset]
    async with (
        open_web_site(settings) as site,
        joined(site, [node, page], ALL_KINDS) as js_clients,
        connected(site.url, *KINDS) as python_clients,
    ):
        await site.count_members(ROOM, len(js_clients) + len(python_clients))
        expected = await emit_script(site)
        # `sio.emit`, which an application calls that knows nothing of us, and the ways around two layers.
        await site.run(site.sio.emit("message_new", PLAN, room=ROOM))
        expected.append(Event("message_new", (PLAN,)))
        expected += await emit_script(site, batch=True)
        expected += await emit_script(site, optimize=False, batch=False)
        clients: list[JsClient | Client] = [*js_clients, *python_clients]
        await end_of(site, clients)
        expected.append(END)
        for js_client in js_clients:
            assert js_client.events == js_client.expects(expected), js_client
        for client in python_clients:
            assert client.events == expected, client.kind.name
        for js_client in js_clients:
            assert js_client.grants == granted(js_client.kind, settings), js_client
        seen = layers_seen(site)
        assert seen == {layer: getattr(settings, layer) for layer in seen}


async def test_acknowledgements_go_both_ways_and_overtake_nothing(node: Node, page: Page) -> None:
    async with open_web_site(EVERY_LAYER) as site, joined(site, [node, page], ALL_KINDS) as clients:
        for client in clients:
            expected: list[Event] = []
            for args in QUESTIONS:
                for event, data in before_answer(args):
                    await site.run(site.sio.emit(event, data, to=client.sid))
                    expected.append(Event(event, (data,)))
                answer = await site.run(site.sio.call("question", args, to=client.sid, timeout=TIMEOUT_S))
                # python-socketio gives one argument as itself and several as a tuple.
                assert as_args(answer) == args, client
                expected.append(Event("question", args))
            for count, args in enumerate(QUESTIONS, 1):
                await client.ask(*args)
                expected += [Event(event, (data,)) for event, data in before_answer(args)]
                assert await client.got("ask", count, "answer") == args, client
                expected.append(Event("answer ask", args))
            assert client.events == client.expects(expected), client


LAYERS = ("abbreviate", "deflate", "gzip", "batch")
SUBSETS = [set(subset) for size in range(5) for subset in itertools.combinations(LAYERS, size)]


async def test_layers_may_be_switched_at_any_moment_while_clients_are_connected(node: Node, page: Page) -> None:
    async with open_web_site(EVERY_LAYER) as site, joined(site, [node, page], ALL_KINDS) as clients:
        part = [
            *SCRIPT[:3],
            *SCRIPT[24:30],
            ("message_stream", {"chunk": "waits"}),
            ("message_stream", {"chunk": "too"}),
        ]

        async def emit_and_switch() -> None:
            for subset in SUBSETS[::-1] + SUBSETS:
                site.manager.settings = EVERY_LAYER.replace(**{layer: layer in subset for layer in LAYERS})
                for event, data in part:
                    await site.sio.emit(event, data, room=ROOM)
                if len(subset) % 2:  # switched before it has left, and after
                    await asyncio.sleep(0)

        await site.run(emit_and_switch())
        await end_of(site, clients)
        expected = [Event(event, as_args(data)) for event, data in part] * 32 + [END]
        for client in clients:
            assert client.events == client.expects(expected), client


OFFERS = {
    "Node": CHROMIUM,
    "Chromium": CHROMIUM,
}


async def test_node_and_chromium_offer_permessage_deflate_and_get_compressed_frames(node: Node, page: Page) -> None:
    kinds = [kind for kind in ALL_KINDS if kind.transports[-1] == "websocket"]
    offers = []
    async with open_web_site() as site:
        handle = site.sio.handle_request

        async def note_offer(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                offers.append(dict(scope["headers"])[b"sec-websocket-extensions"].decode())
            await handle(scope, receive, send)

        site.sio.handle_request = note_offer
        async with joined(site, [node, page], kinds) as clients:
            assert sorted(offers) == sorted(OFFERS[client.host.name] for client in clients)
            for client in clients:
                connection = connection_of(site, client)
                (extension,) = connection.conn.extensions
                assert isinstance(extension, SharedDeflate)
                assert extension.local_max_window_bits == 15
                before = connection.transport.sent_bytes
                await site.run(site.sio.emit("squeeze", "zażółć " * 4000, to=client.sid))
                assert await client.got("squeeze") == ("zażółć " * 4000,)
                assert connection.transport.sent_bytes - before < 500, client


async def test_without_the_layer_nothing_is_negotiated_and_everything_arrives(node: Node, page: Page) -> None:
    kinds = [kind for kind in ALL_KINDS if kind.transports[-1] == "websocket"]
    async with (
        open_web_site(EVERY_LAYER.replace(deflate=False, deflate_adjustable=False)) as site,
        joined(site, [node, page], kinds) as clients,
    ):
        for client in clients:
            assert connection_of(site, client).conn.extensions == [], client
        expected = await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            assert client.events == client.expects([*expected, END]), client


@pytest.mark.parametrize("bits", [9, 12])
async def test_a_smaller_window_is_one_that_both_can_inflate(node: Node, page: Page, bits: int) -> None:
    settings = EVERY_LAYER.replace(deflate_window_bits=bits, deflate_adjustable=False, gzip=False)
    async with open_web_site(settings) as site, joined(site, [node, page], [STOCK_KINDS[0], NEW_KINDS[0]]) as clients:
        expected = await emit_script(site) + await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            (extension,) = connection_of(site, client).conn.extensions
            assert isinstance(extension, SharedDeflate)
            assert extension.local_max_window_bits == bits, client
            assert client.events == [*expected, END], client


async def test_events_that_come_during_the_upgrade_come_once_and_in_order(node: Node, page: Page) -> None:
    upgrades = [STOCK_KINDS[2], NEW_KINDS[2]]
    async with open_web_site(EVERY_LAYER) as site:
        await page.load(site.url)
        clients = [JsClient(host, kind) for host in (node, page) for kind in upgrades]
        sio, handle_request = site.sio, site.sio.handle_request
        sent: Counter[str] = Counter()
        heard: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

        async def handle_upgrade_late(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                (eio_sid,) = parse_qs(scope["query_string"].decode())["sid"]
                await heard[eio_sid].wait()
            await handle_request(scope, receive, send)

        async def connect(sid: str, environ: dict[str, Any]) -> None:
            sio.start_background_task(talk, sid, sio.eio.sockets[site.eio_sid(sid)])

        async def talk(sid: str, socket: Any) -> None:
            rounds_left = 20
            while rounds_left and sio.manager.is_connected(sid, "/"):
                rounds_left -= socket.upgraded
                await sio.emit("burst", {"order": sent[sid], "content": bytes([sent[sid] % 256])}, to=sid)
                await sio.emit("agent_status", {"order": sent[sid]}, to=sid)
                sent[sid] += 1
                await asyncio.sleep(0.001)
            await sio.emit("the_end", to=sid)

        sio.handle_request = handle_upgrade_late
        sio.on("connect", connect)
        for client in clients:
            await client.open(site.url)
        for client in clients:
            await client.got("polling", kind="connect")
            await client.got("burst", 5)
            site.thread.call(heard[site.eio_sid(client.all("connect")[0][2][0])].set)
        for client in clients:
            await client.got("the_end")
            await ready(client)
            expected = [
                event
                for n in range(sent[client.sid])
                for event in (
                    Event("burst", ({"order": n, "content": bytes([n % 256])},)),
                    Event("agent_status", ({"order": n},)),
                )
            ]
            assert client.events == [*expected, END], client
            when = [kind for kind, event, _ in client.log if kind == "ready" or event == "burst"]
            assert 5 <= when.index("ready") < len(when) - 1, "the upgrade was not in the middle of it"
            await client.close()


async def test_clients_come_back_when_the_server_restarts_and_are_granted_their_format_again(
    node: Node, page: Page
) -> None:
    async with contextlib.AsyncExitStack() as second_life:
        async with open_web_site(EVERY_LAYER) as site:
            clients = await second_life.enter_async_context(joined(site, [node, page], ALL_KINDS))
            first = await emit_script(site)
            for client in clients:
                await client.got("agent_status", 3)
        for client in clients:
            await client.got(kind="disconnect")
        site = await second_life.enter_async_context(open_web_site(EVERY_LAYER, site.thread.port))
        for client in clients:
            await ready(client, 2)
        again = await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            assert client.events == client.expects([*first, *again, END]), client
            assert len(client.grants) == (2 if client.kind.query else 0)
        assert all(layers_seen(site).values())


async def test_a_client_that_asks_for_an_unknown_format_is_told_so_and_gets_plain_events(
    node: Node, page: Page
) -> None:
    asks_9 = [
        Kind(f"nine-{name}-{decode}", transports, {"reznet": 9}, decode=decode)
        for name, transports in TRANSPORTS.items()
        for decode in (True, False)
    ]
    async with open_web_site(EVERY_LAYER) as site, joined(site, [node, page], [*asks_9, NEW_KINDS[0]]) as clients:
        expected = await emit_script(site)
        await end_of(site, clients)
        for client in clients:
            assert client.events == [*expected, END], client
            if client.kind in asks_9:
                reason = "format '9' is not known; you get format 1"
                assert client.grants == [{"format": 1, "formats": [1, 2, 3, "m"], "reason": reason}], client


@pytest.mark.parametrize("find", [find_node, lambda: find_chromium("")], ids=["node", "chromium"])
async def test_without_its_tools_a_test_fails_and_says_what_to_do(
    find: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("REZNET_CHROMIUM", raising=False)
    with pytest.raises(pytest.fail.Exception, match=r"found no (node|Chromium).*\./run test"):
        find()

"""The replay: the same bytes as a real socket, whatever the settings, and what passes what waits."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import hypothesis
import pytest
import socketio
import strategies
from hypothesis import strategies as st
from websockets.frames import Opcode

from reznet_ws import attach, client
from reznet_ws.audit.capture import Direction
from reznet_ws.audit.replay import depart, encode, key_of, replay
from reznet_ws.audit.spool import Kept, Spool
from reznet_ws.grants import GRANT_EVENT
from reznet_ws.lab.ablation import record
from reznet_ws.optimizer import decode_payload
from reznet_ws.server import ServerThread
from reznet_ws.settings import Settings

TIMEOUT_S = 30.0
# Bursts, each within one window; the next begins when none is open any more.
_WINDOW_MS = 1000.0
_APART_MS = 10 * _WINDOW_MS


def spool_of(messages: Sequence[Kept], connection: int = 0) -> Spool:
    spool = Spool()
    for kept in messages:
        spool.add(Direction.RECEIVED, connection, kept)
    return spool


def event(name: str, *args: Any, time_ms: float | None = None, namespace: str = "/", ack_id: int | None = None) -> Kept:
    return Kept(time_ms, name, ("4",), args, namespace, ack_id)


# Against a real socket


def _bursts() -> list[list[Kept]]:
    """Events of two namespaces, with none, one and several arguments, text in three languages, plans and bytes."""
    unicode, status = record(40, mix="unicode"), record(40, mix="status")
    plans = [message for message in record(200, mix="plans") if message.event == "workflow_plan"]
    bursts = []
    for number in range(3):
        messages = itertools.chain.from_iterable(zip(unicode[number * 10 :], status[number * 10 :], strict=True))
        burst = [event(message.event, message.data) for message in itertools.islice(messages, 18)]
        burst += [
            event("agent_status", {"agent_name": "@qa", "status": "idle"}, namespace="/chat"),
            event("agent_status", {"agent_name": "@qa", "status": "busy"}),
            event("agent_status"),
            event("two", {"message_id": "x" * 300}, "здесь"),
            event("message_new", {"content": "bytes", "body": b"\x00" * 500}),
            event("message_batch", {"batch": True, "messages": []}),
            event("workflow_plan", plans[number].data),
            event("agent_status", {"agent_name": "@dev", "status": "idle"}),
        ]
        bursts.append([kept._replace(time_ms=number * _APART_MS) for kept in burst])
    return bursts


class _Site:
    """One server with its settings, and one real client; many share a port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.replace(deflate_adjustable=True, deflate_shared=False)
        self.sio = socketio.AsyncServer(async_mode="asgi", ping_interval=1000, namespaces="*")
        # The greetings hold random ids: uncompressed, they never enter the window.
        self.manager = attach(self.sio, self.settings.replace(deflate=False))
        self.received = 0
        self.grants = 0
        self.is_granted, self.is_complete = asyncio.Event(), asyncio.Event()

    async def connect(self, url: str, name: str, expected: int, wire_format: int) -> None:
        self.client = socketio.AsyncClient(
            handle_sigint=False, reconnection=False, websocket_extra_options={"compress": 15}
        )
        if wire_format == 2:
            client.attach(self.client)

        async def arrive(name: str, *_args: Any) -> None:
            if name == GRANT_EVENT:
                self.is_granted.set()
                return
            self.received += 1
            if self.received == expected:
                self.is_complete.set()

        for namespace in ("/", "/chat"):
            self.client.on("*", arrive, namespace=namespace)
        query = "?reznet=2" if wire_format == 2 else ""
        await self.client.connect(
            f"{url}{query}",
            socketio_path=f"{name}/socket.io",
            transports=["websocket"],
            namespaces=["/", "/chat"],
            wait_timeout=TIMEOUT_S,
        )
        if wire_format == 2:
            await self.is_granted.wait()

    async def emit(self, bursts: list[list[Kept]]) -> None:
        """In the server's loop."""
        self.manager.settings = self.settings
        self.manager.reset_stats()
        for burst in bursts:
            for kept in burst:
                data = kept.args if kept.args is None or len(kept.args) != 1 else kept.args[0]
                await self.sio.emit(kept.label, data, namespace=kept.namespace)  # never gives the loop a turn
            while self.manager._delivery._batcher.closes_ms is not None:  # noqa: ASYNC110 (there is no event for it)
                await asyncio.sleep(0.01)


_FIGURES = {"batch_window_ms": _WINDOW_MS, "gzip_threshold_bytes": 2000}
_CHOICES = {
    "off": (1, Settings.off()),
    "stock": (1, Settings.stock()),
    "stock clients": (1, Settings(abbreviate=False, batch=False, deflate_window_bits=13, deflate_mem_level=4)),
    "no takeover": (1, Settings.off().replace(deflate=True, deflate_takeover=False, deflate_threshold_bytes=300)),
    "abbreviated": (2, Settings(batch=False, deflate=False, gzip=True, utf8=False, **_FIGURES)),
    "recommended": (2, Settings(**_FIGURES)),
    "everything": (2, Settings(gzip=True, deflate_window_bits=10, batch_max_messages=4, **_FIGURES)),
    "seed": (2, Settings.seed().replace(**_FIGURES)),
}


async def test_every_choice_sends_the_very_bytes_that_a_real_socket_takes() -> None:
    bursts = _bursts()
    messages = [kept for burst in bursts for kept in burst]
    with spool_of(messages) as spool:
        counts = replay(spool, {name: settings for name, (_, settings) in _CHOICES.items()})
    sites = {f"site{number}": _Site(settings) for number, (_, settings) in enumerate(_CHOICES.values())}
    apps = {name: socketio.ASGIApp(site.sio, socketio_path=f"{name}/socket.io") for name, site in sites.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[scope["path"].split("/")[1]](scope, receive, send)

    async def stopping() -> None:
        for site in sites.values():
            site.manager.close()
            await site.sio.shutdown()

    server = await asyncio.to_thread(ServerThread, app, stopping=stopping)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            for (name, site), (wire_format, _) in zip(sites.items(), _CHOICES.values(), strict=True):
                await site.connect(server.url, name, len(messages), wire_format)
            emitting = [asyncio.wrap_future(server.submit(site.emit(bursts))) for site in sites.values()]
            await asyncio.gather(*emitting, *(site.is_complete.wait() for site in sites.values()))
        for site, (choice, count) in zip(sites.values(), counts.items(), strict=True):
            ledger = site.manager.ledger
            rows = server.call(lambda ledger=ledger: ledger.rows())
            assert (choice, count.frames) == (choice, sum(row.frames for row in rows.values()))
            assert (choice, count.frame_bytes) == (choice, sum(row.frame_bytes for row in rows.values()))
            assert (choice, count.wire_bytes) == (choice, sum(row.wire_bytes for row in rows.values()))
            assert ledger.sent_bytes == count.wire_bytes, "nothing else left the socket"
            assert count.messages == len(messages)
            assert count.by_label.total() == count.wire_bytes
    finally:
        await asyncio.gather(*(site.client.disconnect() for site in sites.values()))
        await asyncio.to_thread(server.stop)
    # The comparison is worth nothing if the choices come to the same.
    assert len({count.wire_bytes for count in counts.values()}) == len(_CHOICES)


# What waits, and what does not


def _batching(**figures: Any) -> Settings:
    return Settings(abbreviate=False, batch_events=frozenset({"tick"}), **figures)


def _leaves(messages: Sequence[Kept], settings: Settings) -> list[list[str]]:
    return [
        [item.kept.label for item in departure.messages] for departure in depart(encode(messages, settings), settings)
    ]


def test_acks_and_pings_pass_what_waits() -> None:
    ticks = [event("tick", number, time_ms=10.0 * number) for number in range(4)]
    ping = Kept(15.0, "(ping)", ("2",))
    assert _leaves([*ticks[:2], ping, *ticks[2:]], _batching()) == [["tick"], ["(ping)"], ["tick", "tick", "tick"]]


def test_an_event_that_wants_an_answer_waits_for_nothing_and_lets_nothing_wait() -> None:
    ticks = [event("tick", number, time_ms=10.0 * number) for number in range(3)]
    asking = event("tick", 3, time_ms=30.0, ack_id=7)
    leaving = list(depart(encode([*ticks, asking], _batching()), _batching()))
    assert [len(departure.messages) for departure in leaving] == [1, 2, 1]
    assert leaving[-1].frames == [(Opcode.TEXT, b'427["tick",3]')]
    assert leaving[1].delays_ms == [20.0, 10.0]


def test_without_a_clock_nothing_waits() -> None:
    messages = [event("tick", number) for number in range(5)]
    assert _leaves(messages, _batching()) == [["tick"]] * 5


def test_a_clock_that_runs_backwards_delays_nothing_into_the_past() -> None:
    messages = [event("tick", number, time_ms=time) for number, time in enumerate([100.0, 50.0, 10.0, 400.0])]
    delays = [
        delay for departure in depart(encode(messages, _batching()), _batching()) for delay in departure.delays_ms
    ]
    assert all(0 <= delay <= 50 for delay in delays)


def test_what_is_no_event_leaves_as_it_was_captured() -> None:
    kept = Kept(None, "(plain)", ('{"a":"\\u0431"}', b"\x01\x02"))
    with spool_of([kept]) as spool:
        count = replay(spool, {"all": Settings(deflate=False, batch=False)})["all"]
    assert (count.frames, count.frame_bytes, count.wire_bytes) == (2, len(kept.parts[0]) + 2, len(kept.parts[0]) + 6)


def test_each_connection_has_a_window_of_its_own() -> None:
    message = event("x", {"text": "the same words in each of them"})
    with spool_of([message]) as spool:
        alone = replay(spool, {"all": Settings()})["all"].wire_bytes
        spool.add(Direction.RECEIVED, 1, message)
        assert replay(spool, {"all": Settings()})["all"].wire_bytes == 2 * alone
        spool.add(Direction.RECEIVED, 1, message)
        assert replay(spool, {"all": Settings()})["all"].wire_bytes < 2.7 * alone


def test_settings_of_one_key_send_the_same_and_are_replayed_once() -> None:
    told: list[int] = []
    same = {"a": Settings(), "b": Settings(gzip_threshold_bytes=1, deflate_threshold_bytes=7, log_threshold_bytes=1)}
    assert key_of(same["a"]) == key_of(same["b"]) != key_of(Settings(gzip=True))
    with spool_of([event("x", 1)]) as spool:
        counts = replay(spool, same, told.append)
    assert counts["a"] == counts["b"]
    assert told == [1]


@hypothesis.given(st.lists(st.tuples(strategies.payloads_with_bytes, st.sampled_from(["tick", "x"])), max_size=8))
def test_the_replay_says_what_was_said(messages: list[tuple[Any, str]]) -> None:
    kept = [event(name, data, time_ms=5.0 * at) for at, (data, name) in enumerate(messages)]
    settings = _batching(gzip=True, gzip_threshold_bytes=50).replace(abbreviate=True)
    encoded = list(encode(kept, settings))
    for before, item in zip(kept, encoded, strict=True):
        assert item.message is not None
        assert before.args is not None
        decoded = [decode_payload(payload.value) for payload in item.message.payloads]
        assert strategies.exactly(decoded) == strategies.exactly(list(before.args))
    leaving = list(depart(encoded, settings))
    assert [id(item) for departure in leaving for item in departure.messages] == list(map(id, encoded))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_spool_gives_back_what_it_was_given(count: int) -> None:
    messages = [Kept(1.5, "x", ("\ud800", b"\x00"), ({"a": [1, None, b"b"]},), "/n", number) for number in range(count)]
    with spool_of(messages) as spool:
        spool.add(Direction.RECEIVED, 9, event("other"))
        spool.add(Direction.SENT, 0, event("sent"))
        assert list(spool.read(Direction.RECEIVED, 0)) == messages
        assert [kept.label for kept in spool.read_all(Direction.RECEIVED)] == ["x"] * count + ["other"]
        assert spool.count(Direction.RECEIVED, 0) == count
        assert spool.payload_bytes(Direction.RECEIVED, 0) == 4 * count

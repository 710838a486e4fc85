"""The replay: the same bytes as a real socket, whatever the settings, and what passes what waits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import hypothesis
import pytest
import strategies
from hypothesis import strategies as st
from real_sites import APART_MS, WINDOW_MS, Emitted, RealSite, played
from websockets.frames import Opcode

from reznet_ws.audit.examine.departures import depart, encode, key_of, replay
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool
from reznet_ws.message.payload import decode_payload
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings


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
        bursts.append([kept._replace(time_ms=number * APART_MS) for kept in burst])
    return bursts


_FIGURES = {"batch_window_ms": WINDOW_MS, "gzip_threshold_bytes": 2000}
_CHOICES = {
    "off": (1, Settings.off()),
    "stock": (1, Settings.stock()),
    "stock clients": (1, Settings(abbreviate=False, batch=False, deflate_window_bits=13, deflate_mem_level=4)),
    "no takeover": (1, Settings.off().replace(deflate=True, deflate_takeover=False, deflate_threshold_bytes=300)),
    "abbreviated": (2, Settings(batch=False, deflate=False, gzip=True, utf8=False, **_FIGURES)),
    "recommended": (2, Settings(**_FIGURES)),
    "everything": (2, Settings(batch=True, gzip=True, deflate_window_bits=10, batch_max_messages=4, **_FIGURES)),
    "seed": (2, Settings.seed().replace(**_FIGURES)),
}


def _emitted(kept: Kept) -> Emitted:
    assert kept.args is not None
    return kept.label, kept.args if len(kept.args) != 1 else kept.args[0], kept.namespace


async def test_every_choice_sends_the_very_bytes_that_a_real_socket_takes() -> None:
    bursts = _bursts()
    messages = [kept for burst in bursts for kept in burst]
    with spool_of(messages) as spool:
        counts = replay(spool, {name: settings for name, (_, settings) in _CHOICES.items()})
    sites = [
        RealSite(settings, wire_format=wire_format, namespaces=("/", "/chat"))
        for wire_format, settings in _CHOICES.values()
    ]
    async with played(sites, [[_emitted(kept) for kept in burst] for burst in bursts]):
        for site, (choice, count) in zip(sites, counts.items(), strict=True):
            computed = {name: getattr(count, name) for name in site.counted}
            assert (choice, site.counted) == (choice, computed)
            assert site.manager.ledger.sent_bytes == count.wire_bytes, "nothing else left the socket"
            assert count.messages == len(messages)
            assert count.by_label.total() == count.wire_bytes
    # The comparison is worth nothing if the choices come to the same.
    assert len({count.wire_bytes for count in counts.values()}) == len(_CHOICES)


# What waits, and what does not


def _batching(**figures: Any) -> Settings:
    return Settings(batch=True, abbreviate=False, batch_events=frozenset({"tick"}), **figures)


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

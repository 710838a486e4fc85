"""The Python client's half: handlers get what the server emitted, whatever way it travelled."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import logging
from collections.abc import Sequence
from typing import Any

import hypothesis
import pytest
import socketio
import strategies as s
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.client.decoder import attach, unpack
from reznet_ws.message.fields import DecodeError
from reznet_ws.message.formats import grant
from reznet_ws.message.packet import Message, Packet, batch_packet, pack
from reznet_ws.message.payload import PayloadOptimizer
from reznet_ws.settings import Settings

SHORT = {"mid": "abc", "c": "hi", "ts": 1761393600000, "_v": 2}
FULL = {"message_id": "abc", "content": "hi", "created_at": "2025-10-25T12:00:00.000Z"}


class Peer:
    """A real client that is fed packets as if a server had sent them, and what its handlers got."""

    def __init__(self, kind: type[socketio.Client] | type[socketio.AsyncClient], **options: Any) -> None:
        self.client = kind()
        self.got: list[Any] = []
        self.errors: list[tuple[str, str]] = []
        self.acks: list[Any] = []
        self._is_async = kind is socketio.AsyncClient
        # The synchronous client's handlers have threads of their own.
        self._threads: list[Any] = []
        if not self._is_async:
            start = self.client.start_background_task
            self.client.start_background_task = lambda *args: self._threads.append(start(*args))
        options.setdefault("on_error", lambda error, event: self.errors.append((event, str(error))))
        assert attach(self.client, **options) is self.client
        self.client._connect_event = self.client.eio.create_event()
        self.client._send_packet = self._send_async if self._is_async else self._send
        for namespace in ("/", "/chat"):
            self.client.on("*", self._handler(namespace), namespace=namespace)

    def _handler(self, namespace: str) -> Any:
        def handler(event: str, *args: Any) -> str:
            self.got.append([namespace, event, *args] if namespace != "/" else [event, *args])
            return "done"

        async def handler_async(event: str, *args: Any) -> str:
            return handler(event, *args)

        return handler_async if self._is_async else handler

    def _send(self, packet: Any) -> None:
        self.acks.append((packet.id, packet.data))

    async def _send_async(self, packet: Any) -> None:
        self._send(packet)

    async def receive(self, packet: Packet | str) -> None:
        """One packet, attachments and all."""
        packet = Packet(packet) if isinstance(packet, str) else packet
        for part in (packet.text, *packet.attachments):
            handled = self.client._handle_eio_message(part)
            if self._is_async:
                await handled
        for thread in self._threads:
            thread.join()

    async def connect(self, query: str | None = "reznet=2", namespace: str = "/") -> None:
        """Connect to a namespace; with a query string, be granted what it asks for."""
        prefix = "" if namespace == "/" else f"{namespace},"
        await self.receive(f'0{prefix}{{"sid":"x"}}')
        granted = grant(query) if query is not None else None
        if granted is not None:
            await self.receive(f"2{prefix}" + json.dumps(["connection_established", granted.announcement()]))
            self.got.pop()

    async def event(self, *data: Any, ack_id: int | None = None, namespace: str = "/") -> None:
        """An event whose arguments are as given."""
        text, attachments = socketio.packet.Packet.deconstruct_binary(list(data))
        prefix = ("" if namespace == "/" else f"{namespace},") + ("" if ack_id is None else str(ack_id))
        kind = f"5{len(attachments)}-" if attachments else "2"
        await self.receive(Packet(f"{kind}{prefix}{json.dumps(text)}", tuple(attachments)))


@pytest.fixture(params=[socketio.Client, socketio.AsyncClient], ids=["Client", "AsyncClient"])
def peer(request: pytest.FixtureRequest) -> Peer:
    return Peer(request.param)


# The law

# python-socketio's client takes an event called "*" for its own catch-all.
handled_names = s.event_names.filter(lambda name: name != "*")
calls = st.tuples(handled_names, st.lists(s.payloads_with_bytes, max_size=2))
small_calls = st.tuples(handled_names, st.lists(s.payloads_with_bytes, max_size=1))
# Each step is one event by itself, or several in a batch.
traffic = st.lists(calls | st.lists(small_calls, min_size=1, max_size=3), max_size=4)


def _encode(call: tuple[str, Sequence[Any]], settings: Settings, namespace: str) -> Message:
    optimizer = PayloadOptimizer(settings)
    event, args = call
    return Message(event, tuple(optimizer.encode(optimizer.encode_plain(arg)) for arg in args), namespace)


def _packet(step: Any, settings: Settings, namespace: str) -> Packet:
    if isinstance(step, list):
        return batch_packet([_encode(call, settings, namespace) for call in step], utf8=settings.utf8)
    return pack([_encode(step, settings, namespace)], utf8=settings.utf8)


@pytest.mark.parametrize("kind", [socketio.Client, socketio.AsyncClient], ids=["Client", "AsyncClient"])
@given(traffic=traffic, namespace=st.sampled_from(["/", "/chat"]))
@hypothesis.settings(max_examples=30)
def test_handlers_get_what_was_emitted_once_and_in_order(
    kind: type[socketio.Client], traffic: list[Any], namespace: str
) -> None:
    expected = []
    for step in traffic:
        for event, args in step if isinstance(step, list) else [step]:
            expected.append([event, *args] if namespace == "/" else [namespace, event, *args])

    async def run() -> None:
        peer = Peer(kind)
        await peer.connect(namespace=namespace)
        for settings in s.ALL_LAYERS:
            peer.got.clear()
            for step in traffic:
                await peer.receive(_packet(step, settings, namespace))
            assert s.exactly(peer.got) == s.exactly(expected)
        assert peer.errors == []

    asyncio.run(run())


# The grant


async def test_nothing_is_decoded_before_the_grant(peer: Peer) -> None:
    await peer.connect(query=None)
    envelope = {"batch": True, "messages": [{"e": "a", "d": 1}]}
    await peer.event("message_new", SHORT)
    await peer.event("message_batch", envelope)
    assert peer.got == [["message_new", SHORT], ["message_batch", envelope]]


async def test_after_the_grant_everything_is_decoded(peer: Peer) -> None:
    await peer.connect()
    await peer.event("message_new", SHORT)
    await peer.event("message_new", SHORT, {"_v": 2, "gz": gzip.compress(b'{"c":1,"_v":2}')}, [1])
    await peer.event("message_batch", {"batch": True, "messages": [{"e": "a", "d": SHORT}, {"e": "b"}]})
    assert peer.got == [["message_new", FULL], ["message_new", FULL, {"content": 1}, [1]], ["a", FULL], ["b"]]


async def test_the_grant_itself_reaches_the_handlers(peer: Peer) -> None:
    await peer.connect(query=None)
    await peer.event("connection_established", {"format": 2, "formats": [1, 2, 3]})
    assert peer.got == [["connection_established", {"format": 2, "formats": [1, 2, 3]}]]


async def test_format_1_granted_leaves_everything_as_it_is(peer: Peer) -> None:
    await peer.connect("reznet=3")
    await peer.event("message_new", SHORT)
    assert peer.got == [["message_new", SHORT]]


@pytest.mark.parametrize("args", [[], [None], [2], [{"format": "2"}], [{"format": 3}], [[2]], [{}]], ids=repr)
async def test_what_is_no_grant_of_format_2_grants_nothing(peer: Peer, args: list[Any]) -> None:
    await peer.connect(query=None)
    await peer.event("connection_established", *args)
    await peer.event("message_new", SHORT)
    assert peer.got == [["connection_established", *args], ["message_new", SHORT]]


async def test_a_grant_counts_for_its_namespace_alone(peer: Peer) -> None:
    await peer.connect()
    await peer.connect(query=None, namespace="/chat")
    await peer.event("message_new", SHORT)
    await peer.event("message_new", SHORT, namespace="/chat")
    assert peer.got == [["message_new", FULL], ["/chat", "message_new", SHORT]]


async def test_a_new_connection_is_granted_nothing_yet(peer: Peer) -> None:
    await peer.connect()
    await peer.connect(query=None)
    await peer.event("message_new", SHORT)
    await peer.connect()
    await peer.event("message_new", SHORT)
    assert peer.got == [["message_new", SHORT], ["message_new", FULL]]


async def test_the_handlers_of_connect_still_run(peer: Peer) -> None:
    connected = []
    peer.client.on("connect", lambda: connected.append(peer.client.namespaces.copy()))
    await peer.connect()
    assert connected == [{"/": "x"}]


async def test_an_answer_goes_back_as_ever(peer: Peer) -> None:
    await peer.connect()
    await peer.event("ask", SHORT, ack_id=7)
    assert peer.got == [["ask", FULL]]
    assert peer.acks == [(7, ["done"])]


async def test_the_hooks_can_be_called_directly(peer: Peer) -> None:
    calls = [
        (peer.client._handle_connect, (None, {"sid": "x"})),
        (peer.client._handle_event, (None, None, ["connection_established", {"format": 2}])),
        (peer.client._handle_event, ("/", None, ["message_new", SHORT])),
    ]
    for function, args in calls:
        result = function(*args)
        if result is not None:
            await result
    assert peer.got[1:] == [["message_new", FULL]]


# Handlers that wait


async def test_a_handler_that_waits_holds_up_no_other_of_its_batch() -> None:
    peer = Peer(socketio.AsyncClient)
    reached = asyncio.Event()
    done = []

    async def wait(_: Any) -> None:
        await reached.wait()
        done.append("waited")

    async def reach(_: Any) -> None:
        reached.set()
        done.append("reached")

    peer.client.on("first", wait)
    peer.client.on("second", reach)
    await peer.connect()
    messages = [{"e": "first", "d": 1}, {"e": "second", "d": 2}]
    async with asyncio.timeout(10):
        await peer.event("message_batch", {"batch": True, "messages": messages})
    assert done == ["reached", "waited"]


async def test_an_answer_from_the_server_comes_after_the_events_before_it() -> None:
    peer = Peer(socketio.AsyncClient)
    await peer.connect()
    peer.client.callbacks["/"] = {5: lambda: peer.got.append("answered")}
    # A task for each packet, as engineio makes them.
    batch = '2["message_batch",{"batch":true,"messages":[{"e":"a"},{"e":"b"}]}]'
    await asyncio.gather(*(peer.client._handle_eio_message(text) for text in (batch, "35[]", '2["c"]')))
    assert peer.got == [["a"], ["b"], "answered", ["c"]]


# What cannot be decoded

FORGED = [
    {"_v": 2, "gz": "no bytes"},
    {"_v": 2, "gz": b"no gzip"},
    {"_v": 2, "ts": "2025"},
    {"_v": 2, "mid": 1, "message_id": 2},
    {"_v": 2, "gz": gzip.compress(b'"' + b"a" * 2000 + b'"', mtime=0)},
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: str(forged)[:40])
@pytest.mark.parametrize("kind", [socketio.Client, socketio.AsyncClient], ids=["Client", "AsyncClient"])
async def test_what_cannot_be_decoded_is_dropped_and_the_rest_goes_on(kind: Any, forged: Any) -> None:
    peer = Peer(kind, max_bytes=1000)
    await peer.connect()
    await peer.event("alone", SHORT, forged)
    entries = [{"e": "before", "d": SHORT}, {"e": "within", "d": forged}, {"e": "after", "d": SHORT}]
    await peer.event("message_batch", {"batch": True, "messages": entries})
    await peer.event("later", SHORT)
    assert peer.got == [["before", FULL], ["after", FULL], ["later", FULL]]
    assert [event for event, _ in peer.errors] == ["alone", "within"]


@pytest.mark.parametrize("envelope", [None, 1, [], {}, {"batch": True, "messages": [{"d": 1}]}], ids=repr)
async def test_a_batch_that_is_none_is_dropped(peer: Peer, envelope: Any) -> None:
    await peer.connect()
    await peer.event("message_batch", envelope)
    await peer.event("later", SHORT)
    assert peer.got == [["later", FULL]]
    assert [event for event, _ in peer.errors] == ["message_batch"]


async def test_a_message_batch_that_asks_for_an_answer_is_an_event_like_any_other(peer: Peer) -> None:
    await peer.connect()
    envelope = {"batch": True, "messages": [{"e": "a"}]}
    await peer.event("message_batch", envelope, ack_id=3)
    assert peer.got == [["message_batch", envelope]]
    assert peer.acks == [(3, ["done"])]


async def test_a_message_batch_with_other_than_one_argument_is_an_event_like_any_other(peer: Peer) -> None:
    await peer.connect()
    await peer.event("message_batch")
    await peer.event("message_batch", SHORT, 1)
    assert peer.got == [["message_batch"], ["message_batch", FULL, 1]]


async def test_a_batch_inside_a_batch_is_an_event_like_any_other(peer: Peer) -> None:
    await peer.connect()
    inner = {"batch": True, "messages": [{"e": "a"}]}
    await peer.event("message_batch", {"batch": True, "messages": [{"e": "message_batch", "d": inner}]})
    assert peer.got == [["message_batch", inner]]


@pytest.mark.parametrize("kind", [socketio.Client, socketio.AsyncClient], ids=["Client", "AsyncClient"])
async def test_by_default_what_is_dropped_goes_to_the_log(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    peer = Peer(kind, on_error=None)
    await peer.connect()
    await peer.event("message_new", FORGED[2])
    assert peer.got == []
    (record,) = [record for record in caplog.records if record.name == "reznet_ws.client"]
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("Event message_new dropped: a timestamp")


# Batches


def test_unpack_gives_the_events_in_order_still_encoded() -> None:
    entries = [{"e": "a", "d": SHORT}, {"e": "b"}, {"e": "a", "d": None}, {"e": "", "d": [], "more": 1}]
    assert unpack({"batch": True, "messages": entries}) == [("a", [SHORT]), ("b", []), ("a", [None]), ("", [[]])]
    assert unpack({"messages": [], "batch": True}) == []


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        [],
        "batch",
        {},
        {"messages": []},
        {"batch": True},
        {"batch": 1, "messages": []},
        {"batch": True, "messages": {}},
        {"batch": True, "messages": [{"e": "a"}, None]},
        {"batch": True, "messages": [["a"]]},
        {"batch": True, "messages": [{"d": 1}]},
        {"batch": True, "messages": [{"e": 1}]},
        {"batch": True, "messages": [{"e": ["a"]}]},
    ],
    ids=repr,
)
def test_what_is_no_batch_is_refused(envelope: Any) -> None:
    before = copy.deepcopy(envelope)
    with pytest.raises(DecodeError, match="batch"):
        unpack(envelope)
    assert envelope == before


@given(s.values_with_bytes | st.fixed_dictionaries({"batch": st.just(True), "messages": s.values_with_bytes}))
def test_anything_in_place_of_a_batch_gives_events_or_a_decode_error(envelope: Any) -> None:
    try:
        events = unpack(envelope)
    except DecodeError:
        return
    assert all(isinstance(event, str) and len(args) <= 1 for event, args in events)

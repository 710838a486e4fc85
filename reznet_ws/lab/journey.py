"""One connection, byte by byte: what the server makes of each message, and what a socket really received.

In: events with their data, settings. Out: the bytes after each step; frames read from a loopback socket.
Never: encodes by code of its own. Every step is the function that the server calls, every frame is inflated by the
`websockets` library.
"""

from __future__ import annotations

import atexit
import itertools
import socket
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from engineio import packet as eio_packet
from socketio import packet as sio_packet
from websockets.client import ClientProtocol
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from reznet_ws.batcher import MessageBatcher
from reznet_ws.chat import ROOM, Application
from reznet_ws.client import unpack
from reznet_ws.deflate import AdjustableDeflateFactory
from reznet_ws.delivery import SharedPacket
from reznet_ws.grants import GRANT_EVENT
from reznet_ws.lab.frames import split_frames
from reznet_ws.ledger import Ledger, Tally
from reznet_ws.optimizer import PayloadOptimizer, decode_payload
from reznet_ws.packets import BATCH_EVENT, Message, batch_packet, event_packet
from reznet_ws.server import ServerThread
from reznet_ws.settings import Settings
from reznet_ws.workload import generate

Event = tuple[str, Any]

READ_TIMEOUT_S = 10
_READ_BYTES = 65_536
_LONGEST_WINDOW_MS = 1000
# What browsers offer: permessage-deflate; client_max_window_bits.
_BROWSER_OFFER = [("client_max_window_bits", None)]

# The seed document's own example.
EXAMPLE: dict[str, Any] = {
    "message_id": "abc-123",
    "channel_id": "xyz-456",
    "author_type": "agent",
    "author_name": "@backend",
    "content": "Response here...",
    "created_at": "2025-10-25T12:00:00.000Z",
    "metadata": {"model": "claude-3", "provider": "anthropic"},
}
# What the same agent says next.
REPLY: dict[str, Any] = {
    **EXAMPLE,
    "message_id": "abc-124",
    "content": "The tests pass. Shall I deploy it?",
    "created_at": "2025-10-25T12:00:07.250Z",
}
# The same sentence twice: "Deployed; all tests have passed."
RUSSIAN = "Развёртывание завершено, все тесты пройдены."
CHINESE = "部署已完成，所有测试均已通过。"


def take(event: str, count: int, mix: str = "chat") -> list[Event]:
    """The first messages of a kind from the lab's seeded traffic."""
    return [(message.event, message.data) for message in _first(count, mix, event)]


def take_any(count: int, mix: str = "chat") -> list[Event]:
    """The first messages of the lab's seeded traffic, of whatever kind."""
    return [(message.event, message.data) for message in _first(count, mix)]


def engineio_packets(events: Sequence[Event], settings: Settings) -> list[str | bytes]:
    """What goes into WebSocket frames: the text of one event, or of several as a batch, and any bytes after it."""
    optimizer = PayloadOptimizer(settings)
    messages = [Message(event, (optimizer.encode(optimizer.encode_plain(data)),)) for event, data in events]
    if len(messages) > 1:
        packet = batch_packet(messages, utf8=settings.utf8)
    else:
        packet = event_packet(messages[0], utf8=settings.utf8)
    uncounted = Tally(Ledger(), ())
    parts: list[str | bytes] = [packet.text, *packet.attachments]
    return [SharedPacket(part, uncounted).encode() for part in parts]


class Link:
    """The server's side of one connection to a browser: its frames, and the deflate window that they fill."""

    def __init__(self, settings: Settings | None = None) -> None:
        # One connection has nobody to share a window with.
        self.settings = (settings or Settings.recommended()).replace(deflate_shared=False)
        try:
            self._extensions = [AdjustableDeflateFactory(self).process_request_params(_BROWSER_OFFER, [])[1]]
        except NegotiationError:  # the layer is off
            self._extensions = []

    def send(self, *events: Event) -> list[bytes]:
        """The frames of one event, or of several as a batch: what the TCP socket gets. The window moves on."""
        return [self._frame(part) for part in engineio_packets(events, self.settings)]

    def _frame(self, part: str | bytes) -> bytes:
        opcode, data = (Opcode.TEXT, part.encode()) if isinstance(part, str) else (Opcode.BINARY, part)
        return Frame(opcode, data).serialize(mask=False, extensions=self._extensions)


def wire_bytes(events: Iterable[Event], settings: Settings, *, before: Iterable[Event] = ()) -> list[int]:
    """How many bytes each event takes at the socket, sent one by one after those `before` it."""
    link = Link(settings)
    for event in before:
        link.send(event)
    return [len(b"".join(link.send(event))) for event in events]


def may_wait(event: Event, settings: Settings) -> bool:
    """Whether an event may be held back: its name says so, and it is small."""
    optimizer = PayloadOptimizer(settings)
    size = optimizer.encode(optimizer.encode_plain(event[1])).gzipped_bytes
    return event[0] in settings.batch_events and size <= settings.batch_max_bytes


def schedule(events: Iterable[tuple[float, Event]], settings: Settings) -> list[tuple[float, tuple[Event, ...]]]:
    """When which events leave together. Units: ms, for when each is emitted and for when it leaves."""
    batcher: MessageBatcher[str, Event] = MessageBatcher(settings)
    left: list[tuple[float, tuple[Event, ...]]] = []
    for now_ms, event in events:
        left += _due_until(batcher, now_ms)
        waits = may_wait(event, settings)
        left += [(now_ms, batch.messages) for batch in batcher.add(["browser"], event, now_ms, may_wait=waits)]
    return left + _due_until(batcher, float("inf"))


def _due_until(batcher: MessageBatcher[str, Event], end_ms: float) -> list[tuple[float, tuple[Event, ...]]]:
    left = []
    while (closes_ms := batcher.closes_ms) is not None and closes_ms <= end_ms:
        left += [(closes_ms, batch.messages) for batch in batcher.due(closes_ms)]
    return left


def decode(received: Iterable[str | bytes]) -> list[Event]:
    """The events in what a WebSocket received, as the server emitted them. Raises: DecodeError."""
    events: list[Event] = []
    packet = None
    for part in received:
        if packet is None:
            assert isinstance(part, str)
            packet = sio_packet.Packet(encoded_packet=eio_packet.Packet(encoded_packet=part).data)
            complete = packet.attachment_count == 0
        else:
            complete = packet.add_attachment(part)
        if complete:
            name, data = packet.data
            inside = unpack(data) if name == BATCH_EVENT else [(name, [data])]
            events += [(event, decode_payload(arg)) for event, (arg,) in inside]
            packet = None
    return events


class Tap:
    """A client on a plain socket that keeps every byte; asks for format 2 and offers what browsers offer.

    It answers no pings, so it is for seconds, not minutes. Raises: TimeoutError, ConnectionError.
    """

    def __init__(self, url: str) -> None:
        address = parse_uri(f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket&reznet=2")
        self._protocol = ClientProtocol(address, extensions=[ClientPerMessageDeflateFactory()], max_size=None)
        self._socket = socket.create_connection((address.host, address.port), READ_TIMEOUT_S)
        self._raw = b""
        self.messages: list[str | bytes] = []
        try:
            self._shake_hands()
            self._join()
        except BaseException:
            self.close()
            raise

    def read(self, count: int) -> list[bytes]:
        """The next frames, as they came. Raises: TimeoutError."""
        while len(frames := split_frames(self._raw)) < count:
            self._receive()
        self._raw = self._raw[sum(map(len, frames[:count])) :]
        return frames[:count]

    def close(self) -> None:
        """Say goodbye and hang up; doing it twice does nothing."""
        if self._socket.fileno() >= 0:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush()
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _shake_hands(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while b"\r\n\r\n" not in self._raw:
            self._receive()
        self.answer, _, self._raw = self._raw.partition(b"\r\n\r\n")

    def _join(self) -> None:
        """Engine.IO's greeting, Socket.IO's, and the grant of format 2; then nothing is on its way."""
        self.read(1)
        self._protocol.send_text(b"40")
        self._flush()
        self.read(2)
        assert GRANT_EVENT in str(self.messages[-1])
        self.messages.clear()

    def _receive(self) -> None:
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the server hung up")
        self._raw += data
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self.messages.append(bytes(event.data).decode() if event.opcode is Opcode.TEXT else bytes(event.data))
            elif isinstance(event, Response) and self._protocol.handshake_exc is not None:
                raise ConnectionError("the handshake failed") from self._protocol.handshake_exc

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)


class Stage:
    """The lab's chat server on a loopback port, with nobody talking but the caller. One at a time: making another
    stops the one before.

    Two things keep the bytes the same every time. The greetings of a connection hold random ids; they go uncompressed,
    with RSV1 clear, so they never enter the window. And a batch is closed by what follows it, not by the clock, which
    on a busy machine might strike in its midst: its window is as long as it may be.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        stop_stage()
        self.settings = (settings or Settings.recommended()).replace(
            deflate_adjustable=True, deflate_shared=False, batch_window_ms=_LONGEST_WINDOW_MS
        )
        self._app = Application(self._silent, simulate=False)
        self._server = ServerThread(self._app, stopping=self._app.chat.close)
        _running.append(self)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def is_running(self) -> bool:
        """Whether the server lives."""
        return self._server.is_running

    def connect(self) -> Tap:
        """A new connection, its window empty."""
        self._set(self._silent)
        tap = Tap(self.url)
        self._set(self.settings)
        return tap

    def emit(self, events: Iterable[Event]) -> None:
        """Emit events to everybody, one right after the other."""

        async def emit_all() -> None:
            for event, data in events:
                await self._app.manager.broadcast(event, data, room=ROOM)

        self._server.submit(emit_all()).result(READ_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the server; doing it twice does nothing."""
        self._server.stop()
        if self in _running:
            _running.remove(self)

    @property
    def _silent(self) -> Settings:
        return self.settings.replace(deflate=False)

    def _set(self, settings: Settings) -> None:
        self._server.call(lambda: setattr(self._app.manager, "settings", settings))


_running: list[Stage] = []


def stop_stage() -> None:
    """Stop the stage that runs, if any."""
    while _running:
        _running[-1].stop()


def _first(count: int, mix: str, event: str | None = None) -> Iterable[Any]:
    messages = generate(1, 20, mix)
    return itertools.islice((message for message in messages if event in (None, message.event)), count)


atexit.register(stop_stage)

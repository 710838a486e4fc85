"""One connection, byte by byte: what the server makes of each message, and what a socket really received.

In: events with their data, settings. Out: the bytes after each step; frames read from a loopback socket.
Never: encodes by code of its own. Every step is the function that the server calls, every frame is inflated by the
`websockets` library.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engineio import packet as eio_packet
from socketio import packet as sio_packet

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.client.decoder import unpack
from reznet_ws.deflate.frame import BINARY, TEXT, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.demo.chat import ROOM, Application
from reznet_ws.lab.clients.listener import Tap
from reznet_ws.lab.running import Running
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.packet import BATCH_EVENT, batch_packet, event_packet
from reznet_ws.message.payload import decode_payload
from reznet_ws.replay.ablation import encode, leave, record
from reznet_ws.settings import Settings

Event = tuple[str, Any]

_TIMEOUT_S = 10
_LONGEST_WINDOW_MS = 1000

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
    return [(message.event, message.data) for message in record(count, mix, event=event)]


def take_any(count: int, mix: str = "chat") -> list[Event]:
    """The first messages of the lab's seeded traffic, of whatever kind."""
    return [(message.event, message.data) for message in record(count, mix)]


def engineio_packets(events: Sequence[Event], settings: Settings) -> list[str | bytes]:
    """What goes into WebSocket frames: the text of one event, or of several as a batch, and any bytes after it."""
    messages = [encode(event, data, settings) for event, data in events]
    if len(messages) > 1:
        packet = batch_packet(messages, utf8=settings.utf8)
    else:
        packet = event_packet(messages[0], utf8=settings.utf8)
    return [f"4{packet.text}", *packet.attachments]


class Link:
    """The server's side of one connection to a browser: its frames, and the deflate window that they fill."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.recommended()
        self._histories = Histories()
        self.inflater = Inflater(self.settings.deflate_window_bits, takeover=self.settings.deflate_takeover)

    def send(self, *events: Event) -> list[bytes]:
        """The frames of one event, or of several as a batch: what the TCP socket gets. The window moves on."""
        return [self._frame(part) for part in engineio_packets(events, self.settings)]

    def _frame(self, part: str | bytes) -> bytes:
        frame = Frame(TEXT, part.encode()) if isinstance(part, str) else Frame(BINARY, part)
        ((wire, _),) = self._histories.frames(frame, [self], self.settings)
        return wire


def wire_bytes(events: Iterable[Event], settings: Settings, *, before: Iterable[Event] = ()) -> list[int]:
    """How many bytes each event takes at the socket, sent one by one after those `before` it."""
    link = Link(settings)
    for event in before:
        link.send(event)
    return [len(b"".join(link.send(event))) for event in events]


def schedule(events: Iterable[tuple[float, Event]], settings: Settings) -> list[tuple[float, tuple[Event, ...]]]:
    """When which events leave together. Units: ms, for when each is emitted and for when it leaves."""
    leaving = leave(events, MessageBatcher(settings), lambda event: encode(*event, settings).may_wait(settings))
    return [(left_ms, tuple(event for _, event in together)) for left_ms, together in leaving]


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


_running = Running()
stop_stage = _running.stop


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
        _running.begin(self)

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

        self._server.submit(emit_all()).result(_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the server; doing it twice does nothing."""
        self._server.stop()
        _running.end(self)

    @property
    def _silent(self) -> Settings:
        return self.settings.replace(deflate=False)

    def _set(self, settings: Settings) -> None:
        self._server.call(lambda: setattr(self._app.manager, "settings", settings))

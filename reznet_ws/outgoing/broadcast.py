"""The way out: from an emitted event to the queues of its receivers.

In: an event and who it is for. Out: Engine.IO packets in each receiver's queue, encoded once per format and batch.
Never: awaits: whatever is emitted is queued in that order, and one slow receiver holds up nobody.

Leans on python-engineio 4.15: `AsyncServer.sockets`, `AsyncSocket.queue` and `closed`; a packet's `encode(b64=True)` is
called once for each receiver on long-polling, in the task that answers its request (`payload.py`).
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import engineio
from engineio import packet as eio_packet
from engineio.async_socket import AsyncSocket

from reznet_ws.adapters.uvicorn import WebSocketProtocol
from reznet_ws.ledger import Ledger, Share, Tally
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.fields import PayloadError
from reznet_ws.message.packet import Message, Packet, envelope_bytes, event_packet, pack
from reznet_ws.message.payload import Payload, PayloadOptimizer
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.outbox import Outbox
from reznet_ws.outgoing.writer import ClearBytes, ClearText, Tallied, TalliedBytes, TalliedText, Writer
from reznet_ws.settings import Settings

logger = logging.getLogger("reznet_ws")

# The parts of a long-polling response while it is being put together: tally, bytes, whether it begins a packet.
polled_parts: contextvars.ContextVar[list[tuple[Tally, int, bool]]] = contextvars.ContextVar("polled_parts")


class SharedPacket(eio_packet.Packet):  # type: ignore[misc]
    """An Engine.IO packet in many queues.

    engineio's own caches one encoding whatever `b64` was, so a binary packet that long-polling and WebSocket clients
    share breaks one or the other (`packet.py`, `encode_cache`); this keeps both apart.
    """

    def __init__(self, data: str | bytes, tally: Tally, *, must_stay_clear: bool = False) -> None:
        super().__init__(eio_packet.MESSAGE, data)
        self._tally = tally
        self._must_stay_clear = must_stay_clear
        self._direct: Tallied | None = None
        self._base64: str | None = None

    @property
    def messages(self) -> int:
        """How many messages it holds."""
        return len(self._tally.shares)

    @property
    def direct(self) -> Tallied:
        """What goes into a WebSocket frame."""
        if self._direct is None:
            if isinstance(self.data, str):
                self._direct = TalliedText(f"{eio_packet.MESSAGE}{self.data}", self._tally)
            else:
                self._direct = TalliedBytes(self.data, self._tally)
            self._direct.frame.must_stay_clear = self._must_stay_clear
        return self._direct

    def encode(self, b64: bool = False) -> str | bytes:
        """What goes into a WebSocket frame, or with `b64` into a long-polling response."""
        direct = self.direct
        if not b64:
            return direct
        if self._base64 is None:
            self._base64 = str(direct) if isinstance(direct, str) else "b" + base64.b64encode(direct).decode()
        size = len(direct.frame.data) if isinstance(direct, TalliedText) else len(self._base64)
        polled_parts.get([]).append((self._tally, size, direct.first))
        return self._base64


class ClearPacket(eio_packet.Packet):  # type: ignore[misc]
    """An Engine.IO packet that is never compressed."""

    def encode(self, b64: bool = False) -> str | bytes:
        """What goes into a WebSocket frame, or with `b64` into a long-polling response."""
        encoded: str | bytes = super().encode(b64)
        if b64:
            return encoded
        return ClearText(encoded) if isinstance(encoded, str) else ClearBytes(encoded)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message in both formats; the short one only where somebody takes it."""

    plain: Message
    short: Message | None


@dataclass(slots=True)
class Audience:
    """Whom a message is for, by format; kept from one message to the next, it is quicker than asking for each."""

    plain_to: Sequence[str]
    short_to: Sequence[str]
    # Of `plain_to`, where all could be written in that generation.
    lines: Sequence[Line] = ()
    generation: int = -1


@dataclass(slots=True)
class SlowReaders:
    """What became of readers slower than what they were sent."""

    closed_connections: int = 0
    skipped_messages: int = 0


class Delivery:
    """Encodes, batches and queues; holds the settings in force."""

    def __init__(
        self, eio: engineio.AsyncServer, packet_class: Any, settings: Settings, on_slow: Callable[[Outbox], object]
    ) -> None:
        """`on_slow` is told of a queue that is full and must not miss anything."""
        self._eio = eio
        self._packet_class = packet_class
        self._batcher: MessageBatcher[str, Outgoing] = MessageBatcher(settings)
        self._optimizer = PayloadOptimizer(settings)
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._log_thread: ThreadPoolExecutor | None = None
        self._on_slow = on_slow
        self.slow_readers = SlowReaders()
        self.ledger = Ledger()
        self.writer = Writer(self, self.ledger, self._tell_admin)
        # Connections that can be written at this moment, as far as that is known.
        self._lines: dict[str, Line] = {}
        # Counts up whenever one of them no longer can.
        self._generation = 0

    @property
    def settings(self) -> Settings:
        """The settings in force; a new record counts from the next message on."""
        return self._batcher.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.flush()
        self._batcher = MessageBatcher(settings)  # whose window has yet to open, since it may be a shorter one
        self._optimizer = PayloadOptimizer(settings)

    def prepare(self, event: str, args: Sequence[Any], namespace: str, *, short: bool, optimize: bool) -> Outgoing:
        """Encode an event, in format 1 and perhaps format 2. Raises: PayloadError, before anything is sent."""
        if not isinstance(event, str):
            raise PayloadError("$", f"has the event name {event!r}, which is not a string")
        try:
            plain = tuple(map(self._optimizer.encode_plain, self._as_json(args)))
            optimizer = self._optimizer
            if not optimize:
                optimizer = PayloadOptimizer(self.settings.replace(abbreviate=False, gzip=False))
            elif len(plain) > 1:
                # Bytes beside one argument would turn what looks like a placeholder in another into bytes.
                optimizer = PayloadOptimizer(self.settings.replace(gzip=False))
            shortened = tuple(map(optimizer.encode, plain)) if short else None
        except PayloadError as error:
            raise PayloadError(error.path, error.reason, event) from None
        except ValueError as error:  # an integer of more digits than Python writes
            raise PayloadError("$", f"has no JSON form: {error}", event) from None
        self._log(event, plain, shortened or plain)
        return Outgoing(
            Message(event, plain, namespace), None if shortened is None else Message(event, shortened, namespace)
        )

    def send(self, outgoing: Outgoing, audience: Audience, batch: bool | None) -> None:
        """Queue for the receivers of format 1, and queue or hold back for those of format 2.

        `batch`: whether it may wait; None leaves it to the settings.
        """
        if audience.plain_to:
            packets = self._single(outgoing.plain, outgoing.plain, None)
            if audience.generation == self._generation:
                self._write(audience.lines, packets)
            else:
                audience.generation = self._generation  # and not what it is after writing
                audience.lines = self._post(audience.plain_to, packets)
                if len(audience.lines) < len(audience.plain_to):
                    audience.generation = -1
        if outgoing.short is not None and audience.short_to:
            short, settings = outgoing.short, self.settings
            may_wait = short.may_wait(settings) if batch is None else batch and short.fits(settings)
            now_ms = asyncio.get_running_loop().time() * 1000
            for group in self._batcher.add(audience.short_to, outgoing, now_ms, may_wait=may_wait):
                self._post_batch(group.receivers, group.messages)
            self._set_timer()

    def send_asking(self, outgoing: Outgoing, receiver: str, ack_id: int, *, short: bool) -> None:
        """Queue an event whose receiver answers; what waits for it goes first."""
        self.flush([receiver])
        message = outgoing.short if short and outgoing.short is not None else outgoing.plain
        self._post([receiver], self._single(message, outgoing.plain, ack_id))

    def flush(self, receivers: Iterable[str] | None = None) -> None:
        """Queue what is held back, for some receivers or for all."""
        for group in self._batcher.flush(receivers):
            self._post_batch(group.receivers, group.messages)

    def connect(self, receiver: str, connection: WebSocketProtocol, socket: AsyncSocket) -> None:
        """A receiver's WebSocket, once its socket is upgraded."""
        socket.queue.connect(connection, socket, lambda: self._forget_line(receiver))

    def discard(self, receiver: str) -> None:
        """Forget a receiver that is gone."""
        self._batcher.discard(receiver)
        self._forget_line(receiver)

    def close(self) -> None:
        """Queue what is held back and stop the timer."""
        self.flush()
        self.writer.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._log_thread is not None:
            self._log_thread.shutdown()
            self._log_thread = None

    def _as_json(self, args: Sequence[Any]) -> Sequence[Any]:
        """What an application's own `json=` makes of values that JSON lacks."""
        codec = self._packet_class.json
        if codec is engineio.json:
            return args
        data, attachments = self._packet_class.deconstruct_binary(list(args))
        restored = self._packet_class.reconstruct_binary(json.loads(codec.dumps(data)), attachments)
        return cast(list[Any], restored)

    def _set_timer(self) -> None:
        closes_ms = self._batcher.closes_ms
        # A loop that ended took its timers along.
        if closes_ms is not None and (self._timer is None or self._loop.is_closed()):
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_at(closes_ms / 1000, self._window_closed)

    def _window_closed(self) -> None:
        self._timer = None
        # The window may have moved since the timer was set, and clocks may fire a little early.
        for group in self._batcher.due(asyncio.get_running_loop().time() * 1000):
            self._post_batch(group.receivers, group.messages)
        self._set_timer()

    def _post_batch(self, receivers: Sequence[str], batch: Sequence[Outgoing]) -> None:
        run: list[Outgoing] = []
        for outgoing in batch:
            if run and outgoing.plain.namespace != run[0].plain.namespace:
                self._post(receivers, self._together(run))
                run = []
            run.append(outgoing)
        self._post(receivers, self._together(run))

    def _together(self, run: Sequence[Outgoing]) -> list[SharedPacket]:
        short = [outgoing.short or outgoing.plain for outgoing in run]
        shares = [
            _share(message, outgoing.plain, _weight(message)) for message, outgoing in zip(short, run, strict=True)
        ]
        return self._wrap(pack(short, utf8=self.settings.utf8), shares)

    def _single(self, message: Message, plain: Message, ack_id: int | None) -> list[SharedPacket]:
        packet = event_packet(message, utf8=self.settings.utf8, ack_id=ack_id)
        return self._wrap(packet, [_share(message, plain, 1, ack_id)])

    def _wrap(self, packet: Packet, shares: Sequence[Share]) -> list[SharedPacket]:
        tally = Tally(self.ledger, shares)
        parts: list[str | bytes] = [packet.text, *packet.attachments]
        secret = any(share.event in self.settings.never_compress for share in shares)
        return [SharedPacket(part, tally, must_stay_clear=secret) for part in parts]

    def _post(self, receivers: Sequence[str], packets: Sequence[SharedPacket]) -> Sequence[Line]:
        """Write to those who can be written, and queue for the others; gives the lines that are known from before."""
        known = self._lines
        lines = [line for receiver in receivers if (line := known.get(receiver)) is not None]
        found: list[Line] = []
        outboxes: list[Outbox] = []
        if len(lines) < len(receivers):
            found, outboxes = self._find_lines([receiver for receiver in receivers if receiver not in known])
        self._write([*lines, *found] if found else lines, packets)
        for outbox in outboxes:
            if outbox.has_room(packets):
                for packet in packets:
                    outbox.put_nowait(packet)
            elif self.settings.skip_slow_readers:
                self.slow_readers.skipped_messages += packets[0].messages
            else:
                self._on_slow(outbox)
        return lines

    def _write(self, lines: Sequence[Line], packets: Sequence[SharedPacket]) -> None:
        for packet in packets:
            self.writer.write(packet.direct, lines)

    def _forget_line(self, receiver: str) -> None:
        if self._lines.pop(receiver, None) is not None:
            self._generation += 1

    def _find_lines(self, receivers: Iterable[str]) -> tuple[list[Line], list[Outbox]]:
        """The receivers that can be written, and the queues of the others."""
        lines, outboxes = [], []
        for receiver in receivers:
            socket = self._eio.sockets.get(receiver)
            if socket is None or socket.closed:
                continue
            connection = socket.queue.direct
            if connection is None:
                outboxes.append(socket.queue)
                continue
            lines.append(connection.line)
            if not socket.closing:
                self._lines[receiver] = connection.line
        return lines, outboxes

    def _tell_admin(self, packets: int, size: int) -> None:
        """What python-socketio's Admin UI shows; it counts what engineio sends, and this went past it."""
        counts = getattr(getattr(self._eio.handlers["connect"], "__self__", None), "event_buffer", None)
        if counts is not None:
            counts.push("packetsOut", packets)
            counts.push("bytesOut", size)

    def _log(self, event: str, before: Sequence[Payload], after: Sequence[Payload]) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        plain_bytes = sum(payload.plain_bytes for payload in before)
        if plain_bytes <= self.settings.log_threshold_bytes:
            return
        sent_bytes = sum(payload.gzipped_bytes for payload in after)
        percent = 100 * (1 - sent_bytes / plain_bytes)
        if self._log_thread is None:  # a handler that writes to a disk must not hold up the loop
            self._log_thread = ThreadPoolExecutor(1, "reznet-log")
        line = "Payload %s: %dB -> %dB (%.1f%% reduction)"
        self._log_thread.submit(logger.info, line, event, plain_bytes, sent_bytes, percent)


def _weight(message: Message) -> int:
    return len(message.event) + sum(payload.gzipped_bytes for payload in message.payloads)


def _share(message: Message, plain: Message, weight: int, ack_id: int | None = None) -> Share:
    plain_bytes = abbreviated_bytes = encoded_bytes = gzipped_bytes = 0
    for payload in message.payloads:
        plain_bytes += payload.plain_bytes
        abbreviated_bytes += payload.abbreviated_bytes
        encoded_bytes += payload.encoded_bytes
        gzipped_bytes += payload.gzipped_bytes
    off_frame_bytes = _off_frame_bytes(plain, ack_id)
    return Share(message.event, plain_bytes, abbreviated_bytes, encoded_bytes, gzipped_bytes, off_frame_bytes, weight)


def _off_frame_bytes(plain: Message, ack_id: int | None) -> tuple[int, ...]:
    """The WebSocket payloads that stock python-socketio would send for a message."""
    size = 1 + envelope_bytes(plain, ack_id)
    for payload in plain.payloads:
        if payload.text is None:
            packet = event_packet(plain, utf8=False, ack_id=ack_id)
            return (1 + len(packet.text), *map(len, packet.attachments))
        size += 1 + payload.plain_bytes
    return (size,)

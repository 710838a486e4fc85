"""What a connection is sent under other settings, message by message, by the server's own code.

In: one connection's messages, settings. Out: packets when they leave, and what each takes on the wire.
Never: opens a socket, reads a clock, or holds a connection's messages.

The bytes are those of a window of its own, and of a shared one whose members are all sent the same: then everybody's
window holds what this one does (`window.py`). Acks, pings and plain frames pass what waits in a batch, as they do in
the server, where they do not come from the manager. Without a clock in the capture nothing can wait.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool, book
from reznet_ws.ledger import apportion
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.packet import Message, event_packet, pack
from reznet_ws.message.payload import PayloadOptimizer
from reznet_ws.replay.ablation import closing
from reznet_ws.replay.link import Link, frames_of
from reznet_ws.replay.spread import percentile
from reznet_ws.settings import Settings

_RECEIVER = 0


class Key(NamedTuple):
    """What of the settings decides about a connection's bytes; other fields may differ and change nothing."""

    encoding: tuple[object, ...]
    waiting: tuple[object, ...] | None
    deflate: tuple[object, ...] | None


def key_of(settings: Settings) -> Key:
    """Settings of one key send the same bytes."""
    s = settings
    gzip = (s.gzip_threshold_bytes, s.gzip_level, s.gzip_max_ratio) if s.gzip else None
    waiting = (s.batch_window_ms, s.batch_max_messages, s.batch_max_bytes, s.batch_events) if s.batch else None
    threshold = None if s.deflate_takeover else s.deflate_threshold_bytes
    deflate = (s.deflate_window_bits, s.deflate_mem_level, threshold) if s.deflate else None
    return Key((s.abbreviate, s.utf8, gzip, format_of(s)), waiting, deflate)


def format_of(settings: Settings) -> int:
    """The format that these settings need the clients to understand: 1 is what any stock client takes."""
    return 2 if settings.abbreviate or settings.gzip or settings.batch else 1


class EncodedMessage(NamedTuple):
    """A message that is ready to leave; `message` is None for what leaves as it was captured."""

    kept: Kept
    message: Message | None


class Departure(NamedTuple):
    """What leaves together: frames before compression, the messages in them, and for how long each was held back."""

    frames: list[tuple[int, bytes]]
    messages: list[EncodedMessage]
    delays_ms: list[float]


def encode(messages: Iterable[Kept], settings: Settings) -> Iterator[EncodedMessage]:
    """Layers 1 and 3, as `Delivery.prepare` has them."""
    optimizer = PayloadOptimizer(settings)
    is_plain = format_of(settings) == 1
    # Bytes beside one argument would turn what looks like a placeholder in another into bytes.
    without_gzip = PayloadOptimizer(settings.replace(gzip=False))
    for kept in messages:
        # What socket.io-msgpack-parser encoded is no text of ours.
        if kept.args is None or isinstance(kept.parts[0], bytes):
            yield EncodedMessage(kept, None)
            continue
        chosen = optimizer if len(kept.args) <= 1 else without_gzip
        payloads = tuple(map(chosen.encode_plain, kept.args))
        if not is_plain:
            payloads = tuple(map(chosen.encode, payloads))
        yield EncodedMessage(kept, Message(kept.label, payloads, kept.namespace))


def depart(encoded: Iterable[EncodedMessage], settings: Settings) -> Iterator[Departure]:
    """Layer 4: what leaves together, and when."""
    batcher: MessageBatcher[int, tuple[float, EncodedMessage]] = MessageBatcher(settings)
    now_ms = 0.0
    for item in encoded:
        kept, message = item
        now_ms = max(now_ms, kept.time_ms or 0)
        for closes_ms, together in closing(batcher, now_ms):
            yield from pack_together(together, closes_ms, settings)
        if message is None:
            yield Departure(kept.frames, [item], [0.0])
        elif not settings.batch:
            yield _pack([(now_ms, item)], now_ms, settings)
        else:
            may_wait = kept.time_ms is not None and kept.ack_id is None and message.may_wait(settings)
            for batch in batcher.add((_RECEIVER,), (now_ms, item), now_ms, may_wait=may_wait):
                yield from pack_together(batch.messages, now_ms, settings)
    for closes_ms, together in closing(batcher, float("inf")):
        yield from pack_together(together, closes_ms, settings)


def pack_together(
    together: Sequence[tuple[float, EncodedMessage]], now_ms: float, settings: Settings
) -> Iterator[Departure]:
    """What left a batcher, in packets of one namespace each."""
    for _, run in itertools.groupby(together, key=lambda timed: timed[1].kept.namespace):
        yield _pack(list(run), now_ms, settings)


def _pack(timed: Sequence[tuple[float, EncodedMessage]], now_ms: float, settings: Settings) -> Departure:
    items = [item for _, item in timed]
    messages = [item.message for item in items if item.message is not None]
    ack_id = items[0].kept.ack_id
    # Who asks for an answer waits for nothing; and a stock client opens no envelope.
    if ack_id is not None or format_of(settings) == 1:
        packet = event_packet(messages[0], utf8=settings.utf8, ack_id=ack_id)
    else:
        packet = pack(messages, utf8=settings.utf8)
    return Departure(frames_of(packet), items, [round(now_ms - emitted_ms, 1) for emitted_ms, _ in timed])


@dataclass(slots=True)
class Count:
    """What some connections were sent. Units: bytes; `delays_ms` to a tenth of a ms, with how often each came."""

    messages: int = 0
    frames: int = 0
    frame_bytes: int = 0
    wire_bytes: int = 0
    delays_ms: Counter[float] = field(default_factory=Counter)
    # Wire bytes by label; of a batch each message has its part by its size.
    by_label: Counter[str] = field(default_factory=Counter)

    def add(self, departure: Departure, wire_bytes: int) -> None:
        """Add what left together."""
        self.messages += len(departure.messages)
        self.frames += len(departure.frames)
        self.frame_bytes += sum(len(data) for _, data in departure.frames)
        self.wire_bytes += wire_bytes
        for delay_ms in departure.delays_ms:
            self.delays_ms[delay_ms] += 1
        if len(departure.messages) == 1:
            book(self.by_label, departure.messages[0].kept.label, wire_bytes)
            return
        parts = apportion(wire_bytes, [_weight(item) for item in departure.messages])
        for item, part in zip(departure.messages, parts, strict=True):
            book(self.by_label, item.kept.label, part)

    def delay_ms(self, percent: float) -> float:
        """The least added delay that `percent` of the messages do not exceed."""
        return percentile(self.delays_ms.elements(), percent)


def _weight(item: EncodedMessage) -> int:
    payloads = item.message.payloads if item.message is not None else ()
    return len(item.kept.label) + sum(payload.gzipped_bytes for payload in payloads)


def replay(
    spool: Spool,
    choices: Mapping[str, Settings],
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Count]:
    """Everything that the server sent, under several settings; name -> count.

    `progress` is told how many messages of how many choices are done, those of one key once.
    """
    counts: dict[Key, Count] = {}
    # What is encoded and batched alike is encoded and batched once.
    alike: dict[tuple[object, ...], dict[Key, Settings]] = {}
    for settings in choices.values():
        key = key_of(settings)
        counts[key] = Count()
        alike.setdefault(key[:2], {})[key] = settings
    for connection in spool.connections(Direction.RECEIVED):
        for group in alike.values():
            settings = next(iter(group.values()))
            lines = [(counts[key], Link(settings)) for key, settings in group.items()]
            messages = spool.read(Direction.RECEIVED, connection)
            for departure in depart(encode(messages, settings), settings):
                for count, line in lines:
                    wire_bytes = sum(line.carry(opcode, data) for opcode, data in departure.frames)
                    count.add(departure, wire_bytes)
                progress(len(lines) * len(departure.messages))
    return {name: counts[key_of(settings)] for name, settings in choices.items()}

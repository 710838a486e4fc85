"""Every subset of the layers on one recorded trace: what each is worth alone, with the others, and left out.

In: a trace (event, data, offset) as one client receives it. Out: exact bytes, frames and delays for each subset.
Never: opens a socket or reads a clock: time is the trace's own, so the same trace gives the same figures, and they are
what a socket carries.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reznet_ws.deflate.frame import BINARY, TEXT, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.demo.workload import Mix, TraceEvent, generate
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.packet import Message, Packet, pack
from reznet_ws.message.payload import PayloadOptimizer
from reznet_ws.settings import Settings

LAYERS = ("abbreviate", "utf8", "gzip", "batch", "deflate")

Item = TypeVar("Item")
Subset = frozenset[str]
# When a message was emitted, and the message.
Timed = tuple[float, Message]
Batcher = MessageBatcher[int, Timed]
_RECEIVER = 0
_DECIMALS = 3  # of a delay: times are sums, and their differences not quite what was added
_MESSAGE_PREFIX = "4"  # Engine.IO's packet type


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one client was sent. Units: bytes at the socket, without the handshake; delays in ms, one a message."""

    messages: int
    frames: int
    frame_bytes: int
    wire_bytes: int
    delays_ms: tuple[float, ...]

    @property
    def bytes_per_message(self) -> float:
        """The mean over all messages."""
        return self.wire_bytes / self.messages

    def delay_ms(self, percent: float) -> float:
        """The least added delay that `percent` of the messages do not exceed (nearest rank)."""
        return percentile(self.delays_ms, percent)


def record(
    count: int, mix: Mix | str = "chat", seed: int = 1, *, event: str | None = None, rate_per_s: float = 20
) -> list[TraceEvent]:
    """The first messages of the lab's seeded traffic, or of those of one kind, as a trace."""
    messages = generate(seed, rate_per_s, mix)
    return list(itertools.islice((message for message in messages if event in (None, message.event)), count))


def ablate(
    trace: Sequence[TraceEvent],
    figures: Settings | None = None,
    layers: Sequence[str] = LAYERS,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Subset, Outcome]:
    """Replay a trace through every subset of some layers; the other layers are off, all figures as in `figures`.

    `progress` is told how many of how many subsets are done. Raises: ValueError for what is no layer.
    """
    figures = figures or Settings()
    outcomes: dict[Subset, Outcome] = {}
    everything = subsets(layers)
    switched = {subset: switch(figures, subset) for subset in everything}
    # Subsets that differ in what is done to whole messages only, by batching or deflate, share their encoding.
    groups: dict[Subset, list[Subset]] = {}
    for subset in everything:
        groups.setdefault(subset - {"batch", "deflate"}, []).append(subset)
    for encoders, group in groups.items():
        encoded = _encode(trace, switched[encoders])
        for subset in group:
            outcomes[subset] = _send(encoded, switched[subset])
            if progress is not None:
                progress(len(outcomes), len(everything))
    return {subset: outcomes[subset] for subset in everything}


def switch(figures: Settings, subset: Iterable[str]) -> Settings:
    """The same figures with just these layers on. Raises: ValueError for what is no layer."""
    subset = frozenset(subset)
    if unknown := sorted(subset.difference(LAYERS)):
        raise ValueError(f"{', '.join(unknown)}: no such layer; there are {', '.join(LAYERS)}")
    return figures.replace(**{layer: layer in subset for layer in LAYERS})


def subsets(layers: Iterable[str]) -> list[Subset]:
    """All subsets, the smaller first."""
    layers = tuple(layers)
    return [frozenset(some) for size in range(len(layers) + 1) for some in itertools.combinations(layers, size)]


def replay(trace: Iterable[TraceEvent], settings: Settings, batcher: Batcher | None = None) -> Outcome:
    """What a client of format 2 that offered permessage-deflate is sent for a trace, by the server's own code."""
    return _send(_encode(trace, settings), settings, batcher)


def leave(
    timed: Iterable[tuple[float, Item]],
    batcher: MessageBatcher[int, tuple[float, Item]],
    may_wait: Callable[[Item], bool],
) -> Iterator[tuple[float, tuple[tuple[float, Item], ...]]]:
    """When which items leave together. Units: ms, for when each was emitted and for when it leaves."""
    for emitted_ms, item in timed:
        yield from closing(batcher, emitted_ms)
        for batch in batcher.add((_RECEIVER,), (emitted_ms, item), emitted_ms, may_wait=may_wait(item)):
            yield emitted_ms, batch.messages
    yield from closing(batcher, math.inf)


def shapley(values: Mapping[Subset, float]) -> dict[str, float]:
    """Each layer's fair share: what adding it changes, averaged over all orders in which layers can be added.

    Shape: every subset -> its value; the shares add up to the value of all layers less that of none, exactly where
    the values are whole numbers, but for the last division. Raises: ValueError where a subset is missing.
    Source: L. S. Shapley, A Value for n-Person Games, 1953.
    """
    layers = sorted(frozenset().union(*values))
    count = len(layers)
    if len(values) != 2**count:
        raise ValueError(f"{len(values)} values; {count} layers have {2**count} subsets")
    orders = [math.factorial(size) * math.factorial(count - size - 1) for size in range(count)]
    return {
        layer: sum(
            (values[subset | {layer}] - value) * orders[len(subset)]
            for subset, value in values.items()
            if layer not in subset
        )
        / math.factorial(count)
        for layer in layers
    }


def percentile(values: Iterable[float], percent: float) -> float:
    """The least value that `percent` of them do not exceed (nearest rank). Raises: ValueError where there is none."""
    ordered = sorted(values)
    if not ordered or not 0 <= percent <= 100:
        raise ValueError(f"no {percent!r}th percentile of {len(ordered)} values")
    return ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]


def encode(event: str, data: Any, settings: Settings) -> Message:
    """An event as the server encodes it for a client of format 2."""
    optimizer = PayloadOptimizer(settings)
    return Message(event, (optimizer.encode(optimizer.encode_plain(data)),))


def _encode(trace: Iterable[TraceEvent], settings: Settings) -> list[Timed]:
    return [(recorded.offset_ms, encode(recorded.event, recorded.data, settings)) for recorded in trace]


def _send(encoded: Iterable[Timed], settings: Settings, batcher: Batcher | None = None) -> Outcome:
    line = Line(settings)
    waits = (lambda message: message.may_wait(settings)) if settings.batch else (lambda _: False)
    for now_ms, together in leave(encoded, batcher or MessageBatcher(settings), waits):
        line.send(together, now_ms)
    return line.outcome()


def closing(
    batcher: MessageBatcher[int, tuple[float, Item]], until_ms: float
) -> Iterator[tuple[float, tuple[tuple[float, Item], ...]]]:
    """What leaves because its window closes before a time."""
    while (closes_ms := batcher.closes_ms) is not None and closes_ms < until_ms:
        for batch in batcher.due(closes_ms):
            yield closes_ms, batch.messages


class Line:
    """One connection's outgoing side, counted."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._histories = Histories()
        self.inflater = Inflater(settings.deflate_window_bits, takeover=settings.deflate_takeover)
        self._frames = self._frame_bytes = self._wire_bytes = 0
        self._delays_ms: list[float] = []

    def send(self, together: Sequence[Timed], now_ms: float) -> None:
        """Count what leaves together, packed."""
        self._delays_ms += [round(now_ms - emitted_ms, _DECIMALS) for emitted_ms, _ in together]
        for opcode, data in frames_of(pack([message for _, message in together], utf8=self.settings.utf8)):
            self.carry(opcode, data)

    def carry(self, opcode: int, data: bytes) -> int:
        """Count one frame; the bytes that it takes at the socket."""
        ((wire, _),) = self._histories.frames(Frame(opcode, data), [self], self.settings)
        wire_bytes = len(wire)
        self._frames += 1
        self._frame_bytes += len(data)
        self._wire_bytes += wire_bytes
        return wire_bytes

    def outcome(self) -> Outcome:
        """What was counted so far."""
        delays_ms = tuple(self._delays_ms)
        return Outcome(len(delays_ms), self._frames, self._frame_bytes, self._wire_bytes, delays_ms)


def frames_of(packet: Packet) -> list[tuple[int, bytes]]:
    """A packet as WebSocket frames, before any compression: its text, then each attachment."""
    frames = [(TEXT, f"{_MESSAGE_PREFIX}{packet.text}".encode())]
    return frames + [(BINARY, attachment) for attachment in packet.attachments]

"""Every subset of the layers on one recorded trace: what each is worth alone, with the others, and left out.

In: a trace, as one client receives it. Out: exact bytes, frames and delays for each subset.
Never: opens a socket.
Never: reads a clock: time is the trace's own, so the same trace gives the same figures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reznet_ws.demo.workload import TraceEvent
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.packet import Message, pack
from reznet_ws.replay.link import Link, encode, frames_of
from reznet_ws.replay.spread import percentile
from reznet_ws.replay.trace import Event
from reznet_ws.settings import Settings

LAYERS = ("abbreviate", "utf8", "gzip", "batch", "deflate")

Item = TypeVar("Item")
Subset = frozenset[str]
# When a message was emitted, and the message.
Timed = tuple[float, Message]
Batcher = MessageBatcher[int, Timed]
_RECEIVER = 0
_DECIMALS = 3  # of a delay: times are sums, and their differences not quite what was added


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


def schedule(events: Iterable[tuple[float, Event]], settings: Settings) -> list[tuple[float, tuple[Event, ...]]]:
    """When which events leave together. Units: ms, for when each is emitted and for when it leaves."""
    leaving = leave(events, MessageBatcher(settings), lambda event: encode(*event, settings).may_wait(settings))
    return [(left_ms, tuple(event for _, event in together)) for left_ms, together in leaving]


def percent(before: float, after: float) -> float:
    """What is saved of what was there before, in %."""
    return 100 * (1 - after / before)


def saving_percent(trace: Sequence[TraceEvent], settings: Settings, base: Settings | None = None) -> float:
    """What settings save of the bytes at the socket, in % of what the base (by default no layer) sends."""
    return percent(replay(trace, base or Settings.off()).wire_bytes, replay(trace, settings).wire_bytes)


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


def _encode(trace: Iterable[TraceEvent], settings: Settings) -> list[Timed]:
    return [(recorded.offset_ms, encode(recorded.event, recorded.data, settings)) for recorded in trace]


def _send(encoded: Iterable[Timed], settings: Settings, batcher: Batcher | None = None) -> Outcome:
    link, frames, frame_bytes, wire_bytes = Link(settings), 0, 0, 0
    delays_ms: list[float] = []
    waits = (lambda message: message.may_wait(settings)) if settings.batch else (lambda _: False)
    for now_ms, together in leave(encoded, batcher or MessageBatcher(settings), waits):
        delays_ms += [round(now_ms - emitted_ms, _DECIMALS) for emitted_ms, _ in together]
        for opcode, data in frames_of(pack([message for _, message in together], utf8=settings.utf8)):
            frames += 1
            frame_bytes += len(data)
            wire_bytes += link.carry(opcode, data)
    return Outcome(len(delays_ms), frames, frame_bytes, wire_bytes, tuple(delays_ms))


def closing(
    batcher: MessageBatcher[int, tuple[float, Item]], until_ms: float
) -> Iterator[tuple[float, tuple[tuple[float, Item], ...]]]:
    """What leaves because its window closes before a time."""
    while (closes_ms := batcher.closes_ms) is not None and closes_ms < until_ms:
        for batch in batcher.due(closes_ms):
            yield closes_ms, batch.messages

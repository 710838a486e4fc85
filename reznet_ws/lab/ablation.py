"""Every subset of the layers on one recorded trace: what each is worth alone, with the others, and left out.

In: a trace (event, data, offset) as one client receives it. Out: exact bytes, frames and delays for each subset.
Never: opens a socket or reads a clock: time is the trace's own, so the same trace gives the same figures, and they are
what a socket carries.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from reznet_ws.batcher import Batch, MessageBatcher
from reznet_ws.deflate import AdjustableDeflate
from reznet_ws.ledger import header_bytes
from reznet_ws.optimizer import PayloadOptimizer
from reznet_ws.packets import Message, Packet, pack
from reznet_ws.settings import Settings
from reznet_ws.workload import Message as Recorded

LAYERS = ("abbreviate", "utf8", "gzip", "batch", "deflate")

Subset = frozenset[str]
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


def ablate(
    trace: Sequence[Recorded],
    figures: Settings | None = None,
    layers: Sequence[str] = LAYERS,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Subset, Outcome]:
    """Replay a trace through every subset of some layers; the other layers are off, all figures as in `figures`."""
    figures = figures or Settings()
    everything = subsets(layers)
    outcomes = {}
    for subset in everything:
        switches = {layer: layer in subset for layer in LAYERS}
        outcomes[subset] = replay(trace, figures.replace(**switches))
        if progress is not None:
            progress(len(outcomes), len(everything))
    return outcomes


def subsets(layers: Iterable[str]) -> list[Subset]:
    """All subsets, the smaller first."""
    layers = tuple(layers)
    return [frozenset(some) for size in range(len(layers) + 1) for some in itertools.combinations(layers, size)]


def replay(trace: Iterable[Recorded], settings: Settings) -> Outcome:
    """What a client of format 2 that offered permessage-deflate is sent for a trace, by the server's own code."""
    optimizer = PayloadOptimizer(settings)
    batcher: MessageBatcher[int, tuple[float, Message]] = MessageBatcher(settings)
    line = _Line(settings)
    for recorded in trace:
        while batcher.closes_ms is not None and batcher.closes_ms < recorded.offset_ms:
            closed_ms = batcher.closes_ms
            line.send(batcher.due(closed_ms), closed_ms)
        message = Message(recorded.event, (optimizer.encode(optimizer.encode_plain(recorded.data)),))
        may_wait = message.may_wait(settings)
        now_ms = recorded.offset_ms
        line.send(batcher.add((0,), (now_ms, message), now_ms, may_wait=may_wait), now_ms)
    while batcher.closes_ms is not None:
        closed_ms = batcher.closes_ms
        line.send(batcher.due(closed_ms), closed_ms)
    return line.outcome()


def shapley(values: Mapping[Subset, float]) -> dict[str, float]:
    """Each layer's fair share: what adding it changes, averaged over all orders in which layers can be added.

    The shares add up to the value of all layers less that of none. Source: L. S. Shapley, A Value for n-Person Games,
    1953.
    """
    layers = sorted(frozenset().union(*values))
    count = len(layers)
    shares = {}
    for layer in layers:
        shares[layer] = math.fsum(
            (values[subset | {layer}] - value)
            * math.factorial(len(subset))
            * math.factorial(count - len(subset) - 1)
            / math.factorial(count)
            for subset, value in values.items()
            if layer not in subset
        )
    return shares


class _Line:
    """One connection's outgoing side, counted."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        no_takeover = not settings.deflate_takeover
        negotiated = PerMessageDeflate(False, no_takeover, 15, settings.deflate_window_bits)
        self._deflate = AdjustableDeflate(negotiated, self)
        self._frames = self._frame_bytes = self._wire_bytes = 0
        self._delays_ms: list[float] = []

    def send(self, batches: Iterable[Batch[int, tuple[float, Message]]], now_ms: float) -> None:
        for batch in batches:
            self._delays_ms += [now_ms - emitted_ms for emitted_ms, _ in batch.messages]
            self._write(pack([message for _, message in batch.messages], utf8=self.settings.utf8))

    def _write(self, packet: Packet) -> None:
        parts = [(Opcode.TEXT, f"{_MESSAGE_PREFIX}{packet.text}".encode())]
        parts += [(Opcode.BINARY, attachment) for attachment in packet.attachments]
        for opcode, data in parts:
            sent = len(self._deflate.encode(Frame(opcode, data)).data)
            self._frames += 1
            self._frame_bytes += len(data)
            self._wire_bytes += sent + header_bytes(sent)

    def outcome(self) -> Outcome:
        delays_ms = tuple(self._delays_ms)
        return Outcome(len(delays_ms), self._frames, self._frame_bytes, self._wire_bytes, delays_ms)
